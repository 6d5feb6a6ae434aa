"""Reads a labelled data set: a folder with `samples.parquet` (what grows where) and `series.parquet` (what was seen).

Columns of samples.parquet that are used: sample, crop, group, season_start, season_end, and where there are any lon,
lat and country. Columns of series.parquet: sample, date, any of the bands of `BANDS`, VV, VH, ndvi and `EXTRA`, and
`clear`, the share of the parcel that was seen clear (1 where the set has none); others are left alone.

Values in other units than reflectance 0-1, dB and NDVI are refused: they are told by their range.

Two things are settled here, for training and for measuring alike:

- A look without a date (NaT; a composite of a season) stands in the middle of season_start..season_end.
- Looks that all stand on the first day of a month, one a month, are monthly composites: they stand on the 15th.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import DatasetError
from greattit.types import BANDS, SAR, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEN = (*BANDS, *SAR, "ndvi")
"""columns of series.parquet of which a set needs one at least"""
EXTRA = ("evi", "tmean_c", "precip_mm")
"""columns that models fitted to one set may use beside them: EVI, mean temperature [deg C], precipitation [mm]"""
COLUMNS = (*SEEN, *EXTRA)
"""columns of series.parquet that are read"""
LONGEST_SEASON = 396
"""[days] a season_start..season_end above this is the span of a series and not one season"""
LEAST_TO_JUDGE = 20
"""values of a column below which its unit is not judged"""
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
    starts: NDArray[np.datetime64]
    """(n,) datetime64[D], season_start"""
    ends: NDArray[np.datetime64]
    """(n,) datetime64[D], season_end"""
    countries: tuple[str, ...]
    """(n,) as in the file (ISO 3166 alpha-3 in the shared sets); "" where not given"""
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
    clear: NDArray[np.float32]
    """(rows,) share of the parcel that was seen clear, 0-1"""

    def __len__(self) -> int:
        return len(self.samples)

    def series(self, index: int) -> Series:
        """Return one sample as a `Series`."""
        rows = slice(self.offsets[index], self.offsets[index + 1])
        return Series(self.samples[index], self.dates[rows], self.bands, self.values[rows], self.clear[rows])

    def day(self, index: int) -> date:
        """Return the last day of the sample's season year."""
        return date(int(self.years[index]), 12, 31)

    @property
    def owners(self) -> NDArray[np.int64]:
        """(rows,) which sample each look is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def last_days(self) -> NDArray[np.datetime64]:
        """(n,) last day of the twelve months that hold each sample's season.

        The end of a season that runs over New Year (September to August), else 31 December of the season year.
        """
        over = self.starts.astype("datetime64[Y]") != self.ends.astype("datetime64[Y]")
        one = over & ((self.ends - self.starts).astype(np.int64) <= LONGEST_SEASON)
        december = (self.years - 1969).astype("datetime64[Y]").astype("datetime64[D]") - 1
        return np.where(one, self.ends, december)

    def until(self, day_of_season: int) -> Dataset:
        """Return the set as it was seen up to a day of each season; day 1 is season_start."""
        last = self.starts + (day_of_season - 1)
        return self._rows(self.dates <= last[self.owners])

    def pick(self, chosen: NDArray[np.bool_]) -> Dataset:
        """Return the chosen (n,) samples only."""
        part = self._rows(chosen[self.owners])
        counts = np.diff(part.offsets)[chosen]
        own = np.flatnonzero(chosen)
        return replace(
            part,
            samples=tuple(self.samples[row] for row in own),
            crops=tuple(self.crops[row] for row in own),
            groups=tuple(self.groups[row] for row in own),
            years=self.years[chosen],
            starts=self.starts[chosen],
            ends=self.ends[chosen],
            countries=tuple(self.countries[row] for row in own),
            places=self.places[chosen],
            offsets=np.concatenate([[0], np.cumsum(counts)]),
        )

    def _rows(self, keep: NDArray[np.bool_]) -> Dataset:
        counts = np.bincount(self.owners[keep], minlength=len(self))
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(counts)]),
            dates=self.dates[keep],
            values=self.values[keep],
            clear=self.clear[keep],
        )


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
    if not set(bands) & set(SEEN):
        raise DatasetError(f"series.parquet has none of {', '.join(SEEN)}", subject=str(folder))
    start, end = _days(samples, "season_start", folder), _days(samples, "season_end", folder)
    place = samples.reset_index(drop=True).reset_index().set_index("sample")["index"]
    index = looks["sample"].map(place)
    looks, owner = looks[index.notna()], index[index.notna()].to_numpy(np.int64)
    dates = _dates(looks, owner, start, end, folder)
    order = np.lexsort((dates, owner))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(samples)))])
    values = _numbers(looks, bands, folder)[order]
    _check_units(values, bands, folder)
    return Dataset(
        name=folder.resolve().name,
        samples=tuple(samples["sample"].astype(str)),
        crops=tuple(samples["crop"].fillna("unknown").astype(str)),
        groups=tuple(samples["group"].fillna("none").astype(str)),
        years=season_years(start, end),
        starts=start,
        ends=end,
        countries=tuple(samples["country"].fillna("").astype(str)) if "country" in samples else ("",) * len(samples),
        places=np.column_stack([_place(samples, "lon"), _place(samples, "lat")]),
        offsets=offsets,
        dates=dates[order],
        bands=bands,
        values=values,
        clear=_clear(looks, folder)[order],
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


def _clear(looks: Any, folder: Path) -> NDArray[np.float32]:
    if "clear" not in looks.columns:
        return np.ones(len(looks), np.float32)
    clear: NDArray[np.float32] = _numbers(looks, ("clear",), folder)[:, 0]
    if ((clear < 0) | (clear > 1)).any():
        raise DatasetError(
            "series.parquet has a `clear` outside 0 to 1", subject=str(folder), remedy="give the share, not percent"
        )
    return np.nan_to_num(clear)


def _check_units(values: NDArray[np.float32], bands: tuple[str, ...], folder: Path) -> None:
    """Refuse a band whose typical values cannot be what its column says."""
    for column, band in enumerate(bands):
        seen = values[:, column][np.isfinite(values[:, column])]
        if len(seen) < LEAST_TO_JUDGE:
            continue
        low, middle, high = (float(value) for value in np.quantile(seen, (0.05, 0.5, 0.95)))
        what = ""
        if band in BANDS and middle > 1.5:
            what = "reflectance 0-1 is needed; are these counts? Divide by 10,000, after the product's own offset"
        elif band in SAR and low >= 0:
            what = "dB is needed, which is below zero over land; is this linear power? Take 10 * log10 of it"
        elif band in ("ndvi", "evi") and (high > 2 or low < -2):
            what = (
                "an index lies between -1 and 1; divide by its scale (often 10,000, or (value - 100) / 100 for bytes)"
            )
        elif band == "tmean_c" and middle > 150:
            what = "degrees Celsius are needed; is this Kelvin? Take away 273.15"
        if what:
            found = f"column {band} of series.parquet lies around {middle:.4g} ({low:.4g} to {high:.4g})"
            raise DatasetError(f"{found}: the unit is wrong", subject=str(folder), remedy=what)
