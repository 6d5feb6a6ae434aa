"""Makes the weights and the card of `models/crops` again: `greattit train crops`.

Each set is cut into folds by its spatial groups. Member k of the ensemble is trained without fold k, so that every
sample has figures from a network that saw nothing of its surroundings; calibration and levels are set on those.

Each set has its own mix of crops, and which set a series is from can be told by its dates and bands. So that a network
does not learn "this pattern of dates: Canada, so grassland", part of the log shares of a set's crops is added to the
logits in training (logit adjustment, Menon et al. 2021, arXiv:2007.07314). What is then left in the outputs is the
`reference` prior of the card.

Labels coarser than the classes (wheat) count for all classes below them: the loss is -log of the sum of their shares.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.crops.augment import augment
from greattit.crops.prepare import CHANNELS, resample
from greattit.crops.samples import Samples, TrainConfig, gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.network import TemporalCNN

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


def train_member(member: int, samples: Samples, config: TrainConfig) -> TemporalCNN:
    """Train the network that does not see fold `member` (a number that is no fold: sees all)."""
    import torch

    from greattit.crops.network import NetworkConfig, TemporalCNN

    rng = np.random.default_rng([config.seed, member])
    torch.manual_seed(config.seed * 1000 + member)
    network = TemporalCNN(
        NetworkConfig(
            2 * len(CHANNELS),
            config.steps,
            len(samples.classes),
            config.width,
            hidden=config.hidden,
            dropout=config.dropout,
        )
    )
    rows = np.flatnonzero((samples.fold != member) & samples.allowed.any(axis=1))
    pools = [(rows[np.asarray(samples.sets)[rows] == name], source.share) for name, source in config.sources.items()]
    batches = sum(int(share * len(pool)) for pool, share in pools) // config.batch
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.rate, total_steps=config.epochs * batches + 1, pct_start=0.2
    )
    network.train()
    for _ in range(config.epochs):
        drawn = np.concatenate([rng.choice(pool, int(share * len(pool)), replace=share > 1) for pool, share in pools])
        drawn = rng.permutation(drawn)
        for batch in range(batches):
            chosen = drawn[batch * config.batch : (batch + 1) * config.batch]
            optimiser.zero_grad()
            _loss(network, chosen, samples, config, rng).backward()
            optimiser.step()
            plan.step()
    return network.eval()


def _loss(network: TemporalCNN, rows: Ints, samples: Samples, config: TrainConfig, rng: np.random.Generator) -> Any:
    import torch

    longest = int((samples.weights[rows] > 0).sum(axis=1).max())
    days, values, weights = augment(
        samples.days[rows, :longest],
        samples.values[rows, :longest],
        samples.weights[rows, :longest],
        config.augmentation,
        rng,
    )
    inputs = torch.from_numpy(resample(days, values, weights, samples.grid))
    logs = (network(inputs) + torch.from_numpy(samples.offsets[rows])).log_softmax(dim=1)
    right = logs.masked_fill(~torch.from_numpy(samples.allowed[rows]), -1e9).logsumexp(dim=1)
    return -(1 - config.smoothing) * right.mean() - config.smoothing * logs.mean()


def fit_fold(
    member: int, data_root: Path, config: TrainConfig
) -> tuple[dict[str, NDArray[np.float32]], Doubles, Doubles]:
    """Train one member on one thread, so that the result does not depend on the machine's cores.

    Returns its tensors, its logits for its own fold (n of fold, class), and the same for seasons cut at 1 September.
    """
    import torch

    samples = gather(data_root, config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network = train_member(member, samples, config)
    rows = np.flatnonzero(samples.fold == member)
    early = replace(samples, weights=np.where(samples.days > 243, 0.0, samples.weights))
    with torch.inference_mode():
        full, cut = (network(torch.from_numpy(part.inputs(rows))).double().numpy() for part in (samples, early))
    torch.set_num_threads(threads)
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}, full, cut


def train(data_root: Path, out: Path, *, config: TrainConfig | None = None, workers: int = 2) -> dict[str, Any]:
    """Train the ensemble on the sets under `data_root` and write weights and card to the folder `out`; return the card.

    The same seed and versions give the same weights, whatever the number of `workers` (processes). Takes about ten
    minutes on two cores. Raises `DatasetError`.
    """
    from greattit.crops import publish

    config = config or TrainConfig()
    samples = gather(data_root, config)
    work = partial(fit_fold, data_root=data_root, config=config)
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            members = list(pool.map(work, range(config.folds)))
    else:
        members = [work(member) for member in range(config.folds)]
    logits = np.zeros((2, len(samples.labels), len(samples.classes)))
    for member, (_, full, cut) in enumerate(members):
        logits[:, samples.fold == member] = full, cut
    return publish.publish([tensors for tensors, _, _ in members], logits, samples, config, out)
