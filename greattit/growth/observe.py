"""The season's course of one plot: `observe`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.growth.course import courses
from greattit.growth.curve import draw, gathered
from greattit.growth.stages import stage_on
from greattit.growth.vigour import reference, second_largest
from greattit.growth.whittaker import smooth
from greattit.types import CropCall, Growth, Hazard, Series

if TYPE_CHECKING:
    from greattit.weather import Weather

LOOK_BACK = timedelta(days=515)
"""A season that peaked a year ago may have begun five months before that: so far back looks are read."""

CLEAR_ENOUGH = 0.5
"""Share of the plot that must be seen clear for a look to count."""

STEP_DAYS = 5
"""Step of the smoothed curve, the revisit of the two Sentinel-2 satellites [days]."""

STIFFNESS = 20.0
"""Of the Whittaker smoother on 5-day steps: follows a green-up of about a month."""


def observe(
    series: Series,
    call: CropCall,
    *,
    day: date,
    struck: Sequence[Hazard] = (),
    region: str | None = None,
    weather: Weather | None = None,
) -> Growth:
    """Return phenology, stage and vigour from the looks up to `day`, with the damage that `struck` (`damage.look`).

    Vigour takes the looks of `day`'s year, the course of the season those of the year before too, where the series has
    them. `region` of `policy/calendar.yaml` tells the crop's season from what stands before and after it;
    `weather` narrows the stage by thermal time.
    """
    days = series.dates.astype("datetime64[D]")
    red, nir = series.band("B04").astype(np.float64), series.band("B08").astype(np.float64)
    chosen = (
        (days >= np.datetime64(f"{day.year}-01-01")) & (days <= np.datetime64(day)) & (series.clear >= CLEAR_ENOUGH)
    )
    chosen &= np.isfinite(red) & np.isfinite(nir)
    peak_evi2 = second_largest(indices.evi2(red[chosen], nir[chosen]))
    normal = reference(call.crop or (call.likely[0] if call.likely else None), day)
    course = courses(draw(*gathered([series], day - LOOK_BACK, day)), [call.crop], day, regions=[region])[0]
    stage = stage_on(day, course, [call.crop] if call.crop else call.likely, weather=weather)
    return Growth(
        start=course.start,
        peak=course.peak,
        end=course.end,
        stage=course.stage,
        peak_evi2=peak_evi2,
        vigour=float(np.clip(peak_evi2 / float(normal.value), 0.0, 1.0)),
        vigour_reference=normal,
        looks=int(chosen.sum()),
        hazards=tuple(struck),
        start_90=course.start_90,
        peak_90=course.peak_90,
        end_90=course.end_90,
        kind=course.kind,
        earlier=course.earlier,
        bbch=stage.bbch if stage else None,
        notes=course.notes,
    )


def season_curve(series: Series, day: date) -> tuple[list[date], NDArray[np.float64]]:
    """Return the smoothed NDVI of `day`'s year up to `day` on 5-day steps; empty with fewer than four clear looks.

    A look far below the curve (a cloud that was missed) loses its weight in two further rounds.
    """
    first = date(day.year, 1, 1)
    ndvi = indices.ndvi(series.band("B04").astype(np.float64), series.band("B08").astype(np.float64))
    offset = (series.dates.astype("datetime64[D]") - np.datetime64(first)).astype(int)
    use = (offset >= 0) & (offset <= (day - first).days) & (series.clear >= CLEAR_ENOUGH) & np.isfinite(ndvi)
    if use.sum() < 4:
        return [], np.array([])
    slots = offset[use] // STEP_DAYS
    steps = np.arange(slots.min(), (day - first).days // STEP_DAYS + 1)
    if len(steps) < 4:
        return [], np.array([])
    seen, weights = ndvi[use], series.clear[use].astype(np.float64)
    for _ in range(3):
        mass = np.bincount(slots - steps[0], weights, len(steps))
        sums = np.bincount(slots - steps[0], weights * seen, len(steps))
        with np.errstate(invalid="ignore"):
            curve = smooth(sums / mass, mass.astype(np.float64), STIFFNESS)
        below = np.maximum(curve[slots - steps[0]] - seen, 0.0)
        weights = series.clear[use] / (1.0 + (below / 0.1) ** 2)
    return [first + timedelta(days=int(s) * STEP_DAYS) for s in steps], curve
