"""How well fields are found and cut, where they are known: `evaluate`, and `table` for people."""

from __future__ import annotations

from greattit.plotscores.run import evaluate
from greattit.plotscores.table import table

__all__ = ["evaluate", "table"]
