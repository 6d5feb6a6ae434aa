"""One model folder as the registry sees it. Cards differ by room and grow, so they are read leniently here.

The rooms read their own cards strictly when they load a model; here a card needs only to say whose it is, what it was
trained on and what was measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from greattit import shipped
from greattit.errors import ModelError
from greattit.registry.figures import measured

WEIGHTS, CARD = "weights.safetensors", "card.yaml"
PROMOTION = "promotion.yaml"
"""beside the card of a promoted model: what it replaced, on which day, and why it serves though it is worse"""
PREVIOUS = "previous"
UNSTATED = ("", "not stated", "unknown")
"""licences that say nothing"""


@dataclass(frozen=True)
class TrainingSet:
    """One data set that a model was trained on, as its card tells."""

    name: str
    licence: str
    """empty when the card does not say"""
    attribution: str
    """empty when the card does not say"""
    flagged: bool
    """the card says `ships: false`"""

    @property
    def ships(self) -> bool:
        """Whether weights trained on it may travel with greattit."""
        return not self.flagged and self.licence.lower() not in UNSTATED


@dataclass(frozen=True)
class Sheet:
    """A model folder: its card as it is, and the sha256 of what lies there."""

    name: str
    """in the registry, e.g. "crops"; of a candidate the name of its folder"""
    folder: Path
    place: str
    """"shipped", "local" or "candidate\""""
    serves: bool
    """False where a local model of the same name serves before it"""
    card: Mapping[str, Any]
    """empty when it cannot be read"""
    card_fault: str
    """why the card cannot be read"""
    card_sha256: str
    weights_sha256: str
    """of the bytes there; empty when there are no weights"""

    @property
    def sha8(self) -> str:
        """The first eight digits that tell this model: of its weights, or of its card where it has none."""
        return (self.weights_sha256 or self.card_sha256)[:8]

    @property
    def title(self) -> str:
        """The name that the card gives, which is also the one that an appraisal cites."""
        return str(self.card.get("name") or self.name)

    @property
    def promise(self) -> str:
        """The sha256 that the card gives for the weights; empty when it gives none."""
        return str(_mapping(self.card.get("weights")).get("sha256") or "")

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """What the card says was measured: set -> figure -> value."""
        return measured(self.card)

    @cached_property
    def training(self) -> tuple[TrainingSet, ...]:
        """The sets it was trained on, whichever form the card has."""
        return tuple(_training(self.card))

    @property
    def state(self) -> str:
        """The state of the sha256 in a few words."""
        if not self.weights_sha256:
            return "weights missing" if "weights" in self.card else "card only"
        return "as the card says" if self.weights_sha256 == self.promise else "NOT as the card says"

    @property
    def weights_fault(self) -> str:
        """Why weights and card do not belong together; empty when they do."""
        named = str(_mapping(self.card.get("weights")).get("file", WEIGHTS))
        if self.card_fault:
            return self.card_fault
        if named != WEIGHTS:
            return f"the card names the weights {named}, and a model has {WEIGHTS}"
        if self.weights_sha256 and not self.promise:
            return f"the card gives no sha256 of {WEIGHTS}"
        if "weights" in self.card and not self.weights_sha256:
            return f"has no {WEIGHTS}, which its card names"
        if self.weights_sha256 != self.promise:
            found = f"they are {self.weights_sha256[:8]}, the card says {self.promise[:8]}"
            return f"{WEIGHTS} are not those of the card (sha256: {found})"
        return ""

    @property
    def faults(self) -> tuple[str, ...]:
        """What does not hold; empty when all does."""
        if self.card_fault:
            return (self.card_fault,)
        weights = (self.weights_fault,) if self.weights_fault else ()
        return (*weights, *self._card_faults(), *self._licence_faults())

    def _card_faults(self) -> Iterator[str]:
        for key in ("name", "made_by"):
            if not self.card.get(key):
                yield f"the card does not say {key}"
        if not self.figures:
            yield "the card has no figures"
        if not self.training:
            yield "the card names no training set"
        for part in self.training:
            missing = [key for key in ("licence", "attribution") if not getattr(part, key)]
            if missing:
                yield f"training set {part.name}: the card gives no {' and no '.join(missing)}"

    def _licence_faults(self) -> Iterator[str]:
        if self.place == "shipped":
            for part in self.training:
                if part.licence and not part.ships:
                    yield f"training set {part.name} may not ship (licence: {part.licence})"


