"""Crop growth models: what a field gives in a season's weather, and its spread over the weather of other years.

`scenarios` runs a `CropModel` (AquaCrop, WOFOST with the user's own files, or the surrogate of AquaCrop) over this
season's weather joined to the rest of each other year. The surrogate (`load`) tells AquaCrop's yield of very many
fields without running it. It reproduces a model, not fields: nothing here was checked against a measured yield.
"""

from __future__ import annotations

from greattit.cropmodel.aquacrop import AquaCrop
from greattit.cropmodel.crops import KINDS, kind
from greattit.cropmodel.door import norm_daily, season
from greattit.cropmodel.phases import Fields
from greattit.cropmodel.record import CropModel, Daily, Grown, Plan
from greattit.cropmodel.scenarios import Scenarios, scenarios
from greattit.cropmodel.soils import SOILS, Soil
from greattit.cropmodel.surrogate import Surrogate, load
from greattit.cropmodel.wofost import Wofost
from greattit.errors import CropModelError

__all__ = [
    "KINDS",
    "SOILS",
    "AquaCrop",
    "CropModel",
    "CropModelError",
    "Daily",
    "Fields",
    "Grown",
    "Plan",
    "Scenarios",
    "Soil",
    "Surrogate",
    "Wofost",
    "kind",
    "load",
    "norm_daily",
    "scenarios",
    "season",
]
