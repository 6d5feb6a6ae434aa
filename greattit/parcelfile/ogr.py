"""GeoPackage, FlatGeobuf, Shapefile, GeoJSON and GeoJSONSeq, through OGR in Arrow batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from greattit.errors import PlotFileError
from greattit.parcelfile.layer import REMEDY, Batch, Layer, as_batch, crs_said, id_column, may_be_area

Notes = list[tuple[str, str]]

_NUMERIC = ("int", "float", "object", "uint")


def open_ogr(path: Path, layer: str) -> Layer:
    """Open what OGR reads; `layer` by name, "" for the first one with a geometry. Raises `PlotFileError`."""
    import pyogrio  # type: ignore[import-untyped]

    notes: Notes = []
    with _reading(path, notes):
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if not names or (layer and layer not in names):
        what = f"has no layer {layer}" if layer else "has no layer with a geometry"
        raise PlotFileError(what, subject=path.name, remedy=f"layers: {', '.join(names)}" if names else REMEDY)
    chosen = layer or names[0]
    if len(names) > 1:
        notes.append(("more-layers", f"checked {chosen} of {', '.join(names)}"))
    with _reading(path, notes):
        info = pyogrio.read_info(path, layer=chosen)
    columns = tuple(str(name) for name in info["fields"])
    id_name = id_column(columns)
    kinds = dict(zip(columns, (str(kind) for kind in info["dtypes"]), strict=True))
    area_names = tuple(name for name in columns if may_be_area(name) and kinds[name].startswith(_NUMERIC))
    fids = not id_name and info["driver"] in ("GeoJSON", "GeoJSONSeq")  # there the id of a feature becomes the FID

    def batches(rows: int) -> Iterator[Batch]:
        wanted = list(dict.fromkeys([*([id_name] if id_name else []), *area_names]))
        options: dict[str, Any] = {"layer": chosen, "columns": wanted, "batch_size": rows, "return_fids": fids}
        with _reading(path, notes):
            source = pyogrio.open_arrow(path, use_pyarrow=True, **options)
            meta, reader = source.__enter__()
        try:
            done = 0
            geometry = meta["geometry_name"] or "wkb_geometry"
            while (table := _next(reader, path, notes)) is not None:
                wkb = np.asarray(table.column(geometry).to_numpy(zero_copy_only=False), object)
                batch = as_batch(table, wkb, meta["fid_column"] if fids else id_name, area_names)
                yield replace(batch, ids=_given(batch.ids, done)) if fids else batch
                done += len(wkb)
        finally:
            source.__exit__(None, None, None)

    named = id_name or ("the feature's id" if fids else "")
    return Layer(path, str(info["driver"]), crs_said(info["crs"], path), columns, named, area_names, notes, batches)


def _given(fids: Any, first: int) -> Any:
    """Return the ids of features, null where OGR made one up: it counts those without an id from 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    made = pa.array(np.arange(first, first + len(fids))).cast(pa.string())
    return pc.if_else(pc.equal(fids, made), pa.scalar(None, pa.string()), fids)


def _next(reader: Any, path: Path, notes: Notes) -> Any:
    with _reading(path, notes):
        return next(reader, None)


@contextmanager
def _reading(path: Path, notes: Notes) -> Iterator[None]:
    """Turn what OGR raises into `PlotFileError` and what it warns of into notes, each said once."""
    import pyarrow as pa
    from pyogrio import errors

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            yield
        except (errors.DataSourceError, errors.DataLayerError, errors.FeatureError, errors.FieldError) as error:
            raise PlotFileError(f"cannot be read: {error}", subject=path.name, remedy=REMEDY) from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise PlotFileError(f"cannot be read: {error}", subject=path.name, remedy=REMEDY) from error
    for message in dict.fromkeys(str(warning.message) for warning in said):
        if "closed ring" not in message and ("reader-said", message) not in notes:
            notes.append(("reader-said", message))
