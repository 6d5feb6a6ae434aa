"""What the plot's own pixels say of damage: how much of it is hit, whether it spreads, where water stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.damage import water
from greattit.damage.losses import AFTER_GREEN_DAYS, CHAR_NBR, STRONG_CHAR, STRONG_NBR, Levels
from greattit.damage.rows import CLEAR_ENOUGH, Array, cover, mirbi
from greattit.types import SAR

if TYPE_CHECKING:
    from greattit.types import Cube, Segment

LEAST_COVERAGE = 0.5
"""Pixels count that belong to the plot by this share or more; all of them where there are fewer than `LEAST_PIXELS`."""
LEAST_PIXELS = 6
"""With fewer pixels nothing is said about patches."""
WET_SHARE = 0.06
"""Share of the plot under water from which a look counts as wet: none of 25,000 made looks without water had 0.03."""
RADAR_SHARE = 0.05
"""The same of a radar pass: one in 10,000 made passes without water shows as much."""
FAINT_DB, FAINT_SHARE = -1.0, 0.06
"""A pass that falls short of `water.radar_margin` by so little, on such a share, confirms a wet look beside it."""
CHAR_SHARE, STUBBLE_SHARE = 0.2, 0.12
"""Share of the plot under char from which straw was burnt; the second against bright stubble."""
DRY_SHARE = 0.03
"""A clear look with less water than this, between passes that showed water, says that they saw smooth bare soil."""
RUN_DAYS = 30
"""Looks with water within so many days belong to one flood."""
STRONG_SHARE = 0.35
"""Share under char beyond doubt from which one look suffices."""
CHAR_EDGE = 0.07
"""MIRBI by which a charred pixel may fall below the threshold beside one that does not"""


@dataclass(frozen=True, eq=False)
class Stack:
    """The pixels of one plot."""

    day: NDArray[np.int64]
    """(t,) days since 1970 of the optical looks with `CLEAR_ENOUGH` of the plot clear, ascending"""
    cover: Array
    """(t, p) green cover 0-1; NaN where not clear"""
    wet: Array
    """(t, p) 1 under open water, 0 not; NaN where not clear"""
    damp: Array
    """(t, p) 1 under open water or in part (`water.partly_water`), 0 not; NaN where not clear"""
    char: Array
    """(t, p) MIRBI of dark ground without green, 0 elsewhere; NaN where not clear"""
    strong: Array
    """(t, p) 1 where the char is beyond doubt, 0 elsewhere; NaN where not clear"""
    weight: Array
    """(p,) coverage 0-1"""
    radar_day: NDArray[np.int64]
    """(r,) days since 1970 of the radar passes"""
    radar_wet: Array
    """(r, p) [dB] by how much darker than open water must be (`water.radar_margin`); NaN where not seen"""


@dataclass(frozen=True)
class Flooded:
    """Water on a plot."""

    share: float
    """share of the plot that was under water at some time"""
    first: int
    """days since 1970"""
    last: int
    looks: int
    """optical looks with water"""
    passes: int
    """radar passes with water"""


@dataclass(frozen=True)
class Spread:
    """How a loss went over a plot."""

    share: float
    """share of the plot's pixels that lost half of the depth or more"""
    days: float
    """days between a tenth and four fifths of that area, as far as looks show"""
    contrast: float
    """spread of loss between pixels (p90 - p10) in the look where it is largest"""
    first: int
    """first look with a tenth of the plot lost, days since 1970"""


