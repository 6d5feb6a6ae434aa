"""Where the things that travel with the code lie: models, sample tiles, the command line.

In a checkout they are at the repository's root; in an installed wheel they are in `greattit/_shipped`. Models that do
not travel, such as one adapted to fields whose licence forbids it, lie in a folder of the user's own, which the
environment variable GREATTIT_MODELS names; a model found there serves before the shipped one of the same name.
"""

from __future__ import annotations

import os
from pathlib import Path

from greattit.errors import GreatTitError

_PACKAGE = Path(__file__).resolve().parent
_HOMES = (_PACKAGE / "_shipped", _PACKAGE.parent)

OWN_MODELS = "GREATTIT_MODELS"
"""Environment variable that names the folder of the user's own models."""


def path(name: str) -> Path:
    """Return the path of a shipped file or folder, e.g. "models/crops", "data/sample_tiles" or "cli.py"."""
    for home in _HOMES:
        if (home / name).exists():
            return home / name
    raise GreatTitError("is not part of this installation", subject=name, remedy="install greattit again")


def own_models() -> Path | None:
    """Return the folder of the user's own models, there or not yet; None where GREATTIT_MODELS names none."""
    named = os.environ.get(OWN_MODELS, "").strip()
    return Path(named).expanduser().absolute() if named else None


def models() -> list[Path]:
    """Return the folders of all models that serve, by name: the user's own, else the shipped one of a name."""
    own = own_models()
    homes = [home for home in (own, path("models")) if home is not None and home.is_dir()]
    named = {one.name for home in homes for one in home.iterdir() if one.is_dir() and (one / "card.yaml").is_file()}
    return [model(name) for name in sorted(named)]


def model(name: str) -> Path:
    """Return the folder of the model that serves as `name`, e.g. "crops": the user's own, else the shipped one.

    Raises `GreatTitError` when GREATTIT_MODELS names a folder that is not there: a slip of the pen must not
    quietly bring another model.
    """
    own = own_models()
    if own is not None and not own.is_dir():
        raise GreatTitError("is not a folder", subject=f"{OWN_MODELS}={own}", remedy=f"make it, or unset {OWN_MODELS}")
    return own / name if own is not None and (own / name).is_dir() else path(f"models/{name}")
