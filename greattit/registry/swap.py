"""A candidate in the place of the model that serves, and back.

Whoever reads the models folder meets the old model or the new one, whole: the candidate is copied beside its place,
loaded from there, and exchanged with the old folder in one system call. Where the file system has no such call it is
two renames, the first taken back when the second fails. The old model is in `previous/` before anything is moved, so
that `rollback` brings it back even where a machine stopped between those two.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from greattit import shipped
from greattit.errors import ModelError
from greattit.registry.figures import Pair, compare
from greattit.registry.index import INDEX, write_index
from greattit.registry.sheet import CARD, PREVIOUS, PROMOTION, WEIGHTS, Sheet, homes, kept, models, names, read

RENAME_EXCHANGE, AT_FDCWD = 2, -100
"""of Linux' renameat2(2)"""


@dataclass(frozen=True)
class Promotion:
    """What `promote` or `rollback` did."""

    name: str
    folder: Path
    """where the model now lies"""
    sha8: str
    """of the model that serves now; empty when none is left there"""
    replaced: str
    """sha8 of the one before it; empty when there was none"""
    kept: Path | None
    """where the one before it lies now"""
    pairs: tuple[Pair, ...]
    """the figures that were compared"""
    notes: tuple[str, ...]
    """what the figures do not say"""


def promote(
    folder: Path, *, name: str = "", reason: str = "", local: bool = False, day: date | None = None
) -> Promotion:
    """Put the candidate of `folder` (weights and card) in the place of the model that serves as `name`.

    `name` is by default what the card's own name says. Raises `ModelError`, and changes nothing, when the candidate
    does not load, when its card lacks something, when it is trained on data that may not ship and `local` is not said,
    and when a figure that both cards have is worse, or none can be compared, and no `reason` is given. `local` puts it
    into the user's own models folder (GREATTIT_MODELS). The reason and the `day` are kept beside the card.
    """
    candidate = read(folder)
    home = _home(local=local)
    name = _name_for(candidate, name)
    _refuse_faulty(candidate, local=local)
    place = home / name
    there = read(place, name=name, place="local" if local else "shipped") if place.is_dir() else None
    rival = there or _serving(name)
    if there and (there.weights_sha256, there.card_sha256) == (candidate.weights_sha256, candidate.card_sha256):
        raise ModelError(f"serves as {name} already", subject=str(folder))
    pairs = tuple(compare(rival.figures, candidate.figures)) if rival else ()
    worse = [pair for pair in pairs if pair.worse]
    if rival and not reason:
        _refuse_worse(candidate, name, pairs, worse)
    record: dict[str, Any] = {"replaces": "", "reason": reason, "worse": [str(pair) for pair in worse]}
    record |= {"day": day.isoformat()} if day else {}
    with _beside(place, candidate.folder) as fresh:
        _load(name, fresh)
        retired = _keep(there, home) if there else None
        record["replaces"] = retired.name if retired else ""
        _write_record(fresh, record)
        _put(fresh, place)
    _settle(home)
    notes = tuple(_notes(name, rival, candidate, local=local))
    return Promotion(name, place, candidate.sha8, there.sha8 if there else "", retired, pairs, notes)


def rollback(name: str, *, to: str = "") -> Promotion:
    """Take the last promotion of `name` back: what it replaced serves again, and it is kept in `previous/` itself.

    `to` names another kept model by its sha256 (8 digits or more). A local model that replaced none of its own gives
    way to the shipped one. Raises `ModelError` when there is nothing to go back to.
    """
    serving = _serving(name)
    home = serving.folder.parent if serving else _home_that_kept(name)
    goal = _goal(name, home, serving, to)
    retired = _keep(serving, home) if serving else None
    if goal:
        with _beside(home / name, goal.folder) as fresh:
            _load(name, fresh)
            if (goal.folder / PROMOTION).is_file():
                shutil.copyfile(goal.folder / PROMOTION, fresh / PROMOTION)
            _put(fresh, home / name)
    else:
        with _aside(home / name):
            pass
    _settle(home)
    now = _serving(name)
    folder, sha8 = (now.folder, now.sha8) if now else (home / name, "")
    return Promotion(name, folder, sha8, serving.sha8 if serving else "", retired, (), ())


