"""Guards: headers that claim too much are refused before a pixel is decoded; odd scenes are found by their pixels."""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from greattit.errors import SceneError
from greattit.tiles import open_catalogue
from greattit.tiles.fetch import opened
from greattit.tiles.scene import Asset, Scene

CORNER = Affine(10, 0, made_tiles.WEST, 0, -10, made_tiles.NORTH)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return open_catalogue(made_tiles.write(tmp_path_factory.mktemp("guard") / "c", days=1)).scenes[0]


def raster(folder: Path, name: str = "red.tif", *, side: int = 60, write: bool = True, **profile: Any) -> Asset:
    """Write a raster; without `write` only its header, all blocks left out."""
    about = {"driver": "GTiff", "count": 1, "dtype": "uint16", "crs": made_tiles.CRS, "transform": CORNER, "nodata": 0}
    about |= {"height": side, "width": side} | ({} if write else {"sparse_ok": True}) | profile
    with rasterio.open(folder / name, "w", **about) as out:
        if write:
            out.write(np.ones((about["count"], about["height"], about["width"]), about["dtype"]))
    return Asset(str(folder / name), 1e-4, 0.0, 0.0, None)


def refused(asset: Asset, scene: Scene | None = None) -> str:
    with pytest.raises(SceneError) as caught, opened(asset, scene):
        pytest.fail("was opened")
    return caught.value.what


def test_a_usual_raster_passes(tmp_path: Path, scene: Scene) -> None:
    for name, more in {
        "plain.tif": {},
        "tiled.tif": {"tiled": True, "blockxsize": 256, "blockysize": 256, "side": 1024},
        "radar.tif": {"dtype": "float32", "nodata": float("nan")},
        "degrees.tif": {"crs": "EPSG:4326", "transform": Affine(9e-5, 0, scene.bbox[0], 0, -9e-5, scene.bbox[3])},
        "tile.tif": {"side": 10_980, "write": False, "tiled": True, "blockxsize": 512, "blockysize": 512},
    }.items():
        with opened(raster(tmp_path, name, **more), scene) as source:
            assert source.crs


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"side": 100_000, "tiled": True}, "claims 100,000 x 100,000 px"),
        ({"height": 60, "width": 2_000_000_000}, "claims 60 x 2,000,000,000 px"),
        ({"side": 20_000, "tiled": True, "blockxsize": 20_000, "blockysize": 20_000}, "blocks of 20,000 x 20,000 px"),
        ({"side": 12_000, "blockysize": 12_000, "compress": "deflate"}, "blocks of 12,000 x 12,000 px"),
        (
            {"side": 4096, "count": 3, "tiled": True, "blockxsize": 4096, "blockysize": 4096, "interleave": "pixel"},
            "bl",
        ),
        ({"count": 65}, "has 65 bands"),
        ({"dtype": "complex64"}, "holds complex64"),
        ({"dtype": "int8", "nodata": None}, "holds int8"),
        ({"crs": None}, "has no CRS"),
        ({"transform": Affine(10, 0, 503000, 0, 10, 5632000)}, "not north-up"),
        ({"transform": Affine(10, 1, 503000, 1, -10, 5632000)}, "not north-up"),
        ({"transform": Affine(1000, 0, 503000, 0, -1000, 5632000)}, "pixels of 1,000 x 1,000 m"),
        ({"transform": Affine(10, 0, 503000, 0, -90, 5632000)}, "pixels of 10 x 90 m"),
        ({"transform": Affine(1e-7, 0, 3, 0, -1e-7, 50), "crs": "EPSG:4326"}, "pixels of 0.01113"),
    ],
)
def test_what_no_product_has_is_refused_before_it_is_decoded(
    tmp_path: Path, profile: dict[str, Any], said: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert said in refused(raster(tmp_path, write=profile.get("count", 1) > 3, **profile))
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 60_000, f"{grown_kb / 1024:.0f} MB were allocated to say no"


def test_the_item_is_held_to_its_word(tmp_path: Path, scene: Scene) -> None:
    asset = raster(tmp_path)
    assert refused(dataclasses.replace(asset, shape=(60, 61)), scene) == "red.tif is 60 x 60 px, its item says 60 x 61"
    assert "number 2" in refused(dataclasses.replace(asset, band=2), scene)


@pytest.mark.parametrize(
    ("crs", "corner"),
    [("EPSG:32632", CORNER), ("EPSG:32731", CORNER), (made_tiles.CRS, CORNER @ Affine.translation(50_000, 0))],
)
def test_a_wrong_crs_or_origin_is_seen_in_the_header(tmp_path: Path, scene: Scene, crs: str, corner: Affine) -> None:
    assert "CRS or origin are wrong" in refused(raster(tmp_path, crs=crs, transform=corner), scene)


def test_a_raster_outside_the_world_is_refused(tmp_path: Path, scene: Scene) -> None:
    far = Affine(10, 0, 1e12, 0, -10, 1e12)
    assert "outside the area of its CRS" in refused(raster(tmp_path, transform=far), scene)


def test_files_beside_a_raster_change_nothing(tmp_path: Path, scene: Scene) -> None:
    asset = raster(tmp_path)
    (tmp_path / "red.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:32632</SRS></PAMDataset>")
    with opened(asset, scene) as source:
        assert source.crs.to_epsg() == 32631


def test_a_file_goes_by_its_name_and_its_content(tmp_path: Path) -> None:
    raster(tmp_path, "red.png", driver="PNG", dtype="uint8", crs=None, nodata=None)
    (tmp_path / "red.png").rename(tmp_path / "red.tif")
    assert "no raster of the promised kind" in refused(Asset(str(tmp_path / "red.tif"), 1.0, 0.0, 0.0, None))
