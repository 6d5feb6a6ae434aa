"""`greattit yield` and `greattit evaluate yield`: what comes off a field, and how well that is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from greattit.commands.shared import Json, Refuse


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

        reports = []
        for folder in datasets:
            with one_thread(), Progress(disable=as_json, transient=True) as bar:
                reports.append(yields.evaluate(folder, train_on=train_on, progress=_progress(bar, folder.name)))
            if not as_json:
                typer.echo(yields.as_table(reports[-1]) + "\n")
        if as_json:
            typer.echo(json.dumps(reports[0] if len(reports) == 1 else reports, ensure_ascii=False))


def _progress(bar: Any, name: str) -> Callable[[str, int, int], None]:
    task = bar.add_task(name, total=None)

    def told(split: str, done: int, total: int) -> None:
        bar.update(task, completed=done, total=total, description=f"{name}, {split}")

    return told
