"""evaluate plots: matching with known answers, sparse truth, drawings, intervals, both kinds of source end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import typer
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry
from typer.testing import CliRunner

from greattit import plotscores
from greattit.commands.plotscores import evaluate_plots
from greattit.cube import open_stack, read_window
from greattit.errors import DatasetError, ModelError, PlotPlaceError
from greattit.plots import chips, load
from greattit.plots.coverage import project
from greattit.plotscores import catalogue, patches, peers
from greattit.plotscores.drawn import ask, drawings_of
from greattit.plotscores.figures import CONTRACT, SIZES, figures
from greattit.plotscores.match import match
from greattit.plotscores.rows import Found, Outlined, intervals_of
from greattit.plotscores.truth import Field, Place, hectares, plot_of, window_around
from greattit.plotscores.tuning import tune
from greattit.types import Interval

CRS = chips.CRS
WEST, NORTH = chips.CORNER
DAY = date(2023, 8, 20)


def square(x: float, y: float, side: float = 100.0, height: float | None = None) -> BaseGeometry:
    """A box so many metres east and south of the window's corner."""
    return shapely.box(WEST + x, NORTH - y - (height or side), WEST + x + side, NORTH - y)


def field(name: str, shape: BaseGeometry, **more: Any) -> Field:
    return Field(name, shape, hectares(shape, CRS), more.pop("group", name), **more)


def place(*fields: Field, complete: bool = True, pixels: int = 64) -> Place:
    counts = np.full((4, pixels, pixels), 50, np.uint8)
    cube = chips.cube_of(counts, list(chips.LEAST), (10.0, 0.0, WEST, 0.0, -10.0, NORTH))
    return Place(cube, fields, complete)


def scored(where: Place, *shapes: BaseGeometry) -> dict[str, Any]:
    return figures(*match(where, [Found(shape) for shape in shapes]))


ONE, TWO = field("one", square(100, 100)), field("two", square(300, 100))


def test_matching_of_made_shapes_gives_the_known_answers() -> None:
    found = scored(place(ONE, TWO), ONE.shape, translate(TWO.shape, 50), square(100, 400))
    assert found["fields"] == 2 and found["objects_counted"] == 3
    assert found["object_precision"] == pytest.approx(1 / 3) and found["object_recall"] == 0.5
    assert found["object_f1"] == pytest.approx(0.4)
    assert found["extent_iou"] == pytest.approx((1 + 0.5) / (2 + 0.5 + 1)) and found["extent_recall"] == 0.75
    assert found["area_median_abs_error"] == pytest.approx(0, abs=1e-5) and found["area_interval_coverage"] is None


def test_the_whole_truth_scores_one_and_nothing_scores_nought() -> None:
    for complete in (True, False):
        where = place(ONE, TWO, complete=complete)
        best, worst = scored(where, ONE.shape, TWO.shape), scored(where)
        for key in ("object_precision", "object_recall", "object_f1", "extent_iou"):
            assert best[key] == pytest.approx(1) and worst[key] == 0
        assert best["area_bias"] == pytest.approx(0, abs=1e-5) and worst["area_bias"] is None


def test_one_object_stands_for_one_field_and_one_field_for_one_object() -> None:
    twice = scored(place(ONE), ONE.shape, ONE.shape)
    assert (twice["object_precision"], twice["object_recall"], twice["extent_iou"]) == (0.5, 1.0, pytest.approx(1))
    halves = place(field("left", square(100, 100, 50, 100)), field("right", square(150, 100, 50, 100)))
    merged = scored(halves, square(100, 100))
    assert merged["object_recall"] == 0.5 and merged["object_precision"] == 1
    assert merged["area_median_abs_error"] == pytest.approx(1, abs=1e-4) and merged["extent_iou"] == pytest.approx(1)


def test_what_strays_onto_a_field_does_not_measure_it() -> None:
    found = scored(place(ONE), square(190, 0, 400))
    assert found["fields_measured"] == 0 and found["area_bias"] is None and found["extent_recall"] == pytest.approx(0.1)
    piece = scored(place(ONE), square(100, 100, 20))
    assert piece["area_bias"] == pytest.approx(-0.96, abs=1e-4) and piece["object_recall"] == 0


