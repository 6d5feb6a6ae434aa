"""Losses that a season's rows show: cover that fell against the neighbours, never came, or burnt after the harvest.

Every function takes `Rows` and gives one value a plot; what cannot be told is NaN or False.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.damage.rows import Array, Rows

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Levels:
    """The learned thresholds; `models/damage/card.yaml` holds those that serve."""

    fall: float = 0.18
    """share of the cover that must be missing, after it was there, for a loss"""
    ripe: float = 0.78
    """share of their best cover under which the neighbours ripen, and differences are those of dates"""
    before_days: float = 12.0
    """from so long before the first usual day of the harvest on a loss may be ripening"""
    short: float = 0.80
    """cover that a stand in the middle of its season has, unless something keeps it short"""
    sudden: float = 0.60
    """share of a loss that falls between two looks of a sudden one"""
    bare: float = 0.14
    """cover up to which a plot is bare: cut, not hailed"""
    never: float = 0.75
    """share of the neighbours' cover that a stand which failed never reaches"""
    char_mirbi: float = 1.66
    """MIRBI above which dark ground is charred"""
    char_nir: float = 0.16
    """NIR below which ground may be charred [1]"""
    spread_days: float = 6.0
    """days over which a loss must spread to be a pest"""
    own_margin_days: float = 30.0
    """so long before the first usual day of the harvest a fall of the plot and its neighbours alike is no ripening"""


@dataclass(frozen=True, eq=False)
class Loss:
    """The largest loss of each plot."""

    found: Flags
    """(n,)"""
    depth: Array
    """(n,) share 0-1 of the cover that went"""
    good: Array
    """(n,) day of the last look before it, days since 1970"""
    seen: Array
    """(n,) day of the first look with it"""
    full: Array
    """(n,) day of the first look with four fifths of it"""
    step: Array
    """(n,) share 0-1 of the loss that fell within the largest step between looks `ONE_BLOW_DAYS` apart or less"""
    jump: Array
    """(n,) the same between looks however far apart"""
    after: Array
    """(n,) least cover in the two looks from `full` on"""
    before: Array
    """(n,) cover before"""
    beside: Array
    """(n,) cover of the neighbours at `full`; NaN where unknown"""


MEASURED = 0.45
"""cover of the neighbours from which a plot is held against them"""
BEFORE_HARVEST_DAYS = 12.0
"""from so long before the first usual day of the harvest on char may be that of its straw [days]"""
AFTER_SOWING_DAYS = 45.0
"""until so long after the first usual day of sowing what stands there may be another crop [days]"""
AFTER_GREEN_DAYS = 70.0
"""char must follow a green stand within so many days"""
CHAR_NBR = 0.02
"""NBR under which dark ground may be charred: a shadow keeps the NBR of what lies under it"""
STRONG_CHAR, STRONG_NBR = 0.04, -0.05
"""MIRBI above the threshold, and NBR below 0, from which one look suffices; else two must show char"""
ONE_BLOW_DAYS = 25.0
"""two looks further apart than this cannot say that a loss was sudden [days]"""


def window(rows: Rows, levels: Levels) -> Flags:
    """Return (n, k) the looks in which the crop should stand green: after its rise, before it ripens."""
    with np.errstate(invalid="ignore"):
        grown = ~(rows.day < rows.sown[:, None] + AFTER_SOWING_DAYS)
        unripe = ~(rows.day > rows.harvest[:, None] - levels.before_days) & np.isfinite(rows.day)
        near = np.where(grown & unripe, rows.usual, np.nan)
        best = np.fmax.accumulate(np.where(np.isfinite(near), near, 0.0), axis=1)
        top = best[:, -1:]
        ripening = (best >= 0.999 * top) & (rows.usual < levels.ripe * top)
        past = np.maximum.accumulate(ripening, axis=1)
        return np.asarray(grown & unripe & (rows.usual >= np.maximum(MEASURED, 0.55 * top)) & ~past)


