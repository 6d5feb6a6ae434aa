"""The second method: a Gaussian process from scikit-learn, one series at a time."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

ROUGHNESS = 1.5
"""Of the Matern covariance: curves with one derivative."""

REACH_DAYS = 40.0
"""Where the search for the correlation length starts [days]."""

REACH_BOUNDS = (10.0, 200.0)
"""Between which it is sought [days]."""


def draw_process(
    days: NDArray[np.float64], values: NDArray[np.float64], noise: NDArray[np.float64], at: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and one sigma (day,) on the days `at` of a process through `values` (look,) seen on `days` (look,).

    `noise` (look,) is one sigma of each look. Amplitude and length are those of the largest marginal likelihood.
    Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", algorithm 2.1.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    middle, scale = float(np.median(values)), float(np.std(values))
    if scale < 1e-9 * max(abs(middle), 1e-300):
        return np.full(len(at), middle), np.zeros(len(at))
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(REACH_DAYS, REACH_BOUNDS, nu=ROUGHNESS)
    process = GaussianProcessRegressor(kernel, alpha=np.maximum(noise / scale, 1e-4) ** 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is no fault
        process.fit(days[:, None], (values - middle) / scale)
        mean, sd = process.predict(at[:, None], return_std=True)
    return middle + scale * np.asarray(mean), scale * np.asarray(sd)