def stack(segment: Segment, cube: Cube, *, since: date, day: date, levels: Levels) -> Stack:
    """Return the pixels of a segment between two days."""
    coverage = segment.coverage
    chosen = coverage >= LEAST_COVERAGE
    chosen = chosen if chosen.sum() >= LEAST_PIXELS else coverage > 0
    rows, cols = (np.flatnonzero(chosen.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        rows, cols = np.array([0]), np.array([0])
    box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    inside = chosen[box]
    window = cube.isel(y=box[0], x=box[1])
    days = cube["time"].values.astype("datetime64[D]")
    keep = np.flatnonzero((days >= np.datetime64(since)) & (days <= np.datetime64(day)))
    keep = keep[np.argsort(days[keep], kind="stable")]
    clear = window["clear"].values[keep][:, inside]
    enough = clear.mean(axis=1) >= CLEAR_ENOUGH if inside.any() else np.zeros(len(keep), bool)
    keep, clear = keep[enough], clear[enough]
    bands = {
        name: np.where(clear, window[name].values[keep][:, inside], np.nan).astype(np.float64)
        for name in ("B02", "B03", "B04", "B08", "B11", "B12")
        if name in window
    }
    unknown = np.full(clear.shape, np.nan)
    bands = {name: bands.get(name, unknown) for name in ("B02", "B03", "B04", "B08", "B11", "B12")}
    ndvi, ndmi = indices.ndvi(bands["B04"], bands["B08"]), indices.ndmi(bands["B08"], bands["B11"])
    green = cover(np.asarray(ndvi, np.float64), np.asarray(ndmi, np.float64), bands["B08"])
    wet = np.where(np.isfinite(green), water.optical_water(bands), np.nan)
    damp = np.where(np.isfinite(green), water.partly_water(bands) | (wet > 0), np.nan)
    char, strong = _char(bands, green, levels)
    weight = coverage[box][inside].astype(np.float64)
    radar_day, radar_wet = _radar(window, inside, since, day)
    return Stack(days[keep].astype(np.int64), green, wet, damp, char, strong, weight, radar_day, radar_wet)


def _char(bands: Mapping[str, Array], green: Array, levels: Levels) -> tuple[Array, Array]:
    """Return MIRBI of dark ground without green (t, p), and where it is char beyond doubt; NaN where not seen."""
    with np.errstate(invalid="ignore"):
        nbr = indices.nbr(bands["B08"], bands["B12"])
        burnt = mirbi(bands["B11"], bands["B12"])
        dark = (bands["B08"] < levels.char_nir) & (nbr < CHAR_NBR) & (green < 0.3)
        strong = dark & (burnt > levels.char_mirbi + STRONG_CHAR) & (nbr < STRONG_NBR)
    seen = np.isfinite(green)
    return np.where(seen, np.where(dark, burnt, 0.0), np.nan), np.where(seen, strong, np.nan)


def _radar(window: Cube, inside: NDArray[np.bool_], since: date, day: date) -> tuple[NDArray[np.int64], Array]:
    if not all(name in window for name in SAR):
        return np.array([], np.int64), np.zeros((0, int(inside.sum())))
    days = window["sar_time"].values.astype("datetime64[D]")
    keep = np.flatnonzero((days >= np.datetime64(since)) & (days <= np.datetime64(day)))
    keep = keep[np.argsort(days[keep], kind="stable")]
    layers = {name: window[name].values[keep].astype(np.float64) for name in SAR}
    return days[keep].astype(np.int64), np.asarray(water.radar_margin(layers)[:, inside], np.float64)


def share_of(flags: Array, weight: Array) -> Array:
    """Return the share (t,) of the weight of known pixels whose flag is 1; NaN where none is known."""
    known = np.isfinite(flags)
    total = known @ weight
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, np.nan_to_num(flags) @ weight / total, np.nan))


