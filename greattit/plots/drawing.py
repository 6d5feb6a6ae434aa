"""How people draw: a finger's outline is too large or too small, shifted, and has few, shaky vertices.

The same model makes the sloppy drawings of `greattit evaluate walk` and is the prior of `plots.cut`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class Drawing:
    """How far a drawing may be from the field it means."""

    scale: tuple[float, float]
    """linear size of the drawing over that of the field, uniform between the two [1]"""
    shift_m: float
    """largest shift, in any direction [m]: a phone's position error is 5-15 m"""
    vertices: tuple[int, int]
    """least and most vertices"""
    jitter_m: float
    """standard deviation of each vertex [m]"""
    asked: bool
    """whether the network is asked what was meant; not where the outline is better than the pixels"""


SLOPPY = Drawing(scale=(0.8, 1.4), shift_m=15.0, vertices=(8, 20), jitter_m=3.0, asked=True)
"""A finger on a phone."""

SURVEYED = Drawing(scale=(0.99, 1.01), shift_m=3.0, vertices=(0, 0), jitter_m=0.0, asked=False)
"""A parcel file of a land register."""


def draw_sloppily(field: BaseGeometry, seed: int, drawing: Drawing = SLOPPY) -> BaseGeometry:
    """Return a drawing of `field` (metres, any projected CRS) as a finger would make it; same seed, same drawing.

    The outline (convex parts and bays alike) is sampled at evenly spaced points, scaled about the centroid, shifted and
    jittered; of a multipolygon the largest part is drawn.
    """
    from shapely import affinity
    from shapely.geometry import Polygon

    rng = np.random.default_rng(seed)
    shape = max(getattr(field, "geoms", [field]), key=lambda part: part.area)
    count = int(rng.integers(drawing.vertices[0], drawing.vertices[1] + 1))
    scale = float(rng.uniform(*drawing.scale))
    angle, distance = float(rng.uniform(0, 2 * math.pi)), drawing.shift_m * math.sqrt(float(rng.uniform()))
    ring = shape.exterior
    start = float(rng.uniform())
    points = [ring.interpolate((start + k / count) % 1.0, normalized=True) for k in range(count)]
    shaken = np.array([(p.x, p.y) for p in points]) + rng.normal(0.0, drawing.jitter_m, (count, 2))
    drawn = affinity.scale(Polygon(shaken), scale, scale, origin=shape.centroid)
    drawn = affinity.translate(drawn, distance * math.cos(angle), distance * math.sin(angle))
    if not drawn.is_valid:  # a finger's line may cross itself; what it encloses is meant
        drawn = drawn.buffer(0)
    return max(getattr(drawn, "geoms", [drawn]), key=lambda part: part.area)


def meanings(drawing: Drawing) -> NDArray[np.float64]:
    """Return what a drawing could mean as moves (k, 3) that turn it into the field: scale [1], east, north shift [m].

    An even net over the drawing model: 12 scales times shifts on rings of 0 to `shift_m`.
    """
    scales = np.linspace(1 / drawing.scale[1], 1 / drawing.scale[0], 12)
    shifts = [(0.0, 0.0)]
    for ring, count in ((1 / 3, 6), (2 / 3, 8), (1.0, 10)):
        turns = 2 * math.pi * np.arange(count) / count
        shifts += [(ring * drawing.shift_m * math.cos(t), ring * drawing.shift_m * math.sin(t)) for t in turns]
    return np.array([(scale, east, north) for scale in scales for east, north in shifts])
