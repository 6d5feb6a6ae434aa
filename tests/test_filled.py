"""filled: the smoother against a library, laws of the curve and its sigma, made truth inside the intervals."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from greattit.filled import Filled, fill, fill_all
from greattit.filled.curves import draw_curves
from greattit.filled.whittaker import Factor, Looks, penalty, smooth
from greattit.types import Series

START = np.datetime64("2021-01-05")
QUICK = settings(max_examples=40, deadline=None)


def seen(
    days: list[int] | NDArray[np.int64], ndvi: NDArray[np.float64] | list[float], clear: object = 1.0, name: str = "p"
) -> Series:
    """A series that has NDVI only."""
    values = np.asarray(ndvi, np.float32)[:, None]
    share = np.broadcast_to(np.asarray(clear, np.float32), len(values)).copy()
    return Series(name, START + np.asarray(days, np.int64), ("ndvi",), values, share)


def season(days: NDArray[np.int64], peak: int = 180) -> NDArray[np.float64]:
    return 0.2 + 0.6 * np.exp(-(((days - peak) / 60.0) ** 2))


def made(seed: int, looks: int = 50, noise: float = 0.03, name: str = "p") -> Series:
    """A season of a year, seen on drawn days with normal noise."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.choice(365, looks, replace=False))
    return seen(days, season(days, int(rng.integers(120, 240))) + rng.normal(0, noise, looks), name=name)


def same(one: Filled, other: Filled, tolerance: float = 1e-7) -> None:
    np.testing.assert_allclose(one.values, other.values, atol=tolerance)
    np.testing.assert_allclose(one.sd, other.sd, atol=tolerance)


def rows(seed: int, count: int = 7, looks: int = 25, nodes: int = 30) -> tuple[Looks, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, nodes - 1, (count, looks))
    return Looks.at(position, rng.normal(size=(count, looks)), nodes), rng.uniform(0.2, 1, (count, looks))


def test_many_at_once_agree_with_a_library() -> None:
    from whittaker_eilers import WhittakerSmoother

    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=(5, 40)), rng.uniform(0.1, 1, (5, 40))
    weights[:, [3, 20, 21, 22]] = 0
    stiffness = np.array([0.5, 2.0, 20.0, 200.0, 2000.0])
    looks = Looks.at(np.broadcast_to(np.arange(40.0), (5, 40)), values, 40)
    main, off, right = looks.equations(weights)
    ours = Factor.of(main, off, stiffness).solve(right)
    for row in range(5):
        library = WhittakerSmoother(float(stiffness[row]), 2, 40, weights=list(weights[row]))
        np.testing.assert_allclose(ours[:, row], library.smooth(list(values[row])), atol=1e-7)
        np.testing.assert_allclose(ours[:, row], smooth(values[row], weights[row], stiffness[row]), atol=1e-7)


@pytest.mark.parametrize("tension", [0.0, 0.5])
def test_the_equations_are_those_of_dense_algebra(tension: float) -> None:
    looks, weights = rows(1)
    stiffness = np.geomspace(0.1, 100, 7)
    main, off, right = looks.equations(weights)
    factor = Factor.of(main, off, stiffness, tension)
    curve, (whole, beside), logs = factor.solve(right), factor.inverse(), factor.log_determinant()
    second, first = np.diff(np.eye(30), 2, axis=0), np.diff(np.eye(30), axis=0)
    for row in range(7):
        reads = reads_of(looks, row)
        dense = second.T @ second + tension * first.T @ first
        assert np.diag(dense, 1) == pytest.approx(penalty(30, tension)[1])
        dense = reads.T @ (weights[row][:, None] * reads) + stiffness[row] * dense
        inverse = np.linalg.inv(dense)
        np.testing.assert_allclose(curve[:, row], inverse @ reads.T @ (weights[row] * looks.values[row]), atol=1e-7)
        np.testing.assert_allclose(whole[:, row], np.diag(inverse), atol=1e-7)
        np.testing.assert_allclose(beside[:, row], np.diag(inverse, 1), atol=1e-7)
        assert logs[row] == pytest.approx(np.linalg.slogdet(dense)[1], abs=1e-7)
    np.testing.assert_allclose(looks.read(curve)[3], reads_of(looks, 3) @ curve[:, 3], atol=1e-12)


