"""An ingest killed at any moment: the cube opens, holds whole looks only, and the same command completes it.

`GREATTIT_KILLS` says how many moments are drawn (6; `make kills` draws 200).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_nursery
import made_scenes as ms
import numpy as np
import pytest

from greattit.cube.check import check
from greattit.cube.ingest import Job, ingest
from greattit.cube.store import BRANCH, Store, open_cube, open_repository
from greattit.errors import CubeBusyError
from greattit.tiles import open_catalogue

KILLS = int(os.environ.get("GREATTIT_KILLS", "6"))
LOOKS = 26
"""optical looks of the source: three full chunks and a begun one, so four commits; a fifth for the radar look"""

BANDS = made_nursery.BANDS
OPTIONS = ("--s1", "--bands", ",".join(BANDS))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    west, east = ms.Tile(rows=64, columns=64), ms.Tile("31UGS", west=ms.EAST + 400, rows=64, columns=64)
    products = [*ms.season([west], days=LOOKS), *ms.season([east], days=3)]
    radar = [replace(ms.Made(tile=west, radar=True, platform="sentinel-1a"), name="radar")]
    return ms.write(tmp_path_factory.mktemp("source") / "a", [*products, *radar])


class Nursery:
    """Starts ingests that need no time to import; see `made_nursery`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert self.answer() == "ready"

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def say(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ingest(self, source: Path, cube: Path, *, kill_after: float | None = None, of: str = "") -> tuple[str, int]:
        """Ingest, killed so many seconds after it began, or a little later when it next does the stage `of`.

        Returns what it was doing last, and its exit code.
        """
        stage = cube.parent / "stage"
        stage.write_bytes(b"")
        self.say(json.dumps({"source": str(source), "cube": str(cube), "stage": str(stage)}))
        pid = int(self.answer())
        if kill_after is not None:
            time.sleep(kill_after)
            until = time.monotonic() + 20
            while of and stage.read_bytes() not in (of.encode(), b"E") and time.monotonic() < until:
                time.sleep(0.0005)
            os.kill(pid, signal.SIGKILL)  # not yet waited for, so the id is its own even when it has ended
        self.say("wait")
        code = int(self.answer())
        return made_nursery.STAGES[stage.read_bytes() or b"S"], code


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, made_nursery.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)
        assert process.stdin
        process.stdin.close()


