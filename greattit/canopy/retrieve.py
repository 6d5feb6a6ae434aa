"""From reflectance to leaf area, absorbed light and cover: a small network reckoned in numpy, and where it may speak.

A spectrum that is unlike everything the network learned from (cloud, snow, a roof, water with glint) has no answer: a
mixture of Gaussians tells how like it is, and below the level of the card the answer is NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import shipped
from greattit.errors import ModelError
from greattit.types import BANDS as HOUSE_BANDS

BANDS = ("B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")
"""the bands that are used, those of Weiss and Baret 2016: blue knows the air better than the leaf, B08 is broad"""
TARGETS = ("lai", "fapar", "cover")
"""what is retrieved, in the order of the network's outputs"""
RANGES = {"lai": (0.0, 15.0), "fapar": (0.0, 1.0), "cover": (0.0, 1.0)}
"""least and highest value of each; an answer beyond is held to them"""
WEIGHTS, CARD = "weights.safetensors", "card.yaml"
REMEDY = "install greattit again, or make the weights anew with `greattit train canopy`"
BLOCK = 8192
"""spectra of one pass"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Canopy:
    """What stands on the ground; every array has the shape of the input without its bands.

    NaN where a band is missing or the spectrum is unlike all that was learned from. Absorbed light is that at the
    moment of the look. Doubt is one standard deviation, as learned on made spectra with noise.
    """

    lai: Floats
    """[m2/m2] green leaf area over ground area"""
    lai_sd: Floats
    """[m2/m2]"""
    fapar: Floats
    """[1] share of the light of 400-700 nm that the canopy takes up, sun alone, no skylight"""
    fapar_sd: Floats
    """[1]"""
    cover: Floats
    """[1] share of the ground that is hidden by leaves as seen from straight above, FCOVER"""
    cover_sd: Floats
    """[1]"""
    model: str
    """name of the model and the first eight digits of its weights' sha256"""