def reads_of(looks: Looks, row: int) -> NDArray[np.float64]:
    reads = np.zeros((looks.node.shape[1], looks.nodes))
    np.add.at(reads, (np.arange(len(reads)), looks.node[row]), 1 - looks.share[row])
    np.add.at(reads, (np.arange(len(reads)), looks.node[row] + 1), looks.share[row])
    return reads


@QUICK
@given(st.integers(0, 10_000))
def test_the_order_of_the_looks_changes_nothing(seed: int) -> None:
    plain = made(seed, looks=30)
    mixed = np.random.default_rng(seed).permutation(30)
    other = Series("p", plain.dates[mixed], plain.bands, plain.values[mixed], plain.clear[mixed])
    same(fill(plain), fill(other))


@QUICK
@given(st.integers(0, 10_000), st.integers(1, 10), st.floats(0.01, 100))
def test_more_looks_never_raise_the_sigma(seed: int, more: int, stiffness: float) -> None:
    looks, weights = rows(seed, count=3)
    fewer = weights.copy()
    fewer[:, :more] = 0
    fixed: dict[str, object] = {"stiffness": (stiffness,), "noise": 0.05, "rounds": 1}
    all_of_them, some = draw_curves(looks, weights, **fixed), draw_curves(looks, fewer, **fixed)  # type: ignore[arg-type]
    assert (all_of_them.sd <= some.sd * (1 + 1e-9)).all()
    assert (all_of_them.sd_at_looks <= some.sd_at_looks * (1 + 1e-9)).all()


@QUICK
@given(st.lists(st.integers(0, 700), min_size=4, max_size=40, unique=True), st.integers(5, 60))
def test_far_from_any_look_nothing_is_known(days: list[int], reach: int) -> None:
    days = sorted(days)
    series = seen(days, season(np.array(days)))
    first, last = date(2020, 11, 1), date(2023, 3, 1)
    found = fill(series, first=first, last=last, max_gap_days=reach)
    away = np.abs(found.dates[:, None] - series.dates[None, :]).astype(int)
    assert (found.gap_days[:, 0] == away.min(axis=1)).all()
    outside = (found.dates < series.dates[0]) | (found.dates > series.dates[-1])
    nothing = outside | (away.min(axis=1) > reach)
    assert (np.isnan(found.values[:, 0]) == nothing).all() and (np.isnan(found.sd[:, 0]) == nothing).all()
    whole = fill(series, first=first, last=last, max_gap_days=None)
    assert (np.isnan(whole.values[:, 0]) == outside).all()


@QUICK
@given(st.lists(st.integers(0, 400), min_size=4, max_size=30, unique=True), st.floats(-25, 1, width=32))
def test_a_constant_stays_constant(days: list[int], level: float) -> None:
    found = fill(seen(sorted(days), [level] * len(days)), max_gap_days=None)
    known = np.isfinite(found.values)
    np.testing.assert_allclose(found.values[known], level, rtol=1e-5, atol=1e-12)
    assert (found.sd[known] <= 1e-3 * abs(level) + 1e-12).all()


@QUICK
@given(st.integers(0, 10_000), st.sampled_from([0.125, 0.5, 4.0, 64.0]), st.sampled_from([0.0, 1.0, -16.0]))
def test_scaling_scales_and_shifting_shifts(seed: int, factor: float, shift: float) -> None:
    looks, weights = rows(seed, count=3)
    moved = Looks(looks.node, looks.share, looks.values * factor + shift, looks.nodes)
    plain, other = draw_curves(looks, weights), draw_curves(moved, weights)
    np.testing.assert_allclose(other.values, plain.values * factor + shift, rtol=1e-6, atol=1e-6 * factor)
    np.testing.assert_allclose(other.sd, plain.sd * factor, rtol=1e-6)
    np.testing.assert_allclose(other.noise, plain.noise * factor, rtol=1e-6)


