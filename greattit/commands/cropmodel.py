"""`greattit train cropmodel` and `greattit evaluate cropmodel`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Json, Refuse

RunsFile = Annotated[
    Path, typer.Option(help="File that keeps AquaCrop's runs; made in about 15 minutes when it is not there yet.")
]
RUNS = Path(".build/cropmodel/runs.npz")


def train_cropmodel(
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/cropmodel"),
    runs: RunsFile = RUNS,
) -> None:
    """Train the fast surrogate of AquaCrop on runs over made weather. Needs the optional part cropmodel."""
    import time

    with Refuse():
        from greattit.cropmodel.measure import as_table
        from greattit.cropmodel.train import train

        card = train(out, runs=runs, clock=time.process_time, say=typer.echo)
        typer.echo(as_table(card["figures"]))
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")


def evaluate_cropmodel(
    model: Annotated[Path | None, typer.Option(help="Model folder; default: the one that serves.")] = None,
    runs: RunsFile = RUNS,
    as_json: Json = False,
) -> None:
    """Measure the surrogate against AquaCrop on years it did not learn, and refitted, on places it did not learn."""
    import time

    with Refuse():
        from greattit.cropmodel.measure import as_table
        from greattit.cropmodel.train import evaluate

        figures = evaluate(runs, clock=time.process_time, model=model)
        typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else as_table(figures))
