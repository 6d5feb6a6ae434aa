"""A parcel as the set of its pixels, beside its mean.

The network is a pixel-set encoder (after Sainte Fare Garnot et al. 2020, arXiv:1911.07757): one perceptron for every
pixel, then mean and standard deviation over the pixels of the field, its shape, and as context the pixels in a ring
around it, pooled the same way. What it gains is measured in `pixeltrial`.

A patches file is a .npz without pickle: patch (n, band, h, w) uint8 or uint16, 0 in all bands where nothing was seen;
mask (n, h, w) bool, the field; crop and group (n,) text; bands (band,) text; and sample (n,) text where there is one.

No weights ship from this, whatever it measures. Counts of such a file are stretched by rules of their own and are not
reflectance, and one date is not a season: a network fitted to them would misread what the walk sees.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from greattit import indices
from greattit.crops import taxonomy
from greattit.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

SHAPE = 2
"""figures of the shape of a field"""
NEEDED = {"patch": 4, "mask": 3, "crop": 1, "group": 1, "bands": 1}
"""arrays of a patches file -> their dimensions"""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""of each band over the pixels of a field"""
INDICES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "ndvi": (indices.ndvi, ("B04", "B08")),
    "ndwi": (indices.ndwi, ("B03", "B08")),
    "ndre": (indices.ndre, ("B05", "B08")),
    "ndmi": (indices.ndmi, ("B08", "B11")),
    "nbr": (indices.nbr, ("B08", "B12")),
    "bsi": (indices.bsi, ("B02", "B04", "B08", "B11")),
}
"""index -> its function and bands; of counts, so they compare fields of one file only"""
STEPS = 375
"""of training, whatever the size of the file, so that its cost is bounded; chosen on 4,000 Indian fields, as were the
sizes of network and trees, in about fifteen looks at the figures of the same folds"""


@dataclass(frozen=True)
class PixelSetConfig:
    """Size of the network, and how it is trained."""

    bands: int
    """counts of a pixel"""
    classes: int
    """crops and covers it tells apart"""
    ring: int = 2
    """width of the ring of pixels around a field [px]; 0: the network does not see it"""
    width: int = 32
    """units of the first layer of the pixel's perceptron"""
    embedding: int = 64
    """units of its second layer, which are pooled"""
    hidden: int = 64
    """units of the last but one layer"""
    dropout: float = 0.3
    """share of units left out in training"""
    pixels: int = 16
    """pixels of a field, and of its ring, that a step draws at about; smaller ones give all"""
    steps: int = STEPS
    """of training"""
    batch: int = 128
    """fields of one step"""
    rate: float = 5e-3
    """largest learning rate"""
    weight_decay: float = 1e-2
    """of AdamW"""


@dataclass(frozen=True, eq=False)
class Patches:
    """Labelled patches, one field in each."""

    name: str
    """name of the file"""
    patch: NDArray[np.unsignedinteger[Any]]
    """(n, band, h, w) counts; 0 in all bands where nothing was seen"""
    mask: Bools
    """(n, h, w) pixels of the field"""
    crops: tuple[str, ...]
    """(n,) house names"""
    groups: tuple[str, ...]
    """(n,) spatial blocks"""
    bands: tuple[str, ...]
    """(band,) names of the second axis of `patch`"""

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def seen(self) -> Bools:
        """(n, h, w) pixels that are no padding."""
        return np.asarray(self.patch.any(axis=1))


@dataclass(frozen=True, eq=False)
class Sets:
    """Sets of pixels, one after the other."""

    pixels: Floats
    """(p, band) counts"""
    starts: Ints
    """(n + 1,) the pixels of set i are rows starts[i] to starts[i + 1]"""

    def take(self, rows: Ints) -> tuple[Floats, Ints]:
        """Return the pixels (p, band) of some sets and which of `rows` each belongs to (p,)."""
        counts = (self.starts[1:] - self.starts[:-1])[rows]
        owner = np.repeat(np.arange(len(rows)), counts)
        first = self.starts[rows] - (np.cumsum(counts) - counts)
        return self.pixels[np.arange(len(owner)) + first[owner]], owner


@dataclass(frozen=True, eq=False)
class Fields:
    """What the methods are given of each field."""

    inside: Sets
    """pixels of the field, never none"""
    ring: Sets
    """pixels around it"""
    shape: Floats
    """(n, 2) as of `shape_features`"""

    def batch(self, rows: Ints) -> tuple[Floats, Ints, Floats, Ints, Floats]:
        """Return pixels and owners inside, pixels and owners of the ring, and shapes of the fields `rows`."""
        return *self.inside.take(rows), *self.ring.take(rows), self.shape[rows]


