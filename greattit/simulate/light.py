"""The light: reflectance of canopies, soil and covers in the ten bands of Sentinel-2.

Canopies: leaf model PROSPECT-D (Feret et al. 2017, Remote Sens. Environ. 193) under canopy model 4SAIL (Verhoef et al.
2007, IEEE TGRS 45), by the package `prosail`, a development tool that this project does not ship. Soil: the package's
dry and wet spectra, mixed by wetness. Sensor: Gaussian bands at the centre and width of Sentinel-2A (ESA, Sentinel-2
Spectral Response Functions, document COPE-GSEG-EOPG-TN-15-0007).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import GreatTitError

BANDS_NM = {
    "B02": (492.4, 66.0),
    "B03": (559.8, 36.0),
    "B04": (664.6, 31.0),
    "B05": (704.1, 15.0),
    "B06": (740.5, 15.0),
    "B07": (782.8, 20.0),
    "B08": (832.8, 106.0),
    "B8A": (864.7, 21.0),
    "B11": (1613.7, 91.0),
    "B12": (2202.4, 175.0),
}
"""[nm] centre and width of each band, Sentinel-2A"""

FIRST_NM, LAST_NM = 400, 2500


@dataclass(frozen=True)
class Sun:
    """Where sun and satellite stand."""

    zenith: float
    """[deg] sun from the vertical"""
    azimuth: float
    """[deg] sun, from north eastwards"""
    view_zenith: float
    """[deg] satellite from the vertical"""
    view_azimuth: float
    """[deg] satellite as seen from the ground, from north eastwards"""


@cache
def _prosail() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", category=SyntaxWarning)
            warnings.filterwarnings("ignore", message=".*[Nn]umba.*")
            import prosail
    except ImportError as err:
        raise GreatTitError(
            "growing a county needs the development tool prosail",
            subject="greattit.simulate",
            remedy="pip install 'prosail>=2'",
        ) from err
    return prosail


@cache
def _response() -> NDArray[np.float64]:
    """Return the band responses (10, wavelength), each summing to 1."""
    rows = _gauss(_wavelengths())
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _gauss(nm: NDArray[Any]) -> NDArray[np.float64]:
    centre, width = np.array(list(BANDS_NM.values())).T[:, :, None]
    return np.asarray(np.exp(-4 * np.log(2) * ((nm - centre) / width) ** 2))


@cache
def _wavelengths() -> NDArray[np.int64]:
    """Return the wavelengths [nm] that any band sees, every third; all spectra of this module are on them.

    Against every nanometre from 400 to 2500 the bands differ by less than 0.0001, at a quarter of the time.
    """
    nm = np.arange(FIRST_NM, LAST_NM + 1)
    return np.asarray(nm[(_gauss(nm) > 0.002).any(axis=0)][::3])


@cache
def _at() -> NDArray[np.int64]:
    return _wavelengths() - FIRST_NM


@cache
def _soils() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    soil = _prosail().spectral_lib.soil
    return np.asarray(soil.rsoil1, float)[_at()], np.asarray(soil.rsoil2, float)[_at()]


def soil(dryness: float) -> NDArray[np.float64]:
    """Return the reflectance (wavelength,) of a brown loam; dryness 0 is soaked, 1 is air-dry.

    Free iron oxide absorbs below some 550 nm (Ben-Dor et al. 1999, Manual of Remote Sensing vol. 3, ch. 3); the dry
    and wet spectra of the package are greyer than the brown soils of Flanders, so up to 32 % of the blue is taken
    away.
    """
    dry, wet = _soils()
    return (dryness * dry + (1.0 - dryness) * wet) * _iron()


@cache
def _iron() -> NDArray[np.float64]:
    return np.asarray(1.0 - 0.32 / (1.0 + np.exp((_wavelengths() - 525.0) / 22.0)))


def bands(spectrum: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ten bands of a spectrum (wavelength,)."""
    return np.asarray(_response() @ spectrum)


def canopy(leaf: Mapping[str, float], lai: float, ground: NDArray[Any], sun: Sun) -> NDArray[np.float64]:
    """Return the ten bands of a closed canopy over `ground` (wavelength,).

    `leaf`: n [1] layers, cab and car [ug/cm2] pigments, cbrown [1], cw [cm] water, cm [g/cm2] dry matter, angle [deg]
    mean leaf angle. `lai` [m2/m2].
    """
    if lai < 0.02:
        return bands(ground)
    back, through = _leaf(*(float(leaf[name]) for name in ("n", "cab", "car", "cbrown", "cw", "cm")))
    spectrum = _prosail().run_sail(
        back,
        through,
        lai,
        leaf["angle"],
        0.3 / (0.5 + lai),
        min(sun.zenith, 72.0),
        sun.view_zenith,
        abs((sun.azimuth - sun.view_azimuth + 180.0) % 360.0 - 180.0),
        rsoil0=ground,
    )
    return bands(spectrum)


