"""The course of one plot's season in days and words: `courses`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from greattit import policy
from greattit.crops import taxonomy
from greattit.growth.curve import STEP_DAYS, Curves
from greattit.growth.cycles import AMPLITUDE
from greattit.growth.phenology import BARE, Dates
from greattit.growth.seasons import KINDS, Known, Seasons, seasons
from greattit.growth.stages import course_of, group_of

Span = tuple[date, date]
EPOCH = date(1970, 1, 1)

EARLY_SHARE = 0.35
"""Until so much of a season has gone by since sowing, the field's last whole season is the one that is meant."""

RISING_STEPS = 6
"""Steps over which a curve that still climbs is told from one that stands."""


@dataclass(frozen=True)
class Course:
    """The season of one plot."""

    kind: str
    """one of `seasons.KINDS`"""
    start: date | None
    """half of the rise; None when not found"""
    peak: date | None
    """middle of the days near the highest point, or the highest point so far; None while the curve still rises"""
    end: date | None
    """half of the fall; None when not found"""
    start_90: Span | None
    """nine times in ten the true day lies between"""
    peak_90: Span | None
    """the same; None when the peak is that so far"""
    end_90: Span | None
    """the same"""
    earlier: tuple[tuple[date | None, date, date | None], ...]
    """start, peak and end of the cycles before, in order of time"""
    stage: str
    """in the words of `Growth.stage`"""
    before: bool
    """past its start at the first look already"""
    rising: bool
    """still climbing at the last look"""
    sprouting: bool
    """has begun to rise but not come half of the way"""
    seen: Span
    """first and last clear look"""
    notes: tuple[str, ...]
    """why a date is missing"""


UNKNOWN = Course("unknown", None, None, None, None, None, None, (), "unknown", False, False, False, (EPOCH, EPOCH), ())
"""Of a plot that was hardly seen."""


def usual_peak(crop: str | None, region: str | None, day: date) -> tuple[float, float]:
    """Return the days since 1970-01-01 between which `crop` peaks in `region`, in the season that `day` belongs to.

    From `policy/calendar.yaml`, first day of sowing to the middle of the harvest, since what greens after that is a
    cover; NaN where it says nothing.
    """
    nothing = float("nan"), float("nan")
    book = policy.load("calendar").on(day)
    there = book[region] if region and region in book else None
    if not crop or not region or not isinstance(there, policy.View):
        return nothing
    names = (taxonomy.house_name(crop), *taxonomy.ancestors(crop))
    name = next((one for one in names if one in there), None)
    if name is None:
        return nothing
    calendar = book.rule(region, name).value
    spans = []
    for year in (day.year - 1, day.year, day.year + 1):
        end = date.fromisoformat(f"{year}-{calendar['harvest_end']}")
        sown, harvest = (_before(f"{year}-{calendar[key]}", end) for key in ("sowing", "harvest_start"))
        if sown + EARLY_SHARE * (end - sown) <= day:
            spans.append((sown, harvest + (end - harvest) / 2))
    first, last = spans[-1] if spans else (None, None)
    return ((first - EPOCH).days, (last - EPOCH).days) if first and last else nothing


def _before(text: str, end: date) -> date:
    there = date.fromisoformat(text)
    return there if there <= end else there.replace(year=end.year - 1)


def beforehand(crops: Sequence[str | None], regions: Sequence[str | None], day: date) -> Known:
    """Return what the policies say of the crops of many plots; equal crops in one region are looked up once."""
    pairs = list(zip(crops, regions, strict=True))
    told = {}
    for crop, region in set(pairs):
        rules = course_of(group_of(crop, day), day)
        told[crop, region] = (*usual_peak(crop, region, day), float(rules["stays"]), float(rules["dips"]))
    table = np.array([told[pair] for pair in pairs], float).reshape(len(pairs), 4)
    return Known(table[:, :2].T, table[:, 2] > 0, table[:, 3] > 0)


def courses(
    curves: Curves, crops: Sequence[str | None], day: date, *, regions: Sequence[str | None] | None = None
) -> list[Course]:
    """Return the course of each row of `curves` (looks up to `day`), whose crops are `crops` in `regions`."""
    known = beforehand(crops, regions or [None] * len(crops), day)
    found = seasons(curves, (day - EPOCH).days, known)
    certain = curves.known
    return [_course(curves, found, row) if certain[row] else UNKNOWN for row in range(len(crops))]


