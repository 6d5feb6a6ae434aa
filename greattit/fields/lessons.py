"""Lessons for the network that finds every field: what is seen, and where fields, their borders and middles are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.plots.lessons import PARTS, averaged, part_of, shortened
from greattit.plots.made import FINE_PER_PIXEL, County
from greattit.plots.sight import look

if TYPE_CHECKING:
    from greattit.types import Cube

REACH_PX = 4.0
"""[pixel] distance to the border from which on a pixel counts as the middle of its field"""

FULL = 0.95
"""A pixel of which one field has less than this share is border."""

MAPS = ("extent", "border", "middle")
"""What the network gives, in its order: share of the ground that is field; whether a field's border runs through the
pixel; distance to the border over REACH_PX."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One place in one season."""

    seen: NDArray[np.float16]
    """(channel, y, x) as `plots.sight.look` gives it"""
    truth: NDArray[np.float16]
    """(3, y, x): MAPS"""
    weight: NDArray[np.float16]
    """(3, y, x) how far the truth of each map is known: 0 is unknown ground"""
    group: str
    """chip or county"""


def from_county(county: County, group: str, rng: np.random.Generator, *, seasons: int = 3) -> Iterator[Lesson]:
    """Give a made county whole, in `seasons` seasons of fewer looks each."""
    truth = maps_of(county.numbers)
    for _ in range(seasons):
        seen = look(shortened(county.cube, rng))
        if seen is not None:
            yield Lesson(seen.astype(np.float16), truth, np.ones_like(truth), group)


def maps_of(numbers: NDArray[np.uint16]) -> NDArray[np.float16]:
    """Return the three maps (3, y, x) of a 2 m raster of field numbers (5 y, 5 x)."""
    from scipy.ndimage import distance_transform_edt

    edge = np.zeros(numbers.shape, bool)
    for axis in (0, 1):
        apart = np.diff(numbers.astype(np.int32), axis=axis) != 0
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        edge[tuple(first)] |= apart
        edge[tuple(second)] |= apart
    field = numbers > 0
    away = distance_transform_edt(~edge) / FINE_PER_PIXEL
    extent = averaged(field)
    middle = np.clip(averaged(np.where(field, away, 0.0)) / REACH_PX, 0, 1)
    border = (largest_share(numbers) < FULL) & (extent > 1 - FULL)
    return np.stack([extent, border, middle]).astype(np.float16)


def largest_share(numbers: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the share (y, x) of each pixel that its largest field has."""
    height, width = numbers.shape[0] // FINE_PER_PIXEL, numbers.shape[1] // FINE_PER_PIXEL
    cells = numbers.reshape(height, FINE_PER_PIXEL, width, FINE_PER_PIXEL).transpose(0, 2, 1, 3)
    flat = cells.reshape(height, width, FINE_PER_PIXEL**2)
    best = np.zeros((height, width), np.float32)
    for k in range(0, FINE_PER_PIXEL**2, 2):  # the number of every second cell is tried: a share above .1 is met
        one = flat[..., k : k + 1]
        best = np.maximum(best, np.where(one[..., 0] > 0, (flat == one).mean(axis=-1), 0.0))
    return best


def from_chips(folder: Path, parts: set[int]) -> Iterator[Lesson]:
    """Give whole chips with some surveyed fields each (see ../shared/data/chips/india-tiles/README.md).

    Ground that nobody surveyed is unknown. An outline that follows the pixels does not say whether the border runs
    through the field's last pixels or the next, so these count half.
    """
    from greattit.fields.chips import chips

    for chip in chips(folder):
        if part_of(chip.id) in parts:
            lesson = _sparse(chip.cube, chip.numbers, chip.id)
            if lesson is not None:
                yield lesson


def from_patches(file: Path, parts: set[int]) -> Iterator[Lesson]:
    """Give the patches of a .npz with one surveyed field each whose chip is of `parts`."""
    from greattit.plots.chips import chips_of, patches

    mine = np.array([place for place, chip in enumerate(chips_of(file)) if part_of(str(chip)) in parts])
    for patch in patches(file, mine):
        lesson = _sparse(patch.cube, patch.mask.astype(np.uint16), patch.chip)
        if lesson is not None:
            yield lesson


def _sparse(cube: Cube, numbers: NDArray[Any], group: str) -> Lesson | None:
    from scipy.ndimage import distance_transform_edt

    seen = look(cube)
    if seen is None:
        return None
    known = numbers > 0
    around = np.pad(numbers, 1)
    steps = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    rim = known & np.logical_or.reduce([step != numbers for step in steps])
    inner = known & ~rim
    away = np.where(known, distance_transform_edt(np.pad(inner, 1))[1:-1, 1:-1] + 0.5 * known, 0.0)
    truth = np.stack([known, rim, np.clip(away / REACH_PX, 0, 1)])
    weight = np.stack([known, inner + 0.5 * rim, known])
    return Lesson(seen.astype(np.float16), truth.astype(np.float16), weight.astype(np.float16), group)


__all__ = ["MAPS", "PARTS", "Lesson", "from_chips", "from_county", "from_patches", "maps_of"]
