"""Claims that do not fit: `misfits` says of a drawn plot why it cannot be the one field that it is claimed to be.

Light to import; what works on pixels brings its own imports when it is called.
"""

from __future__ import annotations

from greattit.claims.check import misfits, outline_misfits
from greattit.claims.others import Claimed
from greattit.claims.record import Misfit

__all__ = ["Claimed", "Misfit", "misfits", "outline_misfits"]
