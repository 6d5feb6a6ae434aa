"""When a crop usually stands: `usual_of`."""

from __future__ import annotations

from datetime import date

from greattit import policy
from greattit.damage.rows import Usual
from greattit.errors import PolicyError


def usual_of(crop: str, region: str, year: int) -> Usual | None:
    """Return when a crop usually stands in a region in the season harvested in `year`, by `policy/calendar.yaml`."""
    from greattit.crops import taxonomy

    book = policy.load("calendar").on(date(year, 12, 31))
    for name in (taxonomy.house_name(crop), *taxonomy.ancestors(crop)):
        try:
            rule = book.rule(region, name)
        except PolicyError:
            continue
        first = date.fromisoformat(f"{year}-{rule.value['harvest_start']}")
        sown = date.fromisoformat(f"{year}-{rule.value['sowing']}")
        return Usual(sown if sown < first else sown.replace(year=year - 1), first)
    return None
