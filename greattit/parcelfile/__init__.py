"""The hygiene of a parcel file: `check` says row by row what is wrong with it, before anyone appraises anything.

A file of a million rows is read in batches; what is kept of each row is some hundred bytes (`rows.Rows`), and its
outline goes to a temporary file (`spill.Spill`). Nothing is mended and the file is only read.

    layer (geoparquet, ogr) -> shapes, place -> rows, spill -> twins, sweep, areacolumn -> report
"""

from __future__ import annotations

from greattit.parcelfile.check import check
from greattit.parcelfile.found import Finding
from greattit.parcelfile.kinds import KINDS, Kind
from greattit.parcelfile.report import Report, as_dict, as_text, write

__all__ = ["KINDS", "Finding", "Kind", "Report", "as_dict", "as_text", "check", "write"]
