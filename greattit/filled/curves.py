"""Curves with uncertainty through many series at once: stiffness, noise and doubt are read off the looks themselves.

The smoother of `whittaker` is the mean of a Gaussian process: second and first differences of the curve are small,
looks scatter about it. Its stiffness is not picked but averaged over: each of `STIFFNESS` counts by its restricted
marginal likelihood (Wahba 1985, Annals of Statistics 13, 1378; Wood 2011, JRSS B 73, 3) times a broad prior, so that
the uncertainty holds that of the stiffness. Looks scatter as Student's t with `FREEDOM` degrees (Lange, Little and
Taylor 1989, JASA 84, 881): a look far from the curve, a cloud that was missed, loses its weight in `ROUNDS` rounds.
That is symmetric; the curve is not pressed to the upper envelope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from greattit.filled.whittaker import Array, Factor, Looks

STIFFNESS = tuple(10.0 ** (0.75 * k - 2) for k in range(5))
"""Tried, of steps of `BASE_DAYS`; they follow a change of about a week (0.01) to a month (10). Seven from 0.01 to 100
give the same errors and intervals."""

BASE_DAYS = 10
"""Steps that stiffness and tension are written for; they are converted to other steps, the curve is the same."""

TENSION = 0.5
"""Of first against second differences, on steps of `BASE_DAYS`: within two weeks a curve forgets its slope. Chosen on
plots of the Korean, Flemish and Vietnamese series; 0.3 to 1 do as well."""

LIKELY, SPREAD = float(np.log(0.2)), 1.5
"""Mean and standard deviation of the prior of log stiffness; it matters where looks are few."""

FREEDOM = 4.0
"""Degrees of freedom of the looks' scatter about the curve."""

ROUNDS = 3
"""Of weighing the looks anew; five give the same error to a percent."""

FLOOR = 1e-12
"""Least noise variance, as a share of the mean square of the looks: keeps a constant series from dividing by zero."""

CHUNK = 256
"""Rows solved at once, each with every stiffness; their equations stay near the processor."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves through many series, and what they say of each look."""

    values: Array
    """(node, row)"""
    sd: Array
    """(node, row) one sigma of the curve, without the noise of a look"""
    noise: Array
    """(row,) one sigma of a wholly clear look about the curve (scale of Student's t)"""
    trust: Array
    """(row, look) weight that the look kept, relative to its clear share: about 1 believed, near 0 doubted"""
    at_looks: Array
    """(row, look) the curve on the days of the looks, those of weight 0 included"""
    sd_at_looks: Array
    """(row, look) one sigma of the curve there"""


def draw_curves(
    looks: Looks,
    weights: Array,
    *,
    step_days: int = BASE_DAYS,
    stiffness: tuple[float, ...] = STIFFNESS,
    noise: float | None = None,
    rounds: int = ROUNDS,
) -> Curves:
    """Return the curves through `looks`; `weights` (row, look) are 0 where nothing was seen, else clear shares.

    Each row needs looks on two different days or more. `stiffness` and `noise`, where given, are not read off the
    looks; one round takes every look at its weight.
    """
    parts = [
        _curves(looks.take(rows), weights[rows], step_days, stiffness, noise, rounds)
        for rows in (slice(start, start + CHUNK) for start in range(0, len(weights), CHUNK))
    ]
    if len(parts) == 1:
        return parts[0]
    return Curves(
        np.concatenate([p.values for p in parts], axis=1),
        np.concatenate([p.sd for p in parts], axis=1),
        np.concatenate([p.noise for p in parts]),
        np.concatenate([p.trust for p in parts]),
        np.concatenate([p.at_looks for p in parts]),
        np.concatenate([p.sd_at_looks for p in parts]),
    )


