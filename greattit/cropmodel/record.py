"""The records of the room: the weather of a season, the field, and what a model grew on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.soils import Soil
from greattit.errors import CropModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Daily:
    """Checked daily weather without gaps between its days; made by `norm_daily`."""

    days: NDArray[np.datetime64]
    """(t,) datetime64[D], ascending, every day"""
    tmin_c: Floats
    """(t,) [degC]"""
    tmax_c: Floats
    """(t,) [degC]"""
    rain_mm: Floats
    """(t,) [mm]"""
    et0_mm: Floats
    """(t,) [mm] reference evapotranspiration, FAO-56"""
    source: str = "weather"
    """the subject of errors"""
    beyond: dict[str, Floats] = field(default_factory=dict)
    """radiation_mj_m2, wind_m_s, vapour_kpa: (t,) each, where known; WOFOST asks for them"""
    latitude: float | None = None
    """[deg]"""
    elevation_m: float | None = None
    """[m]"""
    notes: tuple[str, ...] = ()
    """what was filled or reckoned, one sentence each"""

    def __len__(self) -> int:
        return len(self.days)

    def cut(self, first: int, count: int) -> Daily:
        """Return `count` days from index `first` on, or as many as there are."""
        part = slice(first, first + count)
        return replace(
            self,
            days=self.days[part],
            **{name: getattr(self, name)[part] for name in ("tmin_c", "tmax_c", "rain_mm", "et0_mm")},
            beyond={name: values[part] for name, values in self.beyond.items()},
        )


@dataclass(frozen=True)
class Plan:
    """One field as a crop model sees it. Shares are of what the model's own crop file has, 1 being that file."""

    crop: str
    """name of the house, e.g. "maize\""""
    soil: Soil
    irrigated: bool
    """True: watered to field capacity whenever the root zone falls below `KEPT_WET` of its available water"""
    start_water: float = 0.8
    """0-1 share of the soil's available water that is there before sowing; see `water_at_sowing`"""
    thermal_share: float = 1.0
    """[1] thermal time to ripeness: below 1 an earlier variety"""
    density_share: float = 1.0
    """[1] plants per hectare"""
    cover_share: float = 1.0
    """[1] greatest canopy cover; below 1 where the crop is seen to stand thinner than the model's"""

    @property
    def water_at_sowing(self) -> float:
        """0-1 share of the available water: an irrigated field is wetted to `KEPT_WET` before it is sown."""
        return max(self.start_water, KEPT_WET) if self.irrigated else self.start_water

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise CropModelError(
                    f"{name} is {value:g}", subject=self.crop, remedy=f"give it between {low:g} and {high:g}"
                )


RANGES = {
    "start_water": (0.0, 1.0),
    "thermal_share": (0.4, 1.5),
    "density_share": (0.3, 2.0),
    "cover_share": (0.3, 1.05),
}
"""what a `Plan` takes"""
KEPT_WET = 0.8
"""[1] of the root zone's available water: below it an irrigated field is watered to field capacity"""
MOST_WATER_MM = 50.0
"""[mm] of irrigation in a day"""
CO2_PPM = 425.0
"""[ppm] of the air, every season: the annual mean at Mauna Loa of 2024 is 424.6 (NOAA Global Monitoring Laboratory)"""


@dataclass(frozen=True, eq=False)
class Grown:
    """What a model grew in one season; where the crop did not ripen, the yield is NaN."""

    yield_kg_ha: float
    """[kg/ha] dry matter of the harvested part"""
    biomass_kg_ha: float
    """[kg/ha] dry matter above ground; NaN where the model does not say"""
    cover: Floats
    """(t,) 0-1 green canopy cover, day by day from sowing; of WOFOST 1 - exp(-0.65 LAI)"""
    ripe_after: int | None
    """[days] from sowing; None where the weather given was not warm enough for long enough"""


class CropModel(Protocol):
    """Anything that grows one field in one season: AquaCrop, WOFOST, or the surrogate of AquaCrop."""

    @property
    def name(self) -> str:
        """The model and its version, as a figure's basis names it."""
        ...

    def run(self, plan: Plan, weather: Daily) -> Grown:
        """Grow `plan` in `weather`, whose first day is the day of sowing."""
        ...
