"""The panel of the place: true colour of the window with the drawing and the field that was found."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from greattit.report import style
from greattit.report.words import day, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from greattit.types import Appraisal, Cube

MOSTLY = 0.9
"""share of the clearest look's clear ground that a look must have to be shown; of these the nearest to the peak is"""

EDGE_M = 2.0
"""[m] shown around the window, so that an outline on its edge is not cut"""

GAMMA = 0.8
"""exponent that lifts dark crops for the eye"""


def draw_scene(ax: Axes, appraisal: Appraisal, cube: Cube) -> style.Heading:
    """Draw the window in true colour, the plot as drawn (dashed) and the field (solid, its surroundings dimmed).

    Where the drawing holds several fields, each is drawn with its number and its share of the drawing.
    """
    chosen = look(appraisal, cube)
    if chosen is None:
        style.say_nothing(ax, "No look saw this ground clear up to the day of the appraisal.")
        return style.Heading("The place", "")
    when = cube["time"].values[chosen].astype("datetime64[D]").item()
    extent = _extent(cube)
    ax.imshow(true_colour(cube, chosen), extent=extent, interpolation="nearest", origin="upper")
    veil = np.zeros((*appraisal.segment.coverage.shape, 4))
    veil[..., 3] = 0.45 * (1 - np.nan_to_num(appraisal.segment.coverage))
    if veil.shape[:2] == cube["clear"].shape[1:]:
        ax.imshow(veil, extent=extent, interpolation="nearest", origin="upper")
    crs = str(cube.attrs["crs"])
    _outline(ax, _turned(appraisal.plot.geometry, crs), style.PAPER, (0, (4, 2.5)), "as drawn", 1.2)
    _outline(ax, _turned(appraisal.segment.outline, crs), style.YELLOW, "-", "field found", 2.4)
    _parts(ax, appraisal, crs)
    seen = _with_data(cube)
    ax.set_xlim(seen[0] - EDGE_M, seen[1] + EDGE_M)
    ax.set_ylim(seen[2] - EDGE_M, seen[3] + EDGE_M)
    ax.set_anchor("NW")
    ax.set_axis_off()
    _scale_bar(ax, seen)
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    below: Any = {"loc": "upper left", "bbox_to_anchor": (0.0, 0.0), "borderaxespad": 0.4, "ncols": 3}  # hides no field
    legend = ax.legend(unique.values(), unique.keys(), **below, fontsize=8, columnspacing=1.0, handlelength=1.8)
    legend.get_frame().set(facecolor=style.INK, edgecolor="none", alpha=0.85)
    for text in legend.get_texts():
        text.set_color(style.PAPER)
    field = float(_clear_share(appraisal, cube)[chosen])
    return style.Heading("The place", f"true colour, {day(when)}, {share(field)} of the field clear")


def _extent(cube: Cube) -> tuple[float, float, float, float]:
    """Return west, east, south, north of the cube's window, in its CRS."""
    x, y = cube["x"].values, cube["y"].values
    half = abs(float(x[1] - x[0])) / 2 if len(x) > 1 else 5.0
    return float(x.min()) - half, float(x.max()) + half, float(y.min()) - half, float(y.max()) + half


def _with_data(cube: Cube) -> tuple[float, float, float, float]:
    """Return west, east, south, north of the pixels that ever hold data: past the tiles' edge nothing can be shown."""
    known = np.isfinite(cube["B04"].values).any(axis=0)
    half = abs(float(cube["x"].values[1] - cube["x"].values[0])) / 2 if known.shape[1] > 1 else 5.0
    x, y = cube["x"].values[known.any(axis=0)], cube["y"].values[known.any(axis=1)]
    return float(x.min()) - half, float(x.max()) + half, float(y.min()) - half, float(y.max()) + half


