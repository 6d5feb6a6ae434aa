"""The sample tiles with their truth as the tests of fields use them: read once in a run, without clouds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from conftest import ROOT
from numpy.typing import NDArray
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from greattit.errors import PlotPlaceError
from greattit.fields import Found, Job, Square, delineate, walk
from greattit.onethread import one_thread
from greattit.plots import made
from greattit.plots.coverage import project
from greattit.plots.sight import learn_axes
from greattit.types import Interval

if TYPE_CHECKING:
    from greattit.types import Cube


@lru_cache(maxsize=1)
def sample() -> made.County:
    """The county that ships with the project: its year of looks without clouds, and what is there."""
    with one_thread():
        return made.read(ROOT / "data" / "sample_tiles")


def found(shape: Polygon) -> Found:
    """A field whose area is known within 10 %."""
    hectares = shape.area / 1e4
    area = Interval(0.9 * hectares, hectares, 1.1 * hectares, "ha")
    return Found(shape, 0.9, area, (0.8 * hectares, 1.2 * hectares))


def outlines_of(fields: list[Found], crs: str = "") -> NDArray[Any]:
    """Return the outlines, from EPSG:4326 into a CRS where one is named."""
    shapes = [one.geometry for one in fields]
    return np.array([project(one, "EPSG:4326", crs) for one in shapes] if crs else shapes, object)


def overlap_m2(shapes: NDArray[Any]) -> float:
    """Return the largest ground that two of some outlines share."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = one < other
    return float(shapely.area(shapely.intersection(shapes[one[pairs]], shapes[other[pairs]])).max(initial=0.0))


def best_iou(shapes: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Return the best intersection over union of each outline with one of the others."""
    best = np.zeros(len(shapes))
    one, other = shapely.STRtree(others).query(shapes, predicate="intersects")
    both = shapely.area(shapely.intersection(shapes[one], others[other]))
    np.maximum.at(best, one, both / (shapely.area(shapes[one]) + shapely.area(others[other]) - both))
    return best


def window_of(cube: Cube, bounds: tuple[float, float, float, float]) -> Cube:
    """Return the pixels of a cube that lie in bounds [m]."""
    a, b, west, d, e, north = cube.attrs["transform"]
    rows = slice(max(round((bounds[3] - north) / e), 0), max(round((bounds[1] - north) / e), 0))
    columns = slice(max(round((bounds[0] - west) / a), 0), max(round((bounds[2] - west) / a), 0))
    moved = (a, b, west + a * columns.start, d, e, north + e * rows.start)
    return cube.isel(y=rows, x=columns).assign_attrs(transform=moved)


def inner_of(cube: Cube) -> BaseGeometry:
    """Return the ground of a cube less a rim of 20 m, EPSG:4326."""
    _, _, west, _, _, north = cube.attrs["transform"]
    south, east = north - 10 * cube.sizes["y"], west + 10 * cube.sizes["x"]
    return project(box(west + 20, south + 20, east - 20, north - 20), cube.attrs["crs"], "EPSG:4326")


@contextmanager
def in_memory(county: made.County) -> Iterator[None]:
    """Let the walk take its windows from a county in memory, which is not read again for every square.

    One season's axes serve every size of square: those of the whole county.
    """

    def window(source: Any, shape: BaseGeometry, _job: Job) -> Cube:
        inner = shape.intersection(box(*source.bounds))
        if inner.is_empty:
            raise PlotPlaceError("lies outside")
        west, south, east, north = project(inner, "EPSG:4326", county.cube.attrs["crs"]).bounds
        snapped = (west // 60 * 60 - 60, south // 60 * 60 - 60, east // 60 * 60 + 120, north // 60 * 60 + 120)
        cube = window_of(county.cube, snapped)
        if not (cube.sizes["y"] and cube.sizes["x"]):
            raise PlotPlaceError("lies outside")
        return cube

    axes = learn_axes([county.cube])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(walk, "_window", window)
        patched.setattr(walk, "learn_axes", lambda _windows: axes)
        yield


def in_squares(job: Job, side_m: float) -> list[Square]:
    """Walk over an area in squares of another size."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(walk, "SIDE_M", side_m)
        return list(delineate(job))


def all_of(squares: list[Square]) -> list[Found]:
    """Return the fields of all squares."""
    return [one for square in squares for one in square.fields]
