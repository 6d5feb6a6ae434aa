"""Fields into a file: fiboa's GeoParquet and GeoJSON, whole or not at all, and the command from tiles to file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry
from typer.testing import CliRunner

from cli import app
from greattit import fields, parcelfile
from greattit.errors import PlotFileError, TilesError
from greattit.fields import fiboa
from greattit.fields.objects import Found
from greattit.plots import area_ha
from greattit.types import Interval

ABOUT = fiboa.About("sample", date(2023, 9, 30), "made for a test")


def squares_of(*groups: list[BaseGeometry]) -> list[fields.Square]:
    """Squares of fields given in EPSG:4326."""
    made_of = []
    for number, group in enumerate(groups):
        found = tuple(
            Found(shape, 0.5 + 0.01 * k, Interval(0.9, 1.0, 1.1, "ha"), (0.8, 1.2)) for k, shape in enumerate(group)
        )
        made_of.append(fields.Square(number + 1, len(groups), found, 1.0))
    return made_of


HOLED = Polygon(
    [(3.0, 50.0), (3.0, 50.002), (3.003, 50.002), (3.003, 50.0)],
    [[(3.001, 50.0005), (3.002, 50.0005), (3.002, 50.001), (3.001, 50.001)]],
)
"""clockwise, with a hole"""
LEFT, RIGHT = box(3.01, 50.0, 3.012, 50.001), box(3.012, 50.0, 3.015, 50.001)


def test_a_parquet_is_read_back_by_others(tmp_path: Path) -> None:
    import geopandas
    import pyarrow.parquet as pq

    path = tmp_path / "fields.parquet"
    done = fields.write(squares_of([HOLED], [], [LEFT, RIGHT]), path, ABOUT)
    assert (done.path, done.fields, done.hectares) == (path, 3, pytest.approx(3.0))
    frame = geopandas.read_parquet(path)
    assert frame.crs.to_authority() == ("OGC", "CRS84")
    assert frame["id"].tolist() == ["1", "2", "3"] and frame["id"].is_unique
    assert [a.normalize().equals(b.normalize()) for a, b in zip(frame.geometry, (HOLED, LEFT, RIGHT), strict=True)]
    np.testing.assert_allclose(frame["metrics:area"], [1e4 * area_ha(one) for one in frame.geometry], rtol=1e-6)
    assert (frame[["confidence", "area_ha", "area_ha_p05", "area_ha_p95"]] > 0).all().all()
    near = geopandas.read_parquet(path, bbox=(3.0125, 50, 3.02, 50.1))
    assert near["id"].tolist() == ["3"]  # the covering lets a reader take a part
    meta = pq.read_metadata(path).metadata
    geo, collection = json.loads(meta[b"geo"]), json.loads(meta[b"collection"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"], column["encoding"], column["orientation"]) == ("1.1.0", "WKB", "counterclockwise")
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"] and "crs" not in column
    assert collection["collection"] == "sample" and list(collection["schemas"]) == ["sample"]
    assert any("vecorel" in one for one in collection["schemas"]["sample"])
    assert collection["determination:datetime"] == "2023-09-30T00:00:00Z"
    assert all(one.exterior.is_ccw and not any(hole.is_ccw for hole in one.interiors) for one in frame.geometry)


def test_a_geojson_says_what_is_true_of_all_at_the_top(tmp_path: Path) -> None:
    import geopandas

    path = tmp_path / "fields.geojson"
    fields.write(squares_of([HOLED], [LEFT, RIGHT]), path, ABOUT)
    said = json.loads(path.read_text(encoding="utf-8"))
    assert said["type"] == "FeatureCollection" and said["collection"] == "sample"
    assert list(said["schemas"]) == ["sample"] and said["determination:method"] == "auto-imagery"
    first = said["features"][0]
    assert (first["id"], first["bbox"]) == ("1", [3.0, 50.0, 3.003, 50.002])
    assert first["properties"]["metrics:area"] == pytest.approx(1e4 * area_ha(HOLED), rel=1e-9)
    assert Polygon(first["geometry"]["coordinates"][0]).exterior.is_ccw  # RFC 7946, 3.1.6
    frame = geopandas.read_file(path)
    assert len(frame) == 3 and frame.crs.to_epsg() == 4326


@pytest.mark.parametrize("ending", ["parquet", "geojson"])
def test_a_file_without_fields_is_a_file(tmp_path: Path, ending: str) -> None:
    import geopandas

    path = tmp_path / f"none.{ending}"
    assert fields.write(squares_of([], []), path, ABOUT).fields == 0
    if ending == "parquet":
        assert len(geopandas.read_parquet(path)) == 0
    else:
        assert json.loads(path.read_text())["features"] == []


@pytest.mark.parametrize("ending", ["parquet", "geojson"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"fields.{ending}"
    path.write_text("old")

    def broken() -> Iterator[fields.Square]:
        yield from squares_of([LEFT])
        raise TilesError("a scene is damaged")

    with pytest.raises(TilesError, match="damaged"):
        fields.write(broken(), path, ABOUT)
    assert [one.name for one in tmp_path.iterdir()] == [path.name] and path.read_text() == "old"

    monkeypatch.setattr(fiboa, "measure", _no_room)
    with pytest.raises(PlotFileError, match="No space left"):
        fields.write(squares_of([LEFT]), path, ABOUT)
    assert [one.name for one in tmp_path.iterdir()] == [path.name] and path.read_text() == "old"
    monkeypatch.undo()
    fields.write(squares_of([LEFT]), path, ABOUT)
    assert [one.name for one in tmp_path.iterdir()] == [path.name] and path.stat().st_size > 10


def _no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A device that is always full stands for the disk."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, which Linux has")
    for ending in ("parquet", "geojson"):
        path = tmp_path / f"fields.{ending}"
        (tmp_path / f".{path.name}.part").symlink_to("/dev/full")
        with pytest.raises(PlotFileError, match="cannot be written"):
            fields.write(squares_of([LEFT, RIGHT]), path, ABOUT)
        assert list(tmp_path.iterdir()) == []


def test_names_that_cannot_be_written_are_refused_before_any_work(tmp_path: Path) -> None:
    def never() -> Iterator[fields.Square]:
        raise AssertionError("worked")
        yield

    (tmp_path / "folder.parquet").mkdir()
    for name, said in (("a.shp", "ends in"), ("nowhere/a.parquet", "does not exist"), ("folder.parquet", "folder")):
        with pytest.raises(PlotFileError, match=said):
            fields.write(never(), tmp_path / name, ABOUT)


def test_many_fields_make_row_groups_and_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    shapes: list[BaseGeometry] = [box(3 + 0.01 * k, 50, 3.005 + 0.01 * k, 50.004) for k in range(30)]
    groups = [shapes[k : k + 5] for k in range(0, 30, 5)]
    monkeypatch.setattr(fiboa, "ROWS", 10)
    fields.write(squares_of(*groups), tmp_path / "many.parquet", ABOUT)
    monkeypatch.setattr(fiboa, "ROWS", 1000)
    fields.write(squares_of(*groups), tmp_path / "one.parquet", ABOUT)
    assert pq.ParquetFile(tmp_path / "many.parquet").num_row_groups == 3
    assert pq.read_table(tmp_path / "many.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_the_command_writes_a_file_that_the_check_finds_clean(sample_tiles: Path, tmp_path: Path) -> None:
    """From the tiles to the file: no overlaps, no broken rings, areas and intervals that are figures."""
    import geopandas

    area, out = tmp_path / "area.geojson", tmp_path / "fields.parquet"
    area.write_text(json.dumps(shapely.geometry.mapping(box(3.048, 50.834, 3.06, 50.842))))
    line = ["delineate", str(sample_tiles), "--out", str(out), "--area", str(area), "--from", "2023-05-01", "--json"]
    done = CliRunner().invoke(app, [*line, "--to", "2023-08-31", "--workers", "1"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    frame = geopandas.read_parquet(out)
    assert said["fields"] == len(frame) > 20
    assert said["hectares"] == pytest.approx(frame["area_ha"].sum(), rel=1e-4)
    report = parcelfile.check(out)
    assert report.errors == 0 and report.twice_ha == 0, parcelfile.as_text(report)
    kinds = {one.kind.code for one in report.findings}
    assert not kinds & {"overlap", "same-geometry", "near-copy", "fiboa-no-collection", "fiboa-column-missing"}
    assert ((frame["area_ha_p05"] < frame["area_ha"]) & (frame["area_ha"] < frame["area_ha_p95"])).all()
