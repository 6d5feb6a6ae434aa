"""How a field stands beside others: percentiles among fields of its crop, and against its own earlier years."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from greattit.growth.curve import Curves

Array = NDArray[np.float64]

LEAST = 8
"""With fewer neighbours there is no percentile."""

FRESH_DAYS = 20
"""Greenness on a day is known when the field was seen clear within so many days before it."""

SURE_SD = 0.05
"""Greenness in an earlier year is known when one sigma of the curve is at most this [NDVI]."""

YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Rank:
    """Where a field stands among its neighbours."""

    percentile: float
    """share in per cent of the neighbours that are less green on the day; NaN with fewer than `LEAST`"""
    neighbours: int
    """neighbours of the same crop whose greenness on the day is known"""
    note: str
    """why there is no percentile; empty when there is one"""


def percentiles(values: Array, groups: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """Return for each row the share [%] of the others of its group with a lower value, and how many others there are.

    `values` (row,) may be NaN: such a row has no percentile and counts for none. Equal values count half. A group of
    fewer than `LEAST` others gives NaN; a group below 0 is none. All rows at once.
    """
    percent, others = np.full(len(values), np.nan), np.zeros(len(values), np.intp)
    known = np.flatnonzero(np.isfinite(values) & (groups >= 0))
    if not len(known):
        return percent, others
    order = known[np.lexsort((values[known], groups[known]))]
    group, value = groups[order], values[order]
    fresh = np.concatenate([[True], group[1:] != group[:-1]])
    changed = fresh | np.concatenate([[True], value[1:] != value[:-1]])
    start = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
    size = np.diff(np.concatenate([np.flatnonzero(fresh), [len(order)]]))[np.cumsum(fresh) - 1]
    runs = np.flatnonzero(changed)
    length = np.diff(np.concatenate([runs, [len(order)]]))
    run = np.cumsum(changed) - 1
    below = runs[run] - start + 0.5 * (length[run] - 1)
    others[order] = size - 1
    enough = size - 1 >= LEAST
    percent[order[enough]] = 100.0 * below[enough] / (size[enough] - 1)
    return percent, others


def greenness_on(curves: Curves, day: int) -> Array:
    """Return the NDVI (row,) of each curve on `day` (since 1970-01-01); NaN where no look is fresh enough."""
    row = np.arange(curves.values.shape[1])
    step = np.clip((day - curves.days[0]) // curves.step, 0, len(curves.days) - 1)
    at = np.minimum(step, curves.last)
    fresh = curves.known & (curves.seen[1] <= day + curves.step) & (day - curves.seen[1] <= FRESH_DAYS)
    return np.where(fresh & (at >= curves.first), curves.values[at, row], np.nan)


def rank(own: float, others: Array) -> Rank:
    """Return where a field with greenness `own` stands among those of its neighbours."""
    known = others[np.isfinite(others)]
    if not np.isfinite(own):
        return Rank(float("nan"), len(known), f"the field was not seen clear in the {FRESH_DAYS} days before")
    if len(known) < LEAST:
        return Rank(float("nan"), len(known), f"{len(known)} neighbours of its crop are known; {LEAST} are needed")
    percent, _ = percentiles(np.concatenate([[own], known]), np.zeros(len(known) + 1, np.intp))
    return Rank(float(percent[0]), len(known), "")


def earlier_years(curves: Curves, day: date) -> dict[int, float]:
    """Return year -> NDVI of the one field of `curves` on the same day of earlier years, where it is known."""
    at = (day - date(1970, 1, 1)).days
    found: dict[int, float] = {}
    for back in range(1, 40):
        step = round((at - back * YEAR_DAYS - int(curves.days[0])) / curves.step)
        if step < curves.first[0]:
            break
        if step <= curves.last[0] and curves.known[0] and curves.sd[step, 0] <= SURE_SD:
            found[day.year - back] = float(curves.values[step, 0])
    return found


def ribbon(curves: Curves) -> tuple[NDArray[np.int64], Array]:
    """Return the days and the tenth, half and nine tenths (3, step) of the curves on them; NaN below `LEAST` fields."""
    values = np.where(curves.inside() & curves.known, curves.values, np.nan)
    enough = np.isfinite(values).sum(axis=1) >= LEAST
    out = np.full((3, len(values)), np.nan)
    if enough.any():
        out[:, enough] = np.nanquantile(values[enough], [0.1, 0.5, 0.9], axis=1)
    return curves.days, out