def test_a_part_asked_for_is_that_part_of_the_whole() -> None:
    whole = fill(made(3))
    part = fill(made(3), first=date(2021, 5, 3), last=date(2021, 8, 1))
    inside = (whole.dates >= np.datetime64("2021-05-03")) & (whole.dates <= np.datetime64("2021-08-01"))
    assert (part.dates == whole.dates[inside]).all() and len(part.dates) == 10
    np.testing.assert_array_equal(part.values, whole.values[inside])
    np.testing.assert_array_equal(part.seen, whole.seen[inside])


def test_steps_of_5_and_of_10_days_say_the_same() -> None:
    coarse, fine = fill(made(4), step_days=10), fill(made(4), step_days=5)
    shared = np.isin(fine.dates, coarse.dates)
    assert set(coarse.dates) <= set(fine.dates)
    np.testing.assert_allclose(fine.values[shared], coarse.values, atol=0.02)
    np.testing.assert_allclose(fine.sd[shared], coarse.sd, rtol=0.35)


def test_many_plots_are_each_as_alone() -> None:
    many = [made(n, looks=20 + 7 * n) for n in range(5)]
    for one, found in zip(many, fill_all(many), strict=True):
        assert (found.dates == fill(one).dates).all()
        same(fill(one), found, 1e-9)


def test_made_truth_lies_inside_the_intervals() -> None:
    inside: dict[float, list[float]] = {0.8: [], 0.95: []}
    for seed in range(40):
        found = fill(made(seed, looks=35), max_gap_days=None)
        rng = np.random.default_rng(seed)
        rng.choice(365, 35, replace=False)
        truth = season((found.dates - START).astype(int), int(rng.integers(120, 240)))
        for share, hits in inside.items():
            low, high = found.interval("ndvi", share)
            known = np.isfinite(low)
            hits.append(float(((low <= truth) & (truth <= high))[known].mean()))
    assert 0.75 <= np.mean(inside[0.8]) <= 0.93
    assert 0.91 <= np.mean(inside[0.95]) <= 0.99


def test_the_sigma_grows_into_a_gap_and_the_gap_is_said() -> None:
    days = np.array([*range(0, 100, 5), *range(180, 300, 5)])
    rng = np.random.default_rng(0)
    found = fill(seen(days, season(days) + rng.normal(0, 0.02, len(days))), max_gap_days=30)
    sd, gap = found.sd[:, 0], found.gap_days[:, 0]
    middle = (found.dates > START + 126) & (found.dates < START + 149)
    assert np.isnan(sd[middle]).all() and (gap[middle] > 30).all() and not found.seen[middle].any()
    edge = np.nanmedian(sd[gap <= 5])
    assert np.nanmax(sd) > 2 * edge and gap[np.nanargmax(sd)] > 15


def test_a_missed_cloud_is_doubted_and_hardly_moves_the_curve() -> None:
    days = np.arange(0, 300, 6)
    rng = np.random.default_rng(5)
    clean = season(days) + rng.normal(0, 0.01, len(days))
    clouded = clean.copy()
    clouded[30] = 0.1
    before, after = fill(seen(days, clean)), fill(seen(days, clouded))
    assert after.trust[30, 0] < 0.05 < 0.4 < np.median(after.trust)
    assert np.nanmax(np.abs(after.values - before.values)) < 0.03
    higher = clean.copy()
    higher[30] += 0.6  # the curve is not pressed to the upper envelope: what is far above is doubted too
    assert np.nanmax(np.abs(fill(seen(days, higher)).values - before.values)) < 0.03


def test_a_clouded_look_is_kept_and_not_used() -> None:
    days = np.arange(0, 200, 10)
    clear = np.ones(20)
    clear[7], clear[8] = 0.3, 0.6
    values = season(days)
    values[7] = -0.5
    found = fill(seen(days, values, clear))
    without = fill(seen(np.delete(days, 7), np.delete(values, 7), np.delete(clear, 7)))
    same(found, without, 1e-9)
    assert len(found.looks.dates) == 20 and np.isnan(found.trust[7, 0]) and np.isfinite(found.trust[8, 0])
    assert found.seen.sum() == pytest.approx(18.6 - (1 - found.seen[0, 0]), abs=1.01)
    at = int(np.argmin(np.abs(found.dates - (START + 70))))
    assert found.gap_days[at, 0] >= 5 and found.seen[at, 0] in (0.0, pytest.approx(0.6))


