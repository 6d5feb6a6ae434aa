"""What is known of a place from other harvests: the naive estimates, and the same as features for the learned ones.

Everything is reckoned from the rows that may be known, never from those that are asked for: `Known` is handed the rows
to learn from. Of a place's own harvests only earlier years count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.yields.harvests import Harvests

Doubles = NDArray[np.float64]

NAIVE = ("naive_mean", "last_year", "trend")
"""The naive estimates, in the order they are told."""
SMOOTHING = 0.35
"""Weight of the newest harvest in the running mean of a place [1]; the usual order for yields (Holt 1957)."""
NEIGHBOURS = 8
"""Places around a place whose mean is looked at."""
TREND_YEARS = 3
"""Fewer harvests of a place have no trend; their mean stands for it."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known when only the rows `rows` of `harvests` are."""

    harvests: Harvests
    rows: NDArray[np.intp]

    @cached_property
    def years(self) -> NDArray[np.int64]:
        """(year,) all years of the table, without gaps, and one more at either end."""
        return np.arange(self.harvests.year.min() - 1, self.harvests.year.max() + 2)

    @cached_property
    def _line(self) -> NDArray[np.intp]:
        """(row,) number of each row's line: its kind and place."""
        both = np.char.add(np.char.add(self.harvests.kind, "|"), self.harvests.place)
        return np.asarray(np.unique(both, return_inverse=True)[1], np.intp)

    @cached_property
    def _column(self) -> NDArray[np.intp]:
        return np.asarray(self.harvests.year - self.years[0], np.intp)

    @cached_property
    def table(self) -> Doubles:
        """(line, year) mean of the known yields [kg/ha]; NaN where none is known."""
        shape = (int(self._line.max()) + 1, len(self.years))
        sums, counts = np.zeros(shape), np.zeros(shape)
        where = (self._line[self.rows], self._column[self.rows])
        np.add.at(sums, where, self.harvests.yields[self.rows])
        np.add.at(counts, where, 1.0)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / counts)

    def at_rows(self, of_lines: Doubles) -> Doubles:
        """Return a table (line, year) as one value a row."""
        return np.asarray(of_lines[self._line, self._column])

    @cached_property
    def past(self) -> dict[str, Doubles]:
        """Of a place's earlier harvests, (row,) each: last, mean, running, trend, sd [kg/ha], count, age [years]."""
        return {name: self.at_rows(values) for name, values in _past(self.table).items()}

    @cached_property
    def naive(self) -> dict[str, Doubles]:
        """The naive estimates [kg/ha], (row,) each, known for every row.

        naive_mean: of the known rows of the same place, or where the place is unknown of the same kind and year, or of
        the kind, or of all; last_year: the last earlier harvest of the place; trend: a straight line through them.
        """
        place = self._means["place"]
        fall = np.where(np.isfinite(place), place, self.of_others)
        out = {"naive_mean": fall}
        for name, key in (("last_year", "last"), ("trend", "trend")):
            own = self.past[key]
            out[name] = np.where(np.isfinite(own), own, fall)
        return out

    @cached_property
    def of_others(self) -> Doubles:
        """(row,) [kg/ha] mean of the other known rows of the same kind and year, else of the kind, else of all."""
        means, every = self._means, float(self.harvests.yields[self.rows].mean())
        told = np.where(np.isfinite(means["year"]), means["year"], means["kind"])
        return np.where(np.isfinite(told), told, every)

    @cached_property
    def _means(self) -> dict[str, Doubles]:
        """Means of the known rows without the row itself: of its place (other years), kind and year, kind."""
        harvests = self.harvests
        place = np.char.add(np.char.add(harvests.kind, "|"), harvests.place)
        year = np.char.add(np.char.add(harvests.kind, "|"), harvests.year.astype(str))
        keys = {"place": place, "year": year, "kind": harvests.kind}
        return {name: self._mean_of(key) for name, key in keys.items()}

    def _mean_of(self, key: NDArray[np.str_]) -> Doubles:
        number = np.unique(key, return_inverse=True)[1]
        size = int(number.max()) + 1
        values = self.harvests.yields
        sums = np.bincount(number[self.rows], values[self.rows], size)[number]
        counts = np.bincount(number[self.rows], minlength=size)[number].astype(float)
        own = np.zeros(len(values), bool)
        own[self.rows] = True
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(own, (sums - values) / (counts - 1), sums / counts))

    def around(self, lag: int) -> dict[str, Doubles]:
        """Means of other places `lag` years before (0: the same year), (row,): of all, of the region, of neighbours."""
        table = self.table
        shifted = np.full_like(table, np.nan)
        shifted[:, lag:] = table[:, : table.shape[1] - lag]
        kinds = self._of_lines(self.harvests.kind)
        regions = np.char.add(np.char.add(kinds, "|"), self._of_lines(self.harvests.region))
        found = {"all": _others(shifted, kinds), "region": _others(shifted, regions)}
        near = self._neighbours
        if near is not None:
            known = np.isfinite(shifted)
            sums, counts = near @ np.where(known, shifted, 0.0), near @ known.astype(float)
            with np.errstate(invalid="ignore", divide="ignore"):
                found["near"] = np.asarray(sums / counts)
        return {f"{name}_{lag}_years_before": self.at_rows(values) for name, values in found.items()}

    def _of_lines(self, values: NDArray[np.str_]) -> NDArray[np.str_]:
        """Return a text of each row as one of each line."""
        first = np.unique(self._line, return_index=True)[1]
        return values[first]

    @cached_property
    def _neighbours(self) -> Any:
        """(line, line) 0 or 1: the nearest places of the same kind; None without positions."""
        from scipy import sparse
        from scipy.spatial import cKDTree

        first = np.unique(self._line, return_index=True)[1]
        lonlat, kinds = self.harvests.lonlat[first], self.harvests.kind[first]
        if not np.isfinite(lonlat).all(axis=1).any():
            return None
        metres = lonlat * np.array([np.cos(np.radians(np.nanmean(lonlat[:, 1]))), 1.0])
        pairs = []
        for kind in np.unique(kinds):
            own = np.flatnonzero((kinds == kind) & np.isfinite(metres).all(axis=1))
            if len(own) > 1:
                _, near = cKDTree(metres[own]).query(metres[own], k=min(NEIGHBOURS + 1, len(own)))
                pairs.append(np.stack([np.repeat(own, near.shape[1]), own[near.ravel()]]))
        if not pairs:
            return None
        one, other = np.concatenate(pairs, axis=1)
        apart = one != other
        ones = np.ones(int(apart.sum()))
        return sparse.csr_matrix((ones, (one[apart], other[apart])), shape=(len(first), len(first)))


