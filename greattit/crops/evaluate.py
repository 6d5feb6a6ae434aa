"""Measures the crop model on a labelled data set: `greattit evaluate crops DATASET_DIR`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import dataset, judge, local, model_folder, prepare, regional, scores, taxonomy
from greattit.crops.model import Model, load, spread_prior
from greattit.crops.table import Form, form_of
from greattit.errors import DatasetError
from greattit.policy import places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset
    from greattit.crops.local import Local
    from greattit.types import CropCall

    Doubles = NDArray[np.float64]


def evaluate(
    dataset_dir: Path,
    *,
    model: Path | None = None,
    day_of_season: int | None = None,
    train_on: Path | None = None,
    shots: int | None = None,
    by: str = "group",
    seed: int = 0,
    workers: int = 1,
) -> dict[str, Any]:
    """Return the figures of a model on a folder with samples.parquet and series.parquet.

    The model is the one that serves (`regional`, else the shipped network), that of the folder `model`, or one that is
    fitted first to the labelled samples of the folder `train_on` (to `shots` of them, drawn with `seed`). With
    `day_of_season` all seasons, those that are trained on too, are seen up to that day only; day 1 is season_start.
    `by` says what is left out whole when a set is trained on and scored at once, and what intervals draw: "group"
    (places), "year" or "country".

    Each sample is called on the last day of its season year. Labels that are neither a class nor coarser than one are
    counted in `unknown_label` and left out. A label that is coarser than a class counts as right when the call is a
    kind of it. `accuracy` counts the best guess of every sample; `accepted` is the share not abstained from;
    `coverage_90` the share of samples whose crop is in the prediction set, of `set_size` crops on average; the other
    figures are those of `scores.figures`. A sample whose group was trained on is scored by the member that saw nothing
    of that group, and `note` says so. Figures of nothing are None.

    Raises `DatasetError` and `ModelError`.
    """
    folder = Path(dataset_dir)
    data = _grouped(_seen(dataset.read(folder), day_of_season), by)
    if train_on is not None:
        scored = _after_fitting(data, folder, Path(train_on), day_of_season, shots, by, seed, workers)
    else:
        where = Path(model) if model is not None else _serving(data, day_of_season)
        scored = _local(data, local.load(where)) if local.is_local(where) else _shipped(data, load(where))
    labels = [taxonomy.house_name(crop) for crop in data.crops]
    right = np.array([[taxonomy.agrees(name, label) for name in scored.classes] for label in labels], bool)
    right = right.reshape(len(labels), len(scored.classes))
    known = right.any(axis=1)
    rows = np.flatnonzero(known)
    result: dict[str, Any] = {
        "dataset": data.name,
        "day_of_season": day_of_season,
        "scored": len(rows),
        "unknown_label": int((~known).sum()),
        "unknown_labels": sorted({labels[row] for row in np.flatnonzero(~known)}),
        "classes": len({labels[row] for row in rows}),
    }
    shares = np.array([[call.probabilities.get(name, 0.0) for name in scored.classes] for call in scored.calls])
    kept = [scored.calls[row] for row in rows]
    result |= scores.figures(
        [labels[row] for row in rows],
        [data.groups[row] for row in rows],
        scored.classes,
        shares.reshape(len(data), len(scored.classes))[rows],
        right=right[rows],
        level=0.0,
    )
    result |= {"samples": len(data)} | _decisions(kept, right[rows], scored.classes)
    if scored.fold is not None and (scored.fold[rows] >= 0).all() and len(set(scored.fold[rows])) > 1:
        result |= _by_fold(shares.reshape(len(data), -1)[rows], right[rows], kept, scored.fold[rows])
    result |= scored.about
    return result


def _serving(data: Dataset, day_of_season: int | None) -> Path:
    """The model fitted to the set's country and kind of series, else the network; of cut seasons only it knows."""
    own = None if day_of_season is not None else regional.serving(data)
    return own or model_folder()


@dataclass(frozen=True, eq=False)
class Scored:
    """Calls of all samples of a set and what made them."""

    calls: list[CropCall]
    classes: tuple[str, ...]
    about: dict[str, Any]
    """model, model_sha256, note and what else belongs in the result"""
    fold: NDArray[np.int64] | None = None
    """(n,) the part of a fitted model's own samples that each is in, -1 for strangers; None for the network"""