def read(path: Path) -> Patches:
    """Read a patches file; raise `DatasetError`, naming the row, for anything but what it must hold."""
    found = _arrays(Path(path))
    for name, dimensions in NEEDED.items():
        if name not in found:
            raise DatasetError(f"has no array {name!r}", subject=str(path), remedy=f"it needs {', '.join(NEEDED)}")
        if found[name].ndim != dimensions:
            raise DatasetError(f"{name} has {found[name].ndim} dimensions, not {dimensions}", subject=str(path))
    patch, mask = found["patch"], found["mask"]
    kinds = {"patch": patch.dtype in (np.uint8, np.uint16), "mask": mask.dtype == np.bool_}
    kinds |= {name: found[name].dtype.kind == "U" for name in ("crop", "group", "bands")}
    for name in (name for name, good in kinds.items() if not good):
        wanted = {"patch": "uint8 or uint16", "mask": "bool"}.get(name, "text")
        raise DatasetError(f"{name} is {found[name].dtype}, not {wanted}", subject=str(path))
    count, bands, height, width = patch.shape
    shapes = {"mask": (count, height, width), "crop": (count,), "group": (count,), "bands": (bands,)}
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise DatasetError(f"{name} is {found[name].shape}, where patch asks for {shape}", subject=str(path))
    if not patch.size or len(set(found["bands"].tolist())) < bands:
        raise DatasetError("holds no patch, or a band twice", subject=str(path))
    _refuse_rows(found, str(path))
    crops = tuple(taxonomy.house_name(crop) for crop in found["crop"].tolist())
    return Patches(Path(path).name, patch, mask, crops, tuple(found["group"].tolist()), tuple(found["bands"].tolist()))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DatasetError("is not a .npz, or was cut short", subject=str(path))
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in (*NEEDED, "sample") if name in arrays.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"cannot be read as .npz without pickle: {error}", subject=str(path)) from error


def _refuse_rows(found: Mapping[str, NDArray[Any]], path: str) -> None:
    """Raise `DatasetError` for the first row with no crop, no group or no pixel of the field that was seen."""
    patch, mask = found["patch"], found["mask"]
    faults = {
        "has no crop": found["crop"] == "",
        "has no group": found["group"] == "",
        "has an empty mask": ~mask.any(axis=(1, 2)),
        "has a mask on padding only": ~(mask & patch.any(axis=1)).any(axis=(1, 2)),
    }
    for what, bad in faults.items():
        if bad.any():
            row = int(bad.argmax())
            names = found.get("sample")
            named = f" ({names[row]})" if names is not None and names.shape == bad.shape else ""
            raise DatasetError(f"row {row}{named} {what}", subject=path)


def fields(patches: Patches, ring: int) -> Fields:
    """Return the sets of pixels of each field and of the ring of `ring` px around it, and its shape.

    Pixels that were not seen are in neither; the ring holds whatever lies there, other fields too.
    """
    seen = patches.seen
    return Fields(
        inside=_gather(patches, patches.mask & seen),
        ring=_gather(patches, _grown(patches.mask, ring) & ~patches.mask & seen),
        shape=shape_features(patches.mask),
    )


def _gather(patches: Patches, chosen: Bools) -> Sets:
    starts = np.concatenate([[0], np.cumsum(chosen.sum(axis=(1, 2)))])
    return Sets(np.moveaxis(patches.patch, 1, -1)[chosen].astype(np.float32), starts)


def _grown(mask: Bools, by: int) -> Bools:
    """Return masks (n, h, w) grown by pixels in all eight directions."""
    for _ in range(by):
        wide = np.pad(mask, ((0, 0), (1, 1), (0, 0)))
        mask = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
        wide = np.pad(mask, ((0, 0), (0, 0), (1, 1)))
        mask = wide[:, :, :-2] | wide[:, :, 1:-1] | wide[:, :, 2:]
    return mask


def shape_features(mask: Bools) -> Floats:
    """Return (n, 2) of masks: the natural logarithm of the count of pixels, and the perimeter ratio.

    The ratio is perimeter / (4 sqrt(count)), both in pixels: 1 for a square, larger for a long or ragged field.
    """
    count = mask.sum(axis=(1, 2))
    wide = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    edges = (wide[:, 1:] != wide[:, :-1]).sum(axis=(1, 2)) + (wide[:, :, 1:] != wide[:, :, :-1]).sum(axis=(1, 2))
    return np.stack([np.log(count), edges / (4 * np.sqrt(count))], axis=1).astype(np.float32)


def mean_features(inside: Sets) -> Doubles:
    """Return the mean count (n, band) of each set."""
    sums: Doubles = np.add.reduceat(inside.pixels, inside.starts[:-1], axis=0, dtype=np.float64)
    return sums / np.diff(inside.starts)[:, None]


def spread_features(inside: Sets, bands: tuple[str, ...]) -> Doubles:
    """Return (n, feature): mean, standard deviation and quantiles of each band, mean and deviation of each index."""
    columns = [inside.pixels.astype(np.float64)]
    for index, needed in INDICES.values():
        if set(needed) <= set(bands):
            index_of_pixels = index(*(columns[0][:, bands.index(band)] for band in needed))
            columns.append(np.nan_to_num(index_of_pixels)[:, None])
    pixels = np.concatenate(columns, axis=1)
    rows = []
    for part in np.split(pixels, inside.starts[1:-1]):
        quantiles = np.quantile(part[:, : len(bands)], QUANTILES, axis=0)
        rows.append(np.concatenate([part.mean(axis=0), part.std(axis=0), quantiles.ravel()]))
    return np.array(rows)


