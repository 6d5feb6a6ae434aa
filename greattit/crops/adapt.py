"""Fits a model to the labelled parcels of one place: `adapt`, the work behind `greattit adapt` and `--train-on`.

Each expert is fitted five times, each time without the parcels of some places (whole groups), so that every parcel has
a call from a model that saw nothing of its surroundings. On those calls, and on nothing else, everything is chosen: how
much each expert counts, whether the neighbours are heard, the temperature, the levels. The prediction sets of a fold
are judged by the level that the other folds set; the shares of the experts and the temperature are few numbers that are
set on all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import experts, graph, local, novelty, scores, taxonomy
from greattit.crops.experts import COMMONEST, FitConfig
from greattit.crops.local import Local, pick, sharpen
from greattit.crops.table import Form, Table, features, form_of, tabulate
from greattit.errors import DatasetError
from greattit.onethread import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset

    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

MANY, SOME = 300, 100
"""samples from which on forests are left out, and from which on a network is fitted"""
LEAST_OF_MANY, LEAST_OF_FEW = 12, 2
"""samples that a class needs in a set of `MANY` and in a smaller one"""
NOVEL = 0.01
"""share of known samples that are called unlike anything"""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A labelled set, ready to be fitted to."""

    table: Table
    places: Doubles
    """(n, 2) longitude, latitude; NaN for none"""
    labels: tuple[str, ...]
    """(n,) house names"""
    groups: tuple[str, ...]
    """(n,) spatial blocks, or what stands in for them"""
    classes: tuple[str, ...]
    right: Bools
    """(n, class) classes that are right by the label; a coarse label has several, an unknown one none"""
    fold: Ints
    """(n,)"""
    taught: Bools
    """(n,) some right class stands in another fold too, so that it could be learned without this fold"""
    by_place: bool
    """the folds are whole places"""


def adapt(
    data: Dataset,
    *,
    form: Form | None = None,
    folds: int = 5,
    fit: FitConfig | None = None,
    seed: int = 0,
    workers: int = 1,
    licence: str = "",
) -> Local:
    """Fit experts to a labelled set, choose among them on unseen places, calibrate; see the module.

    `form` is how seasons become arrays, by default what fits the set. `workers` processes share the folds and change no
    figure. `licence` is that of the labels, for the card. Raises `DatasetError` when there are fewer than two crops to
    tell apart, or a network's loss is no number.
    """
    fit = fit or FitConfig()
    lesson = prepare_lesson(data, folds, form=form)
    names = (*_experts_for(len(data)), COMMONEST)
    known = np.asarray(lesson.right.any(axis=1))
    jobs = [
        (lesson.table, _targets(lesson), known & (lesson.fold != number), lesson.fold == number, names, fit, seed)
        for number in range(int(lesson.fold.max()) + 1)
    ]
    if workers > 1 and len(data) >= MANY:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(_fit_fold, *zip(*jobs, strict=True)))
    else:
        found = [_fit_fold(*job) for job in jobs]
    held = {name: np.zeros(lesson.right.shape) for name in names}
    for number, (_, calls) in enumerate(found):
        for name in names:
            held[name][lesson.fold == number] = calls[name]
    with one_thread():
        return _choose(data, lesson, held, [arrays for arrays, _ in found], fit, licence)


def draw(data: Dataset, shots: int, seed: int = 0) -> Dataset:
    """Return `shots` samples of a set, drawn at random and at least two of each of its commonest crops."""
    if not 4 <= shots <= len(data):
        raise DatasetError(
            f"{shots} samples cannot be drawn of {len(data)}", subject=data.name, remedy=f"ask for 4 to {len(data)}"
        )
    order = np.random.default_rng(seed).permutation(len(data))
    labels = np.asarray(local.names(data.crops))[order]
    names, counts = np.unique(labels, return_counts=True)
    chosen: list[int] = []
    for name in names[np.argsort(-counts, kind="stable")]:
        if len(chosen) + 2 <= shots // 2:
            chosen += np.flatnonzero(labels == name)[:2].tolist()
    chosen += [row for row in range(len(order)) if row not in set(chosen)][: shots - len(chosen)]
    keep = np.zeros(len(data), bool)
    keep[order[chosen]] = True
    return data.pick(keep)


