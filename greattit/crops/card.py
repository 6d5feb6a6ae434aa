"""The card of a crop model: what it was trained on, how a series is scaled for it, what it may be trusted with.

A model is a folder with `weights.safetensors` and `card.yaml`. Loading refuses what the card does not say: a missing
file, weights with another sha256, channels this version does not prepare, classes that do not fit the weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.crops import taxonomy
from greattit.crops.prepare import CHANNELS, Grid
from greattit.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS, CARD = "weights.safetensors", "card.yaml"
REMEDY = "install greattit again, or make the weights anew with `greattit train crops`"


@dataclass(frozen=True, eq=False)
class Card:
    """What stands in `card.yaml`, checked."""

    name: str
    """name of the model"""
    sha256: str
    """of the weights"""
    grid: Grid
    """how a series becomes the input"""
    network: Mapping[str, Any]
    """fields of `NetworkConfig`"""
    members: int
    """networks in the ensemble; member k has not seen the samples of fold k"""
    classes: tuple[str, ...]
    """house names, in the order of the outputs"""
    folds: Mapping[str, Mapping[str, int]]
    """training set -> group -> fold"""
    temperature: float
    """divides the logits"""
    certainty: float
    """least calibrated probability of a call"""
    likely: float
    """least probability of a crop of the prediction set"""
    energy: float
    """least log-sum-exp of the mean logits of a series that is like those trained on"""
    default_prior: NDArray[np.float64]
    """(class,) shares of the classes that are assumed when no prior is given"""
    reference_prior: NDArray[np.float64]
    """(class,) shares of the classes that are already in the network's outputs"""
    text: Mapping[str, Any]
    """the whole card, as in the file"""

    def fold(self, data_set: str, group: str) -> int | None:
        """Return the member that did not see `group` of a training set; None when it was not trained on."""
        return self.folds.get(data_set, {}).get(group)


def read(folder: Path) -> Card:
    """Read and check `card.yaml` of a model folder; raise `ModelError` when it does not hold together."""
    import yaml

    path = folder / CARD
    if not path.is_file():
        raise ModelError(f"has no {CARD}", subject=str(folder), remedy=REMEDY)
    try:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(text, dict) and text.get("kind"):
            raise ModelError(
                f"is a model of the kind {text['kind']!r}, and not the network that this needs",
                subject=str(folder),
                remedy="name the folder of the network, models/crops",
            )
        card = _parse(text)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{CARD} cannot be used: {error!r}", subject=str(folder), remedy=REMEDY) from error
    _check(card, folder)
    return card


def weights(folder: Path, card: Card) -> bytes:
    """Return the bytes of the weights; raise `ModelError` when they are missing or not those of the card."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"has no {WEIGHTS}", subject=str(folder), remedy=REMEDY)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ModelError(f"{WEIGHTS} are not those of the card (sha256 differs)", subject=str(folder), remedy=REMEDY)
    return data


def _parse(text: Mapping[str, Any]) -> Card:
    classes = tuple(str(name) for name in text["classes"])
    given = text["input"]
    grid = Grid(
        channels=tuple(given["channels"]),
        steps=int(given["steps"]),
        width_days=float(given["width_days"]),
        mean=tuple(float(given["mean"][name]) for name in given["channels"]),
        std=tuple(float(given["std"][name]) for name in given["channels"]),
        window=(int(given["window"][0]), int(given["window"][1])),
        brightest=float(given["brightest"]),
    )
    calibration, priors = text["calibration"], text["priors"]
    return Card(
        name=str(text["name"]),
        sha256=str(text["weights"]["sha256"]),
        grid=grid,
        network=dict(text["network"]),
        members=int(text["weights"]["members"]),
        classes=classes,
        folds={
            name: {str(g): int(f) for g, f in part["folds"].items()} for name, part in text["training"]["sets"].items()
        },
        temperature=float(calibration["temperature"]),
        certainty=float(calibration["certainty_level"]),
        likely=float(calibration["likely_level"]),
        energy=float(calibration["energy_level"]),
        default_prior=np.array([float(priors["default"][name]) for name in classes]),
        reference_prior=np.array([float(priors["reference"][name]) for name in classes]),
        text=text,
    )


def _check(card: Card, folder: Path) -> None:
    faults = []
    if card.grid.channels != CHANNELS:
        faults.append(f"channels {card.grid.channels} are not the {CHANNELS} of this version")
    if card.network.get("inputs") != 2 * len(card.grid.channels) or card.network.get("steps") != card.grid.steps:
        faults.append("the network's inputs do not fit the channels and steps")
    if card.network.get("classes") != len(card.classes) or len(set(card.classes)) != len(card.classes):
        faults.append("the network's outputs do not fit the classes")
    strange = [name for name in card.classes if not taxonomy.known(name)]
    if strange:
        faults.append(f"classes {', '.join(strange)} are not in policy/crops.yaml")
    if min(card.grid.std) <= 0 or card.temperature <= 0 or card.members < 1:
        faults.append("std, temperature and members must be above zero")
    if faults:
        raise ModelError("; ".join(faults), subject=str(folder / CARD), remedy=REMEDY)
