"""The guards of an ingest: a product before it is written, and every look against the stack: `examine`, `judge`."""

from __future__ import annotations

from greattit.cube.index import Pass
from greattit.cube.spool import Planes
from greattit.cube.store import Store


def examine(planes: Planes) -> tuple[Planes, str]:
    """Return the product, its notes and offset filled in, and why it must be refused ("" when it need not)."""
    return planes, ""


def judge(store: Store) -> tuple[Pass, ...]:
    """Return the looks with what the guards find against the rest of the stack."""
    return store.index.passes
