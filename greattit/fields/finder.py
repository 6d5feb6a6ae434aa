"""The network that finds every field, served: `load` reads it with its card, `find` gives the fields of a window."""

from __future__ import annotations

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
from greattit.fields.lessons import MAPS
from greattit.fields.objects import TRAITS, Found, Rules, labelled, outlines, traits
from greattit.plots.cutter import read_card, read_network
from greattit.plots.cutter import weights_of as area_weights
from greattit.plots.fit import filled
from greattit.plots.sight import CHANNELS, Axes, look
from greattit.types import Interval

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.plots.network import UNet
    from greattit.types import Cube

MODEL = "fields"
REMEDY = "restore the folder, or train it again with `greattit train fields`"


@dataclass(frozen=True, eq=False)
class Finder:
    """A loaded network, the rules that turn its maps into fields, and what its card says of them."""

    network: UNet
    rules: Rules
    confidence: NDArray[np.float64]
    """(1 + trait,) weights of the logit of a field's confidence; the first stands alone"""
    shift: NDArray[np.float64]
    """(2,) weights of 1 and `rim_of` in the logarithm of true over found area"""
    spread: NDArray[np.float64]
    """(2,) weights of the same in the logarithm of its spread"""
    quantiles: Mapping[str, float]
    """"p05", "p10", "p90", "p95" of (log true / found - shift) / spread, on places that set nothing else"""
    sha256: str
    chips: frozenset[str]
    """names of the real chips that it learned from, or that chose its rules"""

    def area(self, shape: BaseGeometry) -> dict[str, float]:
        """Return the area [ha] as its quantiles p05, p10, p50, p90, p95, of an outline [m]."""
        what = np.array([1.0, rim_of(shape)])
        middle = shape.area / 1e4 * math.exp(float(self.shift @ what))
        spread = math.exp(float(self.spread @ what))
        return {"p50": middle} | {name: middle * math.exp(spread * q) for name, q in self.quantiles.items()}


def maps_of(network: UNet, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return MAPS (3, y, x) of a window as `plots.sight.look` gives it.

    A network that gives the extent alone (a peer) knows no border, and takes the extent for the middle.
    """
    import torch

    with torch.inference_mode():
        found: NDArray[np.float32] = network(torch.from_numpy(filled(seen))[None])[0].sigmoid().numpy()
    found = found[:, : seen.shape[1], : seen.shape[2]]
    return found if len(found) > 1 else np.concatenate([found, np.zeros_like(found), found])


def find(cube: Cube, finder: Finder | None = None, axes: Axes | None = None) -> list[Found]:
    """Return the fields of a window, outlines in the cube's CRS [m]; none where nothing was seen.

    `axes` are those of the county that the window is a part of. Raises `ModelError` when the network cannot be loaded.
    """
    finder = finder or load()
    seen = look(cube, axes)
    if seen is None:
        return []
    a, _, west, _, e, north = cube.attrs["transform"]
    step = finder.network.step
    left, top = round(west / a) % step, round(north / e) % step  # coarse pixels lie alike, wherever a window begins
    maps = maps_of(finder.network, np.pad(seen, ((0, 0), (top, 0), (left, 0))))[:, top:, left:]
    return from_maps(finder, maps, cube.attrs["transform"])


def from_maps(finder: Finder, maps: NDArray[np.float32], transform: tuple[float, ...]) -> list[Found]:
    """Return the fields of maps (3, y, x) on a grid."""
    labels = labelled(maps, finder.rules)
    shapes = outlines(labels, maps[0], transform, finder.rules)
    judged = traits(maps, labels)
    out = []
    for number, shape in shapes.items():
        logit = float(finder.confidence[0] + finder.confidence[1:] @ judged[number])
        confidence = 1 / (1 + math.exp(-logit))
        if confidence < finder.rules.least_confidence:
            continue
        area = finder.area(shape)
        interval = Interval(area["p10"], area["p50"], area["p90"], "ha")
        out.append(Found(shape, confidence, interval, (area["p05"], area["p95"])))
    return out


def rim_of(shape: BaseGeometry) -> float:
    """Return the logarithm of the pixels (10 m) along the border over those inside: what an area's error goes with."""
    return math.log(shape.length * 10.0 / max(shape.area, 1.0))


def model_folder() -> Path:
    """Return the folder of the model that serves: one of the user's own, else the one that travels with the code."""
    return shipped.model(MODEL)


def load(folder: Path | None = None) -> Finder:
    """Load the network of a model folder, by default the one that serves. Raises `ModelError`."""
    where = folder if folder is not None else model_folder()
    card = where / "card.yaml"
    if not card.is_file():
        raise ModelError("has no card.yaml", subject=str(where), remedy=REMEDY)
    return _load(where, card.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(folder: Path, _stamp: int) -> Finder:
    card = read_card(folder)
    network, sha256 = read_network(folder, card, inputs=CHANNELS, remedy=REMEDY)
    try:
        rules = Rules(**card["rules"])
        weights = weights_of(card)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"its card lacks or misstates {error}", subject=str(folder), remedy=REMEDY) from error
    if network.config.outputs not in (1, len(MAPS)):
        raise ModelError("the network gives other maps", subject=str(folder), remedy=REMEDY)
    return Finder(network, rules, *weights, sha256, frozenset(str(card.get("known_chips", "")).split()))


def weights_of(
    card: Mapping[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], dict[str, float]]:
    """Return confidence, shift, spread and quantiles of a card. Raises `KeyError`, `TypeError` and `ValueError`."""
    confidence = np.array([card["confidence"][name] for name in ("one", *TRAITS)], float)
    return confidence, *area_weights(card, 2)
