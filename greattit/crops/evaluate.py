"""Measures the crop model on a labelled data set: `greattit evaluate crops DATASET_DIR`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import dataset, judge, model_folder, prepare, scores, taxonomy
from greattit.crops.model import Model, load, spread_prior
from greattit.policy import places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset
    from greattit.types import CropCall

    Doubles = NDArray[np.float64]


def evaluate(dataset_dir: Path, *, model: Path | None = None) -> dict[str, Any]:
    """Return the figures of the model on a folder with samples.parquet and series.parquet.

    Each sample is called on the last day of its season year. Labels that are neither a class nor coarser than one are
    counted in `unknown_label` and left out. A label that is coarser than a class counts as right when the call is a
    kind of it. `accuracy` counts the best guess of every sample; `accepted` is the share not abstained from.
    `interval` is the 95 % interval of the accuracy over groups. When groups of the set were trained on, each sample is
    scored by the member that saw nothing of its group, and `note` says so. Figures of nothing are None.

    Raises `DatasetError` and `ModelError`.
    """
    loaded = load(Path(model) if model is not None else model_folder())
    data = dataset.read(Path(dataset_dir))
    calls, held_out, placed = call_all(data, loaded)
    labels = [taxonomy.house_name(crop) for crop in data.crops]
    known = [any(taxonomy.agrees(name, label) for name in loaded.card.classes) for label in labels]
    rows = [row for row, is_known in enumerate(known) if is_known]
    result: dict[str, Any] = {
        "dataset": data.name,
        "samples": len(data),
        "scored": len(rows),
        "unknown_label": len(data) - len(rows),
        "unknown_labels": sorted({labels[row] for row in range(len(data)) if not known[row]}),
        "classes": len({labels[row] for row in rows}),
    }
    result |= _figures([labels[row] for row in rows], [calls[row] for row in rows], [data.groups[row] for row in rows])
    result |= {
        "with_regional_prior": placed,
        "model": loaded.card.name,
        "model_sha256": loaded.card.sha256,
        "note": _note(loaded, data, held_out),
    }
    return result


def call_all(data: Dataset, model: Model) -> tuple[list[CropCall], int, int]:
    """Return the calls, for how many a member stood in that did not see their group, and how many had a prior.

    A sample in a region whose crop areas are known is called with them as prior, as the walk does.

    The rules are those in force now, as it is the model of now that is measured, whatever the year of the samples.
    """
    rules = policy.load("crops").on(date.max)
    least_clear, least_looks = (float(rules.rule("call", key).value) for key in ("least_clear", "least_looks"))
    seasons = [
        prepare.usable(prepare.season(data.series(row), data.day(row), least_clear), model.card.grid)
        for row in range(len(data))
    ]
    logits = model.logits(prepare.inputs(seasons, model.card.grid), size=256)
    chosen, held_out = logits.mean(axis=0), 0
    for row, group in enumerate(data.groups):
        member = model.card.fold(data.name, group)
        if member is not None:
            chosen[row], held_out = logits[member, row], held_out + 1
    calls, priors = (
        [],
        [_prior(model, lon, lat, float(rules.rule("call", "unnamed_share").value)) for lon, lat in data.places],
    )
    for row, ready in enumerate(seasons):
        looks = prepare.clear_looks(ready)
        calls.append(
            judge(model, chosen[row], priors[row], looks=looks, seen=len(ready[0]), least_looks=int(least_looks))
        )
    return calls, held_out, sum(prior is not None for prior in priors)


def _prior(model: Model, lon: float, lat: float, floor: float) -> Doubles | None:
    region = places.region_at(lon, lat, day=date.max)
    shares = places.crop_shares(region, day=date.max) if region else {}
    return spread_prior(shares, model.card, floor) if shares else None


def _figures(labels: Sequence[str], calls: Sequence[CropCall], groups: Sequence[str]) -> dict[str, Any]:
    best = [
        max(call.probabilities, key=lambda name: call.probabilities[name]) if call.probabilities else ""
        for call in calls
    ]
    right = np.array(
        [bool(name) and taxonomy.agrees(name, label) for name, label in zip(best, labels, strict=True)], bool
    )
    sure = np.array([call.crop is not None for call in calls], bool)
    certainty = np.array([call.certainty for call in calls], float)
    seen = np.isfinite(certainty)
    crops = scores.per_crop(labels, best, right)
    counts = np.unique(np.asarray(labels, dtype=str), return_counts=True)[1]
    inside = [
        any(taxonomy.agrees(name, label) for name in call.likely) for call, label in zip(calls, labels, strict=True)
    ]
    return {
        "accuracy": _mean(right),
        "interval": [_number(value) for value in (scores.interval(right, groups) if len(right) else (np.nan, np.nan))],
        "macro_f1": _mean(np.array([figure["f1"] for figure in crops.values()])),
        "majority_accuracy": _number(counts.max() / len(labels)) if labels else None,
        "accepted": _mean(sure),
        "accuracy_accepted": _mean(right[sure]),
        "ece": _number(scores.calibration_error(certainty[seen], right[seen])),
        "in_prediction_set": _mean(np.array(inside, bool)),
        "abstained": _reasons(calls),
        "per_crop": {label: {key: _round(value) for key, value in figure.items()} for label, figure in crops.items()},
    }


def _reasons(calls: Sequence[CropCall]) -> dict[str, int]:
    reasons = [call.abstained.split(":")[0] for call in calls if call.abstained]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _note(model: Model, data: Dataset, held_out: int) -> str:
    if held_out:
        rest = len(data) - held_out
        return (
            f"{held_out} of {len(data)} samples are of groups used in training: each was scored by the one member that "
            f"saw nothing of its group; the other {rest} by the mean of all {model.card.members} members"
        )
    return f"no group of this set was used in training; scored by the mean of all {model.card.members} members"


def table(result: dict[str, Any]) -> str:
    """Return the figures as text for a terminal."""
    low, high = result["interval"]
    lines = [
        f"{result['dataset']}: {result['samples']} samples, {result['classes']} crops, "
        f"{result['unknown_label']} of labels the model does not know",
        f"model {result['model']} {result['model_sha256'][:12]}",
        result["note"],
        "",
        f"accuracy            {_text(result['accuracy'])}   95 % interval {_text(low)} to {_text(high)}",
        f"always the commonest{_text(result['majority_accuracy'])}",
        f"macro F1            {_text(result['macro_f1'])}",
        f"accepted            {_text(result['accepted'])}",
        f"accuracy, accepted  {_text(result['accuracy_accepted'])}",
        f"in prediction set   {_text(result['in_prediction_set'])}",
        f"calibration error   {_text(result['ece'])}",
    ]
    lines += [f"abstained           {count:6d}   {reason}" for reason, count in result["abstained"].items()]
    lines += ["", f"{'crop':28s}{'samples':>8s}{'recall':>9s}{'precision':>11s}{'f1':>7s}"]
    for crop, figure in sorted(result["per_crop"].items(), key=lambda item: (-item[1]["samples"], item[0])):
        shown = f"{figure['recall']:9.2f}{figure['precision']:11.2f}{figure['f1']:7.2f}"
        lines.append(f"{crop:28s}{figure['samples']:8d}{shown}")
    return "\n".join(lines)


def _text(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.3f}"


def _mean(values: NDArray[Any]) -> float | None:
    return _number(float(values.mean())) if len(values) else None


def _number(value: float) -> float | None:
    return None if not np.isfinite(value) else round(float(value), 4)


def _round(value: float) -> float:
    return round(value, 4)
