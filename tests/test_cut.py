"""cut: the field inside a drawing, its area, and the laws of exact coverage."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import made_tiles
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import Polygon, box
from shapely.ops import split

from greattit import tiles
from greattit.errors import PlotPlaceError
from greattit.plots import area_ha
from greattit.plots.coverage import coverage, project
from greattit.plots.cut import cut
from greattit.plots.drawing import SLOPPY, SURVEYED, draw_sloppily
from greattit.types import Plot

if TYPE_CHECKING:
    from greattit.types import Cube


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    folder = made_tiles.write(tmp_path_factory.mktemp("tiles") / "c")
    whole = made_tiles.ground(10, 10, 590, 590)
    return tiles.read(tiles.open_catalogue(folder), whole, since=date(2021, 1, 1), until=date(2021, 12, 31))


def plot_of(shape: Polygon, name: str = "p") -> Plot:
    """A plot from a shape in metres on the catalogue's grid, counted from its south-west corner."""
    low = made_tiles.NORTH - 10 * made_tiles.SIDE
    drawn = project(affinity.translate(shape, made_tiles.WEST, low), made_tiles.CRS, "EPSG:4326")
    return Plot(name, drawn, area_ha(drawn))


FIELD = box(*made_tiles.FIELD_BOX)
TRUE_HA = plot_of(FIELD).area_ha


@pytest.mark.parametrize("seed", range(8))
def test_a_sloppy_drawing_is_cut_to_the_field(cube: Cube, seed: int) -> None:
    plot = plot_of(draw_sloppily(FIELD, seed))
    segment = cut(plot, cube)
    assert abs(segment.area_ha.p50 / TRUE_HA - 1) < 0.03
    assert segment.area_ha.p10 < TRUE_HA < segment.area_ha.p90
    assert segment.area_ha.p50 == pytest.approx(area_ha(segment.outline), rel=1e-3)
    assert segment.area_90_ha[0] <= segment.area_ha.p10 < segment.area_ha.p90 <= segment.area_90_ha[1]
    kept = plot.area_ha - sum(segment.cut_away.values()) + segment.added_ha
    assert kept == pytest.approx(segment.area_ha.p50, rel=1e-3)


def test_a_road_inside_the_drawing_is_cut_away(cube: Cube) -> None:
    roaded = cube.copy(deep=True)
    for name, road in (("B02", 0.12), ("B03", 0.14), ("B04", 0.15), ("B08", 0.2)):
        roaded[name].values[:, :, 29:31] = road
    segment = cut(plot_of(FIELD.buffer(8)), roaded)
    assert segment.area_ha.p50 == pytest.approx(TRUE_HA * 0.9, rel=0.04)
    assert segment.coverage[25:35, 29:31].mean() < 0.3
    assert segment.cut_away["water, road or building"] > 0.2


def test_what_lies_outside_the_tiles_is_said(cube: Cube) -> None:
    segment = cut(plot_of(box(450, 250, 750, 350)), cube)
    assert segment.cut_away["land outside the tiles"] == pytest.approx(1.5, abs=0.02)  # the tiles end at 600 m


def test_where_nothing_was_seen_the_drawing_stands_and_the_interval_is_wide(cube: Cube) -> None:
    dark = cube.copy(deep=True)
    dark["clear"].values[:] = False
    plot = plot_of(FIELD)
    blind, seen = cut(plot, dark), cut(plot, cube)
    assert blind.area_ha.p50 == pytest.approx(plot.area_ha, rel=1e-6)
    assert blind.area_ha.p90 - blind.area_ha.p10 > 2 * (seen.area_ha.p90 - seen.area_ha.p10)


