"""Foreign units die here: told from a column's name or, failing that, from the range of its values.

What was told from a range is said in one sentence; where a range fits two units the column is refused, not guessed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import WeatherError
from greattit.weather.columns import Meaning

Floats = NDArray[np.float64]

FACTORS = {
    "mm": 1.0, "cm": 10.0, "m": 1000.0,
    "MJ/m2": 1.0, "kJ/m2": 1e-3, "J/m2": 1e-6, "W/m2": 0.0864, "kWh/m2": 3.6,
    "kPa": 1.0, "hPa": 0.1, "Pa": 1e-3,
    "m/s": 1.0, "km/h": 1.0 / 3.6,
    "%": 1.0,
}  # fmt: skip
"""unit -> factor to the house's own unit of its kind (mm, MJ/m2 a day, kPa, m/s, %)"""
HOUSE = {"temperature": "degC", "rain": "mm", "radiation": "MJ/m2", "vapour": "kPa", "wind": "m/s", "humidity": "%"}
"""kind -> the unit that needs no word"""
SURE_METRES, SURE_MM = 0.5, 2.0
"""[1] a highest daily rain below the first fits metres, above the second millimetres"""
POWER_S = ("ALLSKY_SFC_SW_DWN",)
"""a column whose values below 13 may be MJ/m2 or kWh/m2: POWER gives either"""
HUMID = (0.12, 1.2)
"""[1] median of vapour over saturation in the right unit; the next unit is a factor of ten away"""


def told(meaning: Meaning, values: Floats, saturated: Floats, subject: str) -> tuple[Floats, str]:
    """Return values in the house's unit, and the sentence for `Weather.mended` ("" when nothing is to be said).

    `values` and `saturated` (saturation vapour pressure at the mean temperature [kPa]) are (t,). Raises `WeatherError`
    when neither the name nor the range tells the unit.
    """
    known = values[np.isfinite(values)]
    unit, by_range = meaning.unit, False
    if not unit and len(known):
        unit, by_range = _by_range(meaning, known, values, saturated), True
    if not unit and len(known):
        raise WeatherError(
            f"the unit of {meaning.column!r} is unknown: its values run from {known.min():g} to {known.max():g}",
            subject=subject,
            remedy=f"name the column with its unit, e.g. {meaning.column}_{_example(meaning.kind)}",
        )
    unit = unit or HOUSE[meaning.kind]
    return converted(values, unit), _sentence(meaning, unit, by_range)


def converted(values: Floats, unit: str) -> Floats:
    """Return values in the house's unit of their kind."""
    if unit == "K":
        return np.asarray(values - 273.15)
    if unit == "degF":
        return np.asarray((values - 32.0) / 1.8)
    return np.asarray(values * FACTORS.get(unit, 1.0))


def _sentence(meaning: Meaning, unit: str, by_range: bool) -> str:
    if by_range:
        how = f"{meaning.column} names no unit and was read as {unit} by its range"
        return f"{how}, converted to {HOUSE[meaning.kind]}" if unit != HOUSE[meaning.kind] else how
    return f"{meaning.column} was converted from {unit}" if unit != HOUSE[meaning.kind] else ""


def _example(kind: str) -> str:
    return {"temperature": "k", "rain": "mm", "radiation": "j_m2", "vapour": "hpa", "wind": "m_s"}.get(kind, "percent")


def _by_range(meaning: Meaning, known: Floats, values: Floats, saturated: Floats) -> str:
    """Return the one unit that the range of the known values fits; "" when none or two do."""
    low, high = float(known.min()), float(known.max())
    if meaning.kind == "temperature":
        return "K" if low > 180.0 and high < 335.0 else "degC" if low >= -90.0 and high <= 60.0 else ""
    if meaning.kind == "rain":
        return _rain(meaning, high)
    if meaning.kind == "radiation":
        return "" if meaning.column.upper() in POWER_S and high <= 13.0 else _radiation(high)
    if meaning.kind == "vapour":
        return _vapour(values, saturated)
    if meaning.kind == "wind":
        return "m/s" if high <= 60.0 else ""
    return "%" if 1.5 < high <= 110.0 else ""


def _rain(meaning: Meaning, high: float) -> str:
    if high == 0.0:
        return "mm"
    if meaning.metres and high <= SURE_METRES:
        return "m"
    return "mm" if high > (SURE_MM if meaning.metres else SURE_METRES) else ""


def _radiation(high: float) -> str:
    """Return the unit of a highest daily radiation: the sun gives at most some 45 MJ/m2 a day, which is 520 W/m2."""
    steps = (("MJ/m2", 0.0, 46.0), ("W/m2", 46.0, 530.0), ("kJ/m2", 530.0, 4.6e4), ("J/m2", 4.6e4, 4.6e7))
    for unit, least, most in steps:
        if least < high <= most:
            return unit
    return "MJ/m2" if high == 0.0 else ""


def _vapour(values: Floats, saturated: Floats) -> str:
    share: Any = (values / saturated)[np.isfinite(values) & np.isfinite(saturated)]
    if not len(share):
        return ""
    middle = float(np.median(share))
    fits = [unit for unit in ("kPa", "hPa", "Pa") if HUMID[0] < middle * FACTORS[unit] <= HUMID[1]]
    return fits[0] if len(fits) == 1 else ""
