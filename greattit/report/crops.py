"""The seasons of a catalogue by crop as one picture: `write_crops`."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.report import style
from greattit.report.growth import MARKS
from greattit.report.words import crop as named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from greattit.growth.measure import Measured

ACROSS = 2
"""Panels side by side."""
MOST = 60
"""Parcels of one crop that are drawn."""


def write_crops(found: Measured, out: Path) -> Path:
    """Write `growth-by-crop.png` into the folder `out`: each parcel's curve, the crop's middle and its dates."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    crops = sorted(set(found.crops), key=lambda crop: (-found.crops.count(crop), crop))
    down = math.ceil(len(crops) / ACROSS)
    with matplotlib.rc_context(style.SETTINGS):
        figure = Figure(figsize=(9.6, 1.0 + 2.1 * down), dpi=130, facecolor=style.PAPER, layout="constrained")
        FigureCanvasAgg(figure)
        made = "   SIMULATED: no real place" if found.report["simulated"] else ""
        head = f"{found.report['catalogue']}, {found.report['year']}: NDVI by crop{made}"
        figure.suptitle(head, fontsize=11.5, fontweight="bold", x=0.01, ha="left")
        panels: Any = figure.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
        for ax, crop in zip(panels.ravel(), crops, strict=False):
            _draw(ax, found, crop)
        for ax in panels.ravel()[len(crops) :]:
            ax.set_visible(False)
        out.mkdir(parents=True, exist_ok=True)
        figure.savefig(out / "growth-by-crop.png", metadata={"Software": None})
    return out / "growth-by-crop.png"


def _draw(ax: Axes, found: Measured, crop: str) -> None:
    from matplotlib.dates import ConciseDateFormatter, MonthLocator

    rows = np.flatnonzero([one == crop for one in found.crops])
    curves, year = found.curves, int(found.report["year"])
    days = curves.days.astype("datetime64[D]")
    value = np.where(curves.inside(), curves.values, np.nan)[:, rows]
    ax.plot(days, value[:, :MOST], color=style.SKY, lw=0.7, zorder=2)
    known = np.isfinite(value).any(axis=1)
    ax.plot(days[known], np.nanmedian(value[known], axis=1), color=style.BLUE, lw=1.9, zorder=3)
    figures = found.report["crops"][crop]
    for name, colour in MARKS:
        if figures[name] and figures[f"{name}_found"] >= 0.5:
            at = np.datetime64(figures[name])
            ax.axvline(at, color=colour, lw=1.0, ls=(0, (3, 2)), zorder=1.8)  # type: ignore[arg-type]
            label = f"{name} {date.fromisoformat(figures[name]):%d %b}"
            ax.annotate(label, (at, 0.0), (2, 2), textcoords="offset points", rotation=90, color=colour, fontsize=7)  # type: ignore[arg-type]
    kinds = ", ".join(f"{kind} {count}" for kind, count in figures["kinds"].items())
    ax.set_title(f"{named(crop)}: {len(rows)} parcels ({kinds})", fontsize=9, loc="left")
    ax.set_xlim(np.datetime64(f"{year - 1}-12-01"), np.datetime64(f"{year}-12-31"))  # type: ignore[arg-type]
    ax.set_ylim(-0.05, 1.0)
    ax.yaxis.grid(True, color=style.FAINT, lw=0.7)
    locator = MonthLocator(bymonth=(1, 3, 5, 7, 9, 11))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
