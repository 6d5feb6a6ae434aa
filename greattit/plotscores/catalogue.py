"""The true fields of a catalogue or cube, and its season, read once: `read`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greattit import clouds, plots
from greattit.cube import open_stack, read_window
from greattit.errors import DatasetError
from greattit.evaluate import usual_day
from greattit.plots.coverage import project
from greattit.plotscores.truth import (
    EVERYWHERE,
    FIELDS_ONLY,
    Field,
    Place,
    Told,
    blocks_of,
    bounds_of,
    hectares,
    part_of,
    polygons_of,
)

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Cube, Plot

TRUTH = "fields.tif"
"""Raster of all field numbers beside a made county's plots; 0 is no field."""

INSIDE = 0.98
"""Share of a parcel that must lie inside the tiles for it to be asked for: outlines are rounded to some centimetres."""

WIDEST_M = 6000.0
"""Widest window that is read at once [m]: some 2 GB with fifty looks."""


def read(folder: str | Path, *, parcels_file: Path | None = None, day: date | None = None) -> tuple[Told, Place]:
    """Read the season of a catalogue or cube up to `day` and its true fields.

    Parcels stand in `parcels_file`, by default in `folder`/plots.geojson. Where `folder`/fields.tif lies beside them
    (made counties) all ground is known: its fields that are no parcel, those cut by the tiles' edge, are known and not
    asked for. Elsewhere ground without a parcel is unknown. Raises `DatasetError` (no parcels, none inside, too wide)
    and `TilesError`.
    """
    stack = open_stack(folder)
    file = parcels_file or Path(folder) / "plots.geojson"
    if not file.is_file():
        raise DatasetError(f"has no {file.name}", subject=str(folder), remedy="name a file of parcels (--plots)")
    parcels, problems = plots.load_checked(file, near=stack.bounds)
    if not parcels:
        raise DatasetError("holds no usable parcel", subject=str(file), remedy="name a file of parcels (--plots)")
    day = day or usual_day(stack)
    raster = Path(folder) / TRUTH
    complete = raster.is_file()
    window = ground_of(raster if complete else None, parcels)
    cube = clouds.refine(_seen(read_window(stack, window, since=date(day.year, 1, 1), until=day)))
    shapes = {plot.id: project(plot.geometry, "EPSG:4326", cube.attrs["crs"]) for plot in parcels}
    fields = _asked(parcels, shapes, cube)
    left_out = {"no usable outline": len(problems), "not whole in the tiles": len(parcels) - len(fields)}
    if not fields:
        raise DatasetError("has no parcel whole inside the tiles", subject=str(file), remedy="name other parcels")
    if complete:
        fields += _others(raster, shapes, cube)
    told = Told(
        stack.title,
        day.isoformat(),
        stack.simulated,
        EVERYWHERE if complete else FIELDS_ONLY,
        "blocks of the window",
        {why: count for why, count in left_out.items() if count},
    )
    return told, Place(cube, tuple(sorted(fields, key=lambda field: field.id)), complete)


def ground_of(raster: Path | None, parcels: list[Plot]) -> BaseGeometry:
    """Return the ground to read (EPSG:4326): all of the truth raster, else all parcels; refuse what is too wide."""
    import shapely

    if raster is not None:
        import rasterio

        with rasterio.open(raster) as file:
            ground = project(shapely.box(*file.bounds), file.crs.to_string(), "EPSG:4326")
    else:
        ground = shapely.box(*shapely.total_bounds([plot.geometry for plot in parcels]))
    west, south, east, north = ground.bounds
    width_m = (east - west) * 111_320 * np.cos(np.radians((south + north) / 2))
    if max(width_m, (north - south) * 111_320) > WIDEST_M:
        raise DatasetError(
            f"the parcels span {width_m / 1e3:.1f} km x {(north - south) * 111.32:.1f} km, "
            f"and at most {WIDEST_M / 1e3:g} km are read at once",
            subject=str(raster or "parcels"),
            remedy="name a file with parcels of a smaller area (--plots)",
        )
    return ground


def _seen(cube: Cube) -> Cube:
    """Cut off the rim that lies outside the tiles."""
    seen = np.isfinite(cube["B04"].values).any(axis=0)
    rows, columns = np.nonzero(seen.any(axis=1))[0], np.nonzero(seen.any(axis=0))[0]
    if not len(rows):
        raise DatasetError("was not seen on any day of the season", subject="the window", remedy="name another day")
    return part_of(cube, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))


def _asked(parcels: list[Plot], shapes: dict[str, BaseGeometry], cube: Cube) -> list[Field]:
    import shapely

    bounds = bounds_of(cube)
    window = shapely.box(*bounds)
    blocks = blocks_of(list(shapes.values()), bounds)
    return [
        Field(plot.id, shapes[plot.id], plot.area_ha, block)
        for plot, block in zip(parcels, blocks, strict=True)
        if shapes[plot.id].intersection(window).area >= INSIDE * shapes[plot.id].area
    ]


def _others(raster: Path, parcels: dict[str, BaseGeometry], cube: Cube) -> list[Field]:
    """Return the fields of the truth raster that no parcel stands for."""
    import rasterio
    import shapely

    with rasterio.open(raster) as file:
        labels, transform, crs = file.read(1).astype(np.int32), tuple(file.transform)[:6], file.crs.to_string()
    if crs != cube.attrs["crs"]:
        raise DatasetError(f"is in {crs}, the tiles in {cube.attrs['crs']}", subject=str(raster), remedy="remove it")
    ground = shapely.union_all(list(parcels.values()))
    found = {n: s for n, s in polygons_of(labels, transform).items() if s.intersection(ground).area < 0.5 * s.area}
    blocks = blocks_of(list(found.values()), bounds_of(cube))
    return [
        Field(f"{TRUTH}-{number}", shape, hectares(shape, crs), block, whole=False)
        for (number, shape), block in zip(found.items(), blocks, strict=True)
    ]
