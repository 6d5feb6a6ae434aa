"""Seasons as rows: one row a plot, its clear looks in order, beside what its neighbours of the same crop showed.

Everything here works on many plots at once; NaN stands where nothing was seen and behind the last look of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.damage.water import optical_water
from greattit.types import Series

Array = NDArray[np.float64]

CLEAR_ENOUGH = 0.5
"""Share of the plot that must be seen clear for a look to count."""
BARE_NDVI, FULL_NDVI = 0.15, 0.88
"""NDVI of bare soil and of a closed canopy, the ends of `cover`."""
BARE_NDMI, FULL_NDMI = 0.0, 0.45
"""the same of NDMI: straw and soil are drier"""
BRIGHT_NIR, LEAFY_NDVI = 0.25, 0.25
"""reflectance in B08 and NDVI from which NDMI speaks of leaves: water and shadow are darker, snow has a lower NDVI"""
NEAR_DAYS = 15.0
"""A look of the neighbours counts for a plot's look when it is so near [days]; between two it is interpolated."""


def cover(ndvi: Array, ndmi: Array, nir: Array) -> Array:
    """Return the green cover 0-1 by the linear mixture of Gutman and Ignatov 1998, Int. J. Remote Sens. 19.

    It is that of NDVI, or that of NDMI where that is more and leaves are there: petals raise
    the red and not B11, so that a crop in bloom keeps its cover (rapeseed: Sulik and Long 2016, Remote Sens. Environ.
    184). NaN of NDMI leaves that of NDVI.
    """
    green = np.clip((ndvi - BARE_NDVI) / (FULL_NDVI - BARE_NDVI), 0.0, 1.0)
    with np.errstate(invalid="ignore"):
        leafy = (nir >= BRIGHT_NIR) & (ndvi >= LEAFY_NDVI)
        moist = np.where(leafy, np.clip((ndmi - BARE_NDMI) / (FULL_NDMI - BARE_NDMI), 0.0, 1.0), np.nan)
    return np.asarray(np.where(np.isfinite(green), np.fmax(green, moist), np.nan))


def mirbi(swir1: Array, swir2: Array) -> Array:
    """Return 10 B12 - 9.8 B11 + 2 of reflectance 0-1: high on char. Trigg and Flasse 2001, Int. J. Remote Sens. 22."""
    return np.asarray(10.0 * swir2 - 9.8 * swir1 + 2.0)


@dataclass(frozen=True, eq=False)
class Rows:
    """Clear looks of many plots, the first look of each in column 0."""

    day: Array
    """(n, k) days since 1970-01-01"""
    cover: Array
    """(n, k) green cover 0-1, dips of a single look closed"""
    usual: Array
    """(n, k) green cover of the neighbours on the same day; NaN where unknown"""
    mirbi: Array
    """(n, k) burn index of the mid infrared, Trigg and Flasse 2001"""
    nbr: Array
    """(n, k) normalised burn ratio"""
    nir: Array
    """(n, k) near infrared reflectance"""
    wet: Array
    """(n, k) 1 where the means of the plot look like open water, else 0"""
    sown: Array
    """(n,) first usual day of sowing, days since 1970; NaN where unknown"""
    harvest: Array
    """(n,) first usual day of the harvest, days since 1970; NaN where unknown"""


@dataclass(frozen=True)
class Usual:
    """When the crop usually stands there."""

    sown: date
    """first usual day of sowing"""
    harvest_start: date
    """first usual day of the harvest"""


def gather(
    many: Sequence[Series],
    *,
    day: date,
    neighbours: Sequence[Series | None] | None = None,
    usual: Sequence[Usual | None] | None = None,
    since: date | None = None,
) -> Rows:
    """Return the rows of many seasons from `since` (1 January of `day`'s year) up to `day`."""
    first = _number(since or date(day.year, 1, 1))
    beside = neighbours or [None] * len(many)
    looks = [_looks(series, first, _number(day)) for series in many]
    longest = max((len(one[0]) for one in looks), default=0)
    table = np.full((7, len(many), max(longest, 1)), np.nan)
    for row, (one, near) in enumerate(zip(looks, beside, strict=True)):
        table[:6, row, : len(one[0])] = one
        table[6, row, : len(one[0])] = _beside(near, one[0], first, _number(day))
    table[1] = closed(table[1])
    spans = np.array([_span(one) for one in (usual or [None] * len(many))]).reshape(len(many), 2)
    days, seen, burnt, nbr, nir, wet, near_cover = table
    return Rows(days, seen, near_cover, burnt, nbr, nir, wet, spans[:, 0], spans[:, 1])


