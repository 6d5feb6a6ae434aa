"""From a drawn line to the field that is there: `cut`.

Three witnesses are heard. The drawing gives the shape, but is too large, too small or shifted: `drawing.meanings` lists
the fields it could mean. The edges of the season weigh them: the true outline runs where neighbouring pixels part ways
(`_fitted`, a template match). The season of each pixel then moves the border: pixels inside are told from those around
by two mixtures, fitted in turn (as GrabCut does: Rother, Kolmogorov and Blake 2004), and smoothed by a random walk that
does not cross an edge (Grady 2005, with priors). The field is what lies inside the line of even odds.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import PlotPlaceError
from greattit.plots.coverage import coverage, project
from greattit.plots.drawing import SLOPPY, Drawing, meanings
from greattit.plots.member import BARE, edges_of, evidence, never_green, peak_ndvi, season_of, smoothed
from greattit.types import Interval, Plot, Segment

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

SHARPNESS = 80.0
"""How strongly the edges choose among the fields that a drawing could mean: weight = exp(this x mean edge rank)."""

PIXEL_HA = 0.01
"""Ground of one pixel of the cube [ha]."""

LIKELY = 40
"""At most this many of them are kept."""

EDGE_ERROR_M = 3.0
"""Standard error of the found border, all around [m]: the width of doubt of a 10 m pixel, 10 / sqrt(12)."""


def cut(plot: Plot, cube: Cube, *, drawing: Drawing = SLOPPY) -> Segment:
    """Return the plot's one field in the cube: the share of each pixel, the area with its interval, what was cut away.

    `drawing` says how the plot came about: by a finger, or surveyed. Where the season shows nothing (no clear look) the
    drawing is taken as it is and the interval is wide. Raises `PlotPlaceError` when the plot lies outside the cube.
    """
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"]).normalize()  # the same ring wherever it began
    inside = coverage([drawn], cube).toarray()[0].reshape(cube.sizes["y"], cube.sizes["x"])
    if not (inside > 0).any():
        raise PlotPlaceError("lies outside the tiles", subject=plot.id, remedy="draw a plot inside the tiles")
    seen = np.isfinite(cube["B04"].values).any(axis=0)
    season = season_of(cube)
    if season is None:
        field, doubt = drawn, float(np.std(np.linspace(*drawing.scale, 9) ** -2))
    else:
        prior, usual, doubt = _fitted(drawn, drawing, season, cube)
        barren = never_green(cube, inside)
        if drawing.evidence:
            member = smoothed(evidence(season, prior, drawing.evidence), season) * (seen & ~barren)
            field = _outline(member, drawn, cube) or usual
        else:
            field = usual.difference(_squares(barren & (inside > 0), cube))
    share = coverage([field], cube).toarray()[0].reshape(inside.shape).astype(np.float32)
    scale = plot.area_ha / (drawn.area / 1e4)  # the grid's metres to geodesic ones
    area = field.area / 1e4 * scale
    spread = 1.2816 * math.hypot(field.length * EDGE_ERROR_M / 1e4, doubt * area)
    away = drawn.difference(field).area / 1e4 * scale
    outside = max(plot.area_ha - float(inside[seen].sum()) * PIXEL_HA * scale, 0.0)
    return Segment(
        plot_id=plot.id,
        coverage=share,
        area_ha=Interval(max(area - spread, 0.0), area, area + spread, "ha"),
        drawn_ha=plot.area_ha,
        outline=project(field, cube.attrs["crs"], "EPSG:4326"),
        cut_away=_causes(inside, share, cube, max(away - outside, 0.0)) | _outside(outside, plot.area_ha),
        added_ha=field.difference(drawn).area / 1e4 * scale,
    )


def _fitted(
    drawn: BaseGeometry, drawing: Drawing, season: NDArray[np.float64], cube: Cube
) -> tuple[NDArray[np.float64], BaseGeometry, float]:
    """Weigh the fields that the drawing could mean by the edges their outlines run along.

    Returns the probability (y, x) that a pixel belongs, by the drawing and the edges, the mean of the likely fields,
    and the relative spread of their areas.
    """
    import shapely
    from scipy.ndimage import map_coordinates

    a, _, west, _, e, north = cube.attrs["transform"]
    edges = edges_of(season)
    moves = meanings(drawing)
    centre = np.array([drawn.centroid.x, drawn.centroid.y])
    steps = np.arange(max(int(drawn.length / 5.0), 24)) / max(int(drawn.length / 5.0), 24)
    outline = shapely.get_coordinates(shapely.line_interpolate_point(_boundary(drawn), steps, normalized=True)) - centre
    points = outline * moves[:, :1, None] + (centre + moves[:, 1:])[:, None]
    where = (points[..., 1] - north) / e - 0.5, (points[..., 0] - west) / a - 0.5
    score = (
        map_coordinates(edges, [axis.ravel() for axis in where], order=1, mode="nearest")
        .reshape(len(moves), -1)
        .mean(1)
    )
    weight = np.exp(SHARPNESS * (score - score.max()))
    likely = np.argsort(-weight, kind="stable")[:LIKELY]
    weight = weight[likely] / weight[likely].sum()
    shapes = [_moved(drawn, moves[k], centre) for k in likely]
    prior = np.asarray(coverage(shapes, cube).T @ weight).reshape(edges.shape)
    areas = moves[likely, 0] ** 2
    mean = float(weight @ areas)
    return prior, _moved(drawn, weight @ moves[likely], centre), math.sqrt(float(weight @ (areas - mean) ** 2)) / mean


def _boundary(shape: BaseGeometry) -> BaseGeometry:
    """Return the outer ring of the largest part."""
    return max(getattr(shape, "geoms", [shape]), key=lambda part: part.area).exterior


def _moved(shape: BaseGeometry, move: NDArray[np.float64], centre: NDArray[np.float64]) -> BaseGeometry:
    """Scale a shape about a centre and shift it."""
    import shapely

    return shapely.transform(shape, lambda points: (points - centre) * move[0] + centre + move[1:])


def _squares(chosen: NDArray[np.bool_], cube: Cube) -> BaseGeometry:
    """Return the ground of some pixels (y, x) in the cube's CRS."""
    import shapely

    a, _, west, _, e, north = cube.attrs["transform"]
    rows, columns = np.nonzero(chosen)
    return shapely.unary_union(
        shapely.box(west + a * columns, north + e * (rows + 1), west + a * (columns + 1), north + e * rows)
    )


