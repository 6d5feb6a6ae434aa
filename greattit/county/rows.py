"""One row a parcel: what of an appraisal goes into the county's table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from greattit.errors import (
    GreatTitError,
    ModelError,
    PlotError,
    PlotOverlapError,
    PlotPlaceError,
    PolicyError,
    TilesError,
)

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Appraisal, Interval, Plot

ERRORS = (
    (PlotPlaceError, "outside_tiles"),
    (PlotOverlapError, "already_claimed"),
    (PlotError, "no_plot"),
    (TilesError, "no_tiles"),
    (PolicyError, "no_rule"),
    (ModelError, "no_model"),
)
"""code in `Row.refused` of the errors that end a walk before there is a line or a refusal; "error" for others"""


@dataclass(frozen=True, eq=False)
class Row:
    """One parcel. None means not known; nothing unknown becomes 0."""

    id: str
    """the plot's id"""
    geometry: BaseGeometry | None
    """as in the file, mended; EPSG:4326"""
    area_ha: float | None
    """[ha] geodesic, as in the file"""
    day: date
    """of the appraisal"""
    refused: str | None
    """code of the refusal or error; None when there is a line"""
    reason: str
    """why: what refuses, or what binds the line"""
    region: str | None = None
    seen: date | None = None
    """day of the last look that saw the field"""
    crop: str | None = None
    """house name of the call"""
    likely: str | None = None
    """crops that cannot be ruled out, most probable first, joined by spaces"""
    certainty: float | None = None
    """calibrated probability of the call"""
    area_measured: Interval | None = None
    """[ha] of the field found"""
    looks: int | None = None
    """clear looks"""
    stage: str | None = None
    vigour: float | None = None
    """0-1"""
    hazards: str | None = None
    """damage found, joined by semicolons"""
    yield_kg_ha: Interval | None = None
    """[kg/ha] of the crop that the worth was reckoned with, else of the most probable one"""
    value: Interval | None = None
    """[currency] of the harvest"""
    line: Decimal | None = None
    """[currency]; 0 when refused, None when the walk failed"""
    currency: str = ""
    rule: str | None = None
    """which rule bound"""
    due: date | None = None
    mended: str | None = None
    """what was mended of the outline"""
    warnings: int | None = None
    """how many scenes were left out and the like"""
    snapshot: str | None = None
    """id of the cube's snapshot that was read; None when it was no cube"""


def row_of(appraisal: Appraisal) -> Row:
    """Return the row of an appraisal."""
    plot, line, call, growth = appraisal.plot, appraisal.line, appraisal.call, appraisal.growth
    wanted = appraisal.worth.crop if appraisal.worth else call.crop
    harvest = next((found.kg_ha for found in appraisal.yields if found.crop == wanted), None)
    effect = "refuses" if line.refused else "binds"
    return Row(
        id=plot.id,
        geometry=plot.geometry,
        area_ha=plot.area_ha,
        day=appraisal.day,
        refused=line.refused,
        reason=" ".join(reason.text for reason in line.reasons if reason.effect == effect),
        region=appraisal.region or None,
        seen=_last_seen(appraisal),
        crop=call.crop,
        likely=" ".join(call.likely) or None,
        certainty=_known(call.certainty),
        area_measured=appraisal.segment.area_ha,
        looks=growth.looks,
        stage=growth.stage,
        vigour=_known(growth.vigour),
        hazards="; ".join(f"{h.kind} {h.share:.0%} {h.day}" for h in growth.hazards) or None,
        yield_kg_ha=harvest,
        value=appraisal.worth.money if appraisal.worth else None,
        line=line.limit,
        currency=line.currency,
        rule=line.rule or None,
        due=line.due,
        mended=" ".join(plot.mended) or None,
        warnings=len(appraisal.warnings),
        snapshot=appraisal.made_with.snapshot or None,
    )


def row_of_error(id: str, plot: Plot | None, day: date, error: Exception) -> Row:
    """Return the row of a feature that is no plot (`plot` None), or of a plot on which the walk failed."""
    code = next((code for kind, code in ERRORS if isinstance(error, kind)), "error")
    known = isinstance(error, GreatTitError)
    reason = str(error) if known else f"an error of the program: {type(error).__name__}: {error}"
    if plot is None:
        return Row(id, None, None, day, code, reason)
    return Row(id, plot.geometry, plot.area_ha, day, code, reason, mended=" ".join(plot.mended) or None)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _last_seen(appraisal: Appraisal) -> date | None:
    """Return the day of the last optical look with a clear pixel of the field."""
    import numpy as np

    series = appraisal.series
    optical = [k for k, band in enumerate(series.bands) if band not in ("VV", "VH")]
    seen = np.isfinite(series.values[:, optical]).any(axis=1)
    return series.dates[seen].max().astype("datetime64[D]").item() if seen.any() else None
