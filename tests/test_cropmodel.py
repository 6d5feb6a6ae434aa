"""Crop models: AquaCrop behind its seam, the spread over years, the surrogate, WOFOST's adapter, what is refused."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from greattit.cropmodel import (
    KINDS,
    SOILS,
    AquaCrop,
    CropModelError,
    Daily,
    Fields,
    Grown,
    Plan,
    Surrogate,
    Wofost,
    kind,
    load,
    norm_daily,
    scenarios,
    season,
    surrogate,
)
from greattit.cropmodel.phases import NEVER, degree_days, seasons
from greattit.cropmodel.reckon import reckon
from greattit.cropmodel.scenarios import quantiles
from greattit.errors import GreatTitError, ModelError, WeatherError

needs_aquacrop = pytest.mark.skipif(find_spec("aquacrop") is None, reason="needs the optional part cropmodel")
needs_pcse = pytest.mark.skipif(find_spec("pcse") is None, reason="needs pcse")
LOAM = SOILS["loam"]


@dataclass(frozen=True, eq=False)
class Plain:
    """Weather as anybody has it: arrays and no more."""

    day: Any
    tmin_c: Any
    tmax_c: Any
    rain_mm: Any
    et0_mm: Any


def made(
    first: str = "2001-01-01", years: int = 8, *, warmer: float = 0.0, wetter: float = 1.0, seed: int = 0
) -> Plain:
    """Made weather of a warm temperate place, wet and dry years by turns."""
    rng = np.random.default_rng(seed)
    days = np.arange(np.datetime64(first), np.datetime64(first) + int(365.25 * years))
    angle = 2 * np.pi * ((days - days.astype("datetime64[Y]")).astype(int) - 110) / 365.25
    mean = 14.0 + warmer + 11.0 * np.sin(angle) + rng.normal(0, 2, len(days))
    year = (days.astype("datetime64[Y]").astype(int)) % 5
    rain = wetter * (0.4 + 0.3 * year) * np.where(rng.random(len(days)) < 0.3, rng.gamma(0.8, 8.0, len(days)), 0.0)
    return Plain(days, mean - 5, mean + 6, rain, np.clip(3.0 + 2.2 * np.sin(angle), 0.4, None))


def changed(weather: Plain, name: str, where: slice, value: float) -> Plain:
    values = np.array(getattr(weather, name))
    values[where] = value
    return replace(weather, **{name: values})


def summer(**said: Any) -> Daily:
    return season(norm_daily(made(**said)), date(2002, 4, 25), 220)


class Counting:
    """A model that gives what the weather's rain is, and remembers what it was given."""

    name = "counting"

    def __init__(self) -> None:
        self.given: list[Daily] = []

    def run(self, plan: Plan, weather: Daily) -> Grown:
        self.given.append(weather)
        cover = plan.cover_share * 0.8 * np.clip(np.arange(len(weather)) / 60.0, 0, 1)
        return Grown(float(weather.rain_mm.sum()), float("nan"), cover, 120)


# AquaCrop


@needs_aquacrop
@pytest.mark.parametrize("crop", sorted(KINDS))
def test_aquacrop_grows_every_crop_that_is_named(crop: str) -> None:
    grown = AquaCrop().run(Plan(crop, LOAM, True, thermal_share=0.85), summer(warmer=5.0))
    assert 500 < grown.yield_kg_ha < 25_000 and grown.biomass_kg_ha > grown.yield_kg_ha
    assert grown.ripe_after is not None and len(grown.cover) >= grown.ripe_after
    assert 0.3 < grown.cover.max() <= 1


@needs_aquacrop
def test_aquacrop_gives_what_the_package_gives_when_called_plainly() -> None:
    """The fixed sowing day and the plain soil change nothing: the package's own example, potato in Brussels."""
    from aquacrop import CO2, AquaCropModel, Crop, InitialWaterContent, Soil
    from aquacrop.utils import get_filepath, prepare_weather

    table = prepare_weather(get_filepath("brussels_climate.txt"))
    whole = AquaCropModel(
        "1990/04/25",
        "1990/11/20",
        table,
        Soil("Loam"),
        Crop("PotatoGDD", planting_date="04/25"),
        InitialWaterContent(value=["FC"]),
        co2_concentration=CO2(constant_conc=True, current_concentration=425.0),
    )
    whole.run_model(till_termination=True)
    truth = 1000 * float(whole.get_simulation_results()["Dry yield (tonne/ha)"].iloc[0])
    columns = {"tmin_c": "MinTemp", "tmax_c": "MaxTemp", "rain_mm": "Precipitation", "et0_mm": "ReferenceET"}
    arrays = {name: table[column].to_numpy(float) for name, column in columns.items()}
    weather = season(norm_daily(Plain(table["Date"].to_numpy(), **arrays)), date(1990, 4, 25), 200)
    grown = AquaCrop().run(Plan("potato", LOAM, False, start_water=1.0), weather)
    assert truth > 1000 and grown.yield_kg_ha == pytest.approx(truth, rel=1e-6)