def _name_for(candidate: Sheet, name: str) -> str:
    there = models()
    known = sorted({one.name for one in there})
    if not name:
        fits = {one.name for one in there if candidate.title in (one.name, one.title)}
        fits = fits or {key for key in known if candidate.title.startswith(f"{key}-")}
        name = fits.pop() if len(fits) == 1 else ""
    if name not in known:
        said = f"no model is called {name}" if name else f"its card's name, {candidate.title}, is that of no model here"
        raise ModelError(said, subject=str(candidate.folder), remedy=f"say --as with one of {', '.join(known)}")
    return name


def _refuse_faulty(candidate: Sheet, *, local: bool) -> None:
    if candidate.faults:
        raise ModelError("; ".join(candidate.faults), subject=str(candidate.folder), remedy="nothing was changed")
    kept_back = [part for part in candidate.training if not part.ships]
    if kept_back and not local:
        told = ", ".join(f"{part.name} ({part.licence})" for part in kept_back)
        raise ModelError(
            f"is trained on data that may not ship: {told}",
            subject=str(candidate.folder),
            remedy=f"--local puts it into your own models folder, which {shipped.OWN_MODELS} names",
        )


def _home(*, local: bool) -> Path:
    """Return the models folder to promote into; the user's own is made when it is not there."""
    if not local:
        return homes()["shipped"]
    own = shipped.own_models()
    if own is None:
        raise ModelError(
            "there is no models folder of your own",
            subject="--local",
            remedy=f"name one: export {shipped.OWN_MODELS}=~/greattit-models",
        )
    own.mkdir(parents=True, exist_ok=True)
    return own


def _serving(name: str) -> Sheet | None:
    return next((one for one in models() if one.serves and one.name == name), None)


def _refuse_worse(candidate: Sheet, name: str, pairs: tuple[Pair, ...], worse: list[Pair]) -> None:
    remedy = 'if it is to serve all the same, say why: --reason "..."'
    if not pairs:
        said = f"no data set is measured by both its card and that of the {name} that serves, so that nothing compares"
        raise ModelError(said, subject=str(candidate.folder), remedy=remedy)
    if worse:
        said = "is worse than the model that serves: " + "; ".join(map(str, worse))
        raise ModelError(said, subject=str(candidate.folder), remedy=remedy)


def _notes(name: str, rival: Sheet | None, candidate: Sheet, *, local: bool) -> Iterator[str]:
    old, new = (rival.figures if rival else {}), candidate.figures
    missing, added = [key for key in old if key not in new], [key for key in new if key not in old]
    if missing:
        yield f"not measured by the candidate: {', '.join(missing)}"
    if added:
        yield f"measured by the candidate only: {', '.join(added)}"
    for key in old:
        counts = [figures.get(key, {}).get("samples") for figures in (old, new)]
        if None not in counts and counts[0] != counts[1]:
            yield f"{key}: {counts[1]} samples, the serving model was measured on {counts[0]}"
    own = homes().get("local")
    if not local and own is not None and name in names(own):
        yield f"{own / name} still serves before it, because {shipped.OWN_MODELS} is set"


def _home_that_kept(name: str) -> Path:
    there = kept(name)
    if not there:
        known = ", ".join(one.name for one in models() if one.serves)
        raise ModelError("is no model, and none is kept", subject=name, remedy=f"there are {known or 'none at all'}")
    return there[0].folder.parent.parent


