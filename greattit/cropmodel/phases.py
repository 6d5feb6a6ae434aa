"""Thermal time as AquaCrop counts it, and the stages of many seasons at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.record import Floats, Plan

NEVER = -1
"""`Seasons.ripe_after` of a season that is not warm enough for long enough"""
STAGES = ("HIstart", "YldForm", "Senescence", "Maturity", "MaxRooting")
"""stages that an earlier variety reaches sooner"""
OF_PLAN = ("irrigated", "start_water", "thermal_share", "density_share", "cover_share")
OF_SOIL = ("wilting", "capacity", "saturation", "drainage_mm_day", "curve_number", "evaporable_mm")


@dataclass(frozen=True, eq=False)
class Fields:
    """n fields of one crop, column by column, each (n,): what `Plan` and `Soil` say of one, in their units."""

    irrigated: Floats
    """1 or 0"""
    start_water: Floats
    thermal_share: Floats
    density_share: Floats
    cover_share: Floats
    wilting: Floats
    capacity: Floats
    saturation: Floats
    drainage_mm_day: Floats
    curve_number: Floats
    evaporable_mm: Floats

    def __len__(self) -> int:
        return len(self.irrigated)

    @staticmethod
    def of(plans: Sequence[Plan]) -> Fields:
        """Return plans as columns."""
        columns = {name: np.array([float(getattr(one, name)) for one in plans]) for name in OF_PLAN}
        columns["start_water"] = np.array([one.water_at_sowing for one in plans])
        columns |= {name: np.array([float(getattr(one.soil, name)) for one in plans]) for name in OF_SOIL}
        return Fields(**columns)

    def take(self, which: NDArray[np.int64] | slice) -> Fields:
        """Return some of the fields."""
        return Fields(**{column.name: getattr(self, column.name)[which] for column in fields(self)})


@dataclass(frozen=True, eq=False)
class Seasons:
    """n seasons of one crop: daily weather (t, n), days first so that one day lies together, and the fields."""

    fields: Fields
    tmin: Floats
    """(t, n) [degC]"""
    tmax: Floats
    """(t, n) [degC]"""
    rain: Floats
    """(t, n) [mm]"""
    et0: Floats
    """(t, n) [mm]"""
    degree_days: Floats
    """(t, n) [degC day]"""
    heat: Floats
    """(t, n) [degC day] from sowing to the end of the day"""
    stage: Mapping[str, Floats]
    """(n,) [degC day] from sowing: STAGES, Emergence, HIend, "middle" of yield formation, "closed": the end of canopy
    growth, "full": the full canopy where nothing is wanting"""
    ripe_after: NDArray[np.int64]
    """(n,) [days]; NEVER where the season is too short or too cold"""

    def __len__(self) -> int:
        return len(self.ripe_after)


def degree_days(tmin: Floats, tmax: Floats, base: float, upper: float) -> Floats:
    """Return the degree days [degC day] of each day, by AquaCrop's third method.

    ((min(max(tmax, base), upper) + min(tmin, upper)) / 2), at least `base`, less `base`. AquaCrop Reference Manual
    (FAO 2018), section 2.1.
    """
    mean = (np.clip(tmax, base, upper) + np.minimum(tmin, upper)) / 2.0
    return np.asarray(np.maximum(mean, base) - base)


def seasons(weather: NDArray[np.float32], fields: Fields, own: Mapping[str, float]) -> Seasons:
    """Return the seasons of one crop from weather (n, 4, t) and AquaCrop's parameters `own` of the crop.

    Weather is tmin, tmax [degC], rain and ET0 [mm] from sowing on, NaN after the last day known. Where a season is not
    ripe by then, `ripe_after` is NEVER.
    """
    known = ~np.isnan(weather).any(axis=1).T
    tmin, tmax, rain, et0 = (np.where(known, weather[:, k].T.astype(float), 0.0) for k in range(4))
    warm = np.where(known, degree_days(tmin, tmax, own["Tbase"], own["Tupp"]), 0.0)
    heat = np.cumsum(warm, axis=0)
    stage = _stages(fields, own)
    ripe = heat > stage["Maturity"]
    ripe_after = np.where(ripe.any(axis=0), ripe.argmax(axis=0), NEVER)
    return Seasons(fields, tmin, tmax, rain, np.maximum(et0, 0.1), warm, heat, stage, ripe_after)


def _stages(fields: Fields, own: Mapping[str, float]) -> dict[str, Floats]:
    stage: dict[str, Floats] = {name: np.round(own[name] * fields.thermal_share) for name in STAGES}
    stage["Emergence"] = np.full(len(fields), own["Emergence"])
    stage["HIend"] = stage["HIstart"] + stage["YldForm"]
    stage["middle"] = stage["HIstart"] + stage["YldForm"] / 2
    flowering = np.round(own["Flowering"] * fields.thermal_share)
    stage["closed"] = stage["HIstart"] + flowering / 2 if own["Determinant"] else stage["Senescence"]
    first = own["PlantPop"] * fields.density_share * own["SeedSize"] * 1e-8
    stage["full"] = own["Emergence"] + np.log(0.25 * most_cover(fields, own) / first / 0.02) / own["CGC"]
    return stage


def most_cover(fields: Fields, own: Mapping[str, float]) -> Floats:
    """Return the greatest cover of each field, 0-1."""
    return np.asarray(np.minimum(own["CCx"] * fields.cover_share, 0.99))
