"""Fields into a file, square by square: GeoParquet in the form of fiboa 0.3 (vecorel 0.1), or GeoJSON.

`metrics:area` [m2] and `metrics:perimeter` [m] are those of the outline, as fiboa wants them; `area_ha` is the area
to be expected, with its 90 % interval. Sources: https://fiboa.org/specification/v0.3.0 and
https://geoparquet.org/releases/v1.1.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import PlotFileError
from greattit.plots.area import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from greattit.fields.objects import Found
    from greattit.fields.walk import Square

SCHEMAS = ("https://vecorel.org/specification/v0.1.0/schema.yaml", "https://fiboa.org/specification/v0.3.0/schema.yaml")
ENDINGS = (".parquet", ".geoparquet", ".geojson", ".json")
ROWS = 10_000
"""fields of one row group: so many are held before they are written"""


@dataclass(frozen=True)
class About:
    """What is true of all fields of a file."""

    collection: str
    """name of the collection, e.g. the county's"""
    last_look: date
    """the fields did exist then"""
    details: str
    """how they were found: model, tiles, span"""


@dataclass(frozen=True)
class Written:
    """What was written."""

    path: Path
    fields: int
    hectares: float
    """sum of the areas to be expected [ha]"""


def check_name(path: Path) -> None:
    """Raise `PlotFileError` when a file of this name cannot be written, before any work is done."""
    if path.suffix.lower() not in ENDINGS:
        raise PlotFileError(
            "cannot be written", subject=path.name, remedy=f"name a file that ends in {', '.join(ENDINGS)}"
        )
    if path.is_dir():
        raise PlotFileError("is a folder", subject=str(path), remedy="name a file")
    if not path.absolute().parent.is_dir():
        raise PlotFileError("its folder does not exist", subject=str(path), remedy="make the folder, or name another")


def write(
    squares: Iterable[Square], path: Path, about: About, tick: Callable[[Square], None] = lambda _: None
) -> Written:
    """Write the fields of all squares to `path`, whole or not at all; returns how many.

    Ids are numbers in the order of writing. Raises `PlotFileError` when the file cannot be written.
    """
    check_name(path)
    part = path.with_name(f".{path.name}.part")
    count, hectares = 0, 0.0
    try:
        with _open(part, path.suffix.lower(), about) as sink:
            for group in _grouped(squares, tick):
                sink.add([_row(one, count + n + 1) for n, one in enumerate(group)])
                count += len(group)
                hectares += sum(one.area_ha.p50 for one in group)
        part.replace(path)
    except OSError as error:
        raise PlotFileError(f"cannot be written: {error}", subject=str(path), remedy="name another place") from error
    finally:
        part.unlink(missing_ok=True)
    return Written(path, count, hectares)


def _grouped(squares: Iterable[Square], tick: Callable[[Square], None]) -> Iterator[list[Found]]:
    held: list[Found] = []
    for square in squares:
        held += square.fields
        tick(square)
        if len(held) >= ROWS:
            yield held
            held = []
    if held:
        yield held


def _row(one: Found, number: int) -> dict[str, Any]:
    import shapely

    west, south, east, north = one.geometry.bounds
    return {
        "id": str(number),
        "geometry": shapely.orient_polygons(one.geometry),  # counter-clockwise, as RFC 7946 wants it
        "bbox": {"xmin": west, "ymin": south, "xmax": east, "ymax": north},
        "confidence": round(one.confidence, 4),
        "area_ha": one.area_ha.p50,
        "area_ha_p05": one.area_90_ha[0],
        "area_ha_p95": one.area_90_ha[1],
    }


def _open(part: Path, ending: str, about: About) -> _Parquet | _Lines:
    return _Parquet(part, about) if "parquet" in ending else _Lines(part, about)


class _Parquet:
    """A GeoParquet that grows by row groups."""

    def __init__(self, path: Path, about: About) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        box = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
        self.schema = pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("geometry", pa.binary(), nullable=False),
                pa.field("bbox", box),
                pa.field("metrics:area", pa.float32()),
                pa.field("metrics:perimeter", pa.float32()),
                pa.field("confidence", pa.float32()),
                pa.field("area_ha", pa.float32()),
                pa.field("area_ha_p05", pa.float32()),
                pa.field("area_ha_p95", pa.float32()),
            ],
            metadata={"geo": json.dumps(_geo()), "collection": json.dumps(_collection(about))},
        )
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd")

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def add(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa
        import shapely

        shapes = np.array([row["geometry"] for row in rows], object)
        sizes = measure(shapes)
        columns = {name: [row[name] for row in rows] for name in rows[0] if name != "geometry"}
        columns |= {
            "geometry": shapely.to_wkb(shapes).tolist(),
            "metrics:area": (sizes.area_ha * 1e4).tolist(),
            "metrics:perimeter": sizes.perimeter_m.tolist(),
        }
        self.writer.write_table(pa.table({name: columns[name] for name in self.schema.names}, self.schema))


class _Lines:
    """A GeoJSON with one feature a line; what is true of all stands at the top, as vecorel wants it."""

    def __init__(self, path: Path, about: About) -> None:
        self.file = path.open("w", encoding="utf-8", newline="\n")
        head = {"type": "FeatureCollection", **_collection(about)}
        self.file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [')
        self.between = "\n"

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.write("\n]}\n")
        self.file.close()

    def add(self, rows: list[dict[str, Any]]) -> None:
        from shapely.geometry import mapping

        sizes = measure(np.array([row["geometry"] for row in rows], object))
        for n, row in enumerate(rows):
            metrics = {"metrics:area": float(sizes.area_ha[n]) * 1e4, "metrics:perimeter": float(sizes.perimeter_m[n])}
            properties = {k: v for k, v in row.items() if k not in ("id", "geometry", "bbox")}
            feature = {
                "type": "Feature",
                "id": row["id"],
                "bbox": list(row["bbox"].values()),
                "geometry": mapping(row["geometry"]),
                "properties": {**metrics, **properties},
            }
            self.file.write(self.between + json.dumps(feature))
            self.between = ",\n"


def _geo() -> dict[str, Any]:
    """Return the metadata of GeoParquet 1.1; no crs says longitude and latitude (OGC:CRS84)."""
    corners = {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon", "MultiPolygon"],
        "orientation": "counterclockwise",
        "covering": {"bbox": corners},
    }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _collection(about: About) -> dict[str, Any]:
    return {
        "collection": about.collection,
        "schemas": {about.collection: list(SCHEMAS)},
        "determination:datetime": f"{about.last_look.isoformat()}T00:00:00Z",
        "determination:method": "auto-imagery",
        "determination:details": about.details,
    }
