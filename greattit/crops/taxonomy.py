"""The tree of crops: what is a kind of what, and what each is called. The tree itself is `policy/crops.yaml`.

Two crops in one season have one name, `double_FIRST_SECOND`, which is known by rule: `double_winter_wheat_rice` is
winter wheat, then rice. It hangs under `double_crop`, and it is a kind of `double_wheat_rice`, since both parts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from greattit import policy
from greattit.errors import PolicyError

LATEST = date.max
"""the names and the tree as they stand now"""
DOUBLE = "double_"
"""how the name of two crops in one season begins"""
TREE_OF_DOUBLES = ("double_crop", "crop")
"""what every name of two crops hangs under, nearest first"""


@cache
def crops(day: date = LATEST) -> Mapping[str, Mapping[str, Any]]:
    """Return house name -> its leaf (parent, en, zh, financed; codes and narrower where sure) on `day`.

    Names of two crops are not listed. Raises `PolicyError` before the first day.
    """
    branch = policy.load("crops").on(day)["crops"]
    if not isinstance(branch, policy.View):
        raise PolicyError("is a leaf, not a branch", subject="policy/crops/crops")
    return {name: branch.rule(name).value for name in branch}


@cache
def _names(leaf: str) -> Mapping[str, str]:
    names: Mapping[str, str] = policy.load("crops").on(LATEST).rule(leaf).value
    return names


def aliases() -> Mapping[str, str]:
    """Return names of other sets and languages -> house name."""
    return _names("aliases")


def no_crop_names() -> Mapping[str, str]:
    """Return labels that name no one crop -> why."""
    return _names("no_crop_names")


@cache
def parts(crop: str) -> tuple[str, ...]:
    """Return the two crops of `double_FIRST_SECOND` by house name, the longest first part that fits; else ().

    At least one of the two must be a crop; the other may be a cover, a green manure say.
    """
    if not crop.startswith(DOUBLE) or crop in crops():
        return ()
    words = crop.removeprefix(DOUBLE).split("_")
    for cut in range(len(words) - 1, 0, -1):
        both = tuple(_part("_".join(words)) for words in (words[:cut], words[cut:]))
        if all(both) and any(is_crop(one) for one in both):
            return both
    return ()


def _part(name: str) -> str:
    """Return the house name of one part of a double crop; "" when it cannot be one."""
    name = _names("aliases_in_double").get(name) or aliases().get(name, name)
    return name if name in crops() and crops()[name]["parent"] and name != "double_crop" else ""


def house_name(crop: str) -> str:
    """Return the name this house uses for `crop`; an unknown name comes back as it is."""
    both = parts(crop)
    return DOUBLE + "_".join(both) if both else aliases().get(crop, crop)


def known(crop: str) -> bool:
    """Say whether `crop` (or what it is an alias of) stands in the tree or is the name of two crops that do."""
    return house_name(crop) in crops() or bool(parts(crop))


def ancestors(crop: str) -> tuple[str, ...]:
    """Return the coarser names of `crop`, nearest first: winter_wheat -> (wheat, cereal, crop); () when unknown."""
    if parts(crop):
        return TREE_OF_DOUBLES
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
    """Say whether `crop` is `from_` or a kind of it; of two double crops, whether both parts are."""
    crop, from_ = house_name(crop), house_name(from_)
    if crop == from_ or from_ in ancestors(crop):
        return True
    mine, theirs = parts(crop), parts(from_)
    return bool(mine and theirs) and all(descends(one, other) for one, other in zip(mine, theirs, strict=True))


def agrees(called: str, label: str) -> bool:
    """Say whether a call is right by a label: the same crop, or the label is a coarser name of the call."""
    return descends(called, label)


def is_crop(crop: str, day: date = LATEST) -> bool:
    """Say whether a harvest of `crop` can be financed on `day`: False for covers and for names not in the tree.

    Of a double crop, whether a harvest of one of the two can be.
    """
    tree = crops(day)
    return any(name in tree and bool(tree[name]["financed"]) for name in parts(crop) or (house_name(crop),))


def name(crop: str, language: str = "en") -> str:
    """Return the name for people in `language` ("en" or "zh"); raise `PolicyError` for an unknown crop or language."""
    if not known(crop):
        raise PolicyError("there is no such crop", subject=f"policy/crops/crops/{crop}", remedy="add it to crops.yaml")
    if language not in ("en", "zh"):
        raise PolicyError(f"no names in {language!r}", subject=f"policy/crops/crops/{crop}", remedy="use en or zh")
    between = {"en": " then ", "zh": "—"}[language]
    return between.join(str(crops()[one][language]) for one in parts(crop) or (house_name(crop),))


def codes(crop: str) -> Mapping[str, tuple[str, ...]]:
    """Return legend ("hcat", "worldcereal", "icc") -> the codes of `crop` in it, the one to write first.

    A legend with no sure code is left out; an unknown name and the name of two crops have none at all.
    """
    leaf = crops().get(house_name(crop), {})
    return {legend: tuple(values) for legend, values in leaf.get("codes", {}).items()}


@dataclass(frozen=True)
class Windows:
    """When a crop is usually sown and harvested in one place."""

    crop: str
    """house name that the dates were found under: the crop asked for or a coarser one"""
    sowing: tuple[int, int]
    """first and last usual day of sowing [day of a 365-day year], the last the smaller where New Year lies between"""
    harvest: tuple[int, int]
    """first and last usual day of the harvest [day of a 365-day year], next after `sowing`"""
    source: str
    """rule and publication"""


def seasons(place: str, day: date = LATEST) -> Mapping[str, Windows]:
    """Return crop -> its usual sowing and harvest in `place` of `policy/seasons.yaml`; raise `PolicyError` for another.

    The dates are to half a month and for planning and checks; a line asks `policy/calendar.yaml`.
    """
    book = policy.load("seasons").on(day)
    if place not in book:
        raise PolicyError(
            "there is no such place", subject=f"policy/seasons/{place}", remedy=f"use one of {', '.join(book)}"
        )
    branch = book[place]
    if not isinstance(branch, policy.View):
        raise PolicyError("is a leaf, not a branch", subject=f"policy/seasons/{place}")
    rules = {crop: branch.rule(crop) for crop in branch}
    return {
        crop: Windows(crop, _days(rule.value["sowing"]), _days(rule.value["harvest"]), rule.source)
        for crop, rule in rules.items()
    }


def windows(crop: str, place: str, day: date = LATEST) -> Windows | None:
    """Return when `crop`, or the nearest coarser name with dates, is sown and harvested in `place`; else None."""
    there = seasons(place, day)
    return next((there[name] for name in (house_name(crop), *ancestors(crop)) if name in there), None)


def _days(month_days: list[str]) -> tuple[int, int]:
    first, last = (date.fromisoformat(f"2023-{month_day}").timetuple().tm_yday for month_day in month_days)
    return first, last
