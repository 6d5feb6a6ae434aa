"""Regional mean, times vigour, times the undamaged share, with a spread that widens when looks are few.

::

    sd  = sqrt(year_spread^2 + field_spread^2) * sqrt(looks_enough / min(looks, looks_enough))
    p50 = mean * min(vigour, 1) * (1 - damaged share)
    p10 = p50 * exp(-1.2816 * sd)          p90 = p50 * exp(+1.2816 * sd)

The yield of one field is taken as lognormal around the regional mean: it cannot be below zero, and its spread is a
share of it. 1.2816 is the normal quantile of 0.9. Vigour and damage only ever lower. Damages may lie on each other, so
the largest loss (share hit x what went there) counts, not their sum; a damage that has lowered the vigour too is
counted twice, which is prudent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import damage, policy
from greattit.crops import taxonomy
from greattit.policy import Decided, places
from greattit.types import CropCall, Figure, Growth, Interval, Yield
from greattit.yields import gate
from greattit.yields.table import lookup

Doubles = NDArray[np.float64]

Z = 1.2816
"""normal quantile of 0.9 [1]"""


def estimate(call: CropCall, growth: Growth, *, region: str | None, day: date) -> tuple[Yield, ...]:
    """Return one yield [kg/ha] for each crop of `call.likely` that has figures in the region, most probable first.

    Empty when abstained, outside every region, or when nothing was seen. A likely crop without a figure is left out:
    `credit.offer` says so, and refuses when it is the called crop. NaN vigour gives NaN, never zero.
    """
    if call.crop is None or not region or growth.looks < 1:
        return ()
    likely = dict.fromkeys((*call.likely, call.crop))
    found = (_one(crop, growth, region, day) for crop in likely if taxonomy.is_crop(crop, day))
    return tuple(one for one in found if one is not None)


def estimate_rows(
    crops: Sequence[str],
    *,
    vigour: Doubles,
    damaged: Doubles,
    looks: Doubles,
    region: str,
    day: date,
) -> Doubles:
    """Return p10, p50 and p90 (row, 3) [kg/ha] of very many plots, each of its one crop; the formula of `estimate`.

    `vigour` (row,) [1], `damaged` (row,) largest share 0-1 of the damages found, `looks` (row,) clear looks. NaN where
    the crop has no table in the region, nothing was seen or anything is NaN. One step for each crop, none for plots.
    """
    names, number = np.unique(np.asarray(crops, str), return_inverse=True)
    tables = [_table(str(name), region, day) if taxonomy.is_crop(str(name), day) else None for name in names]
    enough = float(policy.load("yields").on(day).rule("rules", "looks_enough").value)
    mean = np.array([math.nan if one is None else one[0].value for one in tables])[number]
    usual = np.array([math.nan if one is None else math.hypot(one[1].value, one[2].value) for one in tables])[number]
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.where(np.asarray(looks, float) >= 1.0, looks, np.nan)
        level = np.where(np.isfinite(seen), mean, np.nan)
        return np.stack(_quantiles(level, usual, np.clip(vigour, 0.0, 1.0), 1.0 - damaged, seen, enough), axis=-1)


def _quantiles(mean: Any, usual: Any, vigour: Any, undamaged: Any, looks: Any, enough: float) -> tuple[Any, Any, Any]:
    """Return p10, p50 and p90 of numbers or arrays by the formula above."""
    middle = mean * vigour * undamaged
    reach = np.exp(Z * usual * np.sqrt(enough / np.minimum(looks, enough)))
    return middle / reach, middle, middle * reach


def _table(crop: str, region: str, day: date) -> tuple[Decided, Decided, Decided] | None:
    """Return mean yield, spread of years and spread of fields; None when one is missing."""
    where = ("regions", region)
    mean = lookup(crop, "mean", book="yields", branch=where, day=day)
    years = lookup(crop, "year_spread", book="yields", branch=where, day=day)
    fields = lookup(crop, book="yields", branch=("rules", "field_spread"), day=day)
    return None if mean is None or years is None or fields is None else (mean, years, fields)


def _one(crop: str, growth: Growth, region: str, day: date) -> Yield | None:
    table = _table(crop, region, day)
    if table is None:
        return None
    mean, years, fields = table
    enough = policy.load("yields").on(day).rule("rules", "looks_enough")
    usual = math.hypot(years.value, fields.value)
    spread = usual * math.sqrt(enough.value / min(growth.looks, enough.value))
    vigour, undamaged = _least(growth.vigour), 1.0 - _damaged(growth, day)
    quantiles = _quantiles(mean.value, usual, vigour, undamaged, float(growth.looks), float(enough.value))
    low, middle, high = (float(value) for value in quantiles)
    formula = "p50 = mean yield x vigour x undamaged share; p10, p90 = p50 x exp(-+1.2816 x yield spread)"
    figures = (
        Figure("mean yield", float(mean.value), "kg/ha", mean.source),
        Figure("vigour", vigour, "1", "growth: how green the crop is against a normal field of it, never above 1"),
        Figure("undamaged share", undamaged, "1", "1 - largest loss of the damages found: share hit x what went there"),
        Figure("year spread", float(years.value), "1", years.source),
        Figure("field spread", float(fields.value), "1", fields.source),
        Figure("clear looks", float(growth.looks), "looks", "growth: clear looks of the season up to the day"),
        Figure("looks enough", float(enough.value), "looks", enough.source),
        Figure(
            "yield spread",
            spread,
            "1",
            "hypot(year, field spread) x sqrt(looks enough / min(clear looks, looks enough))",
        ),
        Figure("yield p50", middle, "kg/ha", formula),
        Figure("yield p10", low, "kg/ha", formula),
    )
    return Yield(
        crop, Interval(low, middle, high, "kg/ha"), _basis(crop, region, mean, vigour, undamaged, day), figures
    )


def _basis(crop: str, region: str, mean: Decided, vigour: float, undamaged: float, day: date) -> str:
    table = mean.path.split("/")[-2]
    what = crop if table == crop else f"{crop} (as {table})"
    return (
        f"Mean yield of {what.replace('_', ' ')} in {places.name(region, day=day)}, {mean.value:,.0f} kg/ha in force "
        f"since {mean.since}, times vigour {vigour:.2f} and undamaged share {undamaged:.2f}; {gate.served(crop)}"
    )


def _least(vigour: float) -> float:
    return vigour if math.isnan(vigour) else min(max(vigour, 0.0), 1.0)


def _damaged(growth: Growth, day: date) -> float:
    """Return the largest loss 0-1 of the damages found (`damage.loss`)."""
    shares = [damage.loss(hazard, day=day) for hazard in growth.hazards]
    if any(math.isnan(share) for share in shares):
        return math.nan
    return min(max(shares, default=0.0), 1.0)
