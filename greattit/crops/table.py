"""Seasons of a labelled set as arrays for a model that is fitted to one place: `tabulate`.

The grid lies on the days of the year on which the set was seen and may run over New Year: a season from September to
August lies on it as one from January to December does. A set of single composites has one step. At every step each
channel is the mean of the looks around it (as in `prepare`), and where nothing was seen it is NaN. Which channels there
are is up to the set: bands, NDVI alone, radar alone, weather.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit import indices
from greattit.crops import prepare
from greattit.crops.dataset import EXTRA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.dataset import Dataset

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

CHANNELS = (*prepare.CHANNELS, *EXTRA)
"""all that a table can hold, in order"""
LEAST_SEEN = 0.3
"""how much must have been seen at a step for its value to count, 0-1"""
INDICES: tuple[tuple[Callable[..., Any], tuple[str, str]], ...] = (
    (indices.ndmi, ("B08", "B11")),
    (indices.gndvi, ("B03", "B08")),
    (indices.nbr2, ("B11", "B12")),
    (indices.ndre, ("B05", "B08")),
    (indices.ndvi, ("B04", "B07")),
)
"""indices that trees are given beside the bands; the last is NDVI with the last red edge as its infrared"""
YEAR = 365.0
LONG_SPAN, WHOLE_SPAN = 120.0, 300.0
"""[days] a set seen over more than the first has the usual steps, over more than the second the whole year"""
MOST_STEPS = 48


@dataclass(frozen=True)
class Form:
    """How a season becomes a row; travels in the card of the model."""

    channels: tuple[str, ...]
    """which of `CHANNELS` the model was fitted with, in order"""
    first_day: float = 0.0
    """where the grid begins [days since 1 January]"""
    span_days: float = 365.0
    """how long it is [days]"""
    steps: int = 24
    """its steps"""
    width_days: float = 12.0
    """standard deviation of the kernel in time [days]"""

    @property
    def centres(self) -> NDArray[np.float64]:
        """(steps,) middle of each step [days since 1 January; above 365 after New Year]."""
        return self.first_day + (np.arange(self.steps) + 0.5) * self.span_days / self.steps

    def as_text(self) -> dict[str, Any]:
        """Return the form as it stands in a card."""
        return asdict(self) | {"channels": list(self.channels)}

    @classmethod
    def from_text(cls, text: Mapping[str, Any]) -> Form:
        """Read it from a card; raise `KeyError`, `TypeError` or `ValueError` when it does not hold together."""
        numbers = (float(text["first_day"]), float(text["span_days"]), int(text["steps"]), float(text["width_days"]))
        form = cls(tuple(map(str, text["channels"])), *numbers)
        if not set(form.channels) <= set(CHANNELS) or form.steps < 1 or form.width_days <= 0:
            raise ValueError(f"this version cannot prepare {form}")
        return form


@dataclass(frozen=True, eq=False)
class Table:
    """Seasons as arrays."""

    values: Floats
    """(n, steps, channel) means of the looks around each step; NaN where hardly anything was seen"""
    seen: Floats
    """(n, steps, channel) how much was seen there, 0-1"""
    looks: Ints
    """(n,) clear optical looks"""
    rows: Ints
    """(n,) looks of any kind"""
    form: Form
    """what the columns are"""

    def __len__(self) -> int:
        return len(self.values)


def form_of(data: Dataset) -> Form:
    """Return the form that fits what a set holds: every channel with a value in at least one sample of a hundred."""
    values = _raw(data)
    owner = data.owners
    counts = [len(np.unique(owner[np.isfinite(column)])) for column in values.T]
    channels = tuple(name for name, count in zip(CHANNELS, counts, strict=True) if count >= max(1, 0.01 * len(data)))
    first, span = _arc(days_of_year(data.dates[data.dates > (data.last_days - int(YEAR))[owner]]))
    if span > WHOLE_SPAN:
        return Form(channels)
    if span > LONG_SPAN:
        return Form(channels, first, span)
    spacing = np.diff(data.dates).astype(np.int64)
    apart = float(np.median(spacing[spacing > 0])) if (spacing > 0).any() else YEAR
    steps = int(np.clip(round(span / apart), 1, MOST_STEPS))
    return Form(channels, first, span, steps, max(0.5, 0.6 * span / steps))


def days_of_year(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return days since 1 January of each date's own year."""
    days: NDArray[np.float64] = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    return days


def _arc(days: NDArray[np.float64]) -> tuple[float, float]:
    """Return first day and length [days] of the shortest part of the year that holds all looks."""
    if not len(days):
        return 0.0, YEAR
    used = np.unique(days)
    gaps = np.diff(np.append(used, used[0] + YEAR))
    widest = int(gaps.argmax())
    return float(used[(widest + 1) % len(used)]), float(YEAR - gaps[widest] + 1.0)


