"""When a crop usually stands, and when its money is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from greattit.policy import Decided
from greattit.yields import lookup


@dataclass(frozen=True)
class Season:
    """One season of one crop in one region."""

    sown: date
    """first usual day of sowing"""
    harvest_start: date
    """first usual day of the harvest"""
    harvest_end: date
    """last usual day of the harvest"""
    calendar: Decided
    """the rule it was read from"""


def season_of(crop: str, *, region: str, day: date, late_days: int = 0) -> Season | None:
    """Return the season that `day` lies in: from sowing to `late_days` [day] after the last usual day of the harvest.

    None when the crop has no calendar in the region, or when `day` lies between two seasons.
    """
    calendar = lookup(crop, book="calendar", branch=(region,), day=day)
    if calendar is None:
        return None
    for year in (day.year - 1, day.year, day.year + 1):
        end = _on(calendar.value["harvest_end"], year)
        sown, start = (_before(calendar.value[key], end) for key in ("sowing", "harvest_start"))
        if sown <= day <= end + timedelta(days=late_days):
            return Season(sown, start, end, calendar)
    return None


def _on(month_day: str, year: int) -> date:
    return date.fromisoformat(f"{year}-{month_day}")


def _before(month_day: str, end: date) -> date:
    there = _on(month_day, end.year)
    return there if there <= end else _on(month_day, end.year - 1)
