"""The same ground cannot be claimed twice in one file."""

from __future__ import annotations

from shapely.geometry import box

from greattit.plots import area_ha
from greattit.plots.overlap import claimed_twice
from greattit.types import Plot


def plot(name: str, *edges: float) -> Plot:
    shape = box(*edges)
    return Plot(name, shape, area_ha(shape))


def test_the_later_claim_on_the_same_ground_is_named() -> None:
    plots = [plot("a", 5, 51, 5.01, 51.01), plot("b", 5.02, 51, 5.03, 51.01), plot("a again", 5, 51, 5.01, 51.01)]
    found = claimed_twice(plots)
    assert list(found) == [2] and "plot a" in str(found[2]) and "100%" in str(found[2])


def test_a_small_plot_inside_a_large_one_is_named_and_a_border_strip_is_not() -> None:
    inside = [plot("large", 5, 51, 5.01, 51.01), plot("small", 5.004, 51.004, 5.005, 51.005)]
    assert list(claimed_twice(inside)) == [1]
    strip = [plot("left", 5, 51, 5.01, 51.01), plot("right", 5.0095, 51, 5.02, 51.01)]
    assert not claimed_twice(strip)


def test_a_refused_claim_claims_nothing() -> None:
    plots = [plot("a", 5, 51, 5.01, 51.01), plot("ab", 5.004, 51, 5.014, 51.01), plot("b", 5.0101, 51, 5.02, 51.01)]
    assert list(claimed_twice(plots)) == [1]
