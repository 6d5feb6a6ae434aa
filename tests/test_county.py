"""The walk for every parcel of a file."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from made_appraisal import DAY, MadeWalk

from greattit.county import County, appraise_all
from greattit.county.rows import Row
from greattit.county.summary import SHADES, _edges, _line_keys, _round_step, summary
from greattit.county.table import COLUMNS, write_csv, write_parquet
from greattit.errors import CatalogueError, CubeError, GreatTitError, PlotFileError
from greattit.plots import load
from greattit.types import Plot

IDS = ("north", "south", "boom-1", "east", "west", "away-1", "hill", "=1+1", "brook", "<b>mill</b>", "marsh", "oak")


def feature(id: str, place: int, size: float = 0.003) -> dict[str, Any]:
    x, y = 5 + 0.004 * (place % 5), 51 + 0.004 * (place // 5)
    ring = [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
    return {"type": "Feature", "id": id, "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    features = [feature(id, place) for place, id in enumerate(IDS)]
    features[4]["geometry"] = {"type": "Point", "coordinates": [5, 51]}
    path = tmp_path_factory.mktemp("parcels") / "plots.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


class DamagedWalk(MadeWalk):
    """A walk that meets a damaged chunk at one plot."""

    def __call__(self, plot: Plot) -> Any:
        if plot.id == "hill":
            raise CubeError("a chunk is damaged", subject="the cube", remedy="restore a copy")
        return super().__call__(plot)


def run(parcels: Any, out: Path, **options: Any) -> County:
    options = {"walk": MadeWalk(parent=os.getpid()), **options}
    return appraise_all(Path("no tiles are opened"), parcels, DAY, out, **options)


@pytest.fixture(scope="module")
def county(parcels: Path, tmp_path_factory: pytest.TempPathFactory) -> County:
    return run(parcels, tmp_path_factory.mktemp("county") / "new" / "out")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_feature_is_a_row_in_the_order_of_the_file(county: County) -> None:
    rows = table(county.csv)
    assert [row["id"].lstrip("'") for row in rows] == list(IDS)
    assert county.parcels == len(IDS)
    assert county.decided + sum(county.refused.values()) == len(IDS)
    by_id = {row["id"]: row for row in rows}
    assert by_id["boom-1"]["refused"] == "error" and "the roof fell in" in by_id["boom-1"]["reason"]
    assert by_id["away-1"]["refused"] == "outside_tiles" and "give other tiles" in by_id["away-1"]["reason"]
    assert by_id["west"]["refused"] == "no_plot" and "feature 5 (id west)" in by_id["west"]["reason"]
    assert by_id["west"]["metrics:area"] == "" and by_id["boom-1"]["line"] == ""


def test_sums_are_those_of_the_rows(county: County) -> None:
    rows = table(county.csv)
    lines = [Decimal(row["line"]) for row in rows if not row["refused"]]
    assert county.lines == {"EUR": sum(lines)} and len(lines) == county.decided > 3
    areas = [float(row["metrics:area"]) for row in rows if row["metrics:area"]]
    assert county.area_ha == pytest.approx(sum(areas))


def test_any_number_of_workers_gives_the_same_files(county: County, parcels: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    two = run(parcels, tmp_path / "two", workers=2, progress=lambda done, total: seen.append((done, total)))
    for name in ("csv", "parquet", "html"):
        assert getattr(two, name).read_bytes() == getattr(county, name).read_bytes()
    assert seen == [(done, len(IDS) - 1) for done in range(len(IDS))]


def test_a_worker_that_dies_takes_only_its_plot_with_it(tmp_path: Path) -> None:
    ids = ["north", "kill-1", "south"]
    plots = load({"type": "FeatureCollection", "features": [feature(id, n) for n, id in enumerate(ids)]})
    county = run(plots, tmp_path / "out", workers=2)
    rows = table(county.csv)
    assert [row["id"] for row in rows] == ids
    assert [row["id"] for row in rows if row["refused"] == "error"] == ["kill-1"]
    assert "worker died" in rows[1]["reason"]


def test_workers_that_all_die_are_an_error(tmp_path: Path) -> None:
    plots = load({"type": "FeatureCollection", "features": [feature(f"kill-{n}", n) for n in range(2)]})
    with pytest.raises(GreatTitError, match="no worker stays alive"):
        run(plots, tmp_path / "out", workers=2)
    assert not list(tmp_path.iterdir())


def test_geoparquet_has_its_columns_and_types(county: County) -> None:
    import geopandas

    frame = geopandas.read_parquet(county.parquet)
    assert list(frame.columns) == [*(name for name, _, _ in COLUMNS), "geometry"]
    assert frame.crs.to_epsg() == 4326 and len(frame) == len(IDS)
    assert frame["id"].tolist() == list(IDS)
    assert isinstance(frame["line"].dropna().iloc[0], Decimal)
    assert isinstance(frame["due"].dropna().iloc[0], date)
    assert frame.loc[4, "geometry"] is None and frame.geometry.drop(4).is_valid.all()
    crops = frame[frame["crop:code"].notna()]
    assert (crops["crop:code_list"] == "greattit/policy/crops.yaml").all() and crops["crop:name"].notna().all()


def test_columns_without_a_value_keep_their_type(tmp_path: Path) -> None:
    import pyarrow.parquet

    nothing = Row("a", None, None, DAY, "no_plot", "is a point")
    write_parquet([nothing], tmp_path / "one.parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "one.parquet")
    assert str(schema.field("line").type) == "decimal128(18, 2)"
    assert str(schema.field("vigour").type) == "double" and str(schema.field("looks").type) == "int32"
    write_csv([nothing], tmp_path / "one.csv")
    assert table(tmp_path / "one.csv")[0]["line"] == ""


def test_the_page_is_self_contained_and_says_it_all(county: County) -> None:
    html = county.html.read_text(encoding="utf-8")
    assert not re.search(r"(src|href|action)\s*=", html) and "http" not in html.replace("http-equiv", "")
    assert html.count("<path ") == len(IDS) - 1
    assert f"{county.lines['EUR']:,}" in html and "Outside tiles" in html and "made for a test" in html
    assert "SIMULATED" not in html
    for id in IDS:
        assert id in html or id.replace("<", "&lt;").replace(">", "&gt;") in html
    assert "<b>mill" not in html


def test_simulated_tiles_are_said_to_be_simulated(parcels: Path, tmp_path: Path) -> None:
    county = run(parcels, tmp_path / "out", walk=MadeWalk(simulated=True))
    assert "SIMULATED DATA" in county.html.read_text(encoding="utf-8")


def test_formulas_do_not_reach_a_spreadsheet(county: County) -> None:
    assert "'=1+1" in [row["id"] for row in table(county.csv)]


def test_a_folder_that_holds_something_is_left_alone(parcels: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear diary")
    for overwrite in (False, True):
        with pytest.raises(GreatTitError, match="is not empty") as caught:
            run(parcels, tmp_path, overwrite=overwrite)
        assert caught.value.remedy
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(GreatTitError, match="is a file"):
        run(parcels, tmp_path / "mine.txt")


def test_an_earlier_run_is_replaced_only_when_asked(parcels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run(parcels, out)
    with pytest.raises(GreatTitError, match="is not empty"):
        run(parcels, out)
    plots = load(feature("north", 0))
    assert run(plots, out, overwrite=True).parcels == len(table(out / "plots.csv")) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_broken_run_leaves_nothing(parcels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greattit.county.summary.summary", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(parcels, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cube_damaged_on_the_way_stops_the_run(parcels: Path, tmp_path: Path, workers: int) -> None:
    with pytest.raises(CubeError, match="a chunk is damaged"):
        run(parcels, tmp_path / "out", walk=DamagedWalk(), workers=workers)
    assert not list(tmp_path.iterdir())


def test_a_file_or_catalogue_that_cannot_be_used_raises(tmp_path: Path) -> None:
    with pytest.raises(PlotFileError, match="no such file"):
        run(tmp_path / "none.geojson", tmp_path / "out")
    with pytest.raises(PlotFileError, match="no plots"):
        run([], tmp_path / "out")
    with pytest.raises(CatalogueError):
        appraise_all(tmp_path, feature("north", 0), DAY, tmp_path / "out")


def made_rows(amounts: Sequence[float]) -> list[Row]:
    (plot,) = load(feature("north", 0))
    return [
        Row(
            f"p{n}", plot.geometry, plot.area_ha, DAY, None, "", line=Decimal(str(amount)), currency="EUR", crop="maize"
        )
        for n, amount in enumerate(amounts)
    ]


@pytest.mark.parametrize("amounts", [[5.0], [5.0] * 20, [1, 2], list(range(1, 200)), [0.01, 1e7], [10] * 9 + [20]])
def test_classes_of_lines_hold_each_line_once(amounts: list[float]) -> None:
    rows = made_rows(amounts)
    keys = _line_keys(rows)
    assert sum(key.parcels for key in keys.values()) == len(amounts)
    assert {key.colour for key in keys.values()} <= set(SHADES)
    import numpy as np

    assert _edges(np.array(amounts, float))[-1] == max(amounts)


def test_a_county_of_refusals_has_a_page(tmp_path: Path) -> None:
    rows = [Row("a", None, None, DAY, "no_plot", "is a point")]
    county = County(1, 0, {"no_plot": 1}, {}, 0.0, *(tmp_path / n for n in "abc"))
    html = summary(rows, county, DAY, simulated=False, attribution="")
    assert "No lines" in html and "<path" not in html and "No plot" in html


@pytest.mark.parametrize(("least", "step"), [(0.7, 1), (1.0, 1), (1.1, 2), (30, 50), (51, 100), (430, 500)])
def test_histogram_steps_are_round(least: float, step: float) -> None:
    assert _round_step(least) == pytest.approx(step)


def test_real_tiles_give_the_figures_of_the_walk_itself(sample_tiles: Path, tmp_path: Path) -> None:
    from greattit.appraisal import appraise
    from greattit.plots.drawing import SURVEYED
    from greattit.tiles import open_catalogue

    plots = load(sample_tiles / "plots.geojson")[3:5]
    day = date(2023, 8, 1)
    county = appraise_all(sample_tiles, plots, day, tmp_path / "out", workers=2)
    rows = table(county.csv)
    catalogue = open_catalogue(sample_tiles)
    found = [appraise(catalogue, plot, day, drawing=SURVEYED) for plot in plots]
    for plot, row, one in zip(plots, rows, found, strict=True):
        assert row["id"] == plot.id and Decimal(row["line"]) == one.line.limit
        assert row["refused"] == (one.line.refused or "") and row["crop:code"] == (one.call.crop or "")
        assert float(row["area_ha_p50"]) == one.segment.area_ha.p50 and int(row["looks"]) == one.growth.looks
        assert float(row["certainty"]) == one.call.certainty
    assert "SIMULATED DATA" in county.html.read_text(encoding="utf-8")


def test_swapped_parcels_are_put_right_where_the_tiles_show_it(sample_tiles: Path, tmp_path: Path) -> None:
    (plot,) = load(sample_tiles / "plots.geojson")[:1]
    ring = [[y, x] for x, y in plot.geometry.exterior.coords]
    source = {"type": "Polygon", "coordinates": [ring]}
    (row,) = table(appraise_all(sample_tiles, source, date(2023, 8, 1), tmp_path / "out").csv)
    assert "put in order" in row["determination:details"] and float(row["lat"]) > 50


def test_the_same_ground_gets_no_second_line(sample_tiles: Path, tmp_path: Path) -> None:
    one = json.loads((sample_tiles / "plots.geojson").read_text())["features"][0]
    twice = {"type": "FeatureCollection", "features": [one, {**one, "id": "again"}]}
    first, second = table(appraise_all(sample_tiles, twice, date(2023, 8, 20), tmp_path / "out").csv)
    assert first["refused"] != "already_claimed" and first["looks"]
    assert second["id"] == "again" and second["refused"] == "already_claimed" and "comes first" in second["reason"]


def test_a_plot_past_the_tiles_is_a_row(sample_tiles: Path, tmp_path: Path) -> None:
    county = appraise_all(sample_tiles, feature("far", 0), date(2023, 8, 1), tmp_path / "out")
    (row,) = table(county.csv)
    assert row["refused"] == "outside_tiles" and "outside the tiles" in row["reason"]
