"""Credit: the line, or the refusal, with every reason and figure.

::

    limit = min(advance rate x prudent value, need by scale of finance, cap) - live debt

rounded once, at the end, down to the policy's step; never below zero. All shares, caps and floors are in
`policy/credit.yaml`.
"""

from greattit.credit.offer import offer, refuse
from greattit.credit.season import Season, season_of
from greattit.credit.terms import CODES, Terms, read_terms

__all__ = ["CODES", "Season", "Terms", "offer", "read_terms", "refuse", "season_of"]
