"""The window that one plot needs, read from every scene of a season into one `Cube`.

Counts become reflectance here and nowhere else, by the scale and offset of each product's own metadata.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.session import DummySession
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from greattit.errors import PlotPlaceError, SceneError, TilesError
from greattit.tiles.assemble import assemble
from greattit.tiles.counts import decode, encode
from greattit.tiles.hrefs import driver
from greattit.tiles.raster import Raster, open_raster
from greattit.tiles.scene import Asset, Catalogue, Scene
from greattit.tiles.settle import settle, unsettled
from greattit.types import BANDS, SAR

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

PIXEL_M = 10.0
"""Pixel of the cube's grid [m]: the finest of Sentinel-2."""

MARGIN_M = 60.0
"""Land read around the drawn plot [m]: room for a drawing that is shifted or too small, and for its neighbours."""

SNAP_M = 60.0
"""The window's edges fall on multiples of this [m], Sentinel-2's coarsest pixel, so that no pixel is split. They are
counted from the zone's own corner, so that tiles cut out anywhere, and a cube of them, give the same window."""

TOP_M = 10_000_000.0
"""Northing from which multiples are counted [m]."""

COARSE_M = 20.0
"""Pixel of the coarser bands [m]."""

UNSAID_NODATA = {"VV": math.nan, "VH": math.nan}
"""The count for "not seen" where neither file nor item names one; 0 for all bands of Sentinel-2 (Level-2A format)."""


@dataclass(frozen=True)
class _Grid:
    crs: Any
    transform: Affine
    height: int
    width: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        west, north = self.transform.c, self.transform.f
        return west, north - self.height * PIXEL_M, west + self.width * PIXEL_M, north


