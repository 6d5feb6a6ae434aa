"""The cloud network: a small perceptron for each pixel over `features.describe`, reckoned in numpy.

Three matrices are served faster by numpy than torch takes to be imported; torch is needed for training only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import shipped
from greattit.clouds.detect import Levels
from greattit.clouds.features import FEATURES
from greattit.clouds.stack import BANDS, CLEAR, CLOUD, SHADOW
from greattit.errors import ModelError

WEIGHTS, CARD = "weights.safetensors", "card.yaml"
REMEDY = "install greattit again, or make the weights anew with `greattit train clouds`"
CLASSES = ("clear", "cloud", "shadow")
METHODS = ("scl", "detector", "network", "combination")
BLOCK = 2048
"""pixels of one pass, so that its values stay in the cache"""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Network:
    """A checked card and its layers."""

    layers: tuple[tuple[Floats, Floats], ...]
    """weight (out, in) and bias (out,) of each layer"""
    sha256: str
    """of the weights"""
    serve: str
    """one of METHODS: what won on made seasons that were held out"""
    levels: Mapping[str, float]
    """thresholds of the detector (`detect.Levels`)"""
    text: Mapping[str, Any]
    """the whole card, as in the file"""

    def classify(self, features: Floats) -> NDArray[np.uint8]:
        """Return the most probable class (n,) of each column (feature, n): clear, cloud or shadow."""
        out = np.empty(features.shape[1], np.uint8)
        for start in range(0, len(out), BLOCK):
            values = features[:, start : start + BLOCK]
            for number, (weight, bias) in enumerate(self.layers):
                values = weight @ values + bias[:, None]
                if number + 1 < len(self.layers):
                    np.maximum(values, 0, out=values)
            clear, cloud, shadow = values
            best = np.where(cloud > clear, np.uint8(CLOUD), np.uint8(CLEAR))
            out[start : start + BLOCK] = np.where(shadow > np.maximum(clear, cloud), np.uint8(SHADOW), best)
        return out


def model_folder() -> Path:
    """Return the folder of the model that travels with greattit."""
    return shipped.path("models/clouds")


@lru_cache(maxsize=4)
def load(folder: Path) -> Network:
    """Load and check a model folder; raise `ModelError` when weights or card are missing or do not fit each other."""
    import yaml

    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"has no {name}", subject=str(folder), remedy=REMEDY)
    data = (folder / WEIGHTS).read_bytes()
    try:
        text = yaml.safe_load((folder / CARD).read_text(encoding="utf-8"))
        network = _parse(text, data)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{CARD} cannot be used: {error!r}", subject=str(folder), remedy=REMEDY) from error
    faults = _faults(network, data)
    if faults:
        raise ModelError("; ".join(faults), subject=str(folder), remedy=REMEDY)
    return network


def _parse(text: Mapping[str, Any], data: bytes) -> Network:
    from safetensors import SafetensorError
    from safetensors.numpy import load as tensors_of

    try:
        tensors = tensors_of(data)
    except SafetensorError as error:
        raise ValueError(f"the weights cannot be read: {error}") from error
    layers = tuple((tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in range(len(tensors) // 2))
    levels = {name: float(value) for name, value in text["detector"].items()}
    return Network(layers, str(text["weights"]["sha256"]), str(text["serve"]), levels, text)


def _faults(network: Network, data: bytes) -> list[str]:
    text, faults = network.text, []
    if hashlib.sha256(data).hexdigest() != network.sha256:
        faults.append(f"{WEIGHTS} are not those of the card (sha256 differs)")
    if tuple(text["input"]["features"]) != FEATURES or tuple(text["input"]["bands"]) != BANDS:
        faults.append("the card's features are not those of this version")
    if tuple(text["classes"]) != CLASSES or network.serve not in METHODS:
        faults.append("the card's classes or method are not known")
    if set(network.levels) != {field.name for field in fields(Levels)}:
        faults.append("the card's thresholds are not those of this version's detector")
    sizes = [len(FEATURES), *(len(bias) for _, bias in network.layers)]
    if [weight.shape[1] for weight, _ in network.layers] != sizes[:-1] or sizes[-1] != len(CLASSES):
        faults.append("the layers do not fit the features and classes")
    return faults