def _course(curves: Curves, found: Seasons, row: int) -> Course:
    main, kind = found.main, KINDS[found.kind[row]]
    seen = _day(curves.seen[0, row]), _day(curves.seen[1, row])
    curve = curves.values[curves.first[row] : curves.last[row] + 1, row]
    place = int(found.peak[row]) - int(curves.first[row])
    if place < 0 or (curve[place] < BARE and kind != "perennial"):
        return _bare(kind, curve, seen)
    start, end = _one(main.start[row]), _one(main.end[row])
    rising = end is None and place >= len(curve) - 2 and _climb(curve) > AMPLITUDE / 4
    middle = _one(main.peak[row])
    so_far = None if rising else _day(curves.days[found.peak[row]])
    stage = _stage(curve, place, start, end, seen)
    before = bool(main.before[row])
    peak = middle or so_far
    return Course(
        kind=kind,
        start=start,
        peak=peak,
        end=end,
        start_90=_span(main.start_90[:, row]) if start else None,
        peak_90=_span(main.peak_90[:, row]) if middle else None,
        end_90=_span(main.end_90[:, row]) if end else None,
        earlier=_earlier(found, row),
        stage=stage,
        before=before,
        rising=rising,
        sprouting=False,
        seen=seen,
        notes=(*_notes(kind, (start, middle, end), before, rising, seen[0]), *_later(found, row)),
    )


def _bare(kind: str, curve: np.ndarray, seen: Span) -> Course:  # type: ignore[type-arg]
    """Return the course of a field that has not greened."""
    fallow = kind == "fallow"
    sprouting = not fallow and bool(curve[-1] - curve.min() > AMPLITUDE / 4)
    note = f"NDVI never passed {BARE}: it was {curve.max():.2f} at most"
    return Course(kind, None, None, None, None, None, None, (), "not started", False, False, sprouting, seen, (note,))


def _climb(curve: np.ndarray) -> float:  # type: ignore[type-arg]
    return float(curve[-1] - curve[-min(len(curve), RISING_STEPS)])


def _stage(curve: np.ndarray, place: int, start: date | None, end: date | None, seen: Span) -> str:  # type: ignore[type-arg]
    """Return the stage in the words of `Growth.stage`."""
    if end is not None:
        after = max((end - seen[0]).days // STEP_DAYS, place)
        return "harvested" if curve[min(after, len(curve) - 1) :].min() < BARE else "ripening"
    if curve[-1] < curve[place] - AMPLITUDE / 2:
        return "ripening"
    return "growing" if _climb(curve) > AMPLITUDE / 4 else "at peak"


def _notes(
    kind: str, dates: tuple[date | None, date | None, date | None], before: bool, rising: bool, first: date
) -> tuple[str, ...]:
    """Return why dates are missing, one sentence each."""
    start, middle, end = dates
    notes = []
    if kind == "perennial":
        if start is None or end is None:
            notes.append("never bare: it has no start or end from bare ground")
        return tuple(notes)
    if start is None and before:
        notes.append(f"the start was before {_written(first)}, the first look")
    elif start is None:
        notes.append(f"no start: the greenness rose by less than {AMPLITUDE} before its peak")
    if middle is None and rising:
        notes.append("no peak: the greenness still rises")
    elif middle is None and end is None:
        notes.append("the peak is that so far")
    elif middle is None:
        notes.append(f"the peak is the highest seen: it was near it on {_written(first)}, the first look, already")
    if end is None:
        notes.append("no end: the greenness has not come down half of the way")
    return tuple(notes)


def _written(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _earlier(found: Seasons, row: int) -> tuple[tuple[date | None, date, date | None], ...]:
    """Return the cycles before the season's; of a perennial none, its cuts are no seasons."""
    if KINDS[found.kind[row]] == "perennial":
        return ()
    cycles: Dates = found.cycles
    told = []
    for cycle in range(int(found.chosen[row])):
        peak = _one(cycles.peak[cycle, row])
        if peak is not None:
            told.append((_one(cycles.start[cycle, row]), peak, _one(cycles.end[cycle, row])))
    return tuple(told)


def _later(found: Seasons, row: int) -> tuple[str, ...]:
    """Return that a cycle came after the season's, where two crops grew in the year."""
    later = int(found.chosen[row]) + 1
    if KINDS[found.kind[row]] != "double" or later >= found.count[row]:
        return ()
    peak = _one(found.cycles.peak[later, row])
    return (f"a second cycle followed, greenest about {_written(peak)}",) if peak else ()


def _one(value: float) -> date | None:
    return _day(value) if np.isfinite(value) else None


def _span(values: np.ndarray) -> Span:  # type: ignore[type-arg]
    return _day(np.floor(values[0])), _day(np.ceil(values[1]))


def _day(value: float) -> date:
    return EPOCH + timedelta(days=round(float(value)))
