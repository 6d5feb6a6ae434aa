"""A cube in object storage, over HTTP from a server on loopback: what a cube on disk is; two writers lose nothing."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import made_scenes as ms
import numpy as np
import pytest
from typer.testing import CliRunner

from greattit import tiles
from greattit.cube import ingest as room
from greattit.cube import is_cube, open_cube
from greattit.cube.check import check
from greattit.cube.ingest import Job, ingest
from greattit.errors import CubeBusyError, CubeError
from greattit.tiles.scene import Catalogue

SMALL = ms.Tile(rows=64, columns=64)

pytest.importorskip("moto.moto_server.threaded_moto_server", reason="needs moto[server], an S3 server for tests")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of an S3 server on this machine, with the bucket `fields`."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    with urllib.request.urlopen(urllib.request.Request(f"{address}/fields", method="PUT")) as answer:
        assert answer.status == 200
    yield address
    server.stop()


@pytest.fixture(autouse=True)
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (("ACCESS_KEY_ID", "made"), ("SECRET_ACCESS_KEY", "made"), ("REGION", "eu-central-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket)
    machine(monkeypatch, tmp_path / "one machine")


def machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have a temporary folder of its own, as another machine has: no lock of one reaches the other."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(folder))


def source(folder: Path, days: int) -> Catalogue:
    return tiles.open_catalogue(ms.write(folder, ms.season([SMALL], days=days)))


def test_a_cube_in_a_bucket_is_the_cube_on_disk(tmp_path: Path) -> None:
    whole, url = source(tmp_path / "a", 5), "s3://fields/some/cube"
    assert not is_cube(url)
    first = ingest(replace(whole, scenes=whole.scenes[:2]), url)
    assert ingest(whole, url).added == 3
    again = ingest(whole, url)
    ingest(whole, tmp_path / "cube")
    assert (again.added, again.there) == (0, 5) and check(open_cube(url)).problems == ()
    assert check(open_cube(url)).content == check(open_cube(tmp_path / "cube")).content
    year = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
    there, here = (open_cube(where).read(ms.field(0, 0), **year) for where in (url, tmp_path / "cube"))
    assert there.attrs["cube_id"] == here.attrs["cube_id"] and there.attrs["snapshot"] == again.snapshot
    np.testing.assert_array_equal(there["B08"].values, here["B08"].values)
    assert open_cube(url, as_of=first.snapshot).last_day == whole.scenes[1].when.date()
    assert not list((tmp_path / "one machine").rglob("*.raw"))


def test_the_commands_take_the_url(tmp_path: Path) -> None:
    from cli import app

    source(tmp_path / "a", 3)
    line = ["ingest", str(tmp_path / "a"), "--store", "s3://fields/by command", "--json"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0 and json.loads(done.stdout)["added"] == 3, done.output
    for words in (["info"], ["scenes"], ["check"]):
        said = CliRunner().invoke(app, ["cube", *words, "s3://fields/by command", "--json"])
        assert said.exit_code == 0 and json.loads(said.stdout), said.output


def test_two_machines_at_once_lose_nothing_and_the_later_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second machine commits between the moment when the first opened the cube and the moment it commits."""
    whole, url = source(tmp_path / "a", 5), "s3://fields/two"
    ingest(replace(whole, scenes=whole.scenes[:2]), url)
    plain, calls = room._Run.save, []

    def save(self, session, what):  # type: ignore[no-untyped-def]
        if not calls:
            calls.append(what)
            with monkeypatch.context() as other:
                machine(other, tmp_path / "other machine")
                assert ingest(replace(whole, scenes=whole.scenes[2:4]), url).added == 2
        plain(self, session, what)

    monkeypatch.setattr(room._Run, "save", save)
    with pytest.raises(CubeBusyError, match="another process is ingesting"):
        ingest(whole, url)
    assert len(open_cube(url).index.passes) == 4 and check(open_cube(url)).problems == ()
    assert ingest(whole, url).added == 1  # the same command again
    ingest(whole, tmp_path / "cube")
    assert check(open_cube(url)).content == check(open_cube(tmp_path / "cube")).content


def test_two_machines_that_begin_a_cube_at_once_do_not_overrun_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, url = source(tmp_path / "a", 3), "s3://fields/begun"
    plain, calls = room.create_cube, []

    def create(*arguments):  # type: ignore[no-untyped-def]
        if not calls:
            calls.append(url)
            with monkeypatch.context() as other:
                machine(other, tmp_path / "other machine")
                assert ingest(whole, url).added == 3
        return plain(*arguments)

    monkeypatch.setattr(room, "create_cube", create)
    with pytest.raises(CubeError):
        ingest(whole, url)
    assert len(open_cube(url).index.passes) == 3 and check(open_cube(url)).problems == ()
    assert (ingest(whole, url).added, ingest(whole, url).there) == (0, 3)


def test_an_interrupted_machine_never_clears_away_what_another_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was killed once and cleans up when it starts again; the other has chunks there, not yet committed."""
    whole, url = source(tmp_path / "a", 5), "s3://fields/swept"
    ingest(replace(whole, scenes=whole.scenes[:2]), url)
    (mark,) = (tmp_path / "one machine").glob("greattit-*")
    plain, calls = room._Run.save, []

    def save(self, session, what):  # type: ignore[no-untyped-def]
        if not calls:
            calls.append(what)
            (mark / "under way").touch()
            with monkeypatch.context() as other:
                machine(other, tmp_path / "one machine")
                done = ingest(replace(whole, scenes=whole.scenes[:2]), url, job=Job(now=datetime.now(UTC)))
                assert done.added == 0
        plain(self, session, what)

    monkeypatch.setattr(room._Run, "save", save)
    machine(monkeypatch, tmp_path / "other machine")
    assert ingest(whole, url).added == 3
    assert check(open_cube(url)).problems == ()


def test_a_bucket_or_a_cube_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    whole = source(tmp_path / "a", 1)
    with pytest.raises(CubeError, match=r"s3://nobody/cube: cannot be .*AWS_"):
        ingest(whole, "s3://nobody/cube")
    with pytest.raises(CubeError, match="is no cube"):
        open_cube("s3://fields/nothing here")
