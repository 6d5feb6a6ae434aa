"""The same ground claimed twice in one file: `claimed_twice`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from greattit.errors import PlotOverlapError
from greattit.types import Plot

TOLERATED = 0.1
"""Share of the smaller plot that may lie in the other: neighbours traced by hand overlap along their border."""


def claimed_twice(plots: Sequence[Plot]) -> dict[int, PlotOverlapError]:
    """Return, by place in `plots`, those whose ground an earlier plot claims; the earlier one keeps its claim."""
    shapes = np.array([plot.geometry for plot in plots], dtype=object)
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = sorted((int(a), int(b)) for a, b in zip(first, second, strict=True) if a < b)
    found: dict[int, PlotOverlapError] = {}
    for early, late in pairs:
        if early in found or late in found:
            continue
        shared = shapely.area(shapely.intersection(shapes[early], shapes[late]))
        share = shared / min(shapely.area(shapes[early]), shapely.area(shapes[late]))
        if share > TOLERATED:
            found[late] = PlotOverlapError(
                f"{share:.0%} of the smaller of the two lies in plot {plots[early].id}, which comes first",
                subject=plots[late].id,
                remedy="keep one of the two, or mend their outlines",
            )
    return found
