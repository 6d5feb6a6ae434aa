"""The panels of figures: season, crops, yields and the build-up of the line."""

from __future__ import annotations

import textwrap
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import indices
from greattit.report import style
from greattit.report.words import Step, crop, day, number, share, steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from greattit.types import Appraisal, Series, Yield

CLEAR = 0.5
"""share of the field that must be clear for a look to be drawn filled"""

CROPS_SHOWN = 6
YIELDS_SHOWN = 4


def greenness(series: Series) -> tuple[NDArray[np.datetime64], NDArray[np.float32], NDArray[np.float32], str]:
    """Return days, index and clear share of the optical looks, and the name: EVI2, or NDVI where there are no bands."""
    if "B04" in series.bands and "B08" in series.bands:
        values, name = indices.evi2(series.band("B04"), series.band("B08")), "EVI2"
    else:
        values, name = series.band("ndvi"), "NDVI"
    radar = [series.bands.index(b) for b in ("VV", "VH") if b in series.bands]
    is_radar = np.isfinite(series.values[:, radar]).any(axis=1) if radar else np.zeros(len(series.dates), bool)
    optical = ~is_radar | np.isfinite(values)
    return series.dates[optical], np.asarray(values)[optical], series.clear[optical], name


def draw_season(ax: Axes, appraisal: Appraisal) -> style.Heading:
    """Draw the season's curve: clear looks filled, cloudy ones hollow; growth dates, hazards, the appraisal's day."""
    dates, values, clear, name = greenness(appraisal.series)
    seen = np.isfinite(values)
    good = seen & (clear >= CLEAR)
    heading = style.Heading("The season", f"{name} of the field; {int(good.sum())} of {len(dates)} looks clear")
    if not len(dates):
        style.say_nothing(ax, "No look at this ground.")
        return heading
    floor = min(0.0, float(np.nanmin(values))) if seen.any() else 0.0
    top = max(0.5, float(np.nanmax(values)) if seen.any() else 0.0) * 1.18
    ax.plot(dates[good], values[good], color=style.SKY, lw=1.6, zorder=2)
    ax.plot(dates[good], values[good], "o", color=style.BLUE, ms=5, zorder=3, label="clear look")
    hollow: dict[str, Any] = {"mfc": style.PAPER, "mec": style.MUTED, "ls": "none", "zorder": 3}
    partly = seen & ~good
    ax.plot(dates[partly], values[partly], "o", ms=5, label="mostly cloudy", **hollow)
    ax.plot(dates[~seen], np.full((~seen).sum(), floor), "o", ms=3.6, label="nothing seen", clip_on=False, **hollow)
    _marks(ax, appraisal, dates, (floor, top))
    ax.set_ylim(floor, top)
    ax.set_ylabel(name)
    ax.yaxis.grid(True, color=style.FAINT, lw=0.7)
    ax.set_axisbelow(True)
    _months(ax)
    handles, labels = ax.get_legend_handles_labels()
    kept = [(h, t) for h, t in zip(handles, labels, strict=True) if len(h.get_xdata())]  # type: ignore[attr-defined]
    ax.legend(
        *zip(*kept, strict=True),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.1),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        handletextpad=0.2,
    )
    return heading


def _marks(ax: Axes, appraisal: Appraisal, dates: NDArray[np.datetime64], span: tuple[float, float]) -> None:
    """Draw the days that matter as lines, each with its name; names that would touch go to another height."""
    from matplotlib.dates import date2num

    growth = appraisal.growth
    named = [(growth.start, "start", style.MUTED), (growth.peak, "peak", style.MUTED), (growth.end, "end", style.MUTED)]
    named += [(h.day, f"{h.kind} {share(h.share)}", style.ORANGE) for h in growth.hazards]
    named.append((appraisal.day, "appraisal", style.INK))
    first, last = dates.min().astype(object), max(dates.max().astype(object), appraisal.day)
    margin = max((last - first).days * 0.03, 5)
    ax.set_xlim(first - timedelta(days=margin), last + timedelta(days=margin))
    room = (last - first).days * 0.14
    ends: list[date] = []
    for when, text, colour in sorted((m for m in named if m[0] is not None), key=lambda m: m[0]):  # type: ignore[arg-type,return-value]
        assert when is not None
        row = next((n for n, end in enumerate(ends) if (when - end).days > room), len(ends))
        ends[row : row + 1] = [when]
        ax.axvline(date2num(when), color=colour, lw=1.1, ls="-" if text == "appraisal" else (0, (3, 2)), zorder=1)
        late = (last - when).days < room
        ax.annotate(
            text,
            (when, span[1]),
            (-3 if late else 3, -9 - 11 * row),
            textcoords="offset points",
            ha="right" if late else "left",
            color=colour,
            fontsize=8.5,
            path_effects=style.halo(),
        )


