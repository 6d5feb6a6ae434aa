"""What is wrong with a parcel file: every kind planted and found, nothing found in clean land, and the laws of it."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet
from shapely import Polygon
from typer.testing import CliRunner

from greattit import parcelfile, plots
from greattit.commands.plots import plots_app
from greattit.errors import GreatTitError, PlotFileError
from greattit.parcelfile import KINDS, Report, check, sweep
from greattit.parcelfile.layer import may_be_area, unit_said
from greattit.plots.area import area_ha, measure

SIDE = 0.001
"""[degree] a made parcel, some 93 m x 111 m at 33 degrees north"""

FORMATS = {"parquet": "", "gpkg": "GPKG", "fgb": "FlatGeobuf", "shp": "ESRI Shapefile", "geojson": "GeoJSON",
           "geojsonl": "GeoJSONSeq"}  # fmt: skip

NONE = {"type": "named", "missing": True}


def square(column: float, row: float, wide: float = 1.0, high: float = 1.0) -> Polygon:
    """Return a parcel of made land; neighbours share their border."""
    west, south = 115.0 + column * SIDE, 33.0 + row * SIDE
    return shapely.box(west, south, west + wide * SIDE, south + high * SIDE)


def land(count: int = 16) -> list[Any]:
    return [square(n % 4, n // 4) for n in range(count)]


def names(count: int) -> list[str]:
    return [f"p{n}" for n in range(count)]


def save(path: Path, shapes: list[Any], *, crs: str | None = "EPSG:4326", ids: Any = None, **columns: Any) -> Path:
    """Write shapes, or bytes of WKB, in the format of the path's ending."""
    ids = names(len(shapes)) if ids is None else ids
    frame = {"id": ids, **columns} if ids is not False else columns or {"what": ["field"] * len(shapes)}
    if any(isinstance(shape, bytes) for shape in shapes):
        return save_raw(path, [s if isinstance(s, bytes) or s is None else s.wkb for s in shapes], frame)
    table = geopandas.GeoDataFrame(frame, geometry=np.array(shapes, object), crs=crs)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_file(path, driver=FORMATS[path.suffix[1:]])
    return path


def save_raw(path: Path, wkb: list[bytes | None], columns: dict[str, Any], **stored: Any) -> Path:
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    table = pa.table({**columns, "geometry": pa.array(wkb, pa.binary())})
    metadata = {"geo": json.dumps(geo), **{name: json.dumps(value) for name, value in stored.items()}}
    parquet.write_table(table.replace_schema_metadata({k: v for k, v in metadata.items() if v != "null"}), path)
    return path


def ring_wkb(points: list[tuple[float, float]]) -> bytes:
    """Write one ring as it stands, closed or not."""
    return struct.pack("<BIII", 1, 3, 1, len(points)) + b"".join(struct.pack("<dd", *point) for point in points)


def codes(report: Report) -> dict[str, list[int]]:
    """Return the rows of each kind, [] for what is about the file."""
    return {one.kind.code: one.rows.tolist() for one in report.findings}


Plant = Callable[[Path], tuple[Path, dict[str, Any], list[int]]]
PLANTS: dict[str, Plant] = {}


def plant(code: str) -> Callable[[Plant], Plant]:
    def keep(make: Plant) -> Plant:
        PLANTS[code] = make
        return make

    return keep


