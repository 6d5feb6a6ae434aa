"""The growth of one plot as a picture and in words: `growth_picture`, `growth_lines`."""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greattit.report import style
from greattit.report.words import crop as named
from greattit.report.words import share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from greattit.growth.told import Told

BAND = 1.645
"""Sigmas of the band about the curve: nine times in ten the curve lies inside."""

SHOWN = timedelta(days=400)
"""So much of the time before the day is drawn."""

PARTLY = 0.9
"""Looks that saw less of the plot clear than this are drawn lighter."""

MARKS = (("start", style.BLUE), ("peak", style.INK), ("end", style.ORANGE))


def write_growth(told: Told, out: Path) -> Path:
    """Write `growth.png` into the folder `out`; return its path."""
    out.mkdir(parents=True, exist_ok=True)
    picture = out / "growth.png"
    picture.write_bytes(growth_picture(told))
    return picture


def growth_lines(told: Told) -> list[str]:
    """Return what is said of the growth, one line each, for people."""
    growth = told.growth
    what = f"{named(told.crop)} ({told.crop_from})" if told.crop else "the crop is not known"
    lines = [f"Growth of plot {told.plot.id} on {told.day}: {what}", f"  season      {growth.kind}"]
    for name, _ in MARKS:
        when, span = getattr(growth, name), getattr(growth, f"{name}_90")
        known = f"{when}" + (f"  nine times in ten {span[0]} to {span[1]}" if span else "") if when else "none"
        lines.append(f"  {name:10s}  {known}")
    for start, peak, end in growth.earlier:
        lines.append(f"  earlier     {start or 'before'} to {end or 'not seen'}, greenest about {peak}")
    if told.stage:
        lines.append(f"  stage       BBCH {told.stage.bbch}: {'; '.join(told.stage.en)}")
        lines.append(f"              {'、'.join(told.stage.zh)}")
    else:
        lines.append(f"  stage       {growth.stage}")
    lines += _standing(told)
    lines += [f"  damage      {h.kind} on {share(h.share)} of the plot from {h.day}" for h in growth.hazards]
    if not growth.hazards:
        lines.append("  damage      none found")
    return lines + [f"  note: {note}" for note in growth.notes]


def _standing(told: Told) -> list[str]:
    """Return how the plot stands beside normal fields, its neighbours and its own earlier years."""
    growth, rank = told.growth, told.rank
    lines = [f"  vigour      {share(growth.vigour)} of a normal field; {growth.looks} clear looks this year"]
    if rank is not None and rank.note:
        lines.append(f"  neighbours  {rank.note}")
    elif rank is not None:
        lines.append(f"  neighbours  greener than {rank.percentile:.0f} % of {rank.neighbours} fields of the same crop")
    if told.years and np.isfinite(told.greenness):
        less = sum(value < told.greenness for value in told.years.values())
        lines.append(f"  years       greener than in {less} of {len(told.years)} earlier years on the same day")
    return lines


