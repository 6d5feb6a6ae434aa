"""How long the surrogate takes for many plots in one call, beside AquaCrop run for each of them.

Run `make benchmarks`. AquaCrop is run for some of the same plots in the same process on one thread; processor time, so
that what else runs on the machine does not count. Prints medians and a ratio. Needs the optional part cropmodel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from greattit.cropmodel import SOILS, AquaCrop, Fields, Plan, load, norm_daily, season
from greattit.cropmodel.climates import shipped_climates
from greattit.onethread import one_thread

ROUNDS = 3
PLOTS, RUNS = 100_000, 12
CROP, LONGEST, SHARE = "maize", 220, 0.85


def seconds(verb: Callable[[], object]) -> float:
    """Return the processor time of a verb."""
    start = time.process_time()
    verb()
    return time.process_time() - start


def surrogate() -> None:
    rng = np.random.default_rng(0)
    place = next(one for one in shipped_climates() if one.place == "champion")
    years = range(1985, 2015)
    windows = [
        season(norm_daily(place.daily), np.datetime64(f"{year}-05-01").astype(object), LONGEST) for year in years
    ]
    soils = sorted(SOILS)
    plans = [
        Plan(
            CROP,
            SOILS[soils[int(rng.integers(len(soils)))]],
            bool(rng.random() < 0.25),
            start_water=float(rng.uniform(0.1, 1.0)),
            thermal_share=SHARE,
            density_share=float(rng.uniform(0.5, 1.4)),
        )
        for _ in range(PLOTS)
    ]
    which = rng.integers(len(windows), size=PLOTS)
    weather = np.stack([np.stack([w.tmin_c, w.tmax_c, w.rain_mm, w.et0_mm]) for w in windows]).astype(np.float32)
    fields, model, truth = Fields.of(plans), load(), AquaCrop()
    model.yields(CROP, weather, fields.take(slice(0, 100)), which[:100])
    fast = median(seconds(lambda: model.yields(CROP, weather, fields, which)) for _ in range(ROUNDS))
    truth.run(plans[0], windows[which[0]])
    slow = median(
        seconds(lambda number=number: truth.run(plans[number], windows[which[number]])) for number in range(RUNS)
    )
    print(f"surrogate, {PLOTS:,} plots of {CROP} in one call, from daily weather: {fast:.2f} s of processor")
    print(f"{truth.name}, one plot and season: {slow:.3f} s of processor ({RUNS} plots run)")
    print(f"ratio by plot: {slow / (fast / PLOTS):,.0f}")


if __name__ == "__main__":
    with one_thread():
        surrogate()
