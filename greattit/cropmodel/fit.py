"""Fit the network of the surrogate to finished runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.lessons import Runs, fields_of
from greattit.cropmodel.phases import seasons
from greattit.cropmodel.reckon import reckon
from greattit.cropmodel.record import Floats
from greattit.cropmodel.surrogate import features, scale

Own = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class FitConfig:
    """How the network learns."""

    width: int = 48
    members: int = 5
    steps: int = 600
    rate: float = 0.004
    decay: float = 0.03
    dropout: float = 0.1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """Ripe runs as the network sees them, in the order of the runs."""

    rows: NDArray[np.int64]
    """(n,) rows of the runs; unripe ones are left out"""
    seen: Floats
    """(n, k) features"""
    reckoned: Floats
    """(n,) [kg/ha]"""
    scale: Floats
    """(n,) [kg/ha]"""
    truth: Floats
    """(n,) [kg/ha] AquaCrop's dry yield"""


def table(runs: Runs, own: Own) -> Table:
    """Reckon every ripe run, crop by crop."""
    fields, parts = fields_of(runs), []
    for number, crop in enumerate(own):
        rows = np.flatnonzero((runs.labels["crop"] == crop) & np.isfinite(runs.yields))
        some = fields.take(rows)
        found = reckon(seasons(runs.weather[rows], some, own[crop]), own[crop])
        parts.append(
            (rows, features(found, some, number, len(own)), found.yield_kg_ha, scale(found), runs.yields[rows])
        )
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(joined[0])
    return Table(*(column[order] for column in joined))


def fit(lessons: Table, use: NDArray[np.bool_], usual: Floats, config: FitConfig) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a network fitted to the rows `use`.

    `usual` (n,) [kg/ha] is the mean yield of each row's crop; errors count against it, so that no crop
    outweighs another.
    """
    import torch

    seen = lessons.seen[use]
    mean, std = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-6)
    std = np.where(std < 1e-5, 1.0, std)
    inputs = torch.tensor(np.clip((seen - mean) / std, -4, 4), dtype=torch.float32)
    goal = torch.tensor((lessons.truth - lessons.reckoned)[use] / lessons.scale[use], dtype=torch.float32)
    weight = torch.tensor(lessons.scale[use] / usual[use], dtype=torch.float32)
    tensors = {"mean": mean.astype(np.float32), "std": std.astype(np.float32)}
    for member in range(config.members):
        tensors |= _member(member, inputs, goal, weight, config)
    return tensors


def _member(member: int, inputs: Any, goal: Any, weight: Any, config: FitConfig) -> dict[str, NDArray[np.float32]]:
    import torch

    torch.manual_seed(config.seed * 1000 + member)
    net: Any = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], config.width),
        torch.nn.Tanh(),
        torch.nn.Dropout(config.dropout),
        torch.nn.Linear(config.width, config.width),
        torch.nn.Tanh(),
        torch.nn.Dropout(config.dropout),
        torch.nn.Linear(config.width, 1),
    )
    torch.nn.init.zeros_(net[6].weight)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=config.steps)
    zero = torch.zeros(len(goal))
    for _ in range(config.steps):
        optimizer.zero_grad()
        loss: Any = torch.nn.functional.smooth_l1_loss((net(inputs)[:, 0] - goal) * weight, zero, beta=0.1)
        loss.backward()
        optimizer.step()
        schedule.step()
    layers = [(net[at].weight, net[at].bias) for at in (0, 3, 6)]
    named = {}
    for number, (matrix, bias) in enumerate(layers):
        named[f"m{member}.w{number}"] = matrix.detach().numpy()
        named[f"m{member}.b{number}"] = bias.detach().numpy()
    return named
