"""What speaks for and against a line, one step of the walk each: figures in, reasons out.

A step gives its reasons; a reason whose effect is "refuses" ends the walk. NaN is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from greattit import policy
from greattit.credit.season import season_of
from greattit.credit.terms import Terms
from greattit.crops import taxonomy
from greattit.damage import loss
from greattit.errors import PolicyError
from greattit.policy import places
from greattit.types import CropCall, Growth, Part, Reason, Segment, Worth, Yield
from greattit.value import lendable_ha, price_of
from greattit.yields import lookup


@dataclass(frozen=True, eq=False)
class Case:
    """All that is known of one plot on one day."""

    worth: Worth | None
    yields: Sequence[Yield]
    segment: Segment
    call: CropCall
    growth: Growth
    region: str
    day: date
    terms: Terms


def called(crop: str) -> str:
    """Return the crop's name for people."""
    try:
        return taxonomy.name(crop)
    except PolicyError:
        return crop.replace("_", " ")


def refusal(code: str, text: str) -> list[Reason]:
    """Return the one reason that ends the walk."""
    return [Reason(code, text, "refuses")]


def area(case: Case) -> list[Reason]:
    """Drawn against measured; a field whose area cannot be told gets no line."""
    drawn, measured = case.segment.drawn_ha, case.segment.area_ha
    lendable = lendable_ha(case.segment)
    if not (lendable > 0.0 and measured.p10 > 0.0 and math.isfinite(lendable)):
        return refusal("no_area", "The area of the field could not be measured inside the drawing.")
    less = "; ".join(f"{ha:.2f} ha of {cause} left out" for cause, ha in case.segment.cut_away.items() if ha >= 0.005)
    more = f"; {added:.2f} ha along its edge added" if (added := case.segment.added_ha) >= 0.005 else ""
    text = (
        f"You drew {drawn:.2f} ha; the satellite measures {measured.p50:.2f} ha "
        f"({measured.p10:.2f} to {measured.p90:.2f}){', with ' + less if less else ''}{more}; {lendable:.2f} ha count."
    )
    return [Reason("area", text, "lowers" if lendable < drawn else "informs")]


def several(case: Case) -> list[Reason]:
    """Several fields inside one drawing: which, how large, and which ground the figures are reckoned on."""
    parts = case.segment.parts
    if not parts:
        return []
    text = (
        f"The drawing holds {len(parts)} fields, {_listed([f'{part.share:.0%}' for part in parts])} of it: "
        f"{_listed([_in_mu(part.area_ha.p50) for part in parts])}; "
        f"what counts here is {_in_mu(lendable_ha(case.segment))} of the outline found, which takes in "
        f"{_listed([f'{_taken(part, case.segment):.0%}' for part in parts])} of them; draw each field by itself."
    )
    return [Reason("several_fields", text, "informs")]


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _in_mu(hectares: float) -> str:
    return f"{hectares:.2f} ha ({hectares * 15:.1f} mu)"


def _taken(part: Part, segment: Segment) -> float:
    """Return the share 0-1 of a field that the outline found takes in."""
    whole = part.outline.buffer(0)  # turned into degrees, a ring may touch itself
    return float(segment.outline.buffer(0).intersection(whole).area / whole.area) if whole.area else 0.0


def looks(case: Case) -> list[Reason]:
    """Clear looks of the season against the fewest that are needed."""
    seen, least = case.growth.looks, case.terms.least_looks.value
    if not seen >= least:
        text = f"The satellite saw the field clearly {seen} times this season; at least {least} are needed."
        return refusal("too_few_looks", text)
    enough = policy.load("yields").on(case.day).rule("rules", "looks_enough").value
    few = seen < enough
    tail = f"; with fewer than {enough} the value is reckoned more carefully" if few else ""
    return [
        Reason(
            "looks",
            f"The satellite saw the field clearly {seen} times this season{tail}.",
            "lowers" if few else "informs",
        )
    ]


def _certainty_needed(case: Case) -> float:
    """Return the certainty needed [1]: the fewer looks it rests on, the surer a call has to be."""
    terms = case.terms
    enough = float(policy.load("yields").on(case.day).rule("rules", "looks_enough").value)
    lacking = max(enough - case.growth.looks, 0.0) / (enough - float(terms.least_looks.value))
    least, most = float(terms.least_certainty.value), float(terms.few_looks_certainty.value)
    return least + (most - least) * min(lacking, 1.0)


def crop(case: Case) -> list[Reason]:
    """The call, its certainty, and what else it may be."""
    call, least = case.call, _certainty_needed(case)
    if call.crop is None:
        return refusal("crop_unknown", f"The crop cannot be told: {call.abstained or 'no reason was given'}.")
    if not taxonomy.is_crop(call.crop, case.day):
        return refusal("not_a_crop", f"The satellite sees {called(call.crop)}, not a crop that is harvested.")
    if not call.certainty >= least:
        text = f"The field looks like {called(call.crop)}, but only {call.certainty:.0%} sure; {least:.0%} are needed "
        text += f"with {case.growth.looks} clear looks."
        return refusal("crop_unknown", text)
    reasons = [Reason("crop", f"The field looks like {called(call.crop)}, {call.certainty:.0%} sure.", "informs")]
    others = [called(other) for other in call.likely if other != call.crop]
    if others:
        text = f"It may also be {', '.join(others)}; the crop that is worth least counts."
        reasons.append(Reason("other_crops", text, "lowers"))
    return reasons


