"""One GeoTIFF: a small one is decoded once and kept, of a large one only the window asked for is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from greattit.tiles.guard import check_header
from greattit.tiles.hrefs import driver
from greattit.tiles.scene import Asset

WHOLE_PX = 256
"""A raster of at most this many pixels a side is one block of a cloud-optimised GeoTIFF or less, so that any window
decodes all of it; it is kept. 4,096 such rasters of uint16 take 0.5 GB at the most."""

_NEAR = 1e-6  # of a pixel: edges closer than this to a pixel's edge lie on it


@dataclass(frozen=True, eq=False)
class Raster:
    """An opened GeoTIFF, as plain values."""

    path: str
    """its file"""
    crs: str
    """e.g. "EPSG:32631" """
    transform: Affine
    """pixel to CRS"""
    shape: tuple[int, int]
    """(rows, columns)"""
    nodata: float | None
    """the count that means "not seen" """
    counts: NDArray[Any] | None
    """(rows, columns) of a small raster; None for a large one"""

    def within(self, crs: str, bounds: tuple[float, float, float, float], fill: float) -> NDArray[Any] | None:
        """Return the counts (y, x) of exactly `bounds` (west, south, east, north), with `fill` outside this raster.

        None when the bounds are in another CRS or do not fall on this raster's pixels.
        """
        own = self.transform
        if self.crs != crs or own.b or own.d or own.e >= 0:
            return None
        edges = (
            (bounds[0] - own.c) / own.a,
            (bounds[3] - own.f) / own.e,
            (bounds[2] - own.c) / own.a,
            (bounds[1] - own.f) / own.e,
        )
        if any(abs(edge - round(edge)) > _NEAR for edge in edges):
            return None
        left, top, right, bottom = (round(edge) for edge in edges)
        rows = slice(max(top, 0), min(bottom, self.shape[0]))
        columns = slice(max(left, 0), min(right, self.shape[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return np.full((bottom - top, right - left), fill, np.float32)
        part = self._read(rows, columns)
        if part.shape == (bottom - top, right - left):
            return part
        whole = np.full((bottom - top, right - left), fill, np.result_type(part.dtype, np.float32))
        whole[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = part
        return whole

    def _read(self, rows: slice, columns: slice) -> NDArray[Any]:
        if self.counts is not None:
            return self.counts[rows, columns]
        with rasterio.open(self.path, driver=driver(self.path)) as source:
            return np.asarray(source.read(1, window=Window.from_slices(rows, columns)))


def open_raster(path: str) -> Raster:
    """Open a GeoTIFF; raises what rasterio raises when it is broken, `SceneError` when its header is not believable."""
    stat = Path(path).stat()
    return _opened(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _opened(path: str, changed_ns: int, size: int) -> Raster:
    with rasterio.open(path, driver=driver(path)) as source:
        check_header(source, Asset(path, 1.0, 0.0, None, None))
        counts = source.read(1) if max(source.height, source.width) <= WHOLE_PX else None
        crs = source.crs.to_string() if source.crs else ""
        return Raster(path, crs, source.transform, (source.height, source.width), source.nodata, counts)
