"""The words and steps of a report: what both the picture and the page say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from greattit.crops import taxonomy
from greattit.errors import PolicyError

if TYPE_CHECKING:
    from greattit.types import Appraisal, Figure, Segment

SIMULATED = "SIMULATED DATA"
MU = 15.0
"""mu of a hectare"""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
RULES = {
    "advance": "the advance on the prudent value of the harvest",
    "need": "what growing the crop costs",
    "cap": "the highest line that is given",
}
"""what each rule of `CreditLine.rule` is, in a sentence"""


@dataclass(frozen=True)
class Held:
    """One of several fields that a drawing holds, in words."""

    number: int
    """its number on the picture, from 1"""
    share: str
    """share of the drawing that it takes"""
    area: str
    """area of the whole field"""
    between: str
    """how sure that is"""
    confidence: str
    """probability that it is a field of its own"""


def crop(name: str | None) -> str:
    """Return a house name as a reader writes it."""
    if not name:
        return "Unknown"
    try:
        return taxonomy.name(name).capitalize()
    except PolicyError:
        return name.replace("_", " ").capitalize()


def day(value: date | None) -> str:
    """Return a day as 1 Sep 2018."""
    return "-" if value is None else f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def number(value: float | str | Decimal, digits: int = 3) -> str:
    """Return a number with thousands marked and about `digits` digits; text as it is, NaN as "not known"."""
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not exact.is_finite():
        return "not known"
    if not isinstance(value, float):
        return f"{exact:,}"
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: float | str | Decimal, currency: str) -> str:
    """Return an amount with its currency."""
    return f"{currency} {number(value)}".strip()


def hectares(value: float) -> str:
    """Return an area in hectares, to a hundred square metres below 100 ha."""
    return "not known" if math.isnan(value) else f"{value:,.{2 if value < 100 else 1}f} ha"


def area(value: float) -> str:
    """Return an area in hectares and in mu."""
    return "not known" if math.isnan(value) else f"{hectares(value)} ({value * MU:,.1f} mu)"


def sure(segment: Segment) -> str:
    """Return how sure the measured area is: nine times in ten where that is known, else eight times in ten."""
    if all(map(math.isfinite, segment.area_90_ha)):
        return between("nine", *segment.area_90_ha)
    return between("eight", segment.area_ha.p10, segment.area_ha.p90)


def between(times: str, low: float, high: float) -> str:
    """Return an interval of area in hectares and in mu; `times` of ten is how often it holds the truth."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "how sure that is cannot be said"
    return f"{times} times in ten between {low:,.2f} and {high:,.2f} ha ({low * MU:,.1f} to {high * MU:,.1f} mu)"


def held(segment: Segment) -> list[Held]:
    """Return the fields that the drawing holds, numbered as on the picture; none where it holds one."""
    return [
        Held(
            number,
            share(part.share),
            area(part.area_ha.p50),
            between("eight", part.area_ha.p10, part.area_ha.p90),
            share(part.confidence),
        )
        for number, part in enumerate(segment.parts, 1)
    ]


def share(value: float) -> str:
    """Return a share 0-1 in per cent."""
    return "not known" if math.isnan(value) else f"{value * 100:.0f} %"


def headline(appraisal: Appraisal) -> str:
    """Return the first thing a reader must know."""
    line = appraisal.line
    return "No line" if line.refused else money(line.limit, line.currency)


def subline(appraisal: Appraisal) -> str:
    """Return the second: till when and what bound, or why not."""
    line = appraisal.line
    if line.refused:
        texts = [reason.text for reason in line.reasons if reason.effect == "refuses"]
        return " ".join(texts) or f"Refused: {line.refused.replace('_', ' ')}."
    bound = f" Set by {RULES.get(line.rule, line.rule)}." if line.rule else ""
    return f"To be repaid by {day(line.due)}, {line.tenor_days} days from the appraisal.{bound}"


def title(appraisal: Appraisal) -> str:
    """Return plot, day and place in one line."""
    place = f", {appraisal.region.replace('_', ' ').title()}" if appraisal.region else ""
    return f"Plot {appraisal.plot.id}{place}, appraised {day(appraisal.day)}"


