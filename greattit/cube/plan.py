"""What an ingest has to do: which looks are new, changed or not yet there for an area, and what that weighs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greattit.cube.index import Index, Pass, Product
from greattit.cube.lattice import CELL_PX, Window, around, cell_window, cells_of
from greattit.cube.passes import OVERPASS, Overpass, overpasses, renews, version
from greattit.cube.store import FINE
from greattit.errors import CubeError, SceneError
from greattit.tiles.scene import Catalogue, Scene
from greattit.types import BANDS

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.tiles.fetch import Signs

Cells = frozenset[tuple[int, int]]

Areas = Mapping[str, Iterable[tuple[int, int]]]
"""Id of an area -> its cells."""


@dataclass(frozen=True)
class Task:
    """One look to be read."""

    overpass: Overpass
    """with only the products that reach the area, are not known to be bad, and add to what the cube has"""
    known: Pass | None
    """the look as the cube has it; None when it is new"""
    cells: Cells
    """the cells to be written"""


@dataclass(frozen=True)
class Plan:
    """What an ingest will do."""

    index: Index
    """the cube's index before"""
    area: str
    """id of the area"""
    cells: Cells
    """the area's cells"""
    window: Window
    """the smallest window that holds the cells"""
    tasks: tuple[Task, ...]
    """looks to be read, optical first, in order of time"""
    there: int
    """looks that are there already"""
    read_bytes: int
    """[B] to be decoded"""
    spool_bytes: int
    """[B] of temporary files at most, at one time"""

    @property
    def products(self) -> int:
        """Products to be read."""
        return sum(len(task.overpass.scenes) for task in self.tasks)


def lay_out(
    catalogue: Catalogue,
    index: Index | None,
    area: BaseGeometry | None,
    bands: tuple[str, ...] | None,
    signer: Signs | None = None,
) -> Plan:
    """Compare a source with what a cube has. `area` is in EPSG:4326, None for all of the source; no pixel is read.

    Raises `CubeError` when the cube holds other bands, or the area is not in its zone.
    """
    bands = _held(catalogue, index, bands)
    if index is None:
        index = Index(crs=_zone(catalogue, signer), title=catalogue.title, bands=bands)
    if index.bands != bands:
        raise CubeError(
            f"holds the bands {', '.join(index.bands)}, not {', '.join(bands)}",
            subject="the cube",
            remedy="ask for the same bands, or ingest into another folder",
        )
    cells = _cells(catalogue, index.crs, area)
    bounds = [cell_window(cell).bounds for cell in cells]
    window = around(
        (min(b[0] for b in bounds), min(b[1] for b in bounds), max(b[2] for b in bounds), max(b[3] for b in bounds))
    )
    name = hashlib.sha256(repr(sorted(cells)).encode()).hexdigest()[:12]
    wanted = [_wanted(o, index, window, bands) for o in overpasses(catalogue.scenes)]
    tasks, there = [], 0
    for overpass in (o for o in wanted if o is not None):
        known = _known(index, overpass)
        new = tuple(s for s in overpass.scenes if not (known and outdone(s, known, index.areas, cells)))
        left = cells - _done(index, known, new) if new else None
        if left:
            tasks.append(Task(replace(overpass, scenes=new), known, left))
        else:
            there += 1
    tasks.sort(key=lambda t: (t.overpass.sensor != "s2", t.overpass.when, t.overpass.platform))
    sizes = [[_bytes(s, window, index.crs) for s in t.overpass.scenes] for t in tasks]
    heaviest = sorted((sum(size) for size in sizes), reverse=True)[:8]
    return Plan(index, name, cells, window, tuple(tasks), there, sum(map(sum, sizes)), sum(heaviest))


