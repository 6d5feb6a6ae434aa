"""Several fields inside one drawing: `divide`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greattit.fields.finder import find
from greattit.plots.coverage import project
from greattit.types import Interval, Part, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greattit.fields.objects import Found
    from greattit.types import Cube, Plot

LEAST_SHARE = 0.18
"""A field counts when it takes this share of the drawing or more: less is a corner that the finger strayed into. Where
no field takes half, for the drawing holds many, it is the share of twice the largest."""

LEAST_INSIDE = 0.65
"""And when this share of it lies inside the drawing: a neighbour is only touched."""


def divide(plot: Plot, segment: Segment, cube: Cube, *, found: Sequence[Found] | None = None) -> Segment:
    """Return the segment with the fields that the drawing holds as `parts`, where it holds two or more.

    `found` are the fields of the window in the cube's CRS; without them the network is asked (`find`). Raises
    `ModelError` when it cannot be loaded.
    """
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"])
    held = []
    for one in find(cube) if found is None else found:
        inside = one.geometry.intersection(drawn).area
        if inside >= LEAST_INSIDE * one.geometry.area:
            held.append((inside / drawn.area, one))
    held.sort(key=lambda pair: -pair[0])
    least = LEAST_SHARE * min(1.0, 2 * held[0][0]) if held else 1.0
    scale = plot.area_ha / (drawn.area / 1e4)  # the grid's metres to geodesic ones
    parts = tuple(
        Part(project(one.geometry, cube.attrs["crs"], "EPSG:4326"), _scaled(one.area_ha, scale), share, one.confidence)
        for share, one in held
        if share >= least
    )
    return replace(segment, parts=parts) if len(parts) > 1 else segment


def _scaled(area: Interval, scale: float) -> Interval:
    return Interval(area.p10 * scale, area.p50 * scale, area.p90 * scale, area.unit)
