"""Made spectra with the truth beside them: PROSPECT-D leaves under 4SAIL, by the development tool `prosail`.

Absorbed light and cover come from 4SAIL's own transmittances (Verhoef et al. 2007, IEEE TGRS 45, 1808-1822).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.canopy.draw import Floats, draw, other_soils, soils
from greattit.canopy.retrieve import BANDS
from greattit.simulate.light import BANDS_NM, FIRST_NM, LAST_NM
from greattit.simulate.light import _prosail as prosail

PAR_STEP_NM = 10
"""[nm] of the sum over 400-700 nm"""
ADDED, SCALED = 0.01, 0.02
"""[1] noise added to a band and as a share of it, each once for a band by itself and once for all bands together; Weiss
and Baret 2016"""


@dataclass(frozen=True, eq=False)
class Spectra:
    """Canopies as a satellite would see them without noise, and what they are."""

    values: NDArray[np.float32]
    """(n, band) reflectance, bands as `BANDS`"""
    truth: NDArray[np.float32]
    """(n, 3) lai [m2/m2], fapar [1], cover [1]"""


@cache
def _wavelengths() -> NDArray[np.int64]:
    """Return the wavelengths [nm] that are reckoned: what any band sees, every third, and 400-700 by ten."""
    nm = np.arange(FIRST_NM, LAST_NM + 1)
    seen = nm[(_gauss(nm) > 0.002).any(axis=0)][::3]
    return np.unique(np.concatenate([seen, np.arange(400, 701, PAR_STEP_NM)]))


def _gauss(nm: NDArray[Any]) -> Floats:
    centre, width = np.array([BANDS_NM[name] for name in BANDS]).T[:, :, None]
    return np.asarray(np.exp(-4 * np.log(2) * ((nm - centre) / width) ** 2))


@cache
def _weights() -> tuple[Floats, Floats]:
    """Return the bands' responses (band, nm) and the sunlight's weights (nm,) over 400-700 nm, rows summing to 1."""
    nm = _wavelengths()
    rows = _gauss(nm) * np.gradient(nm.astype(float))
    sun = np.asarray(prosail().spectral_lib.light.es, float)[nm - FIRST_NM]
    light = np.where((nm >= 400) & (nm <= 700), sun, 0.0) * np.gradient(nm.astype(float))
    return rows / rows.sum(axis=1, keepdims=True), light / light.sum()


def make(count: int, seed: int, *, other: bool = False) -> Spectra:
    """Return `count` made spectra; `other` draws the soils that are kept for measuring.

    Raises `GreatTitError` without the development tool prosail.
    """
    rng = np.random.default_rng([seed, int(other)])
    drawn = draw(count, rng)
    nm = _wavelengths()
    lib = prosail().spectral_lib.soil
    dry, wet = (np.asarray(part, float)[nm - FIRST_NM] for part in (lib.rsoil1, lib.rsoil2))
    ground = other_soils(nm, count, rng) if other else soils(nm, count, rng, dry, wet)
    values, truth = np.empty((count, len(BANDS)), np.float32), np.empty((count, 3), np.float32)
    for number in range(count):
        one = {name: float(column[number]) for name, column in drawn.items()}
        values[number], truth[number] = see(one, ground[number])
    return Spectra(values, truth)


def see(one: Mapping[str, float], soil: Floats) -> tuple[Floats, tuple[float, float, float]]:
    """Return the bands (band,) of one drawn canopy over a soil (nm,), and its lai, fapar and cover.

    Reflectance is that of direct sun (`rsot`). The light that plants take up is what neither leaves upwards nor is
    swallowed by the ground: 1 - rsdt - (1 - soil)(tss + tsd) / (1 - soil rdd), summed over 400-700 nm by sunlight.
    Cover is 1 - exp(-ko LAI) with ko for a view from straight above. Under a crown share below 1 plants and bare ground
    lie side by side.
    """
    bands, light = _weights()
    back, through = _leaf(one["n"], one["cab"], one["car"], one["cbrown"], one["cw"], one["cm"])
    if one["litter"] > 0.0:
        litter = _leaf(1.8, 2.0, 2.0, one["litter_brown"], 0.002, one["litter_cm"])[0]
        soil = (1.0 - one["litter"]) * soil + one["litter"] * 0.7 * litter
    if one["lai"] < 0.01:
        return bands @ soil, (one["lai"], 0.0, 0.0)
    local, crown = one["lai"] / one["crown"], one["crown"]
    leaf = (back, through, one["angle"], 0.0, 2, local, one["hotspot"])
    (sun, _, _, rdd, _, _, tsd, *_, rsdt, _, _, _, rsot, _, _, _) = _sail(
        *leaf, one["sun"], one["view"], one["between"], soil
    )
    nadir = float(_sail(*leaf, one["sun"], 0.0, 0.0, soil)[1])
    swallowed = (1.0 - soil) * (sun + tsd) / (1.0 - soil * rdd)
    fapar = crown * float(light @ (1.0 - rsdt - swallowed))
    seen = crown * rsot + (1.0 - crown) * soil
    return bands @ seen, (one["lai"], fapar, crown * (1.0 - nadir))


def _leaf(n: float, cab: float, car: float, cbrown: float, cw: float, cm: float) -> tuple[Floats, Floats]:
    _, back, through = prosail().run_prospect(n, cab, car, cbrown, cw, cm, ant=0.0, prospect_version="D")
    at = _wavelengths() - FIRST_NM
    return back[at], through[at]


def _sail(*arguments: Any) -> list[Any]:
    from prosail.FourSAIL import foursail

    found: list[Any] = foursail(*arguments)
    return found


def noisy(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return reflectance (n, band) with the noise of a look: of each band, and of all bands together."""
    count = values.shape[0]
    scale = 1.0 + SCALED * (rng.normal(size=values.shape) + rng.normal(size=(count, 1)))
    return np.asarray(
        values * scale + ADDED * (rng.normal(size=values.shape) + rng.normal(size=(count, 1))), np.float32
    )
