"""The season on even steps: gaps filled where they can be, with an uncertainty, never hiding how much was seen."""

from __future__ import annotations

from greattit.filled.measure import evaluate, table
from greattit.filled.record import Filled
from greattit.filled.steps import fill, fill_all

__all__ = ["Filled", "evaluate", "fill", "fill_all", "table"]
