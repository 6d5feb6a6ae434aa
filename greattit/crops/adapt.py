"""Fits a model to the labelled parcels of one place: `adapt`, the work behind `greattit adapt` and `--train-on`.

Each expert is fitted five times, each time without the parcels of some places (whole groups), so that every parcel has
a call from a model that saw nothing of its surroundings. On those calls, and on nothing else, everything is chosen: how
much each expert counts, whether the neighbours are heard, the temperature, the levels. The prediction sets of a fold
are judged by the level that the other folds set; the shares of the experts and the temperature are few numbers that are
set on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import experts, graph, local, novelty, scores
from greattit.crops.experts import COMMONEST, FitConfig
from greattit.crops.lessons import MANY, Lesson, prepare_lesson, targets
from greattit.crops.local import Local, pick, sharpen
from greattit.crops.table import Form, Table, features
from greattit.onethread import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset

    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

SOME = 100
"""samples from which on a network is fitted; from `MANY` on forests are left out"""
NOVEL = 0.01
"""share of known samples that are called unlike anything"""


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
        (lesson.table, targets(lesson), known & (lesson.fold != number), lesson.fold == number, names, fit, seed)
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
