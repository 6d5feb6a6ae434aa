"""The land: roads, a stream, a village and irregular fields, drawn once and painted on a 2 m grid.

Blocks between roads and water are cut again and again across their longer side, as fields are divided in life, by lines
that lean and bend; some neighbours are joined, so that many fields are not convex. Coordinates are metres east and
north of the county's lower left corner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from greattit.simulate.parcels import cut_parcels, draw_lines

CELL_M = 2.0
"""[m] edge of a cell of the painted land"""

VERGE, ROAD, TREE, WATER, ROOF_RED, ROOF_DARK, YARD, GARDEN, BANK = range(9)
COVERS = ("verge", "road", "tree", "water", "roof_red", "roof_dark", "yard", "garden", "bank")
"""Names of the first classes of the painted land; fields follow from `FIRST_FIELD`."""
FIRST_FIELD = 16


@dataclass(frozen=True, eq=False)
class Field:
    """One field, as it lies on the ground."""

    number: int
    """1, 2, ... from north-west to south-east"""
    shape: Polygon
    """[m] from the county's corner"""
    whole: bool
    """False when the county's edge cuts it"""
    wet: float
    """0-1: 1 is beside the stream"""
    crop: str = ""
    """house name"""
    event: str = "none"
    """"none", "flood", "failed", "hail" or "early_harvest" """


@dataclass(frozen=True, eq=False)
class Land:
    """The county as drawn and painted."""

    size_m: float
    """[m] edge of the square"""
    fields: tuple[Field, ...]
    classes: NDArray[np.uint16]
    """(row, col) at `CELL_M`, north up: index into COVERS, or FIRST_FIELD + number - 1"""
    edge_m: NDArray[np.float32]
    """(row, col) [m] to the edge of the own class"""
    tall_m: NDArray[np.float32]
    """(row, col) [m] height of trees and houses, 0 elsewhere"""
    trees: BaseGeometry
    """tree lines and woods [m]"""


def fractal(shape: tuple[int, int], rng: np.random.Generator, slope: float, longest: float = np.inf) -> NDArray[Any]:
    """Return a random field of mean 0 and spread 1 whose spectrum falls as frequency^-slope (spectral synthesis).

    `longest` [cells] is the longest wave let in. Saupe 1988, Algorithms for random fractals, in The Science of
    Fractal Images.
    """
    rows, cols = shape
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None, :])
    frequency[0, 0] = np.inf
    amplitude = np.where(frequency * longest < 1.0, 0.0, frequency ** (-slope / 2.0))
    phases = rng.normal(size=amplitude.shape) + 1j * rng.normal(size=amplitude.shape)
    out = np.fft.irfft2(amplitude * phases, s=shape)
    return np.asarray((out - out.mean()) / out.std())


def lay_out(recipe: Mapping[str, Any], rng: np.random.Generator) -> Land:
    """Draw the county of `recipe["land"]` and give every field its crop and event."""
    rules = recipe["land"]
    size = float(recipe["county"]["size_m"])
    square = box(0, 0, size, size)
    roads, stream = draw_lines(size, rules, rng)
    parcels = cut_parcels(square, roads, stream, rules, rng)
    village, rest = _village(parcels, roads, rules, size)
    rest, wood, pond = _wood_and_pond(rest, stream, rules, size, rng)
    hedges = _hedges(rest, rules, rng)
    road_area = unary_union([line.buffer(width / 2) for line, width in roads])
    water = unary_union([stream.buffer(rules["stream_width_m"] / 2), pond])
    trees = unary_union([*hedges, *wood]).difference(unary_union([road_area.buffer(1), water]))
    taken = unary_union([road_area.buffer(2.5), water.buffer(3.0), trees.buffer(0.5)])
    fields = _fields(rest, taken, square, stream, rules, rng)
    fields = _events(_crops(fields, recipe, rng), recipe)
    garden, roofs = _houses(village, road_area, rng)
    layers: list[tuple[BaseGeometry, int, float]] = [
        (unary_union(village).buffer(-1.0), GARDEN, 0.0),
        (garden, YARD, 0.0),
        *((field.shape, FIRST_FIELD + field.number - 1, 0.0) for field in fields),
        (water.buffer(2.5), BANK, 0.0),
        (trees, TREE, 11.0),
        (water, WATER, 0.0),
        (road_area, ROAD, 0.0),
        *((shape, kind, 6.0) for shape, kind in roofs),
    ]
    classes, tall, edge = _paint(layers, size)
    return Land(size, fields, classes, edge, tall, trees)


