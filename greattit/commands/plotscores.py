"""`greattit evaluate plots`: how well fields are found and cut, where they are known."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Json, OptionalDay, Refuse, address


class Given(StrEnum):
    """What a method is given of a field."""

    none = "none"
    sloppy = "sloppy"


def evaluate_plots(
    source: Annotated[
        Path,
        typer.Argument(
            help="Catalogue folder or cube with plots.geojson, or a .npz of labelled patches.", show_default=False
        ),
    ],
    as_json: Json = False,
    drawing: Annotated[Given, typer.Option(help="Find fields without a drawing, or cut them out of a sloppy one.")] = (
        Given.none
    ),
    plots: Annotated[
        Path | None, typer.Option(help="Parcels of a catalogue; default: plots.geojson of the folder.")
    ] = None,
    day: OptionalDay = None,
    drawings: Annotated[
        int | None, typer.Option(min=1, help="Sloppy drawings of each field; default: 3, of a patch 1.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Patches drawn of a .npz.")] = 1000,
    peers: Annotated[bool, typer.Option("--peers", help="Measure felzenszwalb and watershed on the same.")] = False,
    peer_model: Annotated[
        Path | None,
        typer.Option(help="Model folder of `train fields --extent-only`: measured as another peer."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same figures.")] = 0,
) -> None:
    """Measure how well fields are found and cut, by size, with intervals; made counties are said to be made."""
    from rich.progress import Progress

    with Refuse():
        from greattit import plotscores

        with Progress(disable=as_json, transient=True) as bar:
            task = bar.add_task("measuring", total=None)
            report = plotscores.evaluate(
                address(source),
                drawing=drawing.value,
                drawings=drawings,
                limit=limit,
                parcels_file=plots,
                day=day.date() if day else None,
                seed=seed,
                with_peers=peers,
                peer_model=peer_model,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        typer.echo(json.dumps(report, ensure_ascii=False) if as_json else plotscores.table(report))
