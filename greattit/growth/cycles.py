"""Rises and falls of many curves at once: `find`.

A curve is followed step by step, all rows side by side. A peak is confirmed where the curve has come down from it by
`AMPLITUDE`, a low where it has risen from it by as much: what is left are the peaks whose persistence is `AMPLITUDE` or
more (Edelsbrunner, Letscher and Zomorodian 2002, Discrete Comput. Geom. 28, 511).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.growth.curve import Curves

Places = NDArray[np.intp]

AMPLITUDE = 0.2
"""NDVI [1] by which a season must rise from its low to its peak, or there is no start, and fall, or there is no end."""

MOST = 6
"""Cycles kept a row; more are no seasons."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """The cycles of many curves, in order of time; -1 where a row has fewer."""

    peak: Places
    """(cycle, row) step of the peak; of the first of two that were one"""
    last_peak: Places
    """(cycle, row) the same, or the last of two that were one (see `merged`)"""
    left: Places
    """(cycle, row) step of the low before it; the first step of the looks where none was seen"""
    right: Places
    """(cycle, row) step of the low after it, so far"""
    count: Places
    """(row,) number of cycles; a curve that moves by less than `AMPLITUDE` has one, its highest point"""


class _Walk:
    """The state of all rows while the steps are walked."""

    def __init__(self, rows: int) -> None:
        self.way = np.zeros(rows, np.int8)
        """0 not yet known, 1 rising, -1 falling"""
        self.high, self.high_at = np.full(rows, -np.inf), np.zeros(rows, np.intp)
        self.low, self.low_at = np.full(rows, np.inf), np.zeros(rows, np.intp)
        self.foot = np.full(rows, -1, np.intp)
        """step of the last confirmed low, -1 before the first"""
        self.peak = np.full((MOST, rows), -1, np.intp)
        self.left, self.right = self.peak.copy(), self.peak.copy()
        self.count = np.zeros(rows, np.intp)

    def note(self, rows: Places) -> None:
        """Write down the highest point so far as a peak of `rows`, and forget the oldest where there are too many."""
        full = rows[self.count[rows] == MOST]
        for table in (self.peak, self.left, self.right):
            table[:-1, full] = table[1:, full]
        self.count[full] -= 1
        self.peak[self.count[rows], rows] = self.high_at[rows]
        self.left[self.count[rows], rows] = self.foot[rows]
        self.count[rows] += 1


def find(curves: Curves) -> Cycles:
    """Return the cycles of every row between its first and last clear look."""
    steps, rows = curves.values.shape
    walk = _Walk(rows)
    known = curves.known
    for step in range(steps):
        value = curves.values[step]
        here = known & (step >= curves.first) & (step <= curves.last)
        up = here & (walk.way >= 0) & (value > walk.high)
        walk.high[up], walk.high_at[up] = value[up], step
        down = here & (walk.way <= 0) & (value < walk.low)
        walk.low[down], walk.low_at[down] = value[down], step
        turned = np.flatnonzero(here & (walk.way >= 0) & (value <= walk.high - AMPLITUDE))
        if len(turned):
            walk.note(turned)
            walk.way[turned], walk.low[turned], walk.low_at[turned] = -1, value[turned], step
        turned = np.flatnonzero(here & (walk.way <= 0) & (value >= walk.low + AMPLITUDE))
        if len(turned):
            walk.foot[turned] = walk.low_at[turned]
            before = turned[walk.count[turned] > 0]
            walk.right[walk.count[before] - 1, before] = walk.low_at[before]
            walk.way[turned], walk.high[turned], walk.high_at[turned] = 1, value[turned], step
    walk.note(np.flatnonzero(known & (walk.way >= 0)))
    return _closed(curves, walk)


def _closed(curves: Curves, walk: _Walk) -> Cycles:
    """Fill in the lows that were never confirmed: the lowest point before the first and after the last peak."""
    there = walk.peak >= 0
    step = np.arange(len(curves.days))[:, None]
    open_left = np.flatnonzero(there[0] & (walk.left[0] < 0))
    if len(open_left):
        part = curves.values[:, open_left]
        seen = (step >= curves.first[open_left]) & (step <= walk.peak[0, open_left])
        walk.left[0, open_left] = np.where(seen, part, np.inf).argmin(axis=0)
    rows = np.flatnonzero(walk.count > 0)
    last = walk.count[rows] - 1
    part, top = curves.values[:, rows], walk.peak[last, rows]
    seen = (step >= top) & (step <= curves.last[rows])
    walk.right[last, rows] = np.where(seen, part, np.inf).argmin(axis=0)
    return Cycles(walk.peak, walk.peak.copy(), walk.left, walk.right, walk.count)


def merged(found: Cycles, curves: Curves, rows: NDArray[np.bool_], bare: float) -> Cycles:
    """Return the cycles with neighbours made one, in `rows`, where the curve between them stayed above `bare`.

    In bloom, rapeseed is yellow and its NDVI falls for some weeks (Sulik and Long 2016, Remote Sens. Environ. 184,
    161): that dip ends no season.
    """
    row = np.flatnonzero(rows & (found.count > 1))
    peak, last, left, right = (t.copy() for t in (found.peak, found.last_peak, found.left, found.right))
    count = found.count.copy()
    for cycle in range(MOST - 2, -1, -1):
        here = row[peak[cycle + 1, row] >= 0]
        here = here[curves.values[right[cycle, here], here] >= bare]
        last[cycle, here], right[cycle, here] = last[cycle + 1, here], right[cycle + 1, here]
        for table in (peak, last, left, right):
            table[cycle + 1 : -1, here] = table[cycle + 2 :, here]
            table[-1, here] = -1
        count[here] -= 1
    return Cycles(peak, last, left, right, count)
