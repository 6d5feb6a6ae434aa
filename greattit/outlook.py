"""What will come off one plot, and what it is worth: the walk without a credit line. `look_ahead`, `as_dict`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from greattit.crops import taxonomy
from greattit.cube import read_window
from greattit.errors import PolicyError
from greattit.onethread import one_thread
from greattit.plots.drawing import SLOPPY, Drawing
from greattit.policy.places import crop_shares, region_at
from greattit.types import CropCall, Growth, Plot, Segment, Worth, Yield

if TYPE_CHECKING:
    from greattit.cube import Store
    from greattit.tiles.scene import Catalogue
    from greattit.value import Book
    from greattit.weather import Weather
    from greattit.yields.beside import Beside
    from greattit.yields.local import Local


@dataclass(frozen=True, eq=False)
class Outlook:
    """What is told of one plot's harvest on one day."""

    plot: Plot
    day: date
    """nothing seen or decided after this day was used"""
    region: str
    """key of policy/regions.yaml; "" when none holds the plot"""
    segment: Segment
    call: CropCall
    crop_from: str
    """ "given", "label of the plot" or "told from the looks" """
    growth: Growth
    yields: tuple[Yield, ...]
    """one for each crop that cannot be ruled out and has a table"""
    worth: Worth | None
    """None when nothing can be priced"""
    missing: tuple[str, ...]
    """why a yield or a worth is missing, one sentence each"""
    beside: tuple[Beside, ...]
    """estimates that have no say"""
    simulated: bool
    """made tiles: no real place, no real field"""
    warnings: tuple[str, ...]


def look_ahead(
    stack: Catalogue | Store,
    plot: Plot,
    day: date,
    *,
    crop: str | None = None,
    region: str | None = None,
    book: Book | None = None,
    grade: str = "",
    weather: Weather | None = None,
    model: Local | None = None,
    sown: date | None = None,
    irrigated: bool = False,
    drawing: Drawing = SLOPPY,
) -> Outlook:
    """Return what will come off one plot, as seen in an opened catalogue or cube up to `day`.

    `crop` is what grows there; without it the plot's property `crop` counts, else what the looks tell. `region`
    overrides the place found; a price `book` stands before the project's prices, and a `model` of one's own measured
    yields in the place of the table. With `weather`, estimates by light and, where the day it was `sown` is given, by a
    crop model stand beside. Yields and worth are those of
    `appraisal.appraise`, to the last digit, where the crop is told from the looks and neither is given. Raises
    `PlotError`, `TilesError` and `PolicyError`.
    """
    with one_thread():
        return _look_ahead(stack, plot, day, crop, region, book, grade, weather, model, sown, irrigated, drawing)


def _look_ahead(
    stack: Catalogue | Store,
    plot: Plot,
    day: date,
    crop: str | None,
    region: str | None,
    book: Book | None,
    grade: str,
    weather: Weather | None,
    model: Local | None,
    sown: date | None,
    irrigated: bool,
    drawing: Drawing,
) -> Outlook:
    from greattit import clouds, crops, damage, growth, plots, series, value, yields
    from greattit.growth.told import called
    from greattit.yields.beside import by_light, by_scenarios

    place = region or region_at(plot.geometry.centroid.x, plot.geometry.centroid.y, day=day) or ""
    if region:
        _known(region)
    cube = clouds.refine(read_window(stack, plot.geometry, since=date(day.year, 1, 1), until=day))
    segment = plots.cut(plot, cube, drawing=drawing)
    looks = series.gather(segment, cube)
    prior = (crop_shares(place, day=day) or None) if place else None
    call, source = called(plot, crop, lambda: crops.classify(looks, day=day, prior=prior))
    usual = damage.usual_of(call.crop, place, day.year) if call.crop and place else None
    struck = damage.look(looks, day=day, segment=segment, cube=cube, weather=weather, call=call, usual=usual)
    course = growth.observe(looks, call, day=day, struck=struck, region=place or None, weather=weather)
    if model is not None:
        harvests = model.tell(call.likely if call.crop else (), looks, course, day=day)
    else:
        harvests = yields.estimate(call, course, region=place, day=day) if place else ()
    worth = value.price(harvests, segment, region=place, day=day, book=book, grade=grade) if harvests else None
    beside: tuple[Beside, ...] = ()
    if weather is not None and call.crop is not None:
        beside = (by_light(call.crop, course, growth.season_curve(looks, day), weather, day=day),)
        if sown is not None:
            beside = (*beside, by_scenarios(call.crop, weather, sown=sown, irrigated=irrigated, day=day))
    return Outlook(
        plot=plot,
        day=day,
        region=place,
        segment=segment,
        call=call,
        crop_from=source,
        growth=course,
        yields=harvests,
        worth=worth,
        missing=tuple(_missing(call, course, place, harvests, worth, grade, model)),
        beside=beside,
        simulated=bool(cube.attrs["simulated"]),
        warnings=(*plot.mended, *cube.attrs["warnings"]),
    )


