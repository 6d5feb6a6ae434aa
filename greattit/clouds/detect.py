"""The multi-temporal detector: what departs from the looks before and from those after, and comes back.

Evidence, each taken as the lesser of the two sides, so that what stays is no evidence:

- cloud: blue rises (Hagolle et al. 2010), and so does HOT = B02 - 0.5 B04 (Zhang et al. 2002, Remote Sens. Environ.
  82), by a good share of the rise of blue: cloud is white, and bare soil and straw rise about twice as much in red;
- shadow: B08 and B11 fall by the same factor, and green falls too, which tells it from a cut (B11 rises) and from
  muddy water (green rises).

The scene classification moves the thresholds: what it flags needs less evidence. What it flags without any evidence is
given back, if the season was seen well enough to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.reference import Reference, against_season, first_trust, trust_after
from greattit.clouds.stack import CLEAR, CLOUD, SCL_CLOUD, SCL_SHADOW, SHADOW, Stack, box, from_scl, with_snow

Floats = NDArray[np.float32]

SUPPORT_PX = 7
"""[px] window in which strong evidence on a quarter of the pixels lets half as strong evidence count"""
FLOOR = 0.02
"""least reflectance in a ratio"""


@dataclass(frozen=True)
class Levels:
    """Thresholds; chosen on made seasons of the training counties (`train`), never on real stacks."""

    rise: float = 0.020
    """[1] rise of blue of a cloud"""
    hot: float = 0.010
    """[1] rise of HOT of a cloud"""
    white: float = 0.35
    """least rise of HOT as a share of that of blue; 0.5 is white"""
    flagged: float = 0.5
    """factor on both where SCL says cloud"""
    fall: float = 0.80
    """B08 and B11 of a shadow, against their season"""
    fall_green: float = 0.97
    """green of a shadow, against its season"""
    flagged_fall: float = 0.90
    """`fall` where SCL says shadow"""
    known: float = 0.02
    """least weight of trusted looks around that can overrule SCL"""


@dataclass(frozen=True, eq=False)
class Evidence:
    """How far each look departs from its own season (t, y, x)."""

    rise: Floats
    """[1] blue above both sides"""
    hot: Floats
    """[1] HOT above both sides"""
    near: Floats
    """B08 as a share of the darker side"""
    short: Floats
    """B11 as a share of the darker side"""
    green: Floats
    """B03 as a share of the darker side"""
    known: Floats
    """weight of the trusted looks around"""


def evidence(stack: Stack, ref: Reference) -> Evidence:
    """Return what speaks for cloud and shadow, averaged over 3 x 3 pixels."""
    own = stack.values if stack.seen.all() else np.where(stack.seen, stack.values, (ref.before + ref.after) / 2)
    mine, before, after = (box(part[:5], 3) for part in (own, ref.before, ref.after))
    low = np.minimum(before, after)
    high = np.maximum(before, after)
    hot = [part[0] - np.float32(0.5) * part[2] for part in (mine, before, after)]
    near, short, green = (np.maximum(mine[k], FLOOR) / np.maximum(low[k], FLOOR) for k in (3, 4, 1))
    known = ref.weight_before + ref.weight_after
    return Evidence(mine[0] - high[0], hot[0] - np.maximum(hot[1], hot[2]), near, short, green, known)


def seasoned(stack: Stack, levels: Levels) -> tuple[Reference, Evidence]:
    """Hold the season against itself, twice: the second time without what the first found."""
    trust = first_trust(stack)
    ref = against_season(stack, trust)
    found = evidence(stack, ref)
    ref = against_season(stack, trust_after(stack, trust, decide(stack, found, levels)))
    return ref, evidence(stack, ref)


def detect(stack: Stack, levels: Levels | None = None) -> NDArray[np.uint8]:
    """Return the mask (t, y, x) of the detector; where the season says too little it is that of SCL."""
    levels = levels or Levels()
    return decide(stack, seasoned(stack, levels)[1], levels)


def decide(stack: Stack, found: Evidence, levels: Levels) -> NDArray[np.uint8]:
    """Return the mask (t, y, x) that the evidence gives."""
    cloud, shadow = _cloud(stack, found, levels), _shadow(stack, found, levels)
    mask = np.where(cloud, CLOUD, np.where(shadow, SHADOW, CLEAR)).astype(np.uint8)
    mask = np.where(found.known < levels.known, from_scl(stack), mask)
    return with_snow(stack, mask)


def _cloud(stack: Stack, found: Evidence, levels: Levels) -> NDArray[np.bool_]:
    hot = np.maximum(levels.hot, levels.white * found.rise)
    strength = np.minimum(found.rise / levels.rise, found.hot / hot)
    strength = np.where(np.isin(stack.scl, SCL_CLOUD), strength / levels.flagged, strength)
    return _supported(strength)


def _shadow(stack: Stack, found: Evidence, levels: Levels) -> NDArray[np.bool_]:
    fall = np.where(stack.scl == SCL_SHADOW, levels.flagged_fall, levels.fall).astype(np.float32)
    strength = (1 - np.maximum(found.near, found.short)) / (1 - fall)
    strength = np.where(found.green < levels.fall_green, strength, 0)
    return _supported(strength)


def _supported(strength: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Strong evidence, or half as strong beside many strong pixels."""
    strong = strength > 1
    near = box(strong, SUPPORT_PX) > 0.25
    return np.asarray(strong | ((strength > 0.5) & near))
