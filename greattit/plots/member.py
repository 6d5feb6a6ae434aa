"""Which pixels lived through the same season: what `cut` sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.indices import ndvi

if TYPE_CHECKING:
    from greattit.types import Cube

FINE = ("B02", "B03", "B04", "B08")
"""The bands seen at 10 m; the coarser ones would draw the border too wide."""

COMPONENTS = 6
"""Principal components of the season that are looked at."""

EDGE = 0.5
"""Fall of the random walk's conductance with the squared change between neighbours, in units of their usual change."""

BARE = 0.35
"""Second largest NDVI of a season below which a pixel carried no plants [1]; built and water pixels stay under 0.3."""

PULL = 0.1
"""Pull of each pixel to its own evidence, against one for a neighbour that looks the same."""


def season_of(cube: Cube) -> NDArray[np.float64] | None:
    """Return the whitened principal components of the clear monthly medians (y, x, component); None without any.

    Each month's four bands are divided by the usual difference of neighbouring pixels, so that a change counts by how
    rare it is between neighbours, and not by its size.
    """
    months = cube["time"].values.astype("datetime64[M]")
    clear = cube["clear"].values
    layers = []
    for month in np.unique(months):
        chosen = months == month
        seen = clear[chosen]
        if not seen.any():
            continue
        layers += [median_of(np.where(seen, cube[name].values[chosen], np.nan)) for name in FINE]
    if not layers:
        return None
    ever = np.isfinite(np.stack(layers)).any(axis=0)  # the window may reach beyond the tiles
    layers = [layer for layer in layers if np.isfinite(layer[ever]).mean() > 0.5]
    if not layers:
        return None
    stack = np.stack([np.where(np.isfinite(layer), layer, np.nanmedian(layer)) for layer in layers], axis=-1)
    change = np.concatenate([np.abs(np.diff(stack, axis=axis)).reshape(-1, stack.shape[-1]) for axis in (0, 1)])
    white = (stack - np.median(stack, axis=(0, 1))) / np.maximum(np.median(change, axis=0), 1e-4)
    flat = white.reshape(-1, white.shape[-1])
    _, _, axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    parts: NDArray[np.float64] = (flat @ axes[:COMPONENTS].T).reshape(*stack.shape[:2], -1)
    return parts / math.sqrt(white.shape[-1])


def median_of(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the median over time (time, y, x) of what is seen; NaN where nothing is."""
    order = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, values.shape[0] - 1)
    picked = [np.take_along_axis(order, index[None], axis=0)[0] for index in (low, high)]
    return np.where(count > 0, (picked[0].astype(np.float64) + picked[1]) / 2, np.nan)


def evidence(season: NDArray[np.float64], prior: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the probability (y, x) that a pixel is of the field, from the drawing and, with a weight, its look."""
    points = season.reshape(-1, season.shape[-1])
    belief = np.clip(prior.reshape(-1), 0.002, 0.98)
    odds = np.log(belief / (1 - belief))
    member = belief
    for _ in range(4):
        here = _log_density(points, member**2, 2)
        there = _log_density(points, (1 - member) ** 2, 5)
        member = 1 / (1 + np.exp(-np.clip(odds + weight * (here - there), -30, 30)))
    return member.reshape(prior.shape)


def _log_density(points: NDArray[np.float64], weights: NDArray[np.float64], kinds: int) -> NDArray[np.float64]:
    """Fit a mixture of round Gaussians to weighted points and return its log density at all points.

    The centres start at the weighted quantiles along the first component, so that nothing is left to chance.
    """
    order = np.argsort(points[:, 0], kind="stable")
    mass = np.cumsum(weights[order])
    starts = np.searchsorted(mass, mass[-1] * (np.arange(kinds) + 0.5) / kinds)
    centres = points[order[np.minimum(starts, len(order) - 1)]]
    shares = np.full(kinds, 1 / kinds)
    dimensions = points.shape[1]
    width = np.full(
        kinds, float(np.average(((points - np.average(points, 0, weights)) ** 2).mean(1), weights=weights)) + 0.05
    )
    for _ in range(6):
        distance = ((points[:, None] - centres) ** 2).sum(-1)
        logs = np.log(shares) - distance / (2 * width) - dimensions / 2 * np.log(width)
        top = logs.max(1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(logs - top).sum(1))
        part = np.exp(logs - total[:, None]) * weights[:, None]
        sums = part.sum(0) + 1e-9
        centres = (part.T @ points) / sums[:, None]
        width = ((part * distance).sum(0) / sums) / dimensions + 0.05
        shares = sums / sums.sum()
    return np.asarray(total)


def smoothed(evidence: NDArray[np.float64], season: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let each pixel agree with the neighbours that lived through the same season; returns (y, x)."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    height, width = evidence.shape
    index = np.arange(height * width).reshape(height, width)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    starts = np.concatenate([a.ravel() for a, _ in pairs])
    ends = np.concatenate([b.ravel() for _, b in pairs])
    flat = season.reshape(height * width, -1)
    change = ((flat[starts] - flat[ends]) ** 2).sum(1)
    weight = np.exp(-EDGE * change / (np.median(change) + 1e-12)) + 1e-4
    links = sparse.coo_matrix(
        (np.r_[weight, weight], (np.r_[starts, ends], np.r_[ends, starts])), shape=(flat.shape[0],) * 2
    )
    laplacian = sparse.diags(np.asarray(links.sum(1)).ravel()) - links
    system = (laplacian + PULL * sparse.identity(flat.shape[0])).tocsc()
    return np.asarray(spsolve(system, PULL * evidence.ravel())).reshape(height, width)


def peak_ndvi(cube: Cube) -> NDArray[np.float32]:
    """Return the second largest clear NDVI of each pixel (y, x); NaN with fewer than two clear looks."""
    with np.errstate(invalid="ignore", divide="ignore"):
        greenness = ndvi(cube["B04"].values, cube["B08"].values)
    seen = np.where(cube["clear"].values, greenness, np.nan)
    ascending = np.sort(np.where(np.isfinite(seen), seen, -np.inf), axis=0)
    second: NDArray[np.float32] = ascending[-2] if len(ascending) > 1 else np.full(ascending.shape[1:], -np.inf)
    return np.where(np.isfinite(second), second, np.nan).astype(np.float32)


def never_green(cube: Cube, inside: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the pixels (y, x) that never greened while the middle of the drawing did: water, road or building."""
    peak = peak_ndvi(cube)
    core = peak[(inside > 0.99) & np.isfinite(peak)]
    if not core.size or np.median(core) < BARE + 0.2:
        return np.zeros(peak.shape, bool)
    return peak < BARE


def edges_of(season: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strong an edge runs through each pixel (y, x): the rank 0-1 of the season's gradient in the window."""
    slopes = np.gradient(season, axis=(0, 1))
    strength = sum((slope**2).sum(-1) for slope in slopes)
    order = np.argsort(np.argsort(np.asarray(strength).ravel(), kind="stable"), kind="stable")
    return np.asarray(order / order.size).reshape(season.shape[:2])
