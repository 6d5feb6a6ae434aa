"""What comes off a plot and what it is worth, without a line: the same figures as the walk, and why one is missing."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from greattit import appraise, load_plots, outlook, value
from greattit.cube import open_stack
from greattit.errors import ModelError, PolicyError
from greattit.types import Plot
from greattit.yields import local

DAY = date(2023, 8, 20)


@pytest.fixture(scope="module")
def demo(sample_tiles: Path) -> Plot:
    return load_plots(sample_tiles / "demo_plot.geojson")[0]


@pytest.fixture(scope="module")
def parcels(sample_tiles: Path) -> dict[str, Plot]:
    return {one.id: one for one in load_plots(sample_tiles / "plots.geojson")}


def weather_file(folder: Path) -> Path:
    days = pd.date_range("2022-10-01", "2023-12-31")
    warm = 11 - 8 * np.cos(2 * np.pi * days.dayofyear / 365)
    table = pd.DataFrame({"date": days, "tmin_c": warm - 4, "tmax_c": warm + 5, "tmean_c": warm, "precip_mm": 3.0})
    table["radiation_mj_m2"] = 10 - 8 * np.cos(2 * np.pi * days.dayofyear / 365)
    table.to_csv(folder / "weather.csv", index=False)
    return folder / "weather.csv"


def test_yields_and_worth_are_those_of_the_walk(sample_tiles: Path, demo: Plot) -> None:
    stack = open_stack(sample_tiles)
    found, walked = outlook.look_ahead(stack, demo, DAY), appraise(stack, demo, DAY)
    assert found.yields == walked.yields
    assert found.worth == walked.worth
    assert found.missing == ()
    assert found.simulated
    plain = json.loads(json.dumps(outlook.as_dict(found), allow_nan=False))
    assert plain["worth"]["money"]["p10"] == pytest.approx(walked.worth.money.p10 if walked.worth else math.nan)
    assert plain["yields"][0]["kg_ha"]["unit"] == "kg/ha"


def test_a_named_crop_is_the_only_one(sample_tiles: Path, demo: Plot) -> None:
    found = outlook.look_ahead(open_stack(sample_tiles), demo, DAY, crop="potato")
    assert [one.crop for one in found.yields] == ["potato"]
    assert found.crop_from == "given"


def test_why_a_figure_is_missing_is_said(sample_tiles: Path, demo: Plot, tmp_path: Path) -> None:
    stack = open_stack(sample_tiles)
    assert outlook.look_ahead(stack, demo, DAY, crop="kiwi").missing == (
        "no yield of kiwi: it has no yield table in flanders",
    )
    nothing = outlook.look_ahead(stack, demo, date(2023, 1, 2))
    assert nothing.yields == ()
    assert nothing.missing[0].startswith("no yield")
    graded = outlook.look_ahead(stack, demo, DAY, crop="maize", grade="A")
    assert graded.worth is None
    assert graded.missing == ("no worth: no price of grade A of maize in flanders on that day",)
    with pytest.raises(PolicyError, match="no such region"):
        outlook.look_ahead(stack, demo, DAY, region="atlantis")


def test_a_price_book_changes_the_worth_and_nothing_else(sample_tiles: Path, demo: Plot, tmp_path: Path) -> None:
    file = tmp_path / "book.csv"
    file.write_text("crop,region,day,price,currency,risk,source\nmaize,flanders,2023-01-01,0.5,EUR,0.2,my buyer\n")
    stack = open_stack(sample_tiles)
    usual = outlook.look_ahead(stack, demo, DAY, crop="maize")
    own = outlook.look_ahead(stack, demo, DAY, crop="maize", book=value.read_book(file))
    assert own.yields == usual.yields
    assert own.worth is not None
    assert usual.worth is not None
    before = next(float(one.value) for one in usual.worth.figures if one.name == "price")
    assert own.worth.money.p50 == pytest.approx(usual.worth.money.p50 * 0.5 / before)


def test_light_and_water_stand_beside_and_have_no_say(
    sample_tiles: Path, parcels: dict[str, Plot], tmp_path: Path
) -> None:
    from greattit.weather import read

    stack, sky = open_stack(sample_tiles), read(weather_file(tmp_path), latitude=50.8, elevation_m=20.0)
    whole = [one for one in parcels.values() if one.properties["event"] == "none" and one.area_ha > 2]
    maize = next(one for one in whole if one.properties["crop"] == "maize")
    with_sky = outlook.look_ahead(stack, maize, date(2023, 10, 25), weather=sky)
    without = outlook.look_ahead(stack, maize, date(2023, 10, 25))
    assert with_sky.yields == without.yields
    beside = with_sky.beside[0]
    figures = {one.name: float(one.value) for one in beside.figures}
    dry = figures["absorbed light"] * figures["light use efficiency"] * figures["water"]
    assert beside.kg_ha == pytest.approx(dry * figures["harvest index"] / (1 - figures["moisture"]) * 10)
    assert 3000 < beside.kg_ha < 25000
    apple = next(one for one in parcels.values() if one.properties["crop"] == "apple")
    none = outlook.look_ahead(stack, apple, DAY, weather=sky).beside[0]
    assert math.isnan(none.kg_ha)
    assert "no figures of apple" in none.basis


def test_a_crop_model_tells_the_spread_of_other_years_where_the_day_of_sowing_is_known(
    sample_tiles: Path, demo: Plot, tmp_path: Path
) -> None:
    from greattit.weather import read

    rng = np.random.default_rng(0)
    days = pd.date_range("2014-01-01", "2023-12-31")
    warm = 12 - 9 * np.cos(2 * np.pi * days.dayofyear / 365) + rng.normal(0, 2, len(days))
    table = pd.DataFrame({"date": days, "tmin_c": warm - 4, "tmax_c": warm + 6, "tmean_c": warm + 1})
    table["precip_mm"] = rng.gamma(0.3, 7, len(days)) * (1 + 0.5 * np.sin(days.year))
    table.to_csv(tmp_path / "years.csv", index=False)
    sky, stack = read(tmp_path / "years.csv", latitude=50.8, elevation_m=20.0), open_stack(sample_tiles)
    told = outlook.look_ahead(stack, demo, DAY, crop="maize", weather=sky, sown=date(2023, 5, 1))
    spread = told.beside[1].spread
    assert spread is not None
    assert 1000 < spread.p10 < spread.p50 < spread.p90 < 25000
    assert "9 other years" in told.beside[1].basis
    assert "(years 2014 to 2022)" in told.beside[1].basis
    assert told.yields == outlook.look_ahead(stack, demo, DAY, crop="maize").yields
    short = outlook.look_ahead(
        stack, demo, DAY, crop="maize", weather=sky.between(date(2022, 1, 1), DAY), sown=date(2023, 5, 1)
    ).beside[1]
    assert math.isnan(short.kg_ha)
    assert "fewer than 5 other years" in short.basis


def rice_fields(folder: Path, count: int = 40) -> Path:
    """A made set of fields of one season; every second block yields a tenth more."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    level = 6000 + 600 * (np.arange(count) // 5 % 2)
    samples = pd.DataFrame(
        {
            "sample": [f"s{n}" for n in range(count)],
            "crop": "maize",
            "lon": 3.0,
            "lat": 50.8,
            "group": [f"g{n // 5}" for n in range(count)],
            "season_start": pd.Timestamp("2022-05-01"),
            "season_end": pd.Timestamp("2022-09-20"),
            "yield_kg_ha": level + rng.normal(0, 200, count),
        }
    )
    days = pd.date_range("2022-05-01", "2022-09-20", freq="10D")
    looks = pd.DataFrame([{"sample": s, "date": d, "B04": 0.05, "B08": 0.4} for s in samples["sample"] for d in days])
    samples.to_parquet(folder / "samples.parquet")
    looks.to_parquet(folder / "series.parquet")
    return folder


