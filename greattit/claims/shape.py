"""What the outline of a drawing alone says: too narrow for a pixel, or in another county."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.claims.likeness import metres
from greattit.claims.record import Misfit, graded
from greattit.plots.area import area_ha

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.policy import View
    from greattit.types import Plot


def length_over_width(drawn: BaseGeometry) -> float:
    """Return the length of a shape (metres) over its width [1], both taken from its area and perimeter.

    Of a rectangle, exactly: length + width is half the perimeter, length x width the area. A compact shape gives 1.
    """
    half, area = drawn.length / 2, drawn.area
    root = math.sqrt(max(half * half - 4 * area, 0.0))
    return float((half + root) / max(half - root, 1e-9))


PIXEL_M = 10.0
"""Finest pixel of Sentinel-2 [m]."""


def flat(geometry: BaseGeometry) -> BaseGeometry:
    """Return a shape (EPSG:4326) in metres east and north of its own middle."""
    import shapely

    middle = geometry.centroid
    lon0, lat0 = np.array(middle.x), np.array(middle.y)

    def move(points: Any) -> Any:
        z = metres(points[:, 0], points[:, 1], lon0, lat0)
        return np.column_stack([z.real, z.imag])

    return shapely.transform(geometry, move)


def sliver(drawn: BaseGeometry, rules: View, *, pixel_m: float = PIXEL_M) -> Misfit | None:
    """Say which share of a drawing (metres) is narrower than the pixels can see.

    What is left after the shape is shrunk by half that width and grown again is wide enough (an opening; Serra 1982,
    Image Analysis and Mathematical Morphology).
    """
    from shapely import maximum_inscribed_circle

    width = float(rules.rule("sliver", "pixels").value) * pixel_m
    radius = 0.499 * width
    wide = drawn.buffer(-radius).buffer(radius * 1.001).intersection(drawn)
    share = min(max(1.0 - wide.area / drawn.area, 0.0), 1.0)
    severity = graded(share, rules, "sliver")
    if severity is None:
        return None
    widest = 2 * maximum_inscribed_circle(drawn, tolerance=0.1).length
    long = length_over_width(drawn)
    text = (
        f"{share:.0%} of the drawing is narrower than {width:.0f} m, two pixels; at its widest it has {widest:.0f} m."
    )
    evidence = {
        "widest_m": round(widest, 1),
        "length_over_width": round(long, 1),
        "thinness": round(4 * math.pi * drawn.area / drawn.length**2, 4),
        "narrow_share": round(share, 4),
    }
    return Misfit("sliver", share, text, evidence, severity)


def outside_county(plot: Plot, county: BaseGeometry, day: date, rules: View) -> Misfit | None:
    """Say which share of a plot lies outside the county (EPSG:4326), and where it lies instead."""
    import shapely

    away = plot.geometry.difference(county)
    polygons = [part for part in shapely.get_parts(away) if part.geom_type == "Polygon"]
    hectares = area_ha(shapely.MultiPolygon(polygons)) if polygons else 0.0
    share = min(hectares / plot.area_ha, 1.0)
    severity = graded(share, rules, "outside_county")
    if severity is None:
        return None
    middle = shapely.MultiPolygon(polygons).centroid
    place, distance = _place(middle.x, middle.y, day), _distance_km(middle, county)
    text = f"{share:.0%} of the drawing lies outside the county, around {middle.y:.4f} north, {middle.x:.4f} east"
    text += f" ({place or 'a place that no region of ours holds'}), {distance:,.1f} km from its border."
    evidence = {
        "outside_ha": round(hectares, 4),
        "lon": round(middle.x, 6),
        "lat": round(middle.y, 6),
        "place": place,
        "distance_km": round(distance, 3),
    }
    return Misfit("outside_county", share, text, evidence, severity)


def _place(lon: float, lat: float, day: date) -> str:
    """Return the name of the region that holds a point, "" when none does."""
    from greattit.policy import places

    region = places.region_at(lon, lat, day=day)
    return places.name(region, day=day) if region else ""


def _distance_km(point: BaseGeometry, county: BaseGeometry) -> float:
    """Return the geodesic distance [km] of a point from the county, 0 inside."""
    from pyproj import Geod
    from shapely import shortest_line

    line = shortest_line(point, county)
    (x0, y0), (x1, y1) = line.coords
    return float(Geod(ellps="WGS84").inv(x0, y0, x1, y1)[2]) / 1000