def tabulate(data: Dataset, form: Form, least_clear: float = 0.0) -> Table:
    """Bring the samples of a set to a form; only looks of the twelve months of the season that are clear enough."""
    values, owner = _raw(data), data.owners
    ends = data.last_days[owner]
    keep = (data.dates > ends - int(YEAR)) & (data.dates <= ends) & (data.clear >= least_clear)
    keep &= np.isfinite(values).any(axis=1)
    values, owner, dates, clear = values[keep], owner[keep], data.dates[keep], data.clear[keep]
    optical = np.isfinite(values[:, : prepare.NDVI + 1]).any(axis=1)
    columns = [CHANNELS.index(name) for name in form.channels]
    total = np.zeros((len(data), form.steps, 2, len(columns)))
    days = days_of_year(dates)
    for part in np.array_split(np.arange(len(dates)), max(1, len(dates) // 20000)):
        apart = (days[part, None] - form.centres + YEAR / 2) % YEAR - YEAR / 2
        weight = np.exp(-0.5 * (apart / form.width_days) ** 2) * clear[part, None]  # (looks, steps)
        what = values[part][:, columns].astype(np.float64)
        there = np.isfinite(what)
        both = np.stack([np.where(there, what, 0.0), there], axis=1)  # (looks, 2, channel)
        np.add.at(total, owner[part], weight[:, :, None, None] * both[:, None])
    amount = total[:, :, 1]
    seen = amount / (amount + 0.1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(seen > LEAST_SEEN, total[:, :, 0] / amount, np.nan)
    return Table(
        values=mean.astype(np.float32),
        seen=seen.astype(np.float32),
        looks=np.bincount(owner[optical], minlength=len(data)),
        rows=np.bincount(owner, minlength=len(data)),
        form=form,
    )


def _raw(data: Dataset) -> Floats:
    """Return the looks of all samples (rows, `CHANNELS`), in the units of `prepare.channels`."""

    def column(name: str) -> Floats:
        if name in data.bands:
            return data.values[:, data.bands.index(name)]
        return np.full(len(data.dates), np.nan, np.float32)

    raw = np.stack([column(name) for name in prepare.RAW], axis=1)
    narrow = column("B8A")
    raw[:, prepare.NIR] = np.where(np.isfinite(raw[:, prepare.NIR]), raw[:, prepare.NIR], narrow)
    extra = np.stack([column(name) for name in EXTRA], axis=1)
    return np.concatenate([prepare.channels(raw), extra], axis=1)


def features(table: Table) -> Floats:
    """Return the table as columns for trees (n, feature): steps, indices, radar's VH - VV, the curve's shape.

    Values that were not seen stay NaN, which the trees take as they are.
    """
    parts = [table.values]
    names = table.form.channels

    def band(name: str) -> Floats:
        return table.values[:, :, names.index(name)]

    for index, bands in INDICES:
        if set(bands) <= set(names):
            parts.append(index(*map(band, bands))[:, :, None])
    if "VV" in names and "VH" in names:
        parts.append((band("VH") - band("VV"))[:, :, None])
    if "tmean_c" in names:  # thermal time, growing degree days above 0 deg C since the first step [deg C day]
        warm = (
            np.cumsum(np.nan_to_num(np.maximum(band("tmean_c"), 0.0)), axis=1) * table.form.span_days / table.form.steps
        )
        parts.append(warm[:, :, None].astype(np.float32))
    flat = np.concatenate([part.reshape(len(table), -1) for part in parts], axis=1)
    shapes = [shape(band(name)) for name in ("ndvi", "evi", "VH") if name in names]
    whole: Floats = np.concatenate([flat, *shapes], axis=1).astype(np.float32)
    return whole


def shape(curve: Floats) -> Floats:
    """Return of curves (n, steps) least, most, mean, spread and the step of the most (n, 5); NaN where unseen."""
    seen = np.isfinite(curve)
    none = ~seen.any(axis=1)
    count = np.maximum(seen.sum(axis=1), 1)
    low, high = np.where(seen, curve, np.inf).min(axis=1), np.where(seen, curve, -np.inf).max(axis=1)
    mean = np.where(seen, curve, 0.0).sum(axis=1) / count
    spread = np.sqrt(np.where(seen, (curve - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
    when = np.where(seen, curve, -np.inf).argmax(axis=1)
    out = np.stack([low, high, mean, spread, when], axis=1)
    out[none] = np.nan
    return out.astype(np.float32)
