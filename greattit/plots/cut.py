"""From a drawn line to the field that is there: `cut`.

Three witnesses are heard. The drawing says where the field may be (`drawing.meanings`: a finger is too large, too small
or shifted). The season says what each pixel looked like month by month: the pixels inside are told from those around by
two mixtures, fitted in turn (as GrabCut does: Rother, Kolmogorov and Blake 2004). The edges say where one field ends:
the membership is smoothed by a random walk that does not cross a change of the season's course (Grady 2005, with
priors). The field is what lies inside the line of even odds; its pixels are then covered exactly.
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
from greattit.types import Interval, Plot, Segment

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

FINE = ("B02", "B03", "B04", "B08")
"""The bands seen at 10 m; the coarser ones would draw the border too wide."""

COMPONENTS = 6
"""Principal components of the season that are looked at."""

EVIDENCE = 0.25
"""Weight of a pixel's look against the drawing: neighbouring pixels and months are far from independent."""

EDGE = 0.5
"""Fall of the random walk's conductance with the squared change between neighbours, in units of their usual change."""

PULL = 0.05
"""Pull of each pixel to its own evidence, against one for a neighbour that looks the same."""

EDGE_ERROR_M = 3.0
"""Standard error of the found border, all around [m]: the width of doubt of a 10 m pixel, 10 / sqrt(12)."""


def cut(plot: Plot, cube: Cube, *, drawing: Drawing = SLOPPY) -> Segment:
    """Return the plot's one field in the cube: the share of each pixel, the area with its interval, what was cut away.

    `drawing` says how the plot came about: by a finger, or surveyed. Where the season shows nothing (no clear look) the
    drawing is taken as it is and the interval is wide. Raises `PlotPlaceError` when the plot lies outside the cube.
    """
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"])
    shape = cube.sizes["y"], cube.sizes["x"]
    inside = coverage([drawn], cube).toarray()[0].reshape(shape)
    if not (inside > 0).any():
        raise PlotPlaceError("lies outside the tiles", subject=plot.id, remedy="draw a plot inside the tiles")
    season = _season(cube)
    if season is None:
        field, drift = drawn, (drawing.scale[1] - drawing.scale[0]) / 4
    else:
        prior = np.asarray(coverage(meanings(drawn, drawing), cube).mean(axis=0)).reshape(shape)
        member = _smoothed(_evidence(season, prior), season)
        field, drift = _outline(member, inside, drawn, cube), 0.0
    share = coverage([field], cube).toarray()[0].reshape(shape).astype(np.float32)
    scale = plot.area_ha / (drawn.area / 1e4)  # the grid's metres to geodesic ones
    area = field.area / 1e4 * scale
    spread = 1.2816 * math.hypot(field.length * EDGE_ERROR_M / 1e4 / 2, 2 * drift * area)
    away = drawn.difference(field).area / 1e4 * scale
    return Segment(
        plot_id=plot.id,
        coverage=share,
        area_ha=Interval(max(area - spread, 0.0), area, area + spread, "ha"),
        drawn_ha=plot.area_ha,
        outline=project(field, cube.attrs["crs"], "EPSG:4326"),
        cut_away=_causes(inside, share, cube, away),
        added_ha=field.difference(drawn).area / 1e4 * scale,
    )


def _season(cube: Cube) -> NDArray[np.float64] | None:
    """Return the whitened principal components of the clear monthly medians (y, x, component); None without any.

    Each month's four bands are divided by the usual difference of neighbouring pixels, so that a change counts by how
    rare it is between neighbours, and not by its size.
    """
    months = cube["time"].values.astype("datetime64[M]")
    clear = cube["clear"].values
    layers = []
    for month in np.unique(months):
        chosen = months == month
        seen = clear[chosen]
        if not seen.any():
            continue
        layers += [_median(np.where(seen, cube[name].values[chosen], np.nan)) for name in FINE]
    layers = [layer for layer in layers if np.isfinite(layer).mean() > 0.5]
    if not layers:
        return None
    stack = np.stack([np.where(np.isfinite(layer), layer, np.nanmedian(layer)) for layer in layers], axis=-1)
    change = np.concatenate([np.abs(np.diff(stack, axis=axis)).reshape(-1, stack.shape[-1]) for axis in (0, 1)])
    white = (stack - np.median(stack, axis=(0, 1))) / np.maximum(np.median(change, axis=0), 1e-4)
    flat = white.reshape(-1, white.shape[-1])
    _, _, axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    parts: NDArray[np.float64] = (flat @ axes[:COMPONENTS].T).reshape(*stack.shape[:2], -1)
    return parts / math.sqrt(white.shape[-1])


