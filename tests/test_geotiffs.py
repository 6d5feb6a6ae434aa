"""A folder of GeoTIFFs: names say day and band, the files say the rest."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from greattit.errors import CatalogueError, GreatTitError
from greattit.tiles import Catalogue, Options, geotiffs, open_source
from greattit.tiles.scene import ASSETS

AREA = made_tiles.ground(0, 0, 600, 600)
YEAR = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
OPTICAL = [key for key in ASSETS if key not in ("vv", "vh")]


def tif(file: Path, bands: int = 1, *, dtype: str = "uint16", crs: Any = made_tiles.CRS, **tags: Any) -> Path:
    """Write a raster of 60 x 60 px; `tags` may hold scales, offsets and descriptions."""
    file.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": crs, "transform": Affine(10, 0, made_tiles.WEST, 0, -10, made_tiles.NORTH)}
    with rasterio.open(
        file, "w", driver="GTiff", height=60, width=60, count=bands, dtype=dtype, nodata=0, **place
    ) as out:
        out.write(np.full((bands, 60, 60), 1500 if dtype == "uint16" else 0.15, dtype))
        for name, value in tags.items():
            setattr(out, name, value)
    return file


def opened(folder: Path, **options: Any) -> Catalogue:
    return open_source(folder, area=AREA, options=Options(**options), **YEAR)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("20210401_{}.tif", "{date:%Y%m%d}_{band}.tif"),
        ("2021-04-01_{}.tiff", "{date:%Y-%m-%d}_{band}.tif"),
        ("20210401/{}.tif", "{date:%Y%m%d}/{band}.tif"),
        ("S2A_31UES_20210401_0_L2A/{}.tif", "{platform}_{tile}_{date:%Y%m%d}_*_L2A/{band}.tif"),
        ("T31UES_20210401T105031_{}_10m.tif", "T{tile}_{date:%Y%m%dT%H%M%S}_{band}_*m.tif"),
    ],
)
@pytest.mark.parametrize("house", [True, False])
def test_usual_names_are_known(tmp_path: Path, name: str, pattern: str, house: bool) -> None:
    for key in OPTICAL:
        tif(tmp_path / name.format(ASSETS[key].upper() if house else key))
    found = opened(tmp_path)
    (scene,) = found.scenes
    assert set(scene.assets) == {ASSETS[key] for key in OPTICAL} and scene.when.date() == date(2021, 4, 1)
    assert found.title.endswith(f'"{pattern}"') and not found.warnings
    if "31UES" in name:
        assert scene.tile == "31UES"
    assert scene.notes if "105031" not in name else scene.when.hour == 10
    assert (scene.assets["B04"].scale, scene.assets["B04"].offset) == (1e-4, None)
    assert scene.assets["B04"].shape == (60, 60) and scene.assets["scl"].offset == 0.0
    assert abs(scene.bbox[0] - AREA.bounds[0]) < 1e-3 and abs(scene.bbox[3] - AREA.bounds[3]) < 1e-3


def test_a_pattern_of_ones_own(tmp_path: Path) -> None:
    for day in (1, 11):
        for key in OPTICAL:
            tif(tmp_path / f"farm7/{key}-from-{day:02d}.04.2021.tif")
    found = opened(tmp_path, pattern="*/{band}-from-{date:%d.%m.%Y}.tif")
    assert [s.when.day for s in found.scenes] == [1, 11] and not found.warnings


def test_files_that_do_not_match_are_named(tmp_path: Path) -> None:
    for key in OPTICAL:
        tif(tmp_path / f"20210401_{key}.tif")
    tif(tmp_path / "hillshade.tif")
    tif(tmp_path / "20211341_red.tif")
    assert {w.split()[1] for w in opened(tmp_path).warnings} == {"hillshade.tif", "20211341_red.tif"}


def test_several_bands_in_one_file(tmp_path: Path) -> None:
    order = ("blue", "B03", "red", "nir", "scl")
    tif(tmp_path / "20210401.tif", 5)
    with pytest.raises(CatalogueError, match="nothing says which; name their order"):
        opened(tmp_path)
    (scene,) = opened(tmp_path, bands=order).scenes
    assert {name: asset.band for name, asset in scene.assets.items()} == {
        "B02": 1,
        "B03": 2,
        "B04": 3,
        "B08": 4,
        "scl": 5,
    }
    tif(tmp_path / "20210401.tif", 5, descriptions=order)
    assert opened(tmp_path).scenes[0].assets == scene.assets | {
        name: asset.__class__(**{**vars(asset), "bytes": (tmp_path / "20210401.tif").stat().st_size})
        for name, asset in scene.assets.items()
    }


def test_the_files_own_scale_and_offset_count(tmp_path: Path) -> None:
    for key in OPTICAL:
        tif(tmp_path / f"20210401_{key}.tif", scales=(0.0001,), offsets=(-0.1,))
        tif(tmp_path / f"20210411_{key}.tif", dtype="float32")
        tif(tmp_path / f"20210421_{key}.tif", scales=(0.5,), offsets=(0.0,))
    found = opened(tmp_path)
    assert [(s.assets["B04"].scale, s.assets["B04"].offset) for s in found.scenes] == [(0.0001, -0.1), (1.0, 0.0)]
    assert ["20210421" in w and "scale 0.5" in w for w in found.warnings] == [True]


def test_without_a_classification_the_level_must_be_said(tmp_path: Path) -> None:
    for key in ("red", "nir"):
        tif(tmp_path / f"20210401_{key}.tif")
    with pytest.raises(CatalogueError, match=r"missing band scl.*level L1C"):
        opened(tmp_path)
    assert opened(tmp_path, level="L1C").scenes[0].level == "L1C"


def test_a_file_is_a_raster_and_lies_in_the_folder(tmp_path: Path) -> None:
    for day in ("20210401", "20210411", "20210421", "20210501"):
        for key in OPTICAL:
            tif(tmp_path / "c" / f"{day}_{key}.tif")
    outside = tif(tmp_path / "outside.tif")
    (tmp_path / "c" / "20210411_red.tif").unlink()
    (tmp_path / "c" / "20210411_red.tif").symlink_to(outside)
    view = f'<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>\
<SourceFilename>{outside}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    (tmp_path / "c" / "20210421_red.tif").write_text(view)
    tif(tmp_path / "c" / "20210501_red.tif", crs=None)
    found = opened(tmp_path / "c")
    assert [s.when.day for s in found.scenes] == [1]
    for day, what in (("20210411", "leads out"), ("20210421", "cannot be read"), ("20210501", "no coordinate system")):
        assert any(day in w and what in w for w in found.warnings), found.warnings


def test_radar_files_are_a_sensor_of_their_own(tmp_path: Path) -> None:
    for key in ("VV", "VH"):
        tif(tmp_path / f"20210401_{key}.tif", dtype="float32")
    with pytest.raises(CatalogueError):
        opened(tmp_path)
    (scene,) = open_source(tmp_path, area=AREA, sensors=("s1",), **YEAR).scenes
    assert scene.sensor == "s1" and set(scene.assets) == {"VV", "VH"}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{band}.tif", "no {date}"),
        ("{date:%Q}_{band}.tif", "is no date"),
        ("{date}_{date}.tif", "stands twice"),
        ("{date}_{crop}.tif", "there is no {crop}"),
        ("{date_{band}.tif", ""),
    ],
)
def test_a_pattern_that_is_none_says_why(tmp_path: Path, pattern: str, why: str) -> None:
    with pytest.raises(CatalogueError, match="pattern cannot be read") as raised:
        opened(tmp_path, pattern=pattern)
    assert why in str(raised.value)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_text_is_a_pattern_or_a_clear_error(text: str) -> None:
    try:
        assert geotiffs.compiled(text).regex
    except GreatTitError as error:
        assert error.what
