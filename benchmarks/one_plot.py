"""How long one plot of the sample tiles takes, beside the physical limit: decoding the same files and nothing else.

Run `make benchmarks`. Prints medians of several rounds in one process, and ratios; single times depend on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from statistics import median
from typing import Any

import rasterio

from greattit import plots, shipped
from greattit.appraisal import appraise, season
from greattit.onethread import one_thread
from greattit.tiles import open_catalogue, raster

ROUNDS = 9
DAY = date(2023, 8, 20)


def seconds(verb: Callable[[], Any]) -> float:
    """Return the median time of a verb over the rounds, after one that is not counted."""
    verb()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        verb()
        taken.append(time.perf_counter() - start)
    return median(taken)


def main() -> None:
    folder = shipped.path("data/sample_tiles")
    catalogue = open_catalogue(folder)
    plot = plots.load(folder / "demo_plot.geojson")[0]
    files = [a.href for s in catalogue.between(date(DAY.year, 1, 1), DAY) for a in s.assets.values()]

    def decode() -> None:
        for path in files:
            with rasterio.open(path) as source:
                source.read(1)

    def cold() -> None:
        raster._opened.cache_clear()
        season(catalogue, plot, DAY)

    with one_thread():
        limit = seconds(decode)
        rows = {
            f"decode the {len(files)} files and nothing else": limit,
            "read the plot's season, nothing kept": seconds(cold),
            "read it again, small files kept": seconds(lambda: season(catalogue, plot, DAY)),
            "the whole walk, warm": seconds(lambda: appraise(catalogue, plot, DAY)),
        }
    for what, taken in rows.items():
        print(f"{what:45s} {taken * 1e3:9.1f} ms   {taken / limit:6.2f} x decoding")
    spent = appraise(catalogue, plot, DAY, clock=time.perf_counter).timing
    total = sum(spent.values())
    print("\nshares of the warm walk: " + ", ".join(f"{room} {s / total:.0%}" for room, s in spent.items()))


if __name__ == "__main__":
    main()