class PixelSet(nn.Module):
    """One perceptron for every pixel, mean and standard deviation over each set, a dense layer over all of it."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: PixelSetConfig, pixels: Floats) -> None:
        """Make the network; the counts are scaled by mean and standard deviation of `pixels` (p, band)."""
        super().__init__()
        self.config = config
        self.register_buffer("centre", torch.from_numpy(pixels.mean(axis=0)))
        self.register_buffer("scale", torch.from_numpy(np.maximum(pixels.std(axis=0), 1e-3)))
        self.pixel = nn.Sequential(
            nn.Linear(config.bands, config.width),
            nn.BatchNorm1d(config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.embedding),
            nn.BatchNorm1d(config.embedding),
            nn.ReLU(),
        )
        sets = 2 if config.ring else 1
        pooled = sets * 2 * (config.embedding + config.bands) + SHAPE
        self.head = nn.Sequential(
            nn.BatchNorm1d(pooled),
            nn.Dropout(config.dropout),
            nn.Linear(pooled, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.classes),
        )

    def forward(self, inside: Tensor, owner: Tensor, around: Tensor, around_owner: Tensor, shape: Tensor) -> Tensor:
        """Map pixels inside (p, band) and around (r, band) of b fields to logits (b, classes).

        The owners (p,) and (r,) say which field a pixel is of, 0 to b - 1; the shape is (b, 2).
        """
        count = len(shape)  # b
        if self.config.ring:
            pixels = torch.cat([inside, around])  # (p + r, band)
            both = self.encode(pixels, torch.cat([owner, around_owner + count]), 2 * count)  # (2 b, pooled)
            pooled = torch.cat([both[:count], both[count:]], dim=1)  # (b, 2 pooled)
        else:
            pooled = self.encode(inside, owner, count)  # (b, pooled)
        logits: Tensor = self.head(torch.cat([pooled, shape], dim=1))  # -> (b, hidden) -> (b, classes)
        return logits

    def encode(self, pixels: Tensor, owner: Tensor, count: int) -> Tensor:
        """Map pixels (p, band) of `count` sets (p,) to (count, 2 (embedding + band)); a set of none gives 0."""
        pixels = (pixels - self.centre) / self.scale  # (p, band)
        return pool(torch.cat([self.pixel(pixels), pixels], dim=1), owner, count)  # (p, embedding + band) -> pooled


def pool(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Return mean and standard deviation (count, 2 * e) of values (p, e) over the sets that own them (p,)."""
    empty = values.new_zeros(count, values.shape[1])  # (count, e)
    seen = values.new_zeros(count).index_add(0, owner, torch.ones_like(values[:, 0])).clamp(min=1)[:, None]
    mean = empty.index_add(0, owner, values) / seen
    variance = empty.index_add(0, owner, (values - mean[owner]) ** 2) / seen
    return torch.cat([mean, (variance + 1e-6).sqrt() - 1e-3], dim=1)  # the slope of a root at 0 is infinite


def train(data: Fields, labels: Ints, rows: Ints, config: PixelSetConfig, seed: int) -> PixelSet:
    """Train a network on the fields `rows` with labels (n,) 0 to classes - 1; the same seed gives the same network."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PixelSet(config, data.inside.take(rows)[0])
        optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.weight_decay)
        plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=config.steps + 1)
        network.train()
        for _ in range(config.steps):
            chosen = rng.choice(rows, min(config.batch, len(rows)), replace=False)
            inside, owner, around, around_owner, shape = data.batch(chosen)
            drawn = (*_thinned(inside, owner, config, rng), *_thinned(around, around_owner, config, rng), shape)
            logits = network(*map(torch.from_numpy, drawn))
            optimiser.zero_grad()
            loss: Any = nn.functional.cross_entropy(logits, torch.from_numpy(labels[chosen]))
            loss.backward()
            optimiser.step()
            plan.step()
    return network.eval()


def _thinned(pixels: Floats, owner: Ints, config: PixelSetConfig, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Return about `config.pixels` pixels of each set, all of a smaller one."""
    kept = rng.random(len(owner)) * np.bincount(owner, minlength=1)[owner] < config.pixels
    return pixels[kept], owner[kept]


def probabilities(network: PixelSet, data: Fields, rows: Ints) -> Doubles:
    """Return the probabilities (rows, classes) from all pixels of the fields `rows`."""
    parts = []
    with torch.inference_mode():
        for chosen in np.array_split(rows, max(1, len(rows) // 256)):
            logits = network(*map(torch.from_numpy, data.batch(chosen)))
            parts.append(logits.double().softmax(dim=1).numpy())
    return np.concatenate(parts)
