"""The loader of decided numbers, and the places."""

from __future__ import annotations

from datetime import date

import pytest

from greattit import policy
from greattit.errors import PolicyError
from greattit.policy import places


def rules() -> policy.Rules:
    leaf = {"description": "a", "unit": "1", "reference": "b", "values": {date(2020, 1, 1): 1, date(2021, 3, 1): 2}}
    return policy.Rules("made", {"branch": {"leaf": leaf}}, "0" * 64)


@pytest.mark.parametrize(("day", "value"), [(date(2020, 1, 1), 1), (date(2021, 2, 28), 1), (date(2021, 3, 1), 2)])
def test_the_value_is_the_one_that_came_into_force_last(day: date, value: int) -> None:
    decided = rules().on(day).rule("branch", "leaf")
    assert decided.value == value
    assert decided.path == "made/branch/leaf"
    assert str(decided.since) in decided.source


def test_before_the_first_day_there_is_no_value() -> None:
    with pytest.raises(PolicyError, match="not in force on 2019-12-31"):
        rules().on(date(2019, 12, 31)).rule("branch", "leaf")


def test_unknown_keys_and_branches_are_policy_errors() -> None:
    view = rules().on(date(2022, 1, 1))
    with pytest.raises(PolicyError, match="no such rule"):
        view.rule("branch", "other")
    with pytest.raises(PolicyError, match="a branch, not a leaf"):
        view.rule("branch")
    with pytest.raises(PolicyError, match="a leaf, not a branch"):
        view.rule("branch", "leaf", "deeper")
    with pytest.raises(PolicyError, match="no such policy file"):
        policy.load("nowhere")


def test_membership_asks_for_the_key_only() -> None:
    view = rules().on(date(1999, 1, 1))
    assert "branch" in view
    assert "other" not in view
    assert list(view) == ["branch"]
    assert len(view) == 1


@pytest.mark.parametrize(
    ("lon", "lat", "region"),
    [(3.2, 51.0, "flanders"), (-97.0, 49.9, "canada"), (114.3, 34.8, "north_china_plain"), (0.0, 0.0, None)],
)
def test_region_at(lon: float, lat: float, region: str | None) -> None:
    assert places.region_at(lon, lat, day=date(2018, 9, 1)) == region


def test_nan_is_nowhere_and_before_the_first_day_there_are_no_regions() -> None:
    assert places.region_at(float("nan"), 51.0, day=date(2018, 9, 1)) is None
    assert places.region_at(3.2, 51.0, day=date(1990, 1, 1)) is None


def test_what_is_decided_for_a_place() -> None:
    day = date(2018, 9, 1)
    assert places.currency("flanders", day=day) == "EUR"
    assert places.name("flanders", day=day) == "Flanders"
    assert 0.9 < sum(places.crop_shares("flanders", day=day).values()) <= 1.0
    assert places.crop_shares("canada", day=day) == {}
    with pytest.raises(PolicyError):
        places.currency("atlantis", day=day)
