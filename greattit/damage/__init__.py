"""What struck a plot: `look` for one with its pixels, `look_rows` for many by their series.

::

    looks up to the day -> rows (cover beside the neighbours') -> losses -> pixels, weather -> kinds -> Hazard

What is seen is told with its share, its first day and its figures; what cannot be told apart is "decline, cause
unknown". Learned thresholds lie in `models/damage`, decided ones in `policy/hazards.yaml`.
"""

from __future__ import annotations

from greattit.damage.card import served
from greattit.damage.counted import loss
from greattit.damage.kinds import KINDS
from greattit.damage.rows import Usual, median_series
from greattit.damage.told import look, look_rows
from greattit.damage.usual import usual_of

__all__ = ["KINDS", "Usual", "look", "look_rows", "loss", "median_series", "served", "usual_of"]
