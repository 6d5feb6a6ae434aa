"""Why a plot was called as it was, for people: in words, as JSON and as a picture.

The figures are of `greattit.crops.explain`. Words give a support s as odds: exp(s) times as likely against the rival.
"""

from __future__ import annotations

import calendar
import dataclasses
import io
import math
import textwrap
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.report import style
from greattit.report.words import MONTHS, crop, share
from greattit.report.words import day as day_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from greattit.crops.explain import Explanation, Look, Sign

SHOWN = 3
"""looks, families and signs that are told"""

LITTLE = 1.05
"""odds below this are called little"""

NAME = (78.0, 9.0)
"""width and height of a look's name in the picture [point]"""

SHEET = (13.0, 9.0)
"""width and height of the picture [inch]"""

MANY = 1000
"""odds above this are not told more exactly"""

LIGHT = {
    "visible": "visible light (soil and leaf colour)",
    "red edge": "red edge (leaf green)",
    "near infrared": "near infrared (leaf mass)",
    "shortwave infrared": "shortwave infrared (moisture)",
    "ndvi": "NDVI (greenness)",
    "radar": "radar (structure and wetness)",
}
"""what a family of channels tells of, for people"""

SIGNS = {
    "visible": ("brighter visible light", "darker visible light"),
    "red edge": ("a brighter red edge", "a darker red edge"),
    "near infrared": ("more near infrared (leaf mass)", "less near infrared (leaf mass)"),
    "shortwave infrared": ("more shortwave infrared (drier)", "less shortwave infrared (moister)"),
    "ndvi": ("a greener field (higher NDVI)", "a barer field (lower NDVI)"),
    "radar": ("a stronger radar echo", "a weaker radar echo"),
}
"""more and less of a family, for people"""

ROWS = {
    "B02": "blue B02",
    "B03": "green B03",
    "B04": "red B04",
    "B05": "red edge B05",
    "B06": "red edge B06",
    "B07": "red edge B07",
    "B08": "near infrared B08",
    "B11": "shortwave infrared B11",
    "B12": "shortwave infrared B12",
    "ndvi": "NDVI",
    "VV": "radar VV",
    "VH": "radar VH",
}
"""names of the channels beside the map of steps"""


def odds(support: float) -> str:
    """Return a support as odds, e.g. "2.3 times as likely"; the sign is told elsewhere."""
    times = math.exp(min(abs(support), 50.0))
    return f"over {MANY} times as likely" if times > MANY else f"{times:.{1 if times < 10 else 0}f} times as likely"


def headline(found: Explanation) -> str:
    """Return the call and its rival in one line."""
    if found.best is None:
        return "No call: nothing was seen this season"
    best, rival = _crop(found.best), _crop(found.rival)
    return f"No call: {best} or {rival}?" if found.call.abstained else f"Why {best}, and not {rival}"


def subline(found: Explanation) -> str:
    """Return how sure the model is of both."""
    if found.best is None or found.rival is None:
        return ""
    chances = found.call.probabilities
    guess = "best guess" if found.call.abstained else "called"
    first = f"{guess} {_crop(found.best)}, {share(found.call.certainty)} sure"
    return f"{first}; second {_crop(found.rival)}, {share(chances[found.rival])}"


def lines(found: Explanation) -> list[str]:
    """Return the explanation as lines of plain English."""
    text = [f"Plot {found.plot_id} on {day_words(found.day)}: {subline(found) or 'no call'}"]
    if found.call.abstained:
        text.append(f"  No call, because {found.call.abstained}.")
        text += [f"  It would need {one}." for one in found.needed]
    if found.best is None:
        return text
    text += ["", "  The looks that counted most"]
    for look in strongest(found.looks):
        what = f"NDVI {look.ndvi:.2f}" if math.isfinite(look.ndvi) else look.kind
        text.append(f"    {day_words(look.date):12s} {what:10s} {_spoke(found, look.support)}{_turns(found, look)}")
    text += ["", "  The light that counted most, over the whole season"]
    for light in strongest([one for one in found.families if math.isfinite(one.support)]):
        text.append(f"    {LIGHT[light.name]:38s} {_spoke(found, light.support)}")
    unseen = [LIGHT[one.name] for one in found.families if not math.isfinite(one.support)]
    if unseen:
        text.append(f"    not seen: {', '.join(unseen)}")
    text += ["", f"  What would have spoken for {_crop(found.rival)}"]
    text += [f"    {sign(one)}" for one in found.rival_signs[:SHOWN]] or ["    no small change would do"]
    return [*text, "", *textwrap.wrap(caution(found), 100, initial_indent="  ", subsequent_indent="  ")]


