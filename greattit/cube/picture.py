"""A picture of one look of a cube, in the bands asked for: `picture`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.index import Pass
from greattit.cube.lattice import CELL_PX, Window
from greattit.cube.store import Store
from greattit.cube.window import backscatter, optical
from greattit.errors import CubeError
from greattit.types import SAR

MOST_PX = 1400
"""Longest side of the picture's image [px]."""

NATURAL = ("B04", "B03", "B02")
"""Red, green, blue."""


def picture(store: Store, day: date, out: Path, *, bands: Sequence[str] = NATURAL) -> Path:
    """Draw the look of `day` as a PNG: three bands as red, green and blue, or one as grey; not seen is hatched.

    The bands are stretched together, from the 2nd to the 98th percentile of what is clear, so that colours stay as
    they are to each other. Raises `CubeError` when there is no look of that day (it names the nearest) or no such
    band, or when light and radar are mixed.
    """
    held = (*store.index.bands, *SAR)
    mixed = bool(set(bands) & set(SAR)) and bool(set(bands) - set(SAR))
    if len(bands) not in (1, 3) or mixed or not set(bands) <= set(held):
        raise CubeError(
            f"cannot draw {','.join(bands)}", subject=store.url, remedy="name one or three of " + ", ".join(held)
        )
    look = _look(store, day, "s1" if bands[0] in SAR else "s2")
    layers, clear = _layers(store, look, bands)
    return _draw(layers, clear, store, look, bands, out)


def _look(store: Store, day: date, sensor: str) -> Pass:
    passes = [p for p in store.index.of(sensor) if not p.refused]
    of_day = [p for p in passes if p.when.date() == day]
    if not of_day:
        near = sorted(passes, key=lambda p: abs((p.when.date() - day).days))[:3]
        raise CubeError(
            f"has no look of {day}",
            subject=store.url,
            remedy="name a day of `greattit cube scenes`"
            + (", e.g. " + ", ".join(f"{p.when:%Y-%m-%d}" for p in near) if near else ""),
        )
    return max(of_day, key=lambda p: p.seen_ha)


def _layers(store: Store, look: Pass, bands: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read (band, y, x) of the whole extent, thinned to `MOST_PX`, and where it is clear; strip by strip."""
    extent = store.index.extent
    if extent is None:
        raise CubeError("holds no look yet", subject=store.url, remedy="run `greattit ingest` first")
    every = max(1, -(-max(extent.shape) // MOST_PX))
    strips, clears = [], []
    step = max(CELL_PX, every) // every * every
    for top in range(extent.top, extent.bottom, step):
        window = Window(top, extent.left, min(top + step, extent.bottom), extent.right)
        read = backscatter if look.sensor == "s1" else optical
        stacks, seen = read(store, [look], window)
        shape = window.shape
        parts = [stacks[n][0] if seen else np.full(shape, np.nan, np.float32) for n in bands]
        classes = stacks["scl"][0] if seen and "scl" in stacks else np.full(shape, 4 if seen else 0, np.uint8)
        strips.append(np.stack(parts)[:, ::every, ::every])
        clears.append(np.isin(classes, (2, 4, 5, 6, 7))[::every, ::every])
    return np.concatenate(strips, 1), np.concatenate(clears)


def _draw(
    layers: NDArray[np.float32], clear: NDArray[np.bool_], store: Store, look: Pass, bands: Sequence[str], out: Path
) -> Path:
    from matplotlib.figure import Figure

    known: NDArray[np.bool_] = np.asarray(np.isfinite(layers).all(0))
    bright = known & clear if (known & clear).sum() > 100 else known
    image = np.moveaxis(_stretch(layers, bright), 0, -1)
    alpha = known[..., None].astype(np.float32)
    shown = np.concatenate([np.repeat(image, 3, -1) if len(bands) == 1 else image, alpha], -1)
    assert store.index.extent is not None
    west, south, east, north = (v / 1000 for v in store.index.extent.bounds)
    ratio = (north - south) / (east - west)
    figure = Figure(figsize=(9, min(max(9 * ratio, 3), 14) + 0.8), layout="constrained")
    axes: Any = figure.subplots()
    axes.set_facecolor("#eeeeee")
    axes.patch.set_hatch("///")
    axes.patch.set_edgecolor("#bbbbbb")
    axes.imshow(shown, extent=(west, east, south, north), interpolation="nearest")
    axes.set_xlabel(f"easting [km], {store.index.crs}")
    axes.set_ylabel("northing [km]")
    axes.ticklabel_format(useOffset=False, style="plain")
    simulated = "SIMULATED  " if store.simulated else ""
    tail = f"{look.seen_ha:,.0f} ha seen" + (
        "" if look.sensor == "s1" else f", clear by its own classes {look.clear:.0%}"
    )
    axes.set_title(f"{simulated}{_moment(look.when)}  {look.platform}  {', '.join(bands)}\n{tail}", fontsize=10)
    figure.text(0.99, 0.005, f"{store.attribution}  snapshot {store.snapshot}", ha="right", fontsize=6, color="#666666")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    return out


def _moment(when: datetime) -> str:
    """Write day and time; midnight to the second is a time that is not known, and left out."""
    return f"{when:%Y-%m-%d}" if when.time() == time() else f"{when:%Y-%m-%d %H:%M} UTC"


def _stretch(layers: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Stretch (band, y, x) to 0-1 between percentiles of all bands where `known` (y, x)."""
    if not known.any():
        return np.zeros(layers.shape, np.float32)
    low, high = np.percentile(layers[:, known], (2, 98))
    span = max(float(high - low), 1e-6)
    return np.asarray(np.clip((np.nan_to_num(layers) - low) / span, 0, 1) ** 0.8, np.float32)
