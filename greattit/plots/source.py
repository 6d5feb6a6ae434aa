"""From a path, a text or a mapping to raw features: what the file says, before anyone asks whether it is a field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greattit.errors import PlotFileError

if TYPE_CHECKING:
    from pyproj import CRS

MAX_BYTES = 50_000_000
"""[byte] A plot file of this size holds some 100,000 parcels; a larger one is a whole register or no plot file, and
reading it would take minutes and gigabytes before anyone could say so."""

TABLES = {".parquet", ".geoparquet", ".gpkg", ".shp", ".fgb"}
"""endings that geopandas reads"""

GEOMETRIES = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
}  # fmt: skip
"""the geometry types of RFC 7946"""

DRAWING = ("the drawing", None)
"""name and crs of what does not come from a file"""

_ID_PROPERTIES = ("id", "ID", "Id", "plot_id", "parcel_id", "fid")
_REMEDY = "give a GeoJSON Feature, FeatureCollection or Polygon"


@dataclass(frozen=True)
class Raw:
    """One feature as it stands in its file."""

    subject: str
    """"FILE, feature 3 (id 17)", for errors"""
    id: str
    """its own id, "" when it has none"""
    geometry: Any
    """GeoJSON geometry object, or whatever stands in its place"""
    crs: Any
    """the nearest crs member or a `pyproj.CRS`; None means longitude and latitude on WGS 84"""
    properties: Mapping[str, Any]
    """as in the file"""


def read(source: Path | str | bytes | Mapping[str, Any] | Sequence[Any]) -> tuple[str, list[Raw]]:
    """Return a name for errors and the features of `source`; raise `PlotFileError` when there are none to be had."""
    if hasattr(source, "__geo_interface__"):
        return _features(source.__geo_interface__, *DRAWING)
    if isinstance(source, str) and source.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        source = source.encode("utf-8", "surrogatepass")
    if isinstance(source, bytes | bytearray):
        _check_size(len(source), "the text")
        return _features(_parse(bytes(source), "the text"), "the text", None)
    if isinstance(source, Path) or (isinstance(source, str) and source.strip()):
        return _from_path(Path(source))
    return _refuse("is empty", "the text") if isinstance(source, str) else _features(source, *DRAWING)


def _from_path(path: Path) -> tuple[str, list[Raw]]:
    name = path.name or str(path)
    try:
        if path.is_dir():
            raise PlotFileError("is a folder, not a plot file", subject=name, remedy=_REMEDY)
        size = path.stat().st_size
        _check_size(size, name)
        if path.suffix.lower() in TABLES and size:
            return _from_table(path, name)
        return _features(_parse(path.read_bytes(), name), name, None)
    except FileNotFoundError as error:
        raise PlotFileError("there is no such file", subject=str(path), remedy="check the path") from error
    except (OSError, ValueError) as error:
        raise PlotFileError(f"cannot be opened: {error}", subject=name, remedy="check the path") from error


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise PlotFileError(
            f"has {size / 1e6:.0f} MB; plot files may have at most {MAX_BYTES / 1e6:.0f} MB",
            subject=name,
            remedy="split it, or leave out the parcels outside the tiles",
        )


def _parse(raw: bytes, name: str) -> Any:
    if not raw.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        _refuse("is empty", name)
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        raise PlotFileError(
            f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}", subject=name, remedy=_REMEDY
        ) from error
    except (ValueError, RecursionError) as error:
        reason = (
            "it is nested too deeply" if isinstance(error, RecursionError) else "its text or numbers cannot be read"
        )
        raise PlotFileError(f"is not JSON: {reason}", subject=name, remedy=_REMEDY) from error


def _refuse(what: str, name: str) -> tuple[str, list[Raw]]:
    raise PlotFileError(what, subject=name, remedy=_REMEDY)


def _features(document: Any, name: str, crs: Any) -> tuple[str, list[Raw]]:
    if isinstance(document, list):
        document = {"type": "FeatureCollection", "features": document}
    if not isinstance(document, Mapping):
        return _refuse("is JSON but not GeoJSON: there is no object with a type", name)
    crs = document.get("crs") or crs
    kind = document.get("type")
    if kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list | tuple):
            return _refuse("is not GeoJSON: the collection has no list of features", name)
        if not features:
            return _refuse("has no features", name)
        return name, [_raw(feature, place, name, crs) for place, feature in enumerate(features, 1)]
    if kind == "Feature" or (isinstance(kind, str) and kind in GEOMETRIES):
        return name, [_raw(document, 1, name, crs)]
    return _refuse(f"is JSON but not GeoJSON: its type is {_short(kind)}", name)


def _raw(feature: Any, place: int, name: str, crs: Any) -> Raw:
    """Return one feature; a thing that is none keeps its place, and fails when its geometry is asked for."""
    subject = f"{name}, feature {place}"
    if not isinstance(feature, Mapping):
        return Raw(subject, "", feature, crs, {})
    kind = feature.get("type")
    if isinstance(kind, str) and kind in GEOMETRIES:
        return Raw(subject, "", feature, feature.get("crs") or crs, {})
    found = feature.get("properties")
    properties = found if isinstance(found, Mapping) else {}
    id = next(_ids(feature, properties), "")
    geometry = feature.get("geometry")
    inner = geometry.get("crs") if isinstance(geometry, Mapping) else None
    return Raw(f"{subject} (id {id})" if id else subject, id, geometry, inner or feature.get("crs") or crs, properties)


def _ids(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    for value in (feature.get("id"), *(properties.get(key) for key in _ID_PROPERTIES)):
        if isinstance(value, str) and value.strip():
            yield value.strip()
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**100:
            yield str(value)
        elif isinstance(value, float) and math.isfinite(value):
            yield f"{value:.0f}" if value.is_integer() else str(value)


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _from_table(path: Path, name: str) -> tuple[str, list[Raw]]:
    """Read a GeoParquet, GeoPackage, Shapefile or FlatGeobuf."""
    import geopandas
    import shapely

    try:
        frame = geopandas.read_parquet(path) if "parquet" in path.suffix.lower() else geopandas.read_file(path)
        shapes = list(frame.geometry)
        rows = frame.drop(columns=frame.geometry.name).to_dict("records")
    except Exception as error:
        raise PlotFileError(f"cannot be read as a table of plots: {error}", subject=name, remedy=_REMEDY) from error
    if not shapes:
        return _refuse("has no features", name)
    features = [
        {"type": "Feature", "properties": row, "geometry": None if shape is None else shapely.geometry.mapping(shape)}
        for shape, row in zip(shapes, rows, strict=True)
    ]
    return name, [_raw(feature, place, name, frame.crs) for place, feature in enumerate(features, 1)]


def crs_of(member: Any, subject: str) -> CRS | None:
    """Return the CRS of a crs member, None for longitude and latitude on WGS 84; raise `PlotFileError` when unknown."""
    if member is None:
        return None
    name = _crs_name(member)
    if name in ("EPSG:4326", "OGC:CRS84"):
        return None
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        if isinstance(member, CRS):
            return None if member.equals(CRS("EPSG:4326"), ignore_axis_order=True) else member
        if not name:
            raise CRSError("no authority and code")
        return CRS.from_user_input(name)
    except CRSError as error:
        raise PlotFileError(
            f"its coordinate reference system is unknown: {_short(name or str(member))}",
            subject=subject,
            remedy="write longitude and latitude (EPSG:4326), or name an EPSG code",
        ) from error


def _crs_name(member: Any) -> str:
    """Return "AUTHORITY:CODE" of the many ways in which a crs member is written, "" when there is none."""
    if isinstance(member, Mapping):
        properties = member.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        if member.get("type") == "EPSG":
            return f"EPSG:{properties.get('code')}"
        member = properties.get("name")
    if not isinstance(member, str):
        return ""
    text = member.strip()
    if text.upper().replace(" ", "") in ("WGS84", "CRS84"):
        return "OGC:CRS84"
    found = re.fullmatch(r"(?:.*[:/])?(EPSG|ESRI|OGC)(?:[:/][\d.]*)?[:/](\w{1,12})", text, re.IGNORECASE)
    return f"{found[1].upper()}:{found[2].upper()}" if found else ""
