"""Made truth: what hung over a simulated county, grown again from its recipe and seed.

The sky and the seasons of a county need no canopy light, so this takes seconds and no development tool.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.stack import CLEAR, CLOUD, SHADOW

if TYPE_CHECKING:
    from greattit.simulate.scene import County
    from greattit.simulate.sky import Look, Sky

CLOUD_OPACITY, CIRRUS_OPACITY, HAZE_OPACITY, SHADOW_DEPTH = 0.08, 0.06, 0.10, 0.15
"""From where a pixel counts as spoilt, as in `simulate.scene.classify`."""
CHANGED_DAYS = 20
"""[day] after a harvest, cut, ploughing or flood in which a look counts as "right after" it"""


@dataclass(frozen=True, eq=False)
class Truth:
    """What a simulated county's looks really show."""

    mask: NDArray[np.uint8]
    """(t, y, x) clear, cloud or shadow"""
    changed: NDArray[np.bool_]
    """(t, y, x) a field that was harvested, cut, ploughed or flooded in the CHANGED_DAYS before"""
    when: NDArray[np.datetime64]
    """(t,) of the looks"""


def spoilt(sky: Sky) -> NDArray[np.uint8]:
    """Return the mask (y, x) of one look from what hangs over it."""
    cloudy = (sky.cloud > CLOUD_OPACITY) | (sky.cirrus > CIRRUS_OPACITY) | (sky.haze > HAZE_OPACITY)
    mask = np.where(sky.shadow > SHADOW_DEPTH, SHADOW, CLEAR)
    return np.where(cloudy, CLOUD, mask).astype(np.uint8)


def regrown(folder: Path) -> Truth | None:
    """Return the truth of a catalogue that a shipped recipe grew; None when it is not known which.

    The recipe's id and the seed stand in the catalogue's truth.json.
    """
    from greattit.simulate import load_recipe

    file = folder / "truth.json"
    if not file.is_file():
        return None
    told = json.loads(file.read_text(encoding="utf-8"))
    recipe = load_recipe("sample")
    if told.get("recipe") != recipe["county"]["id"]:
        return None
    return of_county(recipe, int(told["seed"]))


def of_county(recipe: Mapping[str, Any], seed: int) -> Truth:
    """Return the truth of the county that `grow_county(recipe, seed, ...)` writes."""
    from greattit.simulate import sky, write

    county, rules = recipe["county"], recipe["looks"]
    left, bottom = (float(v) for v in county["corner_m"])
    place = write.Place(int(county["epsg"]), left, bottom, float(county["size_m"]))
    grown = settled(recipe, seed)
    lon, lat = place.lonlat([(place.size / 2, place.size / 2)])[0]
    looks = sky.passes(rules, lat, lon, dice(seed, "passes"))
    mask = [spoilt(sky.cover(look, place.size, dice(seed, f"sky {n}"))) for n, look in enumerate(looks)]
    changed = [just_changed(grown, look) for look in looks]
    when = np.array([look.when.replace(tzinfo=None) for look in looks], "datetime64[ns]")
    return Truth(np.stack(mask), np.stack(changed), when)


def settled(recipe: Mapping[str, Any], seed: int) -> County:
    """Lay out the land of a recipe and grow its fields."""
    from greattit.simulate import scene
    from greattit.simulate.land import lay_out
    from greattit.simulate.plants import make_weather

    year = int(recipe["county"]["year"])
    first, last = date(year - 1, 8, 1), date(year, 12, 31)
    weather = make_weather(recipe["climate"], first, (last - first) // timedelta(days=1) + 1, dice(seed, "weather"))
    return scene.settle(lay_out(recipe, dice(seed, "land")), recipe, weather, dice(seed, "seasons"))


def dice(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator that `simulate.grow_county` uses for one purpose."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def just_changed(county: County, look: Look) -> NDArray[np.bool_]:
    """Return (y, x) on 10 m: ground whose canopy fell or which was flooded in the CHANGED_DAYS before the look.

    A fall: green and dead leaf area together lose 1.0 and a third within four days. Most of the pixel's 2 m cells.
    """
    day = county.weather.at(look.when.date())
    fell = np.zeros(int(county.classes.max()) + 1, bool)
    for kind, layers in county.ground.items():
        courses = [(share, what) for share, what, _ in layers if not isinstance(what, str) and share > 0.5]
        for _, course in courses:
            states = course.states
            leaf = (states["lai"] + states["dead"])[max(0, day - CHANGED_DAYS - 4) : day + 1]
            water = states["water"][max(0, day - CHANGED_DAYS) : day + 1]
            drop = leaf[:-4] - leaf[4:]
            fell[kind] = bool(((drop > 1.0) & (drop > leaf[:-4] / 3)).any() or (water > 0.2).any())
    cells = fell[county.classes].astype(np.float32)
    rows, cols = cells.shape[0] // 5, cells.shape[1] // 5
    return np.asarray(cells[: rows * 5, : cols * 5].reshape(rows, 5, cols, 5).mean(axis=(1, 3)) > 0.6)
