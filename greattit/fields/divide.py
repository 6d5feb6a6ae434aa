"""Several fields inside one drawing: `divide`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greattit.fields.finder import find
from greattit.plots.coverage import project
from greattit.types import Part, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greattit.fields.objects import Found
    from greattit.types import Cube, Plot

LEAST_SHARE = 0.18
"""A field counts when it takes this share of the drawing or more: less is a corner that the finger strayed into."""

LEAST_INSIDE = 0.65
"""And when this share of it lies inside the drawing: a neighbour is only touched."""


def divide(plot: Plot, segment: Segment, cube: Cube, *, found: Sequence[Found] | None = None) -> Segment:
    """Return the segment with the fields that the drawing holds as `parts`, where it holds two or more.

    `found` are the fields of the window in the cube's CRS; without them the network is asked (`find`).
    """
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"])
    parts = []
    for one in find(cube) if found is None else found:
        inside = one.geometry.intersection(drawn).area
        share = inside / drawn.area
        if share >= LEAST_SHARE and inside >= LEAST_INSIDE * one.geometry.area:
            outline = project(one.geometry, cube.attrs["crs"], "EPSG:4326")
            parts.append(Part(outline, one.area_ha, share, one.confidence))
    parts.sort(key=lambda part: -part.share)
    return replace(segment, parts=tuple(parts)) if len(parts) > 1 else segment
