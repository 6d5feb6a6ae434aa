"""The formulas of FAO-56 for daily weather: one function each, arrays or numbers of any one shape, NaN stays NaN.

FAO-56: Allen, R. G., Pereira, L. S., Raes, D. and Smith, M. 1998, Crop evapotranspiration, FAO Irrigation and Drainage
Paper 56. Valid between the polar circles and, with days without sunrise or sunset as day lengths of 0 or 24 hours,
beyond them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SOLAR_CONSTANT = 0.0820
"""[MJ/m2/min] Gsc, FAO-56 eq. 21"""
STEFAN_BOLTZMANN = 4.903e-9
"""[MJ/K4/m2/day] FAO-56 eq. 39"""
ALBEDO = 0.23
"""[1] of the reference grass, FAO-56 eq. 38"""
INTERIOR_KRS = 0.16
"""[degC^-0.5] of eq. 50, inland; 0.19 on coasts"""
WATER_OF_ENERGY = 0.408
"""[mm/(MJ/m2)] water that a MJ/m2 evaporates, FAO-56 eq. 20"""


def saturation(temperature_c: Array) -> Array:
    """Return the saturation vapour pressure [kPa] at an air temperature [degC]; FAO-56 eq. 11."""
    return np.asarray(0.6108 * np.exp(17.27 * temperature_c / (temperature_c + 237.3)))


def mean_saturation(tmin_c: Array, tmax_c: Array) -> Array:
    """Return the mean saturation vapour pressure [kPa] of a day; FAO-56 eq. 12."""
    return (saturation(tmin_c) + saturation(tmax_c)) / 2.0


def slope(temperature_c: Array) -> Array:
    """Return the slope [kPa/degC] of the saturation curve at an air temperature [degC]; FAO-56 eq. 13."""
    return np.asarray(4098.0 * saturation(temperature_c) / (temperature_c + 237.3) ** 2)


def pressure(elevation_m: float) -> float:
    """Return the mean air pressure [kPa] at a height above the sea [m]; FAO-56 eq. 7."""
    return float(101.3 * ((293.0 - 0.0065 * elevation_m) / 293.0) ** 5.26)


def psychrometric(pressure_kpa: float) -> float:
    """Return the psychrometric constant [kPa/degC] at an air pressure [kPa]; FAO-56 eq. 8."""
    return 0.665e-3 * pressure_kpa


def vapour_of_humidity(tmin_c: Array, tmax_c: Array, least_percent: Array, most_percent: Array) -> Array:
    """Return the actual vapour pressure [kPa] from the day's extremes of relative humidity [%]; FAO-56 eq. 17."""
    return np.asarray((saturation(tmin_c) * most_percent + saturation(tmax_c) * least_percent) / 200.0)


def vapour_of_mean_humidity(tmin_c: Array, tmax_c: Array, percent: Array) -> Array:
    """Return the actual vapour pressure [kPa] from the day's mean relative humidity [%]; FAO-56 eq. 19."""
    return np.asarray(percent / 100.0 * mean_saturation(tmin_c, tmax_c))


def wind_at_2m(wind_m_s: Array, height_m: float) -> Array:
    """Return the wind [m/s] at 2 m of that measured at another height [m] over grass; FAO-56 eq. 47."""
    return np.asarray(wind_m_s * 4.87 / np.log(67.8 * height_m - 5.42))


