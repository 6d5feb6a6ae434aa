"""Calling a crop: with a small model trained here on made series, and with the shipped one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greattit import crops
from greattit.crops import taxonomy
from greattit.crops.augment import Augmentation
from greattit.errors import DatasetError, GreatTitError, ModelError
from greattit.types import CropCall, Series

DAY = date(2021, 12, 31)
PEAK = {"maize": 225, "winter_wheat": 140}


def made_ndvi(crop: str, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if crop == "built_up":
        return 0.1 + rng.normal(0, 0.02, len(day))
    return 0.15 + 0.7 * np.exp(-0.5 * ((day - PEAK[crop]) / 35) ** 2) + rng.normal(0, 0.02, len(day))


def made_series(crop: str, seed: int, looks: int = 25) -> Series:
    rng = np.random.default_rng(seed)
    day = 80 + np.sort(rng.choice(220, looks, replace=False))
    dates = np.datetime64("2021-01-01") + day.astype("timedelta64[D]")
    values = made_ndvi(crop, day, rng).astype(np.float32)[:, None]
    return Series(f"{crop}-{seed}", dates, ("ndvi",), values, np.ones(looks, np.float32))


def write_set(folder: Path, size: int) -> Path:
    """Made curves, so that a small network learns them in a second; no figure of them is ever reported."""
    folder.mkdir(parents=True)
    samples, series = [], []
    for number in range(size):
        crop = ("maize", "winter_wheat", "built_up")[number % 3]
        one = made_series(crop, number)
        season = {"season_start": pd.Timestamp("2021-01-01"), "season_end": pd.Timestamp("2021-12-31")}
        label = "wheat" if number % 12 == 1 else crop
        samples.append({"sample": str(number), "crop": label, "group": f"g{number % 5}", **season})
        series.append(pd.DataFrame({"sample": str(number), "date": one.dates, "ndvi": one.values[:, 0]}))
    pd.DataFrame(samples).to_parquet(folder / "samples.parquet")
    pd.concat(series).to_parquet(folder / "series.parquet")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Any]:
    from greattit.crops.samples import Source, TrainConfig
    from greattit.crops.train import train

    root = tmp_path_factory.mktemp("crops")
    write_set(root / "made", 180)
    calm = Augmentation(
        shift_days=3, jitter_days=1, dropped_looks=(0.0, 0.2), gaps=0.0, cut_short=0.1, without_radar=0.0
    )
    config = TrainConfig(
        {"made": Source(1.0, 0.5)},
        folds=2,
        epochs=20,
        batch=30,
        width=8,
        hidden=16,
        dropout=0.1,
        augmentation=calm,
        trees=10,
    )
    card = train(root, root / "model", config=config, workers=1)
    assert card["figures"]["made"]["accuracy"] > 0.9
    return root, root / "model", config


@pytest.fixture
def call(trained: tuple[Path, Path, Any]) -> Callable[..., CropCall]:
    def classify(series: Series, day: date = DAY, **more: Any) -> CropCall:
        return crops.classify(series, day=day, model=trained[1], **more)

    return classify


def test_training_again_gives_the_same_weights(trained: tuple[Path, Path, Any], tmp_path: Path) -> None:
    from greattit.crops.train import train

    root, model, config = trained
    short = replace(config, epochs=1)
    shas = [train(root, tmp_path / name, config=short, workers=1)["weights"]["sha256"] for name in ("a", "b")]
    assert shas[0] == shas[1]
    assert shas[0] != yaml.safe_load((model / "card.yaml").read_text())["weights"]["sha256"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_clear_seasons_are_called(call: Callable[..., CropCall]) -> None:
    for crop in ("maize", "winter_wheat", "built_up"):
        got = call(made_series(crop, 1000))
        assert (got.crop, got.abstained, got.likely[0]) == (crop, None, crop)
        assert sum(got.probabilities.values()) == pytest.approx(1)
        assert got.certainty == max(got.probabilities.values())


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["maize", "winter_wheat", "built_up"]), st.integers(0, 99), st.integers(1, 40))
def test_neither_the_order_of_looks_nor_company_changes_a_call(
    trained: tuple[Path, Path, Any], crop: str, seed: int, looks: int
) -> None:
    one = made_series(crop, seed, looks)
    order = np.random.default_rng(seed).permutation(looks)
    shuffled = replace(one, dates=one.dates[order], values=one.values[order], clear=one.clear[order])
    others = [made_series("maize", number) for number in range(seed % 11)]
    alone = crops.classify(one, day=DAY, model=trained[1])
    assert crops.classify(shuffled, day=DAY, model=trained[1]) == alone
    assert crops.classify_many([*others, one], day=DAY, model=trained[1])[-1] == alone


def test_too_few_looks_abstain_and_nothing_seen_is_nan(call: Callable[..., CropCall]) -> None:
    series = made_series("maize", 1)
    assert "too few clear looks: 2" in str(call(replace_rows(series, 2)).abstained)
    cloudy = replace(series, clear=np.full(len(series.dates), 0.3, np.float32))
    for nothing in (replace_rows(series, 0), cloudy, replace(series, values=series.values * np.nan)):
        got = call(nothing)
        assert got.crop is None and got.abstained == "nothing was seen this season"
        assert np.isnan(got.certainty) and got.probabilities == {} and got.likely == ()
    assert call(series, date(2022, 6, 1)).abstained == "nothing was seen this season"


def replace_rows(series: Series, rows: int) -> Series:
    return replace(series, dates=series.dates[:rows], values=series.values[:rows], clear=series.clear[:rows])


def test_a_prior_moves_the_call_and_names_may_be_coarser(call: Callable[..., CropCall]) -> None:
    series = made_series("maize", 3, looks=4)
    plain, up = call(series), call(series, prior={"cereal": 0.1, "winter_wheat": 0.9})
    same = call(series, prior={"winter_barley": 0.0, "cereal": 0.1, "winter_wheat": 0.9})
    assert up.probabilities["winter_wheat"] > plain.probabilities["winter_wheat"]
    assert up.probabilities["built_up"] < plain.probabilities["built_up"]
    assert same.probabilities == pytest.approx(up.probabilities)
    assert sum(up.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("prior", [{}, {"maize": -0.1}, {"maize": float("nan")}, {"maize": 0.0}])
def test_a_prior_that_is_none_is_refused(call: Callable[..., CropCall], prior: dict[str, float]) -> None:
    with pytest.raises(GreatTitError, match="prior"):
        call(made_series("maize", 3), prior=prior)


def copy_model(model: Path, out: Path) -> tuple[Path, dict[str, Any]]:
    out.mkdir()
    for name in ("weights.safetensors", "card.yaml"):
        (out / name).write_bytes((model / name).read_bytes())
    return out, yaml.safe_load((out / "card.yaml").read_text())


def test_what_the_card_does_not_say_is_not_loaded(trained: tuple[Path, Path, Any], tmp_path: Path) -> None:
    from greattit.crops.model import load

    with pytest.raises(ModelError, match=r"has no card\.yaml"):
        load(tmp_path)
    damaged, _ = copy_model(trained[1], tmp_path / "damaged")
    data = bytearray((damaged / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (damaged / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(ModelError, match="sha256 differs"):
        load(damaged)
    (damaged / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights\.safetensors"):
        load(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card["input"].update(channels=card["input"]["channels"][::-1]), "channels"),
        (lambda card: card["network"].update(classes=9), "do not fit the classes"),
        (lambda card: card["network"].update(steps=12), "do not fit the channels and steps"),
        (lambda card: card["network"].update(width=9), "weights and card do not fit"),
        (lambda card: card["calibration"].update(temperature=0), "above zero"),
        (lambda card: card.pop("priors"), "cannot be used"),
        (lambda card: card["classes"].__setitem__(0, "dragonfruit"), "cannot be used|not in policy"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    trained: tuple[Path, Path, Any], tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    from greattit.crops.model import load

    folder, card = copy_model(trained[1], tmp_path / "model")
    change(card)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_evaluation_scores_by_members_that_did_not_see_the_group(
    trained: tuple[Path, Path, Any], tmp_path: Path
) -> None:
    from greattit.crops.evaluate import evaluate, table

    root, model, _ = trained
    seen = evaluate(root / "made", model=model)
    card = yaml.safe_load((model / "card.yaml").read_text())
    assert seen["accuracy"] == pytest.approx(card["figures"]["made"]["accuracy"], abs=1e-4)
    assert "180 of 180 samples are of groups used in training" in seen["note"]
    fresh = write_set(tmp_path / "elsewhere", 30)
    samples = pd.read_parquet(fresh / "samples.parquet")
    samples.loc[0, "crop"] = "dragonfruit"
    samples.to_parquet(fresh / "samples.parquet")
    got = evaluate(fresh, model=model)
    assert (got["samples"], got["scored"], got["unknown_label"], got["unknown_labels"]) == (30, 29, 1, ["dragonfruit"])
    assert got["per_crop"]["wheat"]["recall"] == 1.0
    assert got["interval"][0] <= got["accuracy"] <= got["interval"][1]
    assert "no group of this set was used in training" in got["note"]
    assert "dragonfruit" not in table(got) and "winter_wheat" in table(got)
    with pytest.raises(DatasetError):
        evaluate(tmp_path, model=model)


def test_the_shipped_model_fits_its_card() -> None:
    from greattit.crops.model import load

    model = load(crops.model_folder())
    data = (crops.model_folder() / "weights.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == model.card.sha256
    assert set(model.card.folds) <= {"canada-2017", "denmark-2016", "korea-2021", "india-2022"}
    for part in model.card.text["training"]["sets"].values():
        assert part["licence"] and part["attribution"] and part["licence"] != "not stated"
    assert all(taxonomy.known(name) for name in model.card.classes)
    got = crops.classify(made_series("maize", 1), day=DAY)
    assert got.model_sha256 == model.card.sha256


@pytest.mark.shared
@pytest.mark.parametrize("name", ["flanders-2018", "vietnam-rice-points", "brazil-cbers-2018", "korea-2021"])
def test_any_shared_set_can_be_evaluated(shared_data: Path, name: str) -> None:
    from greattit.crops.evaluate import evaluate, table

    got = evaluate(shared_data / "series" / name)
    assert got["scored"] + got["unknown_label"] == got["samples"]
    assert name in table(got)
    if name == "vietnam-rice-points":
        assert got["accepted"] == 0 and set(got["abstained"]) == {"too few clear looks"}


@pytest.mark.shared
@pytest.mark.parametrize("name", ["canada-2017", "denmark-2016"])
def test_the_figures_of_the_card_can_be_had_again(shared_data: Path, name: str) -> None:
    from greattit.crops.evaluate import evaluate

    card = yaml.safe_load((crops.model_folder() / "card.yaml").read_text())["figures"][name]
    got = evaluate(shared_data / "series" / name, model=crops.model_folder())
    assert got["accuracy"] == pytest.approx(card["accuracy"], abs=2e-3)
    assert got["scored"] == card["samples"] and "used in training" in got["note"]
    assert got["interval"][0] > got["majority_accuracy"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["denmark-2016", "india-2022"])
def test_a_country_with_a_model_of_its_own_is_called_by_it(shared_data: Path, name: str) -> None:
    from greattit.crops.evaluate import evaluate

    got = evaluate(shared_data / "series" / name)
    card = yaml.safe_load((crops.model_folder().parent / got["model"].split("-2")[0] / "card.yaml").read_text())
    figure = card["figures"][name]
    assert got["model"] == f"crops-{name}" and got["model_sha256"] == card["weights"]["sha256"]
    assert got["accuracy"] == pytest.approx(figure["accuracy"], abs=5e-3)
    assert got["accuracy"] > crops_figure(name)
    assert card["training"]["sets"][name]["ships"] and card["training"]["sets"][name]["licence"] != "not stated"


def crops_figure(name: str) -> float:
    """What the network's card says of a set."""
    return float(yaml.safe_load((crops.model_folder() / "card.yaml").read_text())["figures"][name]["accuracy"])


@pytest.mark.shared
def test_a_season_cut_short_is_called_by_the_network(shared_data: Path) -> None:
    from greattit.crops.evaluate import evaluate

    assert evaluate(shared_data / "series" / "denmark-2016", day_of_season=90)["model"] == "crops-tempcnn"
