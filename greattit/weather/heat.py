"""Thermal time: the heat that drives a crop's development, summed day by day."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from greattit.errors import WeatherError
from greattit.weather.record import Weather


def thermal_time(weather: Weather, base_c: float, cap_c: float, since: date | np.datetime64) -> NDArray[np.float64]:
    """Return the sum (t,) [degC day] of daily mean temperature above `base_c`, from `since` on, that day included.

    A day adds min(tmean, cap) - base, or nothing below the base: method 1 of McMaster and Wilhelm 1997 (Agric. For.
    Meteorol. 87, 291-300, eq. 1) with an upper threshold. Days before `since` are NaN, and so is every day from the
    first one whose temperature is not known: a sum with a hole in it is no sum. Raises `WeatherError` when `cap_c` is
    not above `base_c` or `since` lies outside the record.
    """
    if not cap_c > base_c:
        raise WeatherError(
            f"the cap of {cap_c} degC is not above the base of {base_c} degC",
            subject=weather.source,
            remedy="give base and cap in degC, the base first",
        )
    first = weather.at(since)
    out = np.full(len(weather), np.nan)
    out[first:] = np.cumsum(np.clip(weather.tmean_c[first:], base_c, cap_c) - base_c)
    return out
