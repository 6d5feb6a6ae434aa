"""Read daily weather: tables of ERA5 and AgERA5 (CSV, parquet), and NASA POWER's CSV and JSON."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import WeatherError
from greattit.weather import formulas, units
from greattit.weather.calendar import days_of, opened
from greattit.weather.columns import Meaning, meaning
from greattit.weather.power import BEGIN, csv_table, json_table
from greattit.weather.record import QUANTITIES, Floats, Weather
from greattit.weather.sound import check

if TYPE_CHECKING:
    import pandas as pd

MARKS = (-999.0, -9999.0)
"""what stands for missing in tables that do not say"""
LEAST_RAIN_MM = 0.01
"""[mm] rain above minus this is 0: the rounding of packed files"""
WIND_HEIGHT_M = 10.0
"""[m] of the wind of ERA5 and AgERA5, taken where a name does not tell"""


def read(path: Path | str, *, latitude: float | None = None, elevation_m: float | None = None) -> Weather:
    """Read a file of daily weather into a checked `Weather`.

    Known are tables (CSV, parquet) with the names of ERA5, AgERA5 or this house, and NASA POWER's CSV and JSON. Units
    are told from the column's name or header, failing that from the range; everything converted, assumed or filled is
    said in `Weather.mended`. Missing days become NaN rows. `latitude` [deg] and `elevation_m` [m] stand before what the
    file says. Raises `WeatherError` for a file that cannot be read, without dates or temperature, with doubled days,
    impossible values or units that neither name nor range tells.
    """
    path = Path(path)
    subject = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeatherError(f"cannot be read: {error.strerror}", subject=subject, remedy="name a file") from error
    table, said = _table(path, data, subject)
    days, dated = days_of(table, subject)
    whole, place, mended = opened(days)
    columns = _columns(table, dated, said, subject)
    values, sentences = _quantities(table, columns, said, subject)
    of_file: dict[str, Any] = {
        **said,
        **{name: _one(values, name, subject) for name in ("latitude", "elevation_m") if name in values},
    }
    weather = Weather(
        days=whole,
        **{name: _placed(values.get(name), place, len(whole)) for name in QUANTITIES},
        latitude=latitude if latitude is not None else of_file.get("latitude"),
        elevation_m=elevation_m if elevation_m is not None else of_file.get("elevation_m"),
        source=f"{path.name} ({said['product']})" if "product" in said else path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        mended=(*mended, *sentences),
    )
    return check(weather, subject)


def _table(path: Path, data: bytes, subject: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table as it is in the file, and what stands beside it."""
    import io

    import pandas as pd

    if data[:4] == b"PAR1":
        try:
            return pd.read_parquet(io.BytesIO(data)), {}
        except (ValueError, OSError) as error:
            what = f"is no whole parquet file: {error}"
            raise WeatherError(what, subject=subject, remedy="write it again") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "is neither parquet nor text"
        raise WeatherError(what, subject=subject, remedy="give CSV, parquet or JSON") from error
    if text.lstrip()[:1] in ("{", "["):
        return json_table(text, subject)
    if BEGIN in text:
        return csv_table(text, subject)
    try:
        return pd.read_csv(io.StringIO(text), dtype=str, skipinitialspace=True, sep=_separator(text)), {}
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise WeatherError(f"is no table: {error}", subject=subject, remedy="give CSV with one row a day") from error


