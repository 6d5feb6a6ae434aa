"""What is drawn for a made canopy: leaf, stand, ground, sun and view.

Leaf and stand are drawn from the table of Weiss and Baret 2016 (S2ToolBox Level 2 products: LAI, FAPAR, FCOVER, version
1.1, ESA; table of the input variables): truncated Gaussians, and ranges that narrow as the leaf area grows. Ground and
gaps are this house's, said below: the soils of that work are not public.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LAI_MOST = 15.0
"""[m2/m2]"""
LAI_MODE, LAI_SPREAD = 2.0, 3.0


@dataclass(frozen=True)
class Range:
    """How one variable is drawn: Gaussian about `mode`, between `low` and `high`; at LAI_MOST between the last two."""

    low: float
    high: float
    mode: float
    spread: float
    low_dense: float
    high_dense: float


RANGES = {
    "angle": Range(30.0, 80.0, 60.0, 30.0, 55.0, 65.0),
    "hotspot": Range(0.1, 0.5, 0.2, 0.5, 0.1, 0.5),
    "n": Range(1.2, 1.8, 1.5, 0.3, 1.3, 1.8),
    "cab": Range(20.0, 90.0, 45.0, 30.0, 45.0, 90.0),
    "cm": Range(0.003, 0.011, 0.005, 0.005, 0.005, 0.011),
    "relative_water": Range(0.60, 0.85, 0.75, 0.08, 0.70, 0.80),
    "cbrown": Range(0.0, 2.0, 0.0, 0.3, 0.0, 0.2),
}
"""angle [deg] mean leaf angle; hotspot [1]; n [1] leaf layers; cab [ug/cm2] chlorophyll; cm [g/cm2] dry matter;
relative_water [1] water in fresh mass; cbrown [1] brown matter. Weiss and Baret 2016."""
CAROTENOID = 0.25
"""[1] carotenoid as a share of chlorophyll, order of the LOPEX and ANGERS leaves (Feret et al. 2008)"""
BARE_SHARE, BROKEN_SHARE, LITTER_SHARE = 0.06, 0.5, 0.3
"""[1] of the draws without a leaf; with gaps between plants or rows; with litter on the ground: this house's"""


def draw(count: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Return `count` canopies, name -> (count,): those of RANGES and

    lai [m2/m2] of the whole ground, crown [1] share of it under plants, car [ug/cm2], cw [cm], sun and view [deg]
    zenith, between [deg] relative azimuth, litter [1] share of the ground under it and litter_brown [1], litter_cm
    [g/cm2] of its leaves.
    """
    lai = _gauss(rng, count, LAI_MODE, LAI_SPREAD, 0.0, LAI_MOST)
    lai[rng.random(count) < BARE_SHARE] = 0.0
    out = {"lai": lai}
    for name, one in RANGES.items():
        value = _gauss(rng, count, one.mode, one.spread, one.low, one.high)
        low = one.low + (one.low_dense - one.low) * lai / LAI_MOST
        high = one.high + (one.high_dense - one.high) * lai / LAI_MOST
        out[name] = low + (value - one.low) * (high - low) / (one.high - one.low)
    out["car"] = CAROTENOID * out["cab"]
    out["cw"] = out["cm"] * out["relative_water"] / (1.0 - out["relative_water"])
    full = 1.0 - np.exp(-1.2 * lai)
    broken = rng.random(count) < BROKEN_SHARE
    out["crown"] = np.where(broken, np.clip(full * rng.uniform(0.75, 1.25, count), 0.05, 1.0), 1.0)
    out["sun"], out["view"] = _suns(count, rng), rng.uniform(0.0, 12.0, count)
    out["between"] = rng.uniform(0.0, 180.0, count)
    out["litter"] = np.where(rng.random(count) < LITTER_SHARE, rng.uniform(0.0, 1.0, count), 0.0)
    out["litter_brown"], out["litter_cm"] = rng.uniform(0.2, 1.5, count), rng.uniform(0.004, 0.012, count)
    return out


def _gauss(rng: np.random.Generator, count: int, mode: float, spread: float, low: float, high: float) -> Floats:
    """Return a truncated Gaussian (count,)."""
    from scipy.stats import truncnorm

    share = rng.random(count)
    return np.asarray(truncnorm.ppf(share, (low - mode) / spread, (high - mode) / spread, loc=mode, scale=spread))


def _suns(count: int, rng: np.random.Generator) -> Floats:
    """Return zenith angles [deg] of the sun at Sentinel-2's passes: 10:30 solar time, any day, 56 S to 60 N, to 72."""
    out = np.empty(0)
    while len(out) < count:
        latitude = np.radians(rng.uniform(-56.0, 60.0, count))
        tilt = np.radians(23.44) * np.sin(2.0 * np.pi * rng.random(count))
        cosine = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(np.radians(22.5))
        zenith = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        out = np.concatenate([out, zenith[zenith < 72.0]])
    return out[:count]


def soils(nm: NDArray[np.int64], count: int, rng: np.random.Generator, dry: Floats, wet: Floats) -> Floats:
    """Return soil spectra (count, nm) to learn from: the package's dry and wet soil mixed, dimmed and tinted.

    Brightness 0.4-1.5 of the package's soils (the 0.5-3.5 of Weiss and Baret 2016 belong to darker ones); up to half of
    the blue is taken away by iron oxide (Ben-Dor et al. 1999, Manual of Remote Sensing 3, ch. 3).
    """
    share = _gauss(rng, count, 0.5, 0.6, 0.0, 1.0)[:, None]
    bright = _gauss(rng, count, 0.85, 0.4, 0.4, 1.5)[:, None]
    edge, depth = rng.uniform(500.0, 580.0, (count, 1)), rng.uniform(0.0, 0.5, (count, 1))
    iron = 1.0 - depth / (1.0 + np.exp((nm - edge) / 25.0))
    return np.asarray(np.clip(bright * (share * dry + (1.0 - share) * wet) * iron, 0.005, 0.95))


def other_soils(nm: NDArray[np.int64], count: int, rng: np.random.Generator) -> Floats:
    """Return soil spectra (count, nm) of another kind, to measure on: smooth rises, cut by water and clay.

    No measured soil goes in: a saturating rise with wavelength, and the absorptions of water at 1.45 and 1.94 um and of
    clay at 2.21 um as Gaussians (the shapes of Stoner and Baumgardner 1981, Soil Sci. Soc. Am. J. 45).
    """
    bright, scale = rng.uniform(0.10, 0.55, (count, 1)), rng.uniform(150.0, 900.0, (count, 1))
    wet, clay = rng.uniform(0.0, 0.6, (count, 1)), rng.uniform(0.0, 0.25, (count, 1))
    rise = bright * (1.0 - 0.97 * np.exp(-(nm - 350.0) / scale))
    for centre, width, part in ((1450.0, 70.0, wet), (1940.0, 90.0, 1.3 * wet), (2210.0, 35.0, clay)):
        rise = rise * (1.0 - part * np.exp(-0.5 * ((nm - centre) / width) ** 2))
    return np.asarray(np.clip(rise * (1.0 - 0.3 * wet), 0.005, 0.95))
