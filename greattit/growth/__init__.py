"""How the season went: phenology, stage, vigour and damage of one plot."""

from __future__ import annotations

from greattit.growth.observe import observe, season_curve
from greattit.growth.vigour import learn_reference

__all__ = ["learn_reference", "observe", "season_curve"]
