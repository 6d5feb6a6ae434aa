"""Every parcel through the walk, on as many processes as asked for, in the order of the file."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from greattit.county.record import County
from greattit.county.rows import Row, row_of, row_of_error
from greattit.errors import CubeError, GreatTitError, PlotFileError, TilesError
from greattit.plots import Problem, load_checked
from greattit.plots.drawing import SURVEYED, Drawing
from greattit.plots.overlap import claimed_twice
from greattit.types import Plot

if TYPE_CHECKING:
    from greattit.cube import Store
    from greattit.plots.load import Source
    from greattit.plots.mend import Bbox
    from greattit.tiles.scene import Catalogue
    from greattit.types import Appraisal

Progress = Callable[[int, int], None]

AHEAD = 2
"""parcels a worker that are handed out before they are needed: enough to keep it busy, few to lose when it dies"""


class Walk(Protocol):
    """What is done with each parcel. It travels to the workers, so it must be picklable and hold no open files."""

    simulated: bool
    attribution: str

    def __call__(self, plot: Plot) -> Appraisal:
        """Appraise one plot; raise `GreatTitError` when it cannot be."""
        ...


@dataclass
class TilesWalk:
    """The walk on one catalogue or cube and day; each process opens it once, all of them the same snapshot."""

    folder: str | Path
    day: date
    region: str | None = None
    drawing: Drawing = SURVEYED
    live_debts: Mapping[str, Decimal] = field(default_factory=dict)
    simulated: bool = False
    attribution: str = ""
    as_of: str | None = None
    """snapshot of a cube; None is the newest when it is first opened"""
    _catalogue: Catalogue | Store | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_catalogue": None}

    def open(self) -> Catalogue | Store:
        """Open the catalogue or cube, once a process; raise `CatalogueError` or `CubeError` when it cannot be."""
        if self._catalogue is None:
            from greattit.cube import Store, open_stack

            self._catalogue = open_stack(self.folder, as_of=self.as_of)
            if isinstance(self._catalogue, Store):
                self.as_of = self._catalogue.snapshot
            self.simulated, self.attribution = self._catalogue.simulated, self._catalogue.attribution
        return self._catalogue

    def check(self) -> Catalogue | Store:
        """Return the catalogue when the walk can be made at all; raise `TilesError` or `ModelError` when it cannot."""
        from greattit.crops import model, model_folder

        catalogue = self.open()
        if not catalogue.between(date(self.day.year, 1, 1), self.day):
            raise TilesError(
                f"has no scene of {self.day.year} up to {self.day}",
                subject=str(self.folder),
                remedy=f"name a day from {catalogue.first_day} to {catalogue.last_day}",
            )
        model.load(model_folder())
        return catalogue

    def __call__(self, plot: Plot) -> Appraisal:
        """Appraise one plot."""
        from greattit.appraisal import appraise

        debt = self.live_debts.get(plot.id, Decimal(0))
        return appraise(self.open(), plot, self.day, live_debt=debt, region=self.region, drawing=self.drawing)


def appraise_all(
    catalogue: str | Path,
    plots: Source | Sequence[Plot],
    day: date,
    out: Path,
    *,
    workers: int = 1,
    region: str | None = None,
    drawing: Drawing = SURVEYED,
    live_debts: Mapping[str, Decimal] | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    as_of: str | None = None,
    walk: Walk | None = None,
) -> County:
    """Appraise every plot of `plots` (a plot file, see `plots.load`, or plots) and write `out`.

    Writes `plots.parquet`, `plots.csv` and `summary.html`, all or none. Rows are in the order of the file and the same
    for any number of `workers` (processes). A bad feature, or a parcel on which the walk fails, is a row with its
    reason; only a file or catalogue that cannot be used raises (`PlotFileError`, `CatalogueError`), and a cube found
    damaged on the way (`CubeError`). `out` must be new or empty; with `overwrite` an earlier run's folder is replaced.
    `live_debts` is plot id -> what it already carries. `as_of` is the snapshot of a cube to read, else its newest.
    `progress(done, all)` is called here after each parcel. `walk` stands in for the walk on the catalogue.
    """
    _check_out(out, overwrite)
    near = None
    if walk is None:
        walk = TilesWalk(catalogue, day, region, drawing, live_debts or {}, as_of=as_of)
        near = walk.check().bounds
    good, bad = _plots(plots, near)
    claimed = claimed_twice(good)
    free = [number for number in range(len(good)) if number not in claimed]
    done = _run(walk, [good[number] for number in free], day, max(1, workers), progress or _silent)
    placed = {free[number]: row for number, row in done.items()}
    placed |= {number: row_of_error(good[number].id, good[number], day, error) for number, error in claimed.items()}
    rows = _place(placed, good, bad, day)
    return _write(rows, walk, day, out, overwrite)


def _silent(done: int, total: int) -> None:
    """Show no progress."""


def _plots(source: Source | Sequence[Plot], near: Bbox | None) -> tuple[list[Plot], list[Problem]]:
    if (
        isinstance(source, Sequence)
        and not isinstance(source, str | bytes)
        and all(isinstance(p, Plot) for p in source)
    ):
        if not source:
            raise PlotFileError("there are no plots", subject="the county")
        return list(source), []
    return load_checked(source, near=near)


def _place(done: Mapping[int, Row], good: list[Plot], bad: list[Problem], day: date) -> list[Row]:
    """Put the rows of plots and of bad features where the features stand in the file."""
    problems = {problem.place: problem for problem in bad}
    plots = iter(range(len(good)))
    rows = []
    for place in range(len(good) + len(bad)):
        if place in problems:
            problem = problems[place]
            rows.append(row_of_error(problem.id or f"feature-{place + 1}", None, day, problem.error))
        else:
            rows.append(done[next(plots)])
    return rows


def _run(walk: Walk, plots: list[Plot], day: date, workers: int, progress: Progress) -> dict[int, Row]:
    rows: dict[int, Row] = {}
    progress(0, len(plots))
    for number, row in _here(walk, plots, day) if workers == 1 else _there(walk, plots, day, workers):
        rows[number] = row
        progress(len(rows), len(plots))
    return rows


def _here(walk: Walk, plots: list[Plot], day: date) -> Iterator[tuple[int, Row]]:
    for number, plot in enumerate(plots):
        yield number, appraise_one(walk, plot, day)


def _there(walk: Walk, plots: list[Plot], day: date, workers: int) -> Iterator[tuple[int, Row]]:
    """Run the plots in a pool; when a worker dies, those in flight are tried again one by one, each alone."""
    left = list(enumerate(plots))[::-1]
    while left:
        before = len(left)
        flying: dict[Future[Row], tuple[int, Plot]] = {}
        with _pool(walk, day, min(workers, len(left))) as pool:
            try:
                while left or flying:
                    while left and len(flying) < AHEAD * workers:
                        number, plot = left[-1]
                        flying[pool.submit(_in_worker, plot)] = number, plot
                        left.pop()
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        row = future.result()
                        yield flying.pop(future)[0], row
            except BrokenProcessPool:
                suspects = list(flying.values())
                flying.clear()
            except CubeError:
                pool.shutdown(cancel_futures=True)
                raise
            else:
                suspects = []
        tried = list(_one_by_one(walk, suspects, day))
        if len(tried) > 1 and len(tried) == before - len(left) and not any(row for _, row in tried):
            raise GreatTitError("no worker stays alive", subject="the county", remedy="run with one worker to see why")
        died = GreatTitError("its worker died, perhaps for want of memory", subject="the county")
        for (number, plot), (_, found) in zip(suspects, tried, strict=True):
            yield number, found or row_of_error(plot.id, plot, day, died)


def _one_by_one(walk: Walk, plots: list[tuple[int, Plot]], day: date) -> Iterator[tuple[int, Row | None]]:
    """Return the row of each plot from a single worker that has no other; None for a plot on which it dies."""
    left = plots[::-1]
    while left:
        with _pool(walk, day, 1) as pool:
            try:
                while left:
                    number, plot = left.pop()
                    yield number, pool.submit(_in_worker, plot).result()
            except BrokenProcessPool:
                yield number, None


def _pool(walk: Walk, day: date, workers: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes: forking one that has threads is not safe."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(walk, day))


_worker: dict[str, Any] = {}


def _begin(walk: Walk, day: date) -> None:
    """Prepare a worker."""
    _worker.update(walk=walk, day=day)


def _in_worker(plot: Plot) -> Row:
    return appraise_one(_worker["walk"], plot, _worker["day"])


def appraise_one(walk: Walk, plot: Plot, day: date) -> Row:
    """Return the row of one plot; whatever goes wrong with it becomes its reason.

    Raises `CubeError`: a damaged cube says nothing about the plot, so nobody is refused for it.
    """
    try:
        return row_of(walk(plot))
    except CubeError:
        raise
    except Exception as error:
        return row_of_error(plot.id, plot, day, error)


def _check_out(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise GreatTitError("is a file, not a folder", subject=str(out), remedy="name another folder")
    names = {path.name for path in out.iterdir()}
    if names and not (overwrite and names <= {"plots.parquet", "plots.csv", "summary.html"}):
        remedy = "name a new folder" if overwrite else "name a new folder, or ask to overwrite an earlier run"
        raise GreatTitError("is not empty", subject=str(out), remedy=remedy)


def _write(rows: list[Row], walk: Walk, day: date, out: Path, overwrite: bool) -> County:
    """Write beside `out` and rename, so that a half-written folder never bears its name."""
    from greattit.county.summary import summary
    from greattit.county.table import write_csv, write_parquet

    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.parent / f".{out.name}.{os.getpid()}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        write_parquet(rows, draft / "plots.parquet")
        write_csv(rows, draft / "plots.csv")
        county = _count(rows, out)
        page = summary(rows, county, day, simulated=walk.simulated, attribution=walk.attribution)
        (draft / "summary.html").write_text(page, encoding="utf-8")
        _check_out(out, overwrite)
        if out.exists():
            shutil.rmtree(out)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return county


def _count(rows: list[Row], out: Path) -> County:
    lines: dict[str, Decimal] = {}
    for row in rows:
        if row.refused is None and row.line is not None:
            lines[row.currency] = lines.get(row.currency, Decimal(0)) + row.line
    refused = Counter(row.refused for row in rows if row.refused is not None)
    return County(
        parcels=len(rows),
        decided=sum(row.refused is None for row in rows),
        refused=dict(sorted(refused.items(), key=lambda item: (-item[1], item[0]))),
        lines=dict(sorted(lines.items())),
        area_ha=sum(row.area_ha for row in rows if row.area_ha is not None),
        parquet=out / "plots.parquet",
        csv=out / "plots.csv",
        html=out / "summary.html",
    )
