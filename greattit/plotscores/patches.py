"""The true fields of a .npz of labelled patches, each with its own small cube: `read`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import DatasetError
from greattit.plots.chips import CRS, PLACE, cube_of, read_arrays
from greattit.plotscores.truth import FIELDS_ONLY, Field, Place, Told, hectares, polygons_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read(
    path: Path, *, limit: int = 1000, seed: int = 0, known: frozenset[str] = frozenset()
) -> tuple[Told, list[int], Mapping[str, NDArray[Any]]]:
    """Read a patches file and draw `limit` of its fields (seeded, without regard to chip or crop).

    Returns what the file says of itself, the rows drawn in ascending order, and the arrays for `places`. Fields that
    touch the rim of their patch are cut by it and left out, and so are those of `known` chips, which taught the methods
    that are measured. Raises `DatasetError`.
    """
    found = read_arrays(Path(path))
    mask = found["mask"]
    seen = (mask & found["patch"].any(axis=1)).any(axis=(1, 2))
    cut = mask[:, 0].any(1) | mask[:, -1].any(1) | mask[:, :, 0].any(1) | mask[:, :, -1].any(1)
    taught = np.isin(found["chip"].astype(str), sorted(known))
    usable = np.flatnonzero(seen & ~cut & ~taught)
    if not len(usable):
        raise DatasetError(
            "holds no field that lies whole in its patch and taught nothing",
            subject=str(path),
            remedy="give other chips",
        )
    rows = np.sort(np.random.default_rng(seed).permutation(usable)[:limit])
    left_out = {"never seen": int((~seen).sum()), "cut by the patch": int((cut & seen).sum())}
    left_out["on chips that taught the method"] = int((taught & seen & ~cut).sum())
    left_out["not drawn"] = len(usable) - len(rows)
    kept = {why: count for why, count in left_out.items() if count}
    return Told(Path(path).name, None, False, FIELDS_ONLY, "chips", kept), [int(row) for row in rows], found


def places(rows: list[int], arrays: Mapping[str, NDArray[Any]]) -> Iterator[Place]:
    """Yield one place with one field for each row of a patches file."""
    names = [str(band) for band in arrays["bands"]]
    for row in rows:
        shape = polygons_of(arrays["mask"][row].astype(np.int32), PLACE)[1]
        field = Field(f"{row:06d}", shape, hectares(shape, CRS), str(arrays["chip"][row]))
        yield Place(cube_of(arrays["patch"][row], names), (field,), complete=False)
