"""Plots out of a file: valid, in EPSG:4326, measured, with what was mended said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greattit.errors import PlotError, PlotShapeError
from greattit.plots.area import area_ha
from greattit.plots.mend import Bbox, mend
from greattit.plots.source import Raw, read
from greattit.types import Plot

Source = Path | str | bytes | Mapping[str, Any] | Sequence[Any]

MIN_HA = 0.04
"""[ha] four 10 m pixels: below that no pixel need lie wholly inside the plot"""

MAX_HA = 10_000.0
"""[ha] larger than any one field; such a drawing is a village or a slip of the finger"""


@dataclass(frozen=True)
class Problem:
    """A feature that is no plot."""

    place: int
    """its place in the file, from 0"""
    id: str
    """its own id, "" when it has none"""
    error: PlotError
    """what is wrong, where, and what to do"""


def load(source: Source, *, near: Bbox | None = None, skip_bad: bool = False) -> list[Plot]:
    """Read every plot of `source`, in its order.

    `source` is a GeoJSON file, text or object (Feature, FeatureCollection, GeometryCollection or bare geometry; with
    or without a crs member), or a GeoParquet, GeoPackage, Shapefile or FlatGeobuf path. `near` (west, south, east,
    north [degree], say of the tiles) lets swapped latitude and longitude be seen. Raises `PlotFileError` when the file
    cannot be used, and `PlotFileError` or `PlotShapeError` for its first bad feature; `skip_bad` leaves those out.
    """
    plots, problems = load_checked(source, near=near)
    if problems and not skip_bad:
        raise problems[0].error
    return plots


def load_checked(source: Source, *, near: Bbox | None = None) -> tuple[list[Plot], list[Problem]]:
    """Read every plot of `source` and every feature that is none; `PlotFileError` when the file cannot be used."""
    _, raws = read(source)
    taken = {raw.id for raw in raws if raw.id}
    seen: set[str] = set()
    plots, problems = [], []
    for place, raw in enumerate(raws):
        id, said = _name(raw, place, seen, taken)
        try:
            plots.append(_plot(raw, id, said, near))
        except PlotError as error:
            problems.append(Problem(place, raw.id, error))
    return plots, problems


def _name(raw: Raw, place: int, seen: set[str], taken: set[str]) -> tuple[str, list[str]]:
    """Return an id that no other feature has, and what was done to get it."""
    if raw.id and raw.id not in seen:
        seen.add(raw.id)
        return raw.id, []
    stem, number = (raw.id, 2) if raw.id else ("plot", place + 1)
    while (id := f"{stem}-{number}") in seen | taken:
        number += 1
    seen.add(id)
    if raw.id:
        return id, [f"Its id {raw.id} belongs to an earlier plot; it was named {id}."]
    return id, [f"It had no id; it was named {id}."]


def _plot(raw: Raw, id: str, said: list[str], near: Bbox | None) -> Plot:
    geometry, mended = mend(raw.geometry, raw.crs, raw.subject, near)
    area = area_ha(geometry)
    if not area > 0:
        raise PlotShapeError("has no area", subject=raw.subject, remedy="draw the field's outline as a Polygon")
    if area < MIN_HA:
        raise PlotShapeError(
            f"has {area * 10_000:.1f} m2; a plot needs at least {MIN_HA} ha, four pixels of 10 m",
            subject=raw.subject,
            remedy="draw the whole field, or join it with the neighbouring field of the same crop",
        )
    if area > MAX_HA:
        raise PlotShapeError(
            f"has {area:,.0f} ha; a plot may have at most {MAX_HA:,.0f} ha",
            subject=raw.subject,
            remedy="draw one field",
        )
    return Plot(id, geometry, area, (*said, *mended), raw.properties)
