"""The shapes of one batch: which can be read, which are areas, which are sound; and the same shape written alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.parcelfile.found import Floats, Found, Ints
from greattit.plots.mend import MANY_VERTICES

Shapes = NDArray[np.object_]
Bools = NDArray[np.bool_]

_POLYGON, _MULTIPOLYGON = 3, 6
_PLACE = re.compile(r"^(.*)\[(\S+) (\S+)\]$")

BEYOND = 1e12
"""degrees, metres or millimetres: no place on earth has such a coordinate, and its square is no area"""

_REASONS = (
    ("Too few points", "too-few-points"),
    ("Self-intersection", "self-crossing"),
    ("Ring Self", "self-crossing"),
)
"""the beginnings of GEOS's reasons; all others are about holes and parts"""


@dataclass(frozen=True, eq=False)
class Outlines:
    """The areas among the rows of a batch; all arrays are (m,)."""

    at: Ints
    """their places in the batch"""
    shapes: Shapes
    """2-D, valid (crossings resolved), a part alone as Polygon, in normal form: alike however they were drawn"""
    corners: Ints
    """points of all rings, closing points included, as they stand in the file"""


def outlines(wkb: NDArray[np.object_], first: int, found: Found) -> Outlines:
    """Return the areas of a batch whose first row is `first`; all that is wrong with the shapes goes to `found`."""
    shapes = _read(wkb, first, found)
    areas = _areas(shapes, first, found)
    at = np.flatnonzero(areas)
    flat = shapes[at]
    heights = shapely.has_z(flat)
    found.add("three-d", first + at[heights])
    flat = shapely.force_2d(flat)
    corners = shapely.get_num_coordinates(flat).astype(np.int64)
    many = corners > MANY_VERTICES
    found.add("many-vertices", first + at[many], corners[many].astype(float))
    parts = shapely.get_num_geometries(flat)
    found.add("multipart", first + at[parts > 1], parts[parts > 1].astype(float))
    flat = np.where(parts == 1, shapely.get_geometry(flat, 0), flat)
    flat = _sound(flat, first + at, found)
    kept = np.array(~shapely.is_empty(flat))
    return Outlines(at[kept], shapely.normalize(flat[kept]), corners[kept])


def _read(wkb: NDArray[np.object_], first: int, found: Found) -> Shapes:
    """Return the geometries, None where there is none or none can be read; unclosed rings are closed."""
    missing = np.array([one is None for one in wkb], bool)
    found.add("missing-geometry", first + np.flatnonzero(missing))
    with np.errstate(invalid="ignore"):
        shapes = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), object)
        bad = np.flatnonzero(shapely.is_missing(shapes) & ~missing)
        if len(bad):
            shapes[bad] = mended = np.asarray(shapely.from_wkb(wkb[bad], on_invalid="fix"), object)
            lost = np.asarray(shapely.is_missing(mended), bool)
            found.add("unreadable", first + bad[lost])
            found.add("unclosed-ring", first + bad[~lost])
    return shapes


def _areas(shapes: Shapes, first: int, found: Found) -> Bools:
    """Return which rows are polygons with finite coordinates; the others go to `found`."""
    there = ~shapely.is_missing(shapes)
    empty = there & shapely.is_empty(shapes)
    found.add("empty-geometry", first + np.flatnonzero(empty))
    polygon = np.isin(shapely.get_type_id(shapes), (_POLYGON, _MULTIPOLYGON))
    found.add("not-polygon", first + np.flatnonzero(there & ~empty & ~polygon))
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    infinite = np.zeros(len(shapes), bool)
    infinite[owner[~(np.abs(xy) < BEYOND).all(axis=1)]] = True
    found.add("not-finite", first + np.flatnonzero(infinite))
    return np.asarray(there & ~empty & polygon & ~infinite)


def _sound(shapes: Shapes, rows: Ints, found: Found) -> Shapes:
    """Return the shapes with invalid ones resolved into areas, empty where none is left; these go to `found`."""
    bad = np.flatnonzero(~shapely.is_valid(shapes))
    if not len(bad):
        return shapes
    reasons = [_PLACE.match(reason) for reason in shapely.is_valid_reason(shapes[bad])]
    codes = np.array([_code(reason[1]) if reason else "bad-holes" for reason in reasons])
    places = np.array([[float(r[2]), float(r[3])] if r else [np.nan, np.nan] for r in reasons])
    for code in np.unique(codes):
        chosen = codes == code
        found.add(str(code), rows[bad[chosen]], places=places[chosen])
    shapes = shapes.copy()
    shapes[bad] = _only_areas(shapely.make_valid(shapes[bad], method="structure", keep_collapsed=False))
    return shapes


def _code(reason: str) -> str:
    return next((code for start, code in _REASONS if reason.startswith(start)), "bad-holes")


def _only_areas(shapes: Shapes) -> Shapes:
    """Return each shape if it is an area, an empty polygon otherwise."""
    polygon = np.isin(shapely.get_type_id(shapes), (_POLYGON, _MULTIPOLYGON))
    single = np.where(shapely.get_num_geometries(shapes) == 1, shapely.get_geometry(shapes, 0), shapes)
    return np.where(polygon, single, shapely.Polygon())


def planar(shapes: Shapes) -> tuple[Floats, Floats]:
    """Return bounding boxes (m, 4) and areas (m,) in the units of the coordinates."""
    return shapely.bounds(shapes), shapely.area(shapes)
