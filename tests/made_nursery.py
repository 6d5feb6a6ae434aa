"""Ingests that can be killed at any moment of their work: everything is imported once, then each one is forked.

Run as a process of its own: for each line of JSON on its input (source, cube, stage file) it forks an ingest and prints
its process id; after the next line it waits for that ingest and prints how it ended.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NEEDED = (
    "icechunk",
    "zarr",
    "pyproj",
    "rasterio.warp",
    "rasterio.vrt",
    "shapely.ops",
    "filelock",
    "greattit.tiles.read",
)
NEEDED += ("greattit.tiles.fetch", "greattit.cube.ingest", "greattit.cube.inspect", "greattit.cube.write")

BANDS = ("B04", "B08")
"""few, so that many looks and commits fit into a short run"""

STAGES = {b"S": "starting", b"R": "reading", b"W": "writing", b"C": "committing", b"J": "checking", b"E": "ended"}


def main() -> None:
    for name in NEEDED:
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                run(**json.loads(line))
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def run(source: str, cube: str, stage: str) -> None:
    """Ingest a folder, and keep the first letter of what is being done in the file `stage`."""
    from greattit.cube import ingest
    from greattit.tiles import open_catalogue

    with Path(stage).open("wb", buffering=0) as file:

        def note(letter: bytes) -> None:
            os.pwrite(file.fileno(), letter, 0)

        note(b"S")
        plain = ingest._Run.save

        def save(self: Any, *rest: Any) -> None:
            note(b"C")
            plain(self, *rest)
            note(b"R")

        ingest._Run.save = save  # type: ignore[method-assign]
        letters = {"writing": b"W", "checking": b"J"}
        job = ingest.Job(workers=2, progress=lambda _, what: note(letters.get(what, b"R")), now=datetime.now(UTC))
        ingest.ingest(open_catalogue(source), cube, bands=BANDS, job=job)
        note(b"E")


if __name__ == "__main__":
    main()
