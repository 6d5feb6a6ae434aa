"""From rows to figures, by size of field, with intervals over whole groups: `figures`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.plotscores.rows import Asked, Given

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (("<0.2 ha", 0.0, 0.2), ("0.2-1 ha", 0.2, 1.0), ("1-5 ha", 1.0, 5.0), (">5 ha", 5.0, np.inf))
"""Classes of the true area: name, from (included), to (not included) [ha]."""

HALF_HA = 0.5
"""Fields from this area on have a figure of their own [ha]."""

ROUNDS = 1000
"""Draws of whole groups for an interval."""

CONTRACT = (
    "fields",
    "object_precision",
    "object_recall",
    "object_f1",
    "extent_iou",
    "area_median_abs_error",
    "area_bias",
    "area_interval_coverage",
)
"""Figures of every class of size."""

MEASURED = (*CONTRACT[1:], "area_interval_coverage_80")
"""Figures with an interval."""


def figures(asked: Sequence[Asked], given: Sequence[Given], *, by_size: bool = True) -> dict[str, Any]:
    """Return the figures of the rows, their 95 % intervals over whole groups and, if wanted, by class of true size.

    `area_interval_coverage` is of the 90 % intervals. A figure of nothing is None.
    """
    asked, given = sorted(asked, key=lambda row: row.id), list(given)
    whole = [row for row in asked if row.whole]
    found: dict[str, Any] = scores(asked, given)
    found["area_median_abs_error_from_half_ha"] = _error([row for row in whole if row.true_ha >= HALF_HA])
    found["area_median_abs_error_of_hits"] = _error([row for row in whole if row.hit])
    found["fields_measured"] = len({row.id for row in whole if np.isfinite(row.ratio)})
    found["objects_counted"] = len(given)
    found["seconds_per_field_median"] = _median(np.array([row.seconds for row in whole]))
    found["intervals_95"] = _intervals(asked, given)
    if by_size:
        found["by_size"] = {name: _of_size(asked, given, low, high) for name, low, high in SIZES}
    return found


def _of_size(asked: Sequence[Asked], given: Sequence[Given], low: float, high: float) -> dict[str, Any]:
    found = scores(
        [row for row in asked if low <= row.true_ha < high], [row for row in given if low <= row.size_ha < high]
    )
    return {name: found[name] for name in CONTRACT}


def scores(asked: Sequence[Asked], given: Sequence[Given]) -> dict[str, Any]:
    """Return the figures without intervals and sizes."""
    sums = {name: float(values.sum()) for name, values in _terms(asked, given).items()}
    ratios = _ratios({name: np.array([value]) for name, value in sums.items()})
    areas = _areas(asked)
    found: dict[str, Any] = {"fields": len({row.id for row in asked if row.whole})}
    found |= {name: _finite(float(values[0])) for name, values in ratios.items()}
    found["area_median_abs_error"], found["area_bias"] = _median(np.abs(areas)), _median(areas)
    return found


def _terms(asked: Sequence[Asked], given: Sequence[Given]) -> dict[str, NDArray[np.float64]]:
    """Return what each row adds to the numerators and denominators, by name."""
    whole = [row.whole for row in asked]
    terms: dict[str, list[Any]] = {
        "asked": whole,
        "found": [row.hit and row.whole for row in asked],
        "covered": [row.covered_ha for row in asked],
        "ground": [row.ground_ha for row in asked],
        "common": [row.common_ha for row in asked],
        "joint": [row.joint_ha for row in asked],
        "told_80": [row.whole and row.within_80 is not None for row in asked],
        "held_80": [row.whole and row.within_80 is True for row in asked],
        "told_90": [row.whole and row.within_90 is not None for row in asked],
        "held_90": [row.whole and row.within_90 is True for row in asked],
        "given": [True for _ in given],
        "right": [row.hit for row in given],
        "beyond": [row.beyond_ha for row in given],
    }
    return {name: np.array(values, float) for name, values in terms.items()}


def _ratios(sums: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return the figures that are quotients of sums, each (round,); NaN where there is nothing.

    Nothing given at all is a precision of 0 where something was asked for: silence is not skill.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = sums["found"] / sums["asked"]
        precision = np.where(sums["given"] > 0, sums["right"] / sums["given"], np.where(sums["asked"] > 0, 0.0, np.nan))
        both = precision + recall
        return {
            "object_precision": precision,
            "object_recall": recall,
            "object_f1": np.where(both > 0, 2 * precision * recall / both, both),
            "extent_iou": sums["common"] / (sums["joint"] + sums["beyond"]),
            "extent_recall": sums["covered"] / sums["ground"],
            "area_interval_coverage": sums["held_90"] / sums["told_90"],
            "area_interval_coverage_80": sums["held_80"] / sums["told_80"],
        }


def _areas(asked: Sequence[Asked]) -> NDArray[np.float64]:
    """Return the relative errors of the areas that were measured."""
    errors = np.array([row.ratio - 1 for row in asked if row.whole], float)
    return np.asarray(errors[np.isfinite(errors)])


def _error(asked: Sequence[Asked]) -> float | None:
    return _median(np.abs(_areas(asked)))


def _median(values: NDArray[np.float64]) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _intervals(asked: Sequence[Asked], given: Sequence[Given]) -> dict[str, list[float] | None]:
    """Return the 2.5 and 97.5 % quantiles of the figures over draws of whole groups (seeded)."""
    groups = sorted({row.group for row in asked} | {row.group for row in given})
    if len(groups) < 2:
        return dict.fromkeys(MEASURED)
    place = {group: number for number, group in enumerate(groups)}
    of_asked = np.array([place[row.group] for row in asked], int)
    of_given = np.array([place[row.group] for row in given], int)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=ROUNDS)
    sums: dict[str, NDArray[np.float64]] = {}
    for name, values in _terms(asked, given).items():
        owner = of_given if name in ("given", "right", "beyond") else of_asked
        sums[name] = draws.astype(float) @ np.bincount(owner, weights=values, minlength=len(groups)).astype(float)
    drawn: dict[str, Any] = dict(_ratios(sums))
    measured = np.array([row.whole and bool(np.isfinite(row.ratio)) for row in asked], bool)
    errors, owner = np.array([row.ratio - 1 for row in asked])[measured], of_asked[measured]
    drawn["area_median_abs_error"] = _redrawn(np.abs(errors), draws[:, owner], np.median)
    drawn["area_bias"] = _redrawn(errors, draws[:, owner], np.median)
    return {name: _quantiles(drawn[name]) for name in MEASURED}


def _redrawn(
    values: NDArray[np.float64], times: NDArray[np.int64], statistic: Callable[[Any], Any]
) -> NDArray[np.float64]:
    """Return a statistic of the values repeated so many times in each round (round, value)."""
    rounds = (np.repeat(values, row) for row in times)
    return np.array([statistic(drawn) if len(drawn) else np.nan for drawn in rounds], float)


def _quantiles(values: NDArray[np.float64]) -> list[float] | None:
    values = values[np.isfinite(values)]
    return [float(q) for q in np.quantile(values, (0.025, 0.975))] if len(values) else None