@needs_aquacrop
def test_water_density_cover_and_variety_do_what_they_should() -> None:
    dry = summer(wetter=0.25)
    model, plan = AquaCrop(), Plan("maize", LOAM, False, thermal_share=0.8, start_water=0.4)
    plain = model.run(plan, dry)
    assert model.run(replace(plan, irrigated=True), dry).yield_kg_ha > 1.1 * plain.yield_kg_ha
    thin = model.run(replace(plan, irrigated=True, cover_share=0.5), dry)
    assert thin.cover.max() == pytest.approx(0.48, abs=0.02)
    early = model.run(replace(plan, thermal_share=0.6), dry)
    assert early.ripe_after is not None and plain.ripe_after is not None and early.ripe_after < plain.ripe_after


@needs_aquacrop
def test_a_season_too_cold_or_too_short_gives_nan_and_no_yield() -> None:
    for weather in (summer(warmer=-9.0), summer().cut(0, 60)):
        grown = AquaCrop().run(Plan("maize", LOAM, False), weather)
        assert np.isnan(grown.yield_kg_ha) and grown.ripe_after is None


@needs_aquacrop
def test_aquacrop_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    AquaCrop().run(Plan("potato", LOAM, False), summer())
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(CropModelError, match=r"aquacrop: is not installed .*greattit\[cropmodel\]"):
        AquaCrop()


# scenarios


def test_what_is_seen_is_joined_to_the_rest_of_each_other_year() -> None:
    model, history, now = Counting(), made(years=8), made("2010-05-01", 1, seed=9)
    seen = replace(now, **{name: getattr(now, name)[:40] for name in ("day", "tmin_c", "tmax_c", "rain_mm", "et0_mm")})
    found = scenarios(
        history, "maize", sown=date(2010, 5, 1), soil="loam", irrigated=False, weather_so_far=seen, model=model
    )
    assert found.years == tuple(range(2001, 2009)) and found.days_seen == 40 and len(model.given) == 8
    whole = norm_daily(history)
    for year, weather in zip(found.years, model.given, strict=True):
        assert np.array_equal(weather.rain_mm[:40], now.rain_mm[:40])
        assert np.array_equal(weather.rain_mm[40:], season(whole, date(year, 5, 1), 220).rain_mm[40:])
        assert weather.days[0] == np.datetime64("2010-05-01") and len(weather) == 220
    assert found.dry.p10 <= found.dry.p50 <= found.dry.p90
    assert found.market.p50 == pytest.approx(found.dry.p50 / 0.86) and found.moisture == 0.14
    assert "no measured yield" in found.basis


def test_when_the_whole_season_is_seen_there_is_no_spread() -> None:
    now = made("2010-05-01", 1, seed=9)
    found = scenarios(
        made(), "maize", sown=date(2010, 5, 1), soil=LOAM, irrigated=False, weather_so_far=now, model=Counting()
    )
    assert found.dry.p10 == found.dry.p90 and len(set(found.yields_kg_ha)) == 1


def test_years_come_in_one_record_or_in_several() -> None:
    whole = norm_daily(made(years=8))
    parts = [season(whole, date(year, 5, 1), 240) for year in range(2001, 2009)]
    said = [
        scenarios(some, "maize", sown=date(2010, 5, 1), soil="loam", irrigated=False, model=Counting())
        for some in (whole, parts)
    ]
    assert np.array_equal(said[0].yields_kg_ha, said[1].yields_kg_ha) and said[0].years == said[1].years


def test_this_years_own_record_is_no_scenario_and_a_year_with_a_gap_is_named() -> None:
    holed = changed(made(years=8), "rain_mm", slice(365 + 150, 365 + 160), np.nan)
    found = scenarios(holed, "maize", sown=date(2004, 5, 1), soil="loam", irrigated=False, model=Counting())
    assert 2004 not in found.years and list(found.left_out) == [2002]
    assert "rain_mm is missing on 10 days" in found.left_out[2002]


