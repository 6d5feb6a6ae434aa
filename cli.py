"""The command line of Great Tit. Thin: each command opens, calls one verb and prints; heavy imports stand inside."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from greattit.types import Appraisal

app = typer.Typer(
    help="Satellite crop credit: from tiles and a drawn plot to a credit line that can be rebuilt with a pencil.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train a model again from labelled data.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure a model or the whole walk on labelled data.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")

Tiles = Annotated[
    Path, typer.Argument(help="Folder of a static STAC catalogue of per-band GeoTIFFs.", show_default=False)
]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Nothing seen or decided after this day is used.")]
OptionalDay = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the appraisal; default: the last look.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else (a list for a file of several plots).")]
DataRoot = Annotated[
    Path, typer.Option("--data", help="Folder that holds series/NAME/ (samples.parquet, series.parquet).")
]


SOURCE_WIDTH = 78
"""Characters of a source that a terminal shows."""


class _Refuse:
    """Turns the errors of greattit into one clear line and exit code 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        from greattit.errors import GreatTitError

        if isinstance(error, OSError) and error.filename:
            error = GreatTitError(str(error.strerror), subject=str(error.filename), remedy="name another place")
        if isinstance(error, GreatTitError):
            typer.secho(f"greattit: {error}", err=True, fg=typer.colors.RED)
            raise typer.Exit(2) from error


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
    line, seen = appraisal.line, appraisal.segment.area_ha
    if line.refused:
        typer.secho(
            f"\nNo line for plot {appraisal.plot.id} on {appraisal.day}: {line.refused}", bold=True, fg="yellow"
        )
    else:
        head = f"\nCredit line for plot {appraisal.plot.id}: {line.limit} {line.currency}, to repay by {line.due}"
        typer.secho(f"{head} (bound by: {line.rule})", bold=True, fg="green")
    typer.echo(
        f"  drawn {appraisal.plot.area_ha:.2f} ha ({appraisal.plot.area_mu:.1f} mu), measured {seen.p50:.2f} ha "
        f"({seen.p10:.2f} to {seen.p90:.2f})"
    )
    for reason in line.reasons:
        typer.echo(f"  [{reason.effect:>7}] {reason.text}")
    typer.echo("\n  How it was built up")
    for figure in (*(appraisal.worth.figures if appraisal.worth else ()), *line.figures):
        source = figure.source if len(figure.source) <= SOURCE_WIDTH else figure.source[:SOURCE_WIDTH] + "..."
        typer.echo(f"    {figure.name:26s} {_short(figure.value):>12} {figure.unit:7s} {source}")
    typer.echo("    (sources in full with --json, and on the page that --out writes)")
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
    out: Annotated[Path | None, typer.Option(help="Write appraisal.png, .html and .json into this folder.")] = None,
    as_json: Json = False,
    live_debt: Annotated[str, typer.Option(help="What the plot already carries, in the region's currency.")] = "0",
    region: Annotated[
        str | None, typer.Option(help="Region of policy/regions.yaml, instead of the place found.")
    ] = None,
    surveyed: Annotated[
        bool, typer.Option("--surveyed", help="The plot comes from a land register, not a finger.")
    ] = False,
    timing: Annotated[bool, typer.Option("--timing", help="Print how long each room took, warm.")] = False,
) -> None:
    """Appraise each drawn plot of a file: the line, its reasons, and how it was built up."""
    import time

    with _Refuse():
        from greattit import appraisal, plots
        from greattit.plots.drawing import SLOPPY, SURVEYED
        from greattit.plots.overlap import claimed_twice
        from greattit.tiles import open_catalogue

        debt = _money(live_debt)
        catalogue = open_catalogue(tiles)
        when = day.date() if day else catalogue.last_day
        drawn = plots.load(plot, near=catalogue.bounds)
        for twice in claimed_twice(drawn).values():
            raise twice
        found = []
        for one in drawn:
            cube = appraisal.season(catalogue, one, when)
            options: dict[str, Any] = {"live_debt": debt, "region": region, "drawing": SURVEYED if surveyed else SLOPPY}
            result = appraisal.appraise(cube, one, when, **options)
            if timing:
                result = appraisal.appraise(catalogue, one, when, clock=time.perf_counter, **options)
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
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    drawn: Annotated[bool, typer.Option("--drawn", help="The parcels were drawn by fingers, not surveyed.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run's folder.")] = False,
) -> None:
    """Appraise every parcel of a file: GeoParquet, CSV and a one-page summary with a map."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with _Refuse():
        from greattit import county as room
        from greattit.plots.drawing import SLOPPY, SURVEYED
        from greattit.tiles import open_catalogue

        when = day.date() if day else open_catalogue(tiles).last_day
        with Progress(TextColumn("parcels"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
            task = bar.add_task("parcels", total=None)
            options: dict[str, Any] = {"drawing": SLOPPY if drawn else SURVEYED, "overwrite": overwrite}
            options["progress"] = lambda done, total: bar.update(task, completed=done, total=total)
            found = room.appraise_all(tiles, parcels, when, out, workers=workers, **options)
        money = ", ".join(f"{amount} {currency}" for currency, amount in found.lines.items()) or "none"
        typer.echo(f"{found.parcels} parcels: {found.decided} with a line ({money} in all), refused: {found.refused}")
        typer.echo(f"wrote {found.html}, {found.parquet} and {found.csv}")


@app.command()
def serve(
    tiles: Annotated[Path | None, typer.Argument(help="Catalogue folder; default: the sample tiles.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Default: the last look; on the sample tiles 2023-08-20."),
    ] = None,
) -> None:
    """Serve the farmer's page: a map on which a field is circled and its line appears."""
    import uvicorn

    with _Refuse():
        from greattit import shipped
        from greattit.web import create_app

        sample = shipped.path("data/sample_tiles")
        when: date | None = day.date() if day else (date(2023, 8, 20) if tiles is None else None)
        page = create_app(tiles or sample, day=when)
        typer.echo(f"Great Tit listens on http://{host}:{port}/ (stop with Ctrl-C)")
        uvicorn.run(page, host=host, port=port, log_level="warning")


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the catalogue into; it must not exist yet.")],
    seed: Annotated[int | None, typer.Option(help="Same seed, same county; default: the recipe's own.")] = None,
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe that travels with greattit, or a YAML file.")
    ] = "sample",
) -> None:
    """Grow a county with made truth: tiles, fields, clouds and yields. Needs the development tool prosail."""
    with _Refuse():
        from greattit.simulate import grow_county

        typer.echo(f"wrote {grow_county(recipe, seed, out)}")


