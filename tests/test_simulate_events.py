"""What strikes made fields: the truth told is what was done, and the sample county stays as it is."""

from __future__ import annotations

import copy
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from greattit.damage import kinds, made
from greattit.simulate import events, load_recipe, scene
from greattit.simulate.land import lay_out
from greattit.simulate.plants import Course, make_weather
from greattit.simulate.radar import backscatter, radar

DAYS = 518


def recipe(**other: Any) -> dict[str, Any]:
    """Return the recipe for learning, cut to 500 m, every field struck."""
    plan = made.varied(load_recipe("damage-learn"), {"seed": 5, **other})
    plan = copy.deepcopy(plan)
    plan["county"]["size_m"] = 500
    plan["land"].update(rim_m=60, farms=[], woods=[])
    plan["land"]["area_ha"].update(median=0.5, most=1.0, least=0.3)
    plan["strikes"].update(rate=1.0, least_ha=0.2)
    return plan


def settled(plan: dict[str, Any]) -> scene.County:
    first = date(2022, 8, 1)
    weather = make_weather(plan["climate"], first, DAYS, np.random.default_rng(1))
    return scene.settle(lay_out(plan, np.random.default_rng(2)), plan, weather, np.random.default_rng(3))


@pytest.fixture(scope="module")
def struck() -> tuple[scene.County, events.Events]:
    plan = recipe()
    before = settled(plan)
    return before, events.strike(before, plan, np.random.default_rng(4))


def test_the_kinds_have_the_names_of_the_damage_room() -> None:
    assert set(events.KINDS) == set(kinds.KINDS) - {kinds.UNKNOWN}


def test_every_told_blow_shows_from_its_day_on_its_share(struck: tuple[scene.County, events.Events]) -> None:
    before, after = struck
    assert len(after.struck) >= 5
    for one in after.struck:
        own = before.classes == 15 + one.number
        changed = own & (after.county.classes != before.classes)
        assert changed.sum() / own.sum() == pytest.approx(one.share, abs=0.03)
        assert 0.15 <= one.strength <= 1.0 and one.day <= one.last


def test_before_its_day_a_field_is_as_it_was(struck: tuple[scene.County, events.Events]) -> None:
    before, after = struck
    for one in after.struck:
        if one.kind == kinds.FAILED:
            continue
        usual = before.ground[15 + one.number][0][1]
        own = np.unique(after.county.classes[before.classes == 15 + one.number])
        index = before.weather.at(one.day) - 45
        for kind in own:
            course = after.county.ground[int(kind)][0][1]
            assert isinstance(course, Course) and isinstance(usual, Course)
            assert course.on(index)["lai"] == pytest.approx(usual.on(index)["lai"])


def test_the_same_seed_strikes_the_same(struck: tuple[scene.County, events.Events]) -> None:
    plan = recipe()
    again = events.strike(settled(plan), plan, np.random.default_rng(4))
    assert again.struck == struck[1].struck
    assert (again.county.classes == struck[1].county.classes).all()


def test_char_lies_only_while_it_lasts(struck: tuple[scene.County, events.Events]) -> None:
    plan = recipe()
    plan["strikes"]["kinds"] = {k: v for k, v in plan["strikes"]["kinds"].items() if k == kinds.BURNT}
    county = settled(plan)
    burnt = events.strike(county, plan, np.random.default_rng(6))
    assert burnt.char, "some cereal field burns"
    day = burnt.struck[0].day
    lies = burnt.on(county.weather.at(day))
    assert any(what == "char" for layers in lies.ground.values() for _, what, _ in layers)
    assert burnt.on(county.weather.at(day - timedelta(days=60))) is burnt.county
    for layers in lies.ground.values():
        assert sum(share for share, _, _ in layers) == pytest.approx(1.0, abs=0.02)


def test_a_dry_spell_takes_rain_and_draws_nothing_else() -> None:
    climate = load_recipe("sample")["climate"]
    usual = make_weather(climate, date(2022, 8, 1), DAYS, np.random.default_rng(1))
    spell = {"dry": {"from": "2023-05-01", "days": 60, "rain": 0.1}}
    dry = make_weather(climate | spell, date(2022, 8, 1), DAYS, np.random.default_rng(1))
    inside = slice(usual.at("2023-05-01"), usual.at("2023-06-30"))
    np.testing.assert_allclose(dry.rain[inside], 0.1 * usual.rain[inside])
    assert (dry.temperature == usual.temperature).all() and (dry.radiation == usual.radiation).all()
    assert dry.moisture[inside].mean() < usual.moisture[inside].mean()
    assert (dry.rain[: inside.start] == usual.rain[: inside.start]).all()


def test_radar_darkens_where_water_stands(struck: tuple[scene.County, events.Events]) -> None:
    plan = recipe()
    plan["strikes"]["kinds"] = {k: v for k, v in plan["strikes"]["kinds"].items() if k == kinds.FLOOD}
    county = settled(plan)
    flooded = events.strike(county, plan, np.random.default_rng(6))
    one = flooded.struck[0]
    index = county.weather.at(one.day + timedelta(days=1))
    wet = [k for k in flooded.county.ground if k not in county.ground]
    for kind in wet:
        course = flooded.county.ground[kind][0][1]
        assert isinstance(course, Course)
        if course.on(index)["water"] > 0.9:
            assert 10 * np.log10(backscatter(course, index, "VV")) < -17
    layers = radar(flooded.county, one.day, np.random.default_rng(0))
    assert layers["VV"].shape == (50, 50) and np.isfinite(layers["VH"]).all()


def test_only_what_a_county_names_is_varied() -> None:
    plain = made.varied(load_recipe("damage-held-out"), {"seed": 1})
    assert not {"drought", "frost"} & set(plain["strikes"]["kinds"])
    frost = {"night": "2023-06-03", "tmin_c": -5, "share_of_fields": 0.5, "crops": ["soybean"]}
    assert made.varied(load_recipe("damage-held-out"), {"seed": 1, "frost": frost})["strikes"]["kinds"]["frost"]["left"]


def test_crops_days_and_seeds_held_out_are_others() -> None:
    held = load_recipe("damage-held-out")
    for name in ("damage-learn", "damage-choose"):
        plan = load_recipe(name)
        assert set(plan["crops"]) & set(held["crops"]) == {"grassland"}
        seeds = [{one["seed"] for one in both["counties"]} for both in (plan, held)]
        assert not seeds[0] & seeds[1]
