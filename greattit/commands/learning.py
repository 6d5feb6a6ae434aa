"""`greattit train ...`, `evaluate ...` and `simulate`: models made again, and everything measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Json, OptionalDay, Refuse, Tiles, address

train_app = typer.Typer(help="Train a model again from labelled data.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure a model or the whole walk on labelled data.", no_args_is_help=True)

DataRoot = Annotated[
    Path, typer.Option("--data", help="Folder that holds series/NAME/ (samples.parquet, series.parquet).")
]


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the catalogue into; it must not exist yet.")],
    seed: Annotated[int | None, typer.Option(help="Same seed, same county; default: the recipe's own.")] = None,
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe that travels with greattit, or a YAML file.")
    ] = "sample",
) -> None:
    """Grow a county with made truth: tiles, fields, clouds and yields. Needs the development tool prosail."""
    with Refuse():
        from greattit.simulate import grow_county

        typer.echo(f"wrote {grow_county(recipe, seed, out)}")


@train_app.command("crops")
def train_crops(
    data: DataRoot = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/crops"),
    recipe: Annotated[
        Path | None, typer.Option(help="YAML of sets and settings, as recipes/crops.yaml; default: just that.")
    ] = None,
) -> None:
    """Train the crop network on the real series whose licence lets the weights ship."""
    with Refuse():
        from greattit.crops.samples import read_recipe
        from greattit.crops.train import train

        train(data / "series", out, config=read_recipe(recipe) if recipe else None)
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")


@train_app.command("vigour")
def train_vigour(
    data: DataRoot = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Folder for card.yaml.")] = Path("models/vigour"),
) -> None:
    """Learn how green a normal field of each crop gets."""
    with Refuse():
        from greattit.growth import learn_reference

        typer.echo(f"wrote {learn_reference(data, out)}")


@evaluate_app.command("crops")
def evaluate_crops(
    dataset: Annotated[Path, typer.Argument(help="Folder with samples.parquet and series.parquet.")],
    as_json: Json = False,
    model: Annotated[Path | None, typer.Option(help="Model folder; default: the one that serves.")] = None,
    train_on: Annotated[
        Path | None,
        typer.Option(
            "--train-on",
            help="Fit a model to the labelled samples of this folder first; the same folder: out of fold.",
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=4, help="Fit to so many samples of --train-on only.")] = None,
    day_of_season: Annotated[
        int | None,
        typer.Option("--day-of-season", min=1, help="See each season up to this day only; day 1 is its start."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="What is left out whole and drawn for intervals: group, year or country.")
    ] = "group",
    seed: Annotated[int, typer.Option(help="Of what is drawn in fitting.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the folds.")] = 2,
) -> None:
    """Score a crop model on a labelled data set, as it is or after fitting it to other samples."""
    with Refuse():
        from greattit.crops import evaluate

        figures = evaluate.evaluate(
            dataset,
            model=model,
            train_on=train_on,
            shots=shots,
            day_of_season=day_of_season,
            by=by,
            seed=seed,
            workers=workers,
        )
        typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else evaluate.table(figures))


def adapt(
    dataset: Annotated[Path, typer.Argument(help="Labelled parcels: a folder with samples.parquet, series.parquet.")],
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")],
    shots: Annotated[int | None, typer.Option(min=4, help="Use so many of the samples only.")] = None,
    licence: Annotated[str, typer.Option(help="Of the labels and values, for the card.")] = "",
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the folds.")] = 2,
) -> None:
    """Fit a crop model to the labelled parcels of one place, calibrated on places that it did not see."""
    with Refuse():
        from greattit.crops import adapt as room
        from greattit.crops import dataset as sets
        from greattit.crops import lessons

        data = sets.read(dataset)
        if shots is not None:
            data = lessons.draw(data, shots, seed)
        card = room.save(room.adapt(data, seed=seed, workers=workers, licence=licence), out)
        figure = card["figures"][data.name]
        typer.echo(
            f"{figure['samples']} samples of {len(card['classes'])} crops: accuracy {figure['accuracy']} on places it "
            f"did not see (commonest crop {figure['majority']}), macro F1 {figure['macro_f1']}"
        )
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")


@evaluate_app.command("walk")
def evaluate_walk(
    tiles: Tiles,
    as_json: Json = False,
    day: OptionalDay = None,
    plots: Annotated[
        Path | None, typer.Option(help="Parcels with the property crop; default: plots.geojson of the folder.")
    ] = None,
    drawings: Annotated[int, typer.Option(min=1, help="Sloppy drawings of each parcel.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the drawings.")] = 0,
) -> None:
    """Walk every labelled parcel of a catalogue, as given and as drawn sloppily, and compare."""
    with Refuse():
        from greattit import evaluate

        figures = evaluate.walk(
            address(tiles), parcels_file=plots, day=day.date() if day else None, drawings=drawings, seed=seed
        )
        typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else evaluate.as_table(figures))


@evaluate_app.command("series")
def evaluate_series(
    datasets: Annotated[list[Path], typer.Argument(help="Folders with samples.parquet and series.parquet.")],
    plots: Annotated[int, typer.Option(min=1, help="Plots drawn of each set.")] = 60,
    as_json: Json = False,
) -> None:
    """Hide looks of real seasons and measure how well each method tells them, and its intervals."""
    with Refuse():
        from greattit import filled
        from greattit.crops import dataset

        found = []
        for folder in datasets:
            data = dataset.read(folder)
            many = [data.series(number) for number in range(len(data))]
            found.append(filled.evaluate(many, name=data.name, plots=plots))
        typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(map(filled.table, found)))


@evaluate_app.command("clouds")
def evaluate_clouds(
    catalogues: Annotated[list[Path], typer.Argument(help="Folders of static STAC catalogues; made truth is used.")],
    as_json: Json = False,
) -> None:
    """Compare the cloud masks: plain SCL, ukis-csmask where installed, detector, network, combination."""
    with Refuse():
        from greattit import clouds

        found = [clouds.evaluate(folder) for folder in catalogues]
        typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n\n".join(map(clouds.table, found)))


@train_app.command("clouds")
def train_clouds(
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/clouds"),
) -> None:
    """Train the cloud network on made seasons. Needs the development tool prosail."""
    with Refuse():
        from greattit.clouds.train import train

        train(out)
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")
