"""How green each pixel got: what carries no plants all season is water, road or building."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.indices import ndvi

if TYPE_CHECKING:
    from greattit.types import Cube

BARE = 0.35
"""Second largest NDVI of a season below which a pixel carried no plants [1]; built and water pixels stay under 0.3."""


def peak_ndvi(cube: Cube) -> NDArray[np.float32]:
    """Return the second largest clear NDVI of each pixel (y, x); NaN with fewer than two clear looks."""
    with np.errstate(invalid="ignore", divide="ignore"):
        greenness = ndvi(cube["B04"].values, cube["B08"].values)
    seen = np.where(cube["clear"].values, greenness, np.nan)
    ascending = np.sort(np.where(np.isfinite(seen), seen, -np.inf), axis=0)
    second: NDArray[np.float32] = ascending[-2] if len(ascending) > 1 else np.full(ascending.shape[1:], -np.inf)
    return np.where(np.isfinite(second), second, np.nan).astype(np.float32)


def never_green(cube: Cube, inside: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the pixels (y, x) that never greened while the middle of the drawing did: water, road or building."""
    peak = peak_ndvi(cube)
    core = peak[(inside > 0.99) & np.isfinite(peak)]
    if not core.size or np.median(core) < BARE + 0.2:
        return np.zeros(peak.shape, bool)
    return peak < BARE
