"""Well-known methods beside ours, on the same splits: `compare`, the work behind `greattit evaluate peers`.

Every peer is fitted on the folds of `lessons.prepare_lesson` to the samples outside a fold that have exactly one right
class, and answers every sample of the fold. No peer is tuned and none sees the labels that it is scored on.

- majority: the commonest class outside the fold.
- forest: a random forest (Breiman 2001) of 300 trees on the flattened series; unseen values are the mean of the column.
- lightgbm: gradient boosted trees (Ke et al. 2017) with the defaults of the library on the flattened series.
- minirocket: MiniRocket (Dempster, Schmidt and Webb 2021, doi:10.1145/3447548.3467231), then a ridge classifier.
- tempcnn: the temporal CNN of Pelletier, Webb and Petitjean 2019 (doi:10.3390/rs11050523).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.crops import adapt, graph, lessons, scores
from greattit.crops.local import sharpen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset
    from greattit.crops.lessons import Lesson
    from greattit.crops.local import Local

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

PEERS = ("majority", "forest", "lightgbm", "minirocket", "tempcnn")
OURS, ALONE = "ours", "ours_alone"
"""our calls, and those without neighbours"""
TREES = 300
KERNELS = 10_000
LEAST_POINTS = 9
"""time points that MiniRocket's kernels need"""
FILTERS, LENGTH, HIDDEN, DROPOUT = 64, 5, 256, 0.5
RATE, BATCH, EPOCHS, MOST_STEPS = 1e-3, 64, 20, 800
"""of the temporal CNN; `MOST_STEPS` ends the passes over a large set early"""


