"""The walk for every parcel of a file: `appraise_all` runs it on several processes and writes one folder of results."""

from greattit.county.record import County
from greattit.county.run import TilesWalk, Walk, appraise_all

__all__ = ["County", "TilesWalk", "Walk", "appraise_all"]
