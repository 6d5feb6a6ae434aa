"""Turns trained members into a model folder: calibration, levels, figures beside simple rivals, weights and card."""

from __future__ import annotations

import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import scores
from greattit.crops.card import CARD, WEIGHTS
from greattit.crops.model import log_sum_exp, sha256, softmax
from greattit.crops.samples import as_text, shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.samples import Samples, TrainConfig

    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

SETS = {
    "canada-2017": (
        "labels Open Government Licence - Canada; values Copernicus, free and open",
        "Agriculture and Agri-Food Canada, Annual Crop Inventory Ground Truth Data 2017; Van Tricht et al. 2023, "
        "WorldCereal, Earth Syst. Sci. Data 15, 5491; contains modified Copernicus Sentinel data 2017",
    ),
    "denmark-2016": (
        "MIT",
        "DrMoe/Evaluation-of-satellite-imagery-based-crop-classification; Danish field register 2016; contains "
        "modified Copernicus Sentinel data 2016",
    ),
    "korea-2021": (
        "MIT",
        "massijjeong/Parcel-Level-SITS-Crop-Classification; authenticity not proven; contains modified "
        "Copernicus Sentinel data 2021-2023",
    ),
    "india-2022": (
        "CC-BY-4.0",
        "Radiant Earth Foundation and IDinsight (2022), AgriFieldNet Competition Dataset, doi:10.34911/rdnt.wu92p1",
    ),
}
"""training set -> licence, attribution"""


OTHER_PLACES = (
    "flanders-2018 was neither trained nor calibrated on; its 16 series were looked at while the window and the "
    "brightness limit were chosen, which was done on out-of-fold and leave-one-set-out figures. In a country that is "
    "not among the training sets the certainty is too high: measure with greattit evaluate crops before trusting it."
)


def publish(
    members: list[dict[str, Any]], logits: Doubles, samples: Samples, config: TrainConfig, out: Path
) -> dict[str, Any]:
    """Write weights and card of trained members to `out`, whole or not at all; return the card.

    `logits` (2, n, class) are out-of-fold: with the whole season, and cut at 1 September.
    """
    from safetensors.numpy import save

    tensors = {
        f"{k}.{name}": np.ascontiguousarray(value) for k, member in enumerate(members) for name, value in member.items()
    }
    data = save(tensors)
    priors = _priors(samples, config)
    calibration, probabilities = calibrate(logits, samples, priors)
    card: dict[str, Any] = {
        "name": "crops-tempcnn",
        "made_by": "greattit train crops",
        "weights": {"file": WEIGHTS, "sha256": sha256(data), "members": len(members)},
        "classes": list(samples.classes),
        "input": {
            "channels": list(samples.grid.channels),
            "steps": samples.grid.steps,
            "width_days": samples.grid.width_days,
            "window": list(samples.grid.window),
            "brightest": samples.grid.brightest,
            "mean": dict(zip(samples.grid.channels, samples.grid.mean, strict=True)),
            "std": dict(zip(samples.grid.channels, samples.grid.std, strict=True)),
            "units": "reflectance 0-1, NDVI 1, radar dB",
        },
        "network": {
            "inputs": 2 * len(samples.grid.channels),
            "steps": config.steps,
            "classes": len(samples.classes),
            "width": config.width,
            "hidden": config.hidden,
            "dropout": config.dropout,
        },
        "calibration": calibration,
        "priors": {key: dict(zip(samples.classes, map(float, value), strict=True)) for key, value in priors.items()},
        "figures": figures(probabilities, samples, calibration, config),
        "training": {"sets": _sets(samples), "config": _plain(as_text(config))},
        "other_places": OTHER_PLACES,
    }
    write(data, card, out)
    return card


def calibrate(logits: Doubles, samples: Samples, priors: dict[str, Doubles]) -> tuple[dict[str, Any], Doubles]:
    """Return calibration and levels, and the calibrated out-of-fold probabilities (2, n, class).

    Both lengths of season count. Samples whose crop the member never saw (it grows in one region only) are left out, as
    the shipped ensemble has seen it; so are, of the levels, samples with too few looks, which are never called.
    """
    rules = policy.load("crops").on(date.max)
    target, share = (float(rules.rule("call", name).value) for name in ("target_accuracy", "likely_share"))
    offset = np.log(priors["default"]) - np.log(priors["reference"])
    taught = samples.known & taught_by_member(samples)
    allowed = np.concatenate([samples.allowed[taught]] * 2)
    temperature = scores.fit_temperature(np.concatenate(list(logits[:, taught])), allowed, offset)
    probabilities = softmax(logits / temperature + offset)
    called = taught & (samples.looks >= _least_looks())
    if not called.any():
        called = taught
    both, allowed = np.concatenate(list(probabilities[:, called])), np.concatenate([samples.allowed[called]] * 2)
    right = allowed[np.arange(len(both)), both.argmax(axis=1)]
    calibration = {
        "temperature": round(temperature, 4),
        "certainty_level": round(scores.certainty_level(both.max(axis=1), right, target), 4),
        "certainty_meaning": f"of the calls at or above it {target:.0%} were right out of fold, with the default prior",
        "likely_level": round(scores.likely_level(both, allowed, share), 5),
        "likely_meaning": f"the right class was at or above it for {share:.0%} of the samples out of fold",
        "energy_level": round(float(np.quantile(log_sum_exp(np.concatenate(list(logits[:, called]))), 0.01)), 4),
        "energy_meaning": "99 % of the samples had a larger log-sum-exp of the logits out of fold",
    }
    return calibration, probabilities


def _least_looks() -> int:
    return int(policy.load("crops").on(date.max).rule("call", "least_looks").value)


