"""The cube: scenes of any source kept so that one plot's whole season is read in milliseconds."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from greattit.cube.store import Store, is_cube, open_cube

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.tiles.scene import Catalogue
    from greattit.types import Cube

__all__ = ["Store", "is_cube", "open_cube", "open_stack", "read_window"]


def open_stack(where: Path | str, *, as_of: str | None = None) -> Catalogue | Store:
    """Open what an appraisal can read: a cube (at the snapshot `as_of`), or a folder that is a static STAC catalogue.

    Raises `CubeError` or `CatalogueError`.
    """
    from greattit.errors import CubeError
    from greattit.tiles import open_catalogue
    from greattit.tiles.settle import settle

    if is_cube(where):
        return open_cube(where, as_of=as_of)
    if as_of is not None:
        raise CubeError("is no cube, so it has no snapshots", subject=str(where), remedy="leave --as-of out")
    return settle(open_catalogue(where))


def read_window(source: Catalogue | Store, geometry: BaseGeometry, *, since: date, until: date) -> Cube:
    """Read the window around `geometry` (EPSG:4326) from `since` to `until`, from a cube or from the scenes."""
    if isinstance(source, Store):
        return source.read(geometry, since=since, until=until)
    from greattit.tiles import read

    return read(source, geometry, since=since, until=until)