def flooded(pixels: Stack) -> Flooded | None:
    """Return the water that came over a plot: seen twice within `RUN_DAYS`, by eye or radar; None where it did not.

    A pixel that is wet in half of all looks is a pond, and no flood. Open water tells that there is a flood, what is
    partly water how far it reached: mixed pixels of the water's edge were flooded too.
    """
    optical = pixels.wet
    with np.errstate(invalid="ignore", divide="ignore"):
        always = np.nansum(optical, axis=0) > 0.5 * np.maximum(np.isfinite(optical).sum(axis=0), 1)
    optical = np.where(always, np.nan, optical)
    wet = [
        (int(day), float(share), True, True)
        for day, share in zip(pixels.day, share_of(optical, pixels.weight), strict=True)
        if share >= WET_SHARE
    ]
    wet = sorted(wet + _wet_passes(pixels, always))
    runs = [[one for one in wet if start <= one[0] <= start + RUN_DAYS] for start, *_ in wet]
    runs = [run for run in runs if sum(sure for *_, sure in run) >= 2 or (len(run) >= 2 and any(one[2] for one in run))]
    dry = [int(d) for d, s in zip(pixels.day, share_of(optical, pixels.weight), strict=True) if s < DRY_SHARE]
    runs = [run for run in runs if any(eye for *_, eye, _ in run) or not _between(dry, run[0][0], run[-1][0])]
    if not runs:
        return None
    run = max(runs, key=len)
    looks = [share for _, share, eye, _ in run if eye]
    share = max(looks) if looks else float(np.median([share for _, share, *_ in run]))
    if looks:
        reach = share_of(np.where(always, np.nan, pixels.damp), pixels.weight)
        share = max(share, float(np.nanmax(reach[np.isin(pixels.day, [day for day, _, eye, _ in run if eye])])))
    return Flooded(min(share, 1.0), run[0][0], run[-1][0], len(looks), len(run) - len(looks))


def _between(days: Sequence[int], first: int, last: int) -> bool:
    return any(first <= day <= last for day in days)


def _wet_passes(pixels: Stack, always: NDArray[np.bool_]) -> list[tuple[int, float, bool, bool]]:
    """Return the radar passes with water: day, share, False (no optical look), and whether it is sure or faint."""
    found = []
    known = np.isfinite(pixels.radar_wet) & ~always
    sure = share_of(np.where(known, pixels.radar_wet > 0.0, np.nan), pixels.weight)
    faint = share_of(np.where(known, pixels.radar_wet > FAINT_DB, np.nan), pixels.weight)
    for day, most, least in zip(pixels.radar_day, sure, faint, strict=True):
        if most >= RADAR_SHARE or least >= FAINT_SHARE:
            found.append((int(day), float(max(most, least)), False, bool(most >= RADAR_SHARE)))
    return found


def best_tenth(pixels: Stack) -> Array:
    """Return the ninth decile of the pixels' cover in each look (t,); NaN where half of them were not seen."""
    enough = np.isfinite(pixels.cover).mean(axis=1) >= CLEAR_ENOUGH if pixels.cover.size else np.zeros(0, bool)
    found = np.full(len(pixels.day), np.nan)
    if enough.any():
        found[enough] = np.nanquantile(pixels.cover[enough], 0.9, axis=1)
    return found


def wet_once(pixels: Stack, first: float, last: float) -> tuple[int, float] | None:
    """Return the day and share of the wettest look between two days, where a tenth of the plot or more was wet."""
    share = share_of(pixels.wet, pixels.weight)
    share = np.where((pixels.day >= first) & (pixels.day <= last) & np.isfinite(share), share, 0.0)
    at = int(np.argmax(share)) if len(share) else -1
    return (int(pixels.day[at]), float(share[at])) if at >= 0 and share[at] >= 0.1 else None


