"""The Whittaker smoother: a curve through sparse, doubtful looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded


def smooth(values: NDArray[np.float64], weights: NDArray[np.float64], stiffness: float) -> NDArray[np.float64]:
    """Return the curve z (t,) that minimises sum w (y - z)^2 + stiffness * sum (second difference of z)^2.

    `values` (t,) on even steps, NaN or weight 0 where nothing was seen; at least two must be seen. Eilers 2003,
    "A perfect smoother", Analytical Chemistry 75, 3631.
    """
    count = len(values)
    known = np.isfinite(values) & (weights > 0)
    weight = np.where(known, weights, 0.0)
    bands = np.zeros((3, count))
    bands[2] = weight
    for offset, pattern in enumerate(((1.0, 4.0, 1.0), (-2.0, -2.0), (1.0,))):  # D'D of second differences, by diagonal
        for start, value in enumerate(pattern):
            bands[2 - offset, start + offset : start + offset + count - 2] += stiffness * value
    return np.asarray(solveh_banded(bands, weight * np.where(known, values, 0.0)))
