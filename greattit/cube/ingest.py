"""Scenes into a cube: planned, decoded once, committed by whole looks, taken up again after any kill: `ingest`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from greattit.cube.decode import Reading
from greattit.cube.entry import Read, above, best_first, entry, superseded
from greattit.cube.index import from_json
from greattit.cube.lattice import SLOTS
from greattit.cube.passes import version
from greattit.cube.plan import Plan, Task, lay_out
from greattit.cube.spool import Planes, drop, spool
from greattit.cube.store import BRANCH, REPOSITORY, create_cube, first_line, is_cube, open_cube, open_repository
from greattit.errors import CubeBusyError, CubeError, SceneError
from greattit.tiles.scene import Catalogue
from greattit.tiles.settle import settle

if TYPE_CHECKING:
    import icechunk
    from shapely.geometry.base import BaseGeometry

    from greattit.tiles.fetch import Signs

OTHERS = timedelta(days=1)
"""In object storage what is younger is not cleared away: it may be what another machine is about to commit."""

IN_MEMORY_BYTES = 600_000_000
"""A batch of looks of local files that weighs no more is decoded into memory: it is soon decoded again [B]."""

BLOCK_CACHE_MB = 200
"""GDAL's cache of decoded blocks [MB]: each is decoded once anyway, and the default is a twentieth of the memory."""

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
    signer: Signs | None = None
    """signs the addresses of providers that ask for it (see `greattit.tiles.signing`)"""
    now: datetime | None = None
    """the time, for clearing away what an interrupted ingest left; None leaves it"""


def plan(
    catalogue: Catalogue,
    url: str | Path,
    *,
    area: BaseGeometry | None = None,
    bands: tuple[str, ...] | None = None,
    signer: Signs | None = None,
) -> Plan:
    """Say what `ingest` would do; nothing is written."""
    return lay_out(catalogue, open_cube(url).index if is_cube(url) else None, area, bands, signer)


def ingest(
    catalogue: Catalogue,
    url: str | Path,
    *,
    area: BaseGeometry | None = None,
    bands: tuple[str, ...] | None = None,
    job: Job | None = None,
) -> Ingested:
    """Bring the cube at `url` up to date with a source, within `area` (EPSG:4326; None: all of it).

    `bands` are the optical ones; None: those of the cube, or for a new cube all that the source has.

    A look is committed whole or not at all; run again, what is there is skipped and what was decoded is not decoded
    again. Raises `CubeBusyError` when another process writes to the cube, `CubeError` when it cannot be written.
    """
    job = job or Job()
    import rasterio

    small = rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_MB)
    with small, _alone(url, job.wait_s) as home, _tidy(url, home, job.now) as interrupted:
        index = open_cube(url).index if is_cube(url) else None
        work = lay_out(catalogue, index, area, bands, job.signer)
        unknown: tuple[str, ...] = ()
        if work.tasks:
            before, catalogue = catalogue, settle(catalogue, signer=job.signer)
            unknown = catalogue.warnings[len(before.warnings) :]
            work = work if catalogue is before else lay_out(catalogue, index, area, bands, job.signer)
        run = _Run(url, home, work, catalogue, job)
        for sensor in ("s2", "s1"):
            run.sensor([task for task in work.tasks if task.overpass.sensor == sensor])
        if run.added or (interrupted and run.snapshot):
            run.judge()
        shutil.rmtree(home / "products", ignore_errors=True)
    refused = [f"{v.partition('@')[0]}: {why}" for v, why in run.index.refused.items()]
    refused += [f"look of {p.when:%Y-%m-%d} ({p.platform}): {p.refused}" for p in run.index.passes if p.refused]
    return Ingested(run.snapshot, run.added, work.there, tuple(run.missing), (*unknown, *refused))