def _goal(name: str, home: Path, serving: Sheet | None, to: str) -> Sheet | None:
    """Return the kept model to go back to; None when a local model is to give way to the shipped one."""
    there = [one for one in kept(name) if one.folder.parent.parent == home]
    listed = f"kept are {', '.join(one.folder.name for one in there)}" if there else "none is kept"
    record = read_record(serving.folder) if serving else {}
    if to:
        fits = [one for one in there if len(to) >= 8 and to == (one.weights_sha256 or one.card_sha256)[: len(to)]]
        missing = f"no kept model of this name is {to}"
    elif serving is None:
        fits, missing = there if len(there) == 1 else [], "no model serves, and it is not clear which to take"
    elif record is None:
        fits, missing = [], "the model that serves was not promoted"
    else:
        replaced = str(record.get("replaces") or "")
        if not replaced and serving.place == "local":
            return None
        fits = [one for one in there if one.folder.name == replaced]
        missing = f"what it replaced, {replaced or 'nothing'}, is not there"
    if not fits:
        raise ModelError(missing, subject=name, remedy=f"{listed}; name one with --to SHA256" if there else listed)
    if fits[0].weights_fault:
        raise ModelError(fits[0].weights_fault, subject=str(fits[0].folder), remedy="nothing was changed")
    return fits[0]


def _load(name: str, folder: Path) -> None:
    """Load a model as its room does, or raise its `ModelError`; a name without a room of its own: open the weights."""
    from greattit.crops import local as fitted

    if fitted.is_local(folder):
        fitted.load.cache_clear()
        fitted.load(folder)
        fitted.load.cache_clear()
    elif name == "crops":
        from greattit.crops.model import load as load_crops

        load_crops.cache_clear()
        load_crops(folder)
        load_crops.cache_clear()
    elif name == "clouds":
        from greattit.clouds.network import load as load_clouds

        load_clouds.cache_clear()
        load_clouds(folder)
        load_clouds.cache_clear()
    elif (folder / WEIGHTS).is_file():
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            load((folder / WEIGHTS).read_bytes())
        except SafetensorError as error:
            raise ModelError(f"the weights cannot be read: {error}", subject=str(folder)) from error


@contextmanager
def _beside(place: Path, source: Path) -> Iterator[Path]:
    """Copy weights and card of a model folder into a temporary sibling of `place`; it is gone afterwards."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        fresh.chmod(0o755)
        for part in (WEIGHTS, CARD):
            if (source / part).is_file():
                shutil.copyfile(source / part, fresh / part)
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _keep(one: Sheet, home: Path) -> Path:
    """Copy a model to `previous/NAME-SHA8`, whole or not at all, unless it is there; return that folder."""
    place = home / PREVIOUS / f"{one.name}-{one.sha8}"
    if place.is_dir() and read(place).card_sha256 != one.card_sha256:
        place = place.with_name(f"{place.name}.{one.card_sha256[:8]}")
    if place.is_dir() and read(place).weights_sha256 == one.weights_sha256:
        return place
    place.parent.mkdir(exist_ok=True)
    with _beside(place, one.folder) as fresh:
        if (one.folder / PROMOTION).is_file():
            shutil.copyfile(one.folder / PROMOTION, fresh / PROMOTION)
        _put(fresh, place)
    return place


def _put(fresh: Path, place: Path) -> None:
    """Put the folder `fresh` in the place of another, or of none, so that one of them is there at every moment."""
    if not place.exists():
        fresh.rename(place)
    elif not _exchanged(fresh, place):
        with _aside(place):
            fresh.rename(place)


@contextmanager
def _aside(place: Path) -> Iterator[None]:
    """Move a folder aside, and delete it once the work is done; bring it back when the work fails."""
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent)) / "old"
    try:
        place.rename(aside)
        try:
            yield
        except BaseException:
            aside.rename(place)
            raise
    except BaseException:
        with suppress(OSError):
            aside.parent.rmdir()
        raise
    shutil.rmtree(aside.parent, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    return bool(call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=120)
    (folder / PROMOTION).write_text(text, encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what stands in `promotion.yaml` of a model folder; None where it was not promoted."""
    import yaml

    if not (folder / PROMOTION).is_file():
        return None
    try:
        record = yaml.safe_load((folder / PROMOTION).read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    return record if isinstance(record, dict) else None


def _settle(home: Path) -> None:
    """Bring the index of a models folder up to date, where it has one, and let go of vigour's card in memory."""
    from greattit.growth import vigour

    vigour.card.cache_clear()
    if (home / INDEX).is_file():
        write_index(home)
