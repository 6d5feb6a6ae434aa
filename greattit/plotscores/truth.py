"""What is known of the ground: `Field`, `Place`; and the window of a place that one plot needs: `window_around`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.plots.area import area_ha
from greattit.plots.coverage import project
from greattit.tiles.read import COARSE_M, MARGIN_M, SNAP_M, TOP_M
from greattit.types import Plot

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

EVERYWHERE = "the whole window"
"""Truth is known of every place: what is no field is no field."""

FIELDS_ONLY = "labelled fields only"
"""Truth is known of the labelled fields; all other ground is unknown."""

BLOCKS = 5
"""A county is cut into so many blocks a side, which are drawn whole for intervals."""


@dataclass(frozen=True, eq=False)
class Field:
    """One true field."""

    id: str
    """unique in its source"""
    shape: BaseGeometry
    """Polygon or MultiPolygon in the cube's CRS [m], the part inside the window"""
    area_ha: float
    """geodesic area [ha]"""
    group: str
    """the spatial block or chip that is drawn whole for intervals"""
    whole: bool = True
    """False for a field that the window's edge cuts: an object on it is right, but it is not asked for"""


@dataclass(frozen=True, eq=False)
class Place:
    """One window with its season and its true fields."""

    cube: Cube
    """the season, `clear` as the walk sees it"""
    fields: tuple[Field, ...]
    """sorted by id"""
    complete: bool
    """True where all fields of the window are known; False where ground outside them is unknown"""

    @property
    def asked(self) -> tuple[Field, ...]:
        """The fields that should be found: those that lie whole in the window."""
        return tuple(field for field in self.fields if field.whole)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the window [m], in the cube's CRS."""
        return bounds_of(self.cube)


@dataclass(frozen=True)
class Told:
    """What a source says of itself, for whoever reads the figures."""

    name: str
    """of the catalogue or file"""
    day: str | None
    """looks up to this day were seen, ISO; None where the source has no dates"""
    simulated: bool
    """True when the ground is made"""
    known: str
    """EVERYWHERE or FIELDS_ONLY"""
    drawn_over: str
    """what is drawn whole for the intervals"""
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)
    """fields left out, by reason"""


def plot_of(field: Field, crs: str) -> Plot:
    """Return a true field as a surveyed plot (EPSG:4326)."""
    return Plot(field.id, project(field.shape, crs, "EPSG:4326"), field.area_ha)


def hectares(shape: BaseGeometry, crs: str) -> float:
    """Return the geodesic area [ha] of an area in a projected CRS."""
    return area_ha(project(shape, crs, "EPSG:4326")) if not shape.is_empty else 0.0


def ground_scale(cube: Cube) -> float:
    """Return geodesic hectares over hectares of the grid in the middle of the window [1]."""
    import shapely

    west, south, east, north = bounds_of(cube)
    x, y = (west + east) / 2, (south + north) / 2
    return hectares(shapely.box(x - 50, y - 50, x + 50, y + 50), cube.attrs["crs"])


def bounds_of(cube: Cube) -> tuple[float, float, float, float]:
    """Return west, south, east, north of the cube's window [m], in its own CRS."""
    a, _, west, _, e, north = cube.attrs["transform"]
    return west, north + e * cube.sizes["y"], west + a * cube.sizes["x"], north


def polygons_of(labels: NDArray[np.int32], transform: Sequence[float]) -> dict[int, BaseGeometry]:
    """Return the outline of each number of a raster (y, x), 0 left out; pixels that meet at a corner stay one field."""
    import shapely
    from rasterio.features import shapes
    from rasterio.transform import Affine

    parts: dict[int, list[Any]] = {}
    for shape, number in shapes(labels, mask=labels > 0, transform=Affine(*transform)):
        parts.setdefault(int(number), []).append(shapely.geometry.shape(shape))
    return {number: shapely.union_all(found) for number, found in sorted(parts.items())}


def blocks_of(points: Sequence[BaseGeometry], bounds: tuple[float, float, float, float]) -> list[str]:
    """Return the spatial block of each shape, by its centroid, in a net of BLOCKS x BLOCKS over the bounds."""
    west, south, east, north = bounds

    def step(value: float, low: float, high: float) -> int:
        return min(max(int(BLOCKS * (value - low) / (high - low)), 0), BLOCKS - 1)

    centres = [point.centroid for point in points]
    return [f"{step(c.x, west, east)}-{step(c.y, south, north)}" for c in centres]


def window_around(cube: Cube, bounds: tuple[float, float, float, float]) -> Cube:
    """Return the part of a large cube that the walk would read for a plot with these bounds [m, the cube's CRS].

    The margin and the net that the window's edges fall on are those of `greattit.tiles.read`; the large cube's own
    edges bound it.
    """
    a, _, left, _, e, top = cube.attrs["transform"]
    west, south, east, north = bounds
    first_x, first_y = left % COARSE_M, TOP_M + top % COARSE_M

    def down(value: float, origin: float) -> float:
        return origin + math.floor((value - origin) / SNAP_M) * SNAP_M

    columns = _steps((down(west - MARGIN_M, first_x) - left) / a, (down(east + MARGIN_M, first_x) + SNAP_M - left) / a)
    rows = _steps((down(north + MARGIN_M, first_y) + SNAP_M - top) / e, (down(south - MARGIN_M, first_y) - top) / e)
    return part_of(cube, rows, columns)


def _steps(first: float, last: float) -> slice:
    return slice(max(round(first), 0), max(round(last), 0))


def part_of(cube: Cube, rows: slice, columns: slice) -> Cube:
    """Return some rows and columns of a cube, with the transform that goes with them."""
    a, _, left, _, e, top = cube.attrs["transform"]
    transform = (a, 0.0, left + a * columns.start, 0.0, e, top + e * rows.start)
    return cube.isel(x=columns, y=rows).assign_attrs(transform=transform)
