"""What the room is held against: the rules that served before it, and the alarm that anyone would write first."""

from __future__ import annotations

from datetime import date

import numpy as np

from greattit.damage import kinds, pixels
from greattit.damage.cases import Case
from greattit.damage.rows import CLEAR_ENOUGH, ndvi_of
from greattit.types import Hazard, Series

BARE_NDVI = 0.35
DROP = 0.2


def former(case: Case) -> tuple[Hazard, ...]:
    """Return what `growth.observe` told before this room: water in two looks, or no green by midsummer."""
    found = []
    share = pixels.share_of(case.stack.wet, case.stack.weight)
    since = case.stack.day >= int(np.datetime64(date(case.day.year, 3, 1), "D").astype(int))
    wet = since & (np.nan_to_num(share) >= 0.1)
    if wet.sum() >= 2:
        first = np.datetime64(int(case.stack.day[wet][0]), "D").astype(object)
        found.append(Hazard(kinds.FLOOD, float(np.sort(share[wet])[-2]), first, "water in two looks"))
    days, green = _looks(case.series, case.day)
    if len(days) >= 4 and case.day >= date(case.day.year, 6, 30):
        highest = _smooth(days, green).max()
        if highest < BARE_NDVI:
            found.append(Hazard(kinds.FAILED, 1.0, days[0].astype(object), f"NDVI never passed {highest:.2f}"))
    return tuple(found)


def naive(case: Case) -> tuple[Hazard, ...]:
    """Return an alarm for every fall of NDVI by more than `DROP` between two clear looks; it knows no cause."""
    days, green = _looks(case.series, case.day)
    fell = np.flatnonzero(-np.diff(green) > DROP)
    return tuple(
        Hazard(kinds.UNKNOWN, 1.0, days[k + 1].astype(object), f"NDVI fell by {green[k] - green[k + 1]:.2f}", False)
        for k in fell[:1]
    )


def _looks(series: Series, day: date) -> tuple[np.ndarray, np.ndarray]:
    days, green = series.dates.astype("datetime64[D]"), ndvi_of(series)
    keep = (series.clear >= CLEAR_ENOUGH) & np.isfinite(green)
    keep &= (days >= np.datetime64(date(day.year, 1, 1))) & (days <= np.datetime64(day))
    return days[keep], green[keep]


def _smooth(days: np.ndarray, green: np.ndarray) -> np.ndarray:
    from greattit.filled.whittaker import smooth

    slots = (days - days[0]).astype(int) // 5
    mass = np.bincount(slots).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(slots, green) / mass
    return np.asarray(smooth(mean, mass, 20.0))
