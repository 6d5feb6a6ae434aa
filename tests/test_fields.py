"""Fields of one window: outlines (`objects`), the networks served, `find`, and several fields in one drawing."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from made_county import best_iou, outlines_of, overlap_m2, sample, window_of
from made_county import found as field_of
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from greattit import fields
from greattit.errors import ModelError
from greattit.fields import finder, objects
from greattit.fields.divide import divide
from greattit.fields.objects import Found, Rules
from greattit.onethread import one_thread
from greattit.plots import area_ha, cutter, made
from greattit.plots.coverage import project
from greattit.plots.drawing import draw_sloppily
from greattit.plots.lessons import cut_out, field_shapes
from greattit.plots.sight import learn_axes
from greattit.types import Interval, Plot, Segment

if TYPE_CHECKING:
    from greattit.types import Cube

GRID = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0)


@pytest.fixture(scope="module")
def county() -> made.County:
    return sample()


# --- objects: from maps to outlines ---------------------------------------------------------------------------------


def random_maps(seed: int, height: int = 24, width: int = 30) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(3):
        rough = gaussian_filter(rng.normal(size=(height, width)), rng.uniform(0.3, 3.0))
        out.append((rough - rough.min()) / (rough.max() - rough.min()))
    out[0] = np.clip(out[0] + rng.uniform(-0.2, 0.6), 0, 1)
    return np.array(out, np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), simplify=st.sampled_from([0.0, 5.0, 15.0]))
def test_outlines_are_whole_and_share_no_ground(seed: int, simplify: float) -> None:
    maps, rules = random_maps(seed), Rules(simplify_m=simplify)
    labels = objects.labelled(maps, rules)
    found = objects.outlines(labels, maps[0], GRID, rules)
    shapes = np.array([*found.values(), box(0, 0, 1, 1)], object)
    assert shapely.is_valid(shapes).all() and {one.geom_type for one in shapes} == {"Polygon"}
    assert overlap_m2(shapes) < 1e-6
    window = box(GRID[2], GRID[5] - 240, GRID[2] + 300, GRID[5]).buffer(1e-6)
    assert all(window.covers(one) for one in found.values())
    assert set(objects.traits(maps, labels)) >= set(found)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_each_field_is_the_largest_part_of_its_label(seed: int) -> None:
    from scipy.ndimage import label

    maps = random_maps(seed)
    rules = Rules(simplify_m=0.0)
    labels = objects.labelled(maps, rules)
    everywhere = np.ones_like(maps[0])  # all ground is field: nothing is drawn in
    found = objects.outlines(labels, everywhere, GRID, rules)
    for number in range(1, labels.max() + 1):
        parts, count = label(labels == number)
        largest = 25.0 * max(np.bincount(parts.ravel())[1:], default=0) if count else 0.0
        assert (number in found) == (largest >= rules.least_m2)
        if number in found:  # holes under a pixel are closed
            assert largest <= found[number].area < largest * 1.3


def test_labels_cover_the_field_and_nothing_else() -> None:
    maps = random_maps(7)
    labels = objects.labelled(maps, Rules())
    np.testing.assert_array_equal(labels > 0, objects.finer(maps[0]) > Rules().extent)


def test_land_without_a_field_has_none() -> None:
    nothing = np.zeros((3, 12, 12), np.float32)
    labels = objects.labelled(nothing, Rules())
    assert not labels.any()
    assert objects.outlines(labels, nothing[0], GRID, Rules()) == {} and objects.traits(nothing, labels) == {}


@pytest.mark.parametrize("middle", [0.0, 0.3, 1.0])
def test_a_window_that_one_field_fills_is_one_field(middle: float) -> None:
    maps = np.stack([np.ones((12, 15)), np.zeros((12, 15)), np.full((12, 15), middle)]).astype(np.float32)
    labels = objects.labelled(maps, Rules())
    (found,) = objects.outlines(labels, maps[0], GRID, Rules()).values()
    assert found.equals(box(GRID[2], GRID[5] - 120, GRID[2] + 150, GRID[5]))
    (traits,) = objects.traits(maps, labels).values()
    np.testing.assert_allclose(traits, [1, 0, 0, middle, np.log(4 * 12 * 15)], atol=1e-6)


def test_a_low_field_beside_a_high_one_is_found() -> None:
    maps = np.zeros((3, 20, 40), np.float32)
    maps[0, 2:18, 2:18], maps[2, 2:18, 2:18] = 1, 1
    maps[0, 5:12, 28:36], maps[2, 5:12, 28:36] = 1, 0.05
    found = objects.outlines(objects.labelled(maps, Rules()), maps[0], GRID, Rules())
    assert len(found) == 2


def test_a_border_parts_two_fields_that_touch() -> None:
    maps = np.ones((3, 20, 30), np.float32)
    maps[1] = 0
    maps[1, :, 14:16], maps[2, :, 14:16] = 1, 0.1
    (one, other) = objects.outlines(objects.labelled(maps, Rules()), maps[0], GRID, Rules()).values()
    assert one.area == pytest.approx(30_000, rel=0.04) and other.area == pytest.approx(30_000, rel=0.04)
    assert shapely.union(one, other).area == pytest.approx(60_000, rel=1e-9)  # neighbours stay neighbours


@settings(max_examples=30, deadline=None)
@given(
    width=st.floats(20, 300), height=st.floats(20, 300), lost=st.floats(0, 20_000), notch=st.sampled_from([0.0, 0.4])
)
def test_an_outline_is_drawn_in_by_what_is_lost_and_never_far(
    width: float, height: float, lost: float, notch: float
) -> None:
    shape = box(0, 0, width, height).difference(box(0, 0, notch * width, notch * height))
    found = objects._drawn_in(shape, lost)
    assert found.is_valid and shape.buffer(1e-6).covers(found)
    inset = min(lost / shape.length, objects.INSET_M)
    assert found.covers(shape.buffer(-inset - 0.06, join_style="mitre"))
    assert shape.area - found.area <= shape.length * inset + 1e-6


def test_what_would_vanish_keeps_its_outline() -> None:
    thin = box(0, 0, 300, 7)
    assert objects._drawn_in(thin, 3000.0).equals(thin)
    assert objects._drawn_in(thin, 0.0) is thin


# --- the networks served --------------------------------------------------------------------------------------------

LOADERS: dict[str, Callable[[Path], Any]] = {"cut": cutter.load, "fields": finder.load}


@pytest.fixture(params=sorted(LOADERS))
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[Path], Any]]:
    """A copy of a model that may be spoilt, and what loads it."""
    name: str = request.param
    folder = {"cut": cutter.model_folder, "fields": finder.model_folder}[name]()
    return Path(shutil.copytree(folder, tmp_path / name)), LOADERS[name]


def spoil(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    import yaml

    card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
    change(card)
    (folder / "card.yaml").write_text(yaml.safe_dump(card), "utf-8")


def test_a_card_says_data_licence_weights_and_limits(copied: tuple[Path, Callable[[Path], Any]]) -> None:
    folder, load = copied
    card = cutter.read_card(folder)
    assert load(folder).sha256 == card["weights"]["sha256"]
    assert hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest() == card["weights"]["sha256"]
    sets = {one["name"]: one for one in card["training"]["sets"]}
    assert sets["agrifieldnet-india"]["licence"] == "CC-BY-4.0" and "rdnt" in sets["agrifieldnet-india"]["attribution"]
    assert "Apache-2.0" in sets["made counties"]["licence"]
    assert card["made_by"] == f"greattit train {card['name']}" and card["figures"]


def test_other_weights_than_the_cards_are_refused(copied: tuple[Path, Callable[[Path], Any]]) -> None:
    folder, load = copied
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="sha256 differs"):
        load(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match="weights cannot be read"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["input"]["channels"].reverse(),
        lambda card: card["input"].pop("channels"),
        lambda card: card["network"].update(widths=[8, 8]),
        lambda card: card["network"].pop("outputs"),
        lambda card: card.pop("area"),
        lambda card: card["area"].pop("shift"),
        lambda card: card["area"].update(spread=[1.0, 2.0, 3.0, 4.0, 5.0]),
        lambda card: card["area"]["quantiles"].pop("p05"),
        lambda card: card.pop("weights"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    copied: tuple[Path, Callable[[Path], Any]], change: Callable[[dict[str, Any]], None]
) -> None:
    folder, load = copied
    spoil(folder, change)
    with pytest.raises(ModelError, match=r"restore the folder, or train it again"):
        load(folder)


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    for load in LOADERS.values():
        with pytest.raises(ModelError, match=r"has no card\.yaml"):
            load(tmp_path)
    (tmp_path / "card.yaml").write_text("[1, 2", "utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        finder.load(tmp_path)
    (tmp_path / "card.yaml").write_text("- 1", "utf-8")
    with pytest.raises(ModelError, match="card is empty"):
        cutter.load(tmp_path)


def test_a_finders_area_is_its_quantiles_in_order() -> None:
    found = finder.load().area(box(0, 0, 100, 100))
    assert found["p05"] < found["p10"] < found["p50"] < found["p90"] < found["p95"]
    assert found["p50"] == pytest.approx(1.0, rel=0.2)


# --- find: the fields of one window ---------------------------------------------------------------------------------


def test_find_meets_the_fields_of_the_county(county: made.County) -> None:
    """Measured: F1 of objects 0.8 on this county, which taught nothing. The bound leaves room for other weights."""
    with one_thread():
        found = fields.find(county.cube)
    shapes = outlines_of(found)
    truth = np.array(list(field_shapes(county, whole=False).values()), object)
    recall, precision = (best_iou(truth, shapes) >= 0.5).mean(), (best_iou(shapes, truth) >= 0.5).mean()
    assert 2 * recall * precision / (recall + precision) > 0.65
    assert overlap_m2(shapes) < 1e-6
    for one in found:
        assert 0.4 <= one.confidence <= 1 and one.area_ha.unit == "ha"
        low, high = one.area_90_ha
        assert low < one.area_ha.p10 < one.area_ha.p50 < one.area_ha.p90 < high
    sure = np.array([one.confidence for one in found])
    right = best_iou(shapes, truth) >= 0.5
    assert sure[right].mean() > sure[~right].mean()
    inside = [one.area_90_ha[0] <= truth[k].area / 1e4 <= one.area_90_ha[1] for one, k in _pairs(found, truth)]
    assert np.mean(inside) > 0.75


def _pairs(found: list[Found], truth: NDArray[Any]) -> Iterator[tuple[Found, int]]:
    tree = shapely.STRtree(truth)
    for one in found:
        for k in tree.query(one.geometry, predicate="intersects"):
            both = one.geometry.intersection(truth[k]).area
            if both >= 0.5 * (one.geometry.area + truth[k].area - both):
                yield one, int(k)


def test_where_the_window_begins_changes_nothing_far_from_its_edge(
    county: made.County, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coarse pixels of the network lie alike on the ground, so that its maps do not depend on the window."""
    caught: list[NDArray[np.float32]] = []
    monkeypatch.setattr(finder, "from_maps", lambda _model, maps, _transform: caught.append(maps) or [])
    a, _, west, _, e, north = county.cube.attrs["transform"]
    inner = (west + 700, north - 900, west + 900, north - 700)
    seen = []
    with one_thread():
        axes = learn_axes([county.cube])
        for more in (650, 690, 700):
            cube = window_of(county.cube, (inner[0] - more, inner[1] - more, inner[2] + more, inner[3] + more))
            fields.find(cube, axes=axes)
            begin = round((inner[0] - cube.attrs["transform"][2]) / a)
            top = round((inner[3] - cube.attrs["transform"][5]) / e)
            seen.append(caught[-1][:, top : top + 20, begin : begin + 20])
    np.testing.assert_allclose(seen[1], seen[0], atol=1e-5)
    np.testing.assert_allclose(seen[2], seen[0], atol=1e-5)


