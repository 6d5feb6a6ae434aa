"""Whole chips with some surveyed fields, as cubes: `chips`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError

if TYPE_CHECKING:
    from greattit.types import Cube

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""Bands of a chip's file, in their order."""


@dataclass(frozen=True, eq=False)
class Chip:
    """One chip: a composite of one season."""

    id: str
    cube: Cube
    """(1, y, x): the only look; counts taken as 255ths of a reflectance"""
    numbers: NDArray[np.uint16]
    """(y, x) id of the surveyed field; 0 was not surveyed"""


def chips(folder: Path) -> Iterator[Chip]:
    """Give the chips of a folder of CHIP.tif with CHIP_fields.tif, by name. Raises `DatasetError` when it has none."""
    import rasterio

    files = sorted(file for file in folder.glob("*.tif") if file.with_name(f"{file.stem}_fields.tif").is_file())
    if not files:
        raise DatasetError(
            "has no CHIP.tif beside a CHIP_fields.tif", subject=str(folder), remedy="name a folder of such chips"
        )
    for file in files:
        with rasterio.open(file) as source:
            counts, transform, crs = source.read(), tuple(source.transform)[:6], str(source.crs)
        with rasterio.open(file.with_name(f"{file.stem}_fields.tif")) as source:
            numbers = source.read(1)
        yield Chip(file.stem, _cube(counts, transform, crs), numbers)


def _cube(counts: NDArray[np.uint8], transform: tuple[float, ...], crs: str) -> Cube:
    import xarray as xr

    clear = (counts != 0).any(axis=0)[None]
    values = np.where(clear, counts.astype(np.float32) / np.float32(255), np.float32(np.nan))
    a, _, west, _, e, north = transform
    return xr.Dataset(
        {name: (("time", "y", "x"), values[[k]]) for k, name in enumerate(BANDS)}
        | {"clear": (("time", "y", "x"), clear)},
        coords={
            "time": np.array(["2022-03-01"], "datetime64[ns]"),
            "y": north + e * (np.arange(counts.shape[1]) + 0.5),
            "x": west + a * (np.arange(counts.shape[2]) + 0.5),
        },
        attrs={
            "crs": crs,
            "transform": transform,
            "cube_id": "",
            "warnings": (),
            "attribution": "",
            "simulated": False,
        },
    )
