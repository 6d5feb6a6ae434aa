"""What is kept of every row while a file is read: some hundred bytes each, however large its outline is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.parcelfile.found import Floats, Ints


@dataclass(frozen=True, eq=False)
class Rows:
    """Figures by row, in the order of the file; NaN where the row has no readable outline."""

    boxes: Floats
    """(n, 4) west, south, east, north in the file's coordinates"""
    planar: Floats
    """(n,) area in the file's coordinates, squared"""
    middles: Floats
    """(n, 2) longitude and latitude [degree], NaN where the place is unknown"""
    area_ha: Floats
    """(n,) area on the ellipsoid [ha], NaN where the place is unknown"""
    hashes: NDArray[np.uint64]
    """(n,) hash of the outline in normal form"""
    start: Ints
    """(n,) where its outline begins in the spill, -1 when it has none"""
    length: Ints
    """(n,) its length there [byte]"""
    ids: Any
    """(n,) `pyarrow` chunked array of strings, null where there is none; None when no column holds ids"""
    stated: dict[str, Floats]
    """(n,) areas by column, as stated"""

    def __len__(self) -> int:
        return len(self.planar)


@dataclass
class Gathered:
    """Parts of `Rows`, batch by batch."""

    figures: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    """the arrays of `Rows` by name, of each batch"""
    ids: list[Any] = field(default_factory=list)
    """`pyarrow` arrays"""
    stated: list[dict[str, Floats]] = field(default_factory=list)
    """stated areas"""

    def whole(self) -> Rows:
        """Return all rows; there is at least one batch."""
        import pyarrow as pa

        figures: dict[str, Any] = {
            name: np.concatenate([part[name] for part in self.figures]) for name in self.figures[0]
        }
        ids = None if self.ids[0] is None else pa.chunked_array(self.ids)
        stated = {name: np.concatenate([part[name] for part in self.stated]) for name in self.stated[0]}
        return Rows(**figures, ids=ids, stated=stated)