def growth_picture(told: Told) -> bytes:
    """Return a PNG: curve with band, looks, dates with intervals, the neighbours' ribbon, damage."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(style.SETTINGS):
        figure = Figure(figsize=(9.6, 5.0), dpi=150, facecolor=style.PAPER)
        FigureCanvasAgg(figure)
        ax = figure.add_axes((0.07, 0.15, 0.905, 0.64))
        _draw(ax, told)
        made = "   SIMULATED: no real place, no real field" if told.simulated else ""
        what = named(told.crop) if told.crop else "crop not known"
        figure.text(0.07, 0.935, f"{told.plot.id}: {what}, {told.growth.kind}{made}", fontsize=12, fontweight="bold")
        figure.text(0.07, 0.888, _said(told), fontsize=9, color=style.MUTED)
        figure.text(0.07, 0.848, _placed(told), fontsize=9, color=style.MUTED)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _said(told: Told) -> str:
    """Return stage and dates as one line."""
    stage = f"BBCH {told.stage.bbch}" if told.stage else told.growth.stage
    dates = [f"{name} {getattr(told.growth, name) or 'none'}" for name, _ in MARKS]
    return f"{told.day}: {stage}; {', '.join(dates)} (bars: nine times in ten)"


def _placed(told: Told) -> str:
    """Return the standing and damage as one line."""
    parts = [line.split(maxsplit=1)[1] for line in _standing(told)[1:]]
    parts += [f"{hazard.kind} {share(hazard.share)} from {hazard.day}" for hazard in told.growth.hazards]
    return "; ".join(parts) or f"vigour {share(told.growth.vigour)} of a normal field"


def _draw(ax: Axes, told: Told) -> None:
    if not told.curves.known[0]:
        style.say_nothing(ax, "Fewer than four clear looks: nothing can be said.")
        return
    first = max(told.day - SHOWN, date.fromisoformat(str(np.datetime64(int(told.curves.seen[0, 0]), "D"))))
    _ribbon(ax, told)
    days = told.curves.days.astype("datetime64[D]")
    inside = told.curves.inside()[:, 0]
    value, reach = told.curves.values[inside, 0], BAND * told.curves.sd[inside, 0]
    label = "90 % of the curve"
    ax.fill_between(
        days[inside], value - reach, value + reach, color=style.SKY, alpha=0.55, lw=0, zorder=2, label=label
    )
    ax.plot(days[inside], value, color=style.BLUE, lw=1.9, zorder=3, label="curve")
    _looks(ax, told, first)
    ax.set_xlim(np.datetime64(first - timedelta(days=4)), np.datetime64(told.day + timedelta(days=8)))  # type: ignore[arg-type]
    ax.set_ylim(min(0.0, float((value - reach).min())) - 0.02, 1.06)
    _dates(ax, told, first)
    _frame(ax, told)


def _ribbon(ax: Axes, told: Told) -> None:
    from greattit.growth.beside import ribbon

    if told.others is None or not told.others.known.any():
        return
    days, (low, middle, high) = ribbon(told.others)
    when = days.astype("datetime64[D]")
    if np.isfinite(middle).any():
        label = "neighbours: eight of ten"
        ax.fill_between(when, low, high, color=style.FAINT, alpha=0.9, lw=0, zorder=1, label=label)
        ax.plot(when, middle, color=style.MUTED, lw=1.0, ls=(0, (4, 2)), zorder=1.5, label="their middle")


def _looks(ax: Axes, told: Told, first: date) -> None:
    from greattit.filled.steps import CLEAR_ENOUGH, quantity

    series = told.series
    ndvi = quantity(series, "ndvi")
    days = series.dates.astype("datetime64[D]")
    there = np.isfinite(ndvi) & (days >= np.datetime64(first)) & (days <= np.datetime64(told.day))
    used, clear = there & (series.clear >= CLEAR_ENOUGH), series.clear >= PARTLY
    for label, chosen, fill in (
        ("clear look", used & clear, style.BLUE),
        ("partly clear", used & ~clear, style.SKY),
        ("not used", there & ~used, style.PAPER),
    ):
        if chosen.any():
            ax.plot(days[chosen], ndvi[chosen], "o", ms=4.4, mfc=fill, mec=style.BLUE, mew=0.8, zorder=4, label=label)


def _dates(ax: Axes, told: Told, first: date) -> None:
    """Draw each date as a line with its interval as a bar at the top, and damage as a marked day."""
    growth = told.growth
    for name, colour in MARKS:
        when, span = getattr(growth, name), getattr(growth, f"{name}_90")
        if when is None or when < first:
            continue
        at = np.datetime64(when)
        ax.axvline(at, color=colour, lw=1.0, ls=(0, (3, 2)), zorder=1.8)  # type: ignore[arg-type]
        if span:
            ends = [np.datetime64(day) for day in span]
            ax.plot(ends, [1.02, 1.02], color=colour, lw=3.2, solid_capstyle="butt", zorder=5)
        ax.annotate(name, (at, 0.97), (3, 0), textcoords="offset points", color=colour, fontsize=8.5)  # type: ignore[arg-type]
    for hazard in growth.hazards:
        if hazard.day >= first:
            at = np.datetime64(hazard.day)
            ax.plot([at], [0.05], "v", color=style.ORANGE, ms=9, zorder=6)
            text = f"{hazard.kind} {share(hazard.share)}"
            ax.annotate(text, (at, 0.05), (7, -3), textcoords="offset points", color=style.ORANGE, fontsize=8.5)  # type: ignore[arg-type]


def _frame(ax: Axes, told: Told) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    ax.axvline(np.datetime64(told.day), color=style.INK, lw=1.1, zorder=1.9)  # type: ignore[arg-type]
    ax.set_ylabel("NDVI")
    ax.yaxis.grid(True, color=style.FAINT, lw=0.7)
    ax.set_axisbelow(True)
    locator = AutoDateLocator(minticks=4, maxticks=10)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=7, frameon=False, fontsize=8.5, handletextpad=0.4)
