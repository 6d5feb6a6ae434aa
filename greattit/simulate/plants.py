"""The plants: day by day, how much leaf stands on each field, and how green, wet and dead it is.

Leaf area follows thermal time by the two logistic and exponential arms of Koetz et al. 2005 (Remote Sens. Environ. 95,
eq. 1, after Baret 1986); grass regrows after each cut by the logistic law of Verhulst. Yield is the light that green
leaves took up (Monteith 1977, Phil. Trans. R. Soc. B 281), against that of a normal field of the crop under the same
weather.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Days = NDArray[np.float64]
"""one value a day, from `Weather.first` on"""

LEAF = ("n", "cab", "car", "cbrown", "cw", "cm", "angle")
MEMORY, NOISE_C = 0.78, 2.0
"""[1] and [degC] day-to-day memory and innovation of temperature, for a spread of 3.2 degC about the season's mean"""
GROUND = ("lai", "dead", "clump", "residue", "flower", "water", "moist")


@dataclass(frozen=True, eq=False)
class Weather:
    """Simulated weather, and the normal year beside it."""

    first: date
    """first day"""
    temperature: Days
    """[degC] daily mean"""
    normal: Days
    """[degC] daily mean of the normal year"""
    radiation: Days
    """[MJ/m2] global, a day"""
    moisture: Days
    """0-1 of the top soil"""
    rain: Days = field(default_factory=lambda: np.zeros(0))
    """[mm] a day; empty where nobody asked for it"""

    def at(self, day: date | str) -> int:
        """Return the index of a day; text may be ISO."""
        day = date.fromisoformat(day) if isinstance(day, str) else day
        return int(np.clip((day - self.first).days, 0, len(self.temperature) - 1))


@dataclass(frozen=True, eq=False)
class Course:
    """What stands on one piece of ground, day by day: each of LEAF and GROUND as `Days`."""

    states: Mapping[str, Days]
    """name -> one value a day"""

    def on(self, index: int) -> dict[str, float]:
        """Return the state of one day."""
        return {name: float(values[index]) for name, values in self.states.items()}


@dataclass(frozen=True, eq=False)
class Season:
    """One field's year."""

    course: Course
    """what stands there"""
    yield_kg_ha: float
    """[kg/ha] marketed fresh mass"""
    sown: date | None
    """day of sowing or planting"""
    harvest: date | None
    """day of harvest; None for grass and orchards"""
    first_harvest: date | None = None
    """first usual day of the harvest of its crop; None where nobody asked for it"""


def make_weather(climate: Mapping[str, Any], first: date, days: int, rng: np.random.Generator) -> Weather:
    """Simulate daily weather: seasonal mean plus a first-order noise, rain by a two-state chain (Richardson 1981).

    `climate["dry"]`, where it stands, is a spell with `from` (ISO day), `days` and the share `rain` of the rain left.
    """
    doy = np.array([(first + timedelta(days=i)).timetuple().tm_yday for i in range(days)], float)
    middles = np.array([15 + 30.4 * m for m in range(12)])

    def daily(name: str) -> Days:
        return np.asarray(np.interp(doy, middles, climate[name], period=365.25))

    normal = daily("temperature_c")
    noise, warm = np.zeros(days), rng.normal(size=days)
    for i in range(1, days):
        noise[i] = MEMORY * noise[i - 1] + NOISE_C * warm[i]
    chance = daily("rain_days") / 30.4
    size = daily("rain_mm") / daily("rain_days")
    wet, rain, draws, amounts = False, np.zeros(days), rng.random(days), rng.gamma(0.75, 1 / 0.75, days)
    for i in range(days):
        wet = bool(draws[i] < np.clip(chance[i] + (0.22 if wet else -0.22), 0.03, 0.95))
        rain[i] = size[i] * amounts[i] if wet else 0.0
    if "dry" in climate:
        start = (date.fromisoformat(str(climate["dry"]["from"])) - first).days
        rain[max(0, start) : max(0, start + int(climate["dry"]["days"]))] *= float(climate["dry"]["rain"])
    radiation = daily("radiation_mj") * np.where(rain > 0, 0.72, 1.28)
    moisture, store = np.zeros(days), 0.7
    for i in range(days):
        lost = 0.012 * radiation[i] * store
        store = float(np.clip(store + rain[i] / 28.0 - lost, 0.05, 1.0))
        moisture[i] = store
    return Weather(first, normal + noise, normal, radiation, moisture, rain)


