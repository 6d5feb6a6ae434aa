"""Scenes into a cube: planned, decoded once, committed by whole looks, taken up again after any kill: `ingest`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from greattit.cube.index import Pass, Product, from_json
from greattit.cube.lattice import SLOTS
from greattit.cube.plan import Plan, Task, lay_out
from greattit.cube.spool import Planes, drop, spool
from greattit.cube.store import BRANCH, create_cube, is_cube, open_cube, open_repository
from greattit.errors import CubeBusyError, SceneError
from greattit.tiles.scene import Catalogue, Scene
from greattit.types import BANDS

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

DECODERS = 4
"""Bands of one product that are fetched and decoded at the same time."""


@dataclass(frozen=True)
class Ingested:
    """What an ingest did."""

    snapshot: str
    """the cube's newest snapshot; "" when nothing was ever committed"""
    added: int
    """looks added or renewed"""
    there: int
    """looks that were there already"""
    missing: tuple[str, ...]
    """products that could not be had now, each with its cause; the same command tries them again"""
    refused: tuple[str, ...]
    """products and looks that are left out for good, each with its cause"""


@dataclass(frozen=True)
class Job:
    """How an ingest is run."""

    workers: int = DECODERS
    """bands at the same time"""
    wait_s: float = 0.0
    """how long to wait for another ingest of the same cube [s]"""
    progress: Callable[[int, str], None] = lambda done, what: None
    """called with the bytes just decoded, and what is being done"""
    now: datetime | None = None
    """the time, for clearing away what an interrupted ingest left; None leaves it"""


def plan(
    catalogue: Catalogue, url: str | Path, *, area: BaseGeometry | None = None, bands: tuple[str, ...] = BANDS
) -> Plan:
    """Say what `ingest` would do; nothing is written."""
    return lay_out(catalogue, open_cube(url).index if is_cube(url) else None, area, bands)


def ingest(
    catalogue: Catalogue,
    url: str | Path,
    *,
    area: BaseGeometry | None = None,
    bands: tuple[str, ...] = BANDS,
    job: Job | None = None,
) -> Ingested:
    """Bring the cube at `url` up to date with a source, within `area` (EPSG:4326; None: all of it).

    A look is committed whole or not at all; run again, what is there is skipped and what was decoded is not decoded
    again. Raises `CubeBusyError` when another process writes to the cube, `CubeError` when it cannot be written.
    """
    job = job or Job()
    with _alone(url, job.wait_s) as home, _tidy(url, home, job.now):
        work = lay_out(catalogue, open_cube(url).index if is_cube(url) else None, area, bands)
        run = _Run(url, home, work, catalogue, job)
        for sensor in ("s2", "s1"):
            run.sensor([task for task in work.tasks if task.overpass.sensor == sensor])
        run.judge()
        shutil.rmtree(home / "products", ignore_errors=True)
    refused = [f"{v.partition('@')[0]}: {why}" for v, why in run.index.refused.items()]
    refused += [f"look of {p.when:%Y-%m-%d} ({p.platform}): {p.refused}" for p in run.index.passes if p.refused]
    return Ingested(run.snapshot, run.added, work.there, tuple(run.missing), tuple(refused))


