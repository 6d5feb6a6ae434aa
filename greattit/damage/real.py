"""False alarms on real seasons, where no damage is on record: every finding is shown, so that it can be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.damage.kinds import KINDS
from greattit.damage.rows import median_series
from greattit.damage.told import is_annual, look, look_rows
from greattit.damage.usual import usual_of
from greattit.errors import DatasetError
from greattit.types import CropCall, Hazard, Series

if TYPE_CHECKING:
    from greattit.crops.dataset import Dataset
    from greattit.damage.weather import Weather
    from greattit.types import Cube, Segment

LEAST_BESIDE = 5
"""neighbours of the same crop and group of which a median is taken; fewer: none"""


def named(crop: str) -> CropCall:
    """Return a call that is certain, for a crop that is known."""
    return CropCall({crop: 1.0}, crop, (crop,), 1.0, None, "label", "")


def of_series(folder: Path, *, region: str = "") -> dict[str, Any]:
    """Return what is told of every plot-season of a labelled data set by its series alone."""
    from greattit.crops import dataset

    data = dataset.read(folder)
    many = [data.series(number) for number in range(len(data))]
    crops, groups = _labels(folder, data)
    rows: list[dict[str, Any]] = []
    for year in sorted({int(str(d)[:4]) for one in many for d in one.dates.astype("datetime64[Y]")}):
        day = date(year, 12, 31)
        here = [k for k, one in enumerate(many) if _looks_in(one, year) >= 6]
        told = look_rows(
            [many[k] for k in here],
            day=day,
            neighbours=[_beside(k, many, crops, groups) for k in here],
            calls=[named(crops[k]) for k in here],
            usual=[usual_of(crops[k], region, year) if region else None for k in here],
        )
        rows += [_row(many[k].plot_id, crops[k], year, hazards) for k, hazards in zip(here, told, strict=True)]
    return _report(folder.name, rows, "series alone; median of the same crop and group beside it where there is one")


def _labels(folder: Path, data: Dataset) -> tuple[list[str], list[str]]:
    import pandas as pd

    samples = pd.read_parquet(folder / "samples.parquet").set_index("sample")
    ids = [data.series(number).plot_id for number in range(len(data))]
    return samples.loc[ids, "crop"].astype(str).tolist(), samples.loc[ids, "group"].astype(str).tolist()


def _looks_in(series: Series, year: int) -> int:
    return int((series.dates.astype("datetime64[Y]").astype(int) + 1970 == year).sum())


def _beside(own: int, many: Sequence[Series], crops: Sequence[str], groups: Sequence[str]) -> Series | None:
    """Return the median of others of the same crop and group that were seen on the same days."""
    same = [
        many[k]
        for k in range(len(many))
        if k != own
        and crops[k] == crops[own]
        and groups[k] == groups[own]
        and len(many[k].dates) == len(many[own].dates)
        and (many[k].dates == many[own].dates).all()
    ][:60]
    return median_series(same) if len(same) >= LEAST_BESIDE else None


def of_stack(folder: Path, *, region: str, weather: Weather | None) -> dict[str, Any]:
    """Return what is told of every labelled parcel of a catalogue, with its pixels, and with weather where given."""
    from greattit import clouds, plots, series
    from greattit.cube import open_stack, read_window

    stack = open_stack(folder)
    day = stack.last_day
    rows = []
    parcels = plots.load(folder / "plots.geojson", near=stack.bounds)
    cut: list[tuple[Any, Cube, Segment, Series]] = []
    for plot in parcels:
        cube = clouds.refine(read_window(stack, plot.geometry, since=date(day.year - 1, 8, 1), until=day))
        segment = plots.cut(plot, cube)
        cut.append((plot, cube, segment, series.gather(segment, cube)))
    for k, (plot, cube, segment, own) in enumerate(cut):
        crop = str(plot.properties.get("crop", ""))
        same = [s for j, (p, _, _, s) in enumerate(cut) if j != k and p.properties.get("crop") == crop]
        same = [s for s in same if len(s.dates) == len(own.dates)]
        hazards = look(
            own,
            day=day,
            segment=segment,
            cube=cube,
            neighbours=median_series(same),
            weather=weather,
            call=named(crop),
            usual=usual_of(crop, region, day.year),
        )
        rows.append(_row(plot.id, crop, day.year, hazards))
    basis = "pixels, neighbours of the same crop where there are three" + (", weather" if weather is not None else "")
    return _report(folder.name, rows, basis)


def _row(plot_id: str, crop: str, year: int, hazards: Sequence[Hazard]) -> dict[str, Any]:
    shown = [{**asdict(one), "day": str(one.day), "last": str(one.last) if one.last else None} for one in hazards]
    return {"plot": plot_id, "crop": crop, "year": year, "annual": is_annual(crop), "hazards": shown}


def _report(name: str, rows: Sequence[Mapping[str, Any]], basis: str) -> dict[str, Any]:
    """Return the shares of plot-seasons with an alarm, over all and over annual crops, kind by kind."""
    if not rows:
        raise DatasetError("has no plot-season with six looks", subject=name, remedy="name another set")
    annual = [row for row in rows if row["annual"]]
    counted = Counter(kind for row in rows for kind in {one["kind"] for one in row["hazards"]})
    return {
        "source": name,
        "truth": "no damage is on record: a finding counts as a false alarm unless it is explained",
        "basis": basis,
        "plot_seasons": len(rows),
        "annual_crops": len(annual),
        "alarms": round(float(np.mean([bool(row["hazards"]) for row in rows])), 4),
        "alarms_annual": round(float(np.mean([bool(row["hazards"]) for row in annual])), 4) if annual else None,
        "by_kind": {kind: round(counted[kind] / len(rows), 4) for kind in KINDS if counted[kind]},
        "found": [row for row in rows if row["hazards"]],
    }


def table(report: Mapping[str, Any], shown: int = 20) -> str:
    """Return a report as lines for people."""
    annual = "-" if report["alarms_annual"] is None else f"{report['alarms_annual']:.1%}"
    lines = [
        f"{report['source']}: {report['plot_seasons']} plot-seasons ({report['annual_crops']} of annual crops); "
        f"told something: {report['alarms']:.1%} (annual crops {annual})",
        f"  {report['truth']}; {report['basis']}",
        "  " + (", ".join(f"{kind} {share:.1%}" for kind, share in report["by_kind"].items()) or "nothing was told"),
    ]
    for row in report["found"][:shown]:
        head = f"  {row['plot']} {row['crop']} {row['year']}: "
        lines += [f"{head}{one['kind']}, {one['share']:.0%}, {one['day']}: {one['evidence']}" for one in row["hazards"]]
    return "\n".join(lines)
