"""Makes the weights and the card of `models/clouds` again: `greattit train clouds`.

Counties are grown, skies hung over them (`lessons`); the detector's thresholds are searched on some of the seasons, the
network is trained on pixels of all of them. Everything is then measured on counties of other seeds under another sun,
and what serves is chosen there by one rule (`publish.choose`). No real pixel is used.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.clouds import publish, scores
from greattit.clouds.detect import Levels, detect, seasoned
from greattit.clouds.features import describe
from greattit.clouds.lessons import Lesson, lessons
from greattit.clouds.network import CLASSES
from greattit.clouds.publish import TrainConfig
from greattit.clouds.stack import CLEAR, SHADOW

Floats = NDArray[np.float32]
Part = tuple[Floats, NDArray[np.int64], Floats]


def train(
    out: Path, *, config: TrainConfig | None = None, workers: int = 2, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Train on made seasons and write weights and card to the folder `out`; return the card.

    The same seed and versions give the same weights, whatever the number of `workers` (processes). Takes about ten
    minutes on two cores and needs the development tool prosail. Raises `GreatTitError`.
    """
    config = config or TrainConfig()
    say = progress or (lambda _: None)
    with TemporaryDirectory() as folder:
        own, held = _grow_all(Path(folder), config, workers, say)
        say("searching the detector's thresholds")
        levels = search_levels([_read(file) for file in own[:: config.skies]], config)
        say("training the network")
        tensors = fit([_drawn(_read(file), levels, config, n) for n, file in enumerate(own)], config)
        say("measuring on held-out counties")
        return publish.publish(tensors, levels, [_read(file) for file in held], config, out)


def _grow_all(
    folder: Path, config: TrainConfig, workers: int, say: Callable[[str], None]
) -> tuple[list[Path], list[Path]]:
    """Grow all counties into files; return the files of the seasons to learn from and of those held out."""
    own = [("own", config.skies, 1000 * config.seed + 1 + n) for n in range(config.counties)]
    held = [("held out", 3, 1000 * config.seed + 501 + n) for n in range(config.held_out)]
    work = partial(_grow, folder=folder, looks=config.looks)
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            grown = list(pool.map(work, [*own, *held]))
    else:
        grown = [work(job) for job in [*own, *held]]
    say(f"grew {len(grown)} counties")
    files = [[file for county in part for file in county] for part in (grown[: len(own)], grown[len(own) :])]
    return files[0], files[1]


def _grow(job: tuple[str, int, int], folder: Path, looks: int) -> list[Path]:
    kind, skies, seed = job
    files = []
    for number, lesson in enumerate(lessons(seed, kind=kind, skies=skies, looks=looks)):
        files.append(folder / f"{seed}_{number}.pickle")
        files[-1].write_bytes(pickle.dumps(lesson))
    return files


def _read(file: Path) -> Lesson:
    lesson: Lesson = pickle.loads(file.read_bytes())
    return lesson


def _drawn(lesson: Lesson, levels: Levels, config: TrainConfig, number: int) -> Part:
    """Return features (n, feature), classes (n,) and weights (n,) of pixels drawn from one season."""
    rng = np.random.default_rng([config.seed, 11, number])
    features = describe(lesson.stack, *seasoned(lesson.stack, levels))
    rows = rng.choice(features.shape[1], min(config.pixels, features.shape[1]), replace=False)
    classes = lesson.mask.ravel()[rows].astype(np.int64)
    weights = np.where(classes == SHADOW, config.shadow_weight, 1.0)
    weights[(classes == CLEAR) & lesson.changed.ravel()[rows]] = config.changed_weight
    return np.ascontiguousarray(features[:, rows].T), classes, weights.astype(np.float32)


def search_levels(seasons: Sequence[Lesson], config: TrainConfig) -> Levels:
    """Return the detector's thresholds that do best on some seasons: a random search around the defaults."""
    rng = np.random.default_rng([config.seed, 5])
    usual = asdict(Levels())
    best, best_figure = Levels(), -np.inf
    for trial in range(config.trials):
        drawn = {name: _shaken(name, value, rng) for name, value in usual.items()} if trial else usual
        levels = Levels(**drawn)
        figure = merit([(detect(season.stack, levels), season) for season in seasons])
        if figure > best_figure:
            best, best_figure = levels, figure
    return Levels(**{field.name: round(getattr(best, field.name), 4) for field in fields(Levels)})


def _shaken(name: str, value: float, rng: np.random.Generator) -> float:
    if "fall" in name:
        return float(1 - (1 - value) * np.exp(rng.normal(0, 0.4)))
    return float(value * np.exp(rng.normal(0, 0.4)))


def merit(found: Sequence[tuple[NDArray[np.uint8], Lesson]]) -> float:
    """Return the mean of F1 for cloud and for shadow, less the clear looks lost right after a change."""
    sums = {
        kind: np.sum([scores.counts(mask, one.mask, kind).sum(axis=0) for mask, one in found], axis=0)
        for kind in ("cloud", "shadow")
    }
    f1 = [2 * hits / max(2 * hits + false + missed, 1) for hits, false, missed in sums.values()]
    lost = np.sum([scores.lost(mask, one.mask, one.changed).sum(axis=0) for mask, one in found], axis=0)
    return float(np.mean(f1) - lost[0] / max(lost[1], 1))


def fit(parts: Sequence[Part], config: TrainConfig) -> dict[str, Floats]:
    """Train the network on features, classes and weights; return its tensors. One thread: cores change nothing."""
    import torch
    from torch import nn

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    inputs, wanted, weights = (torch.from_numpy(np.concatenate(list(part))) for part in zip(*parts, strict=True))
    sizes = (inputs.shape[1], *config.hidden, len(CLASSES))
    linear: list[Any] = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    network: Any = nn.Sequential(*[step for layer in linear for step in (layer, nn.ReLU())][:-1])
    optimiser = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=1e-4)
    batches = -(-len(inputs) // config.batch)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=config.epochs * batches + 1)
    for _ in range(config.epochs):
        shuffled: Any = torch.randperm(len(inputs))
        for rows in shuffled.split(config.batch):
            optimiser.zero_grad()
            losses: Any = nn.functional.cross_entropy(network(inputs[rows]), wanted[rows], reduction="none")
            (losses * weights[rows]).mean().backward()
            optimiser.step()
            plan.step()
    torch.set_num_threads(threads)
    tensors = {}
    for number, layer in enumerate(linear):
        tensors[f"{number}.weight"] = layer.weight.detach().numpy().copy()
        tensors[f"{number}.bias"] = layer.bias.detach().numpy().copy()
    return tensors