def _seen(data: Dataset, day_of_season: int | None) -> Dataset:
    if day_of_season is None:
        return data
    if day_of_season < 1:
        raise DatasetError(
            f"there is no day {day_of_season} of a season", subject=data.name, remedy="day 1 is the first"
        )
    return data.until(day_of_season)


def _grouped(data: Dataset, by: str) -> Dataset:
    if by == "group":
        return data
    named = {"year": [str(year) for year in data.years], "country": data.countries}
    if by not in named:
        raise DatasetError(f"cannot be split by {by!r}", subject=data.name, remedy="use group, year or country")
    if len(set(named[by])) < 2:
        raise DatasetError(f"has one {by} only", subject=data.name, remedy="split it by group")
    return replace(data, groups=tuple(named[by]))


def _shipped(data: Dataset, model: Model) -> Scored:
    calls, held_out, placed = call_all(data, model)
    about = {
        "with_regional_prior": placed,
        "model": model.card.name,
        "model_sha256": model.card.sha256,
        "note": _note(model.card.members, len(data), held_out),
    }
    return Scored(calls, model.card.classes, about)


def _local(data: Dataset, model: Local, held_out: Doubles | None = None) -> Scored:
    table = model.table(data)
    fold = model.fold_of(data)
    own = len(data) if held_out is not None else int((fold >= 0).sum())
    shares = model.probabilities(table, data.places, fold) if held_out is None else held_out
    about = {
        "with_regional_prior": 0,
        "model": model.name,
        "model_sha256": model.sha256,
        "experts": dict(model.weights),
        "neighbours": model.refiner is not None,
        "note": _note(len(model.members), len(data), own),
    }
    return Scored(local.judge(model, shares, table), model.classes, about, fold)


def _after_fitting(
    data: Dataset, folder: Path, train_on: Path, day: int | None, shots: int | None, by: str, seed: int, workers: int
) -> Scored:
    from greattit.crops.adapt import adapt
    from greattit.crops.lessons import draw

    teacher = _grouped(_seen(dataset.read(train_on), day), by)
    same = folder.resolve() == train_on.resolve()
    repeated = 0
    if same and shots is not None:
        raise DatasetError(
            "is trained on and scored at once", subject=str(folder), remedy="with --shots name two different folders"
        )
    if not same:
        teacher, repeated = without_repeats(teacher, data)
    if shots is not None:
        teacher = draw(teacher, shots, seed)
    model = adapt(teacher, form=_shared_form(teacher, data), seed=seed, workers=workers)
    scored = _local(data, model, model.held_out if same else None)
    about = {"trained_on": teacher.name, "trained_samples": len(teacher), "repeats_left_out": repeated}
    if same:
        figure = model.card["figures"][teacher.name]
        about |= {key: figure[key] for key in ("coverage_90", "set_size") if key in figure}
    return Scored(scored.calls, scored.classes, scored.about | about, scored.fold)


def _shared_form(teacher: Dataset, test: Dataset) -> Form:
    """The form of what is learned from, with the channels that both sets have: no others can tell anything."""
    form, there = form_of(teacher), form_of(test).channels
    both = tuple(name for name in form.channels if name in there)
    if not both:
        raise DatasetError(
            f"shares no band with {test.name}: {', '.join(form.channels)} against {', '.join(there)}",
            subject=teacher.name,
            remedy="train on a set that was seen by the same kind of satellite",
        )
    return replace(form, channels=both)


def without_repeats(teacher: Dataset, test: Dataset) -> tuple[Dataset, int]:
    """Return the set to learn from without series that the test holds too, and how many those were.

    Raises `DatasetError` when a sample of one name is in both: then the two were not split at all.
    """
    twice = sorted(set(teacher.samples) & set(test.samples))
    if twice:
        raise DatasetError(
            f"{len(twice)} samples stand in the set that is trained on and in the one that is scored ({twice[0]} ...)",
            subject=teacher.name,
            remedy="split by place or by year first; to score a set on itself, out of fold, name the same folder twice",
        )
    theirs = {_print(test, row) for row in range(len(test))} - {None}
    keep = np.array([_print(teacher, row) not in theirs for row in range(len(teacher))], bool)
    return (teacher, 0) if keep.all() else (teacher.pick(keep), int((~keep).sum()))


