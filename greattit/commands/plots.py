"""`greattit plots ...`: what is wrong with a parcel file, before anything is appraised."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Json, Refuse

plots_app = typer.Typer(help="Look at parcel files before anything is appraised.", no_args_is_help=True)

Bbox = tuple[float, float, float, float]


@plots_app.callback()
def plots() -> None:
    """Look at parcel files before anything is appraised."""


@plots_app.command("check")
def check(
    file: Annotated[
        Path,
        typer.Argument(
            help="GeoParquet, GeoPackage, FlatGeobuf, Shapefile, GeoJSON or GeoJSONSeq.", show_default=False
        ),
    ],
    near: Annotated[
        str, typer.Option(metavar="W,S,E,N", help="Where the parcels should lie, in degrees; shows swapped ones.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write every finding with its row into this .csv or .parquet.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Examples of each kind that are shown.")] = 10,
    layer: Annotated[str, typer.Option(help="Layer of a GeoPackage; default: the first.")] = "",
    as_json: Json = False,
) -> None:
    """Say row by row what is wrong with a parcel file; exit code 1 when something must be put right, 2 when unreadable.

    Shapes that cannot be used, copies, overlaps, wrong places, areas that
    are stated wrong. The file is only read, in batches: a million parcels
    take a minute or two and under 1 GB.
    """
    from rich.console import Console

    area = _near(near)
    with Refuse():
        from greattit import parcelfile

        with Console(stderr=True).status(f"reading {file.name}") as status:
            report = parcelfile.check(
                file, near=area, layer=layer, progress=lambda rows: status.update(f"{rows:,} rows read")
            )
        if as_json:
            typer.echo(json.dumps(parcelfile.as_dict(report, limit=limit), ensure_ascii=False))
        else:
            typer.echo(parcelfile.as_text(report, limit=limit))
        if out:
            count = parcelfile.write(report, out)
            typer.echo(f"\nwrote {count:,} findings to {out}", err=as_json)
    if report.errors:
        raise typer.Exit(1)


def _near(text: str) -> Bbox | None:
    if not text:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = math.nan
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise typer.BadParameter(f"{text!r} is not west,south,east,north in degrees, e.g. 3.1,50.9,3.3,51.0")
    return west, south, east, north