def test_quantiles_count_unripe_years_as_the_lowest() -> None:
    many = np.concatenate([[np.nan, np.nan], np.arange(1.0, 9.0)])
    found = quantiles(many)
    assert np.isnan(found.p10) and found.p50 == pytest.approx(np.quantile(np.concatenate([[-1, -1], many[2:]]), 0.5))
    assert np.isnan(quantiles(np.full(6, np.nan)).p90) and quantiles(np.arange(11.0)).p10 == 1.0


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_the_cover_that_was_seen_lowers_the_models(share: float) -> None:
    now = made("2010-05-01", 1, seed=9)
    days = np.datetime64("2010-05-01") + np.array([20, 35, 50])
    looks = (days, share * 0.8 * np.array([20, 35, 50]) / 60.0)
    found = scenarios(
        made(), "maize", sown=date(2010, 5, 1), soil="loam", irrigated=False,
        cover_seen=looks, weather_so_far=now, model=Counting(),
    )  # fmt: skip
    assert found.plan.cover_share == pytest.approx(share, abs=0.01)
    assert any("3 looks" in note for note in found.notes)


@needs_aquacrop
def test_scenarios_of_aquacrop_end_to_end() -> None:
    """The wetter the start, the higher the rainfed yield; the variety ripens in about the days that were said."""
    history = made(years=7, wetter=0.5)
    ask = {"sown": date(2010, 5, 1), "soil": "sandy loam", "irrigated": False, "usual_days": 130, "start_water": 0.3}
    plain = scenarios(history, "maize", **ask)
    assert plain.unripe == () and plain.dry.p10 < plain.dry.p90
    grown = AquaCrop().run(plain.plan, season(norm_daily(history), date(2003, 5, 1), 220))
    assert grown.ripe_after is not None and 115 < grown.ripe_after < 145
    wet = scenarios(history, "maize", **{**ask, "start_water": 1.0})
    assert wet.dry.p50 > plain.dry.p50
    assert plain.basis.startswith("AquaCrop-OSPy") and "rainfed" in plain.basis


# refusals


@pytest.mark.parametrize(
    ("break_", "said"),
    [
        (lambda w: replace(w, tmin_c=w.tmin_c + 273.15, tmax_c=w.tmax_c + 273.15), "kelvin"),
        (lambda w: replace(w, tmin_c=w.tmin_c * 1.8 + 32, tmax_c=w.tmax_c * 1.8 + 32), "Fahrenheit"),
        (lambda w: changed(w, "rain_mm", slice(3, 5), -1.0), "negative rain on 2 days, the first 2001-01-04"),
        (lambda w: replace(w, tmin_c=w.tmax_c + 1), "a least temperature above the highest"),
        (lambda w: changed(w, "et0_mm", slice(0, 1), -2.0), "evapotranspiration below 0"),
        (lambda w: replace(w, rain_mm=w.rain_mm[:-1]), "values for"),
        (lambda w: replace(w, day=w.day[::-1]), "out of order"),
        (lambda w: replace(w, rain_mm=None), "has no rain_mm"),
        (lambda w: replace(w, et0_mm=None), "et0_mm"),
        (lambda w: replace(w, day=np.array(["no day"] * len(w.day))), "no column of days|no dates"),
    ],
)
def test_weather_that_cannot_be_is_refused(break_: Any, said: str) -> None:
    with pytest.raises(WeatherError, match=said) as error:
        norm_daily(break_(made(years=1)))
    assert error.value.remedy


def test_gaps_of_a_few_days_are_filled_and_longer_ones_refused() -> None:
    whole = made(years=1)
    short = season(norm_daily(changed(whole, "tmax_c", slice(100, 103), np.nan)), date(2001, 4, 1), 100)
    assert np.isfinite(short.tmax_c).all() and short.notes == ("3 missing values filled in a straight line",)
    with pytest.raises(WeatherError, match="tmax_c is missing on 4 days in a row from 2001-04-11"):
        season(norm_daily(changed(whole, "tmax_c", slice(100, 104), np.nan)), date(2001, 4, 1), 100)
    keep = np.r_[0:100, 110 : len(whole.day)]
    with pytest.raises(WeatherError, match="missing on 10 days"):
        holed = Plain(*(np.asarray(getattr(whole, name))[keep] for name in Plain.__dataclass_fields__))
        season(norm_daily(holed), date(2001, 4, 1), 100)


