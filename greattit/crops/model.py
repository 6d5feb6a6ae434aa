"""The trained ensemble in memory: from prepared input to calibrated probabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from greattit.crops import card as cards
from greattit.crops import taxonomy
from greattit.crops.card import Card
from greattit.crops.network import NetworkConfig, TemporalCNN
from greattit.errors import GreatTitError, ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 8
"""plots of one pass; always this many, so that a plot's figures do not depend on how many come with it"""


@dataclass(frozen=True, eq=False)
class Model:
    """A card and its networks, ready to serve."""

    card: Card
    networks: tuple[TemporalCNN, ...]

    def logits(self, inputs: NDArray[np.float32], size: int = BATCH) -> NDArray[np.float64]:
        """Return the logits (member, b, class) of prepared input (b, 2 * channel, steps), `size` plots in one pass."""
        out = np.zeros((len(self.networks), len(inputs), len(self.card.classes)))
        with torch.inference_mode():
            for start in range(0, len(inputs), size):
                part = inputs[start : start + size]
                batch = torch.zeros(size, *inputs.shape[1:])
                batch[: len(part)] = torch.from_numpy(part)
                for member, network in enumerate(self.networks):
                    out[member, start : start + size] = network(batch)[: len(part)].numpy()
        return out

    def probabilities(
        self, logits: NDArray[np.float64], prior: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return calibrated probabilities (b, class) of logits (b, class) under a prior (class,) or the card's own."""
        shares = self.card.default_prior if prior is None else prior
        return softmax(logits / self.card.temperature + np.log(shares) - np.log(self.card.reference_prior))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(logits) / sum over the last axis."""
    power = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = power / power.sum(axis=-1, keepdims=True)
    return shares


def log_sum_exp(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log sum exp over the last axis."""
    top = logits.max(axis=-1, keepdims=True)
    total: NDArray[np.float64] = np.log(np.exp(logits - top).sum(axis=-1)) + top[..., 0]
    return total


def spread_prior(prior: Mapping[str, float], card: Card, floor: float) -> NDArray[np.float64]:
    """Bring a prior of house names, leaves or coarser, to the classes (class,).

    A share goes to the classes that are that name or a kind of it, in proportion to the card's own prior, or, when
    there is none, to the nearest coarser class; the most specific name counts. No class gets less than `floor`. Sums
    to 1.
    """
    if any(not np.isfinite(share) or share < 0 for share in prior.values()) or sum(prior.values()) <= 0:
        raise GreatTitError("a prior's shares must be numbers of 0 and above, not all 0", subject=str(dict(prior)))
    taken: dict[str, list[int]] = {}
    for index, name in enumerate(card.classes):
        line = (name, *taxonomy.ancestors(name))
        owner = next((key for step in line for key in prior if taxonomy.house_name(key) == step), None)
        if owner is not None:
            taken.setdefault(owner, []).append(index)
    shares = np.zeros(len(card.classes))
    for key, share in prior.items():
        members = taken.get(key) or _nearest(key, card)
        if members:
            own = card.default_prior[members]
            shares[members] += share * own / own.sum()
    shares = np.maximum(shares, floor)
    shares /= shares.sum()
    return shares


def _nearest(key: str, card: Card) -> list[int]:
    return next(([card.classes.index(name)] for name in taxonomy.ancestors(key) if name in card.classes), [])


@lru_cache(maxsize=4)
def load(folder: Path) -> Model:
    """Load the model of a folder; raise `ModelError` when weights or card are missing or do not fit each other."""
    card = cards.read(folder)
    data = cards.weights(folder, card)
    try:
        tensors = load_tensors(data)
        config = NetworkConfig(**card.network)
        networks = []
        for member in range(card.members):
            network = TemporalCNN(config)
            prefix = f"{member}."
            network.load_state_dict(
                {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            )
            networks.append(network.eval())
    except (SafetensorError, TypeError, RuntimeError) as error:
        raise ModelError(f"weights and card do not fit: {error}", subject=str(folder), remedy=cards.REMEDY) from error
    return Model(card, tuple(networks))


def sha256(data: bytes) -> str:
    """Return the sha256 of bytes as text."""
    return hashlib.sha256(data).hexdigest()