def looks_of(store: Store) -> dict[str, str]:
    """Look -> sha256 of all its pixels and of what the index says of it."""
    found, extent = {}, store.index.extent
    for sensor, names in (("s2", ("s2/fine", "s2/coarse")), ("s1", ("s1/radar",))):
        looks = store.index.of(sensor)
        blocks = []
        for name in names if looks and extent else ():
            step = 1 if name == "s2/fine" else 2
            rows, columns = (
                slice(extent.top // step, extent.bottom // step),
                slice(extent.left // step, extent.right // step),
            )
            blocks.append(np.asarray(store.arrays[name][: 1 + max(look.slot for look in looks), :, rows, columns]))
        for look in looks:
            digest = hashlib.sha256(repr([p.version for p in look.products]).encode())
            for block in blocks:
                digest.update(np.ascontiguousarray(block[look.slot]))
            found[f"{sensor} {look.when}"] = digest.hexdigest()
    return found


def assert_nothing_is_left(cube: Path) -> None:
    """No temporary files, and no chunk or snapshot that nothing refers to."""
    assert {path.name for path in cube.iterdir()} == {"icechunk", ".ingest"}
    assert {path.name for path in (cube / ".ingest").iterdir()} <= {"lock"}
    assert list(cube.rglob("*#*")) == []
    over = open_repository(cube).garbage_collect(datetime.now(UTC) + timedelta(days=1), dry_run=True)
    assert (over.bytes_deleted, over.chunks_deleted, over.snapshots_deleted) == (0, 0, 0)


def test_killed_at_any_moment_a_cube_is_whole_and_is_completed(tmp_path: Path, source: Path, nursery: Nursery) -> None:
    whole = tmp_path / "whole"
    assert nursery.ingest(source, whole) == ("ended", 0)
    started = time.perf_counter()
    assert nursery.ingest(source, tmp_path / "timed") == ("ended", 0)
    span = time.perf_counter() - started
    assert_nothing_is_left(whole)
    content, truth = check(open_cube(whole)).content, looks_of(open_cube(whole))
    assert len(truth) == LOOKS + 1
    moments, stages, early = random.Random(11), Counter[str](), 0
    for number in range(KILLS):
        cube = tmp_path / f"cube {number}"
        aim = ("", "W", "", "C")[number % 4]  # writing and committing are short, so that some kills are aimed at them
        stage, code = nursery.ingest(source, cube, kill_after=moments.uniform(0, span), of=aim)
        assert (stage == "ended") if code == 0 else (code == -signal.SIGKILL), stage
        stages[stage] += 1
        if (cube / "icechunk").is_dir():
            held = open_cube(cube)
            assert check(held).problems == ()
            assert looks_of(held).items() <= truth.items(), f"a look that is not whole after a kill in {stage}"
            early += not held.index.passes
        else:
            early += 1
        if number % 3 == 0:  # and killed again while it is completed
            nursery.ingest(source, cube, kill_after=moments.uniform(0, span))
        assert nursery.ingest(source, cube) == ("ended", 0)
        found = check(open_cube(cube))
        assert (found.content, found.problems) == (content, ())
        assert looks_of(open_cube(cube)) == truth
        assert_nothing_is_left(cube)
    print(f"{KILLS} kills over {span:.2f} s: {dict(stages)}; {early} before the first look was committed")
    assert KILLS < 6 or {"reading", "writing", "committing"} & set(stages), "no kill met the work"


@contextmanager
def command(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "greattit", *map(str, arguments)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    """Wait until a file turns up under `path`, or the process ends."""
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        if path.is_dir() and next(path.glob(pattern), None):
            return
        time.sleep(0.001)
    raise AssertionError(f"no {pattern} turned up: {process.communicate()}")


def test_the_command_itself_is_killed_and_given_again(tmp_path: Path, source: Path) -> None:
    cube = tmp_path / "cube"
    for pattern in (".ingest/under way", "icechunk/chunks/*"):  # while it reads, and while it writes
        with command("ingest", source, "--store", cube, *OPTIONS) as process:
            wait_for(cube, pattern, process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    with command("ingest", source, "--store", cube, *OPTIONS, "--json") as process:
        answer, errors = process.communicate(timeout=120)
    assert process.returncode == 0 and errors == ""
    said = json.loads(answer)
    assert said["added"] + said["there"] == LOOKS + 1 and said["missing"] == []
    assert said["snapshot"] == open_cube(cube).snapshot
    ingest(open_catalogue(source), tmp_path / "whole", bands=BANDS)
    assert check(open_cube(cube)).content == check(open_cube(tmp_path / "whole")).content
    assert_nothing_is_left(cube)


# --- two at once ----------------------------------------------------------------------------------------------------


@contextmanager
def held(cube: Path) -> Iterator[None]:
    """Another process holds the cube's lock."""
    (cube / ".ingest").mkdir(parents=True, exist_ok=True)
    code = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held'); input()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(cube / ".ingest" / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.kill()


def test_a_second_ingest_is_refused_in_one_clear_line_and_a_killed_holder_holds_nothing(
    tmp_path: Path, source: Path
) -> None:
    cube = tmp_path / "cube"
    with held(cube):
        with command("ingest", source, "--store", cube) as process:
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 2 and not (cube / "icechunk").exists()
        (line,) = [line for line in errors.splitlines() if line.startswith("greattit:")]
        assert "another process is ingesting into it" in line and "--wait" in line and "Traceback" not in errors
        with pytest.raises(CubeBusyError):
            ingest(open_catalogue(source), cube, bands=BANDS, job=Job(wait_s=0.1))
    assert ingest(open_catalogue(source), cube, bands=BANDS).added == LOOKS + 1


def test_of_two_at_once_the_second_waits_and_finds_nothing_to_do(tmp_path: Path, source: Path) -> None:
    cube = tmp_path / "cube"
    line = ("ingest", source, "--store", cube, *OPTIONS, "--wait", "60", "--json")
    with command(*line) as one, command(*line) as other:
        answers = [json.loads(process.communicate(timeout=120)[0]) for process in (one, other)]
    assert sorted((said["added"], said["there"]) for said in answers) == [(0, LOOKS + 1), (LOOKS + 1, 0)]
    assert answers[0]["snapshot"] == answers[1]["snapshot"] == open_cube(cube).snapshot
    assert len({look.when for look in open_cube(cube).index.of("s2")}) == LOOKS
    assert check(open_cube(cube)).problems == ()


def test_what_another_machine_committed_meanwhile_is_never_overrun(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lock reaches another machine: the commit itself must notice."""
    import greattit.cube.ingest as room

    cube, catalogue = tmp_path / "cube", open_catalogue(source)
    plain, calls = room._Run.decode, []

    def decode(self, task, refused):  # type: ignore[no-untyped-def]
        if not calls:
            calls.append(task)
            with monkeypatch.context() as other:
                other.setattr(room, "_alone", elsewhere)
                ingest(catalogue, cube, bands=BANDS)
        return plain(self, task, refused)

    @contextmanager
    def elsewhere(url: Path, wait_s: float) -> Iterator[Path]:
        home = tmp_path / "elsewhere"
        home.mkdir(exist_ok=True)
        yield home

    monkeypatch.setattr(room._Run, "decode", decode)
    with pytest.raises(CubeBusyError):
        ingest(catalogue, cube, bands=BANDS)
    assert len(open_cube(cube).index.passes) == LOOKS + 1
    again = ingest(catalogue, cube, bands=BANDS)
    assert (again.added, again.there) == (0, LOOKS + 1)
    assert len(list(open_repository(cube).ancestry(branch=BRANCH))) == 7  # the first, an empty cube, and five of looks
