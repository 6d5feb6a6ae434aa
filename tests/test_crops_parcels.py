"""Own parcels become a labelled data set: seen as an appraisal sees them, all or nothing, each accounted for."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box
from typer.testing import CliRunner

from greattit import appraisal, policy, tiles
from greattit.commands import labelled
from greattit.crops import dataset, parcels
from greattit.cube import open_stack
from greattit.cube.ingest import ingest
from greattit.errors import CubeError, DatasetError, GreatTitError, PlotFileError, PlotPlaceError, TilesError
from greattit.plots import load
from greattit.plots.drawing import SURVEYED
from greattit.types import Plot, Series

IDS = ("sim-2023-010", "sim-2023-015", "sim-2023-017")
SPRING = {"since": date(2023, 1, 1), "until": date(2023, 4, 20)}
NAMES = {"samples.parquet", "series.parquet", "about.json"}


@pytest.fixture(scope="module")
def features(sample_tiles: Path) -> list[dict[str, Any]]:
    found = json.loads((sample_tiles / "plots.geojson").read_text())["features"]
    return [one for one in found if one["id"] in IDS]


@pytest.fixture(scope="module")
def real(features: list[dict[str, Any]], sample_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parcels on two processes."""
    out = tmp_path_factory.mktemp("real") / "new" / "set"
    done = parcels.label(sample_tiles, features[:2], out, crop_column="crop", workers=2, block_km=0.5, **SPRING)
    assert (done.parcels, done.samples, done.left_out, done.simulated) == (2, 2, (), True)
    return out


def made(source: Any, plot: Plot, since: date, until: date, *, drawing: Any = None) -> Any:
    """Stand in for `parcels.see`: three looks, the middle one hidden, that tell the parcel's area."""
    dates = np.array(["2023-02-01", "2023-03-05", "2023-04-01"], "datetime64[D]")
    values = np.array([[0.1, plot.area_ha / 10], [np.nan, np.nan], [0.2, 0.3]], np.float32)
    return Series(plot.id, dates, ("B04", "B08"), values, np.array([1, 0, 0.25], np.float32)), 1.0, ()


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sample_tiles: Path) -> Callable[..., parcels.Labelled]:
    """Label with made looks."""
    monkeypatch.setattr(parcels, "see", made)

    def label(source: Any, out: str = "set", **options: Any) -> parcels.Labelled:
        options = {"crop_column": "crop", **SPRING, **options}
        return parcels.label(sample_tiles, source, tmp_path / out, **options)

    return label


def with_crop(feature: dict[str, Any], crop: Any, **changes: Any) -> dict[str, Any]:
    return {**feature, "properties": {**feature["properties"], "crop": crop}, **changes}


def moved(feature: dict[str, Any], east: float) -> dict[str, Any]:
    ring = [[x + east, y] for x, y in feature["geometry"]["coordinates"][0]]
    return {**feature, "id": f"{feature['id']}-moved", "geometry": {"type": "Polygon", "coordinates": [ring]}}


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = {"samples.parquet": ["sample"], "series.parquet": ["sample", "date"]}
    found = [pd.read_parquet(folder / name).sort_values(by, ignore_index=True) for name, by in order.items()]
    return found[0], found[1]