def test_light_and_radar_have_their_own_looks() -> None:
    light, radar = np.arange(0, 200, 10), np.arange(3, 203, 6)
    dates = np.concatenate([light, radar])
    values = np.full((len(dates), 3), np.nan, np.float32)
    values[: len(light), 0], values[: len(light), 1] = 0.05, 0.05 + 0.5 * season(light)
    values[len(light) :, 2] = -15 + np.random.default_rng(0).normal(0, 1, len(radar))
    order = np.argsort(dates, kind="stable")
    series = Series("p", START + dates[order], ("B04", "B08", "VH"), values[order], np.ones(len(dates), np.float32))
    found = fill(series)
    assert found.bands == ("B04", "B08", "VH", "ndvi")
    assert found.gap_days[:, 2].max() <= 4 and found.gap_days[:, 3].max() >= 4
    assert np.isnan(found.trust[np.isfinite(series.band("VH")), 3]).all()
    value, sd = found.band("VH")
    assert np.nanmax(np.abs(value + 15)) < 1.5 and 0.1 < np.nanmedian(sd) < 0.7
    alone = fill(series, bands=("ndvi",))
    np.testing.assert_allclose(alone.band("ndvi")[0], found.band("ndvi")[0], atol=1e-12)
    assert np.isnan(found.band("B12")[0]).all()


def test_too_few_looks_give_no_curve() -> None:
    three = fill(seen([0, 20, 40], [0.2, 0.3, 0.4]))
    assert len(three.dates) >= 3 and np.isnan(three.values).all() and np.isnan(three.noise).all()
    assert three.seen.sum() >= 2 and np.isfinite(three.gap_days).all()
    one_day = fill(seen([5, 5, 5, 5], [0.2, 0.3, 0.4, 0.3]), first=date(2021, 1, 1), last=date(2021, 2, 1))
    assert np.isnan(one_day.values).all()
    nothing = fill(seen([], []), bands=("ndvi",))
    assert len(nothing.dates) == 0
    unseen = fill(seen([], []), bands=("ndvi",), first=date(2021, 1, 1), last=date(2021, 3, 1))
    assert len(unseen.dates) == 6 and np.isinf(unseen.gap_days).all() and np.isnan(unseen.values).all()


def test_the_process_says_nearly_the_same() -> None:
    plain = made(6)
    ours, process = fill(plain), fill(plain, method="process")
    assert process.method == "process" and (np.isnan(process.values) == np.isnan(ours.values)).all()
    assert np.nanmedian(np.abs(process.values - ours.values)) < 0.01
    assert 0.4 < np.nanmedian(process.sd / ours.sd) < 2.0
    level = fill(seen([0, 10, 20, 30, 40], [0.5] * 5), method="process")
    np.testing.assert_allclose(level.values[np.isfinite(level.values)], 0.5)


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(ValueError, match="whittaker, process"):
        fill(made(1), method="magic")
    with pytest.raises(ValueError, match="step_days"):
        fill(made(1), step_days=0)


def test_rows_solved_in_parts_are_those_solved_together() -> None:
    looks, weights = rows(9, count=600, looks=12, nodes=10)
    together = draw_curves(looks, weights)
    for one in (0, 255, 256, 599):
        alone = draw_curves(looks.take(slice(one, one + 1)), weights[one : one + 1])
        np.testing.assert_allclose(together.values[:, one], alone.values[:, 0], atol=1e-9)
        np.testing.assert_allclose(together.sd_at_looks[one], alone.sd_at_looks[0], atol=1e-9)
        np.testing.assert_allclose(together.trust[one], alone.trust[0], atol=1e-9)


