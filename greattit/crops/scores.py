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
ACCEPTED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""shares of the surest calls at which the acceptance curve is given"""
LEAST_ACCEPTED = 20
"""calls below which a share of right ones says nothing"""


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


def accepted_by_fold(certainty: Doubles, right: Bools, fold: NDArray[np.int64], target: float) -> Bools:
    """Return (n,) the calls that are accepted when the level of each fold is set on the other folds only."""
    accepted = np.zeros(len(right), bool)
    for number in np.unique(fold):
        own = fold == number
        if not own.all():
            accepted[own] = certainty[own] >= certainty_level(certainty[~own], right[~own], target)
    return accepted


def sets_by_fold(calls: Doubles, right: Bools, fold: NDArray[np.int64], share: float) -> tuple[Bools, Doubles]:
    """Return (n,) whether a right class is in the prediction set, and its size, by the level that other folds set."""
    inside, size = np.zeros(len(calls), bool), np.ones(len(calls))
    for number in np.unique(fold):
        own = fold == number
        chosen = in_set(calls[own], np.inf if own.all() else likely_level(calls[~own], right[~own], share))
        inside[own], size[own] = (chosen & right[own]).any(axis=1), chosen.sum(axis=1)
    return inside, size


def in_set(calls: Doubles, level: float) -> Bools:
    """Return (n, class) whether a class belongs to the prediction set; the best always does."""
    chosen: Bools = calls >= level
    chosen[np.arange(len(calls)), calls.argmax(axis=1)] = True
    return chosen


def likely_level(probabilities: Doubles, allowed: Bools, share: float) -> float:
    """Return the probability above which a class belongs to the prediction set (split conformal, Vovk et al. 2005).

    Set so that the right class is in the set for `share` of exchangeable samples (Sadinle, Lei and Wasserman 2019,
    doi:10.1080/01621459.2017.1395341).
    """
    score = 1.0 - (probabilities * allowed).max(axis=1)
    rank = min(1.0, np.ceil((len(score) + 1) * share) / len(score))
    return float(max(0.0, 1.0 - np.quantile(score, rank, method="higher")))


def figures(
    labels: Sequence[str], groups: Sequence[str], classes: Sequence[str], calls: Doubles, *, right: Bools, level: float
) -> dict[str, Any]:
    """Return all figures of calls (n, class) by their labels (n,), classes that are right (n, class) and groups (n,).

    `macro_f1` is the mean over all labels, of which coarse ones ("crop") are easily right; `macro_f1_exact` over those
    that are classes. `accuracy_80` is that of the surest 80 %; `acceptance_curve` pairs accepted share and accuracy;
    `accepted_at_93` is the largest share at which 93 % are right; `accepted` the share at or above the certainty
    `level`. Intervals are 95 %, by drawing whole groups again. Labels that stand in one group only cannot be learned
    from other places: they are in `one_group_labels`, and `accuracy_without_them` leaves them out. Figures of nothing
    are None.
    """
    called, certainty = calls.argmax(axis=1), calls.max(axis=1)
    hit = right[np.arange(len(calls)), called] if len(calls) else np.zeros(0, bool)
    names = [classes[index] for index in called]
    crops = per_crop(labels, names, hit)
    counts = np.unique(np.asarray(labels, dtype=str), return_counts=True)[1]
    sure = certainty >= level
    alone = one_group(labels, groups)
    rest = ~np.isin(np.asarray(labels, dtype=str), alone) if len(labels) else np.zeros(0, bool)
    return {
        "samples": len(calls),
        "accuracy": _mean(hit),
        "interval": _pair(interval(hit, groups) if len(hit) else (np.nan, np.nan)),
        "macro_f1": _mean(np.array([figure["f1"] for figure in crops.values()])),
        "macro_f1_exact": _mean(np.array([figure["f1"] for label, figure in crops.items() if label in classes])),
        "macro_f1_interval": _pair(f1_interval(labels, names, hit, groups)),
        "majority_accuracy": number(counts.max() / len(labels)) if len(labels) else None,
        "accepted": _mean(sure),
        "accuracy_accepted": _mean(hit[sure]),
        "accuracy_80": surest(certainty, hit, 0.8),
        "acceptance_curve": [[share, surest(certainty, hit, share)] for share in ACCEPTED],
        "accepted_at_93": accepted_at(certainty, hit, 0.93),
        "ece": number(calibration_error(certainty, hit)),
        "one_group_labels": alone,
        "accuracy_without_them": _mean(hit[rest]),
        "per_crop": {label: {key: round(value, 4) for key, value in figure.items()} for label, figure in crops.items()},
        "by_group": by_group(hit, groups),
    }


def surest(certainty: Doubles, hit: Bools, share: float) -> float | None:
    """Return the share of right calls among the surest `share` of all."""
    count = int(np.ceil(share * len(hit)))
    return _mean(hit[np.argsort(-certainty, kind="stable")[:count]])


def accepted_at(certainty: Doubles, hit: Bools, target: float) -> float:
    """Return the largest share of the surest calls of which `target` are right; 0 when there is none of 20 calls."""
    order = np.argsort(-certainty, kind="stable")
    accuracy = np.cumsum(hit[order]) / np.arange(1, len(hit) + 1)
    good = np.flatnonzero((accuracy >= target) & (np.arange(len(hit)) >= LEAST_ACCEPTED - 1))
    return round(float((good[-1] + 1) / len(hit)), 4) if len(good) else 0.0


def one_group(labels: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return the labels that stand in one group only, sorted."""
    where: dict[str, set[str]] = {}
    for label, group in zip(labels, groups, strict=True):
        where.setdefault(label, set()).add(group)
    return sorted(label for label, places in where.items() if len(places) == 1)


