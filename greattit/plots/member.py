"""Old names."""

from greattit.plots.greenness import BARE, never_green, peak_ndvi
from greattit.plots.shape import edges_of
from greattit.plots.sight import season_of

__all__ = ["BARE", "edges_of", "never_green", "peak_ndvi", "season_of"]
