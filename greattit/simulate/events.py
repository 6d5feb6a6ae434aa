"""What strikes the fields of a county that has grown: flood, hail, frost, drought, pest, fire and the rest, with truth.

`strike` takes a settled county and gives it back with struck fields, and says of each what happened, on which share of
it and from which day it shows. A recipe asks for it by `strikes` (see recipes/damage-learn.yaml); the events that
`land` and `seasons` know are those of the sample county and stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.simulate.land import CELL_M, FIRST_FIELD, Field, fractal
from greattit.simulate.plants import Course, Days, Season, Weather, thinned, with_residue
from greattit.simulate.scene import County, Layers

Ranges = Mapping[str, Any]
SHOWS = 0.15
"""share of the plot's leaf area that is missing, or of its ground under water or char, from which damage shows"""
LEAF_FROM = 0.8
"""[m2/m2] unstruck leaf area from which a missing share counts"""
RINGS = 5
"""steps in which a pest spreads"""


@dataclass(frozen=True)
class Struck:
    """The truth of one struck field."""

    number: int
    """of the field"""
    kind: str
    """as the recipe names it"""
    share: float
    """share 0-1 of the field's cells"""
    day: date
    """first day on which it shows: `SHOWS` of the leaf area is missing or of the ground is wet or charred"""
    last: date
    """last day on which it shows"""
    strength: float
    """largest share 0-1 of the struck part's leaf area that is missing; of the ground for water and char"""


@dataclass(frozen=True, eq=False)
class Events:
    """A struck county."""

    county: County
    struck: tuple[Struck, ...]
    char: Mapping[int, Days]
    """class -> share of the ground under char, day by day"""

    def on(self, index: int) -> County:
        """Return the county as it lies on one day, with char where straw was burnt."""
        burnt = {kind: float(share[index]) for kind, share in self.char.items() if share[index] > 0.02}
        ground: dict[int, Layers] = dict(self.county.ground)
        for kind, share in burnt.items():
            ground[kind] = [((1.0 - share) * part, what, damp) for part, what, damp in ground[kind]]
            ground[kind].append((share, "char", 0.0))
        return replace(self.county, ground=ground) if burnt else self.county


@dataclass(frozen=True, eq=False)
class _Blow:
    """What one event does: parts of a field from the first struck to the last, with what stands on each."""

    parts: Sequence[tuple[float, Course]]
    """share of the field, course"""
    char: Days | None = None


def strike(county: County, recipe: Mapping[str, Any], rng: np.random.Generator) -> Events:
    """Strike the whole fields of a settled county as `recipe["strikes"]` says."""
    rules = recipe["strikes"]
    classes, ground = county.classes.copy(), dict(county.ground)
    texture = fractal(classes.shape, rng, 4.6)
    struck: list[Struck] = []
    char: dict[int, Days] = {}
    free = int(max(classes.max(), *ground)) + 1
    for field in county.land.fields:
        kind = _draw(field, county, recipe, rng)
        if kind is None:
            continue
        here = FIRST_FIELD + field.number - 1
        usual = _course(ground[here])
        main = recipe["crops"][field.crop]["main"]
        season = replace(county.seasons[field.number], first_harvest=main["harvest"][0])
        blow = KINDS[kind](usual, season, county.weather, rules["kinds"][kind], rng)
        told = _told(field.number, kind, usual, blow, county.weather) if blow is not None else None
        cells = classes == here
        if blow is None or told is None or not cells.any():
            continue
        struck.append(told)
        order = _order(kind, cells, texture, rng)
        taken = np.round(np.cumsum([share for share, _ in blow.parts]) * len(order)).astype(int)
        damp = ground[here][0][2]
        for start, stop, (_, course) in zip([0, *taken[:-1]], taken, blow.parts, strict=True):
            classes.ravel()[order[start:stop]] = free
            ground[free] = [(1.0, course, damp)]
            if blow.char is not None:
                char[free] = blow.char
            free += 1
    return Events(replace(county, classes=classes, ground=ground), tuple(struck), char)


def _course(layers: Layers) -> Course:
    course = layers[0][1]
    assert isinstance(course, Course)
    return course


