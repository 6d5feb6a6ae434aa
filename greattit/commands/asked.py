"""What the commands of the satellite layer are asked for: the area, the span, bands, and where pictures go."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from greattit.commands.shared import day_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

EARLIEST, LATEST = date(2014, 1, 1), date(2100, 1, 1)
"""Days asked of a folder when none are given."""


def bands_of(text: str) -> tuple[str, ...] | None:
    """Read a list of optical bands, in the order of the house; None for none named."""
    from greattit.types import BANDS

    asked = {part.strip().upper() for part in text.split(",") if part.strip()}
    if unknown := asked - set(BANDS):
        raise typer.BadParameter(f"no such band: {', '.join(sorted(unknown))}; known: {', '.join(BANDS)}")
    return tuple(band for band in BANDS if band in asked) or None


def area_of(bbox: str | None, file: Path | None) -> BaseGeometry | None:
    """Return the area of --bbox or --area (EPSG:4326); None when neither is given."""
    from shapely.geometry import box

    if bbox and file:
        raise typer.BadParameter("give --bbox or --area, not both")
    if bbox:
        try:
            west, south, east, north = (float(part) for part in bbox.split(","))
        except ValueError as error:
            raise typer.BadParameter(f"{bbox!r} is no box; write west,south,east,north in degrees") from error
        if not _on_earth(west, south, east, north):
            swapped = "; are longitude and latitude swapped?" if _on_earth(south, west, north, east) else ""
            raise typer.BadParameter(
                f"{bbox!r} is no box on the earth; write west,south,east,north in degrees{swapped}"
            )
        return box(west, south, east, north)
    return _polygons(file) if file else None


def _on_earth(west: float, south: float, east: float, north: float) -> bool:
    return -180 <= west < east <= 180 and -90 <= south < north <= 90


def _polygons(file: Path) -> BaseGeometry:
    import geopandas

    from greattit.errors import PlotFileError

    if not file.is_file():
        raise PlotFileError("there is no such file", subject=str(file), remedy="check the path of --area")
    try:
        frame = geopandas.read_parquet(file) if file.suffix.endswith("parquet") else geopandas.read_file(file)
        frame = frame.set_crs("EPSG:4326") if frame.crs is None else frame.to_crs("EPSG:4326")
        shape: BaseGeometry = frame.geometry.make_valid().union_all()
    except Exception as error:  # whatever the driver raises, the file is at fault
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PlotFileError(
            f"cannot be read as an area: {reason}", subject=str(file), remedy="give polygons"
        ) from error
    if shape.is_empty or shape.area == 0:
        raise PlotFileError("holds no polygon", subject=str(file), remedy="give the area as polygons")
    return shape


def span_of(
    first: datetime | None, last: datetime | None, reach: tuple[date, date] = (EARLIEST, LATEST)
) -> tuple[date, date]:
    """Return the first and the last day of --from and --to; where one is not given, that of `reach`."""
    from greattit.errors import GreatTitError

    span = day_of(first, reach[0]), day_of(last, reach[1])
    if span[0] > span[1]:
        if first and last:
            raise GreatTitError(f"--from {span[0]} lies after --to {span[1]}", remedy="the first day comes first")
        raise GreatTitError(
            f"nothing lies from {span[0]} to {span[1]}", remedy=f"the looks reach from {reach[0]} to {reach[1]}"
        )
    return span


def span_of_source(
    source: str, sources: Path | None, first: datetime | None, last: datetime | None
) -> tuple[date, date]:
    """Return the days asked of a source, which on the web must be said; raises `CatalogueError` when there is none."""
    from greattit.errors import CatalogueError
    from greattit.tiles.sources import on_the_web

    if on_the_web(source, sources) and (first is None or last is None):
        raise CatalogueError("a source on the web needs --from and --to", subject=source, remedy="say YYYY-MM-DD")
    return span_of(first, last)


def picture_file(out: Path | None, day: date, bands: list[str]) -> Path:
    """Return the PNG that is meant: DAY_BANDS.png here or in the folder `out`, or the file `out`."""
    from greattit.errors import GreatTitError

    if out is None or out.is_dir():
        return (out or Path()) / f"{day:%Y-%m-%d}_{'-'.join(bands)}.png"
    if out.suffix.lower() not in ("", ".png"):
        raise GreatTitError("a picture is written as PNG", subject=str(out), remedy="let the name end in .png")
    return out.with_suffix(out.suffix or ".png")
