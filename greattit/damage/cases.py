"""Plot-seasons with known truth: what `look` is given, and what struck the plot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greattit.damage import kinds, made, pixels, rows
from greattit.damage.losses import Levels
from greattit.damage.rows import Usual
from greattit.damage.told import plot_of
from greattit.damage.weather import Weather
from greattit.simulate.events import Struck
from greattit.types import Hazard, Series

BESIDE = 12
"""neighbours of the same crop whose median is given"""


@dataclass(frozen=True, eq=False)
class Case:
    """One plot-season."""

    name: str
    crop: str
    day: date
    series: Series
    neighbours: Series | None
    usual: Usual | None
    weather: Weather
    stack: pixels.Stack
    truth: Struck | None
    seen: bool
    """whether a look with half of the plot clear, or a radar pass of a flood, fell into the time in which it showed"""


def cases(purpose: str, folder: Path, levels: Levels) -> Iterator[Case]:
    """Yield the plot-seasons of the made counties of a purpose."""
    for one in made.counties(purpose, folder):
        yield from of_county(one, levels)


def of_county(one: made.Made, levels: Levels) -> list[Case]:
    """Return the plot-seasons of one county, each beside the median of its nearest neighbours of the same crop."""
    from greattit import series

    day = one.cube["time"].values.max().astype("datetime64[D]").astype(object)
    many = series.gather_all([field.segment for field in one.fields], one.cube)
    found = []
    for field, own in zip(one.fields, many, strict=True):
        near = _nearest(field, one.fields)
        beside = rows.median_series([many[k] for k in near])
        usual = Usual(field.sown, field.usual[0]) if field.usual and field.sown else None
        stack = pixels.stack(field.segment, one.cube, since=date(day.year, 1, 1), day=day, levels=levels)
        seen = field.struck is not None and _seen(stack, field.struck)
        name = f"{one.name} {field.number}"
        found.append(Case(name, field.crop, day, own, beside, usual, one.weather, stack, field.struck, seen))
    return found


def _nearest(field: made.MadeField, others: tuple[made.MadeField, ...]) -> list[int]:
    here = _middle(field)
    same = [k for k, other in enumerate(others) if other.crop == field.crop and other is not field]
    away = {k: float(np.hypot(*(_middle(others[k]) - here))) for k in same}
    return sorted(same, key=lambda k: away[k])[:BESIDE]


def _middle(field: made.MadeField) -> NDArray[np.float64]:
    at = np.argwhere(field.segment.coverage > 0)
    return np.asarray(at.mean(axis=0))


def _seen(stack: pixels.Stack, truth: Struck) -> bool:
    first, last = (np.datetime64(d, "D").astype(int) for d in (truth.day, truth.last))
    optical = ((stack.day >= first) & (stack.day <= last)).any()
    radar = ((stack.radar_day >= first) & (stack.radar_day <= last)).any()
    return bool(optical or (truth.kind == kinds.FLOOD and radar))


def answer(case: Case, levels: Levels, *, weather: bool = True, pixel: bool = True) -> tuple[Hazard, ...]:
    """Return what is told of a case, with or without the weather and the pixels."""
    signs = kinds.read(
        rows.gather([case.series], day=case.day, neighbours=[case.neighbours], usual=[case.usual]), levels
    )
    plot = plot_of(case.crop, case.stack if pixel else None, case.weather if weather else None, case.day)
    return kinds.tell(signs, 0, plot, levels)


def thinned(case: Case, share: float, rng: np.random.Generator) -> Case:
    """Return the case with only a share of its looks left, as under more cloud."""
    from dataclasses import replace

    days = np.unique(case.series.dates.astype("datetime64[D]"))
    keep = days[rng.random(len(days)) < share]
    own = np.isin(case.series.dates.astype("datetime64[D]"), keep)
    kept = Series(
        case.series.plot_id, case.series.dates[own], case.series.bands, case.series.values[own], case.series.clear[own]
    )
    numbers = keep.astype(np.int64)
    at, radar = np.isin(case.stack.day, numbers), np.isin(case.stack.radar_day, numbers)
    stack = replace(
        case.stack,
        day=case.stack.day[at],
        cover=case.stack.cover[at],
        wet=case.stack.wet[at],
        damp=case.stack.damp[at],
        char=case.stack.char[at],
        strong=case.stack.strong[at],
        radar_day=case.stack.radar_day[radar],
        radar_wet=case.stack.radar_wet[radar],
    )
    return replace(case, series=kept, stack=stack)


def off_days(told: date, truth: date) -> int:
    """Return by how many days a told day is off."""
    return abs((told - truth) // timedelta(days=1))
