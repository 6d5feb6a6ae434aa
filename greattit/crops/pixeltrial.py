"""Does knowing a field's pixels call its crop better than its mean? `greattit evaluate patches FILE.npz`.

`evaluate` puts the pixel-set network beside boosted trees on the mean, and on mean, spread, quantiles and indices, all
on the same folds of whole groups. A network and trees differ in more than what they are given, and the shape of a field
is known from its drawing, without a pixel. So the same network is trained on mean and shape alone too, and like is
compared with like. On 4,000 Indian fields (AgriFieldNet 2022) the pixels gained one to two points of accuracy, about as
much as the shape or the choice of the learner, and the ring around the field none.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.crops import scores
from greattit.crops.pixelset import (
    STEPS,
    Fields,
    Patches,
    PixelSetConfig,
    Sets,
    fields,
    mean_features,
    probabilities,
    read,
    spread_features,
    train,
)
from greattit.crops.samples import assign_folds
from greattit.errors import DatasetError
from greattit.onethread import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

LEAST_OF_CROP = 20
"""samples that a crop needs to count in the macro F1"""
SUREST = 0.8
"""share of the fields whose calls are the surest"""
BOOTSTRAPS = 4000
"""draws of whole groups for a paired difference; more than for one accuracy, as its tails are thinner"""
MEMBERS = 2
"""networks averaged, as two seeds can differ by a point"""
LEARNED = ("mean", "mean_network", "spread", "pixel_set")
"""methods of which the best two are averaged"""
COMPARED = (("spread", "mean"), ("pixel_set", "mean_network"), ("pixel_set", "mean"), ("best_two", "mean"))
"""a method that knows the pixels, and one that knows the mean only"""
ALIKE = COMPARED[:2]
"""those that differ in the pixels they know and not in how they learn or in shape. The verdict is yes where all of them
are beyond their interval: on the Indian fields one of them alone comes and goes with the seed"""
NAMES = {
    "majority": "always the commonest",
    "mean": "mean, boosted trees",
    "mean_network": "mean and shape, the same network",
    "spread": "spread and indices, boosted trees",
    "pixel_set": "pixel-set network",
    "best_two": "average of the best two",
}
"""method -> its name in a table"""


def evaluate(path: Path, folds: int = 5, seed: int = 0, *, steps: int = STEPS) -> dict[str, Any]:
    """Return the figures of all methods on a patches file, each field called by a model that saw nothing of its group.

    `interval` is the 95 % interval of the accuracy over whole groups; `macro_f1` is over crops of 20 fields and more;
    `surest` is the accuracy of the surest 80 %. `best_two` averages the two methods that were best in the other folds.
    `differences` are of accuracies on the same fields, each with an interval over the same draws of whole groups, wide
    enough that all of them together hold in 95 % of cases (Bonferroni). The verdict rests on those of `ALIKE`.

    Figures depend on the seed and on the library of the trees, which they name: LightGBM, or scikit-learn where it is
    not installed. One thread; `steps` of training for each network. Raises `DatasetError`.
    """
    patches = read(Path(path))
    fold = _folds(patches, folds)
    with one_thread():
        classes, labels = np.unique(np.asarray(patches.crops), return_inverse=True)
        found, chosen = _all_methods(patches, labels, fold, seed, steps)
    called = {name: share.argmax(axis=1) for name, share in found.items()}
    right = {name: np.asarray(call == labels) for name, call in called.items()}
    figures = {
        name: _figures(patches, classes[called[name]].tolist(), share.max(axis=1), right[name])
        for name, share in found.items()
    }
    differences = [
        {"method": one, "against": other} | _difference(right[one], right[other], patches.groups, seed)
        for one, other in COMPARED
    ]
    return {
        "file": patches.name,
        "fields": len(patches),
        "groups": len(set(patches.groups)),
        "crops": {str(crop): int(count) for crop, count in zip(classes, np.bincount(labels), strict=True)},
        "folds": folds,
        "seed": seed,
        "trees": _trees_name(),
        "methods": figures,
        "best_two": chosen,
        "differences": differences,
        "pixels_beat_mean": all(_beats(each) for each in _alike(differences)),
        "verdict": verdict(differences),
    }


def _folds(patches: Patches, folds: int) -> Ints:
    """Return the fold (n,) of each field; raise `DatasetError` when a model could not be trained without one."""
    groups = len(set(patches.groups))
    if not 2 <= folds <= groups:
        raise DatasetError(f"{groups} groups cannot be cut into {folds} folds of 2 and more", subject=patches.name)
    fold: Ints = assign_folds([patches.name] * len(patches), patches.groups, folds)
    crops = np.asarray(patches.crops)
    if any(len(set(crops[fold != one].tolist())) < 2 for one in range(folds)):
        raise DatasetError("holds one crop only where a fold is left out", subject=patches.name)
    return fold


def _all_methods(
    patches: Patches, labels: Ints, fold: Ints, seed: int, steps: int
) -> tuple[dict[str, Doubles], list[list[str]]]:
    """Return method -> probabilities (n, class), each from models that did not see the fold, and the two averaged."""
    count, bands = len(patches), len(patches.bands)
    known = fields(patches, PixelSetConfig.ring)
    means = mean_features(known.inside)
    features = {"mean": means, "spread": spread_features(known.inside, patches.bands)}
    alone = Fields(
        inside=Sets(means.astype(np.float32), np.arange(count + 1)),
        ring=Sets(np.zeros((0, bands), np.float32), np.zeros(count + 1, np.int64)),
        shape=known.shape,
    )
    found = {name: np.zeros((count, int(labels.max()) + 1)) for name in NAMES}
    for one in np.unique(fold):
        rows, out = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        present, own = np.unique(labels[rows], return_inverse=True)
        local = np.full(count, -1)
        local[rows] = own
        place = np.ix_(out, present)
        found["majority"][place] = np.bincount(own) / len(own)
        for name, table in features.items():
            found[name][place] = _trees(table[rows], own, table[out], seed)
        for name, data, ring in (("mean_network", alone, 0), ("pixel_set", known, PixelSetConfig.ring)):
            config = PixelSetConfig(bands, len(present), ring=ring, steps=steps)
            members = (train(data, local, rows, config, seed * MEMBERS + member) for member in range(MEMBERS))
            found[name][place] = np.mean([probabilities(member, data, out) for member in members], axis=0)
    chosen = _average_best(found, labels, fold)
    return found, chosen


def _average_best(found: dict[str, Doubles], labels: Ints, fold: Ints) -> list[list[str]]:
    """Fill in `best_two` and return the names for each fold: those that were right most often in the other folds."""
    chosen = []
    for one in np.unique(fold):
        out = fold == one
        hits = {name: int((found[name].argmax(axis=1) == labels)[~out].sum()) for name in LEARNED}
        best = sorted(LEARNED, key=lambda name: -hits[name])[:2]
        found["best_two"][out] = (found[best[0]][out] + found[best[1]][out]) / 2
        chosen.append(best)
    return chosen


def _lightgbm() -> Any:
    try:
        return importlib.import_module("lightgbm")
    except ImportError:
        return None


def _trees_name() -> str:
    library = _lightgbm()
    return (
        f"lightgbm {library.__version__}"
        if library
        else f"scikit-learn {importlib.import_module('sklearn').__version__}"
    )


def _trees(known: Doubles, labels: Ints, asked: Doubles, seed: int) -> Doubles:
    """Return the probabilities (n, class) of rows `asked` by gradient boosting on `known`, 0 to classes - 1."""
    library = _lightgbm()
    if library is None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=60,
            max_leaf_nodes=7,
            min_samples_leaf=20,
            max_features=0.5,
            early_stopping=False,
            random_state=seed,
        )
        return np.asarray(model.fit(known, labels).predict_proba(asked))
    options = {
        "objective": "multiclass",
        "num_class": int(labels.max()) + 1,
        "learning_rate": 0.05,
        "num_leaves": 7,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.5,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    return np.asarray(library.train(options, library.Dataset(known, labels), 60).predict(asked, num_threads=1))


def _figures(patches: Patches, called: list[str], certainty: Doubles, right: Bools) -> dict[str, Any]:
    crops = scores.per_crop(patches.crops, called, right)
    many = [figure["f1"] for figure in crops.values() if figure["samples"] >= LEAST_OF_CROP]
    return {
        "accuracy": _number(right.mean()),
        "interval": [_number(value) for value in scores.interval(right, patches.groups)],
        "macro_f1": _number(np.mean(many)) if many else None,
        "surest": _number(accuracy_of_surest(certainty, right)),
        "ece": _number(scores.calibration_error(certainty, right)),
    }


def accuracy_of_surest(certainty: Doubles, right: Bools, share: float = SUREST) -> float:
    """Return the accuracy of the surest `share` of the calls; those as sure as the last of them count in part."""
    count = int(np.ceil(share * len(right)))
    level = np.sort(certainty)[-count]
    above, tied = certainty > level, certainty == level
    return float((right[above].sum() + (count - above.sum()) * right[tied].mean()) / count)


def _difference(one: Bools, other: Bools, groups: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Return the difference of two accuracies on the same fields, and its interval by drawing whole groups again."""
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    gains, counts = np.bincount(owner, weights=one.astype(float) - other), np.bincount(owner)
    drawn = np.random.default_rng(seed).integers(0, len(names), (BOOTSTRAPS, len(names)))
    shares = gains[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = 0.05 / len(COMPARED) / 2
    return {
        "difference": _number(gains.sum() / len(one)),
        "interval": [_number(value) for value in np.quantile(shares, (tail, 1 - tail))],
    }


def _beats(difference: Mapping[str, Any]) -> bool:
    return bool(difference["interval"][0] > 0)


def _alike(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in differences if (each["method"], each["against"]) in ALIKE]


def verdict(differences: list[dict[str, Any]]) -> str:
    """Say what differences (as of `evaluate`) mean: whether knowing the pixels beats the mean, like with like first."""
    alike = _alike(differences)
    beating = sum(map(_beats, alike))
    first = "Knowing the pixels does not beat the mean beyond the interval"
    if beating == len(alike):
        first = "Knowing the pixels beats the mean beyond the interval"
    elif beating:
        first = (
            f"Knowing the pixels does not surely beat the mean: beyond the interval in {beating} of {len(alike)} ways"
        )
    told = "; ".join(f"{NAMES[each['method']]} {_points(each)} against {NAMES[each['against']]}" for each in alike)
    text = f"{first}. Like with like: {told}."
    rest = [each for each in differences if each not in alike and _beats(each)]
    if rest and beating < len(alike):
        told = "; ".join(f"{NAMES[each['method']]} {_points(each)}" for each in rest)
        text += f" What is beyond it against {NAMES['mean']} is owed to learner or shape as well: {told}."
    return text


def _points(each: Mapping[str, Any]) -> str:
    low, high = each["interval"]
    return f"{100 * each['difference']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as text for a terminal."""
    lines = [
        f"{result['file']}: {result['fields']} fields, {len(result['crops'])} crops, {result['groups']} groups in "
        f"{result['folds']} folds; trees by {result['trees']}",
        "",
        f"{'':36s}{'accuracy':>9s}{'95 % interval':>17s}{'macro F1':>10s}{'surest 80 %':>13s}{'ECE':>7s}",
    ]
    for name, figure in result["methods"].items():
        low, high = (_text(value) for value in figure["interval"])
        shown = f"{_text(figure['macro_f1']):>10s}{_text(figure['surest']):>13s}{_text(figure['ece']):>7s}"
        lines.append(f"{NAMES[name]:36s}{_text(figure['accuracy']):>9s}{f'{low} to {high}':>17s}{shown}")
    lines += ["", "right more often, with an interval that holds for all four together"]
    lines += [
        f"{NAMES[each['method']]:36s}against {NAMES[each['against']]:34s}{_points(each)}"
        for each in result["differences"]
    ]
    return "\n".join([*lines, "", result["verdict"]])


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
