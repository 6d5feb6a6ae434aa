"""What lies under a drawing, from the season of its pixels: water, trees, buildings, road, bare soil, or plants.

The limits below are physical and were set on one simulated county (seed 17); `tests/test_claims.py` and the figures in
the project's documents say how they do on others. A pixel that is none of the kinds is taken for a field.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.claims.record import Misfit, graded
from greattit.indices import mndwi, ndvi
from greattit.plots.greenness import BARE, peak_ndvi

if TYPE_CHECKING:
    from greattit.policy import View
    from greattit.types import Cube

Mask = NDArray[np.bool_]
Layer = NDArray[np.floating[Any]]

OPEN_WATER_NIR = 0.15
"""Largest near-infrared reflectance of open water [1]; with MNDWI above 0."""

MOSTLY_WET = 0.6
"""Share of the clear looks under open water from which a pixel is water and no flooded field [1]."""

DARK_SWIR = 0.13
"""B11 that water beside its bank never exceeds in nine looks of ten; soil, plants and roofs do [1]."""

TREE_SWIR, TREE_NIR, TREE_GREEN = 0.20, 0.36, 0.065
"""Tree crowns shade each other: B11 stays below the first in nine looks of ten, winter and summer, and at the green
looks the medians of B08 and B03 below the others [1]. A crop that is as dark when green shows soil or stubble later."""

TREE_NDVI = 0.6
"""NDVI of a look that counts as green, and least peak of trees [1]."""

HALF_BUILT = 0.5
"""Peak NDVI below which a pixel is at least half roof, road or yard, if it is not bare soil [1]."""

GARDEN_NDVI, GARDEN_CHANGE, GARDEN_REACH = 0.75, 0.25, 2
"""A garden lies within so many pixels of a half-built one, peaks below the first and changes less than the second
(90th less 10th percentile of NDVI over the looks); crops change by 0.4 and more, grass peaks above."""

LEAST_BUILT = 0.2
"""Share of the drawing that has to be half built for its gardens to count [1]."""

ROUGH = 0.008
"""Spread between pixels of the season's median brightness (mean of B02, B03, B04) from which ground is built [1]:
houses and lanes 0.01 to 0.02, a field 0.002 to 0.006."""

STEADY = 0.3
"""Change of B04 over the looks (90th less 10th percentile, over the median) below which ground is sealed [1]: soil
dries and wets, is ploughed and harrowed, and changes by 0.4 to 1."""

_NEVER = 10_000
"""Days between looks where there are not two."""

UNGROWN = ("bare soil", "bare or built")
"""The kinds of ground where a crop could grow, or perhaps could."""

ROAD_LENGTH = 5.0
"""Length over width from which built ground is called a road [1]."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The season of each pixel (y, x), as far as it tells what lies there."""

    looks: NDArray[np.int64]
    """clear looks"""
    peak: Layer
    """second largest NDVI"""
    change: Layer
    """NDVI, 90th less 10th percentile"""
    wet: Layer
    """share of the clear looks under open water"""
    swir: Layer
    """B11, 90th percentile"""
    nir_green: Layer
    """B08, median of the green looks"""
    green_green: Layer
    """B03, median of the green looks"""
    bright: Layer
    """mean of B02, B03, B04, median"""
    restless: Layer
    """B04, 90th less 10th percentile, over the median"""
    first: str
    """day of the first clear look of any pixel, "" without one"""
    last: str
    """day of the last"""
    days: int
    """days between the two"""
    gap: int
    """longest time between two looks that show most of it [day]"""


def look_at(cube: Cube, inside: Mask) -> Ground:
    """Return the season's figures of each pixel of the cube; `inside` (y, x) says whose days count."""
    clear = cube["clear"].values
    band = {n: np.where(clear, cube[n].values, np.nan) for n in ("B02", "B03", "B04", "B08", "B11")}
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that was never clear is NaN
        greenness = ndvi(band["B04"], band["B08"])
        count = np.isfinite(greenness).sum(axis=0)
        green = greenness > TREE_NDVI
        water = (mndwi(band["B03"], band["B11"]) > 0) & (band["B08"] < OPEN_WATER_NIR)
        low, middle, high = np.nanquantile(band["B04"], (0.1, 0.5, 0.9), axis=0)
        slow, fast = np.nanquantile(greenness, (0.1, 0.9), axis=0)
        share = clear[:, inside].mean(axis=1) if inside.any() else np.zeros(len(clear))
        days = cube["time"].values.astype("datetime64[D]")
        when, most = days[share > 0], days[share > 0.5]
        gap = int(np.diff(most).max().astype(int)) if most.size > 1 else _NEVER
        return Ground(
            gap=gap,
            looks=count,
            peak=peak_ndvi(cube),
            change=fast - slow,
            wet=water.sum(axis=0) / np.where(count > 0, count, np.nan),
            swir=np.nanquantile(band["B11"], 0.9, axis=0),
            nir_green=np.nanmedian(np.where(green, band["B08"], np.nan), axis=0),
            green_green=np.nanmedian(np.where(green, band["B03"], np.nan), axis=0),
            bright=np.nanmedian((band["B02"] + band["B03"] + band["B04"]) / 3, axis=0),
            restless=(high - low) / middle,
            first=str(when.min()) if when.size else "",
            last=str(when.max()) if when.size else "",
            days=int((when.max() - when.min()).astype(int)) if when.size else 0,
        )