def test_sparse_truth_does_not_punish_what_lies_on_unknown_ground() -> None:
    elsewhere, half_on = square(400, 400), translate(ONE.shape, 60)
    sparse, full = place(ONE, complete=False), place(ONE)
    assert scored(sparse, ONE.shape, elsewhere, half_on)["object_precision"] == 1
    assert scored(full, ONE.shape, elsewhere, half_on)["object_precision"] == pytest.approx(1 / 3)
    assert scored(sparse, ONE.shape, elsewhere)["extent_iou"] == pytest.approx(1)
    assert scored(full, ONE.shape, elsewhere)["extent_iou"] == pytest.approx(0.5)
    pieces = scored(sparse, square(100, 100, 40, 100), square(140, 100, 60, 100))
    assert pieces["object_precision"] == 0.5 and pieces["extent_iou"] == pytest.approx(0.6)


def test_with_sparse_truth_the_whole_window_is_no_good_extent() -> None:
    found = scored(place(ONE, complete=False), square(0, 0, 640))
    assert found["extent_recall"] == pytest.approx(1) and found["extent_iou"] == pytest.approx(1 / 40.96)


def test_a_field_that_the_edge_cuts_is_right_but_not_asked_for() -> None:
    where = place(ONE, replace(TWO, whole=False))
    missed, found = scored(where, ONE.shape), scored(where, ONE.shape, TWO.shape)
    assert missed["fields"] == found["fields"] == 1 == missed["object_recall"] == found["object_precision"]
    assert missed["extent_iou"] == pytest.approx(0.5) and found["extent_iou"] == pytest.approx(1)


def test_where_objects_overlap_the_ground_counts_once() -> None:
    stray = square(400, 400)
    assert scored(place(ONE), ONE.shape, stray, stray, square(400, 400, 50))["extent_iou"] == pytest.approx(0.5)


def test_sizes_are_those_of_the_truth() -> None:
    small, large = field("small", square(0, 0, 40)), field("large", square(100, 100, 250))
    found = scored(place(small, large), small.shape, square(400, 400, 40))
    by_size = found["by_size"]
    assert list(by_size) == [name for name, _, _ in SIZES]
    assert by_size["<0.2 ha"]["object_precision"] == 0.5 and by_size["<0.2 ha"]["object_recall"] == 1
    assert by_size[">5 ha"]["object_recall"] == 0 and by_size["1-5 ha"]["fields"] == 0
    assert all(tuple(figures) == CONTRACT for figures in by_size.values())


@dataclass(frozen=True)
class Told:
    """An answer with intervals."""

    geometry: BaseGeometry
    outline: BaseGeometry
    area_ha: Interval
    area_90_ha: tuple[float, float] | None = None
    confidence: float = 1.0


