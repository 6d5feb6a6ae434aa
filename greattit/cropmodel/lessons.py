"""Lessons for the surrogate: AquaCrop runs over made seasons, soils, sowing days, varieties, densities and water.

Three parts. "learn": made seasons of the years that may be learned from. "unseen": true seasons of the years kept out,
fields as various as in the lessons. "years": the same plain field in every year kept out, which is what a spread of
scenarios is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.aquacrop import AquaCrop, parameters
from greattit.cropmodel.climates import Climate, kept_out_starts, made_season, shipped_climates
from greattit.cropmodel.crops import KINDS
from greattit.cropmodel.phases import OF_PLAN, OF_SOIL, Fields, degree_days
from greattit.cropmodel.record import CropModel, Daily, Floats, Plan
from greattit.cropmodel.soils import SOILS

PARTS = ("learn", "unseen", "years")
WEATHER = ("tmin_c", "tmax_c", "rain_mm", "et0_mm")


@dataclass(frozen=True)
class Grows:
    """When a crop may be sown and how long it may take, for drawing lessons."""

    sowing_c: tuple[float, float]
    """[degC] usual mean temperature on the day of sowing"""
    days: tuple[int, int]
    """[days] usual time from sowing to ripeness"""
    irrigated: float = 0.25
    """share of the lessons with irrigation"""


GROWS = {
    "wheat": Grows((4.0, 23.0), (100, 300)),
    "maize": Grows((10.0, 28.0), (90, 170)),
    "rice": Grows((16.0, 31.0), (85, 140), 0.75),
    "soybean": Grows((13.0, 29.0), (85, 150)),
    "potato": Grows((7.0, 24.0), (75, 130)),
}
"""crops that the surrogate learns"""


@dataclass(frozen=True)
class Counts:
    """How many runs each crop gets at each place."""

    learn: int = 66
    unseen: int = 15
    years: int = 8


@dataclass(frozen=True, eq=False)
class Lesson:
    """One run to be made."""

    part: str
    place: str
    sown: int
    """day of the year, 0-365"""
    plan: Plan
    weather: Daily


def draw(counts: Counts, seed: int) -> Iterator[Lesson]:
    """Draw the lessons of every crop and place where the crop can ripen, in a fixed order."""
    climates = shipped_climates()
    for crop in GROWS:
        for place in dict.fromkeys(climate.place for climate in climates):
            here = [climate for climate in climates if climate.place == place]
            key = [seed, list(GROWS).index(crop), *place.encode()]
            yield from _of_place(crop, here, counts, np.random.default_rng(key))


def _of_place(crop: str, here: list[Climate], counts: Counts, rng: np.random.Generator) -> Iterator[Lesson]:
    for _ in range(counts.learn):
        climate = here[int(rng.integers(len(here)))]
        warmer, wetter = float(rng.uniform(-3, 3)), float(np.exp(rng.uniform(np.log(0.4), np.log(2.0))))
        found = _sowing(crop, climate, warmer, rng)
        if found is None:
            continue
        sown, days, share = found
        season = made_season(climate, sown, _span(crop, days), rng, warmer=warmer, wetter=wetter)
        yield Lesson("learn", climate.place, sown, _various(crop, share, rng), season)
    for _ in range(counts.unseen):
        climate = here[int(rng.integers(len(here)))]
        yield from _true(crop, climate, 1, rng, plain=False)
    yield from _true(crop, here[0], counts.years, rng, plain=True)


def _true(crop: str, climate: Climate, count: int, rng: np.random.Generator, *, plain: bool) -> Iterator[Lesson]:
    """Draw one sowing day and variety, and true seasons of `count` years kept out for it."""
    found = _sowing(crop, climate, 0.0, rng)
    if found is None:
        return
    sown, days, share = found
    starts = kept_out_starts(climate, sown, _span(crop, days))
    for start in rng.permutation(starts)[:count]:
        plan = Plan(crop, SOILS["loam"], False, thermal_share=share) if plain else _various(crop, share, rng)
        season = climate.daily.cut(int(start), _span(crop, days))
        yield Lesson("years" if plain else "unseen", climate.place, sown, plan, season)


def _span(crop: str, days: int) -> int:
    """Return how many days of weather a season gets, for a crop that usually takes `days`."""
    return min(KINDS[crop].longest, int(1.4 * days) + 25)


def _sowing(crop: str, climate: Climate, warmer: float, rng: np.random.Generator) -> tuple[int, int, float] | None:
    """Draw a day of sowing, the usual days to ripeness and the thermal share that fits them; None where none fits."""
    grows, own = GROWS[crop], parameters(crop)
    tmin, tmax = (np.tile(part + warmer, 2) for part in (climate.usual_tmin, climate.usual_tmax))
    heat = np.concatenate([[0.0], np.cumsum(degree_days(tmin, tmax, own["Tbase"], own["Tupp"]))])
    mean = (tmin + tmax) / 2.0
    for _ in range(300):
        sown, days = int(rng.integers(365)), int(rng.integers(grows.days[0], grows.days[1] + 1))
        share = float((heat[sown + days] - heat[sown]) / own["Maturity"])
        if grows.sowing_c[0] <= mean[sown] <= grows.sowing_c[1] and 0.5 <= share <= 1.3:
            return sown, days, share
    return None


def _various(crop: str, share: float, rng: np.random.Generator) -> Plan:
    names = sorted(SOILS)
    return Plan(
        crop,
        SOILS[names[int(rng.integers(len(names)))]],
        bool(rng.random() < GROWS[crop].irrigated),
        start_water=float(rng.uniform(0.1, 1.0)),
        thermal_share=share,
        density_share=float(rng.uniform(0.5, 1.4)),
        cover_share=float(rng.uniform(0.5, 1.0)) if rng.random() < 0.6 else 1.0,
    )


@dataclass(frozen=True, eq=False)
class Runs:
    """Finished runs, n of them."""

    labels: dict[str, NDArray[np.str_]]
    """part, place, crop, soil -> (n,)"""
    plan: dict[str, Floats]
    """each of OF_PLAN, and sown [day of the year] -> (n,)"""
    weather: NDArray[np.float32]
    """(n, 4, t) WEATHER from sowing on; NaN after the last day given"""
    yields: Floats
    """(n,) [kg/ha] dry; NaN where the crop did not ripen"""
    ripe_after: Floats
    """(n,) [days]; NaN where it did not ripen"""
    seconds: Floats
    """(n,) [s] of processor that each run took, by the caller's stopwatch"""

    def __len__(self) -> int:
        return len(self.yields)


