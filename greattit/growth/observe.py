"""The season's course of one plot: `observe`."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.growth.vigour import reference, second_largest
from greattit.growth.whittaker import smooth
from greattit.types import CropCall, Growth, Hazard, Series

CLEAR_ENOUGH = 0.5
"""Share of the plot that must be seen clear for a look to count."""

STEP_DAYS = 5
"""Step of the smoothed curve, the revisit of the two Sentinel-2 satellites [days]."""

STIFFNESS = 20.0
"""Of the Whittaker smoother on 5-day steps: follows a green-up of about a month."""

AMPLITUDE = 0.2
"""A season's NDVI must rise by this much from its low to its peak, or there is no start and no end [1]."""

HALF = 0.5
"""Start and end of the season are where the curve crosses this share of the rise (White et al. 1997)."""

BARE_NDVI = 0.35
"""A plot whose smoothed NDVI never passed this by midsummer carries no closed canopy [1]."""

WET_LOOKS = 2
"""Standing water must be seen in this many looks: a single wet look may be a cloud's shadow."""


def observe(series: Series, call: CropCall, *, day: date, wet: NDArray[np.floating] | None = None) -> Growth:
    """Return phenology, stage, vigour and damage from the looks of `day`'s year up to `day`.

    `wet` (t,): share of the plot under open water at each row of the series (see `series.share_wet`); NaN where unseen.
    """
    days = series.dates.astype("datetime64[D]")
    red, nir = series.band("B04").astype(np.float64), series.band("B08").astype(np.float64)
    chosen = (
        (days >= np.datetime64(f"{day.year}-01-01")) & (days <= np.datetime64(day)) & (series.clear >= CLEAR_ENOUGH)
    )
    chosen &= np.isfinite(red) & np.isfinite(nir)
    peak_evi2 = second_largest(indices.evi2(red[chosen], nir[chosen]))
    normal = reference(call.crop or (call.likely[0] if call.likely else None), day)
    curve_days, curve = season_curve(series, day)
    start, peak, end, stage = _phenology(curve_days, curve, day)
    return Growth(
        start=start,
        peak=peak,
        end=end,
        stage=stage,
        peak_evi2=peak_evi2,
        vigour=float(np.clip(peak_evi2 / float(normal.value), 0.0, 1.0)),
        vigour_reference=normal,
        looks=int(chosen.sum()),
        hazards=_hazards(days, wet, curve_days, curve, day),
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


def _phenology(
    days: list[date], curve: NDArray[np.float64], day: date
) -> tuple[date | None, date | None, date | None, str]:
    """Return start, peak, end and stage by the half-rise threshold on each side of the season's peak."""
    if not days:
        return None, None, None, "unknown"
    top, foot = _main_peak(curve)
    before, after = curve[foot : top + 1], curve[top:]
    start = end = None
    if curve[top] - before.min() >= AMPLITUDE:
        level = before.min() + HALF * (curve[top] - before.min())
        crossed = np.flatnonzero(before < level)
        start = days[foot + int(crossed[-1]) + 1] if len(crossed) else None
    if curve[top] - after.min() >= AMPLITUDE:
        level = after.min() + HALF * (curve[top] - after.min())
        end = days[top + int(np.flatnonzero(after < level)[0])]
    if curve[top] < BARE_NDVI:
        return None, None, None, "not started"
    if end is not None:
        stage = "harvested" if curve[-1] < BARE_NDVI else "ripening"
    else:
        rising = curve[-1] - curve[-min(len(curve), 6)] > AMPLITUDE / 4
        falling = curve[-1] < curve[top] - AMPLITUDE / 2
        stage = "ripening" if falling else ("growing" if rising else "at peak")
    return start, days[top], end, stage


def _main_peak(curve: NDArray[np.float64]) -> tuple[int, int]:
    """Return the place of the season's peak and of the foot it rose from.

    It is the last peak that stands out by `AMPLITUDE` and reaches three quarters of the highest: a winter cover that
    was ploughed in before the crop was sown comes earlier, and may be greener.
    """
    from scipy.signal import find_peaks

    padded = np.concatenate([[curve.min() - 1], curve, [curve.min() - 1]])
    peaks, found = find_peaks(padded, prominence=AMPLITUDE)
    high = curve[peaks - 1] >= 0.75 * curve.max()
    last = int(np.flatnonzero(high)[-1])
    return int(peaks[last]) - 1, max(int(found["left_bases"][last]) - 1, 0)


def _hazards(
    days: NDArray[np.datetime64],
    wet: NDArray[np.floating] | None,
    curve_days: list[date],
    curve: NDArray[np.float64],
    day: date,
) -> tuple[Hazard, ...]:
    found = []
    if wet is not None:
        since = (
            (days >= np.datetime64(f"{day.year}-03-01")) & (days <= np.datetime64(day)) & (np.nan_to_num(wet) >= 0.1)
        )
        if since.sum() >= WET_LOOKS:
            share = second_largest(wet[since])
            first = days[since][0].astype("datetime64[D]").astype(date)
            found.append(
                Hazard("flood", share, first, f"open water (MNDWI > 0) in {int(since.sum())} clear looks from {first}")
            )
    if curve_days and day >= date(day.year, 6, 30) and curve.max() < BARE_NDVI:
        text = f"NDVI never passed {BARE_NDVI} by {day}: its highest was {curve.max():.2f}"
        found.append(Hazard("failed emergence", 1.0, curve_days[0], text))
    return tuple(sorted(found, key=lambda hazard: hazard.day))