def _village(
    parcels: list[Polygon], roads: list[tuple[LineString, float]], rules: Mapping[str, Any], size: float
) -> tuple[list[Polygon], list[Polygon]]:
    """Split the parcels into village and farmyards, and the rest."""
    heart = Point(*(size * v for v in rules["village"]["at"]))
    radius = rules["village"]["radius"] * size
    zone = affinity.scale(heart.buffer(radius), 1.3, 0.85)
    lanes = unary_union([line for line, _ in roads])
    ribbon = lanes.intersection(heart.buffer(radius * rules["village"]["ribbon"])).buffer(42, cap_style="flat")
    farms = [_farmyard(tuple(size * v for v in at), n, rules["farm_m"]) for n, at in enumerate(rules["farms"])]
    built = unary_union([zone.intersection(lanes.buffer(95)), ribbon, *farms])
    village, rest = [], []
    for parcel in parcels:
        inside = parcel.intersection(built)
        village += [piece for piece in getattr(inside, "geoms", [inside]) if piece.area > 300]
        outside = parcel.difference(built)
        rest += [p for p in getattr(outside, "geoms", [outside]) if isinstance(p, Polygon) and p.area > 400]
    return village, rest


def _farmyard(at: tuple[float, ...], number: int, edge: float) -> Polygon:
    """Return the ground of a farm: a leaning oblong with a corner cut off."""
    deep = edge * (0.7 + 0.12 * (number % 3))
    yard = Polygon(
        [(0, 0), (edge, 0.06 * edge), (edge * 1.04, 0.7 * deep), (0.62 * edge, deep), (-0.05 * edge, 0.9 * deep)]
    )
    return affinity.rotate(affinity.translate(yard, at[0] - edge / 2, at[1] - deep / 2), 37.0 * number)


def _wood_and_pond(
    parcels: list[Polygon], stream: LineString, rules: Mapping[str, Any], size: float, rng: np.random.Generator
) -> tuple[list[Polygon], list[BaseGeometry], BaseGeometry]:
    """Turn the parcels at the wood's places into trees, and dig a pond beside the stream."""
    places = [Point(*(size * v for v in at)) for at in rules["woods"]]
    chosen = [_nearest(parcels, place) for place in places]
    wood: list[BaseGeometry] = [parcel.buffer(-1.0) for parcel in chosen]
    rest = [p for p in parcels if not any(p is one for one in chosen)]
    at = np.asarray(stream.interpolate(rules["pond"]["along"], normalized=True).coords[0])
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wide = rules["pond"]["radius_m"]
    radius = wide * (1 + 0.18 * np.sin(2 * angles + 1) + 0.1 * rng.normal(size=24))
    rim = at + [0.0, 1.1 * wide] + np.stack([1.3 * np.cos(angles), np.sin(angles)], 1) * radius[:, None]
    return rest, wood, Polygon(rim).buffer(4).buffer(-4)


def _nearest(parcels: list[Polygon], place: Point) -> Polygon:
    return min(parcels, key=lambda parcel: (parcel.distance(place), parcel.centroid.distance(place)))