def closed(values: Array) -> Array:
    """Return rows whose dips of one look are filled to the lower of both sides: a missed cloud lasts one look.

    The last look of a row is not confirmed yet: it counts as the higher of itself and the one before.
    """
    before = np.concatenate([values[:, :1], values[:, :-1]], axis=1)
    after = np.concatenate([values[:, 1:], np.full((len(values), 1), np.nan)], axis=1)
    filled = np.fmax(values, np.where(np.isfinite(after), np.minimum(before, after), before))
    return np.where(np.isfinite(values), filled, np.nan)


def ndvi_of(series: Series) -> Array:
    """Return NDVI (t,) of a series, from its bands or as it stands there."""
    if {"B04", "B08"} <= set(series.bands):
        return np.asarray(indices.ndvi(series.band("B04").astype(np.float64), series.band("B08").astype(np.float64)))
    return series.band("ndvi").astype(np.float64)


def _number(day: date) -> int:
    return int(np.datetime64(day, "D").astype(int))


def _span(usual: Usual | None) -> tuple[float, float]:
    return (np.nan, np.nan) if usual is None else (_number(usual.sown), _number(usual.harvest_start))


def _looks(series: Series, first: int, last: int) -> Array:
    """Return day, cover, MIRBI, NBR, NIR and water of the clear looks (6, k)."""
    days = series.dates.astype("datetime64[D]").astype(np.int64)
    green = ndvi_of(series)
    keep = (days >= first) & (days <= last) & (series.clear >= CLEAR_ENOUGH) & np.isfinite(green)
    bands = {name: series.band(name).astype(np.float64)[keep] for name in ("B02", "B03", "B04", "B08", "B11", "B12")}
    burnt = mirbi(bands["B11"], bands["B12"])
    nbr = indices.nbr(bands["B08"], bands["B12"])
    moist = np.asarray(indices.ndmi(bands["B08"], bands["B11"]), np.float64)
    leaf = cover(green[keep], moist, bands["B08"])
    return np.stack([days[keep], leaf, burnt, nbr, bands["B08"], optical_water(bands)])


def _beside(near: Series | None, days: Array, first: int, last: int) -> Array:
    """Return the neighbours' cover on `days`, between their looks at most twice `NEAR_DAYS` apart."""
    if near is None or not len(days):
        return np.full(len(days), np.nan)
    theirs = _looks(near, first, last)
    at, values = theirs[0], closed(theirs[1][None])[0]
    if len(at) < 2:
        return np.full(len(days), np.nan)
    after = np.clip(np.searchsorted(at, days), 0, len(at) - 1)
    before = np.clip(np.searchsorted(at, days, side="right") - 1, 0, len(at) - 1)
    far = np.maximum(np.abs(at[after] - days), np.abs(at[before] - days))
    return np.where(far <= NEAR_DAYS, np.interp(days, at, values), np.nan)


def median_series(many: Sequence[Series], plot_id: str = "neighbours") -> Series | None:
    """Return the median of several series look by look, for plots of one cube; None of fewer than three.

    A look counts where at least three of them were seen clear.
    """
    if len(many) < 3:
        return None
    clear = np.stack([one.clear >= CLEAR_ENOUGH for one in many])
    values = np.where(clear[:, :, None], np.stack([one.values for one in many]), np.nan)
    enough = np.isfinite(values).sum(axis=0) >= 3
    order = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    low, high = (np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2)
    both = [np.take_along_axis(order, at[None], axis=0)[0] for at in (low, np.minimum(high, len(many) - 1))]
    middle = np.where(enough, 0.5 * (both[0] + both[1]), np.nan).astype(np.float32)
    share = (clear.mean(axis=0) > 0).astype(np.float32)
    return Series(plot_id, many[0].dates, many[0].bands, middle, share)
