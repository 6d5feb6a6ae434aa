"""A model fitted to labelled parcels of one place: its laws on made sets, and what it reaches on real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from greattit.crops import adapt, dataset, evaluate, graph, lessons, local, scores, table
from greattit.crops.experts import FitConfig
from greattit.errors import DatasetError, ModelError

QUICK = FitConfig(rounds=15, trees=20, steps=(60, 60), width=16, hidden=16)
PEAKS = {"maize": 225, "winter_wheat": 140, "grassland": 180}


def made_set(folder: Path, size: int = 120, *, seed: int = 0, groups: int = 6, start: str = "2021-01-01") -> Path:
    """Made curves with a place each: parcels of one crop lie near each other."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    opens = np.datetime64(start)
    samples, looks = [], []
    for number in range(size):
        crop = list(PEAKS)[number % 3]
        day = np.sort(rng.choice(365, 14, replace=False))
        dates = opens + day.astype("timedelta64[D]")
        doy = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
        height = 0.1 if crop == "grassland" else 0.6
        ndvi = 0.25 + height * np.exp(-0.5 * ((doy - PEAKS[crop]) / 35) ** 2) + rng.normal(0, 0.08, len(day))
        season = {"season_start": pd.Timestamp(start), "season_end": pd.Timestamp(start) + pd.Timedelta(days=364)}
        place = {"lon": 3.0 + 0.2 * (number % groups) + 0.001 * rng.random(), "lat": 50.0 + 0.003 * (number % 3)}
        name = f"{folder.name}-{number}"
        samples.append({"sample": name, "crop": crop, "group": f"{folder.name}{number % groups}", **season, **place})
        looks.append(pd.DataFrame({"sample": name, "date": dates.astype("datetime64[ns]"), "ndvi": ndvi}))
    pd.DataFrame(samples).assign(country="BEL").to_parquet(folder / "samples.parquet")
    pd.concat(looks).to_parquet(folder / "series.parquet")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dataset.Dataset:
    return dataset.read(made_set(tmp_path_factory.mktemp("adapt") / "made"))


@pytest.fixture(scope="module")
def fitted(made: dataset.Dataset) -> local.Local:
    return adapt.adapt(made, fit=QUICK)


def test_places_it_did_not_see_are_called(made: dataset.Dataset, fitted: local.Local) -> None:
    figure = fitted.card["figures"]["made"]
    assert figure["accuracy"] > 0.9 > 0.4 > figure["majority"]
    assert figure["interval"][0] <= figure["accuracy"] <= figure["interval"][1]
    assert set(fitted.weights) <= {"boosting", "forest", "network"} and sum(fitted.weights.values()) == pytest.approx(1)
    assert set(fitted.folds["made"]["folds"]) == set(made.groups)


def test_fitting_again_gives_the_same_model(made: dataset.Dataset, fitted: local.Local) -> None:
    again = adapt.adapt(made, fit=QUICK)
    for name, value in local.tensors(fitted).items():
        assert np.array_equal(value, local.tensors(again)[name]), name
    assert again.card == fitted.card


def test_a_saved_model_is_the_same_and_a_damaged_one_is_not_loaded(
    made: dataset.Dataset, fitted: local.Local, tmp_path: Path
) -> None:
    card = adapt.save(fitted, tmp_path / "model")
    assert local.is_local(tmp_path / "model") and card["training"]["sets"]["made"]["ships"] is False
    back = local.load(tmp_path / "model")
    seen = fitted.table(made)
    fold = back.fold_of(made)
    assert (fold >= 0).all()
    calls = back.probabilities(seen, made.places, fold)
    assert np.allclose(calls, fitted.probabilities(seen, made.places, fold), atol=1e-3)
    assert np.allclose(calls, fitted.held_out, atol=2e-2)
    file = tmp_path / "model" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    local.load.cache_clear()
    with pytest.raises(ModelError, match="sha256 differs"):
        local.load(tmp_path / "model")


def test_a_plot_is_called_by_a_model_of_its_place(made: dataset.Dataset, fitted: local.Local, tmp_path: Path) -> None:
    from datetime import date

    from greattit import crops
    from greattit.types import Series

    adapt.save(fitted, tmp_path / "own")
    plots = [made.series(row) for row in range(12)]
    calls = crops.classify_many(plots, day=date(2021, 12, 31), model=tmp_path / "own")
    agree = [
        max(call.probabilities, key=call.probabilities.__getitem__) == made.crops[row] for row, call in enumerate(calls)
    ]
    assert sum(agree) >= 11
    assert crops.classify(plots[3], day=date(2021, 12, 31), model=tmp_path / "own") == calls[3]
    nothing = Series("x", plots[0].dates[:0], ("ndvi",), plots[0].values[:0], plots[0].clear[:0])
    for day, one in ((date(2021, 12, 31), nothing), (date(2019, 6, 1), plots[0])):
        assert crops.classify(one, day=day, model=tmp_path / "own").abstained == "nothing was seen this season"


