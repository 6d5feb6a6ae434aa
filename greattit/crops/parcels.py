"""A labelled data set of one's own parcels: from a parcel file and tiles, `label` writes what `dataset.read` reads.

Each parcel is seen as it is when it is appraised: the same window, cloud mask, cut and means (`see`). From 1 January of
the year to a day, a labelled series is bit for bit the one that is served on that day. Every look is kept, with its
`clear` share; whoever reads decides what is clear enough.

Groups are blocks of one lattice over the whole earth (`block`): the same place is in the same block in every set.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import __version__
from greattit.crops.legends import Translation, translate
from greattit.errors import CubeError, DatasetError, GreatTitError, ModelError, PlotPlaceError, TilesError
from greattit.plots.drawing import SURVEYED, Drawing
from greattit.types import BANDS, SAR, Plot, Series

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.cube import Store
    from greattit.plots.load import Source
    from greattit.plots.mend import Bbox
    from greattit.tiles.scene import Catalogue

FILES = ("samples.parquet", "series.parquet", "about.json")
"""what `label` writes"""

EARTH_M = 6_371_007.2
"""[m] radius of the sphere with the surface of WGS 84 (Snyder 1987, Map Projections: A Working Manual, p. 16)"""

UNKNOWN = ("fail", "leave-out")
"""what can be done with labels that are not in the legend"""

LEAST_GROUPS = 5
"""groups below which a set cannot be split into the folds of a training"""

SEEN = 0.5
"""share of a parcel that must lie inside the tiles, as half of a field stands for the field"""

NAMED = 8
"""ids, labels or columns named in an error"""


@dataclass(frozen=True)
class LeftOut:
    """A parcel that is no sample."""

    id: str
    """the parcel's id, or its place in the file when it has none"""
    reason: str
    """one of: no field, no label, unknown label, drawn twice, outside the tiles, no look, never clear, failed"""
    why: str
    """the same in full"""


Seen = tuple[Series, tuple[str, ...]] | LeftOut
"""series of a parcel and the warnings about its scenes, or why it has none"""


@dataclass(frozen=True)
class Labelled:
    """What `label` wrote and what it left out."""

    folder: Path
    """of the data set"""
    parcels: int
    """features of the file"""
    samples: int
    """written"""
    looks: int
    """rows of series.parquet"""
    left_out: tuple[LeftOut, ...]
    """in the order of the file, for each reason"""
    labels: Mapping[str, str | None]
    """label of the file -> house name; None when unknown"""
    coarser: Mapping[str, str]
    """label -> the coarser house name that was taken for want of its own"""
    groups: int
    """blocks"""
    crops: Mapping[str, int]
    """house name -> samples, commonest first"""
    simulated: bool
    """True when any of the tiles are made, not observed"""
    warnings: tuple[str, ...]
    """scenes left out and why"""

    @property
    def reasons(self) -> dict[str, int]:
        """Parcels left out by reason, commonest first."""
        return dict(Counter(one.reason for one in self.left_out).most_common())


@dataclass(frozen=True, eq=False)
class Parcel:
    """One labelled parcel."""

    plot: Plot
    """its id is the sample's name"""
    label: str
    """as in the file"""
    crop: str
    """house name"""
    kg_ha: float = math.nan
    """[kg/ha] measured yield; NaN where none is given"""