def caution(found: Explanation) -> str:
    """Return how the figures may be read."""
    together = found.log_odds - found.log_odds_unseen
    alone = sum(one.support for one in found.looks)
    return (
        "Each figure says what changes when only that part is left out. Parts stand in for each other and need not add "
        f"up: the looks one by one come to {alone:+.2f} log-odds, all together they moved it by {together:+.2f}, from "
        f"{found.log_odds_unseen:+.2f} with nothing seen to {found.log_odds:+.2f}. A season that lacks one band is "
        "unlike most that were trained on, so bands say less than looks. This is what the model looked at, not proof "
        "of what grows there."
    )


def sign(one: Sign) -> str:
    """Return what would have spoken for the rival, in words."""
    return f"{SIGNS[one.family][0 if one.more else 1]} in {calendar.month_name[one.month]}"


def strongest(parts: Sequence[Any]) -> list[Any]:
    """Return the parts of the largest support either way, strongest first."""
    return sorted(parts, key=lambda one: -abs(one.support))[:SHOWN]


def as_dict(found: Explanation) -> dict[str, Any]:
    """Return an explanation as plain values for JSON: days as ISO text, NaN as null."""
    return {field.name: _plain(getattr(found, field.name)) for field in dataclasses.fields(found)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _crop(name: str | None) -> str:
    return crop(name).lower()


def _spoke(found: Explanation, support: float) -> str:
    if math.exp(min(abs(support), 50.0)) < LITTLE:
        return "counted for little"
    one, other = (found.best, found.rival) if support > 0 else (found.rival, found.best)
    return f"made {_crop(one)} {odds(support)} against {_crop(other)}"


def _turns(found: Explanation, look: Look) -> str:
    return f"; without it the best guess is {_crop(look.best_without)}" if look.best_without != found.best else ""


def write(found: Explanation, out: Path, *, simulated: bool = False) -> Path:
    """Write `explain.png` into the folder `out`; return its path."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "explain.png"
    path.write_bytes(picture(found, simulated=simulated))
    return path


def picture(found: Explanation, *, simulated: bool = False) -> bytes:
    """Return a PNG: looks, what would speak for the rival, map of channel and step, bands; always the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(style.SETTINGS):
        figure = Figure(figsize=SHEET, dpi=120, facecolor=style.PAPER)
        FigureCanvasAgg(figure)
        _head(figure, found, simulated)
        looks = figure.add_axes((0.165, 0.575, 0.50, 0.235))
        grid = figure.add_axes((0.165, 0.125, 0.50, 0.345))
        bars = figure.add_axes((0.70, 0.125, 0.265, 0.345))
        if found.best is None:
            for ax in (looks, grid, bars):
                style.say_nothing(ax, "Nothing was seen this season.")
        else:
            _draw_looks(looks, found)
            _draw_grid(grid, found)
            _draw_bars(bars, found)
        _words(figure, found)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _head(figure: Figure, found: Explanation, simulated: bool) -> None:
    figure.text(0.03, 0.962, f"Plot {found.plot_id}, {day_words(found.day)}", color=style.MUTED, fontsize=11)
    figure.text(0.03, 0.915, headline(found), fontsize=20 if len(headline(found)) < 60 else 14, fontweight="bold")
    told = f"{subline(found)[:1].upper()}{subline(found)[1:]}"
    figure.text(0.03, 0.886, told, fontsize=11)
    if simulated:
        box: Any = {"boxstyle": "square,pad=0.5", "facecolor": style.YELLOW, "edgecolor": style.INK}
        figure.text(0.965, 0.95, "SIMULATED DATA", fontweight="bold", fontsize=12, ha="right", va="center", bbox=box)
    if found.best is not None:
        note = textwrap.fill(caution(found), 185)
        figure.text(0.03, 0.068, note, fontsize=8.5, color=style.MUTED, va="top", linespacing=1.4)


def _title(ax: Axes, title: str, note: str) -> None:
    box, figure = ax.get_position(), ax.get_figure()
    assert figure is not None
    left = 0.03 if box.x0 < 0.3 else box.x0
    figure.text(left, box.y1 + 0.032, title, fontweight="bold", fontsize=12)
    figure.text(left, box.y1 + 0.012, note, fontsize=9, color=style.MUTED)


def _colours() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("support", [style.ORANGE, "#f6d3bd", "#fbfbf8", "#b9dcf0", style.BLUE])


def _reach(values: Sequence[float]) -> float:
    """Return the support that gets the full colour."""
    return max([abs(value) for value in values if math.isfinite(value)] + [1e-9])


def _edges(found: Explanation) -> list[date]:
    half = (found.steps[-1] - found.steps[0]) / max(2 * (len(found.steps) - 1), 1) or timedelta(days=7)
    return [one - half for one in found.steps] + [found.steps[-1] + half]


def _times(ax: Axes, found: Explanation, *, named: bool = False) -> None:
    from matplotlib.dates import DateFormatter, MonthLocator, date2num

    edges = _edges(found)
    ax.set_xlim(date2num(edges[0]), date2num(edges[-1]))
    ax.xaxis.set_major_locator(MonthLocator())
    ax.xaxis.set_major_formatter(DateFormatter("%b"))
    if found.day < edges[-1]:
        ax.axvline(date2num(found.day), color=style.INK, lw=1.1, zorder=1)
        if named:
            late = found.day > edges[-1] - timedelta(days=45)
            at: Any = {"textcoords": "offset points", "ha": "right" if late else "left", "va": "top", "fontsize": 8.5}
            place = float(date2num(found.day)), ax.get_ylim()[1]
            ax.annotate("day of the call", place, (-4 if late else 4, -3), path_effects=style.halo(), **at)


def _draw_looks(ax: Axes, found: Explanation) -> None:
    from matplotlib.dates import date2num

    optical = [one for one in found.looks if math.isfinite(one.ndvi)]
    others = [one for one in found.looks if not math.isfinite(one.ndvi)]
    reach, colours = _reach([one.support for one in found.looks]), _colours()
    days = [float(date2num(one.date)) for one in optical]
    ax.plot(days, [one.ndvi for one in optical], color=style.FAINT, lw=1.6, zorder=2)
    dots: Any = {"cmap": colours, "vmin": -reach, "vmax": reach, "edgecolors": style.INK, "linewidths": 0.8}
    strength = [40 + 130 * abs(one.support) / reach for one in optical]
    ax.scatter(
        days,
        [one.ndvi for one in optical],
        s=strength,
        c=[one.support for one in optical],
        zorder=4,
        clip_on=False,
        **dots,
    )
    low = min([0.0] + [one.ndvi for one in optical]) - 0.08
    if others:
        where = [float(date2num(one.date)) for one in others]
        marks = [one.support for one in others]
        ax.scatter(where, [low + 0.02] * len(others), s=30, marker="^", c=marks, zorder=4, clip_on=False, **dots)
    ax.set_ylim(low, 1.0)
    ax.set_ylabel("NDVI")
    ax.yaxis.grid(True, color=style.FAINT, lw=0.7)
    ax.set_axisbelow(True)
    _times(ax, found, named=True)
    _name_looks(ax, optical)
    kind = "radar" if all(one.kind == "radar" for one in others) else "no NDVI"
    radar = f"; triangles: {kind}" if others else ""
    _title(ax, "Looks", f"change of the log-odds when one look is left out; full colour {reach:.2f}{radar}")
    _legend(ax, found)


def _name_looks(ax: Axes, looks: Sequence[Look]) -> None:
    """Write day and support of the strongest looks where no other name or dot stands."""
    from matplotlib.dates import date2num

    box = ax.get_position()
    wide, high = box.width * SHEET[0] * 72, box.height * SHEET[1] * 72
    (left, right), (low, top) = ax.get_xlim(), ax.get_ylim()

    def spot(look: Look) -> tuple[float, float]:
        x, y = float(date2num(look.date)), look.ndvi
        return (x - left) / (right - left) * wide, (y - low) / (top - low) * high

    taken = [(x - 7, x + 7, y - 7, y + 7) for x, y in map(spot, looks)]
    for look in strongest(looks):
        x, y = spot(look)
        middle = min(max(x, NAME[0] / 2), wide - NAME[0] / 2)
        for lift in (12, -21, 25, -34, 38, 51):
            name = (middle - NAME[0] / 2, middle + NAME[0] / 2, y + lift, y + lift + NAME[1])
            apart = all(name[1] < a or name[0] > b or name[3] < c or name[2] > d for a, b, c, d in taken)
            if apart and name[2] > 0 and name[3] < high:
                break
        taken.append(name)
        text = f"{look.date.day} {MONTHS[look.date.month - 1]}  {look.support:+.2f}"
        at: Any = {"xycoords": "axes points", "ha": "center", "va": "bottom", "zorder": 5}
        ax.annotate(text, (middle, y + lift), fontsize=8.5, fontweight="bold", path_effects=style.halo(), **at)


def _legend(ax: Axes, found: Explanation) -> None:
    box, figure = ax.get_position(), ax.get_figure()
    assert figure is not None
    named = ((f"speaks for {_crop(found.rival)}", style.ORANGE), (f"speaks for {_crop(found.best)}", style.BLUE))
    for row, (text, colour) in enumerate(reversed(named)):
        y = box.y1 + 0.032 - 0.020 * row
        figure.text(box.x1, y, f"{text}  ■", color=colour, ha="right", fontsize=10, fontweight="bold")


def _draw_grid(ax: Axes, found: Explanation) -> None:
    from matplotlib.dates import date2num

    reach, colours = _reach(found.grid.ravel().tolist()), _colours()
    edges = [float(date2num(one)) for one in _edges(found)]
    shown: Any = np.ma.masked_invalid(found.grid)
    ax.set_facecolor("#eceff1")
    ax.pcolormesh(
        edges, np.arange(len(found.channels) + 1) - 0.5, shown, cmap=colours, vmin=-reach, vmax=reach,
        edgecolors=style.PAPER, linewidth=0.6,
    )  # fmt: skip
    ax.set_yticks(range(len(found.channels)), [ROWS.get(name, name) for name in found.channels], color=style.INK)
    ax.set_ylim(len(found.channels) - 0.5, -0.5)
    ax.tick_params(left=False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    _times(ax, found)
    _title(
        ax,
        "Band and time",
        f"one band left out at one step, which takes in looks some weeks around it; full colour {reach:.2f}",
    )


def _draw_bars(ax: Axes, found: Explanation) -> None:
    lights = (*found.families, *found.bands)
    reach = _reach([one.support for one in lights])
    for wide, parts in ((True, found.families), (False, found.bands)):
        for one in parts:
            rows = [found.channels.index(name) for name in one.channels]
            middle, high = (rows[0] + rows[-1]) / 2, rows[-1] - rows[0] + 1
            if not math.isfinite(one.support):
                if wide:
                    ax.text(
                        0,
                        middle,
                        "not seen",
                        color=style.MUTED,
                        fontsize=8.5,
                        ha="center",
                        va="center",
                        path_effects=style.halo(5),
                    )
                continue
            colour = style.BLUE if one.support > 0 else style.ORANGE
            thick, alpha = (high - 0.16, 0.3) if wide else (0.34, 0.95)
            ax.barh(middle, one.support, height=thick, color=colour, alpha=alpha)
            if wide:
                beside: Any = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "fontweight": "bold"}
                left = one.support < 0
                inside = [band.support for band in found.bands if set(band.channels) <= set(one.channels)]
                end = (min if left else max)([one.support, *(value for value in inside if math.isfinite(value))])
                text, side = f"{one.support:+.1f}", "right" if left else "left"
                ax.annotate(text, (end, middle), (-5 if left else 5, 0), ha=side, **beside)
    for family in found.families[1:]:
        edge = min(found.channels.index(name) for name in family.channels) - 0.5
        ax.axhline(edge, color=style.FAINT, lw=0.7, zorder=0)
    ax.axvline(0, color=style.MUTED, lw=0.9)
    ax.set_xlim(-1.3 * reach, 1.3 * reach)
    ax.set_ylim(len(found.channels) - 0.5, -0.5)
    ax.set_yticks([])
    style.bare(ax, bottom=True)
    _title(ax, "Bands", "left out all season; dark: one band, pale: its family")


def _words(figure: Figure, found: Explanation) -> None:
    """Write what a call would need and what would have spoken for the rival, right of the looks."""
    left, at = 0.70, 0.842
    told: list[tuple[str, list[str]]] = []
    if found.needed:
        told.append(("A call would need", list(found.needed)))
    if found.rival is not None:
        signs = [sign(one) for one in found.rival_signs[:SHOWN]] or ["no small change would do"]
        told.append((f"What would speak for {_crop(found.rival)}", signs))
        counted = strongest([one for one in found.families if math.isfinite(one.support)])
        told.append(("The light that counted most", [f"{LIGHT[one.name]} {one.support:+.2f}" for one in counted]))
    for title, rows in told:
        for row in textwrap.wrap(title, 36):
            figure.text(left, at, row, fontweight="bold", fontsize=11)
            at -= 0.022
        at += 0.022
        for row in rows:
            for line in textwrap.wrap(f"- {row}", 48, subsequent_indent="  "):
                at -= 0.022
                figure.text(left, at, line, fontsize=9.5)
        at -= 0.038
