"""The window that one plot needs, with its whole season, out of the store: `read`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.cube.index import Pass
from greattit.cube.lattice import Window, around
from greattit.cube.store import COARSE, FINE, RADAR, finish_reads, first_line
from greattit.errors import CubeError, PlotPlaceError, TilesError
from greattit.tiles.assemble import assemble
from greattit.tiles.counts import decode
from greattit.tiles.read import MARGIN_M, SNAP_M

if TYPE_CHECKING:
    import zarr
    from shapely.geometry.base import BaseGeometry

    from greattit.cube.store import Store
    from greattit.types import Cube


def read(
    store: Store,
    geometry: BaseGeometry,
    *,
    since: date,
    until: date,
    margin_m: float = MARGIN_M,
    radar: bool = True,
) -> Cube:
    """Read the window around `geometry` (EPSG:4326) from every look of `since`..`until`, both days included.

    Returns the same `Cube` as `greattit.tiles.read` gives of the scenes themselves, with `attrs["snapshot"]`. Raises
    `PlotPlaceError` when the geometry lies outside what the cube holds, `TilesError` when no look is of the span, and
    `CubeError` when a chunk is damaged.
    """
    passes = store.index.between(since, until, "s2")
    if not passes:
        raise TilesError(
            f"has no optical look from {since} to {until}",
            subject=store.url,
            remedy=f"name a day from {store.first_day} to {store.last_day}",
        )
    window = _window(store, geometry, margin_m)
    stacks, seen = optical(store, passes, window)
    if not seen:
        raise _outside(store, geometry)
    heard: tuple[Pass, ...] = ()
    if radar and (radar_passes := store.index.between(since, until, "s1")):
        found, heard = backscatter(store, radar_passes, window)
        stacks |= found
    return assemble(
        stacks,
        (tuple((_name(p), p.when) for p in seen), tuple((_name(p), p.when) for p in heard)),
        (store.index.crs, window.transform()),
        {
            "warnings": _warnings(store, since, until),
            "attribution": store.attribution,
            "simulated": store.simulated,
            "snapshot": store.snapshot,
        },
    )


def optical(store: Store, passes: Sequence[Pass], window: Window) -> tuple[dict[str, NDArray[Any]], tuple[Pass, ...]]:
    """Return the stacks (look, y, x) of the bands held, on 10 m, and the looks that see anything of the window."""
    fine = _take(store, "s2/fine", passes, window, 1)
    coarse = _take(store, "s2/coarse", passes, window, 2)
    some = np.asarray(fine.any((1, 2, 3)) | coarse.any((1, 2, 3)))
    fine, coarse = fine[some], coarse[some]
    held = {*store.index.bands, "scl"}
    stacks: dict[str, NDArray[Any]] = {n: decode(fine[:, k]) for k, n in enumerate(FINE) if n in held}
    for k, name in enumerate(COARSE):
        if name in held:
            counts = np.repeat(np.repeat(coarse[:, k], 2, 1), 2, 2)
            stacks[name] = counts.astype(np.uint8) if name == "scl" else decode(counts)
    return stacks, tuple(p for p, is_seen in zip(passes, some, strict=True) if is_seen)


def backscatter(
    store: Store, passes: Sequence[Pass], window: Window
) -> tuple[dict[str, NDArray[Any]], tuple[Pass, ...]]:
    """Return the stacks (look, y, x) of VV and VH [dB] on 10 m, and the looks that see anything of the window."""
    values = _take(store, "s1/radar", passes, window, 2)
    some = np.asarray(np.isfinite(values).any((1, 2, 3)))
    stacks = {n: np.repeat(np.repeat(values[some, k], 2, 1), 2, 2) for k, n in enumerate(RADAR)} if some.any() else {}
    return stacks, tuple(p for p, is_seen in zip(passes, some, strict=True) if is_seen)


def _take(store: Store, name: str, passes: Sequence[Pass], window: Window, step: int) -> NDArray[Any]:
    """Read the slots of the passes (look, band, y, x), in their order; the slots between are read with them."""
    import icechunk

    array: zarr.Array[Any] = store.arrays[name]
    slots = [p.slot for p in passes]
    low = min(slots)
    rows = slice(window.top // step, window.bottom // step)
    columns = slice(window.left // step, window.right // step)
    try:
        block = np.asarray(array[low : max(slots) + 1, :, rows, columns])
    except (icechunk.IcechunkError, ValueError, RuntimeError, OSError) as error:
        finish_reads()
        raise CubeError(
            f"a chunk of {name} is damaged ({first_line(error)})",
            subject=store.url,
            remedy="see `greattit cube check`, then ingest into a new folder or restore a copy",
        ) from error
    return block[[slot - low for slot in slots]]


def _window(store: Store, geometry: BaseGeometry, margin_m: float) -> Window:
    """Lay the lattice over the geometry and its margin, as far as the cube reaches when it holds the geometry."""
    from rasterio.warp import transform_bounds

    extent = store.index.extent
    west, south, east, north = transform_bounds("EPSG:4326", store.index.crs, *geometry.bounds)
    bare = around((west, south, east, north), multiple_m=10)
    if extent is None or extent.meet(bare) is None:
        raise _outside(store, geometry)
    wide = around((west - margin_m, south - margin_m, east + margin_m, north + margin_m), multiple_m=int(SNAP_M))
    inside = (
        extent.bounds[0] <= west
        and east <= extent.bounds[2]
        and extent.bounds[1] <= south
        and north <= extent.bounds[3]
    )
    return (wide.meet(extent) or wide) if inside else wide


def _outside(store: Store, geometry: BaseGeometry) -> PlotPlaceError:
    reach = "{:.4f}, {:.4f} to {:.4f}, {:.4f}".format(*store.bounds)
    return PlotPlaceError(
        f"lies outside what the cube holds, which reaches from lon, lat {reach}",
        subject=f"plot at {geometry.centroid.x:.5f}, {geometry.centroid.y:.5f}",
        remedy="draw a plot inside, or ingest its area too",
    )


def _name(one: Pass) -> str:
    return "+".join(product.id for product in one.products)


def _warnings(store: Store, since: date, until: date) -> tuple[str, ...]:
    looks = [
        f"look of {p.when:%Y-%m-%d} left out: {p.refused}"
        for p in store.index.passes
        if p.refused and since <= p.when.date() <= until
    ]
    products = [f"scene {version.partition('@')[0]} left out: {why}" for version, why in store.index.refused.items()]
    return (*looks, *products)