def test_a_window_that_nobody_saw_has_no_fields(county: made.County) -> None:
    dark = county.cube.isel(y=slice(0, 20), x=slice(0, 20)).copy(deep=True)
    dark["clear"].values[:] = False
    assert fields.find(dark) == []


# --- several fields in one drawing ----------------------------------------------------------------------------------


def drawing_of(drawn: BaseGeometry, cube: Cube) -> tuple[Plot, Segment]:
    shape = project(drawn, cube.attrs["crs"], "EPSG:4326")
    plot = Plot("a", shape, area_ha(shape))
    hectares = Interval(plot.area_ha, plot.area_ha, plot.area_ha, "ha")
    return plot, Segment("a", np.ones((1, 1), np.float32), hectares, plot.area_ha, shape, {}, 0.0)


def divided(drawn: BaseGeometry, cube: Cube) -> list[BaseGeometry]:
    """Return the parts [m] that are seen in a drawing, in the window that an appraisal would read."""
    window = cut_out(cube, drawn)
    assert window is not None
    plot, segment = drawing_of(drawn, cube)
    parts = divide(plot, segment, window[0]).parts
    assert [part.share for part in parts] == sorted((part.share for part in parts), reverse=True)
    return [project(part.outline, "EPSG:4326", cube.attrs["crs"]) for part in parts]


