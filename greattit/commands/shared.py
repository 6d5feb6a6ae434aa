"""What several commands share: argument types, errors as one line, days."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

Tiles = Annotated[
    Path,
    typer.Argument(
        help="Folder of a static STAC catalogue of per-band GeoTIFFs, or a cube (folder or s3://...).",
        show_default=False,
    ),
]
OptionalDay = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the appraisal; default: the last look.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="SNAPSHOT", help="Read a cube as it was at this snapshot.")
]
PlotFile = Annotated[Path, typer.Option(help="GeoJSON (or GeoParquet, GeoPackage, Shapefile) with the plot.")]
CropName = Annotated[
    str | None, typer.Option(metavar="NAME", help="What grows there; default: the plot's label, else the looks.")
]
Surveyed = Annotated[bool, typer.Option("--surveyed", help="The plot comes from a land register, not a finger.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

STOPPED = 130
"""Exit code of a command that Ctrl-C ended."""


class Refuse:
    """Turns the errors of greattit into one clear line and exit code 2, and Ctrl-C into one line and 130."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        from greattit.errors import GreatTitError

        if isinstance(error, KeyboardInterrupt):
            typer.secho("greattit: stopped", err=True, fg=typer.colors.YELLOW)
            raise typer.Exit(STOPPED) from error
        if isinstance(error, OSError) and error.filename:
            error = GreatTitError(str(error.strerror), subject=str(error.filename), remedy="name another place")
        if isinstance(error, GreatTitError):
            typer.secho(f"greattit: {error}", err=True, fg=typer.colors.RED)
            raise typer.Exit(2) from error


def day_of(moment: datetime | None, otherwise: date) -> date:
    """Return the day of an option."""
    return moment.date() if moment else otherwise


def address(path: Path | str) -> str:
    """Give back the URL that a path argument has folded ("s3:/bucket" of "s3://bucket")."""
    text = str(path)
    for scheme in ("s3", "http", "https"):
        if text.startswith(f"{scheme}:/") and not text.startswith(f"{scheme}://"):
            return f"{scheme}://{text.removeprefix(f'{scheme}:/')}"
    return text


def size(count: float) -> str:
    """Write a number of bytes, e.g. "12.3 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
