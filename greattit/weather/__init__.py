"""Weather and water: `read` a daily table; `thermal_time`, `reference_evapotranspiration` and `water_balance` of it.

Formulas are those of FAO Irrigation and Drainage Paper 56 (Allen, Pereira, Raes and Smith 1998, "Crop
evapotranspiration", FAO, Rome), cited as FAO-56 with the number of the equation.
"""

from __future__ import annotations

from greattit.weather.balance import WaterBalance, root_zone, water_balance
from greattit.weather.crop import CropWater, crop_water
from greattit.weather.heat import thermal_time
from greattit.weather.read import read
from greattit.weather.record import Weather
from greattit.weather.reference import Reference, reference_evapotranspiration

__all__ = [
    "CropWater",
    "Reference",
    "WaterBalance",
    "Weather",
    "crop_water",
    "read",
    "reference_evapotranspiration",
    "root_zone",
    "thermal_time",
    "water_balance",
]
