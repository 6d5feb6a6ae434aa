"""How much of a harvest a damage takes: `loss`."""

from __future__ import annotations

from datetime import date

from greattit import policy
from greattit.types import Hazard


def loss(hazard: Hazard, *, day: date) -> float:
    """Return the share 0-1 of the plot's harvest that a damage takes: the part hit times what went there.

    0 for the kinds that policy/hazards.yaml does not count on `day`; NaN stays.
    """
    shown = policy.load("hazards").on(day).rule("not_counted").value
    return 0.0 if hazard.kind in shown else hazard.share * hazard.lost