def day_of_year(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the number of each day in its year, 1 to 366."""
    return np.asarray((days - days.astype("datetime64[Y]").astype(days.dtype)).astype(np.int64) + 1)


def _sun(latitude_deg: float, day_number: Array) -> tuple[Array, Array, Array]:
    """Return inverse relative distance [1], declination [rad] and sunset hour angle [rad]; FAO-56 eq. 23-25."""
    turn = 2.0 * np.pi * np.asarray(day_number, float) / 365.0
    near = 1.0 + 0.033 * np.cos(turn)
    declination = 0.409 * np.sin(turn - 1.39)
    sunset = np.arccos(np.clip(-np.tan(np.radians(latitude_deg)) * np.tan(declination), -1.0, 1.0))
    return near, declination, sunset


def extraterrestrial(latitude_deg: float, day_number: Array) -> Array:
    """Return the radiation [MJ/m2/day] above the air at a latitude [deg] on a day of the year; FAO-56 eq. 21."""
    near, declination, sunset = _sun(latitude_deg, day_number)
    phi = np.radians(latitude_deg)
    high = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.asarray(24.0 * 60.0 / np.pi * SOLAR_CONSTANT * near * high)


def daylight(latitude_deg: float, day_number: Array) -> Array:
    """Return the hours [h] from sunrise to sunset; FAO-56 eq. 34."""
    return np.asarray(24.0 / np.pi * _sun(latitude_deg, day_number)[2])


def radiation_of_sunshine(extraterrestrial_mj: Array, sunshine_h: Array, daylight_h: Array) -> Array:
    """Return the solar radiation [MJ/m2/day] from hours of sunshine [h], Angstrom with 0.25, 0.50; FAO-56 eq. 35."""
    return np.asarray((0.25 + 0.50 * sunshine_h / daylight_h) * extraterrestrial_mj)


def clear_sky(extraterrestrial_mj: Array, elevation_m: float) -> Array:
    """Return the solar radiation [MJ/m2/day] of a cloudless day at a height above the sea [m]; FAO-56 eq. 37."""
    return np.asarray((0.75 + 2e-5 * elevation_m) * extraterrestrial_mj)


def radiation_of_temperature(
    extraterrestrial_mj: Array, tmin_c: Array, tmax_c: Array, krs: float = INTERIOR_KRS
) -> Array:
    """Return the solar radiation [MJ/m2/day] that the day's range of temperature tells; Hargreaves, FAO-56 eq. 50."""
    return np.asarray(krs * np.sqrt(np.maximum(tmax_c - tmin_c, 0.0)) * extraterrestrial_mj)


def net_longwave(tmin_c: Array, tmax_c: Array, vapour_kpa: Array, solar_mj: Array, clear_mj: Array) -> Array:
    """Return the net outgoing longwave radiation [MJ/m2/day]; FAO-56 eq. 39, relative shortwave held to 0.3 to 1.

    Without sun (polar night) the relative shortwave is taken as 0.3, an overcast sky.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(clear_mj > 0.0, solar_mj / clear_mj, np.where(np.isnan(solar_mj), np.nan, 0.3))
    cloud = 1.35 * np.clip(relative, 0.3, 1.0) - 0.35
    heat = ((tmax_c + 273.16) ** 4 + (tmin_c + 273.16) ** 4) / 2.0
    return np.asarray(STEFAN_BOLTZMANN * heat * (0.34 - 0.14 * np.sqrt(vapour_kpa)) * cloud)


def net_radiation(solar_mj: Array, longwave_mj: Array) -> Array:
    """Return the net radiation [MJ/m2/day] over the reference grass; FAO-56 eq. 38 and 40."""
    return np.asarray((1.0 - ALBEDO) * solar_mj - longwave_mj)


def penman_monteith(
    temperature_c: Array,
    net_mj: Array,
    wind_m_s: Array,
    deficit_kpa: Array,
    gamma: float,
    *,
    ground_mj: Array | float = 0.0,
) -> Array:
    """Return the reference evapotranspiration ETo [mm/day]; FAO-56 eq. 6.

    `temperature_c` mean [degC], `net_mj` net radiation and `ground_mj` heat flux into the ground [MJ/m2/day] (0 for
    single days, eq. 42), `wind_m_s` at 2 m [m/s], `deficit_kpa` es - ea [kPa], `gamma` psychrometric constant
    [kPa/degC]. Below zero (dew) it is as the equation gives it.
    """
    delta = slope(temperature_c)
    energy = WATER_OF_ENERGY * delta * (net_mj - ground_mj)
    air = gamma * 900.0 / (temperature_c + 273.0) * wind_m_s * deficit_kpa
    return np.asarray((energy + air) / (delta + gamma * (1.0 + 0.34 * wind_m_s)))


def hargreaves(tmin_c: Array, tmax_c: Array, extraterrestrial_mj: Array) -> Array:
    """Return the reference evapotranspiration [mm/day] from temperatures alone; Hargreaves, FAO-56 eq. 52."""
    mean = (tmin_c + tmax_c) / 2.0
    spread = np.sqrt(np.maximum(tmax_c - tmin_c, 0.0))
    return np.asarray(0.0023 * (mean + 17.8) * spread * WATER_OF_ENERGY * extraterrestrial_mj)
