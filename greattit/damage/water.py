"""Open water, pixel by pixel: by what it reflects and by what it sends back to a radar. No threshold is learned.

Sources: Xu 2006, Int. J. Remote Sens. 27 (MNDWI); Bonafilia et al. 2020, CVPR Workshops (thresholds beside NDVI); Zou
et al. 2018, PNAS 115 (the water index exceeds the vegetation index); Feyisa et al. 2014, Remote Sens. Environ. 140
(AWEI); Otsu 1979, IEEE Trans. SMC 9, and Kittler and Illingworth 1986, Pattern Recognition 19 (thresholds out of a
histogram); Twele et al. 2016, Int. J. Remote Sens. 37 (water in Sentinel-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import indices

Array = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

WATER_VV_DB, WATER_VH_DB = -16.0, -23.0
"""[dB] backscatter under which a smoothed pixel may be open water: between the water and land levels of Twele et al."""
DROP_DB = 4.0
"""[dB] fall of VV against the same pixel's own season: water stands where land was; half of the usual contrast"""
BRIGHT_BLUE = 0.2
"""reflectance in B02 above which nothing is water: muddy water stays under 0.15 (Spyrakos et al. 2018), snow above"""
SMOOTH_PX = 3
"""edge of the box over which radar power is averaged before it is judged, against speckle"""


def awei_sh(bands: Mapping[str, Array]) -> Array:
    """Return AWEIsh = B02 + 2.5 B03 - 1.5 (B08 + B11) - 0.25 B12 of reflectance 0-1: open water > 0. Feyisa 2014."""
    return np.asarray(bands["B02"] + 2.5 * bands["B03"] - 1.5 * (bands["B08"] + bands["B11"]) - 0.25 * bands["B12"])


def evi(bands: Mapping[str, Array]) -> Array:
    """Return EVI = 2.5 (B08 - B04) / (B08 + 6 B04 - 7.5 B02 + 1). Huete et al. 2002."""
    under = bands["B08"] + 6.0 * bands["B04"] - 7.5 * bands["B02"] + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.abs(under) > 0.05, 2.5 * (bands["B08"] - bands["B04"]) / under, np.nan))


PARTLY_NIR = 0.15
"""[1] reflectance in B08 under which a pixel may be water in part"""


def optical_water(bands: Mapping[str, Array]) -> Flags:
    """Return where open water stands: NDVI < 0.2 and (B03 - B12) / (B03 + B12) > 0.3. Any shape; NaN is no water.

    The index is Xu's with the longer of the two infrared bands; the two thresholds are those of Bonafilia et al. 2020,
    Sen1Floods11, CVPR Workshops (expert-derived, for Sentinel-2; quoted, not read again). What is bright in blue is
    snow, plastic or cloud: these have a high index too. A flooded stand whose leaves hide the water is not found.
    `bands` holds B02, B03, B04, B08 and B12 as reflectance 0-1.
    """
    with np.errstate(invalid="ignore"):
        wet = indices.mndwi(bands["B03"], bands["B12"])
        return np.asarray(
            (wet > 0.3) & (indices.ndvi(bands["B04"], bands["B08"]) < 0.2) & ~(bands["B02"] > BRIGHT_BLUE)
        )


def partly_water(bands: Mapping[str, Array]) -> Flags:
    """Return where water stands, if only in part: MNDWI of B03 and B11 above 0 and B08 below 0.15. NaN is no water.

    Xu 2006 (Int. J. Remote Sens. 27, 3025) with his threshold of 0; the bound of B08 keeps wet leaves out.
    Alone it is too lenient to tell a flood by. `bands` holds B03, B08 and B11 as reflectance 0-1.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray((indices.mndwi(bands["B03"], bands["B11"]) > 0) & (bands["B08"] < PARTLY_NIR))


def smooth_db(decibel: Array, size: int = SMOOTH_PX) -> Array:
    """Return radar (..., y, x) [dB] averaged as power over a box of `size` pixels; NaN is left out."""
    from scipy.ndimage import uniform_filter

    power = np.where(np.isfinite(decibel), 10.0 ** (np.nan_to_num(decibel) / 10.0), 0.0)
    box = (*(1,) * (decibel.ndim - 2), size, size)
    known = uniform_filter(np.isfinite(decibel).astype(np.float64), box, mode="nearest")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = uniform_filter(power.astype(np.float64), box, mode="nearest") / known
        return np.asarray(np.where(np.isfinite(decibel) & (known > 0), 10.0 * np.log10(mean), np.nan))


def radar_margin(stack: Mapping[str, Array]) -> Array:
    """Return (t, y, x) [dB] by how much a season of VV and VH (t, y, x) [dB] is darker than open water must be.

    Above 0 the pixel, smoothed, is as dark as water in both, and VV lies `DROP_DB` or more below its own median of all
    passes, so that what is always dark (ponds, runways) is none.
    """
    vv, vh = smooth_db(stack["VV"]), smooth_db(stack["VH"])
    fell = _median(vv) - DROP_DB - vv
    return np.asarray(np.minimum(np.minimum(WATER_VV_DB - vv, WATER_VH_DB - vh), fell))


def _median(stack: Array) -> Array:
    """Return the median over time (y, x) without a warning where nothing was seen."""
    order = np.sort(stack, axis=0)
    count = np.isfinite(stack).sum(axis=0)
    at = np.maximum(count - 1, 0) // 2
    return np.asarray(np.where(count > 0, np.take_along_axis(order, at[None], axis=0)[0], np.nan))


def otsu(values: Array, bins: int = 256) -> float:
    """Return the threshold that parts values in two classes with the least spread within each (Otsu 1979)."""
    centre, share = _histogram(values, bins)
    below = np.cumsum(share)
    mean = np.cumsum(share * centre)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1.0 - below))
    return float(centre[int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))])


def least_error(values: Array, bins: int = 256) -> float:
    """Return the threshold of least error between two normal classes (Kittler and Illingworth 1986)."""
    centre, share = _histogram(values, bins)
    below, mean, square = np.cumsum(share), np.cumsum(share * centre), np.cumsum(share * centre**2)
    above = 1.0 - below
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.sqrt(square / below - (mean / below) ** 2)
        high = np.sqrt((square[-1] - square) / above - ((mean[-1] - mean) / above) ** 2)
        cost = 1 + 2 * (below * np.log(low) + above * np.log(high))
        cost = cost - 2 * (below * np.log(below) + above * np.log(above))
    fits = (below > 0.01) & (above > 0.01) & np.isfinite(cost)
    return float(centre[int(np.argmin(np.where(fits, cost, np.inf)))]) if fits.any() else float("nan")


def _histogram(values: Array, bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    finite = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(finite, bins)
    return (edges[1:] + edges[:-1]) / 2.0, counts / max(counts.sum(), 1)
