"""Writes static STAC catalogues of made Sentinel tiles that all show one ground, a function of the true position.

So that what a cube holds can be compared, pixel by pixel, with what is there: tiles that overlap, of two zones, cut by
the edge of the swath, doubled, made anew, of both baselines. Positions are metres of UTM zone 31.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

REFERENCE = "EPSG:32631"
EAST, NORTH = 700_000.0, 5_632_000.0
"""a place 11 km west of the border to zone 32"""

FIELD_M, PERIOD_M = 200.0, 320.0
"""side of a field, and from one field to the next"""

BARE = {"B02": 0.05, "B03": 0.08, "B04": 0.10, "B08": 0.20, "B05": 0.12, "B06": 0.16, "B07": 0.18, "B8A": 0.20}
BARE |= {"B11": 0.25, "B12": 0.20}
GREEN = {"B02": 0.02, "B03": 0.05, "B04": 0.03, "B08": 0.45, "B05": 0.08, "B06": 0.30, "B07": 0.40, "B8A": 0.46}
GREEN |= {"B11": 0.18, "B12": 0.09}
FINE = ("B02", "B03", "B04", "B08")
KEYS = {"B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2", "B07": "rededge3"}
KEYS |= {"B08": "nir", "B8A": "nir08", "B11": "swir16", "B12": "swir22"}
FIRST = datetime(2021, 4, 1, 10, 50)


@dataclass(frozen=True)
class Tile:
    """A footprint on the 20 m grid of its zone."""

    code: str = "31UFS"
    west: float = EAST
    north: float = NORTH
    rows: int = 160
    columns: int = 160

    @property
    def crs(self) -> str:
        return f"EPSG:326{self.code[:2]}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        return self.west, self.north - 10 * self.rows, self.west + 10 * self.columns, self.north


@dataclass(frozen=True)
class Made:
    """One product to be written."""

    when: datetime = FIRST
    tile: Tile = Tile()
    platform: str = "sentinel-2a"
    name: str = ""
    """id; "" for platform, day and tile"""
    baseline: str = "04.00"
    offset: float | None = -0.1
    """said by the item; None: not said. Baseline 04.00 and later has 1000 counts more, whatever is said"""
    harmonised: bool = False
    """the 1000 counts were taken away, and the item says so as Earth Search does"""
    created: str = "2021-04-02T00:00:00Z"
    more: float = 0.0
    """added to the reflectance: what another processing makes of it"""
    seen: tuple[float, float] = (-1e9, 1e9)
    """the swath: what lies between two slanted lines, which cross NORTH at these metres east of EAST"""
    cloud: bool = False
    level: str = "L2A"
    without: tuple[str, ...] = ()
    """bands whose file is not there"""
    radar: bool = False

    @property
    def id(self) -> str:
        return self.name or f"{self.platform}_{self.when:%Y%m%dT%H%M%S}_{self.tile.code}"


def season(tiles: Iterable[Tile] = (Tile(),), *, days: int = 4, every: int = 5, **options: Any) -> list[Made]:
    """Return a product of every tile and day; the tiles of one day follow each other by 14 s."""
    first = Made(**options)
    return [
        replace(first, when=first.when + timedelta(days=every * day, seconds=14 * number), tile=tile)
        for day in range(days)
        for number, tile in enumerate(tiles)
    ]


def write(folder: Path, products: Iterable[Made]) -> Path:
    """Write a catalogue, or add products to the one in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    top = folder / "catalog.json"
    links = json.loads(top.read_text())["links"] if top.is_file() else []
    for made in products:
        home = folder / made.id
        home.mkdir()
        (home / "item.json").write_text(json.dumps(_item(made, _assets(made, home))))
        links.append({"rel": "item", "href": f"./{made.id}/item.json"})
    said = {"type": "Catalog", "stac_version": "1.0.0", "id": "made", "title": "made", "description": "x"}
    top.write_text(json.dumps({**said, "links": links}))
    return folder


def reflectance(band: str, x: NDArray[np.float64], y: NDArray[np.float64], day: int) -> NDArray[np.float64]:
    """Return what is there at metres of zone 31, on a day of the year; `band` may be VV or VH [dB]."""
    slope = 0.01 * np.sin((x - EAST) / 700) + 0.01 * np.cos((y - NORTH) / 900)
    if band in ("VV", "VH"):
        return (-10.0 if band == "VV" else -16.0) + 100 * slope
    east, north = np.floor((x - EAST) / PERIOD_M), np.floor((NORTH - y) / PERIOD_M)
    inside = ((x - EAST) % PERIOD_M < FIELD_M) & ((NORTH - y) % PERIOD_M < FIELD_M)
    lush = np.exp(-(((day - 150 - 10 * ((east + 2 * north) % 3)) / 40.0) ** 2))
    return BARE[band] + slope + np.where(inside, lush, 0.0) * (GREEN[band] - BARE[band])


