"""The fixed lattice that every cube of one UTM zone lies on, so that areas added later fall on the same pixels.

Row 0 is northing 10,000 km, column 0 is easting 0. A Sentinel-2 tile's corner is a multiple of 20 m, so its pixels are
the lattice's own and nothing is resampled. Only chunks that hold data exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio.transform import Affine
    from shapely.geometry.base import BaseGeometry

PIXEL_M = 10
"""Finest pixel [m]; the coarse arrays have 20 m."""

TOP_M, RIGHT_M = 10_000_000, 1_000_000
"""Northing of row 0, and easting of the last column's right edge [m]."""

CELL_PX = 128
"""Side of a cell, the part of the lattice that is one chunk [10 m pixels]: 1.28 km."""

SLOTS = 8
"""Looks in one chunk: a season of 40 looks is five chunks a cell."""

_CELL_M = CELL_PX * PIXEL_M


@dataclass(frozen=True, order=True)
class Window:
    """A part of the lattice, in 10 m pixels; the last row and column are excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of 10 m."""
        return self.bottom - self.top, self.right - self.left

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north [m]."""
        return (
            float(self.left * PIXEL_M),
            float(TOP_M - self.bottom * PIXEL_M),
            float(self.right * PIXEL_M),
            float(TOP_M - self.top * PIXEL_M),
        )

    def transform(self, pixel_m: int = PIXEL_M) -> Affine:
        """Pixel to CRS, for pixels of `pixel_m`."""
        from rasterio.transform import Affine

        west, _, _, north = self.bounds
        return Affine(pixel_m, 0, west, 0, -pixel_m, north)

    def meet(self, other: Window) -> Window | None:
        """Return the common part, or None."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Window(top, left, bottom, right) if top < bottom and left < right else None

    def join(self, other: Window) -> Window:
        """Return the smallest window that holds both."""
        return Window(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def cells(self) -> Iterator[tuple[int, int]]:
        """Yield the (row, column) of every cell that the window touches."""
        for row in range(self.top // CELL_PX, -(-self.bottom // CELL_PX)):
            for column in range(self.left // CELL_PX, -(-self.right // CELL_PX)):
                yield row, column


def around(bounds: tuple[float, float, float, float], *, multiple_m: int = _CELL_M) -> Window:
    """Return the window around west, south, east, north [m], widened to multiples of `multiple_m` of the lattice."""
    west, south, east, north = bounds
    step = multiple_m // PIXEL_M
    top, left = int((TOP_M - north) // multiple_m) * step, int(west // multiple_m) * step
    bottom, right = -int(-(TOP_M - south) // multiple_m) * step, -int(-east // multiple_m) * step
    top -= step * (
        TOP_M - top * PIXEL_M < north
    )  # the last digit of a northing is lost where it is counted from the top
    bottom += step * (TOP_M - bottom * PIXEL_M > south)
    return Window(max(top, 0), max(left, 0), min(bottom, TOP_M // PIXEL_M), min(right, RIGHT_M // PIXEL_M))


def cell_window(cell: tuple[int, int]) -> Window:
    """Return the pixels of one cell."""
    row, column = cell
    return Window(row * CELL_PX, column * CELL_PX, (row + 1) * CELL_PX, (column + 1) * CELL_PX)


def cells_of(area: BaseGeometry) -> frozenset[tuple[int, int]]:
    """Return the cells that an area (in the lattice's CRS) touches."""
    from shapely.geometry import box
    from shapely.prepared import prep

    touches = prep(area).intersects
    return frozenset(c for c in around(area.bounds).cells() if touches(box(*cell_window(c).bounds)))
