"""One form of counts for all products: uint16, reflectance = (count - 1000) / 10000, 0 where nothing was seen.

It is the form of Sentinel-2 since processing baseline 04.00; older counts are moved by 1000. Both are kept to the bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE, ZERO = 1e-4, 1000
"""reflectance = (count - ZERO) * SCALE"""


def encode(counts: NDArray[Any], scale: float, offset: float, nodata: float) -> NDArray[np.uint16]:
    """Turn a product's counts into the house's: round((count * scale + offset) / SCALE) + ZERO, within 1..65535."""
    stored: NDArray[np.uint16]
    unseen = np.isnan(counts) if math.isnan(nodata) else counts == nodata
    shift = ZERO + offset / SCALE
    whole = math.isclose(scale, SCALE, rel_tol=1e-9) and abs(shift - round(shift)) < 1e-6
    if whole and counts.dtype == np.uint16 and 0 <= round(shift) < 65535:
        stored = np.minimum(counts, np.uint16(65535 - round(shift))) + np.uint16(round(shift))
        np.maximum(stored, 1, out=stored)
    else:
        with np.errstate(invalid="ignore"):
            stored = np.clip(np.nan_to_num(np.round(counts * (scale / SCALE) + shift)), 1, 65535).astype(np.uint16)
    stored[unseen] = 0
    return stored


def decode(stored: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Turn the house's counts into reflectance, NaN where nothing was seen."""
    values: NDArray[np.float32] = (stored.astype(np.int32) - ZERO).astype(np.float32) * np.float32(SCALE)
    values[stored == 0] = np.nan
    return values
