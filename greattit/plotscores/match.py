"""Fields found without a drawing against the true ones: `match`.

Each true field is matched with at most one found object, and each object with at most one field, by falling
intersection over union down to HIT. The area of a field is that of the object that covers most of it, whether it is
matched or not: a field that was merged with its neighbour is measured far too large. An object that only strays onto a
field (less than half of the smaller of the two) does not measure it; a field without any has no area and counts as
missed in recall only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from greattit.plotscores.rows import HIT, Asked, FoundField, Given, intervals_of, within
from greattit.plotscores.truth import Field, Place, blocks_of, ground_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOSTLY = 0.5
"""An object counts in precision when more than this share of it lies on ground that is known."""


def match(place: Place, found: Sequence[FoundField], seconds: float = math.nan) -> tuple[list[Asked], list[Given]]:
    """Match the objects found in a place with its true fields; returns a row for each of both.

    Where objects overlap, the ground counts once, for the surer one. Where only fields are known, an object that lies
    mostly elsewhere is no error: it has no row. The order of fields and of objects changes nothing.
    """
    fields = sorted(place.fields, key=lambda field: field.id)
    objects = [one for one in found if not one.geometry.is_empty]
    objects.sort(key=lambda one: (-one.confidence, *one.geometry.bounds, one.geometry.area))
    truth = np.array([field.shape for field in fields], object)
    shapes = _valid([one.geometry for one in objects])
    scale = ground_scale(place.cube) / 1e4
    which, thing, common = _overlaps(truth, shapes)
    union = shapely.area(truth)[which] + shapely.area(shapes)[thing] - common
    partner = _pairs(which, thing, common / union)
    covered = _covered(truth, shapes) * scale
    each = seconds / max(len(place.asked), 1)
    measure = _measure(which, thing, common, truth, shapes)
    asked = [
        _asked(field, n in partner, float(covered[n]), objects[measure[n]] if n in measure else None, scale, each)
        for n, field in enumerate(fields)
    ]
    if not place.complete:
        asked = [
            _by_object(row, truth[n], shapes[measure[n]] if n in measure else None, scale)
            for n, row in enumerate(asked)
        ]
    hits = {k: fields[n] for n, k in partner.items()}
    return asked, _given(place, shapes, hits, truth, scale)


def _valid(shapes: list[Any]) -> NDArray[np.object_]:
    """Mend outlines that cross themselves."""
    array = np.array(shapes, object)
    bad = ~shapely.is_valid(array) if len(array) else np.zeros(0, bool)
    array[bad] = shapely.buffer(array[bad], 0)
    return array


def _overlaps(
    truth: NDArray[np.object_], shapes: NDArray[np.object_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs (number of the field, of the object) that meet, and the area they share [m2]."""
    if not len(truth) or not len(shapes):
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    thing, which = shapely.STRtree(truth).query(shapes, predicate="intersects")
    common = shapely.area(shapely.intersection(truth[which], shapes[thing]))
    some = common > 0
    return which[some], thing[some], common[some]


def _pairs(which: NDArray[np.int64], thing: NDArray[np.int64], overlap: NDArray[np.float64]) -> dict[int, int]:
    """Pair fields with objects one to one, best overlap first; ties by the sorted order of both."""
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for k in np.lexsort((thing, which, -overlap)):
        n, m = int(which[k]), int(thing[k])
        if overlap[k] < HIT:
            break
        if n not in partner and m not in taken:
            partner[n] = m
            taken.add(m)
    return partner


def _covered(truth: NDArray[np.object_], shapes: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the area [m2] of each field that any object covers, counted once."""
    if not len(shapes):
        return np.zeros(len(truth))
    return np.asarray(shapely.area(shapely.intersection(truth, shapely.union_all(shapes))), float)


def _measure(
    which: NDArray[np.int64],
    thing: NDArray[np.int64],
    common: NDArray[np.float64],
    truth: NDArray[np.object_],
    shapes: NDArray[np.object_],
) -> dict[int, int]:
    """Return, by the number of the field, the object that covers most of it and does not merely stray onto it."""
    most: dict[int, int] = {}
    for k in np.lexsort((thing, -common)):
        n, m = int(which[k]), int(thing[k])
        if n not in most and common[k] >= MOSTLY * min(truth[n].area, shapes[m].area):
            most[n] = m
    return most


def _asked(field: Field, hit: bool, covered: float, most: FoundField | None, scale: float, seconds: float) -> Asked:
    eighty, ninety = intervals_of(most)
    known = getattr(most, "area_ha", None)
    own = field.shape.area * scale
    measured = known.p50 if known is not None else math.nan
    if most is not None and known is None:
        measured = most.geometry.area * scale
    return Asked(
        id=field.id,
        group=field.group,
        true_ha=field.area_ha,
        whole=field.whole,
        hit=hit,
        common_ha=min(covered, own),
        joint_ha=own,
        ground_ha=own,
        covered_ha=min(covered, own),
        ratio=measured / field.area_ha,
        within_80=within(field.area_ha, eighty),
        within_90=within(field.area_ha, ninety),
        seconds=seconds,
    )


def _by_object(row: Asked, truth: Any, most: Any, scale: float) -> Asked:
    """Take the extent of a field from the one object that covers most of it: other ground is not known."""
    common = truth.intersection(most).area if most is not None else 0.0
    joint = truth.area + (most.area if most is not None else 0.0) - common
    return replace(row, common_ha=common * scale, joint_ha=joint * scale)


def _given(
    place: Place, shapes: NDArray[np.object_], hits: dict[int, Field], truth: NDArray[np.object_], scale: float
) -> list[Given]:
    """Return a row for each object that counts."""
    if not len(shapes):
        return []
    ground = shapely.union_all(truth)
    on_fields = shapely.area(shapely.intersection(shapes, ground))
    known = shapely.area(shapely.intersection(shapes, shapely.box(*place.bounds))) if place.complete else on_fields
    alone = _alone(shapes, ground, place) * scale
    sizes = shapely.area(shapes)
    groups = _groups(place, shapes)
    return [
        Given(groups[k], hits[k].area_ha if k in hits else float(sizes[k]) * scale, k in hits, float(alone[k]))
        for k in range(len(shapes))
        if k in hits or known[k] > MOSTLY * sizes[k]
    ]


def _alone(shapes: NDArray[np.object_], ground: Any, place: Place) -> NDArray[np.float64]:
    """Return the area [m2] of each object on ground known to be no field, less what surer objects hold already."""
    if not place.complete:
        return np.zeros(len(shapes))
    window = shapely.box(*place.bounds)
    beyond = shapely.intersection(shapely.difference(shapes, ground), window)
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    for k in sorted(set(first.tolist())):
        surer = [m for m in second[first == k] if m < k]
        if surer:
            beyond[k] = shapely.difference(beyond[k], shapely.union_all(shapes[surer]))
    return np.asarray(shapely.area(beyond), float)


def _groups(place: Place, shapes: NDArray[np.object_]) -> list[str]:
    """Return the group of each object: the block it lies in, or the chip of a place with one field."""
    if place.complete or len(place.fields) > 1:
        return blocks_of(list(shapes), place.bounds)
    return [place.fields[0].group] * len(shapes)
