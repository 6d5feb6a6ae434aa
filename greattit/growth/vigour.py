"""How green a normal field of a crop gets: learned from real fields, kept in `models/vigour/card.yaml`."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit import indices, shipped
from greattit.crops.taxonomy import is_crop
from greattit.errors import DatasetError, ModelError
from greattit.types import Figure

if TYPE_CHECKING:
    import pandas as pd

MONTHS = range(4, 11)
"""Months at whose end there is a reference: April to October."""

LEAST_FIELDS = 20
"""A crop with fewer fields than this has no reference of its own; that of all crops serves."""


def second_largest(values: NDArray[Any]) -> float:
    """Return the second largest finite value, NaN with fewer than two.

    Taking values away never raises it, so more cloud never raises the vigour.
    """
    finite = np.sort(values[np.isfinite(values)])
    return float(finite[-2]) if len(finite) >= 2 else float("nan")


@cache
def card() -> dict[str, Any]:
    """Return the shipped reference; raise `ModelError` when it does not say what it must."""
    import yaml

    loaded = yaml.safe_load((shipped.path("models/vigour") / "card.yaml").read_text("utf-8"))
    missing = [key for key in ("peak_evi2_p25", "training_data", "made_by") if key not in (loaded or {})]
    if missing or "all" not in loaded["peak_evi2_p25"]:
        raise ModelError(f"its card lacks {', '.join(missing) or 'the class all'}", subject="models/vigour")
    return dict(loaded)


def card_sha256() -> str:
    """Return the sha256 of the shipped reference."""
    return hashlib.sha256((shipped.path("models/vigour") / "card.yaml").read_bytes()).hexdigest()


def reference(crop: str | None, day: date) -> Figure:
    """Return the peak EVI2 [1] of which a weak field falls short on `day`.

    It is the lower quartile, over the crop's real fields, of what they had reached by the end of the month before.
    """
    table = card()["peak_evi2_p25"]
    name = crop if crop in table else "all"
    entry = table[name]
    month = min(max(day.month - 1, MONTHS[0]), MONTHS[-1])
    training = ", ".join(card()["training_data"])
    source = (
        f"models/vigour: lower quartile of {entry['fields']} fields ({name}) of {training} by the end of month {month}"
    )
    return Figure("normal peak EVI2", float(entry["by_month"][month]), "1", source)


def learn_reference(data_root: Path, out: Path) -> Path:
    """Write `card.yaml` to `out` from the canada-2017 series below `data_root`; return its path.

    Raises `DatasetError` when the series are not there.
    """
    import pandas as pd
    import yaml

    folder = data_root / "series" / "canada-2017"
    if not (folder / "series.parquet").is_file():
        raise DatasetError(
            "has no series/canada-2017", subject=str(data_root), remedy="name the folder of the shared data"
        )
    samples = pd.read_parquet(folder / "samples.parquet").set_index("sample")
    series = pd.read_parquet(folder / "series.parquet")
    season = series[(series["date"] >= "2017-01-01") & (series["date"] <= "2017-10-31")].copy()
    season["evi2"] = indices.evi2(season["B04"].to_numpy(), season["B08"].to_numpy())
    by_month = season.pivot_table(index="sample", columns=season["date"].dt.month, values="evi2")
    crops = samples.loc[by_month.index, "crop"]
    fields = {"all": by_month[[is_crop(crop) for crop in crops]]}
    fields |= {str(crop): by_month[(crops == crop).to_numpy()] for crop in sorted(crops.unique()) if is_crop(crop)}
    content = {
        "name": "vigour",
        "what": "Lower quartile, over real fields, of the largest monthly EVI2 from January to the end of each month",
        "peak_evi2_p25": {
            name: {"fields": len(table), "by_month": {month: _quartile(table, month) for month in MONTHS}}
            for name, table in fields.items()
            if len(table) >= LEAST_FIELDS
        },
        "training_data": ["canada-2017"],
        "licence": "labels Open Government Licence - Canada (AAFC Annual Crop Inventory Ground Truth Data); "
        "contains modified Copernicus Sentinel data 2017",
        "limits": "Monthly composites of one dry year miss the true peak, so the bar is low: a field under it is "
        "weak, one above it need not be strong. Not validated against yields: it may lower a yield, never raise one.",
        "made_by": "greattit train vigour",
    }
    out.mkdir(parents=True, exist_ok=True)
    draft = out / "card.yaml.part"
    draft.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), "utf-8")
    return draft.rename(out / "card.yaml")


def _quartile(by_month: pd.DataFrame, month: int) -> float:
    """Return the lower quartile of the largest monthly composite up to a month.

    A composite is made of several looks already, so its largest stands beside the second largest of single looks.
    """
    return round(float(np.nanquantile(by_month.loc[:, :month].max(axis=1), 0.25)), 3)
