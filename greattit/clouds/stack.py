"""The season of one window as plain arrays in order of time: `Stack`. What the detector and the network look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from greattit.types import Cube

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
"""Bands that are looked at, in their order everywhere in this room."""

CLEAR, CLOUD, SHADOW, SNOW, NO_DATA = range(5)
"""Values of the mask."""
NAMES = ("clear", "cloud", "shadow", "snow", "no data")

SCL_CLEAR = (2, 4, 5, 6, 7)
"""Classes of Sen2Cor's scene classification that show the ground (as `tiles.CLEAR_CLASSES`)."""
SCL_CLOUD = (8, 9, 10)
SCL_SHADOW, SCL_SNOW, SCL_UNCLASSIFIED = 3, 11, 7


@dataclass(frozen=True, eq=False)
class Stack:
    """Looks at one window, in order of time."""

    days: NDArray[np.float64]
    """(t,) [day] since 1970, ascending"""
    values: NDArray[np.float32]
    """(band, t, y, x) reflectance 0-1 of BANDS; 0 where not seen"""
    seen: NDArray[np.bool_]
    """(t, y, x) all bands hold data, and the classification does not say otherwise"""
    scl: NDArray[np.uint8]
    """(t, y, x) scene classification; 7 (unclassified) everywhere when there is none"""

    classified: bool = True
    """whether the scene classification of the whole window says anything at all"""

    def band(self, name: str) -> NDArray[np.float32]:
        """Return one band (t, y, x)."""
        values: NDArray[np.float32] = self.values[BANDS.index(name)]
        return values


def lacking(cube: Cube) -> tuple[str, ...]:
    """Return the bands that this room needs and the cube does not have."""
    return tuple(name for name in BANDS if name not in cube)


def stacked(cube: Cube) -> tuple[Stack, NDArray[np.intp]]:
    """Return the cube's looks in order of time, and that order: look k of the stack is `cube.time[order[k]]`.

    Looks of one instant are put in an order of their own counts, so that their order in the cube changes nothing.
    """
    times = cube["time"].values.astype("datetime64[ns]")
    order = np.argsort(times, kind="stable")
    if len(np.unique(times)) < len(times):
        sums = [cube["B02"].values[k].tobytes() for k in range(len(times))]
        order = np.array(sorted(range(len(times)), key=lambda k: (times[k], sums[k])), np.intp)
    raw = np.stack([np.asarray(cube[name].values, np.float32) for name in BANDS])[:, order]
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(raw).all(axis=0), bool)
    if "scl" in cube:
        scl = np.asarray(cube["scl"].values, np.uint8)[order]
        seen &= scl > 1
    else:
        scl = np.full(seen.shape, SCL_UNCLASSIFIED, np.uint8)
    days = times[order].astype("int64") / 86_400e9
    classified = bool((scl[seen] != SCL_UNCLASSIFIED).any())
    return Stack(days, np.where(seen, raw, np.float32(0)), seen, scl, classified), order


def from_scl(stack: Stack) -> NDArray[np.uint8]:
    """Return the mask (t, y, x) that the scene classification alone gives."""
    mask = np.full(stack.scl.shape, CLEAR, np.uint8)
    mask[np.isin(stack.scl, SCL_CLOUD)] = CLOUD
    mask[stack.scl == SCL_SHADOW] = SHADOW
    mask[stack.scl == SCL_SNOW] = SNOW
    mask[~stack.seen] = NO_DATA
    return mask


def snow(stack: Stack) -> NDArray[np.bool_]:
    """Return (t, y, x) where the spectrum is that of a closed cover of snow: bright in green and red, NDSI above 0.7.

    NDSI = (B03 - B11) / (B03 + B11), Dozier 1989, Remote Sens. Environ. 28. Sen2Cor takes 0.4 (Sentinel-2 L2A ATBD
    v2.10), which ice clouds reach too; thin snow is left to the scene classification.
    """
    green, red, swir = (stack.band(name) for name in ("B03", "B04", "B11"))
    ndsi = (green - swir) / np.maximum(green + swir, 1e-4)
    return np.asarray(stack.seen & (ndsi > 0.7) & (green > 0.25) & (red > 0.2))


def with_snow(stack: Stack, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mask (t, y, x) with snow kept as snow, and no data as no data."""
    out = np.where((stack.scl == SCL_SNOW) | (snow(stack) & (mask == CLOUD)), np.uint8(SNOW), mask)
    return np.where(stack.seen, out, np.uint8(NO_DATA))


def box(values: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Return the mean over `size` x `size` pixels (..., y, x), edge pixels repeated outwards; `size` is odd."""
    out = np.asarray(values, np.float32)
    for axis in (-1, -2):
        length = out.shape[axis]
        places = np.clip(np.arange(-(size // 2), length + size // 2), 0, length - 1)
        wide = np.take(out, places, axis=axis)
        parts = [wide[..., k : k + length] if axis == -1 else wide[..., k : k + length, :] for k in range(size)]
        total = parts[0] + parts[1]
        for part in parts[2:]:
            total += part
        out = total
    out *= np.float32(1 / size**2)
    return out
