"""How long many seasons on even steps take, beside a library's smoother of one fixed stiffness in the same run.

Run `make benchmarks`. Prints medians of several rounds in one process on one thread, and ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from whittaker_eilers import WhittakerSmoother

from greattit.filled import fill
from greattit.filled.curves import draw_curves
from greattit.filled.whittaker import Factor, Looks
from greattit.onethread import one_thread
from greattit.types import BANDS, Series

ROUNDS = 5
SERIES, STEPS, LOOKS = 10_000, 37, 20
STIFFNESS = 1.0


def seconds(verb: Callable[[], Any]) -> float:
    """Return the median time of a verb over the rounds, after one that is not counted."""
    verb()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        verb()
        taken.append(time.perf_counter() - start)
    return median(taken)


def season(step: Any) -> Any:
    return 0.5 + 0.3 * np.sin(step / 6)


def main() -> None:
    rng = np.random.default_rng(0)
    node = np.sort(np.argsort(rng.uniform(size=(SERIES, STEPS)), axis=1)[:, :LOOKS], axis=1).astype(float)
    values, weights = season(node) + rng.normal(0, 0.03, node.shape), rng.uniform(0.5, 1, node.shape)
    looks = Looks.at(node, values, STEPS)
    dense, heavy = np.zeros((SERIES, STEPS)), np.zeros((SERIES, STEPS))
    np.put_along_axis(dense, node.astype(int), values, axis=1)
    np.put_along_axis(heavy, node.astype(int), weights, axis=1)
    rows, shares = dense.tolist(), heavy.tolist()
    dates = np.datetime64("2023-01-01") + np.sort(rng.choice(360, 60, replace=False))
    one = Series("p", dates, BANDS, rng.uniform(0.05, 0.5, (60, 10)).astype(np.float32), np.ones(60, np.float32))

    def library() -> None:
        for row, share in zip(rows, shares, strict=True):
            WhittakerSmoother(STIFFNESS, 2, STEPS, weights=share).smooth(row)

    def plain() -> Any:
        main, off, right = looks.equations(weights)
        return Factor.of(main, off, np.full(SERIES, STIFFNESS)).solve(right)

    theirs = WhittakerSmoother(STIFFNESS, 2, STEPS, weights=shares[0]).smooth(rows[0])
    print(f"largest difference from the library, row 0: {np.abs(plain()[:, 0] - theirs).max():.1e}\n")
    with one_thread():
        limit = seconds(library)
        found = {
            f"library, {SERIES} x {STEPS}, one stiffness": limit,
            "ours, the same": seconds(plain),
            "ours, stiffness weighed, doubt, sigma": seconds(lambda: draw_curves(looks, weights)),
            "fill one plot of 60 looks, 10 bands and NDVI": seconds(lambda: fill(one)),
        }
    for what, taken in found.items():
        print(f"{what:45s} {taken * 1e3:9.1f} ms   {taken / limit:6.3f} x the library")


if __name__ == "__main__":
    main()