class _Run:
    """One ingest under way."""

    def __init__(self, url: str | Path, home: Path, work: Plan, catalogue: Catalogue, job: Job) -> None:
        self.url, self.home, self.work, self.catalogue, self.job = url, home, work, catalogue, job
        self.index, self.snapshot = work.index, open_cube(url).snapshot if is_cube(url) else ""
        self.missing: list[str] = []
        self.added = 0

    def sensor(self, tasks: Sequence[Task]) -> None:
        """Decode look by look; commit when the looks fill a chunk, and at the end."""
        ready: list[Read] = []
        refused: dict[str, str] = {}
        for number, task in enumerate(tasks):
            read = self.decode(task, refused)
            if read.planes:
                ready.append(read)
            new = sum(one.task.known is None for one in ready)
            full = new and (self.index.free_slot(task.overpass.sensor) + new) % SLOTS == 0
            if ready and (full or len(ready) >= SLOTS or number == len(tasks) - 1):
                self.commit(ready, refused)
                ready, refused = [], {}
        if refused:
            self.commit([], refused)

    def decode(self, task: Task, refused: dict[str, str]) -> Read:
        """Decode the products of one look; what cannot be had is noted, what is bad is refused."""
        from greattit.cube.inspect import examine

        planes: list[Planes] = []
        versions = {version(scene) for scene in task.overpass.scenes}
        day = f"{task.overpass.when:%Y-%m-%d}"
        reading = Reading(
            workers=self.job.workers,
            progress=lambda size: self.job.progress(size, day),
            signer=self.job.signer,
            in_memory=self.work.spool_bytes <= IN_MEMORY_BYTES,
        )
        for scene in task.overpass.scenes:
            if superseded(scene, planes):
                continue
            try:
                one = spool(scene, self.work.window, self.index.crs, self.home / "products", reading)
            except SceneError as error:
                self.missing.append(f"{scene.id}: {error.what}")
                versions.discard(version(scene))
                continue
            if one is None:
                continue
            one, bad = examine(one)
            if bad:
                refused[version(scene)] = bad
                drop(one)
            else:
                planes.append(one)
        return Read(task, best_first(planes), frozenset(versions))

    def commit(self, ready: Sequence[Read], refused: dict[str, str]) -> None:
        """Write looks and their index entries in one commit, then let go of their files."""
        if not self.snapshot:
            if is_cube(self.url):
                raise _busy(self.url)
            self.snapshot = create_cube(self.url, self.index, self.home / "draft")
        with _writing(self.url):
            self._write(ready, refused)
        self.added += len(ready)
        for read in ready:
            for one in read.planes:
                drop(one)

    def _write(self, ready: Sequence[Read], refused: dict[str, str]) -> None:
        import zarr

        from greattit.cube.write import Look, write_looks

        session = self.session()
        root = zarr.open_group(session.store, mode="a")
        self.index = from_json(root.attrs["greattit"], str(self.url))
        self.job.progress(0, "writing")
        slots = self._slots(ready)
        looks = [Look(slot, r.task.cells, r.planes, above(r)) for slot, r in zip(slots, ready, strict=True)]
        gains = write_looks(root, looks)
        areas = {**self.index.areas, self.work.area: tuple(sorted(self.work.cells))} if ready else self.index.areas
        new = {}
        for slot, gain, read in zip(slots, gains, ready, strict=True):
            new[read.task.overpass.sensor, slot] = entry(read, (slot, self.work.area), gain, areas)
        index = self.index.with_passes(new)
        extent = index.extent
        for read in ready:
            for one in read.planes:
                part = one.window.meet(self.work.window)
                extent = part if extent is None else extent.join(part) if part else extent
        self.index = replace(
            index,
            areas=areas,
            extent=extent,
            refused={**index.refused, **refused},
            attribution="; ".join(dict.fromkeys(n for n in (index.attribution, self.catalogue.attribution) if n)),
            simulated=index.simulated or self.catalogue.simulated,
        )
        root.attrs["greattit"] = self.index.to_json()
        days = [read.task.overpass.when for read in ready]
        what = f"{len(days)} looks, {min(days):%Y-%m-%d} to {max(days):%Y-%m-%d}" if days else "products refused"
        self.save(session, what)

    def session(self) -> icechunk.Session:
        """Open a session to write on the snapshot that the plan rests on; another writer's work is never overrun."""
        session = open_repository(self.url).writable_session(BRANCH)
        if session.snapshot_id != self.snapshot:
            raise _busy(self.url)
        return session

    def save(self, session: icechunk.Session, what: str) -> None:
        """Commit; another writer's commit in between (in object storage no lock keeps it out) is `CubeBusyError`."""
        import icechunk

        try:
            self.snapshot = session.commit(what)
        except icechunk.ConflictError as error:
            raise _busy(self.url) from error

    def _slots(self, ready: Sequence[Read]) -> list[int]:
        slots, free = [], {s: self.index.free_slot(s) for s in ("s2", "s1")}
        for read in ready:
            sensor, known = read.task.overpass.sensor, read.task.known
            slots.append(free[sensor] if known is None else known.slot)
            free[sensor] += known is None
        return slots

    def judge(self) -> None:
        """Look at every look against the whole stack, and note what does not fit; one commit when anything changed."""
        import zarr

        from greattit.cube.inspect import judge

        store = open_cube(self.url)
        self.job.progress(0, "checking")
        passes = {(p.sensor, p.slot): p for p in judge(store)}
        if all(passes[p.sensor, p.slot] == p for p in store.index.passes if (p.sensor, p.slot) in passes):
            return
        session = self.session()
        self.index = store.index.with_passes(passes)
        zarr.open_group(session.store).attrs["greattit"] = self.index.to_json()
        self.save(session, "looks judged against the stack")