def _known(region: str) -> None:
    from greattit import policy

    if region not in policy.load("regions").tree:
        known = ", ".join(policy.load("regions").tree)
        raise PolicyError("there is no such region", subject=region, remedy=f"name one of {known}, or none")


def _missing(
    call: CropCall,
    growth: Growth,
    place: str,
    harvests: tuple[Yield, ...],
    worth: Worth | None,
    grade: str,
    model: Local | None,
) -> list[str]:
    """Say why a yield or a worth is missing."""
    if call.crop is None:
        return [f"no yield: the crop is not known ({call.abstained or 'no call'}); name it with --crop"]
    outside = "the plot lies in no region of policy/regions.yaml; name one with --region"
    if not place and model is None:
        return [f"no yield: {outside}"]
    if growth.looks < 1:
        return ["no yield: nothing was seen clear this year"]
    told = {one.crop for one in harvests}
    out = [
        f"no yield of {crop.replace('_', ' ')}: {_why(crop, place, model)}"
        for crop in dict.fromkeys((call.crop, *call.likely))
        if crop not in told
    ]
    if any(math.isnan(one.kg_ha.p50) for one in harvests):
        out.append("no yield figure: too little was seen clear to tell how the crop stands")
    if harvests and not place:
        out.append(f"no worth: {outside}")
    elif harvests and worth is None:
        graded = f" of grade {grade}" if grade else ""
        out.append(f"no worth: no price{graded} of {', '.join(sorted(told))} in {place} on that day")
    return out


def _why(crop: str, place: str, model: Local | None) -> str:
    if not taxonomy.is_crop(crop):
        return "it is no crop that is harvested for sale"
    return f"it has no yield table in {place}" if model is None else f"{model.harvests.name} has no harvest of it"


def as_dict(found: Outlook) -> dict[str, Any]:
    """Return the outlook as plain values for JSON; NaN becomes null."""
    from greattit.appraisal import plain

    def interval(one: Any) -> dict[str, Any]:
        return {"p10": plain(one.p10), "p50": plain(one.p50), "p90": plain(one.p90), "unit": one.unit}

    area = found.segment.area_ha
    return {
        "plot": found.plot.id,
        "day": found.day.isoformat(),
        "simulated": found.simulated,
        "region": found.region or None,
        "crop": found.call.crop,
        "crop_from": found.crop_from,
        "likely": list(found.call.likely),
        "area": interval(area) | {"drawn": plain(found.segment.drawn_ha)},
        "yields": [
            {"crop": one.crop, "kg_ha": interval(one.kg_ha), "basis": one.basis, "figures": plain(one.figures)}
            for one in found.yields
        ],
        "worth": None
        if found.worth is None
        else {"crop": found.worth.crop, "money": interval(found.worth.money), "figures": plain(found.worth.figures)},
        "missing": list(found.missing),
        "beside": [plain(one) for one in found.beside],
        "warnings": list(found.warnings),
    }
