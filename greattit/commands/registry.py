"""`greattit models ...`: which models there are, whether they hold, and which of them serves."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from greattit.commands.shared import Json, Refuse

models_app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of a model, e.g. crops.", show_default=False)]


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models, check them, and change which one serves.

    Without a subcommand: every model with its figures, the licences of its training data and the
    state of its sha256.
    A folder named by the environment variable GREATTIT_MODELS holds models of your own, which
    serve before the shipped ones of the same name.
    """
    if context.invoked_subcommand is not None:
        return
    with Refuse():
        from greattit import registry

        found = registry.models()
        if as_json:
            typer.echo(json.dumps([registry.as_dict(one) for one in found], ensure_ascii=False))
        else:
            typer.echo(registry.list_text(found, registry.kept()))


@models_app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Print the whole card of a model."""
    with Refuse():
        from greattit import registry

        one = registry.get(name)
        found = registry.as_dict(one, card=True)
        typer.echo(json.dumps(found, ensure_ascii=False, default=str) if as_json else registry.card_text(one))


@models_app.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="Name of a model; default: all.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Verify the sha256 of weights, that cards are complete, and registry.yaml; exit code 1 when something is wrong."""
    with Refuse():
        from greattit import registry

        faults = registry.check(name or "")
    typer.echo(json.dumps(faults, ensure_ascii=False) if as_json else registry.check_text(faults))
    if any(faults.values()):
        raise typer.Exit(1)


@models_app.command("promote")
def promote(
    folder: Annotated[
        Path, typer.Argument(help="Folder with weights.safetensors and card.yaml, as training writes it.")
    ],
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="What it is to serve as; default: what its card's name says.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why it is to serve though a figure is worse; kept beside it.")] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Put it into your own models folder (GREATTIT_MODELS), which never ships.")
    ] = False,
) -> None:
    """Put a candidate in the place of the model that serves.

    It must load, and on every data set that both cards measure its accuracy, macro F1 and
    calibration error must be no worse. The replaced model is kept in previous/. A model trained
    on data that may not ship needs --local.
    """
    with Refuse():
        from greattit import registry

        done = registry.promote(folder, name=name, reason=reason, local=local, day=date.today())
        typer.echo(registry.promotion_text(done))


@models_app.command("rollback")
def rollback(
    name: Name,
    to: Annotated[
        str, typer.Option(metavar="SHA256", help="Another kept model, by 8 digits or more; default: the last before.")
    ] = "",
) -> None:
    """Take the last promotion back: the model that it replaced serves again."""
    with Refuse():
        from greattit import registry

        typer.echo(registry.promotion_text(registry.rollback(name, to=to)))


@models_app.command("index")
def index() -> None:
    """Write registry.yaml of the models that ship: folder, sha256, maker and licences of each, for machines."""
    with Refuse():
        from greattit import registry

        typer.echo(f"wrote {registry.write_index()}")