def check_place(url: str | Path) -> None:
    """Raise `CubeError` when no cube can lie at `url`; only local folders are looked at, and nothing is written."""
    text, remedy = str(url).strip(), "name a new folder, a cube, or s3://BUCKET/PREFIX"
    if not text or text.startswith("s3://"):
        if not text.removeprefix("s3://").strip("/"):
            raise CubeError("the cube needs a place", subject=text, remedy=remedy)
        return
    if "://" in text:
        raise CubeError("is no place for a cube", subject=text, remedy=remedy)
    folder = Path(url)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        where = "is a file, not a folder" if there == folder else f"{there} is a file, not a folder"
        raise CubeError(where, subject=text, remedy=remedy)
    if there == folder and any(folder.iterdir()) and not is_cube(folder) and not (folder / ".ingest").is_dir():
        raise CubeError("is a folder of other things", subject=text, remedy=remedy)


def _busy(url: str | Path) -> CubeBusyError:
    return CubeBusyError(
        "another process is ingesting into it",
        subject=str(url),
        remedy="wait for it to end and run the same command again, or use --wait SECONDS; nothing is lost",
    )


@contextmanager
def _writing(url: str | Path) -> Iterator[None]:
    """Say it as `CubeError` when the cube cannot be written: damaged, or the disk full."""
    import icechunk

    try:
        yield
    except (icechunk.IcechunkError, OSError, ValueError) as error:
        raise CubeError(
            f"cannot be written ({first_line(error)})",
            subject=str(url),
            remedy="see `greattit cube check`, and whether the disk is full; nothing that was there is lost",
        ) from error


@contextmanager
def _alone(url: str | Path, wait_s: float) -> Iterator[Path]:
    """Hold the cube's lock, which a killed process lets go of by itself; gives the folder for temporary files."""
    import hashlib
    import tempfile

    import filelock

    check_place(url)
    if str(url).startswith("s3://"):
        home = Path(tempfile.gettempdir()) / f"greattit-{hashlib.sha256(str(url).encode()).hexdigest()[:16]}"
    else:
        home = Path(url) / ".ingest"
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
def _tidy(url: str | Path, home: Path, now: datetime | None) -> Iterator[bool]:
    """Clear away the chunks that an interrupted ingest wrote and never committed; gives whether there was one."""
    mark = home / "under way"
    interrupted = mark.exists()
    if interrupted and not str(url).startswith("s3://"):
        for half in (Path(url) / REPOSITORY).rglob("*#*"):  # a file that Icechunk had not yet put in its place
            half.unlink()
    if interrupted and now is not None and is_cube(url):
        others = OTHERS if str(url).startswith("s3://") else timedelta(0)
        open_repository(url).garbage_collect(now - others)
    mark.touch()
    yield interrupted
    mark.unlink(missing_ok=True)
