"""Fitting the networks of this room: the same seed, lessons and versions give the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from greattit.plots.sight import COMPONENTS

if TYPE_CHECKING:
    from greattit.plots.lessons import Lesson
    from greattit.plots.network import UNet

BUCKET = 8
"""[pixel] windows are filled up to multiples of this; such of one size are learned together"""


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted; it travels in the card."""

    epochs: int = 10
    batch: int = 24
    rate: float = 3e-3
    decay: float = 1e-4
    area_weight: float = 0.3
    """of the error of the whole area, beside that of each pixel"""
    overlap_weight: float = 0.5
    """of one minus the soft intersection over union"""
    seed: int = 0
    rough: bool = False
    """whether seasons are roughened: real fields are less even than made ones"""


def padded(height: int, width: int) -> tuple[int, int]:
    """Return the size that a window is filled up to."""
    return -(-height // BUCKET) * BUCKET, -(-width // BUCKET) * BUCKET


def filled(seen: NDArray[Any]) -> NDArray[np.float32]:
    """Fill a window (channel, y, x) up with zeros, below and to the right."""
    height, width = padded(*seen.shape[1:])
    return np.pad(seen.astype(np.float32), ((0, 0), (0, height - seen.shape[1]), (0, width - seen.shape[2])))


def fit_cut(
    network: UNet, lessons: Sequence[Lesson], config: FitConfig, say: Callable[[str], None] = lambda _: None
) -> None:
    """Teach a network with one output the share of each pixel that a drawing meant; it is changed in place."""
    import torch

    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=config.decay)
    batches = sum(1 for _ in _batches(lessons, config.batch, np.random.default_rng(0)))
    steps = config.epochs * batches
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps + 2, pct_start=0.15)
    network.train()
    cast("Any", network).to(memory_format=torch.channels_last)
    for epoch in range(config.epochs):
        total, count = 0.0, 0
        for chosen in _batches(lessons, config.batch, rng):
            seen, share, inside = (
                torch.from_numpy(part) for part in _stacked([lessons[k] for k in chosen], rng, rough=config.rough)
            )
            optimiser.zero_grad()
            loss = cut_loss(forward(network, seen)[:, 0], share, inside, config)
            loss.backward()
            optimiser.step()
            plan.step()
            total, count = total + float(loss.detach()) * len(chosen), count + len(chosen)
        say(f"epoch {epoch + 1}: loss {total / count:.4f}")
    network.eval()
    cast("Any", network).to(memory_format=torch.contiguous_format)


def forward(network: UNet, seen: Any) -> Any:
    """Return the logits of a batch in half precision (bfloat16), which halves the time where a processor has it."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(seen.contiguous(memory_format=torch.channels_last))
    return logits.float()


def cut_loss(logits: Any, share: Any, inside: Any, config: FitConfig) -> Any:
    """Return the loss of (b, y, x) logits: of the pixels, of the overlap, and of the area's logarithm."""
    from torch.nn import functional

    each = functional.binary_cross_entropy_with_logits(logits, share, reduction="none") * inside
    believed = logits.sigmoid() * inside
    area, true = believed.sum((1, 2)), share.sum((1, 2))
    both = (believed * share).sum((1, 2))
    overlap = both / (area + true - both + 1e-3)
    rim = 4.0 * true.clamp(min=4.0).sqrt()  # pixels along the border: small and large fields weigh alike
    return (
        (each.sum((1, 2)) / rim).mean()
        + config.overlap_weight * (1 - overlap).mean()
        + config.area_weight * ((area + 0.5).log() - (true + 0.5).log()).abs().mean()
    )


def _batches(lessons: Sequence[Lesson], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Deal lessons of like size into batches, in random order."""
    order = rng.permutation(len(lessons))
    sizes = np.array([max(padded(*lessons[k].share.shape)) for k in order])
    batches = []
    for one in np.unique(sizes):
        of_size = order[sizes == one]
        many = max(2, int(size * min(1.0, (40 / one) ** 2)))
        batches += [of_size[k : k + many].tolist() for k in range(0, len(of_size), many)]
    for k in rng.permutation(len(batches)):
        yield batches[k]


def _stacked(
    lessons: Sequence[Lesson], rng: np.random.Generator, *, rough: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return seen (b, channel, y, x), share and inside (b, y, x), each turned, mirrored and disguised at random."""
    side = max(max(padded(*one.share.shape)) for one in lessons)
    seen = np.zeros((len(lessons), lessons[0].seen.shape[0], side, side), np.float32)
    share, inside = np.zeros((len(lessons), side, side), np.float32), np.zeros((len(lessons), side, side), np.float32)
    for n, one in enumerate(lessons):
        view, truth = turned(one.seen.astype(np.float32), one.share.astype(np.float32), rng)
        height, width = truth.shape
        seen[n, :, :height, :width] = disguised(roughened(view, rng) if rough else view, rng)
        share[n, :height, :width] = truth
        inside[n, :height, :width] = 1.0
    return seen, share, inside


def turned(seen: NDArray[Any], truth: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Turn by quarters and mirror what is seen (channel, y, x) and the truth (..., y, x) alike."""
    quarters, mirrored = int(rng.integers(4)), rng.random() < 0.5
    seen, truth = (np.rot90(part, quarters, (-2, -1)) for part in (seen, truth))
    return (seen[..., ::-1], truth[..., ::-1]) if mirrored else (seen, truth)


def disguised(seen: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Change the signs of components, which mean nothing; seldom hide or shift the colours, which differ by sensor."""
    out = seen.copy()
    out[:COMPONENTS] *= rng.choice([-1.0, 1.0], (COMPONENTS, 1, 1))
    way = rng.random()
    if way < 0.15:
        out[COMPONENTS + 1 : COMPONENTS + 7] = 0.0
    elif way < 0.5:
        out[COMPONENTS + 1 : COMPONENTS + 7] += rng.normal(0, 0.1, (6, 1, 1))
    return out


def roughened(seen: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Add patches to the season's components, as soil, water and machines make them inside real fields.

    Each component gets smooth noise of its own, a few pixels wide, up to half as strong as it varies in the window; the
    gradient is reckoned again. Half of the windows stay as they are.
    """
    from scipy.ndimage import gaussian_filter

    if rng.random() < 0.5:
        return seen
    out = seen.copy()
    season = np.sinh(out[:COMPONENTS])
    strength, wide = rng.uniform(0.0, 0.5), rng.uniform(0.7, 3.0)
    for k in range(COMPONENTS):
        noise = gaussian_filter(rng.normal(size=season.shape[1:]), wide)
        season[k] += strength * season[k].std() * noise / max(float(noise.std()), 1e-6)
    slopes = np.gradient(season, axis=(1, 2))
    out[:COMPONENTS] = np.arcsinh(season)
    out[COMPONENTS] = np.arcsinh(np.sqrt(sum((slope**2).sum(0) for slope in slopes)))
    return np.asarray(np.clip(out, -8.0, 8.0))