@train_app.command("crops")
def train_crops(
    data: DataRoot = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/crops"),
) -> None:
    """Train the crop network on the real series whose licence lets the weights ship."""
    with _Refuse():
        from greattit.crops.train import train

        train(data / "series", out)
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")


@train_app.command("vigour")
def train_vigour(
    data: DataRoot = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Folder for card.yaml.")] = Path("models/vigour"),
) -> None:
    """Learn how green a normal field of each crop gets."""
    with _Refuse():
        from greattit.growth import learn_reference

        typer.echo(f"wrote {learn_reference(data, out)}")


@evaluate_app.command("crops")
def evaluate_crops(
    dataset: Annotated[Path, typer.Argument(help="Folder with samples.parquet and series.parquet.")],
    as_json: Json = False,
) -> None:
    """Score the crop model on a labelled data set."""
    with _Refuse():
        from greattit.crops import evaluate

        figures = evaluate.evaluate(dataset)
        typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else evaluate.table(figures))


@evaluate_app.command("walk")
def evaluate_walk(
    catalogue: Tiles,
    as_json: Json = False,
    day: OptionalDay = None,
    drawings: Annotated[int, typer.Option(min=1, help="Sloppy drawings of each parcel.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the drawings.")] = 0,
) -> None:
    """Walk every labelled parcel of a catalogue, as given and as drawn sloppily, and compare."""
    with _Refuse():
        from greattit import evaluate

        figures = evaluate.walk(catalogue, day=day.date() if day else None, drawings=drawings, seed=seed)
        typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else evaluate.as_table(figures))


if __name__ == "__main__":
    app()