class _Run:
    """One ingest under way."""

    def __init__(self, url: str | Path, home: Path, work: Plan, catalogue: Catalogue, job: Job) -> None:
        self.url, self.home, self.work, self.catalogue, self.job = url, home, work, catalogue, job
        self.index, self.snapshot = work.index, open_cube(url).snapshot if is_cube(url) else ""
        self.missing: list[str] = []
        self.added = 0

    def sensor(self, tasks: Sequence[Task]) -> None:
        """Decode look by look; commit when the looks fill a chunk, and at the end."""
        ready: list[tuple[Task, list[Planes]]] = []
        refused: dict[str, str] = {}
        for number, task in enumerate(tasks):
            planes = self.decode(task, refused)
            if planes:
                ready.append((task, planes))
            new = sum(t.known is None for t, _ in ready)
            full = new and (self.index.free_slot(task.overpass.sensor) + new) % SLOTS == 0
            if ready and (full or len(ready) >= SLOTS or number == len(tasks) - 1):
                self.commit(ready, refused)
                ready, refused = [], {}
        if refused:
            self.commit([], refused)

    def decode(self, task: Task, refused: dict[str, str]) -> list[Planes]:
        """Decode the products of one look; what cannot be had is noted, what is bad is refused."""
        from greattit.cube.inspect import examine

        planes: list[Planes] = []
        for scene in task.overpass.scenes:
            if _superseded(scene, planes):
                continue
            try:
                one = spool(
                    scene,
                    self.work.window,
                    self.index.crs,
                    self.home / "products",
                    workers=self.job.workers,
                    progress=lambda size: self.job.progress(size, f"{task.overpass.when:%Y-%m-%d}"),
                )
            except SceneError as error:
                self.missing.append(f"{scene.id}: {error.what}")
                continue
            if one is None:
                continue
            one, bad = examine(one)
            if bad:
                refused[_version(scene)] = bad
                drop(one)
            else:
                planes.append(one)
        return sorted(planes, key=lambda p: (p.scene.level == "L1C", not p.native))

    def commit(self, ready: Sequence[tuple[Task, list[Planes]]], refused: dict[str, str]) -> None:
        """Write looks and their index entries in one commit, then let go of their files."""
        import icechunk
        import zarr

        from greattit.cube.write import write_looks

        if not is_cube(self.url):
            create_cube(self.url, self.index, self.home / "draft")
        session = open_repository(self.url).writable_session(BRANCH)
        root = zarr.open_group(session.store, mode="a")
        self.index = from_json(root.attrs["greattit"], str(self.url))
        self.job.progress(0, "writing")
        slots = self._slots(ready)
        shares = write_looks(
            root, [(slot, task.cells, planes) for slot, (task, planes) in zip(slots, ready, strict=True)]
        )
        new = {}
        for slot, share, (task, planes) in zip(slots, shares, ready, strict=True):
            new[task.overpass.sensor, slot] = _entry(task, planes, slot, share, self.work.area)
        index = self.index.with_passes(new)
        extent = index.extent
        for _, planes in ready:
            for one in planes:
                part = one.window.meet(self.work.window)
                extent = part if extent is None else extent.join(part) if part else extent
        self.index = replace(
            index,
            areas={**index.areas, self.work.area: tuple(sorted(self.work.cells))} if ready else index.areas,
            extent=extent,
            refused={**index.refused, **refused},
            attribution="; ".join(dict.fromkeys(n for n in (index.attribution, self.catalogue.attribution) if n)),
            simulated=index.simulated or self.catalogue.simulated,
        )
        root.attrs["greattit"] = self.index.to_json()
        days = [task.overpass.when for task, _ in ready]
        what = f"{len(days)} looks, {min(days):%Y-%m-%d} to {max(days):%Y-%m-%d}" if days else "products refused"
        try:
            self.snapshot = session.commit(what)
        except icechunk.ConflictError as error:
            raise _busy(self.url) from error
        self.added += len(ready)
        for _, planes in ready:
            for one in planes:
                drop(one)

    def _slots(self, ready: Sequence[tuple[Task, list[Planes]]]) -> list[int]:
        slots, free = [], {s: self.index.free_slot(s) for s in ("s2", "s1")}
        for task, _ in ready:
            if task.known is not None:
                slots.append(task.known.slot)
            else:
                slots.append(free[task.overpass.sensor])
                free[task.overpass.sensor] += 1
        return slots

    def judge(self) -> None:
        """Look at every look against the whole stack, and note what does not fit; one commit when anything changed."""
        import zarr

        from greattit.cube.inspect import judge

        if not self.added:
            return
        store = open_cube(self.url)
        self.job.progress(0, "checking")
        passes = {(p.sensor, p.slot): p for p in judge(store)}
        if all(passes[p.sensor, p.slot] == p for p in store.index.passes if (p.sensor, p.slot) in passes):
            return
        session = open_repository(self.url).writable_session(BRANCH)
        self.index = store.index.with_passes(passes)
        zarr.open_group(session.store).attrs["greattit"] = self.index.to_json()
        self.snapshot = session.commit("looks judged against the stack")


