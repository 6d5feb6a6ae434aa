"""Measured yields with what was known of each season: `Harvests`, and `read`, which takes two kinds of folder.

A folder of fields has samples.parquet (with yield_kg_ha) and series.parquet, as for `train crops`. A folder of
statistics has one CSV with a row for each place and year: a place (county, city, district, ... or county_fips with
state_fips), a year, and a yield (yield_kg_ha or yield_t_ha); every other column of numbers is taken as something that
was seen or measured in that season.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit.crops import taxonomy
from greattit.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

Doubles = NDArray[np.float64]

PLACES = ("place", "county", "city", "district", "municipality", "parish", "county_fips", "province", "state")
"""Columns that name a place, the finest first."""
REGIONS = ("state_fips", "province", "state", "region")
"""Columns that name what holds the place."""
YEARS = ("year", "harvest_year", "season")
"""Columns of the year of harvest."""
UNITS = {"yield_kg_ha": 1.0, "yield_t_ha": 1000.0}
"""Columns of the yield, and what they are multiplied by to give kg/ha."""
LEAST = 20
"""Fewer harvests than this say nothing."""
TELLTALE = 0.999
"""A column that goes with the yield like this is the yield in another unit, or made from it: it is left out."""


@dataclass(frozen=True, eq=False)
class Harvests:
    """Measured yields, one row each, in the order of the file."""

    name: str
    """of the folder"""
    place: NDArray[np.str_]
    """(row,) where: what a history belongs to"""
    group: NDArray[np.str_]
    """(row,) spatial block that is left out whole"""
    region: NDArray[np.str_]
    """(row,) what holds the place; "" where nothing is said"""
    year: NDArray[np.int64]
    """(row,) of harvest"""
    season: NDArray[np.str_]
    """(row,) which of the seasons of a year; "" where there is one"""
    crop: NDArray[np.str_]
    """(row,) house names"""
    lonlat: Doubles
    """(row, 2) [deg] EPSG:4326; NaN where unknown"""
    yields: Doubles
    """(row,) [kg/ha] as in the source"""
    seen: Doubles
    """(row, feature) what was seen and measured of the season; NaN where unknown"""
    names: tuple[str, ...]
    """of the features"""
    light: Doubles
    """(row,) light taken up by green leaves over the season, in any one unit (`light.taken_up`); NaN where unknown"""
    notes: tuple[str, ...] = ()
    """what was mended or left out on the way in"""

    def __len__(self) -> int:
        return len(self.yields)

    @property
    def kind(self) -> NDArray[np.str_]:
        """(row,) crop and season in one word: rows of one kind are of one population."""
        return np.char.add(np.char.add(self.crop, "/"), self.season)


def read(folder: Path) -> Harvests:
    """Return the yields of a folder of fields or of statistics; raise `DatasetError` when there are none."""
    from greattit.yields.fields import from_fields

    folder = Path(folder)
    if (folder / "samples.parquet").is_file():
        return from_fields(folder)
    if not folder.is_dir():
        raise DatasetError("there is no such folder", subject=str(folder), remedy="name a folder of measured yields")
    tables = {file: _table(file) for file in sorted(folder.glob("*.csv"))}
    fit = {file: table for file, table in tables.items() if _columns(table)}
    if not fit:
        raise DatasetError(
            "holds no measured yields",
            subject=str(folder),
            remedy="it needs samples.parquet with yield_kg_ha and series.parquet, or a CSV with a place "
            f"({', '.join(PLACES[:4])}, ...), a year and one of {', '.join(UNITS)}",
        )
    file = min(fit, key=lambda one: (_repeated(fit[one]), one.name))
    notes = [f"{one.name} is not read, {file.name} is" for one in tables if one != file]
    return from_table(fit[file], name=folder.name, crop=_crop_of(folder.name), where=str(file), notes=notes)


def _table(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(file, encoding="utf-8-sig").rename(columns=lambda name: str(name).strip())
    except (ValueError, OSError) as error:
        raise DatasetError(f"cannot be read as CSV: {error}", subject=str(file), remedy="save it as UTF-8") from error


def _columns(table: pd.DataFrame) -> tuple[str, str, str] | None:
    """Return the columns of place, year and yield; None when one is missing."""
    place = next((name for name in PLACES if name in table), None)
    year = next((name for name in YEARS if name in table and _whole(table[name])), None)
    unit = next((name for name in UNITS if name in table), None)
    return (place, year, unit) if place and year and unit else None


def _whole(column: Any) -> bool:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    return bool(numbers.notna().all() and (numbers % 1 == 0).all() and numbers.between(1900, 2200).all())


def _keys(table: pd.DataFrame) -> list[str]:
    found = _columns(table)
    regions = [name for name in REGIONS if name in table]
    return [*(("crop",) if "crop" in table else ()), *regions, *(found[:2] if found else ())]


def _repeated(table: pd.DataFrame) -> bool:
    """Say whether places and years come again, month by month say."""
    return bool(table.duplicated(_keys(table)).mean() > 0.5)


def _crop_of(name: str) -> str:
    """Return the crop that a folder's name ends with, e.g. china-henan-winter-wheat -> winter_wheat; "" when none."""
    words = name.lower().replace("-", "_").split("_")
    ends = ["_".join(words[start:stop]) for start in range(len(words)) for stop in range(len(words), start, -1)]
    return next((taxonomy.house_name(end) for end in ends if taxonomy.known(end) and taxonomy.is_crop(end)), "")


