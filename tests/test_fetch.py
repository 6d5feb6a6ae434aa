"""The door to a raster: what a flaky server does to it, what it refuses unseen, what its errors say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import rasterio
from made_server import FAULTS, Flaky, Server, serve
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from greattit.errors import SceneError
from greattit.tiles import open_catalogue
from greattit.tiles.fetch import PassingError, Patience, again, opened
from greattit.tiles.scene import Asset, Scene

SIDE = 1536
CORNER = Affine(10, 0, made_tiles.WEST, 0, -10, made_tiles.NORTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made catalogue, with one larger cloud-optimised raster beside it."""
    home = made_tiles.write(tmp_path_factory.mktemp("fetch") / "c", days=2)
    place = {"crs": made_tiles.CRS, "transform": CORNER, "nodata": 0, "dtype": "uint16", "count": 1}
    with rasterio.open(
        home / "large.tif", "w", driver="COG", height=SIDE, width=SIDE, blocksize=256, compress="deflate", **place
    ) as out:
        out.write(ground(), 1)
    return home


def ground() -> NDArray[np.uint16]:
    return np.random.default_rng(3).integers(1, 500, (SIDE, SIDE)).astype(np.uint16)


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "1")
    with serve(folder) as running:
        yield running


@pytest.fixture
def scene(folder: Path) -> Scene:
    return open_catalogue(folder).scenes[0]


def patient(tries: int = 4) -> tuple[Patience, list[float]]:
    waits: list[float] = []
    return Patience(tries=tries, sleep=waits.append, draw=lambda: 1.0), waits


def remote(server: Server, scene: Scene, query: str = "") -> Asset:
    return dataclasses.replace(scene.assets["B04"], href=f"{server.url}/files/{scene.id}/red.tif{query}")


def reading(asset: Asset, scene: Scene | None = None, window: Window | None = None) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        with opened(asset, scene) as source:
            return np.asarray(source.read(asset.band, window=window))

    return read


def test_a_raster_on_the_web_is_the_raster_on_disk(server: Server, scene: Scene) -> None:
    there, here = reading(remote(server, scene), scene)(), reading(scene.assets["B04"], scene)()
    np.testing.assert_array_equal(there, here)
    asked = server.requests
    assert {request.path for request in asked} == {f"/files/{scene.id}/red.tif"}, "no file beside it is asked for"
    assert [r.method for r in asked].count("GET") == 1, "header and pixels of a small raster come at once"


def test_of_a_large_raster_only_the_window_is_fetched(server: Server, folder: Path) -> None:
    asset = Asset(f"{server.url}/files/large.tif", 1.0, 0.0, 0.0, (SIDE, SIDE))
    found = reading(asset, window=Window(300, 600, 40, 40))()
    np.testing.assert_array_equal(found, ground()[600:640, 300:340])
    spans = [tuple(map(int, r.range.removeprefix("bytes=").split("-"))) for r in server.requests if r.range]
    size = (folder / "large.tif").stat().st_size
    assert sum(last - first + 1 for first, last in spans) < size / 4


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("404", "slow", "length")])
def test_a_passing_fault_is_healed(server: Server, scene: Scene, fault: str) -> None:
    server.set(Flaky(faults=(fault,), only=r"red\.tif", every=1, most=3))
    patience, waits = patient()
    found = again(reading(remote(server, scene), scene), patience=patience)
    np.testing.assert_array_equal(found, reading(scene.assets["B04"])())
    assert len(waits) >= 1 or fault in ("500", "503", "429", "reset"), "these GDAL repeats itself"
    assert sum(r.fault == fault for r in server.requests) == 3


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_through_chaos_is_right_to_the_bit(server: Server, seed: int) -> None:
    faults = tuple(f for f in FAULTS if f != "404")
    server.set(Flaky(faults=faults, only=r"large\.tif", every=4, most=10, seed=seed, slow_s=0.01))
    corner = np.random.default_rng(seed).integers(0, 900, 2)
    window = Window(corner[1], corner[0], 600, 600)
    asset = Asset(f"{server.url}/files/large.tif", 1.0, 0.0, 0.0, None)
    found = again(reading(asset, window=window), patience=patient(12)[0])
    np.testing.assert_array_equal(found, ground()[window.toslices()])
    assert any(r.fault for r in server.requests)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("500", "the server answers 500"),
        ("429", "the server answers 429"),
        ("cut", "cut short or damaged"),
        ("truncated", "cut short or damaged"),
        ("short", "cut short or damaged"),
        ("reset", "cannot be fetched"),
        ("html", "no raster of the promised kind"),
    ],
)
def test_a_dead_raster_is_named_with_its_cause_and_the_tries(
    server: Server, scene: Scene, fault: str, said: str
) -> None:
    server.set(Flaky(always={"red.tif": fault}))
    patience, waits = patient(3)
    with pytest.raises(SceneError) as caught:
        again(reading(remote(server, scene, "?sig=SECRET"), scene), patience=patience)
    error = caught.value
    assert error.what.startswith("red.tif ") and said in error.what and "(3 tries)" in error.what
    assert error.subject == scene.id and "SECRET" not in str(error) and error.remedy
    assert waits == [1.0, 2.0]


