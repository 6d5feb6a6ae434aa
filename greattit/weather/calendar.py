"""The days of a weather table: read, put in order, gaps opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import WeatherError

if TYPE_CHECKING:
    import pandas as pd

DATES = ("date", "day", "time", "valid_time", "datetime", "timestamp", "yyyymmdd", "date_time")
LONGEST = 200 * 366
"""days between the first and the last; more is a slip in a date"""


def days_of(table: pd.DataFrame, subject: str) -> tuple[NDArray[np.datetime64], tuple[str, ...]]:
    """Return the day (row,) of each row, and the columns that told it.

    A column of dates (ISO, or numbers such as 20180401), or YEAR with MO and DY, or YEAR with DOY. Raises
    `WeatherError` when there is none, a date cannot be read or a day comes twice.
    """
    names = {str(name).strip().lower(): name for name in table.columns}
    found = next((names[name] for name in DATES if name in names), None)
    if "year" in names and "doy" in names:
        columns: tuple[Any, ...] = (names["year"], names["doy"])
        days = _of_year(table, columns, subject)
    elif "year" in names and ("mo" in names or "month" in names) and ({"dy", "day"} & set(names)):
        columns = (names["year"], names.get("mo", names.get("month")), names.get("dy", names.get("day")))
        rows = zip(*_wholes(table, columns, subject), strict=True)
        days = _parsed([f"{year:04d}-{month:02d}-{day:02d}" for year, month, day in rows], subject)
    elif found is not None:
        columns = (found,)
        days = _of_column(table[found], subject)
    elif _is_dated(table.index):
        columns, days = (), _calendar_days(table.index)
    else:
        raise WeatherError(
            f"has no dates among its columns {', '.join(map(str, list(table.columns)[:12]))}",
            subject=subject,
            remedy="name a column date (2018-04-01), or YEAR, MO, DY, or YEAR, DOY",
        )
    _no_twins(days, subject)
    return days, tuple(str(name) for name in columns)


def _is_dated(values: Any) -> bool:
    from pandas.api.types import is_datetime64_any_dtype

    return bool(is_datetime64_any_dtype(values))


def _calendar_days(values: Any) -> NDArray[np.datetime64]:
    """Return the days of a column of times, by the clock that it names."""
    import pandas as pd

    return np.asarray(pd.DatetimeIndex(values).tz_localize(None).values.astype("datetime64[D]"))


def _wholes(table: pd.DataFrame, columns: tuple[Any, ...], subject: str) -> list[NDArray[np.int64]]:
    import pandas as pd

    out = []
    for name in columns:
        values = np.asarray(pd.to_numeric(table[name], errors="coerce"), float)
        bad = np.flatnonzero(~np.isfinite(values) | (values != np.round(values)))
        if len(bad):
            raise WeatherError(
                f"row {bad[0] + 1} of {name} is {table[name].iloc[bad[0]]!r}, no whole number",
                subject=subject,
                remedy="mend or remove the row",
            )
        out.append(values.astype(np.int64))
    return out


def _of_year(table: pd.DataFrame, columns: tuple[Any, ...], subject: str) -> NDArray[np.datetime64]:
    years, numbers = _wholes(table, columns, subject)
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    bad = np.flatnonzero((numbers < 1) | (numbers > 365 + leap))
    if len(bad):
        raise WeatherError(
            f"row {bad[0] + 1}: {years[bad[0]]} has no day {numbers[bad[0]]}", subject=subject, remedy="mend the row"
        )
    return np.asarray((years - 1970).astype("datetime64[Y]").astype("datetime64[D]") + (numbers - 1))


def _of_column(column: pd.Series[Any], subject: str) -> NDArray[np.datetime64]:
    if _is_dated(column):
        days = _calendar_days(column)
        lost = np.flatnonzero(np.isnat(days))
        if len(lost):
            raise WeatherError(f"row {lost[0] + 1} has no date", subject=subject, remedy="remove the row")
        return days
    return _parsed([str(value).strip().removesuffix(".0") for value in column], subject)


def _parsed(texts: list[str], subject: str) -> NDArray[np.datetime64]:
    """Return ISO dates (with a clock time or not) and eight-digit numbers as days."""
    out = np.empty(len(texts), "datetime64[D]")
    for row, text in enumerate(texts):
        plain = f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text[:10]
        try:
            if len(plain) != 10:
                raise ValueError
            out[row] = np.datetime64(plain, "D")
        except ValueError:
            raise WeatherError(
                f"row {row + 1}: {text!r} is no date", subject=subject, remedy="write dates as 2018-04-01"
            ) from None
    return out


def _no_twins(days: NDArray[np.datetime64], subject: str) -> None:
    if not len(days):
        raise WeatherError("holds no days", subject=subject, remedy="give a table with one row a day")
    once, counts = np.unique(days, return_counts=True)
    if (counts > 1).any():
        raise WeatherError(
            f"{once[counts > 1][0]} comes {counts.max()} times, {int((counts > 1).sum())} days are doubled",
            subject=subject,
            remedy="give one row a day, of one place",
        )
    if (once[-1] - once[0]).astype(int) > LONGEST:
        raise WeatherError(f"runs from {once[0]} to {once[-1]}", subject=subject, remedy="mend the dates")


def opened(days: NDArray[np.datetime64]) -> tuple[NDArray[np.datetime64], NDArray[np.int64], tuple[str, ...]]:
    """Return all days from the first to the last (t,), each row's place among them (row,), and what is to be said."""
    whole = np.arange(days.min(), days.max() + 1)
    place = (days - whole[0]).astype(np.int64)
    said = []
    if (np.diff(place) < 0).any():
        said.append("the days were not in order and were sorted")
    if len(whole) > len(days):
        lost = np.setdiff1d(whole, days)
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        said.append(f"missing days are rows of NaN: {lost[0]}{more}")
    return whole, place, tuple(said)
