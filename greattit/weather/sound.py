"""What no day can be: a record of weather with an impossible value is refused, with the day that it stands on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from greattit.errors import WeatherError
from greattit.weather import formulas
from greattit.weather.record import Weather

POSSIBLE = {
    "tmin_c": (-90.0, 50.0),
    "tmax_c": (-80.0, 60.0),
    "tmean_c": (-85.0, 55.0),
    "rain_mm": (0.0, 2000.0),
    "radiation_mj_m2": (0.0, 46.0),
    "wind_m_s": (0.0, 60.0),
    "vapour_kpa": (0.0, 7.0),
}
"""quantity -> least and highest value of a day: the records of the World Meteorological Organization (temperature -89.2
to 56.7 degC, 1825 mm of rain), rounded outwards"""
SLACK_C = 0.5
"""[degC] by which the least temperature may stand above the mean or the highest: rounding and gridding"""


def check(weather: Weather, subject: str) -> Weather:
    """Return `weather`; raise `WeatherError` for a value that no day can have, naming the first such day."""
    if weather.latitude is not None and not -90.0 <= weather.latitude <= 90.0:
        raise WeatherError(f"latitude {weather.latitude:g} is none", subject=subject, remedy="give degrees north")
    if weather.elevation_m is not None and not -500.0 <= weather.elevation_m <= 9000.0:
        raise WeatherError(f"{weather.elevation_m:g} m is no height of a field", subject=subject, remedy="give metres")
    for name, values in weather.values.items():
        low, high = POSSIBLE[name]
        outside = (values < low) | (values > high)
        _refuse(weather, outside, f"{name} of {{}} is outside {low:g} to {high:g}", subject, name)
    for least, most in (("tmin_c", "tmax_c"), ("tmin_c", "tmean_c"), ("tmean_c", "tmax_c")):
        over = weather.values[least] > weather.values[most] + SLACK_C
        _refuse(weather, over, f"{least} of {{}} is above {most}", subject, least)
    if weather.latitude is not None:
        above = formulas.extraterrestrial(weather.latitude, formulas.day_of_year(weather.days))
        over = weather.radiation_mj_m2 > above + 1.0
        _refuse(weather, over, "radiation_mj_m2 of {} is more than the sun gives there", subject, "radiation_mj_m2")
    return weather


def _refuse(weather: Weather, bad: NDArray[np.bool_], what: str, subject: str, name: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        value = f"{weather.values[name][rows[0]]:g}"
        more = f", and on {len(rows) - 1} other days" if len(rows) > 1 else ""
        raise WeatherError(
            f"{weather.days[rows[0]]}: {what.format(value)}{more}",
            subject=subject,
            remedy="mend the value or its unit, or leave it empty where it is missing",
        )
