"""The line itself: the least of three, less the live debt, rounded once, at the end, down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal

from greattit.credit.checks import STEPS, Case, called
from greattit.credit.season import season_of
from greattit.credit.terms import Terms, is_region, read_terms
from greattit.errors import GreatTitError, PolicyError
from greattit.policy import places
from greattit.types import CreditLine, CropCall, Figure, Growth, Reason, Segment, Worth, Yield
from greattit.value import lendable_ha, price_of
from greattit.yields import lookup


def refuse(
    code: str, text: str, *, reasons: Sequence[Reason] = (), currency: str = "", figures: Sequence[Figure] = ()
) -> CreditLine:
    """Return a line of zero with the reason that refuses after all reasons known until then."""
    why = (*reasons, Reason(code, text, "refuses"))
    return CreditLine(Decimal(0), currency, None, 0, "", code, why, tuple(figures))


def offer(
    *,
    worth: Worth | None,
    yields: Sequence[Yield],
    segment: Segment,
    call: CropCall,
    growth: Growth,
    region: str | None,
    day: date,
    live_debt: Decimal,
) -> CreditLine:
    """Return the line, or the refusal, for one plot on one day.

    `worth` and `yields` may be missing (None, empty), the call may be an abstention, any figure may be NaN: each ends
    in a refusal with its code (`CODES`). `live_debt` is what is owed on the plot already [region's money]; NaN refuses.
    Raises `GreatTitError` for a negative live debt, `PolicyError` when the policy lacks a rule on that day.
    """
    if not live_debt.is_nan() and live_debt < 0:
        raise GreatTitError("is below zero", subject="live debt", remedy="give what is owed, zero or more")
    if not region or not is_region(region, day):
        return refuse("outside_region", "The field lies in no region that lines are offered in.")
    terms = read_terms(call.crop or "", region=region, day=day)
    case = Case(worth, yields, segment, call, growth, region, day, terms)
    money = places.currency(region, day=day)
    reasons: list[Reason] = []
    for step in STEPS:
        reasons += step(case)
        if reasons and reasons[-1].effect == "refuses":
            last = reasons.pop()
            return refuse(last.code, last.text, reasons=reasons, currency=money)
    if worth is None:
        return refuse("no_price", "The harvest has no value to lend on.", reasons=reasons, currency=money)
    return _line(case, worth, live_debt, reasons)


def _line(case: Case, worth: Worth, live_debt: Decimal, reasons: list[Reason]) -> CreditLine:
    money, terms = worth.currency, case.terms
    need, need_figures = _need(case, money)
    parts = {
        "advance": Decimal(str(terms.advance_rate.value)) * Decimal(str(worth.money.p10)),
        "need": need,
        "cap": Decimal(str(terms.cap.value)),
    }
    rule = min(parts, key=lambda name: parts[name])
    free = Decimal("NaN") if live_debt.is_nan() else parts[rule] - live_debt
    figures = (*_advance_figures(worth, terms), *need_figures, *_figures(parts, live_debt, free, terms, money))
    reasons = [*reasons, Reason("rule", _binding(rule, parts, terms, money), "binds")]
    if free.is_nan() or free <= 0:
        owed = "an unknown sum" if live_debt.is_nan() else f"{live_debt:,f} {money}"
        text = f"On this field {owed} is owed already; no more than {parts[rule]:,.2f} {money} could be lent in all."
        return refuse("debt_exceeds", text, reasons=reasons, currency=money, figures=figures)
    reasons.append(_owed(live_debt, money))
    step = Decimal(str(terms.step.value))
    limit = (free / step).to_integral_value(ROUND_FLOOR) * step
    if limit < Decimal(str(terms.smallest_line.value)):
        text = f"{free:,.2f} {money} is less than the smallest line, {terms.smallest_line.value} {money}."
        return refuse("too_small_line", text, reasons=reasons, currency=money, figures=figures)
    due, why, dated = _due(case)
    figures = (*figures, *dated, Figure("limit", str(limit), money, "free amount, rounded down to the step"))
    return CreditLine(limit, money, due, (due - case.day).days, rule, None, (*reasons, why), figures)


def _owed(live_debt: Decimal, money: str) -> Reason:
    if live_debt:
        return Reason("live_debt", f"{live_debt:,f} {money} that is owed already is taken off.", "lowers")
    return Reason("live_debt", "No debt on this field was handed in.", "informs")


def _need(case: Case, money: str) -> tuple[Decimal, tuple[Figure, ...]]:
    """Return what the season costs: the least of the likely crops, so that doubt never raises a line."""
    area = lendable_ha(case.segment)
    needs = [need for one in case.yields if (need := _need_of(one.crop, case, area)) is not None]
    return min(needs, key=lambda need: need[0])


def _need_of(crop: str, case: Case, area: float) -> tuple[Decimal, tuple[Figure, ...]] | None:
    mean = lookup(crop, "mean", book="yields", branch=("regions", case.region), day=case.day)
    at = price_of(crop, region=case.region, day=case.day)
    if mean is None or at is None:
        return None
    share = read_terms(crop, region=case.region, day=case.day).need_share
    factors = (share.value, mean.value, at.price.value, area)
    need = Decimal(1)
    for factor in factors:
        need *= Decimal(str(factor))
    figures = (
        Figure("need crop", crop, "crop", "the likely crop with the least need"),
        Figure("need share", float(share.value), "1", share.source),
        Figure("need mean yield", float(mean.value), "kg/ha", mean.source),
        Figure("need price", float(at.price.value), at.price.unit, at.price.source),
        Figure("need area", area, "ha", "lendable area"),
    )
    return need, figures


def _advance_figures(worth: Worth, terms: Terms) -> tuple[Figure, ...]:
    return (
        Figure("advance rate", float(terms.advance_rate.value), "1", terms.advance_rate.source),
        Figure("prudent value", str(worth.money.p10), worth.currency, "value p10"),
    )


def _figures(parts: dict[str, Decimal], debt: Decimal, free: Decimal, terms: Terms, money: str) -> tuple[Figure, ...]:
    need = "need share x need mean yield x need price x need area"
    return (
        Figure("advance", str(parts["advance"]), money, "advance rate x prudent value"),
        Figure("need", str(parts["need"]), money, need),
        Figure("cap", str(parts["cap"]), money, terms.cap.source),
        Figure("live debt", str(debt), money, "what the lender says is owed on the plot"),
        Figure("free amount", str(free), money, "min(advance, need, cap) - live debt"),
        Figure("step", str(terms.step.value), money, terms.step.source),
        Figure("smallest line", str(terms.smallest_line.value), money, terms.smallest_line.source),
    )


def _binding(rule: str, parts: dict[str, Decimal], terms: Terms, money: str) -> str:
    sums = f"advance {parts['advance']:,.0f}, need {parts['need']:,.0f}, cap {parts['cap']:,.0f} {money}"
    what = {
        "advance": f"{terms.advance_rate.value:.0%} of the value that is reached nine times in ten is the least",
        "need": "what the season usually costs is the least",
        "cap": "the most that is lent on one plot is the least",
    }[rule]
    return f"Of three sums the least counts ({sums}): {what}."


def _due(case: Case) -> tuple[date, Reason, tuple[Figure, ...]]:
    name, terms = case.call.crop or "", case.terms
    season = season_of(name, region=case.region, day=case.day, late_days=terms.late_days.value)
    if season is None:
        raise PolicyError("has no season on the day", subject=f"policy/calendar/{case.region}/{name}")
    selling = int(terms.selling_days.value)
    due = season.harvest_end + timedelta(days=selling)
    text = (
        f"The harvest of {called(name)} usually ends by {season.harvest_end}; the line is to be repaid {selling} days "
        f"later, by {due}."
    )
    figures = (
        Figure("harvest end", season.harvest_end.isoformat(), "day", season.calendar.source),
        Figure("selling days", float(selling), "day", terms.selling_days.source),
    )
    return due, Reason("due", text, "informs"), figures
