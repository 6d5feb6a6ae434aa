"""One band of one product, decoded strip by strip onto the cube's lattice, as the product's own counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.lattice import PIXEL_M, Window, around
from greattit.errors import CubeError
from greattit.tiles.scene import Asset, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from rasterio import DatasetReader

    from greattit.tiles.fetch import Signs

STRIP_PX = 1024
"""Least rows decoded at once: the height of a block of the usual products."""

ALIGN_M = 20
"""The window of a product begins and ends on whole 20 m pixels."""

Strip = Callable[[int, int, NDArray[Any] | None], NDArray[Any]]
"""Reads rows first..last of a grid, into an array where one is given."""


@dataclass(frozen=True)
class Reading:
    """How products are read."""

    workers: int = 4
    """bands at the same time"""
    progress: Callable[[int], None] = lambda size: None
    """called with the number of bytes just decoded"""
    signer: Signs | None = None
    """signs the addresses of providers that ask for it"""
    in_memory: bool = False
    """keep what lies on this machine in memory, for it is soon decoded again"""


@dataclass(frozen=True)
class Grid:
    """A window of the lattice in pixels of one size."""

    window: Window
    """the window"""
    crs: str
    """of the lattice"""
    pixel_m: int
    """10 or 20"""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        step = self.pixel_m // PIXEL_M
        return self.window.shape[0] // step, self.window.shape[1] // step


def extent(scene: Scene, asset: Asset, crs: str, signer: Signs | None) -> tuple[Window, bool]:
    """Return the part of the lattice that a raster covers, and whether it is in the lattice's CRS."""
    from rasterio.warp import transform_bounds

    from greattit.tiles.fetch import opened

    with opened(asset, scene, signer=signer) as source:
        bounds, native = tuple(source.bounds), source.crs.to_string() == crs
        if not native:
            bounds = transform_bounds(source.crs, crs, *bounds)
    return around(bounds, multiple_m=ALIGN_M), native


def plane(
    scene: Scene, asset: Asset, grid: Grid, reading: Reading, file: Path | None
) -> tuple[NDArray[Any] | None, dict[str, Any]]:
    """Decode one band into `file`, or into memory when there is none; and what its counts are.

    Raises `SceneError` when the band cannot be had, `CubeError` when the file cannot be written.
    """
    from greattit.tiles.fetch import opened

    with opened(asset, scene, signer=reading.signer) as source:
        said = source.nodata if source.nodata is not None else asset.nodata
        kind = np.dtype(source.dtypes[asset.band - 1])
        nodata = said if said is not None else (float("nan") if kind.kind == "f" else 0.0)
        strip = _strips(source, asset.band, grid, nodata, average=scene.sensor == "s1")
        height = max(STRIP_PX, source.block_shapes[asset.band - 1][0]) * PIXEL_M // grid.pixel_m // 2 * 2
        rows = grid.shape[0]
        tops = [(top, min(top + height, rows)) for top in range(0, rows, height)]
        whole = None if file else np.empty(grid.shape, kind)
        if whole is not None:
            for top, bottom in tops:
                reading.progress(strip(top, bottom, whole[top:bottom]).nbytes)
        elif file is not None:
            kind = _to_file(strip, tops, file, reading)
    return whole, {
        "dtype": kind.str,
        "nodata": nodata if np.isfinite(nodata) else None,
        "pixel_m": grid.pixel_m,
    }


def _to_file(strip: Strip, tops: list[tuple[int, int]], file: Path, reading: Reading) -> np.dtype[Any]:
    kind: np.dtype[Any] = np.dtype("uint16")
    try:
        out = file.open("wb")
    except OSError as error:
        raise _full(file, error) from error
    with out:
        for top, bottom in tops:
            counts = strip(top, bottom, None)
            kind = counts.dtype
            try:
                out.write(np.ascontiguousarray(counts).data)
            except OSError as error:
                raise _full(file, error) from error
            reading.progress(counts.nbytes)
    return kind


def _full(file: Path, error: OSError) -> CubeError:
    return CubeError(
        f"cannot be written ({error.strerror})",
        subject=str(file),
        remedy="free some space, or ingest a smaller area at a time; the same command goes on where it was",
    )


def _strips(source: DatasetReader, band: int, grid: Grid, nodata: float, *, average: bool) -> Strip:
    """Return what reads strips of the grid: straight when the pixels are the lattice's own, else warped."""
    own, size = source.transform, grid.pixel_m
    left, up = (grid.window.bounds[0] - own.c) / own.a, (own.f - grid.window.bounds[3]) / own.a
    here = source.crs.to_string() == grid.crs
    straight = here and (own.a, own.e, own.b, own.d) == (size, -size, 0, 0)
    if straight and abs(left - round(left)) < 1e-6 and abs(up - round(up)) < 1e-6:
        return lambda top, bottom, out: _direct(source, band, (round(up) + top, round(left)), out, (bottom - top, grid))
    finer = average and here and own.a < size
    return lambda top, bottom, out: _put(_warped(source, band, grid, (top, bottom), (nodata, finer)), out)


def _direct(
    source: DatasetReader, band: int, corner: tuple[int, int], out: NDArray[Any] | None, size: tuple[int, Grid]
) -> NDArray[Any]:
    """Read a rectangle whose pixels are the raster's own; `extent` has seen to it that none lies outside."""
    from rasterio.windows import Window as Rectangle

    rectangle = Rectangle(corner[1], corner[0], size[1].shape[1], size[0])
    return np.asarray(source.read(band, window=rectangle, out=out))


def _warped(
    source: DatasetReader, band: int, grid: Grid, rows: tuple[int, int], how: tuple[float, bool]
) -> NDArray[Any]:
    """Warp to the lattice by nearest neighbour; finer radar is averaged."""
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.vrt import WarpedVRT

    west, north = grid.window.bounds[0], grid.window.bounds[3] - rows[0] * grid.pixel_m
    with WarpedVRT(
        source,
        crs=grid.crs,
        transform=Affine(grid.pixel_m, 0, west, 0, -grid.pixel_m, north),
        height=rows[1] - rows[0],
        width=grid.shape[1],
        resampling=Resampling.average if how[1] else Resampling.nearest,
        src_nodata=how[0],
        nodata=how[0],
    ) as view:
        return np.asarray(view.read(band))


def _put(counts: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    if out is not None:
        out[...] = counts
    return counts
