"""The two trainings in miniature: what they learn from, that nothing is measured on it, cards and weights that load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import shapely
from made_county import best_iou, sample
from numpy.typing import NDArray
from rasterio.transform import Affine
from shapely.geometry import box

from greattit.errors import DatasetError
from greattit.fields import chips as wholes
from greattit.fields import finder
from greattit.fields import lessons as found_lessons
from greattit.fields import train as fields_train
from greattit.fields.fit import fit_fields
from greattit.onethread import one_thread
from greattit.plots import chips, cutter, lessons, made
from greattit.plots import train as cut_train
from greattit.plots.fit import FitConfig, filled, fit_cut
from greattit.plots.sight import CHANNELS, FINE
from greattit.plots.sketch import ASKED

if TYPE_CHECKING:
    from greattit.plots.network import UNet

SIZE = 80
"""[pixel] side of a made county here: a quarter of the sample tiles"""
FIRST = 5004
"""5004 sets, 5010 gives figures, the five between are learned from"""


def quarters() -> list[made.County]:
    """The sample tiles in four, each in other looks of the year than the next."""
    whole = sample()
    a, b, west, d, e, north = whole.cube.attrs["transform"]
    out = []
    for k, (row, column) in enumerate([(0, 0), (0, SIZE), (SIZE, 0), (SIZE, SIZE)]):
        rows, columns = slice(row, row + SIZE), slice(column, column + SIZE)
        moved = (a, b, west + a * column, d, e, north + e * row)
        cube = whole.cube.isel(y=rows, x=columns, time=slice(k, None, 4)).assign_attrs(transform=moved)
        numbers = whole.numbers[5 * row : 5 * (row + SIZE), 5 * column : 5 * (column + SIZE)]
        out.append(made.County(cube, numbers))
    return out


@pytest.fixture(scope="module")
def counties(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven counties as trainings keep them; so nothing need be grown."""
    folder = tmp_path_factory.mktemp("counties")
    parts = quarters()
    for k in range(7):
        made.save(parts[k % 4], folder / f"{FIRST + k}.npz")
    return folder


