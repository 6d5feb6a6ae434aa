"""From signs to hazards: which of the causes that could explain a loss is left, and "unknown" where several are.

Order of the questions: water, a stand that never came, frost, an early cut, drought, a spread from inside, a sudden
blow; what no question settles is "decline, cause unknown".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from greattit import policy
from greattit.damage import losses as lost
from greattit.damage import pixels as px
from greattit.damage import water
from greattit.damage.losses import Levels, Loss
from greattit.damage.rows import Array, Rows
from greattit.damage.weather import Weather, coldest, hardened, thirsty
from greattit.types import Hazard

FLOOD, DROUGHT, HAIL, PEST = "flood", "drought", "hail or lodging", "pest or disease"
FROST, FAILED, EARLY, BURNT = "frost", "failed emergence", "early harvest", "straw burning"
UNKNOWN = "decline, cause unknown"
KINDS = (FLOOD, DROUGHT, HAIL, PEST, FROST, FAILED, EARLY, BURNT, UNKNOWN)

WHOLE = 0.8
"""share of the plot from which a loss is one of the whole plot"""
CAME = 0.35
"""a stand that lost this share of its own best had come"""
NEVER_SHARE = 0.3
"""share of the plot without a stand from which it failed in part"""
BETTER = 0.08
"""cover by which a plot that stands better than its neighbours suffers no drought"""
ONE_BLOW = 0.75
"""share of a loss over the whole plot that fell between two looks: it did not spread"""
GROWN = 0.6
"""cover of the plot's best tenth from which its patches are judged"""
PATCH_SHARE, PATCH_CONTRAST = (0.15, 0.85), 0.4
"""share of the plot, and difference in loss between its pixels, of a patch that grows while the plot's mean holds"""
PATCHY = 0.33
"""difference in loss between the pixels hit most and least (p90 - p10) from which a loss is patchy"""
SLOW_DAYS = 12.0
"""a loss that took so long between two looks may have been slow"""
AROUND_FLOOD_DAYS = 30
"""a loss that begins so near to standing water is the water's"""


@dataclass(frozen=True, eq=False)
class Signs:
    """What the rows of many plots show, all at once."""

    rows: Rows
    loss: Loss
    """against the neighbours"""
    own: Loss
    """against the plot's own best, well before the usual ripening"""
    late: Loss
    """against the plot's own best, until the usual ripening"""
    short: tuple[Any, Array, Array]
    shared: Array
    """(n,) share of the neighbours' own cover that went by the time of `own`; NaN without neighbours"""
    failed: tuple[Any, Array, Array]
    looks: tuple[Any, Array]
    """(n,) number of looks in the window, and the days from the first to the last"""
    burnt: tuple[Any, Array, Array]
    wet: Array
    """(n, k) looks whose means look like open water"""


@dataclass(frozen=True, eq=False)
class Plot:
    """One plot's own inputs beside its row."""

    crop: str | None
    annual: bool
    """False for grass, forage and trees, whose cuts and leaf-fall are no damage"""
    straw: bool
    """whether its harvest leaves straw or stalks that could be burnt"""
    stubble: bool
    """whether they are bright, as of small grains and rapeseed, so that char stands out against them"""
    pixels: px.Stack | None
    weather: Weather | None
    day: date


def read(rows: Rows, levels: Levels) -> Signs:
    """Return the signs of many plots."""
    own = lost.own_losses(rows, levels, levels.own_margin_days)
    late = lost.own_losses(rows, levels, levels.before_days)
    with np.errstate(invalid="ignore"):
        upto = rows.day <= own.full[:, None]
        best = np.fmax.reduce(np.where(upto, rows.usual, np.nan), axis=1)
        shared = np.clip(1.0 - own.beside / np.maximum(best, lost.MEASURED), 0.0, 1.0)
    return Signs(
        rows=rows,
        loss=lost.losses(rows, levels),
        own=own,
        late=late,
        short=lost.short(rows, levels),
        shared=shared,
        failed=lost.failed(rows, levels),
        looks=lost.looks(rows, levels),
        burnt=lost.burnt(rows, levels),
        wet=rows.wet,
    )


