"""Products decoded once, verbatim, into plain files beside the cube: what an interrupted ingest finds again.

A product's planes are files of raw counts; `product.json` is written last, by an atomic rename: all are whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.lattice import PIXEL_M, Window, around
from greattit.cube.passes import version
from greattit.cube.store import FINE
from greattit.tiles.scene import Asset, Scene

if TYPE_CHECKING:
    from rasterio import DatasetReader

STRIP_PX = 1024
"""Least rows decoded at once: the height of a block of the usual products."""

ALIGN_M = 20
"""The window of a product begins and ends on whole 20 m pixels."""

Progress = Callable[[int], None]
"""Called with the number of bytes just decoded."""


@dataclass(frozen=True)
class Planes:
    """One product, decoded."""

    scene: Scene
    """the product"""
    window: Window
    """what of the lattice it holds"""
    folder: Path
    """where the files lie"""
    planes: Mapping[str, Mapping[str, Any]]
    """band -> {"dtype", "nodata", "pixel_m"}"""
    native: bool
    """True when the product's pixels are the lattice's own"""

    def rows(self, band: str, top: int, bottom: int) -> NDArray[Any]:
        """Read rows `top`..`bottom` [10 m pixels of the lattice] of a band, as counts (y, x) of its own pixel."""
        plane = self.planes[band]
        step = int(plane["pixel_m"]) // PIXEL_M
        columns = self.window.shape[1] // step
        kind = np.dtype(plane["dtype"])
        first, count = (top - self.window.top) // step, (bottom - top) // step
        with (self.folder / f"{band}.raw").open("rb") as file:
            file.seek(first * columns * kind.itemsize)
            return np.fromfile(file, kind, count * columns).reshape(count, columns)

    def sketch(self, band: str, most: int = 512) -> NDArray[Any]:
        """Read every n-th row and column of a band, at most about `most` a side, as counts."""
        plane = self.planes[band]
        step = int(plane["pixel_m"]) // PIXEL_M
        shape = self.window.shape[0] // step, self.window.shape[1] // step
        whole = np.memmap(self.folder / f"{band}.raw", np.dtype(plane["dtype"]), "r", shape=shape)
        every = max(1, max(self.window.shape) // most // 2) * 2 // step
        return np.array(whole[:: max(every, 1), :: max(every, 1)])

    @cached_property
    def whole(self) -> bool:
        """True when the optical product sees every pixel of its window, as far as a sketch of one band tells."""
        band = next(
            (name for name in ("B04", *sorted(self.planes)) if name.startswith("B") and name in self.planes), ""
        )
        if not band:
            return False
        counts, nodata = self.sketch(band), self.planes[band]["nodata"]
        return bool(np.isfinite(counts).all() if nodata is None else (counts != nodata).all())


def spool(scene: Scene, window: Window, crs: str, home: Path, *, workers: int, progress: Progress) -> Planes | None:
    """Decode the part of a product inside `window`, or find it decoded; None when the product does not reach there.

    `home` is the spool's folder. Raises `SceneError` when a band cannot be had.
    """
    folder = home / _key(scene, window, crs)
    ready = folder / "product.json"
    if not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        part, native = _part(scene, window, crs)
        planes = _decode(scene, part, crs, folder, workers, progress) if part else {}
        bounds = [part.top, part.left, part.bottom, part.right] if part else None
        draft = folder / "product.draft"
        draft.write_text(json.dumps({"window": bounds, "planes": planes, "native": native}))
        draft.replace(ready)
    said = json.loads(ready.read_text())
    return Planes(scene, Window(*said["window"]), folder, said["planes"], said["native"]) if said["window"] else None


def _key(scene: Scene, window: Window, crs: str) -> str:
    assets = sorted((name, asset.href.partition("?")[0], asset.band) for name, asset in scene.assets.items())
    return hashlib.sha256(repr((version(scene), window, crs, assets)).encode()).hexdigest()[:24]


def _part(scene: Scene, window: Window, crs: str) -> tuple[Window | None, bool]:
    """Return the part of the window that the product's first band covers, and whether it is in the window's CRS."""
    from rasterio.warp import transform_bounds

    from greattit.tiles.fetch import opened

    name = next(name for name in (*FINE, *scene.assets) if name in scene.assets)
    with opened(scene.assets[name], scene) as source:
        extent, native = tuple(source.bounds), source.crs.to_string() == crs
        if not native:
            extent = transform_bounds(source.crs, crs, *extent)
    return around(extent, multiple_m=ALIGN_M).meet(window), native


def _decode(
    scene: Scene, part: Window, crs: str, folder: Path, workers: int, progress: Progress
) -> dict[str, dict[str, Any]]:
    def one(item: tuple[str, Asset]) -> tuple[str, dict[str, Any]]:
        name, asset = item
        pixel = PIXEL_M if name in FINE else 2 * PIXEL_M
        return name, _plane(scene, name, asset, (part, crs, pixel), folder, progress)

    with ThreadPoolExecutor(workers) as pool:
        return dict(pool.map(one, sorted(scene.assets.items())))


def _plane(
    scene: Scene, name: str, asset: Asset, grid: tuple[Window, str, int], folder: Path, progress: Progress
) -> dict[str, Any]:
    """Decode one band into its file, again from the start when it fails on the way."""
    from greattit.tiles.fetch import again

    file = folder / f"{name}.raw"

    def write() -> dict[str, Any]:
        with file.open("wb") as out:
            return _write(scene, asset, grid, out, progress)

    try:
        plane: dict[str, Any] = again(write, f"{name} of {scene.id}")
        return plane
    except BaseException:
        with suppress(OSError):
            file.unlink()
        raise


def _write(scene: Scene, asset: Asset, grid: tuple[Window, str, int], out: Any, progress: Progress) -> dict[str, Any]:
    from greattit.tiles.fetch import opened

    window, _, pixel = grid
    with opened(asset, scene) as source:
        said = source.nodata if source.nodata is not None else asset.nodata
        kind = np.dtype(source.dtypes[asset.band - 1])
        nodata = said if said is not None else (float("nan") if kind.kind == "f" else 0.0)
        strip = _strips(source, asset.band, grid, nodata, scene.sensor == "s1")
        height = max(STRIP_PX, source.block_shapes[asset.band - 1][0]) * PIXEL_M // pixel // 2 * 2
        rows = window.shape[0] * PIXEL_M // pixel
        for top in range(0, rows, height):
            counts = strip(top, min(top + height, rows))
            out.write(np.ascontiguousarray(counts, counts.dtype))
            kind = counts.dtype
            progress(counts.nbytes)
    return {"dtype": kind.str, "nodata": nodata if np.isfinite(nodata) else None, "pixel_m": pixel}


def _strips(
    source: DatasetReader, band: int, grid: tuple[Window, str, int], nodata: float, radar: bool
) -> Callable[[int, int], NDArray[Any]]:
    """Return what reads rows top..bottom of the grid: straight when the pixels are the lattice's own, else warped."""
    window, crs, pixel = grid
    own = source.transform
    columns = window.shape[1] * PIXEL_M // pixel
    west, north = window.left * PIXEL_M, window.transform().f
    left, up = (west - own.c) / own.a, (own.f - north) / own.a
    straight = (
        source.crs.to_string() == crs
        and (own.a, own.e, own.b, own.d) == (pixel, -pixel, 0, 0)
        and abs(left - round(left)) < 1e-6
        and abs(up - round(up)) < 1e-6
    )
    if straight:
        return lambda top, bottom: _direct(
            source, band, (round(up) + top, round(left)), (bottom - top, columns), nodata
        )
    finer = radar and source.crs.to_string() == crs and own.a < pixel
    return lambda top, bottom: _warped(source, band, grid, (top, bottom), nodata, average=finer)


