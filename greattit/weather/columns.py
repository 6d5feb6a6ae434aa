"""What a column of a weather table holds, told from its name: quantity, unit, and height of the wind.

Known are the house's own names, those of ERA5 and ERA5-Land (short and long), of AgERA5 (the Copernicus file names) and
of NASA POWER. A unit may stand at the end of a name, plain or in brackets: `tmin_k`, `srad [J/m2/day]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {
    "temperature": {"c": "degC", "degc": "degC", "celsius": "degC", "k": "K", "kelvin": "K", "degf": "degF"},
    "rain": {"mm": "mm", "cm": "cm", "m": "m", "kg_m2": "mm", "kg_m_2": "mm"},
    "radiation": {
        "mj_m2": "MJ/m2", "mj_m_2": "MJ/m2", "mj": "MJ/m2",
        "kj_m2": "kJ/m2", "kj_m_2": "kJ/m2", "j_m2": "J/m2", "j_m_2": "J/m2", "j": "J/m2",
        "w_m2": "W/m2", "w_m_2": "W/m2", "kwh_m2": "kWh/m2", "kwh_m_2": "kWh/m2",
        "kw_hr_m2": "kWh/m2", "kw_hr_m_2": "kWh/m2",
    },
    "vapour": {"kpa": "kPa", "hpa": "hPa", "mbar": "hPa", "pa": "Pa"},
    "humidity": {"percent": "%", "pct": "%"},
    "wind": {"ms": "m/s", "m_s": "m/s", "m_s_1": "m/s", "kmh": "km/h", "km_h": "km/h", "kph": "km/h"},
}  # fmt: skip
"""kind -> what may stand at the end of a column's name -> unit"""

STRANGE = ("in", "inch", "inches", "ft", "mph", "kn", "kt", "knots", "mmhg", "torr", "ly", "langley", "cal_cm2", "r")
"""units that stand in names and that the house does not convert"""

_PER_DAY = ("", "_per_day", "_day", "_d", "_day_1", "_d_1")
_MEAN = (
    "tmean", "tavg", "t2m", "temperature_2m", "2m_temperature", "mean_2m_air_temperature", "temperature_mean", "tm",
    "temperature_air_2m_mean_24h", "2m_temperature_24_hour_mean", "temperature_2m_mean", "mean_temperature", "temp",
    "temperature", "air_temperature",
)  # fmt: skip
_LEAST = (
    "tmin", "mn2t", "t2m_min", "t2m_minimum", "temperature_2m_min", "minimum_2m_air_temperature", "temperature_min",
    "temperature_air_2m_min_24h", "2m_temperature_24_hour_minimum", "2m_temperature_min", "tn", "min_temperature",
    "minimum_2m_temperature_since_previous_post_processing",
)  # fmt: skip
_MOST = (
    "tmax", "mx2t", "t2m_max", "t2m_maximum", "temperature_2m_max", "maximum_2m_air_temperature", "temperature_max",
    "temperature_air_2m_max_24h", "2m_temperature_24_hour_maximum", "2m_temperature_max", "tx", "max_temperature",
    "maximum_2m_temperature_since_previous_post_processing",
)  # fmt: skip
_RAIN = (
    "rain", "precip", "precipitation", "prectotcorr", "prectot", "precipitation_flux", "precipitation_sum", "rr", "tp",
    "total_precipitation", "total_precipitation_sum", "rainfall", "prcp",
)  # fmt: skip
_RADIATION = (
    "radiation", "srad", "solar_radiation", "solar_radiation_flux", "ssrd", "surface_solar_radiation_downwards",
    "surface_solar_radiation_downwards_sum", "allsky_sfc_sw_dwn", "shortwave_radiation_sum", "global_radiation", "rs",
)  # fmt: skip
_VAPOUR = ("vapour", "vapor", "vapour_pressure", "vapor_pressure", "vapour_pressure_mean", "vp", "ea")
_DEW = (
    "dewpoint", "dew_point", "tdew", "d2m", "t2mdew", "dewpoint_2m", "2m_dewpoint_temperature",
    "dewpoint_temperature_2m", "dewpoint_2m_temperature", "dew_point_temperature_2m_mean",
    "2m_dewpoint_temperature_24_hour_mean", "dewpoint_temperature", "dew_point_2m_mean",
)  # fmt: skip
_HUMIDITY = ("rh", "rh2m", "relative_humidity", "relative_humidity_2m_mean", "rhmean")
_WIND = (
    "wind", "wind_speed", "windspeed", "ws", "ws2m", "ws10m", "wind_speed_2m", "wind_speed_10m", "wind_speed_10m_mean",
    "10m_wind_speed_24_hour_mean", "10m_wind_speed", "wind_speed_2m_mean", "wind_2m", "wind_10m", "u2", "si10",
)  # fmt: skip
_METRES = ("tp", "total_precipitation", "total_precipitation_sum")
"""names of ERA5, whose own unit of precipitation is the metre"""

