"""When the crops of a catalogue green, peak and ripen, and how far that is from the truth of made counties: `evaluate`.

Truth: start, peak and end by the same thresholds (`phenology`) on the noise-free NDVI of each field, day by day, over
the same span of days. For made counties that NDVI is grown again from the recipe and the seed (`trials`, which needs
the development tool `prosail`); other parcels may carry the properties `start`, `peak` and `end` as ISO days.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit import plots
from greattit.crops import taxonomy
from greattit.cube import open_stack
from greattit.errors import DatasetError, GreatTitError
from greattit.growth.course import EPOCH, beforehand
from greattit.growth.curve import Curves, draw, gathered
from greattit.growth.parcels import see
from greattit.growth.phenology import Dates
from greattit.growth.seasons import KINDS, Seasons, seasons
from greattit.onethread import one_thread
from greattit.policy.places import region_at

if TYPE_CHECKING:
    from greattit.cube import Store
    from greattit.growth.trials import Made
    from greattit.tiles.scene import Catalogue
    from greattit.types import Plot

Array = NDArray[np.float64]

NAMES = ("start", "peak", "end")

FIRST_MONTH = 8
"""Looks are read from 1 August of the year before on: winter crops are sown after that."""

RECIPES = ("sample",)
"""Recipes whose counties are grown again for their truth."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of the parcels' dates."""

    days: dict[str, Array]
    """name of the date -> (row,) days since 1970-01-01; NaN where the truth has none or is not known"""
    known: NDArray[np.bool_]
    """(row,) whether the truth of the parcel is known"""
    source: str
    """where it comes from"""


@dataclass(frozen=True, eq=False)
class Measured:
    """The figures of `evaluate`, and the seasons they are of."""

    report: dict[str, Any]
    curves: Curves
    """one row a parcel"""
    crops: tuple[str, ...]
    """(row,) house names"""
    seasons: Seasons


