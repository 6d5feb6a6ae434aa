"""A fast stand-in for AquaCrop: a short reckoning of its equations, corrected by a small network that learned its runs.

It reproduces a model, not fields: nothing in it was checked against a measured yield.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import shipped
from greattit.cropmodel.crops import NARROWER
from greattit.cropmodel.phases import NEVER, Fields, seasons
from greattit.cropmodel.reckon import SUMS, Reckoned, reckon
from greattit.cropmodel.record import Daily, Floats, Grown, Plan
from greattit.errors import CropModelError, ModelError

WEIGHTS, CARD = "weights.safetensors", "card.yaml"
CHUNK = 4096
"""fields that are reckoned together, so that the arrays of one day stay in the processor's cache"""
BOUND = 4.0
"""[standard deviations] at which a feature is held, so that what no lesson had does not run away"""
SCALE_KG_HA = 1000.0
"""[kg/ha] least scale of a yield, so that a crop that failed does not divide by nothing"""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A loaded model; use `load`."""

    name: str
    """as the basis of a figure names it"""
    crops: Mapping[str, Mapping[str, float]]
    """crop -> AquaCrop's parameters of it"""
    tensors: Mapping[str, NDArray[np.float32]]
    """mean, std (k,), and of each member m the layers "m.w0", "m.b0", ..."""
    sha256: str
    """of the weights"""

    def run(self, plan: Plan, weather: Daily) -> Grown:
        """Grow one field as `CropModel` says; `cover` is that of the reckoning, and the biomass is NaN."""
        window = np.stack([weather.tmin_c, weather.tmax_c, weather.rain_mm, weather.et0_mm])[None].astype(np.float32)
        reckoned, ripe, yields = self._chunk(self._crop(plan.crop), window, Fields.of([plan]), daily=True)
        after = None if ripe[0] == NEVER else int(ripe[0])
        return Grown(float(yields[0]), float("nan"), reckoned.covers[:, 0], after)

    def parameters(self, crop: str) -> Mapping[str, float]:
        """Return AquaCrop's parameters of a crop, those that the card carries."""
        return self.crops[self._crop(crop)]

    def yields(
        self, crop: str, weather: NDArray[np.float32], fields: Fields, which: NDArray[np.int64] | None = None
    ) -> Floats:
        """Return the dry yield [kg/ha] of n fields of one crop, (n,); NaN where the weather does not let it ripen.

        `weather` (m, 4, t): tmin, tmax [degC], rain, ET0 [mm] from sowing on, NaN after the last day known; `which`
        (n,) tells each field's row of it, by default its own. Raises `CropModelError` for a crop not learned or
        arrays that do not fit.
        """
        name = self._crop(crop)
        which = np.arange(len(fields)) if which is None else which
        if weather.ndim != 3 or weather.shape[1] != 4 or len(which) != len(fields):
            raise CropModelError(
                f"weather {weather.shape} does not fit {len(fields)} fields", subject=crop, remedy="give (m, 4, t)"
            )
        found = np.empty(len(fields))
        for first in range(0, len(fields), CHUNK):
            part = slice(first, first + CHUNK)
            found[part] = self._chunk(name, weather[which[part]], fields.take(part))[2]
        return found

    def _chunk(
        self, crop: str, weather: NDArray[np.float32], fields: Fields, *, daily: bool = False
    ) -> tuple[Reckoned, NDArray[np.int64], Floats]:
        one = seasons(weather, fields, self.crops[crop])
        reckoned = reckon(one, self.crops[crop], daily=daily)
        table = features(reckoned, fields, list(self.crops).index(crop), len(self.crops))
        yields = corrected(reckoned, forward(self.tensors, table))
        return reckoned, one.ripe_after, np.where(one.ripe_after == NEVER, np.nan, yields)

    def _crop(self, crop: str) -> str:
        name = NARROWER.get(crop, crop)
        if name not in self.crops:
            raise CropModelError(
                "is no crop that the surrogate learned", subject=crop, remedy=f"ask for {', '.join(self.crops)}"
            )
        return name


