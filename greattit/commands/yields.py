"""`greattit yield` and `greattit evaluate yield`: what comes off a field, and how well that is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greattit.commands.shared import AsOf, CropName, Json, OptionalDay, PlotFile, Refuse, Surveyed, Tiles, address

if TYPE_CHECKING:
    from greattit.outlook import Outlook
    from greattit.types import Interval


def yield_(
    tiles: Tiles,
    plot: PlotFile,
    day: OptionalDay = None,
    crop: CropName = None,
    region: Annotated[
        str | None, typer.Option(help="Region of policy/regions.yaml, instead of the place found.")
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="Price book of your own (CSV or YAML): crop, region, day, price, currency, source."),
    ] = None,
    grade: Annotated[str, typer.Option(help="Grade of the price book.")] = "",
    model: Annotated[
        Path | None, typer.Option(help="Folder of `train yields`: told from measured yields, not from the table.")
    ] = None,
    weather: Annotated[
        Path | None, typer.Option(help="Daily weather (CSV, parquet, JSON): an estimate by light and water beside it.")
    ] = None,
    sown: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Day of sowing: with weather of other years a crop model stands beside."
        ),
    ] = None,
    irrigated: Annotated[bool, typer.Option("--irrigated", help="The crop model waters the field.")] = False,
    as_of: AsOf = None,
    as_json: Json = False,
    surveyed: Surveyed = False,
) -> None:
    """Say what each plot will give and what that is worth: p10, p50 and p90, with the figures they rest on."""
    with Refuse():
        from greattit import outlook, plots, value
        from greattit.cube import open_stack
        from greattit.plots.drawing import SLOPPY, SURVEYED
        from greattit.weather import read
        from greattit.yields import local

        stack = open_stack(address(tiles), as_of=as_of)
        when = day.date() if day else stack.last_day
        book = value.read_book(prices) if prices else None
        sky = read(weather) if weather else None
        own = local.load(model) if model else None
        found = []
        for one in plots.load(plot, near=stack.bounds):
            told = outlook.look_ahead(
                stack,
                one,
                when,
                crop=crop,
                region=region,
                book=book,
                grade=grade,
                weather=sky,
                model=own,
                sown=sown.date() if sown else None,
                irrigated=irrigated,
                drawing=SURVEYED if surveyed else SLOPPY,
            )
            found.append(outlook.as_dict(told))
            if not as_json:
                _print(told)
        if as_json:
            typer.echo(json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False))


def _print(told: Outlook) -> None:
    from greattit.report import words

    if told.simulated:
        typer.secho("These tiles are simulated: no real place, no real field.", fg="magenta")
    crop = (told.call.crop or "crop not known").replace("_", " ")
    typer.secho(f"\nPlot {told.plot.id} on {told.day}: {crop} ({told.crop_from})", bold=True)
    typer.echo(f"  measured {words.area(told.segment.area_ha.p50)}")
    for one in told.yields:
        typer.echo(f"  {one.crop.replace('_', ' '):20s} {_interval(one.kg_ha)}")
        typer.echo(f"    {one.basis}")
    if told.worth:
        least = ", the least of the crops that cannot be ruled out" if len(told.yields) > 1 else ""
        typer.echo(
            f"  worth of the plot    {_interval(told.worth.money)}  as {told.worth.crop.replace('_', ' ')}{least}"
        )
        for figure in told.worth.figures:
            if figure.name in ("price", "price risk", "yield price correlation", "area spread", "yield spread"):
                typer.echo(f"    {figure.name:24s} {float(figure.value):10.4g} {figure.unit:8s} {figure.source[:110]}")
    for beside in told.beside:
        amount = "" if beside.kg_ha != beside.kg_ha else f"{beside.kg_ha:,.0f} kg/ha; "
        if beside.spread is not None:
            amount = f"{_interval(beside.spread)}; "
        typer.echo(f"  beside it, {beside.method}: {amount}{beside.basis}")
    for reason in told.missing:
        typer.secho(f"  {reason}", fg="yellow")
    for warning in told.warnings:
        typer.secho(f"  warning: {warning}", fg="yellow", err=True)


def _interval(one: Interval) -> str:
    return f"p10 {one.p10:>10,.0f}   p50 {one.p50:>10,.0f}   p90 {one.p90:>10,.0f} {one.unit}"


def evaluate_yield(
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET_DIR...",
            help="Folders of fields (samples.parquet with yield_kg_ha, series.parquet) or of statistics (a CSV).",
            show_default=False,
        ),
    ],
    train_on: Annotated[
        Path | None,
        typer.Option(
            "--train-on", metavar="OTHER_DIR", help="Learn from this folder, tell DATASET_DIR.", show_default=False
        ),
    ] = None,
    card: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the gate's card.yaml into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how well yields are told of unseen places and years, by naive and by learned methods, with intervals.

    Places, and years, are left out whole. The chain uses a naive estimate
    unless another is surely nearer on both. With several folders the JSON
    is a list.
    """
    from rich.progress import Progress

    with Refuse():
        from greattit import yields
        from greattit.onethread import one_thread
        from greattit.yields import gate

        reports = []
        for folder in datasets:
            with one_thread(), Progress(disable=as_json, transient=True) as bar:
                reports.append(yields.evaluate(folder, train_on=train_on, progress=_progress(bar, folder.name)))
            if not as_json:
                typer.echo(yields.as_table(reports[-1]) + "\n")
        if as_json:
            typer.echo(json.dumps(reports[0] if len(reports) == 1 else reports, ensure_ascii=False))
        if card:
            typer.echo(f"wrote {gate.write(reports, card)}", err=as_json)


def _progress(bar: Any, name: str) -> Callable[[str, int, int], None]:
    task = bar.add_task(name, total=None)

    def told(split: str, done: int, total: int) -> None:
        bar.update(task, completed=done, total=total, description=f"{name}, {split}")

    return told


def train_yields(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET_DIR", help="Folder of fields: samples.parquet with yield_kg_ha.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the model: the harvests and a card.")],
) -> None:
    """Fit a model to your own measured yields, for `greattit yield --model`; it stays on this machine.

    It tells by their mean, with intervals from unseen places, unless
    another method was surely nearer on unseen places and later years.
    """
    with Refuse():
        from greattit.onethread import one_thread
        from greattit.yields import local

        with one_thread():
            card = local.fit(dataset, out)
        typer.echo(f"tells by {card['method'].replace('_', ' ')}: {card['gate']['why']}")
        typer.echo(f"wrote {out}; it holds the harvests themselves: keep it where they may be")
