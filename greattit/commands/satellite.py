"""`greattit ingest` and `greattit cube ...`: scenes of any source into a cube, and what the cube holds."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greattit.commands.asked import area_of, bands_of, picture_file, span_of, span_of_source
from greattit.commands.shared import STOPPED, AsOf, Json, Refuse, Tiles, address, size

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.cube.ingest import Ingested, Job
    from greattit.cube.plan import Plan
    from greattit.tiles import Catalogue

cube_app = typer.Typer(help="Look into a cube that `greattit ingest` made.", no_args_is_help=True)

Cube = Annotated[Path, typer.Argument(help="Folder of a cube, or s3://BUCKET/PREFIX.", show_default=False)]

INCOMPLETE = 3
"""Exit code of an ingest that could not have everything: the same command tries the rest again."""


class Level(StrEnum):
    """Levels of optical products."""

    L2A = "L2A"
    L1C = "L1C"


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="A named source (earth-search, planetary-computer, cdse), the URL of a STAC API or catalogue, or a "
            "folder: a STAC catalogue, .SAFE products, or GeoTIFFs.",
            show_default=False,
        ),
    ],
    store: Annotated[
        str, typer.Option(metavar="PATH", help="The cube: a folder, or s3://BUCKET/PREFIX. Made when it is not there.")
    ],
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
    band_order: Annotated[
        str,
        typer.Option(metavar="B02,B03,...", help="Order of the bands inside GeoTIFFs that hold several."),
    ] = "",
    level: Annotated[
        Level | None,
        typer.Option(help="Level of the optical products; default: L2A where there is any."),
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(metavar="FILE", help="List of named sources of your own, as greattit's sources.yaml.")
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
    from greattit.cube.ingest import Job, check_place, plan

    with Refuse():
        wanted = bands_of(bands)
        where = area_of(bbox, area)
        span = span_of_source(source, sources, first, last)
        url = address(store)
        check_place(url)
        from greattit.tiles import Options, open_source
        from greattit.tiles.signing import Signer

        order = tuple(part.strip() for part in band_order.split(",") if part.strip())
        options = Options(pattern=pattern, level=level and level.value, bands=order, sources=sources)
        sensors = ("s2", "s1") if radar else ("s2",)
        catalogue = open_source(source, area=where, since=span[0], until=span[1], sensors=sensors, options=options)
        signer = Signer(lambda: datetime.now(UTC))
        work = plan(catalogue, url, area=where, bands=wanted, signer=signer)
        if not as_json:
            _print_plan(catalogue, work, where, dry_run=dry_run)
        if dry_run:
            if as_json:
                typer.echo(json.dumps(_plan_json(catalogue, work)))
            return
        job = Job(workers=workers, wait_s=wait, now=datetime.now(UTC), signer=signer)
        done = _run(catalogue, url, where, wanted, job, work, quiet=as_json or not work.tasks)
        if as_json:
            typer.echo(json.dumps({**asdict(done), "warnings": list(catalogue.warnings)}))
        else:
            _print_done(done, url, len(catalogue.warnings))
        if done.missing:
            raise typer.Exit(INCOMPLETE)


def _print_plan(catalogue: Catalogue, work: Plan, where: BaseGeometry | None, *, dry_run: bool) -> None:
    for warning in catalogue.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    if not work.tasks:
        if dry_run:
            typer.echo(f"nothing new: {work.there} looks are there")
        return
    area = "the area" if where is not None else "the source"
    typer.echo(
        f"{catalogue.title}: {len(work.tasks)} looks of {work.products} products to read, {work.there} there\n"
        f"{work.index.crs}, {area} of {_km2(catalogue, where):,.1f} km2 in {len(work.cells):,} cells of 1.28 km; "
        f"about {size(work.read_bytes)} to decode, up to {size(work.spool_bytes)} of temporary files, "
        f"about {size(work.read_bytes / 1.6)} in the cube"
    )


def _km2(catalogue: Catalogue, where: BaseGeometry | None) -> float:
    from pyproj import Geod
    from shapely.geometry import box

    shape = box(*catalogue.bounds) if where is None else where
    return abs(float(Geod(ellps="WGS84").geometry_area_perimeter(shape)[0])) / 1e6


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
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from greattit.cube.ingest import ingest as bring

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    shown = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet)
    task = shown.add_task("reading", total=work.read_bytes)

    def progress(done: int, what: str) -> None:
        shown.update(task, advance=done, description=what)

    try:
        with shown:
            done = bring(catalogue, url, area=where, bands=bands, job=replace(job, progress=progress))
            read = max(shown.tasks[0].completed, 1)
            shown.update(task, completed=read, total=read, description="done")
    except KeyboardInterrupt as error:
        typer.secho(_stopped(url), fg="yellow", err=True)
        raise typer.Exit(STOPPED) from error
    return done


def _stopped(url: str) -> str:
    from greattit.cube.store import is_cube, open_cube

    looks = len(open_cube(url).index.passes) if is_cube(url) else 0
    return f"stopped; {looks} looks are in {url}; run the same command again"


def _print_done(done: Ingested, url: str, warnings: int) -> None:
    for text in done.refused:
        typer.secho(f"left out: {text}", fg="yellow", err=True)
    for text in done.missing:
        typer.secho(f"missing: {text}", fg="red", err=True)
    what = f"{done.added} looks added or renewed, {done.there} were there"
    if not (done.added or done.missing):
        what = f"nothing new: {done.there} looks are there"
    typer.echo(f"{what}; snapshot {done.snapshot or 'none'} of {url}")
    parts = [f"{len(done.refused)} products or looks were left out"] if done.refused else []
    parts += [f"{warnings} warnings about the source"] if warnings else []
    if parts:
        typer.secho(f"{' and '.join(parts)}, see above", fg="yellow", err=True)
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
        from rich.console import Console
        from rich.progress import Progress

        from greattit.cube import show
        from greattit.cube.check import check as look
        from greattit.cube.store import open_cube

        store = open_cube(address(cube), as_of=as_of)
        with Progress(console=Console(stderr=True), disable=as_json) as bar:
            task = bar.add_task("chunks", total=None)
            found = look(store, lambda done, total: bar.update(task, completed=done, total=total))
        if as_json:
            typer.echo(json.dumps({"snapshot": store.snapshot, "whole": not found.problems, **asdict(found)}))
        else:
            typer.secho(show.check_text(found), fg="red" if found.problems else None)
        if found.problems:
            raise typer.Exit(1)


@cube_app.command()
def picture(
    cube: Cube,
    day: Annotated[datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="Day of the look.")],
    bands: Annotated[str, typer.Option(help="Three bands as red, green, blue, or one as grey.")] = "B04,B03,B02",
    out: Annotated[
        Path | None, typer.Option(help="PNG to write, or a folder for it; default: DAY_BANDS.png here.")
    ] = None,
    as_of: AsOf = None,
) -> None:
    """Draw one look of a cube."""
    with Refuse():
        from greattit.cube.picture import picture as draw
        from greattit.cube.store import open_cube
        from greattit.errors import CubeError
        from greattit.types import SAR

        names = [part.strip().upper() for part in bands.split(",") if part.strip()]
        store = open_cube(address(cube), as_of=as_of)
        if set(names) & set(SAR) and not store.index.of("s1"):
            raise CubeError("holds no Sentinel-1", subject=store.url, remedy="ingest it with `greattit ingest --s1`")
        target = picture_file(out, day.date(), names)
        typer.echo(f"wrote {draw(store, day.date(), target, bands=names)}")


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
        span = span_of(first, last, (stack.first_day, stack.last_day))
        cube = clouds.refine(read_window(stack, one.geometry, since=span[0], until=span[1]))
        found = filled.fill(looks.gather(plots.cut(one, cube), cube), step_days=step)
        typer.echo(course.course_lines(found))
        if out:
            made = course.write_course(found, out, title=f"plot {one.id}")
            typer.echo(f"wrote {made[0]} and {made[1]}")
