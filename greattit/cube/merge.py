"""The products of one look laid over each other: of a pixel seen by several, the best product's observation counts.

A 20 m square takes all its bands from one product, so that no pixel mixes two. One row of cells at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.lattice import Window
from greattit.cube.spool import Planes
from greattit.cube.store import COARSE, FINE, RADAR
from greattit.tiles.counts import encode

UNCLASSIFIED = 7
"""Class of a pixel that no product classified (Sen2Cor's "unclassified"): Level-1C has no classes."""

Counts = NDArray[np.uint16]


@dataclass(frozen=True)
class Held:
    """What the cube has of a look, in the same window: it takes its place among the new products."""

    window: Window
    """the window"""
    fine: Counts
    """(4, y, x) of 10 m; empty for radar"""
    coarse: Counts
    """(7, y, x) of 20 m; empty for radar"""
    radar: NDArray[np.float32]
    """(2, y, x) of 20 m [dB]; empty for optical"""


def optical(products: Sequence[Planes | Held], window: Window, fine: Counts, coarse: Counts) -> None:
    """Merge the rows of `window`, best product first, into `fine` (4, y, x of 10 m) and `coarse` (7, y, x of 20 m).

    Both come filled with zeros.
    """
    bands = {name for product in products if isinstance(product, Planes) for name in product.planes} | {"scl"}
    empty = True
    for product in products:
        part = window.meet(product.window)
        if part is None:
            continue
        target, under = _at(fine, part, window, 1), _at(coarse, part, window, 2)
        if empty:
            _lay(product, part, target, under)
            empty = False
            continue
        ten, twenty = np.zeros_like(target), np.zeros_like(under)
        _lay(product, part, ten, twenty)
        better = _whole(ten, twenty, bands) & ~_whole(target, under, bands) | ~_some(target, under)
        np.copyto(under, twenty, where=better)
        np.copyto(target, ten, where=np.repeat(np.repeat(better, 2, 0), 2, 1))


def radar(products: Sequence[Planes | Held], window: Window, out: NDArray[np.float32]) -> None:
    """Merge the rows of `window`, best product first, into `out` (2, y, x of 20 m) [dB], which comes as NaN."""
    for product in products:
        part = window.meet(product.window)
        if part is not None:
            target = _at(out, part, window, 2)
            if isinstance(product, Held):
                values = product.radar
            else:
                values = np.stack([_decibel(product, name, part) for name in RADAR])
            np.copyto(target, values, where=~np.isfinite(target).any(0))


def _lay(product: Planes | Held, part: Window, fine: Counts, coarse: Counts) -> None:
    """Put the counts of one product into two stacks of zeros."""
    if isinstance(product, Held):
        fine[...], coarse[...] = product.fine, product.coarse
        return
    for bands, stack, step in ((FINE, fine, 1), (COARSE, coarse, 2)):
        for name, layer in zip(bands, stack, strict=True):
            if name in product.planes:
                counts = _clip(product, name, part, step)
                said = product.planes[name]["nodata"]
                asset = product.scene.assets[name]
                if name == "scl":
                    layer[...] = counts
                else:
                    encode(counts, asset.scale, asset.offset or 0.0, float("nan") if said is None else said, layer)
    if "scl" not in product.planes:
        seen = [
            (band > 0).all((1, 3)) for name, band in zip(FINE, _squares(fine), strict=True) if name in product.planes
        ]
        seen += [band > 0 for name, band in zip(COARSE, coarse, strict=True) if name in product.planes]
        coarse[-1] = np.where(np.logical_and.reduce(seen), UNCLASSIFIED, 0)


def _decibel(product: Planes, name: str, part: Window) -> NDArray[np.float32]:
    if name not in product.planes:
        return np.full((part.shape[0] // 2, part.shape[1] // 2), np.nan, np.float32)
    counts = _clip(product, name, part, 2)
    asset, said = product.scene.assets[name], product.planes[name]["nodata"]
    values = counts.astype(np.float32) * np.float32(asset.scale) + np.float32(asset.offset or 0.0)
    if asset.quantity == "power":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, 10 * np.log10(values), np.nan).astype(np.float32)
    return values if said is None else np.where(counts == said, np.float32("nan"), values)


def _clip(product: Planes, name: str, part: Window, step: int) -> NDArray[Any]:
    """Return the counts of a band in a part of its product."""
    first = (part.left - product.window.left) // step
    return product.rows(name, part.top, part.bottom)[:, first : first + part.shape[1] // step]


def _at(stack: NDArray[Any], part: Window, window: Window, step: int) -> NDArray[Any]:
    """Return the view of a window's stack that a part of the window covers."""
    rows = slice((part.top - window.top) // step, (part.bottom - window.top) // step)
    return stack[:, rows, (part.left - window.left) // step : (part.right - window.left) // step]


def _squares(fine: Counts) -> NDArray[np.uint16]:
    """Return the 10 m pixels as (band, y, 2, x, 2), y and x of 20 m."""
    return fine.reshape(fine.shape[0], fine.shape[1] // 2, 2, -1, 2)


def _whole(fine: Counts, coarse: Counts, bands: set[str]) -> NDArray[np.bool_]:
    """Seen in every one of `bands` (y, x of 20 m)."""
    seen = [band > 0 for name, band in zip(COARSE, coarse, strict=True) if name in bands]
    seen += [(band > 0).all((1, 3)) for name, band in zip(FINE, _squares(fine), strict=True) if name in bands]
    return np.asarray(np.logical_and.reduce(seen))


def _some(fine: Counts, coarse: Counts) -> NDArray[np.bool_]:
    """Seen in any band (y, x of 20 m)."""
    return np.asarray((coarse > 0).any(0) | (_squares(fine) > 0).any((0, 2, 4)))