def test_one_field_is_seldom_divided_and_two_mostly_are(county: made.County) -> None:
    """Measured over all fields of this county: 1 of 81 single ones is divided, 60 of 72 pairs into these two."""
    shapes = field_shapes(county)
    with one_thread():
        single = [
            len(divided(draw_sloppily(shape, number), county.cube)) for number, shape in list(shapes.items())[::3]
        ]
        both = [_both_met(shapes[a], shapes[b], a, county.cube) for a, b in _neighbours(shapes)[::3]]
    assert np.mean(np.array(single) > 1) < 0.1
    assert len(both) >= 20 and np.mean(both) > 0.6


def _neighbours(shapes: dict[int, BaseGeometry]) -> list[tuple[int, int]]:
    """Return pairs of fields of like size with a long border between them."""
    return [
        (a, b)
        for a, one in shapes.items()
        for b, other in shapes.items()
        if a < b
        and min(one.area, other.area) > 0.4 * max(one.area, other.area)
        and one.buffer(6).intersection(other.buffer(6)).area > 480
        and _joined(one, other).geom_type == "Polygon"
    ]


def _joined(one: BaseGeometry, other: BaseGeometry) -> BaseGeometry:
    return shapely.union(one.buffer(4), other.buffer(4)).buffer(-4)


