"""The findings as people, machines and spreadsheets read them: `as_text`, `as_dict`, `write`."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from greattit.errors import GreatTitError
from greattit.parcelfile.found import Finding
from greattit.parcelfile.kinds import SEVERITIES

MU_PER_HA = 15
"""[mu] in a hectare"""

WRITTEN_ROWS = 100_000
"""findings written at a time"""


@dataclass(frozen=True, eq=False)
class Report:
    """What `check` found in a parcel file."""

    path: Path
    """the file"""
    format: str
    """its format"""
    crs: str
    """its reference system, "" when it says none"""
    id_column: str
    """column of ids, "" when there is none"""
    area_units: dict[str, str]
    """unit of each column that states areas, "" when unknown"""
    rows: int
    """rows of the file"""
    measured: int
    """rows whose area could be measured"""
    area_ha: float
    """[ha] their area in all"""
    twice_ha: float
    """[ha] ground that is counted twice: copies, and the shared ground of every pair that overlaps"""
    extent: tuple[float, float, float, float] | None
    """west, south, east, north [degree] of the middles of the rows, None when no place is known"""
    findings: tuple[Finding, ...]
    """in the order of `KINDS`"""
    ids: Any
    """(rows,) `pyarrow` chunked array of ids, None when there are none"""

    @property
    def errors(self) -> int:
        """Number of findings that stop."""
        return sum(one.count for one in self.findings if one.kind.severity == "error")

    def id(self, row: int) -> str:
        """Return the id of the row at place `row` from 0, "" when it has none."""
        return "" if self.ids is None or row < 0 else self.ids[row].as_py() or ""


def as_dict(report: Report, *, limit: int = 10) -> dict[str, Any]:
    """Return the report for JSON, with at most `limit` examples of each kind; rows are counted from 1."""
    return {
        "file": str(report.path),
        "format": report.format,
        "crs": report.crs or None,
        "id_column": report.id_column or None,
        "area_columns": report.area_units,
        "rows": report.rows,
        "measured_rows": report.measured,
        "area_ha": report.area_ha,
        "area_mu": report.area_ha * MU_PER_HA,
        "counted_twice_ha": report.twice_ha,
        "extent": report.extent,
        "errors": report.errors,
        "findings": [_as_dict(one, report, limit) for one in report.findings],
    }


def _as_dict(one: Finding, report: Report, limit: int) -> dict[str, Any]:
    touched = one.rows_touched()
    return {
        "code": one.kind.code,
        "severity": one.kind.severity,
        "what": one.kind.what,
        "note": one.note or None,
        "count": one.count,
        "rows": touched,
        "share": touched / report.rows,
        "remedy": one.kind.remedy,
        "examples": [_example(one, at, report) for at in range(min(limit, len(one.rows)))],
    }


def _example(one: Finding, at: int, report: Report) -> dict[str, Any]:
    row, other = int(one.rows[at]), int(one.others[at])
    found: dict[str, Any] = {"row": row + 1, "id": report.id(row) or None}
    if other >= 0:
        found |= {"other_row": other + 1, "other_id": report.id(other) or None}
    if one.kind.figure and math.isfinite(one.values[at]):
        found |= {"value": float(one.values[at]), "unit": one.kind.unit}
    if math.isfinite(one.x[at]):
        found |= {"x": float(one.x[at]), "y": float(one.y[at])}
    return found


def as_text(report: Report, *, limit: int = 10, width: int = 100) -> str:
    """Return the report for people: what the file is, a table of the findings, and examples of each with a remedy."""
    from rich.console import Console
    from rich.table import Table

    table = Table("severity", "code", "count", "rows", "what", box=None, pad_edge=False, header_style="bold")
    for column in (2, 3):
        table.columns[column].justify = "right"
    ordered = sorted(report.findings, key=lambda one: SEVERITIES.index(one.kind.severity))
    for one in ordered:
        touched = one.rows_touched()
        share = f"{touched / report.rows:.1%}" if touched else ""
        table.add_row(one.kind.severity, one.kind.code, f"{one.count:,}", share, _sentence(one))
    console = Console(width=width, no_color=True, highlight=False, markup=False)
    with console.capture() as capture:
        console.print("\n".join(_head(report)), soft_wrap=True)
        if ordered:
            console.print()
            console.print(table)
        for one in ordered:
            console.print("\n".join(_lines(one, report, limit)), soft_wrap=True)
    return capture.get().rstrip("\n")


def _sentence(one: Finding) -> str:
    note = _plain(one.note)
    if note and len(one.rows):
        return f"{one.kind.what} ({note})"
    return f"{one.kind.what}: {note}" if note else one.kind.what


def _head(report: Report) -> list[str]:
    unmeasured = report.rows - report.measured
    lines = [
        f"{report.path.name}: {report.format}, {report.rows:,} rows, {report.crs or 'no reference system said'}",
        f"area {_area(report.area_ha)}" + (f" without {unmeasured:,} rows of unknown area" if unmeasured else ""),
    ]
    if report.twice_ha:
        lines.append(f"of it counted twice {_area(report.twice_ha)}")
    if not report.findings:
        lines.append("nothing found")
    return lines


def _area(ha: float) -> str:
    return f"{ha:,.2f} ha ({ha * MU_PER_HA:,.1f} mu)"


def _lines(one: Finding, report: Report, limit: int) -> list[str]:
    if not len(one.rows):
        return []
    lines = ["", f"{one.kind.code}: {one.kind.remedy}"]
    for at in range(min(limit, len(one.rows))):
        row, other = int(one.rows[at]), int(one.others[at])
        words = [_row(row, report)]
        if other >= 0:
            words.append(f"with {_row(other, report)}")
        if one.kind.figure and math.isfinite(one.values[at]):
            words.append(one.kind.figure.format(value=one.values[at]))
        if math.isfinite(one.x[at]):
            words.append(f"at {one.x[at]:.6f} {one.y[at]:.6f}")
        lines.append("  " + ", ".join(words))
    if len(one.rows) > limit:
        lines.append(f"  and {len(one.rows) - limit:,} more")
    return lines


def _row(row: int, report: Report) -> str:
    id = report.id(row)
    return f"row {row + 1:,}" + (f" (id {_plain(id)})" if id else "")


def _plain(text: str) -> str:
    """Return a text of the file without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def write(report: Report, path: Path) -> int:
    """Write every finding with its row as .csv or .parquet, whole or not at all; return how many there are.

    Columns: severity, code, row (from 1, null for the file), id, other_row, other_id, value, unit, x, y (in the file's
    coordinates), what, remedy. Raises `GreatTitError` when the name has another ending or is that of the file.
    """
    from pyarrow import csv, parquet

    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise GreatTitError("is no .csv or .parquet", subject=str(path), remedy="name the file of findings so")
    if path.exists() and path.samefile(report.path):
        raise GreatTitError("is the parcel file itself", subject=str(path), remedy="name another file")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    count = 0
    try:
        writer_of = csv.CSVWriter if ending == ".csv" else parquet.ParquetWriter
        with writer_of(name, _schema()) as writer:
            for table in _tables(report):
                writer.write_table(table)
                count += len(table)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return count


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _schema() -> Any:
    import pyarrow as pa

    text, whole, number = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        {
            "severity": text, "code": text, "row": whole, "id": text, "other_row": whole, "other_id": text,
            "value": number, "unit": text, "x": number, "y": number, "what": text, "remedy": text,
        }
    )  # fmt: skip


