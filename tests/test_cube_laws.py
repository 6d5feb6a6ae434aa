"""What holds of the lattice, of the grouping into looks, and of the counts, whatever they are given."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from greattit.cube.lattice import CELL_PX, RIGHT_M, TOP_M, Window, around, cell_window, cells_of
from greattit.cube.passes import OVERPASS, overpasses, renews, version
from greattit.cube.plan import runs, window_of
from greattit.tiles.counts import decode, encode
from greattit.tiles.scene import Scene

few = settings(max_examples=60, deadline=None)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    top, left = draw(st.integers(0, 900)), draw(st.integers(0, 900))
    return Window(top, left, top + draw(st.integers(1, 400)), left + draw(st.integers(1, 400)))


def pixels(window: Window | None) -> np.ndarray:
    grid = np.zeros((1300, 1300), bool)
    if window is not None:
        grid[window.top : window.bottom, window.left : window.right] = True
    return grid


@few
@given(windows(), windows())
def test_windows_meet_and_join_as_sets_of_pixels(one: Window, other: Window) -> None:
    assert np.array_equal(pixels(one.meet(other)), pixels(one) & pixels(other))
    assert one.meet(other) == other.meet(one) and one.join(other) == other.join(one)
    assert one.join(other).meet(one) == one and one.join(one) == one == one.meet(one)


@few
@given(windows())
def test_a_windows_cells_cover_it_and_each_touches_it(window: Window) -> None:
    cells = list(window.cells())
    assert len(set(cells)) == len(cells)
    covered = np.zeros((1300 + CELL_PX, 1300 + CELL_PX), bool)
    for cell in cells:
        place = cell_window(cell)
        assert place.meet(window) is not None
        covered[place.top : place.bottom, place.left : place.right] = True
    assert covered[window.top : window.bottom, window.left : window.right].all()


@few
@given(st.floats(1e5, 8e5), st.floats(1e5, 9e6), st.floats(1, 5000), st.floats(1, 5000), st.sampled_from([10, 20, 60]))
def test_a_window_around_bounds_holds_them_and_no_more(
    west: float, south: float, width: float, height: float, step: int
) -> None:
    window = around((west, south, west + width, south + height), multiple_m=step)
    left, low, right, up = window.bounds
    assert left <= west and low <= south and right >= west + width and up >= south + height
    assert west - left < step and south - low < step and right - west - width < step and up - south - height < step
    assert left % step == 0 and (TOP_M - up) % step == 0 and right <= RIGHT_M


@few
@given(windows(), st.integers(0, 3))
def test_the_cells_of_an_area_are_those_it_touches(window: Window, inset: int) -> None:
    west, south, east, north = window.bounds
    shape = box(west + inset, south + inset, east - inset, north - inset)
    touching = {c for c in cells_of(shape) if box(*cell_window(c).bounds).intersects(shape)}
    assert cells_of(shape) == touching >= set(window.cells())


@few
@given(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60))
def test_runs_hold_each_cell_once_and_none_joins_the_next(cells: set[tuple[int, int]]) -> None:
    found = runs(cells)
    assert sorted((row, c) for row, spans in found.items() for a, b in spans for c in range(a, b)) == sorted(cells)
    for row, spans in found.items():
        assert all(a[1] < b[0] for a, b in pairwise(spans))
        assert all(set(window_of(row, span).cells()) == {(row, c) for c in range(*span)} for span in spans)


FIRST = datetime(2021, 4, 1, 10, 50, tzinfo=UTC)


@st.composite
def products(draw: st.DrawFn) -> Scene:
    orbit, second = draw(st.integers(0, 4)), draw(st.integers(0, 600))
    return Scene(
        id=f"p{draw(st.integers(0, 10_000))}",
        when=FIRST + timedelta(minutes=98 * orbit, seconds=second),
        sensor=draw(st.sampled_from(["s2", "s1"])),
        bbox=(5.0, 50.0, 6.0, 51.0),
        assets={},
        platform=draw(st.sampled_from(["sentinel-2a", "Sentinel-2A", "sentinel-2b"])),
        tile=draw(st.sampled_from(["31UFS", "31UGS"])),
        baseline=draw(st.sampled_from(["", "02.14", "05.00"])),
        level=draw(st.sampled_from(["L2A", "L1C"])),
    )


@few
@given(st.lists(products(), min_size=1, max_size=12, unique_by=lambda s: s.id), st.integers(0, 99))
def test_products_fall_into_looks_whatever_their_order(scenes: list[Scene], seed: int) -> None:
    found = overpasses(scenes)
    mixed = scenes.copy()
    random.Random(seed).shuffle(mixed)
    assert overpasses(mixed) == found
    assert sorted(s.id for look in found for s in look.scenes) == sorted(s.id for s in scenes)
    for look in found:
        times = [s.when for s in look.scenes]
        assert look.when == min(times) and max(times) - min(times) <= OVERPASS
        assert {s.platform.lower() for s in look.scenes} == {look.platform} and {s.sensor for s in look.scenes} == {
            look.sensor
        }
        assert not any(renews(after, before) for k, before in enumerate(look.scenes) for after in look.scenes[k + 1 :])
    kinds = [(look.sensor, look.platform, (look.when - FIRST) // timedelta(minutes=90)) for look in found]
    assert len(set(kinds)) == len(kinds)  # one satellite, one overpass, one look
    assert len({version(s) for s in scenes}) == len(scenes)


@few
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=50), st.sampled_from([0.0, -0.1]))
def test_counts_of_both_baselines_are_kept_to_the_bit(counts: list[int], offset: float) -> None:
    raw = np.array(counts, np.uint16)
    stored = encode(raw, 1e-4, offset, 0.0)
    shift = 1000 if offset == 0 else 0
    assert np.array_equal(stored, np.where(raw == 0, 0, np.minimum(raw.astype(int) + shift, 65535)))
    value = decode(stored)
    assert np.array_equal(np.isnan(value), raw == 0)
    fits = (raw > 0) & (raw.astype(int) + shift <= 65535)
    exact = (raw.astype(np.int32) - 1000 + shift).astype(np.float32) * np.float32(1e-4)
    assert np.array_equal(value[fits], exact[fits])
    assert np.array_equal(encode(stored, 1e-4, -0.1, 0.0), stored)


@few
@given(
    st.lists(st.integers(-2000, 32000), min_size=1, max_size=30),
    st.sampled_from([(2.75e-5, -0.2), (1e-4, 0.0), (5e-5, -0.1), (1.0, 0.0)]),
    st.sampled_from([-9999.0, 0.0, float("nan")]),
)
def test_counts_of_any_form_are_kept_within_half_a_count(
    counts: list[int], form: tuple[float, float], nodata: float
) -> None:
    """float and int16, scales of other products, any nodata: reflectance to 0.00005, nothing seen stays unseen."""
    scale, offset = form
    raw = np.array(counts, np.float32) / np.float32(10000) if scale == 1 else np.array(counts, np.int16)
    if scale == 1 and not np.isnan(nodata):
        raw[raw == np.float32(nodata)] = np.float32(0.5)
    value = decode(encode(raw, scale, offset, nodata))
    unseen = np.isnan(raw) if np.isnan(nodata) else raw == nodata
    assert np.array_equal(np.isnan(value), unseen)
    true = raw.astype(float) * scale + offset
    inside = ~unseen & (true > -0.0999) & (true < 6.4)
    assert np.all(np.abs(value[inside] - true[inside]) <= 0.502e-4)