def _hedges(parcels: list[Polygon], rules: Mapping[str, Any], rng: np.random.Generator) -> list[BaseGeometry]:
    """Plant tree lines, of uneven width and with gaps, along some parcel edges."""
    out: list[BaseGeometry] = []
    for parcel in parcels:
        ring = parcel.exterior
        if rng.random() > rules["hedged_share"]:
            continue
        start, length = rng.uniform(0, ring.length), rng.uniform(0.12, 0.4) * ring.length
        reach = np.arange(start, start + length, 7.0)
        out += [
            ring.interpolate(d % ring.length).buffer(rng.uniform(2.0, 5.0), quad_segs=4)
            for d in reach
            if rng.random() < 0.85
        ]
    return out


def _fields(
    parcels: list[Polygon],
    taken: BaseGeometry,
    square: Polygon,
    stream: LineString,
    rules: Mapping[str, Any],
    rng: np.random.Generator,
) -> tuple[Field, ...]:
    """Shrink the parcels by their margins, round them, and number them."""
    shapes: list[tuple[Polygon, bool]] = []
    for parcel in parcels:
        gap = float(rng.uniform(*rules["margin_m"]))
        bare = _opened(parcel.buffer(-gap).difference(taken))
        parts = [p for p in getattr(bare, "geoms", [bare]) if isinstance(p, Polygon)]
        for part in parts:
            shape = Polygon(part.exterior, [hole for hole in part.interiors if Polygon(hole).area > 150])
            seen = shape.intersection(square)
            seen = max(seen.geoms, key=lambda g: g.area) if isinstance(seen, MultiPolygon) else seen
            if isinstance(seen, Polygon) and seen.area > 1e4 * rules["area_ha"]["least"] * 0.6:
                shapes.append((seen, square.buffer(-1).contains(shape)))
    shapes.sort(key=lambda s: (-round(s[0].centroid.y / 200), s[0].centroid.x))
    return tuple(
        Field(n, shape, whole, float(np.exp(-shape.distance(stream) / 60.0)))
        for n, (shape, whole) in enumerate(shapes, 1)
    )


def _opened(ground: BaseGeometry) -> BaseGeometry:
    """Drop strips under 14 m wide, which no machine works, close slits, and thin the outline to 1 m."""
    stout = ground.buffer(-7).buffer(7, join_style="mitre", mitre_limit=2.5).intersection(ground)
    return stout.buffer(-3).buffer(5.5).buffer(-2.5).simplify(1.0)


def _crops(fields: tuple[Field, ...], recipe: Mapping[str, Any], rng: np.random.Generator) -> tuple[Field, ...]:
    """Share the crops out by area, among the whole fields and among those that the edge cuts."""
    done = [
        field for whole in (True, False) for field in _share_out([f for f in fields if f.whole is whole], recipe, rng)
    ]
    return tuple(sorted(done, key=lambda field: field.number))


def _share_out(fields: list[Field], recipe: Mapping[str, Any], rng: np.random.Generator) -> list[Field]:
    """Give each field, the wettest first, one of the crops that lack most of their share; wet fields fall to grass."""
    wanted = {crop: float(rules["share"]) for crop, rules in recipe["crops"].items()}
    total = sum(wanted.values())
    area = sum(field.shape.area for field in fields)
    given = dict.fromkeys(wanted, 0.0)
    out = []
    for field in sorted(fields, key=lambda f: -f.wet - 0.3 * rng.random()):
        need = {c: wanted[c] / total - given[c] / area for c in wanted}
        if field.wet > 0.75 and need.get("grassland", -1) > 0:
            crop = "grassland"
        else:
            ranked = sorted((c for c in need if _suits(field, recipe["crops"][c])), key=lambda c: -need[c])
            top = ranked[: min(4, len(ranked))]
            weights = np.clip([need[c] for c in top], 1e-4, None)
            crop = str(rng.choice(top, p=weights / weights.sum()))
        given[crop] += field.shape.area
        out.append(replace(field, crop=crop))
    return out