def test_the_same_folder_is_scored_out_of_fold_and_another_one_by_all(tmp_path: Path) -> None:
    one, other = made_set(tmp_path / "one", 90), made_set(tmp_path / "other", 60, seed=1)
    own = evaluate.evaluate(one, train_on=one)
    assert "saw nothing of its group" in own["note"] and own["accuracy"] > 0.9
    assert 0.8 <= own["coverage_90"] <= 1 and own["set_size"] >= 1
    away = evaluate.evaluate(other, train_on=one)
    assert "no group of this set was used" in away["note"] and away["accuracy"] > 0.9
    assert away["trained_samples"] == 90 and away["repeats_left_out"] == 0
    assert [share for share, _ in away["acceptance_curve"]] == list(scores.ACCEPTED)
    assert set(away["by_group"]) == {f"other{number}" for number in range(6)}
    few = evaluate.evaluate(other, train_on=one, shots=20)
    assert few["trained_samples"] == 20 and few["accuracy"] > 0.6
    assert "93 % are right" in evaluate.table(few)


def test_an_early_day_knows_less(tmp_path: Path) -> None:
    one, other = made_set(tmp_path / "one", 90), made_set(tmp_path / "other", 60, seed=1)
    early = evaluate.evaluate(other, train_on=one, day_of_season=60)
    late = evaluate.evaluate(other, train_on=one, day_of_season=365)
    assert early["accuracy"] < 0.8 < late["accuracy"]
    assert early["day_of_season"] == 60
    with pytest.raises(DatasetError, match="no day 0"):
        evaluate.evaluate(other, train_on=one, day_of_season=0)


def test_a_sample_in_both_sets_is_refused_and_a_repeated_series_is_left_out(tmp_path: Path) -> None:
    one, other = made_set(tmp_path / "one", 90), made_set(tmp_path / "other", 60, seed=1)
    samples, looks = (pd.read_parquet(one / f"{name}.parquet") for name in ("samples", "series"))
    samples.head(1).to_parquet(tmp_path / "keep.parquet")
    for name, what in (("samples", samples), ("series", looks)):
        mine = pd.read_parquet(other / f"{name}.parquet")
        copy = what[what["sample"] == "one-0"].assign(sample="copy")
        pd.concat([mine, copy]).to_parquet(other / f"{name}.parquet")
    assert evaluate.evaluate(other, train_on=one)["repeats_left_out"] == 1
    mine = pd.read_parquet(other / "samples.parquet").replace({"sample": {"copy": "one-0"}})
    mine.to_parquet(other / "samples.parquet")
    with pytest.raises(DatasetError, match=r"1 samples stand in the set .* \(one-0"):
        evaluate.evaluate(other, train_on=one)


def test_only_what_both_sets_saw_is_learned_from(tmp_path: Path) -> None:
    one, other = made_set(tmp_path / "one", 90), made_set(tmp_path / "other", 60, seed=1)
    looks = pd.read_parquet(one / "series.parquet")
    looks.assign(evi=looks["ndvi"] * 0 + looks["sample"].factorize()[0] % 3).to_parquet(one / "series.parquet")
    assert evaluate.evaluate(other, train_on=one)["accuracy"] > 0.8
    radar = pd.read_parquet(other / "series.parquet").rename(columns={"ndvi": "VV"})
    radar.assign(VV=-10 - radar["VV"]).to_parquet(other / "series.parquet")
    with pytest.raises(DatasetError, match="shares no band"):
        evaluate.evaluate(other, train_on=one)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("B04", lambda ndvi: 2000 + 1000 * ndvi, "B04 .* unit is wrong"),
        ("VV", lambda ndvi: 0.1 * ndvi + 0.05, "VV .* unit is wrong"),
        ("ndvi", lambda ndvi: 10000 * ndvi, "ndvi .* unit is wrong"),
        ("tmean_c", lambda ndvi: 280 + ndvi, "tmean_c .* unit is wrong"),
    ],
)
def test_wrong_units_are_told_by_their_range(tmp_path: Path, column: str, change: Any, message: str) -> None:
    folder = made_set(tmp_path / "one", 30)
    looks = pd.read_parquet(folder / "series.parquet")
    looks[column] = change(looks["ndvi"])
    looks.to_parquet(folder / "series.parquet")
    with pytest.raises(DatasetError, match=message):
        dataset.read(folder)