def same(one: Path, other: Path) -> None:
    for a, b in zip(tables(one), tables(other), strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_a_labelled_series_is_the_served_one(real: Path, features: list[dict[str, Any]], sample_tiles: Path) -> None:
    plot = load(features[0])[0]
    served = appraisal.appraise(open_stack(sample_tiles), plot, SPRING["until"], drawing=SURVEYED).series
    rows = pd.read_parquet(real / "series.parquet").query("sample == @plot.id")
    seen = [name for name in served.bands if np.isfinite(served.band(name)).any()]
    assert list(rows.columns) == ["sample", "date", *seen, "clear"]
    assert rows["date"].to_numpy().astype("datetime64[D]").tolist() == served.dates.tolist()
    np.testing.assert_array_equal(rows["clear"].to_numpy(), served.clear)
    for name in seen:
        np.testing.assert_array_equal(rows[name].to_numpy(), served.band(name))
    least = float(policy.load("crops").on(SPRING["until"]).rule("call", "least_clear").value)
    assert (served.clear < least).any(), "no look too cloudy to count: the test shows less than it says"
    assert served.values[np.isfinite(served.values)].max() <= 1.5


def test_the_house_reads_it(real: Path, features: list[dict[str, Any]]) -> None:
    data = dataset.read(real)
    assert data.samples == IDS[:2]
    assert data.crops == tuple(one["properties"]["crop"] for one in features[:2])
    assert data.years.tolist() == [2023, 2023]
    assert len(set(data.groups)) == 2
    samples = pd.read_parquet(real / "samples.parquet")
    columns = ["sample", "source_label", "crop", "lon", "lat", "country", "season_start", "season_end"]
    assert list(samples.columns) == [*columns, "area_ha", "group"]
    assert samples["season_start"].unique().tolist() == [pd.Timestamp(SPRING["since"])]
    assert samples["season_end"].unique().tolist() == [pd.Timestamp(SPRING["until"])]
    assert samples["area_ha"].tolist() == pytest.approx([f["properties"]["area_ha"] for f in features[:2]], rel=0.01)
    assert np.isfinite(data.places).all()
    about = json.loads((real / "about.json").read_text())
    assert about["simulated"] and about["attribution"] == "Great Tit"


def test_one_process_and_another_order_give_the_same(
    real: Path, features: list[dict[str, Any]], sample_tiles: Path, tmp_path: Path
) -> None:
    parcels.label(sample_tiles, features[1::-1], tmp_path / "set", crop_column="crop", block_km=0.5, **SPRING)
    assert dataset.read(tmp_path / "set").samples == IDS[1::-1]
    same(real, tmp_path / "set")


def test_a_cube_gives_what_its_tiles_give(
    real: Path, features: list[dict[str, Any]], sample_tiles: Path, tmp_path: Path
) -> None:
    catalogue = tiles.open_catalogue(sample_tiles)
    spring = replace(catalogue, scenes=catalogue.between(SPRING["since"], SPRING["until"]))
    made = ingest(spring, tmp_path / "cube", area=box(3.0425, 50.8405, 3.05, 50.844))
    parcels.label(tmp_path / "cube", features[:2], tmp_path / "set", crop_column="crop", block_km=0.5, **SPRING)
    same(real, tmp_path / "set")
    assert json.loads((tmp_path / "set" / "about.json").read_text())["snapshot"] == made.snapshot


def test_the_format_of_the_file_changes_nothing(
    features: list[dict[str, Any]], sample_tiles: Path, tmp_path: Path
) -> None:
    collection = {"type": "FeatureCollection", "features": features[:2]}
    (tmp_path / "parcels.geojson").write_text(json.dumps(collection))
    frame = geopandas.read_file(tmp_path / "parcels.geojson")[["id", "crop", "geometry"]]
    frame.to_file(tmp_path / "parcels.shp")
    frame.to_parquet(tmp_path / "parcels.parquet")
    frame.to_file(tmp_path / "parcels.gpkg")
    days = {"since": date(2023, 4, 1), "until": date(2023, 4, 15)}
    kinds = ("geojson", "shp", "parquet", "gpkg")
    for kind in kinds:
        file = tmp_path / f"parcels.{kind}"
        parcels.label(sample_tiles, file, tmp_path / "out" / kind, crop_column="crop", **days)
    for kind in kinds[1:]:
        same(tmp_path / "out" / "geojson", tmp_path / "out" / kind)


def test_a_projected_file_is_brought_home(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]], tmp_path: Path
) -> None:
    frame = geopandas.GeoDataFrame.from_features(features, crs="EPSG:4326").to_crs("EPSG:31370")
    frame.to_file(tmp_path / "lambert.gpkg")
    write(tmp_path / "lambert.gpkg", "projected", id_column="plot")
    write(features, "plain")
    for a, b in zip(tables(tmp_path / "projected"), tables(tmp_path / "plain"), strict=True):
        pd.testing.assert_frame_equal(a, b, rtol=1e-5)


