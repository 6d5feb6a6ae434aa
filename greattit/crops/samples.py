"""What the crop network is trained on: the sets, their folds, and the recipe of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.crops import dataset, taxonomy
from greattit.crops.augment import Augmentation
from greattit.crops.prepare import CHANNELS, Grid, channels, clear_looks, resample, season, stack, usable
from greattit.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


LEAST_OTHER_LOOKS = 8
"""looks that another year of a series must have to be trained on"""


@dataclass(frozen=True)
class Source:
    """One training set and how it is used."""

    share: float
    """times each of its samples is drawn in an epoch"""
    adjust: float
    """part of the log shares of its crops that is added to the logits, 0-1"""
    groups_apart: bool = False
    """each group has its own crops and dates (regions), so the shares are those of the group"""
    every_year: bool = False
    """the label is not of one season: each year of the series is one more sample to train on"""


@dataclass(frozen=True)
class TrainConfig:
    """All that is chosen in training."""

    sources: dict[str, Source] = field(
        default_factory=lambda: {
            "canada-2017": Source(share=1.0, adjust=0.5),
            "denmark-2016": Source(share=1.0, adjust=0.5),
            "korea-2021": Source(share=1.0, adjust=1.0, groups_apart=True, every_year=True),
            "india-2022": Source(share=0.3, adjust=0.5),
        }
    )
    """folders under the data root"""
    least_samples: int = 12
    """a crop with fewer samples is no class of its own"""
    folds: int = 5
    """members of the ensemble"""
    steps: int = 16
    """time steps of the window, about half months"""
    width_days: float = 12.0
    """standard deviation of the kernel in time [days]"""
    window: tuple[int, int] = (75, 305)
    """first and last day of the looks that are used [days since 1 January]"""
    brightest: float = 0.25
    """largest blue reflectance of a look that is used"""
    epochs: int = 45
    """draws of the training sets"""
    batch: int = 128
    """samples of one step"""
    rate: float = 3e-3
    """largest learning rate"""
    weight_decay: float = 1e-2
    """of AdamW"""
    smoothing: float = 0.05
    """label smoothing"""
    width: int = 64
    """filters of each layer"""
    hidden: int = 128
    """units of the last but one layer"""
    dropout: float = 0.3
    """share of units left out"""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """how far series are moved"""
    trees: int = 100
    """trees of the random forest that the network is measured against"""
    seed: int = 0
    """of all that is drawn"""


@dataclass(frozen=True, eq=False)
class Samples:
    """All training sets in arrays."""

    days: Doubles
    """(n, t) days since 1 January"""
    values: Floats
    """(n, t, raw)"""
    weights: Doubles
    """(n, t) 0 for padding"""
    looks: Ints
    """(n,) clear optical looks"""
    real: Bools
    """(n,) False for the other years of a sample, which are for training only"""
    labels: tuple[str, ...]
    """(n,) house names"""
    groups: tuple[str, ...]
    """(n,) spatial blocks"""
    sets: tuple[str, ...]
    """(n,) names of the sets"""
    classes: tuple[str, ...]
    """house names of the classes"""
    allowed: Bools
    """(n, class) classes that are right by the label"""
    offsets: Floats
    """(n, class) added to the logits in training"""
    fold: Ints
    """(n,) fold of each sample"""
    grid: Grid
    """how a series becomes the input"""

    @property
    def known(self) -> Bools:
        """(n,) a sample of its own whose label is a class or coarser than one."""
        return np.asarray(self.allowed.any(axis=1) & self.real)

    def inputs(self, rows: Ints) -> Floats:
        """Return the input (rows, 2 * channel, steps) without augmentation."""
        parts = [
            resample(self.days[part], channels(self.values[part]), self.weights[part], self.grid)
            for part in np.array_split(rows, max(1, len(rows) // 256))
        ]
        return np.concatenate(parts)


def gather(data_root: Path, config: TrainConfig) -> Samples:
    """Read all training sets under `data_root`; raise `DatasetError` when one is missing."""
    sets = [dataset.read(data_root / name) for name in config.sources]
    grid = _unscaled(config)
    plan = [(part, row, year) for part in sets for row in range(len(part)) for year in _years(part, row, config)]
    seasons = [usable(season(part.series(row), date(year, 12, 31), 0.0), grid) for part, row, year in plan]
    real = np.array([year == part.years[row] for part, row, year in plan])
    days, values, weights = stack(seasons)
    labels = tuple(taxonomy.house_name(part.crops[row]) for part, row, _ in plan)
    groups = tuple(part.groups[row] for part, row, _ in plan)
    names = tuple(part.name for part, _, _ in plan)
    classes = choose_classes([label for label, own in zip(labels, real, strict=True) if own], config.least_samples)
    allowed = np.array([[taxonomy.agrees(name, label) for name in classes] for label in labels])
    mean, std = _scaling(values)
    return Samples(
        days=days,
        values=values,
        weights=weights,
        looks=np.array([clear_looks(ready) for ready in seasons]),
        real=real,
        labels=labels,
        groups=groups,
        sets=names,
        classes=classes,
        allowed=allowed,
        offsets=_offsets(allowed, names, groups, config),
        fold=assign_folds(names, groups, config.folds),
        grid=replace(grid, mean=mean, std=std),
    )


def _years(part: dataset.Dataset, row: int, config: TrainConfig) -> tuple[int, ...]:
    own = int(part.years[row])
    if not config.sources[part.name].every_year:
        return (own,)
    dates = part.series(row).dates
    seen, looks = np.unique(dates.astype("datetime64[Y]").astype(int) + 1970, return_counts=True)
    others = (int(year) for year, count in zip(seen, looks, strict=True) if count >= LEAST_OTHER_LOOKS and year != own)
    return (own, *others)


def _unscaled(config: TrainConfig) -> Grid:
    zero, one = (0.0,) * len(CHANNELS), (1.0,) * len(CHANNELS)
    return Grid(CHANNELS, config.steps, config.width_days, zero, one, config.window, config.brightest)


def _scaling(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel; 0 and 1 where none of the sets has it."""
    mean, std = [], []
    for column in channels(values).reshape(-1, len(CHANNELS)).astype(np.float64).T:
        seen = column[np.isfinite(column)]
        mean.append(round(float(seen.mean()), 5) if len(seen) else 0.0)
        std.append(max(round(float(seen.std()), 5), 1e-3) if len(seen) else 1.0)
    return tuple(mean), tuple(std)