def _separator(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _columns(table: pd.DataFrame, dated: tuple[str, ...], said: dict[str, Any], subject: str) -> dict[str, Meaning]:
    """Return quantity -> the first column that tells it; raise `WeatherError` for a named unit that is not known."""
    found: dict[str, Meaning] = {}
    for name in (str(column) for column in table.columns):
        known = None if name in dated else meaning(name, str(said.get("units", {}).get(name, "")))
        if known is not None and not known.convertible:
            raise WeatherError(
                f"the unit {known.unit!r} of {name!r} is unknown", subject=subject, remedy=f"give {known.quantity}"
            )
        if known is not None:
            found.setdefault(known.quantity, known)
    if not {"tmean_c", "tmin_c", "tmax_c"} & set(found):
        raise WeatherError(
            f"has no temperature among its columns {', '.join(map(str, list(table.columns)[:12]))}",
            subject=subject,
            remedy="name columns tmin_c, tmax_c or tmean_c",
        )
    return found


def _quantities(
    table: pd.DataFrame, columns: dict[str, Meaning], said: dict[str, Any], subject: str
) -> tuple[dict[str, Floats], list[str]]:
    """Return every quantity (row,) in the house's unit, and what is to be said of them."""
    values: dict[str, Floats] = {}
    sentences: list[str] = []
    marks = (float(said["missing"]),) if "missing" in said else MARKS
    order = sorted(columns.values(), key=lambda one: one.kind != "temperature")
    for one in order:
        raw, lost = _numbers(table[one.column], marks, one.column, subject)
        sentences += [f"{one.column} had {lost} marks of missing"] if lost else []
        if one.kind == "place":
            values[one.quantity] = raw
            continue
        saturated = formulas.saturation(_middle(values)) if one.kind == "vapour" else raw
        values[one.quantity], sentence = units.told(one, raw, saturated, subject)
        sentences += [sentence] if sentence else []
    _fill(values, columns, sentences)
    return values, sentences


def _numbers(column: Any, marks: tuple[float, ...], name: str, subject: str) -> tuple[Floats, int]:
    """Return a column as numbers (row,), NaN for what is empty or marked as missing, and how many were marked."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    given = column.notna() & (column.astype(str).str.strip().str.lower().isin(("", "nan", "na", "none", "null")) == 0)
    bad = np.flatnonzero(np.asarray((numbers.isna() | numbers.isin((np.inf, -np.inf))) & given))
    if len(bad):
        what = f"row {bad[0] + 1} of {name} is {column.iloc[bad[0]]!r}, no number"
        raise WeatherError(what, subject=subject, remedy="mend the value")
    values = np.asarray(numbers, float)
    marked = np.isin(values, marks)
    return np.where(marked, np.nan, values), int(marked.sum())


def _middle(values: dict[str, Floats]) -> Floats:
    """Return the mean temperature (row,) of what is known: tmean, or the middle of tmin and tmax, or either."""
    if "tmean_c" in values:
        return values["tmean_c"]
    known = [values[name] for name in ("tmin_c", "tmax_c") if name in values]
    return np.asarray(sum(known) / len(known))


def _fill(values: dict[str, Floats], columns: dict[str, Meaning], sentences: list[str]) -> None:
    """Reckon in place: mean temperature, vapour from dew point or humidity, wind at 2 m, drops of rain below zero."""
    if "tmean_c" not in values and {"tmin_c", "tmax_c"} <= set(values):
        values["tmean_c"] = (values["tmin_c"] + values["tmax_c"]) / 2.0
        sentences.append("mean temperature is the middle of least and highest (FAO-56 eq. 9)")
    if "vapour_kpa" not in values and "dewpoint" in values:
        values["vapour_kpa"] = formulas.saturation(values["dewpoint"])
        sentences.append("vapour pressure was reckoned from the dew point (FAO-56 eq. 14)")
    elif "vapour_kpa" not in values and {"humidity", "tmin_c", "tmax_c"} <= set(values):
        extremes = values["tmin_c"], values["tmax_c"]
        values["vapour_kpa"] = formulas.vapour_of_mean_humidity(*extremes, values["humidity"])
        sentences.append("vapour pressure was reckoned from the mean relative humidity (FAO-56 eq. 19)")
    if "wind_m_s" in values and columns["wind_m_s"].height_m != 2.0:
        told = columns["wind_m_s"].height_m
        height = told or WIND_HEIGHT_M
        values["wind_m_s"] = formulas.wind_at_2m(values["wind_m_s"], height)
        taken = "" if told else ", taken as the height because its name tells none"
        sentences.append(f"wind was brought from {height:g} m to 2 m (FAO-56 eq. 47){taken}")
    if "rain_mm" in values:
        drops = (values["rain_mm"] < 0.0) & (values["rain_mm"] > -LEAST_RAIN_MM)
        values["rain_mm"] = np.where(drops, 0.0, values["rain_mm"])
        sentences += [f"{int(drops.sum())} traces of rain below zero were set to 0"] if drops.any() else []


def _one(values: dict[str, Floats], name: str, subject: str) -> float | None:
    """Return the one value of a column of places; raise `WeatherError` when there are two places."""
    known = np.unique(values[name][np.isfinite(values[name])])
    if len(known) > 1:
        raise WeatherError(
            f"{name} runs from {known[0]:g} to {known[-1]:g}", subject=subject, remedy="give the table of one place"
        )
    return float(known[0]) if len(known) else None


def _placed(values: Floats | None, place: np.ndarray[Any, Any], count: int) -> Floats:
    """Return values (t,) on every day, NaN where there are none."""
    out = np.full(count, np.nan)
    if values is not None:
        out[place] = values
    return out
