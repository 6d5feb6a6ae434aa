"""growth: kinds of season, stages that cannot be ruled out, and what is said when little was seen."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from greattit import policy
from greattit.crops import taxonomy
from greattit.growth import observe
from greattit.growth.course import EPOCH, usual_peak
from greattit.growth.curve import draw
from greattit.growth.seasons import KINDS, Seasons, seasons
from greattit.growth.stages import group_of
from greattit.types import CropCall, Series

Array = NDArray[np.float64]


def call(crop: str | None) -> CropCall:
    """A call as sure as can be; None abstains between maize and potato."""
    likely = (crop,) if crop else ("maize", "potato")
    return CropCall({}, crop, likely, 1.0, None if crop else "not sure", "test", "0")


def hump(day: Array, rise: float, fall: float, low: float = 0.2, high: float = 0.85) -> Array:
    return np.asarray((high - low) / (1 + np.exp((rise - day) / 7)) / (1 + np.exp((day - fall) / 7)))


def field(ndvi: Array, numbers: Array, first: date = date(2018, 1, 1)) -> Series:
    """A field seen clear on `numbers` days after `first`."""
    red = np.full(len(numbers), 0.05)
    dates = np.array([np.datetime64(first + timedelta(days=int(n))) for n in numbers])
    values = np.column_stack([red, red * (1 + ndvi) / (1 - ndvi)]).astype(np.float32)
    return Series("p", dates, ("B04", "B08"), values, np.ones(len(numbers), np.float32))


DAYS = np.arange(0.0, 365.0, 5.0)
END = date(2018, 12, 31)


def test_one_crop_is_annual_with_its_dates_inside_their_intervals() -> None:
    found = observe(field(0.2 + hump(DAYS, 130, 230), DAYS), call("maize"), day=END)
    assert found.kind == "annual" and not found.earlier
    for name in ("start", "peak", "end"):
        low, high = getattr(found, f"{name}_90")
        assert low <= getattr(found, name) <= high


def test_two_full_cycles_are_double_and_both_are_given() -> None:
    ndvi = 0.2 + hump(DAYS, 70, 150) + hump(DAYS, 185, 265)
    found = observe(field(ndvi, DAYS), call("double_winter_wheat_maize"), day=END)
    assert found.kind == "double" and len(found.earlier) == 1
    start, peak, end = found.earlier[0]
    assert start and end and found.start and start < peak < end < found.start
    assert abs((start - date(2018, 3, 12)).days) <= 6 and abs((found.start - date(2018, 7, 5)).days) <= 6


def test_ground_that_never_greens_is_fallow_only_when_it_was_watched_long_enough() -> None:
    bare = np.full(len(DAYS), 0.18)
    assert observe(field(bare, DAYS), call(None), day=END).kind == "fallow"
    early = observe(field(bare[:12], DAYS[:12]), call(None), day=date(2018, 3, 1))
    assert (early.kind, early.start, early.stage) == ("unknown", None, "not started")


def test_grass_is_perennial_and_its_cuts_are_no_seasons() -> None:
    ndvi = 0.8 - 0.3 * np.exp(-(((DAYS % 60) - 30) ** 2) / 40)
    found = observe(field(ndvi, DAYS), call("grassland"), day=END)
    assert found.kind == "perennial" and found.start is None and found.end is None and not found.earlier
    assert any("never bare" in note for note in found.notes)


def test_an_orchard_has_leaf_out_and_leaf_fall() -> None:
    ndvi = 0.42 + hump(DAYS, 110, 310, 0.42, 0.8)
    found = observe(field(ndvi, DAYS), call("apple"), day=END)
    assert found.kind == "perennial" and found.start and found.end
    assert abs((found.start - date(2018, 4, 21)).days) <= 7 and abs((found.end - date(2018, 11, 7)).days) <= 7


def test_a_crop_that_is_called_perennial_is_not_when_its_ground_was_bare() -> None:
    found = observe(field(0.14 + hump(DAYS, 130, 230), DAYS), call("grassland"), day=END)
    assert found.kind == "annual" and found.start


def test_half_a_season_has_no_end_and_no_peak() -> None:
    found = observe(field(0.2 + hump(DAYS, 130, 230), DAYS), call("maize"), day=date(2018, 5, 20))
    assert (found.peak, found.end, found.stage) == (None, None, "growing")
    assert found.start and any("still rises" in note for note in found.notes)
    later = observe(field(0.2 + hump(DAYS, 130, 230), DAYS), call("maize"), day=date(2018, 7, 10))
    assert later.peak and later.peak_90 is None and later.end is None and "the peak is that so far" in later.notes


def test_fewer_than_four_looks_are_unknown() -> None:
    some = DAYS[20:50:12]
    found = observe(field(0.2 + hump(some, 130, 230), some), call("maize"), day=END)
    assert len(some) == 3 and (found.kind, found.stage, found.start, found.bbch) == ("unknown", "unknown", None, None)


def test_a_field_that_was_green_and_stayed_so_for_a_while_is_of_no_known_kind() -> None:
    found = observe(field(np.full(30, 0.6), DAYS[:30]), call(None), day=date(2018, 5, 31))
    assert (found.kind, found.start, found.end) == ("unknown", None, None)


def test_a_start_before_the_first_look_is_no_date_and_the_year_before_tells_it() -> None:
    numbers = np.arange(-120.0, 240.0, 5.0)
    ndvi = 0.2 + hump(numbers, -40, 200)
    whole = field(ndvi, numbers)
    this_year = field(ndvi[numbers >= 0], numbers[numbers >= 0])
    day = date(2018, 8, 28)
    late, early = (observe(one, call("winter_wheat"), day=day) for one in (this_year, whole))
    assert late.start is None and any("before 1 January 2018" in note for note in late.notes)
    assert early.start and abs((early.start - date(2017, 11, 22)).days) <= 6
    assert late.end and early.end and abs((late.end - early.end).days) <= 2


def test_nothing_after_the_day_is_used_and_neither_is_the_far_past() -> None:
    numbers = np.arange(-900.0, 365.0, 5.0)
    ndvi = 0.2 + np.sum([hump(numbers, 130 + 365 * k, 230 + 365 * k) for k in (-3, -2, -1, 0)], axis=0)
    day = date(2018, 8, 1)
    whole = observe(field(ndvi, numbers), call("maize"), day=day)
    cut = (numbers > -510) & (numbers <= 212)
    assert observe(field(ndvi[cut], numbers[cut]), call("maize"), day=day) == whole
    assert whole.start and whole.start.year == 2018


def test_the_calendar_tells_the_crop_from_the_cover_after_it() -> None:
    ndvi = 0.2 + hump(DAYS, 60, 195) + hump(DAYS, 255, 345, high=0.9)
    wheat = observe(field(ndvi, DAYS), call("winter_wheat"), day=END, region="flanders")
    unknown = observe(field(ndvi, DAYS), call("winter_wheat"), day=END)
    assert wheat.peak and wheat.peak.month in (4, 5, 6) and wheat.stage == "harvested"
    assert unknown.peak and unknown.peak.month in (10, 11)
    first, last = usual_peak("winter_wheat", "flanders", date(2018, 12, 31))
    assert EPOCH + timedelta(days=first) == date(2017, 10, 1) and (EPOCH + timedelta(days=last)).year == 2018
    assert np.isnan(usual_peak("winter_wheat", "atlantis", END)).all()


@pytest.mark.parametrize(
    ("day", "low", "high"),
    [(date(2018, 5, 15), 10, 69), (date(2018, 7, 5), 30, 89), (date(2018, 9, 20), 90, 99)],
)
def test_the_stage_is_a_range_that_moves_on(day: date, low: int, high: int) -> None:
    found = observe(field(0.2 + hump(DAYS, 130, 230), DAYS), call("maize"), day=day)
    assert found.bbch
    first, last = map(int, found.bbch.split("-"))
    assert low <= first < last <= high


def test_a_crop_that_is_not_known_has_the_stages_of_all_that_it_may_be() -> None:
    looks, day = field(0.2 + hump(DAYS, 130, 230), DAYS), date(2018, 7, 5)
    spans = [tuple(map(int, str(observe(looks, call(c), day=day).bbch).split("-"))) for c in (None, "maize", "potato")]
    assert spans[0][0] <= min(spans[1][0], spans[2][0]) and spans[0][1] >= max(spans[1][1], spans[2][1])


def test_every_group_of_stages_is_whole() -> None:
    book = policy.load("stages").on(END)
    assert {"cereals", "maize", "rapeseed", "potato", "beet", "legumes", "rice", "fruit_trees", "grass"} < set(book)
    for group in book:
        for crop in book.rule(group, "crops").value:
            assert crop in taxonomy.crops()
        stages = book.rule(group, "stages").value
        assert all(one["place"][0] < one["place"][1] and one["en"] and one["zh"] for one in stages)
        reached = np.arange(0, 5, 0.05)
        covered = [any(one["place"][0] <= at <= one["place"][1] for one in stages) for at in reached]
        assert all(covered), f"{group} has a hole at {reached[covered.index(False)]:.2f}"
        assert "BBCH" in book.rule(group, "stages").reference
    assert group_of("single_rice", END) == "rice" and group_of("pear", END) == "fruit_trees"
    assert group_of("double_winter_wheat_maize", END) == "maize" and group_of(None, END) == "other"


def test_thermal_time_narrows_the_stage(tmp_path: Path) -> None:
    weather = pytest.importorskip("greattit.weather")
    lines = ["date,tmin_c,tmax_c"]
    lines += [f"{date(2018, 1, 1) + timedelta(days=n)},{10 if n > 90 else 0},{22 if n > 90 else 8}" for n in range(365)]
    (tmp_path / "w.csv").write_text("\n".join(lines))
    read = weather.read(tmp_path / "w.csv")
    looks, day = field(0.2 + hump(DAYS, 130, 230), DAYS), date(2018, 6, 5)
    plain, warm = (observe(looks, call("maize"), day=day, weather=sky).bbch for sky in (None, read))
    assert plain and warm
    spans = [tuple(map(int, one.split("-"))) for one in (warm, plain)]
    assert spans[0][1] - spans[0][0] <= spans[1][1] - spans[1][0]


def read_set(shared_data: Path, name: str) -> tuple[NDArray[np.str_], Array, Array, Array]:
    """Crops, and days, NDVI and weights (sample, look) of a labelled set, each sample from its own first look on."""
    import pandas as pd

    folder = shared_data / "series" / name
    crops = pd.read_parquet(folder / "samples.parquet").set_index("sample")["crop"]
    looks = pd.read_parquet(folder / "series.parquet").sort_values(["sample", "date"])
    place = looks.groupby("sample").ngroup().to_numpy()
    nth = looks.groupby("sample").cumcount().to_numpy()
    days, ndvi, weights = np.zeros((3, place.max() + 1, nth.max() + 1))
    days[place, nth] = looks["date"].to_numpy().astype("datetime64[D]").astype(float)
    ndvi[place, nth], weights[place, nth] = looks["ndvi"].to_numpy(), np.isfinite(looks["ndvi"].to_numpy())
    days -= days[:, :1]
    names = crops.loc[sorted(looks["sample"].unique())].to_numpy().astype(str)
    return names, days + 17_000.0, ndvi, weights


def test_double_crops_of_mato_grosso_are_told_from_single_ones(shared_data: Path) -> None:
    """MODIS, 16 days, clouds inside: 82 % of 755 doubles and 91 % of 115 single crops as measured."""
    crops, days, ndvi, weights = read_set(shared_data, "brazil-modis-mt")
    found: Seasons = seasons(draw(days, ndvi, weights), int(days.max()))
    double = found.kind == KINDS.index("double")
    twice, once = np.char.startswith(crops, "double_"), np.isin(crops, ("soybean", "cotton"))
    assert twice.sum() == 755 and once.sum() == 115
    assert double[twice].mean() >= 0.80 and double[once].mean() <= 0.10
    perennial = found.kind == KINDS.index("perennial")
    assert perennial[crops == "forest"].mean() >= 0.9
