"""Yields: what the field will give, as an interval [kg/ha] for each crop that it may be.

A dated table of regional means and spreads (`policy/yields.yaml`), lowered by what the satellite saw, widened by what
it did not see. The formula is in `estimate`.
"""

from greattit.yields.estimate import Z, estimate
from greattit.yields.table import lookup

__all__ = ["Z", "estimate", "lookup"]
