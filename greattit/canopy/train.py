"""Makes `models/canopy` again: `greattit train canopy`.

Made spectra only: canopies are drawn and seen by 4SAIL (`made`), a small network learns mean and doubt of leaf area,
absorbed light and cover under ever new noise, and a mixture of Gaussians learns what a canopy's spectrum looks like.
Measured are made spectra over soils of another kind and the fields of the made county, beside an exponential of NDVI.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.canopy import measure
from greattit.canopy.made import ADDED, SCALED, Spectra, make, noisy
from greattit.canopy.retrieve import BANDS, CARD, RANGES, TARGETS, WEIGHTS, load, retrieve
from greattit.onethread import one_thread

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class TrainConfig:
    """How much is learned from, and how."""

    spectra: int = 30_000
    """made for training"""
    held_out: int = 5_000
    """made over soils of another kind, for measuring"""
    hidden: tuple[int, ...] = (32, 32)
    """units of the hidden layers"""
    epochs: int = 120
    batch: int = 512
    rate: float = 4e-3
    components: int = 16
    """of the mixture that tells what a canopy looks like"""
    kept: float = 0.998
    """share of noisy training spectra that the mixture lets pass"""
    seed: int = 0


def train(
    out: Path, *, config: TrainConfig | None = None, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Train on made spectra and write weights and card to the folder `out`; return the card.

    The same seed and versions give the same weights. Takes some two minutes on one core and needs the development tool
    prosail. Raises `GreatTitError` without it.
    """
    config = config or TrainConfig()
    say = progress or (lambda _: None)
    say(f"making {config.spectra + config.held_out} spectra")
    own, held = make(config.spectra, config.seed), make(config.held_out, config.seed + 1, other=True)
    with one_thread():
        say("training the network")
        tensors = fit(own, config)
        say("learning what a canopy looks like")
        domain, least = enclose(own, config)
        peer = measure.fit_peer(noisy(own.values, np.random.default_rng([config.seed, 3])), own.truth)
        say("measuring")
        return _publish(tensors | domain, least, peer, held, config, out)


def fit(own: Spectra, config: TrainConfig) -> Tensors:
    """Train the network; return its tensors (see `retrieve.Network`).

    Loss: the Gaussian likelihood of mean and standard deviation, weighted by the square root of the variance so that
    doubtful spectra are learned too (Seitzer et al. 2022, beta-NLL with beta 0.5).
    """
    import torch
    from torch import nn

    torch.manual_seed(config.seed)
    rng = np.random.default_rng([config.seed, 2])
    stats = {
        "input.mean": own.values.mean(axis=0),
        "input.spread": own.values.std(axis=0),
        "target.mean": own.truth.mean(axis=0),
        "target.spread": own.truth.std(axis=0),
    }
    sizes = (len(BANDS), *config.hidden, 2 * len(TARGETS))
    linear: list[Any] = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    network: Any = nn.Sequential(*[step for layer in linear for step in (layer, nn.Tanh())][:-1])
    wanted = torch.from_numpy((own.truth - stats["target.mean"]) / stats["target.spread"])
    optimiser = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=1e-5)
    steps = config.epochs * -(-len(wanted) // config.batch)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps + 1)
    for _ in range(config.epochs):
        seen = (noisy(own.values, rng) - stats["input.mean"]) / stats["input.spread"]
        inputs = torch.from_numpy(seen.astype(np.float32))
        shuffled: Any = torch.randperm(len(inputs))
        for rows in shuffled.split(config.batch):
            optimiser.zero_grad()
            _loss(network(inputs[rows]), wanted[rows]).backward()
            optimiser.step()
            plan.step()
    tensors: Tensors = {name: np.asarray(values, np.float32) for name, values in stats.items()}
    for number, layer in enumerate(linear):
        tensors[f"{number}.weight"] = layer.weight.detach().numpy().copy()
        tensors[f"{number}.bias"] = layer.bias.detach().numpy().copy()
    return tensors


def _loss(told: Any, wanted: Any) -> Any:
    mean, log_sd = told[:, : len(TARGETS)], told[:, len(TARGETS) :].clamp(-8.0, 4.0)
    likely = 0.5 * ((wanted - mean) / log_sd.exp()) ** 2 + log_sd
    return (likely * log_sd.exp().detach()).mean()


def enclose(own: Spectra, config: TrainConfig) -> tuple[Tensors, float]:
    """Return the tensors of the mixture of Gaussians over noisy training spectra, and its least log density."""
    from sklearn.mixture import GaussianMixture

    seen = noisy(own.values, np.random.default_rng([config.seed, 4])).astype(float)
    mixture = GaussianMixture(config.components, reg_covar=1e-5, random_state=config.seed, max_iter=200, tol=1e-2)
    mixture.fit(seen)
    factor = np.asarray(mixture.precisions_cholesky_)
    level = np.log(mixture.weights_) + np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    tensors = {"domain.mean": mixture.means_, "domain.factor": factor, "domain.level": level}
    level -= 0.5 * len(BANDS) * np.log(2.0 * np.pi)
    least = float(np.quantile(mixture.score_samples(seen), 1.0 - config.kept))
    return {name: np.asarray(values, np.float32) for name, values in tensors.items()}, round(least, 4)


def _publish(
    tensors: Tensors, least: float, peer: measure.Peer, held: Spectra, config: TrainConfig, out: Path
) -> dict[str, Any]:
    """Write weights and card to the folder `out`, then measure the model as it is read back; return the card."""
    import yaml
    from safetensors.numpy import save

    data = save(tensors)
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS).write_bytes(data)
    card = _card(least, hashlib.sha256(data).hexdigest(), config)

    def write() -> None:
        text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=118)
        (out / CARD).write_text(text, encoding="utf-8", newline="\n")
        load.cache_clear()

    write()
    card["figures"] = _figures(out, peer, held, config)
    write()
    load(out)
    return card


