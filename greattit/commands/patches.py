"""`greattit evaluate patches`: whether knowing the pixels of a field calls its crop better than its mean does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Json, Refuse


def patches(
    file: Annotated[Path, typer.Argument(help="A .npz of labelled patches: patch, mask, crop, group, bands.")],
    as_json: Json = False,
    folds: Annotated[int, typer.Option(min=2, help="Parts that whole groups are dealt to, each left out once.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same figures.")] = 0,
) -> None:
    """Measure on labelled patches whether the pixels of a field call its crop better than its mean.

    Nothing is kept: counts of such a file are not reflectance, so what is fitted to them cannot serve an appraisal.
    """
    from rich.console import Console

    with Refuse():
        from greattit.crops import pixeltrial

        since = time.perf_counter()
        with Console(stderr=True, quiet=as_json).status("learning without each fold, about a minute on one core"):
            figures = pixeltrial.evaluate(file, folds, seed)
        if as_json:
            typer.echo(json.dumps(figures, ensure_ascii=False))
        else:
            typer.echo(f"{pixeltrial.table(figures)}\n\ntook {time.perf_counter() - since:.0f} s")
