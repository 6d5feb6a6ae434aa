"""growth: the plot beside its neighbours and earlier years, the picture, and the two commands."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from greattit import plots
from greattit.commands.growth import evaluate_growth, growth
from greattit.cube import open_stack
from greattit.errors import DatasetError
from greattit.growth.beside import LEAST, earlier_years, greenness_on, percentiles, rank, ribbon
from greattit.growth.course import EPOCH
from greattit.growth.curve import Curves, draw
from greattit.growth.measure import evaluate, table
from greattit.growth.told import tell
from greattit.plots.drawing import SURVEYED
from greattit.report.growth import growth_lines, growth_picture
from greattit.types import Plot

app = typer.Typer()
app.command("growth")(growth)
app.command("evaluate")(evaluate_growth)
DAY = date(2023, 8, 20)


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.one_of(st.none(), st.integers(0, 9))), max_size=80))
def test_percentiles_agree_with_a_library(rows: list[tuple[int, int | None]]) -> None:
    from scipy.stats import percentileofscore

    groups = np.array([group for group, _ in rows], np.intp)
    values = np.array([np.nan if value is None else value for _, value in rows], float)
    percent, others = percentiles(values, groups)
    for row in range(len(rows)):
        mates = np.isfinite(values) & (groups == groups[row]) & (np.arange(len(rows)) != row)
        if np.isnan(values[row]) or groups[row] < 0:
            assert np.isnan(percent[row]) and others[row] == 0
            continue
        assert others[row] == mates.sum()
        if mates.sum() < LEAST:
            assert np.isnan(percent[row])
        else:
            assert percent[row] == pytest.approx(percentileofscore(values[mates], values[row], "mean"))


def test_few_neighbours_give_no_percentile_and_say_so() -> None:
    few = rank(0.7, np.full(LEAST - 1, 0.5))
    assert np.isnan(few.percentile) and f"{LEAST} are needed" in few.note
    enough = rank(0.7, np.append(np.full(LEAST, 0.5), np.nan))
    assert (enough.percentile, enough.neighbours, enough.note) == (100.0, LEAST, "")
    unseen = rank(float("nan"), np.full(LEAST, 0.5))
    assert np.isnan(unseen.percentile) and "not seen clear" in unseen.note


def yearly(last: int) -> Curves:
    """Four years of one field, greener each year, seen every eight days up to `last`."""
    days = np.arange(0.0, 4 * 365.25, 8.0)
    ndvi = 0.3 + (0.3 + 0.05 * (days // 365.25)) * np.sin(np.pi * (days % 365.25) / 365.25) ** 2
    return draw(days[None] + 16_801, ndvi[None], (days <= last)[None].astype(float))  # from 1 January 2016


def test_earlier_years_are_read_on_the_same_day() -> None:
    day = date(2019, 7, 1)
    at = (day - EPOCH).days
    curves = yearly(at - 16_801)
    years = earlier_years(curves, day)
    assert list(years) == [2018, 2017, 2016]
    now = greenness_on(curves, at)[0]
    assert now > years[2018] > years[2017] > years[2016]
    assert np.isnan(greenness_on(yearly(at - 16_801 - 60), at)[0]), "a look of two months ago says nothing of today"


def test_the_ribbon_is_where_eight_of_ten_lie() -> None:
    rng = np.random.default_rng(0)
    days = np.tile(np.arange(0.0, 200.0, 5.0), (50, 1))
    levels = rng.uniform(0.3, 0.8, (50, 1))
    curves = draw(days + 17_000, levels + rng.normal(0, 0.005, days.shape), np.ones_like(days))
    _, (low, middle, high) = ribbon(curves)
    np.testing.assert_allclose([low[20], middle[20], high[20]], np.quantile(levels, [0.1, 0.5, 0.9]), atol=0.02)
    assert np.isnan(ribbon(curves.take(np.arange(LEAST - 1)))[1]).all()


@pytest.fixture(scope="module")
def parcels(sample_tiles: Path) -> dict[str, Plot]:
    return {plot.id: plot for plot in plots.load(sample_tiles / "plots.geojson")}


def test_one_plot_is_told_with_its_neighbours_and_drawn(sample_tiles: Path, parcels: dict[str, Plot]) -> None:
    stack = open_stack(sample_tiles)
    around = list(parcels.values())
    told = tell(stack, parcels["sim-2023-095"], DAY, neighbours=around, drawing=SURVEYED)
    assert (told.crop, told.crop_from, told.growth.kind) == ("maize", "label of the plot", "annual")
    assert told.rank and told.rank.neighbours == 18 and 0 <= told.rank.percentile <= 100
    assert told.growth.start and abs((told.growth.start - date(2023, 6, 18)).days) <= 7
    assert told.stage and told.stage.groups == ("maize",)
    picture = growth_picture(told)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and picture == growth_picture(told)
    text = "\n".join(growth_lines(told))
    assert "Maize" in text and told.stage.bbch in text and "18 fields of the same crop" in text
    flooded = tell(stack, parcels["sim-2023-094"], DAY, drawing=SURVEYED)
    assert [one.kind for one in flooded.growth.hazards] == ["flood"] and flooded.rank is None
    assert growth_picture(flooded) != picture


def test_a_plot_is_not_its_own_neighbour(sample_tiles: Path, parcels: dict[str, Plot]) -> None:
    plot = parcels["sim-2023-095"]
    told = tell(open_stack(sample_tiles), plot, DAY, neighbours=[plot] * 9, drawing=SURVEYED)
    assert told.rank and told.rank.neighbours == 0 and "8 are needed" in told.rank.note


def test_the_command_prints_and_writes(sample_tiles: Path, tmp_path: Path) -> None:
    demo = sample_tiles / "demo_plot.geojson"
    words: list[str | Path] = ["growth", sample_tiles, "--plot", demo, "--day", DAY.isoformat(), "--crop", "maize"]
    plain = run(*words, "--out", tmp_path / "out")
    assert plain.exit_code == 0, plain.output
    assert "simulated" in plain.output and "BBCH" in plain.output and "note: no end" in plain.output
    assert (tmp_path / "out" / "growth.png").is_file()
    said = json.loads(run(*words, "--json").stdout)
    assert said["crop"] == "maize" and said["start"] == said["start"][:10] and said["end"] is None
    assert said["start_90"][0] < said["start"] < said["start_90"][1] and said["neighbours"] is None
    assert said["stage_words"]["zh"] and said["simulated"] is True


def test_the_command_says_what_is_wrong(sample_tiles: Path, tmp_path: Path) -> None:
    demo = sample_tiles / "demo_plot.geojson"
    bad = run("growth", sample_tiles, "--plot", demo, "--crop", "triffids")
    assert bad.exit_code == 2 and "there is no crop triffids" in bad.output
    (tmp_path / "bare.geojson").write_text(demo.read_text().replace('"crop"', '"kind"'))
    none = run("growth", sample_tiles, "--plot", demo, "--neighbours", tmp_path / "bare.geojson")
    assert none.exit_code == 2 and "has no parcel with a crop" in none.output
    year = run("evaluate", sample_tiles, "--year", "2031", "--json")
    assert year.exit_code == 2 and "has no look in 2031" in year.output
    with pytest.raises(DatasetError, match=r"has no plots\.geojson"):
        evaluate(sample_tiles, parcels_file=tmp_path / "plots.geojson")


def test_the_made_county_is_measured_against_its_truth(sample_tiles: Path) -> None:
    pytest.importorskip("prosail")
    report = evaluate(sample_tiles)
    assert report["simulated"] is True and report["year"] == 2023 and report["parcels"] == 81
    maize = report["crops"]["maize"]
    assert maize["parcels"] == 19 and "2023-05-25" < maize["start"] < maize["peak"] < maize["end"] < "2023-10-05"
    truth = report["truth"]
    for name in ("start", "peak", "end"):
        assert truth[name]["pairs"] >= 50
        assert truth[name]["error_days"] <= 7
        assert truth[name]["inside_90"] >= 0.85
    assert "median error" in table(report) and "SIMULATED" in table(report)


def test_parcels_may_carry_their_truth(sample_tiles: Path, tmp_path: Path) -> None:
    told = json.loads((sample_tiles / "plots.geojson").read_text())
    told["features"] = [one for one in told["features"] if one["properties"]["crop"] == "potato"]
    for one in told["features"]:
        one["properties"]["start"] = "2023-05-27"
    (tmp_path / "p.geojson").write_text(json.dumps(told))
    report = evaluate(sample_tiles, parcels_file=tmp_path / "p.geojson")
    start = report["truth"]["start"]
    assert start["pairs"] == 7 and start["error_days"] < 10 and report["truth"]["end"]["pairs"] == 0
    told["features"][0]["properties"]["start"] = "in May"
    (tmp_path / "p.geojson").write_text(json.dumps(told))
    with pytest.raises(DatasetError, match="no day"):
        evaluate(sample_tiles, parcels_file=tmp_path / "p.geojson")


def test_real_maize_greens_in_june_and_grassland_is_never_bare(shared_data: Path) -> None:
    """Monthly NDVI in the set's README: maize 0.33 in May, 0.60 in June, 0.74 in July, 0.42 in September."""
    report = evaluate(shared_data / "scenes" / "flanders-2018")
    assert report["simulated"] is False and report["truth"] is None and report["parcels"] == 16
    maize, grass = report["crops"]["maize"], report["crops"]["grassland"]
    assert maize["start"][:7] == "2018-06" and maize["peak"][:7] in ("2018-07", "2018-08")
    assert maize["end"][:7] in ("2018-08", "2018-09", "2018-10") and maize["start_found"] == 1
    assert grass["kinds"] == {"perennial": 8}
