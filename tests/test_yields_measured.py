"""Measured yields: what is read, that nothing asked for is looked at, what is told, and the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_harvests import harvests

from greattit.errors import DatasetError, ModelError
from greattit.yields import Harvests, as_table, conformal, evaluate, folds, gate, measure, methods, read
from greattit.yields.history import NAIVE, Known
from greattit.yields.light import above_the_air, fapar

METRICS = ("samples", "rmse_kg_ha", "r2", "bias", "coverage_80", "coverage_90", "pinball", "skill", "r2_within")


def write_table(folder: Path, made: Harvests, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    columns = {"county": made.place, "year": made.year, "yield_kg_ha": made.yields, "crop": made.crop}
    columns |= {name: made.seen[:, n] for n, name in enumerate(made.names)}
    pd.DataFrame(columns | more).to_csv(folder / "yields.csv", index=False)
    return folder


def test_a_table_of_statistics_is_read_with_its_places_years_and_features(tmp_path: Path) -> None:
    made = harvests()
    got = read(write_table(tmp_path / "set", made))
    assert got.yields == pytest.approx(made.yields)
    assert list(got.place) == list(made.place)
    assert list(got.year) == list(made.year)
    assert got.names == ("a", "b", "c")
    assert set(got.crop) == {"maize"}


def test_tonnes_are_kilograms_and_the_folder_names_the_crop(tmp_path: Path) -> None:
    made = harvests()
    folder = tmp_path / "somewhere-winter-wheat"
    folder.mkdir()
    table = pd.DataFrame({"city": made.place, "season": made.year, "yield_t_ha": made.yields / 1000})
    table.to_csv(folder / "t.csv", index=False)
    got = read(folder)
    assert got.yields == pytest.approx(made.yields)
    assert set(got.crop) == {"winter_wheat"}


def test_the_yield_in_another_unit_is_not_a_feature(tmp_path: Path) -> None:
    made = harvests()
    got = read(write_table(tmp_path / "set", made, yield_bu_ac=made.yields / 62.77, production=made.yields * 3.0))
    assert got.names == ("a", "b", "c")
    assert any("yield_bu_ac, production" in note for note in got.notes)


def test_rows_that_come_twice_are_averaged_and_rows_without_a_yield_left_out_and_both_are_said(tmp_path: Path) -> None:
    made = harvests()
    folder = write_table(tmp_path / "set", made)
    table = pd.read_csv(folder / "yields.csv")
    table = pd.concat([table, table.head(2).assign(yield_kg_ha=lambda rows: rows.yield_kg_ha + 200)])
    table.loc[table.index[5], "yield_kg_ha"] = 0.0
    table.to_csv(folder / "yields.csv", index=False)
    got = read(folder)
    assert len(got) == len(made) - 1
    first = got.yields[(got.place == made.place[0]) & (got.year == made.year[0])]
    assert first == pytest.approx(made.yields[:1] + 100)
    assert any("came twice" in note for note in got.notes)
    assert any("without a yield" in note for note in got.notes)


def test_of_two_tables_the_one_with_a_row_a_year_is_read(tmp_path: Path) -> None:
    made = harvests()
    folder = write_table(tmp_path / "set", made)
    table = pd.read_csv(folder / "yields.csv")
    pd.concat([table.assign(month=m) for m in (4, 5, 6)]).to_csv(folder / "a_months.csv", index=False)
    got = read(folder)
    assert len(got) == len(made)
    assert any("a_months.csv is not read" in note for note in got.notes)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"county": ["a"] * 30, "year": range(1990, 2020)}, "holds no measured yields"),
        ({"county": ["a"] * 30, "year": range(1990, 2020), "yield_t_ha": [5.0] * 30}, "names no crop"),
        ({"county": ["a"] * 5, "year": range(1990, 1995), "yield_t_ha": [5.0] * 5, "crop": "rice"}, "fewer than 20"),
        ({"county": ["a"] * 40, "year": [2000] * 40, "yield_t_ha": [5.0] * 40, "crop": "rice"}, "several rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, table: dict[str, Any], says: str) -> None:
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DatasetError, match=says):
        read(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        read(tmp_path / "nowhere")


def test_what_the_years_before_tell_is_what_a_pencil_finds() -> None:
    table = np.array([[np.nan, 5.0, 7.0, np.nan, 6.0, np.nan], [np.nan] * 6])
    made = harvests(places=2, years=4)
    rows = np.arange(len(made))
    past = Known(made, rows).past
    for row in rows:
        own = [y for y, p, t in zip(made.yields, made.place, made.year, strict=True)
               if p == made.place[row] and t < made.year[row]]  # fmt: skip
        if not own:
            assert np.isnan(past["last"][row])
            continue
        assert past["last"][row] == pytest.approx(own[-1])
        assert past["mean"][row] == pytest.approx(np.mean(own))
        assert past["count"][row] == len(own)
        if len(own) >= 3:
            line = np.polyfit(range(len(own)), own, 1)
            assert past["trend"][row] == pytest.approx(np.polyval(line, len(own)))
    from greattit.yields.history import _past

    found = _past(table)
    assert found["last"][0].tolist()[3:] == [7.0, 7.0, 6.0]
    assert found["age"][0].tolist()[3:] == [1.0, 2.0, 1.0]
    assert np.isnan(found["mean"][1]).all()


@pytest.mark.parametrize("split", folds.SPLITS)
def test_no_method_looks_at_a_yield_that_is_asked_for(split: str) -> None:
    made = replace(harvests(told=400.0), light=np.abs(harvests().seen[:, 0]) + 1.0)
    cut = folds.outer(made, split)[-1]
    lie = made.yields.copy()
    lie[cut.tell] = 1e6
    for name in methods.methods_for(made):
        honest = methods.tell(name, Known(made, cut.learn), split, cut.tell)
        lied = methods.tell(name, Known(replace(made, yields=lie), cut.learn), split, cut.tell)
        assert np.array_equal(honest, lied), name
    for name in NAIVE:
        honest, lied = (Known(one, cut.learn).naive[name][cut.tell] for one in (made, replace(made, yields=lie)))
        assert np.array_equal(honest, lied), name


@pytest.mark.parametrize("split", folds.SPLITS)
def test_a_split_leaves_whole_places_or_years_out(split: str) -> None:
    made = harvests()
    for cut in folds.outer(made, split):
        unit = folds.unit(made, split)
        assert not set(unit[cut.learn]) & set(unit[cut.tell])
        if split == "forward":
            assert made.year[cut.learn].max() < made.year[cut.tell].min()
        for inside in folds.inner(made, cut.learn, split):
            assert set(inside.learn) | set(inside.tell) <= set(cut.learn)
            assert not set(unit[inside.learn]) & set(unit[inside.tell])


def test_what_is_asked_two_years_ahead_is_set_by_folds_two_years_ahead() -> None:
    made = harvests(places=3, years=8)
    for cut in folds.inner(made, np.arange(len(made)), "forward", 2):
        assert made.year[cut.learn].max() < made.year[cut.tell].min()
        assert len(np.unique(made.year[cut.tell])) == 2


def test_the_report_has_the_figures_of_the_contract(tmp_path: Path) -> None:
    report = evaluate(write_table(tmp_path / "set", harvests(places=8, years=6)))
    for key in METRICS:
        assert np.isfinite(report[key]), key
        for naive in NAIVE:
            assert np.isfinite(report[naive][key]), key
    assert set(report["splits"]) == set(folds.SPLITS)
    best = min(report["splits"]["year"]["methods"][name]["rmse_kg_ha"] for name in NAIVE)
    combined = report["splits"]["year"]["methods"][measure.COMBINED]
    assert combined["skill"] == pytest.approx(1 - combined["rmse_kg_ha"] / best)
    assert json.loads(json.dumps(report)) == report
    text = as_table(report)
    assert "unseen places: 48 harvests, 8 left out whole" in text
    assert "gate: the chain uses" in text


def test_what_tells_the_yield_passes_the_gate_and_noise_does_not(tmp_path: Path) -> None:
    signal = evaluate(write_table(tmp_path / "signal", harvests(told=800.0, noise=100.0)))
    assert signal["gate"]["uses"] != "naive"
    assert signal["skill"] > 0.3
    assert signal["splits"]["forward"]["methods"][measure.COMBINED]["skill"] > 0.3
    noise = evaluate(write_table(tmp_path / "noise", harvests(told=0.0, noise=600.0)))
    assert noise["gate"]["uses"] == "naive"


def test_one_set_is_told_from_another(tmp_path: Path) -> None:
    made = harvests(told=800.0, noise=100.0)
    early, late = (write_table(tmp_path / name, _part(made, keep)) for name, keep in (
        ("early", made.year < 2006), ("late", made.year >= 2006)))  # fmt: skip
    report = evaluate(late, train_on=early)
    assert report["train_on"] == "early"
    assert report["samples"] == 24
    assert report["judged_by"] == "train_on"
    assert report["skill"] > 0.3
    last = {p: y for p, y, t in zip(made.place, made.yields, made.year, strict=True) if t == 2005}
    told = Known(_both(made), np.flatnonzero(_both(made).year < 2006)).naive["last_year"]
    assert told[np.flatnonzero(_both(made).year == 2006)[0]] == pytest.approx(last["place 0"])


def _part(made: Harvests, keep: Any) -> Harvests:
    columns = ("place", "group", "region", "year", "season", "crop", "lonlat", "yields", "seen", "light")
    return replace(made, **{name: getattr(made, name)[keep] for name in columns})


def _both(made: Harvests) -> Harvests:
    return _part(made, np.argsort(made.place, kind="stable"))


def test_sets_too_small_to_leave_anything_out_are_refused(tmp_path: Path) -> None:
    crops = ("rice", "maize", "wheat", "barley", "oats", "rye", "potato", "soybean")
    rows = [
        {"county": "a", "year": year, "crop": crop, "yield_kg_ha": 5000.0}
        for crop in crops
        for year in range(2000, 2003)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DatasetError, match="too few places and years"):
        evaluate(tmp_path)


@given(seed=st.integers(0, 200), level=st.sampled_from([0.1, 0.5, 0.9]))
@settings(max_examples=25, deadline=None)
def test_weighted_quantiles_of_even_weights_are_the_usual_ones(seed: int, level: float) -> None:
    values = np.random.default_rng(seed).normal(size=101)
    found = conformal.weighted_quantiles(values, np.full(101, 1 / 101), [level])[0]
    assert found == pytest.approx(np.quantile(values, level, method="hazen"))


def test_intervals_hold_nine_in_ten_of_unseen_groups() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(300):
        shifts = rng.normal(0, 200, 21)
        residuals = (shifts[:, None] + rng.normal(0, 200, (21, 15))).ravel()
        units = np.repeat(np.arange(21), 15).astype(str)
        seen = units != "20"
        kinds = np.full(len(units), "rice/")
        flat = np.full(len(units), 5000.0)
        away = conformal.offsets(residuals[seen], units[seen], kinds[seen], kinds[:1], before=flat[seen], now=flat[:1])[
            0
        ]
        new = residuals[~seen]
        held.append(((new >= away[0]) & (new <= away[-1])).mean())
    assert 0.87 <= np.mean(held) <= 0.94


def test_a_kind_with_few_residuals_takes_those_of_all_as_shares() -> None:
    residuals = np.concatenate([np.linspace(-100, 100, 200), np.full(5, 1e5)])
    units, kinds = np.arange(205).astype(str), np.array(["a"] * 200 + ["b"] * 5)
    before = np.concatenate([np.full(200, 1000.0), np.full(5, 1e6)])
    asked = {"before": before, "now": np.array([1000.0, 40000.0])}
    away = conformal.offsets(residuals, units, kinds, np.array(["a", "b"]), **asked)
    assert away[0, 2] == away[1, 2] == 0.0
    assert away[0, 4] <= 100
    assert away[1, 0] == pytest.approx(40 * away[0, 0], rel=0.1)
    assert away[1, 4] == pytest.approx(40 * away[0, 4], rel=0.1)


def test_light_follows_the_sun_and_the_leaf() -> None:
    # FAO-56, example 8: 3 September at 20 degrees south, 32.2 MJ/m2
    assert above_the_air(np.array([-20.0]), np.array([246.0]))[0] == pytest.approx(32.2, abs=0.1)
    assert fapar(np.array([0.05, 0.6, 1.0])).tolist() == pytest.approx([0.0, 0.5557, 0.95], abs=1e-3)


def test_the_shipped_card_says_why_the_table_serves() -> None:
    assert "surely nearer" in gate.served("winter_wheat")
    assert "vietnam-rice-2022" in gate.served("rice")
    assert "no measured yields" in gate.served("apple")


def test_a_card_that_lets_another_method_in_is_not_served_by_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "card", lambda: {"gate": {"mine": {"crops": ["maize"], "uses": "forest", "why": "."}}})
    with pytest.raises(ModelError, match="lets forest in for maize on mine"):
        gate.served("maize")


def test_the_card_is_written_from_reports(tmp_path: Path) -> None:
    report = evaluate(write_table(tmp_path / "set", harvests(places=6, years=6)))
    import yaml

    card = yaml.safe_load(gate.write([report], tmp_path / "card").read_text("utf-8"))
    assert card["gate"]["set"]["crops"] == ["maize"]
    assert card["figures"]["set"]["place"]["combined"]["rmse_kg_ha"] == pytest.approx(
        report["splits"]["place"]["methods"]["combined"]["rmse_kg_ha"], rel=1e-3
    )


def test_on_real_rice_the_mean_of_the_season_is_as_near_as_anything(shared_data: Path) -> None:
    report = evaluate(shared_data / "series" / "vietnam-rice-2022")
    assert report["samples"] == 391
    assert report["naive_mean"]["r2"] == pytest.approx(0.67, abs=0.02)
    assert report["gate"]["uses"] == "naive"
    assert abs(report["skill"]) < 0.03
    assert 0.87 <= report["coverage_90"] <= 0.95
