"""Fitting the network that finds every field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from greattit.plots.fit import FitConfig, disguised, forward, roughened, turned

if TYPE_CHECKING:
    from greattit.fields.lessons import Lesson
    from greattit.plots.network import UNet

SIDE = 64
"""[pixel] of the squares that are learned from"""


def fit_fields(
    network: UNet,
    made: Sequence[Lesson],
    real: Sequence[Lesson],
    config: FitConfig,
    steps: int,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Teach a network the maps of `lessons.MAPS`, from squares of made counties and (a third) of real chips.

    A network with one output learns the extent alone. It is changed in place.
    """
    import torch

    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=config.decay)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps + 2, pct_start=0.15)
    network.train()
    cast("Any", network).to(memory_format=torch.channels_last)
    total = 0.0
    for step in range(1, steps + 1):
        third = config.batch // 3 if real else 0
        drawn = [made[int(rng.integers(len(made)))] for _ in range(config.batch - third)]
        drawn += [real[int(rng.integers(len(real)))] for _ in range(third)]
        seen, truth, weight = (torch.from_numpy(part) for part in _stacked(drawn, rng, rough=config.rough))
        optimiser.zero_grad()
        loss = fields_loss(forward(network, seen), truth, weight)
        loss.backward()
        optimiser.step()
        plan.step()
        total += float(loss.detach())
        if step % 200 == 0:
            say(f"step {step} of {steps}: loss {total / 200:.4f}")
            total = 0.0
    network.eval()
    cast("Any", network).to(memory_format=torch.contiguous_format)


def fields_loss(logits: Any, truth: Any, weight: Any) -> Any:
    """Return the loss of logits (b, map, y, x): each map's binary cross entropy with soft truth, where it is known."""
    from torch.nn import functional

    kinds = logits.shape[1]
    each = functional.binary_cross_entropy_with_logits(logits, truth[:, :kinds], reduction="none")
    known = weight[:, :kinds]
    return sum((each[:, k] * known[:, k]).sum() / (known[:, k].sum() + 1.0) for k in range(kinds))


def _stacked(lessons: Sequence[Lesson], rng: np.random.Generator, *, rough: bool) -> tuple[NDArray[np.float32], ...]:
    """Return squares (b, channel or map, SIDE, SIDE) at random places: where something is known."""
    seen, truth, weight = [], [], []
    for one in lessons:
        rows, columns = _place(one, rng)
        parts = [
            np.pad(
                part[:, rows, columns].astype(np.float32),
                ((0, 0), (0, SIDE - (rows.stop - rows.start)), (0, SIDE - (columns.stop - columns.start))),
            )
            for part in (one.seen, one.truth, one.weight)
        ]
        view, known = turned(parts[0], np.concatenate(parts[1:]), rng)
        seen.append(disguised(roughened(view, rng) if rough else view, rng))
        truth.append(known[:3])
        weight.append(known[3:])
    return np.stack(seen), np.stack(truth), np.stack(weight)


def _place(lesson: Lesson, rng: np.random.Generator) -> tuple[slice, slice]:
    """Choose a square of a lesson: in sparsely known ground, around a pixel that is known."""
    height, width = lesson.seen.shape[1:]
    high, wide = min(SIDE, height), min(SIDE, width)
    top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
    known = lesson.weight[0] > 0
    if not known.all() and known.any():
        rows, columns = np.nonzero(known)
        one = int(rng.integers(len(rows)))
        top = int(np.clip(rows[one] - rng.integers(high), 0, height - high))
        left = int(np.clip(columns[one] - rng.integers(wide), 0, width - wide))
    return slice(top, top + high), slice(left, left + wide)
