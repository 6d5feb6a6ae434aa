"""The walk of one plot on one day: `appraise`. And its record as JSON: `as_dict`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from greattit import __version__, policy
from greattit.cube import Store, read_window
from greattit.errors import PolicyError
from greattit.onethread import one_thread
from greattit.plots.drawing import SLOPPY, Drawing
from greattit.tiles.scene import Catalogue
from greattit.types import Appraisal, CropCall, MadeWith, Plot

if TYPE_CHECKING:
    from greattit.types import Cube

POLICIES = ("regions", "crops", "yields", "prices", "calendar", "hazards", "stages", "credit")
"""The policy files that an appraisal rests on."""


def season(source: Catalogue | Store, plot: Plot, day: date) -> Cube:
    """Read what the walk sees: the window around the plot from 1 January of `day`'s year to `day`, unclouded."""
    from greattit import clouds

    return clouds.refine(_read(source, plot, day))


def _read(source: Catalogue | Store, plot: Plot, day: date) -> Cube:
    return read_window(source, plot.geometry, since=date(day.year, 1, 1), until=day)


def appraise(
    source: Catalogue | Store | Cube,
    plot: Plot,
    day: date,
    *,
    live_debt: Decimal = Decimal(0),
    region: str | None = None,
    drawing: Drawing = SLOPPY,
    clock: Callable[[], float] | None = None,
) -> Appraisal:
    """Walk from tiles to credit line for one plot; nothing seen or decided after `day` is used.

    `source` is an opened catalogue or store, or the cube that `season` read from it. `live_debt` [the region's
    currency] is what the plot already carries. `region` overrides the place found from the plot. `drawing` says how
    the plot was drawn. With a `clock` (such as `time.perf_counter`) the seconds of each room are noted. Raises
    `PlotError`, `TilesError` and `PolicyError` (no such region).
    """
    if region is not None and region not in policy.load("regions").tree:
        known = ", ".join(policy.load("regions").tree)
        raise PolicyError("there is no such region", subject=region, remedy=f"name one of {known}, or none")
    with one_thread():
        return _walk(source, plot, day, live_debt, region, drawing, _Laps(clock))


def _walk(
    source: Catalogue | Store | Cube,
    plot: Plot,
    day: date,
    live_debt: Decimal,
    region: str | None,
    drawing: Drawing,
    lap: _Laps,
) -> Appraisal:
    from greattit import clouds, credit, crops, damage, growth, plots, series, value, yields
    from greattit.fields.divide import divide
    from greattit.policy.places import crop_shares, region_at

    if isinstance(source, Catalogue | Store):
        cube = lap("clouds", clouds.refine, lap("tiles", _read, source, plot, day))
    else:
        cube = source
    segment = lap("plots", plots.cut, plot, cube, drawing=drawing)
    if drawing.asked:  # a finger may circle several fields; a land register names one
        segment = lap("fields", divide, plot, segment, cube)
    looks = lap("series", series.gather, segment, cube)
    place = region or region_at(plot.geometry.centroid.x, plot.geometry.centroid.y, day=day)
    call = lap("crops", crops.classify, looks, day=day, prior=(crop_shares(place, day=day) or None) if place else None)
    usual = damage.usual_of(call.crop, place, day.year) if call.crop and place else None
    struck = lap("damage", damage.look, looks, day=day, segment=segment, cube=cube, call=call, usual=usual)
    course = lap("growth", growth.observe, looks, call, day=day, struck=struck, region=place)
    harvests = lap("yields", yields.estimate, call, course, region=place, day=day) if place else ()
    worth = lap("value", value.price, harvests, segment, region=place, day=day) if harvests and place else None
    line = lap(
        "credit",
        credit.offer,
        worth=worth,
        yields=harvests,
        segment=segment,
        call=call,
        growth=course,
        region=place,
        day=day,
        live_debt=live_debt,
    )
    made_with = MadeWith(
        __version__,
        cube.attrs["cube_id"],
        cube.attrs.get("snapshot", ""),
        {n: policy.load(n).sha256 for n in POLICIES},
        _models(call, cube, drawing),
    )
    warnings = (*plot.mended, *cube.attrs["warnings"])
    return Appraisal(
        plot, day, place or "", segment, looks, call, course, harvests, worth, line, made_with, warnings, lap.seconds
    )


def _models(call: CropCall, cube: Cube, drawing: Drawing) -> dict[str, str]:
    """Name each model that had a say with its sha256; the networks for drawings only where a finger drew."""
    from greattit import damage
    from greattit.fields import finder
    from greattit.growth.vigour import card_sha256
    from greattit.plots import cutter
    from greattit.yields import gate

    asked = {"cut": cutter.load().sha256, "fields": finder.load().sha256} if drawing.asked else {}
    clouds = {"clouds": cube["mask"].attrs["model_sha256"]} if "mask" in cube else {}
    ours = {"damage": damage.served().sha256, "vigour": card_sha256(), "yields": gate.card_sha256()}
    return {call.model: call.model_sha256, **ours, **asked, **clouds}


class _Laps:
    """Runs the rooms in turn and notes how long each took."""

    def __init__(self, clock: Callable[[], float] | None) -> None:
        self.clock, self.seconds = clock, dict[str, float]()

    def __call__(self, room: str, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.clock is None:
            return verb(*args, **kwargs)
        start = self.clock()
        result = verb(*args, **kwargs)
        self.seconds[room] = self.clock() - start
        return result


def as_dict(appraisal: Appraisal) -> dict[str, Any]:
    """Return an appraisal as plain values for JSON; the keys are the fields of the records in `greattit.types`.

    NaN becomes null, money a decimal string, a date its ISO text, a geometry GeoJSON (EPSG:4326); the coverage of
    single pixels is left out.
    """
    return {name.name: plain(getattr(appraisal, name.name)) for name in dataclasses.fields(appraisal)}


def plain(value: Any) -> Any:
    """Return records, money, days, geometries and arrays as plain values for JSON; NaN becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "coverage"}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "__geo_interface__"):
        return plain(value.__geo_interface__)
    if hasattr(value, "dtype"):
        return _array(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _array(value: Any) -> Any:
    """Arrays as nested lists: days as ISO text, numbers with the six figures that float32 holds."""
    import numpy as np

    if value.dtype.kind == "M":
        return np.datetime_as_string(value, unit="D").tolist()
    if value.dtype.kind == "f":
        return [_array(row) for row in value] if value.ndim > 1 else [_float(v) for v in np.atleast_1d(value).tolist()]
    return value.tolist()


def _float(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
