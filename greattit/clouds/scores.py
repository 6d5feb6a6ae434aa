"""Figures of a cloud mask: against made truth, and against the smoothness of the land's own NDVI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.stack import CLEAR, CLOUD, NO_DATA, SHADOW

Mask = NDArray[np.uint8]
Doubles = NDArray[np.float64]

DROP = 0.1
"""[1] NDVI below the curve through the other clear looks from which a look is an outlier"""
REACH_DAYS = 60
"""[day] the clear looks before and after must lie this close together for a curve between them"""
ROUNDS = 1000
"""bootstrap samples"""


def counts(mask: Mask, truth: Mask, kind: str) -> Doubles:
    """Return hits, false alarms and misses (t, 3) of each look; `kind` is "cloud", "shadow" or "spoilt" (either)."""
    known = (mask != NO_DATA) & (truth != NO_DATA)
    value = {"cloud": CLOUD, "shadow": SHADOW}.get(kind)
    ours = known & ((mask == value) if value is not None else (mask != CLEAR))
    theirs = known & ((truth == value) if value is not None else (truth != CLEAR))
    pairs = (ours & theirs, ours & ~theirs, theirs & ~ours)
    return np.stack([pair.sum(axis=(1, 2)) for pair in pairs], axis=1).astype(float)


def agreement(per_look: Doubles) -> dict[str, Any]:
    """Return F1, precision and recall of summed counts, and the 95 % interval of F1 over looks."""
    hits, false, missed = per_look.sum(axis=0)
    return {
        "f1": _over(2 * hits, 2 * hits + false + missed),
        "precision": _over(hits, hits + false),
        "recall": _over(hits, hits + missed),
        "f1_interval_95": interval(per_look, lambda s: _over(2 * s[0], 2 * s[0] + s[1] + s[2])),
    }


def lost(mask: Mask, truth: Mask, where: NDArray[np.bool_]) -> Doubles:
    """Return, for each look, the truly clear pixels of `where` (t, y, x) that are masked, and all of them (t, 2)."""
    clear = where & (truth == CLEAR) & (mask != NO_DATA)
    return np.stack([(clear & (mask != CLEAR)).sum(axis=(1, 2)), clear.sum(axis=(1, 2))], axis=1).astype(float)


def eaten(per_look: Doubles) -> dict[str, Any]:
    """Return how much clear ground is masked: the share of counts as `lost` gives them, of how many, its interval."""
    masked, clear = per_look.sum(axis=0)
    spread = interval(per_look, lambda s: _over(s[0], s[1]))
    return {"share": _over(masked, clear), "pixels": int(clear), "interval_95": spread}


def outliers(ndvi: Doubles, clear: NDArray[np.bool_], days: Doubles) -> tuple[int, int]:
    """Return how many clear looks of one pixel (t,) fall DROP below their curve, and how many were judged.

    The curve at a look leaves the look itself out: the median of the four straight lines from either of the two clear
    looks before to either of the two after, so that one bad neighbour does not bend it.
    """
    at = np.flatnonzero(clear & np.isfinite(ndvi))
    if len(at) < 5:
        return 0, 0
    day, value = days[at], ndvi[at]
    here = np.arange(2, len(at) - 2)
    here = here[
        (day[here + 1] - day[here - 1] <= REACH_DAYS) & (day[here - 1] < day[here]) & (day[here] < day[here + 1])
    ]
    lines = []
    for before in (here - 1, here - 2):
        for after in (here + 1, here + 2):
            along = (day[here] - day[before]) / (day[after] - day[before])
            lines.append(value[before] + along * (value[after] - value[before]))
    curve = np.median(lines, axis=0)
    return int((value[here] < curve - DROP).sum()), len(here)


def interval(rows: Doubles, figure: Callable[[Doubles], float | None]) -> list[float] | None:
    """Return the 95 % interval of a figure of summed rows (n, ...), by bootstrap over the rows (seeded)."""
    if len(rows) < 2:
        return None
    rng = np.random.default_rng(0)
    drawn = [figure(rows[rng.integers(0, len(rows), len(rows))].sum(axis=0)) for _ in range(ROUNDS)]
    known = [value for value in drawn if value is not None]
    return [round(float(np.quantile(known, q)), 4) for q in (0.025, 0.975)] if known else None


def of_truth(mask: Mask, truth: Mask, changed: NDArray[np.bool_]) -> Mapping[str, Any]:
    """Return all figures of one mask against made truth."""
    out: dict[str, Any] = {kind: agreement(counts(mask, truth, kind)) for kind in ("cloud", "shadow", "spoilt")}
    out["eaten"] = eaten(lost(mask, truth, np.ones(changed.shape, bool)))
    out["eaten_after_change"] = eaten(lost(mask, truth, changed))
    return out


def _over(part: float, whole: float) -> float | None:
    return round(float(part / whole), 4) if whole > 0 else None
