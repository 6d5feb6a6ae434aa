"""A model that was fitted to one place: experts, their weights, the neighbourhood, calibration; `load` and `save`.

It is a folder like that of the shipped network: `weights.safetensors` and `card.yaml`. Member k of each expert saw
nothing of fold k; a stranger's sample is called by the mean of all members.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import card as cards
from greattit.crops import experts, graph, novelty
from greattit.crops.dataset import Dataset
from greattit.crops.experts import FitConfig
from greattit.crops.table import Form, Table, features, tabulate
from greattit.errors import ModelError
from greattit.onethread import one_thread
from greattit.types import CropCall, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Tensors = dict[str, NDArray[Any]]

KIND = "fitted to one place"
"""`kind` of the card"""


@dataclass(frozen=True, eq=False)
class Local:
    """Experts in memory."""

    name: str
    classes: tuple[str, ...]
    """house names, in the order of the probabilities"""
    form: Form
    fit: FitConfig
    members: tuple[Mapping[str, Tensors], ...]
    """of each fold, expert -> arrays"""
    weights: Mapping[str, float]
    """expert -> share in the mean; sums to 1"""
    refiner: Tensors | None
    """gates of the neighbourhood; None when it did not help on unseen places"""
    known: Tensors
    """where known seasons lie (`novelty`)"""
    calibration: Mapping[str, float]
    """temperature, certainty_level, likely_level, novelty_level, least_looks"""
    folds: Mapping[str, Mapping[str, Mapping[str, int]]]
    """set -> "folds": group -> fold, and "sample_folds": sample -> fold, of groups that were cut"""
    card: Mapping[str, Any]
    """the card as text"""
    sha256: str = ""
    """of the weights"""
    held_out: Doubles | None = None
    """(n, class) calls of the samples it was fitted to, each by the member that saw nothing of its group; not saved"""

    def fold_of(self, data: Dataset) -> Ints:
        """Return (n,) the member that did not see each sample's group; -1 for groups that none saw."""
        own = self.folds.get(data.name, {})
        groups, samples = own.get("folds", {}), own.get("sample_folds", {})
        pairs = zip(data.samples, data.groups, strict=True)
        return np.array([samples.get(sample, groups.get(group, -1)) for sample, group in pairs], np.int64)

    def table(self, data: Dataset) -> Table:
        """Return the samples of a set in the form of this model, without looks that are not clear enough to count."""
        return tabulate(data, self.form, least_clear())

    def probabilities(
        self, table: Table, places: Doubles, fold: Ints | None = None, *, neighbours: bool = True
    ) -> Doubles:
        """Return calibrated probabilities (n, class).

        `places` (n, 2) are longitude and latitude, NaN for none; `fold` (n,) is the member that alone is asked for a
        sample, -1 for the mean of all. Samples are each other's neighbours unless told not to be.
        """
        with one_thread():
            mixed = self.mixed(table, fold)
            if neighbours and self.refiner is not None:
                joined = graph.link(places, graph.scale(features(table)), fold)
                mixed = graph.refine(mixed, joined, self.refiner)
        return sharpen(mixed, self.calibration["temperature"])

    def mixed(self, table: Table, fold: Ints | None = None) -> Doubles:
        """Return the weighted mean (n, class) of the experts, before neighbours and calibration."""
        used = [name for name, weight in self.weights.items() if weight > 0]
        out = np.zeros((len(table), len(self.classes)))
        alone = np.full(len(table), -1) if fold is None else fold
        for number, member in enumerate(self.members):
            rows = np.flatnonzero((alone == number) | (alone < 0))
            if not len(rows):
                continue
            share = np.where(alone[rows] < 0, 1.0 / len(self.members), 1.0)
            part = pick(table, rows)
            for name in used:
                found = experts.probabilities(name, member[name], part, len(self.classes), self.fit)
                out[rows] += self.weights[name] * share[:, None] * found
        return out


