"""Spectral indices of surface reflectance 0-1, each with its equation and source. Any array shape; NaN stays NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def _ratio(over: Array, under: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(under != 0, over / under, np.nan)
    return result


def ndvi(red: Array, nir: Array) -> Array:
    """Return the normalised difference vegetation index (nir - red) / (nir + red) [-1..1]. Rouse et al. 1974."""
    return _ratio(nir - red, nir + red)


def evi2(red: Array, nir: Array) -> Array:
    """Return the two-band enhanced vegetation index 2.5 (nir - red) / (nir + 2.4 red + 1). Jiang et al. 2008, eq. 9."""
    return _ratio(2.5 * (nir - red), nir + 2.4 * red + 1.0)


def ndwi(green: Array, nir: Array) -> Array:
    """Return the normalised difference water index (green - nir) / (green + nir): open water > 0. McFeeters 1996."""
    return _ratio(green - nir, green + nir)


def mndwi(green: Array, swir1: Array) -> Array:
    """Return the modified water index (green - swir1) / (green + swir1): open water > 0. Xu 2006."""
    return _ratio(green - swir1, green + swir1)


def ndmi(nir: Array, swir1: Array) -> Array:
    """Return the normalised difference moisture index (nir - swir1) / (nir + swir1). Gao 1996."""
    return _ratio(nir - swir1, nir + swir1)


def ndre(rededge1: Array, nir: Array) -> Array:
    """Return the red-edge index (nir - rededge1) / (nir + rededge1), nir B08, red edge B05. Barnes et al. 2000."""
    return _ratio(nir - rededge1, nir + rededge1)


def gndvi(green: Array, nir: Array) -> Array:
    """Return the green NDVI (nir - green) / (nir + green). Gitelson, Kaufman and Merzlyak 1996."""
    return _ratio(nir - green, nir + green)


def nbr2(swir1: Array, swir2: Array) -> Array:
    """Return (swir1 - swir2) / (swir1 + swir2), NBR2; as a tillage index, van Deventer et al. 1997."""
    return _ratio(swir1 - swir2, swir1 + swir2)


def bsi(blue: Array, red: Array, nir: Array, swir1: Array) -> Array:
    """Return the bare soil index ((swir1 + red) - (nir + blue)) / (their sum). Rikimaru et al. 2002."""
    return _ratio((swir1 + red) - (nir + blue), (swir1 + red) + (nir + blue))


def nbr(nir: Array, swir2: Array) -> Array:
    """Return the normalised burn ratio (nir - swir2) / (nir + swir2). Key and Benson 2006."""
    return _ratio(nir - swir2, nir + swir2)
