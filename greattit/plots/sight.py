"""What the networks see of a season: `look` turns a cube's window into channels (channel, y, x).

A season is seen as its whitened principal components, so that dates, their number and a sensor's counts matter little:
each month's bands are divided by the usual difference of neighbouring pixels, so that a change counts by how rare it is
between neighbours, and not by its size. Beside them stand the gradient of the season, greenness at its highest and
lowest, and the median colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.indices import ndvi

if TYPE_CHECKING:
    from greattit.types import Cube

FINE = ("B02", "B03", "B04", "B08")
"""The bands seen at 10 m; the coarser ones would draw the border too wide."""

COMPONENTS = 6
"""Principal components of the season that are looked at."""

CHANNELS = (
    *(f"component {n + 1}" for n in range(COMPONENTS)),
    "gradient",
    "high ndvi",
    "low ndvi",
    *(f"median {band}" for band in FINE),
    "seen",
)
"""Names of what `look` returns, in its order; the components' signs mean nothing."""

BRIGHT = (8.0, 6.0, 5.0, 2.5)
"""Factors that bring the median reflectance of FINE to about one."""


@dataclass(frozen=True, eq=False)
class Axes:
    """How a place's season is whitened and turned: learned from a window, or from samples of a whole county."""

    months: NDArray[np.datetime64]
    """(m,) months that were seen well enough, datetime64[M]"""
    middle: NDArray[np.float64]
    """(m * 4,) median of each month's bands"""
    usual: NDArray[np.float64]
    """(m * 4,) usual difference of neighbouring pixels"""
    mean: NDArray[np.float64]
    """(m * 4,) of the whitened layers"""
    turn: NDArray[np.float64]
    """(m * 4, component) from whitened layers to components"""


def look(cube: Cube, axes: Axes | None = None) -> NDArray[np.float32] | None:
    """Return the channels (channel, y, x) of a cube; None where no month was seen.

    `axes` are those of the county that the window lies in, so that its parts look alike; without them the window's own.
    """
    axes = axes or learn_axes([cube])
    if axes is None:
        return None
    season = components(cube, axes)
    return channels(cube, season)


def season_of(cube: Cube) -> NDArray[np.float64] | None:
    """Return the whitened components of the season (y, x, component) by the window's own axes; None without any."""
    axes = learn_axes([cube])
    return None if axes is None else components(cube, axes)


def learn_axes(windows: list[Cube]) -> Axes | None:
    """Return the axes of some windows of one place (same bands, any sizes); None when nothing was seen."""
    months = np.unique(np.concatenate([cube["time"].values.astype("datetime64[M]") for cube in windows]))
    stacks = [_layers(cube, months) for cube in windows]  # (y, x, m, 4) each
    seen = np.concatenate([stack[..., 0].reshape(-1, len(months)) for stack in stacks])
    ever = np.isfinite(seen).any(axis=1)
    if not ever.any():
        return None
    kept = np.isfinite(seen[ever]).mean(axis=0) > 0.5
    if not kept.any():
        kept[np.isfinite(seen[ever]).mean(axis=0).argmax()] = True
    flat = [_filled(stack[..., kept, :].reshape(*stack.shape[:2], -1)) for stack in stacks]
    values = np.concatenate([part.reshape(-1, part.shape[-1]) for part in flat])
    middle = np.median(values, axis=0)
    change = np.concatenate(
        [np.abs(np.diff(part, axis=axis)).reshape(-1, part.shape[-1]) for part in flat for axis in (0, 1)]
    )
    usual = np.maximum(np.maximum(np.median(change, axis=0), 0.5 * change.mean(axis=0)), 1e-4)  # 8-bit: mostly 0
    white = (values - middle) / usual
    mean = white.mean(axis=0)
    _, turn = np.linalg.eigh(np.cov((white - mean).T).reshape(white.shape[1], white.shape[1]))
    turn = turn[:, ::-1][:, :COMPONENTS] / math.sqrt(white.shape[1])
    return Axes(months[kept], middle, usual, mean, turn)


def components(cube: Cube, axes: Axes) -> NDArray[np.float64]:
    """Return the whitened components of the season (y, x, component); at most COMPONENTS of them, zeros beyond."""
    layers = _layers(cube, axes.months)
    flat = _filled(layers.reshape(*layers.shape[:2], -1), axes.middle)
    parts = ((flat - axes.middle) / axes.usual - axes.mean) @ axes.turn
    lacking = COMPONENTS - parts.shape[-1]
    return np.pad(parts, ((0, 0), (0, 0), (0, lacking))) if lacking else parts


def channels(cube: Cube, season: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the channels (channel, y, x) of a window whose season's components are known."""
    slopes = [np.gradient(season, axis=axis) if season.shape[axis] > 1 else np.zeros_like(season) for axis in (0, 1)]
    strength = np.sqrt(sum((slope**2).sum(-1) for slope in slopes))
    clear = cube["clear"].values
    with np.errstate(invalid="ignore", divide="ignore"):
        greenness = ndvi(cube["B04"].values, cube["B08"].values)
    high, low = _second(np.where(clear, greenness, np.nan))
    colour = [median_of(np.where(clear, cube[b].values, np.nan)) * k for b, k in zip(FINE, BRIGHT, strict=True)]
    seen = (np.isfinite(cube["B04"].values) & clear).any(axis=0)
    out = np.stack([*np.arcsinh(np.moveaxis(season, -1, 0)), np.arcsinh(strength), high, low, *colour, seen])
    return np.asarray(np.clip(np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0), -8.0, 8.0), np.float32)


def _layers(cube: Cube, months: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the clear median of each month (y, x, month, band); NaN where nothing was seen."""
    own = cube["time"].values.astype("datetime64[M]")
    clear = cube["clear"].values
    out = np.full((cube.sizes["y"], cube.sizes["x"], len(months), len(FINE)), np.nan)
    values = {name: cube[name].values for name in FINE}
    for m, month in enumerate(months):
        chosen = own == month
        seen = clear[chosen]
        if not seen.any():
            continue
        for b, name in enumerate(FINE):
            out[:, :, m, b] = median_of(np.where(seen, values[name][chosen], np.nan))
    return out


def _filled(flat: NDArray[np.float64], middle: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Fill what was not seen (y, x, layer): by the middle of the layer."""
    if middle is None:
        with np.errstate(invalid="ignore"):
            middle = np.array(
                [np.median(v[np.isfinite(v)]) if np.isfinite(v).any() else 0.0 for v in np.moveaxis(flat, -1, 0)]
            )
    return np.asarray(np.where(np.isfinite(flat), flat, middle), np.float64)


def median_of(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the median over time (time, y, x) of what is seen; NaN where nothing is."""
    if len(values) == 1:
        return np.asarray(values[0], np.float64)
    order = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, values.shape[0] - 1)
    picked = [np.take_along_axis(order, index[None], axis=0)[0] for index in (low, high)]
    return np.where(count > 0, (picked[0].astype(np.float64) + picked[1]) / 2, np.nan)


def _second(greenness: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the second largest and second smallest (y, x) of what is seen; the only one where there is but one."""
    ordered = np.sort(greenness, axis=0)  # NaN last
    count = np.isfinite(greenness).sum(axis=0)
    last = np.clip(count - 2, 0, None)
    first = np.minimum(1, np.maximum(count - 1, 0))
    return (
        np.take_along_axis(ordered, last[None], axis=0)[0],
        np.take_along_axis(ordered, first[None], axis=0)[0],
    )
