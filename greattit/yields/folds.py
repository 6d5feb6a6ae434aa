"""What is left out whole: places, or years. Never single rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.yields.harvests import Harvests

Rows = NDArray[np.intp]

SPLITS = ("place", "year", "forward")
"""place: places (spatial groups) that were never seen; year: each year from all others; forward: each year from the
years before it."""
PLACE_FOLDS = 10
"""Groups are dealt into this many folds, whole; half as many from MANY rows on."""
MANY = 2000
FIRST_YEARS = 3
"""Years that must lie before the first one that is told forward."""
INNER = 4
"""Folds inside what is learned from, to choose a method and to set intervals."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One split: what is learned from, and what is told."""

    learn: Rows
    """row numbers"""
    tell: Rows
    """row numbers, none of them in `learn`"""


def unit(harvests: Harvests, split: str) -> NDArray[np.str_]:
    """Return what is left out whole, (row,): the spatial group, or the year."""
    return harvests.group if split == "place" else harvests.year.astype(str)


def outer(harvests: Harvests, split: str) -> list[Fold]:
    """Return the folds of a split; empty when the harvests cannot be split so."""
    every = np.arange(len(harvests))
    if split == "place":
        count = PLACE_FOLDS if len(harvests) < MANY else PLACE_FOLDS // 2
        return dealt(harvests, every, split, count) if len(np.unique(harvests.group)) >= INNER else []
    years = np.unique(harvests.year)
    if split == "year":
        chosen = years if len(years) >= FIRST_YEARS + 1 else years[:0]
        return [Fold(np.flatnonzero(harvests.year != y), np.flatnonzero(harvests.year == y)) for y in chosen]
    return [Fold(np.flatnonzero(harvests.year < y), np.flatnonzero(harvests.year == y)) for y in years[FIRST_YEARS:]]


def dealt(harvests: Harvests, rows: Rows, split: str, count: int) -> list[Fold]:
    """Deal the groups or years of `rows` into `count` folds of about as many rows each; the same every time."""
    names, number = np.unique(unit(harvests, split)[rows], return_inverse=True)
    sizes = np.bincount(number)
    fold_of = np.empty(len(names), int)
    filled = np.zeros(min(count, len(names)))
    for name in np.lexsort((names, -sizes)):
        fold_of[name] = int(np.argmin(filled))
        filled[fold_of[name]] += sizes[name]
    fold = fold_of[number]
    return [Fold(rows[fold != k], rows[fold == k]) for k in range(len(filled))]


def inner(harvests: Harvests, rows: Rows, split: str, ahead: int = 1) -> list[Fold]:
    """Return folds of the same nature inside `rows`; empty when they hold one group or too few years.

    Forward folds tell `ahead` years at once: what is asked two years ahead is chosen and set by such folds.
    """
    if split == "forward":
        years = harvests.year[rows]
        known = np.unique(years)
        later = known[FIRST_YEARS - 1 : max(len(known) - ahead + 1, FIRST_YEARS)]
        return [Fold(rows[years < year], rows[(years >= year) & (years < year + ahead)]) for year in later]
    folds = dealt(harvests, rows, split, INNER if split == "place" or len(harvests) >= MANY else 2 * INNER)
    return folds if len(folds) > 1 else []
