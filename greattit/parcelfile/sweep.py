"""The same ground in two rows: a sweep over the file from side to side, a strip of parcels in memory at a time.

Rows are taken in the order of the near side of their boxes. A strip holds the next rows and those before that still
reach into it; a tree of their boxes names the candidates, and only these are intersected. So every pair is met once, a
parcel as large as the file stays in the strip, and a row is read from disk once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.parcelfile.found import Floats, Found, Ints
from greattit.parcelfile.kinds import COPY_SHARE, OVERLAP_M2, OVERLAP_SHARE
from greattit.parcelfile.rows import Rows
from greattit.parcelfile.spill import Spill

STRIP_ROWS = 20_000
"""rows taken into a strip at a time"""

STRIP_BYTES = 64_000_000
"""[byte] and at most so much WKB"""

QUERY_ROWS = 1_000
"""rows whose candidates are intersected at a time"""

INSIDES_MEET = "T********"
"""pattern of the nine-intersection model: the interiors have something in common"""

MAX_PAIRS = 5_000_000
"""pairs after which no more are looked for: the file is one heap"""


@dataclass
class _Strip:
    """The rows in memory, in the order of the sweep."""

    rows: Ints
    shapes: NDArray[np.object_]


def overlaps(rows: Rows, candidates: Ints, spill: Spill, found: Found) -> None:
    """Find near copies and overlaps among the rows `candidates`; the figure of a pair is its shared ground [ha]."""
    pairs = 0
    for late, early in _candidate_pairs(rows, candidates, spill):
        shared = shapely.area(shapely.intersection(late.shapes, early.shapes))
        some = shared > 0
        shared, a, b = shared[some], late.rows[some], early.rows[some]
        small = np.where(rows.planar[a] <= rows.planar[b], a, b)
        large = np.where(small == a, b, a)
        share = shared / rows.planar[small]
        ground = share * rows.area_ha[small]
        copy = (share >= COPY_SHARE) & (shared >= COPY_SHARE * rows.planar[large])
        told = copy | ((share >= OVERLAP_SHARE) & ~(ground * 1e4 < OVERLAP_M2))
        later, earlier = np.maximum(a, b), np.minimum(a, b)
        for code, chosen in (("near-copy", told & copy), ("overlap", told & ~copy)):
            found.add(code, later[chosen], ground[chosen], others=earlier[chosen])
        pairs += int(told.sum())
        if pairs > MAX_PAIRS:
            found.about_file("reader-said", f"more than {MAX_PAIRS:,} overlaps; the rest was not looked for")
            break


def _candidate_pairs(rows: Rows, candidates: Ints, spill: Spill) -> Iterator[tuple[_Strip, _Strip]]:
    """Yield pairs whose boxes share enough ground, as two strips of the same length."""
    near, far = _axis(rows, candidates)
    order = candidates[np.lexsort((candidates, rows.boxes[candidates, near]))]
    strip = _Strip(order[:0], np.empty(0, object))
    for chunk in _chunks(order, rows.length[order]):
        reach = rows.boxes[strip.rows, far] >= rows.boxes[chunk[0], near]
        before = int(reach.sum())
        strip = _Strip(
            np.concatenate([strip.rows[reach], chunk]),
            np.concatenate([strip.shapes[reach], spill.read(rows.start[chunk], rows.length[chunk])]),
        )
        tree = shapely.STRtree(strip.shapes)
        for first in range(before, len(strip.rows), QUERY_ROWS):
            asked, met = tree.query(strip.shapes[first : first + QUERY_ROWS])
            asked = asked + first
            earlier = met < asked
            asked, met = asked[earlier], met[earlier]
            enough = _boxes_share(rows, strip.rows[asked], strip.rows[met])
            asked, met = asked[enough], met[enough]
            # a third of the time of an intersection, and neighbours that only touch are most of the pairs
            inside = shapely.relate_pattern(strip.shapes[asked], strip.shapes[met], INSIDES_MEET)
            asked, met = asked[inside], met[inside]
            yield _Strip(strip.rows[asked], strip.shapes[asked]), _Strip(strip.rows[met], strip.shapes[met])


def _axis(rows: Rows, candidates: Ints) -> tuple[int, int]:
    """Return the columns of the near and the far side: along the axis with more parcels side by side."""
    if not len(candidates):
        return 0, 2
    boxes = rows.boxes[candidates]
    spread = np.subtract(*np.percentile(boxes[:, :2], [95, 5], axis=0))
    size = np.median(boxes[:, 2:] - boxes[:, :2], axis=0)
    return (0, 2) if spread[0] * size[1] >= spread[1] * size[0] else (1, 3)


def _chunks(order: Ints, length: Ints) -> Iterator[Ints]:
    ends = np.cumsum(length)
    first = 0
    while first < len(order):
        last = int(np.searchsorted(ends, ends[first] - length[first] + STRIP_BYTES, side="right"))
        last = max(first + 1, min(last, first + STRIP_ROWS))
        yield order[first:last]
        first = last


def _boxes_share(rows: Rows, a: Ints, b: Ints) -> NDArray[np.bool_]:
    """Say which pairs could overlap enough, by their boxes alone."""
    one, two = rows.boxes[a], rows.boxes[b]
    sides: Floats = np.minimum(one[:, 2:], two[:, 2:]) - np.maximum(one[:, :2], two[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    small = np.minimum(rows.planar[a], rows.planar[b])
    return np.asarray((shared > 0) & (shared >= OVERLAP_SHARE * small))
