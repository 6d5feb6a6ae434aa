"""Estimates that stand beside the yield and have no say in it: no measured yield of fields was told better by them.

Light use (Monteith 1977; parameters in policy/light_use.yaml)::

    dry matter = efficiency x sum over days of (photosynthetic light x share absorbed) x water
    yield      = dry matter x harvest index / (1 - moisture)

The share absorbed is read from the curve of NDVI (`light.fapar`), water is actual over potential evapotranspiration of
the season by FAO-56 (`weather.water_balance`), rain-fed on a loam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.crops import taxonomy
from greattit.errors import PolicyError
from greattit.types import Figure, Growth, Interval
from greattit.yields.light import PAR, fapar
from greattit.yields.table import lookup

if TYPE_CHECKING:
    from greattit.weather import Weather

LOAM_MM_PER_M = 150.0
"""[mm/m] water that a loam holds for plants, the middle of FAO-56 table 19"""
TO_KG_HA = 10.0
"""[kg/ha] of 1 g/m2"""
KNOWN_DAYS = 0.9
"""Share of the days of the season whose radiation must be known."""


@dataclass(frozen=True)
class Beside:
    """One estimate that stands beside the yield."""

    method: str
    """ "light use" or "crop model" """
    kg_ha: float
    """[kg/ha] as marketed; NaN where it cannot be reckoned"""
    basis: str
    """one sentence: what it rests on, or why there is none"""
    figures: tuple[Figure, ...] = ()
    """the numbers used, each with its source"""
    spread: Interval | None = None
    """[kg/ha] over the weather of other years, not over what else may happen; None where there is none"""


def by_light(
    crop: str, growth: Growth, curve: tuple[Sequence[date], NDArray[np.float64]], weather: Weather, *, day: date
) -> Beside:
    """Return the yield that the light taken up so far would make of a healthy crop.

    `curve` is days and smoothed NDVI (step,) as of `growth.season_curve`. Never raises for what is not known: the
    estimate is NaN then, and its basis says why.
    """
    found = [lookup(crop, leaf, book="light_use", branch=("crops",), day=day) for leaf in LEAVES]
    efficiency, index, moisture = found
    if efficiency is None or index is None or moisture is None:
        return _none(f"policy/light_use.yaml has no figures of {crop.replace('_', ' ')}")
    if growth.start is None and growth.kind != "perennial":
        return _none("the start of the season is not known" + (f": {growth.notes[0]}" if growth.notes else ""))
    days, ndvi = curve
    if len(days) < 2:
        return _none("too few clear looks for a curve")
    first, last = growth.start or days[0], min(growth.end or day, days[-1])
    light, known = _light(days, ndvi, weather, first, last)
    if known < KNOWN_DAYS:
        return _none(f"{weather.source} knows the radiation of {known:.0%} of the days from {first} to {last}")
    water, why = _water(crop, growth, weather, day)
    dry = efficiency.value * light * water
    marketed = dry * index.value / (1.0 - moisture.value) * TO_KG_HA
    figures = (
        Figure("absorbed light", light, "MJ/m2", f"NDVI curve and radiation of {weather.source}, {first} to {last}"),
        Figure("light use efficiency", float(efficiency.value), "g/MJ", efficiency.source),
        Figure("water", water, "1", why),
        Figure("harvest index", float(index.value), "1", index.source),
        Figure("moisture", float(moisture.value), "1", moisture.source),
    )
    over = "the whole season" if growth.end else f"the season so far ({last}), which is not over"
    text = f"Light absorbed over {over}, times sourced efficiency, water and harvest index; no interval, no say"
    return Beside("light use", float(marketed), text, figures)


def by_scenarios(crop: str, weather: Weather, *, sown: date, irrigated: bool, day: date) -> Beside:
    """Return what a crop model's surrogate makes of this season's weather up to `day`, joined to each other year's.

    `weather` holds daily weather of this season and of five or more other years. A loam is taken, and the model's own
    variety. Never raises for what cannot be reckoned: the estimate is NaN then, and its basis says why.
    """
    from greattit.cropmodel import CropModelError, load, scenarios
    from greattit.errors import ModelError, WeatherError

    try:
        found = scenarios(
            weather,
            taxonomy.house_name(crop),
            sown=sown,
            soil="loam",
            irrigated=irrigated,
            weather_so_far=weather.between(sown, day),
            model=load(),
        )
    except (CropModelError, WeatherError, ModelError) as error:
        return replace(_none(str(error)), method="crop model")
    text = f"{found.basis} (years {found.years[0]} to {found.years[-1]}); no say"
    return Beside("crop model", found.market.p50, text, (), found.market)


LEAVES = ("efficiency", "harvest_index", "moisture")


def _none(why: str) -> Beside:
    return Beside("light use", float("nan"), f"not reckoned: {why}")


def _light(
    days: Sequence[date], ndvi: NDArray[np.float64], weather: Weather, first: date, last: date
) -> tuple[float, float]:
    """Return the light absorbed [MJ/m2] from `first` to `last` and the share of days with known radiation.

    Days without radiation count as the mean of those with.
    """
    span = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    if not len(span):
        return 0.0, 0.0
    at = np.interp(span.astype(float), np.array(days, "datetime64[D]").astype(float), ndvi)
    place = (span - weather.days[0]).astype(int)
    inside = (place >= 0) & (place < len(weather.days))
    sun = np.where(inside, weather.radiation_mj_m2[np.clip(place, 0, len(weather.days) - 1)], np.nan)
    known = float(np.isfinite(sun).mean())
    if not known:
        return 0.0, 0.0
    return float((PAR * np.where(np.isfinite(sun), sun, np.nanmean(sun)) * fapar(at)).sum()), known


def _water(crop: str, growth: Growth, weather: Weather, day: date) -> tuple[float, str]:
    """Return actual over potential evapotranspiration 0-1 of the season so far; 1 where it cannot be told."""
    from greattit.errors import WeatherError
    from greattit.weather import crop_water, water_balance

    end = growth.end or day
    if growth.start is None or growth.peak is None or not growth.start < growth.peak < end:
        return 1.0, "not told: the season has no known start, peak and end; 1 is taken"
    try:
        needs = crop_water((taxonomy.house_name(crop), *taxonomy.ancestors(crop)), on=day)
        balance = water_balance(
            weather, needs, start=growth.start, peak=growth.peak, end=end, available_water_mm_per_m=LOAM_MM_PER_M
        )
        ratio = float(balance.ratio[0])
    except (PolicyError, WeatherError) as error:
        return 1.0, f"not told: {error}; 1 is taken"
    if not np.isfinite(ratio):
        return 1.0, "not told: weather of the season has gaps; 1 is taken"
    return ratio, f"FAO-56 root-zone balance of {weather.source}, rain-fed, loam of {LOAM_MM_PER_M:.0f} mm/m"
