"""The parcels: blocks between roads and water, cut again and again as fields are divided in life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from shapely.geometry import LineString, Polygon
from shapely.ops import polygonize, split, unary_union


def _winding(start: tuple[float, float], end: tuple[float, float], bend: float, rng: np.random.Generator) -> LineString:
    """Return a line that wanders by about `bend` metres, smoothed by corner cutting (Chaikin 1974)."""
    steps = np.linspace(0.0, 1.0, 7)[:, None]
    points = np.asarray(start) + steps * (np.asarray(end) - np.asarray(start))
    points[1:-1] += rng.normal(0.0, bend, (5, 2))
    for _ in range(3):
        quarter = 0.75 * points[:-1] + 0.25 * points[1:]
        three = 0.25 * points[:-1] + 0.75 * points[1:]
        points = np.concatenate([points[:1], np.stack([quarter, three], 1).reshape(-1, 2), points[-1:]])
    return LineString(points)


def draw_lines(
    size: float, rules: Mapping[str, Any], rng: np.random.Generator
) -> tuple[list[tuple[LineString, float]], LineString]:
    """Return the roads with their widths [m], and the stream."""
    roads = []
    for road in rules["roads"]:
        start, end = (tuple(size * value for value in road[key]) for key in ("from", "to"))
        roads.append((_winding(start, end, road["bend"] * size, rng), float(road["width_m"])))
    start, end = (tuple(size * value for value in rules["stream"][key]) for key in ("from", "to"))
    return roads, _winding(start, end, rules["stream"]["bend"] * size, rng)


def cut_parcels(
    square: Polygon,
    roads: list[tuple[LineString, float]],
    stream: LineString,
    rules: Mapping[str, Any],
    rng: np.random.Generator,
) -> list[Polygon]:
    """Cut the square (with a rim beyond it) into parcels along roads and water, then across."""
    wide = square.buffer(rules["rim_m"], join_style="mitre")
    lines = unary_union([wide.boundary, *(line for line, _ in roads), stream])
    blocks = sorted((b for b in polygonize(lines) if b.area > 300), key=lambda b: (b.centroid.y, b.centroid.x))
    parcels: list[Polygon] = []
    for block in blocks:
        parcels += _divide(block, rules, rng)
    return _join(parcels, rules, rng)


def _divide(block: Polygon, rules: Mapping[str, Any], rng: np.random.Generator) -> list[Polygon]:
    """Cut a block across its longer side until every part has about the size drawn for it."""
    median, spread, least, most = (float(rules["area_ha"][k]) for k in ("median", "spread", "least", "most"))
    wanted = 1e4 * float(np.clip(median * np.exp(spread * rng.normal()), least, most))
    if block.area < 1.5 * wanted or block.area < 1e4 * least * 2.2:
        return [block]
    for _ in range(8):
        parts = _cut(block, rng)
        if len(parts) >= 2 and all(_stout(part, float(rules.get("stout_m2", 2500))) for part in parts):
            return [piece for part in parts for piece in _divide(part, rules, rng)]
    return [block]


def _stout(part: Polygon, least_m2: float) -> bool:
    return bool(part.area > least_m2 and 4 * np.pi * part.area / part.length**2 > 0.30)


def _cut(block: Polygon, rng: np.random.Generator) -> list[Polygon]:
    """Cut once by a leaning, bent line across the longer side."""
    corners = np.asarray(block.minimum_rotated_rectangle.exterior.coords)[:4]
    sides = np.roll(corners, -1, axis=0) - corners
    longer = int(np.argmax(np.hypot(*sides.T)))
    along = sides[longer] / np.hypot(*sides[longer])
    if rng.random() < 0.15:
        along = np.array([-along[1], along[0]])
    turn = np.radians(rng.normal(0.0, 7.0))
    across = np.array(
        [-along[1] * np.cos(turn) - along[0] * np.sin(turn), along[0] * np.cos(turn) - along[1] * np.sin(turn)]
    )
    spread = np.ptp(np.asarray(block.exterior.coords) @ along)
    low = (np.asarray(block.exterior.coords) @ along).min()
    middle = np.asarray(block.centroid.coords[0])
    at = middle + along * (low + spread * rng.uniform(0.3, 0.7) - middle @ along)
    steps = np.array([-1500.0, -90.0, 0.0, 70.0, 1500.0]) + np.array([0, *rng.normal(0, 35, 3), 0])
    bend = np.array([0.0, *rng.normal(0.0, 7.0, 3), 0.0])
    if rng.random() < 0.22:
        bend[2:] += rng.choice([-1, 1]) * rng.uniform(18, 45)
    points = at + np.sort(steps)[:, None] * across + bend[:, None] * along
    return [g for g in split(block, LineString(points)).geoms if isinstance(g, Polygon)]


def _join(parcels: list[Polygon], rules: Mapping[str, Any], rng: np.random.Generator) -> list[Polygon]:
    """Join some neighbours into fields with a bend or a corner, as when one farmer works both."""
    done: list[Polygon] = []
    left = list(parcels)
    while left:
        one = left.pop(0)
        if rng.random() < rules["joined_share"]:
            for other in left:
                both = unary_union([one, other]) if one.boundary.intersection(other.boundary).length > 40 else None
                if isinstance(both, Polygon) and both.area < 9e4 and both.area / both.convex_hull.area < 0.88:
                    left.remove(other)
                    one = Polygon(both.exterior)
                    break
        done.append(one)
    return done
