"""The season of each of many plots: which cycle it is, of what kind it is, and its dates: `seasons`."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from greattit.growth.curve import Curves
from greattit.growth.cycles import AMPLITUDE, MOST, Cycles, Places, find, merged
from greattit.growth.phenology import BARE, Dates, dates

Array = NDArray[np.float64]

KINDS = ("unknown", "annual", "double", "fallow", "perennial")
"""Kinds of season."""

SOIL_SEEN = 0.2
"""A curve that fell below this was bare ground, whatever the crop is said to be [1]."""

HIGH = 0.75
"""The season's peak reaches this share of the year's highest."""

FALLOW_DAYS = 170
"""Looks must span so much before a field that never greened is said to be fallow: as `policy/claims` ground_days."""

PERENNIAL_DAYS = 200
"""Looks must span so much before a field never bare is said to be perennial; winter cereals are cut by then."""

FULL_DAYS = 40
"""A full cycle lasts at least so long from start to end, and both were seen."""

PAIR_DAYS = 170
"""Two full cycles are two crops of one year when their peaks are at most so far apart: wheat and maize, soybean and
maize, two rices lie 90 to 150 days apart, a winter cover and the summer crop after it 180 to 270."""

YEAR_DAYS = 365
"""Cycles count that peaked within this time before the day."""

CHUNK = 2048
"""Rows worked at once; their steps stay near the processor."""


@dataclass(frozen=True, eq=False)
class Seasons:
    """The seasons of many plots."""

    kind: NDArray[np.intp]
    """(row,) place in `KINDS`"""
    main: Dates
    """(row,) the season's dates; for perennials leaf-out, highest and leaf-fall of a year with one rise"""
    cycles: Dates
    """(cycle, row) those of all cycles, in order of time; intervals (2, cycle, row)"""
    chosen: Places
    """(row,) the cycle of `main` whose peak it is; -1 where there is none"""
    count: Places
    """(row,) number of cycles"""
    top: Array
    """(row,) NDVI at the peak"""
    peak: Places
    """(row,) step of the highest point of the chosen cycle; -1 where there is none"""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the crops of many plots beforehand."""

    within: Array
    """(2, row) days since 1970-01-01 between which the peak usually lies; NaN where not known"""
    perennial: NDArray[np.bool_]
    """(row,) the plant is said to stay from year to year; not believed where the ground was seen bare"""
    dips: NDArray[np.bool_]
    """(row,) its bloom hides the green for some weeks"""

    @classmethod
    def nothing(cls, rows: int) -> Known:
        """Return that nothing is known."""
        return cls(np.full((2, rows), np.nan), np.zeros(rows, bool), np.zeros(rows, bool))

    def take(self, rows: slice) -> Known:
        """Return some of the rows."""
        return Known(self.within[:, rows], self.perennial[rows], self.dips[rows])


def seasons(curves: Curves, day: int, known: Known | None = None) -> Seasons:
    """Return the season of every row as it stands on `day` (since 1970-01-01).

    Where it is not known when the crop peaks, the season is the last cycle that reaches `HIGH` of the highest: a winter
    cover that was ploughed in before the crop was sown comes earlier, and may be greener. Rows are worked in chunks;
    there is no loop over plots.
    """
    rows = curves.values.shape[1]
    known = known or Known.nothing(rows)
    parts = [
        _seasons(curves.take(part), day, known.take(part))
        for part in (slice(start, min(start + CHUNK, rows)) for start in range(0, max(rows, 1), CHUNK))
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Seasons]) -> Seasons:
    def joined(pieces: list[NDArray[np.generic]]) -> NDArray[np.generic]:
        return np.concatenate(pieces, axis=-1)

    def both(pieces: list[Dates]) -> Dates:
        return Dates(*(joined([getattr(one, f.name) for one in pieces]) for f in fields(Dates)))  # type: ignore[arg-type]

    plain = {
        f.name: joined([getattr(one, f.name) for one in parts])
        for f in fields(Seasons)
        if f.name not in ("main", "cycles")
    }
    return Seasons(main=both([one.main for one in parts]), cycles=both([one.cycles for one in parts]), **plain)  # type: ignore[arg-type]


def _seasons(curves: Curves, day: int, known: Known) -> Seasons:
    found = merged(find(curves), curves, known.dips, BARE)
    row = np.arange(len(found.count))
    cycles = _all_dates(curves, found, known.perennial)
    place = np.maximum(found.peak, 0)
    height = np.where(found.peak >= 0, curves.values[place, row], -np.inf)
    at = np.where(found.peak >= 0, curves.days[place], np.iinfo(np.int64).min // 2)
    recent = (at > day - YEAR_DAYS) & (at <= day + curves.step)
    kind = _kinds(curves, cycles, _Peaks(at, recent), known.perennial)
    stays = kind == KINDS.index("perennial")
    chosen = _choose(height, at, recent, known.within)
    chosen = np.where(stays & recent.any(axis=0), np.where(recent, height, -np.inf).argmax(axis=0), chosen)
    there = chosen >= 0
    pick = np.maximum(chosen, 0)
    main = _picked(cycles, pick, there & (kind != KINDS.index("fallow")))
    main = _uncut(main, stays & (recent.sum(axis=0) > 1))
    return Seasons(
        kind=kind,
        main=main,
        cycles=cycles,
        chosen=chosen,
        count=found.count,
        top=np.where(there, height[pick, row], np.nan),
        peak=np.where(there, found.peak[pick, row], -1),
    )


@dataclass(frozen=True, eq=False)
class _Peaks:
    at: NDArray[np.int64]
    """(cycle, row) days since 1970-01-01"""
    recent: NDArray[np.bool_]
    """(cycle, row) within the year to the day"""


def _all_dates(curves: Curves, found: Cycles, perennial: NDArray[np.bool_]) -> Dates:
    """Return the dates of all cycles, (cycle, row); a plant that stays rises from its own low, not from bare ground."""
    rows = len(found.count)
    shape = (MOST, rows)
    single = {name: np.full(shape, np.nan) for name in ("start", "peak", "end")}
    spans = {f"{name}_90": np.full((2, *shape), np.nan) for name in single}
    before = np.zeros(shape, bool)
    for cycle in range(int(found.count.max(initial=0))):
        here = np.flatnonzero(found.count > cycle)
        peaks = found.peak[cycle, here], found.last_peak[cycle, here]
        left, right = found.left[cycle, here], found.right[cycle, here]
        one = dates(curves.take(here), peaks, left, right, first=cycle == 0, stays=perennial[here])
        for name, table in single.items():
            table[cycle, here] = getattr(one, name)
        for name, span in spans.items():
            span[:, cycle, here] = getattr(one, name)
        before[cycle, here] = one.before
    return Dates(**single, **spans, before=before)


def _choose(height: Array, at: NDArray[np.int64], recent: NDArray[np.bool_], within: Array) -> Places:
    """Return the season's cycle (row,): the last high one of those that may be it; -1 where there is none."""
    with np.errstate(invalid="ignore"):
        usual = recent & (at >= within[0]) & (at <= within[1])
    may = np.where(usual.any(axis=0), usual, recent)
    highest = np.where(may, height, -np.inf).max(axis=0)
    good = may & (height >= HIGH * highest) & np.isfinite(height)
    last = len(height) - 1 - good[::-1].argmax(axis=0)
    return np.where(good.any(axis=0), last, -1)


