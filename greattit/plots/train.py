"""Makes the weights and the card of `models/cut` again: `greattit train cut`.

Made counties are grown and drawn on by sloppy fingers, and so are real surveyed fields; the network learns the share of
each pixel that was meant. Some counties and chips set how sure an area is, others give the card's figures; they taught
the network nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.onethread import one_thread
from greattit.plots import cutter, lessons, made
from greattit.plots.chips import chips_of
from greattit.plots.fit import FitConfig, filled, fit_cut
from greattit.plots.sketch import ASKED

if TYPE_CHECKING:
    from greattit.plots.lessons import Lesson
    from greattit.plots.network import UNet

SIZES = {"<0.2 ha": (0.0, 0.2), "0.2-1 ha": (0.2, 1.0), "1-5 ha": (1.0, 5.0), ">5 ha": (5.0, np.inf)}
"""Classes of the true area [ha]."""

OWN_PARTS, SET_PARTS, FIGURE_PARTS = {2, 3, 4}, {1}, {0}
"""Parts of the real chips that are learned from, that set how sure an area is, and that give the card's figures."""

LIMITS = (
    "Real outlines to learn from are of one country and one composite each, and follow 10 m pixels. Fields below 0.2 "
    "ha are found roughly. A drawing around several fields is answered by one of them or by part of both: see "
    "greattit/fields/divide.py."
)
"""What the card says that the figures do not."""

PATCHES = Path("chips") / "agrifieldnet-india" / "fields.npz"

MADE = {
    "name": "made counties",
    "licence": "Apache-2.0, as this repository",
    "attribution": "grown by greattit/plots/made.py; no real ground",
}
INDIA = {
    "name": "agrifieldnet-india",
    "licence": "CC-BY-4.0",
    "attribution": "Radiant Earth Foundation and IDinsight (2022), AgriFieldNet Competition Dataset, "
    "doi:10.34911/rdnt.wu92p1",
}


@dataclass(frozen=True)
class CutConfig:
    """Settings of a training; they travel in the card."""

    first: int = 5001
    """seed of the first made county"""
    counties: int = 60
    """made counties; every sixth teaches nothing: it sets the intervals or gives the figures, in turn"""
    seasons: int = 4
    """seasons of each"""
    drawings: int = 2
    """drawings of each real field"""
    widths: tuple[int, ...] = (24, 32, 48, 64)
    """filters of the network at each scale"""
    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=14, overlap_weight=1.0))


def use_of(seed: int) -> str:
    """Return what a made county is for: "learn", "set" (how sure an area is) or "figures"."""
    return {0: "set", 6: "figures"}.get(seed % 12, "learn")


