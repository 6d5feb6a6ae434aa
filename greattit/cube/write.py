"""Merged looks into the arrays, the cells of one row at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.lattice import Window
from greattit.cube.merge import Held, optical, radar
from greattit.cube.plan import Cells, runs, window_of
from greattit.cube.spool import Planes
from greattit.cube.store import COARSE, FINE, RADAR
from greattit.tiles.assemble import CLEAR_CLASSES

if TYPE_CHECKING:
    import zarr

SQUARE_HA = 0.04
"""A square of 20 m [ha]."""


WRITERS = 2
"""Rows of cells that are merged and packed at the same time."""

CLEAR = np.isin(np.arange(65536), CLEAR_CLASSES)
"""Class -> whether it shows the ground."""


Arrays = Mapping[str, Any]
"""The store's arrays by their path."""


@dataclass(frozen=True)
class Look:
    """What is to be written of one look."""

    slot: int
    """place on the first axis"""
    cells: Cells
    """cells to be written"""
    products: Sequence[Planes]
    """best first"""
    above: int | None = None
    """how many of the products are better than what the cube has of the look; None when it has nothing of it"""


def write_looks(root: zarr.Group, looks: Sequence[Look]) -> list[tuple[float, float]]:
    """Write looks of one sensor into an open, not yet committed session.

    Returns for each how much more is seen than before [ha], and how much more of it the product calls clear [ha].
    """
    import zarr

    gains = np.zeros((len(looks), 2))
    with zarr.config.set(
        {"array.write_empty_chunks": True}
    ):  # to compare each chunk with "empty" costs as much as to pack it
        arrays = {name: root[name] for name in ("s1/radar", "s2/fine", "s2/coarse")}
    rows = sorted(_by_row(looks).items())
    with ThreadPoolExecutor(WRITERS) as pool:
        for part in pool.map(lambda item: _write_row(arrays, looks, *item), rows):
            gains += part
    return [(float(seen) * SQUARE_HA, float(clear) * SQUARE_HA) for seen, clear in gains]


def _write_row(
    arrays: Arrays, looks: Sequence[Look], row: int, together: Mapping[tuple[tuple[int, int], ...], Sequence[int]]
) -> NDArray[np.float64]:
    """Write one row of cells; two spans that share a chunk are written one after the other."""
    gains = np.zeros((len(looks), 2))
    for cells, numbers in together.items():
        for run in cells:
            for span in _spans(looks, numbers):
                gains[span] += _write(arrays, [looks[n] for n in span], window_of(row, run))
    return gains


def _write(arrays: Arrays, looks: Sequence[Look], window: Window) -> NDArray[np.float64]:
    """Merge and write looks of neighbouring slots in one window.

    Returns (look, 2): how much more is seen than before, and seen clear, in squares of 20 m.
    """
    there = [None if look.above is None else _there(arrays, look, window) for look in looks]
    mixed: list[Sequence[Planes | Held]] = [
        look.products if held is None else [*look.products[: look.above], held, *look.products[look.above :]]
        for look, held in zip(looks, there, strict=True)
    ]
    slots, (ten, twenty) = slice(looks[0].slot, looks[0].slot + len(looks)), _slices(window)
    height, width = window.shape
    if _is_radar(looks[0]):
        heard = np.full((len(looks), len(RADAR), height // 2, width // 2), np.nan, np.float32)
        for products, layer in zip(mixed, heard, strict=True):
            radar(products, window, layer)
        arrays["s1/radar"][slots, :, *twenty] = heard
        before = [0.0 if held is None else _heard(held.radar) for held in there]
        return np.array([[_heard(layer) - was] * 2 for layer, was in zip(heard, before, strict=True)])
    fine = np.zeros((len(looks), len(FINE), height, width), np.uint16)
    coarse = np.zeros((len(looks), len(COARSE), height // 2, width // 2), np.uint16)
    for k, products in enumerate(mixed):
        optical(products, window, fine[k], coarse[k])
    arrays["s2/fine"][slots, :, *ten] = fine
    arrays["s2/coarse"][slots, :, *twenty] = coarse
    gains = np.stack([_seen(fine[k], coarse[k]) for k in range(len(looks))])
    return gains - np.stack([np.zeros(2) if held is None else _seen(held.fine, held.coarse) for held in there])


def _is_radar(look: Look) -> bool:
    return look.products[0].scene.sensor == "s1"


def _heard(layer: NDArray[np.float32]) -> float:
    return float(np.isfinite(layer).any(0).sum())


def _seen(fine: NDArray[np.uint16], coarse: NDArray[np.uint16]) -> NDArray[np.float64]:
    """(seen, seen clear), in squares of 20 m; blue, red and the classes stand for all bands."""
    classes = coarse[-1]
    some = (classes > 0) | (fine[0, ::2, ::2] > 0) | (fine[2, ::2, ::2] > 0)
    return np.array([some.sum(), (some & CLEAR[classes]).sum()], float)


def _there(arrays: Arrays, look: Look, window: Window) -> Held:
    """Read what the cube has of one look."""
    ten, twenty = _slices(window)
    none = np.zeros((0, 0, 0), np.uint16)
    if _is_radar(look):
        return Held(window, none, none, np.asarray(arrays["s1/radar"][look.slot, :, *twenty]))
    fine, coarse = arrays["s2/fine"][look.slot, :, *ten], arrays["s2/coarse"][look.slot, :, *twenty]
    return Held(window, np.asarray(fine), np.asarray(coarse), none.astype(np.float32))


def _by_row(looks: Sequence[Look]) -> dict[int, dict[tuple[tuple[int, int], ...], list[int]]]:
    """Group: row -> runs of columns -> the looks that are written there."""
    rows: dict[int, dict[tuple[tuple[int, int], ...], list[int]]] = {}
    for number, look in enumerate(looks):
        for row, found in runs(look.cells).items():
            rows.setdefault(row, {}).setdefault(tuple(found), []).append(number)
    return rows


def _spans(looks: Sequence[Look], numbers: Sequence[int]) -> list[list[int]]:
    """Join the looks of neighbouring slots, so that a chunk is written once."""
    spans: list[list[int]] = []
    for number in sorted(numbers, key=lambda n: looks[n].slot):
        if spans and looks[spans[-1][-1]].slot + 1 == looks[number].slot:
            spans[-1].append(number)
        else:
            spans.append([number])
    return spans


def _slices(window: Window) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of 10 m, and of 20 m."""
    return (
        (slice(window.top, window.bottom), slice(window.left, window.right)),
        (slice(window.top // 2, window.bottom // 2), slice(window.left // 2, window.right // 2)),
    )
