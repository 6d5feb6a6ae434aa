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


def encode(
    counts: NDArray[Any], scale: float, offset: float, nodata: float, out: NDArray[np.uint16] | None = None
) -> NDArray[np.uint16]:
    """Turn a product's counts into the house's: round((count * scale + offset) / SCALE) + ZERO, within 1..65535.

    `out` of the same shape takes the result, where given.
    """
    stored: NDArray[np.uint16] = np.empty(counts.shape, np.uint16) if out is None else out
    shift = ZERO + offset / SCALE
    whole = math.isclose(scale, SCALE, rel_tol=1e-9) and abs(shift - round(shift)) < 1e-6
    if whole and counts.dtype == np.uint16 and 0 <= round(shift) < 65535 and nodata == 0:
        if round(shift) == 0:
            stored[...] = counts
        else:
            np.add(np.minimum(counts, np.uint16(65535 - round(shift))), np.uint16(round(shift)), out=stored)
            np.multiply(stored, counts != 0, out=stored)
        return stored
    unseen = np.isnan(counts) if math.isnan(nodata) else counts == nodata
    with np.errstate(invalid="ignore"):
        moved = np.nan_to_num(np.round(counts * (scale / SCALE) + shift))
    np.copyto(stored, np.clip(moved, 1, 65535), casting="unsafe")
    stored[unseen] = 0
    return stored


def decode(stored: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Turn the house's counts into reflectance, NaN where nothing was seen."""
    values: NDArray[np.float32] = (stored.astype(np.int32) - ZERO).astype(np.float32) * np.float32(SCALE)
    values[stored == 0] = np.nan
    return values
