"""Area on the ellipsoid of a polygon whose edges are straight in longitude and latitude, as RFC 7946 says they are.

A geodesic between two corners is another curve than the straight chord, so a geodesic polygon changes when an edge gets
one more point. This area does not: it is additive, and splitting a plot keeps its total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

SEMI_MAJOR_M = 6378137.0
"""WGS 84 semi-major axis [m] (NIMA TR8350.2, 2000, table 3.1)"""

FLATTENING = 1 / 298.257223563
"""WGS 84 flattening [1] (same table)"""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def area_ha(geometry: BaseGeometry) -> float:
    """Return the area [ha] of a Polygon or MultiPolygon in EPSG:4326, less its holes, for any ring direction."""
    total = 0.0
    for polygon in shapely.get_parts(geometry):
        total += abs(_ring_m2(polygon.exterior))
        total -= sum(abs(_ring_m2(hole)) for hole in polygon.interiors)
    return total / 10_000


def _ring_m2(ring: BaseGeometry) -> float:
    """Return the signed area [m2] inside one closed ring, positive when counter-clockwise.

    Green's theorem on the ellipsoid: area = -closed integral of S(lat) dlon, with S the area per radian of longitude
    between a base parallel and `lat`. Both integrals are by Gauss-Legendre quadrature from a parallel through the ring,
    so that no large numbers cancel. Exact to rounding for rings a few degrees high.
    """
    lon, lat = np.radians(shapely.get_coordinates(ring)).T
    base = lat[0]
    along = lat[:-1, None] + np.diff(lat)[:, None] * _NODES
    strip = (along - base) * (_per_radian2(base + (along - base)[..., None] * _NODES) @ _WEIGHTS)
    return float(-np.sum(np.diff(lon) * (strip @ _WEIGHTS)))


def _per_radian2(lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of the ellipsoid per square radian [m2] at `lat` [rad].

    M N cos(lat) = a^2 (1 - e^2) cos(lat) / (1 - e^2 sin^2 lat)^2: Snyder (1987), Map Projections: A Working Manual,
    USGS Professional Paper 1395, equations 4-18 and 4-20.
    """
    e2 = FLATTENING * (2 - FLATTENING)
    return SEMI_MAJOR_M**2 * (1 - e2) * np.cos(lat) / (1 - e2 * np.sin(lat) ** 2) ** 2  # type: ignore[no-any-return]
