"""`greattit evaluate damage` and `greattit train damage`: how well damage is told, and its thresholds set again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from greattit.commands.shared import Json, Refuse

Counties = Annotated[Path, typer.Option(help="Folder that keeps the made counties between runs.")]
KEPT = Path(".build/damage")


def evaluate_damage(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH_OR_KIND",
            help="held-out or learn (made counties), a folder of flood chips, a catalogue with plots.geojson, or a "
            "data set with series.parquet.",
            show_default=False,
        ),
    ],
    as_json: Json = False,
    counties: Counties = KEPT,
    region: Annotated[str, typer.Option(help="Region of policy/calendar.yaml, for real seasons.")] = "",
    weather: Annotated[Path | None, typer.Option(help="Daily weather of a catalogue (.csv or .parquet).")] = None,
) -> None:
    """Measure how well damage is told: recall, false alarms, days, shares and confusion between causes."""
    with Refuse():
        report, lines = _measured(source, counties, region, weather)
        typer.echo(json.dumps(report, ensure_ascii=False) if as_json else lines)


def _measured(source: str, counties: Path, region: str, weather: Path | None) -> tuple[dict[str, Any], str]:
    from greattit.damage import chip, made, measure, real
    from greattit.damage.card import served
    from greattit.errors import DatasetError

    folder = Path(source)
    if source in made.RECIPES:
        if not counties.is_dir() or not any(counties.iterdir()):
            typer.echo(f"growing the made counties into {counties}: once, some minutes", err=True)
        report = measure.made_counties(source, counties, served().levels)
        return report, measure.table(report)
    if chip.is_chip(folder):
        report = chip.evaluate(folder)
        return report, chip.table(report)
    if (folder / "series.parquet").is_file():
        report = real.of_series(folder, region=region)
        return report, real.table(report)
    if (folder / "catalog.json").is_file():
        from greattit.weather import read

        report = real.of_stack(folder, region=region, weather=read(weather) if weather else None)
        return report, real.table(report)
    raise DatasetError(
        "nothing here can be measured",
        subject=source,
        remedy=f"say {' or '.join(made.RECIPES)}, or name a folder of chips, a catalogue or a data set",
    )


def train_damage(
    out: Annotated[Path, typer.Option(help="Folder for card.yaml.")] = Path("models/damage"),
    counties: Counties = KEPT,
) -> None:
    """Set the thresholds of damage again on made counties, and measure them on others. May need prosail."""
    with Refuse():
        from greattit.damage.learn import learn

        typer.echo(f"wrote {learn(counties, out, say=lambda line: typer.echo(line, err=True))}")
