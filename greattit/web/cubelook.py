"""The clearest look of a cube, as a scene in GDAL's memory, so that the map draws it as it draws scenes of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube import Store
from greattit.cube.index import Pass
from greattit.cube.lattice import CELL_PX, PIXEL_M, Window
from greattit.tiles import CLEAR_CLASSES, Asset, Scene
from greattit.tiles.counts import SCALE, ZERO

if TYPE_CHECKING:
    from rasterio.io import MemoryFile

COLOURS = ("B04", "B03", "B02")
"""Red, green, blue."""

MOST_PX = 4096
"""Longest side of the look that is kept [px]; of a larger cube every n-th pixel."""

CHOICE = 6
"""Looks that are looked at: the latest of those that their own classes call nearly as clear as the clearest, then the
next clearest."""

NEARLY = 0.98
"""Clear ground of a look, as a share of the clearest look's, that counts as nearly as clear."""

CLOUDY_BLUE = 0.20
"""Reflectance of blue above which a pixel is not believed clear, whatever its class says."""


@dataclass(frozen=True)
class Kept:
    """A look in memory."""

    scene: Scene
    """its assets name files of GDAL's memory"""
    files: tuple[MemoryFile, ...]
    """must live as long as the scene is drawn"""


def clearest(store: Store, until: date, back: timedelta) -> Kept | None:
    """Return the clearest look of the time `back` before `until`; None when there is none, or it has no colours."""
    extent = store.index.extent
    passes = store.between(until - back, until)
    if extent is None or not passes or not set(COLOURS) <= set(store.index.bands):
        return None
    every = max(1, -(-max(extent.shape) // MOST_PX))
    stacks = [(_share(found), p, found) for p in _candidates(passes) for found in [_thin(store, p, extent, every)]]
    _, look, found = max(stacks, key=lambda one: (round(one[0], 2), one[1].when))
    return _keep(store, look, found, extent, every)


def _candidates(passes: Sequence[Pass]) -> list[Pass]:
    """Return the looks worth reading: nearly as clear as the clearest by their own classes, latest first; then others.

    Own classes are not believed to the last per cent, so the clearest by them need not be the clearest.
    """
    least = NEARLY * max(p.seen_ha * p.clear for p in passes)
    near = [p for p in passes if p.seen_ha * p.clear >= least]
    others = [p for p in passes if p.seen_ha * p.clear < least]
    near.sort(key=lambda p: p.when, reverse=True)
    others.sort(key=lambda p: (p.seen_ha * p.clear, p.when), reverse=True)
    return [*near, *others][:CHOICE]


def _thin(store: Store, look: Pass, extent: Window, every: int) -> dict[str, NDArray[Any]]:
    """Read every n-th pixel of the colours and the classes, a strip of cells at a time."""
    from greattit.cube.window import optical

    strips: list[dict[str, NDArray[Any]]] = []
    step = max(CELL_PX // every, 1) * every
    for top in range(extent.top, extent.bottom, step):
        window = Window(top, extent.left, min(top + step, extent.bottom), extent.right)
        stacks, seen = optical(store, [look], window)
        nothing = np.full(window.shape, np.nan, np.float32)
        strips.append(
            {name: (stacks[name][0] if seen else nothing)[::every, ::every] for name in COLOURS}
            | {"scl": (stacks["scl"][0] if seen else np.zeros(window.shape, np.uint8))[::every, ::every]}
        )
    return {name: np.concatenate([strip[name] for strip in strips]) for name in (*COLOURS, "scl")}


def _share(found: dict[str, NDArray[Any]]) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.mean(np.isin(found["scl"], CLEAR_CLASSES) & (found["B02"] < CLOUDY_BLUE)))


def _keep(store: Store, look: Pass, found: dict[str, NDArray[Any]], extent: Window, every: int) -> Kept:
    from rasterio.io import MemoryFile

    files, assets = [], {}
    for name in COLOURS:
        counts = np.nan_to_num(np.round(found[name] / SCALE) + ZERO).clip(0, 65535).astype(np.uint16)
        file = MemoryFile(ext=".tif")
        place = {"crs": store.index.crs, "transform": extent.transform(PIXEL_M * every), "nodata": 0}
        profile = {"driver": "GTiff", "height": counts.shape[0], "width": counts.shape[1], "count": 1, "tiled": True}
        with file.open(dtype="uint16", **profile, **place) as out:
            out.write(counts, 1)
        files.append(file)
        assets[name] = Asset(file.name, SCALE, -ZERO * SCALE, 0.0, counts.shape)
    return Kept(Scene(store.snapshot, look.when, "s2", store.bounds, assets), tuple(files))
