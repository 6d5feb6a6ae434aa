"""Lessons for the network that cuts: a window, a sloppy drawing in it, and the share of each pixel that was meant."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError
from greattit.plots.drawing import draw_sloppily
from greattit.plots.made import FINE_PER_PIXEL, County
from greattit.plots.sight import FINE, look
from greattit.plots.sketch import asked

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

MARGIN_PX = 6
"""pixels around the drawing that the walk reads too: 60 m"""

LEAST_HA = 0.05
"""[ha] smallest field to learn from"""

PARTS = 5
"""Real chips are dealt to so many parts by their name: 0 is kept for the card's figures, 1 sets the intervals."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One drawing and what it meant."""

    seen: NDArray[np.float16]
    """(channel, y, x) as `sketch.asked` gives it"""
    share: NDArray[np.float16]
    """(y, x) 0-1 of each pixel that the field covers"""
    true_ha: float
    """area of the field [ha]"""
    drawn_ha: float
    """area of the drawing [ha]"""
    real: bool
    """whether a satellite saw it"""
    group: str
    """chip or county"""


def part_of(chip: str) -> int:
    """Return the part, 0 to PARTS - 1, that a chip belongs to; its name alone decides."""
    return zlib.crc32(chip.encode()) % PARTS


def from_county(county: County, group: str, rng: np.random.Generator, *, seasons: int = 3) -> Iterator[Lesson]:
    """Draw every whole field of a made county sloppily, in `seasons` seasons of fewer looks each."""
    shapes = field_shapes(county)
    for _ in range(seasons):
        cube = shortened(county.cube, rng)
        for number, shape in shapes.items():
            drawn = draw_sloppily(shape, int(rng.integers(2**31)))
            window = cut_out(cube, drawn)
            if window is None:
                continue
            part, rows, columns = window
            fine = county.numbers[
                rows.start * FINE_PER_PIXEL : rows.stop * FINE_PER_PIXEL,
                columns.start * FINE_PER_PIXEL : columns.stop * FINE_PER_PIXEL,
            ]
            lesson = _lesson(part, drawn, averaged(fine == number), shape.area / 1e4, real=False, group=group)
            if lesson is not None:
                yield lesson


def from_patches(file: Path, parts: set[int], rng: np.random.Generator, *, drawings: int = 1) -> Iterator[Lesson]:
    """Draw the surveyed field of every patch of a .npz (see `chips.patches`) whose chip is of `parts`."""
    from greattit.plots.chips import patches

    for patch in patches(file):
        if part_of(patch.chip) not in parts or patch.field.area < 1e4 * LEAST_HA:
            continue
        for _ in range(drawings):
            drawn = draw_sloppily(patch.field, int(rng.integers(2**31)))
            window = cut_out(patch.cube, drawn)
            if window is None:
                continue
            part, rows, columns = window
            share = patch.mask[rows, columns].astype(np.float32)
            lesson = _lesson(part, drawn, share, patch.field.area / 1e4, real=True, group=patch.chip)
            if lesson is not None:
                yield lesson


def _lesson(
    cube: Cube, drawn: BaseGeometry, share: NDArray[Any], true_ha: float, *, real: bool, group: str
) -> Lesson | None:
    seen = look(cube)
    if seen is None or share.sum() * 0.01 < 0.6 * true_ha:
        return None
    channels = asked(seen, drawn, cube)
    return Lesson(
        channels.astype(np.float16), share.astype(np.float16), true_ha, drawn.area / 1e4, real=real, group=group
    )


def field_shapes(county: County, *, whole: bool = True) -> dict[int, BaseGeometry]:
    """Return the outline [m, the cube's CRS] of every field by number; `whole`: only of those that no edge cuts."""
    from rasterio.features import shapes
    from rasterio.transform import Affine
    from shapely.geometry import shape

    a, b, west, d, e, north = county.cube.attrs["transform"]
    fine = Affine(a / FINE_PER_PIXEL, b, west, d, e / FINE_PER_PIXEL, north)
    edges = (county.numbers[0], county.numbers[-1], county.numbers[:, 0], county.numbers[:, -1])
    rim = set(np.concatenate(edges).tolist()) if whole else set()
    parts: dict[int, list[BaseGeometry]] = {}
    for geometry, number in shapes(county.numbers.astype(np.int32), county.numbers > 0, transform=fine):
        if int(number) not in rim:
            parts.setdefault(int(number), []).append(shape(geometry))
    largest = {number: max(found, key=lambda one: one.area) for number, found in parts.items()}
    return {number: found for number, found in sorted(largest.items()) if found.area >= 1e4 * LEAST_HA}


def averaged(cells: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean of each pixel's cells: (5 y, 5 x) to (y, x)."""
    height, width = cells.shape[0] // FINE_PER_PIXEL, cells.shape[1] // FINE_PER_PIXEL
    blocks = cells.reshape(height, FINE_PER_PIXEL, width, FINE_PER_PIXEL).mean(axis=(1, 3))
    return np.asarray(blocks, np.float32)


def cut_out(cube: Cube, drawn: BaseGeometry) -> tuple[Cube, slice, slice] | None:
    """Return the window around a drawing that the walk would read, with its rows and columns; None outside."""
    a, b, west, d, e, north = cube.attrs["transform"]
    low_x, low_y, high_x, high_y = drawn.bounds
    rows = slice(
        max(int((high_y - north) // e) - MARGIN_PX, 0), min(int((low_y - north) // e) + 1 + MARGIN_PX, cube.sizes["y"])
    )
    columns = slice(
        max(int((low_x - west) // a) - MARGIN_PX, 0), min(int((high_x - west) // a) + 1 + MARGIN_PX, cube.sizes["x"])
    )
    if rows.stop - rows.start < 3 or columns.stop - columns.start < 3:
        return None
    moved = (a, b, west + a * columns.start, d, e, north + e * rows.start)
    return cube.isel(y=rows, x=columns).assign_attrs(transform=moved), rows, columns


def shortened(cube: Cube, rng: np.random.Generator) -> Cube:
    """Return fewer looks of a year: up to a day, some by chance, those of one month, or all; seldom 8-bit counts."""
    count = cube.sizes["time"]
    months = cube["time"].values.astype("datetime64[M]")
    way = rng.random()
    if way < 0.45:
        last = int(rng.integers(count // 2, count + 1))
        kept = np.arange(count // 8, last)
    elif way < 0.65:
        kept = np.sort(rng.choice(count, int(rng.integers(3, count + 1)), replace=False))
    elif way < 0.85:
        share = cube["clear"].values.mean(axis=(1, 2))
        good = np.flatnonzero(share > 0.9)
        kept = np.array([rng.choice(good if len(good) else np.arange(count))])
        if rng.random() < 0.5:
            kept = np.flatnonzero(months == months[kept[0]])
    else:
        kept = np.arange(count)
    out = cube.isel(time=kept)
    return _counted(out, rng) if way >= 0.65 and rng.random() < 0.5 else out


def _counted(cube: Cube, rng: np.random.Generator) -> Cube:
    """Return the looks as 8-bit counts of an unknown stretch, with a haze."""
    out = cube.copy()
    for name in FINE:
        gain, lift = np.exp(rng.normal(0, 0.25)), abs(rng.normal(0, 0.03))
        out[name] = (
            cube[name].dims,
            (np.round(np.clip(cube[name].values * gain + lift, 0, 1) * 255) / 255).astype(np.float32),
        )
    return out


def check_patches(file: Path) -> None:
    """Raise `DatasetError` when the file is not there."""
    if not file.is_file():
        raise DatasetError("there is no such file", subject=str(file), remedy="name a .npz of field patches")
