"""What was found, kept as arrays while a file is read: `Found` collects, `Finding` is one kind of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from greattit.parcelfile.kinds import KINDS, Kind

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Finding:
    """All findings of one kind (and of one column, for stated areas); arrays are (n,), ordered by row."""

    kind: Kind
    """which kind"""
    note: str
    """what is to be said of the file or the column, "" when the rows say all"""
    rows: Ints
    """places in the file, from 0; empty when the finding is about the file"""
    others: Ints
    """place of the earlier row of a pair, -1 when there is none"""
    values: Floats
    """figure of the row in `kind.unit`, NaN when there is none"""
    x: Floats
    """where, in the file's coordinates"""
    y: Floats
    """where, in the file's coordinates"""

    @property
    def count(self) -> int:
        """Number of findings: rows or pairs; 1 for the file."""
        return len(self.rows) or 1

    def rows_touched(self) -> int:
        """Return the number of rows that it concerns, both of a pair."""
        return len(np.unique(np.concatenate([self.rows, self.others[self.others >= 0]])))


@dataclass
class Found:
    """Findings while they are being collected."""

    notes: list[tuple[str, str]] = field(default_factory=list)
    """(code, sentence) about the file"""
    parts: dict[tuple[str, str], list[tuple[Ints, Ints, Floats, Floats]]] = field(default_factory=dict)
    """(rows, others, values, places (n, 2)) by code and column"""

    def about_file(self, code: str, note: str = "") -> None:
        """Note one finding about the whole file."""
        self.notes.append((code, note))

    def add(
        self,
        code: str,
        rows: NDArray[np.integer],
        values: NDArray[np.floating] | None = None,
        *,
        others: NDArray[np.integer] | None = None,
        places: Floats | None = None,
        note: str = "",
    ) -> None:
        """Add findings of `code` at `rows` (places from 0); nothing happens when there are none."""
        count = len(rows)
        if not count:
            return
        self.parts.setdefault((code, note), []).append(
            (
                np.asarray(rows, np.int64),
                np.full(count, -1, np.int64) if others is None else np.asarray(others, np.int64),
                np.full(count, np.nan) if values is None else np.asarray(values, np.float64),
                np.full((count, 2), np.nan) if places is None else places,
            )
        )

    def settled(self, boxes: Floats) -> tuple[Finding, ...]:
        """Return the findings in the order of `KINDS`; places not said are the middles of the rows' `boxes` (n, 4)."""
        order = list(KINDS)
        none = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty((0, 2))
        items = [(order.index(code), note, none) for code, note in self.notes]
        for (code, note), parts in self.parts.items():
            rows, others, values, places = (np.concatenate(column) for column in zip(*parts, strict=True))
            at = np.lexsort((others, rows))
            items.append((order.index(code), note, (rows[at], others[at], values[at], places[at])))
        return tuple(
            _finding(KINDS[order[place]], note, *arrays, boxes)
            for place, note, arrays in sorted(items, key=lambda item: item[:2])
        )


def _finding(kind: Kind, note: str, rows: Ints, others: Ints, values: Floats, places: Floats, boxes: Floats) -> Finding:
    first, second = boxes[rows], boxes[np.where(others < 0, rows, others)]
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    where = np.where(np.isfinite(places), places, np.where(high >= low, (low + high) / 2, np.nan))
    return Finding(kind, note, rows, others, values, where[:, 0], where[:, 1])
