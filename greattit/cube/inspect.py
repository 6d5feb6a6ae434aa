"""The guards of an ingest: a product before it is written, and every look against the stack: `examine`, `judge`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.index import Pass
from greattit.cube.lattice import Window, cell_window
from greattit.cube.spool import Planes
from greattit.cube.store import Store
from greattit.tiles.assemble import CLEAR_CLASSES
from greattit.tiles.counts import decode, encode

if TYPE_CHECKING:
    from greattit.tiles.guard import Finding

GROUP = 60
"""Looks that are compared at once, neighbours in time: a season or two."""

PLACE_PX = 128
"""Side of the places that are compared [10 m pixels]: 64 told shifts of 20 m in the real stack (see `coregister`)."""

FEW_CELLS = 400
"""An area of no more cells is compared at one place, a larger one at three."""

SKETCH_PX = 160
"""Longest side of the thinned product that is examined, about [px of the coarser bands]."""

HAZY_BLUE = 0.25
"""Reflectance of blue from which a pixel takes no part, whatever its class."""


def examine(planes: Planes) -> tuple[Planes, str]:
    """Return the product with the guards' notes, and why it must be refused ("" when it need not).

    A product without any data in the area is no bad product: it may have some elsewhere.
    """
    from greattit.tiles.guard import look_at

    bands = [name for name in planes.planes if name.startswith("B")]
    if not bands:
        return planes, ""
    values = {name: _reflectance(planes, name) for name in bands}
    if not any(np.isfinite(band).any() for band in values.values()):
        return planes, ""
    found = look_at(values, planes.sketch("scl", SKETCH_PX) if "scl" in planes.planes else None)
    severe = [finding.text for finding in found if finding.severe]
    notes = tuple(finding.text for finding in found if not finding.severe)
    return replace(planes, scene=replace(planes.scene, notes=(*planes.scene.notes, *notes))), "; ".join(severe)


def _reflectance(planes: Planes, name: str) -> NDArray[np.float32]:
    asset, said = planes.scene.assets[name], planes.planes[name]["nodata"]
    nodata = float("nan") if said is None else float(said)
    return decode(encode(planes.sketch(name, SKETCH_PX), asset.scale, asset.offset or 0.0, nodata))


def judge(store: Store) -> tuple[Pass, ...]:
    """Return the optical looks with what does not fit the rest of the stack: a shift, a scale, an offset.

    A look with a severe finding is refused, and shown again when a later stack clears it.
    """
    looks = [p for p in store.index.of("s2") if p.seen_ha > 0]
    found: dict[int, dict[str, Finding]] = {p.slot: {} for p in looks}
    for window in _places(store):
        for first in range(0, len(looks), GROUP):
            last = min(first + GROUP, len(looks))
            group = looks[max(0, last - GROUP) : last]  # the last group is filled up with the looks before it
            for slot, findings in _compare(store, group, window).items():
                if first == 0 or slot in {p.slot for p in looks[first:last]}:
                    found[slot] = {**{f.kind: f for f in findings}, **found[slot]}
    judged = []
    for p in looks:
        findings = list(found[p.slot].values())
        severe = "; ".join(f.text for f in findings if f.severe)
        judged.append(replace(p, findings=tuple(f.text for f in findings), refused=severe))
    return tuple(judged)


def _places(store: Store) -> list[Window]:
    """Return the places where looks are compared: around the middle cell, and two more in a large area."""
    cells = sorted({cell for cells in store.index.areas.values() for cell in cells})
    extent = store.index.extent
    if not cells or extent is None:
        return []
    middle = (extent.top + extent.bottom) / 2, (extent.left + extent.right) / 2

    def distance(cell: tuple[int, int]) -> float:
        window = cell_window(cell)
        return abs(window.top + 64 - middle[0]) + abs(window.left + 64 - middle[1])

    centre = min(cells, key=lambda cell: (distance(cell), cell))
    chosen = [centre] if len(cells) <= FEW_CELLS else [centre, cells[len(cells) // 6], cells[-len(cells) // 6]]
    parts = [cell_window(cell).meet(extent) for cell in chosen]
    return [_grown(part, extent) for part in parts if part]


def _grown(part: Window, extent: Window) -> Window:
    """Widen a window to `PLACE_PX` a side, as far as the extent allows."""
    top = max(extent.top, min(part.top, extent.bottom - PLACE_PX))
    left = max(extent.left, min(part.left, extent.right - PLACE_PX))
    return Window(top, left, min(top + PLACE_PX, extent.bottom), min(left + PLACE_PX, extent.right))


def _compare(store: Store, looks: Sequence[Pass], window: Window) -> dict[int, list[Finding]]:
    """Return the findings of each look that sees the window, by slot."""
    from greattit.cube.window import optical
    from greattit.tiles.coregister import shifts
    from greattit.tiles.guard import outliers, summarise

    stacks, seen = optical(store, looks, window)
    if not seen or not {"B04", "B08"} <= set(stacks):
        return {}
    clear = _clear(stacks)
    moved = shifts(stacks["B04"], stacks["B08"], clear)
    bands = [name for name in stacks if name != "scl"]
    odd = outliers([summarise({n: stacks[n][k] for n in bands}, clear[k]) for k in range(len(seen))])
    found: dict[int, list[Finding]] = {}
    for look, shift, others in zip(seen, moved, odd, strict=True):
        finding = shift.finding()
        found[look.slot] = [*others, *([finding] if finding else [])]
    return found


def _clear(stacks: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
    clear: NDArray[np.bool_] = np.isin(stacks["scl"], CLEAR_CLASSES) & np.isfinite(stacks["B04"])
    if "B02" in stacks:
        with np.errstate(invalid="ignore"):
            clear &= stacks["B02"] < HAZY_BLUE
    clear &= np.isfinite(stacks["B08"])
    return clear