def test_looks_too_cloudy_to_count_are_kept_with_their_share(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]]
) -> None:
    series = pd.read_parquet(write(features).folder / "series.parquet")
    assert len(series) == 9
    assert series["clear"].tolist() == [1, 0, 0.25] * 3
    assert series["B04"].isna().tolist() == [False, True, False] * 3
    assert list(series.columns) == ["sample", "date", "B04", "B08", "clear"]
    assert series.dtypes[["B04", "B08", "clear"]].unique().tolist() == [np.dtype("float32")]


def test_every_parcel_is_accounted_for(
    write: Callable[..., parcels.Labelled],
    monkeypatch: pytest.MonkeyPatch,
    features: list[dict[str, Any]],
) -> None:
    def sees(source: Any, plot: Plot, since: date, until: date, *, drawing: Any) -> Any:
        series, inside, _ = made(source, plot, since, until)
        hidden = np.full_like(series.values, np.nan)
        if plot.id == "late":
            raise TilesError("none of the 3 scenes can be read here")
        if plot.id == "gap":
            raise PlotPlaceError("lies outside what the cube holds")
        if plot.id == "odd":
            raise ZeroDivisionError
        if plot.id == "cloudy":
            series = Series(plot.id, series.dates, series.bands, hidden, series.clear)
        return series, 0.4 if plot.id == "edge" else inside, ("scene x left out: it is damaged",)

    monkeypatch.setattr(parcels, "see", sees)
    point = {"type": "Point", "coordinates": [3.05, 50.84]}
    names = ("late", "gap", "odd", "cloudy", "edge")
    near = [{**moved(features[1], 0.0005 * place), "id": id} for place, id in enumerate(names, 1)]
    away = moved(features[0], 1.0)
    empty = [
        with_crop(moved(features[1], 0.001), value, id=f"empty-{n}") for n, value in enumerate((None, " ", math.nan))
    ]
    odd = with_crop(moved(features[2], 0.001), "sausages")
    bad = {**features[0], "id": "point", "geometry": point}
    again = {**features[0], "id": "sim-again"}
    done = write([*features, again, bad, odd, *empty, away, *near], unknown="leave-out")
    assert done.parcels == 15
    assert done.samples == 3
    assert done.reasons == {
        "no label": 3, "outside the tiles": 3, "no look": 1, "failed": 1, "never clear": 1, "no field": 1,
        "unknown label": 1, "drawn twice": 1,
    }  # fmt: skip
    assert done.samples + len(done.left_out) == done.parcels
    why = {one.id: one.why for one in done.left_out}
    assert why["sim-again"] == "it has the outline of sim-2023-010"
    assert why["odd"] == "ZeroDivisionError"
    assert why["edge"] == "60% of it lies outside the tiles"
    assert done.labels["sausages"] is None
    assert done.warnings == ("scene x left out: it is damaged",)
    about = json.loads((done.folder / "about.json").read_text())
    assert Counter(one["reason"] for one in about["left_out"]) == Counter(done.reasons)


def test_labels_become_house_names(write: Callable[..., parcels.Labelled], features: list[dict[str, Any]]) -> None:
    labels = ("corn", "lucerne", "winter_wheat")
    done = write([with_crop(one, text) for one, text in zip(features, labels, strict=True)])
    samples = pd.read_parquet(done.folder / "samples.parquet")
    assert samples["source_label"].tolist() == list(labels)
    assert samples["crop"].tolist() == ["maize", "alfalfa", "winter_wheat"]
    assert done.crops == {"maize": 1, "alfalfa": 1, "winter_wheat": 1}


