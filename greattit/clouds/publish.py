"""The card of a trained cloud network: measured on held-out made seasons, with what serves chosen by rule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.clouds import scores
from greattit.clouds.detect import Levels
from greattit.clouds.features import FEATURES
from greattit.clouds.lessons import PLACES, Lesson
from greattit.clouds.mask import masks
from greattit.clouds.network import CARD, CLASSES, METHODS, WEIGHTS, Network, load
from greattit.clouds.stack import BANDS


@dataclass(frozen=True)
class TrainConfig:
    """How much is learned from, and how."""

    counties: int = 12
    """grown for training"""
    skies: int = 4
    """seasons of weather over each"""
    held_out: int = 4
    """counties for measuring, three skies each"""
    looks: int = 66
    """passes of a full year; a season keeps 14 or more of them"""
    pixels: int = 40_000
    """drawn from each season"""
    hidden: tuple[int, ...] = (48, 32)
    """units of the hidden layers"""
    epochs: int = 16
    batch: int = 4096
    rate: float = 4e-3
    shadow_weight: float = 1.3
    """weight of a shadow's pixel in the loss; shadows are rare"""
    changed_weight: float = 4.0
    """weight of clear ground right after a harvest, cut, ploughing or flood"""
    trials: int = 40
    """of the search for the detector's thresholds"""
    seed: int = 0


def publish(
    tensors: Mapping[str, NDArray[np.float32]],
    levels: Levels,
    held: Sequence[Lesson],
    config: TrainConfig,
    out: Path,
) -> dict[str, Any]:
    """Write weights and card to the folder `out`, measured on held-out seasons; return the card."""
    import yaml
    from safetensors.numpy import save

    data = save(dict(tensors))
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS).write_bytes(data)
    layers = tuple((tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in range(len(tensors) // 2))
    network = Network(layers, hashlib.sha256(data).hexdigest(), "scl", asdict(levels), {})
    figures = {
        "classified": measure(network, [one for one in held if one.stack.classified]),
        "no classification": measure(network, [one for one in held if not one.stack.classified]),
    }
    card = _card(network, figures, held, config)
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=118)
    (out / CARD).write_text(text, encoding="utf-8", newline="\n")
    load.cache_clear()
    load(out)
    return card


def measure(network: Network, held: Sequence[Lesson]) -> dict[str, Any]:
    """Return the figures of every method on made seasons, pooled; intervals over looks. Empty when there are none."""
    found = [masks(one.stack, network) for one in held]
    out: dict[str, Any] = {}
    for name in METHODS if held else ():
        pairs = [(mask[name], one) for mask, one in zip(found, held, strict=True)]
        out[name] = {
            kind: scores.agreement(np.concatenate([scores.counts(mask, one.mask, kind) for mask, one in pairs]))
            for kind in ("cloud", "shadow", "spoilt")
        }
        anywhere = [scores.lost(mask, one.mask, np.ones(one.mask.shape, bool)) for mask, one in pairs]
        out[name]["eaten"] = scores.eaten(np.concatenate(anywhere))
        right_after = [scores.lost(mask, one.mask, one.changed) for mask, one in pairs]
        out[name]["eaten_after_change"] = scores.eaten(np.concatenate(right_after))
    return out


def choose(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the method that serves: the best mean F1 of cloud and shadow, if it eats no more change than SCL.

    A method that is no more than 0.005 better than one before it in METHODS gives way to it.
    """
    most = figures["scl"]["eaten_after_change"]["share"] or 0.0
    best, best_f1 = "scl", -1.0
    for name in METHODS:
        f1 = float(np.mean([figures[name][kind]["f1"] or 0.0 for kind in ("cloud", "shadow")]))
        if f1 > best_f1 + 0.005 and (figures[name]["eaten_after_change"]["share"] or 0.0) <= most:
            best, best_f1 = name, f1
    return best


def _card(network: Network, figures: Mapping[str, Any], held: Sequence[Lesson], config: TrainConfig) -> dict[str, Any]:
    return {
        "name": "clouds",
        "made_by": "greattit train clouds",
        "task": "cloud, shadow or clear ground, for each pixel and look of a season of Sentinel-2",
        "weights": {"file": WEIGHTS, "sha256": network.sha256},
        "serve": choose(figures["classified"]) if figures["classified"] else "scl",
        "serve_rule": (choose.__doc__ or "").strip(),
        "classes": list(CLASSES),
        "input": {
            "bands": list(BANDS),
            "scaling": "surface reflectance 0-1, or top of atmosphere without a scene classification",
            "features": list(FEATURES),
        },
        "network": {"kind": "perceptron for each pixel", "hidden": list(config.hidden)},
        "detector": dict(network.levels),
        "training": {
            "data": "made seasons of greattit/clouds/lessons.py over counties of greattit/simulate; no real pixel",
            "licence": "Apache-2.0, as this repository",
            "seasons": config.counties * config.skies,
            "northing_m": list(PLACES["own"]),
            "seed": config.seed,
            "config": {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(config).items()},
        },
        "held_out": {
            "data": "counties of other seeds, further south: other sun, climate, fields, soils, crops and skies",
            "seasons": len(held),
            "northing_m": list(PLACES["held out"]),
            "intervals": "95 %, bootstrap over looks",
            "figures": dict(figures),
        },
        "limits": [
            "trained on simulated skies: figures on made truth flatter it; read those on real stacks beside them",
            "snow is found by rule (stack.snow) and was never trained",
            "the last looks of a season have no look after them and are judged by those before alone",
        ],
    }