def test_a_model_of_ones_own_yields_tells_their_mean_with_an_interval(
    sample_tiles: Path, demo: Plot, tmp_path: Path
) -> None:
    folder = rice_fields(tmp_path / "mine")
    card = local.fit(folder, tmp_path / "model")
    assert card["method"] == "naive_mean"
    model = local.load(tmp_path / "model")
    stack = open_stack(sample_tiles)
    found = outlook.look_ahead(stack, demo, DAY, crop="maize", model=model)
    (one,) = found.yields
    mean = pd.read_parquet(folder / "samples.parquet")["yield_kg_ha"].mean()
    assert one.kg_ha.p50 == pytest.approx(mean * found.growth.vigour)
    assert one.kg_ha.p10 < one.kg_ha.p50 - 200
    assert one.kg_ha.p90 > one.kg_ha.p50 + 200
    assert "40 harvests of maize" in one.basis
    assert found.worth is not None
    other = outlook.look_ahead(stack, demo, DAY, crop="potato", model=model)
    assert other.yields == ()
    assert other.missing == ("no yield of potato: mine has no harvest of it",)


def test_fewer_looks_widen_the_interval_of_ones_own_model(sample_tiles: Path, demo: Plot, tmp_path: Path) -> None:
    from dataclasses import replace

    local.fit(rice_fields(tmp_path / "mine"), tmp_path / "model")
    model = local.load(tmp_path / "model")
    walked = appraise(open_stack(sample_tiles), demo, DAY)
    width = []
    for looks in (24, 12, 6, 1):
        (one,) = model.tell(("maize",), walked.series, replace(walked.growth, looks=looks), day=DAY)
        width.append(one.kg_ha.p90 - one.kg_ha.p10)
    assert width[0] == width[1] < width[2] < width[3]
    assert model.tell(("maize",), walked.series, replace(walked.growth, looks=0), day=DAY) == ()


def test_a_learned_method_tells_once_the_season_is_over(sample_tiles: Path, demo: Plot, tmp_path: Path) -> None:
    from dataclasses import replace

    local.fit(rice_fields(tmp_path / "mine"), tmp_path / "model")
    model = replace(local.load(tmp_path / "model"), method="ridge")
    walked = appraise(open_stack(sample_tiles), demo, date(2023, 10, 20))
    (early,) = model.tell(("maize",), walked.series, walked.growth, day=DAY)
    (late,) = model.tell(("maize",), walked.series, walked.growth, day=date(2023, 10, 20))
    assert "tells only once the season is over" in early.basis
    assert late.basis.startswith("The ridge of mine")
    assert 4000 < late.kg_ha.p50 < 9000


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model of yields"):
        local.load(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="holds something else"):
        local.fit(rice_fields(tmp_path / "mine"), tmp_path)


def test_the_command_prints_yield_and_money(sample_tiles: Path) -> None:
    import cli

    run = CliRunner().invoke(
        cli.app,
        ["yield", str(sample_tiles), "--plot", str(sample_tiles / "demo_plot.geojson"), "--day", "2023-08-20"],
    )
    assert run.exit_code == 0, run.output
    assert "These tiles are simulated" in run.output
    assert "kg/ha" in run.output
    assert "EUR" in run.output
    assert "yield price correlation" in run.output
    assert "the least of the crops that cannot be ruled out" in run.output
