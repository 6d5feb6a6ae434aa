"""Made seasons to learn from: varied counties under varied skies, classified with varied mistakes.

The county is grown by `simulate`; what is varied here is what differs between a simulation and the world: soil
brightness, colours of cloud and skylight, thin cloud, error of the atmospheric correction, a pixel's shift between
passes, greenhouses and film, the mistakes of the scene classification, how often there is a look, top of atmosphere.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.clouds import made
from greattit.clouds.stack import BANDS, SCL_UNCLASSIFIED, Stack

PLACES = {"own": (5.05e6, 5.95e6), "held out": (3.6e6, 4.6e6)}
"""[m] northing of the counties: the sun of 46-54 degrees north for training, of 33-41 for those held out"""
SIZE_M = 960
PLASTIC = np.array([0.24, 0.26, 0.27, 0.31, 0.30, 0.24])
"""White film and glass over a crop, in the order of BANDS; of the order of Aguilar et al. 2016, Remote Sens. 8, 513."""
WETTED = np.array([0.40, 0.42, 0.44, 0.46, 0.52, 0.56])
"""Share of the reflectance of soil that soaking takes away, in the order of BANDS (order of Lobell and Asner 2002, Soil
Sci. Soc. Am. J. 66)."""
RAYLEIGH = np.array([0.085, 0.048, 0.024, 0.009, 0.001, 0.0])
"""Path reflectance at the top of a clear atmosphere, in the order of BANDS (order of Vermote et al. 1997, 6S)."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One season of one county under one sky."""

    stack: Stack
    mask: NDArray[np.uint8]
    """(t, y, x) the truth"""
    changed: NDArray[np.bool_]
    """(t, y, x) see `made.Truth`"""


