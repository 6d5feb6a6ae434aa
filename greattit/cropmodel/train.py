"""Train the surrogate: run AquaCrop over lessons, fit, measure on what was kept out, write weights and card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import shipped
from greattit.cropmodel import lessons as room
from greattit.cropmodel.aquacrop import AquaCrop, parameters
from greattit.cropmodel.climates import KEPT_OUT, PLACES
from greattit.cropmodel.fit import FitConfig, Own, Table, fit, table
from greattit.cropmodel.measure import UNSEEN_PLACES, UNSEEN_YEARS, crop_means, figures
from greattit.cropmodel.reckon import KEYS, SUMS
from greattit.cropmodel.record import CO2_PPM, KEPT_WET, Floats
from greattit.cropmodel.surrogate import CARD, WEIGHTS, forward, load

Tensors = dict[str, NDArray[np.float32]]
LIMITS = (
    "It reproduces AquaCrop, not fields: nothing here was checked against a measured yield. AquaCrop itself knows no "
    "pest, disease, lodging, hail or want of nutrients, and no vernalisation. Weather of six places only was learned "
    "from, varieties of 0.5 to 1.3 of AquaCrop's thermal time, densities of 0.5 to 1.4, covers of 0.5 to 1. CO2 is "
    "fixed. One soil all the way down, no groundwater, no ponded water: rainfed rice mostly fails. Rice counts from "
    "transplanting."
)


def own_parameters() -> Own:
    """Return AquaCrop's parameters of each crop that the surrogate learns: those that the reckoning uses."""
    found = {crop: parameters(crop) for crop in room.GROWS}
    return {crop: {key: own[key] for key in KEYS} for crop, own in found.items()}


def train(
    out: Path,
    *,
    runs: Path,
    clock: Callable[[], float],
    config: FitConfig | None = None,
    counts: room.Counts | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write `weights.safetensors` and `card.yaml` into `out`; return the card.

    AquaCrop's runs are kept in the file `runs` (about 12 minutes of processor when it is not there yet); `clock` is a
    stopwatch [s]. The weights learn from the part "learn" of every place; the figures of unseen places are those of
    networks fitted anew without the place. Raises `CropModelError` where the package `aquacrop` is not installed.
    """
    config = config or FitConfig()
    counts = counts or room.Counts()
    done = room.make(runs, clock, counts)
    say(f"{len(done)} runs of AquaCrop, {done.seconds.sum():,.0f} s of processor")
    own = own_parameters()
    known = table(done, own)
    told = {UNSEEN_PLACES: _without_each(done, known, config, say)}
    tensors = fit(known, done.labels["part"][known.rows] == "learn", crop_means(done, known), config)
    told = {UNSEEN_YEARS: _kept_out(done, known, tensors), **told}
    card = _card(done, known, own, config, counts)
    card["figures"] = figures(done, known, own, told)
    _write(out, tensors, card)
    return card


def evaluate(runs: Path, *, clock: Callable[[], float], model: Path | None = None) -> dict[str, Any]:
    """Return the figures of a model folder, by default the one that serves, as its card has them.

    Unseen years are told by its weights, unseen places by networks fitted anew as its card says. `runs` as for `train`.
    """
    import yaml

    surrogate = load(model)
    folder = model or shipped.model("cropmodel")
    training = yaml.safe_load((folder / CARD).read_text("utf-8"))["training"]
    done = room.make(runs, clock, room.Counts(**training["counts"]))
    known = table(done, surrogate.crops)
    told = {
        UNSEEN_YEARS: _kept_out(done, known, dict(surrogate.tensors)),
        UNSEEN_PLACES: _without_each(done, known, FitConfig(**training["config"]), lambda text: None),
    }
    return figures(done, known, surrogate.crops, told)


def _kept_out(done: room.Runs, known: Table, tensors: Tensors) -> Floats:
    """Return what a network tells of the runs that no lesson is, NaN for lessons."""
    learn = done.labels["part"][known.rows] == "learn"
    return np.where(learn, np.nan, _tell(known, tensors))


def _without_each(done: room.Runs, known: Table, config: FitConfig, say: Callable[[str], None]) -> Floats:
    """Return what is told of the runs kept out of each place by a network that has no lesson of the place."""
    parts, places = done.labels["part"][known.rows], done.labels["place"][known.rows]
    usual, told = crop_means(done, known), np.full(len(parts), np.nan)
    for place in np.unique(places):
        tensors = fit(known, (parts == "learn") & (places != place), usual, config)
        here = (places == place) & (parts != "learn")
        told[here] = _tell(known, tensors)[here]
        say(f"fitted without {place}")
    return told


def _tell(known: Table, tensors: Tensors) -> Floats:
    correction = forward(tensors, known.seen)
    return np.asarray(np.maximum(known.reckoned + known.scale * correction, 0.0))


def _card(done: room.Runs, known: Table, own: Own, config: FitConfig, counts: room.Counts) -> dict[str, Any]:
    parts = done.labels["part"]
    return {
        "name": "cropmodel",
        "made_by": "greattit train cropmodel",
        "task": "the dry yield that AquaCrop would give a field in a season of daily weather, without running it",
        "of": AquaCrop().name,
        "architecture": "a short reckoning of AquaCrop's equations (greattit/cropmodel/reckon.py), corrected by "
        f"{config.members} networks of two layers of {config.width}",
        "input": {"sums": list(SUMS), "phases": "sowing, emergence, start and middle of yield formation, ripeness"},
        "fixed": {"co2_ppm": CO2_PPM, "irrigated_below_share_of_available_water": KEPT_WET},
        "training": {
            "sets": [
                {
                    "name": "runs of AquaCrop-OSPy",
                    "licence": "Apache-2.0",
                    "attribution": "AquaCrop-OSPy (Kelly and Foster 2021, doi:10.1016/j.agwat.2021.107016), run here "
                    "over the weather that it ships",
                }
            ],
            "runs": {part: int((parts == part).sum()) for part in room.PARTS},
            "unripe_left_out": int(np.isnan(done.yields).sum()),
            "places": list(PLACES),
            "years_kept_out": list(KEPT_OUT),
            "config": asdict(config),
            "counts": asdict(counts),
        },
        "limits": LIMITS,
        "crops": {crop: {key: float(value) for key, value in values.items()} for crop, values in own.items()},
        "speed": {"aquacrop_seconds_a_run": round(float(np.nanmedian(done.seconds)), 3)},
    }


def _write(out: Path, tensors: Tensors, card: dict[str, Any]) -> None:
    """Write weights and card, each whole or not at all."""
    import yaml
    from safetensors.numpy import save

    data = save({name: np.ascontiguousarray(values) for name, values in sorted(tensors.items())})
    card["weights"] = {"file": WEIGHTS, "sha256": hashlib.sha256(data).hexdigest()}
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".cropmodel-", dir=out) as folder:
        (Path(folder) / WEIGHTS).write_bytes(data)
        (Path(folder) / CARD).write_text(text, encoding="utf-8")
        for name in (WEIGHTS, CARD):
            (Path(folder) / name).replace(out / name)
