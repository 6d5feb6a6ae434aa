"""All panels on one sheet as PNG, and each alone as SVG."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from greattit.report import style
from greattit.report.panels import draw_crops, draw_season, draw_steps, draw_yields
from greattit.report.scene import draw_scene
from greattit.report.words import SIMULATED, headline, subline, title

if TYPE_CHECKING:
    from greattit.types import Appraisal, Cube


Draw = Callable[[Any, "Appraisal", "Cube"], style.Heading]


def _alone(draw: Callable[[Any, Appraisal], style.Heading]) -> Draw:
    return lambda ax, appraisal, cube: draw(ax, appraisal)


_SHEET: tuple[tuple[Draw, tuple[float, float, float, float], float], ...] = (
    (draw_scene, (0.035, 0.475, 0.31, 0.325), 0.0),
    (_alone(draw_season), (0.41, 0.475, 0.565, 0.325), 0.03),
    (_alone(draw_crops), (0.11, 0.065, 0.20, 0.275), 0.075),
    (_alone(draw_yields), (0.42, 0.065, 0.20, 0.275), 0.065),
    (_alone(draw_steps), (0.78, 0.065, 0.205, 0.275), 0.10),
)
"""each panel of the sheet, its axes (left, bottom, width, height as shares of the sheet), its title's shift left"""

_PANELS: dict[str, tuple[Draw, float]] = {
    "scene": (draw_scene, 3.6),
    "season": (_alone(draw_season), 3.0),
    "crops": (_alone(draw_crops), 2.1),
    "yields": (_alone(draw_yields), 1.8),
    "steps": (_alone(draw_steps), 2.9),
}
"""each panel of the page and its height [inch]"""

PANEL_WIDTH = 4.2
"""[inch] width of a panel of the page: its type is read on a phone"""


def picture(appraisal: Appraisal, cube: Cube) -> bytes:
    """Return the sheet as PNG (1800 x 1272 px)."""
    with matplotlib.rc_context(style.SETTINGS):
        figure = Figure(figsize=(15, 10.6), dpi=120, facecolor=style.PAPER)
        FigureCanvasAgg(figure)
        _head(figure, appraisal, cube)
        for draw, box, shift in _SHEET:
            heading = draw(figure.add_axes(box), appraisal, cube)
            x, y = box[0] - shift, box[1] + box[3]
            figure.text(x, y + 0.030, heading.title, fontweight="bold", fontsize=12)
            figure.text(x, y + 0.011, heading.note, fontsize=9, color=style.MUTED)
        return _bytes(figure, "png")


def _head(figure: Figure, appraisal: Appraisal, cube: Cube) -> None:
    refused = appraisal.line.refused is not None
    figure.text(0.035, 0.962, title(appraisal), fontsize=11.5, color=style.MUTED, va="center")
    figure.text(
        0.035,
        0.918,
        headline(appraisal),
        fontsize=27,
        fontweight="bold",
        va="center",
        color=style.ORANGE if refused else style.INK,
    )
    text = textwrap.fill(subline(appraisal), 120, max_lines=2, placeholder=" ...")
    figure.text(0.035, 0.885, text, fontsize=13 if refused else 11.5, va="top")
    if cube.attrs.get("simulated"):
        box: Any = {"boxstyle": "square,pad=0.5", "facecolor": style.YELLOW, "edgecolor": style.INK}
        figure.text(0.975, 0.94, SIMULATED, fontsize=14, fontweight="bold", ha="right", va="center", bbox=box)
    made = appraisal.made_with
    snapshot = f", snapshot {made.snapshot}" if made.snapshot else ""
    tiles = cube.attrs.get("attribution") or "unnamed"
    foot = f"Great Tit {made.version}, cube {made.cube_id[:12]}{snapshot}. Tiles: {tiles}"
    figure.text(0.035, 0.018, foot.strip(), fontsize=8, color=style.MUTED)


def panels(appraisal: Appraisal, cube: Cube) -> dict[str, tuple[style.Heading, str]]:
    """Return heading and SVG text of each panel: scene, season, crops, yields, steps."""
    return {name: _panel(draw, height, appraisal, cube) for name, (draw, height) in _PANELS.items()}


def _panel(draw: Draw, height: float, appraisal: Appraisal, cube: Cube) -> tuple[style.Heading, str]:
    with matplotlib.rc_context(style.SETTINGS):
        figure = Figure(figsize=(PANEL_WIDTH, height), dpi=120, facecolor=style.PAPER, layout="constrained")
        FigureCanvasAgg(figure)
        heading = draw(figure.add_subplot(), appraisal, cube)
        return heading, _bytes(figure, "svg", tight=draw is draw_scene).decode()


def _bytes(figure: Figure, form: str, *, tight: bool = False) -> bytes:
    """Return the figure's bytes, without day or program in them; `tight` cuts away the empty margin."""
    out = io.BytesIO()
    nothing = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    figure.savefig(out, format=form, metadata=nothing, bbox_inches="tight" if tight else None, pad_inches=0.02)
    return out.getvalue()