def counts(made: Made, band: str, pixel: int = 10) -> NDArray[np.uint16]:
    """Return the counts (y, x) that the product's file holds."""
    x, y = _centres(made.tile, pixel)
    exact = np.round(1e4 * (reflectance(band, x, y, made.when.timetuple().tm_yday) + made.more))
    newer = made.baseline >= "04.00" and not made.harmonised
    return np.where(_seen(made, x, y), exact + (1000 if newer else 0), 0).astype(np.uint16)


def field(east: int, south: int, *, grown_m: float = 0.0) -> BaseGeometry:
    """Return a field's outline, lon/lat: the `east`-th to the right and the `south`-th down from EAST, NORTH."""
    west, top = EAST + east * PERIOD_M - grown_m, NORTH - south * PERIOD_M + grown_m
    return place(west - EAST, top - NORTH - FIELD_M - 2 * grown_m, FIELD_M + 2 * grown_m, FIELD_M + 2 * grown_m)


def place(east: float, north: float, width: float, height: float) -> BaseGeometry:
    """Return a rectangle, lon/lat, whose south-west corner lies so many metres from EAST, NORTH."""
    west, south = EAST + east, NORTH + north
    there = Transformer.from_crs(REFERENCE, "EPSG:4326", always_xy=True)
    return transform(there.transform, box(west, south, west + width, south + height))


def around(bounds: tuple[float, float, float, float], code: str, *, margin_m: float = 100.0) -> Tile:
    """Return the tile of another zone that covers bounds [m] of zone 31."""
    west, south, east, north = transform_bounds(REFERENCE, f"EPSG:326{code[:2]}", *bounds)
    left, top = (west - margin_m) // 20 * 20, -(-(north + margin_m) // 20) * 20
    rows, columns = int(-(-(top - south + margin_m) // 40) * 4), int(-(-(east + margin_m - left) // 40) * 4)
    return Tile(code, left, top, rows, columns)


@lru_cache(maxsize=32)
def _centres(tile: Tile, pixel: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y (y, x) of the pixels' centres in zone 31 [m]."""
    x, y = np.meshgrid(
        tile.west + pixel * (np.arange(tile.columns * 10 // pixel) + 0.5),
        tile.north - pixel * (np.arange(tile.rows * 10 // pixel) + 0.5),
    )
    if tile.crs == REFERENCE:
        return x, y
    moved = Transformer.from_crs(tile.crs, REFERENCE, always_xy=True).transform(x, y)
    return np.asarray(moved[0]), np.asarray(moved[1])


def _seen(made: Made, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    across = x - EAST + 0.2 * (y - NORTH)
    return (across >= made.seen[0]) & (across < made.seen[1])


def _assets(made: Made, home: Path) -> dict[str, Any]:
    assets: dict[str, Any] = {}
    if made.radar:
        x, y = _centres(made.tile, 20)
        for band in ("VV", "VH"):
            values = reflectance(band, x, y, 1).astype(np.float32)
            values[~_seen(made, x, y)] = np.nan
            assets[band.lower()] = _asset(home, made, band.lower(), values, {"nodata": "nan", "unit": "dB"})
        return assets
    offset = {} if made.offset is None else {"offset": made.offset}
    for band, key in KEYS.items():
        found = counts(made, band, 10 if band in FINE else 20)
        assets[key] = _asset(home, made, key, found, {"scale": 1e-4, "nodata": 0, **offset})
    if made.level == "L2A":
        classes = np.where(_seen(made, *_centres(made.tile, 20)), 9 if made.cloud else 4, 0).astype(np.uint8)
        assets["scl"] = _asset(home, made, "scl", classes, {"nodata": 0})
    for band in made.without:
        (home / f"{KEYS[band]}.tif").unlink()
    return assets


def _asset(home: Path, made: Made, key: str, values: NDArray[Any], band: dict[str, Any]) -> dict[str, Any]:
    pixel = 10.0 * made.tile.rows / values.shape[0]
    shape = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    where = Affine(pixel, 0, made.tile.west, 0, -pixel, made.tile.north)
    nodata = float(band["nodata"])
    with rasterio.open(home / f"{key}.tif", "w", **shape, crs=made.tile.crs, transform=where, nodata=nodata) as out:
        out.write(values, 1)
    return {"href": f"./{key}.tif", "type": "image/tiff", "raster:bands": [band], "proj:shape": list(values.shape)}


def _item(made: Made, assets: dict[str, Any]) -> dict[str, Any]:
    west, south, east, north = transform_bounds(made.tile.crs, "EPSG:4326", *made.tile.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    properties = {
        "datetime": f"{made.when.isoformat()}Z",
        "platform": made.platform,
        "grid:code": f"MGRS-{made.tile.code}",
        "created": made.created,
    }
    if not made.radar:
        properties |= {"s2:processing_baseline": made.baseline, "processing:level": made.level}
    if made.harmonised:
        properties["earthsearch:boa_offset_applied"] = True
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": made.id,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": properties,
        "assets": assets,
        "links": [],
    }
