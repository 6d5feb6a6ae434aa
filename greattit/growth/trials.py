"""Seasons whose course is known: made counties, their noise-free NDVI day by day, and what a satellite sees of it.

Needs the development tool `prosail` (see `greattit.simulate`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from greattit.simulate.scene import Layers

Array = NDArray[np.float64]

COARSE_DAYS = 4
"""Days from one reckoned day to the next; where NDVI moves by more than `JUMP` all days between are reckoned."""

JUMP = 0.03
"""NDVI [1]"""

VIEW = (4.2, 286.0)
"""[deg] zenith and azimuth of the satellite"""


@dataclass(frozen=True, eq=False)
class Made:
    """The fields of a made county with their true course."""

    names: tuple[str, ...]
    """as in its plots.geojson"""
    crops: tuple[str, ...]
    """house names"""
    events: tuple[str, ...]
    """"none" or what struck the field"""
    first: date
    """first day of `ndvi`"""
    ndvi: Array
    """(row, day) noise-free NDVI of the whole field at mean vigour"""


def grow(recipe: Mapping[str, Any], seed: int) -> Made:
    """Return the fields that `simulate.grow_county(recipe, seed)` grows, with their NDVI day by day.

    The part of a field that an event struck is left out: the course is that of the rest.
    """
    from greattit.simulate import scene, write
    from greattit.simulate.land import FIRST_FIELD, lay_out
    from greattit.simulate.plants import make_weather

    def dice(purpose: str) -> np.random.Generator:
        return np.random.default_rng([seed, zlib.crc32(purpose.encode())])

    county = recipe["county"]
    year = int(county["year"])
    first = date(year - 1, 8, 1)
    days = (date(year, 12, 31) - first).days + 1
    weather = make_weather(recipe["climate"], first, days, dice("weather"))
    land = lay_out(recipe, dice("land"))
    grown = scene.settle(land, recipe, weather, dice("seasons"))
    left, bottom = (float(v) for v in county["corner_m"])
    place = write.Place(int(county["epsg"]), left, bottom, float(county["size_m"]))
    lon, lat = place.lonlat([(place.size / 2, place.size / 2)])[0]
    rows = [_ndvi(grown.ground[FIRST_FIELD + field.number - 1], first, days, (lon, lat)) for field in land.fields]
    return Made(
        tuple(f"sim-{year}-{field.number:03d}" for field in land.fields),
        tuple(field.crop for field in land.fields),
        tuple(field.event for field in land.fields),
        first,
        np.array(rows),
    )


def _ndvi(layers: Layers, first: date, days: int, lonlat: tuple[float, float]) -> Array:
    """Return the NDVI (day,) of one field, reckoned day by day only where it moves."""
    known = {day: _on(layers, first, day, lonlat) for day in {*range(0, days, COARSE_DAYS), days - 1}}
    marks = sorted(known)
    for before, after in pairwise(marks):
        if abs(known[after] - known[before]) > JUMP:
            known |= {day: _on(layers, first, day, lonlat) for day in range(before + 1, after)}
    marks = sorted(known)
    return np.interp(np.arange(days), marks, [known[day] for day in marks])


def _on(layers: Layers, first: date, day: int, lonlat: tuple[float, float]) -> float:
    """Return NDVI on one day; soil is as dry as `simulate.scene` takes it for a cell of mean texture."""
    from greattit.simulate.light import BANDS_NM, Sun, plant
    from greattit.simulate.sky import sun_at

    on = first + timedelta(days=day)
    zenith, azimuth = sun_at(datetime(on.year, on.month, on.day, 11, tzinfo=UTC), lonlat[1], lonlat[0])
    light = np.zeros(len(BANDS_NM))
    for share, course, damp in layers:
        if isinstance(course, str):
            continue
        state = course.on(day)
        dryness = float(np.clip(0.50 - 0.36 * state["moist"] + damp, 0.06, 0.8))
        light += share * plant(state, dryness, Sun(zenith, azimuth, *VIEW))
    red, near = (light[list(BANDS_NM).index(name)] for name in ("B04", "B08"))
    return float((near - red) / (near + red))


@dataclass(frozen=True, eq=False)
class Seen:
    """What a satellite saw of made seasons: looks of many rows, padded to the longest."""

    days: Array
    """(row, look) since `Made.first`"""
    values: Array
    """(row, look) NDVI with noise"""
    weights: Array
    """(row, look) clear share; 0 where clouded or padded"""


def look(made: Made, rng: np.random.Generator, *, every: int = 5, clouded: float = 0.4, noise: float = 0.02) -> Seen:
    """Look every so many days, lose a share `clouded` of the looks, spoil one in fifty of the rest.

    `noise` [1] is one sigma of NDVI; a spoilt look, a cloud that was missed, lies 0.05 to 0.35 too low.
    """
    rows, days = made.ndvi.shape
    at = np.arange(0, days, every)[None, :] + rng.integers(0, every, (rows, 1))
    at = np.minimum(at, days - 1)
    values = np.take_along_axis(made.ndvi, at, axis=1) + noise * rng.normal(size=at.shape)
    values -= (rng.random(at.shape) < 0.02) * rng.uniform(0.05, 0.35, at.shape)
    clear = rng.random(at.shape) >= clouded
    weights = np.where(clear, np.clip(rng.normal(1.0, 0.15, at.shape), 0.5, 1.0), 0.0)
    return Seen(at.astype(np.float64), values, weights)
