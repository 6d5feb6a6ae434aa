"""The two questions that others ask: `look` at one plot, `look_rows` at many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from greattit.damage import kinds, pixels, rows
from greattit.damage.card import Served, served
from greattit.damage.rows import Usual
from greattit.damage.weather import Weather
from greattit.types import CropCall, Hazard, Series

if TYPE_CHECKING:
    from greattit.types import Cube, Segment

PERENNIAL = (
    *("fruit", "orchard", "citrus", "nut", "berry", "grape", "beverage_crop", "hops", "other_crop_permanent"),
    *("grassland", "temporary_grass", "alfalfa", "clover", "berseem", "other_legume_permanent", "sudangrass"),
    *("sugarcane", "tea", "coffee", "aralia", "double_crop"),
)
"""crops of several years or several cuts, and two crops in a year: their cuts and leaf-fall are no damage"""


def look(
    series: Series,
    *,
    day: date,
    segment: Segment | None = None,
    cube: Cube | None = None,
    neighbours: Series | None = None,
    weather: Weather | None = None,
    call: CropCall | None = None,
    usual: Usual | None = None,
) -> tuple[Hazard, ...]:
    """Return what struck one plot from 1 January of `day`'s year up to `day`, in order of day.

    `segment` and `cube` give the pixels: without them no pest is told, and shares are 1. `neighbours` is the median
    series of parcels of the same crop (`median_series`): without it no hail and no pest is told. `weather` is daily:
    without it no frost is told, and drought only where all neighbours decline. `usual` is when the crop usually stands:
    without it no early harvest, frost or drought is told. Looks after `day` are not read.
    """
    levels = served()
    stack = None
    if segment is not None and cube is not None:
        stack = pixels.stack(segment, cube, since=date(day.year, 1, 1), day=day, levels=levels.levels)
    return _tell([series], day, [neighbours], [usual], [call], weather, [stack], levels)[0]


def look_rows(
    many: Sequence[Series],
    *,
    day: date,
    neighbours: Sequence[Series | None] | None = None,
    weather: Weather | None = None,
    calls: Sequence[CropCall | None] | None = None,
    usual: Sequence[Usual | None] | None = None,
) -> list[tuple[Hazard, ...]]:
    """Return what struck each of many plots of one place by their series alone; arguments as in `look`, one a plot."""
    nothing: list[None] = [None] * len(many)
    return _tell(many, day, neighbours or nothing, usual or nothing, calls or nothing, weather, nothing, served())


def _tell(
    many: Sequence[Series],
    day: date,
    neighbours: Sequence[Series | None],
    usual: Sequence[Usual | None],
    calls: Sequence[CropCall | None],
    weather: Weather | None,
    stacks: Sequence[pixels.Stack | None],
    levels: Served,
) -> list[tuple[Hazard, ...]]:
    signs = kinds.read(rows.gather(many, day=day, neighbours=neighbours, usual=usual), levels.levels)
    found = []
    for at, (call, stack) in enumerate(zip(calls, stacks, strict=True)):
        crop = crop_of(call)
        plot = plot_of(crop, stack, weather, day)
        told = kinds.tell(signs, at, plot, levels.levels)
        found.append(tuple(replace(one, confidence=levels.right.get(one.kind, float("nan"))) for one in told))
    return found


def plot_of(crop: str | None, stack: pixels.Stack | None, weather: Weather | None, day: date) -> kinds.Plot:
    """Return what is known of a plot beside its row; of an unknown crop no damage to its stand is told."""
    if crop is None:
        return kinds.Plot(None, False, False, False, stack, weather, day)
    return kinds.Plot(crop, is_annual(crop), has_straw(crop), has_stubble(crop), stack, weather, day)


def crop_of(call: CropCall | None) -> str | None:
    """Return the crop that a call names, or the likeliest of those it cannot rule out."""
    if call is None:
        return None
    return call.crop or (call.likely[0] if call.likely else None)


def is_annual(crop: str) -> bool:
    """Whether a crop is sown and harvested once: no grass, no trees, no forage that is cut again and again."""
    from greattit.crops import taxonomy

    line = {taxonomy.house_name(crop), *taxonomy.ancestors(crop)}
    return taxonomy.is_crop(crop) and not line & set(PERENNIAL)


def has_straw(crop: str) -> bool:
    """Whether the harvest of a crop leaves straw or stalks on the field."""
    from greattit.crops import taxonomy

    line = {taxonomy.house_name(crop), *taxonomy.ancestors(crop)}
    return bool(line & {"cereal", "oilseed", "legume", "fibre_crop", "sugarcane"})


def has_stubble(crop: str) -> bool:
    """Whether bright stubble stands after the harvest, as of small grains and rapeseed; not of maize."""
    from greattit.crops import taxonomy

    line = {taxonomy.house_name(crop), *taxonomy.ancestors(crop)}
    return bool(line & {"cereal", "rapeseed"}) and not line & {"maize", "sorghum", "millet", "broomcorn", "buckwheat"}
