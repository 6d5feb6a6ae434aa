"""The farmer: when each field is sown, cut, harvested and tilled, what stands there else, and what strikes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from greattit.simulate.land import Field
from greattit.simulate.plants import (
    Course,
    Days,
    Season,
    Weather,
    absorbed,
    annual,
    bare,
    crown,
    stack,
    sward,
    thinned,
    with_residue,
)


def grow(
    field: Field, recipe: Mapping[str, Any], weather: Weather, rng: np.random.Generator
) -> tuple[Season, Season | None]:
    """Return the season of a field, and of its struck part when an event takes only a part of it.

    The yields of both are that of the whole field.
    """
    crop = recipe["crops"][field.crop]
    vigour = float(np.clip(np.exp(rng.normal(0.0, 0.15)), 0.65, 1.35))
    luck = float(np.exp(rng.normal(0.0, 0.06)))
    if "meadow" in crop:
        return _meadow(crop, recipe, weather, vigour, luck, rng), None
    if "trees" in crop:
        return _orchard(crop, recipe, weather, vigour, luck, rng), None
    return _arable(field, crop, recipe, weather, vigour, luck, rng)


def _within(span: Sequence[date], at: float) -> date:
    """Return the day at a share 0-1 of a span of two days."""
    return span[0] + timedelta(days=round((span[1] - span[0]).days * at))


def _day(recipe: Mapping[str, Any], text: str) -> date:
    month, day = (int(v) for v in text.split("-"))
    return date(int(recipe["county"]["year"]), month, day)


def _arable(
    field: Field,
    crop: Mapping[str, Any],
    recipe: Mapping[str, Any],
    weather: Weather,
    vigour: float,
    luck: float,
    rng: np.random.Generator,
) -> tuple[Season, Season | None]:
    main = crop["main"]
    event = recipe.get("events", {}).get(field.event, {})
    place = float(np.clip(rng.beta(2.0, 2.0), 0.03, 0.97))
    sown = _within(main["sown"], place)
    span = (_within(main["sown"], 1.0) - _within(main["sown"], 0.0)).days
    late = (place - 0.5) * span * 0.55 + float(rng.normal(0, 4.0))
    harvest = _within(main["harvest"], float(np.clip(0.5 * place + 0.5 * rng.random(), 0, 1)))
    if field.event == "early_harvest":
        harvest = date.fromisoformat(str(event["day"]))
    half, ripe = _day(recipe, main["half"]), _day(recipe, main["ripe"])
    rules = {
        **main,
        "lai": main["lai"] * vigour,
        "rise": main["rise"] * float(np.exp(rng.normal(0, 0.14))),
        "fall": main["fall"] * float(np.exp(rng.normal(0, 0.18))),
        "cab": main["cab"] * (0.75 + 0.25 * vigour) * float(np.exp(rng.normal(0, 0.08))),
    }
    standing = annual(rules, weather, sown=sown, half=half, ripe=ripe, end=harvest, late=late)
    if "kill" in main:
        standing = _haulm_kill(standing, weather, harvest - timedelta(days=int(rng.integers(*main["kill"]))))
    struck, share = _strike(field, event, standing, weather)
    middle = _within(main["sown"], 0.5)
    usual_end = _within(main["harvest"], 0.5)
    normal = annual(main, weather, sown=middle, half=half, ripe=ripe, end=usual_end)
    most = absorbed(normal, weather, middle, usual_end)
    light = absorbed(standing, weather, sown, harvest)
    hit = absorbed(struck, weather, sown, harvest) if struck is not None else light
    if field.event == "flood":
        hit *= 0.5
    mass = crop["yield_kg_ha"] * luck * ((1 - share) * light + share * hit) / most
    around = _around(crop, recipe, weather, sown, harvest, rng)
    tilled = harvest + timedelta(days=int(rng.integers(*main["till"])))
    field_yield = float(round(mass, -1))

    def finish(course: Course) -> Season:
        whole = with_residue(stack([course, *around]), weather, harvest, main["straw"], tilled)
        return Season(whole, field_yield, sown, harvest)

    if struck is None:
        return finish(standing), None
    return (finish(struck), None) if share == 1.0 else (finish(standing), finish(struck))


def _haulm_kill(course: Course, weather: Weather, day: date) -> Course:
    """Potato tops are killed before lifting: what is green is dead within ten days."""
    days = np.arange(len(weather.temperature))
    factor = np.clip(1.0 - (days - weather.at(day)) / 10.0, 0.0, 1.0)
    lai, dead = course.states["lai"], course.states["dead"]
    gone = np.clip((days - weather.at(day) - 6) / 12.0, 0.0, 0.7)
    return Course({**course.states, "lai": lai * factor, "dead": (dead + 0.5 * lai * (1 - factor)) * (1 - gone)})


def _strike(field: Field, event: Mapping[str, Any], course: Course, weather: Weather) -> tuple[Course | None, float]:
    """Return the course of the struck part and its share of the field; None when nothing strikes."""
    days = np.arange(len(weather.temperature), dtype=float)
    if field.event == "failed":
        return thinned(course, np.full(len(days), float(event["survive"]))), 1.0
    if field.event == "hail":
        since = days - weather.at(str(event["day"]))
        factor = np.where(
            since < 0, 1.0, event["left"] + (event["regrown"] - event["left"]) * np.clip(since / 45.0, 0, 1)
        )
        return thinned(course, factor), 1.0
    if field.event == "flood":
        return _drowned(course, event, weather, days), float(event["share"])
    return None, 0.0


def _drowned(course: Course, event: Mapping[str, Any], weather: Weather, days: Days) -> Course:
    since = days - weather.at(str(event["day"]))
    stands = float(event["days"])
    water = np.where(since >= 0, np.clip(1.4 - 1.4 * (since - 0.6 * stands) / (0.6 * stands), 0.0, 0.97), 0.0)
    factor = np.where(
        since < 0, 1.0, np.clip(0.35 - 0.3 * since / stands, 0.06, 1.0) + 0.14 * np.clip((since - 40) / 30, 0, 1)
    )
    hit = thinned(course, factor)
    moist = np.where((since >= -1) & (since < stands + 25), 1.0, course.states["moist"])
    return Course({**hit.states, "water": np.minimum(water, 0.97), "moist": moist})


def _around(
    crop: Mapping[str, Any],
    recipe: Mapping[str, Any],
    weather: Weather,
    sown: date,
    harvest: date,
    rng: np.random.Generator,
) -> list[Course]:
    """Return what stands on the field before and after the crop."""
    out = []
    before = crop["before"]
    kinds = [k for k in before if k != "kind"]
    if kinds:
        kind = str(rng.choice(kinds, p=[before[k] for k in kinds]))
        out.append(_cover(kind, recipe, weather, None, sown - timedelta(days=int(rng.integers(6, 24))), rng))
    after = crop["after"]
    kind = str(rng.choice(list(after), p=list(after.values())))
    out.append(_cover(kind, recipe, weather, harvest, None, rng))
    return out


def _cover(
    kind: str,
    recipe: Mapping[str, Any],
    weather: Weather,
    start: date | None,
    end: date | None,
    rng: np.random.Generator,
) -> Course:
    """Return one crop between crops: from last autumn to `end`, or from the harvest `start` on."""
    size = float(np.exp(rng.normal(0, 0.15)))
    year = int(recipe["county"]["year"])
    grass, mustard = recipe["between"]["ryegrass"], recipe["between"]["mustard"]
    if kind == "ryegrass":
        scaled = {**grass, "lai": grass["lai"] * size, "winter_lai": grass["winter_lai"] * size}
        return sward(scaled, weather, [], grazed=False, end=end)
    if kind == "mustard" and end is not None:
        killed = min(end, date(year, 1, 8) + timedelta(days=int(rng.integers(0, 45))))
        sown = date(year - 1, 8, 22) + timedelta(days=int(rng.integers(0, 25)))
        rules = {**mustard, "lai": mustard["lai"] * size}
        grown = annual(
            rules, weather, sown=sown, half=sown + timedelta(days=42), ripe=killed + timedelta(days=25), end=killed
        )
        return with_residue(grown, weather, killed, mustard["straw"], end - timedelta(days=10))
    if start is None or kind == "bare":
        weeds = float(rng.gamma(1.6, 0.14))
        return bare(weather, weeds, start, end)
    last = date(year, 12, 31)
    plans = {
        "mustard": (mustard, int(rng.integers(10, 28)), 45, size),
        "volunteers": ({**mustard, "lai": 1.6}, 12, 40, size),
        "late_ryegrass": ({**mustard, "lai": 1.8, "angle": 60, "cab": 40}, 6, 45, size),
        "winter_cereal": ({**mustard, "lai": 1.0, "angle": 62, "cab": 42}, 14, 60, size),
    }
    rules, wait, days, scale = plans[kind]
    sown = start + timedelta(days=wait)
    half = sown + timedelta(days=days)
    return annual({**rules, "lai": rules["lai"] * scale}, weather, sown=sown, half=half, ripe=last, end=last)


def _meadow(
    crop: Mapping[str, Any],
    recipe: Mapping[str, Any],
    weather: Weather,
    vigour: float,
    luck: float,
    rng: np.random.Generator,
) -> Season:
    rules = crop["meadow"]
    grazed = bool(rng.random() < rules["grazed_share"])
    shift = int(rng.integers(-9, 14))
    cuts = [_day(recipe, text) + timedelta(days=shift + int(rng.integers(-5, 6))) for text in rules["cuts"]]
    if rng.random() < 0.4:
        cuts.pop(int(rng.integers(1, len(cuts))))
    own = {**rules, "lai": rules["lai"] * vigour, "winter_lai": rules["winter_lai"] * vigour}
    course = sward(own, weather, cuts, grazed=grazed)
    usual = sward(rules, weather, [_day(recipe, text) for text in rules["cuts"]], grazed=False)
    span = (_day(recipe, "03-01"), _day(recipe, "10-20"))
    share = absorbed(course, weather, *span) / absorbed(usual, weather, *span)
    return Season(course, float(round(crop["yield_kg_ha"] * luck * share, -1)), None, None)


def _orchard(
    crop: Mapping[str, Any],
    recipe: Mapping[str, Any],
    weather: Weather,
    vigour: float,
    luck: float,
    rng: np.random.Generator,
) -> Season:
    """Trees in rows; the grass between and the bare strips beneath are mixed in by `Course` shares of `crown`."""
    rules = crop["trees"]
    course = crown({**rules, "lai": rules["lai"] * vigour}, weather, late=float(rng.normal(0, 3)))
    usual = crown(rules, weather)
    span = (_day(recipe, "04-15"), _day(recipe, "09-25"))
    share = absorbed(course, weather, *span) / absorbed(usual, weather, *span)
    harvest = _day(recipe, "09-10") + timedelta(days=int(rng.integers(0, 30)))
    return Season(course, float(round(crop["yield_kg_ha"] * luck * share, -1)), None, harvest)
