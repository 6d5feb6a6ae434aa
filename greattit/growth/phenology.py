"""Start, peak and end of one cycle of each of many curves, with intervals: `dates`.

Start and end are where the curve crosses a share of the rise on each side of the peak (White, Thornton and Running
1997, Global Biogeochemical Cycles 11, 217), between two steps by a straight line. The interval of a date is all days
that the curve's own uncertainty cannot rule out: from where the upper edge of its band comes to the level to where the
lower edge has passed it. The edges lie `REACH` sigmas from the curve; `REACH` and `SLACK_DAYS` were set on made
counties so that nine of ten intervals hold the truth (`growth.measure`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.growth.curve import Curves
from greattit.growth.cycles import AMPLITUDE, Places

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

HALF = 0.5
"""Start and end are where the curve crosses this share of the rise or fall."""

SOIL = 0.2
"""NDVI of bare ground [1], taken where a field was green at its first look already."""

BARE = 0.35
"""A curve that never passes this carries no closed canopy [1]; one that never falls below it is never bare."""

NEAR_PEAK = 0.9
"""The peak is the middle of the days on which the curve has risen by this share or more."""

REACH = {"start": 1.65, "peak": 1.3, "end": 2.2}
"""Sigmas of the curve to the edge of its band, by date."""

SLACK_DAYS = {"start": 2.5, "peak": 5.0, "end": 3.0}
"""Added at both ends of an interval, by date: what the curve's own smoothness hides [days]."""


@dataclass(frozen=True, eq=False)
class Dates:
    """The three dates of one cycle of many rows, in days since 1970-01-01; NaN where a date is not there."""

    start: Array
    """(row,)"""
    peak: Array
    """(row,)"""
    end: Array
    """(row,)"""
    start_90: Array
    """(2, row) nine times in ten the true day lies between"""
    peak_90: Array
    """(2, row)"""
    end_90: Array
    """(2, row)"""
    before: NDArray[np.bool_]
    """(row,) the field was past its start at the first look already"""


def _last_below(curve: Array, level: Array, low: Places, high: Places) -> Array:
    """Return where (in steps) the curve (step, row) last came up to `level` between `low` and `high`; NaN if never."""
    step = np.arange(len(curve))[:, None]
    under = (curve < level) & (step >= low) & (step < high)
    at = len(curve) - 1 - under[::-1].argmax(axis=0)
    return _between(curve, level, np.minimum(at, len(curve) - 2), np.asarray(under.any(axis=0)))


def _first_below(curve: Array, level: Array, low: Places, high: Places) -> Array:
    """Return where the curve first fell to `level` after `low`, up to `high`; NaN if never."""
    step = np.arange(len(curve))[:, None]
    under = (curve < level) & (step > low) & (step <= high)
    return _between(curve, level, np.maximum(under.argmax(axis=0) - 1, 0), np.asarray(under.any(axis=0)))


def _first_above(curve: Array, level: Array, low: Places, high: Places) -> Array:
    """Return where the curve first rose to `level` after `low`, up to `high`; NaN if never."""
    return _first_below(-curve, -level, low, high)


def _last_above(curve: Array, level: Array, low: Places, high: Places) -> Array:
    """Return where the curve was last above `level` between `low` and `high`; NaN if never."""
    return _last_below(-curve, -level, low, high)


def _between(curve: Array, level: Array, at: Places, there: NDArray[np.bool_]) -> Array:
    """Return the crossing between step `at` and the next by a straight line; NaN where not `there`."""
    row = np.arange(curve.shape[1])
    here, after = curve[at, row], curve[at + 1, row]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(after != here, (level - here) / (after - here), 0.0)
    return np.where(there, at + np.clip(share, 0.0, 1.0), np.nan)


