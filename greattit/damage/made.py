"""Made counties whose damage is known: `county` grows one, reads it as tiles are read, and keeps it for the next time.

A recipe (`simulate/recipes/damage-*.yaml`) holds several counties; each has its own seed, weather, clouds and blows.
"""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.types import BANDS, SAR, Interval, Segment

if TYPE_CHECKING:
    from greattit.damage.weather import DailyWeather
    from greattit.simulate.events import Events, Struck
    from greattit.simulate.sky import Look
    from greattit.types import Cube

RECIPES = {"learn": "damage-learn", "choose": "damage-choose", "held-out": "damage-held-out"}
"""what a recipe is for -> its name"""
INSIDE = 0.5
"""share of a 10 m pixel from which it is cut out for a made field"""


@dataclass(frozen=True, eq=False)
class MadeField:
    """One whole field of a made county."""

    number: int
    crop: str
    segment: Segment
    """its exact coverage"""
    struck: Struck | None
    """the truth; None when nothing struck it"""
    usual: tuple[date, date] | None
    """first and last usual day of the crop's harvest; None for grass and orchards"""
    sown: date | None
    """first usual day of sowing"""


@dataclass(frozen=True, eq=False)
class Made:
    """One made county, as a satellite would have seen it, with weather and truth."""

    name: str
    cube: Cube
    fields: tuple[MadeField, ...]
    weather: DailyWeather


def counties(purpose: str, folder: Path) -> Iterator[Made]:
    """Yield the counties of a recipe ("learn" or "held-out"), each grown once and kept in `folder`."""
    from greattit.simulate import load_recipe

    recipe = load_recipe(RECIPES[purpose])
    for number, own in enumerate(recipe["counties"]):
        yield county(varied(recipe, own), folder / f"{RECIPES[purpose]}-{number}-{own['seed']}")


