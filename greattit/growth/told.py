"""All that is said of one plot's growth on one day: `tell`, and its record as JSON: `as_dict`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import clouds, crops, damage, plots, series
from greattit.crops import taxonomy
from greattit.cube import read_window
from greattit.errors import PlotError
from greattit.growth.beside import Rank, earlier_years, greenness_on, rank
from greattit.growth.course import EPOCH, courses
from greattit.growth.curve import Curves, draw, gathered
from greattit.growth.measure import FIRST_MONTH
from greattit.growth.observe import LOOK_BACK, observe
from greattit.growth.parcels import see
from greattit.growth.stages import Stage, stage_on
from greattit.onethread import one_thread
from greattit.plots.drawing import SLOPPY, Drawing
from greattit.policy.places import crop_shares, region_at
from greattit.types import CropCall, Growth, Plot, Series

if TYPE_CHECKING:
    from greattit.cube import Store
    from greattit.tiles.scene import Catalogue
    from greattit.weather import Weather

YEARS = 5
"""Earlier years that are read, where there are looks."""

REACH_KM = 10.0
"""Neighbours lie within this distance of the plot [km]."""

MOST = 300
"""Neighbours that are looked at, the nearest first."""

SAME = 0.5
"""A parcel that covers more than this share of the plot is the plot itself, and no neighbour."""


@dataclass(frozen=True, eq=False)
class Told:
    """What is said of one plot's growth."""

    plot: Plot
    day: date
    """nothing seen after this day was used"""
    crop: str | None
    """house name; None when it is not known"""
    crop_from: str
    """"given", "label of the plot" or "told from the looks" """
    growth: Growth
    stage: Stage | None
    """None when nothing can be said"""
    greenness: float
    """NDVI of the curve on the day [1]; NaN when the field was not seen lately"""
    rank: Rank | None
    """among the neighbours; None when none were given"""
    years: dict[int, float]
    """earlier year -> NDVI on the same day of the year"""
    series: Series
    curves: Curves
    """one row: the plot"""
    others: Curves | None
    """the neighbours of the same crop"""
    simulated: bool
    """made tiles: no real place, no real field"""
    warnings: tuple[str, ...]
    """scenes left out, mends"""


def tell(
    stack: Catalogue | Store,
    plot: Plot,
    day: date,
    *,
    crop: str | None = None,
    neighbours: Sequence[Plot] | None = None,
    weather: Weather | None = None,
    drawing: Drawing = SLOPPY,
    progress: Callable[[int, int], None] | None = None,
) -> Told:
    """Return the growth of one plot on `day`, as seen in an opened catalogue or cube.

    `crop` is what grows there; without it the plot's property `crop` counts, else what the looks tell. `neighbours` are
    parcels with the property `crop`. Looks are read from up to `YEARS` years before. Raises `PlotError`, `TilesError`.
    """
    with one_thread():
        return _tell(stack, plot, day, crop, neighbours, weather, drawing, progress)


def _tell(
    stack: Catalogue | Store,
    plot: Plot,
    day: date,
    crop: str | None,
    neighbours: Sequence[Plot] | None,
    weather: Weather | None,
    drawing: Drawing,
    progress: Callable[[int, int], None] | None,
) -> Told:
    window = {"since": date(day.year, 1, 1), "until": day}
    cube = clouds.refine(read_window(stack, plot.geometry, **window))
    segment = plots.cut(plot, cube, drawing=drawing)
    since = max(stack.first_day, date(day.year - YEARS, 1, 1))
    longer = clouds.refine(read_window(stack, plot.geometry, since=since, until=day)) if since.year < day.year else cube
    looks = series.gather(segment, longer)
    region = region_at(plot.geometry.centroid.x, plot.geometry.centroid.y, day=day)
    prior = (crop_shares(region, day=day) or None) if region else None
    call, source = called(plot, crop, lambda: crops.classify(series.gather(segment, cube), day=day, prior=prior))
    beside = _beside(stack, plot, call.crop, day, neighbours, progress) if neighbours is not None else None
    struck = damage.look(
        looks,
        day=day,
        segment=segment,
        cube=cube,
        neighbours=damage.median_series(beside) if beside else None,
        weather=weather,
        call=call,
        usual=damage.usual_of(call.crop, region, day.year) if call.crop and region else None,
    )
    growth = observe(looks, call, day=day, struck=struck, region=region, weather=weather)
    season = draw(*gathered([looks], day - LOOK_BACK, day))
    course = courses(season, [call.crop], day, regions=[region])[0]
    at = (day - EPOCH).days
    green = float(greenness_on(season, at)[0])
    others = draw(*gathered(beside, date(day.year - 1, FIRST_MONTH, 1), day)) if beside is not None else None
    return Told(
        plot=plot,
        day=day,
        crop=call.crop,
        crop_from=source,
        growth=growth,
        stage=stage_on(day, course, [call.crop] if call.crop else call.likely, weather=weather),
        greenness=green,
        rank=_ranked(green, call.crop, others, at) if neighbours is not None else None,
        years=earlier_years(draw(*gathered([looks], since, day)), day),
        series=looks,
        curves=season,
        others=others,
        simulated=bool(cube.attrs["simulated"]),
        warnings=(*plot.mended, *longer.attrs["warnings"]),
    )


