"""The masks are measured on made truth and on real stacks; the network can be made again from nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import yaml

from greattit.clouds import made, measure, network, publish, train
from greattit.clouds.detect import Levels
from greattit.clouds.features import FEATURES
from greattit.clouds.lessons import Lesson, lessons

METHODS = {"scl", "detector", "network", "combination"}


@pytest.fixture(scope="module")
def measured(sample_tiles: Path) -> dict[str, Any]:
    return measure.evaluate(sample_tiles, peer=False)


@pytest.fixture(scope="module")
def truth(sample_tiles: Path) -> made.Truth:
    found = made.regrown(sample_tiles)
    assert found is not None
    return found


def test_the_sky_grown_again_is_the_one_that_was_written(sample_tiles: Path, truth: made.Truth) -> None:
    told = json.loads((sample_tiles / "truth.json").read_text("utf-8"))["scl_shares"]
    for when, mask in zip(truth.when, truth.mask, strict=True):
        shares = told[str(when.astype("datetime64[D]"))]
        assert (mask == made.CLOUD).mean() == pytest.approx(shares["cloud"], abs=0.02)
        assert (mask == made.SHADOW).mean() == pytest.approx(shares["shadow"], abs=0.02)


def test_ground_right_after_a_change_is_some_and_not_most(truth: made.Truth) -> None:
    summer = (truth.when > np.datetime64("2023-07-15")) & (truth.when < np.datetime64("2023-08-25"))
    assert 0.1 < truth.changed[summer].mean() < 0.6
    assert truth.changed[truth.when < np.datetime64("2023-02-01")].mean() < truth.changed[summer].mean() / 3


def test_tiles_of_an_unknown_recipe_have_no_truth(tmp_path: Path) -> None:
    assert made.regrown(tmp_path) is None
    (tmp_path / "truth.json").write_text('{"recipe": "elsewhere", "seed": 1}', "utf-8")
    assert made.regrown(tmp_path) is None


def test_on_made_truth_what_serves_beats_the_scene_classification(measured: dict[str, Any]) -> None:
    assert set(measured["methods"]) == METHODS
    ours, plain = (measured["methods"][name]["truth"] for name in (measured["serve"], "scl"))
    for kind in ("cloud", "shadow"):
        assert ours[kind]["f1"] > plain[kind]["f1"]
        low, high = ours[kind]["f1_interval_95"]
        assert low <= ours[kind]["f1"] <= high
    assert ours["eaten_after_change"]["share"] < 0.03
    assert ours["eaten_after_change"]["pixels"] > 10_000


def test_a_plot_seen_alone_is_masked_as_in_the_whole(measured: dict[str, Any]) -> None:
    assert measured["windows"]["same"] > 0.99


def test_the_table_holds_every_method(measured: dict[str, Any]) -> None:
    text = measure.table(measured)
    for name in METHODS:
        assert text.count(f"\n{name} ") == 2
    assert f"{measured['methods']['network']['truth']['cloud']['f1']:.3f}" in text


def test_tiles_without_truth_and_fields_are_measured_as_far_as_they_go(tmp_path: Path) -> None:
    figures = measure.evaluate(made_tiles.write(tmp_path / "tiles"), peer=False)
    assert set(figures["methods"]) == METHODS
    assert figures["windows"] is None
    for one in figures["methods"].values():
        assert one["truth"] is None and one["clear_pixels"] == 1.0
    assert "made: 12 looks, 0 fields" in measure.table(figures)


def test_on_a_real_stack_fewer_outliers_are_left_and_most_looks_kept(shared_data: Path) -> None:
    figures = measure.evaluate(shared_data / "scenes" / "flanders-2018", peer=False)
    ours, plain = (figures["methods"][name] for name in (figures["serve"], "scl"))
    assert ours["outliers"] < plain["outliers"]
    assert 0.75 < ours["looks_kept_against_scl"] <= 1.05
    assert figures["fields"] == 16


@pytest.fixture(scope="module")
def grown() -> Lesson:
    pytest.importorskip("prosail")
    return next(lessons(9001, skies=1, looks=16))


def test_a_made_season_holds_together(grown: Lesson) -> None:
    bands, looks, rows, cols = grown.stack.values.shape
    assert (bands, rows, cols) == (6, 96, 96)
    assert grown.mask.shape == grown.changed.shape == grown.stack.scl.shape == (looks, rows, cols)
    assert (np.diff(grown.stack.days) > 0).all()
    assert set(np.unique(grown.mask)) <= {0, 1, 2}
    assert grown.stack.values.min() > 0 and grown.stack.values.max() <= 1.5


def test_a_model_is_made_again_from_nothing_and_the_same_twice(grown: Lesson, tmp_path: Path) -> None:
    config = publish.TrainConfig(pixels=4000, epochs=2, trials=2, hidden=(8,))
    levels = train.search_levels([grown], config)
    parts = [train._drawn(grown, levels, config, 0)]
    tensors = [train.fit(parts, config) for _ in range(2)]
    assert all(np.array_equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    card = publish.publish(tensors[0], levels, [grown], config, tmp_path / "clouds")
    loaded = network.load(tmp_path / "clouds")
    assert loaded.sha256 == card["weights"]["sha256"]
    assert Levels(**loaded.levels) == levels
    assert [layer[0].shape for layer in loaded.layers] == [(8, len(FEATURES)), (3, 8)]


def test_the_card_says_what_stands_behind_the_choice() -> None:
    card = yaml.safe_load((network.model_folder() / "card.yaml").read_text("utf-8"))
    figures = card["held_out"]["figures"]["classified"]
    assert card["serve"] == publish.choose(figures)
    assert card["training"]["seasons"] == card["training"]["config"]["counties"] * card["training"]["config"]["skies"]
    assert figures[card["serve"]]["eaten_after_change"]["share"] <= figures["scl"]["eaten_after_change"]["share"]
