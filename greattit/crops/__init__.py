"""What grows on a plot: `classify` turns a `Series` into a `CropCall` with calibrated probabilities, or an abstention.

Names and the tree of crops are in `taxonomy`, the network in `network`, training in `train`, measuring in `evaluate`.
Importing this package is light; the network is loaded on the first call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from greattit import policy, shipped
from greattit.crops import taxonomy
from greattit.types import CropCall, Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greattit.crops.model import Model

__all__ = ["classify", "classify_many", "model_folder"]

MODEL = "crops"
NOTHING = "nothing was seen this season"


def model_folder() -> Path:
    """Return the folder of the model that serves: one of the user's own, else the one that travels with the code."""
    return shipped.model(MODEL)


def classify(
    series: Series, *, day: date, prior: Mapping[str, float] | None = None, model: Path | None = None
) -> CropCall:
    """Say what grows on one plot, from the looks of the year of `day` up to `day`.

    `prior` gives the area shares of crops in the region (house names, leaves or coarser): the probabilities are
    weighted by prior / training prior (Saerens, Latinne and Decaestecker 2002, doi:10.1162/089976602753284446);
    classes it does not name get policy/crops/call/unnamed_share. `model` is a model folder, by default the shipped one.

    The call abstains, with its reason, when there are too few clear looks, when the series is unlike anything trained
    on, and when no crop is certain enough. A call of a cover ("forest") is a call: `taxonomy.is_crop` says that it is
    no crop. A model that was fitted to one place (`greattit adapt`) keeps the shares of its place: `prior` does not
    move it. The order of the looks does not matter.

    Raises `ModelError` when the model cannot be loaded and `PolicyError` before the first policy day.
    """
    return classify_many([series], day=day, prior=prior, model=model)[0]


def classify_many(
    series: Sequence[Series], *, day: date, prior: Mapping[str, float] | None = None, model: Path | None = None
) -> list[CropCall]:
    """Do `classify` for many plots at once; the calls are in the order of `series`."""
    from greattit.crops import local, prepare
    from greattit.crops.model import load, spread_prior

    folder = Path(model) if model is not None else model_folder()
    if local.is_local(folder):
        return local.classify(local.load(folder), series, day)
    loaded = load(folder)
    rules = policy.load("crops").on(day)
    least_clear, least_looks, floor = (
        float(rules.rule("call", name).value) for name in ("least_clear", "least_looks", "unnamed_share")
    )
    grid = loaded.card.grid
    seasons = [prepare.usable(prepare.season(one, day, least_clear), grid) for one in series]
    shares = None if prior is None else spread_prior(prior, loaded.card, floor)
    inputs = prepare.inputs(seasons, grid)
    mean = loaded.logits(inputs).mean(axis=0)
    return [
        judge(loaded, logits, shares, looks=prepare.clear_looks(one), seen=len(one[0]), least_looks=int(least_looks))
        for logits, one in zip(mean, seasons, strict=True)
    ]


def judge(
    model: Model,
    logits: NDArray[np.float64],
    prior: NDArray[np.float64] | None,
    *,
    looks: int,
    seen: int,
    least_looks: int,
) -> CropCall:
    """Turn the logits (class,) of one plot into a call; `looks` are clear optical looks, `seen` looks of any kind."""
    from greattit.crops.model import log_sum_exp

    card = model.card
    if not seen:
        return CropCall({}, None, (), float("nan"), NOTHING, card.name, card.sha256)
    chances = model.probabilities(logits[None], prior)[0]
    order = sorted(range(len(chances)), key=lambda index: (-chances[index], card.classes[index]))
    best = order[0]
    certainty = float(chances[best])
    likely = tuple(card.classes[index] for index in order if index == best or chances[index] >= card.likely)
    why = None
    if looks < least_looks:
        why = f"too few clear looks: {looks} of the {least_looks} that are needed this season"
    elif float(log_sum_exp(logits)) < card.energy:
        why = "not a known crop: the season is unlike anything the model was trained on"
    elif certainty < card.certainty:
        guess = taxonomy.name(card.classes[best])
        why = f"uncertain: the best guess is {guess}, {certainty:.0%} sure; {card.certainty:.0%} is needed"
    return CropCall(
        probabilities={name: float(chance) for name, chance in zip(card.classes, chances, strict=True)},
        crop=None if why else card.classes[best],
        likely=likely,
        certainty=certainty,
        abstained=why,
        model=card.name,
        model_sha256=card.sha256,
    )
