"""The seasons of many parcels of a catalogue or cube, read block by block: `see`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from greattit import clouds, series
from greattit.cube import read_window
from greattit.errors import PlotPlaceError
from greattit.plots.coverage import coverage, project
from greattit.types import Interval, Plot, Segment, Series

if TYPE_CHECKING:
    from greattit.cube import Store
    from greattit.tiles.scene import Catalogue
    from greattit.types import Cube

BLOCK_DEG = 0.02
"""Parcels whose middles lie in one square of this size are read at once: about 2 km [deg]."""

INSIDE = 0.5
"""Share of a parcel that must lie inside the tiles, as half of a field stands for the field."""


def see(
    source: Catalogue | Store,
    parcels: Sequence[Plot],
    since: date,
    until: date,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Series]:
    """Return the season of each parcel by its id; parcels mostly outside the tiles are left out.

    Parcels count as surveyed: pixels belong to them by the share that they cover. Raises `TilesError`.
    """
    import shapely

    blocks: dict[tuple[int, int], list[Plot]] = defaultdict(list)
    for plot in parcels:
        middle = plot.geometry.centroid
        blocks[int(middle.x // BLOCK_DEG), int(middle.y // BLOCK_DEG)].append(plot)
    found: dict[str, Series] = {}
    done = 0
    for _, members in sorted(blocks.items()):
        window = shapely.box(*shapely.total_bounds([plot.geometry for plot in members]))
        try:
            cube = clouds.refine(read_window(source, window, since=since, until=until))
        except PlotPlaceError:
            cube = None
        if cube is not None:
            found |= _seen(members, cube)
        done += len(members)
        if progress:
            progress(done, len(parcels))
    return found


def _seen(members: Sequence[Plot], cube: Cube) -> dict[str, Series]:
    shapes = [project(plot.geometry, "EPSG:4326", cube.attrs["crs"]) for plot in members]
    shares = coverage(shapes, cube)
    shape = cube.sizes["y"], cube.sizes["x"]
    ever = np.isfinite(cube["B04"].values).any(axis=0)
    segments = []
    for row, plot in enumerate(members):
        inside = shares[row].toarray().reshape(shape).astype(np.float32)
        pixel = abs(cube.attrs["transform"][0] * cube.attrs["transform"][4])
        if (inside * ever).sum() * pixel >= INSIDE * shapes[row].area:
            area = Interval(plot.area_ha, plot.area_ha, plot.area_ha, "ha")
            segments.append(Segment(plot.id, inside, area, plot.area_ha, plot.geometry, {}, 0.0))
    if not segments:
        return {}
    return {one.plot_id: one for one in series.gather_all(segments, cube)}