@dataclass(frozen=True)
class Fact:
    """One thing known about the plot."""

    name: str
    """what"""
    value: str
    """the figure"""
    note: str
    """what stands beside it"""


def facts(appraisal: Appraisal) -> list[Fact]:
    """Return area, crop, looks and vigour."""
    segment, call, growth = appraisal.segment, appraisal.call, appraisal.growth
    others = [crop(name).lower() for name in call.likely if name != call.crop]
    beside = f"certainty {share(call.certainty)}"
    beside += f"; {', '.join(others)} cannot be ruled out" if others else ""
    return [
        Fact(
            "Area",
            area(segment.area_ha.p50),
            f"{sure(segment)}; {area(segment.drawn_ha)} drawn",
        ),
        Fact("Crop", crop(call.crop), call.abstained or beside),
        Fact("Clear looks", str(growth.looks), f"stage: {growth.stage}"),
        Fact(
            "Vigour",
            share(growth.vigour),
            f"of a normal field; greenest EVI2 {number(growth.peak_evi2, 2)}",
        ),
    ]


@dataclass(frozen=True)
class Step:
    """One rung of the build-up from area to money."""

    name: str
    """what it is"""
    text: str
    """its figure with the unit"""
    amount: float | None
    """[currency] for the bar; None for rungs that are not money"""
    kind: str
    """"measure", "value", "rule", "less", "floor" or "line" """
    binds: bool = False
    """whether this rung decided the line"""


def steps(appraisal: Appraisal) -> list[Step]:
    """Return the build-up of the line: area, yield, value, the rules, what is owed, the line."""
    line, worth = appraisal.line, appraisal.worth
    counted = next((f.value for f in worth.figures if f.name == "lendable area"), None) if worth else None
    if counted is None:
        rungs = [Step("Area measured", hectares(appraisal.segment.area_ha.p50), None, "measure")]
    else:
        rungs = [Step("Area that counts", hectares(float(counted)), None, "measure")]
    rungs += [
        Step(f"Yield of {crop(found.crop).lower()}", tonnes(found.kg_ha.p50), None, "measure")
        for found in appraisal.yields
        if worth and found.crop == worth.crop
    ]
    if worth:
        rungs += [
            Step("Value, middle", money(round(worth.money.p50), worth.currency), worth.money.p50, "value"),
            Step("Value, prudent (p10)", money(round(worth.money.p10), worth.currency), worth.money.p10, "value"),
        ]
    kinds = {**dict.fromkeys(RULES, "rule"), "live debt": "less"}
    if line.refused == "too_small_line":
        kinds["smallest line"] = "floor"
    for figure in line.figures:
        amount = as_money(figure, line.currency)
        if amount is not None and figure.name in kinds and (amount or figure.name != "live debt"):
            text = money(round(Decimal(str(figure.value)), 2), line.currency)
            rungs.append(Step(figure.name.capitalize(), text, amount, kinds[figure.name], figure.name == line.rule))
    limit = Step("The line", headline(appraisal), None if line.refused else float(line.limit), "line")
    return [*rungs, limit]


def as_money(figure: Figure, currency: str) -> float | None:
    """Return the amount of a figure that is money of this currency, None for others."""
    if not currency or figure.unit != currency:
        return None
    try:
        amount = float(figure.value)
    except ValueError:
        return None
    return amount if math.isfinite(amount) else None


def tonnes(kg_ha: float) -> str:
    """Return a yield in t/ha."""
    return f"{number(kg_ha / 1000)} t/ha"


def figures(appraisal: Appraisal) -> list[tuple[str, Figure]]:
    """Return every figure once, with the room it came from first, in the order of the walk."""
    found = [("growth", appraisal.growth.vigour_reference)]
    found += [(f"yield of {crop(y.crop).lower()}", figure) for y in appraisal.yields for figure in y.figures]
    found += [("value", figure) for figure in (appraisal.worth.figures if appraisal.worth else ())]
    found += [("line", figure) for figure in appraisal.line.figures]
    return list({figure: (room, figure) for room, figure in reversed(found)}.values())[::-1]
