"""How fast the shipped crop network serves, in one run, on one thread: `python benchmarks/crops.py [--torch-only]`.

1. Parcel-seasons a second of the whole ensemble, by torch and by onnxruntime, at several batch sizes, and of preparing
   the series alone. Beside each: its ratio to a random forest of 100 trees on the same flattened inputs at the same
   batch, and to the limit, which is this processor's own speed of multiplying matrices (numpy, float32) over the
   network's multiplications and additions.
2. Whether the figures of a plot depend, to the last bit, on how many are served with it.
3. How long one parcel takes from its series to its call, warm.

Speeds are of the processor's time (one thread, so a core), medians of several rounds, the rounds of all rows taken in
turn. Ratios may be compared between machines, single speeds may not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import nn

from greattit import crops
from greattit.crops import onnx, prepare
from greattit.crops.model import BATCH, Model, load
from greattit.crops.network import TemporalCNN
from greattit.errors import ModelError
from greattit.onethread import one_thread
from greattit.types import BANDS, SAR, Series

SIZES = (1, 8, 256, 1000)
LOOKS = 40
DAY = date(2023, 9, 30)
ROUNDS, SHORTEST = 7, 0.05
PARCEL_RUNS = 300
GOAL_RATE, GOAL_MS = 20_000, 5.0


def made_series(number: int) -> Series:
    """A made season of 40 optical looks and 10 of radar."""
    rng = np.random.default_rng(number)
    days = np.sort(rng.choice(270, LOOKS + 10, replace=False))
    values = np.full((LOOKS + 10, len(BANDS) + 2), np.nan, np.float32)
    radar = np.zeros(LOOKS + 10, bool)
    radar[rng.choice(LOOKS + 10, 10, replace=False)] = True
    values[~radar, : len(BANDS)] = rng.uniform(0.03, 0.4, (LOOKS, len(BANDS)))
    values[radar, len(BANDS) :] = rng.uniform([-14, -21], [-8, -14], (10, 2))
    clear = np.where(radar, 1.0, rng.uniform(0.5, 1.0, LOOKS + 10)).astype(np.float32)
    return Series(str(number), np.datetime64("2023-01-01") + days, (*BANDS, *SAR), values, clear)


def operations(network: TemporalCNN, steps: int) -> int:
    """Return multiplications and additions of one parcel in one network; a fused pair counts as two."""
    total = 0
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d):
            total += 2 * layer.in_channels * layer.out_channels * layer.kernel_size[0] * steps
        if isinstance(layer, nn.Linear):
            total += 2 * layer.in_features * layer.out_features
    return total


def flops_a_second() -> float:
    """Return what multiplying square matrices of float32 reaches here [1/s]."""
    side = 1024
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    taken = []
    for _ in range(9):
        start = time.thread_time()
        a @ a
        taken.append(time.thread_time() - start)
    return 2 * side**3 / min(taken)


def rates(verbs: dict[str, tuple[int, Callable[[], Any]]]) -> dict[str, float]:
    """Return parcels a second of each verb, which serves so many parcels: the median over rounds taken in turn."""
    times: dict[str, int] = {}
    for name, (_, verb) in verbs.items():
        verb()
        start, count = time.thread_time(), 0
        while time.thread_time() - start < SHORTEST:
            verb()
            count += 1
        times[name] = count
    found: dict[str, list[float]] = {name: [] for name in verbs}
    for _ in range(ROUNDS):
        for name, (parcels, verb) in verbs.items():
            start = time.thread_time()
            for _ in range(times[name]):
                verb()
            found[name].append(parcels * times[name] / (time.thread_time() - start))
    return {name: float(np.median(rate)) for name, rate in found.items()}


def forest(inputs: np.ndarray, classes: int) -> RandomForestClassifier:
    """Return the peer: 100 trees of the usual depth on inputs of the same form, with made labels to learn."""
    rng = np.random.default_rng(1)
    flat = inputs.reshape(len(inputs), -1)
    score = flat @ rng.normal(size=(flat.shape[1], classes))
    return RandomForestClassifier(100, n_jobs=1, random_state=0).fit(flat, score.argmax(axis=1))


def session_of(folder: Path) -> Any | None:
    try:
        with tempfile.TemporaryDirectory() as place:
            return onnx.session(onnx.export(folder, Path(place) / "crops.onnx"))
    except ModelError as error:
        print(f"without onnxruntime: {error}", file=sys.stderr)
        return None


def serving(model: Model, inputs: np.ndarray, series: list[Series], session: Any | None) -> dict[str, Any]:
    """Return every row to measure: name -> (parcels, verb)."""
    grid, peer = model.card.grid, forest(inputs, len(model.card.classes))
    seasons = [prepare.usable(prepare.season(one, DAY, 0.5), grid) for one in series]
    verbs: dict[str, Any] = {}
    for size in SIZES:
        part = inputs[:size]
        flat = part.reshape(size, -1)
        verbs[f"torch {size}"] = size, lambda part=part: model.logits(part, size=len(part))
        if session is not None:
            verbs[f"onnxruntime {size}"] = size, lambda part=part: session.run(["logits"], {onnx.INPUT: part})
        verbs[f"forest {size}"] = size, lambda flat=flat: peer.predict_proba(flat)
    verbs[f"as served {len(inputs)}"] = len(inputs), lambda: model.logits(inputs)
    alone, most = Model(model.card, model.networks[:1]), inputs[:256]
    verbs[f"one member, torch {len(most)}"] = len(most), lambda: alone.logits(most, size=len(most))
    verbs["looks to seasons"] = (
        len(series),
        lambda: [prepare.usable(prepare.season(one, DAY, 0.5), grid) for one in series],
    )
    verbs["seasons to inputs"] = len(series), lambda: prepare.inputs(seasons, grid)
    verbs["series to calls"] = len(series), lambda: crops.classify_many(series, day=DAY)
    return verbs


def company(model: Model, inputs: np.ndarray, session: Any | None) -> list[str]:
    """Return, kind by kind, the batch sizes whose logits are those of batches of `BATCH` to the bit."""
    part, told = inputs[:256], []
    kinds: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "torch": lambda some: model.logits(some, size=len(some)),
    }
    if session is not None:
        kinds["onnxruntime"] = lambda some: session.run(["members"], {onnx.INPUT: some})[0]
    for kind, verb in kinds.items():
        by = {
            size: np.concatenate([verb(part[i : i + size]) for i in range(0, len(part), size)], axis=1)
            for size in (1, 2, BATCH, 32, 256)
        }
        same = [str(size) for size, logits in by.items() if np.array_equal(logits, by[BATCH])]
        told.append(f"{kind}: {', '.join(same)} of {', '.join(map(str, by))}")
    return told


def latency(series: list[Series]) -> tuple[np.ndarray, np.ndarray]:
    """Return wall and processor's times [ms] of one parcel after another, warm."""
    for one in series[:20]:
        crops.classify(one, day=DAY)
    taken = []
    for number in range(PARCEL_RUNS):
        start = time.perf_counter(), time.thread_time()
        crops.classify(series[number % len(series)], day=DAY)
        taken.append((time.perf_counter() - start[0], time.thread_time() - start[1]))
    wall, work = np.array(taken).T * 1e3
    return wall, work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-only", action="store_true", help="leave onnxruntime out")
    asked = parser.parse_args()
    model = load(crops.model_folder())
    grid = model.card.grid
    work = sum(operations(network, grid.steps) for network in model.networks)
    with one_thread(), torch.inference_mode():
        series = [made_series(number) for number in range(max(SIZES))]
        inputs = prepare.inputs([prepare.usable(prepare.season(one, DAY, 0.5), grid) for one in series], grid)
        session = None if asked.torch_only else session_of(crops.model_folder())
        before = flops_a_second()
        found = rates(serving(model, inputs, series, session))
        limit = max(before, flops_a_second()) / work
        same = company(model, inputs, session)
        taken, worked = latency(series)
    print(
        f"{model.card.name}: {len(model.networks)} members, {work / 1e6:.2f} Mflop a parcel-season; "
        f"matrices at {limit * work / 1e9:.0f} Gflop/s, so the limit is {limit:,.0f} parcel-seasons/s"
    )
    print(f"{LOOKS} optical and 10 radar looks a season; one thread; medians of {ROUNDS} rounds\n")
    print(f"{'what':22s}{'batch':>7s}{'seasons/s':>12s}{'x forest':>10s}{'of limit':>10s}")
    for name, rate in found.items():
        what, _, size = name.rpartition(" ")
        sized = size.isdigit()
        peer = found[f"forest {size if sized else max(SIZES)}"]
        label = f"as served (by {BATCH})" if what == "as served" else what if sized else name
        print(f"{label:22s}{size if sized else len(series):>7}{rate:12,.0f}{rate / peer:10.2f}{rate / limit:10.1%}")
    kinds = ("torch", "onnxruntime", "as served", "series to calls")
    best = {kind: max((rate for name, rate in found.items() if name.startswith(kind)), default=0.0) for kind in kinds}
    print(f"\ngoal {GOAL_RATE:,} parcel-seasons/s per core: " + ", ".join(f"{k} {r:,.0f}" for k, r in best.items()))
    print("the same bits as in batches of 8: " + "; ".join(same))
    peer_ms = 1e3 / found["forest 1"]
    middle, late = np.median(taken), np.quantile(taken, 0.95)
    print(
        f"one parcel, series to call, warm: median {middle:.2f} ms, 95 % {late:.2f} ms (goal {GOAL_MS:g}), of the "
        f"processor's time {np.median(worked):.2f} and {np.quantile(worked, 0.95):.2f} ms; the latter median is "
        f"{np.median(worked) / peer_ms:.2f} x the forest's predict, {np.median(worked) * limit / 1e3:.0f} x the limit"
    )


if __name__ == "__main__":
    main()
