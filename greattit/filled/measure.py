"""How well hidden looks are told, and whether the intervals hold them: `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.filled.curves import FREEDOM
from greattit.filled.trials import KINDS, METHODS, Answer, Trial, draw_trials
from greattit.types import Series

Array = NDArray[np.float64]

QUANTITIES = ("ndvi", "B04", "B08", "B11", "VH")
"""What is hidden and told, where the series have it."""

PLOTS = 60
"""Plots drawn of a set; the process takes about 0.05 s a trial, 14 trials a plot."""

BOOTSTRAP = 1000
PEER = "straight lines"
"""What the others are held against."""


def evaluate(
    many: Sequence[Series],
    *,
    name: str = "",
    quantities: Sequence[str] = QUANTITIES,
    methods: Sequence[str] = tuple(METHODS),
    plots: int = PLOTS,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Hide looks of `plots` plots drawn from `many` and return how each method told them.

    For every quantity, method and kind of hiding: `plots` and `looks` scored; `error`, the mean over plots of each
    plot's mean absolute error, with its 95 % interval over plots; `against_lines`, its ratio to that of straight lines
    with the paired interval; `inside_80` and `inside_95`, the share of looks inside the intervals of a look, mean over
    plots, None for methods without any. Drawn with seed 0. Figures of nothing are left out.
    """
    rng = np.random.default_rng(0)
    chosen = [many[n] for n in rng.permutation(len(many))[:plots]]
    rows: list[dict[str, Any]] = []
    for number, quantity in enumerate(quantities):
        trials = draw_trials(chosen, quantity, np.random.default_rng(1))
        if trials:
            answers = {method: METHODS[method](trials) for method in dict.fromkeys((*methods, PEER))}
            rows += [row | {"quantity": quantity} for kind in KINDS for row in _rows(trials, answers, kind)]
        if progress:
            progress(number + 1, len(quantities))
    return {"dataset": name, "samples": len(many), "plots": len(chosen), "figures": rows}


def _rows(trials: list[Trial], answers: dict[str, list[Answer]], kind: str) -> list[dict[str, Any]]:
    """Return the figures of one kind of hiding, one row a method."""
    those = [n for n, trial in enumerate(trials) if trial.kind == kind]
    if not those:
        return []
    plot_ids = np.array([trials[n].plot_id for n in those for _ in range(int(trials[n].hidden.sum()))])
    truth = np.concatenate([trials[n].values[trials[n].hidden] for n in those])
    told = {m: np.abs(np.concatenate([a[n].values for n in those]) - truth) for m, a in answers.items()}
    errors = {method: _by_plot(plot_ids, off) for method, off in told.items()}
    rows = []
    for method, own in errors.items():
        sds = [answers[method][n].sd for n in those]
        rows.append(
            {
                "kind": kind,
                "method": method,
                "plots": len(own),
                "looks": len(truth),
                "error": float(own.mean()),
                "error_interval_95": _bootstrap(own),
                "against_lines": float(own.mean() / errors[PEER].mean()),
                "against_lines_interval_95": _bootstrap(own, errors[PEER]),
                "inside_80": _inside(plot_ids, told[method], sds, 0.80),
                "inside_95": _inside(plot_ids, told[method], sds, 0.95),
            }
        )
    return rows


def _by_plot(plot_ids: NDArray[np.str_], values: Array) -> Array:
    """Return the mean of each plot."""
    _, place, counts = np.unique(plot_ids, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(place, values) / counts)


def _inside(plot_ids: NDArray[np.str_], off: Array, sds: Sequence[Array | None], share: float) -> float | None:
    from scipy.stats import t

    known = [sd for sd in sds if sd is not None]
    if len(known) < len(sds):
        return None
    reach = float(t.ppf(0.5 + share / 2, FREEDOM)) * np.concatenate(known)
    return float(_by_plot(plot_ids, (off <= reach).astype(np.float64)).mean())


def _bootstrap(values: Array, over: Array | None = None) -> list[float]:
    """Return the 95 % interval of the mean, or of the ratio of means, over resampled plots (seeded)."""
    drawn = np.random.default_rng(0).integers(0, len(values), (BOOTSTRAP, len(values)))
    means = values[drawn].mean(axis=1)
    if over is not None:
        means = means / over[drawn].mean(axis=1)
    return [float(v) for v in np.quantile(means, (0.025, 0.975))]


def table(figures: dict[str, Any]) -> str:
    """Return the figures as lines for people; the least error of each block is marked."""
    lines = [f"{figures['dataset']}: {figures['plots']} of {figures['samples']} plots; looks hidden and told", ""]
    head = f"  {'quantity':9s}{'hidden':10s}{'method':16s}{'error (95 % over plots)':>26s}"
    lines.append(f"{head}{'against lines':>22s}{'in 80 %':>9s}{'in 95 %':>9s}{'looks':>7s}")
    blocks = dict.fromkeys((row["quantity"], row["kind"]) for row in figures["figures"])
    for block in blocks:
        rows = [row for row in figures["figures"] if (row["quantity"], row["kind"]) == block]
        least = min(row["error"] for row in rows)
        lines += [_line(row, row["error"] == least) for row in rows]
        lines.append("")
    return "\n".join(lines)


def _line(row: dict[str, Any], best: bool) -> str:
    low, high = row["error_interval_95"]
    near, far = row["against_lines_interval_95"]
    shares = "".join(f"{row[k]:9.1%}" if row[k] is not None else f"{'-':>9s}" for k in ("inside_80", "inside_95"))
    error = f"{row['error']:.4f} ({low:.4f}-{high:.4f})"
    ratio = f"{row['against_lines']:.2f} ({near:.2f}-{far:.2f})"
    cells = f"{row['quantity']:9s}{row['kind']:10s}{row['method']:16s}{error:>26s}{ratio:>22s}{shares}{row['looks']:7d}"
    return f"  {cells}{'  least' if best else ''}"
