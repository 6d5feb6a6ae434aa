"""Explaining a call: what each part is by definition, abstentions, and the same figures whatever the order."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from greattit import crops
from greattit.appraisal import appraise
from greattit.commands.serving import explain as command
from greattit.crops.explain import FAMILIES, Explanation, explain
from greattit.report import explanation
from greattit.types import BANDS, SAR, Appraisal, Series

DAY = date(2023, 8, 20)
PRIOR = {"maize": 0.5, "grassland": 0.3, "wheat": 0.2}

app = typer.Typer()
app.command()(command)


@pytest.fixture(scope="module")
def walk(sample_tiles: Path) -> Appraisal:
    from greattit import plots
    from greattit.tiles import open_catalogue

    plot = plots.load(sample_tiles / "demo_plot.geojson")[0]
    return appraise(open_catalogue(sample_tiles), plot, DAY)


@pytest.fixture(scope="module")
def found(walk: Appraisal) -> Explanation:
    return explain(walk.series, day=DAY, prior=PRIOR)


def rows(series: Series, chosen: np.ndarray) -> Series:
    return replace(series, dates=series.dates[chosen], values=series.values[chosen], clear=series.clear[chosen])


def with_radar(series: Series) -> Series:
    """The season with a radar look on each optical day, as `gather` lays them out."""
    count = len(series.dates)
    optical = [series.bands.index(name) for name in BANDS]
    values = np.full((2 * count, len(BANDS) + 2), np.nan, np.float32)
    values[::2, : len(BANDS)] = series.values[:, optical]
    values[1::2, len(BANDS) :] = np.linspace([-14.0, -21.0], [-9.0, -15.0], count)
    clear = np.stack([series.clear, np.ones(count, np.float32)], axis=1).ravel()
    return Series(series.plot_id, np.repeat(series.dates, 2), (*BANDS, *SAR), values, clear)


def odds(found: Explanation, series: Series) -> float:
    call = crops.classify(series, day=DAY, prior=PRIOR)
    return float(np.log(call.probabilities[str(found.best)] / call.probabilities[str(found.rival)]))


def test_the_call_is_that_of_classify(walk: Appraisal, found: Explanation) -> None:
    assert found.call == crops.classify(walk.series, day=DAY, prior=PRIOR)
    best = sorted(found.call.probabilities.values(), reverse=True)
    assert found.call.crop == found.best != found.rival
    assert found.log_odds == pytest.approx(np.log(best[0] / best[1]), abs=1e-4)
    assert found.needed == () and found.clear_looks == len(found.looks)


def test_a_look_counts_by_what_the_call_is_without_it(walk: Appraisal, found: Explanation) -> None:
    days = walk.series.dates.astype("datetime64[D]").astype(object)
    for look in (found.looks[1], found.looks[-1]):
        without = rows(walk.series, days != look.date)
        call = crops.classify(without, day=DAY, prior=PRIOR)
        assert look.support == pytest.approx(found.log_odds - odds(found, without), abs=1e-3)
        assert look.certainty_without == pytest.approx(call.probabilities[str(found.best)], abs=1e-4)
        assert look.best_without == call.likely[0]
    assert sum(abs(look.share) for look in found.looks) == pytest.approx(1)


def test_a_band_counts_by_what_the_call_is_without_it(walk: Appraisal, found: Explanation) -> None:
    values = walk.series.values.copy()
    values[:, [walk.series.bands.index(name) for name in ("B11", "B12")]] = np.nan
    swir = next(one for one in found.families if one.name == "shortwave infrared")
    assert swir.support == pytest.approx(found.log_odds - odds(found, replace(walk.series, values=values)), abs=1e-3)


def test_what_was_not_seen_has_no_figure(found: Explanation) -> None:
    radar = next(one for one in found.bands if one.name == "radar")
    assert np.isnan(radar.support) and np.isnan(radar.share)
    assert np.isnan(found.grid[[found.channels.index(name) for name in SAR]]).all()
    late = np.array([step > date(2023, 10, 15) for step in found.steps])
    assert late.any() and np.isnan(found.grid[:, late]).all()
    assert np.isfinite(found.grid[found.channels.index("B04"), ~late][:10]).all()


def test_with_radar_every_part_has_a_figure(walk: Appraisal) -> None:
    found = explain(with_radar(walk.series), day=DAY, prior=PRIOR)
    assert {look.kind for look in found.looks} == {"optical", "radar"}
    assert all(np.isnan(look.ndvi) for look in found.looks if look.kind == "radar")
    assert all(np.isfinite(one.support) for one in (*found.bands, *found.families))
    assert {name for one in found.bands for name in one.channels} == set(found.channels)
    assert [one.name for one in found.families] == list(FAMILIES)
    explanation.picture(found)


def test_neither_order_nor_repetition_changes_a_figure(walk: Appraisal) -> None:
    series = with_radar(walk.series)
    first = explanation.as_dict(explain(series, day=DAY, prior=PRIOR))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(series.dates))
        assert explanation.as_dict(explain(rows(series, order), day=DAY, prior=PRIOR)) == first


def test_signs_lead_towards_the_rival(walk: Appraisal, found: Explanation) -> None:
    supports = [one.support for one in found.rival_signs]
    assert supports == sorted(supports, reverse=True) and min(supports) > 0
    only_ndvi = Series(
        "n", walk.series.dates, ("ndvi",), np.full((len(walk.series.dates), 1), 0.5, np.float32), walk.series.clear
    )
    assert {one.family for one in explain(only_ndvi, day=DAY).rival_signs} <= {"ndvi"}


def test_an_abstention_says_what_it_lacks(walk: Appraisal) -> None:
    clear = np.flatnonzero((walk.series.clear > 0.9) & (walk.series.dates > np.datetime64("2023-03-20")))
    found = explain(rows(walk.series, clear[:1]), day=DAY, prior=PRIOR)
    assert found.call.crop is None and found.best and found.rival
    assert found.needed[0] == "2 more clear looks of the field: there are 1 of 3"
    assert len(found.looks) == 1 and np.isfinite(found.looks[0].support)
    text = "\n".join(explanation.lines(found))
    assert "No call, because too few clear looks" in text and "It would need 2 more clear looks" in text
    assert explanation.headline(found).startswith("No call: ")
    explanation.picture(found)


def test_nothing_seen_is_explained_without_a_figure(walk: Appraisal) -> None:
    found = explain(rows(walk.series, np.zeros(len(walk.series.dates), bool)), day=DAY)
    assert found.best is None and found.rival is None and found.looks == () and found.rival_signs == ()
    assert np.isnan(found.log_odds) and np.isnan(found.grid).all()
    assert found.needed == ("3 more clear looks of the field: there are 0 of 3",)
    assert explanation.as_dict(found)["log_odds"] is None
    assert explanation.picture(found)[:4] == b"\x89PNG"


def test_the_words_name_days_light_and_rival(found: Explanation) -> None:
    text = "\n".join(explanation.lines(found))
    strongest = max(found.looks, key=lambda look: abs(look.support))
    assert f"{strongest.date.day} {strongest.date:%b} 2023" in text
    assert "times as likely against" in text and "need not add up" in " ".join(text.split())
    assert "not seen: radar (structure and wetness)" in text
    assert explanation.picture(found) == explanation.picture(found)


def test_the_command_explains_the_call_of_the_walk(walk: Appraisal, sample_tiles: Path, tmp_path: Path) -> None:
    asked = [str(sample_tiles), "--plot", str(sample_tiles / "demo_plot.geojson"), "--day", "2023-08-20"]
    done = CliRunner().invoke(app, [*asked, "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["call"]["probabilities"] == walk.call.probabilities
    assert len(told["looks"]) == told["clear_looks"] and told["day"] == "2023-08-20"
    assert (tmp_path / "explain.png").is_file()
    text = CliRunner().invoke(app, asked).stdout
    assert "simulated" in text and "The looks that counted most" in text