def _print(data: Dataset, row: int) -> tuple[bytes, bytes] | None:
    """A series' own mark: its dates and values; None for those too short to be anybody's own."""
    part = slice(data.offsets[row], data.offsets[row + 1])
    if np.isfinite(data.values[part]).sum() < LEAST_OWN:
        return None
    return data.dates[part].tobytes(), np.round(data.values[part], 4).tobytes()


LEAST_OWN = 8
"""values that a series needs for two equal ones to be the same one"""


def _decisions(calls: Sequence[CropCall], right: NDArray[np.bool_], classes: Sequence[str]) -> dict[str, Any]:
    """Return what the calls decided: accepted, its accuracy, the prediction sets, why the others abstained."""
    place = {name: index for index, name in enumerate(classes)}
    sure = np.array([call.crop is not None for call in calls], bool)
    hit = np.array([bool(c.crop) and right[row, place[str(c.crop)]] for row, c in enumerate(calls)], bool)
    inside = np.array([any(right[row, place[name]] for name in c.likely) for row, c in enumerate(calls)], bool)
    sizes = np.array([len(call.likely) for call in calls], float)
    return {
        "accepted": _mean(sure),
        "accuracy_accepted": _mean(hit[sure]),
        "in_prediction_set": _mean(inside),
        "coverage_90": _mean(inside),
        "set_size": _mean(sizes),
        "abstained": _reasons(calls),
    }


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


def _by_fold(
    shares: Doubles, right: NDArray[np.bool_], calls: Sequence[CropCall], fold: NDArray[np.int64]
) -> dict[str, Any]:
    """Return what is accepted and what is in the sets, of samples that were trained on, by levels of the other folds.

    The model's own levels were set on these very samples; they are for strangers.
    """
    from greattit.crops.adapt import wanted_accuracy

    hit = right[np.arange(len(right)), shares.argmax(axis=1)]
    sure = scores.accepted_by_fold(shares.max(axis=1), hit, fold, wanted_accuracy())
    refused = [bool(call.abstained) and not str(call.abstained).startswith("uncertain") for call in calls]
    sure &= ~np.array(refused, bool)
    share = float(policy.load("crops").on(date.max).rule("call", "likely_share").value)
    inside, size = scores.sets_by_fold(shares, right, fold, share)
    covered = {key: _mean(inside) for key in ("in_prediction_set", "coverage_90")} | {"set_size": _mean(size)}
    return {"accepted": _mean(sure), "accuracy_accepted": _mean(hit[sure])} | covered


def _reasons(calls: Sequence[CropCall]) -> dict[str, int]:
    reasons = [call.abstained.split(":")[0] for call in calls if call.abstained]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _note(members: int, samples: int, held_out: int) -> str:
    if held_out:
        return (
            f"{held_out} of {samples} samples are of groups used in training: each was scored by the one member that "
            f"saw nothing of its group; the other {samples - held_out} by the mean of all {members} members"
        )
    return f"no group of this set was used in training; scored by the mean of all {members} members"


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
        f"macro F1            {_text(result['macro_f1'])}   95 % interval "
        + " to ".join(map(_text, result["macro_f1_interval"])),
        f"... exact labels    {_text(result['macro_f1_exact'])}",
        f"accepted            {_text(result['accepted'])}",
        f"accuracy, accepted  {_text(result['accuracy_accepted'])}",
        f"accuracy, surest 80%{_text(result['accuracy_80'])}   93 % are right of the surest "
        f"{result['accepted_at_93']:.1%}",
        f"in prediction set   {_text(result['coverage_90'])}   crops in a set{_text(result['set_size'])}",
        f"calibration error   {_text(result['ece'])}",
    ]
    if result["one_group_labels"]:
        lines.append(
            f"of one place only: {', '.join(result['one_group_labels'])}; accuracy without them "
            f"{_text(result['accuracy_without_them'])}"
        )
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
