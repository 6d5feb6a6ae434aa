"""What can be wrong with a parcel file: every kind of finding with its severity, its words and its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from greattit.plots.load import MAX_HA, MIN_HA
from greattit.plots.mend import MANY_VERTICES

Severity = Literal["error", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""error: the row or file cannot be appraised as it stands, or the same ground would be counted twice; warning: look at
it; info: good to know"""

OVERLAP_SHARE = 0.01
"""share of the smaller parcel above which an overlap is told: neighbours traced by hand overlap along their border"""

OVERLAP_M2 = 20.0
"""[m2] and at least this much ground: a fifth of a 10 m pixel"""

COPY_SHARE = 0.9
"""share of both parcels above which the two are copies of one drawing"""

NARROW_M = 10.0
"""[m] mean width below which no 10 m pixel need lie wholly inside"""

THIN = 0.05
"""thinness 4 pi A / P^2 below which a parcel is a sliver: a rectangle some 60 times as long as it is wide"""

AREA_DIFFERS = 0.1
"""share by which a stated area may differ from the measured one"""

FAR_KM = 1000.0
"""[km] nearer than this to the middle of the file no row is far away"""


@dataclass(frozen=True)
class Kind:
    """One kind of finding."""

    code: str
    """its short name, stable"""
    severity: Severity
    """see `SEVERITIES`"""
    what: str
    """what is wrong, after "N rows" """
    remedy: str
    """what the user can do"""
    figure: str = ""
    """format of the figure of one row, e.g. "{value:.3f} ha"; "" when there is none"""
    unit: str = ""
    """unit of that figure"""


_REDRAW = "ask the maker for the outline again, or redraw it"
_CRS = "ask the maker for the coordinate reference system and write it into the file"

_ALL = (
    # the file
    Kind("no-crs", "error", "The file does not say its coordinate reference system", _CRS),
    Kind("no-geo-metadata", "warning", "The Parquet file has no geo metadata: it is not GeoParquet", _CRS),
    Kind("reader-said", "warning", "The reader of the format complained", "see the message"),
    Kind("more-layers", "warning", "The file has more layers; one was checked", "name another with --layer"),
    Kind("no-id-column", "warning", "No column holds an id; rows are named by their place", "add a column id"),
    Kind("fiboa-no-collection", "info", "fiboa/vecorel: no collection metadata", "add it, if it is to be fiboa"),
    Kind("fiboa-column-missing", "info", "fiboa: a required column is missing", "add it, if it is to be fiboa"),
    # the geometry of one row
    Kind("missing-geometry", "error", "have no geometry", "leave the row out, or ask the maker for its outline"),
    Kind("empty-geometry", "error", "have an empty geometry", "leave the row out, or ask the maker for its outline"),
    Kind("unreadable", "error", "have a geometry that cannot be read", _REDRAW),
    Kind("not-polygon", "error", "are points, lines or collections, not areas", "draw the field as a polygon"),
    Kind("not-finite", "error", "have a coordinate that is NaN, infinite or beyond any map", _REDRAW),
    Kind("unclosed-ring", "error", "have a ring whose last point is not its first", "close the ring"),
    Kind("too-few-points", "error", "have a ring with fewer than three different points", _REDRAW),
    Kind("self-crossing", "error", "have an outline that crosses or touches itself", "mend it (make_valid) and look"),
    Kind("bad-holes", "error", "have a hole outside the outline, in a hole, or parts that overlap", "mend and look"),
    Kind("three-d", "info", "have heights, which are not used", "nothing to do"),
    Kind("multipart", "info", "have more than one part", "split into one row per field", "{value:.0f} parts", "parts"),
    Kind("holes", "info", "have holes", "see that they are ponds or yards, not other parcels", "{value:.1%}", "share"),
    Kind(
        "many-vertices",
        "warning",
        f"have more than {MANY_VERTICES:,} corners",
        "thin the outline; no field needs more at 10 m",
        "{value:,.0f} corners",
        "corners",
    ),
    Kind(
        "too-small",
        "error",
        f"are smaller than {MIN_HA} ha, four pixels of 10 m",
        "leave them out, or join them with the neighbouring field of the same crop",
        "{value:.4f} ha",
        "ha",
    ),
    Kind("too-large", "error", f"are larger than {MAX_HA:,.0f} ha", "draw one field each", "{value:,.0f} ha", "ha"),
    Kind(
        "sliver",
        "warning",
        f"are thin: narrower than {NARROW_M:.0f} m or 4 pi A / P^2 below {THIN}",
        "join them with a neighbour; few of their pixels are their own",
        "{value:.1f} m wide",
        "m",
    ),
    # the place
    Kind(
        "metres-in-degrees",
        "error",
        "have coordinates out of range for degrees; they look projected",
        "write the true coordinate reference system into the file",
    ),
    Kind(
        "degrees-in-metres",
        "error",
        "look like degrees though the file says a projected reference system",
        "write EPSG:4326 into the file, or project the coordinates",
    ),
    Kind("swapped", "error", "have latitude before longitude", "swap x and y"),
    Kind(
        "outside-crs",
        "error",
        "lie outside the area for which the reference system is made",
        "ask the maker whether it is the right one",
    ),
    Kind("half-the-globe", "error", "cross the 180th meridian or span half the globe", "split them there"),
    Kind("outside-near", "warning", "lie outside the area given by --near", "leave them out of this appraisal"),
    Kind(
        "far-away",
        "warning",
        f"lie more than {FAR_KM:,.0f} km from the rest",
        "see whether they belong to this file",
        "{value:,.0f} km",
        "km",
    ),
    # the same twice
    Kind("same-id", "error", "have the id of an earlier row", "give each row its own id, or drop the copy"),
    Kind("no-id", "warning", "have no id", "give each row its own id"),
    Kind(
        "same-geometry", "error", "repeat the outline of an earlier row", "keep one of the two", "{value:.3f} ha", "ha"
    ),
    Kind(
        "near-copy",
        "error",
        f"nearly repeat an earlier row (overlap of {COPY_SHARE:.0%} of both or more)",
        "keep one of the two",
        "{value:.3f} ha shared",
        "ha",
    ),
    Kind(
        "overlap",
        "error",
        f"overlap an earlier row ({OVERLAP_SHARE:.0%} of the smaller and {OVERLAP_M2:.0f} m2, or more)",
        "mend the common border, or keep one of the two",
        "{value:.4f} ha shared",
        "ha",
    ),
    # the stated area
    Kind("area-column", "info", "A column states the area", "nothing to do"),
    Kind("area-unit", "error", "A column's name says another unit than its values", "rename it, or convert the values"),
    Kind("area-unit-unknown", "warning", "A column that may be an area is in no unit known here", "ask the maker"),
    Kind("area-missing", "info", "state no area, or none above zero", "fill it from the measured area"),
    Kind(
        "area-differs",
        "warning",
        f"state an area more than {AREA_DIFFERS:.0%} off the measured one",
        "see which is right: an old outline, another unit, or only the planted part stated",
        "{value:+.0%}",
        "share",
    ),
)

KINDS = {kind.code: kind for kind in _ALL}
"""every kind by its code, in the order of a report"""