def compare(
    data: Dataset,
    *,
    clock: Callable[[], float],
    keep: Path | None = None,
    skip: Collection[str] = (),
    seed: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Return the figures of ours and of each peer on a labelled set, and how far apart they are.

    `clock` gives seconds; in the folder `keep` calls of peers are kept and used again; `skip` are peers to leave
    out; `told` hears what was done. Only samples whose label names a class are scored. Raises `DatasetError`.
    """
    from greattit.onethread import one_thread

    lesson = lessons.prepare_lesson(data)
    calls: dict[str, Doubles] = {}
    seconds: dict[str, float] = {}
    left_out = {name: "left out on request" for name in PEERS if name in skip}
    with one_thread():
        since = clock()
        model = adapt.adapt(data, seed=seed)
        seconds[OURS] = clock() - since
        assert model.held_out is not None
        calls[OURS] = model.held_out
        told(f"{data.name}: ours, {seconds[OURS]:.0f} s")
        if model.refiner is not None:
            calls[ALONE] = without_neighbours(model, lesson, data)
    for name in PEERS:
        reason = left_out.get(name) or why_not(name, lesson)
        if reason:
            left_out[name] = reason
            continue
        calls[name], seconds[name] = _kept(keep and keep / f"{data.name}-{name}.npz", name, lesson, seed, clock)
        told(f"{data.name}: {name}, {seconds[name]:.0f} s")
    return _about(data, lesson, model) | judged(lesson, calls, seconds) | {"left_out": left_out}


def _kept(file: Path | None, name: str, lesson: Lesson, seed: int, clock: Callable[[], float]) -> tuple[Doubles, float]:
    """Return calls of a peer and the seconds they took, from a file of the same seasons, labels and folds if there."""
    mark = hashlib.sha256(repr((seed, TREES, KERNELS, MOST_STEPS)).encode())
    for array in (lesson.table.values, lesson.right, lesson.fold):
        mark.update(np.ascontiguousarray(array).tobytes())
    if file is not None and file.exists():
        with np.load(file) as old:
            if str(old["mark"]) == mark.hexdigest():
                return old["calls"], float(old["seconds"])
    since = clock()
    calls = held_out(name, lesson, seed)
    took = clock() - since
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, mark=mark.hexdigest(), calls=calls, seconds=took)
    return calls, took


def without_neighbours(model: Local, lesson: Lesson, data: Dataset) -> Doubles:
    """Return our out-of-fold calls (n, class) without neighbours, with a temperature of their own."""
    mixed = model.mixed(lesson.table, model.fold_of(data))
    good = lesson.taught if lesson.taught.any() else lesson.right.any(axis=1)
    return sharpen(mixed, adapt.calibrate(mixed[good], lesson.right[good])["temperature"])


def why_not(name: str, lesson: Lesson) -> str:
    """Return why a peer cannot be fitted to a set; "" when it can."""
    if name != "minirocket":
        return ""
    if find_spec("aeon") is None:
        return "the package aeon is not installed (pip install 'greattit[peers]')"
    points = as_series(lesson.table.values).shape[2]
    return "" if points >= LEAST_POINTS else f"needs {LEAST_POINTS} points of a series, there are {points}"


def held_out(name: str, lesson: Lesson, seed: int = 0) -> Doubles:
    """Return the calls (n, class) of a peer, each sample by the fit that saw nothing of its fold."""
    from greattit.onethread import one_thread

    fit = {
        "majority": _majority,
        "forest": _forest,
        "lightgbm": _lightgbm,
        "minirocket": _minirocket,
        "tempcnn": _tempcnn,
    }[name]
    values = as_series(lesson.table.values) if name in ("minirocket", "tempcnn") else flattened(lesson.table.values)
    truth, exact = lesson.right.argmax(axis=1), lesson.right.sum(axis=1) == 1
    out = np.zeros(lesson.right.shape)
    for number in np.unique(lesson.fold):
        teach, ask = exact & (lesson.fold != number), lesson.fold == number
        own, labels = np.unique(truth[teach], return_inverse=True)
        if len(own) == 1:
            out[np.ix_(ask, own)] = 1.0
            continue
        with one_thread():  # anew for each fit, for numba leaves the threads of all behind when it is done
            out[np.ix_(ask, own)] = fit(values[teach], labels, values[ask], seed)
    return out


def flattened(values: Floats) -> Floats:
    """Return seasons (n, steps, channel) as columns (n, steps * channel); unseen stays NaN."""
    return values.reshape(len(values), -1)


def as_series(values: Floats) -> Floats:
    """Return seasons (n, steps, channel) as series (n, channel, steps), gaps filled along time.

    Before the first and after the last value it is that value; a channel that was never seen stays NaN. Where there is
    one step only, the bands are the points of one series, each scaled to mean 0 and standard deviation 1 over the set.
    """
    if values.shape[1] == 1:
        return graph.scale(values[:, 0])[:, None]
    out = values.transpose(0, 2, 1).copy()
    steps = np.arange(out.shape[2])
    for row, channel in zip(*np.nonzero(np.isnan(out).any(axis=2)), strict=True):
        there = np.isfinite(out[row, channel])
        if there.any():
            out[row, channel] = np.interp(steps, steps[there], out[row, channel, there])
    return out


def _filled(known: Floats, unknown: Floats) -> tuple[Floats, Floats]:
    """Put the mean of the known samples where nothing was seen; 0 where none was."""
    there = np.isfinite(known)
    mean = np.where(there, known, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    one, other = (np.where(np.isfinite(part), part, mean).astype(np.float32) for part in (known, unknown))
    return one, other


def _majority(known: Floats, labels: Ints, unknown: Floats, seed: int) -> Doubles:
    counts = np.bincount(labels)
    return np.tile(counts / counts.sum(), (len(unknown), 1))


def _forest(known: Floats, labels: Ints, unknown: Floats, seed: int) -> Doubles:
    from sklearn.ensemble import RandomForestClassifier

    one, other = _filled(known, unknown)
    found: Doubles = RandomForestClassifier(TREES, random_state=seed, n_jobs=1).fit(one, labels).predict_proba(other)
    return found


def _lightgbm(known: Floats, labels: Ints, unknown: Floats, seed: int) -> Doubles:
    import lightgbm

    model = lightgbm.LGBMClassifier(random_state=seed, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1)
    found = np.asarray(model.fit(known, labels).booster_.predict(unknown, num_threads=1))
    return found if found.ndim == 2 else np.stack([1 - found, found], axis=1)


def _minirocket(known: Floats, labels: Ints, unknown: Floats, seed: int) -> Doubles:
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.preprocessing import StandardScaler

    one, other = _filled(known, unknown)
    rocket, scale = MiniRocket(KERNELS, random_state=seed, n_jobs=1), StandardScaler(with_mean=False)
    columns = scale.fit_transform(np.asarray(rocket.fit_transform(one)))
    ridge = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)).fit(columns, labels)
    score = ridge.decision_function(scale.transform(np.asarray(rocket.transform(other)))).astype(np.float64)
    score = score if score.ndim == 2 else np.stack([-score, score], axis=1)
    power = np.exp(score - score.max(axis=1, keepdims=True))
    shares: Doubles = power / power.sum(axis=1, keepdims=True)
    return shares


def _tempcnn(known: Floats, labels: Ints, unknown: Floats, seed: int) -> Doubles:
    import torch

    known, unknown = _filled(known, unknown)
    low, high = np.percentile(known, (2, 98), axis=(0, 2))
    span = np.maximum(high - low, 1e-6)[:, None]
    one, other = (  # as published: each band to 0-1 between its 2nd and 98th percentile
        torch.from_numpy(((part - low[:, None]) / span).astype(np.float32)) for part in (known, unknown)
    )
    goal = torch.from_numpy(labels)
    torch.manual_seed(seed)
    network = _network(known.shape[1], known.shape[2], int(labels.max()) + 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    network.train()
    left = MOST_STEPS
    for _ in range(EPOCHS):
        order: Any = torch.randperm(len(one))
        for rows in order.split(BATCH)[:left]:
            if len(rows) < 2:  # a batch of one has no spread to normalise by
                continue
            loss: Any = torch.nn.functional.cross_entropy(network(one[rows]), goal[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            left -= 1
    network.eval()
    batches: Any = torch.split(other, 512)
    with torch.inference_mode():
        shares: Doubles = torch.cat([network(part).softmax(dim=1).double() for part in batches]).numpy()
    return shares


def _network(channels: int, steps: int, classes: int) -> Any:
    """(b, channel, steps) -> logits (b, class)."""
    from torch import nn

    layers: list[Any] = []
    for inputs in (channels, FILTERS, FILTERS):
        layers += [nn.Conv1d(inputs, FILTERS, LENGTH, padding="same"), nn.BatchNorm1d(FILTERS)]
        layers += [nn.ReLU(), nn.Dropout(DROPOUT)]
    dense = [nn.Linear(FILTERS * steps, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(HIDDEN, classes))


@dataclass(frozen=True, eq=False)
class Answers:
    """What a method said of n samples."""

    hit: Bools
    """(n,) the best guess is right"""
    truth: Ints
    """(n,) number of the label"""
    counted: Ints
    """(n,) number of the label that the guess counts for; -1 for none"""
    order: Ints
    """(n,) the samples, surest first"""

    @classmethod
    def of(cls, labels: Sequence[str], classes: Sequence[str], calls: Doubles, right: Bools) -> Answers:
        """Judge calls (n, class) by labels (n,) and the classes that are right (n, class)."""
        names, truth = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        called = calls.argmax(axis=1)
        hit = right[np.arange(len(calls)), called]
        place = {str(name): number for number, name in enumerate(names)}
        number = np.array([place.get(name, -1) for name in classes])
        return cls(hit, truth, np.where(hit, truth, number[called]), np.argsort(-calls.max(axis=1), kind="stable"))


Statistic = Callable[[Answers, "Doubles"], float]


def accuracy(answers: Answers, weight: Doubles) -> float:
    """Return the share of right calls; `weight` (n,) is how often each sample counts."""
    return float((answers.hit * weight).sum() / weight.sum())


def macro_f1(answers: Answers, weight: Doubles) -> float:
    """Return the mean F1 of the labels that are there or were called."""
    count = int(answers.truth.max()) + 1
    there = answers.counted >= 0
    hits = np.bincount(answers.truth, weight * (answers.truth == answers.counted), count)
    size = np.bincount(answers.truth, weight, count)
    size += np.bincount(answers.counted[there], weight[there], count)
    return float((2 * hits[size > 0] / size[size > 0]).mean())


def accuracy_80(answers: Answers, weight: Doubles) -> float:
    """Return the share of right calls among the surest 80 %."""
    sorted_weight = weight[answers.order]
    most = np.ceil(0.8 * weight.sum())
    used = np.clip(most - (np.cumsum(sorted_weight) - sorted_weight), 0.0, sorted_weight)
    return float((answers.hit[answers.order] * used).sum() / used.sum())


STATISTICS: dict[str, Statistic] = {"accuracy": accuracy, "macro_f1": macro_f1, "accuracy_80": accuracy_80}


def paired(statistic: Statistic, one: Answers, other: Answers, groups: Sequence[str]) -> tuple[float, float]:
    """Return the 95 % interval of a figure of `one` less that of `other`, drawing the same whole groups for both.

    NaN for one group. Of the accuracy it is `scores.difference`.
    """
    names, owner = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(0, len(names), (scores.BOOTSTRAPS, len(names)))
    gains = np.empty(len(drawn))
    for number, places in enumerate(drawn):
        weight = np.bincount(places, minlength=len(names)).astype(np.float64)[owner]
        gains[number] = statistic(one, weight) - statistic(other, weight)
    low, high = np.quantile(gains, (0.025, 0.975))
    return float(low), float(high)


def verdict(difference: float, low: float) -> str:
    """Say what a difference, ours less theirs, with the lower end of its 95 % interval means."""
    if difference < 0:
        return "behind"
    if difference == 0:
        return "level"
    return "ahead beyond the interval" if low > 0 else "ahead within the interval"


def judged(lesson: Lesson, calls: dict[str, Doubles], seconds: dict[str, float]) -> dict[str, Any]:
    """Return the figures of each method's calls (n, class), and ours less those of each peer."""
    known = lesson.right.any(axis=1)
    rows = np.flatnonzero(known)
    labels, groups = [lesson.labels[row] for row in rows], [lesson.groups[row] for row in rows]
    right, taught = lesson.right[known], lesson.taught[known]
    answers = {name: Answers.of(labels, lesson.classes, found[known], right) for name, found in calls.items()}
    methods = {}
    for name, found in calls.items():
        figures = scores.figures(labels, groups, lesson.classes, found[known], right=right, level=0.0)
        methods[name] = {key: figures[key] for key in KEPT} | {
            "accuracy_taught": scores.number(float(answers[name].hit[taught].mean())) if taught.any() else None,
            "seconds": round(seconds[name], 1) if name in seconds else None,
        }
        if name == OURS:
            one_group = figures["one_group_labels"]
    peers = [name for name in PEERS if name in calls]
    best = max(peers, key=lambda name: methods[name]["accuracy"], default=None)
    result = {"scored": len(rows), "methods": methods, "best_peer": best, "one_group_labels": one_group}
    result["against"] = {name: _against(answers[OURS], answers[name], groups) for name in peers}
    if ALONE in calls:
        result["alone_against"] = {
            name: _against(answers[ALONE], answers[name], groups, ("accuracy",)) for name in peers
        }
    result["verdict"] = result["against"][best]["accuracy"]["verdict"] if best else "no peer"
    return result | {"confusion": confusion(labels, lesson.classes, calls[OURS][known], right)}


KEPT = ("accuracy", "interval", "macro_f1", "macro_f1_interval", "accuracy_80", "accepted_at_93", "ece")
"""figures of `scores.figures` that a benchmark shows"""


def _against(
    one: Answers, other: Answers, groups: Sequence[str], names: Collection[str] = tuple(STATISTICS)
) -> dict[str, Any]:
    result, every = {}, np.ones(len(one.hit))
    for name in names:
        apart = STATISTICS[name](one, every) - STATISTICS[name](other, every)
        apart = 0.0 if abs(apart) < 1e-9 else apart
        if name == "accuracy":
            low, high = scores.difference(one.hit, other.hit, groups)
        else:
            low, high = paired(STATISTICS[name], one, other, groups)
        result[name] = {
            "difference": scores.number(apart),
            "interval": [scores.number(low), scores.number(high)],
            "verdict": verdict(apart, low),
        }
    return result


def confusion(labels: Sequence[str], classes: Sequence[str], calls: Doubles, right: Bools) -> dict[str, Any]:
    """Return how often each label was called what; a right call of a coarser label counts for that label."""
    called = np.asarray(classes)[calls.argmax(axis=1)]
    hit = right[np.arange(len(calls)), calls.argmax(axis=1)]
    counted = np.where(hit, np.asarray(labels, dtype=str), called)
    rows = sorted(set(labels))
    columns = rows + sorted(set(map(str, counted)) - set(rows))
    counts = np.zeros((len(rows), len(columns)), int)
    np.add.at(counts, ([rows.index(x) for x in labels], [columns.index(x) for x in counted]), 1)
    return {"labels": rows, "called": columns, "counts": counts.tolist()}


def _about(data: Dataset, lesson: Lesson, model: Local) -> dict[str, Any]:
    known = lesson.right.any(axis=1)
    untaught = [lesson.labels[row] for row in np.flatnonzero(known & ~lesson.taught)]
    packages = ("numpy", "scikit-learn", "lightgbm", "torch", "aeon")
    return {
        "dataset": data.name,
        "samples": len(data),
        "classes": list(lesson.classes),
        "steps": lesson.table.form.steps,
        "channels": list(lesson.table.form.channels),
        "folds": int(lesson.fold.max()) + 1,
        "places": len(set(lesson.groups)),
        "by_place": lesson.by_place,
        "cut_places": len(set(data.groups) - set(lesson.groups)) if lesson.by_place else 0,
        "untaught": {"labels": sorted(set(untaught)), "samples": len(untaught)},
        "coarser": coarser(lesson),
        "weights": {name: round(share, 3) for name, share in model.weights.items()},
        "experts": dict(model.card["each_expert_alone"]),
        "neighbourhood": dict(model.card["neighbourhood"]),
        "made_with": {name: metadata.version(name) for name in packages if find_spec(_module(name))},
    }


def coarser(lesson: Lesson) -> dict[str, dict[str, Any]]:
    """Return the labels that are no class themselves -> samples, and the classes that are right for them."""
    counts = {label: lesson.labels.count(label) for label in sorted(set(lesson.labels) - set(lesson.classes))}
    right = {label: lesson.right[lesson.labels.index(label)] for label in counts}
    return {
        label: {"samples": count, "right": [name for name, ok in zip(lesson.classes, right[label], strict=True) if ok]}
        for label, count in counts.items()
        if right[label].any()
    }


def _module(package: str) -> str:
    return "sklearn" if package == "scikit-learn" else package
