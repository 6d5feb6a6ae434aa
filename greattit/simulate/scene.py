"""The scene: land, plants, light and sky put together into counts and a scene classification.

Every class of ground gets its reflectance at three levels of vigour and two of soil wetness; each 2 m cell mixes them
by its own texture. The cells are blurred by a Gaussian (MTF about 0.25 at the Nyquist frequency with the pixel's own
square, within ESA's figure of 0.15-0.30) and averaged to 10 or 20 m, so that border pixels are true mixtures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.simulate.land import BANK, CELL_M, FIRST_FIELD, GARDEN, TREE, VERGE, Land, fractal
from greattit.simulate.light import BANDS_NM, COVERS, Sun, bands, plant, soil
from greattit.simulate.plants import Course, Season, Weather, bare, crown, sward
from greattit.simulate.seasons import grow
from greattit.simulate.sky import Look, Sky

VIGOURS = (0.45, 1.0, 1.5)
"""levels of leaf area, against the field's own, between which a cell's texture chooses"""
FINE = ("B02", "B03", "B04", "B08")
BLUR_M = {10: 4.4, 20: 8.5}
Layers = list[tuple[float, Course | str, float]]
"""share of the ground, what stands there, and its dryness offset"""


@dataclass(frozen=True, eq=False)
class County:
    """All that a scene is made of."""

    land: Land
    weather: Weather
    seasons: Mapping[int, Season]
    """field number -> its season"""
    classes: NDArray[np.uint16]
    """as `Land.classes`, with the struck part of a field as its own class"""
    ground: Mapping[int, Layers]
    """class -> what lies there"""
    vigour: NDArray[np.float32]
    """(row, col) leaf area against the field's own"""
    dryness: NDArray[np.float32]
    """(row, col) -1..1 soil texture"""
    struck: Mapping[int, float]
    """field number -> share of its cells that an event took"""


def settle(land: Land, recipe: Mapping[str, Any], weather: Weather, rng: np.random.Generator) -> County:
    """Grow every field and lay covers and textures over the land."""
    shape = land.classes.shape
    classes = land.classes.copy()
    ground = _covers(recipe, weather)
    seasons: dict[int, Season] = {}
    struck: dict[int, float] = {}
    extra = int(classes.max()) + 1
    low = fractal(shape, rng, 4.6)
    for field in land.fields:
        season, hit = grow(field, recipe, weather, rng)
        seasons[field.number] = season
        here = FIRST_FIELD + field.number - 1
        damp = float(rng.normal(0.0, 0.065) - 0.06 * field.wet)
        ground[here] = _layers(recipe["crops"][field.crop], season.course, recipe, weather, damp)
        cells = land.classes == here
        if hit is not None and cells.any():
            share = float(recipe["events"][field.event]["share"])
            level = np.quantile(low[cells], share)
            classes[cells & (low <= level)] = extra
            ground[extra] = [(1.0, hit.course, damp)]
            struck[field.number] = share
            extra += 1
    vigour = 1.0 + 0.10 * fractal(shape, rng, 3.0) + 0.05 * fractal(shape, rng, 1.6) - 0.22 * np.exp(-land.edge_m / 7.0)
    vigour += _rows(land, rng)
    dryness = 0.55 * fractal(shape, rng, 2.8) + 0.35 * fractal(shape, rng, 1.4)
    return County(
        land,
        weather,
        seasons,
        classes,
        ground,
        vigour.astype(np.float32),
        np.clip(dryness, -1.6, 1.6).astype(np.float32),
        struck,
    )


