"""The two forms of NASA POWER's daily files: CSV with a header block, and JSON.

POWER (Prediction Of Worldwide Energy Resources, NASA Langley, https://power.larc.nasa.gov) marks what is missing by
-999 or what its header says. Radiation comes in MJ/m2 or kWh/m2 a day, by the community that asked; the header tells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from greattit.errors import WeatherError

if TYPE_CHECKING:
    import pandas as pd

BEGIN, END = "-BEGIN HEADER-", "-END HEADER-"
MISSING = -999.0
"""POWER's own mark where the file does not say"""


def csv_table(text: str, subject: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table and what the header says (latitude, elevation_m, units, missing, product) of a POWER CSV.

    Raises `WeatherError` when the header does not end or no table follows.
    """
    import io

    import pandas as pd

    head, found, body = text.partition(END)
    if not found or not body.strip():
        what = "its header does not end" if not found else "no table follows its header"
        raise WeatherError(what, subject=subject, remedy=f"give the whole file, {BEGIN} to the last day")
    try:
        table = pd.read_csv(io.StringIO(body.lstrip("\r\n")), dtype=str, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise WeatherError(f"its table cannot be read: {error}", subject=subject, remedy="download it again") from error
    return table, _header(head)


def _header(head: str) -> dict[str, Any]:
    said: dict[str, Any] = {"units": {}, "missing": MISSING, "product": "NASA POWER"}
    number = r"(-?\d+(?:\.\d+)?)"
    for key, pattern in (
        ("latitude", rf"latitude\s+{number}"),
        ("elevation_m", rf"elevation[^\n]*?=\s*{number}\s*meters"),
        ("missing", rf"missing[^\n]*?:\s*{number}"),
    ):
        match = re.search(pattern, head, re.IGNORECASE)
        if match:
            said[key] = float(match.group(1))
    for name, unit in re.findall(r"^([A-Z0-9_]+)\s[^\n]*\(([^()]*)\)\s*$", head, re.MULTILINE):
        said["units"][name] = unit.strip()
    return said


def json_table(text: str, subject: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table and what stands beside it of a POWER JSON file; as `csv_table`.

    Raises `WeatherError` when it is no JSON or has no properties.parameter.
    """
    import pandas as pd

    try:
        tree = json.loads(text)
    except ValueError as error:
        raise WeatherError(f"is no JSON: {error}", subject=subject, remedy="download it again") from error
    series = _inner(tree, "properties", "parameter")
    if not isinstance(series, Mapping) or not series or not all(isinstance(v, Mapping) for v in series.values()):
        raise WeatherError(
            "has no properties.parameter with a series for each quantity",
            subject=subject,
            remedy="give the answer of POWER's daily API for one point",
        )
    table = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in series.items()})
    table.insert(0, "date", table.index.astype(str))
    where = _inner(tree, "geometry", "coordinates")
    said: dict[str, Any] = {"units": {}, "missing": _inner(tree, "header", "fill_value"), "product": "NASA POWER"}
    said["missing"] = said["missing"] if _is_number(said["missing"]) else MISSING
    if isinstance(where, list):
        names = ("longitude", "latitude", "elevation_m")
        said |= {name: float(value) for name, value in zip(names, where, strict=False) if _is_number(value)}
    told = tree.get("parameters")
    if isinstance(told, Mapping):
        said["units"] = {str(name): str(_inner(part, "units") or "") for name, part in told.items()}
    return table.reset_index(drop=True), said


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inner(value: Any, *way: str) -> Any:
    for key in way:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
