"""Fields cut out of sloppy drawings against the true ones: `ask`."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from greattit.errors import PlotError, TilesError
from greattit.plots.area import area_ha
from greattit.plots.coverage import project
from greattit.plots.drawing import draw_sloppily
from greattit.plotscores.rows import HIT, Asked, CutField, Cutter, Given, Outlined, intervals_of, within
from greattit.plotscores.truth import Field, Place, ground_scale, window_around
from greattit.types import Plot

if TYPE_CHECKING:
    from greattit.types import Cube


def as_drawn(plot: Plot, cube: Cube) -> Outlined:
    """Return the drawing itself: what a cutter must better."""
    return Outlined(plot.geometry)


def drawings_of(field: Field, crs: str, count: int, seed: int) -> Iterator[Plot]:
    """Draw a field sloppily `count` times, in metres; each drawing is set by the seed and the field's own id."""
    for number in range(count):
        own = zlib.crc32(f"{seed}/{field.id}/{number}".encode())
        drawn = project(draw_sloppily(field.shape, own), crs, "EPSG:4326")
        yield Plot(field.id, drawn, area_ha(drawn))


def ask(
    place: Place,
    cutters: Mapping[str, Cutter],
    *,
    drawings: int,
    seed: int,
    clock: Callable[[], float],
) -> tuple[dict[str, tuple[list[Asked], list[Given]]], dict[str, Counter[str]]]:
    """Ask each cutter for each drawing of each whole field of a place; returns rows, and refusals by kind, by cutter.

    A cutter gets the window around the drawing that the walk would read. A refusal of the plot or its
    tiles is a field not found; any other error, such as a missing model, is raised.
    """
    crs, scale = place.cube.attrs["crs"], ground_scale(place.cube) / 1e4
    rows: dict[str, tuple[list[Asked], list[Given]]] = {name: ([], []) for name in cutters}
    refused: dict[str, Counter[str]] = {name: Counter() for name in cutters}
    for field in place.asked:
        for plot in drawings_of(field, crs, drawings, seed):
            window = window_around(place.cube, project(plot.geometry, "EPSG:4326", crs).bounds)
            for name, cutter in cutters.items():
                start = clock()
                answer: CutField | None
                try:
                    answer = cutter(plot, window)
                except (PlotError, TilesError) as error:
                    refused[name][type(error).__name__] += 1
                    answer = None
                row = _asked(field, answer, crs, scale, clock() - start)
                rows[name][0].append(row)
                if answer is not None:
                    rows[name][1].append(Given(field.group, field.area_ha, row.hit, 0.0))
    return rows, refused


def _asked(field: Field, answer: CutField | None, crs: str, scale: float, seconds: float) -> Asked:
    true = field.shape.area
    common, joint, ratio = 0.0, true, math.nan
    if answer is not None:
        outline = project(answer.outline, "EPSG:4326", crs)
        outline = outline if outline.is_valid else outline.buffer(0)
        common = outline.intersection(field.shape).area
        joint = outline.area + true - common
        known = getattr(answer, "area_ha", None)
        ratio = (known.p50 if known is not None else outline.area * scale) / field.area_ha
    eighty, ninety = intervals_of(answer)
    return Asked(
        id=field.id,
        group=field.group,
        true_ha=field.area_ha,
        whole=True,
        hit=common >= HIT * joint,
        common_ha=common * scale,
        joint_ha=joint * scale,
        ground_ha=true * scale,
        covered_ha=common * scale,
        ratio=ratio,
        within_80=within(field.area_ha, eighty),
        within_90=within(field.area_ha, ninety),
        seconds=seconds,
    )