def tell(signs: Signs, at: int, plot: Plot, levels: Levels) -> tuple[Hazard, ...]:
    """Return the hazards of one plot, in order of day."""
    flood = _wider(signs, at, plot, levels, _flood(signs, at, plot))
    found = [] if flood is None else [flood]
    if plot.annual:
        char = _burnt(signs, at, plot, levels) if plot.straw else None
        found += [one for one in (char, _stand(signs, at, plot, flood, levels)) if one is not None]
    return tuple(sorted(found, key=lambda hazard: (hazard.day, hazard.kind)))


def _date(number: float) -> date:
    return np.datetime64(int(number), "D").astype(object)  # type: ignore[no-any-return]


def _flood(signs: Signs, at: int, plot: Plot) -> Hazard | None:
    """Return the flood, by the pixels where there are any; none of rice before its stand has closed."""
    green = np.where(signs.rows.cover[at] > 0.5, signs.rows.day[at], np.inf)
    dry_until = float(np.min(green, initial=np.inf)) if plot.crop and "rice" in plot.crop else -np.inf
    if plot.pixels is not None:
        seen = px.flooded(plot.pixels)
        if seen is None or seen.first < dry_until:
            return None
        text = (
            f"open water over {seen.share:.0%} of the plot in {seen.looks} clear looks (NDVI < 0.2, MNDWI > 0.3) "
            f"and {seen.passes} radar passes (VV under {water.WATER_VV_DB:.0f} dB, {water.DROP_DB:.0f} dB under its "
            f"own median), {_date(seen.first)} to {_date(seen.last)}"
        )
        return Hazard(FLOOD, seen.share, _date(seen.first), text, last=_date(seen.last))
    days = signs.rows.day[at][(signs.wet[at] > 0) & (signs.rows.day[at] >= dry_until)]
    days = days[np.isfinite(days)]
    if len(days) < 2 or days[1] - days[0] > 30:
        return None
    text = f"its mean is open water (NDVI under 0.2, MNDWI over 0.3) in {len(days)} looks from {_date(days[0])}"
    return Hazard(FLOOD, 1.0, _date(days[0]), text, last=_date(days[-1]))


def _wider(signs: Signs, at: int, plot: Plot, levels: Levels, flood: Hazard | None) -> Hazard | None:
    """Return a flood with the share of the plot whose stand it took, where that is more than was seen under water."""
    loss = signs.loss
    if flood is None or plot.pixels is None or not loss.found[at] or not _by_water(loss, at, flood):
        return flood
    shape = _spread(signs, loss, at, plot, levels)
    if shape is None or shape.share <= flood.share or shape.contrast < PATCHY:
        return flood
    return replace(flood, share=shape.share, evidence=f"{flood.evidence}; the stand went over {shape.share:.0%}")


def _burnt(signs: Signs, at: int, plot: Plot, levels: Levels) -> Hazard | None:
    if plot.pixels is not None:
        seen = px.charred(plot.pixels, float(signs.rows.harvest[at]) - lost.BEFORE_HARVEST_DAYS, levels, plot.stubble)
        if seen is None:
            return None
        first, last, share = seen
        text = f"dark char over {share:.0%} of the plot after the harvest, {_date(first)} to {_date(last)}"
        return Hazard(BURNT, share, _date(first), text, last=_date(last), lost=0.0)
    yes, most, day = (part[at] for part in signs.burnt)
    if not yes:
        return None
    return Hazard(
        BURNT, 1.0, _date(day), f"dark ground with a MIRBI of {most:.2f} after the harvest, {_date(day)}", lost=0.0
    )


def _stand(signs: Signs, at: int, plot: Plot, water: Hazard | None, levels: Levels) -> Hazard | None:
    """Return what the stand suffered: it went, it never came, or it stayed short."""
    fell = signs.own if signs.own.found[at] else signs.late
    frozen = _frozen(signs, fell, at, plot, levels)
    if frozen is not None and not (water is not None and _by_water(fell, at, water)):
        return frozen
    bare = _never_came(signs, at, plot, levels)
    thirsty = _short(signs, at, plot, levels, bare)
    came = bool(signs.own.found[at] and signs.own.depth[at] >= CAME)
    yes, missing, day = (part[at] for part in signs.failed)
    if (yes and not came and thirsty is None) or bare >= NEVER_SHARE:
        flooded = water is not None and water.day <= _date(day)
        return None if flooded else _failed(signs, at, plot, float(missing), float(day), levels)
    for loss, against in ((signs.loss, True), (signs.own, False)):
        if loss.found[at]:
            if water is not None and _by_water(loss, at, water):
                return None
            cause = _cause(signs, loss, at, plot, levels, against)
            if cause is not None:
                return cause
    if water is not None:
        return None
    return thirsty or _patches(signs, at, plot, levels)


