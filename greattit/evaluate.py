"""How good the walk is on a catalogue with known parcels: `walk`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from greattit import appraisal, plots
from greattit.crops import taxonomy
from greattit.cube import Store, open_stack
from greattit.errors import DatasetError, GreatTitError, PlotError
from greattit.plots.area import area_ha
from greattit.plots.coverage import project
from greattit.plots.drawing import SLOPPY, SURVEYED, draw_sloppily
from greattit.tiles.scene import Catalogue
from greattit.types import Appraisal, Plot


@dataclass(frozen=True, eq=False)
class _Walked:
    plot: Plot
    label: str | None
    given: Appraisal | GreatTitError
    drawn: tuple[Appraisal | GreatTitError, ...]
    drawn_ha: tuple[float, ...]
    seconds: tuple[float, ...]


def walk(
    folder: str | Path,
    *,
    parcels_file: Path | None = None,
    day: date | None = None,
    drawings: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Appraise every parcel as given, and again as drawn sloppily; compare with its label.

    Parcels stand in `parcels_file`, by default in `folder`/plots.geojson.

    Crops are compared on the parcels as given, areas on `drawings` sloppy drawings of each (`plots.drawing.SLOPPY`,
    seeded). Without a `day` it is `usual_day`. Returns the figures of the contract and more; raises `DatasetError` when
    there are no parcels.
    """
    catalogue = open_stack(folder)
    file = parcels_file or Path(folder) / "plots.geojson"
    if not file.is_file():
        raise DatasetError(
            f"has no {file.name}", subject=str(folder), remedy="name a file of parcels with the property crop (--plots)"
        )
    parcels, problems = plots.load_checked(file, near=catalogue.bounds)
    day = day or usual_day(catalogue)
    walked = []
    for number, plot in enumerate(parcels):
        walked.append(
            _walk_one(catalogue, plot, day, [seed * 1_000_003 + number * 101 + k for k in range(drawings)], clock)
        )
        if progress:
            progress(number + 1, len(parcels))
    return {"catalogue": catalogue.title, "simulated": catalogue.simulated, "day": day.isoformat()} | _figures(
        walked, [problem.error for problem in problems]
    )


def usual_day(catalogue: Catalogue | Store) -> date:
    """Return 1 September of the last year with looks before May and from September on, else the last look's day."""
    days = {look.when.date() for look in catalogue.between(date.min, date.max)}
    for year in sorted({d.year for d in days}, reverse=True):
        if any(d.year == year and d.month < 5 for d in days) and any(d.year == year and d.month >= 9 for d in days):
            return date(year, 9, 1)
    return max(days)


def _walk_one(
    catalogue: Catalogue | Store, plot: Plot, day: date, seeds: list[int], clock: Callable[[], float]
) -> _Walked:
    results: list[Appraisal | GreatTitError] = []
    seconds, drawn_ha = [], []
    for number, candidate in enumerate([plot, *_drawings(plot, seeds)]):
        start = clock()
        try:
            drawing = SLOPPY if number else SURVEYED
            results.append(appraisal.appraise(catalogue, candidate, day, drawing=drawing))
        except GreatTitError as error:
            results.append(error)
        seconds.append(clock() - start)
        drawn_ha.append(candidate.area_ha)
    label = plot.properties.get("crop")
    return _Walked(plot, label, results[0], tuple(results[1:]), tuple(drawn_ha[1:]), tuple(seconds))


def _drawings(plot: Plot, seeds: list[int]) -> Iterator[Plot]:
    """Draw the plot sloppily, in metres on the ground around its own centre."""
    centre = plot.geometry.centroid
    local = f"+proj=laea +lat_0={centre.y} +lon_0={centre.x} +datum=WGS84 +units=m"
    for seed in seeds:
        drawn = project(draw_sloppily(project(plot.geometry, "EPSG:4326", local), seed), local, "EPSG:4326")
        yield Plot(plot.id, drawn, area_ha(drawn))


