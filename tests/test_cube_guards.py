"""Nothing silent: damaged, shifted, wrongly scaled looks and unknown offsets are found on the way into a cube."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from greattit import tiles
from greattit.cube import open_cube, open_stack
from greattit.cube.ingest import Ingested, ingest

SPAN = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
PLOT = made_tiles.ground(250, 250, 350, 350)


def into(folder: Path, store: Path) -> Ingested:
    return ingest(tiles.open_catalogue(folder), store)


def rewrite(file: Path, change: Callable[[Any], Any], **place: Any) -> None:
    with rasterio.open(file) as source:
        counts, profile = source.read(1), source.profile
    profile.update(place)
    with rasterio.open(file, "w", **profile) as out:
        out.write(change(counts), 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_tiles.write(tmp_path / "c", days=8)


def bands_of(folder: Path, number: int) -> list[Path]:
    home = sorted(p for p in folder.iterdir() if p.is_dir())[number]
    return [f for f in home.glob("*.tif") if f.stem != "scl"]


def test_a_band_of_one_value_is_refused_by_name_and_not_shown(folder: Path, tmp_path: Path) -> None:
    for file in bands_of(folder, 2):
        if file.stem == "nir":
            rewrite(file, lambda counts: np.full_like(counts, 700))
    done = into(folder, tmp_path / "cube")
    assert len(done.refused) == 1 and "S2_20210421" in done.refused[0] and "B08" in done.refused[0]
    cube = open_cube(tmp_path / "cube").read(PLOT, **SPAN)
    assert cube.sizes["time"] == 7 and any("S2_20210421" in text for text in cube.attrs["warnings"])
    again = into(folder, tmp_path / "cube")
    assert again.added == 0 and again.snapshot == done.snapshot and again.refused == done.refused


def test_a_wrong_scale_is_seen_against_the_stack(folder: Path, tmp_path: Path) -> None:
    for file in bands_of(folder, 4):
        rewrite(file, lambda counts: (counts // 8).astype(counts.dtype))
    done = into(folder, tmp_path / "cube")
    assert len(done.refused) == 1 and "2021-05-11" in done.refused[0] and "scale" in done.refused[0]
    assert open_cube(tmp_path / "cube").read(PLOT, **SPAN).sizes["time"] == 7


def test_a_scene_shifted_by_40_m_is_refused_and_the_others_are_not(folder: Path, tmp_path: Path) -> None:
    for file in bands_of(folder, 5):
        pixel = 10 if file.stem in made_tiles.FINE else 20
        rewrite(
            file,
            lambda counts, pixel=pixel: np.roll(counts, 40 // pixel, axis=1),  # type: ignore[misc]
        )
    done = into(folder, tmp_path / "cube")
    assert len(done.refused) == 1 and "2021-05-21" in done.refused[0] and "east" in done.refused[0]


def test_a_scene_in_the_wrong_crs_is_missing_by_name(folder: Path, tmp_path: Path) -> None:
    for file in bands_of(folder, 1):
        rewrite(file, lambda counts: counts, crs="EPSG:32652")
    done = into(folder, tmp_path / "cube")
    assert done.added == 7 and len(done.missing) == 1
    assert "S2_20210411" in done.missing[0] and "CRS" in done.missing[0]


def test_a_header_that_claims_a_huge_raster_is_not_decoded(folder: Path, tmp_path: Path) -> None:
    file = next(f for f in bands_of(folder, 3) if f.stem == "red")
    options = {
        "driver": "GTiff",
        "width": 60_000,
        "height": 60_000,
        "count": 1,
        "dtype": "uint16",
        "crs": made_tiles.CRS,
    }
    place = {"transform": Affine(10, 0, made_tiles.WEST, 0, -10, made_tiles.NORTH), "tiled": True}
    with rasterio.open(file, "w", **options, **place, SPARSE_OK="TRUE", compress="deflate"):
        pass
    item = next(file.parent.glob("*.json"))
    content = json.loads(item.read_text())
    del content["assets"]["red"]["proj:shape"]
    item.write_text(json.dumps(content))
    done = into(folder, tmp_path / "cube")
    assert done.added == 7 and len(done.missing) == 1 and "60000" in done.missing[0].replace(",", "").replace(" ", "")


def without_offsets(folder: Path, target: Path, added: int) -> Path:
    """Copy a catalogue, take the offsets out of its metadata, and add to its counts."""
    shutil.copytree(folder, target)
    for item in target.rglob("*.json"):
        content = json.loads(item.read_text())
        for asset in content.get("assets", {}).values():
            for band in asset["raster:bands"]:
                band.pop("offset", None)
        item.write_text(json.dumps(content))
    if added:
        for file in target.rglob("*.tif"):
            if file.stem != "scl":
                rewrite(file, lambda counts: (counts + added).astype(counts.dtype))
    return target


def test_one_field_reads_the_same_in_both_baselines_said_or_unsaid(folder: Path, tmp_path: Path) -> None:
    """Old counts and counts with 1,000 added, each with and without the offset in the metadata."""
    said_old = folder
    said_new = made_tiles.write(tmp_path / "new", days=8, offset=-0.1)
    unsaid_old = without_offsets(folder, tmp_path / "u0", 0)
    unsaid_new = without_offsets(folder, tmp_path / "u1", 1000)
    read = [tiles.read(open_stack(f), PLOT, **SPAN) for f in (said_old, said_new, unsaid_old, unsaid_new)]
    for number, source in enumerate((said_old, said_new, unsaid_old, unsaid_new)):
        into(source, tmp_path / f"cube{number}")
        read.append(open_cube(tmp_path / f"cube{number}").read(PLOT, **SPAN))
    for cube in read[1:]:
        for band in ("B02", "B04", "B08", "B11"):
            np.testing.assert_array_equal(cube[band].values, read[0][band].values)
    passes = open_cube(tmp_path / "cube3").index.passes
    assert all("pixels" in p.products[0].offset and "-0.1" in p.products[0].offset for p in passes)


def test_an_offset_that_nothing_tells_leaves_the_scene_out(tmp_path: Path) -> None:
    clouded = made_tiles.write(tmp_path / "c", days=3, scl=lambda number: 9)
    with pytest.raises(Exception, match="offset"):
        into(without_offsets(clouded, tmp_path / "u", 0), tmp_path / "cube")
