"""Several fields inside one drawing: `divide`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from greattit.fields.finder import find
from greattit.plots.coverage import coverage, project
from greattit.plots.sight import season_of
from greattit.types import Interval, Part, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from greattit.fields.objects import Found
    from greattit.types import Cube, Plot

LEAST_SHARE = 0.18
"""A field counts when it takes this share of the drawing or more: less is a corner that the finger strayed into. Where
no field takes half, for the drawing holds many, it is the share of twice the largest."""

LEAST_INSIDE = 0.65
"""And when this share of it lies inside the drawing: a neighbour is only touched."""

APART = 3.0
"""Two fields count as two when some component of their seasons differs by this many times its spread inside them: a
border that the network sees through one crop is no second field. Chosen on two made counties."""

FLOOR = 0.05
"""added to that variance, in units of the usual change between neighbours"""

CLOSE_M = 8.0
"""[m] gaps up to twice this between parts of one season are closed"""


def divide(plot: Plot, segment: Segment, cube: Cube, *, found: Sequence[Found] | None = None) -> Segment:
    """Return the segment with the fields that the drawing holds as `parts`, where it holds two or more.

    Neighbours that lived through the same season count as one. `found` are the fields of the window in the cube's CRS;
    without them the network is asked (`find`). Raises
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
    taken = [(share, one) for share, one in held if share >= least]
    kinds = _kinds([one.geometry for _, one in taken], cube) if len(taken) > 1 else [0]
    if max(kinds, default=0) == 0:
        return segment
    parts = [
        _joined([pair for pair, of in zip(taken, kinds, strict=True) if of == kind], scale, cube)
        for kind in range(max(kinds) + 1)
    ]
    return replace(segment, parts=tuple(sorted(parts, key=lambda part: -part.share)))


def _kinds(shapes: Sequence[BaseGeometry], cube: Cube) -> list[int]:
    """Return the number of the season that each shape lived through, from 0: alike ones have the same."""
    season = season_of(cube)
    if season is None:
        return [0] * len(shapes)
    shares = coverage(shapes, cube).toarray().reshape(len(shapes), *season.shape[:2])
    means, spreads = [], []
    for share in shares:
        inner = share > 0.95 if (share > 0.95).sum() >= 3 else share >= 0.5 * share.max()
        means.append(season[inner].mean(axis=0))
        spreads.append(season[inner].var(axis=0))
    kinds = list(range(len(shapes)))
    for n in range(len(shapes)):
        for k in range(n):
            apart = np.abs(means[n] - means[k]) / np.sqrt((spreads[n] + spreads[k]) / 2 + FLOOR)
            if apart.max() < APART:
                kinds = [kinds[k] if kind == kinds[n] else kind for kind in kinds]
    names = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return [names[kind] for kind in kinds]


def _joined(pairs: Sequence[tuple[float, Found]], scale: float, cube: Cube) -> Part:
    """Return fields of one season as one part; `scale` turns the grid's hectares into geodesic ones."""
    import shapely

    outline = shapely.union_all([one.geometry for _, one in pairs])
    if len(pairs) > 1:  # close the border between them
        outline = outline.buffer(CLOSE_M, join_style="mitre").buffer(-CLOSE_M, join_style="mitre")
    p10, p50, p90 = (scale * sum(getattr(one.area_ha, name) for _, one in pairs) for name in ("p10", "p50", "p90"))
    return Part(
        project(outline, cube.attrs["crs"], "EPSG:4326"),
        Interval(p10, p50, p90, "ha"),
        sum(share for share, _ in pairs),
        min(one.confidence for _, one in pairs),
    )