@dataclass
class Look:
    """Sees a parcel as an appraisal does. Each process opens the tiles once, all of them the same snapshot."""

    tiles: str | Path
    since: date
    until: date
    drawing: Drawing = SURVEYED
    as_of: str | None = None
    _stack: Catalogue | Store | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stack": None}

    def open(self) -> Catalogue | Store:
        """Open the tiles, once a process; raise `TilesError` when they cannot be or have no scene of the span."""
        if self._stack is None:
            from greattit.cube import Store, open_stack

            stack = open_stack(self.tiles, as_of=self.as_of)
            if isinstance(stack, Store):
                self.as_of = stack.snapshot
            if not stack.between(self.since, self.until):
                raise TilesError(
                    f"has no optical look from {self.since} to {self.until}",
                    subject=str(self.tiles),
                    remedy=f"its looks reach from {stack.first_day} to {stack.last_day}",
                )
            self._stack = stack
        return self._stack

    def __call__(self, plot: Plot) -> Seen:
        """Return the series of a plot and the warnings about its scenes, or why it has none.

        Raises `CubeError` and `ModelError`: a damaged cube or model says nothing about the plot.
        """
        try:
            series, inside, warnings = see(self.open(), plot, self.since, self.until, drawing=self.drawing)
        except (CubeError, ModelError):
            raise
        except PlotPlaceError as error:
            return LeftOut(plot.id, "outside the tiles", error.what)
        except TilesError as error:
            return LeftOut(plot.id, "no look", error.what)
        except Exception as error:  # one odd parcel does not cost the night; it is named
            return LeftOut(plot.id, "failed", str(error) or type(error).__name__)
        if inside < SEEN:
            return LeftOut(plot.id, "outside the tiles", f"{1 - inside:.0%} of it lies outside the tiles")
        if not len(series.dates):
            return LeftOut(plot.id, "no look", "no look saw it")
        if not np.isfinite(series.values).any():
            return LeftOut(plot.id, "never clear", f"clouds hid it at all {len(series.dates)} looks")
        return series, warnings


def see(
    source: Catalogue | Store, plot: Plot, since: date, until: date, *, drawing: Drawing = SURVEYED
) -> tuple[Series, float, tuple[str, ...]]:
    """Return the plot's series from `since` to `until`, the share 0-1 of it inside the tiles, and the cube's warnings.

    The steps are those of `greattit.appraisal`, one thread included, so that what is learned is what is served.
    """
    from greattit import clouds, plots, series
    from greattit.cube import read_window
    from greattit.onethread import one_thread

    with one_thread():
        cube = clouds.refine(read_window(source, plot.geometry, since=since, until=until))
        segment = plots.cut(plot, cube, drawing=drawing)
        outside = segment.cut_away.get("land outside the tiles", 0.0) / plot.area_ha
        return series.gather(segment, cube), 1.0 - outside, tuple(cube.attrs["warnings"])


