"""growth: the smoother against a library, phenology of known curves, vigour that never rises with cloud."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greattit.growth import observe
from greattit.growth.vigour import reference, second_largest
from greattit.growth.whittaker import smooth
from greattit.types import CropCall, Hazard, Series

CALL = CropCall({"maize": 1.0}, "maize", ("maize",), 1.0, None, "test", "0")
DAY = date(2018, 10, 31)


def season(rise: int, fall: int, low: float = 0.2, high: float = 0.85, every: int = 5) -> Series:
    """A field that greens at day `rise` of the year and dries at day `fall` (logistic), seen every few days."""
    numbers = np.arange(1, 304, every)
    up = 1 / (1 + np.exp(-(numbers - rise) / 8))
    down = 1 / (1 + np.exp((numbers - fall) / 8))
    ndvi = low + (high - low) * up * down
    red = np.full(len(numbers), 0.05)
    nir = red * (1 + ndvi) / (1 - ndvi)
    dates = np.array([np.datetime64(date(2018, 1, 1) + timedelta(days=int(n) - 1)) for n in numbers])
    values = np.column_stack([red, nir]).astype(np.float32)
    return Series("p", dates, ("B04", "B08"), values, np.ones(len(numbers), np.float32))


def test_the_smoother_agrees_with_a_library() -> None:
    from whittaker_eilers import WhittakerSmoother

    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=60), rng.uniform(0.1, 1, 60)
    weights[[3, 20, 21, 22]] = 0
    theirs = WhittakerSmoother(lmbda=20.0, order=2, data_length=60, weights=list(weights)).smooth(list(values))
    np.testing.assert_allclose(smooth(values, weights, 20.0), theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("rise", "fall"), [(120, 230), (100, 200), (150, 270)])
def test_start_peak_and_end_are_found_where_they_are(rise: int, fall: int) -> None:
    found = observe(season(rise, fall), CALL, day=DAY)
    assert found.start and found.peak and found.end
    assert abs((found.start - date(2018, 1, 1)).days - rise) <= 8
    assert abs((found.end - date(2018, 1, 1)).days - fall) <= 8
    assert found.start < found.peak < found.end and found.stage == "harvested"


@pytest.mark.parametrize(
    ("day", "stage"),
    [(date(2018, 5, 20), "growing"), (date(2018, 7, 15), "at peak"), (date(2018, 10, 1), "harvested")],
)
def test_the_stage_is_that_of_the_day(day: date, stage: str) -> None:
    assert observe(season(135, 235), CALL, day=day).stage == stage


def test_a_winter_cover_ploughed_in_is_not_the_seasons_peak() -> None:
    plain = season(165, 250, high=0.75)
    number = np.arange(len(plain.dates))
    values = plain.values.copy()
    values[number < 20] = (0.04, 0.6)  # NDVI 0.875 until April
    found = observe(Series("p", plain.dates, plain.bands, values, plain.clear), CALL, day=DAY)
    assert found.start and found.peak and found.start.month == 6 and found.peak.month in (7, 8)


def test_nothing_after_the_day_is_used() -> None:
    whole = season(120, 230)
    keep = whole.dates <= np.datetime64("2018-07-01")
    early = Series("p", whole.dates[keep], whole.bands, whole.values[keep], whole.clear[keep])
    day = date(2018, 7, 1)
    assert observe(whole, CALL, day=day) == observe(early, CALL, day=day)


def test_a_field_never_seen_is_unknown_and_not_zero() -> None:
    plain = season(120, 230)
    blind = Series("p", plain.dates, plain.bands, np.full_like(plain.values, np.nan), np.zeros_like(plain.clear))
    found = observe(blind, CALL, day=DAY)
    assert (found.start, found.peak, found.end, found.stage, found.looks) == (None, None, None, "unknown", 0)
    assert np.isnan(found.vigour) and np.isnan(found.peak_evi2) and not found.hazards


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=61, max_size=61), st.floats(0.3, 0.9))
def test_more_cloud_never_raises_vigour_or_looks(clouded: list[bool], high: float) -> None:
    plain = season(120, 230, high=high)
    clear = np.where(clouded[: len(plain.clear)], 0.0, plain.clear).astype(np.float32)
    less = observe(Series("p", plain.dates, plain.bands, plain.values, clear), CALL, day=DAY)
    more = observe(plain, CALL, day=DAY)
    assert less.looks <= more.looks
    assert np.isnan(less.vigour) or less.vigour <= more.vigour


def test_bare_all_summer_is_not_started() -> None:
    found = observe(season(120, 230, high=0.3), CALL, day=date(2018, 8, 1))
    assert found.stage == "not started" and found.vigour < 0.7


def test_what_struck_the_plot_is_carried_on() -> None:
    flood = Hazard("flood", 0.45, date(2018, 5, 1), "open water in two looks")
    assert observe(season(120, 230), CALL, day=DAY, struck=(flood,)).hazards == (flood,)
    assert observe(season(120, 230), CALL, day=DAY).hazards == ()


def test_the_reference_grows_with_the_year_and_names_its_source() -> None:
    values = [float(reference("maize", date(2018, month, 15)).value) for month in range(1, 13)]
    assert values == sorted(values) and "canada-2017" in reference("maize", DAY).source
    assert reference("no such crop", DAY).value == reference(None, DAY).value


def test_second_largest_of_few() -> None:
    assert (
        np.isnan(second_largest(np.array([0.5, np.nan]))) and second_largest(np.array([3.0, 9.0, np.nan, 4.0])) == 4.0
    )


def test_the_reference_can_be_learned_again(shared_data, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from greattit import shipped
    from greattit.growth import learn_reference

    made = learn_reference(shared_data, tmp_path / "vigour")
    assert made.read_bytes() == (shipped.path("models/vigour") / "card.yaml").read_bytes()
