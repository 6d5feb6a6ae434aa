"""Tiles: a catalogue becomes a cube; what is damaged is left out by name; metadata decides the reflectance."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import made_tiles
import numpy as np
import pytest

from greattit import tiles
from greattit.errors import CatalogueError, GreatTitError, PlotPlaceError, TilesError
from greattit.types import BANDS

SPAN = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}


def read(folder: Path, box: tuple[float, float, float, float] = (250, 250, 350, 350)):  # type: ignore[no-untyped-def]
    return tiles.read(tiles.open_catalogue(folder), made_tiles.ground(*box), **SPAN)


def test_a_cube_has_all_bands_on_the_10_m_grid(tmp_path: Path) -> None:
    cube = read(made_tiles.write(tmp_path / "c", days=3))
    assert dict(cube.sizes) == {"time": 3, "y": 24, "x": 30, "sar_time": 0}
    assert all(cube[b].dtype == np.float32 for b in BANDS) and cube["clear"].values.all()
    middle = cube.sel(x=made_tiles.WEST + 300, y=made_tiles.NORTH - 300, method="nearest")
    assert abs(float(middle["B08"].mean()) - 0.45) < 0.01 and abs(float(middle["B11"].mean()) - 0.18) < 0.01


def test_only_the_window_of_the_plot_is_held(tmp_path: Path) -> None:
    small = read(made_tiles.write(tmp_path / "c", days=1), (280, 280, 300, 300))
    whole = read(tmp_path / "c", (10, 10, 590, 590))
    assert small.sizes["x"] < whole.sizes["x"] == made_tiles.SIDE
    part = whole["B05"].sel(x=small["x"], y=small["y"])
    np.testing.assert_array_equal(part.values, small["B05"].values)


@pytest.mark.parametrize(("scale", "offset"), [(0.0001, 0.0), (0.0001, -0.1), (0.00005, 0.0)])
def test_reflectance_follows_the_products_own_scale_and_offset(tmp_path: Path, scale: float, offset: float) -> None:
    cube = read(made_tiles.write(tmp_path / "c", days=2, scale=scale, offset=offset))
    plain = read(made_tiles.write(tmp_path / "d", days=2))
    np.testing.assert_allclose(cube["B08"].values, plain["B08"].values, atol=2e-4)


def test_an_offset_that_was_already_applied_is_not_applied_again(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=1)
    item = next(folder.glob("S2_*/*.json"))
    content = json.loads(item.read_text())
    content["properties"]["earthsearch:boa_offset_applied"] = True
    for key, asset in content["assets"].items():
        if key != "scl":
            asset["raster:bands"][0]["offset"] = -0.1
    item.write_text(json.dumps(content))
    np.testing.assert_array_equal(
        read(folder)["B08"].values, read(made_tiles.write(tmp_path / "d", days=1))["B08"].values
    )


def test_cloud_shadow_snow_and_nothing_are_not_clear(tmp_path: Path) -> None:
    cube = read(made_tiles.write(tmp_path / "c", days=12, scl=lambda number: number))
    assert [bool(c.all()) for c in cube["clear"].values] == [n in tiles.CLEAR_CLASSES for n in range(12)]


def damage_truncated(home: Path) -> None:
    file = home / "red.tif"
    file.write_bytes(file.read_bytes()[:200])


def damage_size(home: Path) -> None:
    made_tiles._asset(home, "nir", np.full((10, 10), 500, np.uint16), {"nodata": 0})


def damage_nodata(home: Path) -> None:
    for file in home.glob("*.tif"):
        if file.stem != "scl":
            side = 60 if file.stem in made_tiles.FINE else 30
            made_tiles._asset(home, file.stem, np.zeros((side, side), np.uint16), {"nodata": 0})


def damage_band_file(home: Path) -> None:
    (home / "swir16.tif").unlink()


def damage_band_entry(home: Path) -> None:
    item = next(home.glob("*.json"))
    content = json.loads(item.read_text())
    del content["assets"]["rededge2"]
    item.write_text(json.dumps(content))


def damage_item(home: Path) -> None:
    next(home.glob("*.json")).unlink()


def damage_json(home: Path) -> None:
    next(home.glob("*.json")).write_text('{"type": "Feature", "id"')


def damage_type(home: Path) -> None:
    item = next(home.glob("*.json"))
    item.write_text(item.read_text().replace('"Feature"', '"Banana"'))


DAMAGES = [
    damage_type,
    damage_truncated,
    damage_size,
    damage_nodata,
    damage_band_file,
    damage_band_entry,
    damage_item,
    damage_json,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_scene_is_left_out_by_name(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    folder = made_tiles.write(tmp_path / "c", days=5)
    damage(folder / "S2_20210421")
    cube = read(folder)
    assert cube.sizes["time"] == 4
    assert any("S2_20210421" in warning for warning in cube.attrs["warnings"]), cube.attrs["warnings"]


def test_the_order_of_scenes_changes_nothing(tmp_path: Path) -> None:
    plain, shuffled = read(made_tiles.write(tmp_path / "c")), read(made_tiles.write(tmp_path / "d", shuffle=3))
    assert plain.attrs["cube_id"] == shuffled.attrs["cube_id"]


def test_the_cube_id_changes_with_a_single_count(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=2)
    before = read(folder).attrs["cube_id"]
    counts = np.full((30, 30), 1801, np.uint16)
    made_tiles._asset(folder / "S2_20210401", "swir16", counts, {"nodata": 0})
    assert read(folder).attrs["cube_id"] != before


def test_a_plot_outside_is_refused_with_the_extent(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=1)
    with pytest.raises(PlotPlaceError, match="outside the tiles"):
        read(folder, (5000, 5000, 5100, 5100))


def test_no_scene_in_the_span_says_so(tmp_path: Path) -> None:
    catalogue = tiles.open_catalogue(made_tiles.write(tmp_path / "c", days=1))
    with pytest.raises(TilesError, match="no Sentinel-2 scene from 2019"):
        tiles.read(catalogue, made_tiles.ground(250, 250, 350, 350), since=date(2019, 1, 1), until=date(2019, 2, 1))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"links": 3}', '{"links": [{"rel": "item", "href": "../../etc/passwd"}]}']
)
def test_no_catalogue_is_a_clear_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(CatalogueError, match="catalog"):
        tiles.open_catalogue(tmp_path)
    (tmp_path / "catalog.json").write_text(content)
    with pytest.raises(GreatTitError):
        tiles.open_catalogue(tmp_path)


def test_the_real_stack_opens(shared_data: Path) -> None:
    from shapely.geometry import shape

    folder = shared_data / "scenes" / "flanders-2018"
    catalogue = tiles.open_catalogue(folder)
    assert len(catalogue.between(date(2017, 1, 1), date(2018, 12, 31))) == 118
    assert len(catalogue.between(date(2017, 1, 1), date(2018, 12, 31), "s1")) == 159
    assert not catalogue.warnings and not catalogue.simulated
    plot = shape(json.loads((folder / "plots.geojson").read_text())["features"][1]["geometry"])
    cube = tiles.read(catalogue, plot, since=date(2018, 5, 1), until=date(2018, 7, 31))
    clear = cube["clear"].values
    assert clear.any() and 0.0 < float(np.nanmedian(cube["B04"].values[clear])) < 0.15
    assert -30 < float(np.nanmedian(cube["VV"].values)) < 0
