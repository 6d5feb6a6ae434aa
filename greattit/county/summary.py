"""One self-contained page for a county: totals, a map of the parcels, crops, refusals and how the lines are spread."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import shapely

from greattit.county.rows import Row
from greattit.report import words
from greattit.report.page import template

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.county.record import County

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#6a51a3")
"""Okabe and Ito (2008) and one violet"""

SHADES = ("#c6dbef", "#9ecae1", "#6baed6", "#3182bd", "#08519c")
"""light to dark for lines small to large"""

OTHER, NOTHING = "#98a2ab", "#eef1f3"

WIDTH = 1000.0
"""units of the map's picture across"""

SMALLEST = 4.0
"""[unit] a parcel smaller than this on the map is drawn as a dot of this width"""

LISTED = 1000
"""parcels listed on the page; all of them are in the CSV"""


@dataclass(frozen=True)
class Shape:
    """One parcel on the map."""

    path: str
    """SVG path"""
    text: str
    """what it says when touched"""
    crop: str
    """fill by crop"""
    line: str
    """fill by line"""
    why: str
    """fill by refusal"""


@dataclass(frozen=True)
class Key:
    """One entry of a legend."""

    colour: str
    name: str
    parcels: int


@dataclass(frozen=True)
class CropRow:
    """One row of the crop table."""

    name: str
    parcels: int
    area: str
    decided: int
    line: str
    middle: str


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram."""

    label: str
    parcels: int
    share: float
    """of the tallest"""


def summary(rows: Sequence[Row], county: County, day: date, *, simulated: bool, attribution: str) -> str:
    """Return the page as HTML."""
    crops, lines, why = _crop_keys(rows), _line_keys(rows), _why_keys(rows)
    shapes, height = _map(rows, crops, lines, why)
    return str(
        template("summary.html.j2", "greattit.county").render(
            county=county,
            day=words.day(day),
            sums=[words.money(total, currency) for currency, total in county.lines.items()],
            words=words,
            shapes=shapes,
            width=WIDTH,
            height=round(height, 1),
            legends={"crop": list(crops.values()), "line": list(lines.values()), "why": list(why.values())},
            crop_table=_crop_table(rows),
            refusals=[(reason_name(code), count) for code, count in county.refused.items()],
            histograms={currency: _bars(rows, currency) for currency in county.lines},
            listed=[(row, crop_text(row), line_text(row)) for row in rows[:LISTED]],
            simulated=simulated,
            attribution=attribution,
            snapshots=sorted({row.snapshot for row in rows if row.snapshot}),
        )
    )


def reason_name(code: str) -> str:
    """Return a refusal's code as a reader writes it."""
    return code.replace("_", " ").capitalize()


def crop_text(row: Row) -> str:
    """Return the crop with its certainty."""
    if row.crop is None:
        return "crop not told"
    return (
        f"{words.crop(row.crop)}, {words.share(row.certainty)}" if row.certainty is not None else words.crop(row.crop)
    )


def line_text(row: Row) -> str:
    """Return the line, or which refusal stands in its place."""
    if row.refused is not None or row.line is None:
        return f"no line: {reason_name(row.refused or 'error').lower()}"
    return f"{words.money(row.line, row.currency)} until {words.day(row.due)}"


def _crop_keys(rows: Sequence[Row]) -> dict[str | None, Key]:
    """Give the crops with the largest areas a colour each; the others share one."""
    area: Counter[str] = Counter()
    for row in rows:
        if row.crop:
            area[row.crop] += row.area_ha or 0.0  # type: ignore[assignment]
    ordered = sorted(area, key=lambda name: (-area[name], name))
    count = Counter(row.crop for row in rows if row.geometry is not None)
    keys: dict[str | None, Key] = {
        name: Key(colour, words.crop(name), count[name]) for name, colour in zip(ordered, PALETTE, strict=False)
    }
    rest = ordered[len(PALETTE) :]
    if rest:
        keys["*"] = Key(OTHER, "Other crops", sum(count[name] for name in rest))
    if count[None]:
        keys[None] = Key(NOTHING, "Not told", count[None])
    return keys


def _line_keys(rows: Sequence[Row]) -> dict[int, Key]:
    """Cut the lines into five classes of nearly as many parcels; -1 is no line."""
    amounts = np.array([float(row.line) for row in rows if row.refused is None and row.line is not None])
    keys = {}
    if len(amounts):
        edges = _edges(amounts)
        for n, (low, high) in enumerate(pairwise(edges)):
            inside = int(((amounts >= low) & ((amounts < high) | (n == len(edges) - 2))).sum())
            shade = SHADES[round(n * (len(SHADES) - 1) / max(len(edges) - 2, 1))]
            keys[n] = Key(shade, _span(low, high), inside)
    without = sum(1 for row in rows if row.geometry is not None and row.refused is not None)
    if without:
        keys[-1] = Key(NOTHING, "No line", without)
    return keys


def _span(low: float, high: float) -> str:
    return words.number(low) if low == high else f"{words.number(low)} to {words.number(high)}"


