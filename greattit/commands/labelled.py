"""`greattit label`: one's own labelled parcels become a data set that `greattit train` and `evaluate` take."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greattit.commands.shared import AsOf, Json, Refuse, Tiles, address

if TYPE_CHECKING:
    from greattit.crops.parcels import Labelled

SHOWN = 8
"""Parcels left out that a terminal shows; all stand in about.json."""


class Unknown(StrEnum):
    """What is done with a parcel whose label is unknown."""

    FAIL = "fail"
    LEAVE_OUT = "leave-out"


def label(
    tiles: Tiles,
    parcels: Annotated[Path, typer.Option(help="File of parcels: GeoJSON, GeoParquet, GeoPackage or Shapefile.")],
    crop_column: Annotated[str, typer.Option(metavar="NAME", help="Column with the crop of each parcel.")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the season.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of the season, included.")],
    out: Annotated[Path, typer.Option(help="Folder for samples.parquet, series.parquet and about.json.")],
    legend: Annotated[
        str, typer.Option(help="What the labels are: house, hcat, worldcereal, icc, or a CSV file.")
    ] = "house",
    unknown: Annotated[Unknown, typer.Option(help="What to do with labels that are not in the legend.")] = Unknown.FAIL,
    id_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column with a unique id; default: the feature's own id.")
    ] = None,
    yield_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column with measured yields in kg/ha, for `evaluate yield`.")
    ] = None,
    block_km: Annotated[
        float, typer.Option(min=0.1, max=1000, help="Side in km of the blocks that keep neighbours in one fold.")
    ] = 10.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    drawn: Annotated[bool, typer.Option("--drawn", help="The parcels were drawn by fingers, not surveyed.")] = False,
    as_of: AsOf = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier data set in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Make a labelled data set of your own parcels, each seen as an appraisal sees it.

    Every look is written, with the share of the parcel that was clear. With --from on 1 January a series is exactly
    the one that an appraisal on the day of --to rests on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Refuse():
        from greattit.crops import parcels as room
        from greattit.plots.drawing import SLOPPY, SURVEYED

        columns = TextColumn("parcels"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True), disable=as_json) as bar:
            task = bar.add_task("parcels", total=None)
            done = room.label(
                address(tiles),
                parcels,
                out,
                crop_column=crop_column,
                since=first.date(),
                until=last.date(),
                legend=legend,
                unknown=unknown.value,
                id_column=id_column,
                yield_column=yield_column,
                block_km=block_km,
                drawing=SLOPPY if drawn else SURVEYED,
                workers=workers,
                as_of=as_of,
                overwrite=overwrite,
                progress=lambda count, total: bar.update(task, completed=count, total=total),
            )
        if as_json:
            typer.echo(json.dumps(asdict(done) | {"folder": str(done.folder)}, ensure_ascii=False))
        else:
            _print(done, block_km)


def _print(done: Labelled, block_km: float) -> None:
    from greattit.crops.parcels import LEAST_GROUPS

    if done.simulated:
        typer.secho("These tiles are simulated: no real place, no real field.", fg="magenta")
    unknown = sum(name is None for name in done.labels.values())
    left = ", ".join(f"{reason} {count}" for reason, count in done.reasons.items())
    crops = ", ".join(f"{crop} {count}" for crop, count in done.crops.items())
    translated = len(done.labels) - unknown - len(done.coarser)
    typer.echo(f"parcels   {done.parcels}")
    typer.echo(f"written   {done.samples} samples with {done.looks} looks: {crops}")
    typer.echo(f"left out  {len(done.left_out)}{f': {left}' if left else ''}")
    typer.echo(f"labels    {translated} translated, {len(done.coarser)} taken coarser, {unknown} unknown")
    typer.echo(f"groups    {done.groups} blocks of {block_km:g} km")
    for one in done.left_out[:SHOWN]:
        typer.secho(f"left out: {one.id}: {one.why}", fg="yellow", err=True)
    if len(done.left_out) > SHOWN:
        typer.secho(f"... and {len(done.left_out) - SHOWN} more, in {done.folder}/about.json", fg="yellow", err=True)
    for warning in done.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    if done.groups < LEAST_GROUPS:
        what = f"with {done.groups} groups, fewer than {LEAST_GROUPS}, the set cannot be split honestly"
        typer.secho(
            f"warning: {what}: bring parcels of more places, or choose a smaller --block-km", fg="yellow", err=True
        )
    typer.echo(f"wrote {done.folder}")
