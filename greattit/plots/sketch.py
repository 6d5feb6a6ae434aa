"""The drawing as the network is told of it: `asked` puts it beside what is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.plots.coverage import coverage
from greattit.plots.sight import CHANNELS

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube

ASKED = (*CHANNELS, "drawn share", "drawn distance")
"""Names of the channels of `asked`, in its order."""

REACH_PX = 6.0
"""[pixel] distances from the drawn line beyond this are all the same"""


def asked(seen: NDArray[np.float32], drawn: BaseGeometry, cube: Cube) -> NDArray[np.float32]:
    """Return what is seen (channel, y, x) with two more channels: the drawing's share, the distance from its line.

    `drawn` is in the cube's CRS. The distance is positive inside, in units of REACH_PX / 2.
    """
    import shapely

    a, _, west, _, e, north = cube.attrs["transform"]
    height, width = seen.shape[1:]
    share = np.asarray(coverage([drawn], cube).toarray(), np.float32).reshape(height, width)
    columns, rows = np.meshgrid(west + a * (np.arange(width) + 0.5), north + e * (np.arange(height) + 0.5))
    line = shapely.boundary(drawn)
    away = shapely.distance(shapely.points(columns.ravel(), rows.ravel()), line).reshape(height, width) / abs(a)
    inside = shapely.contains_xy(drawn, columns, rows)
    signed = np.clip(np.where(inside, away, -away), -REACH_PX, REACH_PX) / (REACH_PX / 2)
    return np.concatenate([seen, share[None], signed[None].astype(np.float32)])
