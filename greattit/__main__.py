"""`python -m greattit` and the console script: runs the root `cli.py`, which travels in the wheel as data."""

from __future__ import annotations

import importlib.util

from greattit import shipped


def main() -> None:
    """Load `cli.py` and run its Typer application."""
    spec = importlib.util.spec_from_file_location("greattit_cli", shipped.path("cli.py"))
    if spec is None or spec.loader is None:
        raise ImportError("cli.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app(prog_name="greattit")


if __name__ == "__main__":
    main()