def by_group(hit: Bools, groups: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return group -> samples and accuracy."""
    names = np.asarray(groups, dtype=str)
    return {
        str(name): {"samples": int((names == name).sum()), "accuracy": _mean(hit[names == name])}
        for name in np.unique(names)
    }


def f1_interval(
    labels: Sequence[str], called: Sequence[str], right: Bools, groups: Sequence[str]
) -> tuple[float, float]:
    """Return the 95 % interval of macro F1 over the labels of the whole set, drawing whole groups again."""
    places, owner = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(places) < 2:
        return float("nan"), float("nan")
    truth = np.asarray(labels, dtype=str)
    counted = np.where(right, truth, np.asarray(called, dtype=str))
    names = np.unique(truth)
    hits = np.array([np.bincount(owner, (truth == name) & (counted == name), len(places)) for name in names])
    size = np.array([np.bincount(owner, truth == name, len(places)) for name in names])
    size = size + np.array([np.bincount(owner, counted == name, len(places)) for name in names])
    drawn = np.random.default_rng(0).multinomial(len(places), np.full(len(places), 1 / len(places)), BOOTSTRAPS)
    hits, size = hits @ drawn.T, size @ drawn.T  # (label, draw)
    there = size > 0
    f1 = np.where(there, 2 * hits / np.maximum(size, 1), 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    low, high = np.quantile(f1, (0.025, 0.975))
    return float(low), float(high)


def difference(one: Bools, other: Bools, groups: Sequence[str]) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy of `one` less that of `other` on the same samples, over groups."""
    names, owner = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    gain, counts = np.bincount(owner, weights=one.astype(float) - other), np.bincount(owner)
    drawn = np.random.default_rng(0).integers(0, len(names), (BOOTSTRAPS, len(names)))
    low, high = np.quantile(gain[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def number(value: float) -> float | None:
    """Return a figure of four digits; None for one that is no number."""
    return None if not np.isfinite(value) else round(float(value), 4)


def _mean(values: NDArray[Any]) -> float | None:
    return number(float(values.mean())) if len(values) else None


def _pair(values: tuple[float, float]) -> list[float | None]:
    return [number(value) for value in values]