def bare(weather: Weather, weeds: float = 0.0, start: date | None = None, end: date | None = None) -> Course:
    """Return soil without a crop, with a leaf area of `weeds` between two days."""
    zero = np.zeros(len(weather.temperature))
    days = np.arange(len(zero))
    begin = -60 if start is None else weather.at(start)
    stop = len(zero) if end is None else weather.at(end)
    lai = weeds * np.clip((days - begin) / 60.0, 0.0, 1.0) * (days < stop)
    leaf = {"n": 1.5, "cab": 40.0, "car": 8.0, "cbrown": 0.0, "cw": 0.015, "cm": 0.005, "angle": 57.0}
    ground = {**dict.fromkeys(GROUND, zero), "lai": lai, "dead": 0.3 * lai, "clump": 1.0 - np.exp(-1.3 * lai)}
    return Course({**{k: zero + v for k, v in leaf.items()}, **ground, "moist": weather.moisture})


def _thermal(temperature: Days, base: float, spread: float = 0.0) -> Days:
    """Return the sum of degrees above a base; with `spread` [degC] that expected of days scattered so."""
    above = temperature - base
    if spread:
        z = above / spread
        above = spread * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) + above * 0.5 * (1.0 + erf(z / np.sqrt(2.0)))
    return np.asarray(np.cumsum(np.clip(above, 0.0, 22.0)))


def _year_day(weather: Weather, text: str | date, year: int) -> date:
    if isinstance(text, date):
        return text
    month, day = (int(v) for v in text.split("-"))
    return date(year, month, day)


def annual(
    rules: Mapping[str, Any], weather: Weather, *, sown: date, half: date, ripe: date, end: date, late: float = 0.0
) -> Course:
    """Return the course of one sown crop from `sown` to `end`, straw and tillage excluded.

    `half` and `ripe` are days of the normal year; `late` [days] moves both, as a late sowing does.
    """
    days = np.arange(len(weather.temperature), dtype=float)
    heat = _thermal(weather.temperature, rules["base_c"])
    usual = _thermal(weather.normal, rules["base_c"], NOISE_C / np.sqrt(1 - MEMORY**2))
    sow, stop = weather.at(sown), weather.at(end)
    heat, usual = heat - heat[sow], usual - usual[sow]

    def when(day: date) -> float:
        return float(np.interp(weather.at(day) + late, days, usual))

    emerged = np.clip((heat - 60.0) / 90.0, 0.0, 1.0)
    rise = 1.0 / (1.0 + np.exp(-rules["rise"] * (heat - when(half))))
    fade = np.exp(np.clip(rules["fall"] * (heat - when(ripe)), -60.0, 3.0))
    lai = rules["lai"] * np.clip(rise - fade, 0.0, None) * emerged
    if "autumn_lai" in rules:
        young = rules["autumn_lai"] * np.clip((heat - 100.0) / 420.0, 0.0, 1.0)
        lai = np.maximum(lai, np.where(heat < when(half), young * (1 - 0.35 * (days > sow + 110)), 0.0))
    alive = (days >= sow) & (days < stop)
    peak = np.maximum.accumulate(np.where(alive, lai, 0.0))
    dead = np.where(heat > when(half), 0.72 * np.clip(peak - lai, 0.0, None), 0.20 * lai) * alive
    lai = lai * alive
    green = np.clip(1.15 - fade, 0.0, 1.0)
    young_leaf = np.clip(0.78 + 0.22 * emerged * np.clip(lai / 1.5, 0, 1), 0.0, 1.0)
    cab = rules["cab"] * (0.35 + 0.65 * green) * young_leaf
    closed = rules["closed"] * np.clip(1.0 - np.exp(-1.15 * (lai + dead)), 0.02, 1.0)
    flower = _bloom(rules, weather, late) * alive
    thirst = 0.85 + 0.15 * np.clip(weather.moisture / 0.4, 0, 1)
    zero = np.zeros(len(days))
    return Course(
        {
            "n": zero + rules["n"],
            "cab": cab,
            "car": 0.22 * cab + 1.0,
            "cbrown": 0.02 + 0.35 * (1.0 - green),
            "cw": rules["cw"] * (0.55 + 0.45 * green) * thirst,
            "cm": zero + rules["cm"],
            "angle": zero + rules["angle"],
            "lai": lai,
            "dead": dead,
            "clump": closed,
            "residue": zero,
            "flower": flower,
            "water": zero,
            "moist": weather.moisture,
        }
    )


