"""Figures of fields found and cut as text for people: `table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    ("fields", "fields"),
    ("object_precision", "precision"),
    ("object_recall", "recall"),
    ("object_f1", "F1"),
    ("extent_iou", "extent"),
    ("area_median_abs_error", "area error"),
    ("area_bias", "area bias"),
    ("area_interval_coverage", "in 90 %"),
)
"""key -> head of its column"""

WIDTH = 34
"""characters of a row's name"""


def table(report: Mapping[str, Any]) -> str:
    """Return the figures as lines of text: the method, its intervals, sizes, the drawing itself, and peers."""
    made = " (simulated)" if report["simulated"] else ""
    drawing = "without a drawing" if report["drawing"] == "none" else f"of {report['drawings']} sloppy drawings"
    lines = [
        f"{report['source']}{', ' + report['day'] if report['day'] else ''}{made}: fields found {drawing}",
        f"truth is known of {report['known_ground']}; precision is over {report['precision_over']}",
        f"extent is over {report['extent_over']}",
        *(f"left out: {count} {why}" for why, count in report["left_out"].items()),
        *(f"refused: {count} {why}" for why, count in report.get("refusals", {}).items()),
        "",
        " " * WIDTH + "".join(f"{head:>13s}" for _, head in COLUMNS),
        _row(report["method"], report),
        _row(f"  95 % over {report['intervals_over']}"[:WIDTH], report["intervals_95"]),
    ]
    lines += [_row(f"  {size}", figures) for size, figures in report["by_size"].items()]
    if "drawing_as_is" in report:
        lines.append(_row("the drawing itself", report["drawing_as_is"]))
    for name, figures in report.get("peers", {}).items():
        lines.append(_row(name, figures) if figures else f"{name:{WIDTH}s}  not there")
    seconds = report["seconds_per_field_median"]
    lines += ["", f"{_cell(seconds and 1000 * seconds).strip()} ms a field"]
    return "\n".join(lines)


def _row(name: str, figures: Mapping[str, Any]) -> str:
    return f"{name:{WIDTH}s}" + "".join(f"{_cell(figures.get(key, '')):>13s}" for key, _ in COLUMNS)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return f"{value[0]:.2f}..{value[1]:.2f}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
