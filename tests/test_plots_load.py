"""What comes into the house as a plot."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
import shapely.ops
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod

from greattit.errors import PlotError, PlotFileError, PlotPlaceError, PlotShapeError
from greattit.plots import area_ha, check_inside, load, load_checked
from greattit.plots import source as source_room

RING = [[5.0, 51.0], [5.004, 51.0], [5.004, 51.003], [5.0, 51.003], [5.0, 51.0]]
SQUARE = {"type": "Polygon", "coordinates": [RING]}
TILES = (4.9, 50.9, 5.2, 51.2)


def feature(geometry: object, **more: object) -> dict[str, object]:
    return {"type": "Feature", "properties": {"owner": "An"}, "geometry": geometry, **more}


def polygon(*ring: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [list(ring)]}


def said(source: object, **options: object) -> str:
    (plot,) = load(source, **options)
    return " ".join(plot.mended)


def densified_ha(geometry: shapely.Geometry) -> float:
    """Geodesic area of the polygon with so many corners that geodesic and straight edges are one."""
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(shapely.segmentize(geometry, 2e-5))[0]) / 10_000


@pytest.mark.parametrize(
    "source",
    [
        SQUARE,
        feature(SQUARE),
        {"type": "FeatureCollection", "features": [feature(SQUARE)]},
        {"type": "GeometryCollection", "geometries": [SQUARE]},
        {"type": "MultiPolygon", "coordinates": [[RING]]},
        [feature(SQUARE)],
        {**SQUARE, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
        {**SQUARE, "crs": {"type": "name", "properties": {"name": "EPSG:4326"}}},
        {**SQUARE, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}}},
        {**SQUARE, "crs": {"type": "EPSG", "properties": {"code": 4326}}},
        {**SQUARE, "crs": None},
        feature({**SQUARE, "crs": "http://www.opengis.net/def/crs/EPSG/0/4326"}),
    ],
)
def test_every_form_gives_the_same_plot(source: object, tmp_path: Path) -> None:
    path = tmp_path / "plot.geojson"
    path.write_text("\ufeff" + json.dumps(source), encoding="utf-8")
    expected = densified_ha(shapely.geometry.shape(SQUARE))
    for given_as in (path, str(path), json.dumps(source), path.read_bytes()):
        (plot,) = load(given_as)
        assert plot.geometry.equals(shapely.geometry.shape(SQUARE))
        assert plot.geometry.is_valid and plot.geometry.exterior.is_ccw
        assert plot.area_ha == pytest.approx(expected, rel=1e-8)
        assert plot.area_mu == pytest.approx(expected * 15, rel=1e-8)


def test_properties_and_ids_travel() -> None:
    plots = load(
        [feature(SQUARE, id="a"), feature(SQUARE, id=7), feature({**SQUARE}, id=""), feature(SQUARE, id="a"), SQUARE]
    )
    assert [p.id for p in plots] == ["a", "7", "plot-3", "a-2", "plot-5"]
    assert plots[0].mended == () and plots[0].properties == {"owner": "An"}
    assert "had no id" in plots[2].mended[0] and "earlier plot" in plots[3].mended[0]
    taken = load([feature(SQUARE, id="a"), feature(SQUARE, id="a"), feature(SQUARE, id="a-2")])
    assert [p.id for p in taken] == ["a", "a-3", "a-2"]


@pytest.mark.parametrize("ending", ["gpkg", "shp", "parquet", "fgb"])
@pytest.mark.parametrize("epsg", [4326, 32631])
def test_tables_are_read_and_turned(ending: str, epsg: int, tmp_path: Path) -> None:
    import geopandas

    frame = geopandas.GeoDataFrame({"id": ["x"]}, geometry=[shapely.geometry.shape(SQUARE)], crs=4326).to_crs(epsg)
    path = tmp_path / f"plots.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_file(path)
    (plot,) = load(path)
    assert plot.id == "x"
    assert plot.area_ha == pytest.approx(area_ha(shapely.geometry.shape(SQUARE)), rel=1e-6)
    assert ("UTM" in " ".join(plot.mended)) == (epsg == 32631)


def test_projected_geojson_is_turned() -> None:
    square = polygon([600000, 5650000], [600200, 5650000], [600200, 5650100], [600000, 5650100], [600000, 5650000])
    (plot,) = load({**square, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}})
    assert plot.area_ha == pytest.approx(2.0, rel=2e-3)
    assert "turned into longitude and latitude" in " ".join(plot.mended)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (polygon(*RING[:-1]), "not closed"),
        (polygon(RING[0], *RING), "twice in a row"),
        (polygon(*[[x, y, 12.5] for x, y in RING]), "Heights were dropped"),
        (polygon(*[[x, y + 60] for x, y in RING]), "put in order"),
        ({"type": "LineString", "coordinates": RING}, "drawn as a closed line"),
        ({"type": "LineString", "coordinates": [*RING[:-1], [5.0, 51.0001]]}, "drawn as a closed line"),
        ({"type": "MultiLineString", "coordinates": [RING]}, "drawn as a closed line"),
        ({"type": "Polygon", "coordinates": RING}, "brackets"),
        (polygon(RING[0], RING[2], RING[1], RING[3], RING[0]), "2 parts kept"),
        (
            {"type": "MultiPolygon", "coordinates": [[RING], [[[x + 0.01, y] for x, y in RING]]]},
            "2 parts, kept as one plot",
        ),
        ({"type": "GeometryCollection", "geometries": [SQUARE, {"type": "Point", "coordinates": [5, 51]}]}, "left out"),
        ({"type": "Polygon", "coordinates": [RING, [[x + 1, y] for x, y in RING]]}, "hole outside the outline"),
        (polygon(RING[0], RING[1], [5.006, 51.0], *RING[1:]), "1 part kept"),
        (SQUARE, "had no id"),
    ],
)
def test_safe_mends_are_made_and_said(source: dict[str, object], sentence: str) -> None:
    (plot,) = load(source)
    assert sentence in " ".join(plot.mended)
    assert plot.geometry.is_valid and not plot.geometry.has_z
    assert plot.geometry.geom_type in ("Polygon", "MultiPolygon")


def test_mends_keep_the_area() -> None:
    whole = load(SQUARE)[0].area_ha
    bow_tie = load(polygon(RING[0], RING[2], RING[1], RING[3], RING[0]))[0]
    assert bow_tie.area_ha == pytest.approx(whole / 2, rel=1e-5)
    twice_round = load(polygon(*RING, *RING[1:]))[0]
    assert twice_round.area_ha == pytest.approx(whole, rel=1e-12)
    for away in ([[x + 1, y] for x, y in RING], [[x + 0.002, y + 0.0015] for x, y in RING]):
        holed = load({"type": "Polygon", "coordinates": [RING, away]})[0]
        left = shapely.Polygon(RING) - shapely.Polygon(away)
        assert holed.area_ha == pytest.approx(area_ha(left), rel=1e-9)
    overlapping = {"type": "MultiPolygon", "coordinates": [[RING], [[[x + 0.002, y] for x, y in RING]]]}
    assert load(overlapping)[0].area_ha == pytest.approx(whole * 1.5, rel=1e-9)


def test_swapped_axes_need_proof() -> None:
    swapped = polygon(*[[y, x] for x, y in RING])
    assert load(swapped)[0].geometry.centroid.y == pytest.approx(5, abs=0.01)
    assert "put in order" in said(swapped, near=TILES)
    assert load(swapped, near=TILES)[0].geometry.equals(shapely.geometry.shape(SQUARE))
    assert "put in order" not in said(swapped, near=(50, 4, 52, 6))
    assert "put in order" not in said(SQUARE, near=TILES)


NOT_FIELDS = [
    (None, "no geometry"),
    ({"type": "Point", "coordinates": [5, 51]}, "is a Point"),
    ({"type": "MultiPoint", "coordinates": RING}, "is a MultiPoint"),
    ({"type": "LineString", "coordinates": RING[:3]}, "open line"),
    ({"type": "LineString", "coordinates": RING[:1]}, "open line"),
    ({"type": "GeometryCollection", "geometries": []}, "empty collection"),
    ({"type": "Polygon", "coordinates": []}, "no coordinates|without rings"),
    ({"type": "Polygon", "coordinates": [[]]}, "fewer than three"),
    ({"type": "Polygon"}, "without rings|no coordinates"),
    ({"type": "MultiPolygon", "coordinates": []}, "no coordinates"),
    (polygon([5.0, 51.0], [math.nan, 51.0], [5.0, 51.1], [5.0, 51.0]), "not a finite number"),
    (polygon([5.0, 51.0], [math.inf, 51.0], [5.0, 51.1], [5.0, 51.0]), "not a finite number"),
    (polygon([5.0, 51.0], [10**400, 51.0], [5.0, 51.1], [5.0, 51.0]), "not a finite number"),
    (polygon([5.0, 51.0], ["5", 51.0], [5.0, 51.1], [5.0, 51.0]), "not a pair of numbers"),
    (polygon([5.0], [6.0], [7.0], [5.0]), "not a pair of numbers"),
    (polygon([600000, 5650000], [600200, 5650000], [600200, 5650100], [600000, 5650000]), "out of range"),
    (polygon([5.0, 51.0], [5.1, 51.0], [5.2, 51.0], [5.0, 51.0]), "no area"),
    (polygon([5.0, 51.0], [5.1, 51.0], [5.0, 51.0]), "fewer than three"),
    (polygon([5.0, 51.0], [5.0001, 51.0], [5.0001, 51.0001], [5.0, 51.0]), "at least 0.04 ha"),
    (polygon([5.0, 51.0], [6.0, 51.0], [6.0, 52.0], [5.0, 51.0]), "at most 10,000 ha"),
    (polygon([179.999, 51.0], [-179.999, 51.0], [-179.999, 51.003], [179.999, 51.0]), "180th meridian"),
    ({"type": "Square", "coordinates": [RING]}, "not a GeoJSON feature"),
    ("POLYGON((0 0))", "not a GeoJSON feature"),
]


@pytest.mark.parametrize(("geometry", "message"), NOT_FIELDS)
def test_what_is_no_field_is_refused_with_its_place(geometry: object, message: str) -> None:
    source = {"type": "FeatureCollection", "features": [feature(SQUARE, id=1), feature(geometry, id="bad one")]}
    with pytest.raises((PlotShapeError, PlotFileError), match=message) as caught:
        load(source)
    assert caught.value.subject == "the drawing, feature 2 (id bad one)"
    assert caught.value.remedy
    assert [p.id for p in load(source, skip_bad=True)] == ["1"]
    plots, problems = load_checked(source)
    assert len(plots) == 1 and [(p.place, p.id) for p in problems] == [(1, "bad one")]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"hello", "is not JSON.*line 1, column 1"),
        (b'{"type": "Polygon", "coordinates": [[[5, 51]', "is not JSON"),
        (b"\xff\xfe\x00\xd8", "is not JSON"),
        (b"3", "not GeoJSON"),
        (b"{}", "its type is None"),
        (b'{"type": "Topology"}', "its type is 'Topology'"),
        (b'{"type": ["Polygon"]}', "its type is a list"),
        (b'{"type": "FeatureCollection", "features": []}', "has no features"),
        (b'{"type": "FeatureCollection"}', "no list of features"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "has no features"),
    ],
)
def test_what_is_no_plot_file_is_refused(raw: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plot.geojson"
    path.write_bytes(raw)
    with pytest.raises(PlotFileError, match=message) as caught:
        load(path)
    assert caught.value.subject == "plot.geojson" and caught.value.remedy
    with pytest.raises(PlotFileError):
        load_checked(raw)


def test_paths_that_are_no_plot_file(tmp_path: Path) -> None:
    with pytest.raises(PlotFileError, match="no such file"):
        load(tmp_path / "none.geojson")
    with pytest.raises(PlotFileError, match="is a folder"):
        load(tmp_path)
    for bad in ("", "\0", "x" * 5000):
        with pytest.raises(PlotFileError):
            load(bad)
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"not a geopackage")
    with pytest.raises(PlotFileError, match="table of plots"):
        load(broken)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.geojson"
    with path.open("wb") as file:
        file.truncate(source_room.MAX_BYTES + 1_000_000)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("was read"))
    with pytest.raises(PlotFileError, match="51 MB; plot files may have at most 50 MB"):
        load(path)


@pytest.mark.parametrize("name", ["EPSG:999999", "my grid", "urn:ogc:def:crs:EPSG::abc", "", "+init=epsg:4326"])
def test_an_unknown_crs_is_named(name: str) -> None:
    with pytest.raises(PlotFileError, match="reference system is unknown"):
        load({**SQUARE, "crs": {"type": "name", "properties": {"name": name}}})


def test_many_corners_are_thinned_safely() -> None:
    turn = np.linspace(0, 2 * np.pi, 30_001)
    circle = np.column_stack([5 + 0.002 * np.cos(turn), 51 + 0.001 * np.sin(turn)])
    exact = area_ha(shapely.Polygon(circle))
    (plot,) = load(polygon(*circle.tolist()))
    assert "thinned" in " ".join(plot.mended)
    assert shapely.get_num_coordinates(plot.geometry) < 2000
    assert plot.area_ha == pytest.approx(exact, rel=2e-3)


corners = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda p: (5 + p[0] / 1e5, 51 + p[1] / 1e5)),
    min_size=4,
    max_size=9,
    unique=True,
)


@given(ring=corners, turn=st.integers(0, 8), back=st.booleans())
@settings(max_examples=150, deadline=None)
def test_ring_start_and_direction_change_nothing(ring: list[tuple[float, float]], turn: int, back: bool) -> None:
    turned = ring[turn % len(ring) :] + ring[: turn % len(ring)]
    turned = turned[::-1] if back else turned
    plots, _ = load_checked(polygon(*ring, ring[0]))
    others, _ = load_checked(polygon(*turned, turned[0]))
    assert [(p.area_ha, p.geometry.wkb, p.mended) for p in plots] == [
        (p.area_ha, p.geometry.wkb, p.mended) for p in others
    ]


@given(
    lon=st.floats(-179, 178),
    lat=st.floats(-80, 80),
    size=st.floats(0.001, 0.05),
    cut=st.floats(0.1, 0.9),
    tilt=st.floats(-0.3, 0.3),
)
@settings(max_examples=150, deadline=None)
def test_splitting_keeps_the_total_area(lon: float, lat: float, size: float, cut: float, tilt: float) -> None:
    whole = shapely.Polygon([(lon, lat), (lon + size, lat + size / 9), (lon + size, lat + size), (lon, lat + size / 2)])
    x = lon + cut * size
    knife = shapely.LineString([(x - tilt * size, lat - size), (x + tilt * size, lat + 2 * size)])
    parts = shapely.get_parts(shapely.ops.split(whole, knife))
    assert len(parts) >= 2
    assert sum(area_ha(p) for p in parts) == pytest.approx(area_ha(whole), rel=1e-9)
    assert area_ha(whole) == pytest.approx(densified_ha_of(whole, size), rel=1e-6)


def densified_ha_of(geometry: shapely.Geometry, size: float) -> float:
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(shapely.segmentize(geometry, size / 100))[0]) / 10_000


@given(raw=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_raise_only_plot_errors(raw: bytes) -> None:
    with pytest.raises(PlotError):
        load(raw)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-200, 200)
    | st.floats()
    | st.sampled_from(["Polygon", "EPSG:4326", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                ["type", "features", "geometry", "coordinates", "geometries", "crs", "id", "properties", "name"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
kinds = st.sampled_from([*sorted(source_room.GEOMETRIES), "Feature", "FeatureCollection"])


@given(kind=kinds, inner=json_values, other=json_values, outer=kinds)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_json_raises_only_plot_errors(kind: str, inner: object, other: object, outer: str) -> None:
    core = {"type": kind, "coordinates": inner, "geometries": inner, "features": inner, "crs": other, "id": other}
    for source in (core, {"type": outer, "geometry": core, "features": [core, other], "geometries": [core, other]}):
        for given_as in (source, json.dumps(source)):
            try:
                plots = load(given_as)
            except PlotError as error:
                assert error.subject and str(error)
            else:
                assert all(p.area_ha >= 0.04 and p.geometry.is_valid for p in plots)


def test_deep_collections_are_refused() -> None:
    deep: dict[str, object] = SQUARE
    for _ in range(5000):
        deep = {"type": "GeometryCollection", "geometries": [deep]}
    with pytest.raises(PlotFileError, match="nested too deeply"):
        load(deep)


def test_a_plot_outside_the_tiles_is_told_how_far() -> None:
    (plot,) = load(feature(SQUARE, id="far"))
    check_inside(plot, TILES)
    check_inside(plot, shapely.box(*TILES))
    with pytest.raises(PlotPlaceError, match=r"11\.1 km away.*from 4\.0000 to 5\.0000") as caught:
        check_inside(plot, (4.0, 51.103, 5.0, 51.5))
    assert caught.value.subject == "plot far"
    with pytest.raises(PlotPlaceError, match=r"50\.0% of it lies outside"):
        check_inside(plot, (5.002, 50.9, 5.2, 51.2))


def test_import_is_light() -> None:
    code = "import sys, greattit.plots; print(sorted({'geopandas', 'pandas', 'torch', 'pyproj'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_real_parcels_load(shared_data: Path) -> None:
    plots, problems = load_checked(shared_data / "scenes" / "flanders-2018" / "plots.geojson")
    assert len(plots) == 16 and not problems
    assert all(p.properties["crop"] for p in plots)