def _figures(folder: Path, peer: measure.Peer, held: Spectra, config: TrainConfig) -> dict[str, Any]:
    from greattit.canopy.county import field_looks
    from greattit.types import BANDS as HOUSE_BANDS

    seen = noisy(held.values, np.random.default_rng([config.seed, 5]))
    told = retrieve(seen, BANDS, model=folder)
    answer = tuple(np.stack([getattr(told, f"{name}{end}") for name in TARGETS], axis=1) for end in ("", "_sd"))
    looks = field_looks()
    own = looks.values[:, [HOUSE_BANDS.index(name) for name in BANDS]]
    county = retrieve(own, BANDS, model=folder)
    lai = measure.compare(county.lai, county.lai_sd, peer.tell(own)[:, 0], looks.lai, "lai", looks.field)
    return {
        "made spectra, other soils": measure.on_spectra((answer[0], answer[1]), peer, seen, held.truth),
        "made county": {"lai": {"fields": len(np.unique(looks.field)), **lai}},
    }


def _card(least: float, sha256: str, config: TrainConfig) -> dict[str, Any]:
    return {
        "name": "canopy",
        "made_by": "greattit train canopy",
        "task": "green leaf area, absorbed light and cover of the ground, from one look of Sentinel-2",
        "architecture": "perceptron with mean and standard deviation, after Weiss and Baret 2016 (S2ToolBox ATBD 1.1)",
        "network": {"hidden": list(config.hidden), "between": "tanh"},
        "input": {"bands": list(BANDS), "scaling": "surface reflectance 0-1; angles are not needed"},
        "targets": list(TARGETS),
        "units": {"lai": "m2/m2", "fapar": "1", "cover": "1"},
        "ranges": {name: list(limits) for name, limits in RANGES.items()},
        "domain": {"kind": "mixture of Gaussians", "components": config.components, "least": least},
        "training": {
            "sets": [
                {
                    "name": "made spectra",
                    "licence": "Apache-2.0, as this repository",
                    "attribution": "simulated by greattit/canopy/made.py with PROSPECT-D and 4SAIL; no real ground",
                }
            ],
            "noise": {"added": ADDED, "scaled": SCALED},
            "config": {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(config).items()},
        },
        "peer": "A + B exp(C NDVI) with NDVI of B8A and B04, fitted on the same noisy training spectra",
        "accuracy_is": "share off by no more than 0.5 or 20 % (LAI), 0.05 or 10 % (FAPAR, cover): the requirements of "
        "GCOS-200, WMO 2016, for LAI and FAPAR",
        "limits": "Trained and measured on simulated canopies only; no field measurement was compared. One layer of "
        "leaves with gaps: rows, flowers, ears and standing dead leaves are not in it. Above LAI 4 the light hardly "
        "changes, which the standard deviation tells.",
        "figures": {},
        "weights": {"file": WEIGHTS, "sha256": sha256},
    }