def judge(model: Local, shares: Doubles, table: Table) -> list[CropCall]:
    """Turn probabilities (n, class) into calls, or abstentions with their reason."""
    from greattit.crops import taxonomy

    level, likely = model.calibration["certainty_level"], model.calibration["likely_level"]
    far = novelty.scores(features(table), model.known) if len(table) else np.zeros(0)
    calls = []
    for row, chances in enumerate(shares):
        if not table.rows[row]:
            calls.append(CropCall({}, None, (), float("nan"), "nothing was seen this season", model.name, model.sha256))
            continue
        order = sorted(range(len(chances)), key=lambda index: (-chances[index], model.classes[index]))
        best = order[0]
        why = None
        if table.looks[row] < model.calibration["least_looks"]:
            why = f"too few clear looks: {table.looks[row]} of {model.calibration['least_looks']:.0f}"
        elif far[row] > model.calibration["novelty_level"]:
            why = "not a known crop: the season is unlike anything the model was fitted to"
        elif chances[best] < level:
            name = model.classes[best]
            guess = taxonomy.name(name) if taxonomy.known(name) else name
            why = f"uncertain: the best guess is {guess}, {chances[best]:.0%} sure; {level:.0%} is needed"
        calls.append(
            CropCall(
                probabilities={name: float(chance) for name, chance in zip(model.classes, chances, strict=True)},
                crop=None if why else model.classes[best],
                likely=tuple(model.classes[index] for index in order if index == best or chances[index] >= likely),
                certainty=float(chances[best]),
                abstained=why,
                model=model.name,
                model_sha256=model.sha256,
            )
        )
    return calls


def classify(model: Local, series: Sequence[Series], day: date) -> list[CropCall]:
    """Call the crops of plots from the looks of the year of `day` up to `day`; each plot by itself, no neighbours."""
    opens, last = np.datetime64(f"{day.year:04d}-01-01", "D"), np.datetime64(day, "D")
    bands = tuple(dict.fromkeys(name for one in series for name in one.bands))
    kept = [(one.dates >= opens) & (one.dates <= last) for one in series]
    counts = [int(keep.sum()) for keep in kept]
    n = len(series)
    data = Dataset(
        name="",
        samples=tuple(one.plot_id for one in series),
        crops=("unknown",) * n,
        groups=("none",) * n,
        years=np.full(n, day.year),
        starts=np.full(n, opens),
        ends=np.full(n, np.datetime64(f"{day.year:04d}-12-31", "D")),
        countries=("",) * n,
        places=np.full((n, 2), np.nan),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        dates=_joined([one.dates[keep].astype("datetime64[D]") for one, keep in zip(series, kept, strict=True)]),
        bands=bands,
        values=np.concatenate(
            [np.zeros((0, len(bands)), np.float32)]
            + [np.stack([one.band(b) for b in bands], axis=1)[keep] for one, keep in zip(series, kept, strict=True)]
        ),
        clear=np.concatenate([np.zeros(0, np.float32), *(one.clear[k] for one, k in zip(series, kept, strict=True))]),
    )
    table = model.table(data)
    return judge(model, model.probabilities(table, data.places, neighbours=False), table)


def _joined(dates: list[NDArray[np.datetime64]]) -> NDArray[np.datetime64]:
    return np.concatenate([np.zeros(0, "datetime64[D]"), *dates]).astype("datetime64[D]")


def pick(table: Table, rows: Ints) -> Table:
    """Return some rows of a table."""
    return replace(
        table, values=table.values[rows], seen=table.seen[rows], looks=table.looks[rows], rows=table.rows[rows]
    )


def sharpen(probabilities: Doubles, temperature: float) -> Doubles:
    """Return probabilities (n, class) to the power of 1 / temperature, summing to 1 (Guo et al. 2017)."""
    logs = np.log(np.maximum(probabilities, 1e-9)) / temperature
    power = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares: Doubles = power / power.sum(axis=1, keepdims=True)
    return shares


def tensors(model: Local) -> dict[str, NDArray[Any]]:
    """Return all arrays of a model under the names that they have in the file."""
    out = {
        f"{number}.{name}.{key}": np.ascontiguousarray(value)
        for number, member in enumerate(model.members)
        for name, arrays in member.items()
        for key, value in experts.packed(arrays).items()
    }
    out |= {f"known.{key}": np.ascontiguousarray(value) for key, value in model.known.items()}
    return out | {f"graph.{key}": np.ascontiguousarray(value) for key, value in (model.refiner or {}).items()}