def prepare_lesson(data: Dataset, folds: int = 5, *, form: Form | None = None) -> Lesson:
    """Bring a labelled set to arrays: its form, classes, right classes and folds; raise `DatasetError`."""
    table = tabulate(data, form or form_of(data), local.least_clear())
    labels = local.names(data.crops)
    classes = choose_classes(labels, LEAST_OF_MANY if len(data) >= MANY else LEAST_OF_FEW, data.name)
    right = np.array([[taxonomy.agrees(name, label) for name in classes] for label in labels], bool)
    by_place = len(set(data.groups)) > 1
    groups = places_of(labels, data.groups, data.places, classes) if by_place else _like_series(table)
    fold = even_folds(groups, right, min(folds, len(set(groups))))
    return Lesson(table, data.places, labels, groups, classes, right, fold, _taught(right, fold), by_place)


def choose_classes(labels: Sequence[str], least: int, subject: str) -> tuple[str, ...]:
    """Return the labels with at least `least` samples, sorted, without those that only name a class more coarsely."""
    names, counts = np.unique(np.asarray(labels), return_counts=True)
    many = [str(name) for name, count in zip(names, counts, strict=True) if count >= least]
    roots = {"crop", "cover", "unknown"}
    coarser = {name for name in many if any(other != name and taxonomy.descends(other, name) for other in many)}
    classes = tuple(sorted(set(many) - coarser - roots))
    if len(classes) < 2:
        counted = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True)) or "none"
        raise DatasetError(
            f"fewer than two crops have {least} samples ({counted[:200]})",
            subject=subject,
            remedy="add labelled parcels of at least two crops",
        )
    return classes


def even_folds(groups: Sequence[str], right: Bools, folds: int) -> Ints:
    """Return the fold (n,) of each sample: whole groups, large ones first, each fold with its share of each crop."""
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.array([np.bincount(owner, column, len(names)) for column in (*right.T, np.ones(len(owner)))]).T
    counts /= np.maximum(counts.sum(axis=0), 1.0)  # (group, class and all)
    held = np.zeros((folds, counts.shape[1]))
    fold_of = np.zeros(len(names), np.int64)
    for group in np.lexsort((names, -counts[:, -1])):
        held_with = held + counts[group]
        cost = (held_with**2).sum(axis=1) - (held**2).sum(axis=1)
        fold_of[group] = int(cost.argmin())
        held[fold_of[group]] += counts[group]
    used = np.unique(fold_of)
    chosen: Ints = np.searchsorted(used, fold_of)[owner]
    return chosen


PARTS = 4
"""parts into which the one place of a crop is cut"""


