"""Reading labelled sets and bringing series to the grid of the network."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greattit.crops import dataset, prepare
from greattit.errors import DatasetError
from greattit.types import Series

GRID = prepare.Grid(prepare.CHANNELS, 24, 12.0, (0.0,) * len(prepare.CHANNELS), (1.0,) * len(prepare.CHANNELS))


def write(folder: Path, samples: dict[str, list[object]], series: dict[str, list[object]]) -> Path:
    folder.mkdir(exist_ok=True)
    pd.DataFrame(samples).to_parquet(folder / "samples.parquet")
    pd.DataFrame(series).to_parquet(folder / "series.parquet")
    return folder


def one(crop: str = "maize", start: str = "2021-01-01", end: str = "2021-12-31") -> dict[str, list[object]]:
    season = {"season_start": [pd.Timestamp(start)], "season_end": [pd.Timestamp(end)]}
    return {"sample": ["a"], "crop": [crop], "group": ["g"], **season}


def days(*texts: str) -> list[object]:
    return [pd.Timestamp(text) for text in texts]


def test_looks_are_sorted_and_undated_ones_stand_in_the_middle(tmp_path: Path) -> None:
    looks = {"sample": ["a", "a"], "date": days("2021-06-05", "2021-05-01"), "ndvi": [0.5, 0.2]}
    data = dataset.read(write(tmp_path / "dated", one(), looks))
    assert data.series(0).dates.astype(str).tolist() == ["2021-05-01", "2021-06-05"]
    assert data.series(0).values[:, 0].tolist() == pytest.approx([0.2, 0.5])
    undated = {"sample": ["a"], "date": [pd.NaT], "ndvi": [0.5]}
    data = dataset.read(write(tmp_path / "undated", one(start="2022-01-01", end="2022-05-31"), undated))
    assert data.series(0).dates.astype(str).tolist() == ["2022-03-17"]


def test_monthly_composites_stand_in_the_middle_of_the_month(tmp_path: Path) -> None:
    looks = {"sample": ["a", "a"], "date": days("2021-06-01", "2021-05-01"), "ndvi": [0.5, 0.2]}
    data = dataset.read(write(tmp_path / "set", one(), looks))
    assert data.series(0).dates.astype(str).tolist() == ["2021-05-15", "2021-06-15"]


@pytest.mark.parametrize(
    ("start", "end", "year"),
    [
        ("2017-04-01", "2017-10-31", 2017),
        ("2015-09-01", "2016-10-31", 2016),
        ("2017-10-01", "2018-11-30", 2018),
        ("2021-07-01", "2022-06-26", 2021),
        ("2021-01-02", "2022-06-28", 2021),
    ],
)
def test_season_year_is_the_one_with_most_days(start: str, end: str, year: int) -> None:
    got = dataset.season_years(np.array([start], "datetime64[D]"), np.array([end], "datetime64[D]"))
    assert got.tolist() == [year]


def test_broken_sets_are_refused_with_what_and_where(tmp_path: Path) -> None:
    good = {"sample": ["a"], "date": days("2021-05-02"), "ndvi": [0.5]}
    with pytest.raises(DatasetError, match=r"has no samples\.parquet"):
        dataset.read(tmp_path)
    with pytest.raises(DatasetError, match="no column crop"):
        dataset.read(write(tmp_path / "a", {k: v for k, v in one().items() if k != "crop"}, good))
    with pytest.raises(DatasetError, match="none of B02"):
        dataset.read(write(tmp_path / "b", one(), {"sample": ["a"], "date": days("2021-05-02")}))
    twice = {key: value * 2 for key, value in one().items()}
    with pytest.raises(DatasetError, match="stands twice"):
        dataset.read(write(tmp_path / "c", twice, good))
    with pytest.raises(DatasetError, match="has no season_start"):
        dataset.read(write(tmp_path / "d", {**one(), "season_start": [pd.NaT]}, good))
    with pytest.raises(DatasetError, match="is no number"):
        dataset.read(write(tmp_path / "e", one(), {**good, "ndvi": ["green"]}))
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "samples.parquet").write_bytes(b"not parquet")
    (tmp_path / "f" / "series.parquet").write_bytes(b"not parquet")
    with pytest.raises(DatasetError, match="cannot be read"):
        dataset.read(tmp_path / "f")


def series_of(rows: list[tuple[int, float, float]], clear: list[float] | None = None) -> Series:
    dates = np.datetime64("2021-01-01") + np.array([row[0] for row in rows], dtype="timedelta64[D]")
    values = np.array([row[1:] for row in rows], np.float32).reshape(-1, 2)
    seen = np.ones(len(rows), np.float32) if clear is None else np.array(clear, np.float32)
    return Series("p", dates, ("B04", "B08"), values, seen)


looks = st.lists(
    st.tuples(st.integers(0, 364), st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=60)
@given(looks, st.randoms())
def test_the_order_of_looks_does_not_matter(rows: list[tuple[int, float, float]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    day = date(2021, 12, 31)
    a, b = (prepare.prepare(series_of(part), GRID, day=day, least_clear=0.5) for part in (rows, shuffled))
    assert (a == b).all()
    assert np.isfinite(a).all()


@settings(deadline=None, max_examples=60)
@given(looks, st.integers(1, 365))
def test_looks_after_the_day_or_too_cloudy_change_nothing(rows: list[tuple[int, float, float]], last: int) -> None:
    day = date(2021, 1, 1).fromordinal(date(2021, 1, 1).toordinal() + last - 1)
    before = [row for row in rows if row[0] < last]
    a = prepare.prepare(series_of(rows), GRID, day=day, least_clear=0.5)
    assert (a == prepare.prepare(series_of(before), GRID, day=day, least_clear=0.5)).all()
    with_cloud = series_of([*before, (0, 0.9, 0.9)], [1.0] * len(before) + [0.4])
    assert (a == prepare.prepare(with_cloud, GRID, day=day, least_clear=0.5)).all()


def test_what_is_not_seen_is_zero_beside_a_weight_of_zero() -> None:
    got = prepare.prepare(series_of([(100, 0.1, 0.4)]), GRID, day=date(2021, 12, 31), least_clear=0.5)
    value, seen = got[: len(prepare.CHANNELS)], got[len(prepare.CHANNELS) :]
    red, radar, ndvi = (prepare.CHANNELS.index(name) for name in ("B04", "VV", "ndvi"))
    assert (value[radar] == 0).all() and (seen[radar] == 0).all()
    assert value[red, 6] == pytest.approx(0.1, rel=0.05) and value[ndvi, 6] == pytest.approx(0.6, rel=0.05)
    assert seen[red, 6] > 0.8 and seen[red, 20] < 0.01
    assert abs(value[red, 20]) < 1e-3


def test_narrow_near_infrared_stands_in_and_ndvi_alone_is_taken() -> None:
    base = series_of([(100, 0.1, 0.4)])
    narrow = replace(base, bands=("B04", "B8A"))
    day = date(2021, 12, 31)
    a, b = (prepare.prepare(part, GRID, day=day, least_clear=0.5) for part in (base, narrow))
    assert (a == b).all()
    alone = replace(base, bands=("ndvi",), values=np.array([[0.6]], np.float32))
    c = prepare.prepare(alone, GRID, day=day, least_clear=0.5)
    ndvi = prepare.CHANNELS.index("ndvi")
    assert np.allclose(c[ndvi], a[ndvi], atol=1e-6)


def test_broken_radar_and_nan_are_not_seen() -> None:
    dates = np.array(["2021-05-02", "2021-05-03"], "datetime64[D]")
    values = np.array([[-99.0, -15.0], [np.nan, np.nan]], np.float32)
    broken = Series("p", dates, ("VV", "VH"), values, np.ones(2, np.float32))
    got = prepare.prepare(broken, GRID, day=date(2021, 12, 31), least_clear=0.5)
    seen = got[len(prepare.CHANNELS) :]
    assert (seen[prepare.CHANNELS.index("VV")] == 0).all() and (seen[prepare.CHANNELS.index("VH")] > 0).any()
    assert prepare.clear_looks(prepare.season(broken, date(2021, 12, 31), 0.5)) == 0