def _never_came(signs: Signs, at: int, plot: Plot, levels: Levels) -> float:
    """Return the share of the plot that never came near the neighbours' cover; 0 where that cannot be said."""
    count, span = signs.looks[0][at], signs.looks[1][at]
    if plot.pixels is None or count < 3 or span < 20:
        return 0.0
    inside = np.where(lost.window(signs.rows, levels)[at], signs.rows.usual[at], np.nan)
    share = px.short_of(plot.pixels, _on(signs.rows.day[at], inside, plot.pixels.day), 0.8 * levels.never)
    return share if np.isfinite(share) else 0.0


def _frozen(signs: Signs, loss: Loss, at: int, plot: Plot, levels: Levels) -> Hazard | None:
    """Return the frost that a loss followed; None where no night was cold enough, or the loss was slow or patchy."""
    if not loss.found[at] or plot.weather is None:
        return None
    rules = policy.load("hazards").on(plot.day)
    good, seen, full = (float(v[at]) for v in (loss.good, loss.seen, loss.full))
    night = _frost(plot, good, seen, rules)
    if night is None or (loss.jump[at] < levels.sudden and full - night[0] > 2 * float(rules.rule("frost_days").value)):
        return None
    shape = _spread(signs, loss, at, plot, levels)
    if shape is not None and shape.contrast >= PATCHY and shape.share < WHOLE:
        return None
    text = (
        f"{loss.depth[at]:.0%} of its green cover went between {_date(good)} and {_date(full)}, "
        f"after {night[1]:.1f} degC in the night of {_date(night[0])}"
    )
    return Hazard(FROST, 1.0, _date(night[0]), text, lost=float(loss.depth[at]))


def _short(signs: Signs, at: int, plot: Plot, levels: Levels, bare: float) -> Hazard | None:
    """Return the drought that kept a stand short all season: thirsty weather, and even over the plot or shared."""
    yes, best, day = (part[at] for part in signs.short)
    if not yes or plot.weather is None:
        return None
    rules = policy.load("hazards").on(plot.day)
    near = signs.rows.usual[at][(signs.rows.day[at] >= day) & np.isfinite(signs.rows.usual[at])]
    shared = bool(len(near) == 0 or near.max() <= levels.short + 0.1)
    even = best >= lost.MEASURED and bare <= 0.1
    if len(near) and best > near.max() + BETTER:
        return None
    if not shared and not even:
        return None
    strong, least = float(rules.rule("thirst").value), int(rules.rule("thirst_days").value)
    days = thirsty(plot.weather, float(day) - 30, float(day) + 20, strong)
    if len(days) < least:
        return None
    text = f"its green cover never passed {best:.0%} in the middle of its season, with {len(days)} days of thirst"
    first = min(float(day), float(days[least - 1]))
    return Hazard(DROUGHT, 1.0, _date(first), text, lost=float(np.clip(1.0 - best, 0.0, 1.0)))


def _patches(signs: Signs, at: int, plot: Plot, levels: Levels) -> Hazard | None:
    """Return the pest that the plot's mean does not show yet: a patch that grows, against the plot's own best tenth.

    It needs no neighbours, and the calendar: what ripens does so in patches too.
    """
    harvest, sown = float(signs.rows.harvest[at]), float(signs.rows.sown[at])
    if plot.pixels is None or not np.isfinite(harvest + sown):
        return None
    best = px.best_tenth(plot.pixels)
    inside = (plot.pixels.day >= sown + lost.AFTER_SOWING_DAYS) & (plot.pixels.day <= harvest - levels.before_days)
    inside &= np.nan_to_num(best) >= GROWN
    if inside.sum() < 4:
        return None
    first, last = float(plot.pixels.day[inside][0]), float(plot.pixels.day[inside][-1])
    shape = px.spread(plot.pixels, np.where(inside, best, np.nan), first, last, 0.0)
    if shape is None or not PATCH_SHARE[0] <= shape.share <= PATCH_SHARE[1] or shape.contrast < PATCH_CONTRAST:
        return None
    if shape.days < max(levels.spread_days, SLOW_DAYS):
        return None
    text = f"a patch grew over {shape.share:.0%} of the plot within {shape.days:.0f} days, the rest stayed green"
    return Hazard(PEST, shape.share, _date(shape.first), text)


