"""Every chunk of a cube read and compared with what the index promises: `check`. And the cube's content hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.index import Pass
from greattit.cube.lattice import SLOTS, Window, cell_window
from greattit.cube.store import Store, finish_reads, first_line


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    content: str
    """sha256 over all looks and their pixels; the same for the same content, in whatever order it came in"""
    looks: int
    """looks read"""
    cells: int
    """cells read"""
    problems: tuple[str, ...]
    """damaged chunks and broken promises, one sentence each; empty when the cube is whole"""


def check(store: Store, progress: Callable[[int, int], None] = lambda done, total: None) -> Checked:
    """Read the whole cube, a chunk at a time."""
    problems: list[str] = []
    passes = store.index.passes
    digests = {(p.sensor, p.slot): _header(p) for p in passes}
    seen = dict.fromkeys(digests, False)
    work = list(_chunks(store, passes))
    for done, (sensor, cell, group) in enumerate(work, 1):
        known = len(problems)
        for block in _blocks(store, sensor, cell, group, problems):
            for p in group:
                part = np.ascontiguousarray(block[p.slot % SLOTS])
                digests[sensor, p.slot].update(part)
                seen[sensor, p.slot] |= bool(np.isfinite(part).any() if sensor == "s1" else part.any())
        if len(problems) > known:  # what cannot be read may hold pixels
            seen |= {(p.sensor, p.slot): True for p in group}
        progress(done, len(work))
    problems.extend(
        f"the {p.sensor} look of {p.when:%Y-%m-%d} (slot {p.slot}) holds no pixel of the {p.seen_ha:,.0f} ha it saw"
        for p in passes
        if p.seen_ha > 0 and not seen[p.sensor, p.slot]
    )
    if len({(p.sensor, p.slot) for p in passes}) < len(passes):
        problems.append("two looks share one slot")
    whole = hashlib.sha256(b"".join(sorted(d.digest() for d in digests.values())))
    return Checked(whole.hexdigest(), len(passes), len({cell for _, cell, _ in work}), tuple(problems))


def _header(one: Pass) -> Any:
    versions = sorted(product.version for product in one.products)
    return hashlib.sha256(repr((one.sensor, one.when.isoformat(), one.platform, versions, one.refused)).encode())


def _chunks(store: Store, passes: tuple[Pass, ...]) -> Iterator[tuple[str, tuple[int, int], list[Pass]]]:
    """Yield (sensor, cell, the looks that lie in one chunk there), in order of cells."""
    groups: dict[tuple[tuple[int, int], str, int], list[Pass]] = {}
    for p in passes:
        cells = {cell for area in p.areas for cell in store.index.areas[area]}
        for cell in cells:
            groups.setdefault((cell, p.sensor, p.slot // SLOTS), []).append(p)
    for (cell, sensor, _), group in sorted(groups.items(), key=lambda item: item[0]):
        yield sensor, cell, group


def _blocks(
    store: Store, sensor: str, cell: tuple[int, int], group: list[Pass], problems: list[str]
) -> Iterator[NDArray[Any]]:
    """Yield the chunks (slot, band, y, x) of one cell and one span of slots; a damaged one becomes a problem."""
    import icechunk

    names = (("s2/fine", 1), ("s2/coarse", 2)) if sensor == "s2" else (("s1/radar", 2),)
    first = group[0].slot // SLOTS * SLOTS
    window: Window = cell_window(cell)
    for name, step in names:
        rows = slice(window.top // step, window.bottom // step)
        columns = slice(window.left // step, window.right // step)
        try:
            yield np.asarray(store.arrays[name][first : first + SLOTS, :, rows, columns])
        except (icechunk.IcechunkError, ValueError, RuntimeError, OSError) as error:
            finish_reads()
            days = f"{min(p.when for p in group):%Y-%m-%d} to {max(p.when for p in group):%Y-%m-%d}"
            problems.append(
                f"a chunk of {name} (cell {cell[0]}, {cell[1]}; looks {days}) is damaged: {first_line(error)}"
            )
