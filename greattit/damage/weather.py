"""Weather as this room reads it, and what it says of thirst and frost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Weather(Protocol):
    """Daily weather of one place; the house's own record has these names too."""

    @property
    def days(self) -> Any:
        """(n,) datetime64[D], ascending."""

    @property
    def tmin_c(self) -> Any:
        """(n,) [degC]."""

    @property
    def tmax_c(self) -> Any:
        """(n,) [degC]."""

    @property
    def rain_mm(self) -> Any:
        """(n,) [mm]."""

    @property
    def radiation_mj_m2(self) -> Any:
        """(n,) [MJ/m2] global radiation; NaN where unknown."""


@dataclass(frozen=True, eq=False)
class DailyWeather:
    """Daily weather of one place, day by day."""

    days: NDArray[np.datetime64]
    """(n,) datetime64[D], ascending"""
    tmin_c: NDArray[np.float64]
    """(n,) [degC]"""
    tmax_c: NDArray[np.float64]
    """(n,) [degC]"""
    tmean_c: NDArray[np.float64]
    """(n,) [degC]"""
    rain_mm: NDArray[np.float64]
    """(n,) [mm]"""
    radiation_mj_m2: NDArray[np.float64]
    """(n,) [MJ/m2] global radiation"""


SOIL_WATER_MM = 120.0
"""[mm] water that roots of a field crop reach in a loam: 1 m at 120-180 mm/m (FAO-56, table 19), a third not rooted"""
EASY_SHARE = 0.5
"""[1] share of it that crops take up without stress (FAO-56, table 22: 0.35 potato to 0.65 cereals)"""
LATENT_MJ_KG = 2.45
"""[MJ/kg] latent heat of vaporisation (FAO-56)"""


def stress(weather: Weather) -> NDArray[np.float64]:
    """Return the stress (n,) of each day: 1 - Ks, the share by which thirst cuts the water use of a crop [0-1].

    Bucket of FAO-56 (Allen et al. 1998, eq. 84-85), full on the first day; use by Hargreaves and Samani 1985 from
    measured radiation, ET0 = 0.0135 (T + 17.8) Rs / 2.45 [mm/day], crop coefficient 1. Days without figures are NaN and
    leave the bucket as it was.
    """
    mean = 0.5 * (np.asarray(weather.tmin_c, float) + np.asarray(weather.tmax_c, float))
    demand = 0.0135 * np.clip(mean + 17.8, 0.0, None) * np.asarray(weather.radiation_mj_m2, float) / LATENT_MJ_KG
    rain = np.asarray(weather.rain_mm, float)
    found, gone = np.full(len(rain), np.nan), 0.0
    easy = EASY_SHARE * SOIL_WATER_MM
    for i, (use, fell) in enumerate(zip(demand, rain, strict=True)):
        if np.isfinite(use + fell):
            left = min(1.0, (SOIL_WATER_MM - gone) / (SOIL_WATER_MM - easy))
            gone = float(np.clip(gone - fell + use * left, 0.0, SOIL_WATER_MM))
            found[i] = 1.0 - min(1.0, (SOIL_WATER_MM - gone) / (SOIL_WATER_MM - easy))
    return found


def day_numbers(weather: Weather) -> NDArray[np.int64]:
    """Return days since 1970 (n,)."""
    return np.asarray(weather.days).astype("datetime64[D]").astype(np.int64)


def coldest(weather: Weather, first: float, last: float) -> tuple[int, float]:
    """Return the day (since 1970) and lowest temperature [degC] of the coldest night between two days; NaN unknown."""
    days, low = day_numbers(weather), np.asarray(weather.tmin_c, float)
    inside = (days >= first) & (days <= last) & np.isfinite(low)
    if not inside.any():
        return 0, float("nan")
    at = int(np.argmin(np.where(inside, low, np.inf)))
    return int(days[at]), float(low[at])


def thirsty(weather: Weather, first: float, last: float, strong: float) -> NDArray[np.int64]:
    """Return the days between two (since 1970, ascending) with a `stress` of `strong` or more."""
    days, dry = day_numbers(weather), stress(weather)
    with np.errstate(invalid="ignore"):
        return days[(days >= first) & (days <= last) & (dry >= strong)]


HARDY_DAYS, HARDY_C = 20, 6.0
"""plants that had a mean below so many degC over so many days are hardened (order of Fowler 1996, Crop Sci. 36)"""


def hardened(weather: Weather, night: int) -> bool:
    """Whether the days before a night (since 1970) were so cold that plants had hardened; not where unknown."""
    days = day_numbers(weather)
    mean = 0.5 * (np.asarray(weather.tmin_c, float) + np.asarray(weather.tmax_c, float))
    before = mean[(days >= night - HARDY_DAYS) & (days < night) & np.isfinite(mean)]
    return bool(len(before) >= HARDY_DAYS // 2 and before.mean() < HARDY_C)
