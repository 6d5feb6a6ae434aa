"""Whether a plot lies inside the tiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import shapely

from greattit.errors import PlotPlaceError
from greattit.plots.area import area_ha

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Plot

TOLERANCE = 1e-4
"""share of a plot that may stick out of the tiles, for rounding at their edge"""


def check_inside(plot: Plot, tiles: tuple[float, float, float, float] | BaseGeometry) -> None:
    """Raise `PlotPlaceError` when `plot` is not inside the tiles, saying how far away it is and where the tiles are.

    `tiles` is their footprint in EPSG:4326: west, south, east, north [degree], or a geometry.
    """
    footprint = shapely.box(*tiles) if isinstance(tiles, tuple | list) else tiles
    extent = _extent(footprint)
    if not plot.geometry.intersects(footprint):
        raise PlotPlaceError(
            f"lies outside the tiles, {_distance_km(plot.geometry, footprint):,.1f} km away from them; {extent}",
            subject=f"plot {plot.id}",
            remedy="give tiles that hold the plot, or look whether longitude and latitude are swapped",
        )
    out = plot.geometry.difference(footprint)
    share = area_ha(_areas(out)) / plot.area_ha
    if share > TOLERANCE:
        raise PlotPlaceError(
            f"{share:.1%} of it lies outside the tiles; {extent}",
            subject=f"plot {plot.id}",
            remedy="give tiles that hold the whole plot, or draw only the part inside",
        )


def _areas(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.MultiPolygon([part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"])


def _extent(footprint: BaseGeometry) -> str:
    west, south, east, north = footprint.bounds
    return f"they reach from {west:.4f} to {east:.4f} degrees east and from {south:.4f} to {north:.4f} degrees north"


def _distance_km(one: BaseGeometry, other: BaseGeometry) -> float:
    """Return the geodesic distance [km] between the nearest points, found with longitude shrunk to its true length."""
    from pyproj import Geod

    squeeze = max(math.cos(math.radians((one.centroid.y + other.centroid.y) / 2)), 1e-6)
    line = shapely.shortest_line(
        *(shapely.transform(geometry, lambda xy: xy * (squeeze, 1.0)) for geometry in (one, other))
    )
    (x0, y0), (x1, y1) = line.coords
    return float(Geod(ellps="WGS84").inv(x0 / squeeze, y0, x1 / squeeze, y1)[2]) / 1000
