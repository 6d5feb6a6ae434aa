"""Figures of a classifier: accuracy with its interval, macro F1, calibration error; and levels set on held-out data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]

BOOTSTRAPS = 1000


def interval(right: Bools, groups: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy by drawing whole groups again (Efron 1979); NaN for none or one group.

    Neighbouring fields are alike, so the groups are drawn and not the samples.
    """
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    hits, counts = np.bincount(owner, weights=right), np.bincount(owner)
    drawn = np.random.default_rng(seed).integers(0, len(names), (BOOTSTRAPS, len(names)))
    shares = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def calibration_error(certainty: Doubles, right: Bools, bins: int = 10) -> float:
    """Return the expected calibration error over equal bins of certainty (Guo et al. 2017, arXiv:1706.04599)."""
    if not len(right):
        return float("nan")
    place = np.minimum((certainty * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights=right - certainty, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def per_crop(labels: Sequence[str], called: Sequence[str], right: Bools) -> dict[str, dict[str, Any]]:
    """Return label -> samples, recall, precision, f1. A call that is right by a coarser label counts for that label."""
    truth = np.asarray(labels)
    counted = np.where(right, truth, np.asarray(called))
    figures = {}
    for label in sorted(set(labels)):
        is_label, is_called = truth == label, counted == label
        hits = int((is_label & is_called).sum())
        recall = hits / int(is_label.sum())
        precision = hits / int(is_called.sum()) if is_called.any() else 0.0
        f1 = 2 * hits / (int(is_label.sum()) + int(is_called.sum()))
        figures[label] = {"samples": int(is_label.sum()), "recall": recall, "precision": precision, "f1": f1}
    return figures


def fit_temperature(logits: Doubles, allowed: Bools, offset: Doubles) -> float:
    """Return the temperature that makes logits (n, class) most likely (Guo et al. 2017).

    `allowed` (n, class) are the classes that are right by the label; `offset` (class,) is added after the division.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature) + offset
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        power = np.exp(scaled)
        return float(-np.log((power * allowed).sum(axis=1) / power.sum(axis=1) + 1e-12).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def certainty_level(certainty: Doubles, right: Bools, target: float) -> float:
    """Return the least certainty at which the accepted calls are right with the share `target`; 1 when none is.

    It is the lowest level at or above which there are at least 30 calls and the share of right ones meets the target.
    """
    order = np.argsort(-certainty, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero((accuracy >= target) & (np.arange(len(order)) >= 29))
    return float(certainty[order][good[-1]]) if len(good) else 1.0


def likely_level(probabilities: Doubles, allowed: Bools, share: float) -> float:
    """Return the probability above which a class belongs to the prediction set (split conformal, Vovk et al. 2005).

    Set so that the right class is in the set for `share` of exchangeable samples (Sadinle, Lei and Wasserman 2019,
    doi:10.1080/01621459.2017.1395341).
    """
    score = 1.0 - (probabilities * allowed).max(axis=1)
    rank = min(1.0, np.ceil((len(score) + 1) * share) / len(score))
    return float(max(0.0, 1.0 - np.quantile(score, rank, method="higher")))
