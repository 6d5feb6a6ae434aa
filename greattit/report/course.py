"""The course of a season on even steps, as a table, as CSV and as a picture: `write_course`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greattit.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from greattit.filled import Filled

NAMES = {"ndvi": "NDVI", "VV": "VV [dB]", "VH": "VH [dB]"}
"""How quantities are called on the page; bands go by their own names."""

PARTLY = 0.9
"""Looks that saw less of the plot clear than this are drawn lighter."""

DOUBTED = 0.4
"""Looks that kept less of their weight than this are drawn as crosses."""

INTERVAL = 0.80
"""Share of the band about the curve."""


def write_course(filled: Filled, out: Path, *, name: str = "ndvi", title: str = "") -> tuple[Path, Path]:
    """Write `series.csv` (all bands with sigma) and `series.png` (one of them drawn) into `out`; return both paths."""
    out.mkdir(parents=True, exist_ok=True)
    table, picture = out / "series.csv", out / "series.png"
    table.write_text(course_csv(filled), encoding="utf-8")
    picture.write_bytes(course_picture(filled, name=name, title=title))
    return table, picture


def course_lines(filled: Filled, *, name: str = "ndvi") -> str:
    """Return one line a step for people: day, value, one sigma, looks seen and days to the nearest look."""
    lines = [f"  {'step':10s}  {NAMES.get(name, name):>8s}  {'+-':>6s}  {'seen':>5s}  {'days to a look':>14s}"]
    if name not in filled.bands:
        return f"{lines[0]}\n  {NAMES.get(name, name)} was not seen"
    column = filled.bands.index(name)
    for step, day in enumerate(filled.dates):
        value, sd = filled.values[step, column], filled.sd[step, column]
        known = f"{value:8.3f}  {sd:6.3f}" if np.isfinite(value) else f"{'unknown':>8s}  {'':6s}"
        gap = filled.gap_days[step, column]
        away = f"{gap:14.0f}" if np.isfinite(gap) else f"{'none':>14s}"
        lines.append(f"  {day!s:10s}  {known}  {filled.seen[step, column]:5.1f}  {away}")
    return "\n".join(lines)


def course_csv(filled: Filled) -> str:
    """Return the table of all bands: for each its value, `_sd`, `_seen` and `_gap_days`; empty where not known."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["date", *(f"{band}{tail}" for band in filled.bands for tail in ("", "_sd", "_seen", "_gap_days"))])
    for step, day in enumerate(filled.dates):
        row = [str(day)]
        for band in range(len(filled.bands)):
            value, sd = filled.values[step, band], filled.sd[step, band]
            row += [_number(value, 5), _number(sd, 5), _number(filled.seen[step, band], 2)]
            row.append(_number(filled.gap_days[step, band], 0))
        rows.writerow(row)
    return text.getvalue()


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else ""


def course_picture(filled: Filled, *, name: str = "ndvi", title: str = "") -> bytes:
    """Return a PNG: looks, curve with interval, and what was not seen hatched; the same bytes for the same input."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(style.SETTINGS):
        figure = Figure(figsize=(9.2, 4.3), dpi=150, facecolor=style.PAPER)
        FigureCanvasAgg(figure)
        ax = figure.add_axes((0.075, 0.17, 0.9, 0.66))
        _draw(ax, filled, name)
        figure.text(0.075, 0.925, title or f"The season of {filled.plot_id}", fontsize=12, fontweight="bold")
        figure.text(0.075, 0.872, _note(filled, name), fontsize=9, color=style.MUTED)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _note(filled: Filled, name: str) -> str:
    """Return the line below the title: what was drawn from how many looks, and how much is unknown."""
    if name not in filled.bands:
        return f"{NAMES.get(name, name)} was not seen"
    column = filled.bands.index(name)
    used = np.isfinite(filled.trust[:, column])
    unknown = int(np.isnan(filled.values[:, column]).sum())
    steps = f"{len(filled.dates)} steps of {filled.step_days} days"
    return f"{NAMES.get(name, name)}: {steps}, {int(used.sum())} looks used, {unknown} steps unknown"


def _draw(ax: Axes, filled: Filled, name: str) -> None:
    if name not in filled.bands or not len(filled.dates):
        style.say_nothing(ax, f"No look at {NAMES.get(name, name)}.")
        return
    _hatch(ax, filled, filled.bands.index(name))
    value, _ = filled.band(name)
    low, high = filled.interval(name, INTERVAL)
    ax.fill_between(filled.dates, low, high, color=style.SKY, alpha=0.55, lw=0, zorder=2, label="80 % of the curve")
    ax.plot(filled.dates, value, color=style.BLUE, lw=1.8, zorder=3, label="curve")
    _looks(ax, filled, name)
    _frame(ax, filled, name, value)


def _hatch(ax: Axes, filled: Filled, column: int) -> None:
    """Hatch the steps that are not known: outside the looks from the first and the last of them, inside half a step."""
    unknown = np.isnan(filled.values[:, column])
    half = np.timedelta64(filled.step_days * 12, "h")
    used = filled.looks.dates[np.isfinite(filled.trust[:, column])]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], unknown.astype(int), [0]])))
    for number, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        left, right = filled.dates[start] - half, filled.dates[end - 1] + half
        if len(used) and filled.dates[end - 1] < used.min():
            right = used.min()
        if len(used) and filled.dates[start] > used.max():
            left = used.max()
        label = "not seen" if not number else None
        ax.axvspan(left, right, fc=style.PAPER, ec=style.FAINT, hatch="////", lw=0, zorder=0, label=label)


def _looks(ax: Axes, filled: Filled, name: str) -> None:
    """Draw the looks as they were: clear, partly clear, doubted, and not used."""
    from greattit.filled.steps import quantity

    series, trust = filled.looks, filled.trust[:, filled.bands.index(name)]
    seen, used = quantity(series, name), np.isfinite(trust)
    there = (series.dates >= filled.dates[0]) & (series.dates <= filled.dates[-1]) & np.isfinite(seen)
    doubted = used & (np.nan_to_num(trust) < DOUBTED)
    clear = used & ~doubted & (series.clear >= PARTLY)
    kinds: tuple[tuple[str, NDArray[np.bool_], dict[str, object]], ...] = (
        ("clear look", clear, {"marker": "o", "color": style.BLUE}),
        ("partly clear", used & ~doubted & ~clear, {"marker": "o", "mfc": style.SKY, "mec": style.BLUE}),
        ("doubted", doubted, {"marker": "x", "color": style.ORANGE, "mew": 1.4}),
        ("mostly cloudy, not used", ~used, {"marker": "o", "mfc": style.PAPER, "mec": style.MUTED}),
    )
    for label, chosen, marks in kinds:
        if (chosen & there).any():
            days, values = series.dates[chosen & there], seen[chosen & there]
            ax.plot(days, values, ls="none", ms=4.6, zorder=4, label=label, **marks)  # type: ignore[arg-type]


def _frame(ax: Axes, filled: Filled, name: str, value: NDArray[np.float64]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    half = np.timedelta64(filled.step_days * 12, "h")
    ax.set_xlim(filled.dates[0] - half, filled.dates[-1] + half)  # type: ignore[arg-type]
    if name == "ndvi":
        ax.set_ylim(min(0.0, float(np.nanmin([*value, 0.0]))) - 0.02, 1.0)
    ax.set_ylabel(NAMES.get(name, name))
    ax.yaxis.grid(True, color=style.FAINT, lw=0.7)
    ax.set_axisbelow(True)
    locator = AutoDateLocator(minticks=4, maxticks=10)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=7, frameon=False, fontsize=8.5, handletextpad=0.4)
