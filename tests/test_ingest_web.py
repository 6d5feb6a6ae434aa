"""A cube from a STAC API with range requests: whole in spite of a flaky server, or it says exactly what is missing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import made_tiles
import pytest
from made_server import Flaky, Server, serve

from greattit import tiles
from greattit.cube import open_cube
from greattit.cube.check import check
from greattit.cube.ingest import Ingested, Job, ingest
from greattit.errors import CatalogueError
from greattit.tiles.fetch import Patience

AREA = made_tiles.ground(0, 0, 600, 600)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_tiles.write(tmp_path / "c", days=4)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as often as ever, but shortly."""
    monkeypatch.setattr(Patience, "wait", lambda self, failed: None)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")


def bring(source: str, store: Path) -> Ingested:
    found = tiles.open_source(source, area=AREA, since=date(2021, 1, 1), until=date(2021, 12, 31))
    return ingest(found, store, area=AREA, job=Job(workers=1))  # one after the other: the same requests fail each time


def content(store: Path) -> str:
    found = check(open_cube(store))
    assert not found.problems
    return found.content


def looks(store: Path) -> list[tuple[str, float, float]]:
    return [(str(p.when.date()), p.seen_ha, p.clear) for p in open_cube(store).index.passes]


def test_an_api_and_a_folder_give_the_same_pixels(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as server:
        done = bring(server.url, tmp_path / "web")
        assert done.added == 4 and not done.missing and not done.refused
        bring(server.static, tmp_path / "static")
    ingest(tiles.open_catalogue(folder), tmp_path / "disk", area=AREA)
    span = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
    read = [open_cube(tmp_path / name).read(AREA, **span).attrs["cube_id"] for name in ("web", "static", "disk")]
    assert len(set(read)) == 1


@pytest.mark.parametrize(
    "faults", [("500", "503"), ("cut", "reset"), ("truncated", "html"), ("length", "short", "slow")]
)
def test_a_flaky_server_changes_no_bit(folder: Path, tmp_path: Path, faults: tuple[str, ...]) -> None:
    with serve(folder) as server:
        bring(server.url, tmp_path / "steady")
    with serve(folder, flaky=Flaky(faults=faults, every=9, most=12, retry_after_s=0)) as server:
        done = bring(server.url, tmp_path / "flaky")
        assert done.added == 4 and not done.missing
    assert looks(tmp_path / "flaky") == looks(tmp_path / "steady")
    assert content(tmp_path / "flaky") == content(tmp_path / "steady")


def test_what_cannot_be_had_is_named_and_had_when_the_server_is_well_again(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as server:
        bring(server.url, tmp_path / "steady")
    with serve(folder, flaky=Flaky(always={"S2_20210411/nir.tif": "500"})) as server:
        done = bring(server.url, tmp_path / "cube")
        assert done.added == 3 and len(done.missing) == 1
        assert "S2_20210411" in done.missing[0] and "nir" in done.missing[0] and "500" in done.missing[0]
        assert "2021-04-11" not in [day for day, _, _ in looks(tmp_path / "cube")]
        server.set(Flaky())
        again = bring(server.url, tmp_path / "cube")
        assert again.added == 1 and again.there == 3 and not again.missing
    assert content(tmp_path / "cube") == content(tmp_path / "steady")


def test_only_what_is_new_is_asked_for(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as server:
        bring(server.url, tmp_path / "cube")
        before = rasters(server)
        assert before > 0
        bring(server.url, tmp_path / "cube")
        assert rasters(server) == before


def rasters(server: Server) -> int:
    return sum(str(one.path).endswith(".tif") for one in server.requests)


def test_an_api_that_ends_in_the_middle_is_an_error_and_not_a_shorter_list(folder: Path) -> None:
    flaky = Flaky(faults=("500",), every=1, only=r"^/search", retry_after_s=0)
    with serve(folder, flaky=flaky) as server, pytest.raises(CatalogueError):
        tiles.open_source(
            server.url,
            area=AREA,
            since=date(2021, 1, 1),
            until=date(2021, 12, 31),
            options=tiles.Options(attempts=2, backoff_s=0.01),
        )
