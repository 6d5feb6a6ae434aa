"""The cube's store: Zarr v3 in an Icechunk repository, on local disk or in object storage: `open_cube`.

::

    /            attributes: the index (greattit.cube.index)
    /s2/fine     (slot, B02 B03 B04 B08, y, x)              uint16, 10 m   reflectance = (count - 1000) / 10000
    /s2/coarse   (slot, B05 B06 B07 B8A B11 B12 scl, y, x)  uint16, 20 m   0 = nothing seen
    /s1/radar    (slot, VV VH, y, x)                        float32, 20 m  [dB], NaN = nothing seen

y and x are the zone's lattice (greattit.cube.lattice); a chunk is 8 looks x all bands x 1.28 km, so that one plot's
season is a few chunks. Every chunk carries a CRC32C. One commit adds whole looks and their index entries, or nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greattit.cube.index import Index, Pass, from_json
from greattit.cube.lattice import CELL_PX, RIGHT_M, SLOTS, TOP_M
from greattit.errors import CubeError

if TYPE_CHECKING:
    import icechunk
    import zarr
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

FINE = ("B02", "B03", "B04", "B08")
"""Bands of 10 m."""

COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12", "scl")
"""Bands of 20 m, and the product's own classes."""

RADAR = ("VV", "VH")
"""Polarisations."""

MAX_SLOTS = 65_536
"""Length of the first axis; empty slots take no room."""

BRANCH = "main"


@dataclass(frozen=True, eq=False)
class Store:
    """A cube opened at one snapshot; nothing that is ingested later changes what it reads."""

    url: str
    """folder or URL"""
    snapshot: str
    """id of the snapshot"""
    index: Index
    group: zarr.Group = field(repr=False)
    """root of the arrays, read-only"""

    def read(self, geometry: BaseGeometry, *, since: date, until: date, **options: Any) -> Cube:
        """Read the window around `geometry` (EPSG:4326); see `greattit.cube.window.read`."""
        from greattit.cube.window import read

        return read(self, geometry, since=since, until=until, **options)

    @cached_property
    def arrays(self) -> dict[str, zarr.Array[Any]]:
        """The arrays by their path."""
        import zarr

        found = {name: self.group[name] for name in ("s2/fine", "s2/coarse", "s1/radar")}
        return {name: array for name, array in found.items() if isinstance(array, zarr.Array)}

    @property
    def title(self) -> str:
        """What the first source calls itself."""
        return self.index.title

    def between(self, first: date, last: date, sensor: str = "s2") -> tuple[Pass, ...]:
        """Return the looks shown of one sensor from `first` to `last`, both days included."""
        return self.index.between(first, last, sensor)

    @property
    def simulated(self) -> bool:
        """True when any of it is made, not observed."""
        return self.index.simulated

    @property
    def attribution(self) -> str:
        """Who is to be named."""
        return self.index.attribution

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of all data [deg]."""
        from rasterio.warp import transform_bounds

        if self.index.extent is None:
            raise CubeError("holds no look yet", subject=self.url, remedy="run `greattit ingest` first")
        west, south, east, north = transform_bounds(self.index.crs, "EPSG:4326", *self.index.extent.bounds)
        return west, south, east, north

    @property
    def optical(self) -> tuple[Pass, ...]:
        """The optical looks shown, in order of time; raises `CubeError` when there are none."""
        shown = self.index.between(date.min, date.max, "s2")
        if not shown:
            raise CubeError("holds no optical look", subject=self.url, remedy="run `greattit ingest` first")
        return shown

    @property
    def first_day(self) -> date:
        """Day of the first optical look."""
        return self.optical[0].when.date()

    @property
    def last_day(self) -> date:
        """Day of the last optical look."""
        return self.optical[-1].when.date()


REPOSITORY = "icechunk"
"""The repository's folder inside the folder of a cube on disk."""


def is_cube(url: str | Path) -> bool:
    """Say whether there is a cube at a path or s3 URL."""
    import icechunk

    if not str(url).startswith("s3://"):
        return (Path(url) / REPOSITORY).is_dir()
    try:
        return bool(icechunk.Repository.exists(_storage(url)))
    except icechunk.IcechunkError as error:
        raise CubeError(f"cannot be reached ({first_line(error)})", subject=str(url), remedy=_remedy(url)) from error


def create_cube(url: str | Path, index: Index, draft: Path) -> str:
    """Lay out an empty cube and return its snapshot; on disk it is made in `draft` and put in place by one rename.

    Raises `CubeError`, also when another writer has made it meanwhile.
    """
    import shutil

    import icechunk
    import zarr

    local = not str(url).startswith("s3://")
    shutil.rmtree(draft, ignore_errors=True)
    icechunk.set_logs_filter("error")  # its warning about local disks is ours to heed: one writer, see `ingest`
    try:
        repository = icechunk.Repository.create(
            icechunk.local_filesystem_storage(str(draft.resolve())) if local else _storage(url), config=_config()
        )
        repository.save_config()
        session = repository.writable_session(BRANCH)
        root = zarr.open_group(session.store, mode="a")
        _arrays(root)
        root.attrs["greattit"] = index.to_json()
        snapshot = str(session.commit("an empty cube"))
        if local:
            draft.replace(Path(url) / REPOSITORY)
    except (icechunk.IcechunkError, OSError, ValueError) as error:
        raise CubeError(f"cannot be made ({first_line(error)})", subject=str(url), remedy=_remedy(url)) from error
    return snapshot


