"""How well fields are found and cut: `evaluate`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from greattit.errors import DatasetError
from greattit.onethread import one_thread
from greattit.plotscores import catalogue, patches, peers
from greattit.plotscores.drawn import as_drawn, ask
from greattit.plotscores.figures import figures
from greattit.plotscores.match import match
from greattit.plotscores.rows import Asked, Cutter, Finder, Given
from greattit.plotscores.truth import EVERYWHERE, Place, Told

DRAWINGS = ("none", "sloppy")
"""What a method is given of a field."""

AS_DRAWN = "the drawing itself"
"""Name of the cutter that gives back what it was given."""

EXTENT_EVERYWHERE = "all ground, field or not"
EXTENT_BY_FIELD = "each field and what was given for it"
"""What `extent_iou` is a sum over."""

Rows = dict[str, tuple[list[Asked], list[Given]]]


def finder() -> tuple[str, Finder]:
    """Return the method that finds fields without a drawing, and its name."""
    from greattit.fields import find

    return "fields.find", find


def cutter() -> tuple[str, Cutter]:
    """Return the method that cuts the field that a drawing means, and its name."""
    from greattit.plots import cut

    return "plots.cut", cut


def evaluate(
    source: str | Path,
    *,
    drawing: str = "none",
    drawings: int | None = None,
    limit: int = 1000,
    parcels_file: Path | None = None,
    day: date | None = None,
    seed: int = 0,
    with_peers: bool = False,
    peer_model: Path | None = None,
    find: Finder | None = None,
    cut: Cutter | None = None,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure how well fields are found (`drawing` "none") or cut out of sloppy drawings ("sloppy").

    `source` is a catalogue or cube with known fields in plots.geojson or `parcels_file`, seen up to `day` (default:
    `usual_day`), or a .npz of labelled patches, of which `limit` are drawn; patches of chips that taught the house's
    networks are left out. Each field is drawn `drawings` times (default: 3, in patches 1). `find` and `cut` are the
    methods, by default those of the house; `peer_model` is a network without a boundary head (see `peers.finders`).
    Same seed, same figures. Returns the figures of the contract (see `figures.CONTRACT`) and more; raises
    `DatasetError`, `ModelError` and `TilesError`.
    """
    if drawing not in DRAWINGS:
        raise DatasetError("is no drawing that is known", subject=drawing, remedy=f"name one of {', '.join(DRAWINGS)}")
    known = _known(find, cut)
    told, count, places = _opened(source, limit, parcels_file, day, seed, known)
    refused: dict[str, Counter[str]] = {}
    if drawing == "none":
        name, methods, absent = _finders(find, with_peers or peer_model is not None, peer_model)
        rows = _found(places, methods, clock, _ticking(progress, count))
    else:
        name, cutters = _cutters(cut, with_peers)
        absent = ()
        times = drawings or (3 if told.day else 1)
        rows, refused = _cut(places, cutters, times, seed, clock, _ticking(progress, count))
    head = _head(told, name, drawing, seed)
    if drawing == "sloppy":
        head |= {"drawings": len(rows[name][0]), "refusals": dict(sorted(refused[name].items()))}
    report = head | figures(*rows[name])
    others = {n: figures(*r, by_size=False) for n, r in rows.items() if n not in (name, AS_DRAWN)}
    if drawing == "sloppy":
        report["drawing_as_is"] = figures(*rows[AS_DRAWN])
    if with_peers or peer_model is not None:
        report["peers"] = others | dict.fromkeys(absent)
    return report


def _opened(
    source: str | Path, limit: int, parcels_file: Path | None, day: date | None, seed: int, known: frozenset[str]
) -> tuple[Told, int, Iterator[Place]]:
    """Return what the source says of itself, the number of its places, and the places."""
    if str(source).endswith(".npz"):
        if parcels_file or day:
            raise DatasetError("holds patches, which have no day and no parcels", subject=str(source))
        told, rows, arrays = patches.read(Path(source), limit=limit, seed=seed, known=known)
        return told, len(rows), patches.places(rows, arrays)
    told, place = catalogue.read(source, parcels_file=parcels_file, day=day)
    return told, 1, iter([place])


def _known(find: Finder | None, cut: Cutter | None) -> frozenset[str]:
    """Return the chips that taught the house's own methods: figures on them would flatter. Both leave out the same."""
    from greattit.fields import finder as fields
    from greattit.plots import cutter as plots

    own = frozenset() if cut else plots.load().chips
    return own if find else own | fields.load().chips


def _head(told: Told, name: str, drawing: str, seed: int) -> dict[str, Any]:
    everywhere = told.known == EVERYWHERE
    counted = "all objects" if everywhere else "objects mostly on labelled fields"
    return {
        "source": told.name,
        "day": told.day,
        "simulated": told.simulated,
        "drawing": drawing,
        "method": name,
        "seed": seed,
        "known_ground": told.known,
        "precision_over": counted if drawing == "none" else "drawings",
        "extent_over": EXTENT_EVERYWHERE if everywhere and drawing == "none" else EXTENT_BY_FIELD,
        "intervals_over": told.drawn_over,
        "left_out": told.left_out,
    }


def _finders(
    find: Finder | None, with_peers: bool, peer_model: Path | None
) -> tuple[str, dict[str, Finder], tuple[str, ...]]:
    """Return the method's name, all methods, and the peers that are not there."""
    name, own = ("as handed in", find) if find else finder()
    if not with_peers:
        return name, {name: own}, ()
    others = peers.finders(peer_model)
    there = {n: f for n, f in others.items() if f is not None and n != name}
    return name, {name: own} | there, tuple(n for n, f in others.items() if f is None)


def _cutters(cut: Cutter | None, with_peers: bool) -> tuple[str, dict[str, Cutter]]:
    name, own = ("as handed in", cut) if cut else cutter()
    return name, {name: own, AS_DRAWN: as_drawn} | (peers.cutters() if with_peers else {})


def _found(
    places: Iterator[Place], methods: Mapping[str, Finder], clock: Callable[[], float], tick: Callable[[], None]
) -> Rows:
    rows: Rows = {name: ([], []) for name in methods}
    with one_thread():
        for place in places:
            for name, method in methods.items():
                start = clock()
                found = method(place.cube)
                asked, given = match(place, found, clock() - start)
                rows[name][0].extend(asked)
                rows[name][1].extend(given)
            tick()
    return rows


def _cut(
    places: Iterator[Place],
    methods: Mapping[str, Cutter],
    times: int,
    seed: int,
    clock: Callable[[], float],
    tick: Callable[[], None],
) -> tuple[Rows, dict[str, Counter[str]]]:
    rows: Rows = {name: ([], []) for name in methods}
    refused: dict[str, Counter[str]] = {name: Counter() for name in methods}
    with one_thread():
        for place in places:
            more, why = ask(place, methods, drawings=times, seed=seed, clock=clock)
            for name in methods:
                rows[name][0].extend(more[name][0])
                rows[name][1].extend(more[name][1])
                refused[name] += why[name]
            tick()
    return rows, refused


def _ticking(progress: Callable[[int, int], None] | None, count: int) -> Callable[[], None]:
    """Return what is called after each place."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, count)

    return tick
