"""What struck a plot: each rule on series and pixels whose damage is known, and the laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point

from greattit import damage
from greattit.damage import card, kinds, rows, water
from greattit.damage import weather as sky
from greattit.damage.told import is_annual
from greattit.errors import ModelError
from greattit.types import BANDS, CropCall, Hazard, Interval, Segment, Series

DAY = date(2023, 10, 31)
LOOKS = np.arange(np.datetime64("2023-01-05"), np.datetime64("2023-10-31"), np.timedelta64(6, "D"))
USUAL = damage.Usual(date(2023, 4, 15), date(2023, 9, 20))
SOIL = {"B02": 0.08, "B03": 0.11, "B04": 0.14, "B08": 0.20, "B11": 0.26, "B12": 0.20}
LEAF = {"B02": 0.03, "B03": 0.06, "B04": 0.03, "B08": 0.45, "B11": 0.18, "B12": 0.08}
WATER = {"B02": 0.06, "B03": 0.07, "B04": 0.06, "B08": 0.04, "B11": 0.015, "B12": 0.01}
CHAR = {"B02": 0.04, "B03": 0.045, "B04": 0.05, "B08": 0.075, "B11": 0.115, "B12": 0.115}
SIDE = 12


def call(crop: str | None) -> CropCall:
    return CropCall({crop: 1.0} if crop else {}, crop, (crop,) if crop else (), 0.9, None, "made", "")


def green(looks: np.ndarray = LOOKS) -> np.ndarray:
    """Return the green cover (t,) of a maize field: up in June, ripe in September."""
    t = (looks - np.datetime64("2023-01-01")).astype(float)
    return 0.95 / (1 + np.exp(-(t - 160) / 8)) * (1 - 1 / (1 + np.exp(-(t - 268) / 6)))


def mixed(cover: np.ndarray, part: dict[str, float] = SOIL, share: np.ndarray | float = 0.0) -> dict[str, np.ndarray]:
    """Return bands of a cover over soil, of which a share is something else."""
    return {
        b: (1 - share) * (cover * LEAF[b] + (1 - cover) * SOIL[b]) + share * part[b] * np.ones_like(cover) for b in SOIL
    }


def series(cover: np.ndarray, **other: Any) -> Series:
    bands = mixed(cover, **other)
    values = np.stack([bands.get(b, np.full(len(cover), np.nan)) for b in BANDS], axis=1).astype(np.float32)
    return Series("made", LOOKS, BANDS, values, np.ones(len(LOOKS), np.float32))


def cube(cover: np.ndarray, **other: Any) -> xr.Dataset:
    """Return a cube (t, y, x) of covers (t, y, x)."""
    layers: dict[str, Any] = {b: (("time", "y", "x"), v.astype(np.float32)) for b, v in mixed(cover, **other).items()}
    layers["clear"] = ("time", "y", "x"), np.ones(cover.shape, bool)
    at = np.arange(SIDE) * 10.0
    coords = {"time": LOOKS.astype("datetime64[ns]"), "y": at[::-1], "x": at}
    return xr.Dataset(layers, coords=coords, attrs={"crs": "EPSG:32631"})


def field() -> Segment:
    area = Interval(1.44, 1.44, 1.44, "ha")
    return Segment("made", np.ones((SIDE, SIDE), np.float32), area, 1.44, Point(0, 0), {}, 0.0)


def whole(cover: np.ndarray) -> np.ndarray:
    return np.broadcast_to(cover[:, None, None], (len(cover), SIDE, SIDE)).copy()


def weather(dry: bool = False, night: str = "", tmin: float = 5.0) -> sky.DailyWeather:
    days = np.arange(np.datetime64("2022-10-01"), np.datetime64("2023-12-01"))
    low, rain = np.full(len(days), tmin), np.full(len(days), 4.0)
    if dry:
        rain[(days >= np.datetime64("2023-05-01")) & (days < np.datetime64("2023-09-01"))] = 0.0
    if night:
        low[days == np.datetime64(night)] = -4.0
    return sky.DailyWeather(days, low, low + 18.0, low + 9.0, rain, np.full(len(days), 18.0))


def since(day: str) -> np.ndarray:
    return np.datetime64(day) <= LOOKS


def look(cover: np.ndarray, crop: str | None = "maize", **given: Any) -> tuple[Any, ...]:
    given = {"neighbours": series(green()), "usual": USUAL, **given}
    return damage.look(series(cover), day=DAY, call=call(crop), **given)


def names(told: tuple[Any, ...]) -> list[str]:
    return [one.kind for one in told]


def test_an_unstruck_field_has_no_damage() -> None:
    assert look(green()) == ()
    assert look(green(), segment=field(), cube=cube(whole(green())), weather=weather()) == ()


def test_hail_is_a_sudden_loss_that_the_neighbours_do_not_have() -> None:
    hit = np.where(since("2023-07-20"), 0.4, 1.0) * green()
    told = look(hit)
    assert names(told) == ["hail or lodging"]
    assert date(2023, 7, 20) <= told[0].day <= date(2023, 7, 30)
    assert told[0].cause_known and "%" in told[0].evidence
    assert 0.0 <= told[0].confidence <= 1.0
    with_pixels = look(hit, segment=field(), cube=cube(whole(hit)))
    assert names(with_pixels) == ["hail or lodging"] and with_pixels[0].share == 1.0
    assert 0.4 < with_pixels[0].lost < 0.65, "of the six tenths that went, NDVI shows five"


def test_without_neighbours_no_hail_is_told() -> None:
    hit = np.where(since("2023-07-20"), 0.4, 1.0) * green()
    assert "hail or lodging" not in names(look(hit, neighbours=None))


def test_a_field_cut_bare_long_before_its_time_was_harvested_early() -> None:
    told = look(np.where(since("2023-08-01"), 0.0, 1.0) * green())
    assert names(told) == ["early harvest"]
    assert told[0].day <= date(2023, 8, 12)
    near = look(np.where(since("2023-09-05"), 0.0, 1.0) * green())
    assert "early harvest" not in names(near)


def test_a_stand_that_never_comes_has_failed_with_neighbours_or_without() -> None:
    told = look(0.15 * green())
    assert names(told) == ["failed emergence"]
    alone = look(0.1 * green(), neighbours=None)
    assert names(alone) == ["failed emergence"] and "bare in every clear look" in alone[0].evidence
    half = whole(green())
    half[:, :, :6] *= 0.1
    part = look(half.mean(axis=(1, 2)), segment=field(), cube=cube(half))
    assert names(part) == ["failed emergence"] and part[0].share == pytest.approx(0.5, abs=0.1)


def test_frost_needs_a_cold_night_and_a_plant_that_is_not_hardened() -> None:
    hit = np.where(since("2023-07-20"), 0.4, 1.0) * green()
    told = look(hit, weather=weather(night="2023-07-18"))
    assert names(told) == ["frost"] and told[0].day == date(2023, 7, 18) and "-4.0 degC" in told[0].evidence
    assert names(look(hit, weather=weather())) == ["hail or lodging"]
    hard = replace(weather(night="2023-07-18", tmin=-2.0), tmax_c=np.full(426, 4.0))
    assert sky.hardened(hard, int(np.datetime64("2023-07-18").astype(int)))


def slow() -> np.ndarray:
    t = (LOOKS - np.datetime64("2023-06-25")).astype(float)
    return (1 - 0.45 * np.clip(t / 40, 0, 1)) * green()


def test_drought_is_a_slow_decline_in_thirsty_weather_that_neighbours_share() -> None:
    both = {"neighbours": series(slow())}
    assert names(look(slow(), weather=weather(dry=True), **both)) == ["drought"]
    assert names(look(slow(), weather=weather(dry=False), **both)) == []
    assert names(look(slow(), **both)) == ["drought"], "without weather: all neighbours decline too"
    assert "drought" not in names(look(slow())), "without weather, and the neighbours stay green"
    assert "drought" not in names(look(slow(), neighbours=None, weather=None))


def test_a_pest_spreads_from_inside() -> None:
    rows_, cols = np.indices((SIDE, SIDE))
    away = np.hypot(rows_ - 5, cols - 5)
    onset = 180 + away / away.max() * 60
    t = (LOOKS - np.datetime64("2023-01-01")).astype(float)
    sick = 1 - 0.8 * np.clip((t[:, None, None] - onset) / 12, 0, 1) * (away < 6.5)
    told = look((whole(green()) * sick).mean(axis=(1, 2)), segment=field(), cube=cube(whole(green()) * sick))
    assert names(told) == ["pest or disease"]
    assert 0.5 < told[0].share < 1.0 and "spread over" in told[0].evidence
    assert "pest or disease" not in names(look((whole(green()) * sick).mean(axis=(1, 2)))), "it needs the pixels"


def test_what_fits_several_causes_is_of_unknown_cause() -> None:
    few = (np.datetime64("2023-07-05") > LOOKS) | (np.datetime64("2023-08-05") < LOOKS)
    own = series(np.where(since("2023-07-20"), 0.4, 1.0) * green())
    gap = Series("made", LOOKS[few], BANDS, own.values[few], own.clear[few])
    told = damage.look(gap, day=DAY, call=call("maize"), neighbours=series(green()), usual=USUAL)
    assert names(told) == [kinds.UNKNOWN] and not told[0].cause_known


def flooded_cube(edge: float = 0.0) -> xr.Dataset:
    """Return a field of which five columns of twelve are flooded, and of the sixth a share."""
    wet = np.zeros((len(LOOKS), SIDE, SIDE))
    during = since("2023-07-10") & ~since("2023-07-30")
    wet[during, :, :5] = 1.0
    wet[during, :, 5] = edge
    cover = whole(green())
    cover[since("2023-07-10"), :, :5] *= 0.15
    return cube(cover, part=WATER, share=wet)


def test_a_flood_is_open_water_in_two_looks_with_its_share_and_days() -> None:
    stack = flooded_cube()
    own = series(np.where(since("2023-07-10"), 1 - 0.85 * 5 / 12, 1.0) * green())
    told = damage.look(
        own, day=DAY, segment=field(), cube=stack, neighbours=series(green()), call=call("maize"), usual=USUAL
    )
    assert names(told) == ["flood"], "the loss that follows is the water's"
    assert told[0].share == pytest.approx(5 / 12, abs=0.03)
    assert date(2023, 7, 10) <= told[0].day <= date(2023, 7, 16) and told[0].last is not None
    dark = stack.copy()
    dark["clear"] = stack["clear"].copy(data=np.broadcast_to(~since("2023-07-16")[:, None, None], stack["clear"].shape))
    one = damage.look(own, day=date(2023, 7, 15), segment=field(), cube=dark, call=call("maize"), usual=USUAL)
    assert one == (), "a single wet look may be a shadow"


def test_a_flood_reaches_to_its_mixed_pixels() -> None:
    own = series(np.where(since("2023-07-10"), 1 - 0.85 * 5 / 12, 1.0) * green())
    for edge, columns in ((0.0, 5), (0.3, 5), (0.75, 6)):
        (told,) = damage.look(own, day=DAY, segment=field(), cube=flooded_cube(edge), call=call("maize"), usual=USUAL)
        assert told.kind == "flood"
        assert told.share == pytest.approx(columns / 12, abs=0.03)


def test_snow_is_no_flood_and_paddies_are_none() -> None:
    snow = dict.fromkeys(("B02", "B03", "B04", "B08"), 0.6) | {"B11": 0.08, "B12": 0.06}
    bands = {b: np.array([v]) for b, v in snow.items()}
    assert not water.optical_water(bands).any()
    assert water.optical_water({b: np.array([v]) for b, v in WATER.items()}).all()
    early = np.where(since("2023-05-01") & ~since("2023-05-30"), 1.0, 0.0)
    paddy = series(green(), part=WATER, share=early)
    assert names(damage.look(paddy, day=DAY, call=call("maize"))) == ["flood"]
    assert damage.look(paddy, day=DAY, call=call("rice")) == ()


def test_straw_that_burnt_is_char_after_the_harvest() -> None:
    t = (LOOKS - np.datetime64("2023-01-01")).astype(float)
    cereal = 0.95 / (1 + np.exp(-(t - 100) / 8)) * (1 - 1 / (1 + np.exp(-(t - 195) / 4)))
    char = np.where(since("2023-08-05") & ~since("2023-08-25"), 0.9, 0.0)
    usual = damage.Usual(date(2022, 10, 1), date(2023, 7, 25))
    given: dict[str, Any] = {"day": DAY, "neighbours": series(cereal), "usual": usual}
    told = damage.look(series(cereal, part=CHAR, share=char), call=call("winter_wheat"), **given)
    assert names(told) == ["straw burning"] and told[0].day <= date(2023, 8, 12)
    assert told[0].lost == 0.0, "the harvest was in"
    assert damage.look(series(cereal), call=call("winter_wheat"), **given) == ()
    assert damage.look(series(cereal, part=CHAR, share=char), call=call("potato"), **given) == ()


@pytest.mark.parametrize("crop", ["grassland", "apple", "alfalfa", "double_wheat_rice", None])
def test_cuts_of_grass_and_unknown_crops_are_no_damage(crop: str | None) -> None:
    hit = np.where(since("2023-07-20"), 0.2, 1.0) * green()
    assert look(hit, crop=crop) == ()


def test_annual_crops_are_told_from_perennials() -> None:
    assert all(is_annual(crop) for crop in ("maize", "winter_wheat", "potato", "cabbage", "soybean"))
    assert not any(is_annual(crop) for crop in ("grassland", "apple", "alfalfa", "forest", "grape"))


def test_nothing_after_the_day_is_read_and_nothing_seen_tells_nothing() -> None:
    hit = series(np.where(since("2023-07-20"), 0.4, 1.0) * green())
    given: dict[str, Any] = {"neighbours": series(green()), "call": call("maize"), "usual": USUAL}
    before = date(2023, 7, 15)
    assert damage.look(hit, day=before, **given) == damage.look(series(green()), day=before, **given) == ()
    empty = Series("none", LOOKS[:0], BANDS, hit.values[:0], hit.clear[:0])
    unseen = Series("none", LOOKS, BANDS, hit.values * np.nan, hit.clear)
    for one in (empty, unseen):
        assert damage.look(one, day=DAY, **given) == ()
        assert damage.look(one, day=DAY, segment=field(), cube=cube(whole(green())), **given) == ()


def test_rows_and_single_looks_agree() -> None:
    factors = (1.0, np.where(since("2023-07-20"), 0.4, 1.0), 0.1, np.where(since("2023-08-01"), 0.0, 1.0))
    many = [series(factor * green()) for factor in factors]
    beside = [series(green())] * len(many)
    told = damage.look_rows(
        many, day=DAY, neighbours=beside, calls=[call("maize")] * len(many), usual=[USUAL] * len(many)
    )
    one_by_one = [damage.look(one, day=DAY, neighbours=beside[0], call=call("maize"), usual=USUAL) for one in many]
    assert [names(one) for one in told] == [names(one) for one in one_by_one]
    assert [[h.evidence for h in one] for one in told] == [[h.evidence for h in one] for one in one_by_one]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.booleans(), min_size=len(LOOKS), max_size=len(LOOKS)), st.floats(0.9, 1.05), st.integers(0, 2**32 - 1)
)
def test_fewer_looks_never_invent_damage(kept: list[bool], vigour: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.01, len(LOOKS))
    own = series(np.clip(vigour * green() + noise, 0, 1))
    keep = np.array(kept)
    thin = Series("made", LOOKS[keep], BANDS, own.values[keep], own.clear[keep])
    given_: dict[str, Any] = {"call": call("maize"), "usual": USUAL, "weather": weather()}
    assert damage.look(thin, day=DAY, neighbours=series(green()), **given_) == ()
    assert damage.look(thin, day=DAY, neighbours=None, **given_) == ()


def test_a_crop_in_bloom_has_lost_nothing() -> None:
    petals = {"B02": 0.07, "B03": 0.33, "B04": 0.36, "B08": 0.50, "B11": 0.25, "B12": 0.12}
    bloom = np.where(since("2023-07-05") & ~since("2023-08-10"), 0.45, 0.0)
    spoilt = series(green(), part=petals, share=bloom)
    told = damage.look(spoilt, day=DAY, call=call("sunflower"), neighbours=series(green()), usual=USUAL)
    assert told == ()


def test_a_patch_that_grows_while_the_mean_holds_is_a_pest() -> None:
    rows_, cols = np.indices((SIDE, SIDE))
    away = np.hypot(rows_ - 4, cols - 4)
    t = (LOOKS - np.datetime64("2023-01-01")).astype(float)
    sick = 1 - 0.75 * np.clip((t[:, None, None] - 185 - 14 * away) / 12, 0, 1) * (away < 3.2)
    told = look((whole(green()) * sick).mean(axis=(1, 2)), segment=field(), cube=cube(whole(green()) * sick))
    assert names(told) == ["pest or disease"] and 0.1 < told[0].share < 0.4


def test_a_lone_cloudy_look_is_no_loss() -> None:
    spoilt = green().copy()
    spoilt[np.flatnonzero(since("2023-07-20"))[0]] = 0.2
    assert look(spoilt) == ()


def test_closed_fills_a_dip_of_one_look_and_waits_for_the_last() -> None:
    table = np.array([[0.8, 0.2, 0.8, 0.8, 0.1], [0.8, 0.2, 0.2, 0.2, np.nan]])
    filled = rows.closed(table)
    assert filled[0].tolist() == [0.8, 0.8, 0.8, 0.8, 0.8]
    assert filled[1][:3].tolist() == [0.8, 0.2, 0.2] and np.isnan(filled[1][4])


def test_the_median_of_neighbours_needs_three() -> None:
    many = [series(factor * green()) for factor in (1.0, 0.9, 0.5)]
    assert damage.median_series(many[:2]) is None
    middle = damage.median_series(many)
    assert middle is not None
    np.testing.assert_allclose(middle.values, many[1].values, atol=1e-6)


def test_thirst_grows_without_rain_and_unknown_days_leave_it() -> None:
    dry = sky.stress(weather(dry=True))
    assert sky.stress(weather()).max() < 0.3 < dry.max() <= 1.0
    blind = replace(weather(dry=True), radiation_mj_m2=np.full(426, np.nan))
    assert np.isnan(sky.stress(blind)).all()


def test_thresholds_out_of_a_histogram_part_two_classes() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(-20, 1, 4000), rng.normal(-11, 1.5, 6000)])
    for threshold in (water.otsu(values), water.least_error(values)):
        assert -18 < threshold < -13
    assert np.isnan(water.least_error(np.full(10, 3.0)))


def test_radar_sees_water_that_is_not_always_there() -> None:
    rng = np.random.default_rng(0)
    level = np.full((10, 12, 12), 10 ** (-1.1))
    level[6:8, :6] = 10 ** (-2.05)
    level[:, 9:] = 10 ** (-2.1)
    layers = {
        name: 10 * np.log10(level * off * rng.gamma(4.4, 1 / 4.4, level.shape))
        for name, off in (("VV", 1), ("VH", 0.2))
    }
    wet = water.radar_margin(layers) > 0
    assert wet[6:8, 1:5, 1:8].mean() > 0.9
    assert wet[:6].mean() < 0.01 and wet[:, 9:].mean() < 0.2, "a pond is no flood"


def test_a_card_without_its_thresholds_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="train damage"):
        card.read(tmp_path)
    (tmp_path / "card.yaml").write_text("levels: {fall: 0.2}\nright: {}\n")
    with pytest.raises(ModelError, match="lacks"):
        card.read(tmp_path)


def test_what_is_only_shown_takes_no_harvest() -> None:
    day = date(2023, 8, 1)
    half = Hazard("hail or lodging", 0.5, day, "made", lost=0.4)
    assert damage.loss(half, day=day) == pytest.approx(0.2)
    assert damage.loss(replace(half, kind="pest or disease"), day=day) == 0.0
    assert damage.loss(replace(half, kind="decline, cause unknown"), day=day) == 0.0
    assert np.isnan(damage.loss(replace(half, share=float("nan")), day=day))