def features(reckoned: Reckoned, fields: Fields, crop: int, crops: int) -> Floats:
    """Return what the network sees of n fields of one crop, (n, k): sums by phase, how it stands, soil and crop."""
    days = np.maximum(reckoned.sums["days"], 1.0)
    per_day = [name for name in SUMS if name not in ("days", "drained", "runoff", "biomass", "rain", "et0")]
    columns = [reckoned.sums[name] / days for name in per_day]
    columns += [np.log1p(reckoned.sums[name]) for name in ("days", "drained", "runoff", "biomass", "rain", "et0")]
    soil = [1000 * (fields.capacity - fields.wilting), fields.saturation, np.log(fields.drainage_mm_day)]
    plan = [fields.irrigated, fields.start_water, fields.thermal_share, fields.density_share, fields.cover_share]
    alone = [reckoned.pollinated, reckoned.grown, reckoned.cover, reckoned.left, fields.evaporable_mm, *soil, *plan]
    alone += [reckoned.thirst, np.log1p(reckoned.delay)]
    alone += [reckoned.yield_kg_ha / scale(reckoned), np.log(scale(reckoned))]
    kind = np.zeros((len(fields), crops))
    kind[:, crop] = 1.0
    return np.concatenate([*columns, np.stack(alone, axis=1), kind], axis=1)


def scale(reckoned: Reckoned) -> Floats:
    """Return what a correction of 1 means for each field [kg/ha]: its yield where nothing is wanting."""
    return np.maximum(reckoned.potential_kg_ha, SCALE_KG_HA)


def corrected(reckoned: Reckoned, correction: Floats) -> Floats:
    """Return the yield [kg/ha]: what was reckoned, and the correction of the network."""
    return np.maximum(reckoned.yield_kg_ha + scale(reckoned) * correction, 0.0)


def forward(tensors: Mapping[str, NDArray[np.float32]], table: Floats) -> Floats:
    """Return the mean correction [1] of the members for a table of features (n, k)."""
    seen = np.clip((table - tensors["mean"]) / tensors["std"], -BOUND, BOUND).astype(np.float32)
    members = sorted({name.split(".")[0] for name in tensors if "." in name})
    found = np.zeros(len(table))
    for member in members:
        layer = seen
        for number in range(3):
            layer = layer @ tensors[f"{member}.w{number}"].T + tensors[f"{member}.b{number}"]
            layer = np.tanh(layer) if number < 2 else layer
        found += layer[:, 0].astype(float)
    return found / len(members)


@lru_cache(maxsize=4)
def load(folder: Path | None = None) -> Surrogate:
    """Return the model of a folder, by default the one that serves. `ModelError` when weights and card do not fit."""
    import yaml
    from safetensors import SafetensorError
    from safetensors.numpy import load as read

    folder = shipped.model("cropmodel") if folder is None else folder
    try:
        card = yaml.safe_load((folder / CARD).read_text("utf-8"))
        data = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot be read: {error}", subject=str(folder), remedy="name a model folder") from error
    sha256 = hashlib.sha256(data).hexdigest()
    _check_card(card, sha256, folder)
    try:
        tensors = read(data)
    except SafetensorError as error:
        raise ModelError(f"the weights cannot be read: {error}", subject=str(folder)) from error
    crops = {name: {key: float(v) for key, v in own.items()} for name, own in card["crops"].items()}
    return Surrogate(f"{card['name']} {sha256[:8]}, a surrogate of {card['of']}", crops, tensors, sha256)


def _check_card(card: Any, sha256: str, folder: Path) -> None:
    said = card.get("weights", {}).get("sha256") if isinstance(card, dict) else None
    if said != sha256:
        raise ModelError(
            f"weights and card do not belong together (sha256 {sha256[:8]}, the card says {str(said)[:8]})",
            subject=str(folder),
            remedy="take both from one training",
        )
    if list(card.get("input", {}).get("sums", ())) != list(SUMS) or not isinstance(card.get("crops"), dict):
        raise ModelError("the card is of another version", subject=str(folder), remedy="greattit train cropmodel")
