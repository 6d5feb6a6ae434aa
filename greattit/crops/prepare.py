"""Turns irregular looks into the fixed grid that the network sees; training and serving both go through here.

The grid covers a window of one season year in equal steps. At each step every channel is the mean of the
looks around it, weighted by their distance in time (Gaussian kernel, Nadaraya 1964, doi:10.1137/1109020; Watson 1964)
and by the clear share; beside each value stands how much was seen there, 0 to 1. So monthly composites and dense plot
series look alike, and what was not seen has the weight 0 and not a made-up value.

B8A stands in for B08 where B08 is missing: both are near infrared, and sets with the one or the other must not be told
apart by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from greattit.types import SAR, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Season = tuple[Doubles, Floats, Doubles]

RAW = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12", "ndvi", *SAR)
"""what is read from a series, in the order of the arrays here"""
CHANNELS = RAW
"""what the network sees: NDVI is reckoned from B04 and B08 where both are there, else as given"""
BLUE, RED, NIR = RAW.index("B02"), RAW.index("B04"), RAW.index("B08")
NDVI, RADAR = RAW.index("ndvi"), RAW.index("VV")
BATCH = 256
DB_RANGE = (-35.0, 5.0)
"""[dB] backscatter of land outside this is taken as broken"""


@dataclass(frozen=True)
class Grid:
    """How a series becomes what the network sees."""

    channels: tuple[str, ...]
    """names of the channels, in order"""
    steps: int
    """number of steps in the window"""
    width_days: float
    """standard deviation of the kernel [days]"""
    mean: tuple[float, ...]
    """(channel,) taken away from each value"""
    std: tuple[float, ...]
    """(channel,) divides each value"""
    window: tuple[int, int] = (0, 365)
    """first and last day of the looks that are used [days since 1 January]; the grid covers it"""
    brightest: float = 1.0
    """largest blue reflectance of a look that is used: above it is cloud or snow that the mask missed"""

    @property
    def centres(self) -> Doubles:
        """Middle of each step [days since 1 January] (steps,)."""
        first, last = self.window
        return first + (np.arange(self.steps) + 0.5) * (last - first) / self.steps


def raw(series: Series) -> Floats:
    """Return the columns of `RAW` (t, raw) of a series, with B8A for a missing B08."""
    values = np.stack([series.band(name) for name in RAW], axis=1).astype(np.float32)
    near, narrow = values[:, NIR], series.band("B8A")
    values[:, NIR] = np.where(np.isfinite(near), near, narrow)
    return values


def channels(values: Floats) -> Floats:
    """Turn raw values (..., raw) into channels (..., channel): clipped to what can be, and NDVI (Rouse et al. 1974)."""
    out = values.copy()
    out[..., :NDVI] = np.clip(out[..., :NDVI], 0.0, 1.0)
    red, near = out[..., RED], out[..., NIR]
    total = red + near
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = np.where(total > 0, (near - red) / total, np.nan)
    out[..., NDVI] = np.clip(np.where(np.isfinite(ndvi), ndvi, out[..., NDVI]), -1.0, 1.0)
    radar = out[..., RADAR:]
    with np.errstate(invalid="ignore"):
        out[..., RADAR:] = np.where((radar > DB_RANGE[0]) & (radar < DB_RANGE[1]), radar, np.nan)
    return out


def resample(days: Doubles, values: Floats, weights: Doubles, grid: Grid) -> Floats:
    """Bring looks to the grid.

    `days` (b, t) are days since 1 January, `values` (b, t, channel), `weights` (b, t) 0 for looks to ignore. Returns
    (b, 2 * channel, steps): the scaled values, 0 where unseen, and then how much was seen, 0-1.
    """
    apart = (days[:, None, :] - grid.centres[None, :, None]) / grid.width_days
    kernel = np.exp(-0.5 * apart**2) * weights[:, None, :]  # (b, steps, t)
    scaled = (values.astype(np.float64) - np.asarray(grid.mean)) / np.asarray(grid.std)
    there = np.isfinite(scaled)
    amount = kernel @ there.astype(np.float64)  # (b, steps, channel)
    total = kernel @ np.where(there, scaled, 0.0)
    seen = amount / (amount + 0.1)
    mean = total / (amount + 0.02)
    return np.concatenate([mean, seen], axis=2).transpose(0, 2, 1).astype(np.float32)


def season(series: Series, day: date, least_clear: float) -> Season:
    """Return the looks that count: from 1 January of the year of `day` to `day`, clear enough, in a fixed order.

    Gives days since 1 January (t,), raw values (t, raw) and weights (t,).
    """
    opens = np.datetime64(f"{day.year:04d}-01-01", "D")
    days = (series.dates.astype("datetime64[D]") - opens).astype(np.int64)
    values, clear = raw(series), np.nan_to_num(series.clear.astype(np.float64))
    use = (
        (days >= 0)
        & (series.dates <= np.datetime64(day, "D"))
        & (clear >= least_clear)
        & np.isfinite(values).any(axis=1)
    )
    days, values, clear = days[use], values[use], clear[use]
    order = np.lexsort((*np.nan_to_num(values, nan=-99.0).T, clear, days))
    return days[order].astype(np.float64), values[order], clear[order]


def usable(ready: Season, grid: Grid) -> Season:
    """Return a season without the looks outside the grid's window and those as bright as cloud and snow."""
    days, values, weights = ready
    first, last = grid.window
    keep = (days >= first) & (days <= last) & ~(np.nan_to_num(values[:, BLUE]) > grid.brightest)
    return days[keep], values[keep], weights[keep]


def clear_looks(ready: Season) -> int:
    """Count the optical looks of a season: those with any band or NDVI."""
    return int(np.isfinite(ready[1][:, : NDVI + 1]).any(axis=1).sum())


def stack(seasons: Sequence[Season]) -> tuple[Doubles, Floats, Doubles]:
    """Pad seasons of unequal length to arrays (b, t), (b, t, raw), (b, t); padding has the weight 0."""
    longest = max([len(days) for days, _, _ in seasons] + [1])
    days = np.zeros((len(seasons), longest))
    values = np.full((len(seasons), longest, len(RAW)), np.nan, np.float32)
    weights = np.zeros((len(seasons), longest))
    for row, (when, what, weight) in enumerate(seasons):
        days[row, : len(when)], values[row, : len(when)], weights[row, : len(when)] = when, what, weight
    return days, values, weights


def inputs(seasons: Sequence[Season], grid: Grid) -> Floats:
    """Return the network's input (b, 2 * channel, steps) of seasons from `usable`."""
    parts = [np.zeros((0, 2 * len(grid.channels), grid.steps), np.float32)]
    for start in range(0, len(seasons), BATCH):
        days, values, weights = stack(seasons[start : start + BATCH])
        parts.append(resample(days, channels(values), weights, grid))
    return np.concatenate(parts)


def prepare(series: Series, grid: Grid, *, day: date, least_clear: float) -> Floats:
    """Return the network's input (2 * channel, steps) of one series, looks up to `day` only."""
    ready: Floats = inputs([usable(season(series, day, least_clear), grid)], grid)[0]
    return ready
