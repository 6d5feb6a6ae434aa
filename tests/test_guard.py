"""Guards: headers that claim too much are refused before a pixel is decoded; odd scenes are found by their pixels."""

from __future__ import annotations

import dataclasses
import resource
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from greattit.errors import SceneError
from greattit.tiles import open_catalogue
from greattit.tiles.fetch import opened
from greattit.tiles.guard import Summary, look_at, outliers, summarise
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


Values = dict[str, NDArray[np.float32]]


def land(seed: int = 0) -> Values:
    """A scene of varied land: two fine bands and a coarse one."""
    draw = np.random.default_rng(seed)
    bands = {"B04": (40, 0.08), "B08": (40, 0.3), "B11": (20, 0.2)}
    return {name: draw.normal(mean, 0.02, (side, side)).astype(np.float32) for name, (side, mean) in bands.items()}


def said(values: Values, scl: NDArray[Any] | None = None) -> dict[tuple[str, bool], str]:
    return {(f.kind, f.severe): f.text for f in look_at(values, scl)}


def test_a_usual_scene_has_no_findings() -> None:
    assert look_at(land(), np.full((20, 20), 4)) == ()


def test_a_half_swath_is_no_finding() -> None:
    values = land()
    for band in values.values():
        band[:, : band.shape[1] // 2] = np.nan
    assert look_at(values) == ()


def test_a_blank_scene_or_band_is_found() -> None:
    assert said({name: np.full_like(band, np.nan) for name, band in land().items()}) == {
        ("blank", True): "holds no data"
    }
    values = land()
    values["B08"][:] = np.nan
    assert said(values) == {("blank", True): "B08 holds no data, though other bands do"}
    assert ("blank", False) in said(land(), np.zeros((20, 20), np.uint8))
    assert said({}) == {("blank", True): "holds no data"}


def test_a_constant_band_is_found() -> None:
    values = land()
    values["B08"][:] = np.where(np.arange(40) < 30, 0.3, np.nan)
    found = said(values)
    assert found["constant", True] == "B08 has the single value 0.3 everywhere, though other bands vary"
    assert said({name: np.full_like(band, 0.2) for name, band in land().items()})["constant", True].startswith("every")


def test_one_file_under_two_names_is_found() -> None:
    values = land()
    values["B08"] = values["B04"].copy()
    assert said(values) == {("copy", True): "B04 and B08 are the same picture"}


@pytest.mark.parametrize(("factor", "offset"), [(10, 0.0), (10_000, 0.0), (1, -0.1)])
def test_reflectance_out_of_range_is_found(factor: float, offset: float) -> None:
    values = {name: band * np.float32(factor) + np.float32(offset) for name, band in land().items()}
    assert "scale or offset are wrong" in said(values)["range", True]


def test_bright_cloud_is_not_out_of_range() -> None:
    assert look_at({name: band + np.float32(1.0) for name, band in land().items()}) == ()


def test_holes_are_found_in_one_band_and_in_all() -> None:
    values = land()
    values["B08"][10:20, 10:20] = np.nan
    assert said(values) == {("holes", False): "B08 has holes without data in 6.2% of the footprint"}
    values = land()
    for band in values.values():
        quarter = len(band) // 4
        band[quarter : 2 * quarter, quarter : 2 * quarter] = np.nan
    assert said(values) == {("holes", False): "all bands have holes without data, 6.7% of the footprint"}
    values = land()
    values["B08"][1:-1, 1:-1] = np.nan
    assert ("holes", True) in said(values), "only the rim is left"


def test_a_band_that_ends_before_the_others_is_found() -> None:
    values = land()
    values["B08"][:, 30:] = np.nan
    assert said(values) == {("footprint", False): "B08 lacks 25.0% of the footprint of the other bands"}
    values["B08"][:, 10:] = np.nan
    assert said(values) == {("footprint", True): "B08 lacks 75.0% of the footprint of the other bands"}
    values = land()
    values["B08"][:, ::2] = np.nan
    assert said(values) == {}, "a coarse pixel has data where any fine one in it has"


def season(looks: int = 9) -> list[Values]:
    """Looks that differ as seasons do."""
    draw = np.random.default_rng(5)
    return [
        {name: band * np.float32(draw.uniform(0.85, 1.15)) for name, band in land(number).items()}
        for number in range(looks)
    ]


def summed(looks: list[Values], share: float = 1.0) -> list[Summary]:
    found = []
    for look in looks:
        fine = {
            name: np.kron(band, np.ones(np.array((40, 40)) // band.shape, np.float32)) for name, band in look.items()
        }
        found.append(summarise(fine, np.arange(1600).reshape(40, 40) < 1600 * share))
    return found


@pytest.mark.parametrize(
    ("change", "word", "severe"),
    [
        (lambda band: band * 10, "brighter", True),
        (lambda band: band / 10, "darker", True),
        (lambda band: band * 2, "brighter", False),
        (lambda band: band + 0.1, "offset", True),
        (lambda band: band - 0.1, "offset", True),
    ],
)
def test_a_wrong_scale_or_offset_stands_out_from_the_stack(
    change: Callable[[NDArray[Any]], NDArray[Any]], word: str, severe: bool
) -> None:
    looks = season()
    looks[4] = {name: change(band) for name, band in looks[4].items()}
    found = outliers(summed(looks))
    assert [bool(f) for f in found] == [number == 4 for number in range(9)]
    assert any(word in f.text for f in found[4]) and any(f.severe for f in found[4]) == severe


def test_a_stack_without_faults_or_too_small_to_judge_has_no_outliers() -> None:
    assert not any(outliers(summed(season())))
    wrong = [*season(4), {name: band * 10 for name, band in land().items()}]
    assert not any(outliers(summed(wrong)))
    cloudy = [*summed(season()), *summed([{name: band * 10 for name, band in land().items()}], share=0.3)]
    assert not any(outliers(cloudy)), "what is hardly clear is not judged"
    assert outliers([]) == ()


@pytest.mark.parametrize("folder", ["flanders-2018", "sample_tiles"])
def test_real_and_simulated_looks_pass_and_planted_faults_do_not(request: pytest.FixtureRequest, folder: str) -> None:
    home = (
        request.getfixturevalue("sample_tiles")
        if folder == "sample_tiles"
        else request.getfixturevalue("shared_data") / "scenes" / folder
    )
    looks, clear = [], []
    for scene in open_catalogue(home).between(date(2000, 1, 1), date(2100, 1, 1)):
        counts = {name: rasterio.open(asset.href).read(1) for name, asset in scene.assets.items()}
        classes = counts.pop("scl")
        values = {
            name: np.where(band > 0, band * 1e-4 + (scene.assets[name].offset or 0.0), np.nan).astype(np.float32)
            for name, band in counts.items()
        }
        assert look_at(values, classes) == (), scene.id
        size = values["B04"].shape
        looks.append({n: np.kron(b, np.ones(np.array(size) // b.shape, np.float32)) for n, b in values.items()})
        clear.append(np.kron(np.isin(classes, (4, 5, 6, 7)), np.ones((2, 2), bool)))
    plain = [summarise(look, mask) for look, mask in zip(looks, clear, strict=True)]
    assert not any(outliers(plain))
    judged = [number for number, one in enumerate(plain) if one.clear >= 0.5]
    for change, least in ((0.1, 1.0), (-0.1, 0.94)):
        hit = 0
        for number in judged:
            stack = list(plain)
            stack[number] = summarise({n: b + change for n, b in looks[number].items()}, clear[number])
            hit += bool(outliers(stack)[number])
        print(f"{folder}: {hit} of {len(judged)} looks with {change:+.1f} are found")
        assert hit >= least * len(judged)
