"""Value: what the harvest is worth, as an interval in the region's money.

For each crop that cannot be ruled out, with area A, yield Y and price P taken as lognormal::

    A50 = min(drawn, measured p50)     A10 = min(drawn, measured p10)     sA = ln(A50 / A10) / 1.2816
    sY  = ln(yield p50 / yield p10) / 1.2816                              sP = price risk (policy)
    s   = sqrt(sA^2 + sY^2 + sP^2 + 2 r sY sP)     r = yield_price_correlation (policy)
    p50 = A50 * yield p50 * price      p10, p90 = p50 * exp(-+1.2816 * s)

Area is independent of yield and price. Of several crops the one with the least p10 counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from greattit import policy
from greattit.errors import PolicyError
from greattit.policy import Decided, places
from greattit.types import Figure, Interval, Segment, Worth, Yield
from greattit.value.book import Book
from greattit.yields import Z, lookup


@dataclass(frozen=True)
class Price:
    """A crop's price as it stands on a day."""

    price: Decided
    """[currency/kg]"""
    risk: Decided
    """relative standard deviation [1]"""


def price_of(crop: str, *, region: str, day: date, book: Book | None = None, grade: str = "") -> Price | None:
    """Return the price of a crop (or its nearest ancestor's); None when there is none on that day.

    A `book` stands before the table of policy/prices.yaml, and alone where a `grade` is asked for. Raises
    `PolicyError` when the book's price is in another money than the region's.
    """
    if book is not None:
        found = book.find(crop, region=region, grade=grade, day=day)
        if found is not None:
            paid, risk, money = found
            if money != places.currency(region, day=day):
                raise PolicyError(
                    f"prices {crop} in {money}, and lines in {region} are in {places.currency(region, day=day)}",
                    subject=book.name,
                    remedy="price it in the region's money; nothing is changed at a rate that is not given",
                )
            return Price(paid, risk)
    if grade:
        return None
    usual = lookup(crop, "price", book="prices", branch=("regions", region), day=day)
    stray = lookup(crop, "risk", book="prices", branch=("regions", region), day=day)
    return None if usual is None or stray is None else Price(usual, stray)


def lendable_ha(segment: Segment) -> float:
    """Return the area that counts [ha]: the lesser of the drawn one and the middle of the measured; NaN stays."""
    return _least(segment.drawn_ha, segment.area_ha.p50)


def price(
    yields: Sequence[Yield],
    segment: Segment,
    *,
    region: str | None,
    day: date,
    book: Book | None = None,
    grade: str = "",
) -> Worth | None:
    """Return the worth [region's money] of the least valuable crop; None when no crop has a yield and a price.

    NaN in area or yield gives a NaN interval, which `credit.offer` refuses; a crop without a price is left out. A
    price `book` and a `grade` are as for `price_of`.
    """
    if not region:
        return None
    priced = [(one, price_of(one.crop, region=region, day=day, book=book, grade=grade)) for one in yields]
    worths = [_worth(one, at, segment, region, day) for one, at in priced if at is not None]
    return min(worths, key=_prudence, default=None)


def _worth(one: Yield, at: Price, segment: Segment, region: str, day: date) -> Worth:
    money = places.currency(region, day=day)
    correlation = policy.load("prices").on(day).rule("rules", "yield_price_correlation")
    area, narrow = lendable_ha(segment), _least(segment.drawn_ha, segment.area_ha.p10)
    s_area, s_yield, s_price = _spread(area, narrow), _spread(one.kg_ha.p50, one.kg_ha.p10), float(at.risk.value)
    spread = math.sqrt(s_area**2 + s_yield**2 + s_price**2 + 2.0 * correlation.value * s_yield * s_price)
    middle = area * one.kg_ha.p50 * at.price.value
    low, high = middle * math.exp(-Z * spread), middle * math.exp(Z * spread)
    value = "p50 = lendable area x yield p50 x price; p10, p90 = p50 x exp(-+1.2816 x value spread)"
    figures = (
        Figure("drawn area", segment.drawn_ha, "ha", "the farmer's drawing, geodesic"),
        Figure("measured area p50", segment.area_ha.p50, "ha", "the segment cut from the tiles"),
        Figure("measured area p10", segment.area_ha.p10, "ha", "the segment cut from the tiles"),
        Figure("lendable area", area, "ha", "min(drawn area, measured area p50)"),
        Figure("area spread", s_area, "1", "ln(lendable area / min(drawn area, measured area p10)) / 1.2816"),
        *one.figures,
        Figure("price", float(at.price.value), f"{money}/kg", at.price.source),
        Figure("price risk", s_price, "1", at.risk.source),
        Figure("yield price correlation", float(correlation.value), "1", correlation.source),
        Figure(
            "value spread", spread, "1", "sqrt(area^2 + yield^2 + price^2 + 2 x correlation x yield x price) of spreads"
        ),
        Figure("value p50", middle, money, value),
        Figure("value p10", low, money, value),
    )
    return Worth(one.crop, money, Interval(low, middle, high, money), figures)


def _spread(middle: float, low: float) -> float:
    if not (middle > 0.0 and low > 0.0 and math.isfinite(middle)):
        return 0.0 if middle == 0.0 and low == 0.0 else math.nan
    return math.log(middle / low) / Z


def _least(*numbers: float) -> float:
    return math.nan if any(math.isnan(number) for number in numbers) else min(numbers)


def _prudence(worth: Worth) -> tuple[bool, float]:
    unknown = math.isnan(worth.money.p10)
    return not unknown, 0.0 if unknown else worth.money.p10