def _order(kind: str, cells: NDArray[np.bool_], texture: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the flat places of a field's cells, the first struck first: lows for water, a focus inside for a pest."""
    places = np.flatnonzero(cells)
    if kind != "pest or disease":
        return places[np.argsort(texture.ravel()[places], kind="stable")]
    rows, cols = np.unravel_index(places, cells.shape)
    focus = int(rng.integers(len(places)))
    away = np.hypot(rows - 0.5 * (rows[focus] + rows.mean()), cols - 0.5 * (cols[focus] + cols.mean())) * CELL_M
    ragged = away * (1.0 + 0.25 * texture.ravel()[places])
    return places[np.argsort(ragged, kind="stable")]


def _draw(field: Field, county: County, recipe: Mapping[str, Any], rng: np.random.Generator) -> str | None:
    """Return what strikes a field; None for nothing. What takes the whole county is drawn first."""
    rules, season = recipe["strikes"], county.seasons[field.number]
    if not field.whole or field.shape.area < 1e4 * float(rules["least_ha"]) or season.harvest is None:
        return None
    if "trees" in recipe["crops"][field.crop]:
        return None
    for wide in ("drought", "frost"):
        one = rules["kinds"].get(wide)
        if one and rng.random() < float(one["share_of_fields"]):
            return wide if field.crop in one["crops"] else None
    if rng.random() > float(rules["rate"]):
        return None
    able = {k: float(v["weight"]) for k, v in rules["kinds"].items() if "weight" in v and _fits(field.crop, v)}
    weights = np.array(list(able.values()))
    return str(rng.choice(list(able), p=weights / weights.sum())) if able else None


def _fits(crop: str, rules: Ranges) -> bool:
    return "crops" not in rules or crop in rules["crops"]


def _told(number: int, kind: str, usual: Course, blow: _Blow, weather: Weather) -> Struck | None:
    """Return the truth of a blow; None when it never shows."""
    before = usual.states["lai"]
    leaf = np.clip(before, LEAF_FROM, None)
    lost = np.zeros(len(before))
    worst = 0.0
    for share, course in blow.parts:
        gone = np.where(before >= LEAF_FROM, np.clip(before - course.states["lai"], 0.0, None) / leaf, 0.0)
        seen = np.maximum(gone, course.states["water"])
        seen = seen if blow.char is None else np.maximum(seen, blow.char)
        lost += share * seen
        worst = max(worst, float(seen.max()))
    days = np.flatnonzero(lost >= SHOWS)
    if not len(days):
        return None
    first, last = (weather.first + timedelta(days=int(i)) for i in (days[0], days[-1]))
    share = float(sum(share for share, _ in blow.parts))
    return Struck(number, kind, round(share, 3), first, last, round(worst, 3))


def _pick(span: Sequence[float], rng: np.random.Generator) -> float:
    return float(rng.uniform(float(span[0]), float(span[1])))


def _since(weather: Weather, day: float) -> Days:
    return np.asarray(np.arange(len(weather.temperature), dtype=float) - day)


def _standing(usual: Course, season: Season, weather: Weather, margin: int, least: float) -> NDArray[np.int64]:
    """Return the days on which the crop stands with a leaf area of `least`, up to `margin` days before its harvest."""
    assert season.harvest is not None
    days = np.arange(len(weather.temperature))
    begin = weather.at(season.sown) + 20 if season.sown else 0
    begin = max(begin, weather.at(date(season.harvest.year, 3, 10)))
    return np.flatnonzero(
        (days >= begin) & (days <= weather.at(season.harvest) - margin) & (usual.states["lai"] >= least)
    )


def _drawn_day(days: NDArray[np.int64], rng: np.random.Generator) -> int | None:
    return int(rng.choice(days)) if len(days) else None


def _left(since: Days, left: float, regrown: float, takes: float, regrows: float) -> Days:
    """Return the share of leaf area left: down to `left` within `takes` days, up to `regrown` `regrows` days later."""
    down = 1.0 + (left - 1.0) * np.clip(since / max(takes, 0.5), 0.0, 1.0)
    return np.asarray(down + (regrown - left) * np.clip((since - takes) / regrows, 0.0, 1.0))


def _only_until(weather: Weather, season: Season, factor: Days) -> Days:
    """Let what comes after the harvest be as it was."""
    assert season.harvest is not None
    return np.where(_since(weather, weather.at(season.harvest)) >= 0, 1.0, factor)


def _flood(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    day = _drawn_day(_standing(usual, season, weather, 15, 0.6), rng)
    if day is None:
        return None
    since, stands = _since(weather, day), _pick(rules["days"], rng)
    water = np.where(since >= 0, np.clip(1.4 - 1.4 * (since - 0.6 * stands) / (0.6 * stands), 0.0, 0.97), 0.0)
    left = np.clip(0.45 - 0.35 * since / stands, 0.06, 1.0) + 0.14 * np.clip(since / 70, 0, 1)
    dying = np.where(since < 0, 1.0, left)
    hit = thinned(usual, _only_until(weather, season, dying))
    moist = np.where((since >= -1) & (since < stands + 25), 1.0, usual.states["moist"])
    return _Blow([(_pick(rules["share"], rng), Course({**hit.states, "water": water, "moist": moist}))])


def _failed(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    assert season.sown is not None
    begin = _since(weather, weather.at(season.sown))
    factor = np.where(begin < 0, 1.0, _pick(rules["left"], rng))
    return _Blow([(_pick(rules["share"], rng), thinned(usual, _only_until(weather, season, factor)))])


def _hail(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    day = _drawn_day(_standing(usual, season, weather, 30, 2.0), rng)
    if day is None:
        return None
    left = _pick(rules["left"], rng)
    factor = _left(_since(weather, day), left, left + _pick(rules["regrown"], rng), 1.0, 45.0)
    return _Blow([(1.0, thinned(usual, _only_until(weather, season, factor)))])


def _pest(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    day = _drawn_day(_standing(usual, season, weather, 50, 1.5), rng)
    if day is None:
        return None
    share, left, spread = (_pick(rules[key], rng) for key in ("share", "left", "spread_days"))
    parts = []
    for ring in range(RINGS):
        since = _since(weather, day + spread * ring / (RINGS - 1))
        factor = _only_until(weather, season, _left(since, left, left, 14.0, 1.0))
        hit = thinned(usual, factor)
        sick = np.clip(1.0 - 0.4 * (1.0 - factor), 0.3, 1.0)
        states = {**hit.states, "cab": hit.states["cab"] * sick, "cbrown": hit.states["cbrown"] + 0.25 * (1.0 - sick)}
        parts.append((share / RINGS, Course(states)))
    return _Blow(parts)


def _frost(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    night = date.fromisoformat(str(rules["night"]))
    if usual.states["lai"][weather.at(night)] < 0.8 or (season.sown and season.sown > night):
        return None
    since = _since(weather, weather.at(night))
    left = _pick(rules["left"], rng)
    factor = _left(since, left, left + _pick(rules["regrown"], rng), 6.0, 45.0)
    hit = thinned(usual, _only_until(weather, season, factor))
    brown = np.where((since > 0) & (since < 25), 0.4, 0.0)
    return _Blow([(1.0, Course({**hit.states, "cbrown": hit.states["cbrown"] + brown}))])


def _drought(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    since = _since(weather, weather.at(str(rules["from"])) + int(rules["wait"]))
    left = _pick(rules["left"], rng)
    factor = _only_until(weather, season, _left(since, left, left, float(rules["takes"]), 1.0))
    hit = thinned(usual, factor)
    dry = 1.0 - 0.4 * (1.0 - factor)
    return _Blow([(1.0, Course({**hit.states, "cw": hit.states["cw"] * dry, "cab": hit.states["cab"] * dry}))])


def _early(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    assert season.harvest is not None
    first = weather.at(season.first_harvest or season.harvest)
    days = _standing(usual, season, weather, 1, 1.5)
    days = days[(days >= first - int(rules["before"][1])) & (days <= first - int(rules["before"][0]))]
    day = _drawn_day(days, rng)
    if day is None:
        return None
    gone = np.where((_since(weather, day) >= 0) & (_since(weather, weather.at(season.harvest)) < 0), 0.0, 1.0)
    states = {name: usual.states[name] * gone for name in ("lai", "dead", "clump", "flower")}
    cut = weather.first + timedelta(days=day)
    till = season.harvest if rng.random() < 0.5 else cut + timedelta(days=8)
    return _Blow([(1.0, with_residue(Course({**usual.states, **states}), weather, cut, 0.3, till))])


def _burnt(usual: Course, season: Season, weather: Weather, rules: Ranges, rng: np.random.Generator) -> _Blow | None:
    assert season.harvest is not None
    day = weather.at(season.harvest) + round(_pick(rules["after"], rng))
    since = _since(weather, day)
    stands = _pick(rules["days"], rng)
    char = np.where((since >= 0) & (since < stands), _pick(rules["char"], rng) * np.exp(-since / 30.0), 0.0)
    ash = {name: np.where(since >= 0, 0.0, usual.states[name]) for name in ("residue", "dead")}
    after = np.where((since >= 0) & (since < stands), 0.0, usual.states["lai"])
    return _Blow([(_pick(rules["share"], rng), Course({**usual.states, **ash, "lai": after}))], char)


Blow = Callable[[Course, Season, Weather, Ranges, np.random.Generator], "_Blow | None"]
KINDS: Mapping[str, Blow] = {
    "flood": _flood,
    "failed emergence": _failed,
    "hail or lodging": _hail,
    "pest or disease": _pest,
    "frost": _frost,
    "drought": _drought,
    "early harvest": _early,
    "straw burning": _burnt,
}
"""kind -> what it does to what stands there; names are those of `greattit.damage`"""
