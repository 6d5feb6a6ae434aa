"""Merged looks into the arrays, the cells of one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.cube.lattice import Window
from greattit.cube.merge import Rows, optical, radar
from greattit.cube.plan import Cells, runs, window_of
from greattit.cube.spool import Planes
from greattit.tiles.assemble import CLEAR_CLASSES

if TYPE_CHECKING:
    import zarr

SQUARE_HA = 0.04
"""A square of 20 m [ha]."""

Look = tuple[int, Cells, Sequence[Planes]]
"""Slot, cells to be written, products."""


def write_looks(root: zarr.Group, looks: Sequence[Look]) -> list[tuple[float, float]]:
    """Write looks of one sensor into an open, not yet committed session.

    Returns for each what was seen of its cells [ha], and the share of that which the product calls clear.
    """
    counts = np.zeros((len(looks), 2))
    for row, together in sorted(_by_row(looks).items()):
        for cells, numbers in together.items():
            for run in cells:
                window = window_of(row, run)
                found = []
                for n in numbers:
                    rows = (radar if _is_radar(looks[n][2]) else optical)(looks[n][2], window)
                    counts[n] += _tally(rows)
                    found.append((looks[n][0], rows))
                for first, group in _spans(found):
                    _put(root, first, group, window)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(counts[:, 1] / counts[:, 0])
    return [(round(float(n) * SQUARE_HA, 2), round(float(c), 4)) for n, c in zip(counts[:, 0], shares, strict=True)]


def _by_row(looks: Sequence[Look]) -> dict[int, dict[tuple[tuple[int, int], ...], list[int]]]:
    """Group: row -> runs of columns -> the looks that are written there."""
    rows: dict[int, dict[tuple[tuple[int, int], ...], list[int]]] = {}
    for number, (_, cells, _) in enumerate(looks):
        for row, found in runs(cells).items():
            rows.setdefault(row, {}).setdefault(tuple(found), []).append(number)
    return rows


def _is_radar(planes: Sequence[Planes]) -> bool:
    return planes[0].scene.sensor == "s1"


def _tally(rows: Rows) -> NDArray[np.float64]:
    """(seen, seen clear), in squares of 20 m."""
    if rows.radar.size:
        seen = np.isfinite(rows.radar).any(0)
        return np.array([seen.sum(), seen.sum()], float)
    seen = (rows.coarse > 0).any(0) | (rows.fine[:, ::2, ::2] > 0).any(0)
    return np.array([seen.sum(), (seen & np.isin(rows.coarse[-1], CLEAR_CLASSES)).sum()], float)


def _spans(found: Sequence[tuple[int, Rows]]) -> list[tuple[int, list[Rows]]]:
    """Join looks of neighbouring slots, so that a chunk is written once."""
    spans: list[tuple[int, list[Rows]]] = []
    for slot, rows in sorted(found, key=lambda one: one[0]):
        if spans and spans[-1][0] + len(spans[-1][1]) == slot:
            spans[-1][1].append(rows)
        else:
            spans.append((slot, [rows]))
    return spans


def _put(root: zarr.Group, first: int, group: Sequence[Rows], window: Window) -> None:
    slots = slice(first, first + len(group))
    ten = slice(window.top, window.bottom), slice(window.left, window.right)
    twenty = slice(window.top // 2, window.bottom // 2), slice(window.left // 2, window.right // 2)
    if group[0].radar.size:
        root["s1/radar"][slots, :, *twenty] = np.stack([rows.radar for rows in group])
        return
    root["s2/fine"][slots, :, *ten] = np.stack([rows.fine for rows in group])
    root["s2/coarse"][slots, :, *twenty] = np.stack([rows.coarse for rows in group])
