"""What a true field and a found object add to the figures: `Asked`, `Given`; and the seam that methods plug into."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube, Plot

HIT = 0.5
"""Least intersection over union of a found outline and the true field for it to count as found."""

WIDER = 1.6449 / 1.2816
"""Half width of a 90 % interval over that of an 80 % one, for a normal error."""


class FoundField(Protocol):
    """What a method that needs no drawing finds; `area_ha` and `area_90_ha` as in `Outlined` are heard where given."""

    @property
    def geometry(self) -> BaseGeometry:
        """Outline in the cube's CRS [m]."""

    @property
    def confidence(self) -> float:
        """Higher is surer; where two objects overlap the ground counts for the surer one."""


class CutField(Protocol):
    """What a cutter gives; `area_ha` and `area_90_ha` as in `Outlined` are heard where given."""

    @property
    def outline(self) -> BaseGeometry:
        """Outline in EPSG:4326."""


Finder = Callable[["Cube"], Sequence[FoundField]]
"""A method that finds all fields of a cube without a drawing."""

Cutter = Callable[["Plot", "Cube"], CutField]
"""A method that cuts the field out of a cube that a drawing means."""


@dataclass(frozen=True, eq=False)
class Found:
    """One object found without a drawing."""

    geometry: BaseGeometry
    """outline in the cube's CRS [m]"""
    confidence: float = 1.0
    """higher is surer"""


@dataclass(frozen=True, eq=False)
class Outlined:
    """One field cut out, without an interval of its area."""

    outline: BaseGeometry
    """EPSG:4326"""


@dataclass(frozen=True)
class Asked:
    """One true field, or one drawing of it, and what came of it."""

    id: str
    """of the field"""
    group: str
    """what is drawn whole for intervals"""
    true_ha: float
    """geodesic [ha]"""
    whole: bool
    """False: it counts in the extent only"""
    hit: bool
    """found, with an intersection over union of HIT or more"""
    common_ha: float
    """[ha] of it that was found: where all ground is known by any object, else by the one given for it"""
    joint_ha: float
    """[ha] of it, where all ground is known (`Given.beyond_ha` holds the rest); else of its union with the one given"""
    ground_ha: float
    """[ha] of it on the cube's grid"""
    covered_ha: float
    """[ha] of it that any object covers"""
    ratio: float
    """measured area over the true one [1]; NaN when nothing was measured"""
    within_80: bool | None
    """the true area lies in the 80 % interval; None without one"""
    within_90: bool | None
    """the same of the 90 % interval"""
    seconds: float = math.nan
    """[s] that the method took for it"""


@dataclass(frozen=True)
class Given:
    """One object that a method gave and that counts in precision."""

    group: str
    """what is drawn whole for intervals"""
    size_ha: float
    """decides its class of size: the true area of the field it hit, else its own [ha]"""
    hit: bool
    """stands for a true field, with an intersection over union of HIT or more"""
    beyond_ha: float
    """[ha] of it on ground that is known to be no field"""


def intervals_of(thing: Any) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return the 80 % and the 90 % interval of the area [ha] that an answer gives; None where it gives none.

    `area_ha` is an `Interval`, `area_90_ha` a pair of the 5 and 95 % quantiles; without the latter the former is made
    wider as for a normal error.
    """
    known = getattr(thing, "area_ha", None)
    eighty = (float(known.p10), float(known.p90)) if known is not None else None
    ninety = getattr(thing, "area_90_ha", None)
    if ninety is not None:
        return eighty, (float(ninety[0]), float(ninety[1]))
    if known is None:
        return None, None
    return eighty, (known.p50 - WIDER * (known.p50 - known.p10), known.p50 + WIDER * (known.p90 - known.p50))


def within(true_ha: float, interval: tuple[float, float] | None) -> bool | None:
    """Return whether an interval holds the true area; None without one."""
    return None if interval is None else interval[0] <= true_ha <= interval[1]
