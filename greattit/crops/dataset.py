"""Reads a labelled data set: a folder with `samples.parquet` (what grows where) and `series.parquet` (what was seen).

Columns of samples.parquet that are used: sample, crop, group, season_start, season_end. Columns of series.parquet:
sample, date and any of the bands of `BANDS`, VV, VH and ndvi; others are left alone.

Two things are settled here, for training and for measuring alike:

- A look without a date (NaT; a composite of a season) stands in the middle of season_start..season_end.
- Looks that all stand on the first day of a month, one a month, are monthly composites: they stand on the 15th.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import DatasetError
from greattit.types import BANDS, SAR, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = (*BANDS, *SAR, "ndvi")
"""columns of series.parquet that are read"""
NEEDED = {
    "samples.parquet": ("sample", "crop", "group", "season_start", "season_end"),
    "series.parquet": ("sample", "date"),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled series, the looks of all samples one after the other."""

    name: str
    """name of the folder"""
    samples: tuple[str, ...]
    """(n,) names of the samples"""
    crops: tuple[str, ...]
    """(n,) labels, as in the file"""
    groups: tuple[str, ...]
    """(n,) spatial blocks"""
    years: NDArray[np.int64]
    """(n,) season year: the calendar year that holds most of season_start..season_end, the later one of equals"""
    places: NDArray[np.float64]
    """(n, 2) longitude and latitude [degree, EPSG:4326]; NaN where the set has none"""
    offsets: NDArray[np.int64]
    """(n + 1,) the looks of sample i are rows offsets[i] to offsets[i + 1]"""
    dates: NDArray[np.datetime64]
    """(rows,) datetime64[D], ascending within a sample"""
    bands: tuple[str, ...]
    """names of the columns of `values`"""
    values: NDArray[np.float32]
    """(rows, band) reflectance 0-1, dB for radar; NaN where not seen"""

    def __len__(self) -> int:
        return len(self.samples)

    def series(self, index: int) -> Series:
        """Return one sample as a `Series`; the sets give no clear share, so every look counts as clear."""
        rows = slice(self.offsets[index], self.offsets[index + 1])
        dates = self.dates[rows]
        return Series(self.samples[index], dates, self.bands, self.values[rows], np.ones(len(dates), np.float32))

    def day(self, index: int) -> date:
        """Return the last day of the sample's season year."""
        return date(int(self.years[index]), 12, 31)


def read(folder: Path) -> Dataset:
    """Read the data set in `folder`; raise `DatasetError` when a file or column is missing or cannot be used."""
    samples, looks = _table(folder, "samples.parquet"), _table(folder, "series.parquet")
    if not len(samples):
        raise DatasetError("samples.parquet has no rows", subject=str(folder))
    if samples["sample"].duplicated().any():
        twice = samples["sample"][samples["sample"].duplicated()].iloc[0]
        raise DatasetError(
            f"sample {twice} stands twice in samples.parquet", subject=str(folder), remedy="keep one row a sample"
        )
    bands = tuple(name for name in COLUMNS if name in looks.columns)
    if not bands:
        raise DatasetError(f"series.parquet has none of {', '.join(COLUMNS)}", subject=str(folder))
    start, end = _days(samples, "season_start", folder), _days(samples, "season_end", folder)
    place = samples.reset_index(drop=True).reset_index().set_index("sample")["index"]
    index = looks["sample"].map(place)
    looks, owner = looks[index.notna()], index[index.notna()].to_numpy(np.int64)
    dates = _dates(looks, owner, start, end, folder)
    order = np.lexsort((dates, owner))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(samples)))])
    return Dataset(
        name=folder.name,
        samples=tuple(samples["sample"].astype(str)),
        crops=tuple(samples["crop"].fillna("unknown").astype(str)),
        groups=tuple(samples["group"].fillna("none").astype(str)),
        years=season_years(start, end),
        places=np.column_stack([_place(samples, "lon"), _place(samples, "lat")]),
        offsets=offsets,
        dates=dates[order],
        bands=bands,
        values=_numbers(looks, bands, folder)[order],
    )


def season_years(start: NDArray[np.datetime64], end: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return for each season (n,) the calendar year that holds most of its days, the later one of equals."""
    first, last = (value.astype("datetime64[Y]").astype(np.int64) + 1970 for value in (start, end))
    best, most = last.copy(), np.full(len(start), -1)
    for back in range(int((last - first).max()) + 1):
        year = last - back
        opens = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]")
        closes = (year - 1969).astype("datetime64[Y]").astype("datetime64[D]")
        days = (np.minimum(end + 1, closes) - np.maximum(start, opens)).astype(np.int64)
        better = days > most
        best, most = np.where(better, year, best), np.where(better, days, most)
    return best


def _table(folder: Path, name: str) -> Any:
    import pandas as pd

    path = folder / name
    if not path.is_file():
        remedy = "give a folder with samples.parquet and series.parquet"
        raise DatasetError(f"has no {name}", subject=str(folder), remedy=remedy)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{name} cannot be read: {error}", subject=str(folder), remedy="fetch the file again"
        ) from error
    missing = [column for column in NEEDED[name] if column not in table.columns]
    if missing:
        raise DatasetError(f"{name} has no column {', '.join(missing)}", subject=str(folder))
    return table


def _place(samples: Any, column: str) -> NDArray[np.float64]:
    import pandas as pd

    if column not in samples.columns:
        return np.full(len(samples), np.nan)
    return np.asarray(pd.to_numeric(samples[column], errors="coerce"), float)


def _days(table: Any, column: str, folder: Path) -> NDArray[np.datetime64]:
    import pandas as pd

    days: NDArray[np.datetime64] = pd.to_datetime(table[column], errors="coerce").to_numpy().astype("datetime64[D]")
    if np.isnat(days).any():
        sample = table["sample"].iloc[int(np.argmax(np.isnat(days)))]
        raise DatasetError(
            f"sample {sample} has no {column}", subject=str(folder), remedy="give every sample its season"
        )
    return days


def _dates(
    looks: Any, owner: NDArray[np.int64], start: NDArray[np.datetime64], end: NDArray[np.datetime64], folder: Path
) -> NDArray[np.datetime64]:
    import pandas as pd

    try:
        dates: NDArray[np.datetime64] = pd.to_datetime(looks["date"]).to_numpy().astype("datetime64[D]")
    except (ValueError, TypeError) as error:
        raise DatasetError(f"series.parquet has a date that is none: {error}", subject=str(folder)) from error
    undated = np.isnat(dates)
    if undated.any():
        middle = start + (end - start) // 2
        return np.where(undated, middle[owner], dates)
    first = dates.astype("datetime64[M]").astype("datetime64[D]")
    monthly = len(dates) > 1 and bool((dates == first).all()) and len(np.unique(dates)) > 1
    return dates + 14 if monthly else dates


def _numbers(looks: Any, bands: tuple[str, ...], folder: Path) -> NDArray[np.float32]:
    try:
        values = looks[list(bands)].to_numpy(np.float32, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DatasetError(f"series.parquet has a value that is no number: {error}", subject=str(folder)) from error
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)
