"""The door for weather: any record of daily arrays comes in, checked `Daily` weather goes on."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.record import Daily, Floats
from greattit.errors import WeatherError

MOST_GAP = 3
"""[days] in a row that may be missing; they are filled in a straight line"""
NEEDED = ("tmin_c", "tmax_c", "rain_mm", "et0_mm")
BEYOND = ("radiation_mj_m2", "wind_m_s", "vapour_kpa")
COLDEST_C, HOTTEST_C = -75.0, 62.0
"""[degC] beyond what was ever measured in air where people farm"""
MOST_RAIN_MM = 2000.0
"""[mm] in a day; the record is 1825 mm (World Meteorological Organization, 1966)"""


def norm_daily(weather: Any) -> Daily:
    """Return checked weather from anything with `days` (or `day`), `tmin_c`, `tmax_c`, `rain_mm` and `et0_mm`.

    Arrays are (t,). Without `et0_mm` it is reckoned by `greattit.weather.reference_evapotranspiration`, which needs
    what `greattit.weather.Weather` has. Days that are missing become NaN; `season` refuses or fills them. Raises
    `WeatherError` for lengths that differ, days twice or out of order, kelvin, negative rain and other impossible
    values.
    """
    if isinstance(weather, Daily):
        return weather
    source = str(getattr(weather, "source", "") or "weather")
    days = _days(weather, source)
    values = {name: _column(weather, name, len(days), source) for name in NEEDED[:3]}
    notes: tuple[str, ...] = ()
    if getattr(weather, "et0_mm", None) is None:
        values["et0_mm"], notes = _reckoned(weather, source)
    else:
        values["et0_mm"] = _column(weather, "et0_mm", len(days), source)
    _check(values, days, source)
    beyond = {name: _column(weather, name, len(days), source) for name in BEYOND if hasattr(weather, name)}
    every = np.arange(days[0], days[-1] + 1)
    spread = {name: _spread(column, days, every) for name, column in (values | beyond).items()}
    return Daily(
        every,
        **{name: spread[name] for name in NEEDED},
        source=source,
        beyond={name: spread[name] for name in beyond},
        latitude=getattr(weather, "latitude", None),
        elevation_m=getattr(weather, "elevation_m", None),
        notes=notes,
    )


def season(weather: Daily, sown: date, longest: int) -> Daily:
    """Return up to `longest` days from the day of sowing on, short gaps filled.

    Raises `WeatherError` when the record does not hold that day, or more than `MOST_GAP` days in a row are missing.
    """
    first = int((np.datetime64(sown, "D") - weather.days[0]).astype(int))
    if not 0 <= first < len(weather):
        raise WeatherError(
            f"the day of sowing, {sown}, lies outside {weather.days[0]} to {weather.days[-1]}",
            subject=weather.source,
            remedy="give weather from the day of sowing on",
        )
    return filled(weather.cut(first, longest))


def filled(weather: Daily) -> Daily:
    """Return weather with gaps of up to `MOST_GAP` days filled in a straight line; refuse longer ones."""
    from dataclasses import replace

    found: dict[str, Any] = {}
    count = 0
    for name in NEEDED:
        values = np.asarray(getattr(weather, name))
        missing = np.isnan(values)
        if missing.any():
            _refuse_gap(missing, weather, name)
            count += int(missing.sum())
            index = np.arange(len(values))
            values = np.interp(index, index[~missing], values[~missing])
        found[name] = values
    notes = (*weather.notes, f"{count} missing values filled in a straight line") if count else weather.notes
    return replace(weather, **found, notes=notes)


def _refuse_gap(missing: NDArray[np.bool_], weather: Daily, name: str) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(int), [0]])))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(lengths.argmax())
    if lengths[longest] > MOST_GAP:
        first = weather.days[starts[longest]]
        raise WeatherError(
            f"{name} is missing on {lengths[longest]} days in a row from {first} on",
            subject=weather.source,
            remedy=f"fill it from another station; up to {MOST_GAP} days are filled here",
        )


def _days(weather: Any, source: str) -> NDArray[np.datetime64]:
    found = getattr(weather, "days", None)
    found = getattr(weather, "day", None) if found is None else found
    try:
        days = np.asarray(found).astype("datetime64[D]")
    except (TypeError, ValueError) as error:
        raise WeatherError("has no column of days", subject=source, remedy="give days as dates") from error
    if days.ndim != 1 or not len(days) or np.isnat(days).any():
        raise WeatherError("has no days, or some that are no dates", subject=source, remedy="give days as dates")
    steps = np.diff(days).astype(int)
    if (steps <= 0).any():
        where = days[int(np.flatnonzero(steps <= 0)[0]) + 1]
        raise WeatherError(
            f"{where} is there twice or out of order", subject=source, remedy="sort it and give every day once"
        )
    return np.asarray(days)


def _column(weather: Any, name: str, count: int, source: str) -> Floats:
    found = getattr(weather, name, None)
    if found is None:
        raise WeatherError(f"has no {name}", subject=source, remedy=f"give {', '.join(NEEDED)}, one value a day")
    values = np.asarray(found, float)
    if values.shape != (count,):
        raise WeatherError(
            f"{name} has {values.size} values for {count} days", subject=source, remedy="give one value a day"
        )
    return values


def _reckoned(weather: Any, source: str) -> tuple[Floats, tuple[str, ...]]:
    from greattit.weather import reference_evapotranspiration

    try:
        found = reference_evapotranspiration(weather)
    except AttributeError as error:
        raise WeatherError(
            "has no et0_mm, nor what it is reckoned from",
            subject=source,
            remedy="give et0_mm, or read the file with greattit.weather.read",
        ) from error
    return np.asarray(found.mm, float), found.notes


def _check(values: dict[str, Floats], days: NDArray[np.datetime64], source: str) -> None:
    tmin, tmax = values["tmin_c"], values["tmax_c"]
    if np.nanmax(tmax, initial=-np.inf) > 150.0:
        raise WeatherError(
            f"the highest temperature is {np.nanmax(tmax):.1f}, which looks like kelvin or Fahrenheit",
            subject=source,
            remedy="give degrees Celsius: subtract 273.15 from kelvin",
        )
    wrong = {
        "temperatures that no air has; are they Fahrenheit?": (tmax > HOTTEST_C) | (tmin < COLDEST_C),
        "a least temperature above the highest": tmin > tmax + 0.05,
        "negative rain": values["rain_mm"] < 0,
        f"more than {MOST_RAIN_MM:g} mm of rain": values["rain_mm"] > MOST_RAIN_MM,
        "evapotranspiration below 0 or above 25 mm": (values["et0_mm"] < 0) | (values["et0_mm"] > 25.0),
    }
    for what, where in wrong.items():
        if where.any():
            raise WeatherError(
                f"{what} on {int(where.sum())} days, the first {days[int(where.argmax())]}",
                subject=source,
                remedy="correct them, or leave them empty: degrees Celsius and millimetres a day",
            )


def _spread(values: Floats, days: NDArray[np.datetime64], every: NDArray[np.datetime64]) -> Floats:
    wide = np.full(len(every), np.nan)
    wide[(days - every[0]).astype(int)] = values
    return wide