def test_the_course_is_written_as_a_table_and_a_picture(tmp_path: Path) -> None:
    import pandas as pd
    from PIL import Image

    from greattit.report.course import course_lines, write_course

    days = np.array([*range(0, 100, 5), *range(200, 300, 5)])
    filled = fill(seen(days, season(days)), max_gap_days=30, first=date(2021, 1, 1), last=date(2021, 12, 31))
    table, picture = write_course(filled, tmp_path / "out")
    read = pd.read_csv(table)
    assert list(read.columns) == ["date", "ndvi", "ndvi_sd", "ndvi_seen", "ndvi_gap_days"]
    np.testing.assert_allclose(read["ndvi"], filled.values[:, 0], atol=1e-5)
    np.testing.assert_allclose(read["ndvi_sd"], filled.sd[:, 0], atol=1e-5)
    assert read["ndvi"].isna().sum() == np.isnan(filled.values).sum() >= 5
    lines = course_lines(filled).splitlines()
    assert len(lines) == 1 + len(filled.dates) and sum("unknown" in line for line in lines) == read["ndvi"].isna().sum()
    assert "was not seen" in course_lines(filled, name="VH")
    with Image.open(picture) as image:
        assert image.width > 1000 and len(image.getcolors(1 << 20) or ()) > 50
    again = write_course(filled, tmp_path / "again")[1]
    assert again.read_bytes() == picture.read_bytes()
    write_course(filled, tmp_path / "none", name="VH")


def test_hidden_looks_are_told_better_than_by_the_nearest_look() -> None:
    from greattit.filled import evaluate, table

    found = evaluate([made(n, looks=60, name=f"p{n}") for n in range(8)], name="made", quantities=("ndvi", "VH"))
    rows = {(row["kind"], row["method"]): row for row in found["figures"]}
    assert len(rows) == 15 and {row["quantity"] for row in found["figures"]} == {"ndvi"} and found["plots"] == 8
    one = rows["one look", "whittaker"]
    assert one["looks"] == 64 and one["error_interval_95"][0] < one["error"] < one["error_interval_95"][1]
    for method in ("straight lines", "nearest look", "monthly mean"):
        assert one["error"] < rows["one look", method]["error"] and rows["one look", method]["inside_80"] is None
    assert rows["60 days", "straight lines"]["against_lines_interval_95"] == [1.0, 1.0]
    for method in ("whittaker", "process"):
        assert 0.75 <= rows["one look", method]["inside_80"] < rows["one look", method]["inside_95"]
        assert rows["one look", method]["inside_95"] >= 0.9
    text = table(found)
    assert text.count("  least") == 3 and "8 of 8 plots" in text
    assert evaluate([seen([0, 9], [0.1, 0.2])], name="short")["figures"] == []


def test_the_peers_answer_as_named() -> None:
    from greattit.filled.trials import Trial, by_lines, by_months, by_nearest

    days = np.array([0.0, 10.0, 14.0, 20.0, 40.0, 75.0])
    hidden = np.array([False, False, True, False, False, False])
    trial = Trial("p", "one look", days, np.array([0.0, 1.0, 9.0, 3.0, 5.0, 7.0]), np.ones(6), hidden)
    assert by_lines([trial])[0].values == pytest.approx([1.0 + 2 * 0.4])
    assert by_nearest([trial])[0].values == pytest.approx([1.0])
    assert by_months([trial])[0].values == pytest.approx([(0.0 + 1.0 + 3.0) / 3])


@pytest.mark.parametrize("name", ["flanders-2018", "korea-2021"])
def test_on_real_seasons_the_intervals_hold_what_they_say(shared_data: Path, name: str) -> None:
    from greattit.crops import dataset
    from greattit.filled import evaluate

    data = dataset.read(shared_data / "series" / name)
    many = [data.series(n) for n in range(0, len(data), 1 + len(data) // 40)]
    found = evaluate(many, name=name, quantities=("ndvi", "B08"), methods=("whittaker", "nearest look"))
    for row in found["figures"]:
        if row["method"] == "whittaker":
            assert 0.70 <= row["inside_80"] <= 0.93 and 0.88 <= row["inside_95"] <= 1.0, row
            assert row["against_lines_interval_95"][0] <= 1.05, row
        if row["method"] == "nearest look":
            assert row["against_lines"] > 1.0, row
