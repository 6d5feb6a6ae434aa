"""The same row twice: the same id, or the same outline wherever its ring begins and whichever way it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from greattit.parcelfile.found import Found, Ints
from greattit.parcelfile.rows import Rows


def same_ids(rows: Rows, found: Found) -> None:
    """Find rows without an id and rows whose id an earlier row has."""
    import pyarrow.compute as pc

    if rows.ids is None:
        return
    nothing = np.asarray(pc.is_null(rows.ids).to_numpy(), bool)
    if nothing.all():
        found.about_file("no-id-column")
        return
    found.add("no-id", np.flatnonzero(nothing))
    codes = pc.dictionary_encode(rows.ids).combine_chunks()
    if hasattr(codes, "unify_dictionaries"):
        codes = codes.unify_dictionaries().combine_chunks()
    named = np.flatnonzero(~nothing)
    keys = np.asarray(codes.indices.take(_arrow(named)).to_numpy(zero_copy_only=False), np.int64)
    later, earlier = _repeats(named, (keys,))
    found.add("same-id", later, others=earlier)


def _arrow(places: Ints) -> object:
    import pyarrow as pa

    return pa.array(places)


def same_outlines(rows: Rows, found: Found) -> Ints:
    """Find rows whose outline an earlier row has; return the others that have one.

    Outlines are the same when the hash, the corner of the box and the area are. The figure of a pair is its area [ha].
    """
    drawn = np.flatnonzero(rows.start >= 0)
    keys = rows.hashes[drawn], rows.planar[drawn], rows.boxes[drawn, 0], rows.boxes[drawn, 1]
    later, earlier = _repeats(drawn, keys)
    found.add("same-geometry", later, rows.area_ha[later], others=earlier)
    return np.setdiff1d(drawn, later, assume_unique=True)


def _repeats(rows: Ints, keys: tuple[NDArray[np.generic], ...]) -> tuple[Ints, Ints]:
    """Return the rows whose keys an earlier row has, and the first such row of each."""
    if not len(rows):
        return rows, rows
    order = np.lexsort((rows, *keys))
    same = np.ones(len(rows) - 1, bool)
    for key in keys:
        same &= key[order[1:]] == key[order[:-1]]
    begins = np.concatenate([[True], ~same])
    first = rows[order[np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))]]
    return rows[order[~begins]], first[~begins]
