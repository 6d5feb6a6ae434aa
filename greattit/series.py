"""The season of a segment: one sparse matrix (segments x pixels) times the pixels of every look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.types import BANDS, SAR, Segment, Series

if TYPE_CHECKING:
    from greattit.types import Cube

PURE = 0.99
"""Share from which a pixel belongs wholly to the field."""

ENOUGH_PURE = 9
"""With this many pure pixels the mixed ones of the border are left out of the means."""


def gather(segment: Segment, cube: Cube) -> Series:
    """Return the season of one segment; see `gather_all`."""
    return gather_all([segment], cube)[0]


def gather_all(segments: Sequence[Segment], cube: Cube) -> list[Series]:
    """Return the season of each segment: the mean of its clear pixels, weighted by their coverage, at every look.

    Optical rows carry the share of the segment seen clear; rows of radar (means in linear power, then dB) follow their
    own days. A look where nothing is clear stays, with NaN, so that what was not seen can be shown.
    """
    from scipy import sparse

    weights = sparse.csr_matrix(
        np.stack([_weights(segment.coverage).ravel() for segment in segments]).astype(np.float64)
    )
    total = np.asarray(weights.sum(axis=1))
    clear = _flat(cube["clear"].values).astype(np.float64)
    seen = np.asarray(weights @ clear.T)
    bands = [name for name in BANDS if name in cube]
    means = np.full((*seen.shape, len(bands)), np.nan, np.float32)
    for k, name in enumerate(bands):
        values = np.where(clear > 0, _flat(cube[name].values), 0.0).astype(np.float64)
        means[:, :, k] = _over(np.asarray(weights @ values.T), seen)
    share = _over(seen, np.broadcast_to(total, seen.shape))
    radar, sar_days = _radar(weights, cube)
    days = cube["time"].values.astype("datetime64[D]")
    return [
        _series(segment.plot_id, (*bands, *SAR), (days, means[n], share[n]), (sar_days, radar[n]))
        for n, segment in enumerate(segments)
    ]


def _weights(coverage: NDArray[np.float32]) -> NDArray[np.float32]:
    pure = coverage >= PURE
    return np.where(pure, coverage, 0) if pure.sum() >= ENOUGH_PURE else coverage


def _flat(stack: NDArray[Any]) -> NDArray[Any]:
    return stack.reshape(stack.shape[0], -1)


def _over(sums: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weights > 0, sums / weights, np.nan).astype(np.float32)


def _radar(weights: Any, cube: Cube) -> tuple[NDArray[np.float32], NDArray[np.datetime64]]:
    """Return the radar means (segment, look, VV and VH) [dB] and their days."""
    if not all(name in cube for name in SAR):
        return np.full((weights.shape[0], 0, 2), np.nan, np.float32), np.array([], "datetime64[D]")
    layers = []
    for name in SAR:
        power = 10.0 ** (_flat(cube[name].values).astype(np.float64) / 10.0)
        known = np.isfinite(power)
        mean = _over(
            np.asarray(weights @ np.where(known, power, 0.0).T), np.asarray(weights @ known.T.astype(np.float64))
        )
        layers.append(10.0 * np.log10(mean))
    return np.stack(layers, axis=-1), cube["sar_time"].values.astype("datetime64[D]")


def _series(
    plot_id: str,
    bands: tuple[str, ...],
    optical: tuple[NDArray[np.datetime64], NDArray[np.float32], NDArray[np.float32]],
    radar: tuple[NDArray[np.datetime64], NDArray[np.float32]],
) -> Series:
    """Lay optical and radar rows on one time line."""
    days, means, share = optical
    values = np.full((len(days) + len(radar[0]), len(bands)), np.nan, np.float32)
    values[: len(days), : means.shape[1]] = means
    values[len(days) :, means.shape[1] :] = radar[1]
    dates = np.concatenate([days, radar[0]])
    clear = np.concatenate([np.where(np.isfinite(share), share, 0), np.ones(len(radar[0]), np.float32)]).astype(
        np.float32
    )
    order = np.argsort(dates, kind="stable")
    return Series(plot_id, dates[order], bands, values[order], clear[order])