def _by_water(loss: Loss, at: int, water: Hazard) -> bool:
    end = water.last or water.day
    return bool((water.day - _date(loss.seen[at])).days <= AROUND_FLOOD_DAYS) and (
        (_date(loss.good[at]) - end).days <= AROUND_FLOOD_DAYS
    )


def _failed(signs: Signs, at: int, plot: Plot, missing: float, day: float, levels: Levels) -> Hazard:
    share = 1.0
    if plot.pixels is not None:
        inside = np.where(lost.window(signs.rows, levels)[at], signs.rows.usual[at], np.nan)
        short = px.short_of(plot.pixels, _on(signs.rows.day[at], inside, plot.pixels.day), levels.never)
        share = short if np.isfinite(short) else missing
    text = f"its green cover stayed {missing:.0%} below that of its neighbours from {_date(day)} on"
    if not np.isfinite(signs.rows.usual[at]).any():
        text = f"bare in every clear look from {_date(day)} on, in the middle of its crop's season"
    return Hazard(FAILED, float(max(share, 0.05)), _date(day), text)


def _on(days: Array, values: Array, wanted: Any) -> Array:
    """Return the values of the row's looks on the days of the pixel looks; NaN where there is none."""
    known = np.isfinite(days)
    table = dict(zip(days[known].astype(int).tolist(), values[known].tolist(), strict=True))
    return np.array([table.get(int(one), np.nan) for one in wanted])


def _cause(signs: Signs, loss: Loss, at: int, plot: Plot, levels: Levels, against: bool) -> Hazard | None:
    """Ask one cause after the other."""
    rules = policy.load("hazards").on(plot.day)
    good, seen, full = (float(v[at]) for v in (loss.good, loss.seen, loss.full))
    depth, step, after = (float(v[at]) for v in (loss.depth, loss.step, loss.after))
    beside = signs.rows.usual[at]
    shape = _spread(signs, loss, at, plot, levels)
    whole = shape is None or shape.share >= WHOLE or shape.contrast < PATCHY
    share = 1.0 if shape is None or (whole and shape.contrast < PATCHY) else shape.share
    fell = f"{depth:.0%} of its green cover went between {_date(good)} and {_date(full)}"
    fell += ", and its neighbours kept theirs" if against else ""
    early = float(signs.rows.harvest[at]) - full >= float(rules.rule("early_days").value)
    blow = step >= ONE_BLOW and against
    slow = full - good >= SLOW_DAYS and (loss.jump[at] < 0.75 or depth < 0.3)
    told: tuple[str, str] | None = None
    once = px.wet_once(plot.pixels, good - 3, full) if plot.pixels is not None and against else None
    if once is not None:
        told = FLOOD, f"{fell}; open water over {once[1]:.0%} of the plot in one clear look, {_date(once[0])}"
        share = max(share if share < WHOLE else once[1], once[1])
    elif after <= levels.bare and step >= levels.sudden and whole and early:
        told = EARLY, f"{fell}: bare from {_date(full)}, before the first usual day {_date(signs.rows.harvest[at])}"
    elif shape is not None and not (blow and shape.share >= WHOLE) and _spreads(shape, loss, at, plot, levels):
        told = PEST, f"{fell}; it spread over {share:.0%} of the plot within {shape.days:.0f} days or more"
    elif (
        whole
        and (not against or slow)
        and not _better(signs, loss, at)
        and (dry := _dry(signs, at, plot, (good, full), levels, against)) is not None
    ):
        told = DROUGHT, f"{fell}, {dry[0]}"
        seen = min(seen, dry[1]) if np.isfinite(dry[1]) else seen
    elif against and step >= levels.sudden and whole and np.isfinite(beside).any():
        told = HAIL, f"{fell}, {step:.0%} of it between two looks and over {share:.0%} of the plot"
    elif not against:
        return None
    if told is None:
        text = f"{fell}; what is seen fits several causes"
        return Hazard(UNKNOWN, share, _date(seen), text, cause_known=False, lost=_lost(depth, share))
    first = shape.first if told[0] == PEST and shape is not None else seen
    lost_there = 1.0 if told[0] in (FLOOD, EARLY) else _lost(depth, share)
    return Hazard(told[0], share, _date(min(first, seen)), told[1], lost=lost_there)


