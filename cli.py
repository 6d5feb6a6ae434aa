"""The command line of Great Tit."""

import typer

app = typer.Typer()