def _suits(field: Field, rules: Mapping[str, Any]) -> bool:
    least, most = rules.get("field_ha", (0.0, 99.0))
    return bool(least <= field.shape.area / 1e4 <= most)


def _events(fields: tuple[Field, ...], recipe: Mapping[str, Any]) -> tuple[Field, ...]:
    """Strike one whole field for each event of the recipe: the wettest for a flood, else the middle one by area."""
    out = {field.number: field for field in fields}
    for event, rules in recipe.get("events", {}).items():
        able = [
            f
            for f in out.values()
            if f.whole and f.crop in rules["crops"] and f.event == "none" and f.shape.area > 8000
        ]
        if not able:
            continue
        key = (lambda f: -f.wet) if event == "flood" else (lambda f: abs(f.shape.area - 25000.0))
        struck = min(able, key=key)
        out[struck.number] = replace(struck, event=event)
    return tuple(out[field.number] for field in fields)


def _houses(
    village: list[Polygon], roads: BaseGeometry, rng: np.random.Generator
) -> tuple[BaseGeometry, list[tuple[BaseGeometry, int]]]:
    """Return the paved yards, and the roofs with their kinds, set in rows beside the roads."""
    ground = unary_union(village)
    yards: list[BaseGeometry] = []
    roofs: list[tuple[BaseGeometry, int]] = []
    row = ground.intersection(roads.buffer(16).boundary)
    for line in getattr(row, "geoms", [row]):
        for along in np.arange(6.0, line.length - 6.0, 19.0):
            if rng.random() < 0.2:
                continue
            at = line.interpolate(along + rng.uniform(-3, 3))
            ahead = line.interpolate(min(along + 3, line.length))
            angle = np.degrees(np.arctan2(ahead.y - at.y, ahead.x - at.x))
            wide, deep = rng.uniform(8, 14), rng.uniform(8, 12)
            house = affinity.rotate(box(at.x - wide / 2, at.y - deep / 2, at.x + wide / 2, at.y + deep / 2), angle)
            roofs.append((house, ROOF_RED if rng.random() < 0.65 else ROOF_DARK))
            yards.append(house.buffer(rng.uniform(1.5, 5.0)))
    for piece in village:
        if piece.area > 2500 and rng.random() < 0.5:
            at = piece.representative_point()
            barn = affinity.rotate(box(at.x - 21, at.y - 10, at.x + 21, at.y + 10), rng.uniform(0, 90))
            roofs.append((barn.intersection(ground), ROOF_DARK))
            yards.append(barn.buffer(5))
    return unary_union(yards).intersection(ground), [(r, k) for r, k in roofs if r.area > 20]


def _paint(
    layers: list[tuple[BaseGeometry, int, float]], size: float
) -> tuple[NDArray[np.uint16], NDArray[np.float32], NDArray[np.float32]]:
    """Paint classes on the 2 m grid, later layers over earlier ones; return them, heights and edge distances."""
    from rasterio.features import rasterize
    from rasterio.transform import from_origin
    from scipy.ndimage import distance_transform_edt

    cells = round(size / CELL_M)
    transform = from_origin(0, size, CELL_M, CELL_M)
    shapes = [(g, kind + 1) for g, kind, _ in layers if not g.is_empty]
    classes = rasterize(shapes, (cells, cells), fill=VERGE + 1, transform=transform, dtype="uint16") - 1
    heights = np.zeros(FIRST_FIELD, np.float32)
    heights[[TREE, ROOF_RED, ROOF_DARK]] = 11.0, 6.0, 7.0
    tall = heights[np.minimum(classes, FIRST_FIELD - 1)]
    border = np.zeros(classes.shape, bool)
    border[:-1] |= classes[:-1] != classes[1:]
    border[:, :-1] |= classes[:, :-1] != classes[:, 1:]
    edge = distance_transform_edt(~border) * CELL_M
    return classes.astype(np.uint16), tall.astype(np.float32), edge.astype(np.float32)