def choose_classes(labels: Sequence[str], least: int) -> tuple[str, ...]:
    """Return the names with at least `least` samples that are not merely a coarser name of other classes, sorted.

    A coarser name whose kinds all have too few samples is a class of its own.
    """
    names, counts = np.unique(np.asarray(labels), return_counts=True)
    many = [str(name) for name, count in zip(names, counts, strict=True) if count >= least]
    many = [name for name in many if taxonomy.ancestors(name)]
    coarser = {name for name in many if any(other != name and taxonomy.descends(other, name) for other in many)}
    classes = tuple(sorted(set(many) - coarser))
    if len(classes) < 2:
        raise DatasetError(f"fewer than two crops have {least} samples", subject="training sets")
    return classes


def assign_folds(sets: Sequence[str], groups: Sequence[str], folds: int) -> Ints:
    """Return the fold (n,) of each sample: whole groups of each set, large ones first, to the fold with the fewest."""
    fold = np.zeros(len(groups), np.int64)
    for name in dict.fromkeys(sets):
        inside = np.asarray(sets) == name
        blocks, counts = np.unique(np.asarray(groups)[inside], return_counts=True)
        load = np.zeros(folds)
        for block in np.lexsort((blocks, -counts)):
            target = int(load.argmin())
            load[target] += counts[block]
            fold[inside & (np.asarray(groups) == blocks[block])] = target
    return fold


def shares(allowed: Bools) -> Doubles:
    """Return the share of each class (class,) among labels (n, class); a coarse label counts in parts. Sums to 1."""
    weight = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    total: Doubles = weight.sum(axis=0) / max(weight.sum(), 1e-9)
    return total


def _offsets(allowed: Bools, sets: Sequence[str], groups: Sequence[str], config: TrainConfig) -> Floats:
    offsets = np.zeros(allowed.shape, np.float32)
    domains = np.array(
        [
            f"{name}/{group}" if config.sources[name].groups_apart else name
            for name, group in zip(sets, groups, strict=True)
        ]
    )
    for domain in np.unique(domains):
        inside = domains == domain
        adjust = config.sources[str(domain).split("/")[0]].adjust
        offsets[inside] = adjust * np.log(shares(allowed[inside]) + 1e-3)
    return offsets


def read_recipe(path: Path) -> TrainConfig:
    """Read a recipe: YAML with the fields of `TrainConfig`, those left out as they are there; raise `DatasetError`."""
    import yaml

    remedy = "see recipes/crops.yaml for its form"
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields = dict(given)
        if "sources" in fields:
            fields["sources"] = {str(name): Source(**how) for name, how in fields["sources"].items()}
        if "augmentation" in fields:
            how: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in fields["augmentation"].items()
            }
            fields["augmentation"] = Augmentation(**how)
        if "window" in fields:
            first, last = fields["window"]
            fields["window"] = (int(first), int(last))
        return TrainConfig(**fields)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", subject=str(path), remedy=remedy) from error
    except (yaml.YAMLError, TypeError, ValueError, AttributeError, UnicodeDecodeError) as error:
        raise DatasetError(f"is no recipe: {error}", subject=str(path), remedy=remedy) from error


def as_text(config: TrainConfig) -> dict[str, Any]:
    """Return the configuration as it stands in the card."""
    return asdict(config)
