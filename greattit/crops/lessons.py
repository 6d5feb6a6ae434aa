"""A labelled set as arrays to fit to: its classes, what is right by each label, and folds of whole places."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greattit.crops import local, taxonomy
from greattit.crops.table import Form, Table, form_of, tabulate
from greattit.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset

    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

MANY = 300
"""samples from which on a set is no small one"""
LEAST_OF_MANY, LEAST_OF_FEW = 12, 2
"""samples that a class needs in a set of `MANY` and in a smaller one"""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A labelled set, ready to be fitted to."""

    table: Table
    places: Doubles
    """(n, 2) longitude, latitude; NaN for none"""
    labels: tuple[str, ...]
    """(n,) house names"""
    groups: tuple[str, ...]
    """(n,) spatial blocks, or what stands in for them"""
    classes: tuple[str, ...]
    right: Bools
    """(n, class) classes that are right by the label; a coarse label has several, an unknown one none"""
    fold: Ints
    """(n,)"""
    taught: Bools
    """(n,) some right class stands in another fold too, so that it could be learned without this fold"""
    by_place: bool
    """the folds are whole places"""


def draw(data: Dataset, shots: int, seed: int = 0) -> Dataset:
    """Return `shots` samples of a set, drawn at random and at least two of each of its commonest crops."""
    if not 4 <= shots <= len(data):
        raise DatasetError(
            f"{shots} samples cannot be drawn of {len(data)}", subject=data.name, remedy=f"ask for 4 to {len(data)}"
        )
    order = np.random.default_rng(seed).permutation(len(data))
    labels = np.asarray(local.names(data.crops))[order]
    names, counts = np.unique(labels, return_counts=True)
    chosen: list[int] = []
    for name in names[np.argsort(-counts, kind="stable")]:
        if len(chosen) + 2 <= shots // 2:
            chosen += np.flatnonzero(labels == name)[:2].tolist()
    chosen += [row for row in range(len(order)) if row not in set(chosen)][: shots - len(chosen)]
    keep = np.zeros(len(data), bool)
    keep[order[chosen]] = True
    return data.pick(keep)


def prepare_lesson(data: Dataset, folds: int = 5, *, form: Form | None = None) -> Lesson:
    """Bring a labelled set to arrays: its form, classes, right classes and folds; raise `DatasetError`."""
    table = tabulate(data, form or form_of(data), local.least_clear())
    labels = local.names(data.crops)
    classes = choose_classes(labels, LEAST_OF_MANY if len(data) >= MANY else LEAST_OF_FEW, data.name)
    right = np.array([[taxonomy.agrees(name, label) for name in classes] for label in labels], bool)
    by_place = len(set(data.groups)) > 1
    groups = places_of(labels, data.groups, data.places, classes) if by_place else _like_series(table)
    fold = even_folds(groups, right, min(folds, len(set(groups))))
    return Lesson(table, data.places, labels, groups, classes, right, fold, _taught(right, fold), by_place)


def choose_classes(labels: Sequence[str], least: int, subject: str) -> tuple[str, ...]:
    """Return the labels with at least `least` samples, sorted, without those that only name a class more coarsely."""
    names, counts = np.unique(np.asarray(labels), return_counts=True)
    many = [str(name) for name, count in zip(names, counts, strict=True) if count >= least]
    roots = {"crop", "cover", "unknown"}
    coarser = {name for name in many if any(other != name and taxonomy.descends(other, name) for other in many)}
    classes = tuple(sorted(set(many) - coarser - roots))
    if len(classes) < 2:
        counted = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True)) or "none"
        raise DatasetError(
            f"fewer than two crops have {least} samples ({counted[:200]})",
            subject=subject,
            remedy="add labelled parcels of at least two crops",
        )
    return classes


def even_folds(groups: Sequence[str], right: Bools, folds: int) -> Ints:
    """Return the fold (n,) of each sample: whole groups, large ones first, each fold with its share of each crop."""
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.array([np.bincount(owner, column, len(names)) for column in (*right.T, np.ones(len(owner)))]).T
    counts /= np.maximum(counts.sum(axis=0), 1.0)  # (group, class and all)
    held = np.zeros((folds, counts.shape[1]))
    fold_of = np.zeros(len(names), np.int64)
    for group in np.lexsort((names, -counts[:, -1])):
        held_with = held + counts[group]
        cost = (held_with**2).sum(axis=1) - (held**2).sum(axis=1)
        fold_of[group] = int(cost.argmin())
        held[fold_of[group]] += counts[group]
    used = np.unique(fold_of)
    chosen: Ints = np.searchsorted(used, fold_of)[owner]
    return chosen


PARTS = 4
"""parts into which the one place of a crop is cut"""


def places_of(labels: Sequence[str], groups: Sequence[str], places: Doubles, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the groups (n,), those cut in parts that alone hold a class, so that every class has two places.

    Without a second place a class could not be known from elsewhere, and leaving places out would measure something
    else. The cut is along the longer side, in parts of as many samples; a place without positions stays whole.
    """
    truth, where = np.asarray(labels), np.asarray(groups, dtype=object)
    found = [set(where[truth == name]) for name in classes]
    out = where.copy()
    for group in sorted({next(iter(where_found)) for where_found in found if len(where_found) == 1}):
        rows = np.flatnonzero(where == group)
        spots = places[rows] * [np.cos(np.radians(places[rows, 1].mean())), 1.0]
        if not np.isfinite(spots).all():
            continue
        along = spots[:, int(np.ptp(spots, axis=0).argmax())]
        part = np.minimum(np.argsort(np.argsort(along, kind="stable")) * PARTS // len(rows), PARTS - 1)
        out[rows] = [f"{group}/{number}" for number in part]
    return tuple(map(str, out))


def _taught(right: Bools, fold: Ints) -> Bools:
    taught = np.zeros(len(right), bool)
    for number in np.unique(fold):
        inside = fold == number
        exact = right[~inside & (right.sum(axis=1) == 1)]
        taught[inside] = (right[inside] & exact.any(axis=0)).any(axis=1)
    return taught


def _like_series(table: Table) -> tuple[str, ...]:
    """Stand in for places where a set has none: the same series is in the same group."""
    rounded = np.nan_to_num(table.values, nan=-9.0).round(4)
    return tuple(hashlib.sha256(values.tobytes()).hexdigest()[:12] for values in rounded)


def targets(lesson: Lesson) -> Doubles:
    """Return the shares (n, class) that each sample teaches: of a coarse label, as common as its kinds are."""
    exact = lesson.right[lesson.right.sum(axis=1) == 1].sum(axis=0) + 1.0
    shares = lesson.right * exact
    targets: Doubles = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    return targets