def test_intervals_are_those_told_or_widened() -> None:
    eighty = Interval(0.9, 1.0, 1.1, "ha")
    told = Told(ONE.shape, ONE.shape, eighty)
    assert intervals_of(told) == ((0.9, 1.1), pytest.approx((1 - 0.1 * 1.6449 / 1.2816, 1 + 0.1 * 1.6449 / 1.2816)))
    assert intervals_of(replace(told, area_90_ha=(0.5, 2.0)))[1] == (0.5, 2.0)
    assert intervals_of(Found(ONE.shape)) == (None, None)
    narrow = replace(told, area_ha=Interval(1.01, 1.02, 1.03, "ha"), area_90_ha=(0.99, 1.04))
    found = figures(*match(place(ONE, TWO), [told, replace(narrow, geometry=TWO.shape)]))
    assert found["area_interval_coverage"] == 1 and found["area_interval_coverage_80"] == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_fields_and_objects_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fields = [
        field(f"{row}-{column}", square(110 * column, 110 * row, 100 - 10 * row), group=str(row))
        for row in range(5)
        for column in range(5)
    ]
    shapes = [translate(one.shape, *rng.uniform(-40, 40, 2)) for one in fields]
    expected = scored(place(*fields), *shapes)
    again = scored(place(*[fields[k] for k in rng.permutation(25)]), *[shapes[k] for k in rng.permutation(len(shapes))])
    assert 0 < expected["object_recall"] < 1
    assert _close(again, expected)


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return all(_close(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == pytest.approx(other, rel=1e-9)) if isinstance(one, float) else bool(one == other)


def test_intervals_are_over_whole_groups() -> None:
    fields = [field(f"{n:02d}", square(60 * (n % 10), 60 * (n // 10), 50), group=str(n // 5)) for n in range(40)]
    where = place(*fields, complete=False)
    found = figures(*match(where, [Found(one.shape) for one in fields if int(one.group) % 2]))
    low, high = found["intervals_95"]["object_recall"]
    assert found["object_recall"] == 0.5 and low < 0.3 and high > 0.7
    alone = [replace(one, group="all") for one in fields]
    assert figures(*match(place(*alone, complete=False), []))["intervals_95"]["object_recall"] is None


def test_drawings_are_set_by_the_seed_and_the_field_alone() -> None:
    first, second = (list(drawings_of(ONE, CRS, 2, seed)) for seed in (0, 1))
    assert first[0].geometry.equals(next(drawings_of(ONE, CRS, 1, 0)).geometry)
    assert len({plot.geometry.wkb for plot in (*first, *second)}) == 4
    areas = [plot.area_ha / ONE.area_ha for plot in first]
    assert all(0.5 < ratio < 2.2 for ratio in areas)


def test_a_cutter_that_knows_scores_one_and_one_that_refuses_nought() -> None:
    where = place(ONE, TWO)
    truth = {one.id: plot_of(one, CRS) for one in (ONE, TWO)}

    def refuse(plot: Any, cube: Any) -> Any:
        raise PlotPlaceError("lies elsewhere", subject=plot.id)

    cutters = {"knows": lambda plot, cube: Outlined(truth[plot.id].geometry), "refuses": refuse}
    rows, refused = ask(where, cutters, drawings=2, seed=0, clock=lambda: 0.0)
    best, worst = figures(*rows["knows"]), figures(*rows["refuses"])
    assert best["fields"] == worst["fields"] == 2 and len(rows["knows"][0]) == 4
    for key in ("object_precision", "object_recall", "object_f1", "extent_iou"):
        assert best[key] == pytest.approx(1) and worst[key] == 0
    assert worst["area_median_abs_error"] is None and refused["refuses"] == {"PlotPlaceError": 4}


def test_a_missing_model_is_no_refusal() -> None:
    def broken(plot: Any, cube: Any) -> Any:
        raise ModelError("has no weights", subject="cut")

    with pytest.raises(ModelError, match="has no weights"):
        ask(place(ONE), {"broken": broken}, drawings=1, seed=0, clock=lambda: 0.0)


# patches


def made_patches(folder: Path, count: int = 6) -> Path:
    """A file of patches, each with one bright field on dark ground."""
    rng = np.random.default_rng(0)
    mask = np.zeros((count, 32, 32), bool)
    for n in range(count):
        mask[n, 8 : 18 + n, 9:21] = True
    level = np.array([[60, 90], [60, 80], [50, 90], [90, 160]])
    patch = np.stack([np.where(mask, high, low) for low, high in level], axis=1) + rng.integers(
        -2, 3, (count, 4, 32, 32)
    )
    patch[0, :, :, 30:] = 0
    file = folder / "fields.npz"
    chip = np.array([f"chip{n // 2}" for n in range(count)])
    np.savez(file, patch=patch.astype(np.uint8), mask=mask, chip=chip, bands=np.array(chips.LEAST))
    return file


@pytest.mark.parametrize("drawing", ["none", "sloppy"])
def test_patches_end_to_end(tmp_path: Path, drawing: str) -> None:
    found = plotscores.evaluate(made_patches(tmp_path), drawing=drawing, with_peers=True)
    assert all(key in found for key in CONTRACT) and found["fields"] == 6
    assert found["known_ground"] == "labelled fields only" and found["day"] is None
    assert {"felzenszwalb", "watershed"} - {found["method"]} <= set(found["peers"])
    assert found["object_recall"] > 0.6 and found["seconds_per_field_median"] > 0
    json.dumps(found, allow_nan=False)
    assert "felzenszwalb" in plotscores.table(found)
    if drawing == "sloppy":
        assert found["drawings"] == 6 and set(CONTRACT) <= set(found["drawing_as_is"])
    else:
        assert found["peers"][peers.UNET] is None


def test_patches_are_drawn_by_seed_and_those_cut_are_left_out(tmp_path: Path) -> None:
    file = made_patches(tmp_path)
    with np.load(file) as arrays:
        content = dict(arrays)
    content["mask"][2, :10, 9:21] = True
    np.savez(file, **content)
    told, rows, arrays = patches.read(file, limit=3, seed=4)
    assert told.left_out == {"cut by the patch": 1, "not drawn": 2} and len(rows) == 3 and 2 not in rows
    assert patches.read(file, limit=3, seed=4)[1] == rows != patches.read(file, limit=3, seed=5)[1]
    first = next(patches.places([0], arrays))
    assert not first.cube["clear"].values[0, :, 30:].any() and np.isnan(first.cube["B04"].values[0, :, 30:]).all()
    assert first.fields[0].area_ha == pytest.approx(content["mask"][0].sum() * 0.01, rel=2e-3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chip": None}, "has no array 'chip'"),
        ({"mask": np.zeros((6, 32, 32), np.uint8)}, "not uint8 and bool"),
        ({"mask": np.zeros((6, 32, 31), bool)}, "where patch asks for"),
        ({"mask": np.zeros((6, 32, 32), bool)}, "no field that lies whole"),
        ({"bands": np.array(["B02", "B03", "B04", "B11"])}, "lacks the bands B08"),
    ],
)
def test_a_bad_patches_file_says_what_is_wrong(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    file = made_patches(tmp_path)
    with np.load(file) as arrays:
        content = dict(arrays) | change
    np.savez(file, **{name: value for name, value in content.items() if value is not None})
    with pytest.raises(DatasetError, match=says):
        plotscores.evaluate(file)


def test_no_file_and_an_unknown_drawing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(DatasetError, match=r"no \.npz|is not a \.npz"):
        plotscores.evaluate(tmp_path / "text.npz")
    with pytest.raises(DatasetError, match="cannot be read"):
        plotscores.evaluate(tmp_path / "none.npz")
    with pytest.raises(DatasetError, match="none, sloppy"):
        plotscores.evaluate(tmp_path, drawing="neat")
    with pytest.raises(DatasetError, match="no day and no parcels"):
        plotscores.evaluate(made_patches(tmp_path), day=DAY)


# catalogues


@pytest.fixture(scope="module")
def county(sample_tiles: Path) -> Place:
    return catalogue.read(sample_tiles, day=DAY)[1]


def test_a_county_with_complete_truth(county: Place, sample_tiles: Path) -> None:
    assert county.complete and len(county.asked) == 81 and len(county.fields) == 118
    assert dict(county.cube.sizes)["x"] == dict(county.cube.sizes)["y"] == 160
    perfect = figures(*match(county, [Found(one.shape) for one in county.fields]))
    for key in ("object_precision", "object_recall", "object_f1"):
        assert perfect[key] == 1
    assert perfect["extent_iou"] > 0.99 and perfect["fields"] == 81
    bare = figures(*match(county, [Found(shapely.box(*county.bounds))]))
    assert bare["extent_iou"] == pytest.approx(0.794, abs=0.01) and bare["object_recall"] == 0


def test_the_window_of_a_plot_is_the_one_that_the_walk_reads(county: Place, sample_tiles: Path) -> None:
    stack = open_stack(sample_tiles)
    plots = load(sample_tiles / "plots.geojson")
    for plot in (plots[0], plots[40], plots[-1]):
        read = read_window(stack, plot.geometry, since=date(2023, 1, 1), until=DAY)
        west, south, east, north = plot.geometry.bounds
        box = project(shapely.box(west, south, east, north), "EPSG:4326", county.cube.attrs["crs"])
        part = window_around(county.cube, box.bounds)
        assert part.attrs["transform"] == read.attrs["transform"]
        np.testing.assert_array_equal(part["B04"].values, read["B04"].values)
        np.testing.assert_array_equal(part["x"].values, read["x"].values)


@pytest.fixture(scope="module")
def few(sample_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with three of the sample's parcels and one that is no plot."""
    content = json.loads((sample_tiles / "plots.geojson").read_text())
    content["features"] = [*content["features"][20:23], {"type": "Feature", "properties": {}, "geometry": None}]
    file = tmp_path_factory.mktemp("few") / "few.geojson"
    file.write_text(json.dumps(content))
    return file


def test_a_catalogue_end_to_end(sample_tiles: Path, few: Path) -> None:
    options: dict[str, Any] = {"parcels_file": few, "day": DAY, "with_peers": True}
    drawn = plotscores.evaluate(sample_tiles, drawing="sloppy", drawings=2, **options)
    assert drawn["fields"] == 3 and drawn["drawings"] == 6 and drawn["left_out"] == {"no usable outline": 1}
    assert drawn["method"] == "plots.cut" and drawn["simulated"] and drawn["day"] == "2023-08-20"
    assert drawn["object_recall"] == 1 and drawn["area_median_abs_error"] < 0.1 < drawn["extent_iou"]
    assert drawn["area_interval_coverage"] is not None and set(drawn["peers"]) == {"felzenszwalb", "watershed"}
    found = plotscores.evaluate(sample_tiles, **options)
    assert found["fields"] == 3 and found["known_ground"] == "the whole window" and found["object_recall"] > 0
    assert "by_size" in found and "by_size" not in found["peers"]["felzenszwalb"]
    json.dumps([drawn, found], allow_nan=False)
    assert "95 % over blocks" in plotscores.table(drawn)


def test_methods_can_be_handed_in(sample_tiles: Path, few: Path) -> None:
    def silent(cube: Any) -> Sequence[Found]:
        return []

    found = plotscores.evaluate(sample_tiles, parcels_file=few, day=DAY, find=silent)
    assert found["object_f1"] == found["extent_iou"] == 0 and found["method"] == "as handed in"


def test_without_parcels_it_says_so(sample_tiles: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no none\.geojson"):
        plotscores.evaluate(sample_tiles, parcels_file=tmp_path / "none.geojson")
    far = tmp_path / "far.geojson"
    rings = [[[x, 50.8], [x + 0.01, 50.8], [x + 0.01, 50.81], [x, 50.8]] for x in (3.0, 4.0)]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [r]}} for r in rings
    ]
    far.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(DatasetError, match="no parcel whole inside the tiles"):
        plotscores.evaluate(sample_tiles, parcels_file=far, day=DAY)
    with pytest.raises(DatasetError, match="at most 6 km are read at once"):
        catalogue.ground_of(None, load(far))


def test_the_command_prints_json_or_a_table(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(evaluate_plots)
    file = str(made_patches(tmp_path))
    told = CliRunner().invoke(app, [file, "--json", "--drawing", "sloppy", "--limit", "2"])
    assert told.exit_code == 0, told.output
    report = json.loads(told.stdout)
    assert set(CONTRACT) <= set(report) and report["fields"] == 2
    text = CliRunner().invoke(app, [file, "--limit", "2"])
    assert text.exit_code == 0 and "without a drawing" in text.stdout
    refused = CliRunner().invoke(app, [str(tmp_path / "none.npz")])
    assert refused.exit_code == 2


# real ground


def test_real_patches_and_a_real_catalogue(shared_data: Path) -> None:
    india = shared_data / "chips" / "agrifieldnet-india" / "fields.npz"
    for drawing in ("none", "sloppy"):
        found = plotscores.evaluate(india, drawing=drawing, limit=8, with_peers=True)
        assert found["fields"] == 8 and found["left_out"]["cut by the patch"] == 12
        assert 0 <= found["object_f1"] <= 1 and 0 < found["extent_iou"] < 1
    flanders = plotscores.evaluate(shared_data / "scenes" / "flanders-2018")
    assert flanders["fields"] == 16 and flanders["known_ground"] == "labelled fields only"
    assert not flanders["simulated"] and flanders["objects_counted"] > 0


def test_peers_are_tuned_on_made_ground_only(shared_data: Path) -> None:
    with pytest.raises(DatasetError, match="is no made county"):
        tune([shared_data / "scenes" / "flanders-2018"])
