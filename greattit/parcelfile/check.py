"""The walk through a parcel file: `check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.errors import PlotFileError
from greattit.parcelfile.areacolumn import stated_areas
from greattit.parcelfile.found import Floats, Found, Ints
from greattit.parcelfile.kinds import NARROW_M, THIN
from greattit.parcelfile.layer import BATCH_ROWS, REMEDY, Batch, Layer, open_layer
from greattit.parcelfile.place import Bbox, Place, far_away, place_of
from greattit.parcelfile.report import Report
from greattit.parcelfile.rows import Gathered, Rows
from greattit.parcelfile.shapes import outlines, planar
from greattit.parcelfile.spill import Spill
from greattit.parcelfile.sweep import overlaps
from greattit.parcelfile.twins import same_ids, same_outlines
from greattit.plots.area import Measures, measure
from greattit.plots.load import MAX_HA, MIN_HA

Progress = Callable[[int], None]

COUNTED_TWICE = ("same-geometry", "near-copy", "overlap")
"""kinds whose figure is ground [ha] that two rows have"""


def check(
    path: Path | str,
    *,
    near: Bbox | None = None,
    layer: str = "",
    batch_rows: int = BATCH_ROWS,
    progress: Progress | None = None,
) -> Report:
    """Read a parcel file once and return all that is wrong with it. The file is not changed.

    `near` (west, south, east, north [degree]) is where the parcels should lie; `layer` picks one of a GeoPackage;
    `progress` is called with the number of rows read. Raises `PlotFileError` when the file cannot be read.
    """
    found = Found()
    opened = open_layer(Path(path), layer=layer)
    place = place_of(opened.crs, near)
    gathered, done = Gathered(), 0
    with Spill() as spill, np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for batch in opened.batches(batch_rows):
            if len(batch.geometry):
                _take(batch, done, place, spill, gathered, found)
                done += len(batch.geometry)
                if progress:
                    progress(done)
        if not done:
            raise PlotFileError("has no rows", subject=opened.path.name, remedy=REMEDY)
        rows = gathered.whole()
        del gathered
        _about_file(opened, found)
        same_ids(rows, found)
        overlaps(rows, same_outlines(rows, found), spill, found)
    far_away(rows.middles, found)
    units = stated_areas(rows, found)
    return _report(opened, rows, found, units)


def _take(batch: Batch, first: int, place: Place, spill: Spill, gathered: Gathered, found: Found) -> None:
    """Check the rows of one batch by themselves, and keep of them what the comparison of rows needs."""
    from pandas.util import hash_array

    count = len(batch.geometry)
    drawn = outlines(batch.geometry, first, found)
    boxes, areas = planar(drawn.shapes)
    lonlat = place.settle(drawn.shapes, boxes, first + drawn.at, found)
    known = ~shapely.is_missing(lonlat)
    measures = measure(lonlat)
    area = np.where(known, measures.area_ha, np.nan)
    bounds = shapely.bounds(lonlat)
    _sizes(measures, area, first + drawn.at, found)
    wkb = np.asarray(shapely.to_wkb(drawn.shapes), object)
    start, length = spill.append(wkb)
    middles = (bounds[:, :2] + bounds[:, 2:]) / 2
    hashes = np.asarray(hash_array(wkb, categorize=False), np.uint64)
    figures: dict[str, tuple[NDArray[Any], float]] = {
        "boxes": (boxes, np.nan), "planar": (areas, np.nan), "middles": (middles, np.nan), "area_ha": (area, np.nan),
        "hashes": (hashes, 0), "start": (start, -1), "length": (length, 0),
    }  # fmt: skip
    gathered.figures.append({name: _spread(values, drawn.at, count, none) for name, (values, none) in figures.items()})
    gathered.ids.append(batch.ids)
    gathered.stated.append(batch.areas)


def _spread(values: NDArray[Any], at: Ints, count: int, blank: float) -> NDArray[Any]:
    """Return `values` at their places among `count` rows, `blank` elsewhere."""
    whole = np.full((count, *values.shape[1:]), blank, values.dtype)
    whole[at] = values
    return whole


def _sizes(measures: Measures, area: Floats, rows: Ints, found: Found) -> None:
    """Find what is too small, too large, thin or has holes."""
    for code, chosen in (("too-small", area < MIN_HA), ("too-large", area > MAX_HA)):
        found.add(code, rows[chosen], area[chosen])
    holes = np.flatnonzero(measures.holes_ha > 0)
    found.add("holes", rows[holes], measures.holes_ha[holes] / (measures.holes_ha + measures.area_ha)[holes])
    with np.errstate(invalid="ignore", divide="ignore"):
        ground, round_it = area * 1e4, measures.perimeter_m
        # of a rectangle w x l with this area and perimeter, w; a compact shape is as wide as its square
        width = (round_it - np.sqrt(np.maximum(round_it**2 - 16 * ground, 0))) / 4
        thin = (width < NARROW_M) | (4 * np.pi * ground < THIN * round_it**2)
    found.add("sliver", rows[thin], width[thin])


def _about_file(opened: Layer, found: Found) -> None:
    for code, note in opened.notes:
        found.about_file(code, note)
    if opened.crs is None:
        found.about_file("no-crs", "its coordinates are taken for degrees where they fit")
    if not opened.id_column:
        found.about_file("no-id-column")


def _report(opened: Layer, rows: Rows, found: Found, units: dict[str, str]) -> Report:
    findings = found.settled(rows.boxes)
    twice = [one.values for one in findings if one.kind.code in COUNTED_TWICE]
    middles = rows.middles[np.isfinite(rows.middles).all(axis=1)]
    return Report(
        path=opened.path,
        format=opened.format,
        crs="" if opened.crs is None else _crs_name(opened),
        id_column=opened.id_column,
        area_units=units,
        rows=len(rows),
        measured=int(np.isfinite(rows.area_ha).sum()),
        area_ha=float(np.nansum(rows.area_ha)),
        twice_ha=float(sum(np.nansum(values) for values in twice)),
        extent=(*middles.min(axis=0), *middles.max(axis=0)) if len(middles) else None,
        findings=findings,
        ids=rows.ids,
    )


def _crs_name(opened: Layer) -> str:
    crs = opened.crs
    assert crs is not None
    authority = crs.to_authority()
    return f"{':'.join(authority)} ({crs.name})" if authority else str(crs.name)