def kinds(ground: Ground, inside: Layer, length: float) -> dict[str, Mask]:
    """Return the pixels (y, x) of each kind: "water", "trees", "buildings", "road", "bare soil", "bare or built".

    `inside` is the drawing's share of each pixel, `length` its length over its width [1]. A pixel is of one kind at
    most; a kind without a pixel is left out.
    """
    with np.errstate(invalid="ignore"):
        water = (ground.peak < HALF_BUILT) & ((ground.wet >= MOSTLY_WET) | (ground.swir < DARK_SWIR))
        trees = (ground.peak >= TREE_NDVI) & (ground.swir < TREE_SWIR)
        trees &= (ground.nir_green < TREE_NIR) & (ground.green_green < TREE_GREEN)
        barren = (ground.peak < BARE) & ~water
        sealed = barren & (ground.restless < STEADY)
    built = _built(ground, inside, water | trees) | sealed
    soil = barren & ~built
    name = "road" if length >= ROAD_LENGTH else "buildings"
    unsure = "bare soil" if _smooth(ground, inside, soil) else "bare or built"
    found = {"water": water, "trees": trees, name: built & ~water & ~trees, unsure: soil}
    return {kind: mask for kind, mask in found.items() if mask.any()}


def _built(ground: Ground, inside: Layer, other: Mask) -> Mask:
    """Return houses, lanes and the gardens between them; nothing where the drawing is too even to be a village."""
    from scipy.ndimage import binary_dilation

    with np.errstate(invalid="ignore"):
        half = (ground.peak < HALF_BUILT) & ~other
        garden = (ground.peak < GARDEN_NDVI) & (ground.change < GARDEN_CHANGE) & ~other
    most = float(inside.sum())
    if most <= 0 or inside[half].sum() < LEAST_BUILT * most or not _spread(ground, inside) >= ROUGH:
        return np.zeros(half.shape, bool)
    near = binary_dilation(half & (inside > 0), np.ones((3, 3)), GARDEN_REACH)
    return np.asarray(half | (garden & near))


def _spread(ground: Ground, inside: Layer) -> float:
    """Return the spread of brightness between the pixels inside; those of the border only where there are no others."""
    for least in (0.99, 0.5):
        chosen = ground.bright[(inside >= least) & np.isfinite(ground.bright)]
        if chosen.size >= 4:
            return float(np.std(chosen))
    return math.nan


def _smooth(ground: Ground, inside: Layer, soil: Mask) -> bool:
    """Say whether bare ground is as even as a ploughed field, so that it can be told from built ground."""
    return _spread(ground, np.where(soil, inside, 0)) < ROUGH


def misfits_of(inside: Layer, field: Layer, length: float, cube: Cube, rules: View) -> list[Misfit]:
    """Say which share of the drawing is no crop land, and which stayed bare.

    `inside` and `field` are the shares (y, x) of each pixel in the drawing and in the field found. Empty where there
    are too few clear looks, or too short a season of them, to say anything; of bare ground nothing is said either
    where a crop could have come and gone between two looks.
    """
    ground = look_at(cube, inside > 0)
    seen = np.where(ground.looks >= int(rules.rule("ground_looks").value), inside, 0.0)
    if ground.days < int(rules.rule("ground_days").value) or seen.sum() < 0.5 * inside.sum():
        return []
    found = kinds(ground, seen, length)
    shares = {kind: float(seen[mask].sum() / seen.sum()) for kind, mask in found.items()}
    said = []
    for code in ("bare", "no_crop"):
        parts = {kind: share for kind, share in shares.items() if (kind in UNGROWN) == (code == "bare")}
        severity = graded(sum(parts.values()), rules, code)
        if code == "bare" and ground.gap > int(rules.rule("bare_gap").value):
            continue
        if severity:
            here = np.any([found[kind] for kind in parts], axis=0)
            evidence = _evidence(parts, here, seen, field, ground)
            said.append(Misfit(code, sum(parts.values()), _text(code, parts, ground), evidence, severity))
    return said


def _text(code: str, parts: dict[str, float], ground: Ground) -> str:
    largest = sorted(parts.items(), key=lambda item: -item[1])
    named = " and ".join(f"{share:.0%} {kind}" for kind, share in largest if share >= 0.01)
    if code == "bare":
        return f"Of the drawing {named}: nothing has grown there from {ground.first} to {ground.last}."
    return f"Of the drawing {named}, where no crop grows (looks from {ground.first} to {ground.last})."


def _evidence(parts: dict[str, float], here: Mask, seen: Layer, field: Layer, ground: Ground) -> dict[str, float | str]:
    """Return the figures behind the call, medians of the pixels concerned."""
    chosen = here & (seen > 0)
    figures = {
        "peak_ndvi": ground.peak,
        "ndvi_change": ground.change,
        "share_of_looks_wet": ground.wet,
        "b11_high": ground.swir,
        "brightness": ground.bright,
    }
    evidence: dict[str, float | str] = {"ground": max(parts, key=lambda kind: parts[kind])}
    evidence |= {f"share_{kind.replace(' ', '_')}": round(share, 4) for kind, share in parts.items()}
    evidence |= {name: round(float(np.nanmedian(layer[chosen])), 4) for name, layer in figures.items()}
    evidence["brightness_spread"] = round(_spread(ground, seen), 5)
    evidence["share_of_field_found"] = round(float(field[here].sum() / max(float(field.sum()), 1e-9)), 4)
    evidence |= {
        "clear_looks": float(np.median(ground.looks[chosen])),
        "first_look": ground.first,
        "last_look": ground.last,
        "longest_gap_days": float(ground.gap),
    }
    return evidence
