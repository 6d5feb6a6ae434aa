"""From maps of extent, border and middle to fields: a watershed, and outlines that share their borders.

The maps are worked on a grid of half pixels (5 m), so that the outline may run through a pixel. Outlines are simplified
together, so that neighbours stay neighbours (no gap, no overlap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from greattit.types import Interval

FINER = 2
"""cells along one pixel"""

STEPS = 1000
"""heights are counted in this many steps to one, so that the watershed is exact"""

INSET_M = 4.0
"""[m] an outline is drawn in by this at most"""


@dataclass(frozen=True)
class Rules:
    """How maps become fields; chosen on made counties that the network did not learn from."""

    extent: float = 0.5
    """share of ground from which a cell is field"""
    rise: float = 0.2
    """a middle must stand so far above the saddle to the next to be a field of its own, as a share of the spread of all
    heights (5 to 95 % of the place): where the network is unsure they are alike"""
    border: float = 1.0
    """weight of the border in the heights that the watershed runs over"""
    smooth_px: float = 0.7
    """[pixel] border and middle are smoothed by this"""
    least_m2: float = 400.0
    """[m2] smaller ones are dropped: four pixels"""
    least_confidence: float = 0.4
    """surer ones are given; about half of the best F1, where leaving out more begins to cost"""
    simplify_m: float = 5.0
    """tolerance of the outlines [m]: the side of a square as large as what may be cut from a corner"""


@dataclass(frozen=True, eq=False)
class Found:
    """One field that was found."""

    geometry: BaseGeometry
    """Polygon [m, the cube's CRS]"""
    confidence: float
    """0-1: probability that it overlaps a true field by half or more (intersection over union)"""
    area_ha: Interval
    """[ha] of the grid"""
    area_90_ha: tuple[float, float]
    """[ha] nine times in ten the true area lies between"""


def labelled(maps: NDArray[np.float32], rules: Rules) -> NDArray[np.int32]:
    """Return the number of the field (2 y, 2 x) that each half pixel belongs to; 0 is none.

    Ground that lies apart and has no peak, too flat or too low for one, is one field.
    """
    from scipy.ndimage import gaussian_filter, label
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    extent, border, middle = (
        finer(gaussian_filter(part, rules.smooth_px) if k and rules.smooth_px else part) for k, part in enumerate(maps)
    )
    field = extent > rules.extent
    if not field.any():
        return np.zeros(field.shape, np.int32)
    height = middle - rules.border * border
    low, high = np.percentile(height[field], (5, 95))
    steps = np.round((height - height.min()) * STEPS).astype(np.int32)
    rise = max(round(rules.rise * float(high - low) * STEPS), 1)
    peaks = h_maxima(np.where(field, steps, 0), rise).astype(bool) & field
    apart, count = label(field)
    peaked = np.zeros(count + 1, bool)
    peaked[apart[peaks]] = True
    markers, _ = label(peaks | (field & ~peaked[apart]), np.ones((3, 3)))
    return np.asarray(watershed(-steps, markers, mask=field), np.int32)


def finer(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (2 y, 2 x) of (y, x): linear between pixel centres."""
    from scipy.ndimage import map_coordinates

    rows = (np.arange(values.shape[0] * FINER) + 0.5) / FINER - 0.5
    columns = (np.arange(values.shape[1] * FINER) + 0.5) / FINER - 0.5
    where = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(map_coordinates(values.astype(np.float32), where, order=1, mode="nearest"))


def outlines(
    labels: NDArray[np.int32], extent: NDArray[np.float32], transform: tuple[float, ...], rules: Rules
) -> dict[int, BaseGeometry]:
    """Return the outline of every label [m]: of its largest part, holes under a pixel closed, simplified together.

    Where the extent (y, x) says that not all ground of a label is field (a margin, a track), the outline is drawn in,
    evenly, by what that makes: at most INSET_M.
    """
    import shapely
    from rasterio.features import shapes
    from rasterio.transform import Affine

    a, b, west, d, e, north = transform
    place = Affine(a / FINER, b, west, d, e / FINER, north)
    largest: dict[int, BaseGeometry] = {}
    for geometry, number in shapes(labels, labels > 0, connectivity=4, transform=place):
        ring = shapely.Polygon(geometry["coordinates"][0], geometry["coordinates"][1:])
        if int(number) not in largest or ring.area > largest[int(number)].area:
            largest[int(number)] = ring
    kept = {number: one for number, one in sorted(largest.items()) if one.area >= rules.least_m2}
    if not kept:
        return {}
    flat = labels.ravel()
    lost = np.bincount(flat, 1.0 - finer(extent).ravel())
    simple = shapely.coverage_simplify(np.array(list(kept.values()), object), rules.simplify_m)
    out: dict[int, BaseGeometry] = {}
    for number, one in zip(kept, simple, strict=True):
        whole = shapely.Polygon(one.exterior, [ring for ring in one.interiors if shapely.Polygon(ring).area >= a * a])
        if whole.is_valid and not whole.is_empty:
            out[number] = _drawn_in(whole, lost[number] * (a / FINER) ** 2)
    return out


def _drawn_in(shape: BaseGeometry, lost_m2: float) -> BaseGeometry:
    """Move an outline inwards until it has lost so much ground, by INSET_M at most; its largest part."""
    import shapely

    inset = min(lost_m2 / max(shape.length, 1.0), INSET_M)
    if inset < 0.05:
        return shape
    smaller = shape.buffer(-inset, join_style="mitre")
    parts = [part for part in shapely.get_parts(smaller) if part.geom_type == "Polygon" and not part.is_empty]
    return max(parts, key=lambda part: part.area) if parts else shape


def traits(maps: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[int, NDArray[np.float64]]:
    """Return what the confidence is judged by, for each label: see `TRAITS`."""
    extent, border, middle = (finer(part) for part in maps)
    top = int(labels.max())
    if top == 0:
        return {}
    flat = labels.ravel()
    cells = np.bincount(flat, minlength=top + 1).astype(np.float64)
    rim = _rim(labels).ravel()
    rims = np.maximum(np.bincount(flat, rim, minlength=top + 1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_extent = np.bincount(flat, extent.ravel(), minlength=top + 1) / cells
        inner = np.bincount(flat, border.ravel() * ~rim, minlength=top + 1) / np.maximum(cells - rims, 1)
        edge = np.bincount(flat, border.ravel() * rim, minlength=top + 1) / rims
    peak = np.zeros(top + 1)
    np.maximum.at(peak, flat, middle.ravel())
    return {
        number: np.array([mean_extent[number], inner[number], edge[number], peak[number], np.log(cells[number])])
        for number in range(1, top + 1)
        if cells[number]
    }


TRAITS = ("extent", "border inside", "border along the outline", "middle", "log cells")
"""Names of what `traits` gives."""


def _rim(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    around: NDArray[Any] = np.pad(labels, 1)
    steps = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    return np.asarray(np.logical_or.reduce([step != labels for step in steps]))