def test_a_surveyed_parcel_is_hardly_moved(cube: Cube) -> None:
    assert cut(plot_of(FIELD), cube, drawing=SURVEYED).area_ha.p50 == pytest.approx(TRUE_HA, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(start=st.integers(0, 11), mirrored=st.booleans())
def test_vertex_order_and_start_change_nothing(cube: Cube, start: int, mirrored: bool) -> None:
    ring = list(draw_sloppily(FIELD, 5).exterior.coords)[:-1]
    turned = ring[start % len(ring) :] + ring[: start % len(ring)]
    other = cut(plot_of(Polygon(turned[::-1] if mirrored else turned)), cube)
    plain = cut(plot_of(Polygon(ring)), cube)
    assert other.area_ha.p50 == pytest.approx(plain.area_ha.p50, rel=1e-9)
    np.testing.assert_allclose(other.coverage, plain.coverage, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(dx=st.floats(-5, 5), dy=st.floats(-5, 5))
def test_half_a_pixels_move_stays_within_the_interval(cube: Cube, dx: float, dy: float) -> None:
    plain, moved = cut(plot_of(FIELD), cube), cut(plot_of(affinity.translate(FIELD, dx, dy)), cube)
    assert plain.area_ha.p10 < moved.area_ha.p50 < plain.area_ha.p90


@settings(max_examples=30, deadline=None)
@given(at=st.floats(30, 570), slope=st.floats(-1, 1))
def test_splitting_never_changes_the_total_coverage(cube: Cube, at: float, slope: float) -> None:
    from shapely.geometry import LineString

    low = made_tiles.NORTH - 10 * made_tiles.SIDE
    shape = affinity.translate(box(33.3, 47.1, 561.7, 512.9), made_tiles.WEST, low)
    knife = LineString(
        [(made_tiles.WEST + at - 700 * slope, low - 700), (made_tiles.WEST + at + 1300 * slope, low + 1300)]
    )
    parts = list(split(shape, knife).geoms)
    whole = coverage([shape], cube).toarray()[0]
    np.testing.assert_allclose(coverage(parts, cube).toarray().sum(axis=0), whole, atol=1e-5)
    assert whole.sum() * 100 == pytest.approx(shape.area, rel=1e-6)


@pytest.mark.parametrize("at", [0.35, 0.5, 0.65])
def test_the_halves_of_a_plot_sum_to_the_whole(cube: Cube, at: float) -> None:
    """A surveyed plot's to 4 %; a finger's within the interval, for each half is a drawing of its own."""
    low_x, low_y, high_x, high_y = FIELD.bounds
    middle = low_x + at * (high_x - low_x)
    halves = [box(low_x, low_y, middle, high_y), box(middle, low_y, high_x, high_y)]
    surveyed = [cut(plot_of(half), cube, drawing=SURVEYED).area_ha.p50 for half in halves]
    assert sum(surveyed) == pytest.approx(cut(plot_of(FIELD), cube, drawing=SURVEYED).area_ha.p50, rel=0.04)
    drawn = [cut(plot_of(half), cube).area_90_ha for half in halves]
    assert sum(low for low, _ in drawn) < cut(plot_of(FIELD), cube).area_ha.p50 < sum(high for _, high in drawn)


def test_a_plot_outside_the_cube_is_refused(cube: Cube) -> None:
    with pytest.raises(PlotPlaceError, match="outside the tiles"):
        cut(plot_of(box(9000, 9000, 9100, 9100)), cube)


def test_the_drawing_model_is_the_published_one() -> None:
    drawings = [draw_sloppily(FIELD, seed) for seed in range(300)]
    scales = np.sqrt([drawn.area / FIELD.area for drawn in drawings])
    assert 0.7 < scales.min() < 0.85 and 1.3 < scales.max() < 1.5
    shifts = [drawn.centroid.distance(FIELD.centroid) for drawn in drawings]
    assert max(shifts) < SLOPPY.shift_m + 3 * SLOPPY.jitter_m + 25  # few vertices may cut a corner
    assert all(8 <= len(drawn.exterior.coords) - 1 <= 20 for drawn in drawings)
    assert draw_sloppily(FIELD, 7).equals(draw_sloppily(FIELD, 7))


def test_a_cut_from_real_tiles(shared_data: Path) -> None:
    """The largest real parcel: cut from the labelled outline, most of it stays."""
    from greattit import plots

    folder = shared_data / "scenes" / "flanders-2018"
    plot = max(plots.load(folder / "plots.geojson"), key=lambda p: p.area_ha)
    found = tiles.read(tiles.open_catalogue(folder), plot.geometry, since=date(2018, 1, 1), until=date(2018, 9, 1))
    segment = cut(plot, found, drawing=SURVEYED)
    assert segment.area_ha.p50 == pytest.approx(plot.area_ha, rel=0.15)
