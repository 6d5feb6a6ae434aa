"""`registry.yaml` of a models folder: for machines, which models there are, with their sha256 and licences."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from greattit.errors import ModelError
from greattit.registry.sheet import get, homes, kept, models, names, read

INDEX = "registry.yaml"
HEAD = "# What `greattit models index` found in this folder. Write it anew with the same command.\n"
REMEDY = "write it anew with `greattit models index`"


def index_of(home: Path) -> dict[str, Any]:
    """Return the index of a models folder as plain values, sorted; the same folders give the same index."""
    found = {}
    for name in names(home):
        one = read(home / name, name=name)
        found[name] = {
            "folder": name,
            "card": one.title,
            "made_by": str(one.card.get("made_by", "")),
            "weights_sha256": one.weights_sha256 or None,
            "card_sha256": one.card_sha256 or None,
            "licences": {part.name: part.licence for part in sorted(one.training, key=lambda part: part.name)},
        }
    return found


def write_index(home: Path | None = None) -> Path:
    """Write `registry.yaml` of a models folder, by default the one that ships, whole or not at all; return its path."""
    import yaml

    home = homes()["shipped"] if home is None else home
    text = HEAD + yaml.safe_dump(index_of(home), sort_keys=True, allow_unicode=True, width=120)
    handle, fresh = tempfile.mkstemp(prefix=f".{INDEX}-", dir=home)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(fresh).chmod(0o644)
        Path(fresh).replace(home / INDEX)
    finally:
        Path(fresh).unlink(missing_ok=True)
    return home / INDEX


def index_faults(home: Path) -> dict[str, str]:
    """Return what of `registry.yaml` does not fit the folders, model by model; a folder without an index has none."""
    import yaml

    if not (home / INDEX).is_file():
        return {}
    try:
        written = yaml.safe_load((home / INDEX).read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot be read: {error}", subject=str(home / INDEX), remedy=REMEDY) from error
    there = index_of(home)
    faults = {name: f"{INDEX} does not know it" for name in there if name not in written}
    faults |= {name: f"{INDEX} knows it, and its folder is not there" for name in written if name not in there}
    for name in set(there) & set(written):
        entry = written[name] if isinstance(written[name], dict) else {}
        differ = [key for key, value in there[name].items() if entry.get(key) != value]
        if differ:
            faults[name] = f"{INDEX} has another {', '.join(differ)} ({REMEDY})"
    return dict(sorted(faults.items()))


def check(name: str = "") -> dict[str, list[str]]:
    """Return what does not hold, model by model (an empty list: all holds): all models, or the one that serves as name.

    Of kept models only the weights are checked. Raises `ModelError` for a name that is none.
    """
    chosen = [get(name)] if name else models()
    found = {}
    for one in chosen:
        stale = index_faults(one.folder.parent).get(one.name)
        found[one.name if one.serves else str(one.folder)] = [*one.faults, *([stale] if stale else [])]
    if not name:
        for home in homes().values():
            gone = set(index_faults(home)) - set(names(home))
            found |= {key: [index_faults(home)[key]] for key in sorted(gone) if key not in found}
        for one in kept():
            found[f"{one.folder.parent.name}/{one.folder.name}"] = [one.weights_fault] if one.weights_fault else []
    return found
