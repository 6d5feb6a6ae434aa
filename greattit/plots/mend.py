"""From a raw GeoJSON geometry to a valid area: mended where that is safe, one plain sentence each, else refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from greattit.errors import PlotFileError, PlotShapeError
from greattit.plots.source import GEOMETRIES, crs_of

if TYPE_CHECKING:
    from pyproj import CRS
    from shapely.geometry.base import BaseGeometry

Ring = list[tuple[float, float]]
Rings = list[Ring]
Bbox = tuple[float, float, float, float]

GAP_SHARE = 0.05
"""share of its length that a line may lack between its ends and still be an outline: a finger that stopped short"""

MANY_VERTICES = 10_000
"""corners above which an outline is thinned: at 10 m pixels no field needs more"""

THIN_DEGREE = 1e-6
"""[degree] 11 cm at most, a hundredth of a pixel: corners nearer than this to the thinned outline are dropped"""


class Mender:
    """The work on one geometry: `subject` for errors and the sentences of what was mended so far."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        """Note a mend once."""
        if sentence not in self.said:
            self.said.append(sentence)

    def refuse(self, what: str, remedy: str = "draw the field's outline as a Polygon") -> PlotShapeError:
        """Return the error to raise."""
        return PlotShapeError(what, subject=self.subject, remedy=remedy)

    def polygons(self, geometry: Any) -> list[Rings]:
        """Return the rings of each polygon part of a GeoJSON geometry, closed, 2-D and finite."""
        if geometry is None:
            raise self.refuse("has no geometry")
        kind = geometry.get("type") if isinstance(geometry, Mapping) else None
        if not isinstance(kind, str) or kind not in GEOMETRIES:
            raise PlotFileError("is not a GeoJSON feature with a geometry", subject=self.subject, remedy="see RFC 7946")
        if kind == "GeometryCollection":
            return self._collection(geometry.get("geometries"))
        coordinates = geometry.get("coordinates")
        if kind == "MultiLineString" and isinstance(coordinates, list | tuple) and len(coordinates) == 1:
            kind, coordinates = "LineString", coordinates[0]
        if kind == "LineString":
            return [[self._line(coordinates)]]
        if kind in ("Polygon", "MultiPolygon"):
            return self._parts(kind, coordinates)
        raise self.refuse(f"is a {kind}, not an area")

    def _collection(self, members: Any) -> list[Rings]:
        if not isinstance(members, list | tuple) or not members:
            raise self.refuse("is an empty collection of geometries")
        if len(members) == 1:
            return self.polygons(members[0])
        areas = [m for m in members if isinstance(m, Mapping) and m.get("type") in ("Polygon", "MultiPolygon")]
        if not areas:
            raise self.refuse("is a collection of geometries without an area")
        if len(areas) < len(members):
            self.say(f"Points and lines of the collection were left out ({len(members) - len(areas)}).")
        return [rings for area in areas for rings in self.polygons(area)]

    def _parts(self, kind: str, coordinates: Any) -> list[Rings]:
        polygons = [coordinates] if kind == "Polygon" else coordinates
        if not isinstance(polygons, list | tuple) or not polygons:
            raise self.refuse("has no coordinates")
        found = []
        for rings in polygons:
            if not isinstance(rings, list | tuple) or not rings:
                raise self.refuse("has a part without rings")
            if _is_position(rings[0]):
                self.say("One pair of brackets around the ring was missing; it was added.")
                rings = [rings]
            found.append([self._closed(self._positions(ring)) for ring in rings])
        return found

    def _line(self, coordinates: Any) -> Ring:
        ring = self._positions(coordinates)
        length = sum(math.dist(a, b) for a, b in pairwise(ring))
        if len(ring) < 3 or math.dist(ring[0], ring[-1]) > GAP_SHARE * length:
            raise self.refuse("is an open line, not an area", "join its end to its beginning, or draw a Polygon")
        self.say("It was drawn as a closed line; the line was taken as the outline of the field.")
        return self._closed(ring)

    def _positions(self, raw: Any) -> Ring:
        if not isinstance(raw, list | tuple):
            raise self.refuse("has a ring that is not a list of positions")
        ring = [self._position(position) for position in raw]
        kept = [p for i, p in enumerate(ring) if i == 0 or p != ring[i - 1]]
        if len(kept) < len(ring):
            self.say("Points that stood twice in a row were taken once.")
        return kept

    def _position(self, raw: Any) -> tuple[float, float]:
        if not isinstance(raw, list | tuple) or len(raw) < 2 or not all(_is_number(v) for v in raw[:2]):
            raise self.refuse("has a position that is not a pair of numbers")
        if len(raw) > 2:
            self.say("Heights were dropped; only longitude and latitude count.")
        try:
            x, y = float(raw[0]), float(raw[1])
        except OverflowError:
            x = y = math.inf
        if not (math.isfinite(x) and math.isfinite(y)):
            raise self.refuse("has a coordinate that is not a finite number (NaN or infinity)")
        return x + 0.0, y + 0.0

    def _closed(self, ring: Ring) -> Ring:
        if len(set(ring)) < 3:
            raise self.refuse("has no area: its ring has fewer than three different points")
        if ring[0] != ring[-1]:
            self.say("The ring was not closed; its last point was joined to its first.")
            ring = [*ring, ring[0]]
        return ring

    def to_lonlat(self, parts: list[Rings], crs: CRS | None, near: Bbox | None) -> list[Rings]:
        """Return the rings in longitude and latitude, with swapped ones put right where there is no doubt."""
        if crs is not None:
            parts = self._reprojected(parts, crs)
        xy = np.array([p for rings in parts for ring in rings for p in ring])
        if crs is None and _are_swapped(xy, near):
            self.say("Latitude stood before longitude; they were put in order.")
            xy = xy[:, ::-1]
            parts = [[[(y, x) for x, y in ring] for ring in rings] for rings in parts]
        if not _fits(xy):
            raise self.refuse(
                f"has coordinates out of range: longitude {xy[:, 0].min():g} to {xy[:, 0].max():g}, "
                f"latitude {xy[:, 1].min():g} to {xy[:, 1].max():g}",
                "write degrees of longitude and latitude, or name the projected CRS in a crs member",
            )
        if np.ptp(xy[:, 0]) > 180:
            raise self.refuse("crosses the 180th meridian or spans half the globe", "split it at the 180th meridian")
        return parts

    def _reprojected(self, parts: list[Rings], crs: CRS) -> list[Rings]:
        from pyproj import Transformer
        from pyproj.exceptions import ProjError

        try:
            transformer = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
            turned = [[transformer.transform(*zip(*ring, strict=True)) for ring in rings] for rings in parts]
        except ProjError as error:
            raise self.refuse(f"cannot be turned from {crs.name} into longitude and latitude: {error}") from error
        found = [[[(float(x), float(y)) for x, y in zip(*ring, strict=True)] for ring in rings] for rings in turned]
        if not all(math.isfinite(v) for rings in found for ring in rings for p in ring for v in p):
            raise self.refuse(f"has coordinates outside the area of {crs.name}", "check the crs member")
        self.say(f"Its coordinates in {crs.name} were turned into longitude and latitude.")
        return found

    def area_of(self, parts: list[Rings]) -> BaseGeometry:
        """Return one valid Polygon or MultiPolygon, the same for any ring start, direction and order of parts."""
        polygons = [shapely.Polygon(start(rings[0]), [start(hole) for hole in rings[1:]]) for rings in parts]
        polygons.sort(key=lambda polygon: polygon.wkb)
        drawn = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
        if not drawn.is_valid:
            drawn = _valid(shapely.MultiPolygon([self._without_far_holes(polygon) for polygon in polygons]))
            if drawn.is_empty:
                raise self.refuse("has no area")
            self.say(f"The outline crossed, touched or ran over itself; it was mended there ({_count(drawn)} kept).")
        elif len(parts) > 1:
            self.say(f"It has {len(parts)} parts, kept as one plot.")
        if shapely.get_num_coordinates(drawn) > MANY_VERTICES:
            drawn = self._thinned(drawn)
        return oriented(drawn)

    def _without_far_holes(self, polygon: BaseGeometry) -> BaseGeometry:
        shell = _valid(shapely.Polygon(polygon.exterior))
        near = [hole for hole in polygon.interiors if _valid(shapely.Polygon(hole)).intersects(shell)]
        if len(near) < len(polygon.interiors):
            self.say("A hole outside the outline was left out.")
        return shapely.Polygon(polygon.exterior, near)

    def _thinned(self, drawn: BaseGeometry) -> BaseGeometry:
        thin = _areas(shapely.simplify(drawn, THIN_DEGREE, preserve_topology=True))
        before, after = int(shapely.get_num_coordinates(drawn)), int(shapely.get_num_coordinates(thin))
        if thin.is_empty or not thin.is_valid or after == before:
            return drawn
        self.say(f"Its {before:,} corners were thinned to {after:,}, moving the outline by less than 12 cm.")
        return thin


def mend(geometry: Any, crs: Any, subject: str, near: Bbox | None) -> tuple[BaseGeometry, list[str]]:
    """Return a valid area in EPSG:4326 and what was mended; raise `PlotShapeError` or `PlotFileError`."""
    mender = Mender(subject)
    try:
        parts = mender.polygons(geometry)
    except RecursionError as error:
        raise PlotFileError("is nested too deeply", subject=subject, remedy="see RFC 7946") from error
    parts = mender.to_lonlat(parts, crs_of(crs, subject), near)
    return mender.area_of(parts), mender.said


def start(ring: Ring) -> Ring:
    """Return a closed ring from its smallest point on, in the direction of the smaller neighbour."""
    open_ring = ring[:-1]
    least = min(open_ring)
    turns = []
    for at in [i for i, p in enumerate(open_ring) if p == least]:
        forward = open_ring[at:] + open_ring[:at]
        turns += [forward, [forward[0], *forward[:0:-1]]]
    best = min(turns)
    return [*best, best[0]]


def oriented(area: BaseGeometry) -> BaseGeometry:
    """Return `area` in normal form with counter-clockwise shells and clockwise holes."""
    parts = [shapely.geometry.polygon.orient(part) for part in shapely.get_parts(shapely.normalize(area))]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _areas(geometry: BaseGeometry) -> BaseGeometry:
    """Return only the areas of a geometry, as one Polygon or MultiPolygon."""
    flat = shapely.get_parts(shapely.get_parts(geometry))
    parts = [part for part in flat if part.geom_type == "Polygon" and part.area > 0]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _valid(geometry: BaseGeometry) -> BaseGeometry:
    return _areas(shapely.make_valid(geometry, method="structure", keep_collapsed=False))


def _count(area: BaseGeometry) -> str:
    parts = int(shapely.get_num_geometries(area))
    return f"{parts} part{'s' if parts > 1 else ''}"


def _fits(xy: Any) -> bool:
    return bool((np.abs(xy[:, 0]) <= 180).all() and (np.abs(xy[:, 1]) <= 90).all())


def _are_swapped(xy: Any, near: Bbox | None) -> bool:
    """Say whether the pairs are latitude, longitude: they cannot be otherwise, or only so do they meet the tiles."""
    if not _fits(xy[:, ::-1]):
        return False
    if not _fits(xy):
        return True
    return near is not None and not _meets(xy, near) and _meets(xy[:, ::-1], near)


def _meets(xy: Any, near: Bbox) -> bool:
    (x0, y0), (x1, y1) = xy.min(axis=0), xy.max(axis=0)
    return bool(x0 <= near[2] and x1 >= near[0] and y0 <= near[3] and y1 >= near[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_position(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) >= 2 and all(_is_number(v) for v in value)
