"""Measured yields of single fields with their season: what of each season is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.crops import taxonomy
from greattit.errors import DatasetError
from greattit.types import Series
from greattit.yields.harvests import Harvests, enough
from greattit.yields.light import above_the_air, taken_up

if TYPE_CHECKING:
    import pandas as pd

Doubles = NDArray[np.float64]
Days = NDArray[np.datetime64]

STEPS = 8
"""Even parts of the season, from its start to its end."""
CLEAR_ENOUGH = 0.5
"""Share of a field that must be seen clear for a look to count, where the looks say it."""
HIGH = 0.8
"""Quantile of the looks of one part: clouds that were missed only lower greenness."""


def from_fields(folder: Path) -> Harvests:
    """Return the yields of a folder with samples.parquet and series.parquet; raise `DatasetError`.

    Looked at of each field: NDVI, EVI2, the water index of B08 and B11, and the radar where there is any, in
    `STEPS` parts of the season; rows without a yield are left out and noted.
    """
    import pandas as pd

    samples, looks = _samples(folder), _looks(folder)
    good = samples["yield_kg_ha"].gt(0) & np.isfinite(samples["yield_kg_ha"])
    enough(int(good.sum()), str(folder))
    notes = () if good.all() else (f"{int((~good).sum())} samples without a yield are left out",)
    samples = samples[good].reset_index(drop=True)
    start, end = (pd.to_datetime(samples[name]).to_numpy("datetime64[D]") for name in ("season_start", "season_end"))
    parts = _by_part(looks, samples["sample"].to_numpy(str), start, end)
    lonlat = samples.reindex(columns=["lon", "lat"]).to_numpy(float)
    group = (samples["group"] if "group" in samples else samples["sample"]).astype(str).to_numpy(str)
    season = samples["season"].astype(str).to_numpy(str) if "season" in samples else np.full(len(samples), "")
    names = tuple(f"{what}_{part + 1}" for what in parts for part in range(STEPS))
    seen = np.concatenate(list(parts.values()), axis=1) if parts else np.empty((len(samples), 0))
    return Harvests(
        folder.name,
        group,
        group,
        samples["country"].astype(str).to_numpy(str) if "country" in samples else np.full(len(samples), ""),
        end.astype("datetime64[Y]").astype(np.int64) + 1970,
        season,
        samples["crop"].astype(str).map(taxonomy.house_name).to_numpy(str),
        lonlat,
        samples["yield_kg_ha"].to_numpy(float),
        seen,
        names,
        _light(parts.get("ndvi"), lonlat[:, 1], start, end),
        notes,
    )


def seasons_of(folder: Path) -> NDArray[np.int64]:
    """Return the day of the year of each season's start and its length [days] (row, 2), rows as in `from_fields`."""
    import pandas as pd

    samples = _samples(folder)
    samples = samples[samples["yield_kg_ha"].gt(0) & np.isfinite(samples["yield_kg_ha"])]
    start, end = (pd.to_datetime(samples[name]).to_numpy("datetime64[D]") for name in ("season_start", "season_end"))
    first = (start - start.astype("datetime64[Y]")).astype(np.int64) + 1
    return np.stack([first, (end - start).astype(np.int64)], axis=1)


def of_seasons(
    many: Sequence[Series], start: Days, end: Days, lonlat: Doubles
) -> tuple[Doubles, tuple[str, ...], Doubles]:
    """Return what is looked at of many seasons (row, feature), its names, and the light taken up (row,).

    The same as `from_fields` of the same looks: those that were seen half clear or better.
    """
    import pandas as pd

    names = [str(number) for number in range(len(many))]
    tables = [
        pd.DataFrame({name: one.band(name) for name in one.bands}).assign(sample=name, date=one.dates)[
            one.clear >= CLEAR_ENOUGH
        ]
        for name, one in zip(names, many, strict=True)
    ]
    parts = _by_part(pd.concat(tables, ignore_index=True), np.array(names), start, end)
    columns = tuple(f"{what}_{part + 1}" for what in parts for part in range(STEPS))
    return np.concatenate(list(parts.values()), axis=1), columns, _light(parts.get("ndvi"), lonlat[:, 1], start, end)


