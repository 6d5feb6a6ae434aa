"""The learned thresholds that serve: `models/damage/card.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from greattit import shipped
from greattit.damage.losses import Levels
from greattit.errors import ModelError

NAME = "damage"


@dataclass(frozen=True)
class Served:
    """The thresholds and how often what they find is right."""

    levels: Levels
    right: Mapping[str, float]
    """kind -> share of such findings that were right on the counties that the thresholds were set on"""
    sha256: str
    """of the card"""


def read(folder: Path) -> Served:
    """Read the card of a folder; raise `ModelError` when it lacks a threshold or has one that is not known."""
    import hashlib

    import yaml

    file = folder / "card.yaml"
    try:
        data = file.read_bytes()
        card: Any = yaml.safe_load(data)
        told, right = card["levels"], card["right"]
        levels = Levels(**{key: float(value) for key, value in told.items()})
        lacking = {one.name for one in fields(Levels)} - set(told)
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ModelError(
            f"its card does not hold the thresholds: {error}",
            subject=str(folder),
            remedy="make it again with `greattit train damage`",
        ) from error
    if lacking:
        raise ModelError(
            f"its card lacks {', '.join(sorted(lacking))}",
            subject=str(folder),
            remedy="make it again with `greattit train damage`",
        )
    return Served(levels, {str(k): float(v) for k, v in right.items()}, hashlib.sha256(data).hexdigest())


@cache
def _read_once(folder: Path) -> Served:
    return read(folder)


def served() -> Served:
    """Return the thresholds of the model that serves as "damage"."""
    return _read_once(shipped.model(NAME))
