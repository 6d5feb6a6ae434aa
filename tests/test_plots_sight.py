"""What the networks see: `sight.look` and `learn_axes`, and the drawing beside it (`sketch.asked`)."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from shapely.geometry import Polygon, box

from greattit.plots import shape
from greattit.plots.sight import CHANNELS, COMPONENTS, FINE, Axes, components, learn_axes, look, median_of
from greattit.plots.sketch import ASKED, REACH_PX, asked

if TYPE_CHECKING:
    from greattit.types import Cube

WEST, NORTH = 500_000.0, 5_600_000.0
DAYS = ("2022-04-02", "2022-04-17", "2022-05-07", "2022-05-22", "2022-06-11", "2022-07-01", "2022-07-11")
CLEAR, COLOUR = CHANNELS.index("seen"), CHANNELS.index("median B02")


def cube_of(values: NDArray[np.floating], clear: NDArray[np.bool_] | None = None, days: tuple[str, ...] = DAYS) -> Cube:
    """A cube of the fine bands: values (band, time, y, x) reflectance."""
    import xarray as xr

    where = ("time", "y", "x")
    seen = np.isfinite(values[0]) if clear is None else clear
    height, width = values.shape[2:]
    return xr.Dataset(
        {name: (where, values[k].astype(np.float32)) for k, name in enumerate(FINE)} | {"clear": (where, seen)},
        coords={
            "time": np.array(days[: values.shape[1]], "datetime64[ns]"),
            "y": NORTH - 10 * (np.arange(height) + 0.5),
            "x": WEST + 10 * (np.arange(width) + 0.5),
        },
        attrs={"crs": "EPSG:32631", "transform": (10.0, 0.0, WEST, 0.0, -10.0, NORTH), "warnings": ()},
    )


def season(seed: int, height: int = 20, width: int = 24, *, holes: float = 0.0) -> Cube:
    """A smooth random season; `holes` is the share of it that clouds hide, NaN or flagged in turn."""
    rng = np.random.default_rng(seed)
    values = gaussian_filter(rng.normal(0.2, 0.3, (4, len(DAYS), height, width)), (0, 0.5, 2, 2)) + 0.1
    hidden = rng.random(values.shape[1:]) < holes
    values[:, hidden & (rng.random(hidden.shape) < 0.5)] = np.nan
    return cube_of(np.clip(values, 0.001, 1.0), ~hidden & np.isfinite(values[0]))


def part(cube: Cube, rows: slice, columns: slice) -> Cube:
    a, b, west, d, e, north = cube.attrs["transform"]
    moved = (a, b, west + a * columns.start, d, e, north + e * rows.start)
    return cube.isel(y=rows, x=columns).assign_attrs(transform=moved)


def axes_of(*cubes: Cube) -> Axes:
    axes = learn_axes(list(cubes))
    assert axes is not None
    return axes


def seen_of(cube: Cube, axes: Axes | None = None) -> NDArray[np.float32]:
    found = look(cube, axes)
    assert found is not None
    return found


# --- look -----------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), holes=st.sampled_from([0.0, 0.3, 0.8]))
def test_every_channel_is_a_number_within_bounds(seed: int, holes: float) -> None:
    found = seen_of(season(seed, holes=holes))
    assert found.shape == (len(CHANNELS), 20, 24) and found.dtype == np.float32
    assert np.isfinite(found).all() and np.abs(found).max() <= 8
    assert set(np.unique(found[CLEAR])) <= {0.0, 1.0}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(len(DAYS))))
def test_the_order_of_looks_changes_no_bit(seed: int, order: list[int]) -> None:
    cube = season(seed, holes=0.3)
    np.testing.assert_array_equal(seen_of(cube.isel(time=order)), seen_of(cube))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), flipped=st.lists(st.booleans(), min_size=COMPONENTS, max_size=COMPONENTS))
def test_signs_of_the_axes_turn_the_components_and_nothing_else(seed: int, flipped: list[bool]) -> None:
    cube = season(seed)
    axes, sign = axes_of(cube), np.where(flipped, -1.0, 1.0)
    plain, turned = seen_of(cube, axes), seen_of(cube, replace(axes, turn=axes.turn * sign))
    np.testing.assert_allclose(turned[:COMPONENTS], plain[:COMPONENTS] * sign[:, None, None], atol=1e-6)
    np.testing.assert_allclose(turned[COMPONENTS:], plain[COMPONENTS:], atol=1e-6)


def test_components_are_even_over_the_window_and_do_not_depend_on_each_other() -> None:
    cube = season(3, 40, 40)
    parts = components(cube, axes_of(cube)).reshape(-1, COMPONENTS)
    spread = np.cov(parts.T)
    np.testing.assert_allclose(parts.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(spread - np.diag(np.diag(spread)), 0, atol=1e-9)
    assert (np.diff(np.diag(spread)) <= 0).all()  # the largest first


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), gain=st.floats(0.3, 3.0))
def test_a_sensors_gain_does_not_change_what_the_season_looks_like(seed: int, gain: float) -> None:
    cube = season(seed)
    brighter = cube.copy()
    for name in FINE:
        brighter[name] = cube[name] * np.float32(gain)
    plain, other = components(cube, axes_of(cube)), components(brighter, axes_of(brighter))
    sign = np.sign((plain * other).sum((0, 1)))
    np.testing.assert_allclose(other * sign, plain, atol=2e-3)  # counts are float32


def test_a_flat_land_has_no_season_and_no_edges() -> None:
    found = seen_of(cube_of(np.full((4, 7, 12, 12), 0.2)))
    np.testing.assert_allclose(found[: COMPONENTS + 1], 0, atol=1e-9)
    np.testing.assert_allclose(found[COLOUR : COLOUR + 4, 0, 0], np.array([1.6, 1.2, 1.0, 0.5]), rtol=1e-6)


def test_one_look_is_enough() -> None:
    cube = season(1).isel(time=[2])
    found = seen_of(cube)
    assert (found[CLEAR] == 1).all() and np.abs(found[:4]).max() > 0.1
    np.testing.assert_array_equal(found[4:COMPONENTS], 0)  # four bands of one month have four components
    np.testing.assert_array_equal(found[7], found[8])  # greenness at its highest is that at its lowest


def test_without_a_clear_look_nothing_is_seen() -> None:
    cube = season(1)
    dark = cube.assign(clear=cube["clear"] & False)
    assert look(dark) is None and learn_axes([dark]) is None
    found = seen_of(dark, axes_of(cube))  # by the county's axes it is a place that nobody saw
    assert not found[CLEAR].any() and np.isfinite(found).all()
    np.testing.assert_allclose(found[COMPONENTS], 0, atol=1e-9)


def test_what_was_never_seen_is_the_middle_and_is_told() -> None:
    cube = season(5)
    hole = cube.copy(deep=True)
    for name in FINE:
        hole[name].values[:, 4:9, 6:12] = np.nan
    hole["clear"].values[:, 4:9, 6:12] = False
    found = seen_of(hole)
    expected = np.ones((20, 24))
    expected[4:9, 6:12] = 0
    np.testing.assert_array_equal(found[CLEAR], expected)
    inner = found[:COMPONENTS, 4:9, 6:12]
    np.testing.assert_allclose(inner, np.broadcast_to(inner[:, :1, :1], inner.shape), atol=1e-6)
    np.testing.assert_array_equal(found[COLOUR : COLOUR + 4, 4:9, 6:12], 0)


def test_a_month_behind_clouds_is_left_out() -> None:
    cube = season(2)
    cloudy = cube.copy(deep=True)
    june = cloudy["time"].values.astype("datetime64[M]") == np.datetime64("2022-06")
    cloudy["clear"].values[june, :, :18] = False
    assert np.datetime64("2022-06") in axes_of(cube).months
    assert np.datetime64("2022-06") not in axes_of(cloudy).months


def test_eight_bit_counts_with_mostly_equal_neighbours_do_not_blow_up() -> None:
    """Where most neighbours are equal the usual difference is not nought, but half of the mean one."""
    land = np.full((4, 1, 30, 30), 40 / 255)
    land[:, :, :, 15:] = 60 / 255
    land[:, :, 10, 10] = 41 / 255
    axes = axes_of(cube_of(land))
    assert (axes.usual > 1e-4 - 1e-12).all()
    found = seen_of(cube_of(land))
    assert np.abs(found).max() < 8 and found[COMPONENTS, :, 14:16].min() > found[COMPONENTS, :, :5].max()


def test_the_median_over_time_is_numpys() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((6, 5, 5)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    values[:, 0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that was never seen
        expected = np.nanmedian(values.astype(np.float64), axis=0)
    np.testing.assert_allclose(median_of(values), expected, rtol=1e-7)


# --- axes of a county -----------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(8, 32))
def test_axes_of_several_windows_are_those_of_their_union(seed: int, at: int) -> None:
    """But for the pairs of neighbours across the cut, which are few: they hardly move the usual difference."""
    whole = season(seed, 40, 40)
    axes = axes_of(whole)
    parts = axes_of(part(whole, slice(0, 40), slice(0, at)), part(whole, slice(0, 40), slice(at, 40)))
    np.testing.assert_array_equal(parts.months, axes.months)
    np.testing.assert_allclose(parts.middle, axes.middle, rtol=1e-12)
    np.testing.assert_allclose(parts.usual, axes.usual, rtol=0.1)
    swapped = axes_of(part(whole, slice(0, 40), slice(at, 40)), part(whole, slice(0, 40), slice(0, at)))
    np.testing.assert_allclose(swapped.usual, parts.usual, rtol=1e-12)
    np.testing.assert_allclose(np.abs(swapped.turn), np.abs(parts.turn), atol=1e-6)


def test_a_window_seen_in_fewer_months_takes_part() -> None:
    whole = season(8)
    axes = axes_of(whole, part(whole, slice(0, 12), slice(0, 24)).isel(time=slice(0, 3)))
    assert set(axes.months.astype(str)) == {"2022-04", "2022-05", "2022-06", "2022-07"}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), top=st.integers(0, 20), left=st.integers(0, 20), side=st.integers(6, 20))
def test_by_the_countys_axes_a_part_looks_as_it_does_in_the_whole(seed: int, top: int, left: int, side: int) -> None:
    whole = season(seed, 40, 40, holes=0.3)
    axes = axes_of(whole)
    rows, columns = slice(top, top + side), slice(left, left + side)
    found, expected = seen_of(part(whole, rows, columns), axes), seen_of(whole, axes)[:, rows, columns]
    others = [k for k, name in enumerate(CHANNELS) if name != "gradient"]
    np.testing.assert_array_equal(found[others], expected[others])
    inner = np.s_[COMPONENTS, 1:-1, 1:-1]  # the outermost pixels have neighbours on one side only
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-6)


# --- the drawing beside it ------------------------------------------------------------------------------------------


def test_the_drawing_is_told_by_its_share_and_the_distance_from_its_line() -> None:
    cube = season(1)
    drawn = box(WEST + 55, NORTH - 145, WEST + 155, NORTH - 45)
    found = asked(seen_of(cube), drawn, cube)
    assert found.shape == (len(ASKED), 20, 24) and found.dtype == np.float32
    share, away = found[-2], found[-1]
    assert share.sum() == pytest.approx(100, rel=1e-6) and share[9, 9] == 1 and share[4, 7] == pytest.approx(0.5)
    assert away[9, 10] == pytest.approx(5 / (REACH_PX / 2))  # 50 m inside
    assert away[9, 3] == pytest.approx(-2 / (REACH_PX / 2)) and away.min() == -2.0
    np.testing.assert_array_equal(away > 0, share > 0.5)
    np.testing.assert_array_equal(found[:-2], seen_of(cube))


# --- shapes on the grid ---------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), wanted=st.floats(0.6, 1.4))
def test_an_outline_of_shares_holds_the_ground_that_is_wanted(seed: int, wanted: float) -> None:
    cube = season(seed)
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:20, :24]
    centre = rng.uniform(8, 12, 2)
    far = np.hypot(rows - centre[0], columns - centre[1])
    shares = (1 / (1 + np.exp(far - rng.uniform(3, 6)))).astype(np.float32)
    drawn = box(WEST + 60, NORTH - 140, WEST + 160, NORTH - 60)
    m2 = wanted * 100 * float(shares.sum())
    found = shape.outline(shares, drawn, cube, m2)
    assert found is not None and found.is_valid
    assert found.area == pytest.approx(m2, rel=5e-3)


def test_another_field_beside_the_drawing_is_left_out() -> None:
    cube = season(1)
    shares = np.zeros((20, 24), np.float32)
    shares[5:10, 3:8], shares[5:10, 12:20] = 1, 1
    drawn = box(WEST + 30, NORTH - 100, WEST + 85, NORTH - 50)
    kept = shape.one_place(shares, drawn, cube)
    assert kept[5:10, 3:8].all() and not kept[:, 12:].any()
    both = box(WEST + 30, NORTH - 100, WEST + 200, NORTH - 50)
    np.testing.assert_array_equal(shape.one_place(shares, both, cube), shares)
    assert not shape.one_place(shares * 0, drawn, cube).any()
    found = shape.at_level(shares, 0.5, drawn, cube)
    assert found is not None and found.bounds[2] <= WEST + 90


def test_no_outline_where_nothing_lies_in_the_drawing() -> None:
    cube = season(1)
    shares = np.zeros((20, 24), np.float32)
    shares[:3, :3] = 1
    assert shape.outline(shares, box(WEST + 150, NORTH - 150, WEST + 190, NORTH - 110), cube, 900.0) is None


def test_the_ground_of_pixels_is_their_squares() -> None:
    cube = season(1)
    chosen = np.zeros((20, 24), bool)
    chosen[2, 3:5] = True
    assert shape.squares(chosen, cube).equals(box(WEST + 30, NORTH - 30, WEST + 50, NORTH - 20))


def test_a_surveyed_outline_keeps_its_form() -> None:
    from greattit.plots.drawing import SURVEYED

    cube = season(4)
    drawn = Polygon([(WEST + 50, NORTH - 60), (WEST + 150, NORTH - 50), (WEST + 160, NORTH - 150)])
    found, doubt = shape.fitted(drawn, SURVEYED, components(cube, axes_of(cube)), cube)
    assert found.area == pytest.approx(drawn.area, rel=0.021) and found.centroid.distance(drawn.centroid) <= 3.0
    assert 0 <= doubt < 0.03
