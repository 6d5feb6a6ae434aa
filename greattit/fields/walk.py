"""Every field of a county: `delineate` walks over it in squares that overlap, and gives each field once.

A field belongs to the square that its middle lies in; near a square's edge both take it, for its middle is not quite
the same from both sides. Squares lie on a fixed grid and see so far beyond their edge that the network and the
watershed come to the same field from both sides; the later one gives way, so that no ground is given twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.cube import Store, open_stack
from greattit.errors import CubeError, PlotPlaceError, TilesError
from greattit.fields.finder import find, load
from greattit.fields.objects import Found
from greattit.onethread import one_thread
from greattit.plots.area import area_ha
from greattit.plots.coverage import project
from greattit.plots.sight import Axes, learn_axes
from greattit.types import Interval

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.tiles.scene import Catalogue
    from greattit.types import Cube

SIDE_M = 3840.0
"""[m] edge of a square: three chunks of a cube"""

HALO_M = 640.0
"""[m] what is seen beyond its edges"""

NEAR_M = 30.0
"""[m] a field whose middle lies so near a square's edge is taken by the squares on both sides"""

SAMPLES = 9
"""windows that the county's season is learned from"""

SAMPLE_M = 640.0
"""[m] edge of such a window"""

GIVEN_TWICE = 0.5
"""A field of which this share was given before is dropped; of less, only the rest is given."""


@dataclass(frozen=True, eq=False)
class Job:
    """What to delineate."""

    tiles: str
    """folder or address of a catalogue or cube"""
    area: BaseGeometry
    """polygon, EPSG:4326"""
    since: date
    until: date
    as_of: str | None = None
    workers: int = 1
    """processes"""


@dataclass(frozen=True, eq=False)
class Square:
    """The fields of one square, in EPSG:4326."""

    number: int
    of: int
    fields: tuple[Found, ...]
    km2: float
    """ground of the square that lies in the area"""


@dataclass(frozen=True, eq=False)
class _Plan:
    crs: str
    axes: Axes
    squares: tuple[tuple[float, float], ...]
    """west, south [m] of each"""


def delineate(job: Job) -> Iterator[Square]:
    """Give the fields of an area, square by square from south-west to north-east: each field once, none overlapping.

    Memory does not grow with the area. The same tiles give the same fields, whatever the number of `workers`. Raises
    `PlotPlaceError` when the area lies outside the tiles, `TilesError` when they cannot be read and `ModelError`.
    """
    with one_thread():
        source = open_stack(job.tiles, as_of=job.as_of)
        plan = _planned(source, job)
    given: list[tuple[Any, Found]] = []
    for number, found in enumerate(_each(job, plan, source)):
        west, south = plan.squares[number]
        inside = project_box(west, south, plan.crs)
        kept = _once(found, given)
        given = [(shape, one) for shape, one in given + kept if shape.bounds[3] > south - HALO_M]
        outlines = [project(shape, plan.crs, "EPSG:4326") for shape, _ in kept]
        fields = tuple(
            _outlined(one, outline, 1e4 * area_ha(outline)) for (_, one), outline in zip(kept, outlines, strict=True)
        )
        yield Square(number + 1, len(plan.squares), fields, _km2(inside.intersection(job.area)))


def _outlined(one: Found, outline: BaseGeometry, m2: float) -> Found:
    """Return the field with another outline of `m2`: cut off, or in another CRS; the area to be expected follows it."""
    scale = m2 / one.geometry.area
    low, middle, high = (value * scale for value in (one.area_ha.p10, one.area_ha.p50, one.area_ha.p90))
    wide = one.area_90_ha[0] * scale, one.area_90_ha[1] * scale
    return Found(outline, one.confidence, Interval(low, middle, high, "ha"), wide)


def _each(job: Job, plan: _Plan, source: Catalogue | Store) -> Iterator[list[Found]]:
    """Give the fields of every square (the plan's CRS), in the order of the squares."""
    if job.workers == 1 or len(plan.squares) == 1:
        for number in range(len(plan.squares)):
            with one_thread():
                found = _square(number, job, plan, source)
            yield found
        return
    with ProcessPoolExecutor(
        job.workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(job, plan)
    ) as pool:
        yield from pool.map(_square_here, range(len(plan.squares)))


_worker: dict[str, Any] = {}


def _begin(job: Job, plan: _Plan) -> None:
    """Prepare a worker."""
    _worker.update(job=job, plan=plan, source=open_stack(job.tiles, as_of=job.as_of))


def _square_here(number: int) -> list[Found]:
    with one_thread():
        return _square(number, **_worker)


def _square(number: int, job: Job, plan: _Plan, source: Catalogue | Store) -> list[Found]:
    """Return the fields whose middle lies in a square, or nearly, and that have a point inside the area: plan's CRS."""
    import shapely

    west, south = plan.squares[number]
    seen = project_box(west, south, plan.crs, HALO_M)
    try:
        cube = _window(source, seen, job)
    except CubeError:
        raise  # damaged: there may have been fields
    except (PlotPlaceError, TilesError):
        return []  # nothing was ever seen there
    cube = trimmed(cube, (west - HALO_M, south - HALO_M, west + SIDE_M + HALO_M, south + SIDE_M + HALO_M), plan.crs)
    area = project(job.area, "EPSG:4326", plan.crs)
    mine = shapely.box(west - NEAR_M, south - NEAR_M, west + SIDE_M + NEAR_M, south + SIDE_M + NEAR_M)
    shapely.prepare(area)
    out = []
    for one in find(cube, load(), plan.axes):
        shape = project(one.geometry, cube.attrs["crs"], plan.crs) if cube.attrs["crs"] != plan.crs else one.geometry
        if mine.covers(shape.centroid) and area.covers(shapely.point_on_surface(shape)):
            out.append(_outlined(one, shape, shape.area))
    return out