def _entry(task: Task, planes: Sequence[Planes], slot: int, share: tuple[float, float], area: str) -> Pass:
    products = tuple(
        Product(
            id=one.scene.id,
            version=_version(one.scene),
            tile=one.scene.tile,
            level=one.scene.level,
            baseline=one.scene.baseline,
            offset=_offset_text(one.scene),
            notes=one.scene.notes,
        )
        for one in planes
    )
    used = {_version(one.scene) for one in planes}
    missing = [s for s in task.overpass.scenes if _version(s) not in used and not _superseded(s, planes)]
    versions = sorted(_version(s) for s in task.overpass.scenes if s not in missing)
    known, overpass = task.known, task.overpass
    before = known.products if known else ()
    kept = {p.version: p for p in (*before, *products)}
    return Pass(
        sensor=overpass.sensor,
        slot=slot,
        when=known.when if known else overpass.when,
        platform=overpass.platform,
        products=tuple(kept.values()),
        areas={**(known.areas if known else {}), area: tuple(versions)},
        seen_ha=share[0],
        clear=share[1],
    )


def _superseded(scene: Scene, better: Sequence[Planes]) -> bool:
    """Say whether a better product of the same tile and overpass has seen every pixel already."""
    for one in better:
        same = one.scene.tile == scene.tile if scene.tile else one.scene.bbox == scene.bbox
        if (
            same
            and one.scene.level == scene.level
            and all((one.sketch(b) > 0).all() for b in ("B04",) if b in one.planes)
        ):
            return True
    return False


def _offset_text(scene: Scene) -> str:
    offsets = {asset.offset for name, asset in scene.assets.items() if name.startswith("B")}
    if not offsets:
        return "dB"
    text = ", ".join(f"{offset or 0.0:+.4g}" for offset in sorted(o or 0.0 for o in offsets))
    return f"{text} ({'from the pixels' if any('pixels' in note for note in scene.notes) else 'from the metadata'})"


def _version(scene: Scene) -> str:
    from greattit.cube.passes import version

    return version(scene)


def _busy(url: str | Path) -> CubeBusyError:
    return CubeBusyError(
        "another process is ingesting into it",
        subject=str(url),
        remedy="wait for it to end and run the same command again, or use --wait SECONDS; nothing is lost",
    )


@contextmanager
def _alone(url: str | Path, wait_s: float) -> Iterator[Path]:
    """Hold the cube's lock, which a killed process lets go of by itself; gives the folder for temporary files."""
    import hashlib
    import tempfile

    import filelock

    from greattit.errors import CubeError

    if str(url).startswith("s3://"):
        home = Path(tempfile.gettempdir()) / f"greattit-{hashlib.sha256(str(url).encode()).hexdigest()[:16]}"
    else:
        folder = Path(url)
        if folder.is_dir() and any(folder.iterdir()) and not is_cube(folder) and not (folder / ".ingest").is_dir():
            raise CubeError("is a folder of other things", subject=str(url), remedy="name a new folder, or a cube")
        home = folder / ".ingest"
    home.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(home / "lock")
    try:
        lock.acquire(timeout=wait_s)
    except filelock.Timeout as error:
        raise _busy(url) from error
    try:
        yield home
    finally:
        lock.release()


@contextmanager
def _tidy(url: str | Path, home: Path, now: datetime | None) -> Iterator[None]:
    """Clear away the chunks that an interrupted ingest wrote and never committed."""
    mark = home / "under way"
    if mark.exists() and now is not None and is_cube(url):
        open_repository(url).garbage_collect(now)
    mark.touch()
    yield
    mark.unlink(missing_ok=True)