def label(
    tiles: str | Path,
    parcels: Source,
    out: Path,
    *,
    crop_column: str,
    since: date,
    until: date,
    legend: str = "house",
    unknown: str = "fail",
    id_column: str | None = None,
    yield_column: str | None = None,
    block_km: float = 10.0,
    drawing: Drawing = SURVEYED,
    workers: int = 1,
    as_of: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Labelled:
    """Write `out` (samples.parquet, series.parquet, about.json; all or none) from a parcel file over tiles or a cube.

    `parcels` is what `plots.load` takes; `crop_column` holds labels of `legend` (see `greattit.crops.legends`); with
    `unknown="leave-out"` parcels with an unknown label are left out instead of refused. A sample is named by
    `id_column`, else by the feature's own id, else by its outline. `yield_column` holds measured yields [kg/ha], which
    become the column yield_kg_ha (NaN where there is none). `season_start` and `season_end` are `since` and `until`.
    `block_km` [km] is the side of the groups' blocks. Rows stand in the order of the file and are the same for any
    number of `workers` (processes). Raises `DatasetError`, `PlotFileError`, `TilesError`.
    """
    _check(since, until, block_km, unknown)
    _check_out(out, overwrite)
    look = Look(tiles, since, until, drawing, as_of)
    stack = look.open()
    name, count, drawn, left = _read(parcels, stack.bounds, crop_column, id_column, yield_column)
    translation, drawn = _named(drawn, legend, unknown, name)
    left += [
        LeftOut(one.plot.id, "unknown label", f"{one.label!r} is no crop of the legend {legend}")
        for one in drawn
        if not one.crop
    ]
    chosen = _once([one for one in drawn if one.crop], name, left)
    seen = _look_at(look, chosen, stack.bounds, max(1, workers), progress or _silent)
    left += [found for found in seen if isinstance(found, LeftOut)]
    ready = [(one, found) for one, found in zip(chosen, seen, strict=True) if not isinstance(found, LeftOut)]
    if not ready:
        reasons = ", ".join(f"{reason} {many}" for reason, many in Counter(one.reason for one in left).items())
        first = f"the first, {left[0].id}: {left[0].why}"
        raise DatasetError(f"none of its {count} parcels can be used: {reasons}", subject=name, remedy=first)
    samples = _samples([one for one, _ in ready], since, until, block_km)
    series = _series([(one.plot.id, found[0]) for one, found in ready])
    done = Labelled(
        folder=out,
        parcels=count,
        samples=len(samples),
        looks=len(series),
        left_out=tuple(left),
        labels=translation.table,
        coarser=translation.coarser,
        groups=int(samples["group"].nunique()),
        crops=dict(Counter(samples["crop"]).most_common()),
        simulated=stack.simulated,
        warnings=tuple(dict.fromkeys(text for _, found in ready for text in found[1])),
    )
    about: dict[str, Any] = {
        "file": name,
        "crop_column": crop_column,
        "legend": legend,
        "tiles": str(tiles),
        "snapshot": look.as_of,
    }
    about |= {"season_start": str(since), "season_end": str(until), "block_km": block_km}
    about |= {"attribution": stack.attribution, "greattit": __version__}
    record = {key: value for key, value in asdict(done).items() if key != "folder"}
    _write(samples, series, about | record, out, overwrite)
    return done


def block(lon: float, lat: float, side_km: float) -> str:
    """Return the name of the block around a point [degree, EPSG:4326]: about `side_km` [km] a side, fixed for all time.

    Rows of equal height from the south pole, each cut from 180 degrees west into as many equal blocks as come nearest
    to the side at the middle of the row; on the authalic sphere (EARTH_M).
    """
    side = side_km * 1000 / EARTH_M  # [rad]
    row = math.floor(math.radians(lat + 90) / side)
    columns = max(1, round(2 * math.pi * math.sin(min((row + 0.5) * side, math.pi)) / side))
    column = math.floor((lon + 180) / 360 * columns) % columns
    return f"{side_km:g}km-{row}-{column}"


def _silent(done: int, total: int) -> None:
    """Show no progress."""


def _check(since: date, until: date, block_km: float, unknown: str) -> None:
    if since > until:
        raise DatasetError(f"--to {until} lies before --from {since}", remedy="the first day comes first")
    if not 0.1 <= block_km <= 1000:
        raise DatasetError(f"blocks of {block_km:g} km are no blocks", remedy="choose a side from 0.1 to 1000 km")
    if unknown not in UNKNOWN:
        raise DatasetError(f"unknown labels cannot be treated as {unknown!r}", remedy=f"say {' or '.join(UNKNOWN)}")


def _check_out(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise DatasetError("is a file, not a folder", subject=str(out), remedy="name another folder")
    names = {path.name for path in out.iterdir()}
    if names and not (overwrite and names <= set(FILES)):
        remedy = "name a new folder" if overwrite else "name a new folder, or ask to overwrite an earlier data set"
        raise DatasetError("is not empty", subject=str(out), remedy=remedy)


def _read(
    source: Source, near: Bbox, crop_column: str, id_column: str | None, yield_column: str | None
) -> tuple[str, int, list[Parcel], list[LeftOut]]:
    """Return the file's name, its count of features, the parcels with a label (no crop yet), and those left out."""
    from greattit.plots import load_checked
    from greattit.plots.source import read

    name, raws = read(source)
    columns = list(dict.fromkeys(key for raw in raws for key in raw.properties))
    for column in filter(None, (crop_column, id_column, yield_column)):
        if column not in columns:
            there = ", ".join(map(str, columns[:40])) or "none at all"
            raise DatasetError(f"has no column {column!r}", subject=name, remedy=f"its columns are {there}")
    plots, problems = load_checked(source, near=near)
    bad, good = {problem.place: problem.error for problem in problems}, iter(plots)
    drawn, left = [], []
    for place, raw in enumerate(raws):
        text = _text(raw.properties.get(crop_column))
        id = _text(raw.properties.get(id_column)) if id_column else raw.id
        if place in bad:
            left.append(LeftOut(id or raw.subject, "no field", str(bad[place])))
            continue
        plot = next(good)
        if not text:
            left.append(LeftOut(id or raw.subject, "no label", f"{raw.subject} has nothing in {crop_column}"))
            continue
        if id_column and not id:
            remedy = "give every parcel an id, or leave the id column out"
            raise DatasetError(f"has nothing in {id_column}", subject=raw.subject, remedy=remedy)
        id = id or f"parcel-{_outline(plot.geometry)[:12]}"
        harvest = _kg_ha(raw.properties.get(yield_column), raw.subject) if yield_column else math.nan
        drawn.append(Parcel(replace(plot, id=id), text, "", harvest))
    return name, len(raws), drawn, left


def _kg_ha(value: Any, subject: str) -> float:
    """Return a measured yield [kg/ha], NaN where the cell is empty; raise `DatasetError` for what is none."""
    text = _text(value)
    try:
        number = float(text) if text else math.nan
    except ValueError:
        number = -1.0
    if number <= 0 or math.isinf(number):
        raise DatasetError(f"{text!r} is no yield in kg/ha", subject=subject, remedy="leave it empty, or mend it")
    return number


def _text(value: Any) -> str:
    """Return a cell as text; "" for the many ways to write nothing, 1200 for 1200.0 (a Shapefile's number)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, float):
        return "" if not math.isfinite(value) else f"{value:.0f}" if value.is_integer() else str(value)
    return str(value).strip()


def _outline(geometry: BaseGeometry) -> str:
    """Return a hash that is the same wherever the ring begins and however it turns, to 1e-7 degree (1 cm)."""
    import shapely

    rounded = shapely.normalize(shapely.transform(geometry, lambda xy: np.round(xy, 7) + 0.0))
    return hashlib.sha256(shapely.to_wkb(rounded)).hexdigest()


def _named(drawn: list[Parcel], legend: str, unknown: str, subject: str) -> tuple[Translation, list[Parcel]]:
    """Give each parcel its house name, "" for an unknown label; where those are to fail, refuse them by name."""
    labels = [one.label for one in drawn]
    done = translate(labels, legend)
    if done.unknown and unknown == "fail":
        try:
            translate(labels, legend, strict=True)
        except DatasetError as error:
            remedy = f"{error.remedy}; or leave them out with --unknown leave-out"
            raise DatasetError(error.what, subject=subject, remedy=remedy) from error
    return done, [replace(one, crop=crop or "") for one, crop in zip(drawn, done.crops, strict=True)]


def _once(parcels: list[Parcel], subject: str, left: list[LeftOut]) -> list[Parcel]:
    """Keep one of the parcels with one outline, however the file is sorted; refuse two crops there, or an id twice."""
    same = defaultdict(list)
    for one in parcels:
        same[_outline(one.plot.geometry)].append(one)
    torn = [many for many in same.values() if len({one.crop for one in many}) > 1]
    if torn:
        told = [" and ".join(f"{one.plot.id} ({one.crop})" for one in many) for many in torn]
        raise DatasetError(
            f"{len(torn)} parcels are drawn twice with different crops: {_some(told)}",
            subject=subject,
            remedy="keep the right one; two seasons are two data sets",
        )
    once = []
    for many in same.values():
        first, *others = sorted(many, key=lambda one: (one.plot.id, one.label))
        once.append(first)
        left += [LeftOut(one.plot.id, "drawn twice", f"it has the outline of {first.plot.id}") for one in others]
    twice = [sample for sample, count in Counter(one.plot.id for one in once).items() if count > 1]
    if twice:
        raise DatasetError(
            f"{len(twice)} ids stand for more than one parcel: {_some(twice)}",
            subject=subject,
            remedy="name a column of unique ids with --id-column",
        )
    return once


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:NAMED]) + (f" and {len(texts) - NAMED} more" if len(texts) > NAMED else "")


def _look_at(
    look: Look, parcels: list[Parcel], near: Bbox, workers: int, progress: Callable[[int, int], None]
) -> list[Seen]:
    """Return what is seen of each parcel; those that do not touch the tiles are not looked for."""
    import shapely

    near_by = shapely.intersects([one.plot.geometry for one in parcels], shapely.box(*near)) if parcels else []
    plots = [one.plot for one, touches in zip(parcels, near_by, strict=True) if touches]
    progress(0, len(plots))
    found = []
    for seen in map(look, plots) if workers == 1 or len(plots) < 2 else _there(look, plots, workers):
        found.append(seen)
        progress(len(found), len(plots))
    rest = iter(found)
    return [
        next(rest) if touches else LeftOut(one.plot.id, "outside the tiles", "it does not touch the tiles")
        for one, touches in zip(parcels, near_by, strict=True)
    ]


def _there(look: Look, plots: list[Plot], workers: int) -> Iterator[Seen]:
    """Look from a pool of fresh processes: forking one that has threads is not safe."""
    context = get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(plots)), mp_context=context, initializer=_begin, initargs=(look,)
    ) as pool:
        try:
            yield from pool.map(_in_worker, plots)
        except BrokenProcessPool as error:
            remedy = "run with fewer workers; with one it can be seen at which parcel"
            raise GreatTitError("a worker died, perhaps for want of memory", remedy=remedy) from error
        finally:
            pool.shutdown(cancel_futures=True)


_worker: dict[str, Look] = {}


def _begin(look: Look) -> None:
    """Prepare a worker."""
    _worker["look"] = look


def _in_worker(plot: Plot) -> Seen:
    return _worker["look"](plot)


def _samples(parcels: list[Parcel], since: date, until: date, block_km: float) -> Any:
    import pandas as pd

    centres = [one.plot.geometry.centroid for one in parcels]
    lon, lat = (np.round([getattr(centre, axis) for centre in centres], 7) for axis in "xy")
    season = [np.full(len(parcels), np.datetime64(day, "ms")) for day in (since, until)]
    harvests = {"yield_kg_ha": [one.kg_ha for one in parcels]}
    return pd.DataFrame(
        {
            "sample": [one.plot.id for one in parcels],
            "source_label": [one.label for one in parcels],
            "crop": [one.crop for one in parcels],
            "lon": lon,
            "lat": lat,
            "country": "",
            "season_start": season[0],
            "season_end": season[1],
            "area_ha": [round(one.plot.area_ha, 4) for one in parcels],
            "group": [block(*place, block_km) for place in zip(lon, lat, strict=True)],
        }
        | (harvests if np.isfinite(harvests["yield_kg_ha"]).any() else {})
    )


def _series(found: list[tuple[str, Series]]) -> Any:
    """Return all looks in one table; a band that is never seen is no column."""
    import pandas as pd

    values = pd.concat([pd.DataFrame(one.values, columns=list(one.bands)) for _, one in found], ignore_index=True)
    values = values.dropna(axis="columns", how="all")
    table = pd.DataFrame(
        {
            "sample": np.repeat([sample for sample, _ in found], [len(one.dates) for _, one in found]),
            "date": np.concatenate([one.dates for _, one in found]).astype("datetime64[ms]"),
        }
    )
    table[[name for name in (*BANDS, *SAR) if name in values]] = values[[n for n in (*BANDS, *SAR) if n in values]]
    table["clear"] = np.concatenate([one.clear for _, one in found]).astype(np.float32)
    return table


def _write(samples: Any, series: Any, about: dict[str, Any], out: Path, overwrite: bool) -> None:
    """Write beside `out` and rename, so that a half-written folder never bears its name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft, old = (out.parent / f".{out.name}.{os.getpid()}.{part}" for part in ("part", "old"))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        samples.to_parquet(draft / "samples.parquet", index=False)
        series.to_parquet(draft / "series.parquet", index=False)
        (draft / "about.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        _check_out(out, overwrite)
        if out.exists():
            out.rename(old)
        draft.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
