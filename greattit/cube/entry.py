"""The index entry of a look that is written or added to: `entry`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from greattit.cube.index import Pass, Product
from greattit.cube.lattice import cell_window
from greattit.cube.passes import rank, renews, version
from greattit.cube.plan import Areas, Task, cells_from, outdone
from greattit.cube.spool import Planes
from greattit.tiles.scene import Scene


@dataclass(frozen=True)
class Read:
    """One look, decoded."""

    task: Task
    """what was to be read"""
    planes: Sequence[Planes]
    """its products, best first"""
    versions: frozenset[str]
    """of all its products but those that could not be had"""


def best_first(planes: Sequence[Planes]) -> list[Planes]:
    """Put products in the order in which they count: Level-2A, then those that need no resampling, then the newest."""
    return sorted(planes, key=_order, reverse=True)


def superseded(scene: Scene, better: Sequence[Planes]) -> bool:
    """Say whether a better product of the same tile and overpass has seen every pixel already."""
    return any(one.whole and renews(one.scene, scene) for one in better)


def above(read: Read) -> int | None:
    """Return how many of the products are better than all that the cube has of the look; None when it has nothing."""
    if read.task.known is None:
        return None
    mine = {version(one.scene) for one in read.planes}
    others = [_product_order(p) for p in read.task.known.products if p.version not in mine]
    return sum(_order(one) > max(others) for one in read.planes) if others else len(read.planes)


def entry(read: Read, place: tuple[int, str], gain: tuple[float, float], areas: Areas) -> Pass:
    """Return the look with its new products.

    `place` is its slot and the id of the area written, `gain` the hectares that are seen more and seen clear more,
    `areas` the cells of all areas, the one written included.
    """
    task, (slot, area) = read.task, place
    before = task.known or Pass(task.overpass.sensor, slot, task.overpass.when, task.overpass.platform, ())
    cells = {**before.areas, area: tuple(sorted({*before.areas.get(area, ()), *read.versions}))}
    known = {p.version: p for p in before.products}
    for one in read.planes:
        if any(one.window.meet(window) for window in map(cell_window, task.cells)):
            new = _product(one)
            old = known.get(new.version)
            known[new.version] = replace(new, whole=new.whole and old.whole) if old else new
    seen = before.seen_ha + gain[0]
    clear = before.seen_ha * before.clear + gain[1]
    look = replace(
        before,
        when=min(before.when, task.overpass.when),
        products=tuple(sorted(known.values(), key=_product_order, reverse=True)),
        areas=cells,
        seen_ha=round(seen, 2),
        clear=round(clear / seen, 4) if seen > 0 else 0.0,
    )
    kept = [p for p in look.products if not outdone(p, look, areas, cells_from(p.version, look, areas))]
    return replace(look, products=tuple(kept))


def _product(one: Planes) -> Product:
    scene = one.scene
    return Product(
        id=scene.id,
        version=version(scene),
        tile=scene.tile,
        level=scene.level,
        baseline=scene.baseline,
        offset=_offset_text(scene),
        notes=scene.notes,
        created=scene.created,
        native=one.native,
        bbox=scene.bbox,
        whole=one.whole,
    )


def _order(one: Planes) -> tuple[Any, ...]:
    return one.scene.level != "L1C", one.native, rank(one.scene)


def _product_order(one: Product) -> tuple[Any, ...]:
    return one.level != "L1C", one.native, rank(one)


def _offset_text(scene: Scene) -> str:
    offsets = {asset.offset for name, asset in scene.assets.items() if name.startswith("B")}
    if not offsets:
        return "dB"
    text = ", ".join(f"{offset or 0.0:+.4g}" for offset in sorted(o or 0.0 for o in offsets))
    return f"{text} ({'from the pixels' if any('pixels' in note for note in scene.notes) else 'from the metadata'})"