def open_cube(url: str | Path, *, as_of: str | None = None) -> Store:
    """Open a cube at its newest snapshot, or at the snapshot `as_of` (an id, or the first 6 or more letters of one).

    Raises `CubeError` when there is no cube, no such snapshot, or a cube of another form.
    """
    import icechunk
    import zarr

    repository = open_repository(url)
    try:
        if as_of is None:
            session = repository.readonly_session(BRANCH)
        else:
            session = repository.readonly_session(snapshot_id=_snapshot(repository, as_of, str(url)))
        group = zarr.open_group(session.store, mode="r")
        plain = group.attrs.asdict().get("greattit")
    except FileNotFoundError as error:  # what zarr makes of a snapshot that Icechunk cannot read
        raise CubeError(
            f"its snapshot {as_of or 'of the newest commit'} is damaged, or holds no cube",
            subject=str(url),
            remedy="restore a copy, or ingest into a new folder",
        ) from error
    except icechunk.IcechunkError as error:
        raise CubeError(f"cannot be read ({first_line(error)})", subject=str(url), remedy=_remedy(url)) from error
    return Store(str(url), session.snapshot_id, from_json(plain, str(url)), group)


def open_repository(url: str | Path) -> icechunk.Repository:
    """Open the Icechunk repository of a cube; raises `CubeError`."""
    import icechunk

    icechunk.set_logs_filter("error")  # its warning about local disks is ours to heed: one writer, see `ingest`
    try:
        if not is_cube(url):
            raise CubeError("is no cube", subject=str(url), remedy="make one with `greattit ingest`")
        return icechunk.Repository.open(_storage(url))
    except (icechunk.IcechunkError, OSError, ValueError) as error:
        raise CubeError(f"cannot be opened ({first_line(error)})", subject=str(url), remedy=_remedy(url)) from error


def _remedy(url: str | Path) -> str:
    if str(url).startswith("s3://"):
        return "check the bucket and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL"
    return "name the folder of a cube, or make one with `greattit ingest`"


RAW_BYTES = re.compile(r"""\s*\w+:\s+b(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\.?""")
"""A word and the bytes it names, as zarr writes stored and computed checksums: of no use to a reader."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says anything, without raw bytes."""
    lines = [line.strip(" |*-x\u251c\u2500\u25b6\u2570\u2502") for line in str(error).splitlines()]
    text = next((line for line in lines if line), type(error).__name__)
    return RAW_BYTES.sub("", text).rstrip(" .") or type(error).__name__


READS_S = 30.0
"""Longest wait for reads that an error left in flight [s]."""


def finish_reads() -> None:
    """Wait until zarr's loop has no read in flight.

    zarr gives up a read of many chunks at the first damaged one and leaves the others running; Icechunk's threads
    then panic when they come back to an interpreter that has ended.
    """
    import asyncio

    from zarr.core.sync import sync

    async def rest() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=READS_S)

    sync(rest())


def _storage(url: str | Path) -> icechunk.Storage:
    import icechunk

    text = str(url)
    if not text.startswith("s3://"):
        if "://" in text:
            raise ValueError("a cube lies in a folder or under s3://BUCKET/PREFIX")
        return icechunk.local_filesystem_storage(str((Path(text) / REPOSITORY).resolve()))
    bucket, _, prefix = text.removeprefix("s3://").strip("/").partition("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return icechunk.s3_storage(
        bucket=bucket,
        prefix=prefix or None,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        endpoint_url=endpoint,
        allow_http=bool(endpoint and endpoint.startswith("http://")),
        force_path_style=bool(endpoint),
        from_env=True,
    )


def _config() -> icechunk.RepositoryConfig:
    """Split the manifests along the slots, so that a commit rewrites only the last one."""
    import icechunk

    axis = icechunk.ManifestSplitDimCondition.Axis(0)
    splitting = icechunk.ManifestSplittingConfig.from_dict({icechunk.ManifestSplitCondition.AnyArray(): {axis: 8}})
    return icechunk.RepositoryConfig(manifest=icechunk.ManifestConfig(splitting=splitting))


def _snapshot(repository: icechunk.Repository, wanted: str, subject: str) -> str:
    known = [info.id for info in repository.ancestry(branch=BRANCH)]
    found = [one for one in known if one == wanted or (len(wanted) >= 6 and one.startswith(wanted))]
    if len(found) != 1:
        raise CubeError(
            f"has {'no' if not found else 'more than one'} snapshot {wanted}",
            subject=subject,
            remedy="name one of " + ", ".join(known[:3]) + (" ..." if len(known) > 3 else ""),
        )
    return str(found[0])


def _arrays(root: zarr.Group) -> None:
    """Lay out the empty arrays of a new cube."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    rows, columns = TOP_M // 10, RIGHT_M // 10
    for name, bands, pixel, kind, fill in (
        ("s2/fine", FINE, 1, "uint16", 0),
        ("s2/coarse", COARSE, 2, "uint16", 0),
        ("s1/radar", RADAR, 2, "float32", float("nan")),
    ):
        size = 2 if kind == "uint16" else 4
        root.create_array(
            name,
            shape=(MAX_SLOTS, len(bands), rows // pixel, columns // pixel),
            chunks=(SLOTS, len(bands), CELL_PX // pixel, CELL_PX // pixel),
            dtype=kind,
            compressors=[BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=size), Crc32cCodec()],
            fill_value=fill,
            dimension_names=("slot", "band", "y", "x"),
            attributes={"bands": list(bands)},
        )


def snapshots(url: str | Path) -> list[dict[str, str]]:
    """Return the cube's history, newest first: id, time of the commit (ISO 8601, UTC) and message."""
    repository = open_repository(url)
    with suppress(KeyError):
        return [
            {"id": info.id, "when": info.written_at.isoformat(timespec="seconds"), "message": info.message}
            for info in repository.ancestry(branch=BRANCH)
        ]
    return []
