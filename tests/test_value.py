"""Value: rebuilt from its figures, and its laws."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_fields import DAY, Field

from greattit import policy, value
from greattit.policy import Rules

AREA = st.floats(0.05, 200.0)


def test_money_is_rebuilt_from_the_figures_alone() -> None:
    worth = Field(crop="potato", likely=("potato",), vigour=0.7, looks=7, area_ha=(1.5, 1.9, 2.2)).worth()
    assert worth is not None
    f: dict[str, Any] = {figure.name: figure.value for figure in worth.figures}
    area = min(f["drawn area"], f["measured area p50"])
    s_area = math.log(area / min(f["drawn area"], f["measured area p10"])) / 1.2816
    s_yield = math.hypot(f["year spread"], f["field spread"]) * math.sqrt(f["looks enough"] / 7)
    s = math.sqrt(
        s_area**2 + s_yield**2 + f["price risk"] ** 2 + 2 * f["yield price correlation"] * s_yield * f["price risk"]
    )
    p50 = area * f["mean yield"] * f["vigour"] * f["undamaged share"] * f["price"]
    assert worth.money.p50 == pytest.approx(p50)
    assert worth.money.p10 == pytest.approx(p50 * math.exp(-1.2816 * s))
    assert worth.money.p90 == pytest.approx(p50 * math.exp(1.2816 * s))
    assert worth.currency == worth.money.unit == "EUR"
    assert all(figure.source for figure in worth.figures)


def test_the_least_valuable_likely_crop_counts() -> None:
    worth = Field(crop="potato", likely=("potato", "grassland", "maize")).worth()
    assert worth is not None
    assert worth.crop == "grassland"


@given(p10=st.floats(0.1, 1.0), p50=st.floats(1.0, 3.0), more=st.floats(0.0, 2.0), drawn=AREA)
def test_a_smaller_area_is_never_worth_more(p10: float, p50: float, more: float, drawn: float) -> None:
    small = Field(area_ha=(p10, p50, p50 + 1), drawn_ha=drawn).worth()
    for other in (
        Field(area_ha=(p10, p50 + more, p50 + more + 1), drawn_ha=drawn).worth(),
        Field(area_ha=(min(p10 + more, p50), p50, p50 + 1), drawn_ha=drawn).worth(),
        Field(area_ha=(p10, p50, p50 + 1), drawn_ha=drawn + more).worth(),
    ):
        assert small is not None
        assert other is not None
        assert small.money.p10 <= other.money.p10 * (1 + 1e-12)
        assert small.money.p50 <= other.money.p50 * (1 + 1e-12)


@given(factor=st.floats(0.01, 1.0))
def test_a_lower_price_is_never_worth_more(factor: float) -> None:
    full = Field().worth()
    tree = policy.load("prices").tree
    leaf = tree["regions"]["flanders"]["maize"]["price"]
    lower = {**leaf, "values": {day: price * factor for day, price in leaf["values"].items()}}
    maize = {**tree["regions"]["flanders"]["maize"], "price": lower}
    regions = {**tree["regions"], "flanders": {**tree["regions"]["flanders"], "maize": maize}}
    real = policy.load
    with pytest.MonkeyPatch.context() as patch:
        made = Rules("prices", {**tree, "regions": regions}, "0" * 64)
        patch.setattr(policy, "load", lambda name: made if name == "prices" else real(name))
        less, line = Field().worth(), Field().line()
    assert full is not None
    assert less is not None
    assert less.money.p10 <= full.money.p10
    assert line.limit <= Field().line().limit


def test_nan_travels() -> None:
    for field in (
        Field(area_ha=(math.nan, 1.9, 2.0)),
        Field(area_ha=(1.8, math.nan, 2.0)),
        Field(drawn_ha=math.nan),
        Field(area_ha=(0.0, 1.9, 2.0)),
        Field(vigour=math.nan),
    ):
        worth = field.worth()
        assert worth is not None
        assert math.isnan(worth.money.p10)


def test_an_unknown_crop_among_known_ones_makes_the_worth_unknown_not_dearer() -> None:
    known, unknown = Field(crop="maize").yields()[0], Field(crop="potato", vigour=math.nan).yields()[0]
    worth = value.price((known, unknown), Field().segment(), region="flanders", day=DAY)
    assert worth is not None
    assert math.isnan(worth.money.p10)


def test_no_yield_no_region_or_no_price_is_worth_nothing_known() -> None:
    assert value.price((), Field().segment(), region="flanders", day=DAY) is None
    assert value.price(Field().yields(), Field().segment(), region=None, day=DAY) is None
    assert value.price(Field().yields(), Field().segment(), region="atlantis", day=DAY) is None
    assert value.price_of("soybean", region="flanders", day=DAY) is None


def test_a_field_of_no_vigour_is_worth_nothing() -> None:
    worth = Field(vigour=0.0).worth()
    assert worth is not None
    assert (worth.money.p10, worth.money.p50, worth.money.p90) == (0.0, 0.0, 0.0)