def _lost(depth: float, share: float) -> float:
    """Return the share of the stand that went on the part of the plot that was hit."""
    return float(np.clip(depth / max(share, 0.01), 0.0, 1.0))


def _better(signs: Signs, loss: Loss, at: int) -> bool:
    """Whether a plot stands better than its neighbours after its loss: watered, or only riper than before."""
    return bool(loss.after[at] > loss.beside[at] + BETTER)


def _spreads(shape: px.Spread, loss: Loss, at: int, plot: Plot, levels: Levels) -> bool:
    """Whether a loss spread over the plot: look by look, or patchy and slow where radar saw no water meanwhile."""
    if shape.days >= levels.spread_days and shape.contrast >= PATCHY:
        return True
    good, full = float(loss.good[at]), float(loss.full[at])
    assert plot.pixels is not None
    passes = int(((plot.pixels.radar_day > good) & (plot.pixels.radar_day <= full)).sum())
    patchy = shape.share < WHOLE + 0.1 and shape.contrast >= PATCHY
    return patchy and passes >= 2 and full - good >= SLOW_DAYS and bool(loss.jump[at] < 0.65)


def _spread(signs: Signs, loss: Loss, at: int, plot: Plot, levels: Levels) -> px.Spread | None:
    """Return how the loss went over the pixels, up to the end of the window in which the crop should stand."""
    if plot.pixels is None:
        return None
    rows = signs.rows
    inside = lost.window(rows, levels)[at]
    known = np.where(np.isfinite(rows.day[at]), 1.0, np.nan)
    usual = np.where(inside, rows.usual[at], np.nan) if inside.any() else known
    until = max(float(loss.full[at]), float(np.max(np.where(inside, rows.day[at], -np.inf), initial=-np.inf)))
    on_looks = _on(rows.day[at], usual, plot.pixels.day)
    return px.spread(plot.pixels, on_looks, float(loss.good[at]), until, float(loss.depth[at]))


def _frost(plot: Plot, good: float, seen: float, rules: policy.View) -> tuple[int, float] | None:
    """Return the night and its temperature that explain a loss; None where none does."""
    if plot.weather is None:
        return None
    limits = rules.rule("frost_c").value
    crop = plot.crop or "other"
    key = next((name for name in limits if name == crop), next((n for n in limits if crop.endswith(n)), "other"))
    night, low = coldest(plot.weather, min(good - 1, seen - float(rules.rule("frost_days").value)), seen)
    if not np.isfinite(low) or low > float(limits[key]) or hardened(plot.weather, night):
        return None
    return night, low


def _dry(
    signs: Signs, at: int, plot: Plot, span: tuple[float, float], levels: Levels, against: bool
) -> tuple[str, float] | None:
    """Return the words and the first day of a drought that explains a loss; None where none does.

    Thirsty weather before and during the loss; its day is that on which thirst had lasted as long as policy asks.
    Without weather a loss that all neighbours share, of which the day is not known better than by the looks (NaN).
    """
    if plot.weather is None:
        if against or not signs.shared[at] >= 0.7 * levels.fall:
            return None
        return "and its neighbours lost theirs likewise", float("nan")
    rules = policy.load("hazards").on(plot.day)
    strong, least = float(rules.rule("thirst").value), int(rules.rule("thirst_days").value)
    days = thirsty(plot.weather, span[0] - 20, span[1] + 10, strong)
    if len(days) < least:
        return None
    return f"with {len(days)} days in which thirst cut the water use by {strong:.0%} or more", float(days[least - 1])
