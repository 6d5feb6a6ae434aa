"""A parcel file opened: its columns, its reference system, and its rows in batches. `open_layer` reads every format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import PlotFileError

if TYPE_CHECKING:
    from pyproj import CRS

BATCH_ROWS = 20_000
"""rows read at a time"""

REMEDY = "give a GeoParquet, GeoPackage, FlatGeobuf, Shapefile, GeoJSON or GeoJSONSeq"

ID_NAMES = (
    "id", "plot_id", "parcel_id", "plotid", "parcelid", "field_id", "fieldid", "uuid", "dkbm", "objectid", "fid", "gid",
    "地块编码", "编号",
)  # fmt: skip
"""columns that hold an id, best first, in small letters (DKBM and 地块编码: parcel code of Chinese land contracts)"""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of the file, in its order."""

    geometry: NDArray[np.object_]
    """(n,) WKB, or None"""
    ids: Any
    """(n,) `pyarrow` array of strings, null where the row has none; None when no column holds ids"""
    areas: dict[str, NDArray[np.float64]]
    """(n,) stated areas by column, NaN where there is none"""


@dataclass(frozen=True)
class Layer:
    """A parcel file that was opened."""

    path: Path
    """where"""
    format: str
    """name of the format"""
    crs: CRS | None
    """its reference system, None when the file says none"""
    columns: tuple[str, ...]
    """all columns but the geometry"""
    id_column: str
    """column of ids, "" when there is none"""
    area_columns: tuple[str, ...]
    """columns that may state an area"""
    notes: list[tuple[str, str]]
    """(code, sentence) about the file; grows while it is read"""
    batches: Callable[[int], Iterator[Batch]]
    """called with a number of rows, gives the rows in batches of at most so many"""


def open_layer(path: Path, *, layer: str = "") -> Layer:
    """Open a parcel file; `layer` picks one of a GeoPackage, default the first. Raises `PlotFileError`."""
    if path.is_dir() and path.suffix.lower() != ".gdb":
        raise PlotFileError("is a folder, not a parcel file", subject=path.name, remedy=REMEDY)
    if not path.exists():
        raise PlotFileError("there is no such file", subject=str(path), remedy="check the path")
    if not path.is_dir() and not path.stat().st_size:
        raise PlotFileError("is empty", subject=path.name, remedy=REMEDY)
    if "parquet" in path.suffix.lower() or _begins(path, b"PAR1"):
        from greattit.parcelfile.geoparquet import open_geoparquet

        return open_geoparquet(path)
    from greattit.parcelfile.ogr import open_ogr

    return open_ogr(path, layer)


def _begins(path: Path, mark: bytes) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def crs_said(said: Any, path: Path) -> CRS | None:
    """Return the reference system that a file says in any form, None for none; `PlotFileError` when it is unknown."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if not said:
        return None
    try:
        return CRS.from_user_input(said)
    except CRSError as error:
        raise PlotFileError(
            f"its coordinate reference system is unknown: {error}", subject=path.name, remedy="write an EPSG code"
        ) from error


def id_column(names: Sequence[str]) -> str:
    """Return the column that holds ids, "" when none does."""
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(name.strip().lower(), name)
    return next((by_name[name] for name in ID_NAMES if name in by_name), "")


def as_batch(table: Any, geometry: NDArray[np.object_], id_name: str, area_names: Sequence[str]) -> Batch:
    """Return a `pyarrow` record batch with `geometry` as WKB."""
    ids = _as_text(table.column(id_name)) if id_name else None
    return Batch(geometry, ids, {name: _as_numbers(table.column(name)) for name in area_names})


def _as_text(column: Any) -> Any:
    """Return ids as strings, null where they are null or blank; whole floats without their point."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        if np.all(np.isnan(numbers) | (np.abs(numbers) < 2**53) & (numbers == np.rint(numbers))):
            column = pa.array(np.nan_to_num(numbers), mask=np.isnan(numbers)).cast(pa.int64())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        column = pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _as_numbers(column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        import pandas as pd

        text = pd.Series(column.to_numpy(zero_copy_only=False), dtype=object).str.replace(",", ".")
        return np.asarray(pd.to_numeric(text, errors="coerce"), np.float64)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


_WORDS = re.compile(r"[^a-z0-9²\u4e00-\u9fff]+")

UNIT_WORDS = {
    "ha": "ha", "hectare": "ha", "hectares": "ha", "hektar": "ha", "公顷": "ha",
    "mu": "mu", "亩": "mu", "mjm": "mu",
    "acre": "acre", "acres": "acre", "ac": "acre",
    "m2": "m2", "m²": "m2", "sqm": "m2", "sqmeters": "m2", "平方米": "m2",
    "km2": "km2", "km²": "km2", "sqkm": "km2", "平方公里": "km2",
    "are": "are", "ares": "are",
}  # fmt: skip
"""words in a column's name that say a unit (SCMJM, HTMJM: area in mu of Chinese land contracts)"""

_AREA_WORDS = {
    "area", "areal", "flaeche", "fläche", "superficie", "surface", "surf", "oppervlakte", "opp", "mj", "面积",
}  # fmt: skip


def unit_said(name: str) -> str:
    """Return the unit that a column's name says: ha, mu, acre, m2, km2, are, or "" for none.

    `metrics:area` is in m2 by the geometry metrics of fiboa and vecorel.
    """
    if name.strip().lower() == "metrics:area":
        return "m2"
    return next((UNIT_WORDS[word] for word in _words(name) if word in UNIT_WORDS), "")


def may_be_area(name: str) -> bool:
    """Say whether a column's name could be that of an area: it says area, or nothing but a unit.

    A quantile ("area_ha_p05") is the end of an interval and no area.
    """
    if re.search(r"[_:.\- ]p\d{1,2}$", name.strip().lower()):
        return False
    words = _words(name)
    return any(word in _AREA_WORDS for word in words) or (
        0 < len(words) <= 2 and words[-1] in UNIT_WORDS and words[-1] not in ("are", "ac")
    )


def _words(name: str) -> list[str]:
    """Split at marks and at changes of case, and cut the Chinese terms free: "Shape_AreaHa" -> shape, area, ha."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    parted = re.sub("(平方公里|平方米|公顷|面积|亩)", r"_\1_", parted).lower()
    parted = re.sub(r"\b(sc|ht|tb|yh|sz)(mjm?)\b", r"\1_\2", parted)
    return [word for word in _WORDS.split(parted) if word]
