"""Credit: the line by pencil, its laws, and the cases that a loan officer wrote."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_fields import DAY, Field

from greattit import credit
from greattit.errors import GreatTitError
from greattit.types import CreditLine, Interval

CASES = sorted((Path(__file__).parent / "cases" / "credit").glob("*.yaml"))
CROPS = st.sampled_from(("maize", "potato", "cabbage", "sugar_beet", "grassland", "spring_barley", "other_legume"))
FIELDS = st.builds(
    lambda crop, looks, vigour, p10, wide, drawn, debt, certainty: Field(
        crop=crop,
        looks=looks,
        vigour=vigour,
        area_ha=(p10, p10 * wide, p10 * wide * 1.1),
        drawn_ha=drawn,
        live_debt=debt,
        certainty=certainty,
    ),
    CROPS,
    st.integers(0, 30),
    st.floats(0.0, 1.0),
    st.floats(0.05, 80.0),
    st.floats(1.0, 1.5),
    st.floats(0.05, 90.0),
    st.decimals(0, 5000, places=2),
    st.floats(0.3, 1.0),
)


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in CASES
        for case in yaml.safe_load(path.read_text())
    ]


@pytest.mark.parametrize("case", cases())
def test_what_the_loan_officer_expects(case: dict[str, Any]) -> None:
    line = Field(**case["given"]).line()
    expected = case["expected"]
    assert line.refused == expected.get("refused")
    for key in ("currency", "rule", "due", "tenor_days"):
        if key in expected:
            assert getattr(line, key) == expected[key], key
    if "limit" in expected:
        assert line.limit == Decimal(str(expected["limit"]))
    assert set(expected.get("reasons", ())) <= {reason.code for reason in line.reasons}


def test_the_line_is_rebuilt_from_json_alone() -> None:
    line = Field(crop="potato", vigour=0.8, live_debt="123.45").line()
    told = json.loads(json.dumps([asdict(figure) for figure in line.figures]))
    f = {figure["name"]: Decimal(str(figure["value"])) for figure in told if figure["unit"] not in ("crop", "day")}
    advance = f["advance rate"] * f["prudent value"]
    need = f["need share"] * f["need mean yield"] * f["need price"] * f["need area"]
    free = min(advance, need, f["cap"]) - f["live debt"]
    assert free // f["step"] * f["step"] == line.limit > 0
    assert all(figure["source"] for figure in told)


@given(field=FIELDS)
def test_a_limit_is_a_multiple_of_the_step_within_its_bounds(field: Field) -> None:
    line = field.line()
    assert 0 <= line.limit <= 50_000
    assert line.limit % 10 == 0
    assert (line.limit == 0) == (line.refused is not None) == (line.due is None)
    assert sum(reason.effect == "refuses" for reason in line.reasons) == (line.refused is not None)
    assert line.refused is None or line.refused == line.reasons[-1].code in credit.CODES
    assert line.due is None or line.tenor_days == (line.due - field.day).days > 0


@given(field=FIELDS, fewer=st.integers(0, 30), weaker=st.floats(0.0, 1.0), shrink=st.floats(0.1, 1.0))
def test_less_seen_weaker_or_smaller_never_raises_a_line(
    field: Field, fewer: int, weaker: float, shrink: float
) -> None:
    full = field.line().limit
    smaller = tuple(ha * shrink for ha in field.area_ha)
    assert replace(field, looks=min(fewer, field.looks)).line().limit <= full
    assert replace(field, vigour=min(weaker, field.vigour)).line().limit <= full
    assert replace(field, area_ha=smaller).line().limit <= full
    assert replace(field, drawn_ha=field.drawn_ha * shrink).line().limit <= full
    assert replace(field, damage=({"kind": "flood", "share": 1.0 - shrink},)).line().limit <= full


@given(field=FIELDS, other=CROPS)
def test_doubt_about_the_crop_never_raises_a_line(field: Field, other: str) -> None:
    assert replace(field, likely=(str(field.crop), other)).line().limit <= field.line().limit


@given(field=FIELDS, more=st.decimals(0, 60_000, places=2))
def test_more_debt_never_raises_a_line(field: Field, more: Decimal) -> None:
    assert replace(field, live_debt=field.live_debt + more).line().limit <= field.line().limit


@given(days=st.integers(0, 75))
def test_a_later_day_changes_only_what_the_policy_says(days: int) -> None:
    first, later = Field(crop="maize").line(), Field(crop="maize", day=DAY + timedelta(days)).line()
    assert (later.limit, later.due, later.rule) == (first.limit, first.due, first.rule)
    assert first.tenor_days - later.tenor_days == days


def nan_cases() -> list[tuple[Field, str]]:
    nan = math.nan
    return [
        (Field(drawn_ha=nan), "no_area"),
        (Field(area_ha=(nan, 1.9, 2.0)), "no_area"),
        (Field(area_ha=(1.8, nan, 2.0)), "no_area"),
        (Field(certainty=nan), "crop_unknown"),
        (Field(vigour=nan), "too_few_looks"),
        (Field(damage=({"kind": "flood", "share": nan},)), "flooded"),
        (Field(damage=({"kind": "sudden loss", "share": nan},)), "failed_crop"),
        (Field(live_debt="NaN"), "debt_exceeds"),
        (Field(live_debt="sNaN"), "debt_exceeds"),
    ]


@pytest.mark.parametrize(("field", "code"), nan_cases())
def test_nan_is_a_refusal_with_its_code(field: Field, code: str) -> None:
    line = field.line()
    assert line.refused == code
    assert line.limit == 0


def offer(field: Field, **changed: Any) -> CreditLine:
    known: dict[str, Any] = {
        "worth": field.worth(),
        "yields": field.yields(),
        "segment": field.segment(),
        "call": field.call(),
        "growth": field.growth(),
        "region": field.region,
        "day": field.day,
        "live_debt": Decimal(0),
    }
    return credit.offer(**{**known, **changed})


def test_a_worth_that_is_missing_or_not_a_number_is_refused() -> None:
    worth = Field().worth()
    assert worth is not None
    for broken in (math.nan, math.inf):
        money = Interval(broken, broken, broken, "EUR")
        assert offer(Field(), worth=replace(worth, money=money)).refused == "no_yield"
    assert offer(Field(), worth=None).refused == "no_price"
    assert offer(Field(), yields=()).refused == "no_yield"


def test_a_negative_debt_is_an_error_not_a_gift() -> None:
    with pytest.raises(GreatTitError, match="live debt"):
        Field(live_debt=-1).line()


def test_refuse_keeps_the_reasons_and_ends_with_its_own() -> None:
    reasons = Field().line().reasons[:2]
    line = credit.refuse("no_price", "There is no price.", reasons=reasons, currency="EUR")
    assert (line.limit, line.refused, line.currency, line.due) == (Decimal(0), "no_price", "EUR", None)
    assert line.reasons[:2] == reasons
    assert line.reasons[-1].effect == "refuses"


def test_reasons_are_plain_sentences_with_figures() -> None:
    line = Field(crop="potato", likely=("potato", "maize"), vigour=0.83, live_debt=50, cut_away={"edge": 0.05}).line()
    told = {reason.code: reason for reason in line.reasons}
    assert {
        "area",
        "looks",
        "crop",
        "other_crops",
        "vigour",
        "damage",
        "yield",
        "price",
        "rule",
        "live_debt",
        "due",
    } <= set(told)
    assert "2.00 ha" in told["area"].text
    assert "0.05 ha of edge" in told["area"].text
    assert "83%" in told["vigour"].text
    assert "EUR/kg" in told["price"].text
    assert told["rule"].effect == "binds"
    for reason in line.reasons:
        assert reason.text.endswith(".")
        assert reason.effect in ("raises", "lowers", "binds", "refuses", "informs")


@pytest.mark.parametrize(
    ("day", "late", "harvest_end"),
    [
        (date(2018, 9, 1), 30, date(2018, 8, 25)),
        (date(2018, 9, 1), 0, None),
        (date(2018, 10, 1), 30, date(2019, 8, 25)),
        (date(2019, 1, 5), 0, date(2019, 8, 25)),
    ],
)
def test_seasons_of_winter_wheat(day: date, late: int, harvest_end: date | None) -> None:
    season = credit.season_of("winter_wheat", region="flanders", day=day, late_days=late)
    assert (season and season.harvest_end) == harvest_end


def test_a_season_can_end_in_the_next_year() -> None:
    season = credit.season_of("cabbage", region="flanders", day=date(2019, 1, 10), late_days=30)
    assert season is not None
    assert (season.sown, season.harvest_end) == (date(2018, 3, 15), date(2018, 12, 31))