def spread(pixels: Stack, usual: Array, good: float, until: float, depth: float) -> Spread | None:
    """Return how a loss of `depth` went over the plot between the day `good` before it and `until`.

    `usual` (t,): cover that the neighbours showed in each look of the stack, or the plot's own ninth decile; the
    pixel's expectation is its own cover before the loss, moved as that moved. None with too few pixels or looks.
    """
    before = (pixels.day <= good) & (pixels.day >= good - 30)
    looks = np.flatnonzero((pixels.day >= good) & (pixels.day <= until) & np.isfinite(usual))
    if not before.any() or len(looks) < 2 or pixels.cover.shape[1] < LEAST_PIXELS:
        return None
    own = _last(np.where(before[:, None], pixels.cover, np.nan))
    base = float(_last(usual[before][:, None])[0]) if np.isfinite(usual[before]).any() else float(usual[looks[0]])
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = own[None, :] * (usual[looks] / max(base, 0.05))[:, None]
        lost = np.clip(1.0 - pixels.cover[looks] / np.maximum(expected, 0.1), 0.0, 1.0)
    lost = np.fmin(lost, np.concatenate([lost[1:], np.full((1, lost.shape[1]), np.nan)])) if len(lost) > 2 else lost
    hard = max(0.5 * float(np.nanmax(np.nanquantile(lost, 0.9, axis=1))), 0.15) if np.isfinite(lost).any() else 1.0
    flags = np.where(np.isfinite(lost), lost >= hard, np.nan)
    area = share_of(flags, pixels.weight)
    area = np.fmax.accumulate(np.where(np.isfinite(area), area, 0.0))
    top = float(area.max(initial=0.0))
    if top <= 0:
        return None
    days = pixels.day[looks]
    start, full = days[np.argmax(area >= 0.1)], days[np.argmax(area >= 0.8 * top)]
    widest = _contrast(lost)
    return Spread(top, float(max(full - start, 0)), widest, int(start))


def short_of(pixels: Stack, usual: Array, never: float) -> float:
    """Return the share of the plot that never had `never` of the cover which `usual` (t,) shows; NaN unseen."""
    looks = np.isfinite(usual) & (usual > 0.3)
    if not looks.any():
        return float("nan")
    ratio = pixels.cover[looks] / usual[looks][:, None]
    best = np.fmax.reduce(ratio, axis=0)
    return float(share_of(np.where(np.isfinite(best), best < never, np.nan)[None], pixels.weight)[0])


def charred(pixels: Stack, since: float, levels: Levels, stubble: bool) -> tuple[int, int, float] | None:
    """Return first and last day (since 1970) and share of the plot burnt after a green stand; None where none is.

    Looks before the day `since` do not count (NaN: all do). Two looks must show it, or one beyond doubt; against
    bright `stubble` an eighth of the plot is beyond doubt, on ground that is dark and wet in autumn more. Where some of
    the plot is charred, pixels count from `CHAR_EDGE` lower on: those of its edge, and where wind has taken some ash.
    """
    known = np.isfinite(pixels.char)
    share = share_of(np.where(known, pixels.char > levels.char_mirbi, np.nan), pixels.weight)
    wide = share_of(np.where(known, pixels.char > levels.char_mirbi - CHAR_EDGE, np.nan), pixels.weight)
    green = np.where(share_of(pixels.cover, pixels.weight) > 0.4, pixels.day, -np.inf)
    with np.errstate(invalid="ignore"):
        least = STUBBLE_SHARE if stubble else CHAR_SHARE
        lit = (share >= least) & ~(pixels.day < since)
        lit &= pixels.day - np.maximum.accumulate(green) <= AFTER_GREEN_DAYS
        sure = share if stubble else share_of(pixels.strong, pixels.weight)
        beyond = lit & (sure >= (STUBBLE_SHARE if stubble else STRONG_SHARE))
    if lit.sum() < 2 and not beyond.any():
        return None
    days = pixels.day[lit]
    return int(days[0]), int(days[-1]), float(np.nanmax(wide[lit]))


def _last(stack_: Array) -> Array:
    """Return the last known value of each column (t, p) -> (p,)."""
    known = np.isfinite(stack_)
    at = stack_.shape[0] - 1 - np.argmax(known[::-1], axis=0)
    return np.asarray(np.where(known.any(axis=0), stack_[at, np.arange(stack_.shape[1])], np.nan))


def _contrast(lost: Array) -> float:
    known = np.isfinite(lost).sum(axis=1) >= LEAST_PIXELS
    if not known.any():
        return float("nan")
    low, high = np.nanquantile(lost[known], (0.1, 0.9), axis=1)
    return float((high - low).max())
