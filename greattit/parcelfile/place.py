"""Where the parcels lie: whether their coordinates fit what the file says, and the same shapes in degrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.parcelfile.found import Floats, Found, Ints
from greattit.parcelfile.kinds import FAR_KM

if TYPE_CHECKING:
    from pyproj import CRS

Bbox = tuple[float, float, float, float]
Bools = NDArray[np.bool_]

MARGIN_DEG = 2.0
"""[degree] so far outside the area of its reference system a parcel may lie: maps are used beyond their edge"""

FEW = 0.1
"""share of the rows; more than this many are not far away but the file covers several places"""

SPREAD = 5.0
"""times the median distance from the middle, within which a row is part of the rest"""

EARTH_KM = 6371.0088
"""[km] mean radius of the earth (IUGG)"""


@dataclass(frozen=True)
class Place:
    """What the coordinates of the file mean."""

    crs: CRS | None
    """as the file says it"""
    near: Bbox | None
    """west, south, east, north [degree] in which the parcels should lie, None when nobody said"""
    degrees: bool
    """the coordinates are degrees (or no system is said, and they are taken for degrees where they fit)"""
    use: Bbox | None
    """area of use of the reference system [degree], None when it is the world or unknown"""
    to_lonlat: Any
    """`pyproj.Transformer` for what is not in degrees"""

    def settle(self, shapes: NDArray[np.object_], boxes: Floats, rows: Ints, found: Found) -> NDArray[np.object_]:
        """Return the shapes in longitude and latitude (swapped ones put in order), None where their place is unknown.

        All that does not fit goes to `found`.
        """
        if self.degrees:
            return self._in_degrees(shapes, boxes, rows, found)
        known = np.flatnonzero(~_fit(boxes))
        found.add("degrees-in-metres", np.delete(rows, known))
        moved, astray = self._moved(shapes[known], self._move)
        turned, lost = self._moved(shapes[known[astray]], lambda xy: self._move(xy[:, ::-1]))
        swapped = np.flatnonzero(astray)[~lost]
        moved[swapped] = turned[~lost]
        found.add("swapped", rows[known[swapped]])
        astray[swapped] = False
        found.add("outside-crs", rows[known[astray]])
        found.add("outside-near", rows[known[~astray & ~_meet(shapely.bounds(moved), self.near)]])
        result = np.full(len(shapes), None, object)
        result[known] = moved
        return result

    def _moved(
        self, shapes: NDArray[np.object_], move: Callable[[Floats], Floats]
    ) -> tuple[NDArray[np.object_], Bools]:
        """Return shapes in degrees, None where they have no place there, and which lie where their system is not."""
        moved = np.asarray(shapely.transform(shapes, move), object)
        bounds = shapely.bounds(moved)
        lost = np.array(~np.isfinite(bounds).all(axis=1) | ~_finite(moved))
        moved[lost] = None
        middle = (bounds[:, :2] + bounds[:, 2:]) / 2
        return moved, lost | ~_within(middle, self.use, MARGIN_DEG) if self.use else lost

    def _in_degrees(self, shapes: NDArray[np.object_], boxes: Floats, rows: Ints, found: Found) -> NDArray[np.object_]:
        turned = boxes[:, [1, 0, 3, 2]]
        fit, could = _fit(boxes), _fit(turned)
        meets = _meet(boxes, self.near)
        swapped = could & (~fit | (~meets & _meet(turned, self.near)))
        wide = fit & ~swapped & (boxes[:, 2] - boxes[:, 0] > 180)
        if self.crs is not None:
            found.add("swapped", rows[swapped])
            found.add("metres-in-degrees", rows[~fit & ~could])
        found.add("half-the-globe", rows[wide])
        found.add("outside-near", rows[fit & ~swapped & ~meets])
        result = np.full(len(shapes), None, object)
        result[fit & ~wide] = shapes[fit & ~wide]
        if swapped.any():
            result[swapped] = shapely.transform(shapes[swapped], lambda xy: xy[:, ::-1])
        return result

    def _move(self, xy: Floats) -> Floats:
        return np.column_stack(self.to_lonlat.transform(xy[:, 0], xy[:, 1]))


def place_of(crs: CRS | None, near: Bbox | None) -> Place:
    """Return what coordinates in `crs` mean. Geographic systems are taken as they are: datums differ by metres."""
    degrees = crs is None or (crs.is_geographic and crs.axis_info[0].unit_name == "degree")
    if degrees:
        return Place(crs, near, True, None, None)
    from pyproj import Transformer

    assert crs is not None
    use = crs.area_of_use
    whole = use is None or use.east <= use.west or use.east - use.west > 300
    area = None if whole else (use.west, use.south, use.east, use.north)
    return Place(crs, near, False, area, Transformer.from_crs(crs, "EPSG:4326", always_xy=True))


def _fit(boxes: Floats) -> Bools:
    """Say which boxes could be degrees of longitude and latitude."""
    return np.asarray((np.abs(boxes[:, [0, 2]]) <= 180).all(axis=1) & (np.abs(boxes[:, [1, 3]]) <= 90).all(axis=1))


def _meet(boxes: Floats, near: Bbox | None) -> Bools:
    if near is None:
        return np.ones(len(boxes), bool)
    west, south, east, north = near
    return np.asarray((boxes[:, 0] <= east) & (boxes[:, 2] >= west) & (boxes[:, 1] <= north) & (boxes[:, 3] >= south))


def _within(points: Floats, area: Bbox, margin: float) -> Bools:
    low, high = np.array(area[:2]) - margin, np.array(area[2:]) + margin
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def _finite(shapes: NDArray[np.object_]) -> Bools:
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    sound = np.ones(len(shapes), bool)
    sound[owner[~np.isfinite(xy).all(axis=1)]] = False
    return sound


def far_away(middles: Floats, found: Found) -> None:
    """Find the few rows that lie far from the rest; `middles` (n, 2) [degree] by row, NaN where unknown.

    Far is beyond `FAR_KM` from the middle of the file and beyond `SPREAD` times the distance at which half of the rows
    lie; when more than `FEW` of the rows are so, the file covers several places and none is far.
    """
    rows = np.flatnonzero(np.isfinite(middles).all(axis=1))
    if len(rows) < 3:
        return
    lon, lat = np.radians(middles[rows]).T
    points = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    middle = np.median(points, axis=0)
    middle /= np.linalg.norm(middle)
    chord = np.linalg.norm(points - middle, axis=1)
    distance = 2 * EARTH_KM * np.arcsin(np.clip(chord / 2, 0, 1))
    far = distance > max(FAR_KM, SPREAD * float(np.median(distance)))
    if far.sum() <= max(FEW * len(rows), 1):
        found.add("far-away", rows[far], distance[far])
