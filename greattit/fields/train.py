"""Makes the weights and the card of `models/fields` again: `greattit train fields`.

The network learns from made counties and from real chips. Other counties choose the rules of the watershed and set the
confidence and the areas' intervals; yet others, and other chips, give the card's figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError
from greattit.fields import lessons
from greattit.fields.chips import names
from greattit.fields.finder import Finder, from_maps, maps_of, rim_of, weights_of
from greattit.fields.fit import fit_fields
from greattit.fields.lessons import MAPS, Lesson
from greattit.fields.objects import TRAITS, Rules, labelled, outlines, traits
from greattit.onethread import one_thread
from greattit.plots import made
from greattit.plots.chips import chips_of
from greattit.plots.chips import patches as patches_of
from greattit.plots.fit import FitConfig
from greattit.plots.lessons import check_patches, field_shapes, part_of
from greattit.plots.sight import CHANNELS, look
from greattit.plots.train import INDIA, MADE, OWN_PARTS, PATCHES, SET_PARTS, settle, use_of, write

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.plots.network import UNet

CHIPS = Path("chips") / "india-tiles"

LIMITS = (
    "Fields are found by the changes of a season. On one composite of 8-bit counts of small fields it is no better "
    "than a plain watershed (`greattit evaluate plots FILE.npz --peers`); on real seasons it was measured on sixteen "
    "parcels of one square only."
)
"""What the card says that the figures do not."""

REAL_WEIGHT = 0.5
"""of the real patches' F1 beside that of made counties when rules are chosen: their outlines are less sure"""

CHIPS_OFTEN = 8
"""A whole chip is drawn so many times as often as a patch: it holds so many more fields."""


@dataclass(frozen=True)
class FieldsConfig:
    """Settings of a training; they travel in the card."""

    first: int = 5001
    """seed of the first made county; every sixth teaches nothing, see `plots.train.use_of`"""
    counties: int = 60
    seasons: int = 4
    """seasons of each county"""
    steps: int = 4000
    """batches"""
    widths: tuple[int, ...] = (24, 32, 48, 64)
    """filters of the network at each scale"""
    rough_steps: int = 1000
    """batches of a second course on less even fields"""
    maps: int = len(MAPS)
    """1 leaves out border and middle: a peer"""
    fit: FitConfig = field(default_factory=lambda: FitConfig(batch=18))


@dataclass(frozen=True, eq=False)
class Place:
    """A made county whose fields are known, with the maps that the network gives of it."""

    maps: NDArray[np.float32]
    transform: tuple[float, ...]
    fields: tuple[BaseGeometry, ...]
    """that lie whole inside [m]"""
    all: tuple[BaseGeometry, ...]
    """those that the edge cuts too"""
    group: str