def _direct(
    source: DatasetReader, band: int, corner: tuple[int, int], shape: tuple[int, int], nodata: float
) -> NDArray[Any]:
    from rasterio.windows import Window as Rectangle

    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom, right = min(corner[0] + shape[0], source.height), min(corner[1] + shape[1], source.width)
    kind = np.dtype(source.dtypes[band - 1])
    if bottom <= top or right <= left:
        return np.full(shape, nodata, kind)
    part = source.read(band, window=Rectangle.from_slices((top, bottom), (left, right)))
    if part.shape == shape:
        return np.asarray(part)
    whole = np.full(shape, nodata, kind)
    whole[top - corner[0] : bottom - corner[0], left - corner[1] : right - corner[1]] = part
    return whole


def _warped(
    source: DatasetReader,
    band: int,
    grid: tuple[Window, str, int],
    rows: tuple[int, int],
    nodata: float,
    *,
    average: bool,
) -> NDArray[Any]:
    """Warp to the lattice by nearest neighbour; finer radar is averaged."""
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.vrt import WarpedVRT

    window, crs, pixel = grid
    west, north = window.left * PIXEL_M, window.transform().f - rows[0] * pixel
    with WarpedVRT(
        source,
        crs=crs,
        transform=Affine(pixel, 0, west, 0, -pixel, north),
        height=rows[1] - rows[0],
        width=window.shape[1] * PIXEL_M // pixel,
        resampling=Resampling.average if average else Resampling.nearest,
        src_nodata=nodata,
        nodata=nodata,
    ) as view:
        return np.asarray(view.read(band))


def drop(planes: Planes) -> None:
    """Delete the files of one product."""
    shutil.rmtree(planes.folder, ignore_errors=True)
