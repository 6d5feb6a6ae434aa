"""The made county as a test: its plants are grown again from recipe and seed, and held against its tiles.

The tiles of `greattit simulate` keep their pictures and not the leaf area of each day. The same seed grows the same
plants again in seconds, without light, sky or tiles.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import shipped
from greattit.canopy.retrieve import Floats

INSIDE_M = 25.0
"""[m] from its edge that a pixel of 20 m must keep, blur included"""
LEAST_PIXELS = 12
"""pixels of 10 m inside a field, below which it is left out"""
LEAST_CLEAR = 0.98
"""[1] share of them that must be clear"""


@dataclass(frozen=True, eq=False)
class FieldLooks:
    """Mean spectra of whole fields at clear looks, and the leaf area that truly stood there."""

    values: NDArray[np.float64]
    """(n, band) mean reflectance, bands of the house"""
    lai: Floats
    """(n,) [m2/m2] green leaf area, mean over the same pixels"""
    field: NDArray[np.int64]
    """(n,) number of the field"""
    day: NDArray[np.datetime64]
    """(n,)"""
    crop: tuple[str, ...]
    """(n,)"""


def field_looks(tiles: Path | None = None, recipe: str = "sample", seed: int | None = None) -> FieldLooks:
    """Return every field of the made county at `tiles` (default: the sample tiles) at each of its clear looks.

    `recipe` and `seed` (None: the recipe's own) are those that made the tiles. Clear is what the reader of the tiles
    says, on looks that the simulation calls clear. Raises `GreatTitError` without the tiles.
    """
    from greattit.simulate import load_recipe, sky
    from greattit.tiles import open_catalogue, read

    plan = load_recipe(recipe)
    seed = int(plan["county"]["seed"]) if seed is None else seed
    county = _grown(plan, seed)
    where = _square(plan)
    looks = {look.when.date(): look for look in sky.passes(plan["looks"], *_middle(plan), _dice(seed, "passes"))}
    clear_days = sorted(day for day, look in looks.items() if look.state == "clear")
    catalogue = open_catalogue(tiles or shipped.path("data/sample_tiles"))
    cube = _cut(read(catalogue, where, since=clear_days[0], until=clear_days[-1], margin_m=0.0), plan)
    rows = [row for day in clear_days for row in _of_day(cube, county, day)]
    return FieldLooks(
        values=np.array([row[0] for row in rows]),
        lai=np.array([row[1] for row in rows]),
        field=np.array([row[2] for row in rows]),
        day=np.array([row[3] for row in rows], "datetime64[D]"),
        crop=tuple(row[4] for row in rows),
    )


def _dice(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator that `grow_county` throws for a purpose."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def _grown(plan: dict[str, Any], seed: int) -> Any:
    """Return the county as `grow_county` settles it: same order, same dice."""
    from greattit.simulate import scene
    from greattit.simulate.land import lay_out
    from greattit.simulate.plants import make_weather

    first, last = date(int(plan["county"]["year"]) - 1, 8, 1), date(int(plan["county"]["year"]), 12, 31)
    weather = make_weather(plan["climate"], first, (last - first) // timedelta(days=1) + 1, _dice(seed, "weather"))
    return scene.settle(lay_out(plan, _dice(seed, "land")), plan, weather, _dice(seed, "seasons"))


def _square(plan: dict[str, Any]) -> Any:
    """Return the county's square in EPSG:4326."""
    from pyproj import Transformer
    from shapely import box
    from shapely.ops import transform

    left, bottom = (float(value) for value in plan["county"]["corner_m"])
    size = float(plan["county"]["size_m"])
    there = Transformer.from_crs(int(plan["county"]["epsg"]), 4326, always_xy=True).transform
    return transform(there, box(left, bottom, left + size, bottom + size))


def _middle(plan: dict[str, Any]) -> tuple[float, float]:
    """Return latitude and longitude of the county's middle."""
    middle = _square(plan).centroid
    return float(middle.y), float(middle.x)


def lai_map(county: Any, day: date) -> Floats:
    """Return the green leaf area (row, col) [m2/m2] of each 2 m cell on a day, by class and vigour."""
    from greattit.simulate.plants import Course
    from greattit.simulate.scene import VIGOURS

    at = county.weather.at(day)
    table = np.zeros(int(county.classes.max()) + 1)
    for kind, layers in county.ground.items():
        table[kind] = sum(share * what.states["lai"][at] for share, what, _ in layers if isinstance(what, Course))
    return np.asarray(table[county.classes] * np.clip(county.vigour, VIGOURS[0], VIGOURS[-1]))


def _of_day(cube: Any, county: Any, day: date) -> list[tuple[Floats, float, int, date, str]]:
    """Return mean spectrum, leaf area, number, day and crop of every field that was seen clear on a day."""
    from greattit.simulate.land import CELL_M
    from greattit.types import BANDS

    times = cube["time"].values.astype("datetime64[D]")
    found = np.flatnonzero(times == np.datetime64(day, "D"))
    if not len(found):
        return []
    look, step = cube.isel(time=int(found[0])), round(10.0 / CELL_M)
    truth, edge = _blocks(lai_map(county, day), step), _blocks(county.land.edge_m, step, least=True)
    numbers = _numbers(county, step)
    values = np.stack([np.asarray(look[name].values, float) for name in BANDS], axis=-1)
    clear = np.asarray(look["clear"].values, bool) & np.isfinite(values).all(axis=-1)
    rows = []
    for field in county.land.fields:
        here = (numbers == field.number) & (edge >= INSIDE_M)
        if here.sum() >= LEAST_PIXELS and clear[here].mean() >= LEAST_CLEAR:
            seen = here & clear
            rows.append((values[seen].mean(axis=0), float(truth[seen].mean()), field.number, day, field.crop))
    return rows


def _cut(cube: Any, plan: dict[str, Any]) -> Any:
    """Return the part of the cube that is the county, pixel by pixel."""
    transform = cube.attrs["transform"]
    left, bottom = (float(value) for value in plan["county"]["corner_m"])
    size = float(plan["county"]["size_m"])
    col, row = round((left - transform[2]) / 10.0), round((transform[5] - bottom - size) / 10.0)
    return cube.isel(x=slice(col, col + round(size / 10.0)), y=slice(row, row + round(size / 10.0)))


def _blocks(cells: NDArray[Any], step: int, *, least: bool = False) -> Floats:
    rows, cols = cells.shape[0] // step, cells.shape[1] // step
    blocks = np.asarray(cells[: rows * step, : cols * step], float).reshape(rows, step, cols, step)
    return np.asarray(blocks.min(axis=(1, 3)) if least else blocks.mean(axis=(1, 3)))


def _numbers(county: Any, step: int) -> NDArray[np.int64]:
    """Return the number of the field (row, col) at the middle of each 10 m pixel, 0 where there is none."""
    from greattit.simulate.land import FIRST_FIELD

    own = county.land.classes[step // 2 :: step, step // 2 :: step].astype(np.int64)
    return np.asarray(np.where(own >= FIRST_FIELD, own - FIRST_FIELD + 1, 0))
