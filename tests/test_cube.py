"""A cube gives what the folder gives, to the bit; what it is not, or is no more, it says in one clear line."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import made_scenes as ms
import numpy as np
import pytest
from typer.testing import CliRunner

from greattit import appraisal, plots, tiles
from greattit.cube import Store, is_cube, open_cube, open_stack, show
from greattit.cube.check import Checked, check
from greattit.cube.ingest import ingest
from greattit.errors import CubeError, PlotPlaceError, TilesError
from greattit.tiles.scene import Catalogue
from greattit.types import BANDS, SAR, Appraisal

YEAR = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}


def command(*words: str | Path) -> Any:
    from cli import app

    return CliRunner().invoke(app, [str(word) for word in words])


def until_june(sample_tiles: Path) -> Catalogue:
    whole = tiles.open_catalogue(sample_tiles)
    return replace(whole, scenes=whole.between(date(2023, 1, 1), date(2023, 6, 15)))


@pytest.fixture(scope="module")
def sample_cube(sample_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cube of the sample tiles, ingested in June and again later; and the snapshot of June."""
    where = tmp_path_factory.mktemp("sample") / "cube"
    june = ingest(until_june(sample_tiles), where).snapshot
    assert ingest(tiles.open_catalogue(sample_tiles), where).snapshot != june
    return where, june


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cube of four looks of one tile, and a radar look."""
    where = tmp_path_factory.mktemp("made")
    products = [*ms.season(days=4), ms.Made(radar=True, platform="sentinel-1a")]
    ingest(tiles.open_catalogue(ms.write(where / "a", products)), where / "cube")
    return where / "cube"


# --- the same as the folder -----------------------------------------------------------------------------------------


def assert_reads_the_same(catalogue: Catalogue, store: Store, plot: Any, span: dict[str, date]) -> None:
    folder, cube = tiles.read(catalogue, plot.geometry, **span), store.read(plot.geometry, **span)
    assert folder.attrs["cube_id"] == cube.attrs["cube_id"] and cube.attrs["snapshot"] == store.snapshot
    assert set(folder) == set(cube) and folder.attrs["transform"] == cube.attrs["transform"]
    for name in folder:
        np.testing.assert_array_equal(folder[name].values, cube[name].values)
    for axis in folder.coords:
        np.testing.assert_array_equal(folder[axis].values, cube[axis].values)


def figures(found: Appraisal) -> dict[str, Any]:
    """All that an appraisal says, but how long it took and which snapshot it read."""
    plain = appraisal.as_dict(found)
    plain.pop("timing")
    plain["made_with"].pop("snapshot")
    return plain


def test_the_sample_tiles_read_and_appraise_the_same_from_folder_and_cube(
    sample_tiles: Path, sample_cube: tuple[Path, str]
) -> None:
    catalogue, store = open_stack(sample_tiles), open_stack(sample_cube[0])
    assert isinstance(catalogue, Catalogue) and isinstance(store, Store)
    drawn = plots.load(sample_tiles / "plots.geojson")
    for plot in drawn[::15]:
        assert_reads_the_same(catalogue, store, plot, {"since": date(2023, 1, 1), "until": date(2023, 8, 20)})
    demo = plots.load(sample_tiles / "demo_plot.geojson")[0]
    limits = set()
    for plot in (demo, drawn[5]):
        one, other = (appraisal.appraise(source, plot, date(2023, 8, 20)) for source in (catalogue, store))
        assert figures(one) == figures(other)
        assert (one.made_with.snapshot, other.made_with.snapshot) == ("", store.snapshot)
        limits.add(other.line.limit)
    assert max(limits) > 0  # not refusals alone


def test_real_tiles_read_and_appraise_the_same_from_folder_and_cube(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "scenes" / "flanders-2018"
    whole, season = tiles.open_catalogue(folder), (date(2018, 5, 1), date(2018, 6, 20))
    catalogue = replace(whole, scenes=(*whole.between(*season), *whole.between(*season, "s1")))
    ingest(catalogue, tmp_path / "cube")
    store = open_cube(tmp_path / "cube")
    assert check(store).problems == ()
    drawn = plots.load(folder / "plots.geojson")
    for plot in drawn[:3]:
        assert_reads_the_same(catalogue, store, plot, {"since": season[0], "until": season[1]})
    one, other = (appraisal.appraise(source, drawn[0], season[1]) for source in (catalogue, store))
    assert figures(one) == figures(other)


def test_an_appraisal_as_of_an_earlier_snapshot_is_the_one_made_then(
    sample_tiles: Path, sample_cube: tuple[Path, str]
) -> None:
    cube, june = sample_cube
    day, plot = date(2023, 8, 20), plots.load(sample_tiles / "demo_plot.geojson")[0]
    then = appraisal.appraise(until_june(sample_tiles), plot, day)
    again = appraisal.appraise(open_stack(cube, as_of=june[:8]), plot, day)
    assert figures(again) == figures(then) and again.made_with.snapshot == june
    line = ("appraise", cube, "--plot", sample_tiles / "demo_plot.geojson", "--day", "2023-08-20", "--json")
    done = command(*line, "--as-of", june)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["made_with"]["snapshot"], said["made_with"]["cube_id"]) == (june, then.made_with.cube_id)
    assert json.dumps(said["line"], sort_keys=True) == json.dumps(appraisal.as_dict(then)["line"], sort_keys=True)


def test_a_plot_across_two_tiles_of_two_zones_is_measured_whole(tmp_path: Path) -> None:
    """The west tile ends in the middle of the field; the other tile is of the next zone."""
    west = ms.Tile(columns=138)
    east = ms.around((ms.EAST + 1200, ms.NORTH - 1600, ms.EAST + 2800, ms.NORTH), "32UKB", margin_m=0)
    source = tiles.open_catalogue(ms.write(tmp_path / "a", ms.season([west, east], days=6, every=20)))
    ingest(source, tmp_path / "cube", area=ms.place(-200, -2000, 3000, 2400))
    folder = tmp_path / "plot.geojson"
    ring = [list(point) for point in ms.field(4, 2, grown_m=15).exterior.coords]
    folder.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (plot,) = plots.load(folder)
    cube = open_cube(tmp_path / "cube").read(plot.geometry, **YEAR)
    assert cube.sizes["time"] == 6 and cube["clear"].values.all()
    found = plots.cut(plot, cube)
    assert plot.area_ha > 5 and found.area_ha.p10 <= 4.0 <= found.area_ha.p90
    assert abs(found.area_ha.p50 - 4.0) < 0.2


# --- what cannot be read --------------------------------------------------------------------------------------------


def test_a_plot_outside_says_how_far_the_cube_reaches(made: Path) -> None:
    store = open_cube(made)
    with pytest.raises(PlotPlaceError, match="lies outside what the cube holds") as caught:
        store.read(ms.place(5000, 0, 200, 200), **YEAR)
    assert f"{store.bounds[0]:.4f}" in str(caught.value)


def test_a_span_without_looks_says_which_days_there_are(made: Path) -> None:
    with pytest.raises(TilesError, match="no optical look from 2019-01-01") as caught:
        open_cube(made).read(ms.field(1, 1), since=date(2019, 1, 1), until=date(2019, 12, 31))
    assert "2021-04-01 to 2021-04-16" in str(caught.value)


def test_what_is_no_cube_is_said(tmp_path: Path, made: Path, sample_tiles: Path) -> None:
    for where in (tmp_path, tmp_path / "nowhere", sample_tiles):
        assert not is_cube(where)
        with pytest.raises(CubeError, match="is no cube"):
            open_cube(where)
    (tmp_path / "icechunk").mkdir()
    with pytest.raises(CubeError, match="cannot be opened"):
        open_cube(tmp_path)
    with pytest.raises(CubeError, match="is no cube, so it has no snapshots"):
        open_stack(sample_tiles, as_of="ABCDEF")
    for as_of in ("NOSUCHSNAPSHOT", "", open_cube(made).snapshot[:3]):
        with pytest.raises(CubeError, match="has no snapshot"):
            open_cube(made, as_of=as_of)


def index_of(cube: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Write another index into a cube."""
    import zarr

    from greattit.cube.store import BRANCH, open_repository

    session = open_repository(cube).writable_session(BRANCH)
    root = zarr.open_group(session.store)
    plain = dict(root.attrs["greattit"])  # type: ignore[call-overload]
    change(plain)
    root.attrs["greattit"] = plain
    session.commit("another index")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: index.update(format=99), "is no cube of this version .form 99"),
        (lambda index: index.clear(), "is no cube of this version .form None"),
        (lambda index: index.pop("areas"), "its index is damaged"),
        (lambda index: index["passes"][0].update(when="yesterday"), "its index is damaged"),
        (lambda index: index["passes"][0]["products"][0].pop("id"), "its index is damaged"),
    ],
)
def test_an_index_of_another_form_or_damaged_is_refused(
    made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    shutil.copytree(made, tmp_path / "cube")
    before = open_cube(made).snapshot
    index_of(tmp_path / "cube", change)
    with pytest.raises(CubeError, match=said):
        open_cube(tmp_path / "cube")
    assert open_cube(tmp_path / "cube", as_of=before).snapshot == before


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "a flipped bit": lambda raw: raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 4]) + raw[len(raw) // 2 + 1 :],
    "half of it": lambda raw: raw[: len(raw) // 2],
    "no file": lambda raw: None,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_chunk_is_named_and_never_read_as_data(made: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(made, tmp_path / "cube")
    ground = ms.place(0, -1600, 1600, 1600)
    whole, caught = open_cube(made).read(ground, **YEAR), 0
    for file in sorted((tmp_path / "cube" / "icechunk" / "chunks").iterdir())[::2]:
        raw = file.read_bytes()
        file.unlink()
        if (worse := DAMAGE[damage](raw)) is not None:
            file.write_bytes(worse)
        said = command("cube", "check", tmp_path / "cube", "--json")
        found = json.loads(said.stdout)
        assert said.exit_code == 1 and not found["whole"]
        assert any("a chunk of s" in problem and "is damaged" in problem for problem in found["problems"]), found
        assert any("2021-04-01" in problem for problem in found["problems"])
        try:
            again = open_cube(tmp_path / "cube").read(ground, **YEAR)
            assert again.identical(whole)  # no pixel of the tile lies in that chunk
        except CubeError as error:
            caught += 1
            assert "is damaged" in str(error) and "cube check" in str(error)
        file.write_bytes(raw)
    assert caught >= 2 and command("cube", "check", tmp_path / "cube").exit_code == 0


@pytest.fixture(scope="module")
def ruined(sample_cube: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cube of the sample tiles with a flipped bit in every chunk."""
    where = tmp_path_factory.mktemp("ruined") / "cube"
    shutil.copytree(sample_cube[0], where)
    for file in (where / "icechunk" / "chunks").iterdir():
        file.write_bytes(DAMAGE["a flipped bit"](file.read_bytes()) or b"")
    return where


@pytest.mark.parametrize(
    "words",
    [
        ("series", "CUBE", "--plot", "TILES/demo_plot.geojson"),
        ("appraise", "CUBE", "--plot", "TILES/demo_plot.geojson"),
        ("county", "CUBE", "--parcels", "TILES/plots.geojson", "--out", "OUT/county", "--workers", "1"),
        ("cube", "picture", "CUBE", "--date", "2023-08-14", "--out", "OUT/day.png"),
    ],
    ids=lambda words: words[0],
)
def test_a_ruined_cube_ends_every_command_with_one_line_and_no_result(
    ruined: Path, sample_tiles: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    places = {"CUBE": ruined, "TILES": sample_tiles, "OUT": tmp_path}
    for name, place in places.items():
        words = tuple(word.replace(name, str(place)) for word in words)
    done = subprocess.run([sys.executable, "-m", "greattit", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()  # no read is left behind to panic when the interpreter ends
    assert "is damaged" in line and "restore a copy" in line and "b'" not in line and 'b"' not in line
    assert not list(tmp_path.iterdir())


def test_a_check_of_a_ruined_cube_lists_some_problems_and_says_what_to_do(ruined: Path) -> None:
    found = check(open_cube(ruined))
    text = show.check_text(found)
    assert len(found.problems) > show.LISTED and not re.search("b['\"]", text)
    assert all("is damaged" in problem for problem in found.problems)  # not: a look holds no pixel
    assert len(text.splitlines()) == show.LISTED + 3
    assert text.endswith(f"{len(found.problems)} problems: ingest into a new folder, or restore a copy")
    assert show.check_text(Checked("c0ffee", 2, 3, ())).splitlines()[-1] == "whole"


@pytest.mark.parametrize("part", ["manifests", "snapshots", "refs"])
@pytest.mark.parametrize("damage", ["half of it", "no file"])
def test_a_damaged_repository_is_one_clear_line(made: Path, tmp_path: Path, part: str, damage: str) -> None:
    shutil.copytree(made, tmp_path / "cube")
    for file in sorted(path for path in (tmp_path / "cube" / "icechunk" / part).rglob("*") if path.is_file()):
        raw = DAMAGE[damage](file.read_bytes())
        file.unlink()
        if raw is not None:
            file.write_bytes(raw)
    with pytest.raises(CubeError) as caught:
        open_cube(tmp_path / "cube").read(ms.field(1, 1), **YEAR)
    assert "\n" not in str(caught.value) and str(tmp_path / "cube") in str(caught.value)
    done = command("cube", "check", tmp_path / "cube")
    assert done.exit_code in (1, 2) and "Traceback" not in done.output
    with pytest.raises(CubeError):
        ingest(tiles.open_catalogue(ms.write(tmp_path / "a", ms.season(days=5))), tmp_path / "cube")


# --- what a cube shows ----------------------------------------------------------------------------------------------


def test_info_and_scenes_say_what_is_there(made: Path) -> None:
    info = json.loads(command("cube", "info", made, "--json").stdout)
    assert {"cube", "title", "crs", "bounds", "bands", "looks", "areas", "bytes", "snapshot", "snapshots"} <= set(info)
    assert {"simulated", "attribution", "refused"} <= set(info)
    assert info["crs"] == "EPSG:32631" and info["bands"] == list(BANDS) and info["bytes"] > 1000
    assert info["looks"]["s2"] | {"clear_median": 1.0} == info["looks"]["s2"]
    assert (info["looks"]["s2"]["shown"], info["looks"]["s1"]["shown"]) == (4, 1)
    assert (info["looks"]["s2"]["first"], info["looks"]["s2"]["last"]) == ("2021-04-01", "2021-04-16")
    assert info["snapshot"] == info["snapshots"][0]["id"] == open_cube(made).snapshot
    rows = json.loads(command("cube", "scenes", made, "--json").stdout)
    keys = {"day", "time", "sensor", "platform", "seen_ha", "clear", "products", "findings", "refused"}
    assert len(rows) == 5 and all(keys <= set(row) for row in rows)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    optical = [row for row in rows if row["sensor"] == "s2"]
    assert {row["seen_ha"] for row in optical} == {256.0} and {row["clear"] for row in optical} == {1.0}
    assert {p["offset"] for row in optical for p in row["products"]} == {"-0.1 (from the metadata)"}
    for words in (("info", made), ("scenes", made)):
        done = command("cube", *words)
        assert done.exit_code == 0 and "2021-04-01" in done.stdout and "sentinel" in done.stdout.lower()
    early = info["snapshots"][-2]["id"]
    assert json.loads(command("cube", "scenes", made, "--as-of", early, "--json").stdout) == []


def test_check_reads_all_and_the_content_is_that_of_a_copy(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    one, other = (json.loads(command("cube", "check", where, "--json").stdout) for where in (made, tmp_path / "copy"))
    assert one["whole"] and one["looks"] == 5 and one["content"] == other["content"]
    assert "whole" in command("cube", "check", made).stdout


@pytest.mark.parametrize("bands", ["b04,B03,B02", "B11", "VV"])
def test_a_picture_shows_the_day(made: Path, tmp_path: Path, bands: str) -> None:
    from matplotlib.image import imread

    out = tmp_path / "new" / "day.png"
    done = command("cube", "picture", made, "--date", "2021-04-01", "--bands", bands, "--out", out)
    assert done.exit_code == 0, done.output
    image = imread(out)
    inner = image[image.shape[0] // 3 : image.shape[0] // 2, image.shape[1] // 3 : image.shape[1] // 2, :3]
    assert inner.std() > 0.02 and len(np.unique(inner.reshape(-1, 3), axis=0)) > 50  # ground, and not one colour


def test_a_picture_keeps_the_colours_of_the_bands_to_each_other() -> None:
    from greattit.cube.picture import _moment, _stretch

    layers = np.stack([np.linspace(low, low + 0.1, 400, dtype=np.float32).reshape(20, 20) for low in (0.1, 0.05, 0.0)])
    image = _stretch(layers, np.ones((20, 20), bool))
    assert (np.diff(image, axis=0) <= 0).all() and image[0].mean() > image[1].mean() + 0.1 > image[2].mean() + 0.2
    np.testing.assert_array_equal(_stretch(layers, np.zeros((20, 20), bool)), 0)
    assert _moment(datetime(2023, 8, 14, 11, 2, 44, tzinfo=UTC)) == "2023-08-14 11:02 UTC"
    assert _moment(datetime(2023, 8, 14, tzinfo=UTC)) == "2023-08-14"


@pytest.mark.parametrize("day", [date(2023, 8, 20), date(2023, 6, 15), date(2023, 3, 1)])
def test_the_map_shows_the_look_of_the_folder(sample_cube: tuple[Path, str], sample_tiles: Path, day: date) -> None:
    from greattit.web.picture import Picture

    days = [Picture(open_stack(where), day).days for where in (sample_cube[0], sample_tiles)]
    assert days[0] == days[1] and days[0][-1] <= day


def test_the_page_serves_the_snapshot_asked_for(sample_cube: tuple[Path, str]) -> None:
    from greattit.web import create_app

    where, june = sample_cube
    old, new = create_app(where, as_of=june).state.service, create_app(where).state.service
    assert old.catalogue.snapshot == june and old.day <= date(2023, 6, 15)
    assert new.catalogue.snapshot == open_cube(where).snapshot != june and new.day > old.day


def test_the_text_of_an_appraisal_names_its_snapshot(sample_cube: tuple[Path, str], sample_tiles: Path) -> None:
    plot = sample_tiles / "demo_plot.geojson"
    done = command("appraise", sample_cube[0], "--plot", plot, "--as-of", sample_cube[1])
    assert done.exit_code == 0 and f"Made from snapshot {sample_cube[1]}" in done.stdout
    done = command("appraise", sample_tiles, "--plot", plot, "--day", "2023-01-20")
    assert done.exit_code == 0 and "No line" in done.stdout and "snapshot" not in done.stdout
    assert "How it was built up" not in done.stdout and "sources in full" not in done.stdout


def test_a_county_is_made_from_the_snapshot_asked_for(
    sample_cube: tuple[Path, str], sample_tiles: Path, tmp_path: Path
) -> None:
    where, june = sample_cube
    parcels = json.loads((sample_tiles / "plots.geojson").read_text())
    (tmp_path / "two.geojson").write_text(json.dumps({**parcels, "features": parcels["features"][3:5]}))
    words = ("county", where, "--parcels", tmp_path / "two.geojson", "--out", tmp_path / "out", "--as-of", june)
    done = command(*words, "--workers", "2")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "plots.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["snapshot"] for row in rows] == [june, june] and all(row["day"] <= "2023-06-15" for row in rows)
    assert f"Made from snapshot {june}" in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")


def test_a_picture_of_another_day_names_the_nearest_and_of_no_band_the_bands(made: Path, tmp_path: Path) -> None:
    done = command("cube", "picture", made, "--date", "2021-04-09", "--out", tmp_path / "a.png")
    assert done.exit_code == 2 and "no look of 2021-04-09" in done.stderr
    assert done.stderr.index("2021-04-11") < done.stderr.index("2021-04-06")
    done = command("cube", "picture", made, "--date", "2021-04-01", "--bands", "B99", "--out", tmp_path / "a.png")
    assert done.exit_code == 2 and "B8A" in done.stderr and SAR[0] in done.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bbox", "5,50"], "is no box; write west,south,east,north"),
        (["--bbox", "6,50,5,51"], "no box on the earth"),
        (["--bbox", "5,50,6,51", "--area", "a.geojson"], "--bbox or --area, not both"),
        (["--area", "nowhere.geojson"], "there is no such file"),
        (["--bands", "B04,B99"], "no such band: B99"),
        (["--from", "2025-01-01", "--to", "2025-02-01"], "no Sentinel-2 scene of the area"),
        (["--bbox", "100,10,101,11"], "no Sentinel-2 scene of the area"),
    ],
)
def test_what_cannot_be_ingested_is_said_and_nothing_is_written(
    sample_tiles: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    done = command("ingest", sample_tiles, "--store", tmp_path / "cube", *words)
    assert done.exit_code == 2 and not (tmp_path / "cube").exists()
    text = " ".join(done.stderr.replace("│", " ").split())
    assert said in text and "Traceback" not in text


def test_an_area_from_a_file_is_the_area_of_its_box(tmp_path: Path) -> None:
    source = ms.write(tmp_path / "a", ms.season(days=2))
    shape = ms.place(100, -700, 400, 400)
    ring = [list(point) for point in shape.exterior.coords]
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    span = ("--from", "2021-04-01", "--to", "2021-04-01")
    assert (
        command("ingest", source, "--store", tmp_path / "b", "--area", tmp_path / "area.geojson", *span).exit_code == 0
    )
    box = ",".join(str(value) for value in shape.bounds)
    assert command("ingest", source, "--store", tmp_path / "c", "--bbox", box, *span).exit_code == 0
    one, other = open_cube(tmp_path / "b"), open_cube(tmp_path / "c")
    assert check(one).content == check(other).content and len(one.index.passes) == 1
    assert set(one.index.areas) == set(other.index.areas)


def test_a_dry_run_writes_nothing_and_says_what_would_be_read(tmp_path: Path) -> None:
    source = ms.write(tmp_path / "a", ms.season(days=3))
    done = command("ingest", source, "--store", tmp_path / "cube", "--dry-run", "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0 and not (tmp_path / "cube").exists()
    assert (said["looks"], said["products"], said["there"], said["crs"]) == (3, 3, 0, "EPSG:32631")
    decoded = 3 * (160 * 160 * 4 * 2 + 80 * 80 * (6 * 2 + 1))
    assert decoded <= said["read_bytes"] < 1.3 * decoded  # the lattice lies askew to degrees: the tile's box is wider
    said = command("ingest", source, "--store", tmp_path / "cube", "--dry-run")
    assert "3 looks of 3 products" in said.stdout and not (tmp_path / "cube").exists()


def test_an_ingest_that_misses_something_says_what_and_exits_3(tmp_path: Path) -> None:
    source = ms.write(tmp_path / "a", [*ms.season(days=2), ms.Made(name="torn", platform="x", without=("B04",))])
    done = command("ingest", source, "--store", tmp_path / "cube", "--json")
    assert done.exit_code == 3 and [text.partition(":")[0] for text in json.loads(done.stdout)["missing"]] == ["torn"]
    done = command("ingest", source, "--store", tmp_path / "cube")
    assert done.exit_code == 3 and "torn" in done.stderr and "same command tries them again" in done.stderr