def places_of(labels: Sequence[str], groups: Sequence[str], places: Doubles, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the groups (n,), those cut in parts that alone hold a class, so that every class has two places.

    Without a second place a class could not be known from elsewhere, and leaving places out would measure something
    else. The cut is along the longer side, in parts of as many samples; a place without positions stays whole.
    """
    truth, where = np.asarray(labels), np.asarray(groups, dtype=object)
    found = [set(where[truth == name]) for name in classes]
    out = where.copy()
    for group in sorted({next(iter(where_found)) for where_found in found if len(where_found) == 1}):
        rows = np.flatnonzero(where == group)
        spots = places[rows] * [np.cos(np.radians(places[rows, 1].mean())), 1.0]
        if not np.isfinite(spots).all():
            continue
        along = spots[:, int(np.ptp(spots, axis=0).argmax())]
        part = np.minimum(np.argsort(np.argsort(along, kind="stable")) * PARTS // len(rows), PARTS - 1)
        out[rows] = [f"{group}/{number}" for number in part]
    return tuple(map(str, out))


def _taught(right: Bools, fold: Ints) -> Bools:
    taught = np.zeros(len(right), bool)
    for number in np.unique(fold):
        inside = fold == number
        exact = right[~inside & (right.sum(axis=1) == 1)]
        taught[inside] = (right[inside] & exact.any(axis=0)).any(axis=1)
    return taught


def _like_series(table: Table) -> tuple[str, ...]:
    """Stand in for places where a set has none: the same series is in the same group."""
    rounded = np.nan_to_num(table.values, nan=-9.0).round(4)
    return tuple(hashlib.sha256(values.tobytes()).hexdigest()[:12] for values in rounded)


def _targets(lesson: Lesson) -> Doubles:
    """Return the shares (n, class) that each sample teaches: of a coarse label, as common as its kinds are."""
    exact = lesson.right[lesson.right.sum(axis=1) == 1].sum(axis=0) + 1.0
    shares = lesson.right * exact
    targets: Doubles = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    return targets


def _experts_for(samples: int) -> tuple[str, ...]:
    if samples >= MANY:
        return ("boosting", "network", "plain")
    return ("boosting", "forest", "network") if samples >= SOME else ("boosting", "forest")


def _fit_fold(
    table: Table, target: Doubles, teach: Bools, ask: Bools, names: Sequence[str], fit: FitConfig, seed: int
) -> tuple[dict[str, Any], dict[str, Doubles]]:
    arrays, calls = {}, {}
    known, unknown = pick(table, np.flatnonzero(teach)), pick(table, np.flatnonzero(ask))
    with one_thread():
        for name in names:
            arrays[name] = experts.fit(name, known, target[teach], fit, seed)
            calls[name] = experts.probabilities(name, arrays[name], unknown, target.shape[1], fit)
    return arrays, calls


def _folds(data: Dataset, lesson: Lesson) -> dict[str, dict[str, dict[str, int]]]:
    """Return the fold of each whole group, and of each sample of a group that was cut."""
    pairs = list(zip(data.samples, data.groups, lesson.groups, map(int, lesson.fold), strict=True))
    whole = {group: fold for _, group, own, fold in pairs if group == own}
    cut = {sample: fold for sample, group, own, fold in pairs if group != own}
    return {data.name: {"folds": whole, "sample_folds": cut}}


def blend(held: dict[str, Doubles], right: Bools) -> dict[str, float]:
    """Return the share of each expert in the mean that makes the right classes most likely; shares below 5 % are 0."""
    from scipy.optimize import minimize

    stack = np.stack([(calls * right).sum(axis=1) for calls in held.values()], axis=1)

    def loss(raw: Doubles) -> float:
        share = np.exp(raw - raw.max())
        return float(-np.log(stack @ (share / share.sum()) + 1e-4).mean())

    raw = minimize(loss, np.zeros(len(held)), method="Nelder-Mead", options={"maxiter": 300}).x
    share = np.exp(raw - raw.max())
    share /= share.sum()
    share = np.where(share < 0.05, 0.0, share)
    return dict(zip(held, (share / share.sum()).tolist(), strict=True))


def mix(held: dict[str, Doubles], shares: dict[str, float]) -> Doubles:
    """Return the weighted mean (n, class) of the experts."""
    mixed: Doubles = np.sum([shares[name] * calls for name, calls in held.items()], axis=0)
    return mixed


def _choose(
    data: Dataset, lesson: Lesson, held: dict[str, Doubles], members: list[Any], fit: FitConfig, licence: str
) -> Local:
    usual = held.pop(COMMONEST)
    good = lesson.taught if lesson.taught.any() else np.asarray(lesson.right.any(axis=1))
    shares = blend({name: calls[good] for name, calls in held.items()}, lesson.right[good])
    mixed = mix(held, shares)
    hits, rival = (float(lesson.right[good, calls[good].argmax(axis=1)].mean()) for calls in (mixed, usual))
    verdict = f"{hits:.1%} right on unseen places, against {rival:.1%} by always naming the commonest crop"
    if hits <= rival:
        verdict += ": nothing was learned that holds elsewhere, so the commonest crop is named and no certainty claimed"
        shares, mixed = {COMMONEST: 1.0}, usual
    joined = graph.link(lesson.places, graph.scale(features(lesson.table)), lesson.fold)
    refiner, gain = _neighbours(mixed, lesson, joined, good)
    if COMMONEST in shares:
        refiner = None
    refined = mixed if refiner is None else graph.refine(mixed, joined, refiner)
    calibration = calibrate(refined[good], lesson.right[good])
    known = np.asarray(lesson.right.any(axis=1))
    rows = features(lesson.table)[known]
    calibration["novelty_level"] = round(novelty.level(rows, lesson.fold[known], NOVEL), 4)
    calibration["least_looks"] = float(min(3, np.quantile(lesson.table.looks, 0.05)))
    kept = [{name: member[name] for name in shares if shares[name] > 0} for member in members]
    model = Local(
        name=f"crops-{data.name}",
        classes=lesson.classes,
        form=lesson.table.form,
        fit=fit,
        members=tuple(kept),
        weights={name: share for name, share in shares.items() if share > 0},
        refiner=refiner,
        known=novelty.learn(rows),
        calibration=calibration,
        folds=_folds(data, lesson),
        card={},
    )
    held_out = sharpen(refined, calibration["temperature"])
    card = {"verdict": verdict} | _card(data, lesson, held, gain, refined, calibration, licence)
    return replace(model, held_out=held_out, card=card)


def _neighbours(mixed: Doubles, lesson: Lesson, joined: graph.Graph, good: Bools) -> tuple[Any, dict[str, Any]]:
    """Return the gates, or None when refining does not help on folds that they were not learned on, and both losses."""
    right = lesson.right & good[:, None]
    heard = mixed.copy()
    for number in np.unique(lesson.fold):
        inside = lesson.fold == number
        gates = graph.learn(mixed, right & ~inside[:, None], joined)
        if gates is None:
            return None, {"used": False, "why": "too few parcels have a neighbour within 2 km"}
        heard[inside] = graph.refine(mixed, joined, gates)[inside]
    before, after = (_log_loss(calls, right, good) for calls in (mixed, heard))
    hits = [right[good, calls[good].argmax(axis=1)].mean() for calls in (mixed, heard)]
    told = {
        "log_loss_without": round(before, 4),
        "log_loss_with": round(after, 4),
        "accuracy_without": round(float(hits[0]), 4),
        "accuracy_with": round(float(hits[1]), 4),
        "parcels_with_neighbours": round(float(joined.joined.mean()), 4),
    }
    if after >= before or hits[1] < hits[0]:
        return None, told | {"used": False, "why": "did not help on places it was not learned on"}
    return graph.learn(mixed, right, joined), told | {"used": True}


def _log_loss(calls: Doubles, right: Bools, good: Bools) -> float:
    return float(-np.log((calls * right).sum(axis=1)[good] + 1e-4).mean())


def _rules() -> policy.View:
    return policy.load("crops").on(date.max)


def wanted_accuracy() -> float:
    """Return the share of accepted calls that must be right."""
    return float(_rules().rule("call", "target_accuracy").value)


def calibrate(calls: Doubles, right: Bools) -> dict[str, float]:
    """Return temperature and levels from calls (n, class) of unseen places and the classes that are right."""
    target, share = wanted_accuracy(), float(_rules().rule("call", "likely_share").value)
    logs = np.log(np.maximum(calls, 1e-9))
    temperature = scores.fit_temperature(logs, right, np.zeros(calls.shape[1]))
    sharp = sharpen(calls, temperature)
    hit = right[np.arange(len(sharp)), sharp.argmax(axis=1)]
    return {
        "temperature": round(temperature, 4),
        "certainty_level": round(scores.certainty_level(sharp.max(axis=1), hit, target), 4),
        "likely_level": round(scores.likely_level(sharp, right, share), 5),
    }


def _card(
    data: Dataset,
    lesson: Lesson,
    held: dict[str, Doubles],
    gain: dict[str, Any],
    refined: Doubles,
    calibration: dict[str, float],
    licence: str,
) -> dict[str, Any]:
    known = np.asarray(lesson.right.any(axis=1))
    calls = sharpen(refined, calibration["temperature"])
    labels = [label for label, is_known in zip(lesson.labels, known, strict=True) if is_known]
    groups = [group for group, is_known in zip(lesson.groups, known, strict=True) if is_known]
    figures = scores.figures(
        labels, groups, lesson.classes, calls[known], right=lesson.right[known], level=calibration["certainty_level"]
    )
    figures |= {"majority": figures.pop("majority_accuracy")}
    figures |= accepted_by_fold(lesson, calls) | coverage_by_fold(lesson, calls)
    lonely = sorted(
        {label for label, ok, taught in zip(lesson.labels, known, lesson.taught, strict=True) if ok and not taught}
    )
    single = {
        name: round(float(lesson.right[known, calls_[known].argmax(axis=1)].mean()), 4) for name, calls_ in held.items()
    }
    countries, looks = set(data.countries), lesson.table.looks[known]
    what = "whole places" if lesson.by_place else "series (the set has no places: figures are too good)"
    return {
        "figures": {
            "what": f"out of fold by {what}; levels of a fold are set on the other folds; 95 % intervals over places",
            data.name: figures,
        },
        "serves": {"country": next(iter(countries)) if len(countries) == 1 else "", "looks": float(np.median(looks))},
        "each_expert_alone": single,
        "neighbourhood": gain,
        "classes_of_one_place": lonely,
        "training": {
            "sets": {
                data.name: {
                    "samples": len(data),
                    "labels_used": int(known.sum()),
                    **_licence(data.name, licence),
                    **_folds(data, lesson)[data.name],
                }
            }
        },
    }


def _licence(name: str, licence: str) -> dict[str, Any]:
    from greattit.crops.publish import SETS

    if name in SETS and not licence:
        return {"licence": SETS[name][0], "attribution": SETS[name][1], "ships": True}
    return {"licence": licence or "not stated", "attribution": licence or "not stated", "ships": False}


def accepted_by_fold(lesson: Lesson, calls: Doubles) -> dict[str, float | None]:
    """Return the accepted share and its accuracy, each fold by the level that the other folds set."""
    known = lesson.right.any(axis=1)
    right, fold, certainty = lesson.right[known], lesson.fold[known], calls[known].max(axis=1)
    hit = right[np.arange(len(right)), calls[known].argmax(axis=1)]
    sure = scores.accepted_by_fold(certainty, hit, fold, wanted_accuracy())
    right_ones = float(hit[sure].mean()) if sure.any() else float("nan")
    return {"accepted": scores.number(float(sure.mean())), "accuracy_accepted": scores.number(right_ones)}


def coverage_by_fold(lesson: Lesson, calls: Doubles) -> dict[str, float]:
    """Return coverage and size of the prediction sets, each fold by the level that the other folds set."""
    good = lesson.taught
    if not good.any():
        return {}
    share = float(_rules().rule("call", "likely_share").value)
    inside, size = scores.sets_by_fold(calls[good], lesson.right[good], lesson.fold[good], share)
    return {"coverage_90": round(float(inside.mean()), 4), "set_size": round(float(size.mean()), 3)}


def save(model: Local, out: Path) -> dict[str, Any]:
    """Write weights and card to the folder `out`, whole or not at all; return the card."""
    from safetensors.numpy import save as pack

    from greattit.crops.model import sha256
    from greattit.crops.publish import write

    data = pack(local.tensors(model))
    card: dict[str, Any] = {
        "name": model.name,
        "kind": local.KIND,
        "made_by": "greattit adapt",
        "weights": {"file": "weights.safetensors", "sha256": sha256(data), "members": len(model.members)},
    }
    card |= local.text(model) | dict(model.card)
    write(data, card, out)
    return card
