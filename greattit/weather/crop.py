"""What a crop drinks and how deep it roots: the numbers of policy/water.yaml for one crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from greattit import policy
from greattit.errors import PolicyError


@dataclass(frozen=True)
class CropWater:
    """The water figures of one crop, as FAO-56 tables them."""

    kc_ini: float
    """[1] crop coefficient while the ground is mostly bare, FAO-56 table 12"""
    kc_mid: float
    """[1] crop coefficient of the full canopy, FAO-56 table 12"""
    kc_end: float
    """[1] crop coefficient at harvest, FAO-56 table 12"""
    root_m: float
    """[m] depth of the full-grown root zone, FAO-56 table 22"""
    p: float
    """[1] share of the available water that is drunk without stress at 5 mm/day, FAO-56 table 22"""
    height_m: float
    """[m] highest stand, FAO-56 table 12"""
    first_root_m: float = 0.3
    """[m] depth of the root zone at the start"""
    initial: float = 0.3
    """[1] share of the way from start to peak with kc_ini"""
    full: float = 0.7
    """[1] share of the way from start to peak from which on kc_mid and the full root depth hold"""
    held: float = 0.45
    """[1] share of the way from peak to end up to which kc_mid holds"""
    source: str = ""
    """where the numbers come from, e.g. the policy's path and day"""


def crop_water(names: Sequence[str], *, on: date) -> CropWater:
    """Return the water figures of the first of `names` that policy/water.yaml knows on a day.

    `names` is a crop and then its coarser names, nearest first, as `(crop, *greattit.crops.taxonomy.ancestors(crop))`.
    Raises `PolicyError` when none of them is known.
    """
    rules = policy.load("water").on(on)
    crops: Any = rules["crops"]
    found = next((name for name in names if name in crops), None)
    if found is None:
        raise PolicyError(
            f"no water figures for {names[0] if names else 'no crop'} nor for a coarser name of it",
            subject="policy/water/crops",
            remedy="add the crop to water.yaml with its source",
        )
    leaf = crops.rule(found)
    stages = rules.rule("stages").value
    figures = dict(leaf.value)
    if figures.pop("perennial", False):
        stages = {**stages, "first_root_m": figures["root_m"]}
    return CropWater(**figures, **stages, source=leaf.source)