def planted_shape(code: str, shape: Any, *, suffix: str = "parquet", at: int = 5) -> None:
    """Plant one shape in place of a parcel of clean land."""

    def make(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
        shapes = land()
        shapes[at] = shape
        return save(folder / f"land.{suffix}", shapes), {}, [at]

    PLANTS[code] = make


CORNERS = list(square(1, 1).exterior.coords)[:-1]
BLOCK = [(115.1, 33.1), (115.3, 33.1), (115.3, 33.3), (115.1, 33.3)]
planted_shape("missing-geometry", None)
planted_shape("empty-geometry", Polygon())
planted_shape("not-polygon", shapely.LineString(CORNERS))
planted_shape("not-finite", ring_wkb([CORNERS[0], (math.nan, 33.001), *CORNERS[2:], CORNERS[0]]))
planted_shape("unclosed-ring", ring_wkb(CORNERS))
planted_shape("too-few-points", ring_wkb([CORNERS[0], CORNERS[2], CORNERS[2], CORNERS[0]]))
planted_shape("unreadable", ring_wkb([*CORNERS, CORNERS[0]])[:-7])
planted_shape("self-crossing", Polygon([CORNERS[0], CORNERS[2], CORNERS[1], CORNERS[3]]))
planted_shape("bad-holes", Polygon(square(1, 1).exterior, [square(7, 7, 0.2, 0.2).exterior]))
planted_shape("three-d", shapely.force_3d(square(1, 1), 12.0))
planted_shape("multipart", shapely.MultiPolygon([square(1, 1, 0.4), square(1.6, 1, 0.4)]))
planted_shape("holes", Polygon(square(1, 1).exterior, [square(1.3, 1.3, 0.2, 0.2).exterior]))
planted_shape("many-vertices", shapely.segmentize(square(1, 1), SIDE / 3000))
planted_shape("too-small", square(1.4, 1.4, 0.15, 0.15))
planted_shape("too-large", Polygon(BLOCK))
planted_shape("sliver", square(1.4, 1.0, 0.09, 1.0))
planted_shape("metres-in-degrees", shapely.box(500_000, 3_600_000, 500_100, 3_600_100))
planted_shape("swapped", shapely.transform(square(1, 1), lambda xy: xy[:, ::-1]))
planted_shape("half-the-globe", shapely.box(-179.9, 3.0, 179.9, 3.001))
planted_shape("far-away", shapely.transform(square(1, 1), lambda xy: xy - [100.0, 0.0]))
planted_shape("near-copy", square(0.03, 1.02), at=5)
planted_shape("overlap", square(0.8, 1.0), at=5)
planted_shape("same-geometry", Polygon(CORNERS[2:] + CORNERS[:2]).reverse(), at=12)


@plant("degrees-in-metres")
def _degrees(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    shapes = list(geopandas.GeoSeries(land(), crs="EPSG:4326").to_crs("EPSG:32650"))
    shapes[5] = square(1, 1)
    return save(folder / "land.gpkg", shapes, crs="EPSG:32650"), {}, [5]


@plant("outside-crs")
def _outside_crs(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    shapes = list(geopandas.GeoSeries(land(), crs="EPSG:4326").to_crs("EPSG:32650"))
    shapes[5] = shapely.transform(shapes[5], lambda xy: xy + np.array([900_000.0, 0.0]))
    return save(folder / "land.gpkg", shapes, crs="EPSG:32650"), {}, [5]


@plant("outside-near")
def _outside_near(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return save(folder / "land.parquet", land()), {"near": (114.0, 32.0, 116.0, 33.0025)}, [12, 13, 14, 15]


@plant("no-crs")
def _no_crs(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return save(folder / "land.parquet", land(), crs=None), {}, []


@plant("no-geo-metadata")
def _no_geo(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    table = pa.table({"id": names(16), "geometry": [shape.wkb for shape in land()]})
    parquet.write_table(table, folder / "land.parquet")
    return folder / "land.parquet", {}, []


@plant("reader-said")
def _reader_said(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    features = [
        {"type": "Feature", "id": 7, "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in land()
    ]
    (folder / "land.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder / "land.geojson", {}, []


@plant("more-layers")
def _more_layers(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    table = geopandas.GeoDataFrame({"id": names(16)}, geometry=land(), crs="EPSG:4326")
    table.to_file(folder / "land.gpkg", layer="fields")
    table.to_file(folder / "land.gpkg", layer="old")
    return folder / "land.gpkg", {}, []


@plant("no-id-column")
def _no_id_column(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return save(folder / "land.gpkg", land(), ids=False), {}, []


@plant("no-id")
def _no_id(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return save(folder / "land.parquet", land(), ids=[None, " ", *names(14)]), {}, [0, 1]


@plant("same-id")
def _same_id(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return save(folder / "land.parquet", land(), ids=["a", "a", *names(13), "a"]), {}, [1, 15]


@plant("fiboa-no-collection")
def _no_collection(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return save(folder / "land.parquet", land(), **{"crop:code": ["x"] * 16}), {}, []


@plant("fiboa-column-missing")
def _no_column(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    stored = {"collection": {"schemas": {}, "collection": "made"}}
    wkb = [shape.wkb for shape in land()]
    return save_raw(folder / "land.parquet", wkb, {"plot_id": names(16)}, **stored), {}, []


def stated(folder: Path, name: str, per_ha: float, change: dict[int, float] | None = None) -> Path:
    values = measure(np.array(land(), object)).area_ha * per_ha
    for row, value in (change or {}).items():
        values[row] = value
    return save(folder / "land.parquet", land(), **{name: values})


@plant("area-column")
def _area_column(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return stated(folder, "area_mu", 15), {}, []


@plant("area-unit")
def _area_unit(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return stated(folder, "area_ha", 15), {}, []


@plant("area-unit-unknown")
def _area_unknown(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return stated(folder, "Shape_Area", 777), {}, []


@plant("area-missing")
def _area_missing(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return stated(folder, "area", 1e4, {3: math.nan, 4: 0.0}), {}, [3, 4]


@plant("area-differs")
def _area_differs(folder: Path) -> tuple[Path, dict[str, Any], list[int]]:
    return stated(folder, "面积(亩)", 15, {7: 31.0}), {}, [7]


def test_every_kind_has_a_planted_fault() -> None:
    assert set(PLANTS) == set(KINDS)


@pytest.mark.parametrize("code", KINDS)
def test_a_planted_fault_is_found_where_it_is(code: str, tmp_path: Path) -> None:
    path, options, rows = PLANTS[code](tmp_path)
    found = codes(check(path, **options))
    assert found[code] == rows
    along = {
        "overlap": {"near-copy"}, "near-copy": {"overlap"}, "too-large": set(), "area-unit-unknown": set(),
        "no-geo-metadata": {"no-crs"}, "sliver": set(), "reader-said": {"no-id", "no-id-column"},
        "too-small": {"sliver"}, "half-the-globe": {"sliver"}, "area-differs": {"area-column"},
        "area-missing": {"area-column"}, "too-few-points": {"unclosed-ring"}, "fiboa-column-missing": set(),
    }  # fmt: skip
    assert set(found) - {code} <= along.get(code, set()), "clean rows are told to be faulty"


@pytest.mark.parametrize("ending", FORMATS)
def test_clean_land_gives_nothing_in_any_format_and_the_file_stays_as_it_is(ending: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"land.{ending}", land())

    def state() -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir()}

    before = state()
    report = check(path)
    assert codes(report) == {}
    assert (report.rows, report.measured, report.twice_ha) == (16, 16, 0.0)
    assert report.area_ha == pytest.approx(sum(area_ha(shape) for shape in land()), rel=1e-9)
    assert state() == before


def test_a_projected_file_has_the_area_of_the_ground(tmp_path: Path) -> None:
    shapes = list(geopandas.GeoSeries(land(), crs="EPSG:4326").to_crs("EPSG:3857"))
    report = check(save(tmp_path / "land.gpkg", shapes, crs="EPSG:3857"))
    assert codes(report) == {}
    assert report.area_ha == pytest.approx(sum(area_ha(shape) for shape in land()), rel=1e-6)


def test_native_arrow_geometry_is_read(tmp_path: Path) -> None:
    table = geopandas.GeoDataFrame({"id": names(16)}, geometry=[*land(15), None], crs="EPSG:4326")
    table.to_parquet(tmp_path / "land.parquet", geometry_encoding="geoarrow", schema_version="1.1.0")
    assert codes(check(tmp_path / "land.parquet")) == {"missing-geometry": [15]}


def test_a_figure_eight_that_is_listed_twice_is_one_copy(tmp_path: Path) -> None:
    eight = [CORNERS[0], CORNERS[2], CORNERS[1], CORNERS[3]]
    shapes = land()
    shapes[5], shapes[11] = Polygon(eight), Polygon(eight[2:] + eight[:2])
    report = check(save(tmp_path / "land.parquet", shapes))
    assert codes(report)["self-crossing"] == [5, 11]
    assert codes(report)["same-geometry"] == [11]


def test_swapped_land_is_seen_when_its_place_is_known(tmp_path: Path) -> None:
    turned = [shapely.transform(shape, lambda xy: xy[:, ::-1] - [0.0, 100.0]) for shape in land()]
    path = save(tmp_path / "land.parquet", turned)
    assert codes(check(path)) == {}
    seen = check(path, near=(14.0, 32.0, 16.0, 34.0))
    assert codes(seen) == {"swapped": list(range(16))}
    assert seen.area_ha == pytest.approx(sum(area_ha(shape) for shape in land()), rel=1e-9)


def test_northing_before_easting_is_seen_by_the_area_of_the_system(tmp_path: Path) -> None:
    shapes = list(geopandas.GeoSeries(land(), crs="EPSG:4326").to_crs("EPSG:4548"))
    shapes[5] = shapely.transform(shapes[5], lambda xy: xy[:, ::-1])
    report = check(save(tmp_path / "land.gpkg", shapes, crs="EPSG:4548"))
    assert codes(report) == {"swapped": [5]}
    assert report.area_ha == pytest.approx(sum(area_ha(shape) for shape in land()), rel=1e-6)


def test_what_would_steer_a_terminal_is_not_printed(tmp_path: Path) -> None:
    path = save(tmp_path / "land.parquet", [*land(), None], ids=[*names(16), "\x1b[2J\nrow 1"])
    assert "(id ?[2J?row 1)" in CliRunner().invoke(plots_app, ["check", str(path)]).output


def test_ground_counted_twice_is_summed(tmp_path: Path) -> None:
    shapes = [*land(), square(0, 0), square(3.5, 0)]
    report = check(save(tmp_path / "land.parquet", shapes))
    assert codes(report) == {"same-geometry": [16], "overlap": [17]}
    whole = area_ha(square(0, 0))
    assert report.twice_ha == pytest.approx(1.5 * whole, rel=1e-6)


def test_area_in_map_units_is_told_apart(tmp_path: Path) -> None:
    path = save(tmp_path / "land.parquet", land(), Shape_Area=shapely.area(np.array(land(), object)))
    (finding,) = check(path).findings
    assert finding.kind.code == "area-unit-unknown"
    assert "map units" in finding.note


@pytest.mark.parametrize(
    ("per_ha", "unit"), [(1, "ha"), (1e4, "m2"), (15, "mu"), (2.4710538, "acre"), (0.01, "km2"), (100, "are")]
)
def test_the_unit_is_told_by_the_values(per_ha: float, unit: str, tmp_path: Path) -> None:
    report = check(stated(tmp_path, "area", per_ha, {2: 1e-3, 9: 1e6}))
    assert report.area_units == {"area": unit}
    assert codes(report)["area-differs"] == [2, 9]


def test_an_area_written_as_text_is_read(tmp_path: Path) -> None:
    text = [f"{value * 15:.4f}".replace(".", ",") for value in measure(np.array(land(), object)).area_ha]
    report = check(save(tmp_path / "land.parquet", land(), area_mu=[*text[:-1], "unknown"]))
    assert report.area_units == {"area_mu": "mu"}
    assert codes(report)["area-missing"] == [15]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("area_ha", "ha"), ("metrics:area", "m2"), ("面积(亩)", "mu"), ("面积亩", "mu"), ("SCMJM", "mu"), ("SCMJ", ""),
        ("Shape_Area", ""), ("AREA_M2", "m2"), ("hectares", "ha"), ("AreaHa", "ha"), ("mu", "mu"), ("面积", ""),
        ("area_acres", "acre"), ("surf_ha", "ha"), ("实测面积_公顷", "ha"),
    ],
)  # fmt: skip
def test_names_of_areas(name: str, unit: str) -> None:
    assert may_be_area(name)
    assert unit_said(name) == unit


@pytest.mark.parametrize(
    "name", ["name", "crop", "shape_length", "share", "harvest", "chapter", "farmers", "id", "mud"]
)
def test_other_names_are_no_areas(name: str) -> None:
    assert not may_be_area(name)


faulty = st.lists(
    st.sampled_from(["plain", "shifted", "copy", "eight", "small", "hole", "missing"]), min_size=4, max_size=16
)


def faulty_land(faults: list[str]) -> list[Any]:
    """Return land whose parcels have the faults, each at its place."""
    shapes: list[Any] = []
    for place, fault in enumerate(faults):
        column, row = place % 4, place // 4
        west, south = 115 + column * SIDE, 33 + row * SIDE
        corners = [(west, south), (west + SIDE, south + SIDE), (west + SIDE, south), (west, south + SIDE)]
        made = {
            "plain": square(column, row),
            "shifted": square(column + 0.3, row + 0.1),
            "copy": square(0, 0),
            "eight": Polygon(corners),
            "small": square(column, row, 0.1, 0.1),
            "hole": Polygon(square(column, row).exterior, [square(column + 0.3, row + 0.3, 0.2, 0.2).exterior]),
            "missing": None,
        }
        shapes.append(made[fault])
    return shapes


def redrawn(shape: Any, start: int, turn: bool) -> Any:
    """Return the same outline, begun elsewhere and perhaps the other way round."""
    if shape is None:
        return None

    def ring(line: Any) -> list[Any]:
        points = list(line.coords)[:-1]
        points = points[start % len(points) :] + points[: start % len(points)]
        return points[::-1] if turn else points

    return Polygon(ring(shape.exterior), [ring(hole) for hole in shape.interiors])


def figures(report: Report, order: list[int] | None = None) -> dict[str, set[tuple[Any, ...]]]:
    """Return what was found as sets that do not know the order of a pair."""
    order = order or list(range(report.rows))
    return {
        one.kind.code: {
            (frozenset(order[n] for n in (row, other) if n >= 0), None if math.isnan(value) else round(value, 9))
            for row, other, value in zip(one.rows.tolist(), one.others.tolist(), one.values.tolist(), strict=True)
        }
        for one in report.findings
    }


relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@relaxed
@given(faulty, st.integers(0, 4), st.booleans())
def test_where_a_ring_begins_and_which_way_it_runs_changes_nothing(
    tmp_path: Path, faults: list[str], start: int, turn: bool
) -> None:
    shapes = faulty_land(faults)
    first = check(save(tmp_path / "a.parquet", shapes))
    second = check(save(tmp_path / "b.parquet", [redrawn(shape, start, turn) for shape in shapes]))
    assert figures(first) == figures(second)
    assert first.area_ha == pytest.approx(second.area_ha, rel=1e-12)
    assert first.twice_ha == pytest.approx(second.twice_ha, rel=1e-9, abs=1e-12)


@relaxed
@given(faulty, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_only_their_numbers(tmp_path: Path, faults: list[str], random: Any) -> None:
    shapes = faulty_land(faults)
    order = list(range(len(shapes)))
    random.shuffle(order)
    first = check(save(tmp_path / "a.parquet", shapes))
    second = check(save(tmp_path / "b.parquet", [shapes[n] for n in order]))
    one, two = figures(first), figures(second, order)
    # of equal outlines the first is kept, so who is paired with whom depends on the order, but not how many there are
    paired = {"same-geometry", "overlap", "near-copy"}
    assert {code: rows for code, rows in one.items() if code not in paired} == {
        code: rows for code, rows in two.items() if code not in paired
    }
    assert {f.kind.code: (f.count, f.rows_touched()) for f in first.findings if f.kind.code == "same-geometry"} == {
        f.kind.code: (f.count, f.rows_touched()) for f in second.findings if f.kind.code == "same-geometry"
    }
    assert {code: len(one.get(code, ())) for code in paired} == {code: len(two.get(code, ())) for code in paired}
    assert first.twice_ha == pytest.approx(second.twice_ha, rel=1e-9, abs=1e-12)


@relaxed
@given(faulty, st.integers(1, 20))
def test_the_size_of_batches_and_strips_changes_nothing(tmp_path: Path, faults: list[str], rows: int) -> None:
    path = save(tmp_path / "land.parquet", faulty_land(faults), area_ha=[1.0] * len(faults))
    whole = check(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "STRIP_ROWS", rows)
        patch.setattr(sweep, "QUERY_ROWS", max(1, rows // 2))
        parts = check(path, batch_rows=rows)
    assert parcelfile.as_dict(whole) == parcelfile.as_dict(parts)


boxes = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(3, 20), st.integers(3, 20))


@relaxed
@given(st.lists(boxes, min_size=2, max_size=25, unique=True), st.integers(1, 8))
def test_the_sweep_finds_the_pairs_that_trying_all_finds(
    tmp_path: Path, drawn: list[tuple[int, int, int, int]], strip: int
) -> None:
    shapes = [square(x / 10, y / 10, w / 10, h / 10) for x, y, w, h in drawn]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "STRIP_ROWS", strip)
        report = check(save(tmp_path / "land.parquet", shapes))
    expected = set()
    for b, (x, y, w, h) in enumerate(drawn):
        for a, (u, v, p, q) in enumerate(drawn[:b]):
            sides = min(x + w, u + p) - max(x, u), min(y + h, v + q) - max(y, v)
            shared = max(sides[0], 0) * max(sides[1], 0)
            if shared > 0.02 * min(w * h, p * q):  # a cell of this grid is 103 m2, above the floor of 20 m2
                expected.add((b, a))
            elif shared:
                expected.add((b, a)) if shared >= 0.01 * min(w * h, p * q) else None
    found = {
        (row, other)
        for one in report.findings
        if one.kind.code in ("overlap", "near-copy")
        for row, other in zip(one.rows.tolist(), one.others.tolist(), strict=True)
    }
    assert found == expected


@given(
    st.lists(
        st.tuples(st.floats(-170, 170), st.floats(-80, 80), st.floats(1e-4, 3.0), st.integers(3, 30)),
        min_size=1,
        max_size=8,
    )
)
@settings(deadline=None)
def test_many_areas_at_once_are_those_of_one_at_a_time(drawn: list[tuple[float, float, float, int]]) -> None:
    shapes = []
    for lon, lat, radius, corners in drawn:
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        shell = np.column_stack([lon + radius * np.cos(turn), lat + radius * np.sin(turn)])
        shapes.append(Polygon(shell, [shell[::-1] * 0.5 + np.array([lon, lat]) * 0.5]))
    shapes.append(shapely.MultiPolygon([shapes[0], shapely.box(175, 1, 176, 2)]))
    found = measure(np.array([*shapes, None, shapely.Point(1, 2)], object))
    assert found.area_ha[:-2] == pytest.approx([area_ha(shape) for shape in shapes], rel=1e-10)
    assert found.area_ha[-2:].tolist() == [0.0, 0.0]
    assert found.holes_ha[: len(drawn)] == pytest.approx(
        [area_ha(Polygon(shape.exterior)) - area_ha(shape) for shape in shapes[:-1]], rel=1e-6
    )


def test_the_perimeter_is_that_of_the_ground() -> None:
    from pyproj import Geod

    shape = square(0, 0)
    length = Geod(ellps="WGS84").geometry_area_perimeter(shape)[1]
    assert measure(np.array([shape], object)).perimeter_m[0] == pytest.approx(length, rel=1e-7)


def test_real_parcels_agree_with_load(shared_data: Path) -> None:
    path = shared_data / "scenes" / "flanders-2018" / "plots.geojson"
    report = check(path)
    assert report.errors == 0
    assert report.area_units == {"area_ha": "ha"}
    assert report.area_ha == pytest.approx(sum(plot.area_ha for plot in plots.load(path)), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.geojson", None, "no such file"),
        ("empty.parquet", b"", "is empty"),
        ("wrong.parquet", b"PAR1 is no parquet", "cannot be read"),
        ("wrong.gpkg", b"not a database", "cannot be read"),
        ("none.geojson", b'{"type": "FeatureCollection", "features": []}', "has no"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PlotFileError, match=words) as refused:
        check(tmp_path / name)
    assert refused.value.remedy
    assert CliRunner().invoke(plots_app, ["check", str(tmp_path / name)]).exit_code == 2


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(names(16)), pa.array(names(16)), [s.wkb for s in land()]], ["id", "id", "geometry"])
    parquet.write_table(table, tmp_path / "land.parquet")
    with pytest.raises(PlotFileError, match="two columns id"):
        check(tmp_path / "land.parquet")


@pytest.mark.parametrize("huge", [1e300, -1e200, 1e13])
def test_a_coordinate_beyond_any_map_is_found(huge: float, tmp_path: Path) -> None:
    shapes = land()
    shapes[5] = Polygon([CORNERS[0], (huge, 33.001), CORNERS[2]])
    assert codes(check(save(tmp_path / "land.parquet", shapes))) == {"not-finite": [5]}


@pytest.mark.parametrize(
    "ids", [[1, 2] * 8, [1.0, 2.0] * 8, ["1", " 2 "] * 8, pa.array(["1", "2"] * 8).dictionary_encode()]
)
def test_ids_of_any_type_are_compared_as_text(ids: Any, tmp_path: Path) -> None:
    path = save_raw(tmp_path / "land.parquet", [shape.wkb for shape in land()], {"id": ids})
    report = check(path)
    assert codes(report) == {"same-id": list(range(2, 16))}
    assert {report.id(row) for row in range(16)} == {"1", "2"}


@pytest.mark.parametrize("geo", [[], {"columns": []}, {"primary_column": 5}, {"columns": {"geometry": None}}])
def test_odd_metadata_never_stops_a_readable_file(geo: Any, tmp_path: Path) -> None:
    table = pa.table({"id": names(16), "geometry": [shape.wkb for shape in land()]})
    parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / "land.parquet")
    assert set(codes(check(tmp_path / "land.parquet"))) <= {"no-geo-metadata", "no-crs"}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_checked_or_refused(ending: str, seed: int, tmp_path: Path) -> None:
    path = save(tmp_path / f"land.{ending}", land())
    raw, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in rng.integers(0, len(raw), 8):
        raw[place] = rng.integers(0, 256)
    path.write_bytes(raw[: len(raw) // (1 + seed % 2)])
    try:
        assert check(path).rows > 0
    except PlotFileError as refused:
        assert refused.subject and refused.remedy


def test_a_layer_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlotFileError, match="has no layer roads"):
        check(save(tmp_path / "land.gpkg", land()), layer="roads")


def test_the_command_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    shapes = [*land(), square(3.5, 0)]
    path = save(tmp_path / "land.parquet", shapes)
    run = CliRunner().invoke(plots_app, ["check", str(path)])
    assert run.exit_code == 1
    shared = area_ha(square(3.5, 0, 0.5))
    for words in (
        "17 rows",
        " mu)",
        "overlap",
        "mend the common border",
        f"row 17 (id p16), with row 4 (id p3), {shared:.4f} ha",
    ):
        assert words in run.output
    clean = CliRunner().invoke(plots_app, ["check", str(save(tmp_path / "clean.parquet", land()))])
    assert (clean.exit_code, "nothing found" in clean.output) == (0, True)


def test_json_has_rows_from_one_and_the_limit(tmp_path: Path) -> None:
    path = save(tmp_path / "land.parquet", [*land(), None, None, None])
    run = CliRunner().invoke(plots_app, ["check", str(path), "--json", "--limit", "2"])
    (finding,) = json.loads(run.output)["findings"]
    assert (finding["code"], finding["count"], finding["share"]) == ("missing-geometry", 3, pytest.approx(3 / 19))
    assert [example["row"] for example in finding["examples"]] == [17, 18]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_finding_is_written_with_its_row(ending: str, tmp_path: Path) -> None:
    path = save(tmp_path / "land.parquet", [*land(), square(3.5, 0), None], crs=None)
    out = tmp_path / f"findings.{ending}"
    run = CliRunner().invoke(plots_app, ["check", str(path), "--limit", "0", "--out", str(out)])
    assert "wrote 3 findings" in run.output
    rows = (csv.read_csv(out) if ending == "csv" else parquet.read_table(out)).to_pylist()
    assert [(row["code"], row["row"], row["other_row"]) for row in rows] == [
        ("no-crs", None, None),
        ("missing-geometry", 18, None),
        ("overlap", 17, 4),
    ]
    assert rows[2]["other_id"] == "p3"
    assert (rows[2]["x"], rows[2]["y"]) == pytest.approx((115.0 + 3.75 * SIDE, 33.0 + 0.5 * SIDE))


def test_findings_never_take_the_place_of_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "land.parquet", land())
    before = path.read_bytes()
    report = check(path)
    with pytest.raises(GreatTitError, match="parcel file itself"):
        parcelfile.write(report, path)
    with pytest.raises(GreatTitError, match=r"no \.csv or \.parquet"):
        parcelfile.write(report, tmp_path / "findings.xlsx")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["land.parquet"]


@pytest.mark.parametrize("near", ["1,2,3", "3,1,1,2", "a,b,c,d", "0,0,0,nan", "0,-91,1,1"])
def test_a_wrong_area_is_refused(near: str, tmp_path: Path) -> None:
    path = save(tmp_path / "land.parquet", land())
    assert CliRunner().invoke(plots_app, ["check", str(path), "--near", near]).exit_code == 2
