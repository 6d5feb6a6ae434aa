"""Yields: what the field will give, as an interval [kg/ha] for each crop that it may be.

A dated table of regional means and spreads (`policy/yields.yaml`), lowered by what the satellite saw, widened by what
it did not see; the formula is in `estimate`. Learned methods are held against naive ones on measured yields, with whole
places and years left out, by `evaluate`; they serve only where they pass its gate.
"""

from greattit.yields.estimate import Z, estimate, estimate_rows
from greattit.yields.harvests import Harvests, read
from greattit.yields.measure import as_table, evaluate
from greattit.yields.table import lookup

__all__ = ["Harvests", "Z", "as_table", "estimate", "estimate_rows", "evaluate", "lookup", "read"]
