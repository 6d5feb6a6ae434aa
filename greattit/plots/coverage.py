"""Exact pixel membership: the share of each pixel that a shape covers, as one sparse matrix (shapes x pixels)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def project(geometry: BaseGeometry, source: str, target: str) -> BaseGeometry:
    """Return `geometry` in another CRS; codes as "EPSG:4326", coordinates as x (lon), y (lat)."""
    import shapely

    def move(points: Any) -> Any:
        return np.column_stack(_transformer(source, target).transform(points[:, 0], points[:, 1]))

    return shapely.transform(geometry, move)


def coverage(shapes: Sequence[BaseGeometry], cube: Cube) -> sparse.csr_matrix:
    """Return the share 0-1 of each pixel inside each shape: (shape, y * x) float32.

    The shapes are in the cube's CRS. Parts outside the cube's window are not counted. Exact to rounding; vertex order
    and ring start change nothing (exactextract, Baston 2024).
    """
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource
    from shapely.geometry import mapping

    height, width = cube.sizes["y"], cube.sizes["x"]
    a, _, west, _, e, north = cube.attrs["transform"]
    grid = NumPyRasterSource(
        np.zeros((height, width), np.uint8), xmin=west, ymin=north + e * height, xmax=west + a * width, ymax=north
    )
    rows, columns, shares = [], [], []
    inside = [n for n, shape in enumerate(shapes) if not shape.is_empty]
    features = [{"type": "Feature", "properties": {}, "geometry": mapping(shapes[n])} for n in inside]
    for n, found in zip(
        inside, exact_extract(grid, features, ["cell_id", "coverage"]) if features else [], strict=True
    ):
        cells = np.asarray(found["properties"]["cell_id"], np.int64)
        rows.append(np.full(len(cells), n))
        columns.append(cells)
        shares.append(np.asarray(found["properties"]["coverage"], np.float32))
    if not rows:
        return sparse.csr_matrix((len(shapes), height * width), dtype=np.float32)
    where = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_matrix((np.concatenate(shares), where), shape=(len(shapes), height * width))
