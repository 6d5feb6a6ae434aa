"""Segmentations of scikit-image that a method must better, with and without a drawing.

Both see what `greattit.plots.cut` sees: the whitened components of the season (`greattit.plots.sight.season_of`).
Their settings were chosen on made counties by `greattit.plotscores.tuning`, never on real fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greattit.plots.coverage import coverage, project
from greattit.plots.greenness import BARE, peak_ndvi
from greattit.plots.sight import season_of
from greattit.plotscores.rows import Cutter, Finder, Found, Outlined
from greattit.plotscores.truth import polygons_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.types import Cube, Plot

LEAST_PX = 4
"""Fewer pixels are no field: the least plot of `greattit.plots.load` is 0.04 ha."""

MOSTLY = 0.5
"""A segment belongs to a drawing when more than this share of it lies inside."""


@dataclass(frozen=True)
class Felzenszwalb:
    """Graph-based segmentation (Felzenszwalb and Huttenlocher 2004, IJCV 59:167-181)."""

    scale: float
    """larger: larger segments"""
    sigma: float
    """smoothing before [px]"""
    least_px: int
    """smaller segments are joined to a neighbour"""

    def __call__(self, season: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the number of the segment of each pixel (y, x), from 1."""
        import warnings

        from skimage.segmentation import felzenszwalb

        with warnings.catch_warnings():  # it doubts that an image has more than three bands
            warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)
            labels = felzenszwalb(season, scale=self.scale, sigma=self.sigma, min_size=self.least_px, channel_axis=-1)
        return np.asarray(labels, np.int32) + 1


@dataclass(frozen=True)
class Watershed:
    """Watershed of the season's gradient from its minima of some depth (Beucher and Lantuejoul 1979)."""

    sigma: float
    """smoothing before [px]"""
    depth: float
    """least depth of a minimum, as a share of the median gradient [1]; larger: larger segments"""

    def __call__(self, season: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the number of the segment of each pixel (y, x), from 1."""
        from scipy.ndimage import gaussian_filter, label
        from skimage.morphology import h_minima
        from skimage.segmentation import watershed

        smooth = gaussian_filter(season, (self.sigma, self.sigma, 0)) if self.sigma else season
        slope = np.sqrt(sum((step**2).sum(-1) for step in np.gradient(smooth, axis=(0, 1))))
        slope = slope / max(float(np.median(slope)), 1e-12)
        markers, count = label(h_minima(slope, self.depth), np.ones((3, 3)))  # type: ignore[no-untyped-call]
        basins = watershed(slope, markers if count else np.ones_like(markers))  # type: ignore[no-untyped-call]
        return np.asarray(basins, np.int32)


Segmenter = Felzenszwalb | Watershed

WITHOUT_DRAWING: Mapping[str, Segmenter] = {
    "felzenszwalb": Felzenszwalb(scale=1600.0, sigma=0.0, least_px=30),
    "watershed": Watershed(sigma=1.0, depth=0.4),
}
"""Settings with the best object F1 on two made counties (recipe sample, seed 101; one of smaller fields, seed 102)."""

WITH_DRAWING: Mapping[str, Segmenter] = {
    "felzenszwalb": Felzenszwalb(scale=100.0, sigma=0.0, least_px=15),
    "watershed": Watershed(sigma=0.0, depth=0.1),
}
"""Settings with the best extent on the same counties."""

UNET = "unet without boundary head"
"""Name of the peer that a network room provides."""


def segment(cube: Cube, segmenter: Segmenter) -> NDArray[np.int32] | None:
    """Return the number of the segment of each pixel (y, x), 0 where nothing was seen; None without a clear look."""
    season = season_of(cube)
    if season is None or min(season.shape[:2]) < 3:
        return None
    seen = np.isfinite(cube["B04"].values).any(axis=0)
    return np.where(seen, segmenter(season), 0).astype(np.int32)


def bare_share(labels: NDArray[np.int32], cube: Cube) -> NDArray[np.float64]:
    """Return the share of each segment (number,) that is known to have stayed bare all season."""
    bare = peak_ndvi(cube) < BARE
    count = np.bincount(labels.ravel())
    return np.asarray(np.bincount(labels.ravel(), weights=bare.ravel()) / np.maximum(count, 1))


def find(cube: Cube, segmenter: Segmenter) -> list[Found]:
    """Return every segment that is large enough and greened in the season; all equally sure."""
    labels = segment(cube, segmenter)
    if labels is None:
        return []
    kept = (np.bincount(labels.ravel()) >= LEAST_PX) & (bare_share(labels, cube) <= MOSTLY)
    shapes = polygons_of(np.where(kept[labels], labels, 0), cube.attrs["transform"])
    return [Found(shape) for shape in shapes.values()]


def cut(plot: Plot, cube: Cube, segmenter: Segmenter) -> Outlined:
    """Return the segments that lie mostly inside the drawing, else the one that it covers most.

    Bare segments are left out unless nothing else is there. Without a clear look it is the drawing itself.
    """
    labels = segment(cube, segmenter)
    if labels is None:
        return Outlined(plot.geometry)
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"])
    inside = np.bincount(labels.ravel(), weights=coverage([drawn], cube).toarray()[0])
    inside[0] = 0.0
    share = inside / np.maximum(np.bincount(labels.ravel()), 1)
    green = bare_share(labels, cube) <= MOSTLY
    chosen = (share > MOSTLY) & green
    if not chosen.any():
        pool = inside * green if (inside * green).any() else inside
        if not pool.any():
            return Outlined(plot.geometry)
        chosen = np.arange(len(inside)) == int(pool.argmax())
    shape = polygons_of(chosen[labels].astype(np.int32), cube.attrs["transform"])[1]
    return Outlined(project(shape, cube.attrs["crs"], "EPSG:4326"))


def finders(model: Path | None = None) -> dict[str, Finder | None]:
    """Return the peers that need no drawing, by name; None for one that is not there.

    `model` is a folder that `greattit train fields --extent-only` wrote. Raises `ModelError`.
    """
    found: dict[str, Finder | None] = {n: partial(find, segmenter=s) for n, s in WITHOUT_DRAWING.items()}
    if model is None:
        return found | {UNET: None}
    from greattit.fields import finder

    return found | {UNET: partial(finder.find, finder=finder.load(model))}


def cutters() -> dict[str, Cutter]:
    """Return the peers that are given a drawing, by name."""
    return {name: partial(cut, segmenter=segmenter) for name, segmenter in WITH_DRAWING.items()}