def dates(
    curves: Curves, peaks: tuple[Places, Places], left: Places, right: Places, *, first: bool, stays: Flags
) -> Dates:
    """Return the dates of one cycle a row, given the steps of its first and last peak and of the lows beside them.

    No start is given where the rise is less than `AMPLITUDE`, no end where the fall is less than that or than half of
    the rise. A low on the first look, or a green one of the `first` cycle, was not the ground that the field rose from:
    it is taken as `SOIL`, and where the curve was past the level at the first look, the start was before. Plants that
    stay (`stays`, (row,)) rise from their own low.
    A fall that has not yet come to rest may go on to the ground before the rise: the end's interval is widened by that.
    """
    row = np.arange(len(left))
    low, after = curves.values[left, row], curves.values[right, row]
    unseen = (left <= curves.first + 1) | ((low >= BARE) & first)
    ground = np.where(unseen & ~stays, np.minimum(low, SOIL), low)
    sides = _Sides(curves, peaks, left, right)
    top = sides.top
    start, start_90 = sides.rise(ground, HALF, "start")
    end, end_90 = sides.fall(after, HALF, "end")
    falling = (right >= curves.last - 1) & (after > ground)
    lowest = _first_below(curves.values, ground + HALF * (top - ground), peaks[1], right)
    lowest = np.where(np.isnan(lowest), curves.last, lowest)
    end_90[1] = np.where(falling, np.fmax(end_90[1], lowest), end_90[1])
    half_way = top - after >= HALF * (top - ground)
    end, end_90 = np.where(half_way, end, np.nan), np.where(half_way & np.isfinite(end), end_90, np.nan)
    peak_at, peak_90 = _middle(sides, ground, after)
    before = unseen & np.isnan(start) & (top - ground >= AMPLITUDE)

    def days(at: Array) -> Array:
        return np.asarray(curves.days[0] + at * curves.step)

    return Dates(days(start), days(peak_at), days(end), days(start_90), days(peak_90), days(end_90), before)


def _middle(sides: _Sides, ground: Array, after: Array) -> tuple[Array, Array]:
    """Return the middle of the days near the peak, and its interval: half of both sides' doubts, as independent."""
    up, up_90 = sides.rise(ground, NEAR_PEAK, "peak")
    down, down_90 = sides.fall(after, NEAR_PEAK, "peak")
    middle, slack = 0.5 * (up + down), SLACK_DAYS["peak"] / sides.curves.step
    early = 0.5 * np.hypot(up - up_90[0], down - down_90[0]) + slack
    late = 0.5 * np.hypot(up_90[1] - up, down_90[1] - down) + slack
    return middle, np.array([middle - early, middle + late])


class _Sides:
    """The rise before and the fall after one peak a row."""

    def __init__(self, curves: Curves, peaks: tuple[Places, Places], left: Places, right: Places) -> None:
        self.curves, self.peaks, self.left, self.right = curves, peaks, left, right
        self.row = np.arange(len(left))
        highs = np.array([curves.values[peak, self.row] for peak in peaks])
        self.top = highs.max(axis=0)
        self.top_sd = curves.sd[np.where(highs[0] >= highs[1], *peaks), self.row]

    def rise(self, ground: Array, share: float, name: str) -> tuple[Array, Array]:
        """Return where the curve last rose through `share` of the way from `ground` to the peak, and its interval."""
        curve, (level, reach) = self.curves.values, self._level(ground, share, self.left, name)
        at = _last_below(curve, level, self.left, self.peaks[0])
        first = _last_below(curve + reach, level, self.left, self.peaks[0])
        last = _first_above(curve - reach, level, _floor(at), self.peaks[0])
        first, last = np.where(np.isnan(first), self.left, first), np.where(np.isnan(last), self.peaks[0], last)
        return self._kept(at, first, last, ground, name)

    def fall(self, ground: Array, share: float, name: str) -> tuple[Array, Array]:
        """Return where the curve first fell through `share` of the way from `ground` to the peak, and its interval."""
        curve, (level, reach) = self.curves.values, self._level(ground, share, self.right, name)
        at = _first_below(curve, level, self.peaks[1], self.right)
        last = _first_below(curve + reach, level, self.peaks[1], self.right)
        first = _last_above(curve - reach, level, self.peaks[1], _floor(at) + 1)
        first, last = np.where(np.isnan(first), self.peaks[1], first), np.where(np.isnan(last), self.right, last)
        return self._kept(at, first, last, ground, name)

    def _level(self, ground: Array, share: float, low: Places, name: str) -> tuple[Array, Array]:
        """Return the level (row,), and how far (step, row) the band reaches about the curve at that level."""
        level = ground + share * (self.top - ground)
        of_level = (share * self.top_sd) ** 2 + ((1 - share) * self.curves.sd[low, self.row]) ** 2
        return level, REACH[name] * np.sqrt(self.curves.sd**2 + of_level)

    def _kept(self, at: Array, first: Array, last: Array, ground: Array, name: str) -> tuple[Array, Array]:
        slack = 0.0 if name == "peak" else SLACK_DAYS[name] / self.curves.step
        there = (self.top - ground >= AMPLITUDE) & np.isfinite(at)
        span = np.array([np.minimum(first, at) - slack, np.maximum(last, at) + slack])
        return np.where(there, at, np.nan), np.where(there, span, np.nan)


def _floor(at: Array) -> Places:
    return np.nan_to_num(at).astype(np.intp)
