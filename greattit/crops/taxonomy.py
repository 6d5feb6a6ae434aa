"""The tree of crops: what is a kind of what, and what each is called. The tree itself is `policy/crops.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

from greattit import policy
from greattit.errors import PolicyError

LATEST = date.max
"""the names and the tree as they stand now"""


@cache
def crops(day: date = LATEST) -> Mapping[str, Mapping[str, Any]]:
    """Return house name -> its leaf (parent, en, zh, financed) on `day`; raise `PolicyError` before the first day."""
    branch = policy.load("crops").on(day)["crops"]
    if not isinstance(branch, policy.View):
        raise PolicyError("is a leaf, not a branch", subject="policy/crops/crops")
    return {name: branch.rule(name).value for name in branch}


@cache
def _aliases() -> Mapping[str, str]:
    names: Mapping[str, str] = policy.load("crops").on(LATEST).rule("aliases").value
    return names


def house_name(crop: str) -> str:
    """Return the name this house uses for `crop`; an unknown name comes back as it is."""
    return _aliases().get(crop, crop)


def known(crop: str) -> bool:
    """Say whether `crop` (or what it is an alias of) stands in the tree."""
    return house_name(crop) in crops()


def ancestors(crop: str) -> tuple[str, ...]:
    """Return the coarser names of `crop`, nearest first: winter_wheat -> (wheat, cereal, crop); () when unknown."""
    tree = crops()
    chain: list[str] = []
    parent = tree[house_name(crop)]["parent"] if known(crop) else ""
    while parent:
        if parent not in tree or parent in chain:
            raise PolicyError(
                f"its parent {parent!r} is unknown or its own child", subject=f"policy/crops/crops/{crop}"
            )
        chain.append(parent)
        parent = tree[parent]["parent"]
    return tuple(chain)


def descends(crop: str, from_: str) -> bool:
    """Say whether `crop` is `from_` or a kind of it."""
    crop, from_ = house_name(crop), house_name(from_)
    return crop == from_ or from_ in ancestors(crop)


def agrees(called: str, label: str) -> bool:
    """Say whether a call is right by a label: the same crop, or the label is a coarser name of the call."""
    return descends(called, label)


def is_crop(crop: str, day: date = LATEST) -> bool:
    """Say whether a harvest of `crop` can be financed on `day`: False for covers and for names not in the tree."""
    leaf = crops(day).get(house_name(crop))
    return leaf is not None and bool(leaf["financed"])


def name(crop: str, language: str = "en") -> str:
    """Return the name for people in `language` ("en" or "zh"); raise `PolicyError` for an unknown crop or language."""
    leaf = crops().get(house_name(crop))
    if leaf is None:
        raise PolicyError("there is no such crop", subject=f"policy/crops/crops/{crop}", remedy="add it to crops.yaml")
    if language not in ("en", "zh"):
        raise PolicyError(f"no names in {language!r}", subject=f"policy/crops/crops/{crop}", remedy="use en or zh")
    return str(leaf[language])