def _median(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the median over time (time, y, x) of what is seen; NaN where nothing is."""
    order = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, values.shape[0] - 1)
    picked = [np.take_along_axis(order, index[None], axis=0)[0] for index in (low, high)]
    return np.where(count > 0, (picked[0].astype(np.float64) + picked[1]) / 2, np.nan)


def _evidence(season: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability (y, x) that a pixel is of the field, from its look and the drawing."""
    points = season.reshape(-1, season.shape[-1])
    belief = np.clip(prior.reshape(-1), 0.002, 0.98)
    odds = np.log(belief / (1 - belief))
    member = belief
    for _ in range(4):
        here = _log_density(points, member**2, 2)
        there = _log_density(points, (1 - member) ** 2, 5)
        member = 1 / (1 + np.exp(-np.clip(odds + EVIDENCE * (here - there), -30, 30)))
    return member.reshape(prior.shape)


def _log_density(points: NDArray[np.float64], weights: NDArray[np.float64], kinds: int) -> NDArray[np.float64]:
    """Fit a mixture of round Gaussians to weighted points and return its log density at all points.

    The centres start at the weighted quantiles along the first component, so that nothing is left to chance.
    """
    order = np.argsort(points[:, 0], kind="stable")
    mass = np.cumsum(weights[order])
    starts = np.searchsorted(mass, mass[-1] * (np.arange(kinds) + 0.5) / kinds)
    centres = points[order[np.minimum(starts, len(order) - 1)]]
    shares = np.full(kinds, 1 / kinds)
    dimensions = points.shape[1]
    width = np.full(
        kinds, float(np.average(((points - np.average(points, 0, weights)) ** 2).mean(1), weights=weights)) + 0.05
    )
    for _ in range(6):
        distance = ((points[:, None] - centres) ** 2).sum(-1)
        logs = np.log(shares) - distance / (2 * width) - dimensions / 2 * np.log(width)
        top = logs.max(1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(logs - top).sum(1))
        part = np.exp(logs - total[:, None]) * weights[:, None]
        sums = part.sum(0) + 1e-9
        centres = (part.T @ points) / sums[:, None]
        width = ((part * distance).sum(0) / sums) / dimensions + 0.05
        shares = sums / sums.sum()
    return np.asarray(total)


def _smoothed(evidence: NDArray[np.float64], season: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let each pixel agree with the neighbours that lived through the same season; returns (y, x)."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    height, width = evidence.shape
    index = np.arange(height * width).reshape(height, width)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    starts = np.concatenate([a.ravel() for a, _ in pairs])
    ends = np.concatenate([b.ravel() for _, b in pairs])
    flat = season.reshape(height * width, -1)
    change = ((flat[starts] - flat[ends]) ** 2).sum(1)
    weight = np.exp(-EDGE * change / (np.median(change) + 1e-12)) + 1e-4
    links = sparse.coo_matrix(
        (np.r_[weight, weight], (np.r_[starts, ends], np.r_[ends, starts])), shape=(flat.shape[0],) * 2
    )
    laplacian = sparse.diags(np.asarray(links.sum(1)).ravel()) - links
    system = (laplacian + PULL * sparse.identity(flat.shape[0])).tocsc()
    return np.asarray(spsolve(system, PULL * evidence.ravel())).reshape(height, width)


def _outline(member: NDArray[np.float64], inside: NDArray[Any], drawn: BaseGeometry, cube: Cube) -> BaseGeometry:
    """Return the line of even odds around what was drawn (cube's CRS); the drawing itself when nothing is inside."""
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
        return drawn
    return unary_union([shape for inner, shape in parts if inner >= 0.2 * largest])


def _causes(inside: NDArray[Any], share: NDArray[Any], cube: Cube, away_ha: float) -> dict[str, float]:
    """Share out the area cut away [ha] by what its pixels look like."""
    lost = np.clip(inside - share, 0, 1)
    if away_ha <= 0 or lost.sum() <= 0:
        return {}
    clear = cube["clear"].values
    red, nir = (_median(np.where(clear, cube[name].values, np.nan)) for name in ("B04", "B08"))
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = (nir - red) / (nir + red)
    border = (share > 0) & (share < 1)
    bare = ~border & (usual < 0.25)
    kinds = {"mixed border": border, "water, road or building": bare, "other land": ~border & ~bare}
    return {
        kind: float(away_ha * lost[where].sum() / lost.sum()) for kind, where in kinds.items() if lost[where].sum() > 0
    }