def text(model: Local) -> dict[str, Any]:
    """Return what `load` needs, as it stands in the card."""
    return {
        "classes": list(model.classes),
        "input": model.form.as_text(),
        "experts": {name: round(float(weight), 4) for name, weight in model.weights.items()},
        "neighbours": model.refiner is not None,
        "fit": {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(model.fit).items()},
        "calibration": dict(model.calibration),
    }


def least_clear() -> float:
    """Return the least clear share of a look that counts, in fitting as in serving."""
    return float(policy.load("crops").on(date.max).rule("call", "least_clear").value)


def is_local(folder: Path) -> bool:
    """Say whether a model folder holds a model of this kind."""
    return country(folder) is not None


def country(folder: Path) -> str | None:
    """Return the country that a model of this kind was fitted to, "" for several; None for another kind of model."""
    path = folder / cards.CARD
    try:
        found = path.stat()
    except OSError:
        return None
    return _country(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=32)
def _country(path: Path, changed: int, size: int) -> str | None:
    """Read it from a card as it was when it was `changed`: parsing one takes longer than calling a plot's crop."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        return None
    return str((found.get("serves") or {}).get("country", ""))


@lru_cache(maxsize=4)
def load(folder: Path) -> Local:
    """Load a folder that `greattit adapt` wrote; raise `ModelError` when weights and card do not hold together."""
    import yaml
    from safetensors import SafetensorError
    from safetensors.numpy import load as read_tensors

    try:
        card = yaml.safe_load((folder / cards.CARD).read_text(encoding="utf-8"))
        data = (folder / cards.WEIGHTS).read_bytes()
        sha = hashlib.sha256(data).hexdigest()
        if sha != card["weights"]["sha256"]:
            raise ModelError(
                f"{cards.WEIGHTS} are not those of the card (sha256 differs)", subject=str(folder), remedy=REMEDY
            )
        return _model(card, read_tensors(data), sha)
    except (OSError, yaml.YAMLError, UnicodeDecodeError, SafetensorError) as error:
        raise ModelError(f"cannot be read: {error}", subject=str(folder), remedy=REMEDY) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"weights and card do not fit: {error!r}", subject=str(folder), remedy=REMEDY) from error


REMEDY = "make it again with `greattit adapt`"


def _model(card: Mapping[str, Any], arrays: Tensors, sha: str) -> Local:
    members: list[dict[str, Tensors]] = [{} for _ in range(int(card["weights"]["members"]))]
    apart: dict[str, Tensors] = {"graph": {}, "known": {}}
    for key, value in arrays.items():
        head, _, rest = key.partition(".")
        if head in apart:
            apart[head][rest] = value
            continue
        name, _, inner = rest.partition(".")
        members[int(head)].setdefault(name, {})[inner] = value
    weights = {str(name): float(weight) for name, weight in card["experts"].items()}
    if any(set(weights) - set(member) for member in members) or not set(weights) <= set(experts.NAMES):
        raise ValueError("the experts of the card are not those of the weights")
    given = dict(card["fit"])
    given["steps"] = tuple(given["steps"])
    return Local(
        name=str(card["name"]),
        classes=tuple(map(str, card["classes"])),
        form=Form.from_text(card["input"]),
        fit=FitConfig(**given),
        members=tuple({name: experts.unpacked(arrays) for name, arrays in member.items()} for member in members),
        weights=weights,
        refiner=apart["graph"] if card["neighbours"] else None,
        known=apart["known"],
        calibration={key: float(value) for key, value in card["calibration"].items()},
        folds={
            name: {
                kind: {str(key): int(fold) for key, fold in part.get(kind, {}).items()}
                for kind in ("folds", "sample_folds")
            }
            for name, part in card["training"]["sets"].items()
        },
        card=card,
        sha256=sha,
    )


def names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels as house names."""
    from greattit.crops import taxonomy

    return tuple(taxonomy.house_name(label) for label in labels)
