"""Made counties to learn fields from: `grow` gives one, with what every pixel of it really is.

The counties are grown by `simulate` as the sample tiles are, and read as any tiles are, clouds and all. Varied is
what differs between farming regions: the size of fields, how they lie, hedges and margins, crops, climate, looks.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.plots.sight import FINE

if TYPE_CHECKING:
    from greattit.types import Cube

FIELDS = 130
"""About so many fields a county has, whatever their size."""

FINE_PER_PIXEL = 5
"""cells of the made truth along one pixel: 2 m in 10 m"""


@dataclass(frozen=True, eq=False)
class County:
    """One made county as a satellite would have seen it, and its truth."""

    cube: Cube
    """the whole county, a year of looks"""
    numbers: NDArray[np.uint16]
    """(5 y, 5 x) number of the field that each 2 m cell belongs to; 0 is no field"""


def vary(recipe: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return the recipe of another county: its fields from 0.15 to 7 ha in the middle, its land, crops and looks."""
    out = copy.deepcopy(dict(recipe))
    land = out["land"]
    median = float(np.exp(rng.uniform(np.log(0.15), np.log(7.0))))
    size = float(np.clip(np.sqrt(FIELDS * median * 1e4 * 1.5), 640, 1600) // 20 * 20)
    spread = float(rng.uniform(0.5, 1.0))
    land["area_ha"] = {
        "median": median,
        "spread": spread,
        "least": max(0.05, median / 6),
        "most": median * 5,
    }
    land["stout_m2"] = float(min(2500.0, median * 2500))
    land["hedged_share"] = float(rng.uniform(0.0, 0.6))
    land["joined_share"] = float(rng.uniform(0.0, 0.3))
    low = float(rng.uniform(0.3, 1.5))
    land["margin_m"] = [low, low + float(rng.uniform(0.3, 2.0))]
    land["roads"] = [_road(road, rng) for road in land["roads"]]
    land["stream"] = {"from": [1.15, float(rng.uniform(0, 1))], "to": [-0.15, float(rng.uniform(0, 1))], "bend": 0.075}
    land["stream_width_m"] = float(rng.uniform(3, 12))
    land["village"] = {
        "at": rng.uniform(0.2, 0.8, 2).tolist(),
        "radius": float(rng.uniform(0.05, 0.15)),
        "ribbon": float(rng.uniform(1.0, 2.5)),
    }
    land["farms"] = rng.uniform(0.08, 0.92, (int(rng.integers(1, 6)), 2)).tolist()
    land["woods"] = rng.uniform(0.1, 0.9, (int(rng.integers(1, 4)), 2)).tolist()
    out["county"] |= {"size_m": size, "corner_m": [503000, int(rng.uniform(4.2e6, 5.9e6))]}
    climate = out["climate"]
    warmer, wetter = rng.uniform(-1.5, 3.0), rng.uniform(0.4, 1.3)
    climate["temperature_c"] = [value + warmer for value in climate["temperature_c"]]
    climate["rain_mm"] = [value * wetter for value in climate["rain_mm"]]
    for rules in out["crops"].values():
        rules["share"] = float(rules["share"] * np.exp(rng.normal(0, 1.0)))
    out["looks"]["count"] = int(rng.integers(16, 30))
    return out


def _road(road: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Lay a road from one side of the county to another."""
    across = rng.random() < 0.5
    ends = rng.uniform(-0.1, 1.1, 2)
    start, end = ([-0.15, float(ends[0])], [1.15, float(ends[1])])
    if across:
        start, end = start[::-1], end[::-1]
    return {"from": start, "to": end, "bend": road["bend"], "width_m": float(rng.uniform(3.0, 9.0))}


def county(seed: int, folder: Path) -> County:
    """Return the county of a seed, grown once: it is kept in `folder` as SEED.npz."""
    file = folder / f"{seed}.npz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        save(grow(seed), file)
    return load(file)


def save(county: County, file: Path) -> None:
    """Write a county whole or not at all; reflectance as float16, fine enough for counts of 10,000ths."""
    cube = county.cube
    bands: dict[str, Any] = {name: cube[name].values.astype(np.float16) for name in FINE}
    part = file.with_suffix(".part")
    with part.open("wb") as target:
        np.savez(
            target,
            clear=cube["clear"].values,
            time=cube["time"].values,
            numbers=county.numbers,
            transform=np.array(cube.attrs["transform"]),
            crs=cube.attrs["crs"],
            **bands,
        )
    part.replace(file)


def load(file: Path) -> County:
    """Read what `save` wrote."""
    import xarray as xr

    with np.load(file, allow_pickle=False) as held:
        clear, transform = held["clear"], tuple(held["transform"].tolist())
        a, _, west, _, e, north = transform
        cube = xr.Dataset(
            {name: (("time", "y", "x"), held[name].astype(np.float32)) for name in FINE}
            | {"clear": (("time", "y", "x"), clear)},
            coords={
                "time": held["time"],
                "y": north + e * (np.arange(clear.shape[1]) + 0.5),
                "x": west + a * (np.arange(clear.shape[2]) + 0.5),
            },
            attrs={"crs": str(held["crs"]), "transform": transform, "warnings": ()},
        )
        return County(cube, held["numbers"])


def grow(seed: int) -> County:
    """Grow the county of a seed, read it and take its clouds away. Needs the development tool prosail."""
    from greattit.simulate import grow_county, load_recipe

    recipe = vary(load_recipe("sample"), np.random.default_rng([seed, 41]))
    with TemporaryDirectory() as folder:
        return read(grow_county(recipe, seed, Path(folder) / "county"))


def read(folder: Path) -> County:
    """Read a county that `greattit simulate` wrote, whole: its year of looks, unclouded, and fields.tif."""
    import rasterio

    from greattit import clouds
    from greattit.cube import open_stack, read_window

    stack = open_stack(folder)
    with rasterio.open(folder / "fields.tif") as file:
        numbers = file.read(1)
        crs, bounds = file.crs, file.bounds
    from shapely import box

    from greattit.plots.coverage import project

    inner = box(*bounds).buffer(-11.0)
    where = project(inner, str(crs), "EPSG:4326")
    cube = clouds.refine(read_window(stack, where, since=date(1900, 1, 1), until=date(2999, 12, 31)))
    _, _, west, _, _, north = cube.attrs["transform"]
    row, column = round((bounds.top - north) / 2.0), round((west - bounds.left) / 2.0)
    height, width = cube.sizes["y"] * FINE_PER_PIXEL, cube.sizes["x"] * FINE_PER_PIXEL
    padded = np.zeros((height, width), np.uint16)
    rows, columns = np.arange(height) + row, np.arange(width) + column
    inside_r = (rows >= 0) & (rows < numbers.shape[0])
    inside_c = (columns >= 0) & (columns < numbers.shape[1])
    padded[np.ix_(inside_r, inside_c)] = numbers[np.ix_(rows[inside_r], columns[inside_c])]
    return County(cube, padded)
