"""The greenness of many plots on shared steps, with its uncertainty: `draw`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from greattit.filled.curves import draw_curves
from greattit.filled.steps import CLEAR_ENOUGH, quantity
from greattit.filled.whittaker import Looks
from greattit.types import Series

Array = NDArray[np.float64]

STEP_DAYS = 5
"""Step of the curve, the revisit of the two Sentinel-2 satellites [days]."""

LEAST_LOOKS = 4
"""With fewer clear looks there is no curve."""

LEAST_STEPS = 4
"""A curve has at least so many steps, however short the season."""


@dataclass(frozen=True, eq=False)
class Curves:
    """NDVI of many plots on shared steps."""

    days: NDArray[np.int64]
    """(step,) days since 1970-01-01, evenly; at least two"""
    values: Array
    """(step, row) NDVI [1]; NaN in rows with fewer than `LEAST_LOOKS`"""
    sd: Array
    """(step, row) one sigma of the curve"""
    first: NDArray[np.intp]
    """(row,) last step on or before the first clear look"""
    last: NDArray[np.intp]
    """(row,) first step on or after the last clear look"""
    looks: NDArray[np.intp]
    """(row,) clear looks"""
    seen: Array
    """(2, row) days since 1970-01-01 of the first and the last clear look; infinite where there is none"""

    @property
    def step(self) -> int:
        """Days from one step to the next."""
        return int(self.days[1] - self.days[0])

    @property
    def known(self) -> NDArray[np.bool_]:
        """(row,) whether there is a curve"""
        return np.asarray(self.looks >= LEAST_LOOKS) & np.isfinite(self.values).all(axis=0)

    def take(self, rows: slice | NDArray[np.intp]) -> Curves:
        """Return some of the rows."""
        return Curves(
            self.days,
            self.values[:, rows],
            self.sd[:, rows],
            self.first[rows],
            self.last[rows],
            self.looks[rows],
            self.seen[:, rows],
        )

    def inside(self) -> NDArray[np.bool_]:
        """(step, row) whether the step lies between the first and the last clear look"""
        step = np.arange(len(self.days))[:, None]
        return np.asarray((step >= self.first) & (step <= self.last))


def draw(days: Array, values: Array, weights: Array) -> Curves:
    """Return the curves through looks on `days` (row, look) since 1970-01-01 with NDVI `values` (row, look).

    `weights` (row, look) are clear shares, 0 where nothing was seen or where padded. All rows at once: no loop over
    plots. The curve is that of `greattit.filled.curves` on steps of `STEP_DAYS`.
    """
    used = (weights > 0) & np.isfinite(values)
    looks = used.sum(axis=1)
    low, high = np.where(used, days, np.inf), np.where(used, days, -np.inf)
    start = int(np.floor(low.min() / STEP_DAYS)) if used.any() else 0
    end = int(np.ceil(high.max() / STEP_DAYS)) if used.any() else 0
    nodes = max(end - start + 1, LEAST_STEPS)
    steps = (start + np.arange(nodes)) * STEP_DAYS
    shape = (nodes, len(values))
    drawn, sd = np.full(shape, np.nan), np.full(shape, np.nan)
    earliest, latest = low.min(axis=1, initial=np.inf), high.max(axis=1, initial=-np.inf)
    enough = np.flatnonzero((looks >= LEAST_LOOKS) & (latest > earliest))
    if len(enough):
        position = np.where(used[enough], days[enough] / STEP_DAYS - start, 0.0)
        weight = np.where(used[enough], weights[enough], 0.0)
        found = draw_curves(Looks.at(position, values[enough], nodes), weight, step_days=STEP_DAYS)
        drawn[:, enough], sd[:, enough] = found.values, found.sd
    first = np.where(looks > 0, np.floor(earliest / STEP_DAYS) - start, 0)
    last = np.where(looks > 0, np.ceil(latest / STEP_DAYS) - start, 0)
    return Curves(steps, drawn, sd, first.astype(np.intp), last.astype(np.intp), looks, np.array([earliest, latest]))


def gathered(many: Sequence[Series], first: date, last: date) -> tuple[Array, Array, Array]:
    """Return days, NDVI and clear shares (row, look) of the clear looks from `first` to `last`; padding weighs 0."""
    since, until = np.datetime64(first), np.datetime64(last)
    rows = []
    for series in many:
        on = series.dates.astype("datetime64[D]")
        ndvi = quantity(series, "ndvi")
        use = (on >= since) & (on <= until) & (series.clear >= CLEAR_ENOUGH) & np.isfinite(ndvi)
        rows.append((on[use].astype(np.float64), ndvi[use], series.clear[use]))
    longest = max((len(days) for days, _, _ in rows), default=0)
    out = np.zeros((3, len(rows), max(longest, 1)))
    for number, row in enumerate(rows):
        out[:, number, : len(row[0])] = row
    return out[0], out[1], out[2]
