"""The Whittaker smoother of the season's curve; the house has one, `greattit.filled.whittaker`."""

from __future__ import annotations

from greattit.filled.whittaker import smooth

__all__ = ["smooth"]
