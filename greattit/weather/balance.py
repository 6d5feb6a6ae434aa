"""The water of the root zone, day by day, for many plots at once: who was thirsty, and how much was not drunk.

Single crop coefficient of FAO-56, chapters 6 and 8. Rain is the only water that comes: no runoff, no capillary rise and
no irrigation is reckoned unless it is handed in, so that an irrigated field looks thirstier than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greattit.errors import WeatherError
from greattit.weather.crop import CropWater
from greattit.weather.record import Floats, Weather
from greattit.weather.reference import reference_evapotranspiration

P_PER_MM, P_LEAST, P_MOST = 0.04, 0.1, 0.8
"""p = p(table 22) + 0.04 (5 - ETc), held to 0.1-0.8; FAO-56 table 22, note 2"""


@dataclass(frozen=True, eq=False)
class WaterBalance:
    """The root zone of n plots on t days. NaN outside a plot's season, and from the first day that is not known on."""

    days: NDArray[np.datetime64]
    """(t,) datetime64[D], those of the weather"""
    depletion_mm: Floats
    """(n, t) [mm] water lacking to field capacity at the end of the day, Dr of FAO-56 eq. 85"""
    available_mm: Floats
    """(n, t) [mm] all that the root zone can hold for the crop, TAW of eq. 82"""
    stress: Floats
    """(n, t) [1] Ks of eq. 84: 1 is no stress, 0 no water left"""
    potential_mm: Floats
    """(n, t) [mm/day] evapotranspiration without stress, ETc of eq. 58"""
    actual_mm: Floats
    """(n, t) [mm/day] evapotranspiration with stress, eq. 81"""
    drained_mm: Floats
    """(n, t) [mm/day] water that left the root zone below, eq. 88"""
    stress_days: Floats
    """(n,) [days] of the season with Ks below 1; NaN when a day of it is not known"""
    ratio: Floats
    """(n,) [1] actual over potential evapotranspiration of the season; NaN when a day of it is not known"""


