"""How long growth and yields take: one plot as the walk does it, and 100,000 plots at once.

Run `make benchmarks`. The peer fits a double logistic to each plot by least squares (scipy), as phenology packages do.
Prints medians of several rounds in one process on one thread, and ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from statistics import median
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from greattit.growth import observe
from greattit.growth.curve import draw
from greattit.growth.seasons import seasons
from greattit.onethread import one_thread
from greattit.types import BANDS, CropCall, Series
from greattit.yields import estimate, estimate_rows

PLOTS, LOOKS, PEERS = 100_000, 40, 200
DAY = date(2023, 9, 1)
FIRST = (date(2022, 11, 1) - date(1970, 1, 1)).days
SPAN = (DAY - date(2022, 11, 1)).days


def logistic(day: Any, low: float, rise: float, up: Any, down: Any, slope: float, fall: float) -> Any:
    with np.errstate(over="ignore"):
        return low + rise * (1 / (1 + np.exp(-slope * (day - up))) - 1 / (1 + np.exp(-fall * (day - down))))


def seconds(verb: Callable[[], Any], rounds: int) -> float:
    """Return the median time of a verb over the rounds, after one that is not counted."""
    verb()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        verb()
        taken.append(time.perf_counter() - start)
    return median(taken)


def fits(days: Any, values: Any) -> None:
    for row in range(PEERS):
        try:
            curve_fit(logistic, days[row], values[row], (0.15, 0.6, 200.0, 290.0, 0.1, 0.1), maxfev=2000)
        except RuntimeError:
            continue


def main() -> None:
    rng = np.random.default_rng(0)
    days = np.sort(rng.uniform(0, SPAN, (PLOTS, LOOKS)), axis=1)
    up, down = rng.normal(210, 10, (PLOTS, 1)), rng.normal(285, 10, (PLOTS, 1))
    ndvi = logistic(days, 0.15, 0.65, up, down, 0.1, 0.1) + rng.normal(0, 0.02, days.shape)
    near = 0.4 * np.ones(LOOKS)
    red = near * (1 - ndvi[0]) / (1 + ndvi[0])
    values = np.tile(near[:, None], (1, len(BANDS)))
    values[:, BANDS.index("B04")] = red
    stamps = np.datetime64(FIRST, "D") + days[0].astype(int)
    one = Series("p", stamps, BANDS, values.astype(np.float32), np.ones(LOOKS, np.float32))
    call = CropCall({"maize": 1.0}, "maize", ("maize",), 1.0, None, "bench", "")
    crops = rng.choice(["maize", "potato", "winter_wheat"], PLOTS).tolist()
    green, struck, looks = rng.uniform(0.4, 1, PLOTS), rng.uniform(0, 0.2, PLOTS), np.full(PLOTS, float(LOOKS))
    shares = np.ones_like(days)

    def plot() -> Any:
        return estimate(call, observe(one, call, day=DAY, region="flanders"), region="flanders", day=DAY)

    def told() -> Any:
        return estimate_rows(crops, vigour=green, damaged=struck, looks=looks, region="flanders", day=DAY)

    with one_thread():
        alone = seconds(plot, 50)
        curves = seconds(lambda: draw(days + FIRST, ndvi, shares), 3)
        drawn = draw(days + FIRST, ndvi, shares)
        found = seconds(lambda: seasons(drawn, FIRST + SPAN), 3)
        rows = seconds(told, 3)
        peer = seconds(lambda: fits(days, ndvi), 3) / PEERS
    print(f"one plot, growth and yields, warm: {1e3 * alone:.1f} ms (goal 20 ms)\n")
    print(f"{PLOTS} plots of {LOOKS} looks at once")
    for name, taken in (("curves with doubt", curves), ("dates, kinds, intervals", found), ("yields", rows)):
        print(f"  {name:28s} {taken:7.2f} s {1e6 * taken / PLOTS:8.1f} us a plot")
    own = (curves + found) / PLOTS
    print(f"  a double logistic by scipy   {1e6 * peer:16.1f} us a plot: {peer / own:.1f} x ours")


if __name__ == "__main__":
    main()