@dataclass(frozen=True, eq=False)
class Network:
    """A checked card and its weights."""

    tensors: Mapping[str, NDArray[np.float32]]
    """"N.weight" (out, in) and "N.bias" (out,) of each layer; "input.mean", "input.spread" (band,); "target.mean",
    "target.spread" (target,); "domain.mean" (k, band), "domain.factor" (k, band, band), "domain.level" (k,)"""
    layers: int
    """number of layers"""
    least: float
    """log density below which a spectrum is unlike all that was learned from"""
    sha256: str
    """of the weights"""
    card: Mapping[str, Any]
    """the whole card"""

    def tell(self, spectra: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, each (n, target), of spectra (n, band)."""
        values = (spectra - self.tensors["input.mean"]) / self.tensors["input.spread"]
        for number in range(self.layers):
            values = values @ self.tensors[f"{number}.weight"].T + self.tensors[f"{number}.bias"]
            if number + 1 < self.layers:
                values = np.tanh(values)
        count = len(TARGETS)
        spread = self.tensors["target.spread"]
        mean = values[:, :count] * spread + self.tensors["target.mean"]
        return mean, np.exp(np.clip(values[:, count:], -8.0, 4.0)) * spread

    def likeness(self, spectra: Floats) -> Floats:
        """Return the log density (n,) of spectra (n, band) under the mixture that the training spectra make."""
        means, factors, levels = (self.tensors[f"domain.{name}"] for name in ("mean", "factor", "level"))
        parts = np.empty((len(levels), len(spectra)))
        for number, (mean, factor, level) in enumerate(zip(means, factors, levels, strict=True)):
            parts[number] = level - 0.5 * (((spectra - mean) @ factor) ** 2).sum(axis=1)
        most = parts.max(axis=0)
        return np.asarray(most + np.log(np.exp(parts - most).sum(axis=0)))


def retrieve(values: NDArray[Any], bands: Sequence[str] = HOUSE_BANDS, *, model: Path | None = None) -> Canopy:
    """Return what stands where `values` (..., band) were seen, surface reflectance 0-1 of Sentinel-2, order as `bands`.

    Needs B03 B04 B05 B06 B07 B8A B11 B12; others are not looked at, and without one of these all is NaN. `model` is a
    folder other than that of the serving model. Raises `ModelError` when the bands are not those of the house or do not
    fit the values, or when the model cannot be used.
    """
    unknown = [name for name in bands if name not in HOUSE_BANDS]
    if unknown or np.ndim(values) == 0 or np.shape(values)[-1] != len(bands):
        what = f"there is no band {', '.join(unknown)}" if unknown else f"{len(bands)} bands for {np.shape(values)}"
        raise ModelError(what, subject="canopy", remedy=f"name the bands of the last axis, of {', '.join(HOUSE_BANDS)}")
    network = load(model or shipped.model("canopy"))
    shape = np.shape(values)[:-1]
    out = np.full((2 * len(TARGETS), int(np.prod(shape))), np.nan)
    if set(BANDS) <= set(bands):
        order = [list(bands).index(name) for name in BANDS]
        spectra = np.asarray(values).reshape(-1, len(bands))
        for start in range(0, len(spectra), BLOCK):
            out[:, start : start + BLOCK] = _block(network, spectra[start : start + BLOCK, order])
    parts = dict(
        zip((*TARGETS, *(f"{name}_sd" for name in TARGETS)), out.reshape(2 * len(TARGETS), *shape), strict=True)
    )
    return Canopy(**parts, model=f"canopy {network.sha256[:8]}")


def _block(network: Network, part: NDArray[Any]) -> Floats:
    """Return means and standard deviations (2 x target, n) of spectra (n, band), NaN where there is no answer."""
    part = np.asarray(part, float)
    seen = np.isfinite(part).all(axis=1) & (np.abs(part) < 2.0).all(axis=1) & (part > 0.0).any(axis=1)
    out = np.full((2 * len(TARGETS), len(part)), np.nan)
    rows = np.flatnonzero(seen)
    rows = rows[network.likeness(part[rows]) >= network.least]
    if len(rows):
        mean, spread = network.tell(part[rows])
        low, high = np.array([RANGES[name] for name in TARGETS]).T
        out[:, rows] = np.concatenate([np.clip(mean, low, high), spread], axis=1).T
    return out


@lru_cache(maxsize=4)
def load(folder: Path) -> Network:
    """Load and check a model folder; raise `ModelError` when weights or card are missing or do not fit each other."""
    import yaml
    from safetensors import SafetensorError
    from safetensors.numpy import load as tensors_of

    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"has no {name}", subject=str(folder), remedy=REMEDY)
    data = (folder / WEIGHTS).read_bytes()
    try:
        card = yaml.safe_load((folder / CARD).read_text(encoding="utf-8"))
        tensors = tensors_of(data)
        layers = len(card["network"]["hidden"]) + 1
        sha256, least = str(card["weights"]["sha256"]), float(card["domain"]["least"])
        fits = tuple(card["input"]["bands"]) == BANDS and tuple(card["targets"]) == TARGETS
        fits = fits and _fits(tensors, [len(BANDS), *card["network"]["hidden"], 2 * len(TARGETS)])
    except (yaml.YAMLError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{CARD} cannot be used: {error!r}", subject=str(folder), remedy=REMEDY) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError(f"{WEIGHTS} are not those of the card (sha256 differs)", subject=str(folder), remedy=REMEDY)
    if not fits:
        raise ModelError("bands, targets and layers do not fit this version", subject=str(folder), remedy=REMEDY)
    return Network(tensors, layers, least, sha256, card)


def _fits(tensors: Mapping[str, NDArray[Any]], sizes: Sequence[int]) -> bool:
    """Say whether the tensors have the shapes that the layers' sizes ask for."""
    wide, count = len(BANDS), len(tensors["domain.level"])
    wanted: dict[str, tuple[int, ...]] = {
        "input.mean": (wide,),
        "input.spread": (wide,),
        "target.mean": (3,),
        "target.spread": (3,),
    }
    wanted |= {"domain.mean": (count, wide), "domain.factor": (count, wide, wide), "domain.level": (count,)}
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        wanted |= {f"{number}.weight": (outputs, inputs), f"{number}.bias": (outputs,)}
    return {name: values.shape for name, values in tensors.items()} == wanted