def train(
    data: Path,
    out: Path,
    *,
    config: FieldsConfig | None = None,
    counties: Path,
    workers: int = 2,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, choose rules, set confidence and intervals, measure, write weights and card; return the card.

    `data` is ../shared/data or a folder like it; `counties` keeps the made counties between runs. Takes about an hour
    on two cores and needs the development tool prosail. Raises `DatasetError` and `GreatTitError`.
    """
    from greattit.plots.network import NetworkConfig, UNet

    config = config or FieldsConfig()
    check_patches(data / PATCHES)
    names(data / CHIPS)
    seeds = [s for s in range(config.first, config.first + config.counties) if use_of(s) == "learn"]
    with one_thread():
        own = _all(partial(_of_county, folder=counties, seasons=config.seasons), seeds, workers)
        real = list(lessons.from_chips(data / CHIPS, OWN_PARTS)) * CHIPS_OFTEN
        real += list(lessons.from_patches(data / PATCHES, OWN_PARTS))
        say(f"{len(own)} made and {len(real)} real places to learn from")
        network = UNet(NetworkConfig(len(CHANNELS), config.maps, config.widths))
        fit_fields(network, own, real, config.fit, config.steps, say)
        rough = replace(config.fit, rate=1e-3, seed=config.fit.seed + 1, rough=True)
        fit_fields(network, own, real, rough, config.rough_steps, say)
        return finish(network, data, out, config=config, counties=counties)


def finish(network: UNet, data: Path, out: Path, *, config: FieldsConfig, counties: Path) -> dict[str, Any]:
    """Choose the rules of a network that has learned, set confidence and areas, measure, write; return the card."""
    seeds = range(config.first, config.first + config.counties)
    places = {use: [_place(network, s, counties) for s in seeds if use_of(s) == use] for use in ("set", "figures")}
    rules = choose(places["set"], surveyed(network, data / PATCHES, SET_PARTS, 250))
    judged = settle_found(places["set"], rules)
    finder = Finder(network, rules, *weights_of(judged), sha256="", chips=frozenset())
    figures = {"made counties": figures_of(places["figures"], finder)}
    chips = {*(str(chip) for chip in chips_of(data / PATCHES)), *names(data / CHIPS)}
    known = sorted(chip for chip in chips if part_of(chip) in OWN_PARTS | SET_PARTS)
    return publish(network, config, rules, judged, figures, known, out)


def _of_county(seed: int, folder: Path, seasons: int) -> list[Lesson]:
    with one_thread():
        return list(
            lessons.from_county(made.county(seed, folder), str(seed), np.random.default_rng([seed, 5]), seasons=seasons)
        )


def _all(work: Callable[[int], list[Lesson]], seeds: Iterable[int], workers: int) -> list[Lesson]:
    if workers == 1:
        return [one for seed in seeds for one in work(seed)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return [one for many in pool.map(work, seeds) for one in many]


def _place(network: UNet, seed: int, folder: Path) -> Place:
    county = made.county(seed, folder)
    seen = look(county.cube)
    if seen is None:
        raise ValueError(f"county {seed} was never seen")
    maps = maps_of(network, seen)
    whole = field_shapes(county)
    return Place(
        maps,
        county.cube.attrs["transform"],
        tuple(whole.values()),
        tuple(field_shapes(county, whole=False).values()),
        str(seed),
    )


def found_in(place: Place, rules: Rules) -> tuple[dict[int, BaseGeometry], dict[int, NDArray[np.float64]]]:
    """Return the outlines and the traits of what the rules make of a place's maps."""
    labels = labelled(place.maps, rules)
    shapes = outlines(labels, place.maps[0], place.transform, rules)
    judged = traits(place.maps, labels)
    return shapes, {number: judged[number] for number in shapes}


def choose(places: Sequence[Place], patches: Sequence[Surveyed]) -> Rules:
    """Return the rules of a small net with the best object F1 on made counties and on real patches together."""
    tried = [
        replace(Rules(), rise=rise, border=border, smooth_px=smooth)
        for rise, border, smooth in product((0.15, 0.2, 0.3), (0.5, 1.0), (0.5, 0.7, 1.0))
    ]

    def merit(rules: Rules) -> float:
        return score([(found_in(one, rules)[0], one) for one in places])["object_f1"] + REAL_WEIGHT * sparse_f1(
            patches, rules
        )

    return max(tried, key=merit)


@dataclass(frozen=True, eq=False)
class Surveyed:
    """A real patch with one surveyed field, with the maps that the network gives of it."""

    maps: NDArray[np.float32]
    transform: tuple[float, ...]
    field: BaseGeometry


def surveyed(network: UNet, file: Path, parts: set[int], limit: int) -> list[Surveyed]:
    """Return at most `limit` patches of the chips of some parts whose field lies whole inside, drawn by chance."""
    mine = np.array([k for k, chip in enumerate(chips_of(file)) if part_of(str(chip)) in parts])
    out = []
    for patch in patches_of(file, np.sort(np.random.default_rng(0).permutation(mine)[:limit])):
        rim = (patch.mask[0], patch.mask[-1], patch.mask[:, 0], patch.mask[:, -1])
        seen = look(patch.cube)
        if seen is not None and not any(side.any() for side in rim):
            out.append(Surveyed(maps_of(network, seen), patch.cube.attrs["transform"], patch.field))
    return out


def sparse_f1(patches: Sequence[Surveyed], rules: Rules) -> float:
    """Return the object F1 where one field of each patch is known: an object elsewhere is no error."""
    right = given = 0
    for patch in patches:
        labels = labelled(patch.maps, rules)
        for shape in outlines(labels, patch.maps[0], patch.transform, rules).values():
            common = shape.intersection(patch.field).area
            hit = common >= 0.5 * (shape.area + patch.field.area - common)
            right += hit
            given += hit or common > 0.5 * shape.area
    precision, recall = right / max(given, 1), right / max(len(patches), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def hits(shapes: Sequence[BaseGeometry], truth: Sequence[BaseGeometry]) -> NDArray[np.float64]:
    """Return (found, 2): the best intersection over union of each outline with a true field, and that field's place."""
    import shapely

    out = np.zeros((len(shapes), 2))
    out[:, 1] = -1
    if not len(shapes) or not len(truth):
        return out
    tree = shapely.STRtree(np.array(truth, object))
    for number, shape in enumerate(shapes):
        for k in tree.query(shape, predicate="intersects"):
            common = shape.intersection(truth[k]).area
            overlap = common / (shape.area + truth[k].area - common)
            if overlap > out[number, 0]:
                out[number] = overlap, k
    return out


def score(found: Sequence[tuple[dict[int, BaseGeometry], Place]]) -> dict[str, float]:
    """Return precision, recall and F1 of objects at an intersection over union of 0.5, and the extent's."""
    import shapely

    right = given = wanted = common = joint = 0.0
    for shapes, place in found:
        inner = [one for one in shapes.values()]
        right += float((hits(inner, place.all)[:, 0] >= 0.5).sum())
        given += len(inner)
        wanted += len(place.all)
        one, other = shapely.union_all(inner), shapely.union_all(list(place.all))
        both = one.intersection(other).area
        common += both
        joint += one.area + other.area - both
    precision, recall = right / max(given, 1), right / max(wanted, 1)
    return {
        "object_precision": precision,
        "object_recall": recall,
        "object_f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "extent_iou": common / max(joint, 1e-9),
    }


def settle_found(places: Sequence[Place], rules: Rules) -> dict[str, Any]:
    """Return the weights of the confidence (a logistic regression) and of the areas' intervals."""
    from sklearn.linear_model import LogisticRegression

    rows, right, rims, wrong = [], [], [], []
    for place in places:
        shapes, judged = found_in(place, rules)
        found = hits(list(shapes.values()), place.all)
        for (number, shape), (overlap, k) in zip(shapes.items(), found, strict=True):
            rows.append(judged[number])
            right.append(overlap >= 0.5)
            if overlap >= 0.5:
                rims.append([1.0, rim_of(shape)])
                wrong.append(np.log(place.all[int(k)].area / shape.area))
    if len(set(right)) < 2:
        raise DatasetError(
            "all outlines found are right, or all are wrong: no confidence can be learned",
            subject="made counties",
            remedy="train with more counties or steps",
        )
    model = LogisticRegression(C=1.0, max_iter=1000).fit(np.array(rows), np.array(right))
    confidence = {"one": float(model.intercept_[0])} | dict(zip(TRAITS, model.coef_[0].tolist(), strict=True))
    area = settle([(np.array(rims), np.array(wrong))])
    return {
        "confidence": {name: round(value, 5) for name, value in confidence.items()},
        "area": {"traits": ["one", "log rim"]} | area,
    }


def figures_of(places: Sequence[Place], finder: Finder) -> dict[str, Any]:
    """Return the card's figures of some counties, with 95 % intervals over the counties."""
    found = []
    for place in places:
        given = from_maps(finder, place.maps, place.transform)
        found.append((dict(enumerate(one.geometry for one in given)), place))
    rng = np.random.default_rng(0)
    drawn = [score([found[k] for k in rng.integers(0, len(found), len(found))])["object_f1"] for _ in range(100)]
    return (
        {"counties": len(places), "fields": sum(len(one.all) for one in places)}
        | {name: round(value, 4) for name, value in score(found).items()}
        | {"object_f1_interval_95": [round(float(np.quantile(drawn, q)), 4) for q in (0.025, 0.975)]}
    )


def publish(
    network: UNet,
    config: FieldsConfig,
    rules: Rules,
    judged: dict[str, Any],
    figures: dict[str, Any],
    known: Sequence[str],
    out: Path,
) -> dict[str, Any]:
    """Write weights and card; return the card."""
    card = {
        "name": "fields",
        "made_by": "greattit train fields",
        "task": "every field of a place: extent, border and distance to it, of 10 m pixels",
        "architecture": "U-Net (Ronneberger, Fischer and Brox 2015, doi:10.1007/978-3-319-24574-4_28), then watershed",
        "network": {"inputs": network.config.inputs, "outputs": network.config.outputs, "widths": list(config.widths)},
        "input": {"channels": list(CHANNELS), "pixel_m": 10, "season": "see greattit/plots/sight.py"},
        "output": list(MAPS[: config.maps]),
        "training": {
            "sets": [MADE, INDIA, {**INDIA, "name": "india-tiles"}],
            "real_parts": sorted(OWN_PARTS),
            "config": asdict(config),
        },
        "rules": asdict(rules),
        **judged,
        "figures": figures,
        "limits": LIMITS,
        "known_chips": " ".join(known),
    }
    return write(network, card, out)
