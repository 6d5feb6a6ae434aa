"""GeoParquet, with WKB or native arrays, and the collection metadata of fiboa and vecorel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.errors import PlotFileError
from greattit.parcelfile.layer import REMEDY, Batch, Layer, as_batch, crs_said, id_column, may_be_area

BUFFER_BYTES = 1 << 20
"""read buffer of one column: a row group is streamed, not held"""


def open_geoparquet(path: Path) -> Layer:
    """Open a GeoParquet; a Parquet with a binary column `geometry` will do. Raises `PlotFileError`."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise PlotFileError(f"cannot be read as Parquet: {error}", subject=path.name, remedy=REMEDY) from error
    twice = sorted({column for column in schema.names if schema.names.count(column) > 1})
    if twice:
        raise PlotFileError(f"has two columns {twice[0]}", subject=path.name, remedy="rename one of them")
    stored = schema.metadata or {}
    geo = _json(stored.get(b"geo"), path)
    name, about = _geometry_column(geo, schema, path)
    notes: list[tuple[str, str]] = [] if geo else [("no-geo-metadata", "")]
    columns = tuple(column for column in schema.names if column != name)
    notes += _fiboa(stored, columns, path)
    id_name = id_column(columns)
    area_names = tuple(column for column in columns if may_be_area(column) and _numeric(schema.field(column).type))
    wanted = list(dict.fromkeys([name, *([id_name] if id_name else []), *area_names]))
    encoding = str(about.get("encoding", "WKB")).lower()

    def batches(rows: int) -> Iterator[Batch]:
        try:
            with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
                for table in file.iter_batches(rows, columns=wanted, use_threads=False):
                    yield as_batch(table, _wkb(table.column(name), encoding), id_name, area_names)
        except (pa.ArrowException, OSError, shapely.errors.ShapelyError) as error:
            raise PlotFileError(f"cannot be read to its end: {error}", subject=path.name, remedy=REMEDY) from error

    crs = crs_said(about.get("crs", "OGC:CRS84"), path) if geo else None
    return Layer(path, "GeoParquet", crs, columns, id_name, area_names, notes, batches)


def _json(raw: bytes | None, path: Path) -> dict[str, Any]:
    if raw is None:
        return {}
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise PlotFileError("its geo metadata is not JSON", subject=path.name, remedy=REMEDY) from error
    return found if isinstance(found, dict) else {}


def _geometry_column(geo: dict[str, Any], schema: Any, path: Path) -> tuple[str, dict[str, Any]]:
    described = geo.get("columns")
    described = described if isinstance(described, dict) else {}
    for name in (geo.get("primary_column"), *described, "geometry", "geom", "wkb_geometry"):
        if isinstance(name, str) and name in schema.names:
            about = described.get(name)
            return name, about if isinstance(about, dict) else {}
    raise PlotFileError("has no geometry column", subject=path.name, remedy=REMEDY)


def _numeric(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string)
    return any(test(kind) for test in tests)


def _wkb(column: Any, encoding: str) -> NDArray[np.object_]:
    import pyarrow as pa

    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) or encoding == "wkb":
        return np.asarray(column.cast(pa.large_binary()).to_numpy(zero_copy_only=False), object)
    import geopandas

    named = pa.field("geometry", column.type, metadata={"ARROW:extension:name": f"geoarrow.{encoding}"})
    table = pa.Table.from_arrays([column], schema=pa.schema([named]))
    return np.asarray(shapely.to_wkb(np.asarray(geopandas.GeoDataFrame.from_arrow(table).geometry)), object)


def _fiboa(stored: dict[bytes, bytes], columns: tuple[str, ...], path: Path) -> list[tuple[str, str]]:
    """Say what a fiboa or vecorel file lacks; nothing of a file that has none of their marks.

    fiboa 0.x keeps its collection in the file metadata `fiboa`, vecorel and fiboa from 0.3 on in `collection`;
    required of each row are `id` and `geometry`, and `collection` once for all or in a column.
    """
    marks = {key for key in (b"fiboa", b"collection") if key in stored}
    alike = [name for name in columns if name.startswith(("metrics:", "determination", "crop:"))]
    if not marks and not alike:
        return []
    notes = [] if "id" in columns else [("fiboa-column-missing", "id")]
    collection = _json(stored.get(b"collection") or stored.get(b"fiboa"), path)
    if not marks:
        notes.append(("fiboa-no-collection", f"columns as {alike[0]} look like fiboa"))
    elif b"collection" in marks and not ("collection" in columns or "collection" in collection):
        notes.append(("fiboa-no-collection", "the metadata names no collection"))
    elif b"collection" in marks and "schemas" not in collection:
        notes.append(("fiboa-no-collection", "the metadata names no schemas"))
    return notes