def _curves(
    looks: Looks, weights: Array, step_days: int, stiffness: tuple[float, ...], noise: float | None, rounds: int
) -> Curves:
    total = np.maximum(weights.sum(axis=1), 1e-12)
    level = (weights * looks.values).sum(axis=1) / total
    floor = FLOOR * (weights * looks.values**2).sum(axis=1) / total + 1e-300
    looks = Looks(looks.node, looks.share, looks.values - level[:, None], looks.nodes)
    trust = np.ones_like(weights)
    for turn in range(rounds):
        last = turn == rounds - 1
        fit = _mixture(looks, weights * trust, floor, _Choice(step_days, stiffness, noise), last)
        if not last:
            off = looks.values - looks.read(fit.values)
            trust = (FREEDOM + 1) / (FREEDOM + weights * off**2 / fit.variance[:, None])
    return Curves(
        values=fit.values + level,
        sd=np.sqrt(fit.spread),
        noise=np.sqrt(fit.variance),
        trust=trust,
        at_looks=looks.read(fit.values) + level[:, None],
        sd_at_looks=np.sqrt(_between(looks, fit.spread, fit.beside)),
    )


@dataclass(frozen=True)
class _Choice:
    step_days: int
    stiffness: tuple[float, ...]
    noise: float | None

    def on_steps(self, value: float) -> float:
        """Convert a stiffness; the squared second difference of a step goes with the cube of its length."""
        return float(value * (BASE_DAYS / self.step_days) ** 3)

    @property
    def tension(self) -> float:
        return float(TENSION * (self.step_days / BASE_DAYS) ** 2)


@dataclass(frozen=True, eq=False)
class _Fit:
    values: Array
    """(node, row)"""
    variance: Array
    """(row,) of the noise"""
    spread: Array
    """(node, row) variance of the curve"""
    beside: Array
    """(node - 1, row) its covariance with the next node"""


def _mixture(looks: Looks, weights: Array, floor: Array, choice: _Choice, spread: bool) -> _Fit:
    """Return the mean over the stiffnesses, each by its likelihood, and with `spread` the variance too."""
    rows, tried = len(weights), np.array([choice.on_steps(value) for value in choice.stiffness])
    main, off, right = looks.equations(weights)
    factor = Factor.of(_repeat(main, tried), _repeat(off, tried), np.repeat(tried, rows), choice.tension)
    curves = factor.solve(_repeat(right, tried)).reshape(looks.nodes, -1, rows)
    freedom = np.maximum((weights > 0).sum(axis=1) - 1.0, 1.0)
    square = (weights * looks.values**2).sum(axis=1)
    misfit = np.maximum(square - np.einsum("nr,nkr->kr", right, curves), freedom * floor)
    if choice.noise is None:
        variances, likelihood = misfit / freedom, freedom * np.log(misfit)
    else:
        variances, likelihood = np.full_like(misfit, choice.noise**2), misfit / choice.noise**2
    doubt = ((np.log(choice.stiffness) - LIKELY) / SPREAD) ** 2 - (looks.nodes - 1) * np.log(tried)
    score = -0.5 * (likelihood + factor.log_determinant().reshape(-1, rows) + doubt[:, None])
    share = np.exp(score - score.max(axis=0))
    share /= share.sum(axis=0)
    mean = np.einsum("kr,nkr->nr", share, curves)
    fit = _Fit(mean, (share * variances).sum(axis=0), np.zeros_like(mean), np.zeros_like(mean[:-1]))
    if not spread:
        return fit
    whole, beside = (part.reshape(len(part), -1, rows) for part in factor.inverse())
    curves -= mean[:, None]
    whole = np.einsum("kr,nkr->nr", share, whole * variances + curves**2)
    beside = np.einsum("kr,nkr->nr", share, beside * variances + curves[:-1] * curves[1:])
    return _Fit(mean, fit.variance, whole, beside)


def _repeat(rows: Array, tried: Array) -> Array:
    """Lay the rows side by side once for each stiffness."""
    return np.tile(rows, (1, len(tried)))


def _between(looks: Looks, spread: Array, beside: Array) -> Array:
    """Return the variance of the curve (row, look) on the days of the looks, between two nodes."""
    row = np.arange(spread.shape[1])[:, None]
    ahead, behind = looks.share, 1 - looks.share
    both = 2 * ahead * behind * beside[looks.node, row]
    found = behind**2 * spread[looks.node, row] + ahead**2 * spread[looks.node + 1, row] + both
    return np.asarray(np.maximum(found, 0.0))
