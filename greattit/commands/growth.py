"""`greattit growth` and `greattit evaluate growth`: how a season went, and how well that is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greattit.commands.shared import AsOf, CropName, Json, OptionalDay, PlotFile, Refuse, Surveyed, Tiles, address

if TYPE_CHECKING:
    from greattit.types import Plot


def growth(
    tiles: Tiles,
    plot: PlotFile,
    day: OptionalDay = None,
    crop: CropName = None,
    neighbours: Annotated[
        Path | None, typer.Option(help="Parcels with the property crop, to compare the plot with.")
    ] = None,
    weather: Annotated[
        Path | None, typer.Option(help="Daily weather (CSV or parquet): the stage by thermal time.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write growth.png into this folder.")] = None,
    as_of: AsOf = None,
    as_json: Json = False,
    surveyed: Surveyed = False,
) -> None:
    """Say how each plot's season went: start, peak and end with intervals, stage, vigour, damage."""
    with Refuse():
        from greattit import plots
        from greattit.cube import open_stack
        from greattit.growth.told import as_dict, tell
        from greattit.plots.drawing import SLOPPY, SURVEYED

        stack = open_stack(address(tiles), as_of=as_of)
        when = day.date() if day else stack.last_day
        around = _parcels(neighbours, stack) if neighbours else None
        sky = _weather(weather) if weather else None
        drawn = plots.load(plot, near=stack.bounds)
        found = []
        for one in drawn:
            told = tell(
                stack,
                one,
                when,
                crop=crop,
                neighbours=around,
                weather=sky,
                drawing=SURVEYED if surveyed else SLOPPY,
            )
            found.append(as_dict(told))
            if not as_json:
                _print(told)
            if out:
                from greattit.report.growth import write_growth

                made = write_growth(told, out if len(drawn) == 1 else out / str(one.id))
                typer.echo(f"  wrote {made}", err=as_json)
        if as_json:
            typer.echo(json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False))


def _parcels(file: Path, stack: Any) -> list[Plot]:
    """Return the usable parcels of a file; raise `DatasetError` when none has the property crop."""
    from greattit import plots
    from greattit.errors import DatasetError

    parcels, _ = plots.load_checked(file, near=stack.bounds)
    labelled = [one for one in parcels if one.properties.get("crop")]
    if not labelled:
        raise DatasetError("has no parcel with a crop", subject=str(file), remedy="give parcels the property crop")
    return labelled


def _weather(file: Path) -> Any:
    from greattit.weather import read

    return read(file)


def _print(told: Any) -> None:
    from greattit.report.growth import growth_lines

    if told.simulated:
        typer.secho("These tiles are simulated: no real place, no real field.", fg="magenta")
    first, *rest = growth_lines(told)
    typer.secho(first, bold=True)
    for line in rest:
        typer.echo(line)
    for warning in told.warnings:
        typer.secho(f"  warning: {warning}", fg="yellow", err=True)


def evaluate_growth(
    catalogue: Annotated[
        Path,
        typer.Argument(help="Catalogue folder or cube with plots.geojson, parcels with crops.", show_default=False),
    ],
    as_json: Json = False,
    plots: Annotated[
        Path | None, typer.Option(help="Parcels with the property crop; default: plots.geojson of the folder.")
    ] = None,
    year: Annotated[int | None, typer.Option(help="Year of the season; default: the last whole one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write growth-by-crop.png into this folder.")] = None,
) -> None:
    """Measure when each crop greens, peaks and ripens, and how far that is from the truth of made counties."""
    from rich.progress import Progress

    with Refuse():
        from greattit.growth import measure

        with Progress(disable=as_json, transient=True) as bar:
            task = bar.add_task("parcels", total=None)
            found = measure.measured(
                address(catalogue),
                parcels_file=plots,
                year=year,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        report = found.report
        typer.echo(json.dumps(report, ensure_ascii=False) if as_json else measure.table(report))
        if out:
            from greattit.report.crops import write_crops

            typer.echo(f"wrote {write_crops(found, out)}", err=as_json)
