"""The record of daily weather at one place, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import WeatherError

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

QUANTITIES = ("tmin_c", "tmax_c", "tmean_c", "rain_mm", "radiation_mj_m2", "wind_m_s", "vapour_kpa")
"""the fields of `Weather` that hold one value a day"""


@dataclass(frozen=True, eq=False)
class Weather:
    """Daily weather at one place: every day from the first to the last, NaN for what is not known."""

    days: Days
    """(t,) datetime64[D], ascending without gaps"""
    tmin_c: Floats
    """(t,) [degC] least air temperature of the day, at 2 m"""
    tmax_c: Floats
    """(t,) [degC] highest air temperature of the day, at 2 m"""
    tmean_c: Floats
    """(t,) [degC] mean air temperature of the day, at 2 m"""
    rain_mm: Floats
    """(t,) [mm] rain, and snow as water"""
    radiation_mj_m2: Floats
    """(t,) [MJ/m2] solar radiation on level ground, of the whole day"""
    wind_m_s: Floats
    """(t,) [m/s] mean wind at 2 m above the ground"""
    vapour_kpa: Floats
    """(t,) [kPa] actual vapour pressure"""
    latitude: float | None
    """[deg] north; None when neither the file nor the caller says"""
    elevation_m: float | None
    """[m] above the sea; None when neither the file nor the caller says"""
    source: str
    """the file, and the product where it names itself"""
    sha256: str
    """of the file's bytes"""
    mended: tuple[str, ...] = ()
    """what was converted, assumed or filled on the way in, one sentence each"""

    def __len__(self) -> int:
        return len(self.days)

    @property
    def values(self) -> Mapping[str, Floats]:
        """Every quantity by name, each (t,)."""
        return {name: getattr(self, name) for name in QUANTITIES}

    def at(self, day: date | np.datetime64) -> int:
        """Return the index of a day; raise `WeatherError` when it lies outside the record."""
        wanted = _day(day)
        index = int((wanted - self.days[0]).astype(np.int64)) if len(self.days) else -1
        if not 0 <= index < len(self.days):
            raise WeatherError(
                f"{wanted} lies outside {self._span()}",
                subject=self.source,
                remedy="read weather of that time too",
            )
        return index

    def between(self, first: date | np.datetime64, last: date | np.datetime64) -> Weather:
        """Return the days from `first` to `last`, both included, as far as the record goes.

        Raises `WeatherError` when `last` is before `first` or no day of the record lies between.
        """
        low, high = _day(first), _day(last)
        keep = (self.days >= low) & (self.days <= high)
        if not keep.any():
            raise WeatherError(
                f"no day from {low} to {high} is in {self._span()}",
                subject=self.source,
                remedy="ask for days of the record, the first one first",
            )
        kept: dict[str, Any] = {name: values[keep] for name, values in self.values.items()}
        return replace(self, days=self.days[keep], **kept)

    def _span(self) -> str:
        return f"{self.days[0]} to {self.days[-1]}" if len(self.days) else "an empty record"


def _day(day: date | np.datetime64) -> Any:
    """Return a day as datetime64[D]."""
    return np.asarray(day, "datetime64[D]")[()]
