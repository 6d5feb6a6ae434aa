"""What a card says was measured, whichever form it has, and whether one model is worse than another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

HIGHER = (
    *("accuracy", "macro_f1", "f1", "cloud f1", "shadow f1", "object_f1", "object_recall", "extent_iou", "mean_iou"),
    *("r2", "r2_between_years"),
)
"""figures of which more is better"""
LOWER = (
    *("ece", "ground lost", "area_median_abs_error"),
    *("rmse_kg_ha",),
)
"""figures of which less is better"""
BESIDE = ("interval", "samples", "accepted", "accuracy_accepted", "majority", "random_forest", "fields")
"""figures that are shown and not compared"""


@dataclass(frozen=True)
class Pair:
    """One figure that both cards have."""

    data_set: str
    figure: str
    serving: float
    candidate: float
    interval: tuple[float, float] | None
    """of the serving model's figure, where its card gives one"""

    @property
    def worse(self) -> bool:
        """Whether the candidate's figure is the worse one."""
        sign = -1 if self.figure in LOWER else 1
        return sign * self.candidate < sign * self.serving

    @property
    def verdict(self) -> str:
        """Better, the same or worse, in words."""
        if self.candidate == self.serving:
            return "the same"
        if not self.worse:
            return "better"
        inside = self.interval is not None and self.interval[0] <= self.candidate <= self.interval[1]
        return "worse, within the serving model's interval" if inside else "worse"

    def __str__(self) -> str:
        between = " ({:.4g} to {:.4g})".format(*self.interval) if self.interval else ""
        return f"{self.data_set} {self.figure} {self.candidate:.4g}, the serving model has {self.serving:.4g}{between}"


def compare(serving: Mapping[str, Mapping[str, Any]], candidate: Mapping[str, Mapping[str, Any]]) -> list[Pair]:
    """Return every figure to compare that both have, set by set, from what `measured` gave."""
    pairs = []
    for name, old in serving.items():
        new = candidate.get(name, {})
        for figure in (*HIGHER, *LOWER):
            if figure in old and figure in new:
                interval = old.get("interval") if figure == "accuracy" else None
                pairs.append(Pair(name, figure, old[figure], new[figure], interval))
    return pairs


def measured(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return set -> figure -> value of a card's figures.

    A set is the first table on the way down that holds one of the figures: `figures.SET.accuracy`, but also
    `figures.KIND.SET.accuracy`, which is called "KIND, SET". A figure is a number, or a table with `value` and
    `interval`.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, table in _tables(card.get("figures"), ()):
        found[name] = _figures(table)
    held = card.get("held_out")
    if isinstance(held, Mapping) and isinstance(held.get("figures"), Mapping):
        found |= _clouds(held["figures"], str(card.get("serve", "")))
    peaks = card.get("peak_evi2_p25")
    if isinstance(peaks, Mapping):
        fields = _number(peaks["all"].get("fields")) if isinstance(peaks.get("all"), Mapping) else None
        found["reference"] = {"fields": int(fields or 0), "crops": len(peaks) - ("all" in peaks)}
    return {name: figures for name, figures in found.items() if figures}


def _tables(value: Any, way: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, Mapping):
        return
    if any(_number(value.get(figure)) is not None for figure in (*HIGHER, *LOWER)):
        yield ", ".join(way) or "all", value
        return
    for name, part in value.items():
        yield from _tables(part, (*way, str(name)))


def _figures(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for figure in (*HIGHER, *LOWER, *BESIDE):
        number = _number(table.get(figure))
        if number is not None:
            found[figure] = int(number) if figure in ("samples", "fields") else number
    inner = table["accuracy"].get("interval") if isinstance(table.get("accuracy"), Mapping) else None
    interval = table.get("interval") or table.get("accuracy_interval") or inner
    if isinstance(interval, list | tuple) and len(interval) == 2 and None not in map(_number, interval):
        found["interval"] = (float(interval[0]), float(interval[1]))
    return found


def _clouds(figures: Mapping[str, Any], serve: str) -> dict[str, dict[str, Any]]:
    """Return the figures of the method that serves, of each kind of season that was held out."""
    found: dict[str, dict[str, Any]] = {}
    for season, methods in figures.items():
        method = methods.get(serve) if isinstance(methods, Mapping) else None
        table = method if isinstance(method, Mapping) else {}
        values = {f"{kind} f1": _number(_inner(table, kind, "f1")) for kind in ("cloud", "shadow")}
        values["ground lost"] = _number(_inner(table, "eaten", "share"))
        found[f"held-out seasons, {season}"] = {key: value for key, value in values.items() if value is not None}
    return found


def _inner(table: Mapping[str, Any], *way: str) -> Any:
    value: Any = table
    for key in way:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> float | None:
    """Return a finite number, or that of a table's `value`; None for anything else."""
    if isinstance(value, Mapping):
        value = value.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
