"""The truth beside the tiles: fields, crops, yields, events, what the classification missed, a sloppy drawing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from greattit.simulate.land import FIRST_FIELD, ROOF_DARK, ROOF_RED, YARD, Field, Land
from greattit.simulate.scene import County
from greattit.simulate.write import SAID, Place, dump, raster


def built_share(land: Land) -> NDArray[np.float64]:
    """Return the share of roofs and paved yards in each 20 m pixel."""
    hard = np.isin(land.classes, (ROOF_RED, ROOF_DARK, YARD)).astype(float)
    rows, cols = hard.shape[0] // 10, hard.shape[1] // 10
    return np.asarray(hard[: rows * 10, : cols * 10].reshape(rows, 10, cols, 10).mean(axis=(1, 3)))


def tell(
    out: Path,
    place: Place,
    recipe: Mapping[str, Any],
    seed: int,
    county: County,
    errors: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
) -> None:
    """Write plots.geojson (whole fields), fields.tif (all), truth.json, demo_plot.geojson and README.md."""
    whole = [field for field in county.land.fields if field.whole]
    names = {field.number: f"sim-{recipe['county']['year']}-{field.number:03d}" for field in county.land.fields}
    features = [_feature(field, names, place, recipe, county) for field in whole]
    collection = {"type": "FeatureCollection", "name": recipe["county"]["id"], "simulated": True, "description": SAID}
    _lines(out / "plots.geojson", {**collection, "features": features})
    number = np.where(county.land.classes >= FIRST_FIELD, county.land.classes - FIRST_FIELD + 1, 0).astype(np.uint16)
    raster(out / "fields.tif", number, place, 2.0)
    demo = _demo_field(whole, county.land.trees)
    if demo is not None:
        ring = _drawn(demo.shape, rng)
        properties = {
            "plot": "demo",
            "around": names[demo.number],
            "simulated": True,
            "drawn": "sloppy, as by thumb on a phone",
        }
        geometry = {"type": "Polygon", "coordinates": [place.lonlat(list(ring.exterior.coords))]}
        dump(
            out / "demo_plot.geojson", {"type": "Feature", "id": "demo", "properties": properties, "geometry": geometry}
        )
    told = {
        "simulated": True,
        "recipe": recipe["county"]["id"],
        "seed": seed,
        "demo_plot_around": names[demo.number] if demo else None,
        "fields_whole": len(whole),
        "fields_all": len(county.land.fields),
        "struck_share": {names[k]: v for k, v in county.struck.items()},
        "edge_fields": {names[f.number]: f.crop for f in county.land.fields if not f.whole},
        "scl_shares": errors,
        "scl_shares_meaning": (
            "share of the 20 m pixels: under cloud, in shadow, flagged by SCL 3 8 9 10, "
            "spoilt but not flagged, flagged but clear"
        ),
    }
    dump(out / "truth.json", told)
    (out / "README.md").write_text(_readme(recipe, seed, told, whole), encoding="utf-8", newline="\n")


def _lines(path: Path, collection: Mapping[str, Any]) -> None:
    """Write a feature collection with one feature a line."""
    import json

    head = json.dumps({k: v for k, v in collection.items() if k != "features"}, ensure_ascii=False)[:-1]
    body = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in collection["features"])
    path.write_text(f'{head}, "features": [\n{body}\n]}}\n', encoding="utf-8", newline="\n")


def _feature(
    field: Field, names: Mapping[int, str], place: Place, recipe: Mapping[str, Any], county: County
) -> dict[str, Any]:
    from pyproj import Geod

    rings = [place.lonlat(list(ring.coords)) for ring in (field.shape.exterior, *field.shape.interiors)]
    area = abs(Geod(ellps="WGS84").geometry_area_perimeter(Polygon(rings[0], rings[1:]))[0]) / 1e4
    season = county.seasons[field.number]
    properties = {
        "plot": names[field.number],
        "crop": field.crop,
        "area_ha": round(area, 3),
        "yield_kg_ha": season.yield_kg_ha,
        "event": field.event,
        "year": recipe["county"]["year"],
        "sown": season.sown.isoformat() if season.sown else None,
        "harvest": season.harvest.isoformat() if season.harvest else None,
        "simulated": True,
    }
    geometry = {"type": "Polygon", "coordinates": rings}
    return {"type": "Feature", "id": names[field.number], "properties": properties, "geometry": geometry}


def _demo_field(fields: list[Field], trees: BaseGeometry) -> Field | None:
    """Choose a healthy, compact maize or potato field of 2-5 ha, the one with most trees along its border."""
    able = [f for f in fields if f.crop in ("maize", "potato") and f.event == "none" and 2e4 <= f.shape.area <= 5e4]
    compact = [f for f in able if f.shape.area > 0.9 * f.shape.convex_hull.area] or able
    return max(compact, key=lambda f: f.shape.buffer(12).intersection(trees).area) if compact else None


def _drawn(shape: Polygon, rng: np.random.Generator) -> Polygon:
    """Return a field drawn as by thumb: 13 corners of its outline, shaken by 5 m, a tenth too large in all."""
    ring = shape.simplify(6).exterior
    corners = np.array([ring.project(Point(at)) for at in list(ring.coords)[:-1]])
    along = np.arange(13) * ring.length / 13
    near = corners[np.abs(corners[None, :] - along[:, None]).argmin(axis=1)]
    along = np.unique(np.where(np.abs(near - along) < ring.length / 28, near, along))
    points = np.array([ring.interpolate(d).coords[0] for d in along])
    points += rng.normal(0, 4.5, points.shape) + np.array([3.0, -2.0])
    drawn = Polygon(points).buffer(0)
    drawn = drawn if isinstance(drawn, Polygon) else max(drawn.geoms, key=lambda g: g.area)
    factor = np.sqrt(1.10 * shape.area / drawn.area)
    heart = np.asarray(drawn.centroid.coords[0])
    return Polygon(heart + (np.asarray(drawn.exterior.coords) - heart) * factor)


def _readme(recipe: Mapping[str, Any], seed: int, told: Mapping[str, Any], fields: list[Field]) -> str:
    crops: dict[str, list[float]] = {}
    for field in fields:
        crops.setdefault(field.crop, []).append(field.shape.area / 1e4)
    rows = "\n".join(f"| {crop} | {len(a)} | {sum(a):.1f} |" for crop, a in sorted(crops.items()))
    struck = ", ".join(
        f"{f.event}: sim-{recipe['county']['year']}-{f.number:03d} ({f.crop})" for f in fields if f.event != "none"
    )
    county = recipe["county"]
    name = county.get("recipe", "FILE")
    return f"""# {county["title"]}

