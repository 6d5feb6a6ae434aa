"""What a check of a claim says: `Misfit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from greattit.policy import View

Severity = Literal["refuses", "lowers", "informs"]


@dataclass(frozen=True)
class Misfit:
    """One way in which a drawn plot does not fit the field that it is claimed to be."""

    code: str
    """stable key: "bare", "copied", "no_crop", "outside_county", "overlap", "several_fields", "sliver", "too_large" """
    share: float
    """share 0-1 of the drawing that it concerns; of a copy, the intersection over union with the original"""
    text: str
    """one plain sentence with its figures"""
    evidence: Mapping[str, float | str]
    """the figures, days and ids that say so; a name ends in its unit where it has one"""
    severity: Severity
    """whether it refuses the claim, lowers what it is worth, or is only said"""


def graded(share: float, rules: View, key: str) -> Severity | None:
    """Return what a share of the plot does by the two leaves of `policy/claims/KEY`; None when it is below both."""
    if share >= float(rules.rule(key, "refuses").value):
        return "refuses"
    return "lowers" if share >= float(rules.rule(key, "lowers").value) else None