def read(folder: Path, *, name: str = "", place: str = "candidate", serves: bool = False) -> Sheet:
    """Read a model folder; a card that cannot be read is a fault of the sheet. Raises `ModelError` without a folder."""
    import yaml

    if not folder.is_dir():
        raise ModelError("is not a model folder", subject=str(folder), remedy=f"name a folder with {CARD}")
    data, fault, card = b"", "", None
    if (folder / CARD).is_file():
        data = (folder / CARD).read_bytes()
        try:
            card = yaml.safe_load(data.decode("utf-8"))
            fault = "" if isinstance(card, dict) else f"{CARD} is not a table of keys and values"
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            fault = f"{CARD} cannot be read: {' '.join(str(error).split())}"
    else:
        fault = f"has no {CARD}"
    weights = folder / WEIGHTS
    return Sheet(
        name=name or folder.name,
        folder=folder,
        place=place,
        serves=serves,
        card=card if isinstance(card, dict) else {},
        card_fault=fault,
        card_sha256=hashlib.sha256(data).hexdigest() if data else "",
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "",
    )


def homes() -> dict[str, Path]:
    """Return the models folders, the one that serves first: "local" (where GREATTIT_MODELS names one) and "shipped"."""
    own = shipped.own_models()
    there = {"local": own} if own is not None else {}
    return {**there, "shipped": shipped.path("models")}


def models() -> list[Sheet]:
    """Return every model, by name; a shipped one behind a local one of the same name stands after it."""
    found = []
    for name in sorted({name for home in homes().values() for name in names(home)}):
        serving = shipped.model(name)
        for place, home in homes().items():
            if name in names(home):
                found.append(read(home / name, name=name, place=place, serves=home / name == serving))
    return found


def names(home: Path) -> list[str]:
    """Return the names of the models of a models folder, sorted."""
    if not home.is_dir():
        return []
    folders = (one for one in home.iterdir() if one.is_dir() and one.name != PREVIOUS)
    return sorted(one.name for one in folders if not one.name.startswith("."))


def get(name: str) -> Sheet:
    """Return the model that serves as `name`; raise `ModelError` that lists what there is."""
    there = [one for one in models() if one.serves]
    for one in there:
        if name in (one.name, one.title):
            return one
    raise ModelError(
        "is no model", subject=name, remedy=f"there are {', '.join(one.name for one in there) or 'none at all'}"
    )


def kept(name: str = "") -> list[Sheet]:
    """Return the models of `previous/` in every models folder, all or those of one name."""
    return [
        read(folder, place=place)
        for place, home in homes().items()
        for folder in sorted((home / PREVIOUS).glob("[!.]*-*"))
        if folder.is_dir() and name in ("", folder.name.rpartition("-")[0])
    ]


def find(sha256: str) -> Path:
    """Return the folder of the model whose weights, or whose card, have this sha256 (8 digits or more, as cited).

    This is how an old appraisal is replayed with the model that made it. Serving models count before kept ones.
    """
    if len(sha256) >= 8:
        for one in (*models(), *kept()):
            if one.weights_sha256.startswith(sha256) or one.card_sha256.startswith(sha256):
                return one.folder
    there = ", ".join(f"{one.name} {one.sha8}" for one in (*models(), *kept()))
    raise ModelError("no model has this sha256", subject=sha256 or "(none)", remedy=f"there are {there}")


def _training(card: Mapping[str, Any]) -> Iterator[TrainingSet]:
    """Read the three forms: training.sets; training.data and licence; training_data beside licence."""
    training = _mapping(card.get("training"))
    sets = training.get("sets")
    if isinstance(sets, list):
        sets = {str(_mapping(part).get("name", number)): part for number, part in enumerate(sets)}
    for name, part in _mapping(sets).items():
        part = _mapping(part)
        yield TrainingSet(str(name), _text(part, "licence"), _text(part, "attribution"), part.get("ships") is False)
    if training.get("data"):
        told = str(training["data"])
        flagged = training.get("ships") is False
        yield TrainingSet("made data", _text(training, "licence"), _text(training, "attribution") or told, flagged)
    names_ = card.get("training_data")
    for name in names_ if isinstance(names_, list) else ():
        licence = _text(card, "licence")
        yield TrainingSet(str(name), licence, _text(card, "attribution") or licence, card.get("ships") is False)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(part: Mapping[str, Any], key: str) -> str:
    return str(part.get(key) or "").strip()
