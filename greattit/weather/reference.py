"""Reference evapotranspiration: what well-watered short grass would lose, by the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.errors import WeatherError
from greattit.weather import formulas
from greattit.weather.record import Floats, Weather

PENMAN_MONTEITH = "Penman-Monteith, FAO-56 eq. 6"
HARGREAVES = "Hargreaves, FAO-56 eq. 52"
USUAL_WIND_M_S = 2.0
"""[m/s] taken where no wind is known; mean over more than 2000 stations, FAO-56 chapter 3"""


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference evapotranspiration ETo of every day, and how it was found."""

    mm: Floats
    """(t,) [mm/day]; NaN where the temperature is not known; never below 0"""
    method: str
    """PENMAN_MONTEITH or HARGREAVES"""
    filled: Mapping[str, NDArray[np.bool_]]
    """"vapour", "radiation", "wind" -> (t,) days on which it was not known and FAO-56's procedure stood in for it"""
    notes: tuple[str, ...]
    """the method and every procedure used, one sentence each"""


def reference_evapotranspiration(weather: Weather) -> Reference:
    """Return the daily reference evapotranspiration of `weather`, by FAO-56.

    Penman-Monteith where anything beyond temperature is known. On days that lack it, vapour pressure is taken as
    saturated at the least temperature (eq. 48), radiation from the range of temperature (eq. 50, inland) and wind as 2
    m/s. A record of temperatures alone is reckoned by Hargreaves (eq. 52). `Weather.tmean_c` is not used: FAO-56 takes
    (tmin + tmax) / 2 (eq. 9). Raises `WeatherError` without a latitude or without least and highest temperatures.
    """
    if weather.latitude is None:
        raise WeatherError(
            "reference evapotranspiration needs the latitude",
            subject=weather.source,
            remedy="read it with latitude=, in degrees north",
        )
    if np.isnan(weather.tmin_c + weather.tmax_c).all():
        raise WeatherError(
            "no day has both a least and a highest temperature", subject=weather.source, remedy="add tmin_c and tmax_c"
        )
    above = formulas.extraterrestrial(weather.latitude, formulas.day_of_year(weather.days))
    beyond = (weather.vapour_kpa, weather.radiation_mj_m2, weather.wind_m_s)
    if all(np.isnan(values).all() for values in beyond):
        mm = np.maximum(formulas.hargreaves(weather.tmin_c, weather.tmax_c, above), 0.0)
        return Reference(mm, HARGREAVES, {}, (f"{HARGREAVES}: only temperatures are known",))
    return _penman_monteith(weather, above)


def _penman_monteith(weather: Weather, above: Floats) -> Reference:
    tmin, tmax = weather.tmin_c, weather.tmax_c
    warm = ~np.isnan(tmin + tmax)
    filled = {
        "vapour": warm & np.isnan(weather.vapour_kpa),
        "radiation": warm & np.isnan(weather.radiation_mj_m2),
        "wind": warm & np.isnan(weather.wind_m_s),
    }
    vapour = np.where(filled["vapour"], formulas.saturation(tmin), weather.vapour_kpa)
    by_range = formulas.radiation_of_temperature(above, tmin, tmax)
    height = weather.elevation_m or 0.0
    clear = formulas.clear_sky(above, height)
    solar = np.where(filled["radiation"], np.minimum(by_range, clear), weather.radiation_mj_m2)
    wind = np.where(filled["wind"], USUAL_WIND_M_S, weather.wind_m_s)
    longwave = formulas.net_longwave(tmin, tmax, vapour, solar, clear)
    net = formulas.net_radiation(solar, longwave)
    deficit = np.maximum(formulas.mean_saturation(tmin, tmax) - vapour, 0.0)
    gamma = formulas.psychrometric(formulas.pressure(height))
    mm = formulas.penman_monteith((tmin + tmax) / 2.0, net, wind, deficit, gamma)
    return Reference(np.maximum(mm, 0.0), PENMAN_MONTEITH, filled, _notes(weather, filled))


def _notes(weather: Weather, filled: Mapping[str, NDArray[np.bool_]]) -> tuple[str, ...]:
    how = {
        "vapour": "vapour pressure as saturated at the least temperature (eq. 48)",
        "radiation": "radiation from the range of temperature (eq. 50, inland, at most a clear sky's)",
        "wind": f"wind as {USUAL_WIND_M_S:g} m/s",
    }
    notes = [PENMAN_MONTEITH]
    notes += [f"{how[name]} on {int(days.sum())} days" for name, days in filled.items() if days.any()]
    if weather.elevation_m is None:
        notes.append("height above the sea is not known and taken as 0 m")
    return tuple(notes)
