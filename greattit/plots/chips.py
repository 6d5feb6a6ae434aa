"""Field patches out of a .npz: counts of one composite around one surveyed field, as cubes: `patches`.

The counts (uint8, scale not stated) are taken as 255ths of a reflectance; they serve shapes, not spectra.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import DatasetError
from greattit.types import BANDS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

NEEDED = {"patch": 4, "mask": 3, "chip": 1, "bands": 1}
"""array of a patches file -> its dimensions"""

LEAST = ("B02", "B03", "B04", "B08")
"""bands without which no field is found"""

CRS, CORNER, PIXEL_M = "EPSG:32644", (500_000.0, 2_900_000.0), 10.0
"""made-up place of every patch: upper left corner [m]; the file does not say where they lie"""

PLACE = (PIXEL_M, 0.0, CORNER[0], 0.0, -PIXEL_M, CORNER[1])
"""the same as a transform"""

SEEN_ON = datetime(2022, 2, 1)
"""made-up day of every composite: the files do not say"""

GROUND = 5
"""class of the scene classification given to all that was seen (not vegetated), as no cloud is told"""


@dataclass(frozen=True, eq=False)
class Patch:
    """One surveyed field and the ground around it, which nobody surveyed."""

    chip: str
    """the chip it was taken from: patches of one chip belong together"""
    cube: Cube
    """(1, y, x): the only look"""
    mask: NDArray[np.bool_]
    """(y, x) the surveyed field"""
    field: BaseGeometry
    """outline of the mask [m, CRS]; it follows the pixels"""


def patches(file: Path, chosen: NDArray[np.int64] | None = None) -> Iterator[Patch]:
    """Give the patches of a .npz as ../shared/data/chips/agrifieldnet-india/README.md describes it, in its order.

    `chosen` are places in the file; default: all. Patches without a pixel of field are left out. Raises `DatasetError`.
    """
    arrays = read_arrays(file)
    names = [str(name) for name in arrays["bands"]]
    for place in range(len(arrays["mask"])) if chosen is None else chosen.tolist():
        mask = arrays["mask"][place]
        shape = _outline(mask)
        if shape is not None:
            yield Patch(str(arrays["chip"][place]), cube_of(arrays["patch"][place], names), mask, shape)


def chips_of(file: Path) -> NDArray[Any]:
    """Return the chip (patch,) of every patch of the file, as text. Raises `DatasetError`."""
    return np.asarray(read_arrays(file)["chip"]).astype(str)


def cube_of(counts: NDArray[np.uint8], bands: list[str], transform: tuple[float, ...] = PLACE, crs: str = CRS) -> Cube:
    """Return counts (band, y, x) as a cube of one look: count / 255 as if reflectance, NaN where all counts are 0.

    The scale of the counts is not known, so that nothing but contrast may be read off such a cube.
    """
    from rasterio.transform import Affine

    from greattit.tiles.assemble import assemble

    seen = counts.any(axis=0)
    values = np.where(seen, counts.astype(np.float32) / np.float32(255), np.nan).astype(np.float32)
    stacks: dict[str, Any] = {name: values[bands.index(name)][None] for name in BANDS if name in bands}
    stacks["scl"] = np.where(seen, GROUND, 0).astype(np.uint8)[None]
    attributes = {"warnings": (), "attribution": "", "simulated": False}
    return assemble(stacks, ((("patch", SEEN_ON),), ()), (crs, Affine(*transform)), attributes)


def _outline(mask: NDArray[np.bool_]) -> BaseGeometry | None:
    from rasterio.features import shapes
    from rasterio.transform import Affine
    from shapely.geometry import shape
    from shapely.ops import unary_union

    found = [shape(geometry) for geometry, _ in shapes(mask.astype(np.uint8), mask, transform=Affine(*PLACE))]
    return unary_union(found) if found else None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of NEEDED, checked against each other. Raises `DatasetError`."""
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DatasetError("is not a .npz, or was cut short", subject=str(path))
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            found = {name: arrays[name] for name in NEEDED if name in arrays.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"cannot be read as .npz without pickle: {error}", subject=str(path)) from error
    _refuse(found, str(path))
    return found


def _refuse(found: Mapping[str, NDArray[Any]], path: str) -> None:
    """Raise `DatasetError` for anything but what a patches file must hold."""
    for name, dimensions in NEEDED.items():
        if name not in found:
            raise DatasetError(f"has no array {name!r}", subject=path, remedy=f"it needs {', '.join(NEEDED)}")
        if found[name].ndim != dimensions:
            raise DatasetError(f"{name} has {found[name].ndim} dimensions, not {dimensions}", subject=path)
    patch, mask = found["patch"], found["mask"]
    if patch.dtype != np.uint8 or mask.dtype != np.bool_:
        raise DatasetError(f"patch is {patch.dtype} and mask {mask.dtype}, not uint8 and bool", subject=path)
    count, bands, height, width = patch.shape
    shapes = {"mask": (count, height, width), "chip": (count,), "bands": (bands,)}
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise DatasetError(f"{name} is {found[name].shape}, where patch asks for {shape}", subject=path)
    if lacking := [band for band in LEAST if band not in found["bands"]]:
        raise DatasetError(f"lacks the bands {', '.join(lacking)}", subject=path)
