"""The committed sample tiles are what their recipe says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from shapely.geometry import Polygon, shape
from shapely.ops import transform as move

from greattit.simulate import load_recipe


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return load_recipe("sample")


@pytest.fixture(scope="module")
def plots(sample_tiles: Path) -> list[dict[str, Any]]:
    features = json.loads((sample_tiles / "plots.geojson").read_text())["features"]
    assert isinstance(features, list)
    return features


def looks(sample_tiles: Path) -> list[Path]:
    return sorted((sample_tiles / "sentinel-2-l2a" / "items").iterdir())


def band(folder: Path, key: str) -> np.ndarray:
    item = json.loads((folder / f"{folder.name}.json").read_text())
    told = item["assets"][key]["raster:bands"][0]
    with rasterio.open(folder / f"{key}.tif") as file:
        counts = file.read(1)
    assert (counts > 0).all()
    return np.asarray(counts * told["scale"] + told["offset"])


def test_it_is_small(sample_tiles: Path) -> None:
    assert sum(p.stat().st_size for p in sample_tiles.rglob("*") if p.is_file()) < 12e6


def test_it_has_the_looks_and_offset_of_the_recipe(sample_tiles: Path, recipe: dict[str, Any]) -> None:
    folders = looks(sample_tiles)
    assert len(folders) == recipe["looks"]["count"]
    for folder in folders:
        item = json.loads((folder / f"{folder.name}.json").read_text())
        assert item["properties"]["greattit:simulated"] is True
        assert item["properties"]["s2:processing_baseline"].startswith("05.")
        for key, asset in item["assets"].items():
            if key != "scl":
                told = asset["raster:bands"][0]
                assert (told["scale"], told["offset"], told["nodata"]) == (0.0001, -0.1, 0)


def test_it_has_the_fields_crops_and_events_of_the_recipe(plots: list[dict[str, Any]], recipe: dict[str, Any]) -> None:
    assert len(plots) >= 60
    crops = Counter(f["properties"]["crop"] for f in plots)
    assert set(crops) == set(recipe["crops"])
    assert min(crops.values()) >= 2
    events = Counter(f["properties"]["event"] for f in plots)
    assert {name: events[name] for name in recipe["events"]} == dict.fromkeys(recipe["events"], 1)
    assert all(0.15 < f["properties"]["area_ha"] < 11 for f in plots)


def test_fields_are_irregular(plots: list[dict[str, Any]]) -> None:
    full = []
    for feature in plots:
        ring = shape(feature["geometry"])
        assert ring.is_valid
        flat = move(lambda x, y: (x * np.cos(np.radians(50.8)), y), Polygon(ring.exterior))
        full.append(flat.area / flat.convex_hull.area)
    assert sum(share < 0.93 for share in full) >= 8


def test_yields_are_near_what_the_recipe_calls_normal(plots: list[dict[str, Any]], recipe: dict[str, Any]) -> None:
    for crop, rules in recipe["crops"].items():
        own = [f["properties"] for f in plots if f["properties"]["crop"] == crop]
        sound = [p["yield_kg_ha"] / rules["yield_kg_ha"] for p in own if p["event"] == "none"]
        assert 0.8 < np.median(sound) < 1.25, crop
        assert all(0.5 < share < 1.6 for share in sound), crop
        for plot in own:
            if plot["event"] in ("failed", "flood", "early_harvest"):
                assert plot["yield_kg_ha"] < 0.9 * np.median([p["yield_kg_ha"] for p in own]), plot["plot"]


def test_about_half_of_the_looks_are_clear_and_scl_errs_as_told(sample_tiles: Path) -> None:
    shares = json.loads((sample_tiles / "truth.json").read_text())["scl_shares"]
    assert len(shares) == len(looks(sample_tiles))
    clear = np.mean([s["cloud"] + s["shadow"] < 0.2 for s in shares.values()])
    assert 0.35 < clear < 0.7
    assert sum(0.005 < s["missed"] < 0.5 for s in shares.values()) >= 6
    assert any(s["false"] > 0.002 for s in shares.values())


def clearest(sample_tiles: Path, first: str, last: str) -> Path:
    shares = json.loads((sample_tiles / "truth.json").read_text())["scl_shares"]
    able = {d: s["cloud"] + s["shadow"] + s["flagged"] for d, s in shares.items() if first <= d <= last}
    best = min(able, key=lambda day: able[day])
    (folder,) = (f for f in looks(sample_tiles) if f.name.endswith(best.replace("-", "")))
    return folder


def pure_fields(sample_tiles: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the field of each 10 m pixel that lies whole in one (else 0), and whether a pixel holds two or more."""
    with rasterio.open(sample_tiles / "fields.tif") as file:
        cells = file.read(1)
    size = cells.shape[0] // 5
    blocks = cells.reshape(size, 5, size, 5).transpose(0, 2, 1, 3).reshape(size, size, 25)
    same = (blocks == blocks[..., :1]).all(axis=2)
    return np.where(same, blocks[..., 0], 0), ~same


def test_border_pixels_are_mixtures(sample_tiles: Path, plots: list[dict[str, Any]]) -> None:
    folder = clearest(sample_tiles, "2023-04-15", "2023-06-30")
    near, red = band(folder, "nir"), band(folder, "red")
    ndvi = (near - red) / (near + red)
    pure, mixed = pure_fields(sample_tiles)
    middle = [(ndvi > 0.35) & (ndvi < 0.65)]
    assert middle[0][mixed].mean() > 1.3 * middle[0][pure > 0].mean()


def test_reflectance_is_that_of_the_ground(sample_tiles: Path, plots: list[dict[str, Any]]) -> None:
    pure, _ = pure_fields(sample_tiles)
    crop = {
        int(f["properties"]["plot"][-3:]): f["properties"]["crop"] for f in plots if f["properties"]["event"] == "none"
    }

    def median(folder: Path, key: str, name: str) -> float:
        cells = np.isin(pure, [n for n, c in crop.items() if c == name])
        values = band(folder, key)
        step = pure.shape[0] // values.shape[0]
        return float(np.median(np.kron(values, np.ones((step, step)))[cells]))

    spring, summer = (
        clearest(sample_tiles, "2023-04-15", "2023-05-15"),
        clearest(sample_tiles, "2023-07-15", "2023-08-20"),
    )
    assert median(spring, "nir", "winter_wheat") > 0.33 > 0.08 > median(spring, "red", "winter_wheat")
    assert median(spring, "swir16", "maize") > 0.2
    assert median(summer, "nir", "maize") > 0.33
    assert median(summer, "swir22", "winter_wheat") > median(summer, "swir22", "maize")


def test_the_demo_drawing_is_sloppy_around_one_field(sample_tiles: Path, plots: list[dict[str, Any]]) -> None:
    demo = json.loads((sample_tiles / "demo_plot.geojson").read_text())
    (field,) = (f for f in plots if f["properties"]["plot"] == demo["properties"]["around"])
    assert field["properties"]["crop"] in ("maize", "potato")
    assert field["properties"]["event"] == "none"
    drawn, true = shape(demo["geometry"]), shape(field["geometry"])
    assert 10 <= len(drawn.exterior.coords) - 1 <= 15
    assert 1.05 < drawn.area / true.area < 1.15
    assert 0.75 < drawn.intersection(true).area / drawn.area < 0.98
