"""Whether a season is like any that a model was fitted to: `learn`, `scores`.

Known seasons lie near a plane in the space of their features (principal components); how far a season lies from it
says how strange it is. Only what was seen counts, so that a gap is not strange. What a model has never seen (the scale
of another sensor, a swapped band, noise, a cover of another kind) should be refused and not guessed at; a crop that
grows as a known one does cannot be told from it in this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Tensors = dict[str, NDArray[Any]]

COMPONENTS = 10
"""most directions in which known seasons may differ"""
FARTHEST = 10.0
"""[standard deviations] a feature counts for no more than this"""


def learn(features: Floats) -> Tensors:
    """Return mean, spread and principal directions of the features (n, feature) of known seasons; NaN is unseen."""
    there = np.isfinite(features)
    count = np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, features, 0.0).astype(np.float64)
    mean = filled.sum(axis=0) / count
    std = np.sqrt(np.where(there, (filled - mean) ** 2, 0.0).sum(axis=0) / count) + 1e-6
    scaled = _scaled(features, mean, std)
    kept = max(1, min(COMPONENTS, len(features) // 10, features.shape[1] // 2))
    directions = np.linalg.svd(scaled, full_matrices=False)[2][:kept]
    arrays = {"mean": mean, "std": std, "directions": directions}
    return {key: value.astype(np.float32) for key, value in arrays.items()}


def scores(features: Floats, tensors: Tensors) -> Doubles:
    """Return (n,) how far each season lies from the known ones, in standard deviations of a feature."""
    scaled = _scaled(features, tensors["mean"], tensors["std"])
    rest = scaled - (scaled @ tensors["directions"].T) @ tensors["directions"]
    there = np.isfinite(features)
    total = np.where(there, rest**2, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    far: Doubles = np.sqrt(total)
    return far


def level(features: Floats, fold: Ints, share: float) -> float:
    """Return the score that a `share` of known seasons exceed in folds that were not learned from."""
    held = np.zeros(len(features))
    for number in np.unique(fold):
        inside = fold == number
        if inside.all():
            return float("inf")
        held[inside] = scores(features[inside], learn(features[~inside]))
    return float(np.quantile(held, 1.0 - share))


def _scaled(features: Floats, mean: NDArray[Any], std: NDArray[Any]) -> Doubles:
    scaled: Doubles = np.nan_to_num((features.astype(np.float64) - mean) / std)
    return np.clip(scaled, -FARTHEST, FARTHEST)
