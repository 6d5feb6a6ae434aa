"""The true fields of a .npz of labelled patches, each with its own small cube: `read`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.transform import Affine

from greattit.errors import DatasetError
from greattit.plotscores.truth import FIELDS_ONLY, Field, Place, Told, hectares, polygons_of
from greattit.tiles.assemble import assemble
from greattit.types import BANDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.types import Cube

NEEDED = {"patch": 4, "mask": 3, "chip": 1, "bands": 1}
"""array of a patches file -> its dimensions"""

LEAST = ("B02", "B03", "B04", "B08")
"""bands without which no field is found"""

CRS, CORNER, PIXEL_M = "EPSG:32644", (500_000.0, 2_900_000.0), 10.0
"""made-up place of every patch: upper left corner [m]; the file does not say where they lie"""

SEEN_ON = datetime(2022, 2, 1)
"""made-up day of every patch: the file does not say"""

GROUND = 5
"""class of the scene classification given to all that was seen (not vegetated), as no cloud is told"""


def read(path: Path, *, limit: int = 1000, seed: int = 0) -> tuple[Told, list[int], Mapping[str, NDArray[Any]]]:
    """Read a patches file and draw `limit` of its fields (seeded, without regard to chip or crop).

    Returns what the file says of itself, the rows drawn in ascending order, and the arrays for `places`. Fields that
    touch the rim of their patch are cut by it and left out. Raises `DatasetError`.
    """
    found = _arrays(Path(path))
    _refuse(found, str(path))
    mask = found["mask"]
    seen = (mask & found["patch"].any(axis=1)).any(axis=(1, 2))
    cut = mask[:, 0].any(1) | mask[:, -1].any(1) | mask[:, :, 0].any(1) | mask[:, :, -1].any(1)
    usable = np.flatnonzero(seen & ~cut)
    if not len(usable):
        raise DatasetError("holds no field that lies whole in its patch", subject=str(path))
    rows = np.sort(np.random.default_rng(seed).permutation(usable)[:limit])
    left_out = {"never seen": int((~seen).sum()), "cut by the patch": int((cut & seen).sum())}
    left_out["not drawn"] = len(usable) - len(rows)
    kept = {why: count for why, count in left_out.items() if count}
    return Told(Path(path).name, None, False, FIELDS_ONLY, "chips", kept), [int(row) for row in rows], found


def places(rows: list[int], arrays: Mapping[str, NDArray[Any]]) -> Iterator[Place]:
    """Yield one place with one field for each row of a patches file."""
    transform = (PIXEL_M, 0.0, CORNER[0], 0.0, -PIXEL_M, CORNER[1])
    names = [str(band) for band in arrays["bands"]]
    for row in rows:
        shape = polygons_of(arrays["mask"][row].astype(np.int32), transform)[1]
        field = Field(f"{row:06d}", shape, hectares(shape, CRS), str(arrays["chip"][row]))
        yield Place(cube_of(arrays["patch"][row], names, transform), (field,), complete=False)


def cube_of(patch: NDArray[np.uint8], bands: list[str], transform: tuple[float, ...]) -> Cube:
    """Return counts (band, y, x) as a cube of one look: count / 255 as if reflectance, NaN where all counts are 0.

    The scale of the counts is not known, so that nothing but contrast may be read off such a cube.
    """
    seen = patch.any(axis=0)
    values = np.where(seen, patch.astype(np.float32) / np.float32(255), np.nan).astype(np.float32)
    stacks: dict[str, Any] = {name: values[bands.index(name)][None] for name in BANDS if name in bands}
    stacks["scl"] = np.where(seen, GROUND, 0).astype(np.uint8)[None]
    attributes = {"warnings": (), "attribution": "", "simulated": False}
    return assemble(stacks, ((("patch", SEEN_ON),), ()), (CRS, Affine(*transform)), attributes)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DatasetError("is not a .npz, or was cut short", subject=str(path))
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in NEEDED if name in arrays.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"cannot be read as .npz without pickle: {error}", subject=str(path)) from error


def _refuse(found: Mapping[str, NDArray[Any]], path: str) -> None:
    """Raise `DatasetError` for anything but what a patches file must hold."""
    for name, dimensions in NEEDED.items():
        if name not in found:
            raise DatasetError(f"has no array {name!r}", subject=path, remedy=f"it needs {', '.join(NEEDED)}")
        if found[name].ndim != dimensions:
            raise DatasetError(f"{name} has {found[name].ndim} dimensions, not {dimensions}", subject=path)
    patch, mask = found["patch"], found["mask"]
    if patch.dtype != np.uint8 or mask.dtype != np.bool_:
        raise DatasetError(f"patch is {patch.dtype} and mask {mask.dtype}, not uint8 and bool", subject=path)
    count, bands, height, width = patch.shape
    shapes = {"mask": (count, height, width), "chip": (count,), "bands": (bands,)}
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise DatasetError(f"{name} is {found[name].shape}, where patch asks for {shape}", subject=path)
    if lacking := [band for band in LEAST if band not in found["bands"]]:
        raise DatasetError(f"lacks the bands {', '.join(lacking)}", subject=path)