def from_table(
    table: pd.DataFrame, *, name: str, crop: str = "", where: str = "", notes: Sequence[str] = ()
) -> Harvests:
    """Return the yields of a table of statistics with one row a place and year.

    `crop` is that of all rows where the table has no such column; `where` is named in errors. Rows of one place, year
    and crop are averaged, rows without a yield left out; both are noted. Raises `DatasetError`.
    """
    import pandas as pd

    columns = _columns(table)
    if columns is None:
        raise DatasetError(f"needs a place, a year and one of {', '.join(UNITS)}", subject=where)
    place, year, unit = columns
    if "crop" not in table and not crop:
        raise DatasetError("names no crop", subject=where, remedy="add a column crop, or name the folder by the crop")
    notes = list(notes)
    given = pd.to_numeric(table[unit], errors="coerce") * UNITS[unit]
    good = given.gt(0) & np.isfinite(given)
    if not good.all():
        notes.append(f"{int((~good).sum())} rows without a yield above zero are left out")
    if _repeated(table):
        raise DatasetError("has several rows a place and year", subject=where, remedy="join them to one row each")
    table = table[good].assign(**{unit: given[good]})
    keys = _keys(table)
    doubled = int(table.duplicated(keys).sum())
    if doubled:
        notes.append(f"{doubled} rows came twice and are averaged")
        numbers = table.select_dtypes("number").columns.difference(keys)
        table = table.groupby(keys, as_index=False, sort=False)[list(numbers)].mean()
    region = next((one for one in REGIONS if one in table and one != place), None)
    regions = table[region].astype(str).to_numpy(str) if region else np.full(len(table), "")
    own = table[place].astype(str).to_numpy(str)
    names = np.char.add(np.char.add(regions, "/"), own) if region else own
    crops = table["crop"].astype(str).map(taxonomy.house_name).to_numpy(str) if "crop" in table else None
    lonlat = table[["lon", "lat"]].to_numpy(float) if {"lon", "lat"} <= set(table) else np.full((len(table), 2), np.nan)
    features = _features(table, {place, year, unit, "crop", "lon", "lat", *REGIONS}, notes)
    enough(len(table), where)
    from greattit.yields.light import of_table

    return Harvests(
        name,
        names,
        names,
        regions,
        table[year].to_numpy(np.int64),
        np.full(len(table), ""),
        np.full(len(table), crop) if crops is None else crops,
        lonlat,
        table[unit].to_numpy(float),
        features.to_numpy(float),
        tuple(features.columns),
        of_table(features, lonlat[:, 1]),
        tuple(notes),
    )


def _features(table: pd.DataFrame, taken: set[str], notes: list[str]) -> pd.DataFrame:
    """Return the columns of numbers that are neither keys nor the yield in another dress."""
    numbers = table.select_dtypes("number")
    truth = next(numbers[unit] for unit in UNITS if unit in numbers)
    left = [name for name in numbers if name not in taken]
    dressed = [n for n in left if "yield" in n.lower() or abs(numbers[n].corr(truth)) > TELLTALE]
    if dressed:
        notes.append(f"{', '.join(dressed)} tell the yield itself and are not looked at")
    return numbers[[name for name in left if name not in dressed]].astype(float)


def enough(rows: int, where: str) -> None:
    """Raise `DatasetError` when there are fewer than LEAST harvests."""
    if rows < LEAST:
        raise DatasetError(f"has {rows} measured yields, fewer than {LEAST}", subject=where, remedy="add more")