def _samples(folder: Path) -> pd.DataFrame:
    import pandas as pd

    samples = pd.read_parquet(folder / "samples.parquet")
    lacking = [n for n in ("sample", "crop", "season_start", "season_end", "yield_kg_ha") if n not in samples]
    if lacking or samples["yield_kg_ha"].notna().sum() == 0:
        what = f"samples.parquet lacks {', '.join(lacking)}" if lacking else "no sample has a yield_kg_ha"
        raise DatasetError(what, subject=str(folder), remedy="name a folder of fields with measured yields")
    return samples


def _looks(folder: Path) -> pd.DataFrame:
    import pandas as pd

    file = folder / "series.parquet"
    if not file.is_file():
        raise DatasetError("has no series.parquet", subject=str(folder), remedy="put the seasons of the samples there")
    looks = pd.read_parquet(file)
    if "clear" in looks:
        looks = looks[looks["clear"] >= CLEAR_ENOUGH]
    if not {"sample", "date"} <= set(looks):
        raise DatasetError("series.parquet lacks sample or date", subject=str(folder))
    return looks


def _quantities(looks: pd.DataFrame) -> dict[str, Doubles]:
    """Return what is looked at (look,), of the bands that are there."""

    def band(name: str) -> Doubles:
        return np.asarray(looks[name], np.float64)

    found: dict[str, Doubles] = {}
    if {"B04", "B08"} <= set(looks):
        red, near = band("B04"), band("B08")
        found["ndvi"] = np.asarray(indices.ndvi(red, near), np.float64)
        found["evi2"] = np.asarray(indices.evi2(red, near), np.float64)
        if "B11" in looks:
            with np.errstate(invalid="ignore", divide="ignore"):
                found["ndmi"] = (band("B08") - band("B11")) / (band("B08") + band("B11"))
    elif "ndvi" in looks:
        found["ndvi"] = band("ndvi")
    found |= {name: band(name) for name in ("VV", "VH") if name in looks}
    return found


def _by_part(looks: pd.DataFrame, samples: NDArray[np.str_], start: Days, end: Days) -> dict[str, Doubles]:
    """Return what was seen in each part of each season (row, part); NaN where nothing was."""
    import pandas as pd

    row = pd.Index(samples).get_indexer(looks["sample"].astype(str))
    day = pd.to_datetime(looks["date"]).to_numpy("datetime64[D]")
    span = np.maximum((end - start).astype(float), 1.0)
    way = np.where(row >= 0, (day - start[row]).astype(float) / span[row], -1.0)
    inside = (row >= 0) & (way >= 0.0) & (way < 1.0 + 1e-9)
    part = np.clip((way * STEPS).astype(int), 0, STEPS - 1)
    out = {}
    for name, values in _quantities(looks).items():
        use = inside & np.isfinite(values)
        grouped = pd.Series(values[use]).groupby([row[use], part[use]])
        told = (grouped.mean() if name in ("VV", "VH") else grouped.quantile(HIGH)).unstack()
        out[name] = told.reindex(index=range(len(samples)), columns=range(STEPS)).to_numpy(float)
    return out


def _light(ndvi: Doubles | None, latitude: Doubles, start: Days, end: Days) -> Doubles:
    """Return the light taken up by each field's leaves (row,), the sun that above the air."""
    if ndvi is None:
        return np.full(len(latitude), np.nan)
    span = (end - start).astype(float)
    first = (start - start.astype("datetime64[Y]")).astype(float) + 1.0
    days = first[:, None] + span[:, None] * (np.arange(STEPS) + 0.5) / STEPS
    sun = above_the_air(latitude[:, None], days)
    return np.asarray(taken_up(ndvi, np.where(np.isfinite(sun), sun, 1.0)) * span)
