"""The network that cuts, served: `load` reads it with its card, `Cutter.shares` asks it what a drawing meant."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit import shipped
from greattit.errors import ModelError
from greattit.plots.fit import filled
from greattit.plots.sketch import ASKED

if TYPE_CHECKING:
    from greattit.plots.network import UNet

MODEL = "cut"
REMEDY = "restore the folder, or train it again with `greattit train cut`"

TRAITS = ("one", "log hectares", "doubt", "log drawn over found")
"""What the spread of an area is reckoned from: see `traits`."""


@dataclass(frozen=True, eq=False)
class Cutter:
    """A loaded network and what its card says of areas."""

    network: UNet
    shift: NDArray[np.float64]
    """(trait,) weights of the logarithm of true over found area"""
    spread: NDArray[np.float64]
    """(trait,) weights of the logarithm of its spread"""
    quantiles: Mapping[str, float]
    """"p05", "p10", "p90", "p95" of (log true / found - shift) / spread, on places that set nothing else"""
    sha256: str
    chips: frozenset[str]
    """names of the real chips that it learned from, or that set how sure an area is"""

    def shares(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the share (y, x) of each pixel that the drawing meant, of a window as `sketch.asked` gives it."""
        import torch

        with torch.inference_mode():
            logits = self.network(torch.from_numpy(filled(seen))[None])[0, 0]
            found: NDArray[np.float32] = logits.sigmoid().numpy()[: seen.shape[1], : seen.shape[2]]
        return found

    def area(self, hectares: float, doubt: float, drawn_ha: float) -> dict[str, float]:
        """Return the area [ha] as its quantiles p05, p10, p50, p90, p95, from what was found."""
        what = traits(hectares, doubt, drawn_ha)
        middle = hectares * math.exp(float(self.shift @ what))
        spread = math.exp(float(self.spread @ what))
        return {"p50": middle} | {name: middle * math.exp(spread * q) for name, q in self.quantiles.items()}


def traits(hectares: float, doubt: float, drawn_ha: float) -> NDArray[np.float64]:
    """Return TRAITS of one cut: 1, log area, `doubt` of the border, and how far the drawing was from what was found."""
    return np.array(
        [1.0, math.log(max(hectares, 1e-3)), doubt, abs(math.log(max(drawn_ha, 1e-3) / max(hectares, 1e-3)))]
    )


def doubt_of(shares: NDArray[np.floating[Any]]) -> float:
    """Return the spread of the area as a share of it if every pixel were in doubt by itself, times the rim's length.

    Sum of p (1 - p) over the sum of p: 0 when every pixel is surely in or out.
    """
    total = float(shares.sum())
    return float((shares * (1 - shares)).sum()) / max(total, 1e-6)


def model_folder() -> Path:
    """Return the folder of the model that serves: one of the user's own, else the one that travels with the code."""
    return shipped.model(MODEL)


def load(folder: Path | None = None) -> Cutter:
    """Load the network of a model folder, by default the one that serves. Raises `ModelError`."""
    where = folder if folder is not None else model_folder()
    card = where / "card.yaml"
    if not card.is_file():
        raise ModelError("has no card.yaml", subject=str(where), remedy=REMEDY)
    return _load(where, card.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(folder: Path, _stamp: int) -> Cutter:
    card = read_card(folder)
    network, sha256 = read_network(folder, card, inputs=ASKED, remedy=REMEDY)
    if network.config.outputs != 1:
        raise ModelError("the network gives other maps than one share", subject=str(folder), remedy=REMEDY)
    try:
        weights = weights_of(card, len(TRAITS))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the card does not say how sure an area is: {error}", subject=str(folder), remedy=REMEDY
        ) from error
    return Cutter(network, *weights, sha256, frozenset(str(card.get("known_chips", "")).split()))


def weights_of(
    card: Mapping[str, Any], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]:
    """Return shift and spread, of `count` traits each, and quantiles of a card's areas.

    Raises `KeyError`, `TypeError` and `ValueError`.
    """
    area = card["area"]
    shift, spread = (np.array(area[name], float) for name in ("shift", "spread"))
    if not shift.shape == spread.shape == (count,):
        raise ValueError(f"shift and spread have {shift.size} and {spread.size} weights, not {count}")
    return shift, spread, {name: float(area["quantiles"][name]) for name in ("p05", "p10", "p90", "p95")}


def read_card(folder: Path) -> dict[str, Any]:
    """Read a card. Raises `ModelError`."""
    import yaml

    try:
        card = yaml.load(
            (folder / "card.yaml").read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except (OSError, yaml.YAMLError) as error:
        raise ModelError(f"its card cannot be read: {error}", subject=str(folder), remedy=REMEDY) from error
    if not isinstance(card, dict):
        raise ModelError("its card is empty", subject=str(folder), remedy=REMEDY)
    return card


def read_network(folder: Path, card: Mapping[str, Any], *, inputs: tuple[str, ...], remedy: str) -> tuple[UNet, str]:
    """Return the network of a folder and the sha256 of its weights. Raises `ModelError` when they do not fit."""
    from safetensors.torch import load as tensors_of

    from greattit.plots.network import NetworkConfig, UNet

    file = folder / "weights.safetensors"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"its weights cannot be read: {error}", subject=str(file), remedy=remedy) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != (card.get("weights") or {}).get("sha256"):
        raise ModelError("the weights are not those of the card (sha256 differs)", subject=str(folder), remedy=remedy)
    if tuple(card.get("input", {}).get("channels", ())) != inputs:
        raise ModelError("the card names other channels than this version sees", subject=str(folder), remedy=remedy)
    try:
        size = card["network"]
        network = UNet(NetworkConfig(int(size["inputs"]), int(size["outputs"]), tuple(size["widths"])))
        network.load_state_dict(tensors_of(data))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"weights and card do not fit each other: {error}", subject=str(folder), remedy=remedy
        ) from error
    return network.eval(), sha256
