"""Stacks of bands made into one `Cube`, the same from whatever they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.types import BANDS, SAR

if TYPE_CHECKING:
    from rasterio.transform import Affine

    from greattit.types import Cube

CLEAR_CLASSES = (2, 4, 5, 6, 7)
"""Classes of Sen2Cor's scene classification that show the ground: dark area, vegetation, not vegetated, water,
unclassified (Sentinel-2 L2A ATBD v2.10, table of SCL values). 0, 1, 3 (shadow), 8, 9, 10 (cloud, cirrus) and 11 (snow)
do not."""

Looks = tuple[tuple[str, datetime], ...]
"""(name, time UTC) of each look, in order of time."""


def assemble(
    stacks: Mapping[str, NDArray[Any]],
    looks: tuple[Looks, Looks],
    place: tuple[str, Affine],
    attributes: Mapping[str, Any],
) -> Cube:
    """Return the `Cube` (see `greattit.types`) of stacks (look, y, x): reflectance, classes (`scl`) and dB.

    `looks` are the optical and the radar ones; `place` is the CRS and the transform of the 10 m grid.
    """
    import xarray as xr

    crs, transform = place
    digest = hashlib.sha256()
    variables: dict[str, Any] = {}
    for name in (*BANDS, "scl", *SAR):
        if name in stacks:
            stack = stacks[name]
            digest.update(np.ascontiguousarray(stack, np.float32).data)
            time = "sar_time" if name in SAR else "time"
            variables[name] = (time, "y", "x"), stack.astype(np.uint8) if name == "scl" else stack
    digest.update("\n".join(name for name, _ in (*looks[0], *looks[1])).encode())
    height, width = next(iter(stacks.values())).shape[1:]
    variables["clear"] = ("time", "y", "x"), _clear(stacks)
    return xr.Dataset(
        variables,
        coords={
            "time": _times(looks[0]),
            "sar_time": _times(looks[1]),
            "y": transform.f + transform.e * (np.arange(height) + 0.5),
            "x": transform.c + transform.a * (np.arange(width) + 0.5),
        },
        attrs={"crs": crs, "transform": tuple(transform)[:6], "cube_id": digest.hexdigest(), **attributes},
    )


def _times(looks: Looks) -> NDArray[np.datetime64]:
    return np.array([when.replace(tzinfo=None) for _, when in looks], "datetime64[ns]")


def _clear(stacks: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Seen clear: a class that shows the ground, and data in every band."""
    clear: NDArray[np.bool_] = np.isin(stacks["scl"], CLEAR_CLASSES)
    for name in BANDS:
        if name in stacks:
            clear &= np.isfinite(stacks[name])
    return clear
