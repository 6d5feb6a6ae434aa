"""The sky: when the satellite passes, where the sun stands, and what hangs between: clouds, their shadows, haze.

Sun: the low-accuracy formulas of the Astronomical Almanac (error under 0.02 degrees). Clouds: thresholded fractal
fields of optical thickness, each kind at its own height; a shadow falls where the sun and view geometry put it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.simulate.land import fractal
from greattit.simulate.light import Sun

CLOUD_CELL_M = 10.0
"""[m] grid of the clouds"""
RIM_CELLS = 256
"""cells around the county where clouds may hang whose shadow falls inside it"""

CLOUD = np.array([0.80, 0.79, 0.80, 0.80, 0.81, 0.81, 0.82, 0.82, 0.52, 0.40])
"""Thick water cloud; ice and liquid water absorb in B11 and B12 (order of Dozier 1989, Remote Sens. Environ. 28)."""
CIRRUS = np.array([0.62, 0.60, 0.60, 0.60, 0.60, 0.60, 0.60, 0.60, 0.24, 0.17])
"""Thin ice cloud"""
HAZE = np.array([0.34, 0.29, 0.25, 0.24, 0.23, 0.22, 0.21, 0.21, 0.12, 0.09])
"""Low haze and aerosol: stronger in blue"""
SKYLIGHT = np.array([0.42, 0.34, 0.28, 0.25, 0.23, 0.21, 0.20, 0.19, 0.13, 0.11])
"""share of light that still falls into a full cloud shadow, the blue of the sky first"""


@dataclass(frozen=True)
class Look:
    """One pass of the satellite."""

    when: datetime
    """UTC"""
    platform: str
    """"sentinel-2a" or "sentinel-2b" """
    sun: Sun
    """geometry"""
    state: str
    """"clear", "partly" or "overcast" """


@dataclass(frozen=True, eq=False)
class Sky:
    """What hangs over the county in one look, on the 10 m grid (row, col), north up, each 0-1."""

    cloud: NDArray[np.float64]
    """opacity of thick cloud"""
    cirrus: NDArray[np.float64]
    """opacity of thin ice cloud"""
    haze: NDArray[np.float64]
    """opacity of haze"""
    shadow: NDArray[np.float64]
    """share of direct sun that is kept away"""

    def veil(self, surface: NDArray[Any], band: int) -> NDArray[np.float64]:
        """Return reflectance (row, col) of one band as the satellite sees it through this sky."""
        lit = surface * (1.0 - self.shadow * (1.0 - SKYLIGHT[band]))
        for part, colour in ((self.haze, HAZE), (self.cloud, CLOUD), (self.cirrus, CIRRUS)):
            lit = lit * (1.0 - part) + part * colour[band]
        return np.asarray(lit)


def sun_at(when: datetime, latitude: float, longitude: float) -> tuple[float, float]:
    """Return zenith and azimuth [deg, from north eastwards] of the sun."""
    n = (when - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400.0
    mean = np.radians((280.460 + 0.9856474 * n) % 360)
    anomaly = np.radians((357.528 + 0.9856003 * n) % 360)
    ecliptic = mean + np.radians(1.915) * np.sin(anomaly) + np.radians(0.020) * np.sin(2 * anomaly)
    tilt = np.radians(23.439 - 4e-7 * n)
    right = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    hours = when.hour + when.minute / 60 + when.second / 3600
    sidereal = np.radians(((6.697375 + 0.0657098242 * n + hours) * 15 + longitude) % 360)
    angle = sidereal - right
    phi = np.radians(latitude)
    high = np.arcsin(np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle))
    azimuth = np.arctan2(-np.sin(angle), np.tan(declination) * np.cos(phi) - np.sin(phi) * np.cos(angle))
    return float(90 - np.degrees(high)), float(np.degrees(azimuth) % 360)


def passes(rules: Mapping[str, Any], latitude: float, longitude: float, rng: np.random.Generator) -> list[Look]:
    """Return `rules["count"]` looks between its first and last day, each with its geometry and weather."""
    first, last = (date.fromisoformat(str(rules[key])) for key in ("first", "last"))
    days = [d for d in range((last - first).days + 1) if d % 5 in (0, 3)]
    windows = [w for w in np.array_split(np.array(days), int(rules["count"])) if len(w)]
    looks = []
    for window in windows:
        offset = int(rng.choice(window))
        day = first + timedelta(days=offset)
        orbit = offset % 5 == 0
        clock = datetime(day.year, day.month, day.day, 10 if orbit else 11, 54 if orbit else 4, tzinfo=UTC)
        when = clock + timedelta(seconds=int(rng.integers(-100, 100)))
        zenith, azimuth = sun_at(when, latitude, longitude)
        view = (4.2, 286.0) if orbit else (9.1, 104.0)
        chances = rules["summer"] if 4 <= day.month <= 9 else rules["winter"]
        state = str(rng.choice(list(chances), p=list(chances.values())))
        name = "sentinel-2a" if (offset // 5) % 2 else "sentinel-2b"
        looks.append(Look(when, name, Sun(zenith, azimuth, *view), state))
    return looks


def cover(look: Look, size_m: float, rng: np.random.Generator) -> Sky:
    """Hang clouds over the county for one look."""
    cells = round(size_m / CLOUD_CELL_M)
    shape = (cells + 2 * RIM_CELLS, cells + 2 * RIM_CELLS)
    nothing = np.zeros(shape)
    haze = _veil(fractal(shape, rng, 3.4), float(rng.uniform(0.0, 0.03)), 0.012)
    cloud, cirrus, height = nothing, nothing, 1200.0
    if look.state == "clear":
        draw = rng.random()
        if draw < 0.22:
            cloud, height = _heaps(shape, rng, float(rng.uniform(0.01, 0.07))), float(rng.uniform(900, 1800))
        elif draw < 0.42:
            cirrus = _veil(fractal(shape, rng, 3.2), float(rng.uniform(0.02, 0.07)), 0.04)
    elif look.state == "partly":
        kind = rng.random()
        height = float(rng.uniform(900, 2400))
        if kind < 0.55:
            cloud = _heaps(shape, rng, float(rng.uniform(0.12, 0.42)))
        elif kind < 0.8:
            cloud = _sheet(shape, rng, float(rng.uniform(0.3, 0.7)))
        else:
            cirrus = _veil(fractal(shape, rng, 3.2), float(rng.uniform(0.15, 0.35)), 0.15)
            haze = _veil(fractal(shape, rng, 3.4), float(rng.uniform(0.05, 0.16)), 0.05)
    else:
        cloud, height = _sheet(shape, rng, float(rng.uniform(0.93, 1.3))), float(rng.uniform(600, 2500))
        cirrus = _veil(fractal(shape, rng, 3.2), float(rng.uniform(0.0, 0.3)), 0.1)
    shade = _cast(cloud, height, look.sun) * 0.94 + 0.25 * _cast(cirrus, 8500.0, look.sun)
    inner = slice(RIM_CELLS, RIM_CELLS + cells)
    return Sky(cloud[inner, inner], cirrus[inner, inner], haze[inner, inner], np.clip(shade[inner, inner], 0, 0.97))


def _veil(field: NDArray[Any], mean: float, spread: float) -> NDArray[np.float64]:
    return np.asarray(np.clip(mean + spread * field, 0.0, 0.9))


def _heaps(shape: tuple[int, int], rng: np.random.Generator, share: float) -> NDArray[np.float64]:
    """Return cumulus: cells of a few hundred metres, thick in the middle, ragged at the rim."""
    from scipy.ndimage import gaussian_filter

    field = fractal(shape, rng, 3.6, longest=90) + 0.30 * fractal(shape, rng, 2.8, longest=24)
    above = np.clip(field - np.quantile(field, 1 - share), 0.0, None)
    return np.asarray(gaussian_filter(1.0 - np.exp(-7.0 * above**1.2), 0.9, mode="wrap"))


def _sheet(shape: tuple[int, int], rng: np.random.Generator, share: float) -> NDArray[np.float64]:
    """Return stratus: a sheet with soft holes; `share` over 1 leaves none."""
    field = fractal(shape, rng, 3.4, longest=400)
    level = np.quantile(field, max(0.0, 1 - share)) - max(0.0, share - 1.0) * 3.0
    above = np.clip(field - level, 0.0, None)
    return np.asarray(0.985 * (1.0 - np.exp(-2.6 * above)))


def _cast(cloud: NDArray[Any], height: float, sun: Sun) -> NDArray[np.float64]:
    """Move a cloud's opacity to where its shadow is seen: away from the sun, and back by the view's lean."""
    from scipy.ndimage import shift

    def reach(zenith: float, azimuth: float) -> NDArray[np.float64]:
        length = height * np.tan(np.radians(min(zenith, 75.0)))
        return np.asarray(length * np.array([-np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))]))

    rows_cols = (reach(sun.view_zenith, sun.view_azimuth) - reach(sun.zenith, sun.azimuth)) / CLOUD_CELL_M
    return np.asarray(np.clip(shift(cloud, rows_cols, order=1, mode="grid-wrap"), 0.0, 1.0))
