"""Writes a small static STAC catalogue for tests: one bright-green square field on bare land."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

FINE = {"blue": 0.05, "green": 0.08, "red": 0.10, "nir": 0.20}
COARSE = {"rededge1": 0.12, "rededge2": 0.16, "rededge3": 0.18, "nir08": 0.20, "swir16": 0.25, "swir22": 0.20}
GREEN = {"blue": 0.02, "green": 0.05, "red": 0.03, "nir": 0.45, "rededge1": 0.08, "rededge2": 0.3, "rededge3": 0.4}
GREEN |= {"nir08": 0.46, "swir16": 0.18, "swir22": 0.09}
WEST, NORTH, SIDE = 503000.0, 5632000.0, 60
CRS = "EPSG:32631"
FIELD = (slice(20, 40), slice(20, 40))
"""rows and columns of the green field on the 10 m grid: 4 ha"""


def write(
    folder: Path,
    *,
    days: int = 12,
    first: date = date(2021, 4, 1),
    every: int = 10,
    scale: float = 0.0001,
    offset: float = 0.0,
    scl: Callable[[int], Any] = lambda number: 4,
    shuffle: int | None = None,
) -> Path:
    """Write the catalogue; `scl(number)` is the class (or 30 x 30 classes) of scene `number`."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1)
    hrefs = []
    for number in range(days):
        day = first + timedelta(days=every * number)
        name = f"S2_{day:%Y%m%d}"
        home = folder / name
        home.mkdir()
        assets = {}
        for key, bare in (FINE | COARSE).items():
            ground = np.full((SIDE, SIDE), bare)
            ground[FIELD] = GREEN[key]
            ground = ground + noise.normal(0, 0.003, ground.shape)
            if key in COARSE:
                ground = ground.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
            counts = np.clip(np.round((ground - offset) / scale), 1, 65535).astype(np.uint16)
            assets[key] = _asset(home, key, counts, {"scale": scale, "offset": offset, "nodata": 0})
        classes = np.broadcast_to(np.asarray(scl(number), np.uint8), (SIDE // 2, SIDE // 2))
        assets["scl"] = _asset(home, "scl", classes, {"nodata": 0})
        (home / f"{name}.json").write_text(json.dumps(_item(name, day, assets)))
        hrefs.append(f"./{name}/{name}.json")
    if shuffle is not None:
        np.random.default_rng(shuffle).shuffle(hrefs)
    links = [{"rel": "item", "href": href} for href in hrefs]
    catalogue = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "made",
        "title": "made",
        "description": "x",
        "links": links,
    }
    (folder / "catalog.json").write_text(json.dumps(catalogue))
    return folder


def _asset(home: Path, key: str, counts: Any, band: dict[str, Any]) -> dict[str, Any]:
    pixel = 10.0 * SIDE / counts.shape[0]
    profile = {
        "driver": "GTiff",
        "height": counts.shape[0],
        "width": counts.shape[1],
        "count": 1,
        "dtype": counts.dtype,
    }
    place = {"crs": CRS, "transform": Affine(pixel, 0, WEST, 0, -pixel, NORTH), "nodata": band["nodata"]}
    with rasterio.open(home / f"{key}.tif", "w", **profile, **place, compress="deflate") as out:
        out.write(counts, 1)
    return {"href": f"./{key}.tif", "type": "image/tiff", "raster:bands": [band], "proj:shape": list(counts.shape)}


def _item(name: str, day: date, assets: dict[str, Any]) -> dict[str, Any]:
    box = transform_bounds(CRS, "EPSG:4326", WEST, NORTH - 10 * SIDE, WEST + 10 * SIDE, NORTH)
    ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]], [box[0], box[1]]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(box),
        "properties": {"datetime": f"{day}T10:50:00Z"},
        "assets": assets,
        "links": [],
    }


def ground(west: float, south: float, east: float, north: float) -> Any:
    """Return a rectangle given in metres from the catalogue's south-west corner, as lon/lat."""
    from shapely.geometry import box

    from greattit.plots.coverage import project

    low = NORTH - 10 * SIDE
    return project(box(WEST + west, low + south, WEST + east, low + north), CRS, "EPSG:4326")


FIELD_BOX = (200.0, 200.0, 400.0, 400.0)
"""the green field in metres from the south-west corner"""
