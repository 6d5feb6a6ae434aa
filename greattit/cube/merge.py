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


@dataclass(frozen=True)
class Rows:
    """Some rows of one look, ready for the store."""

    fine: NDArray[np.uint16]
    """(4, y, x) of 10 m; empty for radar"""
    coarse: NDArray[np.uint16]
    """(7, y, x) of 20 m; empty for radar"""
    radar: NDArray[np.float32]
    """(2, y, x) of 20 m [dB]; empty for optical"""


def optical(products: Sequence[Planes], window: Window) -> Rows:
    """Merge the rows of `window` from the products, best first."""
    height, width = window.shape
    fine = np.zeros((len(FINE), height, width), np.uint16)
    coarse = np.zeros((len(COARSE), height // 2, width // 2), np.uint16)
    empty = True
    for product in products:
        part = window.meet(product.window)
        if part is None:
            continue
        ten, twenty = _optical(product, part)
        rows, columns = _place(part, window)
        target, under = fine[:, rows[0] : rows[1], columns[0] : columns[1]], _half(coarse, rows, columns)
        if empty:
            target[...], under[...] = ten, twenty
            empty = False
            continue
        better = _whole(ten, twenty) & ~_whole(target, under) | ~_some(target, under)
        np.copyto(under, twenty, where=better)
        np.copyto(target, ten, where=np.repeat(np.repeat(better, 2, 0), 2, 1))
    return Rows(fine, coarse, np.zeros((0, 0, 0), np.float32))


def radar(products: Sequence[Planes], window: Window) -> Rows:
    """Merge the rows of `window` from radar products, best first [dB]."""
    merged = np.full((len(RADAR), window.shape[0] // 2, window.shape[1] // 2), np.nan, np.float32)
    for product in products:
        part = window.meet(product.window)
        if part is None:
            continue
        rows, columns = _place(part, window)
        target = _half(merged, rows, columns)
        values = np.stack([_decibel(product, name, part) for name in RADAR])
        np.copyto(target, values, where=~np.isfinite(target).any(0))
    return Rows(np.zeros((0, 0, 0), np.uint16), np.zeros((0, 0, 0), np.uint16), merged)


def _optical(product: Planes, part: Window) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    fine = np.stack([_counts(product, name, part, 1) for name in FINE])
    coarse = np.stack([_counts(product, name, part, 2) for name in COARSE])
    if "scl" not in product.planes:
        coarse[-1] = np.where(
            (fine.reshape(len(FINE), part.shape[0] // 2, 2, -1, 2) > 0).all((0, 2, 4)), UNCLASSIFIED, 0
        )
    return fine, coarse


def _counts(product: Planes, name: str, part: Window, step: int) -> NDArray[np.uint16]:
    """Return one band of a product in the house's counts; zeros when it has no such band."""
    if name not in product.planes:
        return np.zeros((part.shape[0] // step, part.shape[1] // step), np.uint16)
    counts = _clip(product, product.rows(name, part.top, part.bottom), part, step)
    if name == "scl":
        return counts.astype(np.uint16)
    asset, said = product.scene.assets[name], product.planes[name]["nodata"]
    return encode(counts, asset.scale, asset.offset or 0.0, float("nan") if said is None else said)


def _decibel(product: Planes, name: str, part: Window) -> NDArray[np.float32]:
    if name not in product.planes:
        return np.full((part.shape[0] // 2, part.shape[1] // 2), np.nan, np.float32)
    counts = _clip(product, product.rows(name, part.top, part.bottom), part, 2)
    asset, said = product.scene.assets[name], product.planes[name]["nodata"]
    values = counts.astype(np.float32) * np.float32(asset.scale) + np.float32(asset.offset or 0.0)
    if asset.quantity == "power":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, 10 * np.log10(values), np.nan).astype(np.float32)
    return values if said is None else np.where(counts == said, np.float32("nan"), values)


def _clip(product: Planes, rows: NDArray[np.generic], part: Window, step: int) -> NDArray[np.generic]:
    first = (part.left - product.window.left) // step
    return rows[:, first : first + part.shape[1] // step]


def _place(part: Window, window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a part lies in a window: (first, last) row and column."""
    return (
        (part.top - window.top, part.bottom - window.top),
        (part.left - window.left, part.right - window.left),
    )


def _half(stack: NDArray[Any], rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
    return stack[:, rows[0] // 2 : rows[1] // 2, columns[0] // 2 : columns[1] // 2]


def _whole(fine: NDArray[np.uint16], coarse: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Seen in every band that the product has at all (y, x of 20 m)."""
    held = [band for band in coarse if band.any()]
    squares = [(band.reshape(band.shape[0] // 2, 2, -1, 2) > 0).all((1, 3)) for band in fine if band.any()]
    return np.logical_and.reduce([*(band > 0 for band in held), *squares]) if held or squares else _some(fine, coarse)


def _some(fine: NDArray[np.uint16], coarse: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Seen in any band (y, x of 20 m)."""
    squares = (fine.reshape(fine.shape[0], fine.shape[1] // 2, 2, -1, 2) > 0).any((0, 2, 4))
    return np.asarray((coarse > 0).any(0) | squares)