def _past(table: Doubles) -> dict[str, Doubles]:
    """Return what the years before each year tell, (line, year) each; a loop over years, none over lines."""
    lines, years = table.shape
    names = ("last", "mean", "running", "trend", "sd", "count", "age")
    out = {name: np.full((lines, years), np.nan) for name in names}
    last, running, age = (np.full(lines, np.nan) for _ in range(3))
    sums = np.zeros((5, lines))  # count, t, t2, y, ty
    squares = np.zeros(lines)
    for year in range(years):
        count, t, t2, y, ty = sums
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = y / count
            slope = (count * ty - t * y) / (count * t2 - t * t)
            line = mean + slope * (year - t / count)
            spread = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        told = (last, mean, running, np.where(count >= TREND_YEARS, line, mean), spread, count, age)
        for name, values in zip(names, told, strict=True):
            out[name][:, year] = values
        now = table[:, year]
        known = np.isfinite(now)
        age = np.where(known, 1.0, age + 1.0)
        last = np.where(known, now, last)
        running = np.where(known & np.isfinite(running), running + SMOOTHING * (now - running), running)
        running = np.where(known & ~np.isfinite(running), now, running)
        filled = np.where(known, now, 0.0)
        sums += np.stack([known, known * year, known * year**2, filled, filled * year])
        squares += filled**2
    return out


def _others(table: Doubles, kind: NDArray[np.str_]) -> Doubles:
    """Return for each line and year the mean of the other lines of its kind; NaN where there are none."""
    number = np.unique(kind, return_inverse=True)[1]
    known = np.isfinite(table)
    filled = np.where(known, table, 0.0)
    sums, counts = (np.zeros((int(number.max()) + 1, table.shape[1])) for _ in range(2))
    np.add.at(sums, number, filled)
    np.add.at(counts, number, known.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sums[number] - filled) / (counts[number] - known)
