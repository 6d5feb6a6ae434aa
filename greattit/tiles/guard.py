"""Guards against silent failure: a header before any pixel is decoded, and a scene's pixels before they are believed.

`check_header` refuses (`SceneError`); the others give `Finding`s, plain sentences that go into the record of the scene;
those that are `severe` say that it must not be used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greattit.errors import SceneError
from greattit.tiles.scene import Asset, Scene

if TYPE_CHECKING:
    from rasterio import DatasetReader

MAX_SIDE_PX = 25_000
"""Longest side of a raster: a Sentinel-2 tile has 10,980 px, a Sentinel-1 GRD about 26,000 x 17,000 in its own geometry
(and is refused there for want of a CRS), its RTC up to about 29,000 x 22,000 at 10 m in UTM."""

MAX_RTC_PX = 32_000
"""The same for radar."""

MAX_BLOCK_PX = 16 * 2**20
"""Largest block: GDAL allocates a whole one before it decodes a pixel of it. Usual are 512 x 512 and 1024 x 1024."""

MAX_BANDS = 64
"""Most bands of one file."""

DRIVERS = ("GTiff", "JP2OpenJPEG")
"""A cloud-optimised GeoTIFF is a GTiff when it is read."""

DTYPES = ("uint8", "int16", "uint16", "float32", "float64")
"""Types of counts; a complex product (SLC) is no measurement of power."""

PIXEL_M = (0.5, 100.0)
"""Smallest and largest pixel [m]; Sentinel-2's coarsest is 60 m."""

DEGREE_M = 111_320.0
"""Length of one degree of latitude [m], to judge pixels in degrees."""


@dataclass(frozen=True)
class Finding:
    """One thing that is odd about a scene."""

    kind: str
    """"blank", "constant", "holes", "footprint", "range", "scale" or "shift" """
    text: str
    """one plain sentence with its figures"""
    severe: bool
    """True when the scene must not be used"""


def check_header(source: DatasetReader, asset: Asset, scene: Scene | None = None) -> None:
    """Raise `SceneError` when a raster's header claims what no product of ours has; no pixel is decoded.

    Checked are driver, size, block, type, the shape that the item promises, CRS, pixels, and, where the `scene` is
    given, that the raster lies where its item says. How well a file compresses is not judged: a tile that saw nothing
    shrinks a thousandfold by right, and what can be decoded is bounded by the size.
    """
    wrong = _size(source, asset, scene) or _kind(source, asset) or _pixels(source) or _place(source, scene)
    if wrong:
        raise SceneError(wrong, subject=scene.id if scene else "")


def _size(source: DatasetReader, asset: Asset, scene: Scene | None) -> str:
    rows, columns = source.shape
    most = MAX_RTC_PX if scene is not None and scene.sensor == "s1" else MAX_SIDE_PX
    if max(rows, columns) > most:
        return f"claims {rows:,} x {columns:,} px; at most {most:,} a side are read"
    if not 1 <= asset.band <= source.count <= MAX_BANDS:
        return f"has {source.count} bands; number {asset.band} of at most {MAX_BANDS} is asked for"
    high, wide = source.block_shapes[asset.band - 1]
    block = high * wide * (source.count if _mixed(source) else 1)
    if block > MAX_BLOCK_PX:
        return f"is stored in blocks of {high:,} x {wide:,} px; at most {MAX_BLOCK_PX:,} px are decoded at once"
    if asset.shape and (rows, columns) != asset.shape:
        return f"is {rows} x {columns} px, its item says {asset.shape[0]} x {asset.shape[1]}"
    return ""


def _mixed(source: DatasetReader) -> bool:
    """Say whether a block holds the pixels of all bands."""
    return source.interleaving is not None and str(source.interleaving.value).upper() == "PIXEL"


def _kind(source: DatasetReader, asset: Asset) -> str:
    if source.driver not in DRIVERS:
        return f"is a {source.driver}, not one of {', '.join(DRIVERS)}"
    dtype = source.dtypes[asset.band - 1]
    if dtype not in DTYPES:
        return f"holds {dtype}, not one of {', '.join(DTYPES)}"
    return ""


def _pixels(source: DatasetReader) -> str:
    crs, own = source.crs, source.transform
    if crs is None:
        return "has control points but no CRS" if source.gcps[0] else "has no CRS"
    if not (crs.is_projected or crs.is_geographic):
        return f"has a CRS that is neither projected nor geographic ({crs.to_string()[:60]})"
    if own.b or own.d or own.a <= 0 or own.e >= 0:
        return "is not north-up"
    metre = crs.linear_units_factor[1] if crs.is_projected else DEGREE_M
    sizes = own.a * metre, -own.e * metre
    if not all(PIXEL_M[0] <= size <= PIXEL_M[1] for size in sizes) or not 1 / 3 <= sizes[0] / sizes[1] <= 3:
        return f"has pixels of {sizes[0]:,.4g} x {sizes[1]:,.4g} m; {PIXEL_M[0]:g} to {PIXEL_M[1]:g} m are read"
    return ""


def _place(source: DatasetReader, scene: Scene | None) -> str:
    """Say when the raster does not meet the box of its item: a wrong CRS or a wrong origin."""
    from rasterio.errors import RasterioError
    from rasterio.warp import transform_bounds

    if scene is None or scene.bbox[0] > scene.bbox[2]:  # a box across the date line
        return ""
    try:
        box = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
    except (RasterioError, ValueError):
        box = (math.inf,) * 4
    if not all(math.isfinite(v) for v in box):
        return f"lies outside the area of its CRS ({source.crs.to_string()[:60]})"
    west, south, east, north = scene.bbox
    if box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south:
        return ""
    here = f"{(box[0] + box[2]) / 2:.3f}, {(box[1] + box[3]) / 2:.3f} ({source.crs.to_string()[:60]})"
    there = f"{(west + east) / 2:.3f}, {(south + north) / 2:.3f}"
    return f"lies around lon, lat {here}, its item around {there}: CRS or origin are wrong"