def _kinds(curves: Curves, cycles: Dates, peaks: _Peaks, perennial: NDArray[np.bool_]) -> Places:
    """Return the kind of each row as its place in `KINDS`."""
    inside = curves.inside()
    lowest = np.where(inside, curves.values, np.inf).min(axis=0)
    highest = np.where(inside, curves.values, -np.inf).max(axis=0)
    span = (curves.last - curves.first) * curves.step
    began = np.isfinite(cycles.start)
    with np.errstate(invalid="ignore"):
        lasted = cycles.end - cycles.start >= FULL_DAYS
    full = began & np.isfinite(cycles.end) & lasted & peaks.recent
    moved = highest - lowest >= AMPLITUDE
    kind = np.select(
        [
            ~curves.known,
            (highest < BARE) & (span >= FALLOW_DAYS),
            highest < BARE,
            (perennial & (lowest >= SOIL_SEEN)) | ((lowest >= BARE) & (span >= PERENNIAL_DAYS)),
            _paired(full, peaks.at),
            moved,
        ],
        [0, 3, 0, 4, 2, 1],
        0,
    )
    return kind.astype(np.intp)


def _paired(full: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (row,) whether two full cycles (cycle, row) follow each other within `PAIR_DAYS`, peak to peak."""
    found = np.zeros(full.shape[1], bool)
    last = np.full(full.shape[1], np.iinfo(np.int64).min // 2)
    for here, when in zip(full, at, strict=True):
        found |= here & (when - last <= PAIR_DAYS)
        last = np.where(here, when, last)
    return found


def _picked(cycles: Dates, pick: Places, there: NDArray[np.bool_]) -> Dates:
    """Return the dates (row,) of one cycle a row; NaN where not `there`."""
    row = np.arange(len(pick))
    single = {name: np.where(there, getattr(cycles, name)[pick, row], np.nan) for name in ("start", "peak", "end")}
    spans = {f"{name}_90": np.where(there, getattr(cycles, f"{name}_90")[:, pick, row], np.nan) for name in single}
    return Dates(**single, **spans, before=there & cycles.before[pick, row])


def _uncut(main: Dates, several: NDArray[np.bool_]) -> Dates:
    """Take away leaf-out and leaf-fall where a plant that stays rose and fell several times: it was cut or grazed."""
    gone = {name: np.where(several, np.nan, getattr(main, name)) for name in ("start", "end", "start_90", "end_90")}
    return Dates(**{f.name: getattr(main, f.name) for f in fields(Dates)} | gone)