def train(
    data: Path,
    out: Path,
    *,
    config: CutConfig | None = None,
    counties: Path,
    workers: int = 2,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, set the intervals, measure, and write weights and card to the folder `out`; return the card.

    `data` is ../shared/data or a folder like it; `counties` keeps the made counties between runs. Takes about an hour
    on two cores and needs the development tool prosail. Raises `DatasetError` and `GreatTitError`.
    """
    from greattit.plots.network import NetworkConfig, UNet

    config = config or CutConfig()
    patches = data / PATCHES
    lessons.check_patches(patches)
    with one_thread():
        own = _made(config, "learn", counties, workers)
        real = _real(config, patches, OWN_PARTS)
        say(f"{len(own)} made and {len(real)} real drawings to learn from")
        network = UNet(NetworkConfig(len(ASKED), 1, config.widths))
        fit_cut(network, [*own, *real], config.fit, say)
        return finish(network, data, out, config=config, counties=counties, workers=workers)


def finish(
    network: UNet, data: Path, out: Path, *, config: CutConfig, counties: Path, workers: int = 2
) -> dict[str, Any]:
    """Set the intervals of a network that has learned, measure it, and write weights and card; return the card."""
    patches = data / PATCHES
    drawn = {use: _made(config, use, counties, workers) for use in ("set", "figures")}
    real = {use: _real(config, patches, parts) for use, parts in (("set", SET_PARTS), ("figures", FIGURE_PARTS))}
    area = settle_area([measured(network, drawn["set"]), measured(network, real["set"])])
    figures = {
        "made counties": scores(measured(network, drawn["figures"]), area),
        INDIA["name"]: scores(measured(network, real["figures"]), area),
    }
    known = sorted({str(chip) for chip in chips_of(patches) if lessons.part_of(str(chip)) in OWN_PARTS | SET_PARTS})
    return publish(network, config, area, figures, known, out)


def _made(config: CutConfig, use: str, counties: Path, workers: int) -> list[Lesson]:
    """Return the drawings on the made counties of one use."""
    seeds = [s for s in range(config.first, config.first + config.counties) if use_of(s) == use]
    work = partial(_of_county, folder=counties, seasons=config.seasons)
    return [one for many in _all(work, seeds, workers) for one in many]


def _real(config: CutConfig, patches: Path, parts: set[int]) -> list[Lesson]:
    return list(lessons.from_patches(patches, parts, np.random.default_rng(7), drawings=config.drawings))


def _of_county(seed: int, folder: Path, seasons: int) -> list[Lesson]:
    with one_thread():
        county = made.county(seed, folder)
        return list(lessons.from_county(county, str(seed), np.random.default_rng([seed, 3]), seasons=seasons))


def _all(work: Callable[[int], list[Lesson]], seeds: Iterable[int], workers: int) -> list[list[Lesson]]:
    if workers == 1:
        return [work(seed) for seed in seeds]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, seeds))


@dataclass(frozen=True, eq=False)
class Measured:
    """What the network found of some drawings."""

    found_ha: NDArray[np.float64]
    doubt: NDArray[np.float64]
    drawn_ha: NDArray[np.float64]
    true_ha: NDArray[np.float64]
    overlap: NDArray[np.float64]
    """intersection over union, pixels"""
    group: NDArray[Any]


def measured(network: UNet, drawings: Sequence[Lesson]) -> Measured:
    """Ask a network about drawings."""
    import torch

    rows = []
    network.eval()
    for one in drawings:
        height, width = one.share.shape
        with torch.inference_mode():
            shares = network(torch.from_numpy(filled(one.seen))[None])[0, 0].sigmoid().numpy()[:height, :width]
        level = np.sort(shares.ravel())[::-1][min(max(round(float(shares.sum())), 1), shares.size) - 1]
        here, there = shares >= level, one.share > 0.5
        overlap = (here & there).sum() / max((here | there).sum(), 1)
        rows.append((float(shares.sum()) * 0.01, cutter.doubt_of(shares), one.drawn_ha, one.true_ha, overlap))
    columns = np.array(rows).reshape(-1, 5).T
    found, doubt, drawn, true, overlaps = columns
    return Measured(found, doubt, drawn, true, overlaps, np.array([one.group for one in drawings]))


def settle_area(sets: Sequence[Measured]) -> dict[str, Any]:
    """Return the shift, the spread and the quantiles of areas, all sets weighing alike (see `cutter.Cutter`)."""
    parts = [(_traits(one), np.log(one.true_ha / np.maximum(one.found_ha, 1e-3))) for one in sets]
    return {"traits": list(cutter.TRAITS)} | settle(parts)


def settle(sets: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> dict[str, Any]:
    """Return shift, spread and quantiles of the logarithm of true over found areas, from traits (n, trait) and it (n,).

    The shift is the weighted median given the traits and the spread follows the size of what is left; every set weighs
    alike. The quantiles are those of what is left over the spread, of the set that needs the wider ones.
    """
    what, wrong = (np.concatenate(part) for part in zip(*sets, strict=True))
    weight = np.concatenate([np.full(len(part), 1.0 / max(len(part), 1)) for _, part in sets])
    shift = _least_absolute(what, wrong, weight)
    rest = wrong - what @ shift
    spread = _least_squares(what, np.log(np.abs(rest) + 0.01), weight)
    even = rest / np.exp(what @ spread)
    bounds = np.cumsum([len(part) for _, part in sets])[:-1]
    wanted = {"p05": 0.05, "p10": 0.1, "p90": 0.9, "p95": 0.95}
    each = {name: [float(np.quantile(part, q)) for part in np.split(even, bounds)] for name, q in wanted.items()}
    return {
        "shift": [round(float(v), 5) for v in shift],
        "spread": [round(float(v), 5) for v in spread],
        "quantiles": {name: round(min(v) if wanted[name] < 0.5 else max(v), 5) for name, v in each.items()},
    }


def _traits(one: Measured) -> NDArray[np.float64]:
    rows = zip(one.found_ha, one.doubt, one.drawn_ha, strict=True)
    return np.array([cutter.traits(*row) for row in rows]).reshape(-1, len(cutter.TRAITS))


def _least_absolute(x: NDArray[Any], y: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return the weights of the weighted median of y given x, by reweighted least squares."""
    near = np.ones(len(y))
    for _ in range(50):
        found = _least_squares(x, y, weight * near)
        near = 1 / np.maximum(np.abs(y - x @ found), 0.01)
    return found


def _least_squares(x: NDArray[Any], y: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    root = np.sqrt(weight / weight.sum())
    return np.asarray(np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0])


def scores(one: Measured, area: dict[str, Any]) -> dict[str, Any]:
    """Return the card's figures of some drawings, and by size of the true field."""
    whole = _scores(one, area)
    sizes = {}
    for name, (low, high) in SIZES.items():
        chosen = (one.true_ha >= low) & (one.true_ha < high)
        if chosen.sum() >= 20:
            part = Measured(*(getattr(one, key)[chosen] for key in Measured.__dataclass_fields__))
            sizes[name] = _scores(part, area)
    return whole | {"by_size": sizes}


def _scores(one: Measured, area: dict[str, Any]) -> dict[str, Any]:
    what = _traits(one)
    middle = one.found_ha * np.exp(what @ area["shift"])
    spread = np.exp(what @ area["spread"])
    low, high = (middle * np.exp(spread * area["quantiles"][name]) for name in ("p05", "p95"))
    wrong = middle / one.true_ha - 1
    rng = np.random.default_rng(0)
    groups = np.unique(one.group)
    members = {name: np.flatnonzero(one.group == name) for name in groups}
    draws = [np.concatenate([members[g] for g in rng.choice(groups, len(groups))]) for _ in range(400)]
    spans = [float(np.median(np.abs(wrong[rows]))) for rows in draws]
    return {
        "drawings": len(one.true_ha),
        "groups": len(groups),
        "area_median_abs_error": round(float(np.median(np.abs(wrong))), 4),
        "area_median_abs_error_interval_95": [round(float(np.quantile(spans, q)), 4) for q in (0.025, 0.975)],
        "area_median_abs_error_of_the_drawing": round(float(np.median(np.abs(one.drawn_ha / one.true_ha - 1))), 4),
        "area_bias": round(float(np.median(wrong)), 4),
        "area_interval_coverage": round(float(np.mean((low <= one.true_ha) & (one.true_ha <= high))), 4),
        "object_recall": round(float(np.mean(one.overlap >= 0.5)), 4),
        "mean_iou": round(float(np.mean(one.overlap)), 4),
    }


def publish(
    network: UNet,
    config: CutConfig,
    area: dict[str, Any],
    figures: dict[str, Any],
    known: Sequence[str],
    out: Path,
) -> dict[str, Any]:
    """Write weights and card; return the card."""
    card = {
        "name": "cut",
        "made_by": "greattit train cut",
        "task": "the share of each 10 m pixel that a sloppy drawing of a field meant",
        "architecture": "U-Net (Ronneberger, Fischer and Brox 2015, doi:10.1007/978-3-319-24574-4_28)",
        "network": {"inputs": network.config.inputs, "outputs": 1, "widths": list(config.widths)},
        "input": {"channels": list(ASKED), "pixel_m": 10, "season": "see greattit/plots/sight.py"},
        "training": {"sets": [MADE, INDIA], "real_parts": sorted(OWN_PARTS), "config": asdict(config)},
        "area": area,
        "figures": figures,
        "limits": LIMITS,
        "known_chips": " ".join(known),
    }
    return write(network, card, out)


def write(network: UNet, card: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write weights.safetensors and card.yaml to a folder; return the card with the sha256 of the weights."""
    import hashlib
    import json

    import yaml
    from safetensors.torch import save

    out.mkdir(parents=True, exist_ok=True)
    data = save({name: value.detach().contiguous() for name, value in network.state_dict().items()})
    (out / "weights.safetensors").write_bytes(data)
    card = card | {"weights": {"file": "weights.safetensors", "sha256": hashlib.sha256(data).hexdigest()}}
    plain: dict[str, Any] = json.loads(json.dumps(card))
    (out / "card.yaml").write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110), "utf-8")
    return plain
