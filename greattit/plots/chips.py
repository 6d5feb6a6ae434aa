"""Field patches out of a .npz: counts of one composite around one surveyed field, as cubes: `patches`.

The counts (uint8, scale not stated) are taken as 255ths of a reflectance; they serve shapes, not spectra.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

NEEDED = ("patch", "mask", "chip", "bands")
"""Arrays that the file must hold."""

CRS = "EPSG:32644"
"""Patches do not say where they lie; they are put side by side on this grid (UTM 44 north, India)."""

WEST_M, NORTH_M, PIXEL_M = 500_000.0, 2_900_000.0, 10.0


@dataclass(frozen=True, eq=False)
class Patch:
    """One surveyed field and the ground around it, which nobody surveyed."""

    id: str
    """its sample's name, or its place in the file"""
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
    arrays = _arrays(file)
    names = [str(name) for name in arrays["bands"]]
    ids = arrays.get("sample", np.arange(len(arrays["mask"])))
    for place in range(len(arrays["mask"])) if chosen is None else chosen.tolist():
        mask = arrays["mask"][place]
        shape = _outline(mask)
        if shape is None:
            continue
        cube = _cube(arrays["patch"][place], names)
        yield Patch(str(ids[place]), str(arrays["chip"][place]), cube, mask, shape)


def chips_of(file: Path) -> NDArray[Any]:
    """Return the chip (patch,) of every patch of the file, as text. Raises `DatasetError`."""
    return np.asarray(_arrays(file)["chip"]).astype(str)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as held:
            lacking = [name for name in NEEDED if name not in held.files]
            if lacking:
                raise DatasetError(
                    f"lacks {', '.join(lacking)}", subject=str(file), remedy=f"give a .npz with {', '.join(NEEDED)}"
                )
            arrays = {name: held[name] for name in (*NEEDED, *(n for n in ("sample",) if n in held.files))}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"cannot be read: {error}", subject=str(file), remedy="give a .npz of patches") from error
    patch, mask = arrays["patch"], arrays["mask"]
    if patch.ndim != 4 or patch.shape[1] != len(arrays["bands"]) or mask.shape != (len(patch), *patch.shape[2:]):
        raise DatasetError(
            f"patch {patch.shape}, mask {mask.shape} and {len(arrays['bands'])} bands do not fit each other",
            subject=str(file),
            remedy="patch is (n, band, y, x), mask (n, y, x)",
        )
    return arrays


def _cube(counts: NDArray[np.uint8], names: list[str]) -> Cube:
    import xarray as xr

    height, width = counts.shape[1:]
    clear = (counts != 0).any(axis=0)[None]
    values = np.where(clear, counts.astype(np.float32) / np.float32(255), np.float32(np.nan))
    return xr.Dataset(
        {name: (("time", "y", "x"), values[[k]]) for k, name in enumerate(names)}
        | {"clear": (("time", "y", "x"), clear)},
        coords={
            "time": np.array(["2022-03-01"], "datetime64[ns]"),
            "y": NORTH_M - PIXEL_M * (np.arange(height) + 0.5),
            "x": WEST_M + PIXEL_M * (np.arange(width) + 0.5),
        },
        attrs={
            "crs": CRS,
            "transform": (PIXEL_M, 0.0, WEST_M, 0.0, -PIXEL_M, NORTH_M),
            "cube_id": "",
            "warnings": (),
            "attribution": "",
            "simulated": False,
        },
    )


def _outline(mask: NDArray[np.bool_]) -> BaseGeometry | None:
    from rasterio.features import shapes
    from rasterio.transform import Affine
    from shapely.geometry import shape
    from shapely.ops import unary_union

    place = Affine(PIXEL_M, 0.0, WEST_M, 0.0, -PIXEL_M, NORTH_M)
    found = [shape(geometry) for geometry, _ in shapes(mask.astype(np.uint8), mask, transform=place)]
    return unary_union(found) if found else None
