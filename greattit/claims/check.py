"""Every check of one claim: `misfits`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from greattit import policy
from greattit.claims import ground, inside, shape
from greattit.claims.others import Claimed
from greattit.claims.record import Misfit
from greattit.errors import PlotPlaceError
from greattit.plots.coverage import coverage, project

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube, Plot, Segment


def misfits(
    plot: Plot,
    segment: Segment,
    cube: Cube,
    *,
    fields: Sequence[BaseGeometry] | None = None,
    claimed: Sequence[Plot] | Claimed = (),
    county: BaseGeometry | None = None,
    day: date | None = None,
) -> tuple[Misfit, ...]:
    """Return every way in which a drawn plot does not fit the field it is claimed to be, in order of their codes.

    `segment` is the field found in it (`plots.cut`) and `cube` the season read around it (`appraisal.season`). `fields`
    (EPSG:4326) are the fields around it, None to tell them by the season of the pixels inside; `claimed` are the plots
    claimed before (a `Claimed` where many plots are checked: it is built once); `county` (EPSG:4326) is where the plot
    should lie. `day` is the day of the rules, by default that of the last look. Empty when the claim fits; where
    nothing was seen clear, nothing is said of the ground. Raises `PlotPlaceError` when the plot lies outside the cube.
    """
    when = day or _last_day(cube)
    rules = policy.load("claims").on(when)
    drawn = project(plot.geometry, "EPSG:4326", cube.attrs["crs"]).normalize()  # the same ring wherever it began
    share = coverage([drawn], cube).toarray()[0].reshape(cube.sizes["y"], cube.sizes["x"]).astype(np.float64)
    if not share.any():
        raise PlotPlaceError("lies outside the tiles", subject=plot.id, remedy="check it against tiles that hold it")
    return _in_order(
        *outline_misfits(plot, claimed=claimed, county=county, day=when),
        *ground.misfits_of(share, segment.coverage, shape.length_over_width(drawn), cube, rules),
        *inside.misfits_of(drawn, share, cube, fields, rules),
    )


def outline_misfits(
    plot: Plot, *, claimed: Sequence[Plot] | Claimed = (), county: BaseGeometry | None = None, day: date
) -> tuple[Misfit, ...]:
    """Return what of `misfits` the outline alone tells; nothing needs to have been seen of the plot."""
    rules = policy.load("claims").on(day)
    return _in_order(
        *(claimed if isinstance(claimed, Claimed) else Claimed(claimed)).misfits_of(plot, rules),
        shape.sliver(shape.flat(plot.geometry), rules),
        shape.outside_county(plot, county, day, rules) if county is not None else None,
    )


def _in_order(*found: Misfit | None) -> tuple[Misfit, ...]:
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.code))


def _last_day(cube: Cube) -> date:
    return date.fromisoformat(str(np.datetime_as_string(cube["time"].values.max(), unit="D")))