def _edges(amounts: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    edges = sorted(set(np.quantile(amounts, np.linspace(0, 1, len(SHADES) + 1), method="lower").tolist()))
    return edges if len(edges) > 1 else [edges[0], edges[0]]


def _line_class(row: Row, edges: Sequence[float]) -> int:
    if row.refused is not None or row.line is None or not len(edges):
        return -1
    return int(np.clip(np.searchsorted(edges, float(row.line), side="right") - 1, 0, max(len(edges) - 2, 0)))


def _why_keys(rows: Sequence[Row]) -> dict[str | None, Key]:
    """Give each refusal a colour, the most frequent first; parcels with a line are blue."""
    count = Counter(row.refused for row in rows if row.geometry is not None)
    keys: dict[str | None, Key] = {None: Key(PALETTE[0], "A line", count[None])} if count[None] else {}
    codes = sorted((code for code in count if code), key=lambda code: (-count[code], code))
    for n, code in enumerate(codes):
        keys[code] = Key(PALETTE[1 + n] if n < len(PALETTE) - 1 else OTHER, reason_name(code), count[code])
    return keys


def _map(
    rows: Sequence[Row], crops: dict[str | None, Key], lines: dict[int, Key], why: dict[str | None, Key]
) -> tuple[list[Shape], float]:
    """Return the parcels as SVG paths and the map's height; degrees of longitude are shrunk to their true length."""
    placed = [row for row in rows if row.geometry is not None]
    if not placed:
        return [], 0.0
    bounds = np.array([row.geometry.bounds for row in placed])  # type: ignore[union-attr]
    (west, south), (east, north) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    squeeze = max(math.cos(math.radians((south + north) / 2)), 0.01)
    unit = 0.96 * WIDTH / max((east - west) * squeeze, (north - south) / 1.2, 1e-9)
    left = (WIDTH - unit * (east - west) * squeeze) / 2
    amounts = np.array([float(row.line) for row in rows if row.refused is None and row.line is not None])
    edges = _edges(amounts) if len(amounts) else []

    def drawn(row: Row) -> str:
        return _path(
            shapely.transform(
                row.geometry,
                lambda xy: np.column_stack(
                    [left + (xy[:, 0] - west) * squeeze * unit, 0.02 * WIDTH + (north - xy[:, 1]) * unit]
                ),
            )
        )

    shapes = [
        Shape(
            drawn(row),
            f"{row.id}: {crop_text(row)}; {words.number(row.area_ha or math.nan)} ha; {line_text(row)}. {row.reason}",
            crops.get(row.crop, crops.get("*", Key(OTHER, "", 0))).colour,
            lines[_line_class(row, edges)].colour,
            why[row.refused].colour,
        )
        for row in placed
    ]
    return shapes, (north - south) * unit + 0.04 * WIDTH


def _path(area: BaseGeometry) -> str:
    """Return a parcel as an SVG path in units of the map: simplified to half a unit, a dot where it is too small."""
    x0, y0, x1, y1 = area.bounds
    if max(x1 - x0, y1 - y0) < SMALLEST:
        x, y, r = (x0 + x1) / 2, (y0 + y1) / 2, SMALLEST / 2
        return f"M{x - r:.1f} {y:.1f}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z"
    rings = []
    for part in shapely.get_parts(area.simplify(0.5)):
        for ring in (part.exterior, *part.interiors):
            points = shapely.get_coordinates(ring)[:-1]
            rings.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "z")
    return "".join(rings)


def _crop_table(rows: Sequence[Row]) -> list[CropRow]:
    """Return one row a crop, the largest area first."""
    found = []
    for name in {row.crop for row in rows if row.crop}:
        here = [row for row in rows if row.crop == name]
        sums, middles = [], []
        for currency in sorted({row.currency for row in here if row.refused is None}):
            lines = sorted(r.line for r in here if r.refused is None and r.line is not None and r.currency == currency)
            sums.append(words.money(round(sum(lines, Decimal(0))), currency))
            middles.append(words.money(round(lines[(len(lines) - 1) // 2]), currency))
        area = sum(row.area_ha or 0.0 for row in here)
        decided = sum(row.refused is None for row in here)
        text = (words.number(area, 4), decided, ", ".join(sums) or "-", ", ".join(middles) or "-")
        found.append((area, CropRow(words.crop(name), len(here), *text)))
    return [row for _, row in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def _bars(rows: Sequence[Row], currency: str) -> list[Bar]:
    """Return the histogram of the lines of one currency in about ten classes of a round width."""
    amounts = [float(r.line) for r in rows if r.refused is None and r.line is not None and r.currency == currency]
    step = _round_step(max(amounts) / 10)
    classes = [int(amount // step) for amount in amounts]
    count = Counter(classes)
    tallest = max(count.values())
    return [
        Bar(f"{words.number(n * step)} to {words.number((n + 1) * step)}", count[n], count[n] / tallest)
        for n in range(max(classes) + 1)
    ]


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(max(least, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