def run_all(lessons: list[Lesson], model: CropModel, clock: Callable[[], float]) -> Runs:
    """Run every lesson. `clock` is a stopwatch [s], e.g. time.process_time."""
    count, longest = len(lessons), max(len(one.weather) for one in lessons)
    weather = np.full((count, len(WEATHER), longest), np.nan, np.float32)
    yields, ripe, seconds = (np.full(count, np.nan) for _ in range(3))
    for number, one in enumerate(lessons):
        started = clock()
        grown = model.run(one.plan, one.weather)
        seconds[number] = clock() - started
        yields[number] = grown.yield_kg_ha
        ripe[number] = np.nan if grown.ripe_after is None else grown.ripe_after
        weather[number, :, : len(one.weather)] = [getattr(one.weather, name) for name in WEATHER]
    labels = {
        "part": np.array([one.part for one in lessons]),
        "place": np.array([one.place for one in lessons]),
        "crop": np.array([one.plan.crop for one in lessons]),
        "soil": np.array([one.plan.soil.name for one in lessons]),
    }
    plan = {name: np.array([float(getattr(one.plan, name)) for one in lessons]) for name in OF_PLAN}
    plan["start_water"] = np.array([one.plan.water_at_sowing for one in lessons])
    plan["sown"] = np.array([float(one.sown) for one in lessons])
    return Runs(labels, plan, weather, yields, ripe, seconds)


def fields_of(runs: Runs) -> Fields:
    """Return the fields of runs as columns, each soil by its name."""
    soils = [SOILS[str(name)] for name in runs.labels["soil"]]
    columns = {name: np.array([float(getattr(soil, name)) for soil in soils]) for name in OF_SOIL}
    return Fields(**{name: runs.plan[name] for name in OF_PLAN}, **columns)


def save(runs: Runs, path: Path) -> None:
    """Write runs to an .npz file, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.npz")
    columns: dict[str, Any] = {"weather": runs.weather, "yields": runs.yields, "ripe_after": runs.ripe_after}
    columns |= {"seconds": runs.seconds, **runs.labels, **{f"plan_{name}": one for name, one in runs.plan.items()}}
    np.savez_compressed(part, **columns)
    part.replace(path)


def read(path: Path) -> Runs:
    """Read runs that `save` wrote."""
    with np.load(path) as found:
        return Runs(
            {name: found[name] for name in ("part", "place", "crop", "soil")},
            {name: found[f"plan_{name}"] for name in (*OF_PLAN, "sown")},
            found["weather"],
            found["yields"],
            found["ripe_after"],
            found["seconds"],
        )


def every_run(counts: Counts, seed: int) -> list[Lesson]:
    """Return the lessons of one seed, and the runs to measure on of the next.

    The reckoning was written with the first seed's runs in sight, also those of years kept out; the figures are of
    others, no error of which was looked at one by one.
    """
    learn = [one for one in draw(counts, seed) if one.part == "learn"]
    return [*learn, *draw(replace(counts, learn=0), seed + 1)]


def make(path: Path, clock: Callable[[], float], counts: Counts | None = None, seed: int = 0) -> Runs:
    """Read the runs of `path`, or make them and keep them there."""
    if not path.is_file():
        save(run_all(every_run(counts or Counts(), seed), AquaCrop(), clock), path)
    return read(path)