def test_a_raster_that_is_not_there_is_not_asked_for_again(server: Server, scene: Scene) -> None:
    server.set(Flaky(always={"red.tif": "404"}))
    patience, waits = patient()
    with pytest.raises(SceneError, match="answers 404") as caught:
        again(reading(remote(server, scene), scene), patience=patience)
    assert not waits and not isinstance(caught.value, PassingError)


def test_a_failed_read_leaves_nothing_behind(server: Server, scene: Scene) -> None:
    asset = remote(server, scene)
    for fault in ("truncated", "html", "404", "500", "cut"):
        server.set(Flaky(always={"red.tif": fault}))
        with pytest.raises(SceneError):
            reading(asset, scene)()
        server.set(Flaky())
        np.testing.assert_array_equal(reading(asset, scene)(), reading(scene.assets["B04"])())


def test_a_raster_in_a_bucket_is_read(server: Server, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_S3_ENDPOINT": server.url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }.items():
        monkeypatch.setenv(name, value)
    asset = dataclasses.replace(scene.assets["B04"], href=f"s3://files/{scene.id}/red.tif")
    np.testing.assert_array_equal(reading(asset, scene)(), reading(scene.assets["B04"])())


class Signs:
    """Signs with a word, as the Planetary Computer does with a token."""

    def path(self, asset: Asset) -> str:
        return asset.href + "?sig=WORD"

    def options(self, asset: Asset) -> dict[str, str]:
        return {"GDAL_HTTP_USERAGENT": "signed"}


def test_a_raster_behind_a_signature_is_signed_at_the_door(server: Server, scene: Scene) -> None:
    asset = dataclasses.replace(remote(server, scene), access="made:collection")
    with pytest.raises(SceneError, match="needs a signature"):
        reading(asset, scene)()
    assert not server.requests
    with opened(asset, scene, signer=Signs()) as source:
        assert source.shape == asset.shape
    assert {r.query for r in server.requests} == {"sig=WORD"}


def test_what_the_user_set_stands(server: Server, scene: Scene) -> None:
    server.set(Flaky(always={"red.tif": "500"}))
    with pytest.raises(SceneError), rasterio.Env(GDAL_HTTP_MAX_RETRY="0"):
        reading(remote(server, scene), scene)()
    once = len(server.requests)
    with pytest.raises(SceneError), rasterio.Env(GDAL_HTTP_MAX_RETRY="3"):
        reading(remote(server, scene), scene)()
    assert len(server.requests) - once > once


def test_waiting_doubles_up_to_its_end_and_scatters() -> None:
    waits: list[float] = []
    low, high = Patience(sleep=waits.append, draw=lambda: 0.0), Patience(sleep=waits.append, draw=lambda: 1.0)
    for failed in range(1, 8):
        high.wait(failed)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    low.wait(3)
    assert waits[-1] == 2.0


def test_other_errors_pass_through_at_once() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise SceneError("refused", subject="S")

    with pytest.raises(SceneError, match="refused"):
        again(call, patience=patient()[0])
    assert len(calls) == 1


def test_a_missing_or_broken_file_is_one_clear_line(folder: Path, scene: Scene, tmp_path: Path) -> None:
    gone = dataclasses.replace(scene.assets["B04"], href=str(tmp_path / "red.tif"))
    with pytest.raises(SceneError, match=r"red\.tif is missing"):
        reading(gone, scene)()
    whole = (folder / scene.id / "red.tif").read_bytes()
    (tmp_path / "red.tif").write_bytes(whole[:1500])
    with pytest.raises(SceneError, match=r"red\.tif is cut short or damaged"):
        again(reading(gone, scene), patience=patient()[0])
    (tmp_path / "red.tif").write_text("<VRTDataset/>")
    with pytest.raises(SceneError, match=r"red\.tif is no raster"):
        reading(gone, scene)()


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("a fault of ours"), SceneError("ours")])
def test_what_fails_in_the_block_for_other_reasons_stays_what_it_is(scene: Scene, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, opened(scene.assets["B04"], scene):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("href", ["/vsicurl/http://127.0.0.1/x.tif", "file:///etc/passwd", "GTIFF_DIR:1:/x.tif", ""])
def test_other_names_than_paths_and_addresses_are_refused(href: str) -> None:
    with pytest.raises(SceneError, match="href"):
        reading(Asset(href, 1.0, 0.0, 0.0, None))()
