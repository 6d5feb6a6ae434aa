"""From a drawn line to the field that is there: `cut`.

A finger's drawing is too large, too small or shifted. A network (`cutter`) is shown the season of the window (`sight`)
and the drawing (`sketch`), and says which share of each pixel was meant. The outline is the line of even shares that
holds as much ground as the shares do together; how sure the area is was learned on fields that taught nothing else. A
surveyed parcel is not asked about: its outline is only fitted to the season's edges (`register`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import PlotPlaceError
from greattit.plots import cutter, shape
from greattit.plots.coverage import coverage, project
from greattit.plots.drawing import SLOPPY, Drawing
from greattit.plots.greenness import BARE, never_green, peak_ndvi
from greattit.plots.sight import channels, components, learn_axes
from greattit.plots.sketch import asked
from greattit.types import Interval, Plot, Segment

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

PIXEL_HA = 0.01
"""Ground of one pixel of the cube [ha]."""

EDGE_ERROR_M = 3.0
"""Standard error of a fitted border, all around [m]: the width of doubt of a 10 m pixel, 10 / sqrt(12)."""

SURE = 0.9
"""share from which a pixel is the field's for sure"""

NORMAL = {"p05": -1.6449, "p10": -1.2816, "p90": 1.2816, "p95": 1.6449}
"""Quantiles of the normal distribution, for areas whose error is reckoned and not learned."""


@dataclass(frozen=True, eq=False)
class _Field:
    """What was found, on the grid."""

    outline: BaseGeometry
    """[m, the cube's CRS]"""
    area: dict[str, float]
    """[ha of the grid] quantiles p05, p10, p50, p90, p95"""


def cut(plot: Plot, cube: Cube, *, drawing: Drawing = SLOPPY) -> Segment:
    """Return the plot's one field in the cube: the share of each pixel, the area with its interval, what was cut away.

    `drawing` says how the plot came about: by a finger, or surveyed. Where the season shows nothing (no clear look) the
    drawing is taken as it is and the interval is wide. Raises `PlotPlaceError` when the plot lies outside the cube and
    `ModelError` when the network cannot be loaded.
    """
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"]).normalize()  # the same ring wherever it began
    inside = coverage([drawn], cube).toarray()[0].reshape(cube.sizes["y"], cube.sizes["x"])
    if not (inside > 0).any():
        raise PlotPlaceError("lies outside the tiles", subject=plot.id, remedy="draw a plot inside the tiles")
    seen = np.isfinite(cube["B04"].values).any(axis=0)
    found = _found(drawn, inside, drawing, cube, seen)
    return _segment(plot, drawn, inside, seen, found, cube)


def _found(drawn: BaseGeometry, inside: NDArray[Any], drawing: Drawing, cube: Cube, seen: NDArray[np.bool_]) -> _Field:
    axes = learn_axes([cube])
    if axes is None:
        return _reckoned(drawn, float(np.std(np.linspace(*drawing.scale, 9) ** -2)))
    season = components(cube, axes)
    barren = never_green(cube, inside)
    if drawing.asked:
        shares = cutter.load().shares(asked(channels(cube, season), drawn, cube)) * (seen & ~barren)
        answer = _answered(_beside(shares, season, barren, inside), drawn, cube)
        if answer is not None:
            return answer
    fitted, doubt = shape.fitted(drawn, drawing, season, cube)
    return _reckoned(fitted.difference(shape.squares(barren & (inside > 0), cube)), doubt)


def _reckoned(field: BaseGeometry, doubt: float) -> _Field:
    """Give a field its area and how sure it is, from its border's length and the doubt about its size."""
    area = field.area / 1e4
    spread = math.hypot(field.length * EDGE_ERROR_M / 1e4, doubt * area)
    return _Field(field, {"p50": area} | {name: max(area + q * spread, 0.0) for name, q in NORMAL.items()})


def _beside(
    shares: NDArray[np.float32], season: NDArray[np.float64], barren: NDArray[np.bool_], inside: NDArray[Any]
) -> NDArray[np.float32]:
    """Unmix the pixels beside a road, water or building inside the drawing: where their season lies between the two.

    The network expects blur there and may give away half a pixel on each side; a pixel that looks as the field does is
    field. Linear mixture of two means (Settle and Drake 1993, doi:10.1080/01431169308904402).
    """
    from scipy.ndimage import binary_dilation

    core = shares > SURE
    inner = inside > 0.99
    reach = binary_dilation(core, np.ones((3, 3), bool), iterations=2)
    near = binary_dilation(barren & inner, np.ones((3, 3), bool)) & ~barren & inner & reach
    if not near.any() or not core.any():
        return shares
    field, bare = season[core].mean(axis=0), season[barren & inner].mean(axis=0)
    between = field - bare
    part = np.clip((season - bare) @ between / max(float(between @ between), 1e-9), 0, 1)
    return np.where(near, np.maximum(shares, part), shares).astype(np.float32)


def _answered(shares: NDArray[np.float32], drawn: BaseGeometry, cube: Cube) -> _Field | None:
    """Turn shares into a field; None when the network sees none there."""
    model = cutter.load()
    shares = shape.one_place(shares, drawn, cube)
    hectares = float(shares.sum()) * PIXEL_HA
    if hectares < PIXEL_HA:
        return None
    area = model.area(hectares, cutter.doubt_of(shares), drawn.area / 1e4)
    outline = shape.outline(shares, drawn, cube, area["p50"] * 1e4)
    if outline is None:
        return None
    scale = outline.area / 1e4 / area["p50"]  # where no level holds just that much ground
    return _Field(outline, {name: value * scale for name, value in area.items()})


def _segment(
    plot: Plot, drawn: BaseGeometry, inside: NDArray[Any], seen: NDArray[np.bool_], found: _Field, cube: Cube
) -> Segment:
    field = found.outline
    share = coverage([field], cube).toarray()[0].reshape(inside.shape).astype(np.float32)
    scale = plot.area_ha / (drawn.area / 1e4)  # the grid's metres to geodesic ones
    area = {name: value * scale for name, value in found.area.items()}
    away = drawn.difference(field).area / 1e4 * scale
    outside = max(plot.area_ha - float(inside[seen].sum()) * PIXEL_HA * scale, 0.0)
    return Segment(
        plot_id=plot.id,
        coverage=share,
        area_ha=Interval(area["p10"], area["p50"], area["p90"], "ha"),
        drawn_ha=plot.area_ha,
        outline=project(field, cube.attrs["crs"], "EPSG:4326"),
        cut_away=_causes(inside, share, cube, max(away - outside, 0.0)) | _outside(outside, plot.area_ha),
        added_ha=field.difference(drawn).area / 1e4 * scale,
        area_90_ha=(area["p05"], area["p95"]),
    )


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
