"""How long the mask of one plot's season takes: 22 x 22 pixels, 50 looks, 10 bands, one thread.

    .venv/bin/python benchmarks/clouds.py

Wall time is what a farmer waits; on a busy machine the processor's time says what the work is.
"""

from __future__ import annotations

import time

import numpy as np
import xarray as xr

from greattit import clouds
from greattit.clouds.network import METHODS
from greattit.onethread import one_thread
from greattit.types import BANDS

SIDE, LOOKS, RUNS = 22, 50, 30
GOAL_MS = 40.0


def made_cube() -> xr.Dataset:
    rng = np.random.default_rng(0)
    shape = (LOOKS, SIDE, SIDE)
    sky = np.where(rng.random((LOOKS, 1, 1)) < 0.4, 0.5, 0.0)
    data = {name: (("time", "y", "x"), (rng.uniform(0.02, 0.4, shape) + sky).astype(np.float32)) for name in BANDS}
    data["scl"] = ("time", "y", "x"), np.where(np.broadcast_to(sky, shape) > 0, 9, 4).astype(np.uint8)
    data["clear"] = ("time", "y", "x"), data["scl"][1] == 4
    days = np.datetime64("2023-01-01", "ns") + np.arange(LOOKS) * np.timedelta64(7, "D")
    return xr.Dataset(data, coords={"time": days}, attrs={"cube_id": "made"})


def main() -> None:
    cube = made_cube()
    print(f"{SIDE} x {SIDE} px, {LOOKS} looks, {len(BANDS)} bands, median of {RUNS} runs [ms]; goal {GOAL_MS:g}")
    print(f"{'method':14s}{'wall':>8s}{'processor':>12s}")
    with one_thread():
        for method in METHODS:
            clouds.refine(cube, method=method)
            spent = []
            for _ in range(RUNS):
                start = time.perf_counter(), time.thread_time()
                clouds.refine(cube, method=method)
                spent.append((time.perf_counter() - start[0], time.thread_time() - start[1]))
            wall, work = np.median(spent, axis=0) * 1e3
            print(f"{method:14s}{wall:8.1f}{work:12.1f}")


if __name__ == "__main__":
    main()
