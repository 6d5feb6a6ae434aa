"""The decided numbers of one offer: `policy/credit.yaml` for a region, a crop and a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from greattit import policy
from greattit.errors import PolicyError
from greattit.policy import Decided
from greattit.yields import lookup

CODES = (
    "outside_region",
    "no_area",
    "too_few_looks",
    "crop_unknown",
    "not_a_crop",
    "failed_crop",
    "flooded",
    "season_over",
    "no_yield",
    "no_price",
    "debt_exceeds",
    "too_small_line",
)
"""Codes of refusals, in the order in which they are looked for."""


@dataclass(frozen=True)
class Terms:
    """The rules as they stand for one offer."""

    advance_rate: Decided
    """share of the prudent value that is lent [1]"""
    need_share: Decided
    """share of a mean harvest that the season costs [1]"""
    cap: Decided
    """most that is lent on one plot [currency]"""
    smallest_line: Decided
    """[currency]"""
    step: Decided
    """lines are whole multiples of this [currency]"""
    selling_days: Decided
    """from the end of the harvest to the last day to repay [day]"""
    late_days: Decided
    """days after the end of the harvest on which a line is still offered [day]"""
    least_looks: Decided
    """fewest clear looks"""
    least_certainty: Decided
    """least probability of the called crop with enough looks [1]"""
    few_looks_certainty: Decided
    """the same with the fewest looks [1]"""
    least_vigour: Decided
    """below it the crop counts as failed [1]"""
    most_flooded: Decided
    """share of the plot [1]"""
    most_lost: Decided
    """share of the plot [1]"""


def read_terms(crop: str, *, region: str, day: date) -> Terms:
    """Return the terms for a crop in a region on a day; raise `PolicyError` when the file lacks one."""
    rules = policy.load("credit").on(day)

    def of_crop(key: str) -> Decided:
        return lookup(crop, book="credit", branch=(key,), day=day) or rules.rule(key, "default")

    return Terms(
        need_share=of_crop("need_share"),
        selling_days=of_crop("selling_days"),
        cap=rules.rule("cap", region),
        smallest_line=rules.rule("smallest_line", region),
        step=rules.rule("step", region),
        advance_rate=rules.rule("advance_rate"),
        late_days=rules.rule("late_days"),
        least_looks=rules.rule("least_looks"),
        least_certainty=rules.rule("least_certainty"),
        few_looks_certainty=rules.rule("few_looks_certainty"),
        least_vigour=rules.rule("least_vigour"),
        most_flooded=rules.rule("most_flooded"),
        most_lost=rules.rule("most_lost"),
    )


def is_region(region: str | None, day: date) -> bool:
    """Say whether lines are offered in `region` on `day`."""
    try:
        policy.load("credit").on(day).rule("cap", region or "")
    except PolicyError:
        return False
    return True
