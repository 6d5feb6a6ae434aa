"""Whether a drawing repeats the outline of a claimed plot: where that one lies, or elsewhere."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from greattit.claims.likeness import Likeness, Points, area_of, fits, laid_over, plainness, profile, vertices_fit

SAME_PLACE_M, SAME_PLACE = 3.0, 0.25
"""Two outlines of one shape whose middles are less than the first [m], or less than the second times their size, apart
lie in one place."""

EXACT_M = 0.3
"""Root mean square distance [m] of vertex from vertex up to which an outline was copied by machine."""

VERTICES = 8
"""Fewest vertices whose agreement, one by one, says that an outline was copied and shaken."""

SHAKEN_M, SHAKEN = 5.0, 0.075
"""Root mean square distance of the vertices of a copy from those of its original: at most the first [m], three metres
east and north each, and at most the second times the size (root of the area) of the plot."""

TRACED_M, TRACED = 1.2, 0.012
"""The same between outlines whose vertices differ."""

STANDS_OUT, FEW, LAID = 0.5, 12, 3
"""A traced copy lies closer to its original than this times the median distance from the other outlines of the nearest
signature [1], if there are at least so many; the best so many are laid over each other."""

PLAIN = 0.06
"""Distance from the rectangle around it (`likeness.plainness`) below which a shape is too common for a traced likeness
elsewhere to say anything [1]."""


@dataclass(frozen=True)
class Copy:
    """A claimed plot whose outline a drawing repeats."""

    place: int
    """its place among the claimed plots"""
    likeness: Likeness
    moved_m: float
    """distance between the middles [m]"""
    same_place: bool
    """whether it lies on the ground of the original"""


def near(shift: complex, size_m: float) -> bool:
    """Say whether the middles of two outlines are so close, for their size [m], that they may be of one place."""
    return abs(shift) <= max(SAME_PLACE_M, SAME_PLACE * size_m)


def in_place(mine: Points, theirs: Points, shift: complex, least_iou: float) -> Likeness | None:
    """Return the likeness of a drawing to a plot it lies on, if it repeats it; `shift` leads to its middle [m]."""
    ways = [laid_over(mine, theirs), laid_over(mine - shift, theirs)]
    likeness = max(ways, key=lambda one: one.iou)
    return likeness if likeness.iou >= least_iou else None


def moved(
    mine: Points, rings: Mapping[int, Points], alike: Mapping[int, Points], least_iou: float
) -> dict[int, Likeness]:
    """Return which of the claimed rings (all with their middles at 0) a drawing repeats elsewhere.

    `rings` are those of the nearest signature, `alike` those that have as many vertices, too.

    A copy keeps the vertices of its original: their number, and after a turn each within a few metres. An outline that
    was traced again has others; it counts when it lies much closer to one claimed outline than to the rest of the
    nearest signature, so that a shape which many fields have is never called a copy.
    """
    return _shaken(mine, {**rings, **alike}, least_iou) or _traced(mine, rings, least_iou)


def _shaken(mine: Points, rings: Mapping[int, Points], least_iou: float) -> dict[int, Likeness]:
    most = min(SHAKEN_M, SHAKEN * math.sqrt(area_of(mine).area))
    copies = {}
    for place, theirs in rings.items():
        if len(theirs) != len(mine):
            continue
        apart, turn, mirrored = vertices_fit(mine, theirs)
        if apart <= EXACT_M or (len(mine) > VERTICES and apart <= most):
            likeness = laid_over(mine, theirs, turn=turn, mirrored=mirrored)
            if likeness.iou >= least_iou or apart <= EXACT_M:
                copies[place] = likeness
    return copies


def _traced(mine: Points, rings: Mapping[int, Points], least_iou: float) -> dict[int, Likeness]:
    if not rings or plainness(mine) < PLAIN:
        return {}
    places = list(rings)
    found = fits(profile(mine), np.stack([profile(rings[place]) for place in places]))
    usual = float(np.median(found.apart_m)) if len(places) >= FEW else math.inf
    most = min(TRACED_M, TRACED * math.sqrt(area_of(mine).area))
    copies = {}
    for k in np.argsort(found.apart_m, kind="stable")[:LAID]:
        if found.apart_m[k] > min(STANDS_OUT * usual, 2 * most):
            break
        turn = cmath.phase(cmath.exp(1j * float(found.turn[k])))
        likeness = laid_over(mine, rings[places[k]], turn=turn, mirrored=bool(found.mirrored[k]))
        if likeness.apart_m <= most and likeness.iou >= least_iou:
            copies[places[k]] = likeness
    return copies