def test_codes_and_own_legends_are_translated_too(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]], tmp_path: Path
) -> None:
    codes = (3301030000, 3301010101.0, "3301010199")
    coded = [with_crop(one, code) for one, code in zip(features, codes, strict=True)]
    done = write(coded, "hcat", legend="hcat")
    assert done.labels == {"3301030000": "potato", "3301010101": "winter_wheat", "3301010199": "wheat"}
    assert done.coarser == {"3301010199": "wheat"}
    own = tmp_path / "own.csv"
    own.write_text("label,crop\nx,maize\ny,winter_wheat\n")
    done = write([with_crop(one, "xyx"[n]) for n, one in enumerate(features)], "own", legend=str(own))
    assert done.crops == {"maize": 2, "winter_wheat": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (math.nan, ""), (pd.NA, ""), (pd.NaT, ""), ("  ", ""), (" x ", "x"), (1200.0, "1200"), (1.5, "1.5"),
     (3301010101, "3301010101"), ("0110", "0110")],
)  # fmt: skip
def test_a_cell_is_read_as_text(value: Any, text: str) -> None:
    assert parcels._text(value) == text


def test_the_same_outline_begins_anywhere_and_turns_either_way(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]], tmp_path: Path
) -> None:
    ring = features[0]["geometry"]["coordinates"][0]
    turned = [*ring[2:-1], *ring[:3]]
    again = {**features[0], "id": "other", "geometry": {"type": "Polygon", "coordinates": [turned[::-1]]}}
    one = write([features[0], again, features[1]], "one")
    other = write([features[1], again, features[0]], "other")
    assert one.reasons == other.reasons == {"drawn twice": 1}
    assert pd.read_parquet(one.folder / "samples.parquet")["sample"].tolist() == ["other", features[1]["id"]]
    same(tmp_path / "one", tmp_path / "other")
    with pytest.raises(
        DatasetError, match=r"drawn twice with different crops: sim-2023-010 \(w.*\) and other \(maize\)"
    ):
        write([features[0], with_crop(again, "maize")], "torn")


def test_parcels_without_an_id_are_named_by_their_outline(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]], tmp_path: Path
) -> None:
    bare = [{"type": "Feature", "properties": {"crop": "maize"}, "geometry": one["geometry"]} for one in features]
    write(bare, "one")
    write(bare[::-1], "other")
    same(tmp_path / "one", tmp_path / "other")
    assert len(set(dataset.read(tmp_path / "one").samples)) == 3


def test_ids_are_unique_or_refused(write: Callable[..., parcels.Labelled], features: list[dict[str, Any]]) -> None:
    with pytest.raises(DatasetError, match=r"1 ids stand for more than one parcel: twin \(name a column of unique ids"):
        write([{**features[0], "id": "twin"}, {**features[1], "id": "twin"}, features[2]])
    with pytest.raises(DatasetError, match="ids stand for more than one parcel: 2023"):
        write(features, id_column="year")
    holed = {**features[1], "properties": {"crop": "maize", "plot": None}}
    with pytest.raises(DatasetError, match=r"feature 2.*: has nothing in plot"):
        write([features[0], holed], id_column="plot")
    assert write(features, id_column="plot").samples == 3


def test_bad_input_is_refused_with_what_where_and_what_to_do(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]], tmp_path: Path, sample_tiles: Path
) -> None:
    file = tmp_path / "mine.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    refused: list[tuple[type[GreatTitError], str, dict[str, Any]]] = [
        (DatasetError, r"mine.geojson: has no column 'kind' \(its columns are plot, crop,", {"crop_column": "kind"}),
        (DatasetError, r"has no column 'who'", {"id_column": "who"}),
        (DatasetError, "--to 2023-04-20 lies before --from 2023-06-01", {"since": date(2023, 6, 1)}),
        (DatasetError, "legend", {"legend": "no_such_legend"}),
        (DatasetError, "blocks of 0 km", {"block_km": 0.0}),
        (DatasetError, "unknown", {"unknown": "guess"}),
        (TilesError, "its looks reach from", {"since": date(2020, 1, 1), "until": date(2020, 12, 31)}),
        (CubeError, "has no snapshots", {"as_of": "ABC"}),
    ]
    for kind, said, options in refused:
        with pytest.raises(kind, match=said):
            write(file, **options)
    with pytest.raises(PlotFileError, match="there is no such file"):
        write(tmp_path / "nowhere.geojson")
    odd = [with_crop(features[0], "sausages"), with_crop(features[1], "sausages"), with_crop(features[2], "beer")]
    said = (
        r"the drawing: 3 of 3 rows have labels .* house does not know: sausages \(2\), beer \(1\).*--unknown leave-out"
    )
    with pytest.raises(DatasetError, match=said):
        write(odd)
    with pytest.raises(DatasetError, match=r"none of its 3 parcels can be used: outside the tiles 3"):
        write([moved(one, 1.0) for one in features])
    assert {path.name for path in tmp_path.iterdir()} == {"mine.geojson"}