def chip_names(part: int, count: int = 2) -> list[str]:
    """Names of chips that are dealt to a part."""
    return [name for name in (f"c{n:04d}" for n in range(1000)) if lessons.part_of(name) == part][:count]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ../shared/data: patches and whole chips with surveyed fields, cut from the sample tiles."""
    folder = tmp_path_factory.mktemp("data")
    county = sample()
    month = county.cube.isel(time=[k for k, day in enumerate(county.cube["time"].values) if "2023-06" in str(day)])
    counts = np.stack([np.nan_to_num(month[name].values.max(axis=0)) for name in FINE])
    counts = np.clip(counts * 400, 1, 255).astype(np.uint8)
    mostly = county.numbers[2::5, 2::5]
    patch, mask, chip = [], [], []
    numbers = [n for n in np.unique(mostly) if n and 20 < (mostly == n).sum() < 400]
    for k, number in enumerate(numbers):
        rows, columns = (int(np.clip(axis.mean() - 20, 0, 120)) for axis in np.nonzero(mostly == number))
        patch.append(counts[:, rows : rows + 40, columns : columns + 40])
        mask.append((mostly == number)[rows : rows + 40, columns : columns + 40])
        chip.append(chip_names(k % 5)[k // 5 % 2])
    home = folder / "chips" / "agrifieldnet-india"
    home.mkdir(parents=True)
    np.savez(home / "fields.npz", patch=np.array(patch), mask=np.array(mask), chip=np.array(chip), bands=np.array(FINE))
    whole = folder / "chips" / "india-tiles"
    whole.mkdir()
    sparse = np.where(np.isin(mostly, numbers[::3]), mostly, 0).astype(np.uint16)
    for part in range(5):
        name = chip_names(part)[0]
        bands = np.stack([counts[FINE.index(b) if b in FINE else 0] for b in wholes.BANDS])
        write(whole / f"{name}.tif", bands)
        write(whole / f"{name}_fields.tif", np.stack([sparse, sparse]))
    return folder


def write(file: Path, values: NDArray[Any]) -> None:
    place = {"crs": "EPSG:32644", "transform": Affine(10, 0, 500_000, 0, -10, 2_900_000)}
    shape = {"count": len(values), "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype}
    with rasterio.open(file, "w", driver="GTiff", **shape, **place) as out:
        out.write(values)


# --- the trainings --------------------------------------------------------------------------------------------------


def test_the_cutter_is_trained_from_end_to_end(data: Path, counties: Path, tmp_path: Path) -> None:
    said: list[str] = []
    config = cut_train.CutConfig(
        first=FIRST, counties=7, seasons=1, drawings=1, widths=(8, 8), fit=FitConfig(epochs=2, batch=8)
    )
    card = cut_train.train(data, tmp_path, config=config, counties=counties, workers=1, say=said.append)
    model = cutter.load(tmp_path)
    assert model.sha256 == card["weights"]["sha256"] and model.network.config.widths == (8, 8)
    assert said[0].endswith("real drawings to learn from") and said[-1].startswith("epoch 2: loss")
    assert float(said[-1].split()[-1]) < float(said[-2].split()[-1])
    for name in ("made counties", "agrifieldnet-india"):
        figures = card["figures"][name]
        assert figures["drawings"] > 5 and 0 <= figures["area_interval_coverage"] <= 1
    _card_is_whole(card, data)


def test_the_finder_is_trained_from_end_to_end(data: Path, counties: Path, tmp_path: Path) -> None:
    said: list[str] = []
    config = fields_train.FieldsConfig(
        first=FIRST, counties=7, seasons=1, steps=60, rough_steps=5, widths=(8, 12), fit=FitConfig(batch=6, rate=1e-2)
    )
    card = fields_train.train(data, tmp_path, config=config, counties=counties, workers=1, say=said.append)
    model = finder.load(tmp_path)
    assert model.sha256 == card["weights"]["sha256"] and model.network.config.widths == (8, 12)
    figures = card["figures"]["made counties"]
    assert 0 < figures["object_f1"] <= 1 and figures["counties"] == 1
    low, high = figures["object_f1_interval_95"]
    assert low <= figures["object_f1"] <= high
    _card_is_whole(card, data)
    assert finder.find(quarters()[2].cube, model)  # what was learned finds fields


def _card_is_whole(card: dict[str, Any], data: Path) -> None:
    """Data with licence, and the chips that taught or set anything: none of those that give figures."""
    sets = {one["name"]: one["licence"] for one in card["training"]["sets"]}
    assert sets["agrifieldnet-india"] == "CC-BY-4.0" and "made counties" in sets
    known = set(str(card["known_chips"]).split())
    parts = {lessons.part_of(name) for name in known}
    assert parts == {1, 2, 3, 4}
    there = set(chips.chips_of(data / cut_train.PATCHES).tolist())
    assert {name for name in there if lessons.part_of(name)} <= known


def test_the_same_seed_gives_the_same_weights(counties: Path) -> None:
    county = made.county(FIRST + 1, counties)
    drawn = list(lessons.from_county(county, "a", np.random.default_rng(1), seasons=1))[:24]
    places = list(found_lessons.from_county(county, "a", np.random.default_rng(1), seasons=2))
    for fit in (
        lambda network, seed: fit_cut(network, drawn, FitConfig(epochs=1, batch=8, seed=seed)),
        lambda network, seed: fit_fields(network, places, [], FitConfig(batch=4, seed=seed), 3),
    ):
        inputs = len(ASKED) if fit.__code__.co_freevars == ("drawn",) else len(CHANNELS)
        with one_thread():
            one, again, other = (_fitted(fit, inputs, seed) for seed in (0, 0, 1))
        assert all((one[name] == again[name]).all() for name in one)
        assert any((one[name] != other[name]).any() for name in one)


def _fitted(fit: Any, inputs: int, seed: int) -> dict[str, NDArray[Any]]:
    network = _network(inputs, 1 if inputs == len(ASKED) else 3)
    fit(network, seed)
    assert not network.training
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def _network(inputs: int, outputs: int) -> UNet:
    import torch

    from greattit.plots.network import NetworkConfig, UNet

    torch.manual_seed(9)
    return UNet(NetworkConfig(inputs, outputs, (8, 8)))


def test_data_that_are_not_there_are_missed_before_anything_is_grown(data: Path, tmp_path: Path) -> None:
    for train in (cut_train.train, fields_train.train):
        with pytest.raises(DatasetError, match="there is no such file"):
            train(tmp_path, tmp_path / "out", counties=tmp_path / "counties")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "chips" / "india-tiles").mkdir(parents=True)
    (tmp_path / "chips" / "agrifieldnet-india").symlink_to(data / "chips" / "agrifieldnet-india")
    with pytest.raises(DatasetError, match=r"has no CHIP\.tif"):
        fields_train.train(tmp_path, tmp_path / "out", counties=tmp_path / "counties")


# --- who teaches, who sets, who gives figures -----------------------------------------------------------------------


def test_a_county_has_one_use_and_most_are_learned_from() -> None:
    uses = [cut_train.use_of(seed) for seed in range(5001, 5061)]
    assert [uses.count(one) for one in ("learn", "set", "figures")] == [50, 5, 5]


def test_a_chip_has_one_part_by_its_name_alone() -> None:
    names = [f"{n:05x}" for n in range(3000)]
    parts = np.array([lessons.part_of(name) for name in names])
    assert [lessons.part_of(name) for name in names[::-1]] == parts[::-1].tolist()
    assert np.bincount(parts, minlength=lessons.PARTS).min() > 500
    uses = (cut_train.OWN_PARTS, cut_train.SET_PARTS, cut_train.FIGURE_PARTS)
    assert set.union(*uses) == set(range(lessons.PARTS)) and sum(map(len, uses)) == lessons.PARTS


def test_lessons_of_a_part_come_from_its_chips_alone(data: Path) -> None:
    folder, file = data / fields_train.CHIPS, data / cut_train.PATCHES
    for parts in (cut_train.OWN_PARTS, cut_train.SET_PARTS, cut_train.FIGURE_PARTS):
        groups = [
            {one.group for one in lessons.from_patches(file, parts, np.random.default_rng(0))},
            {one.group for one in found_lessons.from_patches(file, parts)},
            {one.group for one in found_lessons.from_chips(folder, parts)},
        ]
        assert all(groups) and {lessons.part_of(name) for group in groups for name in group} <= parts


def test_the_models_that_ship_learned_nothing_of_the_chips_that_give_figures() -> None:
    for model in (cutter.load(), finder.load()):
        assert len(model.chips) > 100
        assert not {lessons.part_of(name) for name in model.chips} & cut_train.FIGURE_PARTS


# --- lessons --------------------------------------------------------------------------------------------------------


def test_a_lesson_is_what_was_meant_of_each_pixel(counties: Path) -> None:
    county = made.county(FIRST, counties)
    taught = list(lessons.from_county(county, "a", np.random.default_rng(0), seasons=1))
    assert len(taught) > 5
    for one in taught:
        assert one.seen.shape == (len(ASKED), *one.share.shape) and not one.real
        assert one.share.min() >= 0 and one.share.max() <= 1
        assert 0.55 * one.true_ha < 0.01 * float(one.share.astype(float).sum()) < 1.1 * one.true_ha
        drawn_ha = 0.01 * float(one.seen[len(CHANNELS)].astype(float).sum())
        assert drawn_ha == pytest.approx(one.drawn_ha, rel=0.35)  # the window may cut the drawing


def test_maps_say_where_fields_their_borders_and_middles_are() -> None:
    numbers = np.zeros((60, 100), np.uint16)
    numbers[10:50, 10:50], numbers[10:50, 50:90] = 1, 2  # two fields of 8 x 8 pixels that touch
    extent, border, middle = found_lessons.maps_of(numbers).astype(float)
    np.testing.assert_array_equal(extent, np.pad(np.ones((8, 16)), ((2, 2), (2, 2))))
    np.testing.assert_array_equal(border, np.zeros((12, 20)))  # the borders run between pixels
    assert middle.max() == pytest.approx(3.5 / found_lessons.REACH_PX, abs=0.1) and (middle[extent == 0] == 0).all()
    assert middle[6, 9] < middle[6, 6] > middle[6, 2]  # low on both sides of the border
    moved = np.roll(numbers, 2, axis=1)
    _, border, _ = found_lessons.maps_of(moved).astype(float)
    assert border[2:10, [2, 10, 18]].all() and border.sum() == 24


def test_the_largest_share_of_a_pixel_is_counted() -> None:
    rng = np.random.default_rng(0)
    numbers = (rng.integers(0, 4, (50, 50)) * (rng.random((50, 50)) < 0.9)).astype(np.uint16)
    numbers[:25] = np.kron(rng.integers(0, 3, (5, 10)), np.ones((5, 5))).astype(np.uint16)
    cells = numbers.reshape(10, 5, 10, 5).transpose(0, 2, 1, 3).reshape(10, 10, 25)
    truth = np.array([[max([0.0, *((c == n).mean() for n in set(c.tolist()) - {0})]) for c in row] for row in cells])
    np.testing.assert_allclose(found_lessons.largest_share(numbers), truth, atol=1e-6)


def test_ground_that_nobody_surveyed_is_unknown(data: Path) -> None:
    (one, *_) = found_lessons.from_chips(data / fields_train.CHIPS, {0})
    known = one.weight[0] > 0
    assert 0 < known.mean() < 0.6 and not one.weight[:, ~known].any()
    assert (one.truth[0][known] == 1).all() and one.seen.shape[0] == len(CHANNELS)
    assert set(np.unique(one.weight[1].astype(float))) == {0.0, 0.5, 1.0}


def test_fewer_looks_are_some_of_the_looks() -> None:
    cube = sample().cube
    counts = set()
    for seed in range(40):
        fewer = lessons.shortened(cube, np.random.default_rng(seed))
        assert set(fewer["time"].values) <= set(cube["time"].values)
        assert fewer["B04"].dtype == np.float32
        counts.add(fewer.sizes["time"])
    assert 1 in counts and cube.sizes["time"] in counts and len(counts) > 10


def test_windows_are_filled_up_and_the_fields_outline_is_that_of_its_cells() -> None:
    assert filled(np.ones((2, 13, 16))).shape == (2, 16, 16) and filled(np.ones((2, 13, 16))).sum() == 2 * 13 * 16
    county = quarters()[0]
    whole, cut = lessons.field_shapes(county), lessons.field_shapes(county, whole=False)
    assert set(whole) < set(cut)
    window = box(*_bounds(county))
    assert all(window.covers(one) and window.boundary.disjoint(one) for one in whole.values())
    for number, shape in cut.items():
        assert shape.area <= 4.0 * (county.numbers == number).sum()


def _bounds(county: made.County) -> tuple[float, float, float, float]:
    _, _, west, _, _, north = county.cube.attrs["transform"]
    return west, north - 10 * SIZE, west + 10 * SIZE, north


def test_right_and_wrong_are_told_by_the_overlap() -> None:
    truth = [box(0, 0, 10, 10), box(20, 0, 30, 10)]
    found = [box(0, 0, 10, 6), box(20, 0, 30, 4), box(50, 0, 60, 10)]
    hits = fields_train.hits(found, truth)
    np.testing.assert_allclose(hits, [[0.6, 0], [0.4, 1], [0, -1]])
    np.testing.assert_allclose(hits[:, 0], best_iou(np.array(found, object), np.array(truth, object)))
    assert fields_train.hits([], truth).shape == (0, 2) and fields_train.hits(found, []).shape == (3, 2)
    place = fields_train.Place(np.zeros((3, 1, 1), np.float32), (10.0, 0, 0, 0, -10.0, 0), (), tuple(truth), "a")
    score = fields_train.score([(dict(enumerate(found)), place)])
    assert score["object_precision"] == pytest.approx(1 / 3) and score["object_recall"] == pytest.approx(0.5)
    joint = shapely.union_all([*found, *truth]).area
    assert score["extent_iou"] == pytest.approx(100 / joint)


def test_intervals_hold_where_they_were_set() -> None:
    """Areas whose error grows with a trait: nine in ten lie within, at both ends of it."""
    rng = np.random.default_rng(3)
    doubt = rng.uniform(0, 1, 4000)
    what = np.column_stack([np.ones(4000), doubt])
    wrong = 0.05 + 0.1 * doubt + np.exp(-3 + 2 * doubt) * rng.standard_normal(4000)
    area = cut_train.settle([(what, wrong)])
    middle, spread = what @ area["shift"], np.exp(what @ area["spread"])
    low, high = (middle + spread * area["quantiles"][name] for name in ("p05", "p95"))
    inside = (low <= wrong) & (wrong <= high)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    assert inside[doubt < 0.2].mean() == pytest.approx(0.9, abs=0.05)
    assert inside[doubt > 0.8].mean() == pytest.approx(0.9, abs=0.08)  # the spread is flattened a little: 0.84
    assert area["shift"] == pytest.approx([0.05, 0.1], abs=0.02)


# --- made counties --------------------------------------------------------------------------------------------------


def test_a_county_is_grown_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prosail", reason="growing a county needs prosail")
    vary = made.vary
    monkeypatch.setattr(made, "vary", lambda recipe, rng: _small(vary(recipe, rng)))
    with one_thread():
        county = made.county(7, tmp_path)
    assert county.numbers.shape == (5 * county.cube.sizes["y"], 5 * county.cube.sizes["x"])
    assert set(FINE) <= set(county.cube.data_vars) and county.cube.sizes["time"] <= 5
    assert len(np.unique(county.numbers)) > 5 and county.cube["clear"].values.any()
    monkeypatch.setattr(made, "grow", None)  # the second time it is read
    again = made.county(7, tmp_path)
    np.testing.assert_array_equal(again.numbers, county.numbers)
    assert [one.name for one in tmp_path.iterdir()] == ["7.npz"]


def _small(recipe: dict[str, Any]) -> dict[str, Any]:
    recipe["county"]["size_m"], recipe["looks"]["count"] = 500.0, 5
    return recipe


def test_counties_differ_and_their_recipe_is_left_alone() -> None:
    from greattit.simulate import load_recipe

    recipe = load_recipe("sample")
    before = repr(recipe)
    areas = [made.vary(recipe, np.random.default_rng(seed))["land"]["area_ha"]["median"] for seed in range(30)]
    assert repr(recipe) == before
    assert 0.15 <= min(areas) < 0.5 and 2 < max(areas) <= 7


def test_truth_and_looks_of_the_sample_lie_on_each_other() -> None:
    """Within fields the season is evener than across their borders, and less so when the truth is moved by 30 m."""
    county = sample()
    green = county.cube["B08"].values[20].astype(float)

    def within(numbers: NDArray[np.uint16]) -> float:
        flat = numbers[2::5, 2::5].ravel().astype(int)
        means = np.bincount(flat, green.ravel()) / np.maximum(np.bincount(flat), 1)
        return float(np.nanstd((green.ravel() - means[flat])[flat > 0]))

    moved = np.roll(county.numbers, 15, axis=(0, 1))
    assert within(county.numbers) < 0.8 * within(moved)


# --- real chips -----------------------------------------------------------------------------------------------------


def test_real_chips_are_read(shared_data: Path) -> None:
    folder = shared_data / "chips" / "india-tiles"
    first = next(iter(wholes.chips(folder)))
    assert first.cube["B04"].shape == (1, 256, 256) and first.cube.attrs["crs"].startswith("EPSG:326")
    assert first.numbers.shape == (256, 256) and len(np.unique(first.numbers)) > 5
    values = first.cube["B04"].values
    assert np.nanmin(values) >= 0 and np.nanmax(values) <= 1
    names = wholes.names(folder)
    assert len(names) > 100 and first.id == names[0]
    patches = list(chips.patches(shared_data / cut_train.PATCHES, np.arange(5)))
    assert all(one.field.area == pytest.approx(100 * one.mask.sum()) for one in patches)


def test_a_folder_without_chips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no CHIP\.tif"):
        next(iter(wholes.chips(tmp_path)))
    np.savez(tmp_path / "a.npz", patch=np.zeros((1, 4, 8, 8), np.uint8), mask=np.zeros((1, 8, 8), bool))
    with pytest.raises(DatasetError, match="has no array 'chip'"):
        next(iter(chips.patches(tmp_path / "a.npz")))
    (tmp_path / "b.npz").write_text("no archive")
    with pytest.raises(DatasetError, match=r"is not a \.npz"):
        next(iter(chips.patches(tmp_path / "b.npz")))