NAMES: dict[str, tuple[str, str]] = {
    **{name: ("tmean_c", "temperature") for name in _MEAN},
    **{name: ("tmin_c", "temperature") for name in _LEAST},
    **{name: ("tmax_c", "temperature") for name in _MOST},
    **{name: ("rain_mm", "rain") for name in _RAIN},
    **{name: ("radiation_mj_m2", "radiation") for name in _RADIATION},
    **{name: ("vapour_kpa", "vapour") for name in _VAPOUR},
    **{name: ("dewpoint", "temperature") for name in _DEW},
    **{name: ("humidity", "humidity") for name in _HUMIDITY},
    **{name: ("wind_m_s", "wind") for name in _WIND},
    "latitude": ("latitude", "place"), "lat": ("latitude", "place"),
    "elevation": ("elevation_m", "place"), "elevation_m": ("elevation_m", "place"),
    "altitude": ("elevation_m", "place"),
}  # fmt: skip
"""bare name -> (quantity, kind)"""


@dataclass(frozen=True)
class Meaning:
    """What one column holds."""

    column: str
    """its name in the file"""
    quantity: str
    """one of `record.QUANTITIES`, or "dewpoint", "humidity", "latitude", "elevation_m" """
    kind: str
    """a key of UNITS, or "place" """
    unit: str
    """as the name tells; "" when it does not"""
    height_m: float | None
    """of the wind; None when the name does not tell"""
    metres: bool
    """the name is one of ERA5's for precipitation in metres"""
    convertible: bool = True
    """False when the name tells a unit that the house does not know"""


def meaning(column: str, unit: str = "") -> Meaning | None:
    """Return what a column holds; None for a name that is not known. `unit` is what the file's header says of it."""
    name = _plain(re.split(r"[\[(]", column)[0])
    bracket = re.search(r"[\[(]([^\])]*)", column)
    if bracket or unit:
        stem, told = name, unit or (bracket.group(1) if bracket else "")
        return _meaning(column, stem, told, named=True) if stem in NAMES else None
    if name in NAMES:
        return _meaning(column, name, "")
    for stem in sorted((stem for stem in NAMES if name.startswith(f"{stem}_")), key=len, reverse=True):
        rest = name[len(stem) + 1 :]
        if _unit(NAMES[stem][1], rest) or rest in STRANGE:
            return _meaning(column, stem, rest, named=True)
    return None


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", text.strip().lower()).strip("_")


def _unit(kind: str, text: str) -> str:
    """Return the unit that a text such as "MJ/m^2/day" names for a kind; "" when it is not known."""
    plain = "percent" if text.strip() == "%" else _plain(text)
    known = UNITS.get(kind, {})
    return next((known[plain.removesuffix(end)] for end in _PER_DAY if plain.removesuffix(end) in known), "")


def _meaning(column: str, name: str, told: str, *, named: bool = False) -> Meaning:
    quantity, kind = NAMES[name]
    height = None
    if kind == "wind":
        found = re.search(r"(?<![0-9])(2|10)m|^u(2)$|^si(10)$", name)
        height = float(next(part for part in found.groups() if part)) if found else None
    unit = _unit(kind, told)
    sound = not named or bool(unit) or kind == "place"
    return Meaning(column, quantity, kind, unit if sound else told, height, name in _METRES, sound)