def taught_by_member(samples: Samples) -> Bools:
    """Return (n,) whether some right class of a sample was in the training of the member that did not see it."""
    taught = np.zeros(len(samples.labels), bool)
    for member in np.unique(samples.fold):
        inside = samples.fold == member
        exact = samples.allowed[~inside & (samples.allowed.sum(axis=1) == 1)]
        taught[inside] = (samples.allowed[inside] & exact.any(axis=0)).any(axis=1)
    return taught


def figures(
    probabilities: Doubles, samples: Samples, calibration: dict[str, Any], config: TrainConfig
) -> dict[str, Any]:
    """Return out-of-fold figures of each set beside the most common label and a random forest on the same folds."""
    forest = forest_calls(samples, config.trees)
    out: dict[str, Any] = {
        "what": "out-of-fold: each sample by the member that saw nothing of its group; 95 % intervals over groups"
    }
    sets = np.asarray(samples.sets)
    for name in dict.fromkeys(samples.sets):
        rows = np.flatnonzero((sets == name) & samples.known)
        out[name] = _figures_of(rows, probabilities, forest, samples, calibration)
        out[name]["verdict"] = _verdict(out[name])
    return out


def _verdict(figure: dict[str, Any]) -> str:
    accuracy, majority, forest = figure["accuracy"], figure["majority"], figure["random_forest"]
    if accuracy < majority:
        return (
            f"worse than always naming the commonest label: its guesses in a new region must not be trusted; "
            f"the certainty level lets {figure['accepted']:.0%} of them through"
        )
    if accuracy < forest:
        return (
            "a random forest fitted to this set's own dates and bands is better; the chain keeps the network, which "
            "takes other dates and bands and missing ones"
        )
    return "at least as good as the commonest label and the random forest"


def _figures_of(
    rows: Ints, probabilities: Doubles, forest: Ints, samples: Samples, calibration: dict[str, Any]
) -> dict[str, Any]:
    full, early = probabilities[:, rows]
    allowed, index = samples.allowed[rows], np.arange(len(rows))
    called, certainty = full.argmax(axis=1), full.max(axis=1)
    right = allowed[index, called]
    labels = [samples.labels[row] for row in rows]
    groups = [samples.groups[row] for row in rows]
    crops = scores.per_crop(labels, [samples.classes[c] for c in called], right)
    sure = (certainty >= calibration["certainty_level"]) & (samples.looks[rows] >= _least_looks())
    majority = np.unique(np.asarray(labels), return_counts=True)[1].max() / len(labels)
    return {
        "samples": len(rows),
        "accuracy": round(float(right.mean()), 4),
        "interval": [_number(value) for value in scores.interval(right, groups)],
        "accuracy_1_september": round(float(allowed[index, early.argmax(axis=1)].mean()), 4),
        "macro_f1": round(float(np.mean([figure["f1"] for figure in crops.values()])), 4),
        "ece": round(scores.calibration_error(certainty, right), 4),
        "accepted": round(float(sure.mean()), 4),
        "accuracy_accepted": _number(float(right[sure].mean()) if sure.any() else float("nan")),
        "right_class_in_prediction_set": round(
            float(((full >= calibration["likely_level"]) & allowed).any(axis=1).mean()), 4
        ),
        "majority": round(float(majority), 4),
        "random_forest": round(float(allowed[index, forest[rows]].mean()), 4),
        "random_forest_interval": [_number(value) for value in scores.interval(allowed[index, forest[rows]], groups)],
    }


def forest_calls(samples: Samples, trees: int) -> Ints:
    """Return the class (n,) that a random forest gives out of fold, on the same input without augmentation."""
    from sklearn.ensemble import RandomForestClassifier

    inputs = samples.inputs(np.arange(len(samples.labels))).reshape(len(samples.labels), -1)
    exact = samples.allowed.sum(axis=1) == 1
    calls = np.zeros(len(samples.labels), np.int64)
    for member in np.unique(samples.fold):
        inside = samples.fold == member
        forest = RandomForestClassifier(trees, min_samples_leaf=2, random_state=0, n_jobs=1)
        forest.fit(inputs[~inside & exact], samples.allowed[~inside & exact].argmax(axis=1))
        calls[inside] = forest.predict(inputs[inside])
    return calls


def _priors(samples: Samples, config: TrainConfig) -> dict[str, Doubles]:
    sets = np.asarray(samples.sets)
    parts = np.array([shares(samples.allowed[(sets == name) & samples.real]) for name in config.sources])
    left = np.mean([1.0 - source.adjust for source in config.sources.values()])
    default = parts.mean(axis=0) + 1e-3
    reference = default**left
    return {"default": default / default.sum(), "reference": reference / reference.sum()}


def _sets(samples: Samples) -> dict[str, Any]:
    sets, out = np.asarray(samples.sets), {}
    for name in dict.fromkeys(samples.sets):
        rows = np.flatnonzero((sets == name) & samples.real)
        licence, attribution = SETS.get(name, ("not stated", "not stated"))
        folds = {samples.groups[row]: int(samples.fold[row]) for row in rows}
        out[name] = {
            "samples": len(rows),
            "labels_used": int(samples.known[rows].sum()),
            "licence": licence,
            "attribution": attribution,
            "folds": dict(sorted(folds.items())),
        }
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def write(data: bytes, card: dict[str, Any], out: Path) -> None:
    """Write weights and card to the folder `out`, whole or not at all."""
    import yaml

    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        fresh.chmod(0o755)
        (fresh / WEIGHTS).write_bytes(data)
        text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120)
        (fresh / CARD).write_text(text, encoding="utf-8")
        old = fresh.with_name(fresh.name + "-old")
        if out.exists():
            out.rename(old)
        fresh.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
