"""`greattit delineate`, `greattit train cut` and `greattit train fields`."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greattit.commands.asked import area_of
from greattit.commands.shared import AsOf, Json, Refuse, Tiles, address

if TYPE_CHECKING:
    from greattit.fields import Job, Written

Counties = Annotated[Path, typer.Option(help="Folder that keeps the made counties between runs.")]
Data = Annotated[Path, typer.Option("--data", help="Folder that holds chips/agrifieldnet-india and chips/india-tiles.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]


def delineate(
    tiles: Tiles,
    out: Annotated[Path, typer.Option(help="File to write: .parquet (fiboa) or .geojson.")],
    area: Annotated[Path | None, typer.Option(help="File with the area's polygons; default: all of the tiles.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; default: a year before --to.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; default: the last look.")
    ] = None,
    as_of: AsOf = None,
    collection: Annotated[str, typer.Option(help="Name of the collection; default: that of the file.")] = "",
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Find every field of an area: polygons without overlap, each with its confidence and area."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Refuse():
        from greattit import fields
        from greattit.cube import open_stack
        from greattit.fields.fiboa import check_name

        check_name(out)
        source = open_stack(address(tiles), as_of=as_of)
        where = area_of(None, area)
        if where is None:
            from shapely import box

            where = box(*source.bounds)
        until = last.date() if last else source.last_day
        since = first.date() if first else until - timedelta(days=365)
        job = fields.Job(address(tiles), where, since, until, as_of, workers)
        about = fields.About(collection or out.stem, min(until, source.last_day), _details(job))
        columns = TextColumn("squares of 3.84 km"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True), disable=as_json) as bar:
            task = bar.add_task("squares", total=None)
            done = fields.write(
                fields.delineate(job), out, about, lambda one: bar.update(task, completed=one.number, total=one.of)
            )
        _print(done, since, until, as_json)


def _details(job: Job) -> str:
    from greattit.fields.finder import load

    return f"greattit, model fields {load().sha256[:8]}, Sentinel-2 from {job.since} to {job.until}"


def _print(done: Written, since: date, until: date, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"path": str(done.path), "fields": done.fields, "hectares": round(done.hectares, 3)}))
        return
    typer.echo(
        f"{done.fields:,} fields, {done.hectares:,.1f} ha ({done.hectares * 15:,.0f} mu) in all, from the looks of "
        f"{since} to {until}\nwrote {done.path}"
    )


def train_cut(
    data: Data = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/cut"),
    counties: Counties = Path(".build/counties"),
    workers: Workers = 2,
) -> None:
    """Train the network that cuts a field out of a drawing. Needs the development tool prosail."""
    with Refuse():
        from greattit.plots.train import train

        train(data, out, counties=counties, workers=workers, say=typer.echo)
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")


def train_fields(
    data: Data = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/fields"),
    counties: Counties = Path(".build/counties"),
    workers: Workers = 2,
    extent_only: Annotated[
        bool, typer.Option("--extent-only", help="The peer: the same network without border and middle.")
    ] = False,
) -> None:
    """Train the network that finds every field. Needs the development tool prosail."""
    with Refuse():
        from dataclasses import replace

        from greattit.fields.train import FieldsConfig, train

        config = replace(FieldsConfig(), maps=1) if extent_only else FieldsConfig()
        train(data, out, config=config, counties=counties, workers=workers, say=typer.echo)
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")
