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

    def window(self, crs: str, bounds: tuple[float, float, float, float]) -> Window | None:
        """Return the window of whole pixels that is exactly `bounds`; None when there is none inside this raster."""
        own = self.transform
        if self.crs != crs or own.b or own.d or own.e >= 0:
            return None
        edges = (
            (bounds[0] - own.c) / own.a,
            (bounds[3] - own.f) / own.e,
            (bounds[2] - own.c) / own.a,
            (bounds[1] - own.f) / own.e,
        )
        left, top, right, bottom = (round(edge) for edge in edges)
        whole = all(abs(edge - round(edge)) < _NEAR for edge in edges)
        if not whole or left < 0 or top < 0 or right > self.shape[1] or bottom > self.shape[0]:
            return None
        return Window(left, top, right - left, bottom - top)

    def read(self, window: Window) -> NDArray[Any]:
        """Return the counts (y, x) of a window."""
        if self.counts is not None:
            return self.counts[
                window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width
            ]
        with rasterio.open(self.path) as source:
            return np.asarray(source.read(1, window=window))


def open_raster(path: str) -> Raster:
    """Open a GeoTIFF; raises what rasterio raises when it is missing or broken."""
    stat = Path(path).stat()
    return _opened(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _opened(path: str, changed_ns: int, size: int) -> Raster:
    with rasterio.open(path) as source:
        counts = source.read(1) if max(source.height, source.width) <= WHOLE_PX else None
        crs = source.crs.to_string() if source.crs else ""
        return Raster(path, crs, source.transform, (source.height, source.width), source.nodata, counts)