def evaluate(
    folder: str | Path,
    *,
    parcels_file: Path | None = None,
    year: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return the figures of `measured` alone."""
    return measured(folder, parcels_file=parcels_file, year=year, progress=progress).report


def measured(
    folder: str | Path,
    *,
    parcels_file: Path | None = None,
    year: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Return per crop the median start, peak and end of a year, the share of parcels with each, and errors.

    Parcels stand in `parcels_file`, by default in `folder`/plots.geojson, with the property `crop`; without a `year` it
    is the last with looks before May and from September on. Raises `DatasetError` (no parcels, none with a crop, none
    inside the tiles, no look in the year) and `TilesError`.
    """
    stack = open_stack(folder)
    file = parcels_file or Path(folder) / "plots.geojson"
    if not file.is_file():
        remedy = "name a file of parcels with the property crop (--plots)"
        raise DatasetError(f"has no {file.name}", subject=str(folder), remedy=remedy)
    year = year or usual_year(stack)
    day, since = min(stack.last_day, date(year, 12, 31)), date(year - 1, FIRST_MONTH, 1)
    if day.year < year or stack.first_day > day:
        remedy = f"its looks reach from {stack.first_day} to {stack.last_day}"
        raise DatasetError(f"has no look in {year}", subject=str(folder), remedy=remedy)
    parcels, problems = plots.load_checked(file, near=stack.bounds)
    labelled = [plot for plot in parcels if plot.properties.get("crop")]
    if not labelled:
        raise DatasetError("has no parcel with a crop", subject=str(file), remedy="give parcels the property crop")
    with one_thread():
        looked = see(stack, labelled, since, day, progress=progress)
    seen = [plot for plot in labelled if plot.id in looked]
    if not seen:
        raise DatasetError("has no parcel inside the tiles", subject=str(file), remedy="name other parcels (--plots)")
    crops = [taxonomy.house_name(str(plot.properties["crop"])) for plot in seen]
    regions = [region_at(plot.geometry.centroid.x, plot.geometry.centroid.y, day=day) for plot in seen]
    known = beforehand(crops, regions, day)
    curves = draw(*gathered([looked[plot.id] for plot in seen], since, day))
    found = seasons(curves, (day - EPOCH).days, known)
    truth = _truth(Path(folder), stack, seen, (since, day), found)
    report = {
        "catalogue": stack.title,
        "simulated": stack.simulated,
        "year": year,
        "day": day.isoformat(),
        "parcels": len(seen),
        "left_out": {
            "no usable outline": len(problems),
            "no crop": len(parcels) - len(labelled),
            "outside the tiles": len(labelled) - len(seen),
        },
        "crops": {crop: _crop(found, np.array([one == crop for one in crops])) for crop in sorted(set(crops))},
    }
    report |= {"truth": _errors(found.main, truth, np.array(crops)) if truth else None}
    return Measured(report, curves, tuple(crops), found)


def usual_year(stack: Catalogue | Store) -> int:
    """Return the last year with looks before May and from September on, else that of the last look."""
    days = {look.when.date() for look in stack.between(date.min, date.max)}
    for year in sorted({day.year for day in days}, reverse=True):
        months = {day.month for day in days if day.year == year}
        if min(months) < 5 and max(months) >= 9:
            return year
    return stack.last_day.year


def _crop(found: Seasons, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the figures of one crop."""
    out: dict[str, Any] = {"parcels": int(rows.sum())}
    for name in NAMES:
        days = getattr(found.main, name)[rows]
        out[name] = _iso(days)
        out[f"{name}_found"] = round(float(np.isfinite(days).mean()), 4)
    for name in NAMES:
        span = getattr(found.main, f"{name}_90")[:, rows]
        width = (span[1] - span[0])[np.isfinite(span).all(axis=0)]
        out[f"{name}_90_days"] = round(float(np.median(width)), 1) if len(width) else None
    kinds = np.bincount(found.kind[rows], minlength=len(KINDS))
    return out | {"kinds": {name: int(count) for name, count in zip(KINDS, kinds, strict=True) if count}}


def _iso(days: Array) -> str | None:
    known = days[np.isfinite(days)]
    return (EPOCH + timedelta(days=round(float(np.median(known))))).isoformat() if len(known) else None


def _errors(found: Dates, truth: Truth, crops: NDArray[np.str_]) -> dict[str, Any]:
    """Return how far the dates are from the truth: of all parcels together and by crop."""
    out: dict[str, Any] = {"source": truth.source, "parcels": int(truth.known.sum())}
    out |= {name: _error(found, truth, name, truth.known) for name in NAMES}
    out["crops"] = {
        str(crop): {name: _error(found, truth, name, truth.known & (crops == crop))["error_days"] for name in NAMES}
        for crop in np.unique(crops[truth.known])
    }
    return out


def _error(found: Dates, truth: Truth, name: str, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the median absolute and mean signed error [days], the share of intervals that hold the truth, misses."""
    given, true = getattr(found, name)[rows], truth.days[name][rows]
    span = getattr(found, f"{name}_90")[:, rows]
    both = np.isfinite(given) & np.isfinite(true)
    told = both & np.isfinite(span).all(axis=0)
    off = given[both] - true[both]
    return {
        "pairs": int(both.sum()),
        "error_days": round(float(np.median(np.abs(off))), 2) if len(off) else None,
        "bias_days": round(float(np.median(off)), 2) if len(off) else None,
        "error_days_p90": round(float(np.quantile(np.abs(off), 0.9)), 2) if len(off) else None,
        "inside_90": round(float(((span[0] <= true) & (true <= span[1]))[told].mean()), 4) if told.any() else None,
        "lost": int((~np.isfinite(given) & np.isfinite(true)).sum()),
        "false": int((np.isfinite(given) & ~np.isfinite(true)).sum()),
    }


def _truth(
    folder: Path, stack: Catalogue | Store, seen: Sequence[Plot], span: tuple[date, date], found: Seasons
) -> Truth | None:
    """Return the truth of the parcels: what they carry, else what a made county's recipe grows; None without either."""
    if any(plot.properties.get(name) for plot in seen for name in NAMES):
        days = {name: np.array([_carried(plot, name) for plot in seen]) for name in NAMES}
        known = np.array([any(plot.properties.get(name) for name in NAMES) for plot in seen])
        return Truth(days, known, "carried by the parcels")
    made = _made(folder) if stack.simulated else None
    if made is None:
        return None
    return grown(made, [plot.id for plot in seen], [str(plot.properties["crop"]) for plot in seen], span)


def _carried(plot: Plot, name: str) -> float:
    text = plot.properties.get(name)
    try:
        return float((date.fromisoformat(str(text)) - EPOCH).days) if text else float("nan")
    except ValueError as error:
        raise DatasetError(
            f"the property {name} is {text!r}, no day", subject=plot.id, remedy="write it as 2018-05-01"
        ) from error


def _made(folder: Path) -> Made | None:
    """Grow the county of a folder again; None where its recipe is not known or the tool for it is not installed."""
    from greattit.growth import trials
    from greattit.simulate import load_recipe

    file = folder / "truth.json"
    if not file.is_file():
        return None
    told = json.loads(file.read_text("utf-8"))
    for name in RECIPES:
        recipe = load_recipe(name)
        if recipe["county"]["id"] == told.get("recipe"):
            try:
                return trials.grow(recipe, int(told["seed"]))
            except GreatTitError:  # prosail is a development tool
                return None
    return None


def grown(made: Made, ids: Sequence[str], crops: Sequence[str], span: tuple[date, date]) -> Truth:
    """Return the dates of made fields by the thresholds of `phenology` on their noise-free NDVI, day by day."""
    place = {name: row for row, name in enumerate(made.names)}
    known = np.array([one in place and made.events[place[one]] == "none" for one in ids])
    rows = [place.get(one, 0) for one in ids]
    first, last = ((one - made.first).days for one in span)
    found = seasons(
        daily(made, max(first, 0), last).take(np.array(rows)), (span[1] - EPOCH).days, _same(crops, span[1])
    )
    days = {name: np.where(known, getattr(found.main, name), np.nan) for name in NAMES}
    return Truth(days, known, "grown again from the recipe: the same thresholds on noise-free NDVI, day by day")


def _same(crops: Sequence[str], day: date) -> Any:
    return beforehand([taxonomy.house_name(crop) for crop in crops], ["flanders"] * len(crops), day)


def daily(made: Made, first: int, last: int) -> Curves:
    """Return the true curves of a made county from day `first` to `last` of it, on steps of one day."""
    values = made.ndvi[:, first : last + 1].T.copy()
    days, rows = values.shape
    at = (made.first - EPOCH).days + first + np.arange(days)
    ends = np.array([np.full(rows, float(at[0])), np.full(rows, float(at[-1]))])
    counts = [np.full(rows, count, np.intp) for count in (0, days - 1, days)]
    return Curves(at, values, np.zeros_like(values), counts[0], counts[1], counts[2], ends)


def table(report: dict[str, Any]) -> str:
    """Return the report as lines for people."""
    made = " (SIMULATED)" if report["simulated"] and "simulated" not in report["catalogue"].lower() else ""
    lines = [f"{report['catalogue']}{made}, {report['year']} up to {report['day']}: {report['parcels']} parcels"]
    head = "".join(f"  {name:>10s} {'found':>6s}" for name in NAMES)
    lines.append(f"  {'crop':20s} {'parcels':>7s}{head}")
    for crop, one in report["crops"].items():
        cells = "".join(f"  {one[name] or '-':>10s} {one[f'{name}_found']:6.0%}" for name in NAMES)
        lines.append(f"  {crop:20s} {one['parcels']:7d}{cells}")
    truth = report["truth"]
    if truth is None:
        return "\n".join([*lines, "  no truth of the dates is known here"])
    lines.append(f"  against the truth of {truth['parcels']} parcels ({truth['source']}):")
    for name in NAMES:
        one = truth[name]
        off = "-" if one["error_days"] is None else f"{one['error_days']:.1f} days"
        held = "-" if one["inside_90"] is None else f"{one['inside_90']:.0%}"
        lines.append(f"  {name:6s} median error {off} over {one['pairs']}; 90 % intervals hold {held}")
    return "\n".join(lines)