def test_nothing_is_half_written_and_nothing_overwritten_unasked(
    write: Callable[..., parcels.Labelled],
    features: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = write(features[:1]).folder
    before = {name: (out / name).read_bytes() for name in NAMES}
    with pytest.raises(DatasetError, match=r"is not empty \(name a new folder, or ask to overwrite"):
        write(features)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_parquet", full)
        with pytest.raises(OSError, match="No space"):
            write(features, overwrite=True)
    assert {name: (out / name).read_bytes() for name in NAMES} == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert write(features, overwrite=True).samples == 3
    assert {path.name for path in out.iterdir()} == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"is not empty \(name a new folder\)"):
        write(features, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is a file"):
        write(features, "file")


def test_a_damaged_cube_stops_it(
    write: Callable[..., parcels.Labelled], features: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: Any, **__: Any) -> Any:
        raise CubeError("a chunk is damaged")

    monkeypatch.setattr(parcels, "see", damaged)
    with pytest.raises(CubeError, match="a chunk is damaged"):
        write(features)


class Dies:
    """A look that kills its process."""

    def __call__(self, plot: Plot) -> Any:
        os._exit(1)


def test_a_dead_worker_is_one_clear_error(features: list[dict[str, Any]]) -> None:
    with pytest.raises(GreatTitError, match=r"a worker died, .* \(run with fewer workers"):
        list(parcels._there(Dies(), load(features), 1))  # type: ignore[arg-type]


@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([0.5, 1.0, 10.0, 100.0]))
def test_blocks_are_fixed_and_of_their_size(lon: float, lat: float, side: float) -> None:
    here = parcels.block(lon, lat, side)
    assert here == parcels.block(lon, lat, side)
    if abs(lat) < 80 and abs(lon) < 179:
        north = math.degrees(2 * side / 6371.0)
        assert parcels.block(lon, lat + north, side) != here
        assert parcels.block(lon + north / math.cos(math.radians(lat)), lat, side) != here


def test_a_block_is_a_square_of_its_side() -> None:
    """Counted on a fine net: 10 km blocks around 51 degrees north hold 100 km2 each."""
    lon, lat = np.meshgrid(np.arange(3, 3.6, 0.002), np.arange(50.7, 51.1, 0.002))
    count = Counter(parcels.block(x, y, 10.0) for x, y in zip(lon.ravel(), lat.ravel(), strict=True))
    cell = (0.002 * 111.195) ** 2 * math.cos(math.radians(50.9))
    assert max(count.values()) * cell == pytest.approx(100, rel=0.02)


def test_the_command_says_what_it_did(features: list[dict[str, Any]], tmp_path: Path, sample_tiles: Path) -> None:
    app = typer.Typer()
    app.command()(labelled.label)
    file = tmp_path / "mine.geojson"
    three = [*features[:1], with_crop(features[1], ""), moved(features[2], 1.0)]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": three}))
    words = [str(sample_tiles), "--parcels", str(file), "--from", "2023-04-01", "--to", "2023-04-15", "--workers", "1"]
    words += ["--out", str(tmp_path / "set"), "--crop-column"]
    done = CliRunner().invoke(app, [*words, "crop"])
    assert done.exit_code == 0, done.output
    for text in (
        "simulated",
        "parcels   3",
        "written   1 samples",
        "left out  2: no label 1, outside the tiles 1",
        "labels    2 translated, 0 taken coarser, 0 unknown",
        "groups    1 blocks of 10 km",
        "cannot be split honestly",
    ):
        assert text in done.output
    assert dataset.read(tmp_path / "set").samples == IDS[:1]
    done = CliRunner().invoke(app, [*words, "kind"])
    assert done.exit_code == 2
    assert "set: is not empty" in done.output
