"""Colours, type and small drawing habits of the report's panels."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, FAINT, PAPER = "#17212b", "#5d6975", "#d9dee3", "#ffffff"
BLUE, SKY, ORANGE, YELLOW = "#0072b2", "#9ccbe6", "#d55e00", "#f0e442"
"""From the palette of Okabe and Ito (2008), which people with any colour vision can tell apart."""

EFFECTS = {
    "raises": ("▲", BLUE),
    "lowers": ("▼", ORANGE),
    "binds": ("■", INK),
    "refuses": ("✕", ORANGE),
    "informs": ("●", MUTED),
}
"""mark and colour of each effect of a reason"""

SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "svg.hashsalt": "greattit",
    "svg.fonttype": "path",
    "path.simplify": False,
}


class Heading(NamedTuple):
    """What stands above a panel."""

    title: str
    """bold"""
    note: str
    """muted, beside or below it"""


def say_nothing(ax: Axes, text: str) -> None:
    """Fill empty axes with the reason why nothing is drawn."""
    ax.set_axis_off()
    ax.text(
        0.5, 0.5, textwrap.fill(text, 38), ha="center", va="center", color=MUTED, fontsize=10.5, transform=ax.transAxes
    )


def bare(ax: Axes, *, bottom: bool = False) -> None:
    """Take the frame away, but for the bottom where it is asked for."""
    for side in ("left", "top", "right"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_visible(bottom)
    ax.tick_params(left=False, bottom=bottom, labelbottom=bottom)


def halo(width: float = 2.5, colour: str = PAPER) -> list[Any]:
    """Return a path effect that keeps a line or a word readable on any ground."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=width, foreground=colour)]
