"""Light taken up by green leaves: the one number of a season that yields are made of.

Monteith 1977 (Phil. Trans. R. Soc. B 281, 277): dry mass = efficiency x sum of (photosynthetic light x share absorbed).
The share absorbed is read from NDVI by Myneni and Williams 1994 (Remote Sens. Environ. 49, 200)::

    FAPAR = 1.1638 NDVI - 0.1426        kept within 0 to 0.95

Where no radiation was measured, that above the air stands for it (FAO-56, eq. 21): its course over the season is
right, its clouds are not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Doubles = NDArray[np.float64]

PAR = 0.48
"""[1] photosynthetic share of sunlight (McCree 1972)"""
MONTH = re.compile(r"^(?P<what>.+)_m(?P<month>\d{1,2})$")
"""columns of one month: ndvi_m05, GPP_m7"""


def fapar(ndvi: Doubles) -> Doubles:
    """Return the share 0-0.95 of the light that green leaves absorb; NaN stays."""
    return np.clip(1.1638 * ndvi - 0.1426, 0.0, 0.95)


def above_the_air(latitude: Doubles, day_of_year: Doubles) -> Doubles:
    """Return radiation above the atmosphere [MJ/m2 a day] (FAO-56, eq. 21-25) for latitudes [deg] and days."""
    turn = 2.0 * np.pi * day_of_year / 365.0
    phi, tilt = np.radians(latitude), 0.409 * np.sin(turn - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(tilt), -1.0, 1.0))
    distance = 1.0 + 0.033 * np.cos(turn)
    beam = sunset * np.sin(phi) * np.sin(tilt) + np.cos(phi) * np.cos(tilt) * np.sin(sunset)
    return np.asarray(24.0 * 60.0 / np.pi * 0.0820 * distance * beam)


def taken_up(ndvi: Doubles, radiation: Doubles) -> Doubles:
    """Return the mean light absorbed a day [as `radiation`] over a season: NDVI and radiation (row, step).

    Steps that were not seen are left out; NaN where fewer than half were seen.
    """
    light = PAR * radiation * fapar(ndvi)
    seen = np.isfinite(light)
    with np.errstate(invalid="ignore"):
        mean = np.where(seen, light, 0.0).sum(axis=1) / seen.sum(axis=1)
    return np.where(seen.mean(axis=1) >= 0.5, mean, np.nan)


def of_table(features: pd.DataFrame, latitude: Doubles) -> Doubles:
    """Return the light taken up (row,) of a table with monthly columns; NaN where it has no NDVI.

    A column of measured radiation is used in its own unit; without one, that above the air at the row's latitude;
    without a latitude, radiation counts as even.
    """
    months: dict[str, dict[int, str]] = {}
    for name in features:
        match = MONTH.match(str(name))
        if match:
            months.setdefault(match["what"].lower(), {})[int(match["month"])] = str(name)
    ndvi = months.get("ndvi")
    if not ndvi:
        return np.full(len(features), np.nan)
    greenness = features[[ndvi[m] for m in sorted(ndvi)]].to_numpy(float)
    scale = 1.0 if np.nanmax(np.abs(greenness)) <= 1.5 else 1e-4  # MODIS products are stored times 10,000
    measured = next((found for what, found in months.items() if what.startswith("radiation")), None)
    if measured and set(ndvi) <= set(measured):
        sun = features[[measured[m] for m in sorted(ndvi)]].to_numpy(float)
    else:
        middle = np.array([30.4 * m - 15.0 for m in sorted(ndvi)])
        sun = above_the_air(latitude[:, None], middle[None, :])
        sun = np.where(np.isfinite(sun), sun, 1.0)
    return taken_up(greenness * scale, sun)
