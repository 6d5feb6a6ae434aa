"""Whole chips with some surveyed fields, as cubes: `chips`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError
from greattit.plots.chips import cube_of

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


def names(folder: Path) -> list[str]:
    """Return the names of the chips of a folder. Raises `DatasetError` when it has none."""
    files = sorted(file for file in folder.glob("*.tif") if file.with_name(f"{file.stem}_fields.tif").is_file())
    if not files:
        raise DatasetError(
            "has no CHIP.tif beside a CHIP_fields.tif", subject=str(folder), remedy="name a folder of such chips"
        )
    return [file.stem for file in files]


def chips(folder: Path) -> Iterator[Chip]:
    """Give the chips of a folder of CHIP.tif with CHIP_fields.tif, by name. Raises `DatasetError` when it has none."""
    import rasterio

    for name in names(folder):
        file = folder / f"{name}.tif"
        with rasterio.open(file) as source:
            counts, transform, crs = source.read(), tuple(source.transform)[:6], str(source.crs)
        with rasterio.open(file.with_name(f"{file.stem}_fields.tif")) as source:
            numbers = source.read(1)
        yield Chip(file.stem, cube_of(counts, list(BANDS), transform, crs), numbers)