def vary(recipe: Mapping[str, Any], kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Return a recipe for another county: its latitude, climate, fields and crops."""
    out = copy.deepcopy(dict(recipe))
    out["county"] |= {"size_m": SIZE_M, "corner_m": [503000, int(rng.uniform(*PLACES[kind]))]}
    climate = out["climate"]
    warmer, wetter = rng.uniform(-1.5, 3.0), rng.uniform(0.4, 1.3)
    climate["temperature_c"] = [v + warmer for v in climate["temperature_c"]]
    climate["rain_mm"] = [v * wetter for v in climate["rain_mm"]]
    for rules in out["crops"].values():
        rules["share"] = float(rules["share"] * np.exp(rng.normal(0, 0.7)))
    out["land"]["area_ha"] = {**out["land"]["area_ha"], "median": float(rng.uniform(0.8, 3.5))}
    return out


def lessons(seed: int, *, kind: str = "own", skies: int = 3, looks: int = 66) -> Iterator[Lesson]:
    """Grow one county and hang `skies` seasons of weather over it. Needs the development tool prosail."""
    from greattit.simulate import load_recipe, scene, truth

    rng = np.random.default_rng([seed, 7])
    recipe = vary(load_recipe("sample"), kind, rng)
    county = made.settled(recipe, seed)
    built = truth.built_share(county.land)
    passes = _passes(recipe, looks, rng)
    clear = [scene.surface(county, look, rng) for look in passes]
    changed = np.stack([made.just_changed(county, look) for look in passes])
    clear = _brighten(clear, rng)
    film = _under_film(county.land, rng)
    for _ in range(skies):
        kept = _kept(looks, rng)
        yield _season([(passes[k], clear[k], changed[k]) for k in kept], built, film, rng)


def _kept(looks: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which passes of a year one season holds: a whole year, or from winter to the day of an appraisal."""
    first, last = (looks // 6, int(rng.integers(looks // 2, looks + 1))) if rng.random() < 0.5 else (0, looks)
    most = last - first
    drawn = rng.choice(np.arange(first, last), int(rng.integers(min(14, most), most + 1)), replace=False)
    return np.sort(drawn)


def _passes(recipe: Mapping[str, Any], count: int, rng: np.random.Generator) -> list[Any]:
    from greattit.simulate import sky, write

    county = recipe["county"]
    left, bottom = (float(v) for v in county["corner_m"])
    place = write.Place(int(county["epsg"]), left, bottom, float(county["size_m"]))
    lon, lat = place.lonlat([(place.size / 2, place.size / 2)])[0]
    rules = {**recipe["looks"], "count": count}
    return sky.passes(rules, lat, lon, rng)


def _brighten(clear: list[dict[str, NDArray[Any]]], rng: np.random.Generator) -> list[dict[str, NDArray[Any]]]:
    """Make all bare ground of a county darker or brighter, and redder or greyer."""
    gain, tilt = rng.uniform(-0.25, 0.9), rng.uniform(-0.25, 0.35)
    out = []
    for bands in clear:
        ndvi = (bands["B08"] - bands["B04"]) / (bands["B08"] + bands["B04"] + 1e-4)
        bare = np.clip((0.5 - ndvi) / 0.4, 0, 1)
        coarse = bare.reshape(bare.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
        new = {}
        for name, values in bands.items():
            colour = {"B02": 1 + tilt, "B03": 1 + tilt / 2}.get(name, 1.0)
            part = bare if values.shape == bare.shape else coarse
            new[name] = np.clip(values * (1 + part * ((1 + gain) * colour - 1)), 0.001, 0.75).astype(np.float32)
        out.append(new)
    return out


def _under_film(land: Any, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the share (y, x) of plastic film or glass: some of the county's fields, all season."""
    from greattit.simulate.land import FIRST_FIELD

    fields = [f.number for f in land.fields]
    covered = rng.choice(fields, max(1, round(len(fields) * rng.uniform(0.0, 0.12))), replace=False)
    cells = np.isin(land.classes, FIRST_FIELD + covered - 1).astype(np.float32)
    side = cells.shape[0] // 5
    shares: NDArray[np.float32] = cells.reshape(side, 5, side, 5).mean(axis=(1, 3)) * np.float32(rng.uniform(0.5, 1.0))
    return shares


def _season(
    looks: list[tuple[Any, dict[str, NDArray[Any]], NDArray[np.bool_]]],
    built: NDArray[Any],
    film: NDArray[np.float32],
    rng: np.random.Generator,
) -> Lesson:
    """Hang a sky over every look and classify it."""
    top = rng.random() < 0.15
    silent = top or rng.random() < 0.06
    shares = rng.dirichlet([5.0, 3.0, 2.5])
    values, scl, mask = [], [], []
    for look, clear, _ in looks:
        above = _sky(look, shares, rng)
        values.append(_expose(clear, film, above, top, rng))
        scl.append(_classify(clear, above, built, film, rng))
        mask.append(made.spoilt(above))
    days = np.array([(look.when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1) for look, _, _ in looks])
    classes = np.full((len(looks), *film.shape), SCL_UNCLASSIFIED, np.uint8) if silent else np.stack(scl)
    stack = Stack(days, np.stack(values, axis=1), np.ones(classes.shape, bool), classes, not silent)
    return Lesson(stack, np.stack(mask), np.stack([changed for _, _, changed in looks]))


def _sky(look: Any, shares: NDArray[Any], rng: np.random.Generator) -> Any:
    from dataclasses import replace

    from greattit.simulate import sky

    state = str(rng.choice(["clear", "partly", "overcast"], p=shares))
    above = sky.cover(replace(look, state=state), SIZE_M, rng)
    thin = rng.uniform(0.2, 0.7) if rng.random() < 0.25 else 1.0
    return replace(
        above, cloud=above.cloud * thin, shadow=above.shadow * (1 - 0.7 * (1 - thin)) * rng.uniform(0.8, 1.0)
    )


def _expose(
    clear: Mapping[str, NDArray[Any]], film: NDArray[np.float32], above: Any, top: bool, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return reflectance (band, y, x) on 10 m: ground, film, shadow, haze, cloud, errors of the product."""
    from scipy.ndimage import shift

    from greattit.simulate import sky
    from greattit.simulate.light import BANDS_NM

    index = [list(BANDS_NM).index(name) for name in BANDS]
    milky = rng.uniform(0.55, 1.15)
    colours = {
        "haze": sky.HAZE[index] * rng.uniform(0.8, 1.3),
        "cloud": sky.CLOUD[index] * milky * np.append(np.ones(4), rng.uniform(0.5, 1.15, 2)),
        "cirrus": sky.CIRRUS[index] * rng.uniform(0.7, 1.2),
    }
    light = sky.SKYLIGHT[index] * rng.uniform(0.6, 1.3)
    moved = rng.normal(0, 0.3, 2)
    lift = np.abs(0.004 * rng.normal()) * np.array([1.0, 0.75, 0.6, 0.4, 0.2, 0.15])
    gain = 1.0 + 0.03 * rng.normal() + 0.03 * rng.normal() * np.linspace(-1, 1, len(BANDS))
    wet = _wetness(clear, rng)
    out = np.zeros((len(BANDS), *film.shape), np.float32)
    for k, name in enumerate(BANDS):
        ground = clear[name]
        fine = ground if ground.shape == film.shape else np.repeat(np.repeat(ground, 2, 0), 2, 1)
        fine = fine * (1 - WETTED[k] * wet) * (1 - film) + PLASTIC[k] * (0.85 + 0.15 * rng.random()) * film
        lit = shift(fine, moved, order=1, mode="nearest") * gain[k] * (1 - above.shadow * (1 - light[k]))
        for part, colour in colours.items():
            opacity = getattr(above, part)
            lit = lit * (1 - opacity) + opacity * colour[k]
        noise = rng.normal(size=lit.shape) * (0.0006 + 0.0035 * np.clip(lit, 0, 1))
        seen = np.clip(lit + lift[k] + noise, 0.0001, 1.5)
        out[k] = seen * (1 - 0.9 * RAYLEIGH[k]) + RAYLEIGH[k] if top else seen
    for k in (4, 5):
        coarse = out[k].reshape(out.shape[1] // 2, 2, -1, 2).mean(axis=(1, 3))
        out[k] = np.repeat(np.repeat(coarse, 2, 0), 2, 1)
    return out


def _wetness(clear: Mapping[str, NDArray[Any]], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how wet the ground is in one look (y, x) 0-1: patches of soaked bare soil, a little on plants."""
    from scipy.ndimage import gaussian_filter

    red, near = clear["B04"], clear["B08"]
    bare = np.clip((0.6 - (near - red) / (near + red + 1e-4)) / 0.4, 0.15, 1)
    patches = gaussian_filter(rng.normal(size=red.shape), rng.uniform(3, 15), mode="wrap")
    patches = np.clip(0.5 + 0.5 * patches / patches.std(), 0, 1)
    return np.asarray(bare * rng.beta(1, 3) * ((1 - patches) * rng.random() + patches))


def _classify(
    clear: Mapping[str, NDArray[Any]], above: Any, built: NDArray[Any], film: NDArray[np.float32], rng: Any
) -> NDArray[np.uint8]:
    """Return the scene classification on 10 m, with more mistakes than `simulate` makes."""
    from scipy.ndimage import binary_dilation

    from greattit.simulate import scene

    scl, _ = scene.classify(clear, above, built, rng)
    covered = film.reshape(scl.shape[0], 2, -1, 2).mean(axis=(1, 3)) > 0.4
    if rng.random() < 0.5:
        scl[covered] = 8 if rng.random() < 0.5 else 9
    blue = clear["B02"].reshape(scl.shape[0], 2, -1, 2).mean(axis=(1, 3))
    draw = rng.random(5)
    if draw[0] < 0.15:
        scl[scl == 3] = rng.choice([2, 4, 5, 7])
    if draw[1] < 0.15:
        scl[scl == 10] = rng.choice([4, 5, 7])
    if draw[2] < 0.12:
        scl[(blue > np.quantile(blue, rng.uniform(0.7, 0.98))) & (scl != 3)] = 8
    if draw[3] < 0.10:
        scl[binary_dilation(np.isin(scl, (8, 9)), iterations=int(rng.integers(2, 6))) & (scl != 3)] = 8
    if draw[4] < 0.06:
        near = clear["B08"].reshape(scl.shape[0], 2, -1, 2).mean(axis=(1, 3))
        scl[near < np.quantile(near, rng.uniform(0.05, 0.3))] = 3
    fine: NDArray[np.uint8] = np.repeat(np.repeat(scl, 2, 0), 2, 1)
    return fine