def vigour(case: Case) -> list[Reason]:
    """How green the field is against a normal one of its crop."""
    seen, least = case.growth.vigour, case.terms.least_vigour.value
    if math.isnan(seen):
        return refusal("too_few_looks", "How well the crop stands cannot be told from the clear looks of this season.")
    if seen < least:
        text = f"The crop reaches {seen:.0%} of the usual greenness; under {least:.0%} it counts as failed."
        return refusal("failed_crop", text)
    text = f"The crop reaches {seen:.0%} of the usual greenness."
    return [Reason("vigour", text, "lowers" if seen < 1.0 else "informs")]


def damage(case: Case) -> list[Reason]:
    """Floods and losses with their share of the plot."""
    reasons: list[Reason] = []
    for hazard in case.growth.hazards:
        flooded = hazard.kind == "flood"
        most = (case.terms.most_flooded if flooded else case.terms.most_lost).value
        part = "an unknown share" if math.isnan(hazard.share) else f"{hazard.share:.0%}"
        text = f"{hazard.kind.capitalize()} on {hazard.day}: {part} of the field ({hazard.evidence})"
        lost = loss(hazard, day=case.day)
        gone = hazard.share if flooded else lost
        if not gone <= most:
            code = "flooded" if flooded else "failed_crop"
            return [*reasons, Reason(code, f"{text}; above {most:.0%} nothing is lent.", "refuses")]
        counted = f"{lost:.0%} of the harvest is not counted" if lost > 0 else "it lowers nothing"
        reasons.append(Reason("damage", f"{text}; {counted}.", "lowers" if lost > 0 else "informs"))
    return reasons or [Reason("damage", "No damage was found on the field.", "informs")]


def season(case: Case) -> list[Reason]:
    """A line needs a harvest still to come, or just in."""
    name, late = case.call.crop or "", case.terms.late_days.value
    if lookup(name, book="calendar", branch=(case.region,), day=case.day) is None:
        return refusal("no_yield", f"When {called(name)} is harvested here stands in no calendar of ours.")
    if season_of(name, region=case.region, day=case.day, late_days=late) is None:
        return refusal("season_over", f"On {case.day} the season of {called(name)} is over and the next has not begun.")
    if case.growth.stage == "harvested":
        text = f"The field looks harvested since {case.growth.end}; the line rests on what was brought in."
        return [Reason("harvested", text, "informs")]
    return []


def harvest(case: Case) -> list[Reason]:
    """The expected yield of the called crop, and the likely crops that have no figure."""
    found = {one.crop: one for one in case.yields}
    one = found.get(case.call.crop or "")
    where = places.name(case.region, day=case.day)
    if one is None or not math.isfinite(one.kg_ha.p10):
        return refusal("no_yield", f"There is no yield figure for {called(case.call.crop or '')} in {where}.")
    text = f"Expected yield: {one.kg_ha.p50:,.0f} kg/ha ({one.kg_ha.p10:,.0f} to {one.kg_ha.p90:,.0f}). {one.basis}."
    reasons = [Reason("yield", text, "informs")]
    missing = [called(other) for other in case.call.likely if other not in found]
    if missing:
        text = f"No figure is known for {', '.join(missing)}; these were left out of the reckoning."
        reasons.append(Reason("left_out", text, "informs"))
    return reasons


def price(case: Case) -> list[Reason]:
    """The price and its day, and the value that follows."""
    worth = case.worth
    at = price_of(worth.crop if worth else "", region=case.region, day=case.day)
    if worth is None or at is None or price_of(case.call.crop or "", region=case.region, day=case.day) is None:
        where = places.name(case.region, day=case.day)
        return refusal("no_price", f"There is no price for {called(case.call.crop or '')} in {where}.")
    if not (math.isfinite(worth.money.p10) and math.isfinite(worth.money.p50)):
        return refusal("no_yield", "The value of the harvest cannot be reckoned from what was seen.")
    expected = next(one.kg_ha.p50 for one in case.yields if one.crop == worth.crop)
    text = (
        f"With {expected:,.0f} kg/ha of {called(worth.crop)} at {at.price.value} {at.price.unit} "
        f"(since {at.price.since}) the harvest is worth {worth.money.p50:,.0f} {worth.currency}; "
        f"nine times in ten more than {worth.money.p10:,.0f}."
    )
    return [Reason("price", text, "informs")]


STEPS: tuple[Callable[[Case], list[Reason]], ...] = (area, several, looks, crop, vigour, damage, season, harvest, price)
"""The steps in the order of the walk."""
