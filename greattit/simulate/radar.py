"""What a radar sees of a made county: backscatter of every pixel on a day, with its speckle.

Canopy over soil by the water cloud model (Attema and Ulaby 1978, Radio Sci. 13, eq. 8): canopy and soil add in linear
power, the soil dimmed by the leaves twice; wet soil is brighter by a constant slope in dB (Ulaby, Moore and Fung 1986,
vol. III, ch. 21). Smooth open water mirrors the beam away. Levels in dB are of the order of Sentinel-1 at 38 degrees
over farmland (Vreugdenhil et al. 2018, Remote Sens. 10, 1396); water as in Twele et al. 2016, Int. J. Remote Sens. 37.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.simulate.land import CELL_M, TREE, WATER
from greattit.simulate.plants import Course
from greattit.simulate.scene import County

LOOKS = 4.4
"""[1] equivalent number of looks of an IW ground-range product (Sentinel-1 product definition)"""
CANOPY_DB = {"VV": -11.0, "VH": -16.5}
SOIL_DB = {"VV": -15.0, "VH": -23.0}
"""dry and without leaves"""
WETTER_DB = {"VV": 6.0, "VH": 5.0}
"""from dry to soaked"""
WATER_DB = {"VV": -20.5, "VH": -27.5}
OTHER_DB = {"VV": -10.0, "VH": -16.0}
"""trees, houses, verges"""
DIMMED = {"VV": 0.35, "VH": 0.45}
"""[1 per m2/m2] two-way attenuation by leaf area"""


def _power(decibel: float) -> float:
    return float(10.0 ** (decibel / 10.0))


def backscatter(course: Course, index: int, name: str) -> float:
    """Return the backscatter [linear power] of one stand on one day; `name` is "VV" or "VH"."""
    state = course.on(index)
    leaf = state["lai"] + 0.4 * state["dead"]
    through = float(np.exp(-DIMMED[name] * leaf))
    soil = _power(SOIL_DB[name] + WETTER_DB[name] * state["moist"])
    dry = _power(CANOPY_DB[name]) * (1.0 - through) + soil * through
    return (1.0 - state["water"]) * dry + state["water"] * _power(WATER_DB[name])


def radar(county: County, day: date, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Return VV and VH [dB] (row, col) on the 10 m grid of one pass."""
    from scipy.ndimage import gaussian_filter

    index, step = county.weather.at(day), round(10.0 / CELL_M)
    out: dict[str, NDArray[np.float32]] = {}
    for name in ("VV", "VH"):
        levels = np.full(int(county.classes.max()) + 1, _power(OTHER_DB[name]))
        levels[WATER] = _power(WATER_DB[name])
        levels[TREE] = _power(OTHER_DB[name] + 2.0)
        for kind, layers in county.ground.items():
            parts = [(share, what) for share, what, _ in layers if isinstance(what, Course)]
            if parts:
                total = sum(share for share, _ in parts)
                levels[kind] = sum(share * backscatter(what, index, name) for share, what in parts) / total
        mean = _averaged(gaussian_filter(levels[county.classes], 8.0 / CELL_M, mode="nearest"), step)
        speckle = rng.gamma(LOOKS, 1.0 / LOOKS, mean.shape)
        out[name] = (10.0 * np.log10(mean * speckle)).astype(np.float32)
    return out


def _averaged(cells: NDArray[Any], step: int) -> NDArray[Any]:
    rows, cols = cells.shape[0] // step, cells.shape[1] // step
    return np.asarray(cells[: rows * step, : cols * step].reshape(rows, step, cols, step).mean(axis=(1, 3)))
