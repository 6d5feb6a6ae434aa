"""Shapes on the pixel grid: the line around shares, the ground of pixels, an outline fitted to the season's edges."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.plots.coverage import coverage
from greattit.plots.drawing import Drawing, meanings

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

SHARPNESS = 80.0
"""How strongly the edges choose among the fields that a drawing could mean: weight = exp(this x mean edge rank)."""

LIKELY = 40
"""At most this many of them are kept."""

LEVELS = (0.02, 0.9)
"""Between these the level of the outline is sought."""

PART = 0.2
"""A part of a field counts when it holds this share of the drawing that the largest part holds."""


def one_place(shares: NDArray[np.float32], drawn: BaseGeometry, cube: Cube) -> NDArray[np.float32]:
    """Return the shares (y, x) without those of other places: of parts that the drawing hardly holds.

    A part is what lies together above half of the largest share in the drawing. Shares in doubt stay: all together
    they are the area that is to be expected.
    """
    from scipy.ndimage import distance_transform_edt, label

    inside = coverage([drawn], cube).toarray()[0].reshape(shares.shape)
    top = float((shares * (inside > 0)).max())
    if top <= 0.0:
        return shares * 0
    parts, count = label(shares > 0.5 * top)
    held = np.bincount(parts.ravel(), (inside * shares).ravel(), minlength=count + 1)
    held[0] = 0.0
    kept = held >= PART * held.max()
    if kept[1:].all():
        return shares
    nearest = distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    return np.where(kept[parts[tuple(nearest)]], shares, 0).astype(np.float32)


def outline(shares: NDArray[np.float32], drawn: BaseGeometry, cube: Cube, wanted_m2: float) -> BaseGeometry | None:
    """Return the line of even shares that holds `wanted_m2`, or nearly so, in the cube's CRS; None when there is none.

    Its level is sought between LEVELS by halving.
    """
    low, high = LEVELS
    best: BaseGeometry | None = None
    for _ in range(10):
        level = (low + high) / 2
        found = at_level(shares, level, drawn, cube)
        area = 0.0 if found is None else found.area
        if found is not None and (best is None or abs(area - wanted_m2) < abs(best.area - wanted_m2)):
            best = found
        if abs(area - wanted_m2) < 2e-3 * wanted_m2:
            break
        low, high = (level, high) if area > wanted_m2 else (low, level)
    return best


def at_level(shares: NDArray[np.floating[Any]], level: float, drawn: BaseGeometry, cube: Cube) -> BaseGeometry | None:
    """Return what lies inside the line of one share around what was drawn; None when nothing does."""
    import contourpy
    from shapely import Polygon, unary_union

    padded = np.pad(shares, 1, constant_values=0.0)
    filled: Any = contourpy.contour_generator(z=padded, fill_type="OuterOffset").filled(level, np.inf)
    a, _, west, _, e, north = cube.attrs["transform"]
    parts = []
    for points, offsets in zip(filled[0], filled[1], strict=True):
        ground = np.column_stack([west + a * (points[:, 0] - 0.5), north + e * (points[:, 1] - 0.5)])
        rings = [ground[first:last] for first, last in pairwise(offsets)]
        part = Polygon(rings[0], [ring for ring in rings[1:] if Polygon(ring).area >= a * a]).buffer(0)
        parts.append((part.intersection(drawn).area, part))
    largest = max((inner for inner, _ in parts), default=0.0)
    if largest <= 0.0:
        return None
    return unary_union([part for inner, part in parts if inner >= PART * largest])


def squares(chosen: NDArray[np.bool_], cube: Cube) -> BaseGeometry:
    """Return the ground of some pixels (y, x) in the cube's CRS."""
    import shapely

    a, _, west, _, e, north = cube.attrs["transform"]
    rows, columns = np.nonzero(chosen)
    return shapely.unary_union(
        shapely.box(west + a * columns, north + e * (rows + 1), west + a * (columns + 1), north + e * rows)
    )


def fitted(
    drawn: BaseGeometry, drawing: Drawing, season: NDArray[np.float64], cube: Cube
) -> tuple[BaseGeometry, float]:
    """Weigh the fields that a drawing could mean by the edges that their outlines run along.

    Returns the mean of the likely fields and the relative spread of their areas.
    """
    import shapely
    from scipy.ndimage import map_coordinates

    a, _, west, _, e, north = cube.attrs["transform"]
    edges = edges_of(season)
    moves = meanings(drawing)
    centre = np.array([drawn.centroid.x, drawn.centroid.y])
    steps = np.arange(max(int(drawn.length / 5.0), 24)) / max(int(drawn.length / 5.0), 24)
    line = shapely.get_coordinates(shapely.line_interpolate_point(_boundary(drawn), steps, normalized=True)) - centre
    points = line * moves[:, :1, None] + (centre + moves[:, 1:])[:, None]
    where = (points[..., 1] - north) / e - 0.5, (points[..., 0] - west) / a - 0.5
    score = (
        map_coordinates(edges, [axis.ravel() for axis in where], order=1, mode="nearest")
        .reshape(len(moves), -1)
        .mean(1)
    )
    weight = np.exp(SHARPNESS * (score - score.max()))
    likely = np.argsort(-weight, kind="stable")[:LIKELY]
    weight = weight[likely] / weight[likely].sum()
    areas = moves[likely, 0] ** 2
    mean = float(weight @ areas)
    return _moved(drawn, weight @ moves[likely], centre), math.sqrt(float(weight @ (areas - mean) ** 2)) / mean


def edges_of(season: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strong an edge runs through each pixel (y, x): the rank 0-1 of the season's gradient in the window."""
    slopes = np.gradient(season, axis=(0, 1))
    strength = sum((slope**2).sum(-1) for slope in slopes)
    order = np.argsort(np.argsort(np.asarray(strength).ravel(), kind="stable"), kind="stable")
    return np.asarray(order / order.size).reshape(season.shape[:2])


def _boundary(shape: BaseGeometry) -> BaseGeometry:
    """Return the outer ring of the largest part."""
    return max(getattr(shape, "geoms", [shape]), key=lambda part: part.area).exterior


def _moved(shape: BaseGeometry, move: NDArray[np.float64], centre: NDArray[np.float64]) -> BaseGeometry:
    """Scale a shape about a centre and shift it."""
    import shapely

    return shapely.transform(shape, lambda points: (points - centre) * move[0] + centre + move[1:])
