"""What each pixel looked like just before and just after a look: `against_season`.

Every look is held against the trusted looks before it and those after it, each side a mean that forgets within a few
weeks. A cloud or a shadow differs from both sides; a harvest, a cut, a flood or a ploughing differs from one side only,
because it stays. The idea is that of the multi-temporal tests of MAJA (Hagolle et al. 2010, Remote Sens. Environ. 114)
and Tmask (Zhu and Woodcock 2014, Remote Sens. Environ. 152), with both sides instead of the past or a fitted year.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.stack import CLEAR, SCL_CLEAR, Stack

FORGET_DAYS = 12.0
"""[day] after which a look counts 1/e of one at hand"""
SAME_PASS_DAYS = 0.5
"""[day] looks closer than this are of one pass and share their sky"""
DOUBT = 0.1
"""weight of a look that the scene classification flags, against 1 of one that it calls clear"""
LOW_SHARE = 0.25
"""share of the season's looks below the pixel's usual dark blue"""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reference:
    """What the trusted looks around each look show."""

    before: Floats
    """(band, t, y, x) mean reflectance of the trusted looks before, the near ones first. A side that has none is that
    of the other, and a look that has neither is its own reference"""
    after: Floats
    """(band, t, y, x) the same of those after"""
    weight_before: Floats
    """(t, y, x) about the number of trusted looks in the last FORGET_DAYS; 0 when there is none before"""
    weight_after: Floats
    """(t, y, x)"""


def first_trust(stack: Stack) -> Floats:
    """Return 0-1 (t, y, x): how far a look is believed before anything was compared.

    What SCL flags counts little, and so does what is much bluer than the pixel's own darker looks: the season's lower
    quartile, so that ground which is always bright (greenhouses, film) is not taken for cloud.
    """
    blue = stack.band("B02")
    low = low_blue(stack)
    flagged = ~np.isin(stack.scl, SCL_CLEAR)
    usual = 1.0 / (1.0 + np.exp(np.clip((blue - low - 0.06) / 0.012, -30, 30)))
    return np.asarray(np.where(stack.seen, usual * np.where(flagged, DOUBT, 1.0) + 1e-6, 0.0), np.float32)


def trust_after(stack: Stack, trust: Floats, mask: NDArray[np.uint8]) -> Floats:
    """Return 0-1 (t, y, x): how far a look is believed once `trust` led to a mask."""
    found = np.where(mask == CLEAR, np.maximum(trust, np.float32(0.01)), np.float32(1e-6))
    return np.where(stack.seen, found, np.float32(0))


def low_blue(stack: Stack) -> Floats:
    """Return the lower quartile (y, x) of the blue of the looks that hold data."""
    blue = np.sort(np.where(stack.seen, stack.band("B02"), np.inf), axis=0)
    place = np.maximum((stack.seen.sum(axis=0) * LOW_SHARE).astype(int), 0)
    low = np.take_along_axis(blue, np.minimum(place, len(blue) - 1)[None], axis=0)[0]
    return np.where(np.isfinite(low), low, 0).astype(np.float32)


def against_season(stack: Stack, trust: Floats) -> Reference:
    """Return the means before and after each look, each look weighted by `trust` (t, y, x) and its nearness."""
    gap = stack.days[:, None] - stack.days[None, :]
    past = np.where(gap > SAME_PASS_DAYS, np.exp(-np.abs(gap) / FORGET_DAYS), 0.0).astype(np.float32)
    looks, shape = len(stack.days), stack.values.shape
    flat = trust.reshape(looks, -1)
    trusted = np.concatenate([flat, *(flat * band.reshape(looks, -1) for band in stack.values)], axis=1)
    sides = [_mean(kernel @ trusted, flat.shape[1]) for kernel in (past, past.T)]
    for (mean, weight), (other, other_weight) in (sides, sides[::-1]):
        if not weight.all():
            mean[:, weight == 0] = other[:, weight == 0]
            neither = (weight == 0) & (other_weight == 0)
            mean[:, neither] = stack.values.reshape(mean.shape)[:, neither]
    (before, weight_before), (after, weight_after) = sides
    return Reference(
        before.reshape(shape), after.reshape(shape), weight_before.reshape(shape[1:]), weight_after.reshape(shape[1:])
    )


def _mean(sums: Floats, pixels: int) -> tuple[Floats, Floats]:
    """Return the weighted means (band, t, pixel) and the weights (t, pixel) of sums (t, pixel of weight and bands)."""
    looks = len(sums)
    weight = np.ascontiguousarray(sums[:, :pixels])
    mean = sums[:, pixels:].reshape(looks, -1, pixels).transpose(1, 0, 2) / np.where(weight > 0, weight, np.float32(1))
    return mean.astype(np.float32), weight