def _bloom(rules: Mapping[str, Any], weather: Weather, late: float) -> Days:
    """Return the share of the view filled by petals: up within ten days, down within ten."""
    days = np.arange(len(weather.temperature), dtype=float)
    if "flower" not in rules:
        return np.zeros(len(days))
    year = (weather.first + timedelta(days=200)).year
    first = weather.at(_year_day(weather, rules["flower"]["from"], year)) + late
    last = weather.at(_year_day(weather, rules["flower"]["to"], year)) + late
    shape = np.clip(np.minimum((days - first) / 10.0, (last - days) / 9.0), 0.0, 1.0)
    return np.asarray(rules["flower"]["share"] * shape)


def sward(
    rules: Mapping[str, Any], weather: Weather, cuts: list[date], *, grazed: bool, end: date | None = None
) -> Course:
    """Return the course of grass: logistic regrowth after cuts, a short even sward when grazed, slow in winter."""
    count = len(weather.temperature)
    lai, dead = np.zeros(count), np.zeros(count)
    level = float(rules["winter_lai"])
    cut_days = {weather.at(day) for day in cuts}
    fresh = np.zeros(count)
    for i in range(count):
        warm = float(np.clip((weather.temperature[i] - 4.0) / 12.0, 0.0, 1.0))
        drink = float(np.clip(weather.moisture[i] / 0.35, 0.35, 1.0))
        most = 2.6 if grazed else float(rules["lai"])
        most = most if weather.normal[i] > 7.0 else float(rules["winter_lai"])
        level += 0.105 * warm * drink * level * (1.0 - level / most) - 0.004 * max(0.0, level - most)
        if i in cut_days:
            level = float(rules.get("cut_lai", 1.0)) if not grazed else level * 0.8
            fresh[i : i + 9] = np.linspace(1.0, 0.0, len(fresh[i : i + 9]))
        lai[i] = level
        dead[i] = 0.22 * level + 0.30 * (1.0 - drink) + 0.4 * fresh[i]
    stop = count if end is None else weather.at(end)
    lai[stop:], dead[stop:] = 0.0, 0.0
    zero = np.zeros(count)
    vital = np.clip(0.8 + 0.2 * np.clip((weather.temperature - 2.0) / 8.0, 0, 1) - 0.35 * fresh, 0.4, 1.0)
    cab = rules["cab"] * vital
    return Course(
        {
            "n": zero + rules["n"],
            "cab": cab,
            "car": 0.22 * cab + 1.0,
            "cbrown": zero + 0.04,
            "cw": rules["cw"] * (0.8 + 0.2 * np.clip(weather.moisture / 0.4, 0, 1)),
            "cm": zero + rules["cm"],
            "angle": zero + rules["angle"],
            "lai": lai,
            "dead": dead,
            "clump": rules["closed"] * np.clip(1.0 - np.exp(-2.5 * (lai + dead)), 0.02, 1.0),
            "residue": zero,
            "flower": zero,
            "water": zero,
            "moist": weather.moisture,
        }
    )


