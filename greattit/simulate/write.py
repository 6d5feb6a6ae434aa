"""The catalogue: counts and truth written as a static STAC catalogue of GeoTIFFs, byte for byte the same each time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.simulate.light import BANDS_NM
from greattit.simulate.sky import Look

ASSETS = {
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
}
"""Earth Search asset keys"""
COMMON = {"rededge1": "rededge", "rededge2": "rededge", "rededge3": "rededge"}
SAID = (
    "SIMULATED: no satellite saw this. Made by `greattit simulate`; "
    "fields, crops, yields, clouds and events are invented."
)
COLLECTION = "sentinel-2-l2a"


@dataclass(frozen=True)
class Place:
    """Where the county lies."""

    epsg: int
    left: float
    bottom: float
    size: float

    @property
    def bbox(self) -> list[float]:
        """[m] left, bottom, right, top."""
        return [self.left, self.bottom, self.left + self.size, self.bottom + self.size]

    def lonlat(self, points: Sequence[tuple[float, float]]) -> list[list[float]]:
        """Return lon, lat of points given in metres from the corner, to seven decimals (1 cm)."""
        from pyproj import Transformer

        change = Transformer.from_crs(self.epsg, 4326, always_xy=True)
        lon, lat = change.transform([self.left + x for x, _ in points], [self.bottom + y for _, y in points])
        return [[round(a, 7), round(b, 7)] for a, b in zip(lon, lat, strict=True)]

    @property
    def outline(self) -> list[list[float]]:
        """The square as a closed ring of lon, lat."""
        s = self.size
        return self.lonlat([(0, 0), (s, 0), (s, s), (0, s), (0, 0)])

    @property
    def bounds(self) -> list[float]:
        """West, south, east, north [deg]."""
        ring = np.asarray(self.outline)
        return [float(v) for v in (*ring.min(axis=0), *ring.max(axis=0))]


def dump(path: Path, content: Any, *, compact: bool = False) -> None:
    """Write JSON with a newline at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    style: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    path.write_text(json.dumps(content, ensure_ascii=False, **style) + "\n", encoding="utf-8", newline="\n")


def raster(path: Path, values: NDArray[Any], place: Place, step: float) -> None:
    """Write one band as a deflated GeoTIFF, nodata 0, north up."""
    import rasterio
    from rasterio.transform import from_origin

    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = values.shape
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype.name,
        "count": 1,
        "height": rows,
        "width": cols,
        "nodata": 0,
        "crs": f"EPSG:{place.epsg}",
        "transform": from_origin(place.left, place.bottom + place.size, step, step),
        "compress": "deflate",
        "predictor": 2,
        "zlevel": 9,
        "blockysize": rows,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)


def item_id(look: Look, tile: str) -> str:
    """Return e.g. "S2_31UES_20230601"."""
    return f"S2_{tile}_{look.when:%Y%m%d}"


