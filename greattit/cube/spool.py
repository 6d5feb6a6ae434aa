"""Products decoded once, verbatim, into plain files beside the cube: what an interrupted ingest finds again.

A product's planes are files of raw counts; `product.json` is written last, by an atomic rename: all are whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.decode import Grid, Reading, extent, plane
from greattit.cube.lattice import PIXEL_M, Window
from greattit.cube.passes import version
from greattit.cube.store import FINE
from greattit.tiles.fetch import again
from greattit.tiles.scene import Asset, Scene

_Plane = tuple[NDArray[Any] | None, dict[str, Any]]


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
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """bands that are kept in memory and have no file"""

    def rows(self, band: str, top: int, bottom: int) -> NDArray[Any]:
        """Read rows `top`..`bottom` [10 m pixels of the lattice] of a band, as counts (y, x) of its own pixel."""
        plane = self.planes[band]
        step = int(plane["pixel_m"]) // PIXEL_M
        columns = self.window.shape[1] // step
        kind = np.dtype(plane["dtype"])
        first, count = (top - self.window.top) // step, (bottom - top) // step
        if band in self.arrays:
            return self.arrays[band][first : first + count]
        with (self.folder / f"{band}.raw").open("rb") as file:
            file.seek(first * columns * kind.itemsize)
            return np.fromfile(file, kind, count * columns).reshape(count, columns)

    def sketch(self, band: str, most: int = 512) -> NDArray[Any]:
        """Read every n-th row and column of a band, at most about `most` a side, as counts."""
        plane = self.planes[band]
        step = int(plane["pixel_m"]) // PIXEL_M
        shape = self.window.shape[0] // step, self.window.shape[1] // step
        whole = self.arrays.get(band)
        if whole is None:
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


def spool(scene: Scene, window: Window, crs: str, home: Path, reading: Reading) -> Planes | None:
    """Decode the part of a product inside `window`, or find it decoded; None when the product does not reach there.

    `home` is the spool's folder. Raises `SceneError` when a band cannot be had, `CubeError` when the disk is full.
    """
    folder = home / _key(scene, window, crs)
    ready = folder / "product.json"
    if not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        name = next(name for name in (*FINE, *scene.assets) if name in scene.assets)
        reach, native = again(lambda: extent(scene, scene.assets[name], crs, reading.signer), scene.id)
        part = reach.meet(window)
        if part is not None and reading.in_memory and _here(scene):
            found = _decode(scene, part, crs, reading, None)
            arrays = {name: array for name, (array, _) in found.items() if array is not None}
            return Planes(scene, part, folder, {name: said for name, (_, said) in found.items()}, native, arrays)
        folder.mkdir(parents=True)
        planes = {name: said for name, (_, said) in _decode(scene, part, crs, reading, folder).items()} if part else {}
        bounds = [part.top, part.left, part.bottom, part.right] if part else None
        draft = folder / "product.draft"
        draft.write_text(json.dumps({"window": bounds, "planes": planes, "native": native}))
        draft.replace(ready)
    said = json.loads(ready.read_text())
    return Planes(scene, Window(*said["window"]), folder, said["planes"], said["native"]) if said["window"] else None


def _here(scene: Scene) -> bool:
    return all("://" not in asset.href for asset in scene.assets.values())


def _key(scene: Scene, window: Window, crs: str) -> str:
    assets = sorted((name, asset.href.partition("?")[0], asset.band) for name, asset in scene.assets.items())
    return hashlib.sha256(repr((version(scene), window, crs, assets)).encode()).hexdigest()[:24]


def _decode(scene: Scene, part: Window, crs: str, reading: Reading, folder: Path | None) -> dict[str, _Plane]:
    """Decode all bands; each begins anew when it fails on the way."""

    def one(item: tuple[str, Asset]) -> tuple[str, _Plane]:
        name, asset = item
        grid = Grid(part, crs, PIXEL_M if name in FINE else 2 * PIXEL_M)
        file = folder / f"{name}.raw" if folder else None
        return name, again(lambda: plane(scene, asset, grid, reading, file), f"{name} of {scene.id}")

    with ThreadPoolExecutor(reading.workers) as pool:
        return dict(pool.map(one, sorted(scene.assets.items())))


def drop(planes: Planes) -> None:
    """Delete the files of one product."""
    shutil.rmtree(planes.folder, ignore_errors=True)
