"""Which growth stages (BBCH) cannot be ruled out on a day: `stage_on`, from `policy/stages.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import policy
from greattit.crops import taxonomy
from greattit.errors import WeatherError

if TYPE_CHECKING:
    from greattit.growth.course import Course
    from greattit.weather import Weather

OTHER = "other"
"""The group of crops that no other group names."""

AFTER_DAYS = 30.0
"""Place 4 of the season lies so long after its end [days]."""

UNSEEN_DAYS = 200
"""A start that was before the first look was at most so long before it [days]."""

CLIMBING = timedelta(days=10)
"""While the greenness climbs, the middle of the days near its peak lies at least so far ahead."""

HEAT_CAP_C = 30.0
"""Warmer than this a day adds no more heat [degC]."""


@dataclass(frozen=True)
class Stage:
    """The principal stages that cannot be ruled out."""

    groups: tuple[str, ...]
    """groups of crops of `policy/stages.yaml`"""
    bbch: str
    """first and last code, e.g. "30-59" """
    en: tuple[str, ...]
    """the words that farmers use, one for each stage"""
    zh: tuple[str, ...]
    """the same in Chinese"""
    source: str
    """the rules"""


@cache
def groups(day: date) -> dict[str, str]:
    """Return house name -> its group on `day`."""
    book = policy.load("stages").on(day)
    return {crop: name for name in book for crop in book.rule(name, "crops").value}


def group_of(crop: str | None, day: date) -> str:
    """Return the group of a crop, found under its own or the nearest coarser name; `OTHER` when it is not known.

    Of two crops in one season it is the second's: that is what stands last.
    """
    if not crop:
        return OTHER
    known, parts = groups(day), taxonomy.parts(crop)
    name = parts[-1] if parts else taxonomy.house_name(crop)
    return next((known[one] for one in (name, *taxonomy.ancestors(name)) if one in known), OTHER)


@cache
def course_of(group: str, day: date) -> dict[str, Any]:
    """Return how the greenness of a group runs: `stays`, `dips`, `days`, `heat` and `base_c`."""
    return dict(policy.load("stages").on(day).rule(group, "course").value)


def stage_on(day: date, course: Course, crops: Sequence[str], *, weather: Weather | None = None) -> Stage | None:
    """Return the stages of `crops` (those that cannot be ruled out) that cannot be ruled out on `day`.

    None where the season is not known or is fallow. The place in the season is reckoned with the earliest and with the
    latest of the dates; a date not yet seen lies as many days (with `weather`: degree days) after the one before as the
    crop's group takes, fewest and most.
    """
    if course.kind in ("unknown", "fallow") and course.start is None and not course.sprouting:
        return None
    met, sources = [], []
    names = tuple(dict.fromkeys(group_of(crop, day) for crop in crops)) or (OTHER,)
    for group in names:
        rule = policy.load("stages").on(day).rule(group, "stages")
        first, last = _places(day, course, course_of(group, day), weather)
        here = [one for one in rule.value if one["place"][0] <= last and one["place"][1] >= first]
        met += here
        sources += [rule.source] if here else []
    if not met:
        return None
    codes = [one["bbch"].split("-") for one in met]
    bbch = f"{min(code[0] for code in codes)}-{max(code[1] for code in codes)}"
    en, zh = (tuple(dict.fromkeys(one[name] for one in met)) for name in ("en", "zh"))
    return Stage(names, bbch, en, zh, "; ".join(sources))


def _places(day: date, course: Course, rules: dict[str, Any], weather: Weather | None) -> tuple[float, float]:
    """Return the least and the largest place in the season on `day`."""
    if course.start is None and not course.before:
        if course.peak is None:
            return 0.0, 1.0  # not yet half of the rise
        return (2.0, 4.0) if course.end else (0.0, 3.0)
    return _place(day, _marks(course, rules, weather, late=True)), _place(
        day, _marks(course, rules, weather, late=False)
    )


def _marks(course: Course, rules: dict[str, Any], weather: Weather | None, *, late: bool) -> tuple[date, date, date]:
    """Return start, peak and end at their latest, or at their earliest."""
    side, seen = int(late), course.seen[1]
    unseen = course.seen[0] - timedelta(days=0 if late else UNSEEN_DAYS)
    start = course.start_90[side] if course.start_90 else unseen
    if course.peak_90:
        peak = course.peak_90[side]
    else:
        peak = _after(start, rules, "rise", side, weather)
        peak = max(peak, seen + CLIMBING) if course.rising else max(peak, seen) if late else peak
    if course.end_90:
        return start, peak, max(course.end_90[side], peak)
    still = peak + 2 * (seen - peak)  # as green as at its peak, a field is not yet half of the way to its end
    end = max(_after(peak, rules, "fall", side, weather), seen if course.peak_90 else still)
    return start, peak, max(end, peak)


def _after(start: date, rules: dict[str, Any], way: str, side: int, weather: Weather | None) -> date:
    """Return the day that lies the fewest (side 0) or most (1) days, or degree days, of a way after `start`."""
    usual = start + timedelta(days=rules["days"][way][side])
    if weather is None:
        return usual
    from greattit.weather import thermal_time

    try:
        heat = thermal_time(weather, rules["base_c"], HEAT_CAP_C, start)
    except WeatherError:
        return usual
    reached = heat >= rules["heat"][way][side]
    if reached.any():
        return _date(weather.days[int(reached.argmax())])
    return max(usual, _date(weather.days[-1]))


def _date(day: np.datetime64) -> date:
    found: date = day.astype("datetime64[D]").astype(date)
    return found


def _place(day: date, marks: tuple[date, date, date]) -> float:
    """Return the place of a day between emergence (0), start (1), peak (2), end (3) and a month later (4)."""
    start, peak, end = marks
    if day < start:
        return max(0.0, 1.0 - (start - day).days / AFTER_DAYS)
    if day < peak:
        return 1.0 + (day - start).days / max((peak - start).days, 1)
    if day < end:
        return 2.0 + (day - peak).days / max((end - peak).days, 1)
    return 3.0 + min((day - end).days / AFTER_DAYS, 6.0)
