"""Classifiers that are fitted to one labelled set, with the same two verbs: `fit` and `probabilities`.

- boosting: gradient boosted trees (Ke et al. 2017, LightGBM) on the features of `table`.
- forest: random trees of the same library, for sets that are too small to boost.
- network: the temporal CNN of `network` on the grid of `table`, with mixup (Zhang et al. 2018, arXiv:1710.09412) and
  seasons of which parts are hidden.
- plain: the same network trained as Pelletier et al. 2019 did, on seasons whose gaps are filled along time, with
  nothing hidden and nothing mixed: the better one where few dates are always seen.

Each is a handful of arrays, so that all of them travel in one safetensors file.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.crops.table import Table, features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Tensors = dict[str, NDArray[Any]]

COMMONEST = "commonest"
"""the shares of the crops in training, whatever was seen: what is left where nothing else is better"""
NAMES = ("boosting", "network", "plain", "forest", COMMONEST)
NETWORKS = ("network", "plain")


@dataclass(frozen=True)
class FitConfig:
    """How the experts are fitted."""

    rounds: int = 70
    """boosted trees of each class"""
    rate: float = 0.1
    """learning rate of boosting"""
    leaves: int = 12
    """leaves of a boosted tree"""
    trees: int = 200
    """trees of the forest"""
    steps: tuple[int, int] = (300, 1000)
    """fewest and most steps of training of the network"""
    epochs: int = 40
    """passes over the samples, within `steps`"""
    batch: int = 128
    """samples of one step"""
    width: int = 64
    """filters of each layer"""
    hidden: int = 128
    """units of the last but one layer"""
    dropout: float = 0.3
    """share of units left out"""
    network_rate: float = 3e-3
    """largest learning rate of the network"""
    weight_decay: float = 2e-2
    """of AdamW"""
    mixup: float = 0.2
    """parameter of the Beta distribution of mixup"""
    noise: float = 0.1
    """standard deviation of the noise, in standard deviations of a channel"""
    hidden_steps: float = 0.15
    """share of steps hidden"""
    shift_steps: int = 0
    """largest shift of a whole season [steps]"""
    smoothing: float = 0.05
    """label smoothing"""
    fill: bool = False
    """gaps are filled along time and nothing tells them from what was seen"""

    @property
    def plain(self) -> FitConfig:
        """The training of the plain network; its size grows with that of the other."""
        return replace(
            self,
            batch=64,
            epochs=20,
            hidden=2 * self.hidden,
            dropout=0.5,
            network_rate=1e-3,
            weight_decay=0.0,
            mixup=0.0,
            noise=0.0,
            hidden_steps=0.0,
            smoothing=0.0,
            fill=True,
        )


def fit(name: str, table: Table, target: Doubles, config: FitConfig, seed: int) -> Tensors:
    """Fit an expert to a table and its labels `target` (n, class), shares that sum to 1; return its arrays.

    Raises `DatasetError` when the loss of the network is no number.
    """
    if name == COMMONEST:
        return {"shares": target.mean(axis=0)}
    if name in NETWORKS:
        return _fit_network(table, target, config if name == "network" else config.plain, seed)
    return _fit_trees(name, table, target, config, seed)


def probabilities(name: str, tensors: Tensors, table: Table, classes: int, config: FitConfig) -> Doubles:
    """Return the probabilities (n, class) that a fitted expert gives."""
    if name == COMMONEST:
        return np.tile(tensors["shares"], (len(table), 1))
    if name in NETWORKS:
        own_config = config if name == "network" else config.plain
        shares: Doubles = np.exp(log_shares(tensors, table, classes, own_config))
        return shares
    import lightgbm

    text = tensors["trees"].tobytes().decode()
    own = tensors["classes"].astype(np.int64)
    out = np.zeros((len(table), classes))
    if len(own) == 1 or not len(table):
        out[:, own] = 1.0
        return out
    found = np.asarray(lightgbm.Booster(model_str=text).predict(features(table), num_threads=1))
    out[:, own] = found if found.ndim == 2 else np.stack([1 - found, found], axis=1)
    return out


def _fit_trees(name: str, table: Table, target: Doubles, config: FitConfig, seed: int) -> Tensors:
    import lightgbm

    labels = target.argmax(axis=1)
    own, index = np.unique(labels, return_inverse=True)
    if len(own) == 1:
        return {"trees": _as_array(""), "classes": own.astype(np.int64)}
    small = len(labels) < 300
    common: dict[str, Any] = {
        "objective": "multiclass" if len(own) > 2 else "binary",
        "verbose": -1,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "max_bin": 63,
    }
    if len(own) > 2:
        common["num_class"] = len(own)
    if name == "forest":
        rounds = config.trees
        common |= {"boosting": "rf", "extra_trees": True, "bagging_fraction": 0.7, "bagging_freq": 1}
        common |= {"feature_fraction_bynode": 0.3, "min_data_in_leaf": 2, "num_leaves": 31}
    else:
        rounds = config.rounds
        common |= {"learning_rate": config.rate, "num_leaves": config.leaves, "lambda_l2": 5.0}
        common |= {"bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.2 if table.form.steps > 4 else 0.6}
        common |= {"min_data_in_leaf": 3 if small else 10}
    data = lightgbm.Dataset(features(table), index, weight=target.max(axis=1), params={"verbose": -1})
    booster = lightgbm.train(common, data, rounds)
    return {"trees": _as_array(booster.model_to_string()), "classes": own.astype(np.int64)}


def _as_array(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8).copy()


def packed(tensors: Tensors) -> Tensors:
    """Return the arrays of an expert as they stand in a file: trees packed by LZMA, large matrices in 16 bits."""
    half = {
        key: value.astype(np.float16) for key, value in tensors.items() if key.startswith("net.") and value.ndim > 1
    }
    trees = {key: _squeeze(value, lzma.compress) for key, value in tensors.items() if key == "trees"}
    return tensors | half | trees


def unpacked(tensors: Tensors) -> Tensors:
    """Undo `packed`; raise `ValueError` when the trees are damaged."""
    try:
        trees = {key: _squeeze(value, lzma.decompress) for key, value in tensors.items() if key == "trees"}
        half = {key: value.astype(np.float32) for key, value in tensors.items() if value.dtype == np.float16}
        return tensors | half | trees
    except lzma.LZMAError as error:
        raise ValueError(f"trees are damaged: {error}") from error


def _squeeze(value: NDArray[Any], how: Any) -> NDArray[np.uint8]:
    return np.frombuffer(how(value.tobytes()), np.uint8).copy()


def _scaled(table: Table, mean: Floats, std: Floats, fill: bool) -> Floats:
    """Return the network's input (n, 2 * channel, steps): scaled values, 0 where unseen, and how much was seen.

    With `fill` it is (n, channel, steps), gaps filled from the steps before and after.
    """
    if fill:
        whole: Floats = np.nan_to_num((filled(table.values) - mean) / std).transpose(0, 2, 1).astype(np.float32)
        return whole
    values = np.nan_to_num((table.values - mean) / std)
    seen = np.where(np.isfinite(table.values), table.seen, 0.0)
    both: Floats = np.concatenate([values, seen], axis=2).transpose(0, 2, 1).astype(np.float32)
    return both


def filled(values: Floats) -> Floats:
    """Return values (n, steps, channel) with gaps filled linearly along the steps; NaN where a row has nothing."""
    out = values.copy()
    steps = np.arange(values.shape[1])
    for row, channel in np.argwhere(~np.isfinite(values).all(axis=1)):
        seen = np.isfinite(values[row, :, channel])
        if seen.any():
            out[row, :, channel] = np.interp(steps, steps[seen], values[row, seen, channel])
    return out


def _network(inputs: int, steps: int, classes: int, config: FitConfig) -> Any:
    from greattit.crops.network import NetworkConfig, TemporalCNN

    size = NetworkConfig(inputs, steps, classes, config.width, hidden=config.hidden, dropout=config.dropout)
    return TemporalCNN(size)


def _fit_network(table: Table, target: Doubles, config: FitConfig, seed: int) -> Tensors:
    import torch

    from greattit.errors import DatasetError

    flat = table.values.reshape(-1, table.values.shape[2]).astype(np.float64)
    there = np.isfinite(flat)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, flat, 0.0).sum(axis=0) / count
    std = np.sqrt(np.where(there, (flat - mean) ** 2, 0.0).sum(axis=0) / count) + 1e-4
    mean, std = mean.astype(np.float32), std.astype(np.float32)
    inputs = torch.from_numpy(_scaled(table, mean, std, config.fill))
    goal = torch.from_numpy(target.astype(np.float32))
    goal = goal * (1 - config.smoothing) + config.smoothing / goal.shape[1]
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed)
    network = _network(inputs.shape[1], inputs.shape[2], goal.shape[1], config)
    batches = max(1, len(inputs) // config.batch)
    steps = int(np.clip(config.epochs * batches, *config.steps))
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.network_rate, weight_decay=config.weight_decay)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.network_rate, total_steps=steps + 1, pct_start=0.2)
    network.train()
    for step in range(steps):
        if step % batches == 0:
            order = torch.randperm(len(inputs), generator=dice)
        first = step % batches * config.batch
        rows = order[first : first + config.batch]
        x, y = inputs[rows], goal[rows]
        if not config.fill:
            x, y = _mixed(_hidden(x, config, dice), y, config, dice)
        loss = -(network(x).log_softmax(dim=1) * y).sum(dim=1).mean()
        if not torch.isfinite(loss):
            raise DatasetError(
                f"the loss of the network is no number at step {step}",
                subject="training",
                remedy="look for values that are far out of range, or lower the learning rate",
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
    state = {f"net.{key}": value.numpy() for key, value in network.eval().state_dict().items()}
    return state | {"mean": mean, "std": std}


def _hidden(x: Any, config: FitConfig, dice: Any) -> Any:
    """Return a copy of a batch (b, 2 * channel, steps) with noise, hidden steps, hidden channels, and ends cut off."""
    import torch

    b, both, steps = x.shape
    channels = both // 2
    x = x.clone()
    if config.shift_steps:
        shift = int(torch.randint(-config.shift_steps, config.shift_steps + 1, (1,), generator=dice))
        x = torch.roll(x, shift, dims=2)
    x[:, :channels] += config.noise * torch.randn(b, channels, steps, generator=dice)
    x[:, :channels] += config.noise * torch.randn(b, channels, 1, generator=dice)
    if steps > 1:
        gone = torch.rand(b, 1, steps, generator=dice) < config.hidden_steps
        gone = gone | (torch.rand(b, channels, 1, generator=dice) < 0.1)
        x = x.masked_fill(torch.cat([gone.expand(b, channels, steps)] * 2, dim=1), 0.0)
    return x


def _mixed(x: Any, y: Any, config: FitConfig, dice: Any) -> tuple[Any, Any]:
    import torch

    if not config.mixup:
        return x, y
    one = torch._standard_gamma(torch.full((len(x), 1), config.mixup), generator=dice)
    other = torch._standard_gamma(torch.full((len(x), 1), config.mixup), generator=dice)
    share = one / (one + other + 1e-9)
    partner = torch.randperm(len(x), generator=dice)
    wide = share[:, :, None]
    return wide * x + (1 - wide) * x[partner], share * y + (1 - share) * y[partner]


def log_shares(tensors: Tensors, table: Table, classes: int, config: FitConfig) -> Doubles:
    """Return log probabilities (n, class) of a fitted network."""
    import torch

    inputs = torch.from_numpy(_scaled(table, tensors["mean"], tensors["std"], config.fill))
    network = _network(inputs.shape[1], inputs.shape[2], classes, config)
    state = {
        key.removeprefix("net."): torch.from_numpy(np.array(value)) for key, value in tensors.items() if "net." in key
    }
    network.load_state_dict(state)
    network.eval()
    with torch.inference_mode():
        parts = [network(part).log_softmax(dim=1).double() for part in torch.split(inputs, 512)]
    out: Doubles = torch.cat(parts).numpy() if len(inputs) else np.zeros((0, classes))
    return out