def varied(recipe: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe of one of its counties: what `own` names is put over it, branch by branch."""
    out = copy.deepcopy({key: value for key, value in recipe.items() if key != "counties"})
    out["county"]["seed"] = int(own["seed"])
    for key in ("climate", "looks", "land"):
        out[key] |= own.get(key, {})
    shift = float(own.get("warmer_c", 0.0))
    out["climate"]["temperature_c"] = [value + shift for value in out["climate"]["temperature_c"]]
    for kind, weight in own.get("weights", {}).items():
        out["strikes"]["kinds"][kind] = {**out["strikes"]["kinds"][kind], "weight": weight}
    for kind in ("drought", "frost"):
        rules = out["strikes"]["kinds"].pop(kind, None)
        if rules and own.get(kind):
            out["strikes"]["kinds"][kind] = rules | own[kind]
    return out


def county(recipe: Mapping[str, Any], kept: Path) -> Made:
    """Return a made county; grown by the development tool prosail where the folder `kept` does not hold it yet."""
    file = kept.with_suffix(".npz")
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        _save(recipe, file)
    return _load(recipe, file)


def _dice(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def _save(recipe: Mapping[str, Any], file: Path) -> None:
    from greattit.simulate import events, scene, sky, write
    from greattit.simulate.land import lay_out
    from greattit.simulate.plants import make_weather
    from greattit.simulate.radar import radar

    seed, about = int(recipe["county"]["seed"]), recipe["county"]
    first, last = date(int(about["year"]) - 1, 8, 1), date(int(about["year"]), 12, 31)
    weather = make_weather(recipe["climate"], first, (last - first) // timedelta(days=1) + 1, _dice(seed, "weather"))
    settled = scene.settle(lay_out(recipe, _dice(seed, "land")), recipe, weather, _dice(seed, "seasons"))
    struck = events.strike(settled, recipe, _dice(seed, "strikes"))
    left, bottom = (float(v) for v in about["corner_m"])
    place = write.Place(int(about["epsg"]), left, bottom, float(about["size_m"]))
    lon, lat = place.lonlat([(place.size / 2, place.size / 2)])[0]
    looks = sky.passes(recipe["looks"], lat, lon, _dice(seed, "passes"))
    optical = [_look(struck, look, number, seed, place.size) for number, look in enumerate(looks)]
    sar_days = [first + timedelta(days=int(d)) for d in range(160, (last - first).days - 60, int(recipe["sar_days"]))]
    passes = [radar(settled_on(struck, day), day, _dice(seed, f"radar {day}")) for day in sar_days]
    content: dict[str, Any] = {
        name: np.stack([np.clip(one[name], -0.1, 1.5) for one in optical]).astype(np.float16) for name in BANDS
    }
    content |= {name: np.stack([one[name] for one in passes]).astype(np.float16) for name in SAR}
    content["scl"] = np.stack([one["scl"] for one in optical])
    content["time"] = np.array([look.when.replace(tzinfo=None) for look in looks], "datetime64[ns]")
    content["sar_time"] = np.array(sar_days, "datetime64[ns]")
    content |= _fields(struck)
    content["weather"] = np.stack([weather.temperature, weather.rain, weather.radiation])
    told = [asdict(one) | {"day": str(one.day), "last": str(one.last)} for one in struck.struck]
    crops = {field.number: field.crop for field in settled.land.fields if field.whole}
    content["told"] = json.dumps({"struck": told, "crops": crops, "first": str(first)})
    part = file.with_suffix(".part")
    with part.open("wb") as target:
        np.savez(target, **content)
    part.replace(file)


def settled_on(struck: Events, day: date) -> Any:
    """Return the county as it lies on a day."""
    return struck.on(struck.county.weather.at(day))


def _look(struck: Events, look: Look, number: int, seed: int, size: float) -> dict[str, NDArray[Any]]:
    """Return reflectance of the ten bands and the scene classification of one look on the 10 m grid."""
    from greattit.simulate import scene, sky, truth

    lies = settled_on(struck, look.when.date())
    clear = scene.surface(lies, look, _dice(seed, f"grain {number}"))
    above = sky.cover(look, size, _dice(seed, f"sky {number}"))
    counts = scene.expose(clear, above, _dice(seed, f"noise {number}"))
    scl, _ = scene.classify(clear, above, truth.built_share(lies.land), _dice(seed, f"scl {number}"))
    rows = counts["B04"].shape[0]
    found: dict[str, NDArray[Any]] = {
        name: np.kron((values.astype(np.float32) - 1000.0) / 1e4, np.ones((rows // values.shape[0],) * 2, np.float32))
        for name, values in counts.items()
    }
    found["scl"] = np.kron(scl, np.ones((rows // scl.shape[0],) * 2, np.uint8))
    return found


def _fields(struck: Events) -> dict[str, NDArray[Any]]:
    """Return the coverage of every whole field in sparse form: number, place on the 10 m grid, share."""
    from greattit.simulate.land import FIRST_FIELD

    land = struck.county.land
    numbers = np.where(land.classes >= FIRST_FIELD, land.classes.astype(np.int64) - FIRST_FIELD + 1, 0)
    rows, cols = numbers.shape[0] // 5, numbers.shape[1] // 5
    blocks = numbers.reshape(rows, 5, cols, 5).transpose(0, 2, 1, 3).reshape(rows * cols, 25)
    found = []
    for field in land.fields:
        if field.whole:
            share = (blocks == field.number).mean(axis=1)
            at = np.flatnonzero(share)
            found.append(np.stack([np.full(len(at), field.number), at, share[at]]))
    return {"coverage": np.concatenate(found, axis=1)}


def _load(recipe: Mapping[str, Any], file: Path) -> Made:
    import xarray as xr

    from greattit import clouds
    from greattit.tiles.assemble import CLEAR_CLASSES

    with np.load(file, allow_pickle=False) as held:
        told = json.loads(str(held["told"]))
        scl, coverage = held["scl"], held["coverage"]
        layers: dict[str, Any] = {name: (("time", "y", "x"), held[name].astype(np.float32)) for name in BANDS}
        layers |= {name: (("sar_time", "y", "x"), held[name].astype(np.float32)) for name in SAR}
        layers |= {"scl": (("time", "y", "x"), scl), "clear": (("time", "y", "x"), np.isin(scl, CLEAR_CLASSES))}
        temperature, rain, radiation = held["weather"]
        left, bottom = (float(v) for v in recipe["county"]["corner_m"])
        rows, cols = scl.shape[1:]
        cube = xr.Dataset(
            layers,
            coords={
                "time": held["time"],
                "sar_time": held["sar_time"],
                "y": bottom + 10.0 * rows - 10.0 * (np.arange(rows) + 0.5),
                "x": left + 10.0 * (np.arange(cols) + 0.5),
            },
            attrs={"crs": f"EPSG:{recipe['county']['epsg']}", "transform": (10, 0, left, 0, -10, bottom + 10.0 * rows)},
        )
    fields = _made_fields(recipe, told, coverage, (rows, cols))
    weather = _weather(date.fromisoformat(told["first"]), temperature, rain, radiation, recipe)
    return Made(file.stem, clouds.refine(cube), fields, weather)


def _made_fields(
    recipe: Mapping[str, Any], told: Mapping[str, Any], coverage: NDArray[Any], shape: tuple[int, int]
) -> tuple[MadeField, ...]:
    from shapely import Point

    from greattit.simulate.events import Struck

    struck = {
        one["number"]: Struck(**{**one, "day": date.fromisoformat(one["day"]), "last": date.fromisoformat(one["last"])})
        for one in told["struck"]
    }
    found = []
    for number, crop in ((int(key), value) for key, value in told["crops"].items()):
        own = coverage[:, coverage[0] == number]
        share = np.zeros(shape[0] * shape[1], np.float32)
        share[own[1].astype(int)] = own[2]
        hectares = float(share.sum()) * 0.01
        area = Interval(hectares, hectares, hectares, "ha")
        segment = Segment(f"{number:03d}", share.reshape(shape), area, hectares, Point(0, 0), {}, 0.0)
        if (share >= INSIDE).sum() >= 20:
            main = recipe["crops"][crop].get("main")
            usual = tuple(main["harvest"]) if main else None
            found.append(MadeField(number, crop, segment, struck.get(number), usual, main["sown"][0] if main else None))
    return tuple(found)


def _weather(
    first: date,
    temperature: NDArray[np.float64],
    rain: NDArray[np.float64],
    radiation: NDArray[np.float64],
    recipe: Mapping[str, Any],
) -> DailyWeather:
    """Return the daily record: half of the day's range is 3 to 6 degC, more under a clear sky; frost nights as told."""
    from greattit.damage.weather import DailyWeather

    days = np.datetime64(first, "D") + np.arange(len(temperature))
    half = 3.0 + np.clip(radiation / 8.0, 0.0, 3.0)
    lowest = temperature - half
    night = recipe["strikes"]["kinds"].get("frost")
    if night:
        lowest[(np.datetime64(str(night["night"])) - days[0]).astype(int)] = float(night["tmin_c"])
    return DailyWeather(days, lowest, temperature + half, temperature, rain, radiation)