def called(plot: Plot, crop: str | None, look: Callable[[], CropCall]) -> tuple[CropCall, str]:
    """Return the crop as a call, and where it comes from; raise `PlotError` for a name that is not known."""
    label = crop or plot.properties.get("crop")
    if not label:
        return look(), "told from the looks"
    name = taxonomy.house_name(str(label))
    if not taxonomy.known(name):
        if crop:
            raise PlotError(f"there is no crop {crop}", subject=plot.id, remedy="name one of policy/crops.yaml")
        return look(), "told from the looks"
    given = CropCall({name: 1.0}, name, (name,), 1.0, None, "given", "")
    return given, "given" if crop else "label of the plot"


def _beside(
    stack: Catalogue | Store,
    plot: Plot,
    crop: str | None,
    day: date,
    neighbours: Sequence[Plot],
    progress: Callable[[int, int], None] | None,
) -> list[Series]:
    """Return the seasons of the nearest neighbours with the same crop; none where there are none."""
    near = [one for one in neighbours if crop and taxonomy.house_name(str(one.properties.get("crop"))) == crop]
    near = sorted((one for one in near if not _same(one, plot)), key=lambda one: _km(one, plot))
    near = [one for one in near if _km(one, plot) <= REACH_KM][:MOST]
    since = date(day.year - 1, FIRST_MONTH, 1)
    return list(see(stack, near, since, day, progress=progress).values()) if near else []


def _same(one: Plot, plot: Plot) -> bool:
    shared = one.geometry.intersection(plot.geometry).area
    return bool(shared > SAME * min(one.geometry.area, plot.geometry.area))


def _km(one: Plot, plot: Plot) -> float:
    """Return the distance between the middles of two plots on a sphere [km]."""
    here, there = one.geometry.centroid, plot.geometry.centroid
    east = math.radians(here.x - there.x) * math.cos(math.radians(0.5 * (here.y + there.y)))
    return 6371.0 * math.hypot(east, math.radians(here.y - there.y))


def _ranked(green: float, crop: str | None, others: Curves | None, at: int) -> Rank:
    if others is None or crop is None:
        return Rank(float("nan"), 0, "its crop is not known, so no neighbour can be compared")
    return rank(green, greenness_on(others, at))


def as_dict(told: Told) -> dict[str, Any]:
    """Return what is said as plain values for JSON: days as ISO text, NaN as null."""
    growth, stage = told.growth, told.stage
    out: dict[str, Any] = {
        "plot": told.plot.id,
        "day": told.day.isoformat(),
        "simulated": told.simulated,
        "crop": told.crop,
        "crop_from": told.crop_from,
        "kind": growth.kind,
    }
    for name in ("start", "peak", "end"):
        out[name], out[f"{name}_90"] = _plain(getattr(growth, name)), _plain(getattr(growth, f"{name}_90"))
    words = {"en": list(stage.en), "zh": list(stage.zh), "source": stage.source} if stage else None
    return out | {
        "earlier": [dict(zip(("start", "peak", "end"), _plain(cycle), strict=True)) for cycle in growth.earlier],
        "notes": list(growth.notes),
        "stage": growth.stage,
        "bbch": growth.bbch,
        "stage_words": words,
        "looks": growth.looks,
        "vigour": _plain(growth.vigour),
        "greenness": _plain(told.greenness),
        "neighbours": _rank(told.rank) if told.rank else None,
        "earlier_years": _years(told),
        "damage": [
            {"kind": one.kind, "share": round(one.share, 4), "day": one.day.isoformat(), "evidence": one.evidence}
            for one in growth.hazards
        ],
        "warnings": list(told.warnings),
    }


def _rank(one: Rank) -> dict[str, Any]:
    return {"percentile": _plain(one.percentile), "neighbours": one.neighbours, "note": one.note}


def _years(told: Told) -> dict[str, Any]:
    """Return the greenness of earlier years and how many of them were less green on the same day of the year."""
    known = told.years if np.isfinite(told.greenness) else {}
    return {
        "years": {str(year): round(value, 4) for year, value in sorted(told.years.items())},
        "less_green": sum(value < told.greenness for value in known.values()) if known else None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
