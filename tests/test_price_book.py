"""A price book of one's own, and the risk that a price's own past tells."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from made_fields import DAY, Field

from greattit import value
from greattit.errors import DatasetError, PolicyError

HEAD = "crop,region,grade,day,price,currency,risk,source\n"
DAYS = np.arange("2000-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")


def book(folder: Path, *rows: str) -> value.Book:
    file = folder / "prices.csv"
    file.write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
    return value.read_book(file)


def test_a_book_stands_before_the_table_and_names_its_row(tmp_path: Path) -> None:
    own = book(tmp_path, "maize,flanders,,2017-01-01,0.2,EUR,0.1,co-op", "maize,flanders,,2018-01-01,0.5,EUR,0.1,co-op")
    field = Field(crop="maize", likely=("maize",))
    usual = field.worth()
    worth = value.price(field.yields(), field.segment(), region="flanders", day=DAY, book=own)
    assert worth is not None
    assert usual is not None
    figures = {figure.name: figure for figure in worth.figures}
    assert figures["price"].value == 0.5
    assert figures["price risk"].value == 0.1
    assert figures["price"].source.startswith("co-op; prices.csv (sha256 ")
    assert "row 2" in figures["price"].source
    assert own.sha256[:12] in figures["price"].source
    before = {figure.name: figure.value for figure in usual.figures}
    assert worth.money.p50 == pytest.approx(usual.money.p50 * 0.5 / float(before["price"]))


def test_a_later_price_does_not_count_yet(tmp_path: Path) -> None:
    own = book(tmp_path, "maize,flanders,,2099-01-01,0.5,EUR,0.1,co-op")
    assert own.find("maize", region="flanders", day=DAY) is None
    at = value.price_of("maize", region="flanders", day=DAY, book=own)
    assert at is not None
    assert "policy/prices" in at.price.source


def test_a_grade_has_its_own_price_and_no_other(tmp_path: Path) -> None:
    own = book(
        tmp_path, "apple,flanders,A,2018-01-01,0.6,EUR,0.3,auction", "apple,flanders,B,2018-01-01,0.2,EUR,0.3,auction"
    )
    prices = [value.price_of("apple", region="flanders", day=DAY, book=own, grade=grade) for grade in ("A", "B", "C")]
    assert [one.price.value if one else None for one in prices] == [0.6, 0.2, None]


def test_a_price_in_another_money_is_refused(tmp_path: Path) -> None:
    own = book(tmp_path, "maize,flanders,,2018-01-01,1.9,CNY,0.1,market")
    with pytest.raises(PolicyError, match="prices maize in CNY, and lines in flanders are in EUR"):
        value.price_of("maize", region="flanders", day=DAY, book=own)


def test_a_price_without_a_risk_takes_it_from_its_own_past_or_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    months = np.arange("2010-01", "2018-07", dtype="datetime64[M]").astype(str)
    rows = [f"maize,flanders,,{m}-01,{0.2 * math.exp(s):.4f},EUR,,market" for m, s in zip(
        months, rng.normal(0, 0.1, len(months)), strict=True)]  # fmt: skip
    at = book(tmp_path, *rows).find("maize", region="flanders", day=date(2018, 7, 1))
    assert at is not None
    assert 0.05 < at[1].value < 0.3
    assert "years of prices.csv" in at[1].reference
    with pytest.raises(PolicyError, match="has no risk, and too few earlier prices"):
        book(tmp_path, *rows[-10:]).find("maize", region="flanders", day=date(2018, 7, 1))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("maize,flanders,,2018-01-01,0.2,EUR,0.1,", "row 1: lacks source"),
        ("unobtainium,flanders,,2018-01-01,0.2,EUR,0.1,x", "no crop 'unobtainium'"),
        ("maize,flanders,,01/02/2018,0.2,EUR,0.1,x", "'01/02/2018' is no day"),
        ("maize,flanders,,2018-01-01,-3,EUR,0.1,x", "price '-3' is not a number above zero"),
        ("maize,flanders,,2018-01-01,0.2,euros,0.1,x", "'euros' is no currency"),
        ("maize,flanders,,2018-01-01,0.2,EUR,nan,x", "risk 'nan'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        book(tmp_path, row)


def test_two_prices_of_one_day_are_refused(tmp_path: Path) -> None:
    row = "maize,flanders,,2018-01-01,0.2,EUR,0.1,x"
    with pytest.raises(PolicyError, match="rows 1 and 2 price maize in flanders on 2018-01-01 twice"):
        book(tmp_path, row, row)


def test_yaml_is_the_same_book(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(
        "- {crop: maize, region: flanders, day: 2018-01-01, price: 0.5, currency: EUR, risk: 0.1, source: co-op}\n"
    )
    found = value.read_book(file).find("maize", region="flanders", day=DAY)
    assert found is not None
    assert (found[0].value, found[1].value, found[2]) == (0.5, 0.1, "EUR")
    file.write_text("maize: 0.5\n")
    with pytest.raises(PolicyError, match="not a list of prices"):
        value.read_book(file)


def test_the_change_of_a_season_is_told_from_the_same_time_of_other_years() -> None:
    season = np.tile(np.linspace(0, 0.3, 12), 20)  # every year the price climbs by 0.3 from January to December
    change = value.seasonal_change(DAYS, np.exp(season), start=date(2020, 3, 1), months=3)
    assert change is not None
    assert change.quantiles[0.5] == pytest.approx(0.3 * 3 / 11)
    fall = value.seasonal_change(DAYS, np.exp(season), start=date(2020, 12, 1), months=1)
    assert fall is not None
    assert fall.quantiles[0.05] == pytest.approx(-0.3)


def test_later_prices_and_short_series_tell_nothing() -> None:
    flat = np.ones(len(DAYS))
    wild = np.where(np.datetime64("2010-01-01") <= DAYS, np.exp(np.random.default_rng(0).normal(size=len(DAYS))), 1.0)
    for prices in (flat, wild):
        early = value.seasonal_change(DAYS, prices, start=date(2009, 12, 1), months=3, until=date(2009, 12, 1))
        assert early is not None
        assert early.risk == 0.0
    assert value.seasonal_change(DAYS[:30], flat[:30], start=date(2002, 1, 1), months=3) is None


def test_intervals_of_a_random_walk_hold_what_they_say() -> None:
    days = np.arange("1960-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")
    found = [
        value.evaluate_prices(days, np.exp(np.cumsum(np.random.default_rng(n).normal(0, 0.05, len(days)))), months=3)
        for n in range(6)
    ]
    assert 0.76 <= np.mean([one["coverage_80"] for one in found]) <= 0.86
    assert 0.86 <= np.mean([one["coverage_90"] for one in found]) <= 0.94
    with pytest.raises(DatasetError, match="shorter than 13 years"):
        value.evaluate_prices(days[:120], np.ones(120), months=3)


def test_real_prices_stay_inside_their_intervals(shared_data: Path) -> None:
    import pandas as pd

    table = pd.read_csv(shared_data / "tables" / "imf-commodity-prices" / "prices.csv")
    held = []
    for name in ("Wheat", "Maize corn", "Rice", "Soybeans", "Barley", "Cotton", "Bananas", "Oranges"):
        own = table[table["series"] == name]
        days = pd.to_datetime(own["date"]).to_numpy("datetime64[D]")
        held.append(value.evaluate_prices(days, own["value"].to_numpy(float), months=3)["coverage_90"])
    assert 0.87 <= np.mean(held) <= 0.93