def _held(catalogue: Catalogue, index: Index | None, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the optical bands to be read; raise `CubeError` when the source lacks some that were asked for."""
    scenes = [scene for scene in catalogue.scenes if scene.sensor == "s2"]
    offered = {name for scene in scenes for name in scene.assets}
    wanted = asked or (index.bands if index else tuple(b for b in BANDS if b in offered or not scenes))
    lacking = [band for band in wanted if band not in offered]
    if scenes and lacking:
        raise CubeError(
            f"no scene has {', '.join(lacking)}",
            subject=catalogue.root,
            remedy="ask for " + ",".join(b for b in BANDS if b in offered) + " with --bands, in a cube of its own",
        )
    return wanted


def _zone(catalogue: Catalogue, signer: Signs | None) -> str:
    """Return the CRS that most tiles of the source have: a UTM zone."""
    from greattit.tiles.fetch import opened

    found: Counter[str] = Counter()
    tiles: dict[tuple[str, tuple[float, ...]], list[Scene]] = {}
    for scene in catalogue.scenes:
        tiles.setdefault((scene.tile, () if scene.tile else scene.bbox), []).append(scene)
    trouble = ""
    for scenes in tiles.values():
        for scene in scenes[:3]:
            try:
                with opened(next(iter(scene.assets.values())), scene, signer=signer) as source:
                    epsg = source.crs.to_epsg()
            except SceneError as error:
                trouble = str(error)
                continue
            if epsg and 32601 <= epsg <= 32760:
                found[f"EPSG:{epsg}"] += len(scenes)
            break
    if not found:
        raise CubeError(
            "no scene can be placed in a UTM zone" + (f": {trouble}" if trouble else ""),
            subject=catalogue.root,
            remedy="reproject to UTM (gdalwarp -t_srs EPSG:326xx), or name a source of Sentinel-2 tiles",
        )
    return min(found, key=lambda crs: (-found[crs], crs))


def _cells(catalogue: Catalogue, crs: str, area: BaseGeometry | None) -> Cells:
    from pyproj import Transformer
    from shapely.geometry import box
    from shapely.ops import transform

    shape = box(*catalogue.bounds) if area is None else area
    lon = shape.centroid.x
    middle = (int(crs[-2:]) - 1) * 6 - 177
    if abs((lon - middle + 180) % 360 - 180) > 9:
        raise CubeError(
            f"the area lies at longitude {lon:.2f}, too far from the cube's zone {crs}",
            subject=catalogue.root,
            remedy="ingest it into a cube of its own",
        )
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return cells_of(transform(there.transform, shape.segmentize(0.01)))


def _wanted(overpass: Overpass, index: Index, window: Window, bands: tuple[str, ...]) -> Overpass | None:
    """Keep the products that reach the window and are not known to be bad, with the bands asked for."""
    kept = []
    for scene in overpass.scenes:
        if version(scene) in index.refused or not _reaches(scene, window, index.crs):
            continue
        held = {name: asset for name, asset in scene.assets.items() if name in (*bands, "scl", "VV", "VH")}
        kept.append(replace(scene, assets=held))
    return replace(overpass, scenes=tuple(kept), when=min(s.when for s in kept)) if kept else None


def _reaches(scene: Scene, window: Window, crs: str) -> bool:
    return _extent(scene, crs).meet(window) is not None


def _extent(scene: Scene, crs: str) -> Window:
    from rasterio.errors import RasterioError
    from rasterio.warp import transform_bounds

    try:
        west, south, east, north = transform_bounds("EPSG:4326", crs, *scene.bbox)
        return around((west, south, east, north), multiple_m=20)
    except (RasterioError, ValueError, OverflowError):
        return Window(0, 0, 0, 0)


def _known(index: Index, overpass: Overpass) -> Pass | None:
    """Find the overpass among the cube's looks."""
    for one in index.of(overpass.sensor):
        if one.platform == overpass.platform and abs(one.when - overpass.when) <= OVERPASS:
            return one
    return None


def outdone(one: Scene | Product, look: Pass, areas: Areas, cells: Cells) -> bool:
    """Say whether the look has a better product of the same tile that sees all of `cells`: then this adds nothing."""
    return any(p.whole and renews(p, one) and cells <= cells_from(p.version, look, areas) for p in look.products)


def cells_from(name: str, look: Pass, areas: Areas) -> Cells:
    """Return the cells of a look that were filled with the product of version `name` at hand."""
    return frozenset(cell for area, versions in look.areas.items() if name in versions for cell in areas[area])


def _done(index: Index, known: Pass | None, scenes: Iterable[Scene]) -> Cells:
    """Return the cells that the cube has from the very same products."""
    done: set[tuple[int, int]] = set()
    wanted = {version(s) for s in scenes}
    for area, versions in (known.areas if known else {}).items():
        if set(versions) >= wanted:
            done |= set(index.areas[area])
    return frozenset(done)


def _bytes(scene: Scene, window: Window, crs: str) -> int:
    """What the product's part of the window weighs when decoded."""
    part = _extent(scene, crs).meet(window)
    if part is None:
        return 0
    pixels = part.shape[0] * part.shape[1]
    if scene.sensor == "s1":
        return pixels // 4 * 4 * len(scene.assets)
    fine = sum(2 for name in scene.assets if name in FINE)
    coarse = sum(1 if name == "scl" else 2 for name in scene.assets if name not in FINE)
    return pixels * fine + pixels // 4 * coarse


def runs(cells: Iterable[tuple[int, int]]) -> dict[int, list[tuple[int, int]]]:
    """Group cells into runs: row -> [(first column, last column + 1)], all in order."""
    rows: dict[int, list[tuple[int, int]]] = {}
    for row, column in sorted(cells):
        found = rows.setdefault(row, [])
        if found and found[-1][1] == column:
            found[-1] = (found[-1][0], column + 1)
        else:
            found.append((column, column + 1))
    return rows


def window_of(row: int, run: tuple[int, int]) -> Window:
    """Return the pixels of a run of cells."""
    return Window(row * CELL_PX, run[0] * CELL_PX, (row + 1) * CELL_PX, run[1] * CELL_PX)