def _figures(walked: list[_Walked], no_plots: list[PlotError]) -> dict[str, Any]:
    given = [(w, w.given) for w in walked if isinstance(w.given, Appraisal)]
    decided = [(w, a) for w, a in given if a.line.refused is None]
    called = [(w, a) for w, a in given if a.call.crop is not None]
    refusals = Counter(a.line.refused for _, a in given if a.line.refused)
    refusals.update(type(w.given).__name__ for w in walked if isinstance(w.given, GreatTitError))
    refusals.update(type(error).__name__ for error in no_plots)
    errors = [(a.segment.area_ha.p50 / w.plot.area_ha, w.plot.area_ha, a.segment.area_ha) for w, a in _drawn(walked)]
    drawn = [ha / w.plot.area_ha for w in walked for ha in w.drawn_ha]
    seconds = [s for w in walked for s in w.seconds]
    agree = [taxonomy.agrees(a.call.crop or "", str(w.label)) for w, a in decided if w.label]
    measured, true_ha = np.array([ratio for ratio, _, _ in errors]), np.array([true for _, true, _ in errors])
    return {
        "parcels": len(walked) + len(no_plots),
        "decided": len(decided),
        "refused": len(walked) + len(no_plots) - len(decided),
        "refusal_reasons": dict(sorted(refusals.items())),
        "crop_agreement": _mean(agree),
        "crop_agreement_interval_90": _bootstrap(agree),
        "called": len(called),
        "crop_agreement_called": _mean(
            [taxonomy.agrees(a.call.crop or "", str(w.label)) for w, a in called if w.label]
        ),
        "drawings": len(drawn),
        "area_median_abs_error": _median(np.abs(measured - 1)),
        "area_median_abs_error_interval_90": _bootstrap(np.abs(measured - 1), np.median),
        "area_median_abs_error_of_the_drawing_itself": _median(np.abs(np.array(drawn) - 1)),
        "area_median_abs_error_below_half_ha": _median(np.abs(measured - 1)[true_ha < 0.5]),
        "area_median_abs_error_from_half_ha": _median(np.abs(measured - 1)[true_ha >= 0.5]),
        "area_bias": _median(measured - 1),
        "area_interval_coverage_80": _mean([i.p10 <= true <= i.p90 for _, true, i in errors]),
        "seconds_per_plot_median": _median(np.array(seconds)),
        "seconds_per_plot_p95": float(np.quantile(seconds, 0.95)) if seconds else None,
        "plots": [_row(w) for w in walked],
        "no_plots": [str(error) for error in no_plots],
    }


def _drawn(walked: list[_Walked]) -> Iterator[tuple[_Walked, Appraisal]]:
    for one in walked:
        yield from ((one, result) for result in one.drawn if isinstance(result, Appraisal))


def _row(walked: _Walked) -> dict[str, Any]:
    row: dict[str, Any] = {"plot": walked.plot.id, "label": walked.label, "labelled_ha": walked.plot.area_ha}
    if isinstance(walked.given, GreatTitError):
        return row | {"refused": type(walked.given).__name__, "why": str(walked.given)}
    a = walked.given
    drawn = [result.segment.area_ha.p50 for result in walked.drawn if isinstance(result, Appraisal)]
    return row | {
        "called": a.call.crop,
        "certainty": a.call.certainty,
        "likely": list(a.call.likely),
        "line": str(a.line.limit),
        "currency": a.line.currency,
        "refused": a.line.refused,
        "measured_ha": a.segment.area_ha.p50,
        "measured_ha_of_drawings": drawn,
    }


def _mean(values: list[bool]) -> float | None:
    return float(np.mean(values)) if values else None


def _median(values: Any) -> float | None:
    return float(np.median(values)) if len(values) else None


def _bootstrap(values: Any, statistic: Callable[[Any], Any] = np.mean, rounds: int = 1000) -> list[float] | None:
    """Return the 5 and 95 % quantiles of the statistic over resampled values (seeded)."""
    sample = np.asarray(values, float)
    if not len(sample):
        return None
    rng = np.random.default_rng(0)
    drawn = [float(statistic(sample[rng.integers(0, len(sample), len(sample))])) for _ in range(rounds)]
    return [float(np.quantile(drawn, 0.05)), float(np.quantile(drawn, 0.95))]


def as_table(figures: dict[str, Any]) -> str:
    """Return the figures as lines of text for people."""
    head = f"{figures['catalogue']}, {figures['day']}" + (" (simulated)" if figures["simulated"] else "")
    lines = [head, ""]
    for key, value in figures.items():
        if key in ("catalogue", "day", "simulated", "plots", "no_plots"):
            continue
        lines.append(f"  {key.replace('_', ' '):46s} {_text(value)}")
    lines += ["", f"  {'plot':24s} {'label':16s} {'called':16s} {'certainty':>9s} {'line':>12s}  refused"]
    for row in figures["plots"]:
        certainty = f"{row['certainty']:.2f}" if row.get("certainty") is not None else ""
        line = f"{row.get('line', '')} {row.get('currency', '')}"
        cells = f"{row['plot']!s:24s} {row['label']!s:16s} {row.get('called') or '-':16s} {certainty:>9s} {line:>12s}"
        lines.append(f"  {cells}  {row.get('refused') or ''}")
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return " to ".join(_text(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
    return "unknown" if value is None else str(value)
