"""Price risk from real prices: how far a price moved between two times of the year, in the years before.

::

    change = ln(price h months later / price), over all pairs whose first month is within one month of the asked one
    risk   = (quantile .9 - quantile .1 of the changes) / (2 x 1.2816)

The quantiles are those of single years' draws: every year counts alike, and an interval is asked to hold a share that
is 1 / (2 years) larger, since the next year is one more draw (as `yields.conformal` does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError
from greattit.yields import Z
from greattit.yields.conformal import QUANTILES, quantiles_of_units

Doubles = NDArray[np.float64]

LEAST_YEARS = 5
"""Fewer years tell no risk."""
WARM_UP = 10
"""Years that lie before the first one told, when the risk itself is measured."""


@dataclass(frozen=True)
class Change:
    """How a price changes over some months of the year."""

    months: int
    """from the first to the second month"""
    quantiles: Mapping[float, float]
    """share -> ln(later / earlier); of `conformal.QUANTILES`"""
    years: int
    """years that it was seen in"""

    @property
    def risk(self) -> float:
        """Relative standard deviation [1] of a lognormal with the same 80 % interval."""
        return (self.quantiles[0.9] - self.quantiles[0.1]) / (2.0 * Z)


def monthly(days: NDArray[np.datetime64], prices: Doubles) -> tuple[NDArray[np.int64], Doubles]:
    """Return the months (counted from 1970-01) of a series and the mean price of each, ascending."""
    month = days.astype("datetime64[M]").astype(np.int64)
    known = np.isfinite(prices) & (prices > 0)
    names, number = np.unique(month[known], return_inverse=True)
    return names, np.asarray(np.bincount(number, prices[known]) / np.bincount(number))


def seasonal_change(
    days: NDArray[np.datetime64], prices: Doubles, *, start: date, months: int, until: date | None = None
) -> Change | None:
    """Return how the price changes in `months` months from the calendar month of `start` on.

    `days` (n,) and `prices` (n,) in any one unit; only prices up to `until` (default: all) count. None when the
    change was seen in fewer than LEAST_YEARS years.
    """
    if until is not None:
        early = days <= np.datetime64(until)
        days, prices = days[early], prices[early]
    month, level = monthly(days, prices)
    if not len(month):
        return None
    changes, years = _changes(month, level, start.month, months)
    count = len(np.unique(years))
    if count < LEAST_YEARS:
        return None
    found = quantiles_of_units(changes, years.astype(str))
    return Change(months, dict(zip(QUANTILES, (float(v) for v in found), strict=True)), count)


def _changes(month: NDArray[np.int64], level: Doubles, of_year: int, ahead: int) -> tuple[Doubles, NDArray[np.int64]]:
    """Return the changes (pair,) whose first month is within one of `of_year`, and the year each began in."""
    at = {int(m): float(v) for m, v in zip(month, level, strict=True)}
    pairs = [
        (np.log(at[m + ahead] / at[m]), (m - shift) // 12 + 1970)
        for shift in (-1, 0, 1)
        for m in at
        if (m - shift) % 12 == of_year - 1 and m + ahead in at
    ]
    if not pairs:
        return np.array([]), np.array([], np.int64)
    changes, years = zip(*pairs, strict=True)
    return np.array(changes), np.array(years, np.int64)


def evaluate_prices(days: NDArray[np.datetime64], prices: Doubles, *, months: int) -> dict[str, Any]:
    """Tell each year's change from each month from the years before it, and return how often the intervals held.

    Keys: told, years, coverage_80, coverage_90, pinball (of ln, mean over .1, .5, .9), and pinball_no_change of a
    lognormal with no change and the spread of all changes before. Raises `DatasetError` when the series is shorter
    than WARM_UP and three more years.
    """
    month, level = monthly(days, prices)
    if not len(month) or (month[-1] - month[0]) // 12 < WARM_UP + 3:
        raise DatasetError(f"is shorter than {WARM_UP + 3} years", subject="prices", remedy="give a longer series")
    at = dict(zip(month.tolist(), level.tolist(), strict=True))
    held: list[tuple[float, ...]] = []
    first = month[0] // 12 + WARM_UP + 1
    for now in month[month // 12 >= first]:
        if int(now) + months not in at:
            continue
        past = month <= now
        moment = date(int(now) // 12 + 1970, int(now) % 12 + 1, 1)
        known = month[past].astype("datetime64[M]").astype("datetime64[D]")
        told = seasonal_change(known, level[past], start=moment, months=months)
        if told is None:
            continue
        usual = np.log(level[past][months:] / level[past][:-months])
        truth = float(np.log(at[int(now) + months] / at[int(now)]))
        held.append((truth, *(told.quantiles[q] for q in QUANTILES), float(usual.std())))
    truth, low, ten, half, ninety, high, spread = np.array(held).T
    return {
        "told": len(truth),
        "years": int((month[-1] - first * 12) // 12 + 1),
        "coverage_80": float(((truth >= ten) & (truth <= ninety)).mean()),
        "coverage_90": float(((truth >= low) & (truth <= high)).mean()),
        "pinball": _pinball(truth, {0.1: ten, 0.5: half, 0.9: ninety}),
        "pinball_no_change": _pinball(truth, {0.1: -Z * spread, 0.5: 0.0 * spread, 0.9: Z * spread}),
    }


def _pinball(truth: Doubles, told: Mapping[float, Doubles]) -> float:
    losses = [np.maximum(q * (truth - v), (q - 1.0) * (truth - v)) for q, v in told.items()]
    return float(np.mean(losses))
