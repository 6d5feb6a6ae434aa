"""`greattit ingest`, `cube picture` and `series` as a newcomer types them: what is wrong is said early, in one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import made_scenes as ms
import numpy as np
import pytest
import rasterio
import typer
from conftest import ROOT
from rasterio.transform import Affine
from shapely.geometry.base import BaseGeometry
from typer.testing import CliRunner, Result

from greattit.commands import asked, satellite
from greattit.cube import ingest as ingesting
from greattit.cube import open_cube

SAMPLE, README = str(ROOT / "data" / "sample_tiles"), str(ROOT / "README.md")
APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(satellite.ingest)
APP.command()(satellite.series)
APP.add_typer(satellite.cube_app, name="cube")


def run(*words: object) -> Result:
    return CliRunner().invoke(APP, [str(word) for word in words])


def refused(*words: object) -> str:
    """Run what must be refused; return the one line that is said."""
    done = run(*words)
    assert done.exit_code == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.output
    return done.stderr


def corner(shape: BaseGeometry, *, swapped: bool = False) -> str:
    west, south, east, north = shape.bounds
    return f"{south},{west},{north},{east}" if swapped else f"{west},{south},{east},{north}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/nowhere", "there is no such folder (name a folder, a URL, or one of"),
        ("earth-serch", "did you mean earth-search?"),
        ("ftp://example.org/x", "not read by ftp://"),
        ("", "no source is named"),
        (README, "is a file, not a folder"),
        ("earth-search", "needs --from and --to"),
        ("https://example.org/stac", "needs --from and --to"),
    ],
)
def test_what_is_no_source_is_said_before_all_else(tmp_path: Path, source: str, said: str) -> None:
    assert said in refused("ingest", source, "--store", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_packed_product_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "S2A.zip").touch()
    assert "unpack it" in refused("ingest", tmp_path / "S2A.zip", "--store", tmp_path / "c")


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("", "needs a place"),
        ("s3://", "needs a place"),
        ("https://example.org/c", "no place for a cube"),
        (README, "is a file, not a folder"),
        (f"{README}/deeper/still", "README.md is a file, not a folder"),
        (SAMPLE, "folder of other things"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_a_place_that_can_hold_no_cube_is_refused_before_the_plan(store: str, said: str, dry: bool) -> None:
    assert said in refused("ingest", SAMPLE, "--store", store, *(["--dry-run"] if dry else []))


def test_a_place_in_a_bucket_or_a_new_or_empty_folder_will_do(tmp_path: Path) -> None:
    for place in ("s3://bucket/x", tmp_path, tmp_path / "a" / "b", "a new folder"):
        ingesting.check_place(place)
    assert list(tmp_path.iterdir()) == []


def test_days_in_the_wrong_order_are_one_line(tmp_path: Path) -> None:
    days = ("--from", "2023-05-01", "--to", "2023-04-01")
    line = "--from 2023-05-01 lies after --to 2023-04-01"
    assert line in refused("ingest", SAMPLE, "--store", tmp_path / "c", *days)
    plot = ("--plot", f"{SAMPLE}/demo_plot.geojson")
    assert line in refused("series", SAMPLE, *plot, *days)
    assert "the looks reach from 2022-11-09 to 2023-10-25" in refused("series", SAMPLE, *plot, "--from", "2030-01-01")


def test_an_area_elsewhere_says_where_the_scenes_lie(tmp_path: Path) -> None:
    folder = ms.write(tmp_path / "a", [ms.Made()])
    here = ms.place(0, -1600, 1600, 1600)
    line = refused("ingest", folder, "--store", tmp_path / "c", "--bbox", corner(here, swapped=True))
    west, south, east, north = here.bounds
    assert "its scenes lie at longitude" in line and "longitude and latitude swapped?" in line
    numbers = line.split("scenes lie at longitude ")[1].split(";")[0].replace(", latitude", " to").split(" to ")
    np.testing.assert_allclose([float(n) for n in numbers], [west, east, south, north], atol=0.003)
    line = refused("ingest", folder, "--store", tmp_path / "c", "--bbox", "100,0,101,1")
    assert "its scenes lie at longitude" in line and "swapped" not in line


def test_a_box_off_the_earth_may_be_swapped(tmp_path: Path) -> None:
    done = run("ingest", SAMPLE, "--store", tmp_path / "c", "--bbox", "30,120,31,121")
    assert done.exit_code == 2 and "swapped" in done.stderr
    done = run("ingest", SAMPLE, "--store", tmp_path / "c", "--bbox", "31,50,30,51")
    assert done.exit_code == 2 and "no box on the earth" in done.stderr and "swapped" not in done.stderr


def geotiffs(folder: Path, crs: str, names: Sequence[str], *, bands: int = 1) -> Path:
    folder.mkdir()
    step, west, north = (1e-4, 3.0, 50.8) if crs == "EPSG:4326" else (10.0, ms.EAST, ms.NORTH)
    place = {"crs": crs, "transform": Affine(step, 0, west, 0, -step, north), "nodata": 0}
    for name in names:
        with rasterio.open(
            folder / name, "w", driver="GTiff", height=60, width=60, count=bands, dtype="uint16", **place
        ) as out:
            out.write(np.full((bands, 60, 60), 1500, "uint16"))
    return folder


def test_level_and_order_of_bands_can_be_said(tmp_path: Path) -> None:
    folder = geotiffs(tmp_path / "a", "EPSG:32631", ["20210401.tif"], bands=3)
    assert "name their order" in refused("ingest", folder, "--store", tmp_path / "c")
    words = ("ingest", folder, "--store", tmp_path / "c", "--dry-run", "--json", "--band-order", "B03, red,nir")
    assert "say level L1C" in refused(*words)
    done = run(*words, "--level", "L1C")
    assert done.exit_code == 0 and json.loads(done.stdout)["looks"] == 1, done.output
    assert run(*words, "--level", "L3").exit_code == 2


def test_geotiffs_on_a_grid_of_degrees_are_to_be_reprojected(tmp_path: Path) -> None:
    names = [f"20210401_{key}.tif" for key in ("B04", "B08")]
    folder = geotiffs(tmp_path / "a", "EPSG:4326", names)
    line = refused("ingest", folder, "--store", tmp_path / "c", "--level", "L1C")
    assert "reproject to UTM, e.g. gdalwarp -t_srs EPSG:32631" in line


def test_a_list_of_sources_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("maps: {}\nsources: {mine: {title: Mine, url: 'https://example.org', products: []}}\n")
    words = ("--store", tmp_path / "c", "--sources", own)
    assert "needs --from and --to" in refused("ingest", "mine", *words)
    assert "one of mine)" in refused("ingest", "earth-search", *words)
    assert "list of sources cannot be read" in refused("ingest", "mine", *words[:3], tmp_path / "none.yaml")


def test_what_is_left_out_and_what_is_new_stand_at_the_end(tmp_path: Path) -> None:
    folder, cube = ms.write(tmp_path / "a", ms.season(days=3)), tmp_path / "c"
    items = sorted(folder.glob("*/*.json"))
    items[0].write_text("{")
    first = run("ingest", folder, "--store", cube, "--s1", "--json")
    found = json.loads(first.stdout)
    assert first.exit_code == 0 and found["added"] == 2
    assert any("left out" in text for text in found["warnings"])
    assert any("no Sentinel-1 scene" in text for text in found["warnings"])
    again = run("ingest", folder, "--store", cube)
    assert again.exit_code == 0 and again.stdout.startswith("nothing new: 2 looks are there; snapshot")
    assert again.stdout.count("\n") == 1 and "MB" not in again.stderr
    assert again.stderr.splitlines()[-1] == "1 warnings about the source, see above"
    dry = run("ingest", folder, "--store", cube, "--dry-run")
    assert dry.stdout == "nothing new: 2 looks are there\n"


def test_the_bar_ends_full_and_the_area_is_its_own_size(tmp_path: Path) -> None:
    folder = ms.write(tmp_path / "a", [ms.Made()])
    done = run("ingest", folder, "--store", tmp_path / "c", "--bbox", corner(ms.place(100, -1100, 1000, 1000)))
    assert done.exit_code == 0 and "the area of 1." in done.stdout and " cells of 1.28 km" in done.stdout
    last = [line for line in done.stderr.splitlines() if line.startswith("done")]
    count, _, whole = last[-1].split("B")[0].split()[-2].partition("/")
    assert count == whole


def test_damaged_products_are_counted_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    satellite._print_done(ingesting.Ingested("ABC", 1, 2, ("m: gone",), ("r: bad", "s: bad")), "cube", 1)
    said = capsys.readouterr()
    assert said.out == "1 looks added or renewed, 2 were there; snapshot ABC of cube\n"
    assert said.err.splitlines()[-2:] == [
        "2 products or looks were left out and 1 warnings about the source, see above",
        "1 products are missing; the same command tries them again",
    ]


def test_ctrl_c_says_what_is_there_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cube = ms.write(tmp_path / "a", [ms.Made()]), tmp_path / "c"

    def stopped(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    bring = ingesting.ingest
    monkeypatch.setattr(ingesting, "ingest", stopped)
    done = run("ingest", folder, "--store", cube)
    line = f"stopped; 0 looks are in {cube}; run the same command again"
    assert done.exit_code == 130 and done.stderr.splitlines()[-1] == line
    monkeypatch.setattr(ingesting, "ingest", bring)
    assert run("ingest", folder, "--store", cube).exit_code == 0
    monkeypatch.setattr(ingesting, "ingest", stopped)
    done = run("ingest", folder, "--store", cube)
    assert done.exit_code == 130 and "stopped; 1 looks are in" in done.stderr
    monkeypatch.setattr(asked, "day_of", stopped)
    done = run("ingest", folder, "--store", cube)
    assert done.exit_code == 130 and done.stderr == "greattit: stopped\n"


def test_a_picture_goes_where_it_says(tmp_path: Path) -> None:
    cube = tmp_path / "c"
    assert run("ingest", ms.write(tmp_path / "a", [ms.Made()]), "--store", cube).exit_code == 0
    day = open_cube(cube).first_day
    words = ("cube", "picture", cube, "--date", day)
    (tmp_path / "out").mkdir()
    for out, file in (("out", f"out/{day}_B04-B03-B02.png"), ("named", "named.png"), ("deep/x.png", "deep/x.png")):
        done = run(*words, "--out", tmp_path / out)
        assert done.stdout == f"wrote {tmp_path / file}\n" and (tmp_path / file).stat().st_size > 10_000
    assert "is written as PNG" in refused(*words, "--out", tmp_path / "x.jpg")
    assert "holds no Sentinel-1" in refused(*words, "--bands", "VV")