def _rows(land: Land, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return faint tramlines, 27 m apart and along each field's longer side."""
    rows, cols = np.indices(land.classes.shape, dtype=np.float32)
    east, north = (cols + 0.5) * CELL_M, land.size_m - (rows + 0.5) * CELL_M
    angle = np.zeros(int(land.classes.max()) + 1)
    shift = rng.uniform(0, 27, len(angle))
    for field in land.fields:
        corners = np.asarray(field.shape.minimum_rotated_rectangle.exterior.coords)[:3]
        sides = np.diff(corners, axis=0)
        side = sides[int(np.argmax(np.hypot(*sides.T)))]
        angle[FIRST_FIELD + field.number - 1] = np.arctan2(side[1], side[0])
    own = angle[land.classes]
    across = -east * np.sin(own) + north * np.cos(own) + shift[land.classes]
    return np.asarray(np.where((across % 27.0 < 4.0) & (land.classes >= FIRST_FIELD), -0.10, 0.0))


def _layers(
    crop: Mapping[str, Any], course: Course, recipe: Mapping[str, Any], weather: Weather, damp: float
) -> Layers:
    if "trees" not in crop:
        return [(1.0, course, damp)]
    trees = crop["trees"]
    lawn = sward({**recipe["between"]["ryegrass"], "lai": 2.4, "winter_lai": 1.9}, weather, [], grazed=True)
    return [(trees["share"], course, damp), (trees["grass"], lawn, damp), (trees["bare"], bare(weather), damp)]


def _covers(recipe: Mapping[str, Any], weather: Weather) -> dict[int, Layers]:
    """Return what lies on every class that is no field."""
    grass = recipe["between"]["ryegrass"]
    rough = sward({**grass, "lai": 3.0, "winter_lai": 1.9, "cab": 36}, weather, [], grazed=False)
    lawn = sward({**grass, "lai": 2.4, "winter_lai": 1.8}, weather, [], grazed=True)
    leaf = {
        "lai": 4.6,
        "out": "04-28",
        "fall": "11-06",
        "angle": 50,
        "cab": 46,
        "cw": 0.013,
        "cm": 0.007,
        "n": 1.6,
        "closed": 0.86,
    }
    trees = crown(leaf, weather)
    layers: dict[int, Layers] = {index: [(1.0, name, 0.0)] for index, name in enumerate(_FIXED) if name}
    layers[VERGE] = [(0.85, rough, 0.0), (0.15, bare(weather), 0.0)]
    layers[BANK] = [(1.0, rough, -0.1)]
    layers[TREE] = [(0.62, trees, 0.0), (0.06, rough, 0.0), (0.32, "gap", 0.0)]
    layers[GARDEN] = [
        (0.50, lawn, 0.0),
        (0.20, trees, 0.0),
        (0.08, "gap", 0.0),
        (0.10, bare(weather), 0.0),
        (0.12, "yard", 0.0),
    ]
    return layers


_FIXED = ("", "road", "", "water", "roof_red", "roof_dark", "yard", "", "")


def palette(county: County, look: Look) -> NDArray[np.float32]:
    """Return the reflectance (class, vigour, wetness, band) of every ground on the day of a look."""
    day = county.weather.at(look.when.date())
    size = int(county.classes.max()) + 1
    out = np.zeros((size, len(VIGOURS), 2, len(BANDS_NM)), np.float32)
    done: dict[tuple[int, float, int, int], NDArray[Any]] = {}
    for kind, layers in county.ground.items():
        for level, factor in enumerate(VIGOURS):
            for side in (0, 1):
                mixed = np.zeros(len(BANDS_NM))
                for share, what, damp in layers:
                    key = (id(what), damp, level, side)
                    if key not in done:
                        done[key] = _reflect(what, day, factor, damp, side, look.sun)
                    mixed += share * done[key]
                out[kind, level, side] = mixed
    return np.round(out, 6)


def _reflect(what: Course | str, day: int, factor: float, damp: float, side: int, sun: Sun) -> NDArray[np.float64]:
    if isinstance(what, str):
        return COVERS[what] * (1.06 if side else 0.94)
    state = what.on(day)
    dryness = float(np.clip(0.50 - 0.36 * state["moist"] + damp + (0.06 if side else -0.06), 0.06, 0.8))
    if state["lai"] + state["dead"] < 0.02 and state["residue"] < 0.01 and state["water"] == 0:
        return bands(soil(dryness))
    grown = {**state, "lai": state["lai"] * factor, "dead": state["dead"] * (0.5 + 0.5 * factor)}
    grown["clump"] = min(0.99, state["clump"] * (0.55 + 0.45 * factor))
    return plant(grown, dryness, sun)


def surface(county: County, look: Look, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Return each band's reflectance at its own pixel size under a clear sky, with shadows of trees and houses."""
    from scipy.ndimage import gaussian_filter

    table = palette(county, look)
    place = np.clip(county.vigour, VIGOURS[0], VIGOURS[-1])
    level = np.where(place < VIGOURS[1], 0, 1)
    up = (place - np.asarray(VIGOURS)[level]) / np.diff(VIGOURS)[level]
    dry = np.clip(0.5 + 0.5 * county.dryness, 0.0, 1.0)
    base = county.classes.astype(np.int64) * (len(VIGOURS) * 2) + level * 2
    dark = _shade(county.land, look.sun)
    grain = 1.0 + 0.035 * rng.normal(size=base.shape)
    out: dict[str, NDArray[np.float32]] = {}
    for band, name in enumerate(BANDS_NM):
        flat = table[..., band].ravel()
        cells = (1 - up) * ((1 - dry) * flat[base] + dry * flat[base + 1])
        cells += up * ((1 - dry) * flat[base + 2] + dry * flat[base + 3])
        cells *= grain * (1.0 - dark * (0.72 if band < 3 else 0.66))
        step = 10 if name in FINE else 20
        soft = gaussian_filter(cells, BLUR_M[step] / CELL_M, truncate=3.0, mode="nearest")
        out[name] = _average(soft, round(step / CELL_M)).astype(np.float32)
    return out


def _average(cells: NDArray[Any], step: int) -> NDArray[Any]:
    rows, cols = cells.shape[0] // step, cells.shape[1] // step
    return np.asarray(cells[: rows * step, : cols * step].reshape(rows, step, cols, step).mean(axis=(1, 3)))


def _shade(land: Land, sun: Sun) -> NDArray[np.float32]:
    """Return the share of direct sun kept away by trees and houses; shadows fall away from the sun, at most 46 m."""
    reach = np.tan(np.radians(sun.zenith))
    away = np.array([np.cos(np.radians(sun.azimuth)), -np.sin(np.radians(sun.azimuth))])
    dark = np.zeros(land.tall_m.shape, bool)
    for distance in np.arange(CELL_M, min(11.0 * reach, 46.0), CELL_M):
        moved = np.roll(land.tall_m, tuple(int(v) for v in np.round(away * distance / CELL_M)), axis=(0, 1))
        dark |= moved > np.maximum(distance / reach, land.tall_m + 0.5)
    return dark.astype(np.float32)


def expose(
    clear: Mapping[str, NDArray[np.float32]], sky: Sky, rng: np.random.Generator
) -> dict[str, NDArray[np.uint16]]:
    """Return the counts of each band, offset by 1000: surface under the sky, error of the correction, noise.

    Error of Level-2A reflectance: about 0.005 + 3 % (Sen2Cor, Main-Knorr et al. 2017); noise: signal to noise about
    150 at 0.2 (ESA data quality reports).
    """
    gain, lift = 1.0 + 0.018 * rng.normal(), abs(0.003 * rng.normal())
    out = {}
    for band, (name, values) in enumerate(clear.items()):
        step = 1 if name in FINE else 2
        thin = Sky(*(_average(part, step) for part in (sky.cloud, sky.cirrus, sky.haze, sky.shadow)))
        extra = lift * (400.0 / list(BANDS_NM.values())[band][0]) ** 1.3
        seen = thin.veil(values * gain, band) + extra
        seen = seen + rng.normal(size=seen.shape) * (0.0006 + 0.0035 * np.clip(seen, 0, 1))
        out[name] = np.clip(np.round(seen * 1e4 + 1000.0), 1, 65535).astype(np.uint16)
    return out


def classify(
    clear: Mapping[str, NDArray[np.float32]], sky: Sky, built: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """Return the 20 m scene classification and how far it is from the truth.

    Sen2Cor's classes: 2 dark, 3 shadow, 4 vegetation, 5 bare, 6 water, 7 unclassified, 8 and 9 cloud, 10 cirrus. It
    misses small heaps, thin rims, haze and some shadows, and takes some bright roofs and dry soil for cloud, as
    Sen2Cor does.
    """
    from scipy.ndimage import binary_dilation

    red, near = (_average(clear[name], 2) for name in ("B04", "B08"))
    blue, short = _average(clear["B02"], 2), clear["B11"]
    ndvi = (near - red) / (near + red)
    scl = np.where(ndvi > 0.38, 4, np.where((near < 0.10) & (short < 0.06), 6, 5)).astype(np.uint8)
    scl[(scl == 5) & (ndvi > 0.30)] = 7
    scl[(scl != 6) & (near < 0.09)] = 2
    cloud, cirrus, haze, shadow = (_average(part, 2) for part in (sky.cloud, sky.cirrus, sky.haze, sky.shadow))
    bright = (blue > 0.105) & ((built > 0.45) | ((ndvi < 0.17) & (rng.random(blue.shape) < 0.25)))
    scl[bright] = 8
    scl[_forget(shadow > 0.42, rng, small=6, chance=0.22)] = 3
    scl[cirrus > 0.085 + 0.03 * np.clip(fractal(cirrus.shape, rng, 3.0), -1.5, 2.5)] = 10
    found = _forget(cloud > 0.30, rng, small=9, chance=0.45)
    scl[found & (cloud <= 0.62)] = 8
    scl[found & (cloud > 0.62)] = 9
    if rng.random() < 0.5:
        rim = binary_dilation(found, iterations=1) & ~found
        scl[rim & (scl != 3)] = 8
    spoilt = (cloud > 0.08) | (cirrus > 0.06) | (haze > 0.10) | (shadow > 0.15)
    flagged = np.isin(scl, (3, 8, 9, 10))
    cloudy = (cloud > 0.08) | (cirrus > 0.06) | (haze > 0.10)
    shares = {
        "cloud": float(cloudy.mean()),
        "shadow": float(((shadow > 0.15) & ~cloudy).mean()),
        "flagged": float(flagged.mean()),
        "missed": float((spoilt & ~flagged).mean()),
        "false": float((flagged & ~spoilt).mean()),
    }
    return scl, {name: round(value, 4) for name, value in shares.items()}


def _forget(mask: NDArray[np.bool_], rng: np.random.Generator, *, small: int, chance: float) -> NDArray[np.bool_]:
    """Drop some connected patches from a mask: small ones often, larger ones seldom."""
    from scipy.ndimage import label

    patches, count = label(mask)
    sizes = np.bincount(patches.ravel(), minlength=count + 1)
    lost = rng.random(count + 1) < np.where(
        sizes <= small, chance + 0.25, np.where(sizes < 60, 0.5 * chance, 0.06 * chance)
    )
    lost[0] = True
    return np.asarray(~lost[patches])