def _outline(member: NDArray[np.float64], drawn: BaseGeometry, cube: Cube) -> BaseGeometry | None:
    """Return the line of even odds around what was drawn (cube's CRS); None when nothing is inside."""
    import contourpy
    from shapely import Polygon, unary_union

    padded = np.pad(member, 1, constant_values=0.0)
    filled: Any = contourpy.contour_generator(z=padded, fill_type="OuterOffset").filled(0.5, np.inf)
    a, _, west, _, e, north = cube.attrs["transform"]
    parts = []
    for points, offsets in zip(filled[0], filled[1], strict=True):
        ground = np.column_stack([west + a * (points[:, 0] - 0.5), north + e * (points[:, 1] - 0.5)])
        rings = [ground[first:last] for first, last in pairwise(offsets)]
        shape = Polygon(rings[0], [ring for ring in rings[1:] if Polygon(ring).area >= a * a]).buffer(0)
        parts.append((shape.intersection(drawn).area, shape))
    largest = max((inner for inner, _ in parts), default=0.0)
    if largest <= 0.0:
        return None
    return unary_union([shape for inner, shape in parts if inner >= 0.2 * largest])


def _outside(hectares: float, drawn_ha: float) -> dict[str, float]:
    """Name what of the drawing lies outside the tiles [ha], from a hundredth of it on."""
    return {"land outside the tiles": hectares} if hectares >= 0.01 * drawn_ha else {}


def _causes(inside: NDArray[Any], share: NDArray[Any], cube: Cube, away_ha: float) -> dict[str, float]:
    """Share out the area cut away [ha] by what its pixels look like."""
    lost = np.clip(inside - share, 0, 1)
    if away_ha <= 0 or lost.sum() <= 0:
        return {}
    bare = peak_ndvi(cube) < BARE
    border = (share > 0) & (share < 1) & ~bare
    kinds = {"mixed border": border, "water, road or building": bare, "other land": ~border & ~bare}
    return {
        kind: float(away_ha * lost[where].sum() / lost.sum()) for kind, where in kinds.items() if lost[where].sum() > 0
    }
