"""The tables themselves: every leaf has its source, and every figure with a series can be reckoned again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import pytest

from greattit import credit, policy
from greattit.crops import taxonomy

BOOKS = ("regions", "yields", "prices", "calendar", "seasons", "credit", "crops")
KEYS = {"description", "unit", "reference", "values", "series"}
Leaf = Mapping[str, Any]


def leaves(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Leaf]]:
    for key, node in tree.items():
        here = f"{path}/{key}"
        assert isinstance(node, Mapping), f"{here} is neither a branch nor a leaf"
        if "values" in node:
            yield here, node
        else:
            assert not KEYS & set(node), f"{here} looks like a leaf without values"
            yield from leaves(node, here)


@pytest.mark.parametrize("book", BOOKS)
def test_every_leaf_is_whole(book: str) -> None:
    found = dict(leaves(policy.load(book).tree, book))
    assert found
    for path, leaf in found.items():
        assert set(leaf) <= KEYS, path
        for key in ("description", "unit", "reference"):
            assert isinstance(leaf[key], str), path
            assert leaf[key].strip(), path
        days = list(leaf["values"])
        assert days, path
        assert all(type(day) is date for day in days), f"{path}: keys must be real dates"
        assert days == sorted(days), f"{path}: dates must ascend"
        assert not any(isinstance(value, float) and math.isnan(value) for value in leaf["values"].values()), path


def tables(book: str) -> list[tuple[str, str, Mapping[str, Leaf]]]:
    regions = policy.load(book).tree["regions"]
    return [(region, crop, figures) for region, crops in regions.items() for crop, figures in crops.items()]


def known(series: Mapping[int, float], first: int, last: int) -> list[float]:
    return [series[year] for year in range(first, last + 1) if year in series]


def test_mean_yields_can_be_reckoned_again_from_their_series() -> None:
    count = 0
    for region, crop, figures in tables("yields"):
        series, rule = figures["mean"].get("series"), "the mean of the harvests Y-6 to Y-2"
        if not series or rule not in figures["mean"]["reference"]:
            continue
        for day, value in figures["mean"]["values"].items():
            expected = statistics.mean(known(series, day.year - 6, day.year - 2))
            assert abs(value - expected) <= 5.0, (region, crop, day)
        for day, value in figures["year_spread"]["values"].items():
            harvests = known(series, day.year - 11, day.year - 2)
            assert value == pytest.approx(statistics.stdev(harvests) / statistics.mean(harvests), abs=6e-4)
            count += 1
    assert count > 40


def test_prices_and_their_risk_can_be_reckoned_again_from_their_series() -> None:
    count = 0
    for region, crop, figures in tables("prices"):
        series = figures["price"].get("series")
        if not series:
            continue
        for day, value in figures["price"]["values"].items():
            assert value == pytest.approx(statistics.mean(known(series, day.year - 4, day.year - 2)) / 1000, abs=6e-6)
        for day, value in figures["risk"]["values"].items():
            errors = [
                math.log(series[year] / statistics.mean(before))
                for year in range(min(series), day.year - 1)
                if year in series and len(before := known(series, year - 4, year - 2)) >= 2
            ]
            expected = math.sqrt(statistics.mean(error**2 for error in errors))
            assert value == pytest.approx(expected, abs=6e-4), (region, crop, day)
            count += 1
    assert count > 40


def test_figures_are_of_a_plausible_size() -> None:
    for region, crop, figures in tables("yields"):
        assert all(1000 <= value <= 120_000 for value in figures["mean"]["values"].values()), (region, crop)
        assert all(0.0 < value < 0.5 for value in figures["year_spread"]["values"].values()), (region, crop)
    for region, crop, figures in tables("prices"):
        assert all(0.01 <= value <= 10.0 for value in figures["price"]["values"].values()), (region, crop)
        assert all(0.0 < value < 1.2 for value in figures["risk"]["values"].values()), (region, crop)


@pytest.mark.parametrize("day", [date(2018, 1, 1), date(2018, 9, 1), date(2023, 9, 1)])
def test_what_has_a_yield_can_be_priced_and_dated(day: date) -> None:
    from greattit.value import price_of
    from greattit.yields import lookup

    for region, crop, _ in tables("yields"):
        assert taxonomy.is_crop(crop, day), crop
        assert lookup(crop, "mean", book="yields", branch=("regions", region), day=day) is not None, (region, crop)
        assert price_of(crop, region=region, day=day) is not None, (region, crop)
        calendar = lookup(crop, book="calendar", branch=(region,), day=day)
        assert calendar is not None, (region, crop)
        assert credit.read_terms(crop, region=region, day=day).step.value > 0


def test_money_is_in_the_money_of_the_region() -> None:
    day = date(2023, 9, 1)
    regions = policy.load("regions").on(day)
    for region, crop, figures in tables("prices"):
        money = regions.rule(region, "currency").value
        assert figures["price"]["unit"] == f"{money}/kg", (region, crop)
    for key in ("cap", "smallest_line", "step"):
        for region, leaf in policy.load("credit").tree[key].items():
            assert leaf["unit"] == regions.rule(region, "currency").value


def test_calendars_are_days_of_every_year() -> None:
    for path, leaf in leaves(policy.load("calendar").tree, "calendar"):
        for value in leaf["values"].values():
            assert set(value) == {"sowing", "harvest_start", "harvest_end"}, path
            for month_day in value.values():
                assert date.fromisoformat(f"2023-{month_day}"), path


def test_seasons_are_in_order_and_of_known_crops() -> None:
    for place in policy.load("seasons").tree:
        for crop, window in taxonomy.seasons(place).items():
            assert taxonomy.is_crop(crop), (place, crop)
            begun = window.sowing[0]
            sown, ripe, done = ((day - begun) % 365 for day in (window.sowing[1], *window.harvest))
            assert 0 <= sown < ripe + 32, (place, crop)  # the first are cut a month at most before the last are sown
            assert 60 <= ripe <= done < 365, (place, crop)
            assert sown < 180, (place, crop)
            assert window.source.startswith(f"policy/seasons/{place}/{crop}, in force since")


def test_seasons_say_what_the_calendar_of_the_lines_says() -> None:
    count = 0
    for place, crops in policy.load("calendar").tree.items():
        for crop, leaf in crops.items():
            rules = policy.load("seasons").tree[place].get(crop)
            if rules is None:
                continue
            (dates,), (window,) = leaf["values"].values(), rules["values"].values()
            assert window["sowing"][0] == dates["sowing"], (place, crop)
            assert window["harvest"] == [dates["harvest_start"], dates["harvest_end"]], (place, crop)
            count += 1
    assert count > 10


def test_the_correlation_of_yield_and_price_is_what_the_series_say() -> None:
    book, table = policy.load("prices").tree, policy.load("yields").tree
    found = []
    for region, crops in table["regions"].items():
        for crop, leaves in crops.items():
            yields = leaves["mean"].get("series", {})
            prices = book["regions"].get(region, {}).get(crop, {}).get("price", {}).get("series", {})
            years = sorted(set(yields) & set(prices))
            if len(years) >= 14:
                found.append(np.corrcoef(*(_strays([one[year] for year in years]) for one in (yields, prices)))[0, 1])
    assert len(found) == 9
    told = book["rules"]["yield_price_correlation"]["reference"]
    assert f"{min(found):.2f} to {max(found):.2f}, mean {np.mean(found):.2f}" in told


def _strays(values: list[float]) -> np.ndarray:
    logs, steps = np.log(values), np.arange(len(values))
    return np.asarray(logs - np.polyval(np.polyfit(steps, logs, 1), steps))
