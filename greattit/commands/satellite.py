"""`greattit ingest` and `greattit cube ...`: scenes of any source into a cube, and what the cube holds."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greattit.commands.shared import AsOf, Json, Refuse, Tiles, address, day_of, size

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.cube.ingest import Ingested, Job
    from greattit.cube.plan import Plan
    from greattit.tiles import Catalogue

cube_app = typer.Typer(help="Look into a cube that `greattit ingest` made.", no_args_is_help=True)

Cube = Annotated[Path, typer.Argument(help="Folder of a cube, or s3://BUCKET/PREFIX.", show_default=False)]

INCOMPLETE = 3
"""Exit code of an ingest that could not have everything: the same command tries the rest again."""

EARLIEST, LATEST = date(2014, 1, 1), date(2100, 1, 1)
"""Days asked of a folder when none are given."""


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="A named source (earth-search, planetary-computer, cdse), the URL of a STAC API or catalogue, or a "
            "folder: a STAC catalogue, .SAFE products, or GeoTIFFs.",
            show_default=False,
        ),
    ],
    store: Annotated[Path, typer.Option(help="The cube: a folder, or s3://BUCKET/PREFIX. Made when it is not there.")],
    bbox: Annotated[str | None, typer.Option(metavar="W,S,E,N", help="Area in degrees.")] = None,
    area: Annotated[Path | None, typer.Option(help="File with the area's polygons (GeoJSON, GeoPackage, ...).")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")] = None,
    bands: Annotated[
        str,
        typer.Option(
            help="Optical bands, e.g. B02,B03,B04,B08; default: those of the cube, or all that the source has."
        ),
    ] = "",
    radar: Annotated[bool, typer.Option("--s1", help="Sentinel-1 (VV, VH) too.")] = False,
    pattern: Annotated[
        str | None, typer.Option(help='Names of a folder\'s GeoTIFFs, e.g. "{date:%Y%m%d}_{band}.tif".')
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read, and write nothing.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another ingest of the same cube.")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Bands fetched at the same time.")] = 4,
    as_json: Json = False,
) -> None:
    """Bring a cube up to date with a source; run again, only what is new is read.

    A look is in the cube whole or not at all; an interrupted run is taken up where it was by the same command. Exit
    code 3 says that some products could not be had, and names them.
    """
    from greattit.cube.ingest import Job, plan

    with Refuse():
        wanted = _bands(bands)
        where = _area(bbox, area)
        span = _span(source, first, last)
        from greattit.tiles import Options, open_source
        from greattit.tiles.signing import Signer

        options = Options(pattern=pattern)
        sensors = ("s2", "s1") if radar else ("s2",)
        catalogue = open_source(source, area=where, since=span[0], until=span[1], sensors=sensors, options=options)
        url = address(store)
        signer = Signer(lambda: datetime.now(UTC))
        work = plan(catalogue, url, area=where, bands=wanted, signer=signer)
        if not as_json:
            _print_plan(catalogue, work, url)
        if dry_run:
            if as_json:
                typer.echo(json.dumps(_plan_json(catalogue, work)))
            return
        job = Job(workers=workers, wait_s=wait, now=datetime.now(UTC), signer=signer)
        done = _run(catalogue, url, where, wanted, job, work, quiet=as_json)
        _print_done(done, url, as_json)
        if done.missing:
            raise typer.Exit(INCOMPLETE)


def _bands(text: str) -> tuple[str, ...] | None:
    from greattit.types import BANDS

    asked = {part.strip().upper().replace("B8A", "B8A") for part in text.split(",") if part.strip()}
    if unknown := asked - set(BANDS):
        raise typer.BadParameter(f"no such band: {', '.join(sorted(unknown))}; known: {', '.join(BANDS)}")
    return tuple(band for band in BANDS if band in asked) or None


def _area(bbox: str | None, file: Path | None) -> BaseGeometry | None:
    from shapely.geometry import box

    if bbox and file:
        raise typer.BadParameter("give --bbox or --area, not both")
    if bbox:
        try:
            west, south, east, north = (float(part) for part in bbox.split(","))
        except ValueError as error:
            raise typer.BadParameter(f"{bbox!r} is no box; write west,south,east,north in degrees") from error
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise typer.BadParameter(f"{bbox!r} is no box on the earth; write west,south,east,north in degrees")
        return box(west, south, east, north)
    return _polygons(file) if file else None


def _polygons(file: Path) -> BaseGeometry:
    import geopandas

    from greattit.errors import PlotFileError

    if not file.is_file():
        raise PlotFileError("there is no such file", subject=str(file), remedy="check the path of --area")
    try:
        frame = geopandas.read_parquet(file) if file.suffix.endswith("parquet") else geopandas.read_file(file)
        frame = frame.set_crs("EPSG:4326") if frame.crs is None else frame.to_crs("EPSG:4326")
        shape: BaseGeometry = frame.geometry.make_valid().union_all()
    except Exception as error:  # whatever the driver raises, the file is at fault
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PlotFileError(
            f"cannot be read as an area: {reason}", subject=str(file), remedy="give polygons"
        ) from error
    if shape.is_empty or shape.area == 0:
        raise PlotFileError("holds no polygon", subject=str(file), remedy="give the area as polygons")
    return shape


def _span(source: str, first: datetime | None, last: datetime | None) -> tuple[date, date]:
    folder = Path(source).exists()
    if not folder and (first is None or last is None):
        raise typer.BadParameter("a source on the web needs --from and --to")
    return day_of(first, EARLIEST), day_of(last, LATEST)


def _print_plan(catalogue: Catalogue, work: Plan, url: str) -> None:
    from greattit.cube.lattice import CELL_PX

    for warning in catalogue.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    km2 = len(work.cells) * (CELL_PX / 100) ** 2
    typer.echo(
        f"{catalogue.title}: {len(work.tasks)} looks of {work.products} products to read, {work.there} there\n"
        f"{work.index.crs}, {km2:,.0f} km2 in cells of 1.28 km; about {size(work.read_bytes)} to decode, "
        f"up to {size(work.spool_bytes)} of temporary files, about {size(work.read_bytes / 1.6)} in the cube"
    )


def _plan_json(catalogue: Catalogue, work: Plan) -> dict[str, Any]:
    return {
        "source": catalogue.root,
        "crs": work.index.crs,
        "looks": len(work.tasks),
        "products": work.products,
        "there": work.there,
        "read_bytes": work.read_bytes,
        "spool_bytes": work.spool_bytes,
        "cells": len(work.cells),
        "warnings": list(catalogue.warnings),
    }


def _run(
    catalogue: Catalogue,
    url: str,
    where: BaseGeometry | None,
    bands: tuple[str, ...] | None,
    job: Job,
    work: Plan,
    *,
    quiet: bool,
) -> Ingested:
    """Ingest under a progress bar (on stderr, so that --json stays clean)."""
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from greattit.cube.ingest import ingest as bring

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("reading", total=work.read_bytes)

        def progress(done: int, what: str) -> None:
            bar.update(task, advance=done, description=what)

        return bring(catalogue, url, area=where, bands=bands, job=replace(job, progress=progress))


def _print_done(done: Ingested, url: str, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(
        f"{done.added} looks added or renewed, {done.there} were there; snapshot {done.snapshot or 'none'} of {url}"
    )
    for text in done.refused:
        typer.secho(f"left out: {text}", fg="yellow", err=True)
    for text in done.missing:
        typer.secho(f"missing: {text}", fg="red", err=True)
    if done.missing:
        typer.secho(f"{len(done.missing)} products are missing; the same command tries them again", fg="red", err=True)


@cube_app.command()
def info(cube: Cube, as_of: AsOf = None, as_json: Json = False) -> None:
    """Say what a cube holds: place, span, looks, bands, size, snapshots."""
    with Refuse():
        from greattit.cube import show

        found = show.info(address(cube), as_of)
        typer.echo(json.dumps(found) if as_json else show.info_text(found))


@cube_app.command()
def scenes(cube: Cube, as_of: AsOf = None, as_json: Json = False) -> None:
    """List the looks of a cube: day, satellite, products, what was seen and clear, what the guards found."""
    with Refuse():
        from greattit.cube import show
        from greattit.cube.store import open_cube

        rows = show.scenes(open_cube(address(cube), as_of=as_of))
        typer.echo(json.dumps(rows) if as_json else show.scenes_text(rows))


@cube_app.command()
def check(cube: Cube, as_of: AsOf = None, as_json: Json = False) -> None:
    """Read every chunk of a cube and compare it with the index; exit code 1 when something is damaged."""
    with Refuse():
        from dataclasses import asdict

        from rich.console import Console
        from rich.progress import Progress

        from greattit.cube.check import check as look
        from greattit.cube.store import open_cube

        store = open_cube(address(cube), as_of=as_of)
        with Progress(console=Console(stderr=True), disable=as_json) as bar:
            task = bar.add_task("chunks", total=None)
            found = look(store, lambda done, total: bar.update(task, completed=done, total=total))
        if as_json:
            typer.echo(json.dumps({"snapshot": store.snapshot, "whole": not found.problems, **asdict(found)}))
        else:
            typer.echo(f"{found.looks} looks in {found.cells} cells read; content {found.content}")
            for problem in found.problems:
                typer.secho(problem, fg="red", err=True)
            typer.echo("whole" if not found.problems else f"{len(found.problems)} problems")
        if found.problems:
            raise typer.Exit(1)


@cube_app.command()
def picture(
    cube: Cube,
    day: Annotated[datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="Day of the look.")],
    bands: Annotated[str, typer.Option(help="Three bands as red, green, blue, or one as grey.")] = "B04,B03,B02",
    out: Annotated[Path | None, typer.Option(help="PNG to write; default: DAY_BANDS.png here.")] = None,
    as_of: AsOf = None,
) -> None:
    """Draw one look of a cube."""
    with Refuse():
        from greattit.cube.picture import picture as draw
        from greattit.cube.store import open_cube

        names = [part.strip().upper() for part in bands.split(",") if part.strip()]
        target = out or Path(f"{day:%Y-%m-%d}_{'-'.join(names)}.png")
        typer.echo(f"wrote {draw(open_cube(address(cube), as_of=as_of), day.date(), target, bands=names)}")


def series(
    tiles: Tiles,
    plot: Annotated[Path, typer.Option(help="File with the drawn plot (the first one counts).")],
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")] = None,
    step: Annotated[int, typer.Option(min=1, max=31, help="Days between two values, usually 5 or 10.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write the CSV of all bands and a picture into this folder.")] = None,
    as_of: AsOf = None,
) -> None:
    """Show a plot's season on even steps: the curve, its uncertainty, and how much was seen."""
    with Refuse():
        from greattit import clouds, filled, plots
        from greattit import series as looks
        from greattit.cube import open_stack, read_window
        from greattit.report import course

        stack = open_stack(address(tiles), as_of=as_of)
        one = plots.load(plot, near=stack.bounds)[0]
        span = day_of(first, stack.first_day), day_of(last, stack.last_day)
        cube = clouds.refine(read_window(stack, one.geometry, since=span[0], until=span[1]))
        found = filled.fill(looks.gather(plots.cut(one, cube), cube), step_days=step)
        typer.echo(course.course_lines(found))
        if out:
            made = course.write_course(found, out, title=f"plot {one.id}")
            typer.echo(f"wrote {made[0]} and {made[1]}")
