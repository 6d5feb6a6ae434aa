"""`greattit plots claims`: which drawn plots do not fit the field that they are claimed to be."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greattit.commands.asked import area_of
from greattit.commands.shared import AsOf, Json, OptionalDay, Refuse, Tiles, address

if TYPE_CHECKING:
    from greattit.claims import Misfit
    from greattit.types import Plot

COLOURS = {"refuses": "red", "lowers": "yellow", "informs": None}
"""How a misfit is shown."""


def claims(
    tiles: Tiles,
    file: Annotated[Path, typer.Argument(help="Claimed plots: GeoJSON, GeoParquet, GeoPackage or Shapefile.")],
    claimed: Annotated[
        Path | None, typer.Option(help="Plots that are claimed already, in a file of the same kinds.")
    ] = None,
    county: Annotated[Path | None, typer.Option(help="The county in which the plots should lie, as polygons.")] = None,
    day: OptionalDay = None,
    as_of: AsOf = None,
    as_json: Json = False,
    surveyed: Annotated[
        bool, typer.Option("--surveyed", help="The plots come from a land register, not a finger.")
    ] = False,
) -> None:
    """Say which drawn plots do not fit: no crop there, bare, too large, several fields, claimed or copied, elsewhere.

    A plot outside the tiles is checked by its outline alone.
    """
    with Refuse():
        from greattit import plots
        from greattit.claims import Claimed
        from greattit.cube import open_stack

        stack = open_stack(address(tiles), as_of=as_of)
        when = day.date() if day else stack.last_day
        earlier = Claimed(plots.load(claimed) if claimed else [])
        border = area_of(None, county)
        told = []
        for plot in plots.load(file, near=stack.bounds):
            told.append(_checked(plot, stack, when, (earlier, border), surveyed))
            if not as_json:
                _print(told[-1])
        if as_json:
            typer.echo(json.dumps(told, ensure_ascii=False))
        else:
            fit = sum(not one["misfits"] for one in told)
            typer.echo(f"{fit} of {len(told)} plots fit; refused: {sum(one['refused'] for one in told)}")


def _checked(plot: Plot, stack: Any, when: date, against: tuple[Any, Any], surveyed: bool) -> dict[str, Any]:
    """Return one plot's record: id, area, whether it was seen, and its misfits with their evidence."""
    from greattit import appraisal, plots
    from greattit.claims import misfits, outline_misfits
    from greattit.errors import PlotPlaceError
    from greattit.plots.drawing import SLOPPY, SURVEYED

    earlier, border = against
    try:
        cube = appraisal.season(stack, plot, when)
        segment = plots.cut(plot, cube, drawing=SURVEYED if surveyed else SLOPPY)
        found, seen = misfits(plot, segment, cube, claimed=earlier, county=border, day=when), True
    except PlotPlaceError:
        found, seen = outline_misfits(plot, claimed=earlier, county=border, day=when), False
    return {
        "plot": plot.id,
        "day": when.isoformat(),
        "area_ha": round(plot.area_ha, 4),
        "inside_the_tiles": seen,
        "fits": not found,
        "refused": any(one.severity == "refuses" for one in found),
        "misfits": [_as_dict(one) for one in found],
    }


def _as_dict(one: Misfit) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity,
        "share": round(one.share, 4),
        "text": one.text,
        "evidence": {name: None if value != value else value for name, value in one.evidence.items()},
    }


def _print(record: dict[str, Any]) -> None:
    verdict = "fits" if record["fits"] else "does not fit" if record["refused"] else "fits in part"
    unseen = "" if record["inside_the_tiles"] else " (outside the tiles: only its outline was checked)"
    typer.secho(f"{record['plot']}  {record['area_ha']:.2f} ha  {verdict}{unseen}", bold=not record["fits"])
    for one in record["misfits"]:
        typer.secho(f"  [{one['severity']:>7}] {one['code']}: {one['text']}", fg=COLOURS[one["severity"]])
        figures = ", ".join(f"{name} {value}" for name, value in one["evidence"].items() if value not in ("", None))
        typer.echo(f"            {figures}")