def _both_met(one: BaseGeometry, other: BaseGeometry, seed: int, cube: Cube) -> bool:
    parts = np.array([*divided(draw_sloppily(_joined(one, other), seed), cube), box(0, 0, 1, 1)], object)
    return bool((best_iou(np.array([one, other], object), parts) >= 0.5).all())


def strips(county: made.County, codes: list[int]) -> tuple[Cube, list[Found], BaseGeometry]:
    """Fields of 1 ha side by side, green in the months that the bits of their code name, and a drawing around them."""
    _, _, west, _, _, north = county.cube.attrs["transform"]
    cube = county.cube.isel(time=[0, 20, 40], y=slice(0, 20), x=slice(0, 100)).copy(deep=True)
    noise = np.random.default_rng(0)
    for name in ("B02", "B03", "B04", "B08"):
        cube[name].values[:] = 0.1 + noise.normal(0, 0.005, cube[name].shape)
    cube["clear"].values[:] = True
    for k, code in enumerate(codes):
        for month in range(3):
            cube["B08"].values[month, 0:10, 10 * k : 10 * k + 10] += 0.3 * (code >> month & 1)
    each = [field_of(box(west + 100 * k, north - 100, west + 100 * k + 98, north)) for k in range(len(codes))]
    return cube, each, box(west - 5, north - 100, west + 100 * len(codes), north)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_drawing_around_equal_fields_names_them_all(county: made.County, count: int) -> None:
    """Of eight each has an eighth of the drawing; a corner of another is none."""
    cube, each, drawn = strips(county, list(range(count)))
    corner = field_of(box(drawn.bounds[0] - 55, drawn.bounds[1], drawn.bounds[0] + 5, drawn.bounds[1] + 40))
    plot, segment = drawing_of(drawn, cube)
    found = divide(plot, segment, cube, found=[*each, corner])
    assert len(found.parts) == count
    assert sum(part.share for part in found.parts) == pytest.approx(0.98, abs=0.03)
    geodesic = [area_ha(part.outline) for part in found.parts]
    np.testing.assert_allclose([part.area_ha.p50 for part in found.parts], geodesic, rtol=1e-4)


def test_neighbours_of_one_season_are_one_part(county: made.County) -> None:
    cube, each, drawn = strips(county, [1, 1, 6])
    plot, segment = drawing_of(drawn, cube)
    large, small = divide(plot, segment, cube, found=each).parts
    assert large.area_ha.p50 == pytest.approx(2 * small.area_ha.p50, rel=1e-3)
    assert area_ha(large.outline) == pytest.approx(1.98, abs=0.01)  # the gap of 2 m between them is closed
    assert divide(plot, segment, cube, found=each[:2]) is segment  # one season alone is one field


def test_a_neighbour_that_is_touched_is_no_part(county: made.County) -> None:
    _, _, west, _, _, north = county.cube.attrs["transform"]
    plot, segment = drawing_of(box(west, north - 100, west + 130, north), county.cube)
    own, neighbour = (
        field_of(box(west, north - 100, west + 98, north)),
        field_of(box(west + 100, north - 100, west + 200, north)),
    )
    found = divide(plot, segment, county.cube, found=[own, neighbour])
    assert found is segment
    assert divide(plot, segment, county.cube, found=[]) is segment