**This county is simulated.** No satellite saw it, no farmer works it. Do not quote figures measured on it as if
they were measured on land.

It has the form of a static STAC catalogue of Sentinel-2 L2A (uint16, nodata 0, reflectance = counts x 0.0001 - 0.1,
10 m and 20 m bands, SCL) over a square of {county["size_m"] / 1000:g} km, corner {county["corner_m"]} in
EPSG:{county["epsg"]}, season {county["year"]}.

Made by `greattit simulate OUT --recipe {name} --seed {seed}` (needs `pip install 'prosail>=2'`).

- `plots.geojson`: the {told["fields_whole"]} fields that lie whole inside, with crop, area, yield (kg/ha, marketed
  fresh mass; maize as grain), event, days of sowing and harvest.
- `fields.tif`: the number of every field on a 2 m grid, those cut by the edge too ({told["fields_all"]} in all; 0 is
  no field).
- `truth.json`: crops of the cut fields, and for each look the shares of cloud, shadow and of what SCL missed.
- `demo_plot.geojson`: a sloppy drawing around {told["demo_plot_around"]}.

| crop | whole fields | ha |
| --- | --- | --- |
{rows}

Struck fields: {struck}.

How it is made: fields by cutting blocks between roads and water; leaf area by thermal time (Koetz et al. 2005); canopy
light by PROSPECT-D and 4SAIL; soil by dry and wet spectra; pixels by blurring and averaging 2 m cells; clouds by
fractal fields with displaced shadows; SCL from the truth, with errors. The recipe with its sources is
`greattit/simulate/recipes/sample.yaml`.
"""
