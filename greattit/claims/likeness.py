"""Whether two outlines are one and the same shape, in one place or moved, turned and mirrored.

Many shapes are sifted by figures that no move or turn changes (`signatures`); the few that are left are laid on each
other (`fits`, `laid_over`). Lengths are metres in a plane that touches the ellipsoid at the shape's own middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.plots.area import FLATTENING, SEMI_MAJOR_M

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Points = NDArray[Any]

INVARIANTS = ((1, 1), (2, 0), (2, 1), (3, 0), (2, 2), (3, 1), (4, 0))
"""Orders (p, q) of the complex moments whose sizes no turn changes (Flusser 2000, Pattern Recognition 33)."""

_AT = np.array([0.5 - math.sqrt(0.15), 0.5, 0.5 + math.sqrt(0.15)])
_WEIGHT = np.array([5.0, 8.0, 5.0]) / 18.0

ANGLES = 120
"""Directions in which the distance from the middle to the outline is compared."""

STEPS = 128
"""Points along an outline that are compared with another."""


@dataclass(frozen=True)
class Likeness:
    """How well one outline lies on another."""

    iou: float
    """area in both over area in either [1]"""
    apart_m: float
    """root mean square distance between the outlines [m]"""
    furthest_m: float
    """Hausdorff distance: the largest distance of a point of one outline from the other [m]"""
    turned_deg: float
    """how far one was turned, counter-clockwise [degree]"""
    mirrored: bool
    """whether it had to be mirrored"""


def metres(lon: Points, lat: Points, lon0: Points, lat0: Points) -> Points:
    """Return points [degree] as complex metres (east + i north) from a middle [degree]; arrays of one length.

    East N cos(lat0) dlon, north M dlat with the radii of curvature at the middle (Snyder 1987, equations 4-18 and
    4-20); right to 1e-4 within 10 km of the middle.
    """
    e2 = FLATTENING * (2 - FLATTENING)
    phi = np.radians(lat0)
    w2 = 1 - e2 * np.sin(phi) ** 2
    east = SEMI_MAJOR_M / np.sqrt(w2) * np.cos(phi) * np.radians(lon - lon0)
    north = SEMI_MAJOR_M * (1 - e2) / w2**1.5 * np.radians(lat - lat0)
    return np.asarray(east + 1j * north)


def outlines(shapes: Sequence[BaseGeometry] | NDArray[np.object_]) -> tuple[Points, NDArray[np.int64], Points]:
    """Return the outer rings of the largest parts of polygons (EPSG:4326): points, starts, middles.

    Points are complex metres (all rings after each other, each closed) from the middle of their own shape; `starts` are
    the places of the first points, `middles` (n, 2) the centroids [degree].
    """
    parts, owner = shapely.get_parts(np.asarray(shapes, dtype=object), return_index=True)
    order = np.lexsort((-shapely.area(parts), owner))
    rings = shapely.get_exterior_ring(parts[order[np.searchsorted(owner[order], np.arange(len(shapes)))]])
    xy, which = shapely.get_coordinates(rings, return_index=True)
    starts = np.searchsorted(which, np.arange(len(shapes)))
    first = xy[starts]
    rough = metres(xy[:, 0], xy[:, 1], first[which, 0], first[which, 1])
    area = moment(rough, starts, 0, 0).real
    middle = moment(rough, starts, 1, 0) / area
    return rough - middle[which], starts, first + _degrees(middle, first[:, 1])


def _degrees(z: Points, lat: Points) -> Points:
    """Return metres (complex) from a point at latitude `lat` [degree] as (n, 2) degrees; the inverse of `metres`."""
    unit = metres(np.ones_like(lat), lat, np.zeros_like(lat), lat).real
    up = metres(np.zeros_like(lat), lat + 1, np.zeros_like(lat), lat).imag
    return np.column_stack([z.real / unit, z.imag / up])


def moment(points: Points, starts: NDArray[np.int64], p: int, q: int) -> Points:
    """Return the complex moments of rings: the integral of z^p conj(z)^q over each inside [m^(p+q+2)], complex (n,).

    Each edge spans a triangle with the origin; over it a form of degree n = p + q integrates to 2 A / (n + 2) times its
    mean along the edge, which three Gauss points give exactly up to degree five.
    """
    a, b = points[:-1], points[1:]
    cross = (np.conj(a) * b).imag
    cross[starts[1:] - 1] = 0.0  # from the end of one ring to the start of the next
    mean = np.zeros(len(a), complex)
    for at, weight in zip(_AT, _WEIGHT, strict=True):
        z = a + at * (b - a)
        mean += weight * z**p * np.conj(z) ** q
    total = np.add.reduceat(cross * mean / (p + q + 2), starts)
    return np.asarray(total * np.where(np.add.reduceat(cross, starts) < 0, -1, 1))


def signatures(points: Points, starts: NDArray[np.int64]) -> Points:
    """Return what no move, turn or mirror changes of each ring: (n, 8), log of size [m], seven moments [1]."""
    area = moment(points, starts, 0, 0).real
    columns = [np.log(area) / 2]
    for p, q in INVARIANTS:
        value = np.abs(moment(points, starts, p, q)) / area ** ((p + q) / 2 + 1)
        columns.append(value ** (2 / (p + q)))
    return np.column_stack(columns)


@dataclass(frozen=True, eq=False)
class Fits:
    """How outlines lie on another, as seen from their middles: one figure for each of them."""

    apart_m: Points
    """root mean square difference of the distances from the middle to the outline, at the best turn [m]"""
    turn: Points
    """that turn, of the one, counter-clockwise [rad]"""
    mirrored: NDArray[np.bool_]
    """whether the one had to be mirrored first"""


def profile(ring: Points) -> Points:
    """Return the distance from the middle to the outline in `ANGLES` even directions [m]."""
    dense = along(ring, 4 * ANGLES)
    angle = np.angle(dense) % (2 * math.pi)
    order = np.argsort(angle, kind="stable")
    even = np.arange(ANGLES) * 2 * math.pi / ANGLES
    return np.asarray(np.interp(even, angle[order], np.abs(dense)[order], period=2 * math.pi))


def fits(one: Points, others: Points) -> Fits:
    """Turn and mirror one profile onto others (k, ANGLES) so that they differ least (by cross-correlation)."""
    goal = np.fft.rfft(others, axis=1)
    images = np.stack([one, np.roll(one[::-1], 1)])  # as it is, and mirrored at the eastward axis
    match = np.fft.irfft(goal[None] * np.conj(np.fft.rfft(images, axis=1))[:, None], ANGLES, axis=2)
    best = match.max(axis=2)
    image = best.argmax(axis=0)
    rows = np.arange(len(others))
    curve = match[image, rows]
    k = curve.argmax(axis=1)
    low, here, high = curve[rows, k - 1], curve[rows, k], curve[rows, (k + 1) % ANGLES]
    bend = low - 2 * here + high
    between = np.where(bend < 0, 0.5 * (low - high) / np.where(bend < 0, bend, 1.0), 0.0)
    square = (one**2).mean() + (others**2).mean(axis=1) - 2 * here / ANGLES
    turn = (k + between) * 2 * math.pi / ANGLES
    return Fits(np.sqrt(np.maximum(square, 0.0)), turn, image.astype(bool))


def vertices_fit(one: Points, other: Points) -> tuple[float, float, bool]:
    """Turn and mirror the vertices of a closed ring onto those of another with as many, wherever each begins.

    Returns their root mean square distance [m], the turn [rad] and whether the one was mirrored. The best turn of
    paired points is the phase of their inner product (Procrustes), for all starts at once by a Fourier transform.
    """
    goal = other[:-1] - other[:-1].mean()
    best = (math.inf, 0.0, False)
    for mirrored in (False, True):
        mine = np.conj(one[:-1])[::-1] if mirrored else one[:-1]
        mine = mine - mine.mean()
        inner = np.fft.ifft(np.fft.fft(goal) * np.conj(np.fft.fft(mine)))
        k = int(np.argmax(np.abs(inner)))
        square = (np.abs(mine) ** 2).mean() + (np.abs(goal) ** 2).mean() - 2 * np.abs(inner[k]) / len(goal)
        apart = math.sqrt(max(float(square), 0.0))
        if apart < best[0]:
            best = (apart, float(np.angle(inner[k])), mirrored)
    return best


def laid_over(one: Points, other: Points, *, turn: float = 0.0, mirrored: bool = False) -> Likeness:
    """Compare ring `one`, mirrored at the eastward axis and turned [rad], with ring `other` (complex metres)."""
    laid = (np.conj(one) if mirrored else one) * np.exp(1j * turn)
    shape, target = area_of(laid), area_of(other)
    both = shapely.area(shapely.intersection(shape, target))
    distances = np.concatenate([_distances(shape, target), _distances(target, shape)])
    degrees = math.degrees(turn) % 360
    return Likeness(
        float(both / (shape.area + target.area - both)),
        float(np.sqrt((distances**2).mean())),
        float(distances.max()),
        degrees if degrees <= 180 else degrees - 360,
        mirrored,
    )


def area_of(ring: Points) -> BaseGeometry:
    """Return what a ring (complex metres) encloses."""
    return shapely.Polygon(np.column_stack([ring.real, ring.imag])).buffer(0)


def along(ring: Points, count: int) -> Points:
    """Return `count` points at even steps along a closed ring (complex)."""
    walked = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(ring)))])
    at = np.arange(count) / count * walked[-1]
    return np.asarray(np.interp(at, walked, ring.real) + 1j * np.interp(at, walked, ring.imag))


def _distances(one: BaseGeometry, other: BaseGeometry) -> Points:
    """Return how far even points on the outline of one shape lie from the outline of another [m]."""
    line = shapely.boundary(one)
    points = shapely.line_interpolate_point(line, np.arange(STEPS) / STEPS, normalized=True)
    edge = shapely.boundary(other)
    shapely.prepare(edge)
    return np.asarray(shapely.distance(points, edge))


def plainness(ring: Points) -> float:
    """Return how far a ring is from the rectangle around it, root mean square over its size (root of its area) [1].

    Near 0 for a rectangle: many fields have that shape, and two alike say nothing.
    """
    shape = area_of(ring)
    frame = shapely.minimum_rotated_rectangle(shape)
    return float(np.sqrt((_distances(shape, frame) ** 2).mean() / max(shape.area, 1e-9)))
