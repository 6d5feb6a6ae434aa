"""The county's rows as GeoParquet with fiboa's core columns, and as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greattit.county.rows import Row
from greattit.report import words

if TYPE_CHECKING:
    from greattit.types import Interval

CODE_LIST = "greattit/policy/crops.yaml"
"""the list that `crop:code` is a key of"""

Cell = str | int | float | Decimal | date | datetime | None
Column = tuple[str, str, Callable[[Row], Cell]]


def _part(of: Callable[[Row], Interval | None], quantile: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        interval = of(row)
        value = math.nan if interval is None else float(getattr(interval, quantile))
        return value if math.isfinite(value) else None

    return cell


def _spread(name: str, of: Callable[[Row], Interval | None]) -> list[Column]:
    return [(f"{name}_{quantile}", "number", _part(of, quantile)) for quantile in ("p10", "p50", "p90")]


COLUMNS: tuple[Column, ...] = (
    ("id", "text", lambda row: row.id),
    ("metrics:area", "number", lambda row: row.area_ha),
    ("determination:method", "text", lambda row: "unknown"),
    ("determination:datetime", "time", lambda row: row.seen and datetime.combine(row.seen, time(), UTC)),
    ("determination:details", "text", lambda row: row.mended),
    ("crop:code_list", "text", lambda row: row.crop and CODE_LIST),
    ("crop:code", "text", lambda row: row.crop),
    ("crop:name", "text", lambda row: row.crop and words.crop(row.crop)),
    ("day", "day", lambda row: row.day),
    ("region", "text", lambda row: row.region),
    ("line", "money", lambda row: row.line),
    ("currency", "text", lambda row: row.currency or None),
    ("rule", "text", lambda row: row.rule),
    ("due", "day", lambda row: row.due),
    ("refused", "text", lambda row: row.refused),
    ("reason", "text", lambda row: row.reason),
    ("certainty", "number", lambda row: row.certainty),
    ("likely", "text", lambda row: row.likely),
    ("looks", "count", lambda row: row.looks),
    ("stage", "text", lambda row: row.stage),
    ("vigour", "number", lambda row: row.vigour),
    ("hazards", "text", lambda row: row.hazards),
    *_spread("area_ha", lambda row: row.area_measured),
    *_spread("yield_kg_ha", lambda row: row.yield_kg_ha),
    *_spread("value", lambda row: row.value),
    ("warnings", "count", lambda row: row.warnings),
    ("snapshot", "text", lambda row: row.snapshot),
)
"""Name, kind and content of each column. fiboa 0.3: `metrics:area` [ha], `determination:datetime` the last time the
field was seen. The method is unknown: a parcel file does not say how its outlines came about."""


def write_parquet(rows: Iterable[Row], path: Path) -> None:
    """Write GeoParquet (EPSG:4326); money is decimal, unknown is null."""
    import geopandas
    import pandas as pd
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "number": pa.float64(),
        "count": pa.int32(),
        "money": pa.decimal128(18, 2),
        "day": pa.date32(),
        "time": pa.timestamp("ms", "UTC"),
    }
    rows = list(rows)
    columns = {
        name: pd.Series([cell(row) for row in rows], dtype=pd.ArrowDtype(kinds[kind])) for name, kind, cell in COLUMNS
    }
    frame = geopandas.GeoDataFrame(columns, geometry=[row.geometry for row in rows], crs="EPSG:4326")
    frame.to_parquet(path, index=False)


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """Write CSV in UTF-8: the columns of the GeoParquet and a point inside each plot."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(name for name, _, _ in COLUMNS), "lon", "lat"])
        for row in rows:
            writer.writerow([*(_text(cell(row)) for _, _, cell in COLUMNS), *_point(row)])


def _text(value: Cell) -> Any:
    """Return what stands in a cell. Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _point(row: Row) -> tuple[str, str]:
    if row.geometry is None:
        return "", ""
    inside = row.geometry.representative_point()
    return f"{inside.x:.6f}", f"{inside.y:.6f}"
