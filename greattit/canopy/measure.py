"""How good the retrieval is: against made truth, and against the plainest peer, an exponential of NDVI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.canopy.retrieve import BANDS, TARGETS, Floats
from greattit.indices import ndvi

WANTED = {"lai": (0.5, 0.20), "fapar": (0.05, 0.10), "cover": (0.05, 0.10)}
"""[unit of the target, 1] an estimate is within the requirement when it is off by less than the first or by less than
this share of the truth: GCOS-200 (WMO 2016) for LAI and FAPAR; of cover, which has none there, as of FAPAR"""


@dataclass(frozen=True)
class Peer:
    """A + B exp(C NDVI) for each target, fitted on the spectra that the network learned from."""

    factors: NDArray[np.float64]
    """(target, 3) A, B, C"""

    def tell(self, spectra: NDArray[Any]) -> Floats:
        """Return the targets (n, target) of spectra (n, band)."""
        green = green_of(spectra)[:, None]
        a, b, c = self.factors.T
        return np.asarray(np.clip(a + b * np.exp(c * green), 0.0, [15.0, 1.0, 1.0]))


def green_of(spectra: NDArray[Any]) -> Floats:
    """Return NDVI (n,) of B8A and B04."""
    values = np.asarray(spectra, float)
    found = ndvi(values[:, BANDS.index("B04")], values[:, BANDS.index("B8A")])
    return np.asarray(np.clip(np.nan_to_num(found), -0.2, 1.0))


def fit_peer(spectra: NDArray[Any], truth: NDArray[Any]) -> Peer:
    """Fit the peer by least squares of each target: for each C of a grid the best A and B, then the best C."""
    green, rows = green_of(spectra), []
    for target in np.asarray(truth, float).T:
        best: tuple[float, list[float]] = (np.inf, [])
        for c in np.concatenate([np.arange(-6.0, -0.1, 0.25), np.arange(0.25, 12.1, 0.25)]):
            basis = np.stack([np.ones_like(green), np.exp(c * green)], axis=1)
            factors, *_ = np.linalg.lstsq(basis, target, rcond=None)
            error = float(((basis @ factors - target) ** 2).sum())
            best = min(best, (error, [*map(float, factors), float(c)]))
        rows.append(best[1])
    return Peer(np.array(rows))


DRAWS = 500
"""of the bootstrap behind an interval"""


def scores(told: Floats, doubt: Floats | None, truth: NDArray[Any], name: str) -> dict[str, Any]:
    """Return the figures of one target: told, doubt (one sd) and truth (n,); what is NaN has no answer and is counted.

    rmse and bias [unit of the target]; accuracy, the share within the requirement of WANTED; inside_sd, the share of
    truths within one standard deviation (0.68 is right).
    """
    answered = np.isfinite(told)
    off = told[answered] - np.asarray(truth, float)[answered]
    least, share = WANTED[name]
    out: dict[str, Any] = {
        "samples": len(off),
        "answered": round(float(answered.mean()), 4),
        "rmse": round(float(np.sqrt(np.mean(off**2))), 4),
        "bias": round(float(np.mean(off)), 4),
        "accuracy": round(float(np.mean(np.abs(off) <= np.maximum(least, share * truth[answered]))), 4),
    }
    if doubt is not None:
        out["inside_sd"] = round(float(np.mean(np.abs(off) <= doubt[answered])), 4)
    return out


def compare(
    told: Floats,
    doubt: Floats,
    peer: Floats,
    truth: NDArray[Any],
    name: str,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Return the figures of one target (n,) of the network and, on the same answered spectra, of the peer.

    `rmse_interval_95` and `interval` (of the accuracy) are by bootstrap over `groups` (n,), or over the spectra.
    """
    own = scores(told, doubt, truth, name)
    other = scores(np.where(np.isfinite(told), peer, np.nan), None, truth, name)
    own |= _intervals(told, truth, name, np.arange(len(told)) if groups is None else groups)
    return own | {f"{key}_of_ndvi": other[key] for key in ("rmse", "bias", "accuracy")}


def _intervals(told: Floats, truth: NDArray[Any], name: str, groups: NDArray[np.int64]) -> dict[str, list[float]]:
    """Return 95 % intervals of RMSE and accuracy: groups are drawn again with replacement."""
    answered = np.isfinite(told)
    off = np.abs(told[answered] - truth[answered])
    least, share = WANTED[name]
    sums = np.zeros((int(groups.max()) + 1, 3))
    good = off <= np.maximum(least, share * truth[answered])
    for column, values in enumerate((np.ones(len(off)), off**2, good)):
        sums[:, column] = np.bincount(groups[answered], weights=values, minlength=len(sums))
    sums = sums[sums[:, 0] > 0]
    rng = np.random.default_rng(1)
    drawn = np.array([sums[rng.integers(0, len(sums), len(sums))].sum(axis=0) for _ in range(DRAWS)])
    errors, shares = np.sqrt(drawn[:, 1] / drawn[:, 0]), drawn[:, 2] / drawn[:, 0]
    ends = [[round(float(value), 4) for value in np.quantile(part, (0.025, 0.975))] for part in (errors, shares)]
    return {"rmse_interval_95": ends[0], "interval": ends[1]}


def on_spectra(
    answer: tuple[Floats, Floats], peer: Peer, spectra: NDArray[Any], truth: NDArray[Any]
) -> dict[str, dict[str, Any]]:
    """Return target -> figures of made spectra (n, band) with their truth (n, target); `answer` mean and sd."""
    theirs = peer.tell(spectra)
    mean, spread = answer
    return {
        name: compare(mean[:, at], spread[:, at], theirs[:, at], truth[:, at], name) for at, name in enumerate(TARGETS)
    }