def crown(rules: Mapping[str, Any], weather: Weather, late: float = 0.0) -> Course:
    """Return the course of broad-leaved trees: bare in winter, out within three weeks, leaf-fall in autumn."""
    days = np.arange(len(weather.temperature), dtype=float)
    year = (weather.first + timedelta(days=200)).year
    out = weather.at(_year_day(weather, rules["out"], year)) + late
    falls = [weather.at(_year_day(weather, rules["fall"], y)) + 0.5 * late for y in (year - 1, year)]
    full = 1.0 / (1.0 + np.exp(-(days - out) / 5.0)) - 1.0 / (1.0 + np.exp(-(days - falls[1]) / 6.0))
    full = np.clip(full + 1.0 / (1.0 + np.exp((days - falls[0]) / 6.0)) * (days < falls[0] + 40), 0.0, 1.0)
    colour = np.clip(np.minimum(np.abs(days - falls[0]), np.abs(days - falls[1])) / 25.0, 0.0, 1.0)
    zero = np.zeros(len(days))
    cab = rules["cab"] * (0.35 + 0.65 * colour)
    return Course(
        {
            "n": zero + rules["n"],
            "cab": cab,
            "car": 0.22 * cab + 2.0,
            "cbrown": 0.05 + 0.3 * (1 - colour),
            "cw": zero + rules["cw"],
            "cm": zero + rules["cm"],
            "angle": zero + rules["angle"],
            "lai": rules["lai"] * full,
            "dead": zero + 0.30,
            "clump": zero + rules.get("closed", 0.85),
            "residue": zero + 0.15,
            "flower": _bloom(rules, weather, late),
            "water": zero,
            "moist": weather.moisture,
        }
    )


def stack(courses: list[Course]) -> Course:
    """Lay courses of one ground over each other: leaf area and shares add, leaves are those of the larger canopy."""
    first = courses[0]
    if len(courses) == 1:
        return first
    area = np.stack([c.states["lai"] + c.states["dead"] for c in courses])
    top = np.argmax(area, axis=0)
    pick = np.arange(area.shape[1])
    states: dict[str, Days] = {}
    for name in LEAF:
        states[name] = np.stack([c.states[name] for c in courses])[top, pick]
    for name in ("lai", "dead"):
        states[name] = np.sum([c.states[name] for c in courses], axis=0)
    for name in ("clump", "residue", "flower", "water"):
        states[name] = np.max([c.states[name] for c in courses], axis=0)
    states["moist"] = first.states["moist"]
    return Course(states)


def with_residue(course: Course, weather: Weather, harvest: date, share: float, tilled: date) -> Course:
    """Leave straw or stubble on the ground from harvest until tillage; it weathers away by 0.6 % a day."""
    days = np.arange(len(weather.temperature))
    start, stop = weather.at(harvest), weather.at(tilled)
    left = np.where((days >= start) & (days < stop), share * np.exp(-0.006 * (days - start)), 0.0)
    left = np.where(days >= stop, 0.12 * share, left)
    return Course({**course.states, "residue": np.maximum(course.states["residue"], left)})


def thinned(course: Course, factor: Days) -> Course:
    """Multiply leaf area by `factor` a day: hail, failed emergence, drowned plants."""
    lai, dead = course.states["lai"], course.states["dead"]
    loss = np.clip(lai * (1.0 - factor), 0.0, None)
    clump = course.states["clump"] * np.clip(0.35 + 0.65 * factor, 0.0, 1.0)
    return Course({**course.states, "lai": lai * factor, "dead": dead * factor + 0.25 * loss, "clump": clump})


def absorbed(course: Course, weather: Weather, start: date, stop: date) -> float:
    """Return the light [MJ/m2] taken up by green leaves between two days; extinction 0.6, half of sunlight is PAR."""
    part = slice(weather.at(start), weather.at(stop))
    light = 0.5 * weather.radiation[part] * (1.0 - np.exp(-0.6 * course.states["lai"][part]))
    return float(light.sum())