@lru_cache(maxsize=4096)
def _leaf(
    n: float, cab: float, car: float, cbrown: float, cw: float, cm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return reflectance and transmittance (wavelength,) of one leaf; units as in `canopy`."""
    _, back, through = _prosail().run_prospect(n, cab, car, cbrown, cw, cm, ant=0.5, prospect_version="D")
    return back[_at()], through[_at()]


DEAD = {"n": 2.0, "cab": 1.0, "car": 2.0, "cbrown": 0.9, "cw": 0.0015, "cm": 0.0045}
"""A dead leaf: little pigment and water, brown matter (order of LOPEX93's dry leaves, Hosgood et al. 1995)."""
SELF_SHADE = 0.82
"""[1] light left in a dry standing canopy, whose stalks and bent leaves shade each other more than the even canopy of
4SAIL; set so that ripe maize comes to the red of 0.10-0.15 that Sentinel-2 sees in September"""


def plant(state: Mapping[str, float], dryness: float, sun: Sun) -> NDArray[np.float64]:
    """Return the ten bands of one stand: green and dead canopy, litter, flowers, over soil of `dryness`.

    `state`: lai, dead, clump [1] share of ground under the canopy, residue [1] share of bare ground under straw,
    flower [1] share of the view filled by petals, water [1] share under standing water, and the leaf figures of
    `canopy`. Shares are mixed by area.
    """
    ground = soil(dryness)
    if state["residue"] > 0.01:
        ground = (1 - state["residue"]) * ground + state["residue"] * _straw()
    bare = bands(ground)
    total = state["lai"] + state["dead"]
    closed = min(1.0, state["clump"])
    if total > 0.02 and closed > 0.0:
        local = total / closed
        share = state["lai"] / total
        out = np.zeros(10)
        if share > 0.02:
            out += share * canopy(state, local, ground, sun)
        if share < 0.98:
            out += (1 - share) * SELF_SHADE * canopy({**DEAD, "angle": state["angle"]}, local, ground, sun)
        if share > 0.98:
            out /= share
        shade = 1.0 - 0.35 * (1.0 - closed) * min(1.0, total) * np.tan(np.radians(min(sun.zenith, 60.0))) / 1.73
        bare = closed * out + (1 - closed) * bare * shade
    if state["flower"] > 0:
        bare = (1 - state["flower"]) * bare + state["flower"] * PETALS
    if state["water"] > 0:
        bare = (1 - state["water"]) * bare + state["water"] * MUDDY_WATER
    return bare


@cache
def _straw() -> NDArray[np.float64]:
    """Return the spectrum (wavelength,) of straw on the ground: the dead leaf, stalks shading each other."""
    back, _ = _leaf(2.2, 1.0, 2.0, 0.60, 0.0012, 0.006)
    return 0.66 * back


PETALS = np.array([0.07, 0.33, 0.36, 0.42, 0.46, 0.48, 0.50, 0.50, 0.25, 0.12])
"""Oilseed rape in bloom: petals absorb blue only; order of Sulik and Long 2016, Remote Sens. Environ. 184."""
MUDDY_WATER = np.array([0.055, 0.075, 0.075, 0.065, 0.045, 0.042, 0.038, 0.034, 0.012, 0.008])
"""Shallow turbid water over mud; order of the turbid classes of Spyrakos et al. 2018, Limnol. Oceanogr. 63."""
COVERS = {
    "road": np.array([0.095, 0.105, 0.115, 0.120, 0.125, 0.130, 0.135, 0.138, 0.160, 0.150]),
    "roof_red": np.array([0.075, 0.100, 0.190, 0.220, 0.235, 0.245, 0.250, 0.255, 0.290, 0.260]),
    "roof_dark": np.array([0.120, 0.125, 0.130, 0.132, 0.135, 0.138, 0.140, 0.142, 0.160, 0.155]),
    "yard": np.array([0.125, 0.145, 0.165, 0.175, 0.182, 0.190, 0.196, 0.200, 0.235, 0.215]),
    "gap": np.array([0.010, 0.014, 0.012, 0.020, 0.050, 0.060, 0.062, 0.064, 0.035, 0.016]),
    "water": np.array([0.030, 0.042, 0.030, 0.028, 0.020, 0.019, 0.017, 0.016, 0.008, 0.006]),
    "char": np.array([0.038, 0.042, 0.045, 0.050, 0.054, 0.058, 0.062, 0.067, 0.105, 0.105]),
}
"""Worn asphalt, clay tile, slate and fibre cement, worn concrete, the dark between tree crowns, pond water: rounded
figures of the order of the man-made and water entries of the ECOSTRESS library, Meerdink et al. 2019, Remote Sens.
Environ. 230. Char of burnt straw: order of Trigg and Flasse 2000, Int. J. Remote Sens. 21."""
