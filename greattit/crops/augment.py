"""Makes a labelled series look like others of its crop: elsewhere, less seen, by other sensors, earlier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greattit.crops.prepare import NDVI, RADAR, RAW, channels

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

BAND_GROUPS = (("B02", "B03"), ("B04",), ("B05",), ("B06", "B07"), ("B11", "B12"))
"""bands that are left out together"""


@dataclass(frozen=True)
class Augmentation:
    """How far training series are moved; all shares are of the samples of a batch."""

    shift_days: float = 10.0
    """standard deviation of the shift of a whole season [days]; two of them are 20 days"""
    jitter_days: float = 4.0
    """standard deviation of the shift of one look [days]"""
    brightness: float = 0.06
    """standard deviation of the log gain common to all bands"""
    band_gain: float = 0.05
    """standard deviation of the log gain of one band"""
    noise: float = 0.01
    """standard deviation of the noise of one value [reflectance]"""
    radar_noise_db: float = 0.7
    """standard deviation of the offset of a whole radar series [dB]"""
    dropped_looks: tuple[float, ...] = (0.0, 0.2, 0.5, 0.8)
    """shares of looks that are left out, one drawn for each sample"""
    gap_days: float = 60.0
    """longest half width of a gap [days]"""
    gaps: float = 0.5
    """share of samples with a gap; drawn twice"""
    cut_short: float = 0.4
    """share of samples seen only up to a day"""
    cut_days: tuple[float, float] = (150.0, 360.0)
    """that day is drawn between these [days since 1 January]"""
    without_radar: float = 0.4
    """share of samples that lose their radar"""
    radar_only: float = 0.05
    """share of samples that lose all else"""
    without_group: float = 0.1
    """share of samples that lose a group of bands; drawn for each group"""
    ndvi_only: float = 0.03
    """share of samples of which only NDVI remains"""


def augment(
    days: Doubles, values: Floats, weights: Doubles, how: Augmentation, rng: Generator
) -> tuple[Doubles, Floats, Doubles]:
    """Return a moved copy of a batch of raw values (b, t, raw): days (b, t), channels (b, t, c), weights (b, t)."""
    days = days + rng.normal(0, how.shift_days, (len(days), 1)) + rng.normal(0, how.jitter_days, days.shape)
    weights = _hide(days, weights, how, rng)
    values = _disturb(values, how, rng)
    return days, _drop(values, how, rng), weights


def _disturb(values: Floats, how: Augmentation, rng: Generator) -> Floats:
    b, t, _ = values.shape
    values = values.copy()
    gain = np.exp(rng.normal(0, how.band_gain, (b, 1, NDVI)) + rng.normal(0, how.brightness, (b, 1, 1)))
    values[..., :NDVI] = values[..., :NDVI] * gain + rng.normal(0, how.noise, (b, t, NDVI))
    radar = len(RAW) - RADAR
    values[..., RADAR:] += rng.normal(0, how.radar_noise_db, (b, 1, radar)) + rng.normal(0, 0.5, (b, t, radar))
    return values


def _hide(days: Doubles, weights: Doubles, how: Augmentation, rng: Generator) -> Doubles:
    b, t = days.shape
    weights = np.where(rng.random((b, t)) < rng.choice(how.dropped_looks, (b, 1)), 0.0, weights)
    for _ in range(2):
        middle, half = rng.uniform(0, 365, (b, 1)), rng.uniform(0, how.gap_days, (b, 1))
        weights = np.where((np.abs(days - middle) < half) & (rng.random((b, 1)) < how.gaps), 0.0, weights)
    last = np.where(rng.random((b, 1)) < how.cut_short, rng.uniform(*how.cut_days, (b, 1)), np.inf)
    hidden: Doubles = np.where(days > last, 0.0, weights)
    return hidden


def _drop(values: Floats, how: Augmentation, rng: Generator) -> Floats:
    b = len(values)

    def some(share: float) -> NDArray[np.bool_]:
        return rng.random((b, 1, 1)) < share

    values[..., RADAR:] = np.where(some(how.without_radar), np.nan, values[..., RADAR:])
    has_radar = np.isfinite(values[..., RADAR:]).any(axis=(1, 2), keepdims=True)
    values[..., :RADAR] = np.where(some(how.radar_only) & has_radar, np.nan, values[..., :RADAR])
    for group in BAND_GROUPS:
        columns = [RAW.index(name) for name in group]
        values[..., columns] = np.where(some(how.without_group), np.nan, values[..., columns])
    values = channels(values)
    rest = np.arange(values.shape[-1]) != NDVI
    has_ndvi = np.isfinite(values[..., NDVI : NDVI + 1]).any(axis=(1, 2), keepdims=True)
    return np.where(some(how.ndvi_only) & has_ndvi & rest, np.nan, values).astype(np.float32)