def _months(ax: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def draw_crops(ax: Axes, appraisal: Appraisal) -> style.Heading:
    """Draw the crops' calibrated probabilities: the call dark, others that cannot be ruled out blue, the rest faint."""
    call = appraisal.call
    note = "probability; dark: the call; light: cannot be ruled out"
    if call.abstained:
        note = textwrap.shorten(call.abstained, 66, placeholder=" ...")
    heading = style.Heading(f"The crop: {crop(call.crop).lower() if call.crop else 'cannot be told'}", note)
    best = sorted(call.probabilities.items(), key=lambda item: (-item[1], item[0]))[:CROPS_SHOWN]
    if not best:
        style.say_nothing(ax, call.abstained or "Nothing was seen.")
        return heading
    for row, (name, chance) in enumerate(best):
        colour = style.BLUE if name == call.crop else style.SKY if name in call.likely else style.FAINT
        ax.barh(row, chance, height=0.62, color=colour)
        weight = "bold" if name == call.crop else "normal"
        ax.text(chance + 0.015, row, share(chance), va="center", fontsize=9, fontweight=weight)
    ax.set_yticks(range(len(best)), [textwrap.fill(crop(name), 18) for name, _ in best], color=style.INK)
    ax.set_ylim(max(len(best), 4) - 0.4, -0.6)
    ax.set_xlim(0, max(1.0, best[0][1]) * 1.14)
    style.bare(ax)
    return heading


def draw_yields(ax: Axes, appraisal: Appraisal) -> style.Heading:
    """Draw each likely crop's yield as its interval p10-p50-p90 beside the regional mean."""
    heading = style.Heading("The yield", "t/ha; 1 in 10 below the bar, 1 in 10 above it")
    shown = appraisal.yields[:YIELDS_SHOWN]
    if not shown:
        style.say_nothing(ax, "No yield is estimated.")
        return heading
    high = max(y.kg_ha.p90 for y in shown) / 1000
    for row, one in enumerate(shown):
        low, middle, top = (v / 1000 for v in (one.kg_ha.p10, one.kg_ha.p50, one.kg_ha.p90))
        ax.plot([low, top], [row, row], color=style.SKY, lw=7, solid_capstyle="butt")
        ax.plot(middle, row, "o", color=style.BLUE, ms=8)
        text = f"{number(low)} - {number(middle)} - {number(top)}"
        ax.annotate(text, (middle, row), (0, 10), textcoords="offset points", ha="center", fontsize=8.5)
        mean = regional_mean(one)
        if mean is not None:
            high = max(high, mean / 1000)
            ax.plot(
                mean / 1000, row + 0.2, "D", mfc=style.PAPER, mec=style.ORANGE, mew=1.6, ms=7, label="regional mean"
            )
    ax.set_yticks(range(len(shown)), [textwrap.fill(crop(y.crop), 18) for y in shown], color=style.INK)
    ax.set_ylim(max(len(shown), 3) - 0.4, -0.75)
    ax.set_xlim(0, high * 1.1)
    style.bare(ax, bottom=True)
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(handles[:1], labels[:1], loc="lower right", frameon=False, fontsize=8.5, handletextpad=0.2)
    return heading


def regional_mean(found: Yield) -> float | None:
    """Return the regional mean [kg/ha] among the figures of a yield, None when none is there."""
    for figure in found.figures:
        if "mean" in figure.name and figure.unit in ("kg/ha", "t/ha") and not isinstance(figure.value, str):
            return float(figure.value) * (1000.0 if figure.unit == "t/ha" else 1.0)
    return None


_STEP_COLOURS = {
    "value": style.SKY,
    "rule": style.FAINT,
    "less": style.ORANGE,
    "floor": style.ORANGE,
    "line": style.BLUE,
}


def draw_steps(ax: Axes, appraisal: Appraisal) -> style.Heading:
    """Draw the build-up from area to money, one rung a row; the rule that bound is marked."""
    rungs = steps(appraisal)
    amounts = [r.amount for r in rungs if r.amount]
    # a cap far above everything else would press all other bars flat: bars end where the second largest would double
    largest = sorted(amounts)[-1] if amounts else 1.0
    second = sorted(amounts)[-2] if len(amounts) > 1 else largest
    width = min(largest, 1.6 * second)
    for row, rung in enumerate(rungs):
        _rung(ax, row, rung, width)
    ax.set_yticks(range(len(rungs)), [r.name for r in rungs], color=style.INK)
    for label, rung in zip(ax.get_yticklabels(), rungs, strict=True):
        label.set_fontweight("bold" if rung.binds or rung.kind == "line" else "normal")
    ax.set_ylim(max(len(rungs), 6) - 0.4, -0.6)
    ax.set_xlim(0, width * 1.75)
    style.bare(ax)
    return style.Heading("From the area to the line", "the least of the rules, less what is owed")


def _rung(ax: Axes, row: int, rung: Step, width: float) -> None:
    at = 0.0
    if rung.amount is not None:
        at = min(rung.amount, width)
        colour = style.INK if rung.binds else _STEP_COLOURS[rung.kind]
        ax.barh(row, at, height=0.62, color=colour)
        if rung.amount > width:
            cut: Any = {"color": style.PAPER, "lw": 2.2}
            ax.plot([at * 0.93, at * 0.95], [row + 0.36, row - 0.36], **cut)
            ax.plot([at * 0.95, at * 0.97], [row + 0.36, row - 0.36], **cut)
    strong = rung.binds or rung.kind == "line"
    text = f"{'less ' if rung.kind == 'less' else ''}{rung.text}{'  binds' if rung.binds else ''}"
    ax.annotate(
        text,
        (at, row),
        (5 if at else 0, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        fontweight="bold" if strong else "normal",
        color=style.MUTED if rung.kind == "measure" else style.INK,
    )


def season_words(appraisal: Appraisal) -> str:
    """Return the season in words, for readers who cannot see the picture."""
    growth = appraisal.growth
    marks = (("Green-up", growth.start), ("greenest", growth.peak), ("end", growth.end))
    known = [f"{name} {day(when)}" for name, when in marks if when]
    text = ", ".join([*known, f"{growth.looks} clear looks", f"stage: {growth.stage}"])
    return f"{text[:1].upper()}{text[1:]}."
