"""Looks hidden on purpose, and what each method says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.filled.curves import draw_curves
from greattit.filled.process import draw_process
from greattit.filled.steps import CLEAR_ENOUGH, LEAST_NODES, quantity
from greattit.filled.whittaker import Looks
from greattit.types import Series

Array = NDArray[np.float64]

BRIGHT = 0.25
"""Looks with more reflectance in B02 are cloud or snow; they are neither used nor scored, as in `crops`."""

LEAST_LEFT = 6
"""Looks that must be left beside the hidden ones."""

KINDS = ("one look", "30 days", "60 days")
"""What is hidden: one look (with all of its day), or all looks of so many days."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One quantity of one plot with some looks hidden; looks on both sides of them are left."""

    plot_id: str
    kind: str
    days: Array
    """(look,) since 1970-01-01, ascending"""
    values: Array
    """(look,)"""
    weights: Array
    """(look,) clear share"""
    hidden: NDArray[np.bool_]
    """(look,)"""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says of the hidden looks of one trial."""

    values: Array
    """(hidden,)"""
    sd: Array | None = None
    """(hidden,) one sigma of a look there: of the curve and of the noise; None where the method has none"""


def draw_trials(
    many: Sequence[Series], name: str, rng: np.random.Generator, *, looks: int = 8, gaps: int = 3
) -> list[Trial]:
    """Return the trials of one quantity: `looks` single looks and `gaps` gaps of each length, drawn for every plot."""
    trials = []
    for series in many:
        values = quantity(series, name)
        with np.errstate(invalid="ignore"):
            bright = series.band("B02") > BRIGHT
        keep = np.isfinite(values) & (series.clear >= CLEAR_ENOUGH) & ~(bright & (name not in ("VV", "VH")))
        days = series.dates[keep].astype("datetime64[D]").astype(np.float64)
        if len(days) < LEAST_LEFT + 2:
            continue
        order = np.argsort(days, kind="stable")
        days, shown, weights = days[order], values[keep][order], series.clear[keep][order].astype(np.float64)
        for kind, hidden in _hidings(days, rng, looks, gaps):
            left = days[~hidden]
            around = len(left) and left[0] < days[hidden][0] and left[-1] > days[hidden][-1]
            if around and len(left) >= LEAST_LEFT:
                trials.append(Trial(series.plot_id, kind, days, shown, weights, hidden))
    return trials


def _hidings(days: Array, rng: np.random.Generator, looks: int, gaps: int) -> list[tuple[str, NDArray[np.bool_]]]:
    single = rng.permutation(np.unique(days)[1:-1])[:looks]
    found = [(KINDS[0], days == day) for day in single]
    for kind, length in ((KINDS[1], 30), (KINDS[2], 60)):
        room = days[-1] - length - days[0] - 2
        if room > 0:
            starts = days[0] + 1 + rng.integers(0, int(room) + 1, gaps)
            found += [(kind, (days >= start) & (days < start + length)) for start in starts]
    return [(kind, hidden) for kind, hidden in found if hidden.any()]


def by_whittaker(trials: Sequence[Trial], *, process: bool = False, step_days: int = 10) -> list[Answer]:
    """Answer by the curves of `fill`; with `process` by a Gaussian process that takes their noise and trust."""
    answers: list[Answer] = [Answer(np.array([]))] * len(trials)
    starts = [int(trial.days[0] // step_days) for trial in trials]
    nodes = [max(int(-(-t.days[-1] // step_days)) - s + 1, LEAST_NODES) for t, s in zip(trials, starts, strict=True)]
    for count in sorted(set(nodes)):
        members = [n for n, own in enumerate(nodes) if own == count]
        longest = max(len(trials[n].days) for n in members)
        position, values, weights = (np.zeros((len(members), longest)) for _ in range(3))
        for row, n in enumerate(members):
            trial, looks = trials[n], slice(0, len(trials[n].days))
            position[row, looks] = trial.days / step_days - starts[n]
            values[row, looks], weights[row, looks] = trial.values, np.where(trial.hidden, 0.0, trial.weights)
        curves = draw_curves(Looks.at(position, values, count), weights, step_days=step_days)
        for row, n in enumerate(members):
            trial, looks = trials[n], slice(0, len(trials[n].days))
            at, sd = curves.at_looks[row, looks][trial.hidden], curves.sd_at_looks[row, looks][trial.hidden]
            if process:
                noise = curves.noise[row] / np.sqrt(trial.weights * curves.trust[row, looks])[~trial.hidden]
                left = ~trial.hidden
                at, sd = draw_process(trial.days[left], trial.values[left], noise, trial.days[trial.hidden])
            answers[n] = Answer(at, np.hypot(sd, curves.noise[row] / np.sqrt(trial.weights[trial.hidden])))
    return answers


def by_process(trials: Sequence[Trial]) -> list[Answer]:
    """Answer by the Gaussian process."""
    return by_whittaker(trials, process=True)


def by_lines(trials: Sequence[Trial]) -> list[Answer]:
    """Answer by straight lines from look to look; looks of one day are averaged."""
    return [Answer(np.interp(t.days[t.hidden], *_daily(t.days[~t.hidden], t.values[~t.hidden]))) for t in trials]


def by_nearest(trials: Sequence[Trial]) -> list[Answer]:
    """Answer by the look nearest in time, the earlier of two."""
    return [
        Answer(t.values[~t.hidden][np.abs(t.days[t.hidden][:, None] - t.days[~t.hidden]).argmin(axis=1)])
        for t in trials
    ]


def by_months(trials: Sequence[Trial]) -> list[Answer]:
    """Answer by the mean of the calendar month; months without a look by straight lines between the months' middles."""
    answers = []
    for t in trials:
        months = t.days.astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")
        middles = months.astype("datetime64[D]").astype(np.float64) + 14.0
        known, means = _daily(middles[~t.hidden], t.values[~t.hidden])
        answers.append(Answer(np.interp(middles[t.hidden], known, means)))
    return answers


def _daily(days: Array, values: Array) -> tuple[Array, Array]:
    unique, place, counts = np.unique(days, return_inverse=True, return_counts=True)
    return unique, np.bincount(place, values) / counts


METHODS: dict[str, Callable[[Sequence[Trial]], list[Answer]]] = {
    "whittaker": by_whittaker,
    "process": by_process,
    "straight lines": by_lines,
    "nearest look": by_nearest,
    "monthly mean": by_months,
}
"""What is measured; the first is the default of `fill`."""