def _once(found: list[Found], given: list[tuple[Any, Found]]) -> list[tuple[Any, Found]]:
    """Return what is new of the fields found: without ground that was given before."""
    import shapely

    if not given:
        return [(one.geometry, one) for one in found]
    tree = shapely.STRtree([shape for shape, _ in given])
    kept = []
    for one in found:
        shape = one.geometry
        before = [given[k][0] for k in tree.query(shape, predicate="intersects")]
        shared = shape.intersection(shapely.union_all(before)) if before else None
        if shared is not None and shared.area > 0:
            if shared.area > GIVEN_TWICE * shape.area:
                continue
            rest = shape.difference(shapely.union_all(before))
            shape = max(shapely.get_parts(rest), key=lambda part: part.area)
            if shape.geom_type != "Polygon" or not shape.is_valid:
                continue
        kept.append((shape, one))
    return kept


def _planned(source: Catalogue | Store, job: Job) -> _Plan:
    """Lay the squares over the area and learn its season from a few windows."""
    import shapely

    first = _first_window(source, job)
    crs = str(first.attrs["crs"])
    area = project(job.area.intersection(shapely.box(*source.bounds)), "EPSG:4326", crs)
    low = [np.floor(value / SIDE_M) * SIDE_M for value in area.bounds[:2]]
    west = np.arange(low[0], area.bounds[2], SIDE_M)
    south = np.arange(low[1], area.bounds[3], SIDE_M)
    shapely.prepare(area)
    squares = tuple(
        (float(x), float(y)) for y in south for x in west if area.intersects(shapely.box(x, y, x + SIDE_M, y + SIDE_M))
    )
    windows = [first]
    for k in np.linspace(0, len(squares) - 1, min(SAMPLES, len(squares))).astype(int):
        piece = area.intersection(shapely.box(*squares[k], squares[k][0] + SIDE_M, squares[k][1] + SIDE_M))
        at = shapely.point_on_surface(piece)
        try:
            windows.append(_sample(source, at, crs, job))
        except CubeError:
            raise
        except (PlotPlaceError, TilesError):
            continue
    windows = [window for window in windows if window.attrs["crs"] == crs]
    axes = learn_axes(windows)
    if axes is None:
        raise TilesError(
            "have no clear look of the area",
            subject=job.tiles,
            remedy="name a longer span (--from, --to) or another area",
        )
    return _Plan(crs, axes, squares)


def _first_window(source: Catalogue | Store, job: Job) -> Cube:
    """Read a window where the area and the tiles meet; it says on which grid the work is done."""
    import shapely

    tiles = shapely.box(*source.bounds)
    meet = job.area.intersection(tiles)
    if meet.is_empty or meet.area == 0:
        west, south, east, north = source.bounds
        raise PlotPlaceError(
            f"lies outside the tiles, which reach from {west:.3f} to {east:.3f} degrees east and {south:.3f} to "
            f"{north:.3f} north",
            subject="the area",
            remedy="name an area inside the tiles",
        )
    at = shapely.point_on_surface(meet)
    zone = 32600 + int((at.x + 180) // 6) + 1 + (100 if at.y < 0 else 0)
    local = f"EPSG:{zone}"
    return _sample(source, project(at, "EPSG:4326", local), local, job)


def _sample(source: Catalogue | Store, at: Any, crs: str, job: Job) -> Cube:
    import shapely

    half = SAMPLE_M / 2
    shape = project(shapely.box(at.x - half, at.y - half, at.x + half, at.y + half), crs, "EPSG:4326")
    inner = shape.intersection(shapely.box(*source.bounds).buffer(-1e-4))
    return _window(source, shape if inner.is_empty else inner, job)


def _window(source: Catalogue | Store, shape: BaseGeometry, job: Job) -> Cube:
    """Read a window without its clouds; of a catalogue only the part that it holds."""
    import shapely

    from greattit import clouds, tiles

    inner = shape.intersection(shapely.box(*source.bounds))
    if inner.is_empty or inner.area == 0:
        raise PlotPlaceError("lies outside the tiles", subject="a square", remedy="name an area inside the tiles")
    span: dict[str, Any] = {"since": job.since, "until": job.until, "radar": False}
    cube = source.read(inner, **span) if isinstance(source, Store) else tiles.read(source, inner, **span)
    return clouds.refine(cube)


def project_box(west: float, south: float, crs: str, beyond: float = 0.0) -> BaseGeometry:
    """Return a square of SIDE_M with `beyond` metres around it in EPSG:4326, its edges bent as the grid's are."""
    import shapely

    box = shapely.box(west - beyond, south - beyond, west + SIDE_M + beyond, south + SIDE_M + beyond)
    return project(shapely.segmentize(box, 500.0), crs, "EPSG:4326")


def trimmed(cube: Cube, bounds: tuple[float, float, float, float], crs: str) -> Cube:
    """Cut a window down to bounds [m], so that neighbouring squares see the same ground of each other."""
    if cube.attrs["crs"] != crs:
        return cube
    a, b, west, d, e, north = cube.attrs["transform"]
    left, right = (round((value - west) / a) for value in (bounds[0], bounds[2]))
    top, bottom = (round((value - north) / e) for value in (bounds[3], bounds[1]))
    rows, columns = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    moved = (a, b, west + a * columns.start, d, e, north + e * rows.start)
    return cube.isel(y=rows, x=columns).assign_attrs(transform=moved)


def _km2(shape: BaseGeometry) -> float:
    import shapely

    return sum(area_ha(part) for part in shapely.get_parts(shape) if part.geom_type == "Polygon") / 100
