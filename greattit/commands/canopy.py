"""`greattit train canopy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Refuse


def train_canopy(
    out: Annotated[Path, typer.Option(help="Folder for weights.safetensors and card.yaml.")] = Path("models/canopy"),
) -> None:
    """Train the retrieval of leaf area, light and cover on made spectra. Needs the development tool prosail."""
    with Refuse():
        from greattit.canopy.train import train

        card = train(out, progress=lambda step: typer.echo(step, err=True))
        for data_set, targets in card["figures"].items():
            for name, figures in targets.items():
                typer.echo(
                    f"{data_set}, {name}: RMSE {figures['rmse']} (NDVI {figures['rmse_of_ndvi']}), bias "
                    f"{figures['bias']}, {figures['samples']} samples"
                )
        typer.echo(f"wrote {out}/weights.safetensors and {out}/card.yaml")
