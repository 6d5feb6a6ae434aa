"""The command line of Great Tit. Thin: each command opens, calls one verb and prints; heavy imports stand inside."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greattit.commands import (
    canopy,
    claims,
    cropmodel,
    damage,
    fields,
    growth,
    labelled,
    learning,
    patches,
    peers,
    plots,
    plotscores,
    registry,
    satellite,
    serving,
    yields,
)
from greattit.commands.shared import AsOf, Json, OptionalDay, Refuse, Surveyed, Tiles, address

if TYPE_CHECKING:
    from greattit.types import Appraisal

app = typer.Typer(
    help="Satellite crop credit: from tiles and a drawn plot to a credit line that can be rebuilt with a pencil.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

SOURCE_WIDTH = 78
"""Characters of a source that a terminal shows."""


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"{text!r} is not an amount of money; write e.g. 1200 or 1200.50")
    return amount


def _short(value: float | str) -> str:
    """A figure with four digits, money with two decimals; whole in --json."""
    try:
        number = float(value)
    except ValueError:
        return str(value)
    return f"{number:,.2f}" if abs(number) >= 100 else f"{number:.4g}"


def _print_line(appraisal: Appraisal) -> None:
    from greattit.report import words

    line, segment = appraisal.line, appraisal.segment
    if line.refused:
        typer.secho(
            f"\nNo line for plot {appraisal.plot.id} on {appraisal.day}: {line.refused}", bold=True, fg="yellow"
        )
    else:
        head = f"\nCredit line for plot {appraisal.plot.id}: {line.limit} {line.currency}, to repay by {line.due}"
        typer.secho(f"{head} (bound by: {line.rule})", bold=True, fg="green")
    typer.echo(f"  drawn {words.area(appraisal.plot.area_ha)}, measured {words.area(segment.area_ha.p50)}")
    typer.echo(f"  {words.sure(segment)}")
    if segment.parts:
        typer.echo(f"  the drawing holds {len(segment.parts)} fields:")
    for one in words.held(segment):
        typer.echo(f"    {one.number}: {one.share} of it, {one.area}, {one.between}; {one.confidence} sure it is one")
    for reason in line.reasons:
        typer.echo(f"  [{reason.effect:>7}] {reason.text}")
    figures = (*(appraisal.worth.figures if appraisal.worth else ()), *line.figures)
    if figures:
        typer.echo("\n  How it was built up")
    for figure in figures:
        source = figure.source if len(figure.source) <= SOURCE_WIDTH else figure.source[:SOURCE_WIDTH] + "..."
        typer.echo(f"    {figure.name:26s} {_short(figure.value):>12} {figure.unit:7s} {source}")
    if figures:
        typer.echo("    (sources in full with --json, and on the page that --out writes)")
    if appraisal.made_with.snapshot:
        typer.echo(f"\n  Made from snapshot {appraisal.made_with.snapshot}")
    for warning in appraisal.warnings:
        typer.secho(f"  warning: {warning}", fg="yellow", err=True)


def _print_timing(seconds: dict[str, float]) -> None:
    total = sum(seconds.values())
    typer.echo(
        "\n  Time spent" + "".join(f"\n    {room:8s} {s * 1e3:8.1f} ms {s / total:6.1%}" for room, s in seconds.items())
    )


@app.command()
def appraise(
    tiles: Tiles,
    plot: Annotated[Path, typer.Option(help="GeoJSON (or GeoParquet, GeoPackage, Shapefile) with the drawn plot.")],
    day: OptionalDay = None,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Write appraisal.png, .html and .json into this folder.")] = None,
    as_json: Json = False,
    live_debt: Annotated[str, typer.Option(help="What the plot already carries, in the region's currency.")] = "0",
    region: Annotated[
        str | None, typer.Option(help="Region of policy/regions.yaml, instead of the place found.")
    ] = None,
    surveyed: Surveyed = False,
    timing: Annotated[bool, typer.Option("--timing", help="Print how long each room took, warm.")] = False,
) -> None:
    """Appraise each drawn plot of a file: the line, its reasons, and how it was built up."""
    import time

    with Refuse():
        from greattit import appraisal, plots
        from greattit.cube import open_stack
        from greattit.plots.drawing import SLOPPY, SURVEYED
        from greattit.plots.overlap import claimed_twice

        debt = _money(live_debt)
        stack = open_stack(address(tiles), as_of=as_of)
        when = day.date() if day else stack.last_day
        drawn = plots.load(plot, near=stack.bounds)
        for twice in claimed_twice(drawn).values():
            raise twice
        found = []
        for one in drawn:
            cube = appraisal.season(stack, one, when)
            options: dict[str, Any] = {"live_debt": debt, "region": region, "drawing": SURVEYED if surveyed else SLOPPY}
            result = appraisal.appraise(cube, one, when, **options)
            if timing:
                result = appraisal.appraise(stack, one, when, clock=time.perf_counter, **options)
            found.append(appraisal.as_dict(result))
            if not as_json:
                if cube.attrs["simulated"]:
                    typer.secho("These tiles are simulated: no real place, no real field.", fg="magenta")
                _print_line(result)
                if timing:
                    _print_timing(dict(result.timing))
            if out:
                from greattit import report

                made = report.draw(result, cube, out if len(drawn) == 1 else out / str(one.id), record=found[-1])
                typer.echo(f"\n  wrote {made.png}, {made.html} and {made.json}", err=as_json)
        if as_json:
            typer.echo(json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False))


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder for the picture and the page.")] = Path("demo")) -> None:
    """Appraise the demo plot on the sample tiles that travel with greattit."""
    from greattit import shipped

    tiles = shipped.path("data/sample_tiles")
    appraise(tiles, tiles / "demo_plot.geojson", datetime(2023, 8, 20), out=out, timing=True)


@app.command()
def county(
    tiles: Tiles,
    parcels: Annotated[Path, typer.Option(help="File of parcels: GeoJSON, GeoParquet, GeoPackage or Shapefile.")],
    out: Annotated[Path, typer.Option(help="Folder for plots.parquet, plots.csv and summary.html.")],
    day: OptionalDay = None,
    as_of: AsOf = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    drawn: Annotated[bool, typer.Option("--drawn", help="The parcels were drawn by fingers, not surveyed.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run's folder.")] = False,
) -> None:
    """Appraise every parcel of a file: GeoParquet, CSV and a one-page summary with a map."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Refuse():
        from greattit import county as room
        from greattit.cube import open_stack
        from greattit.plots.drawing import SLOPPY, SURVEYED

        when = day.date() if day else open_stack(address(tiles), as_of=as_of).last_day
        with Progress(TextColumn("parcels"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
            task = bar.add_task("parcels", total=None)
            options: dict[str, Any] = {"drawing": SLOPPY if drawn else SURVEYED, "overwrite": overwrite, "as_of": as_of}
            options["progress"] = lambda done, total: bar.update(task, completed=done, total=total)
            found = room.appraise_all(address(tiles), parcels, when, out, workers=workers, **options)
        money = ", ".join(f"{amount} {currency}" for currency, amount in found.lines.items()) or "none"
        typer.echo(f"{found.parcels} parcels: {found.decided} with a line ({money} in all), refused: {found.refused}")
        typer.echo(f"wrote {found.html}, {found.parquet} and {found.csv}")


@app.command()
def serve(
    tiles: Annotated[Path | None, typer.Argument(help="Catalogue folder or cube; default: the sample tiles.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Default: the last look; on the sample tiles 2023-08-20."),
    ] = None,
    as_of: AsOf = None,
) -> None:
    """Serve the farmer's page: a map on which a field is circled and its line appears."""
    import uvicorn

    with Refuse():
        from greattit import shipped
        from greattit.web import create_app

        sample = shipped.path("data/sample_tiles")
        when: date | None = day.date() if day else (date(2023, 8, 20) if tiles is None else None)
        page = create_app(address(tiles) if tiles else sample, day=when, as_of=as_of)
        typer.echo(f"Great Tit listens on http://{host}:{port}/ (stop with Ctrl-C)")
        uvicorn.run(page, host=host, port=port, log_level="warning")


app.command()(satellite.ingest)
app.add_typer(satellite.cube_app, name="cube")
app.command()(satellite.series)
app.command()(growth.growth)
app.command("yield")(yields.yield_)
app.command()(learning.simulate)
app.command()(labelled.label)
app.command()(learning.adapt)
app.command()(serving.explain)
registry.models_app.command("export-onnx")(serving.export_onnx)
app.command()(fields.delineate)
learning.train_app.command("cut")(fields.train_cut)
learning.train_app.command("fields")(fields.train_fields)
learning.train_app.command("canopy")(canopy.train_canopy)
learning.train_app.command("cropmodel")(cropmodel.train_cropmodel)
learning.evaluate_app.command("cropmodel")(cropmodel.evaluate_cropmodel)
learning.train_app.command("damage")(damage.train_damage)
learning.evaluate_app.command("damage")(damage.evaluate_damage)
learning.train_app.command("yields")(yields.train_yields)
learning.evaluate_app.command("growth")(growth.evaluate_growth)
learning.evaluate_app.command("yield")(yields.evaluate_yield)
learning.evaluate_app.command("plots")(plotscores.evaluate_plots)
learning.evaluate_app.command("patches")(patches.patches)
learning.evaluate_app.command("peers")(peers.evaluate_peers)
plots.plots_app.command("claims")(claims.claims)
app.add_typer(plots.plots_app, name="plots")
app.add_typer(registry.models_app, name="models")
app.add_typer(learning.train_app, name="train")
app.add_typer(learning.evaluate_app, name="evaluate")

if __name__ == "__main__":
    app()