def test_weather_that_ends_before_the_season_is_refused() -> None:
    ask = {"sown": date(2010, 5, 1), "soil": "loam", "irrigated": False, "model": Counting()}
    with pytest.raises(WeatherError, match="lies outside 2001-01-01 to"):
        season(norm_daily(made()), date(2012, 5, 1), 100)
    with pytest.raises(WeatherError, match="fewer than 5 other years"):
        scenarios(made(years=4), "maize", **ask)
    ends = [season(norm_daily(made()), date(year, 5, 1), 90) for year in range(2001, 2008)]
    with pytest.raises(WeatherError, match="2001: its weather ends before the crop is ripe"):
        scenarios(ends, "maize", **ask)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"crop": "tulip"}, "tulip: is no crop that AquaCrop grows here"),
        ({"soil": "moon dust"}, "moon dust: is no soil known here"),
        ({"start_water": 3.0}, "start_water is 3"),
        ({"cover_seen": ([np.datetime64("2010-06-01")], [0.4])}, "no weather so far"),
        ({"usual_days": 120}, "counting has its own variety"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(change: dict[str, Any], said: str) -> None:
    ask = {"crop": "maize", "sown": date(2010, 5, 1), "soil": "loam", "irrigated": False, "model": Counting()} | change
    with pytest.raises(GreatTitError, match=said) as error:
        scenarios(made(), ask.pop("crop"), **ask)
    assert isinstance(error.value, CropModelError) and error.value.remedy


def test_covers_that_were_seen_are_checked() -> None:
    now = made("2010-05-01", 1)
    ask = {"sown": date(2010, 5, 1), "soil": "loam", "irrigated": False, "model": Counting(), "weather_so_far": now}
    for looks, said in (
        (([np.datetime64("2010-06-01")], [1.4]), "not between 0 and 1"),
        (([np.datetime64("2009-06-01")], [0.4]), "seen outside"),
        (([np.datetime64("2010-06-01")], [0.4, 0.5]), "1 days and 2 covers"),
    ):
        with pytest.raises(CropModelError, match=said):
            scenarios(made(), "maize", cover_seen=looks, **ask)


# the surrogate


def test_the_house_names_lead_to_the_models() -> None:
    assert kind("winter_wheat").file == "WheatGDD" and kind("late_rice").name == "rice"


@given(
    warmer=st.floats(-4, 6), wetter=st.floats(0, 3), water=st.floats(0, 1), share=st.floats(0.5, 1.2),
    soil=st.sampled_from(sorted(SOILS)), crop=st.sampled_from(["wheat", "maize", "rice", "soybean", "potato"]),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_the_surrogate_gives_a_yield_or_nan_whatever_comes(
    warmer: float, wetter: float, water: float, share: float, soil: str, crop: str
) -> None:
    weather = summer(warmer=warmer, wetter=wetter)
    grown = load().run(Plan(crop, SOILS[soil], False, start_water=water, thermal_share=share), weather)
    own = load().parameters(crop)
    ripe = degree_days(weather.tmin_c, weather.tmax_c, own["Tbase"], own["Tupp"]).sum() > round(own["Maturity"] * share)
    assert np.isnan(grown.yield_kg_ha) == (not ripe) == (grown.ripe_after is None)
    assert np.isnan(grown.yield_kg_ha) or 0 <= grown.yield_kg_ha < 30_000
    assert ((grown.cover >= 0) & (grown.cover <= 1)).all()


def many(count: int, crop: str = "maize") -> tuple[np.ndarray[Any, Any], Fields]:
    rng = np.random.default_rng(1)
    one = [summer(seed=seed) for seed in range(3)]
    weather = np.stack([np.stack([w.tmin_c, w.tmax_c, w.rain_mm, w.et0_mm]) for w in one]).astype(np.float32)
    soils = [SOILS[name] for name in sorted(SOILS)]
    plans = [
        Plan(crop, soils[k % len(soils)], k % 2 == 0, start_water=float(rng.uniform(0.1, 1)), thermal_share=0.8)
        for k in range(count)
    ]
    return weather, Fields.of(plans)


def test_many_fields_at_once_are_told_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weather, fields = many(30)
    which = np.arange(30) % 3
    together = load().yields("maize", weather, fields, which)
    alone = [load().yields("maize", weather[k % 3][None], fields.take(slice(k, k + 1)))[0] for k in range(30)]
    assert np.allclose(together, alone, rtol=1e-5) and np.isfinite(together).all()
    monkeypatch.setattr(surrogate, "CHUNK", 7)
    assert np.allclose(load().yields("maize", weather, fields, which), together, rtol=1e-5)


def test_the_surrogate_serves_as_a_model_of_scenarios() -> None:
    found = scenarios(
        made(), "winter_wheat", sown=date(2010, 3, 10), soil="loam", irrigated=False, usual_days=130, model=load()
    )
    assert "a surrogate of AquaCrop-OSPy" in found.basis and found.dry.p10 < found.dry.p90
    assert found.crop == "winter_wheat" and found.moisture == 0.125


def test_the_surrogate_refuses_what_it_did_not_learn() -> None:
    weather, fields = many(3)
    with pytest.raises(CropModelError, match="cotton: is no crop that the surrogate learned"):
        load().yields("cotton", weather, fields)
    with pytest.raises(CropModelError, match="does not fit 3 fields"):
        load().yields("maize", weather[0], fields)


def test_weights_of_another_training_are_refused(tmp_path: Path) -> None:
    for name in ("weights.safetensors", "card.yaml"):
        (tmp_path / name).write_bytes((ROOT / "models" / "cropmodel" / name).read_bytes())
    assert isinstance(load(tmp_path), Surrogate)
    load.cache_clear()
    (tmp_path / "weights.safetensors").write_bytes(b"others")
    with pytest.raises(ModelError, match="do not belong together"):
        load(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "nowhere")


@needs_aquacrop
def test_the_surrogate_is_near_aquacrop_where_neither_place_nor_year_was_learned() -> None:
    """Made weather of a place of no lesson: far nearer than the mean of AquaCrop's yields, for every crop."""
    rng = np.random.default_rng(4)
    soils = sorted(SOILS)
    for crop in load().crops:
        truth, told = [], []
        for number in range(5):
            weather = summer(warmer=4.0, wetter=float(rng.uniform(0.1, 1.0)), seed=number)
            plan = Plan(
                crop,
                SOILS[soils[int(rng.integers(12))]],
                number % 2 == 1,
                start_water=float(rng.uniform(0.2, 1)),
                thermal_share=0.7,
            )
            truth.append(AquaCrop().run(plan, weather).yield_kg_ha)
            told.append(load().run(plan, weather).yield_kg_ha)
        error = np.sqrt(np.mean((np.array(told) - truth) ** 2))
        assert np.std(truth) > 300 and error < 0.6 * np.std(truth), (crop, error, np.std(truth))


def test_the_card_says_what_was_measured_and_what_was_not() -> None:
    card = yaml.safe_load((ROOT / "models" / "cropmodel" / "card.yaml").read_text("utf-8"))
    assert "nothing here was checked against a measured yield" in card["limits"]
    for crops in card["figures"].values():
        for one in crops.values():
            low, high = one["r2_interval_95"]
            assert low <= one["r2"] <= high and one["runs"] > 40
            assert one["rmse_kg_ha"] < one["rmse_kg_ha_of_the_mean_of_crop_and_place"]


def test_the_reckoning_keeps_its_books_and_waits_for_ripeness() -> None:
    weather, fields = many(12)
    own = load().parameters("maize")
    some = seasons(weather[np.arange(12) % 3], fields, own)
    found = reckon(some, own)
    assert (found.sums["days"].sum(axis=1) == some.ripe_after + 1).all()
    assert (found.yield_kg_ha <= found.potential_kg_ha + 1e-6).all()
    rain = [some.rain[: ripe + 1, k].sum() for k, ripe in enumerate(some.ripe_after)]
    assert np.allclose(found.sums["rain"].sum(axis=1), rain)
    cold = weather - np.array([20, 20, 0, 0], np.float32)[None, :, None]
    assert (seasons(cold[[0]], fields.take(slice(0, 1)), own).ripe_after == NEVER).all()


@needs_aquacrop
def test_training_writes_a_model_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few runs and steps of two crops at two places: the walk of it, not the figures."""
    from greattit.cropmodel import climates, lessons
    from greattit.cropmodel.fit import FitConfig
    from greattit.cropmodel.train import evaluate, train

    monkeypatch.setattr(lessons, "GROWS", {name: lessons.GROWS[name] for name in ("maize", "potato")})
    monkeypatch.setattr(climates, "PLACES", {name: (name,) for name in ("brussels", "tunis")})
    said: list[str] = []
    card = train(
        tmp_path / "model",
        runs=tmp_path / "runs.npz",
        clock=time.process_time,
        config=FitConfig(width=4, members=1, steps=5),
        counts=lessons.Counts(learn=2, unseen=2, years=2),
        say=said.append,
    )
    assert list(load(tmp_path / "model").crops) == ["maize", "potato"] == list(card["crops"])
    assert said[0].endswith("s of processor") and "fitted without tunis" in said
    assert evaluate(tmp_path / "runs.npz", clock=time.process_time, model=tmp_path / "model") == card["figures"]
    load.cache_clear()


# WOFOST


def test_wofost_without_pcse_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from greattit.cropmodel import wofost

    wofost._pcse.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CropModelError, match=r"pcse: is not installed .*files of your own"):
        Wofost("maize", tmp_path / "crop.cab", tmp_path / "soil.cab")
    wofost._pcse.cache_clear()


def cabo(parameters: dict[str, Any]) -> str:
    """Parameters as a CABO file."""
    lines = ["** made for a test"]
    for name, value in parameters.items():
        if isinstance(value, str):
            lines.append(f"{name} = '{value}'")
        elif isinstance(value, list | tuple):
            pairs = zip(value[::2], value[1::2], strict=True)
            lines.append(f"{name} = " + ",\n    ".join(f"{float(x)!r}, {float(y)!r}" for x, y in pairs))
        else:
            lines.append(f"{name} = {float(value)!r}")
    return "\n".join(lines) + "\n"


@needs_pcse
def test_wofost_gives_what_pcse_gives_with_the_same_files(tmp_path: Path) -> None:
    """pcse's own demonstration maize, written to CABO files, irrigated, against pcse called plainly."""
    from greattit.cropmodel import wofost

    wofost._pcse()
    from pcse import settings as pcse_settings
    from pcse.base import ParameterProvider
    from pcse.input import WOFOST72SiteDataProvider
    from pcse.models import Wofost72_PP
    from pcse.tests import db_input, run_wofost

    home = Path(pcse_settings.PCSE_USER_HOME)
    assert home.parent.name.startswith("greattit-pcse-") and not (Path.home() / ".pcse").is_relative_to(home)
    base = sqlite3.connect(home / "pcse.db")
    base.row_factory = run_wofost.namedtuple_factory
    crop, soil = db_input.fetch_cropdata(base, 31031, 2000, 2), db_input.fetch_soildata(base, 31031)
    with wofost._quiet():
        air = db_input.GridWeatherDataProvider(base, grid_no=31031)
    days = np.arange("2000-05-06", "2000-11-22", dtype="datetime64[D]")
    records = [air(day) for day in days.astype(object)]

    def column(name: str, times: float = 1.0) -> np.ndarray[Any, Any]:
        return np.array([getattr(one, name) for one in records]) * times

    weather = Daily(
        days, column("TMIN"), column("TMAX"), column("RAIN", 10), column("ET0", 10), latitude=records[0].LAT,
        elevation_m=records[0].ELEV, beyond={"radiation_mj_m2": column("IRRAD", 1e-6), "wind_m_s": column("WIND"),
        "vapour_kpa": column("VAP", 0.1)},
    )  # fmt: skip
    (tmp_path / "crop.cab").write_text(cabo(crop))
    (tmp_path / "soil.cab").write_text(cabo(soil))
    model = Wofost("maize", tmp_path / "crop.cab", tmp_path / "soil.cab")
    plan = Plan("maize", LOAM, True)
    grown = model.run(plan, weather)
    with wofost._quiet():
        site = WOFOST72SiteDataProvider(WAV=20.0)
        known = ParameterProvider(cropdata=dict(crop), soildata=dict(soil), sitedata=site)
        plain = Wofost72_PP(known, air, wofost._calendar(plan, weather))
        plain.run_till_terminate()
    base.close()
    assert grown.yield_kg_ha == pytest.approx(plain.get_summary_output()[0]["TWSO"]) and grown.yield_kg_ha > 1000
    assert grown.ripe_after is not None and 0.5 < grown.cover.max() < 1
    with pytest.raises(WeatherError, match="needs radiation_mj_m2, wind_m_s, vapour_kpa"):
        model.run(plan, replace(weather, beyond={}))
    with pytest.raises(CropModelError, match="leave shares at 1"):
        model.run(replace(plan, cover_share=0.5), weather)
    with pytest.raises(CropModelError, match="parameters are of maize"):
        model.run(replace(plan, crop="wheat"), weather)
    with pytest.raises(CropModelError, match="is no file"):
        Wofost("maize", tmp_path / "none.cab", tmp_path / "soil.cab")
