"""Made seasons for lessons: blocks of the weather that AquaCrop ships, joined anew, warmed, cooled, dried and wetted.

The weather files are those of the PyPI package `aquacrop` (Apache-2.0): six places, one of them England by six
counties. Whole calendar years are kept out of every lesson, the same for all places, and measured on as they were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.record import Daily, Floats
from greattit.errors import CropModelError

PLACES = {
    "brussels": ("brussels",),
    "champion": ("champion",),
    "cordoba": ("cordoba",),
    "england": ("cambridge", "lincolnshire", "norfolk", "north_yorks", "northumberland", "suffolk"),
    "hyderabad": ("hyderabad",),
    "tunis": ("tunis",),
}
"""place -> weather files; Champion is in Nebraska, Cordoba in Argentina"""
KEPT_OUT = tuple(first + step for first in (1983, 1993, 2003, 2013) for step in range(4))
"""calendar years that no lesson has"""
BLOCK = (10, 25)
"""[days] least and greatest length of one block"""
SHIFT = 7
"""[days] that a block may be moved in the year"""


@dataclass(frozen=True, eq=False)
class Climate:
    """The weather of one file, and which of its days may be in lessons."""

    place: str
    """key of PLACES"""
    daily: Daily
    learn: NDArray[np.bool_]
    """(t,) days of years that may be learned from"""
    usual_tmin: Floats
    """(366,) [degC] smoothed mean by day of the year"""
    usual_tmax: Floats
    """(366,) [degC]"""

    @property
    def day_of_year(self) -> NDArray[np.int64]:
        """(t,) 0-365."""
        return day_of_year(self.daily.days)


def day_of_year(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the day of the year, 0-365."""
    return np.asarray((days - days.astype("datetime64[Y]")).astype(np.int64))


def shipped_climates() -> list[Climate]:
    """Return the climates of the weather that the package `aquacrop` ships; `CropModelError` where it is not there."""
    from importlib.util import find_spec

    found = find_spec("aquacrop")
    if found is None or found.origin is None:
        raise CropModelError("is not installed", subject="aquacrop", remedy="needed to make lessons from its weather")
    folder = Path(found.origin).parent / "data"
    return [_climate(place, folder / f"{name}_climate.txt") for place, names in PLACES.items() for name in names]


def _climate(place: str, path: Path) -> Climate:
    table = np.loadtxt(path, skiprows=1)
    day, month, year = table[:, :3].astype(int).T
    days = np.array([f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(year, month, day, strict=True)], "datetime64[D]")
    tmin, tmax, rain, et0 = (np.ascontiguousarray(column) for column in table[:, 3:7].T)
    daily = Daily(days, tmin, np.maximum(tmin, tmax), np.maximum(rain, 0.0), np.maximum(et0, 0.1), path.name)
    doy, learn = day_of_year(days), ~np.isin(year, KEPT_OUT)
    return Climate(place, daily, learn, _usual(tmin[learn], doy[learn]), _usual(daily.tmax_c[learn], doy[learn]))


def _usual(values: Floats, doy: NDArray[np.int64]) -> Floats:
    """Return the mean by day of the year, over a window of 31 days."""
    totals, counts = np.bincount(doy, values, 366), np.bincount(doy, minlength=366)
    ring = np.ones(31)
    wide = [np.convolve(np.concatenate([part[-15:], part, part[:15]]), ring, "valid") for part in (totals, counts)]
    return np.asarray(wide[0] / wide[1])


def made_season(
    climate: Climate, start: int, count: int, rng: np.random.Generator, *, warmer: float, wetter: float
) -> Daily:
    """Join `count` days from day of the year `start` on out of blocks of any year that may be learned from.

    `warmer` [degC] is added to every day and raises evapotranspiration as Hargreaves' equation has it (FAO-56 eq. 52:
    proportional to the mean temperature + 17.8); `wetter` [1] multiplies rain.
    """
    doy, index = climate.day_of_year, np.zeros(0, np.int64)
    while len(index) < count:
        want = (start + len(index) + int(rng.integers(-SHIFT, SHIFT + 1))) % 366
        length = int(rng.integers(BLOCK[0], BLOCK[1] + 1))
        first = int(rng.choice(np.flatnonzero(doy == want)) if (doy == want).any() else 0)
        block = np.arange(first, min(first + length, len(doy)))
        if len(block) == length and climate.learn[block].all():
            index = np.concatenate([index, block])
    index = index[:count]
    tmin, tmax = climate.daily.tmin_c[index], climate.daily.tmax_c[index]
    mean = (tmin + tmax) / 2.0
    drier = np.clip((mean + warmer + 17.8) / np.maximum(mean + 17.8, 1.0), 0.6, 1.6)
    return replace(
        climate.daily,
        days=np.datetime64("1990-01-01") + np.arange(count),
        tmin_c=tmin + warmer,
        tmax_c=tmax + warmer,
        rain_mm=climate.daily.rain_mm[index] * wetter,
        et0_mm=climate.daily.et0_mm[index] * drier,
        source=f"made of {climate.daily.source}",
    )


def kept_out_starts(climate: Climate, start: int, count: int) -> NDArray[np.int64]:
    """Return the indices of the days of the year `start` from which `count` days lie in years kept out."""
    inside = np.concatenate([[0], np.cumsum(~climate.learn)])
    first = np.flatnonzero(climate.day_of_year == start)
    first = first[first + count <= len(climate.daily)]
    return np.asarray(first[inside[first + count] - inside[first] == count])
