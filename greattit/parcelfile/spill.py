"""Outlines on disk: written once in the order of the file, read back in any order, never in memory as a whole."""

from __future__ import annotations

import tempfile
from types import TracebackType
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.parcelfile.found import Ints


class Spill:
    """A temporary file of WKB; a context manager. The disk of `tempfile.gettempdir()` must hold the geometry once."""

    def __init__(self) -> None:
        self._file: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._end = 0

    def __enter__(self) -> Spill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, wkb: NDArray[np.object_]) -> tuple[Ints, Ints]:
        """Write the outlines; return where each begins and how long it is [byte], two arrays of (m,)."""
        import pyarrow as pa

        written = pa.array(wkb, pa.large_binary())
        bounds = np.frombuffer(written.buffers()[1], np.int64, len(wkb) + 1)
        data = memoryview(written.buffers()[2] or b"")[: bounds[-1]]
        start = self._end + bounds[:-1]
        self._end += len(data)
        while len(data):
            data = data[self._file.write(data) :]
        return start, np.diff(bounds)

    def read(self, start: Ints, length: Ints) -> NDArray[np.object_]:
        """Return the outlines that begin there, as shapes."""
        raw = np.empty(len(start), object)
        for at in np.argsort(start):
            self._file.seek(int(start[at]))
            raw[at] = self._file.read(int(length[at]))
        return np.asarray(shapely.from_wkb(raw), object)
