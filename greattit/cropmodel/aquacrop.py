"""AquaCrop behind the seam: one field, one season, day by day.

AquaCrop: Steduto, Hsiao, Raes and Fereres 2009, "AquaCrop - The FAO crop model to simulate yield response to water",
Agronomy Journal 101(3), 426-437. Run by AquaCrop-OSPy (Kelly and Foster 2021, Agricultural Water Management 254,
107016), PyPI package `aquacrop`, Apache-2.0, pure Python; it reads and writes no file but its own data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from greattit.cropmodel.crops import kind
from greattit.cropmodel.record import CO2_PPM, KEPT_WET, MOST_WATER_MM, Daily, Grown, Plan
from greattit.cropmodel.soils import Soil
from greattit.errors import CropModelError

FIRST = "1990-01-01"
"""the sowing day that AquaCrop is told, whatever the true one is: it reckons with neither latitude nor day length, and
one fixed day keeps its calendar of months out of the way"""
MOST_DAYS = 360
"""[days] of weather that a season may have, since AquaCrop takes at most a year"""
THERMAL = ("HIstart", "Flowering", "YldForm", "MaxRooting", "Senescence", "Maturity")
"""what an earlier variety reaches after fewer degree days; the days to emergence stay"""
MISSING = 'install the optional part: pip install "greattit[cropmodel]"'


class AquaCrop:
    """AquaCrop-OSPy as a `CropModel`. Raises `CropModelError` where the package is not installed."""

    def __init__(self) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            self.name = f"AquaCrop-OSPy {version('aquacrop')}"
        except PackageNotFoundError as error:
            raise CropModelError("is not installed", subject="aquacrop", remedy=MISSING) from error

    def run(self, plan: Plan, weather: Daily) -> Grown:
        """Grow `plan` in `weather`, whose first day is the day of sowing (of transplanting, for rice and potato).

        The yield is NaN where the weather ends before the crop is ripe. `CropModelError` for a crop that AquaCrop does
        not grow or for weather of fewer than 30 or more than 360 days.
        """
        if not 30 <= len(weather) <= MOST_DAYS:
            raise CropModelError(
                f"{len(weather)} days of weather from sowing on", subject=plan.crop, remedy=f"give 30 to {MOST_DAYS}"
            )
        model = self._model(plan, weather)
        try:
            model.run_model(till_termination=True)
        except AssertionError as error:
            if "growing degree days" in str(error):
                return Grown(np.nan, np.nan, np.zeros(0), None)
            raise CropModelError(f"AquaCrop stopped: {error}", subject=plan.crop) from error
        growth = model.get_crop_growth()
        final = model.get_simulation_results()
        after = int(final["Harvest Date (Step)"].iloc[0])
        return Grown(
            1000.0 * float(final["Dry yield (tonne/ha)"].iloc[0]),
            10.0 * float(growth["biomass"].max()),
            growth["canopy_cover"].to_numpy(float)[: after + 1],
            after,
        )

    def parameters(self, crop: str) -> dict[str, float]:
        """Return AquaCrop's own parameters of a crop; see `parameters`."""
        return parameters(crop)

    def _model(self, plan: Plan, weather: Daily) -> Any:
        from aquacrop import CO2, AquaCropModel, Crop, InitialWaterContent  # type: ignore
        from pandas import DataFrame, date_range

        days = date_range(FIRST, periods=len(weather))
        table = DataFrame(
            {
                "MinTemp": weather.tmin_c,
                "MaxTemp": weather.tmax_c,
                "Precipitation": weather.rain_mm,
                "ReferenceET": np.maximum(weather.et0_mm, 0.1),
                "Date": days,
            }
        )
        crop = Crop(
            kind(plan.crop).file,
            planting_date="01/01",
            harvest_date=f"{days[-1]:%m/%d}",
            **changes(plan, parameters(plan.crop)),
        )
        return AquaCropModel(
            f"{days[0]:%Y/%m/%d}",
            f"{days[-1]:%Y/%m/%d}",
            table,
            _soil(plan.soil),
            crop,
            InitialWaterContent(wc_type="Pct", value=[100.0 * plan.water_at_sowing]),
            _water() if plan.irrigated else None,
            co2_concentration=CO2(constant_conc=True, current_concentration=CO2_PPM),
        )


def parameters(crop: str) -> dict[str, float]:
    """Return AquaCrop's own parameters of a crop of the house, those that are numbers."""
    from aquacrop.entities.crops.crop_params import crop_params  # type: ignore

    found = crop_params[kind(crop).file]
    return {key: float(value) for key, value in found.items() if isinstance(value, int | float)}


def changes(plan: Plan, own: dict[str, float]) -> dict[str, float]:
    """Return what of AquaCrop's parameters `own` a plan changes."""
    changed = {key: float(round(own[key] * plan.thermal_share)) for key in THERMAL if own[key] > 0}
    changed["PlantPop"] = own["PlantPop"] * plan.density_share
    changed["CCx"] = min(own["CCx"] * plan.cover_share, 0.99)
    return changed


def _water() -> Any:
    """Return irrigation to field capacity whenever the root zone falls below `KEPT_WET`.

    AquaCrop's net irrigation would not do: it begins with the first transpiration, and rice set into ground that dries
    in the sun until then dies on its first day.
    """
    from aquacrop import IrrigationManagement  # type: ignore

    return IrrigationManagement(irrigation_method=1, SMT=[100.0 * KEPT_WET] * 4, MaxIrr=MOST_WATER_MM)


def _soil(soil: Soil) -> Any:
    from aquacrop import Soil as Profile  # type: ignore

    made = Profile("custom", cn=soil.curve_number, rew=soil.evaporable_mm)
    made.add_layer(sum([0.1] * 12), soil.wilting, soil.capacity, soil.saturation, soil.drainage_mm_day, 100)
    return made
