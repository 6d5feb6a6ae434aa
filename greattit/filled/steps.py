"""From a season's looks to even steps: `fill`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.filled.curves import draw_curves
from greattit.filled.record import Filled
from greattit.filled.whittaker import Looks
from greattit.types import Series

CLEAR_ENOUGH = 0.5
"""Share of the plot that must be seen clear for a look to be used; it then weighs by that share."""

LEAST_LOOKS = 4
"""With fewer looks of a band there is no curve."""

LEAST_NODES = 4
"""A curve has at least so many nodes, however short the series."""

MAX_GAP_DAYS = 45.0
"""Further from any look than this nothing is said [days]."""

METHODS = ("whittaker", "process")


def fill(
    series: Series,
    *,
    step_days: int = 10,
    first: date | None = None,
    last: date | None = None,
    bands: Sequence[str] | None = None,
    method: str = "whittaker",
    max_gap_days: float | None = MAX_GAP_DAYS,
) -> Filled:
    """Return the season on even steps with its uncertainty; see `fill_all`."""
    filled = fill_all(
        [series], step_days=step_days, first=first, last=last, bands=bands, method=method, max_gap_days=max_gap_days
    )
    return filled[0]


def fill_all(
    many: Sequence[Series],
    *,
    step_days: int = 10,
    first: date | None = None,
    last: date | None = None,
    bands: Sequence[str] | None = None,
    method: str = "whittaker",
    max_gap_days: float | None = MAX_GAP_DAYS,
) -> list[Filled]:
    """Return each season on even steps: a smooth curve with one sigma, and how much was seen.

    Steps stand on the days since 1970-01-01 that `step_days` divides, so that all series share them, from `first` to
    `last` (of the series' looks where not given); asking for a part gives that part of the whole. `bands` are any of
    the series' and "ndvi"; without them all that were seen, and NDVI. Looks count from a clear share of `CLEAR_ENOUGH`
    on and weigh by it. A step is NaN outside the looks, more than `max_gap_days` from any (None: no limit), and where a
    band has fewer than `LEAST_LOOKS`. `method` is "whittaker" (see `curves`) or "process" (see `process`; slow). Raises
    `ValueError` for a step below a day or an unknown method.
    """
    if step_days < 1 or method not in METHODS:
        raise ValueError(f"step_days must be 1 or more and method one of {', '.join(METHODS)}")
    seasons = [_season(series, bands, step_days) for series in many]
    drawn = _whittaker(seasons, step_days)
    if method == "process":
        drawn = [_process(season, one, step_days) for season, one in zip(seasons, drawn, strict=True)]
    found = []
    for season, one in zip(seasons, drawn, strict=True):
        steps = _steps(season.series, first, last, step_days)
        seen, gap, between = _coverage(season, steps, step_days)
        far = np.inf if max_gap_days is None else max_gap_days
        at = steps.astype(np.int64) // step_days - season.start
        inside = (at >= 0) & (at < len(one.values))
        place = np.where(inside, at, 0)
        known = between & (gap <= far) & inside[:, None] & np.isfinite(one.values[place])
        found.append(
            Filled(
                plot_id=season.series.plot_id,
                dates=steps,
                step_days=step_days,
                bands=season.names,
                values=np.where(known, one.values[place], np.nan),
                sd=np.where(known, one.sd[place], np.nan),
                seen=seen,
                gap_days=gap,
                noise=one.noise,
                trust=np.where(season.used, one.trust, np.nan),
                looks=season.series,
                method=method,
                max_gap_days=max_gap_days,
            )
        )
    return found


def quantity(series: Series, name: str) -> NDArray[np.float64]:
    """Return a band of the looks (t,), or NDVI of their bands where `name` is "ndvi"; NaN where not seen."""
    if name == "ndvi" and {"B04", "B08"} <= set(series.bands):
        return np.asarray(indices.ndvi(series.band("B04").astype(np.float64), series.band("B08").astype(np.float64)))
    return series.band(name).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Season:
    """What is drawn through: the columns of one series and where its nodes stand."""

    series: Series
    names: tuple[str, ...]
    columns: NDArray[np.float64]
    """(look, band)"""
    used: NDArray[np.bool_]
    """(look, band)"""
    start: int
    """first node, in steps since 1970-01-01"""
    nodes: int

    @property
    def days(self) -> NDArray[np.int64]:
        """(look,) days since 1970-01-01"""
        return self.series.dates.astype("datetime64[D]").astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Drawn:
    values: NDArray[np.float64]
    """(node, band)"""
    sd: NDArray[np.float64]
    """(node, band)"""
    noise: NDArray[np.float64]
    """(band,)"""
    trust: NDArray[np.float64]
    """(look, band)"""


def _season(series: Series, bands: Sequence[str] | None, step_days: int) -> _Season:
    names = tuple(bands) if bands is not None else tuple(name for name in series.bands if name != "ndvi")
    if bands is None and ("ndvi" in series.bands or {"B04", "B08"} <= set(series.bands)):
        names = (*names, "ndvi")
    columns = np.array([quantity(series, name) for name in names]).T.reshape(len(series.dates), len(names))
    used = np.isfinite(columns) & (series.clear >= CLEAR_ENOUGH)[:, None]
    if bands is None:
        kept = used.any(axis=0)
        names = tuple(name for name, keep in zip(names, kept, strict=True) if keep)
        columns, used = columns[:, kept], used[:, kept]
    days = series.dates.astype("datetime64[D]").astype(np.int64)
    start, end = (int(days.min() // step_days), int(-(-days.max() // step_days))) if len(days) else (0, 0)
    return _Season(series, names, columns, used, start, max(end - start + 1, LEAST_NODES))


def _whittaker(seasons: Sequence[_Season], step_days: int) -> list[_Drawn]:
    """Draw all seasons; those with equally many nodes at once."""
    drawn: list[_Drawn] = [_nothing(season) for season in seasons]
    for nodes in sorted({season.nodes for season in seasons}):
        members = [n for n, season in enumerate(seasons) if season.nodes == nodes]
        rows = [(n, band) for n in members for band in range(len(seasons[n].names)) if _enough(seasons[n], band)]
        if not rows:
            continue
        longest = max(len(seasons[n].series.dates) for n, _ in rows)
        position, values, weights = (np.zeros((len(rows), longest)) for _ in range(3))
        for row, (n, band) in enumerate(rows):
            season = seasons[n]
            looks = slice(0, len(season.series.dates))
            position[row, looks] = season.days / step_days - season.start
            values[row, looks] = season.columns[:, band]
            weights[row, looks] = np.where(season.used[:, band], season.series.clear, 0.0)
        curves = draw_curves(Looks.at(position, values, nodes), weights, step_days=step_days)
        for row, (n, band) in enumerate(rows):
            one = drawn[n]
            one.values[:, band], one.sd[:, band] = curves.values[:, row], curves.sd[:, row]
            one.noise[band], one.trust[:, band] = curves.noise[row], curves.trust[row, : len(one.trust)]
    return drawn


def _nothing(season: _Season) -> _Drawn:
    shape = (season.nodes, len(season.names))
    return _Drawn(
        np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[1], np.nan), np.full(season.used.shape, np.nan)
    )


def _enough(season: _Season, band: int) -> bool:
    used = season.used[:, band]
    return int(used.sum()) >= LEAST_LOOKS and len(np.unique(season.days[used])) >= 2


def _process(season: _Season, drawn: _Drawn, step_days: int) -> _Drawn:
    """Draw one season anew by a Gaussian process, with the noise and the trust that the smoother found."""
    from greattit.filled.process import draw_process

    at = (season.start + np.arange(season.nodes, dtype=np.float64)) * step_days
    values, sd = np.full_like(drawn.values, np.nan), np.full_like(drawn.sd, np.nan)
    for band in range(len(season.names)):
        if _enough(season, band):
            used = season.used[:, band]
            noise = drawn.noise[band] / np.sqrt(season.series.clear[used] * drawn.trust[used, band])
            seen = season.columns[used, band]
            values[:, band], sd[:, band] = draw_process(season.days[used].astype(np.float64), seen, noise, at)
    return _Drawn(values, sd, drawn.noise, drawn.trust)


def _steps(series: Series, first: date | None, last: date | None, step_days: int) -> NDArray[np.datetime64]:
    """Return the steps from `first` to `last`, both included where they are steps."""
    if not len(series.dates) and (first is None or last is None):
        return np.array([], "datetime64[D]")
    start = np.datetime64(first, "D") if first else series.dates.min().astype("datetime64[D]")
    end = np.datetime64(last, "D") if last else series.dates.max().astype("datetime64[D]")
    low, high = -(-int(start.astype(np.int64)) // step_days), int(end.astype(np.int64)) // step_days
    return (np.arange(low, high + 1) * step_days).astype("datetime64[D]")


def _coverage(
    season: _Season, steps: NDArray[np.datetime64], step_days: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return looks seen (step, band), days to the nearest used look, and whether used looks lie on both sides."""
    away = season.days[None, :] - steps.astype(np.int64)[:, None]
    near = (2 * away >= -step_days) & (2 * away < step_days)
    seen = np.asarray((near * season.series.clear) @ season.used.astype(np.float64), np.float64)
    shape = (len(steps), len(season.names))
    gap, between = np.full(shape, np.inf), np.zeros(shape, bool)
    for band in range(len(season.names)):
        used = away[:, season.used[:, band]]
        if used.shape[1]:
            gap[:, band] = np.abs(used).min(axis=1)
            between[:, band] = (used <= 0).any(axis=1) & (used >= 0).any(axis=1)
    return seen, gap, between
