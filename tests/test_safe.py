"""Products as ESA delivers them: their own metadata decide the reflectance, and nothing outside them is read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import made_safe
import made_tiles
import numpy as np
import pytest
import rasterio

from greattit.errors import CatalogueError
from greattit.tiles import Options, Scene, open_source
from greattit.types import BANDS

AREA = made_tiles.ground(0, 0, 600, 600)
YEAR = {"since": date(2022, 1, 1), "until": date(2022, 12, 31)}


def opened(folder: Path, **options: str) -> tuple[tuple[Scene, ...], tuple[str, ...]]:
    found = open_source(folder, area=AREA, options=Options(**options), **YEAR)  # type: ignore[arg-type]
    return found.scenes, found.warnings


def reflectance(scene: Scene, band: str = "B08") -> float:
    """Read the middle of the green field as a reader would."""
    asset = scene.assets[band]
    with rasterio.open(asset.href) as source:
        count = source.read(asset.band)[source.height // 2, source.width // 2]
    assert asset.offset is not None
    return float(count * asset.scale + asset.offset)


@pytest.mark.parametrize(("level", "named"), [("2A", "L2A"), ("1C", "L1C")])
def test_a_product_is_read_by_its_own_metadata(tmp_path: Path, level: str, named: str) -> None:
    product = made_safe.write(tmp_path, level=level)
    (scene,), warnings = opened(tmp_path)
    assert not warnings and scene.id == product.stem and scene.level == named
    assert scene.when.isoformat() == "2022-07-01T10:50:31.024000+00:00" and scene.platform == "sentinel-2a"
    assert (scene.tile, scene.orbit, scene.baseline) == ("31UES", 51, "04.00")
    assert scene.created == "2022-07-01T16:45:00.000000Z"
    assert set(scene.assets) == {*BANDS, "scl"} - ({"scl"} if level == "1C" else set())
    assert scene.assets["B04"].offset == -0.1 and scene.assets["B04"].scale == 0.0001
    assert scene.assets["B04"].href.endswith("_B04_10m.jp2" if level == "2A" else "_B04.jp2")
    assert abs(reflectance(scene) - made_tiles.GREEN["nir"]) < 0.02
    assert scene.assets["B04"].bytes == Path(scene.assets["B04"].href).stat().st_size
    assert opened(product)[0] == (scene,)


def test_old_and_new_baseline_give_equal_reflectance(tmp_path: Path) -> None:
    made_safe.write(tmp_path / "new")
    made_safe.write(tmp_path / "old", baseline="03.01", offset=None, start="2022-06-01T10:50:31.024Z")
    scenes, _ = opened(tmp_path)
    assert [s.assets["B08"].offset for s in scenes] == [0.0, -0.1]
    np.testing.assert_allclose(reflectance(scenes[0]), reflectance(scenes[1]), atol=2e-4)


def test_a_new_baseline_that_says_no_offset_leaves_it_to_the_pixels(tmp_path: Path) -> None:
    made_safe.write(tmp_path, baseline="05.10", offset=None)
    (scene,), _ = opened(tmp_path)
    assert scene.assets["B04"].offset is None and scene.assets["scl"].offset == 0.0


def test_each_band_has_the_offset_of_its_own_number(tmp_path: Path) -> None:
    made_safe.write(tmp_path, edit=lambda t: t.replace('"8">-1000', '"8">-900'))
    (scene,), _ = opened(tmp_path)
    assert scene.assets["B8A"].offset == -0.09 and scene.assets["B08"].offset == -0.1


def test_a_footprint_with_heights_is_the_same(tmp_path: Path) -> None:
    made_safe.write(tmp_path / "flat")
    flat = opened(tmp_path / "flat")[0][0].bbox
    (tmp_path / "flat").rename(tmp_path / "high")
    file = next((tmp_path / "high").rglob("MTD_MSIL2A.xml"))
    text = file.read_text()
    ring = text.partition("<EXT_POS_LIST>")[2].partition("<")[0]
    numbers = ring.split()
    file.write_text(
        text.replace(ring, " ".join(f"{a} {b} 0" for a, b in zip(numbers[::2], numbers[1::2], strict=True)))
    )
    assert opened(tmp_path / "high")[0][0].bbox == flat


def test_levels_do_not_mix(tmp_path: Path) -> None:
    made_safe.write(tmp_path)
    made_safe.write(tmp_path, level="1C")
    scenes, warnings = opened(tmp_path)
    assert [s.level for s in scenes] == ["L2A"] and "another level than L2A" in warnings[0]
    assert [s.level for s in opened(tmp_path, level="L1C")[0]] == ["L1C"]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
ROOT = "<n1:Level-2A_User_Product"
START = "2022-07-01T10:50:31.024Z"
FAULTS = [
    ("declare a document type", ROOT, BOMB + ROOT),
    ("is no XML", "</Product_Info>", ""),
    ("quantification value 0", ">10000<", ">0<"),
    ("quantification value 1 ", ">10000<", ">1<"),
    ("say 'many' where a number", ">10000<", ">many<"),
    ("quantification is nan", ">10000<", ">nan<"),
    ("offset -5 cannot", ">-1000<", ">-50000<"),
    ("offset 0.5 cannot", ">-1000<", ">5000<"),
    ("makes all reflectance negative", ">-1000<", ">-10000<"),
    ("is no time of ISO", START, "yesterday"),
    ("cannot be that of a satellite", START, "1822-07-01T10:50:31.024Z"),
    ("it has no datetime", START, ""),
    ("give no footprint", "EXT_POS_LIST", "EXT"),
    ("does not lie on the Earth", "<EXT_POS_LIST>", "<EXT_POS_LIST>950 3 951 3 951 4 "),
    ("crosses 180 degrees", "<EXT_POS_LIST>", "<EXT_POS_LIST>50 -179.9 51 179.9 "),
    ("missing band B04", "_B04_10m", "_TCI_10m"),
    ("missing band scl", "_SCL_20m", "_AOT_20m"),
    ("leads out of", "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>../../../etc/"),
    ("leads out of", "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>/etc/"),
    ("name for GDAL", "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>/vsicurl/http://x/"),
    ("scheme that is not allowed", "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>HDF5:GRANULE/"),
    ("list no granule", "Granule", "Grain"),
]


@pytest.mark.parametrize(("said", "old", "new"), FAULTS)
def test_a_product_that_is_not_believable_is_left_out_by_name(tmp_path: Path, said: str, old: str, new: str) -> None:
    made_safe.write(tmp_path)
    bad = made_safe.write(tmp_path, tile="31UET")
    text = (bad / "MTD_MSIL2A.xml").read_text()
    assert old in text
    (bad / "MTD_MSIL2A.xml").write_text(text.replace(old, new))
    scenes, warnings = opened(tmp_path)
    assert [s.tile for s in scenes] == ["31UES"] and len(warnings) == 1
    assert bad.stem in warnings[0] and said in warnings[0], warnings[0]


def test_metadata_of_another_encoding_hide_no_document_type(tmp_path: Path) -> None:
    product = made_safe.write(tmp_path)
    text = (product / "MTD_MSIL2A.xml").read_text().replace("UTF-8", "UTF-16").replace(ROOT, BOMB + ROOT)
    (product / "MTD_MSIL2A.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(CatalogueError, match="declare a document type"):
        open_source(tmp_path, area=AREA, **YEAR)


def test_an_image_behind_a_link_out_of_the_product_is_refused(tmp_path: Path) -> None:
    product = made_safe.write(tmp_path / "p")
    image = next(product.rglob("*_B04_10m.jp2"))
    image.rename(tmp_path / "elsewhere.jp2")
    image.with_suffix("").symlink_to("/etc")
    text = (product / "MTD_MSIL2A.xml").read_text()
    (product / "MTD_MSIL2A.xml").write_text(text.replace("_B04_10m<", "_B04_10m/x_B04_10m<"))
    with pytest.raises(CatalogueError, match="leads out"):
        open_source(tmp_path / "p", area=AREA, **YEAR)


def test_packed_products_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "S2A_MSIL2A_20220701T105031_N0400_R051_T31UES_20220701T164500.SAFE.zip").write_bytes(b"PK")
    with pytest.raises(CatalogueError, match="unpack S2A_MSIL2A"):
        open_source(tmp_path, area=AREA, **YEAR)