def test_a_model_in_ones_own_folder_serves_its_country(
    made: dataset.Dataset, fitted: local.Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from greattit.crops import regional

    assert regional.serving(made) is None
    adapt.save(fitted, tmp_path / "own" / "crops-belgium")
    monkeypatch.setenv("GREATTIT_MODELS", str(tmp_path / "own"))
    assert regional.serving(made) == tmp_path / "own" / "crops-belgium"
    assert regional.serving(made.until(120)) is None
    assert regional.serving(replace(made, countries=("FRA",) * len(made))) is None


def test_a_level_is_judged_on_folds_that_did_not_set_it() -> None:
    certainty = np.tile(np.linspace(0.5, 1, 50), 2)
    fold = np.repeat([0, 1], 50)
    right = np.where(fold == 0, True, certainty > 0.9)
    sure = scores.accepted_by_fold(certainty, right, fold, 0.95)
    assert certainty[sure & (fold == 0)].min() > 0.85 and sure[fold == 1].all()


def test_noise_and_a_shape_never_seen_are_refused(made: dataset.Dataset, fitted: local.Local) -> None:
    rng = np.random.default_rng(5)
    noise = replace(made, values=rng.uniform(-1, 1, made.values.shape).astype(np.float32))
    waves = replace(made, values=np.sin(np.arange(len(made.values)))[:, None].astype(np.float32))
    for strange in (noise, waves):
        seen = fitted.table(strange)
        calls = local.judge(fitted, fitted.probabilities(seen, strange.places), seen)
        assert np.mean(["not a known crop" in str(call.abstained) for call in calls]) > 0.9
    seen = fitted.table(made)
    calls = local.judge(fitted, fitted.probabilities(seen, made.places), seen)
    assert np.mean(["not a known crop" in str(call.abstained) for call in calls]) < 0.05


def test_what_cannot_be_learned_falls_back_to_the_commonest_crop(tmp_path: Path) -> None:
    folder = made_set(tmp_path / "one", 90)
    samples = pd.read_parquet(folder / "samples.parquet")
    samples["crop"] = np.random.default_rng(0).choice(["maize", "grassland"], 90, p=[0.8, 0.2])
    samples.to_parquet(folder / "samples.parquet")
    got = evaluate.evaluate(folder, train_on=folder)
    assert got["experts"] == {"commonest": 1.0} and not got["neighbours"]
    assert got["accuracy"] == pytest.approx(got["majority_accuracy"])
    model = adapt.adapt(dataset.read(folder), fit=QUICK)
    assert "nothing was learned that holds elsewhere" in model.card["verdict"]
    adapt.save(model, tmp_path / "model")
    assert evaluate.evaluate(folder, model=tmp_path / "model")["accuracy"] == pytest.approx(got["accuracy"])


def test_one_crop_alone_cannot_be_learned(tmp_path: Path) -> None:
    folder = made_set(tmp_path / "one", 30)
    samples = pd.read_parquet(folder / "samples.parquet").assign(crop="maize")
    samples.to_parquet(folder / "samples.parquet")
    with pytest.raises(DatasetError, match="fewer than two crops"):
        evaluate.evaluate(folder, train_on=folder)


def test_a_loss_that_is_no_number_ends_the_training(made: dataset.Dataset) -> None:
    with pytest.raises(DatasetError, match="no number at step"):
        adapt.adapt(made, fit=replace(QUICK, network_rate=1e30))


def test_a_crop_of_one_place_gets_a_second_one_by_a_cut() -> None:
    labels = ["rice"] * 8 + ["maize"] * 8
    groups = ["a"] * 8 + ["b"] * 4 + ["c"] * 4
    places = np.column_stack([np.linspace(0, 1, 16), np.zeros(16)])
    cut = lessons.places_of(labels, groups, places, ("maize", "rice"))
    assert len(set(cut[:8])) == lessons.PARTS and list(cut[8:]) == groups[8:]
    assert lessons.places_of(labels, groups, places * np.nan, ("maize", "rice")) == tuple(groups)


def test_folds_are_whole_groups_that_share_out_the_crops() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{number // 10}" for number in range(200)]
    right = np.eye(2, dtype=bool)[np.repeat(rng.integers(0, 2, 20), 10)]
    fold = lessons.even_folds(groups, right, 5)
    assert all(len(set(fold[np.asarray(groups) == group])) == 1 for group in set(groups))
    assert all(right[fold == number].any(axis=0).all() for number in range(5))


def test_no_edge_joins_two_folds_and_no_parcel_hears_itself(made: dataset.Dataset) -> None:
    fold = np.arange(len(made)) % 2
    joined = graph.link(made.places, np.zeros((len(made), 1), np.float32), fold)
    rows, columns = np.nonzero(joined.nodes >= 0)
    assert len(rows) > 100
    assert (fold[rows] == fold[joined.nodes[rows, columns]]).all()
    assert (joined.nodes[rows, columns] != rows).all()
    assert (graph.link(made.places * np.nan, np.zeros((len(made), 1), np.float32)).nodes == -1).all()


def test_neighbours_mend_a_doubtful_call_and_labels_of_others_do_not_leak() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(60) % 2, 5)
    places = np.column_stack([np.repeat(np.arange(60), 5) * 0.2 + rng.normal(0, 1e-4, 300), rng.normal(50, 1e-4, 300)])
    sure = np.where(rng.random(300) < 0.75, truth, 1 - truth)
    calls = np.where(np.eye(2)[sure] > 0, 0.7, 0.3)
    right = np.eye(2, dtype=bool)[truth]
    joined = graph.link(places, np.zeros((300, 1), np.float32))
    learn = np.arange(300) < 150
    gates = graph.learn(calls, right & learn[:, None], joined)
    assert gates is not None
    heard = graph.refine(calls, joined, gates)
    before, after = ((one.argmax(1) == truth)[~learn].mean() for one in (calls, heard))
    assert after > before + 0.1
    other = right.copy()
    other[~learn] = ~other[~learn]
    same = graph.learn(calls, other & learn[:, None], joined)
    assert all(np.array_equal(same[key], gates[key]) for key in gates)


def test_a_season_over_new_year_lies_on_the_same_grid(tmp_path: Path) -> None:
    spring = dataset.read(made_set(tmp_path / "a", 30))
    autumn = dataset.read(made_set(tmp_path / "b", 30, start="2020-09-01"))
    assert (autumn.last_days == np.datetime64("2021-08-31")).all()
    form = table.form_of(spring)
    one, other = (table.tabulate(part, form) for part in (spring, autumn))
    peaks = [np.nanmean(part.values[::3, :, 0], axis=0).argmax() for part in (one, other)]
    assert abs(int(peaks[0]) - int(peaks[1])) <= 1
    assert (one.rows == 14).all() and (other.rows == 14).all()


def test_the_order_of_looks_changes_no_figure(tmp_path: Path) -> None:
    folder = made_set(tmp_path / "a", 30)
    first = table.features(table.tabulate(dataset.read(folder), table.Form(("ndvi",))))
    looks = pd.read_parquet(folder / "series.parquet").sample(frac=1, random_state=3)
    looks.to_parquet(folder / "series.parquet")
    again = table.features(table.tabulate(dataset.read(folder), table.Form(("ndvi",))))
    assert np.array_equal(first, again, equal_nan=True)


def test_figures_of_a_known_case() -> None:
    right = np.array([[True, False], [True, False], [False, True], [False, True]])
    calls = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    got = scores.figures(["a", "a", "b", "b"], ["g", "h", "g", "g"], ("a", "b"), calls, right=right, level=0.75)
    assert (got["accuracy"], got["accepted"], got["accuracy_accepted"]) == (0.75, 0.5, 1.0)
    assert got["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2, abs=1e-4)
    assert got["accuracy_80"] == 0.75 and got["accepted_at_93"] == 0
    assert got["one_group_labels"] == ["b"] and got["accuracy_without_them"] == 0.5
    assert got["by_group"]["g"] == {"samples": 3, "accuracy": 1.0}


def test_the_recipe_that_ships_is_the_default() -> None:
    from greattit.crops.samples import TrainConfig, read_recipe

    root = Path(__file__).resolve().parent.parent
    assert read_recipe(root / "recipes" / "crops.yaml") == TrainConfig()


@pytest.mark.parametrize("text", ["- 1", "sources: 3", "sources: {a: {wrong: 1}}", "epochz: 4", "window: [1]"])
def test_a_recipe_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    from greattit.crops.samples import read_recipe

    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(DatasetError, match="is no recipe"):
        read_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
