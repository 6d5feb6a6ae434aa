"""What the crop model is asked beside its calls: `greattit explain`, and `greattit models export-onnx`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from greattit.commands.shared import AsOf, Json, OptionalDay, Refuse, Tiles, address


def explain(
    tiles: Tiles,
    plot: Annotated[Path, typer.Option(help="GeoJSON (or GeoParquet, GeoPackage, Shapefile) with the drawn plot.")],
    day: OptionalDay = None,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Write explain.png into this folder.")] = None,
    as_json: Json = False,
    region: Annotated[
        str | None, typer.Option(help="Region of policy/regions.yaml, instead of the place found.")
    ] = None,
    surveyed: Annotated[
        bool, typer.Option("--surveyed", help="The plot comes from a land register, not a finger.")
    ] = False,
) -> None:
    """Explain the crop call of each drawn plot: which dates and bands drove it, and what spoke for the second crop.

    Looks, region and call are those of `greattit appraise` with the same options.
    """
    with Refuse():
        from greattit import appraisal, plots
        from greattit.crops import explain as room
        from greattit.cube import open_stack
        from greattit.onethread import one_thread
        from greattit.plots.drawing import SLOPPY, SURVEYED
        from greattit.policy.places import crop_shares
        from greattit.report import explanation

        stack = open_stack(address(tiles), as_of=as_of)
        when = day.date() if day else stack.last_day
        drawn = plots.load(plot, near=stack.bounds)
        told: list[dict[str, Any]] = []
        for one in drawn:
            cube = appraisal.season(stack, one, when)
            walk = appraisal.appraise(cube, one, when, region=region, drawing=SURVEYED if surveyed else SLOPPY)
            prior = (crop_shares(walk.region, day=when) or None) if walk.region else None
            with one_thread():
                found = room.explain(walk.series, day=when, prior=prior)
            told.append(explanation.as_dict(found))
            if not as_json:
                if cube.attrs["simulated"]:
                    typer.secho("These tiles are simulated: no real place, no real field.", fg="magenta")
                typer.echo("\n".join(explanation.lines(found)))
            if out:
                folder = out if len(drawn) == 1 else out / str(one.id)
                made = explanation.write(found, folder, simulated=bool(cube.attrs["simulated"]))
                typer.echo(f"\n  wrote {made}", err=as_json)
        if as_json:
            typer.echo(json.dumps(told[0] if len(told) == 1 else told, ensure_ascii=False, allow_nan=False))


def export_onnx(
    model: Annotated[
        str, typer.Argument(help="Name of a model, e.g. crops, or a folder with its card.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
) -> None:
    """Write a crop model as one ONNX file, for servers without torch: mean logits and those of each member.

    Needs the extra: pip install 'greattit[onnx]'. Card, classes and grid stand in the file's
    metadata.
    """
    with Refuse():
        from greattit import registry
        from greattit.crops import onnx
        from greattit.crops.card import CARD

        folder = Path(model) if (Path(model) / CARD).is_file() else registry.get(model).folder
        made = onnx.export(folder, out)
        known = onnx.described(made)
        typer.echo(
            f"wrote {made}: {known['name']}, {len(known['classes'])} classes, {known['members']} members, "
            f"weights sha256 {known['weights_sha256'][:12]}"
        )