def ratio(rows: Rows, inside: Flags) -> Array:
    """Return (n, k) the cover as a share 0-1 of the neighbours', NaN outside the window."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(inside, np.clip(rows.cover / rows.usual, 0.0, 1.0), np.nan)


def losses(rows: Rows, levels: Levels) -> Loss:
    """Return the largest loss of each plot against its neighbours: it was there as theirs, and went, for two looks."""
    share = ratio(rows, window(rows, levels))
    return _loss(rows, share, levels)


def own_losses(rows: Rows, levels: Levels, margin_days: float) -> Loss:
    """Return the largest loss of each plot against its own best, until `margin_days` before its harvest usually begins.

    What all neighbours share (frost, drought) shows here and not in `losses`.
    """
    with np.errstate(invalid="ignore"):
        inside = (rows.day >= rows.sown[:, None] + AFTER_SOWING_DAYS) & (
            rows.day <= rows.harvest[:, None] - margin_days
        )
        share = np.where(inside, rows.cover, np.nan)
        top = np.fmax.accumulate(np.where(np.isfinite(share), share, 0.0), axis=1)[:, -1:]
        return _loss(rows, np.where(top >= MEASURED, share / np.maximum(top, MEASURED), np.nan), levels)


def _loss(rows: Rows, share: Array, levels: Levels) -> Loss:
    """Find the deepest fall of `share` (n, k) below the best that it had before."""
    n, k = share.shape
    lines = np.arange(n)
    best = np.fmax.accumulate(np.where(np.isfinite(share), share, -np.inf), axis=1)
    earlier = np.concatenate([np.full((n, 1), -np.inf), best[:, :-1]], axis=1)
    fallen = np.where(np.isfinite(share) & np.isfinite(earlier), earlier - share, -np.inf)
    last = np.argmax(fallen, axis=1)
    depth = np.where(np.isfinite(fallen[lines, last]), fallen[lines, last], np.nan)
    with np.errstate(invalid="ignore"):
        found = depth >= levels.fall
        usable = np.isfinite(share)
        upto = np.arange(k)[None, :] <= last[:, None]
        low = usable & upto & (fallen >= 0.3 * depth[:, None])
        full_at = np.argmax(usable & upto & (fallen >= 0.8 * depth[:, None]), axis=1)
        seen_at = np.argmax(low, axis=1)
        above = usable & (np.arange(k)[None, :] < seen_at[:, None]) & (fallen < 0.3 * depth[:, None])
        good_at = np.where(above.any(axis=1), k - 1 - np.argmax(above[:, ::-1], axis=1), np.maximum(seen_at - 1, 0))
    falls = np.where(found, depth, np.nan)
    step = _largest_step(rows, share, upto, ONE_BLOW_DAYS) / falls
    jump = _largest_step(rows, share, upto, np.inf) / falls
    after = np.fmin(rows.cover[lines, full_at], rows.cover[lines, np.minimum(full_at + 1, k - 1)])
    return Loss(
        found=found,
        depth=falls,
        good=rows.day[lines, good_at],
        seen=rows.day[lines, seen_at],
        full=rows.day[lines, full_at],
        step=step,
        jump=jump,
        after=after,
        before=rows.cover[lines, good_at],
        beside=rows.usual[lines, full_at],
    )


def _largest_step(rows: Rows, share: Array, upto: Flags, apart_days: float) -> Array:
    """Return the largest fall between two known looks that follow each other, of those up to the end (n, k)."""
    known = np.isfinite(share)
    at = np.maximum.accumulate(np.where(known, np.arange(share.shape[1]), -1), axis=1)
    before = np.concatenate([np.full((len(share), 1), -1), at[:, :-1]], axis=1)
    lines = np.arange(len(share))[:, None]
    with np.errstate(invalid="ignore"):
        fell = share[lines, before] - share
        fits = upto & known & (before >= 0) & (rows.day - rows.day[lines, before] <= apart_days)
    return np.asarray(np.where(fits, fell, 0.0).max(axis=1, initial=0.0))


def midseason(rows: Rows) -> Flags:
    """Return (n, k) the looks in which any stand should be closed, by the calendar alone.

    They lie 55 to 22 hundredths of the season before its harvest, and a season counts as 160 days at most: a winter
    crop closes in spring.
    """
    length = np.minimum(rows.harvest - rows.sown, 160.0)
    with np.errstate(invalid="ignore"):
        late = rows.day <= (rows.harvest - 0.22 * length)[:, None]
        return np.asarray(late & (rows.day >= (rows.harvest - 0.55 * length)[:, None]))


def short(rows: Rows, levels: Levels) -> tuple[Flags, Array, Array]:
    """Return where a stand was kept short all its season, its best cover, and the first day of its middle (n,) each.

    Three looks at least, see `midseason`.
    """
    with np.errstate(invalid="ignore"):
        middle = midseason(rows)
        seen = np.where(middle, rows.cover, np.nan)
        best = np.fmax.reduce(seen, axis=1)
        enough = np.isfinite(seen).sum(axis=1) >= 3
        return enough & (best < levels.short), best, np.fmin.reduce(np.where(middle, rows.day, np.nan), axis=1)


def looks(rows: Rows, levels: Levels) -> tuple[NDArray[np.int64], Array]:
    """Return the number of looks in the window and the days from the first to the last of them (n,) each."""
    inside = window(rows, levels)
    days = np.where(inside, rows.day, np.nan)
    with np.errstate(invalid="ignore"):
        return inside.sum(axis=1), np.fmax.reduce(days, axis=1) - np.fmin.reduce(days, axis=1)


def failed(rows: Rows, levels: Levels) -> tuple[Flags, Array, Array]:
    """Return where a stand never came up, the share missing, and the day from which it is clear (n,) each.

    Against the neighbours: three looks over 20 days or more in their green time, none with `levels.never` of their
    cover. Without neighbours: bare in three looks or more, all those of `midseason`.
    """
    inside = window(rows, levels)
    share = ratio(rows, inside)
    count = np.isfinite(share).sum(axis=1)
    with np.errstate(invalid="ignore"):
        days = np.where(np.isfinite(share), rows.day, np.nan)
        span = np.fmax.reduce(days, axis=1) - np.fmin.reduce(days, axis=1)
        best = np.fmax.reduce(share, axis=1)
        never = (count >= 3) & (span >= 20) & (best < levels.never)
        missing = np.where(np.isfinite(share), 1.0 - share, 0.0).sum(axis=1)
        mean = np.where(count > 0, missing / np.maximum(count, 1), np.nan)
        risen = (rows.day >= rows.sown[:, None] + AFTER_SOWING_DAYS) & (rows.usual >= 0.35)
        thin = np.where(risen & (rows.cover < levels.never * rows.usual), rows.day, np.nan)
        first = np.fmin.reduce(days, axis=1)
        first = np.fmin(first, np.fmin.reduce(np.where(thin >= first[:, None] - 25.0, thin, np.nan), axis=1))
        middle = midseason(rows)
        alone = np.where(middle & ~np.isfinite(rows.usual).any(axis=1, keepdims=True), rows.cover, np.nan)
        seen = np.isfinite(alone)
        bare = (seen.sum(axis=1) >= 3) & (np.fmax.reduce(alone, axis=1) < 0.25)
        since: Array = np.fmin.reduce(np.where(seen, rows.day, np.nan), axis=1)
    return np.asarray(never | bare), np.where(bare, 1.0, mean), np.where(bare, since, first)


def burnt(rows: Rows, levels: Levels) -> tuple[Flags, Array, Array]:
    """Return where straw was burnt, the largest MIRBI then, and the first day it was seen (n,) each.

    Char is dark in the near infrared and keeps its B12 against B11 (Trigg and Flasse 2001); stubble, tilled soil and
    shadow do not. It must follow a green stand by at most `AFTER_GREEN_DAYS`, near the harvest where that is known.
    """
    with np.errstate(invalid="ignore"):
        dark = (rows.mirbi > levels.char_mirbi) & (rows.nir < levels.char_nir) & (rows.nbr < CHAR_NBR)
        dark &= rows.cover < 0.3
        green = np.where(rows.cover > 0.4, rows.day, -np.inf)
        since = rows.day - np.maximum.accumulate(green, axis=1)
        lit = dark & (since <= AFTER_GREEN_DAYS) & ~(rows.day < rows.harvest[:, None] - BEFORE_HARVEST_DAYS)
    strong = lit & (rows.mirbi > levels.char_mirbi + STRONG_CHAR) & (rows.nbr < STRONG_NBR)
    enough = (lit.sum(axis=1) >= 2) | strong.any(axis=1)
    first = np.argmax(lit, axis=1)
    most = np.fmax.reduce(np.where(lit, rows.mirbi, np.nan), axis=1)
    return np.asarray(enough), np.asarray(most), np.asarray(rows.day[np.arange(len(lit)), first])