def _tables(report: Report) -> Iterator[Any]:
    import pyarrow as pa

    for one in report.findings:
        about_file = not len(one.rows)
        rows = np.array([-1]) if about_file else one.rows
        others = np.array([-1]) if about_file else one.others
        figures = [np.array([np.nan])] * 3 if about_file else [one.values, one.x, one.y]
        for first in range(0, len(rows), WRITTEN_ROWS):
            part = slice(first, first + WRITTEN_ROWS)
            value, x, y = (pa.array(figure[part], from_pandas=True) for figure in figures)
            same = {
                "severity": one.kind.severity, "code": one.kind.code, "unit": one.kind.unit or None,
                "what": _sentence(one), "remedy": one.kind.remedy,
            }  # fmt: skip
            count = len(rows[part])
            columns = {name: pa.repeat(pa.scalar(text, pa.string()), count) for name, text in same.items()}
            columns |= {"row": _places(rows[part]), "id": _ids(rows[part], report), "value": value, "x": x, "y": y}
            columns |= {"other_row": _places(others[part]), "other_id": _ids(others[part], report)}
            yield pa.table([columns[name] for name in _schema().names], schema=_schema())


def _places(rows: Any) -> Any:
    import pyarrow as pa

    return pa.array(rows + 1, pa.int64(), mask=rows < 0)


def _ids(rows: Any, report: Report) -> Any:
    import pyarrow as pa

    if report.ids is None:
        return pa.nulls(len(rows), pa.string())
    return pa.array(report.ids.take(pa.array(rows, pa.int64(), mask=rows < 0)).to_pylist(), pa.string())