def item(
    out: Path,
    place: Place,
    recipe: Mapping[str, Any],
    look: Look,
    counts: Mapping[str, NDArray[Any]],
    scl: NDArray[np.uint8],
) -> str:
    """Write one look, its files and its item; return the link to it from the collection."""
    grid = str(recipe["county"]["grid_code"])
    name = item_id(look, grid.removeprefix("MGRS-"))
    folder = out / COLLECTION / "items" / name
    assets: dict[str, Any] = {}
    for band, values in counts.items():
        key = ASSETS[band]
        step = place.size / values.shape[0]
        raster(folder / f"{key}.tif", values, place, step)
        assets[key] = _asset(key, f"{key} ({band})", values.shape, step, place) | {"roles": ["data", "reflectance"]}
        assets[key]["eo:bands"] = [
            {"name": band, "common_name": COMMON.get(key, key), "center_wavelength": round(BANDS_NM[band][0] / 1e3, 3)}
        ]
        assets[key]["raster:bands"] = [
            {
                "data_type": "uint16",
                "nodata": 0,
                "scale": 0.0001,
                "offset": -0.1,
                "spatial_resolution": step,
                "unit": "1",
            }
        ]
    raster(folder / "scl.tif", scl, place, place.size / scl.shape[0])
    step = place.size / scl.shape[0]
    assets["scl"] = _asset("scl", "Scene classification map (SCL), simulated with its errors", scl.shape, step, place)
    assets["scl"] |= {
        "roles": ["data"],
        "raster:bands": [{"data_type": "uint8", "nodata": 0, "spatial_resolution": step}],
    }
    share = np.isin(scl, (8, 9, 10)).mean()
    properties = {
        "datetime": f"{look.when:%Y-%m-%dT%H:%M:%SZ}",
        "title": f"SIMULATED {name}",
        "greattit:simulated": True,
        "platform": look.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        "grid:code": grid,
        "proj:epsg": place.epsg,
        "proj:bbox": place.bbox,
        "s2:processing_baseline": "05.09",
        "eo:cloud_cover": round(100 * float(share), 2),
        "s2:cloud_shadow_percentage": round(100 * float((scl == 3).mean()), 2),
        "s2:nodata_pixel_percentage": 0.0,
        "view:sun_elevation": round(90 - look.sun.zenith, 2),
        "view:sun_azimuth": round(look.sun.azimuth, 2),
    }
    feature = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            "https://stac-extensions.github.io/view/v1.0.0/schema.json",
        ],
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [place.outline]},
        "bbox": place.bounds,
        "properties": properties,
        "assets": assets,
        "links": [
            {"rel": "self", "href": f"./{name}.json", "type": "application/geo+json"},
            {"rel": "parent", "href": "../../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../../collection.json", "type": "application/json"},
            {"rel": "root", "href": "../../../catalog.json", "type": "application/json"},
        ],
    }
    dump(folder / f"{name}.json", feature, compact=True)
    return f"./items/{name}/{name}.json"


def _asset(key: str, title: str, shape: tuple[int, ...], step: float, place: Place) -> dict[str, Any]:
    return {
        "href": f"./{key}.tif",
        "type": "image/tiff; application=geotiff",
        "title": title,
        "proj:shape": list(shape),
        "proj:transform": [step, 0, place.left, 0, -step, place.bottom + place.size],
    }


def catalogue(
    out: Path, place: Place, recipe: Mapping[str, Any], seed: int, looks: Sequence[Look], links: list[str]
) -> None:
    """Write catalog.json and the collection."""
    county = recipe["county"]
    says = f"{SAID} Recipe {county['id']}, seed {seed}."
    root = {"rel": "root", "href": "./catalog.json", "type": "application/json"}
    dump(
        out / "catalog.json",
        {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": county["id"],
            "title": county["title"],
            "description": says,
            "greattit:simulated": True,
            "links": [
                {"rel": "self", "href": "./catalog.json", "type": "application/json"},
                root,
                {"rel": "child", "href": f"./{COLLECTION}/collection.json", "type": "application/json"},
            ],
        },
    )
    dump(
        out / COLLECTION / "collection.json",
        {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": COLLECTION,
            "title": "Sentinel-2 L2A look-alike (SIMULATED)",
            "description": says + " uint16, reflectance = DN * 0.0001 - 0.1, nodata 0.",
            "license": "Apache-2.0",
            "keywords": ["simulated", "sentinel", str(county["place"]).lower(), str(county["year"])],
            "providers": [{"name": "Great Tit", "roles": ["producer", "licensor"]}],
            "greattit:simulated": True,
            "extent": {
                "spatial": {"bbox": [place.bounds]},
                "temporal": {"interval": [[f"{day.when:%Y-%m-%dT%H:%M:%SZ}" for day in (looks[0], looks[-1])]]},
            },
            "links": [
                {"rel": "self", "href": "./collection.json", "type": "application/json"},
                {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
                {**root, "href": "../catalog.json"},
                *({"rel": "item", "href": link, "type": "application/geo+json"} for link in links),
            ],
        },
    )