def root_zone(
    potential_mm: Floats, water_mm: Floats, available_mm: Floats, p: Floats, depletion_mm: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return depletion, Ks, actual evapotranspiration and drainage, each (n, t), day after day.

    `potential_mm` ETc, `water_mm` rain and irrigation, `available_mm` TAW and `p` are (n, t), `depletion_mm` (n,)
    stands at the start. Each day water comes first; then Ks (eq. 84), ETc adj (eq. 81), deep percolation (eq. 88) and
    the balance (eq. 85) are reckoned. No more is drunk than there is. NaN on a day is NaN from there on.
    """
    out = np.empty((4, *potential_mm.shape[::-1]))
    lacking = np.asarray(depletion_mm, float)
    by_day = (np.ascontiguousarray(values.T) for values in (available_mm, potential_mm, water_mm, p))
    for day, (total, wanted, came, share) in enumerate(zip(*by_day, strict=True)):
        morning = np.maximum(lacking - came, 0.0)
        left = np.maximum(total - morning, 0.0)
        stress = np.clip(left / ((1.0 - share) * total), 0.0, 1.0)
        drunk = np.minimum(stress * wanted, left)
        drained = np.maximum(came - drunk - lacking, 0.0)
        lacking = lacking - came + drunk + drained
        out[:, day] = lacking, stress + 0.0 * lacking, drunk, drained
    return out[0].T, out[1].T, out[2].T, out[3].T


def water_balance(
    weather: Weather,
    crop: CropWater,
    *,
    start: ArrayLike | date,
    peak: ArrayLike | date,
    end: ArrayLike | date,
    available_water_mm_per_m: ArrayLike,
    cover: ArrayLike | None = None,
    irrigation_mm: ArrayLike | None = None,
    depletion_mm: ArrayLike = 0.0,
) -> WaterBalance:
    """Reckon the daily root-zone balance of n plots under one crop and one weather.

    `start`, `peak` and `end` are days, one for all or (n,): emergence or green-up, fullest canopy, harvest or dry-down;
    NaT gives a row of NaN, and so does a season that the weather does not hold whole. `available_water_mm_per_m` one
    or (n,) [mm/m]: field capacity less wilting point. Kc runs through the four stages of FAO-56 (fig. 34), laid between
    the three days by the shares of `crop`; with `cover`, (t,) or (n, t) ground cover 0-1, it follows the cover instead
    (eq. 98). Roots deepen evenly from the start to full cover; what they grow into is at field capacity.
    `irrigation_mm` (t,) or (n, t) is added to the rain; `depletion_mm` one or (n,) [mm] is lacking at the start, held
    to what the first root zone can lack.
    Raises `WeatherError` for days out of order, water that is not above zero, or cover outside 0-1.
    """
    per_metre, first = np.asarray(available_water_mm_per_m, float), np.asarray(depletion_mm, float)
    plan = _Plan.of(weather, crop, (start, peak, end), (per_metre, first))
    shape = (len(plan.start), len(weather))
    per_metre, first = np.broadcast_to(per_metre, shape[:1]), np.broadcast_to(first, shape[:1])
    _refuse(per_metre <= 0.0, "has no available water", weather.source, "give field capacity less wilting point, mm/m")
    if cover is None:
        kc = plan.kc()
    else:
        kc = _kc_of_cover(crop, np.broadcast_to(np.asarray(cover, float), shape), weather.source)
    potential = np.where(plan.season, kc * reference_evapotranspiration(weather).mm, np.nan)
    water = np.broadcast_to(weather.rain_mm, shape)
    if irrigation_mm is not None:
        water = water + np.broadcast_to(np.asarray(irrigation_mm, float), shape)
    available = plan.roots_m() * per_metre[:, None]
    p = np.clip(crop.p + P_PER_MM * (5.0 - potential), P_LEAST, P_MOST)
    found = _from_each_start(plan, potential, water, available, p, first)
    return _result(weather, plan, potential, available, found)


def _from_each_start(
    plan: _Plan, potential: Floats, water: Floats, available: Floats, p: Floats, first: Floats
) -> Floats:
    """Return what `root_zone` gives (4, n, t), every plot begun on its own first day: rows are shifted and put back."""
    count, length = potential.shape
    shift = np.clip(np.where(plan.whole, plan.start, 0), 0, length - 1).astype(np.int64)
    longest = int(np.max(np.where(plan.whole, plan.end - plan.start, 0.0))) + 1
    column = (np.arange(longest)[None, :] + shift[:, None]) % length
    rows = np.arange(count)[:, None]
    total = available[rows, column]
    found = root_zone(
        potential[rows, column], water[rows, column], total, p[rows, column], np.clip(first, 0.0, total[:, 0])
    )
    out = np.full((4, count, length), np.nan)
    for number, values in enumerate(found):
        out[number][rows, column] = values
    return np.where(plan.season, out, np.nan)


def _result(weather: Weather, plan: _Plan, potential: Floats, available: Floats, found: Floats) -> WaterBalance:
    depletion, stress, actual, drained = found
    known = np.isfinite(depletion)
    lost = plan.season & ~known
    sums = [np.where(known, values, 0.0).sum(axis=1) for values in (actual, potential, stress < 1.0)]
    fine = plan.whole & ~lost.any(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(fine & (sums[1] > 0.0), sums[0] / sums[1], np.nan)
    return WaterBalance(
        days=weather.days,
        depletion_mm=depletion,
        available_mm=np.where(known, available, np.nan),
        stress=stress,
        potential_mm=np.where(known, potential, np.nan),
        actual_mm=actual,
        drained_mm=drained,
        stress_days=np.where(fine, sums[2], np.nan),
        ratio=ratio,
    )


def _kc_of_cover(crop: CropWater, cover: Floats, subject: str) -> Floats:
    """Return Kc (n, t) of a ground cover 0-1: between bare and full by the density coefficient of FAO-56 eq. 98."""
    with np.errstate(invalid="ignore"):
        outside = ((cover < 0.0) | (cover > 1.0)).any(axis=1)
    _refuse(outside, "has a cover outside 0 to 1", subject, "give cover as a share of the ground")
    dense = np.minimum(np.minimum(1.0, 2.0 * cover), cover ** (1.0 / (1.0 + crop.height_m)))
    return np.asarray(crop.kc_ini + (crop.kc_mid - crop.kc_ini) * dense)


def _refuse(bad: Any, what: str, subject: str, remedy: str) -> None:
    rows = np.flatnonzero(np.asarray(bad))
    if len(rows):
        raise WeatherError(f"plot {rows[0]} {what} ({len(rows)} plots in all)", subject=subject, remedy=remedy)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The season of every plot on the weather's days."""

    crop: CropWater
    length: int
    start: Floats
    """(n,) days after the weather's first, as are `peak` and `end`; NaN where not known"""
    peak: Floats
    end: Floats

    @classmethod
    def of(cls, weather: Weather, crop: CropWater, days: Sequence[Any], beside: Sequence[Floats]) -> _Plan:
        """Return the plan of as many plots as `days` and what stands `beside` them tell.

        Raises `WeatherError` when start, peak and end are not in this order or the numbers of plots differ.
        """
        known = [np.atleast_1d(np.asarray(one, "datetime64[D]")) for one in days]
        try:
            count = np.broadcast_shapes(*(one.shape for one in known), *(one.shape for one in beside))
        except ValueError as error:
            what = f"the arrays are of different lengths: {error}"
            raise WeatherError(what, subject=weather.source, remedy="give one value a plot, or one for all") from error
        start, peak, end = (
            np.broadcast_to(np.where(np.isnat(one), np.nan, (one - weather.days[0]).astype(np.int64) * 1.0), count)
            for one in known
        )
        wrong = (peak < start) | (end < peak) | (end <= start)
        _refuse(wrong, "has start, peak and end out of order", weather.source, "give each day after the one before")
        return cls(crop, len(weather), start, peak, end)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(n,) the weather holds the season from its start to its end."""
        return np.asarray((self.start >= 0) & (self.end < self.length) & np.isfinite(self.peak))

    @property
    def season(self) -> NDArray[np.bool_]:
        """(n, t) the day belongs to a season that the weather holds whole."""
        day = np.arange(self.length)[None, :]
        return np.asarray(self.whole[:, None] & (day >= self.start[:, None]) & (day <= self.end[:, None]))

    def _between(self, low: Floats, high: Floats) -> Floats:
        """Return how far (n, t) each day is on the way from `low` to `high` (n,), held to 0-1."""
        day = np.arange(self.length)[None, :]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (day - low[:, None]) / np.maximum(high - low, 1e-9)[:, None]
        return np.asarray(np.clip(share, 0.0, 1.0))

    def kc(self) -> Floats:
        """Return Kc (n, t) through the four stages: initial, development, mid-season, late season."""
        rise, fall = self.peak - self.start, self.end - self.peak
        grown = self._between(self.start + self.crop.initial * rise, self.start + self.crop.full * rise)
        faded = self._between(self.peak + self.crop.held * fall, self.end)
        up = self.crop.kc_ini + (self.crop.kc_mid - self.crop.kc_ini) * grown
        return np.asarray(up + (self.crop.kc_end - self.crop.kc_mid) * faded)

    def roots_m(self) -> Floats:
        """Return the depth (n, t) [m] of the root zone."""
        deep = self._between(self.start, self.start + self.crop.full * (self.peak - self.start))
        return np.asarray(self.crop.first_root_m + (self.crop.root_m - self.crop.first_root_m) * deep)