def read(
    catalogue: Catalogue,
    geometry: BaseGeometry,
    *,
    since: date,
    until: date,
    margin_m: float = MARGIN_M,
    radar: bool = True,
) -> Cube:
    """Read the window around `geometry` (EPSG:4326) from every scene of `since`..`until`, both days included.

    Returns a `Cube` (see `greattit.types`). A damaged scene is left out and named in `attrs["warnings"]`. Raises
    `PlotPlaceError` when the geometry lies outside the tiles and `TilesError` when no scene of the span can be read.
    """
    if any(unsettled(scene) for scene in catalogue.between(since, until)):
        catalogue = settle(catalogue)
    optical = catalogue.between(since, until)
    if not optical:
        raise TilesError(
            f"has no Sentinel-2 scene from {since} to {until}",
            subject=catalogue.root,
            remedy=f"name a day from {catalogue.first_day} to {catalogue.last_day}",
        )
    with rasterio.Env(DummySession(), GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        grid = _grid(catalogue, optical, geometry, margin_m)
        warnings = list(catalogue.warnings)
        seen = _seen(_read_all(optical, grid), warnings)
        sar = _seen(_read_all(catalogue.between(since, until, "s1"), grid), warnings) if radar else []
    if not seen:
        raise TilesError(
            f"none of the {len(optical)} scenes from {since} to {until} can be read here",
            subject=catalogue.root,
            remedy="; ".join(warnings[:3]),
        )
    stacks = {
        name: np.stack([counts[name] for _, counts in looks])
        for names, looks in (((*BANDS, "scl"), seen), (SAR, sar))
        for name in names
        if looks and all(name in counts for _, counts in looks)
    }
    return assemble(
        stacks,
        (tuple((s.id, s.when) for s, _ in seen), tuple((s.id, s.when) for s, _ in sar)),
        (grid.crs.to_string(), grid.transform),
        {"warnings": tuple(warnings), "attribution": catalogue.attribution, "simulated": catalogue.simulated},
    )


def _grid(catalogue: Catalogue, scenes: Iterable[Scene], geometry: BaseGeometry, margin_m: float) -> _Grid:
    """Lay the 10 m grid of the first scene that holds the geometry over the geometry and its margin."""
    west, south, east, north = geometry.bounds
    holding = [
        s for s in scenes if s.bbox[0] <= east and s.bbox[2] >= west and s.bbox[1] <= north and s.bbox[3] >= south
    ]
    for scene in holding:
        try:
            with rasterio.open(scene.assets["B04"].href, driver=driver(scene.assets["B04"].href)) as source:
                crs, own, extent = source.crs, source.transform, source.bounds
        except (RasterioError, OSError):
            continue
        box = transform_bounds("EPSG:4326", crs, west, south, east, north)
        inside = box[0] < extent.right and box[2] > extent.left and box[1] < extent.top and box[3] > extent.bottom
        if crs is None or not crs.is_projected or not inside:
            continue
        edges = _snapped(box, own, margin_m)
        if extent.left <= box[0] and box[2] <= extent.right and extent.bottom <= box[1] and box[3] <= extent.top:
            edges = (
                max(edges[0], extent.left),
                max(edges[1], extent.bottom),
                min(edges[2], extent.right),
                min(edges[3], extent.top),
            )
        shape = round((edges[3] - edges[1]) / PIXEL_M), round((edges[2] - edges[0]) / PIXEL_M)
        return _Grid(crs, Affine(PIXEL_M, 0, edges[0], 0, -PIXEL_M, edges[3]), *shape)
    extent_text = "{:.4f}, {:.4f} to {:.4f}, {:.4f}".format(*catalogue.bounds)
    raise PlotPlaceError(
        f"lies outside the tiles, which reach from lon, lat {extent_text}",
        subject=f"plot at {geometry.centroid.x:.5f}, {geometry.centroid.y:.5f}",
        remedy="draw a plot inside, or name tiles that hold it",
    )


def _snapped(box: tuple[float, float, float, float], own: Affine, margin_m: float) -> tuple[float, float, float, float]:
    """Widen a box by the margin and snap it outwards to the grid."""

    def down(value: float, origin: float) -> float:
        return origin + math.floor((value - origin) / SNAP_M) * SNAP_M

    left, top = own.c % COARSE_M, TOP_M + own.f % COARSE_M
    return (
        down(box[0] - margin_m, left),
        down(box[1] - margin_m, top),
        down(box[2] + margin_m, left) + SNAP_M,
        down(box[3] + margin_m, top) + SNAP_M,
    )


def _read_all(scenes: tuple[Scene, ...], grid: _Grid) -> list[tuple[Scene, dict[str, NDArray[Any]] | SceneError]]:
    results: list[tuple[Scene, dict[str, NDArray[Any]] | SceneError]] = []
    for scene in scenes:
        try:
            results.append((scene, _read_scene(scene, grid)))
        except SceneError as error:
            results.append((scene, error))
    return results


def _seen(
    results: list[tuple[Scene, dict[str, NDArray[Any]] | SceneError]], warnings: list[str]
) -> list[tuple[Scene, dict[str, NDArray[Any]]]]:
    """Split off the damaged scenes as warnings."""
    good = []
    for scene, counts in results:
        if isinstance(counts, SceneError):
            warnings.append(f"scene {scene.id} left out: {counts.what}")
        else:
            good.append((scene, counts))
    return good


def _read_scene(scene: Scene, grid: _Grid) -> dict[str, NDArray[Any]]:
    """Read all bands of one scene (y, x); raise `SceneError` when one of them is damaged or the window is empty."""
    bands = {name: _read_band(scene, name, asset, grid) for name, asset in scene.assets.items()}
    if not any(np.isfinite(band).any() for name, band in bands.items() if name != "scl"):
        raise SceneError("it holds no data here", subject=scene.id)
    return bands


def _read_band(scene: Scene, name: str, asset: Asset, grid: _Grid) -> NDArray[np.float32]:
    """Read one band on the grid: reflectance or dB with NaN where there is no data; classes for `scl`."""
    try:
        raster = open_raster(asset.href)
        if asset.shape and raster.shape != asset.shape:
            raise SceneError(
                "{} is {} x {} px, its item says {} x {}".format(name, *raster.shape, *asset.shape), subject=scene.id
            )
        said = raster.nodata if raster.nodata is not None else asset.nodata
        nodata = said if said is not None else UNSAID_NODATA.get(name, 0.0)
        counts = _counts(raster, grid, nodata)
    except (RasterioError, OSError) as error:
        missing = "is missing" if "No such file" in str(error) else f"cannot be read ({str(error).splitlines()[0]})"
        raise SceneError(f"{name} {missing.replace(asset.href, 'its file')}", subject=scene.id) from error
    if name == "scl":
        return counts
    if name in BANDS:
        return decode(encode(counts, asset.scale, asset.offset or 0.0, nodata))
    values = counts * np.float32(asset.scale) + np.float32(asset.offset or 0.0)
    if not math.isnan(nodata):
        values[counts == np.float32(nodata)] = np.nan
    return values


def _counts(raster: Raster, grid: _Grid, nodata: float) -> NDArray[np.float32]:
    """Read counts on the grid by nearest neighbour: a 20 m pixel stands for its four 10 m pixels."""
    counts = raster.within(grid.crs.to_string(), grid.bounds, nodata)
    if counts is not None:
        rows, columns = grid.height // counts.shape[0], grid.width // counts.shape[1]
        if (counts.shape[0] * rows, counts.shape[1] * columns) == (grid.height, grid.width):
            return np.repeat(np.repeat(counts, rows, 0), columns, 1).astype(np.float32)
    with (
        rasterio.open(raster.path, driver=driver(raster.path)) as source,
        WarpedVRT(
            source,
            crs=grid.crs,
            transform=grid.transform,
            height=grid.height,
            width=grid.width,
            resampling=Resampling.nearest,
            nodata=nodata,
        ) as view,
    ):
        return np.asarray(view.read(1), np.float32)
