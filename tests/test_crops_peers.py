"""Methods beside ours: all answer, on the same folds; differences, verdicts and the page are what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_crops import write_set
from typer.testing import CliRunner

from greattit.commands import peers as command
from greattit.crops import adapt, dataset, lessons, peers, scores
from greattit.crops.experts import FitConfig


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> lessons.Lesson:
    return lessons.prepare_lesson(dataset.read(write_set(tmp_path_factory.mktemp("peers") / "made", 90)))


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Small methods, so that the walk is tested and not the learning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peers, "TREES", 10)
        patch.setattr(peers, "KERNELS", 168)
        patch.setattr(peers, "MOST_STEPS", 6)
        fit = adapt.adapt
        small = FitConfig(rounds=8, trees=10)
        patch.setattr(adapt, "adapt", lambda data, seed: fit(data, fit=small, seed=seed))
        yield


@pytest.fixture(scope="module")
def figures(quick: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = dataset.read(write_set(tmp_path_factory.mktemp("compared") / "made", 90))
    return peers.compare(data, clock=count().__next__, skip=("minirocket",))


@pytest.mark.parametrize("name", peers.PEERS)
def test_every_peer_answers_every_sample(name: str, lesson: lessons.Lesson, quick: None) -> None:
    if name == "minirocket":
        pytest.importorskip("aeon")
    calls = peers.held_out(name, lesson)
    assert calls.shape == lesson.right.shape
    assert np.allclose(calls.sum(axis=1), 1)
    assert (calls >= 0).all()
    assert np.array_equal(calls, peers.held_out(name, lesson)), "same seed, same calls"


def test_no_peer_is_taught_a_label_of_its_fold_or_a_coarse_one(
    lesson: lessons.Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watch(known: Any, labels: Any, unknown: Any, seed: int) -> Any:
        seen.append((known, labels, unknown))
        return np.full((len(unknown), labels.max() + 1), 1 / (labels.max() + 1))

    monkeypatch.setattr(peers, "_forest", watch)
    peers.held_out("forest", lesson)
    exact = lesson.right.sum(axis=1) == 1
    columns = peers.flattened(lesson.table.values)
    assert len(seen) == lesson.fold.max() + 1 == 5
    for number, (known, labels, unknown) in enumerate(seen):
        teach = exact & (lesson.fold != number)
        assert np.array_equal(known, columns[teach], equal_nan=True)
        assert np.array_equal(unknown, columns[lesson.fold == number], equal_nan=True)
        assert np.array_equal(labels, lesson.right[teach].argmax(axis=1))
    own = [{lesson.groups[row] for row in np.flatnonzero(lesson.fold == number)} for number in range(5)]
    assert sum(map(len, own)) == len(set().union(*own)), "a place is in one fold"


def test_kept_calls_are_used_only_for_the_same_lesson(
    lesson: lessons.Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, clock = tmp_path / "new" / "set-majority.npz", count().__next__
    calls, took = peers._kept(file, "majority", lesson, 0, clock)
    monkeypatch.setattr(peers, "held_out", lambda *asked: np.zeros(1))
    again = peers._kept(file, "majority", lesson, 0, clock)
    assert np.array_equal(calls, again[0])
    assert took == again[1]
    other = replace(lesson, fold=lesson.fold[::-1])
    assert not peers._kept(file, "majority", other, 0, clock)[0].any()
    assert not peers._kept(None, "majority", lesson, 0, clock)[0].any()


def test_gaps_are_filled_along_time_and_what_was_never_seen_is_left() -> None:
    nan = np.nan
    values = np.array([[[nan, nan], [1, nan], [nan, nan], [3, nan], [nan, nan]]], np.float32)
    series = peers.as_series(values)
    assert series[0, 0].tolist() == [1, 1, 2, 3, 3]
    assert np.isnan(series[0, 1]).all()
    assert np.isnan(values[0, 0, 0]), "the season itself is as it was"
    known, unknown = peers._filled(np.array([[1, nan], [3, nan]], np.float32), np.array([[nan, nan]], np.float32))
    assert unknown.tolist() == [[2, 0]]
    assert known[:, 1].tolist() == [0, 0]


def test_one_date_makes_the_bands_the_series() -> None:
    assert peers.as_series(np.zeros((3, 1, 10), np.float32)).shape == (3, 1, 10)


def test_what_cannot_be_fitted_says_why(lesson: lessons.Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert "aeon is not installed" in peers.why_not("minirocket", lesson)
    assert peers.why_not("forest", lesson) == ""
    monkeypatch.setattr(peers, "find_spec", lambda name: object())
    monkeypatch.setattr(peers, "LEAST_POINTS", 99)
    assert peers.why_not("minirocket", lesson) == "needs 99 points of a series, there are 24"


def _answers(seed: int, right: float) -> tuple[peers.Answers, list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(120) % 3
    calls = rng.dirichlet(np.ones(3), 120)
    calls[np.arange(120), truth] += rng.random(120) < right
    allowed = np.eye(3, dtype=bool)[truth]
    labels = [("a", "b", "c")[number] for number in truth]
    return peers.Answers.of(labels, ("a", "b", "c"), calls, allowed), labels, calls, allowed


def test_statistics_are_those_of_the_scores() -> None:
    answers, labels, calls, right = _answers(0, 0.6)
    groups = [f"g{number % 12}" for number in range(120)]
    figures = scores.figures(labels, groups, ("a", "b", "c"), calls, right=right, level=0.0)
    every = np.ones(120)
    for name, statistic in peers.STATISTICS.items():
        assert statistic(answers, every) == pytest.approx(figures[name], abs=1e-4), name
        assert statistic(answers, 3 * every) == pytest.approx(statistic(answers, every))


def test_the_paired_interval_of_accuracy_is_that_of_the_scores() -> None:
    (one, *_), (other, *_) = _answers(0, 0.8), _answers(1, 0.3)
    groups = [f"g{number % 12}" for number in range(120)]
    assert peers.paired(peers.accuracy, one, other, groups) == pytest.approx(
        scores.difference(one.hit, other.hit, groups)
    )
    assert peers.paired(peers.macro_f1, one, one, groups) == (0, 0)
    low, high = peers.paired(peers.macro_f1, one, other, groups)
    assert 0 < low < high
    assert all(np.isnan(peers.paired(peers.accuracy, one, other, ["g"] * 120)))


@pytest.mark.parametrize(
    ("difference", "low", "said"),
    [
        (0.03, 0.01, "ahead beyond the interval"),
        (0.03, -0.01, "ahead within the interval"),
        (0.03, 0.0, "ahead within the interval"),
        (0.03, float("nan"), "ahead within the interval"),
        (0.0, 0.0, "level"),
        (-0.01, -0.03, "behind"),
    ],
)
def test_verdicts(difference: float, low: float, said: str) -> None:
    assert peers.verdict(difference, low) == said


def test_the_comparison_holds_together(figures: dict[str, Any]) -> None:
    methods, against = figures["methods"], figures["against"]
    assert set(methods) >= {"ours", "majority", "forest", "lightgbm", "tempcnn"}
    assert figures["left_out"] == {"minirocket": "left out on request"}
    assert figures["best_peer"] == max(against, key=lambda name: methods[name]["accuracy"])
    for name, told in against.items():
        gap = methods["ours"]["accuracy"] - methods[name]["accuracy"]
        assert told["accuracy"]["difference"] == pytest.approx(gap, abs=2e-4)
    counts = np.array(figures["confusion"]["counts"])
    assert counts.sum() == figures["scored"]
    assert np.trace(counts) / counts.sum() == pytest.approx(methods["ours"]["accuracy"], abs=1e-4)


def test_labels_that_are_no_class_are_named(figures: dict[str, Any]) -> None:
    assert figures["coarser"] == {"wheat": {"samples": 8, "right": ["winter_wheat"]}}
    assert "no class themselves: wheat (8), right as winter_wheat." in command.section(figures)[2]


def test_the_page_keeps_other_sets(figures: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    command.write(page, {"one": figures | {"dataset": "one"}})
    command.write(page, {"two": figures | {"dataset": "two", "verdict": "behind"}})
    command.write(page, {"one": figures | {"dataset": "one", "verdict": "level"}})
    text = page.read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Summary",
        "## Where a peer is ahead",
        "## one",
        "## two",
        "## Data",
    ]
    rows = [line for line in text.splitlines() if line.startswith(("| one | 90", "| two | 90"))]
    assert ["level" in row for row in rows] == [True, False]
    assert ["behind" in row for row in rows] == [False, True]
    assert "MiniRocket + ridge, left out on request" in text
    for name in ("one", "two"):
        assert (tmp_path / "pictures" / f"confusion-{name}.png").stat().st_size < 60_000
        assert f"pictures/confusion-{name}.png" in text
    assert not list(tmp_path.glob(".*")), "no draft is left"


def test_a_peer_ahead_is_said_plainly(figures: dict[str, Any]) -> None:
    behind = {"difference": -0.02, "interval": [-0.03, -0.01], "verdict": "behind"}
    perhaps = {"difference": -0.02, "interval": [-0.05, 0.01], "verdict": "behind"}
    ahead = {"difference": 0.02, "interval": [0.01, 0.03], "verdict": "ahead beyond the interval"}
    told = {"forest": {"accuracy": behind, "macro_f1": ahead}, "tempcnn": {"accuracy_80": perhaps}}
    assert command.lost({"set": figures | {"against": told}}) == [
        "- set: random forest is ahead in accuracy, beyond the interval: -0.020 (-0.030 to -0.010).",
        "- set: TempCNN is ahead in accuracy of the surest 80 %, within the interval: -0.020 (-0.050 to +0.010).",
    ]


def test_the_command_goes_on_after_a_set_that_cannot_be_read(quick: None, tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(command.evaluate_peers)
    made = write_set(tmp_path / "made", 60)
    (tmp_path / "empty").mkdir()
    page = tmp_path / "docs" / "benchmarks.md"
    skipped = [word for name in ("minirocket", "tempcnn", "forest") for word in ("--skip", name)]
    told = CliRunner().invoke(app, [str(tmp_path / "empty"), str(made), "--out", str(page), *skipped])
    assert told.exit_code == 2
    assert "| made | 60 |" in page.read_text("utf-8")
    refused = CliRunner().invoke(app, [str(made), "--out", str(page), "--skip", "nobody"])
    assert refused.exit_code == 2
    assert "nobody" in refused.output