def _clear_share(appraisal: Appraisal, cube: Cube) -> NDArray[np.float64]:
    """Return the share of the field seen clear at each look; of the window where the field covers no pixel."""
    clear = cube["clear"].values
    weights = np.nan_to_num(appraisal.segment.coverage)
    if weights.shape != clear.shape[1:] or not weights.sum() > 0:
        return np.asarray(clear.mean(axis=(1, 2)), float)
    return np.asarray((clear * weights).sum(axis=(1, 2)) / weights.sum(), float)


def look(appraisal: Appraisal, cube: Cube) -> int | None:
    """Return the place in `cube.time` of the look to show: of the clearest the nearest to the peak; None without."""
    times = cube["time"].values.astype("datetime64[D]")
    window = cube["clear"].values.mean(axis=(1, 2))
    clear = np.where(times <= np.datetime64(appraisal.day), np.minimum(window, _clear_share(appraisal, cube)), 0.0)
    if not len(clear) or clear.max() <= 0 or not all(name in cube for name in ("B02", "B03", "B04")):
        return None
    wanted: date = appraisal.growth.peak or appraisal.day
    away = np.abs((times - np.datetime64(wanted)).astype(int)).astype(float)
    away[clear < MOSTLY * clear.max()] = np.inf
    return int(np.argmin(away))


def true_colour(cube: Cube, at: int) -> NDArray[np.float64]:
    """Return (y, x, 3) red, green, blue 0-1, stretched between the 1st and 99th percentile of the clear ground."""
    stack = np.stack([cube[name].values[at] for name in ("B04", "B03", "B02")], axis=-1).astype(float)
    seen = stack[cube["clear"].values[at]]
    low, high = np.nanpercentile(seen, [1, 99]) if np.isfinite(seen).any() else (0.0, 0.3)
    stretched = np.clip((stack - low) / max(high - low, 1e-6), 0, 1) ** GAMMA
    return np.where(np.isfinite(stretched), stretched, 0.5)


def _turned(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    from pyproj import Transformer

    turn = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return shapely.transform(geometry, lambda xy: np.column_stack(turn.transform(xy[:, 0], xy[:, 1])))


def _parts(ax: Axes, appraisal: Appraisal, crs: str) -> None:
    for number, part in enumerate(appraisal.segment.parts, 1):
        shape = _turned(part.outline, crs)
        _outline(ax, shape, style.SKY, "-", "a field of its own", 1.4)
        at = shape.representative_point()
        text, halo = f"{number}: {share(part.share)}", style.halo(2.5, style.INK)
        ax.annotate(text, (at.x, at.y), color=style.PAPER, ha="center", va="center", fontsize=9, path_effects=halo)


def _outline(ax: Axes, geometry: BaseGeometry, colour: str, dash: Any, label: str, width: float) -> None:
    for part in shapely.get_parts(geometry):
        for ring in [part.exterior, *part.interiors] if part.geom_type == "Polygon" else []:
            x, y = shapely.get_coordinates(ring).T
            halo = style.halo(width + 1.4, style.INK)
            ax.plot(x, y, color=colour, ls=dash, lw=width, label=label, path_effects=halo)


def _scale_bar(ax: Axes, extent: tuple[float, float, float, float]) -> None:
    """Draw a bar of 1, 2 or 5 times a power of ten metres, about a quarter of the window long."""
    wide = (extent[1] - extent[0]) / 4
    power = 10.0 ** np.floor(np.log10(wide))
    length = max(step * power for step in (1, 2, 5) if step * power <= wide)
    x0 = extent[0] + 0.04 * (extent[1] - extent[0])
    y0 = extent[2] + 0.05 * (extent[3] - extent[2])
    ax.plot([x0, x0 + length], [y0, y0], color=style.PAPER, lw=3, path_effects=style.halo(5, style.INK))
    text = f"{length:,.0f} m" if length < 1000 else f"{length / 1000:,.0f} km"
    ax.annotate(
        text,
        (x0, y0),
        (0, 5),
        textcoords="offset points",
        color=style.PAPER,
        fontsize=8.5,
        path_effects=style.halo(2.5, style.INK),
    )
