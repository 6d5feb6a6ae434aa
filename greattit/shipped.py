"""Where the things that travel with the code lie: models, sample tiles, the command line.

In a checkout they are at the repository's root; in an installed wheel they are in `greattit/_shipped`.
"""

from __future__ import annotations

from pathlib import Path

from greattit.errors import GreatTitError

_PACKAGE = Path(__file__).resolve().parent
_HOMES = (_PACKAGE / "_shipped", _PACKAGE.parent)


def path(name: str) -> Path:
    """Return the path of a shipped file or folder, e.g. "models/crops", "data/sample_tiles" or "cli.py"."""
    for home in _HOMES:
        if (home / name).exists():
            return home / name
    raise GreatTitError("is not part of this installation", subject=name, remedy="install greattit again")
