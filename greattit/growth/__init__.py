"""How the season went: phenology, stage, vigour and damage.

One plot of the walk: `observe`. Many plots at once: `curve.draw`, then `seasons.seasons`. All that is said of a plot
beside its neighbours and earlier years: `told.tell`. How well dates are told: `measure.evaluate`.
"""

from __future__ import annotations

from greattit.growth.observe import observe, season_curve
from greattit.growth.vigour import learn_reference

__all__ = ["learn_reference", "observe", "season_curve"]
