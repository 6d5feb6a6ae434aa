"""The walk over a county in squares: no seams, each field once, whatever the workers, the squares and the zones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_scenes as ms
import numpy as np
import pytest
import shapely
from made_county import all_of, best_iou, found, in_memory, in_squares, inner_of, outlines_of, overlap_m2, sample
from scipy.ndimage import label
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from greattit import fields, tiles
from greattit.cube import open_stack
from greattit.cube.ingest import Job as Ingest
from greattit.cube.ingest import ingest
from greattit.errors import CubeError, PlotPlaceError, TilesError
from greattit.fields import finder, walk
from greattit.fields.objects import Found
from greattit.plots import area_ha, made
from greattit.plots.coverage import project
from greattit.plots.greenness import peak_ndvi
from greattit.plotscores.truth import polygons_of

if TYPE_CHECKING:
    from greattit.types import Cube

SEASON = (date(2023, 4, 1), date(2023, 9, 30))
ABOUT = fields.About("sample", date(2023, 9, 30), "made for a test")


def job_of(
    tiles: Path, area: BaseGeometry, since: date = SEASON[0], until: date = SEASON[1], **more: Any
) -> fields.Job:
    return fields.Job(str(tiles), area, since, until, **more)


@pytest.fixture(scope="module")
def county() -> made.County:
    return sample()


@pytest.fixture
def held(county: made.County) -> Iterator[made.County]:
    """The county in memory as the walk's tiles."""
    with in_memory(county):
        yield county


@pytest.fixture(scope="module")
def whole(county: made.County, sample_tiles: Path) -> list[Found]:
    """The fields of the county in one square."""
    with in_memory(county):
        return all_of(in_squares(job_of(sample_tiles, inner_of(county.cube)), 38_400.0))


@pytest.fixture(scope="module")
def pieces(county: made.County, sample_tiles: Path) -> list[fields.Square]:
    """The fields of the county in squares of 640 m."""
    with in_memory(county):
        return in_squares(job_of(sample_tiles, inner_of(county.cube)), 640.0)


def test_squares_leave_no_seam(county: made.County, whole: list[Found], pieces: list[fields.Square]) -> None:
    """Measured with squares of 640 m, where every third field meets a seam: 97 of 100 fields are the same."""
    assert len(pieces) >= 9 and [one.number for one in pieces] == list(range(1, len(pieces) + 1))
    crs = county.cube.attrs["crs"]
    one, many = outlines_of(whole, crs), outlines_of(all_of(pieces), crs)
    same = best_iou(one, many)
    assert (same >= 0.9).mean() > 0.9 and (same >= 0.5).mean() > 0.95
    assert (same < 0.1).mean() <= 0.01  # none is lost
    assert (best_iou(many, one) >= 0.9).mean() > 0.88
    assert overlap_m2(many) < 0.01
    assert abs(len(many) / len(one) - 1) < 0.06
    assert shapely.union_all(many).area == pytest.approx(shapely.union_all(one).area, rel=0.02)
    ground = area_ha(inner_of(county.cube)) / 100
    assert sum(square.km2 for square in pieces) == pytest.approx(ground, rel=1e-3)


def test_seams_draw_no_lines(county: made.County, pieces: list[fields.Square]) -> None:
    """No more border runs along the lines between squares than along other lines of the same length."""
    rims = shapely.boundary(outlines_of(all_of(pieces), county.cube.attrs["crs"]))
    _, _, west, _, _, north = county.cube.attrs["transform"]
    first = west // 640 * 640, north // 640 * 640 - 1920

    def along(offset: float) -> float:
        lines = [box(first[0] + 640 * k + offset - 4, 0, first[0] + 640 * k + offset + 4, 1e7) for k in range(5)]
        lines += [box(0, first[1] + 640 * k + offset - 4, 1e7, first[1] + 640 * k + offset + 4) for k in range(5)]
        return float(shapely.length(shapely.intersection(rims, shapely.union_all(lines))).sum())

    others = [along(offset) for offset in (160.0, 240.0, 320.0, 400.0, 480.0)]
    assert min(others) > 0 and along(0.0) < 1.5 * max(others)


def test_a_field_cut_off_at_a_seam_has_the_area_that_is_left() -> None:
    earlier = [(box(0, 0, 100, 100), found(box(0, 0, 100, 100)))]
    ((shape, one),) = walk._once([found(box(70, 0, 170, 100))], earlier)
    assert shape.equals(box(100, 0, 170, 100))
    assert walk._outlined(one, shape, shape.area).area_ha.p50 == pytest.approx(0.7)
    assert walk._outlined(one, shape, shape.area).area_90_ha == pytest.approx((0.56, 0.84))
    assert walk._once([found(box(40, 0, 140, 100))], earlier) == []  # most of it was given before
    ((beside, _),) = walk._once([found(box(100, 0, 200, 100))], earlier)
    assert beside.equals(box(100, 0, 200, 100))  # neighbours share a border, no ground


def test_only_fields_with_a_point_inside_the_area_are_given(
    held: made.County, pieces: list[fields.Square], sample_tiles: Path
) -> None:
    area = inner_of(held.cube).centroid.buffer(0.005)
    part = all_of(in_squares(job_of(sample_tiles, area), 640.0))
    inside = [found for found in all_of(pieces) if area.covers(shapely.point_on_surface(found.geometry))]
    assert 10 < len(part) < len(all_of(pieces))
    assert all(area.intersects(found.geometry) for found in part)
    crs = held.cube.attrs["crs"]
    assert (best_iou(outlines_of(inside, crs), outlines_of(part, crs)) >= 0.9).mean() > 0.9


def test_the_area_of_a_field_is_geodesic(county: made.County, whole: list[Found]) -> None:
    """The grid's metres are some 0.04 % short here; the area to be expected goes by the outline's on the ellipsoid."""
    for one in whole[:20]:
        grid = project(one.geometry, "EPSG:4326", county.cube.attrs["crs"])
        expected = finder.load().area(grid)["p50"] * area_ha(one.geometry) / (grid.area / 1e4)
        assert one.area_ha.p50 == pytest.approx(expected, rel=1e-6)


def test_two_walks_at_once_do_not_mix(held: made.County, sample_tiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "SIDE_M", 960.0)
    west, south, east, north = inner_of(held.cube).bounds
    half = box(west, south, (west + east) / 2, north)
    jobs = [job_of(sample_tiles, half), job_of(sample_tiles, box(west, south, east, north))]
    alone = [[[one.geometry for one in square.fields] for square in fields.delineate(job)] for job in jobs]
    walks = [fields.delineate(job) for job in jobs]
    mixed: list[list[list[BaseGeometry]]] = [[], []]
    for _ in range(2):
        for k, squares in enumerate(walks):
            mixed[k].append([one.geometry for one in next(squares).fields])
    assert mixed == [alone[0][:2], alone[1][:2]] and len(mixed[1][1]) > 3


def test_workers_change_no_byte(sample_tiles: Path, tmp_path: Path) -> None:
    """The whole walk from the tiles, two squares, of two months."""
    source = open_stack(sample_tiles)
    area = box(*source.bounds)
    files = []
    for workers in (1, 2):
        job = job_of(sample_tiles, area, date(2023, 6, 1), date(2023, 7, 31), workers=workers)
        squares: list[fields.Square] = []
        done = fields.write(fields.delineate(job), tmp_path / f"{workers}.parquet", ABOUT, squares.append)
        assert [one.of for one in squares] == [2, 2] and done.fields > 30
        files.append(done.path.read_bytes())
    assert files[0] == files[1]


def test_an_area_outside_the_tiles_is_refused(sample_tiles: Path) -> None:
    with pytest.raises(PlotPlaceError, match=r"lies outside the tiles, which reach from 3\.04") as caught:
        next(fields.delineate(job_of(sample_tiles, box(10, 50, 10.1, 50.1))))
    assert "name an area inside" in str(caught.value)


def test_a_span_without_looks_is_refused(sample_tiles: Path) -> None:
    area = box(3.05, 50.835, 3.055, 50.84)
    with pytest.raises(TilesError, match="has no Sentinel-2 scene"):
        next(fields.delineate(job_of(sample_tiles, area, date(2019, 1, 1), date(2019, 2, 1))))


def test_an_area_beyond_the_tiles_takes_no_squares_there(held: made.County, sample_tiles: Path) -> None:
    around = box(-20, 40, 30, 60)  # half of Europe
    squares = in_squares(job_of(sample_tiles, around), 3840.0)
    assert len(squares) <= 4 and sum(len(one.fields) for one in squares) > 50


def test_damage_is_not_taken_for_empty_land(
    held: made.County, sample_tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = walk._window

    def damaged(source: Any, shape: BaseGeometry, job: fields.Job) -> Cube:
        if shape.area > (0.02 * 0.5) ** 2:
            raise CubeError("a chunk of s2/fine is damaged")
        return window(source, shape, job)

    monkeypatch.setattr(walk, "_window", damaged)
    with pytest.raises(CubeError, match="damaged"):
        list(fields.delineate(job_of(sample_tiles, inner_of(held.cube))))


# --- two zones ------------------------------------------------------------------------------------------------------

ACROSS = ms.place(150, -1450, 2450, 1300)
"""inside the two tiles, the zone's border some way east of its middle"""


@pytest.fixture(scope="module")
def two_zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of a tile of zone 31, and one of zone 32 that begins 400 m before the first one ends."""
    bounds = (ms.EAST + 1200, ms.NORTH - 1600, ms.EAST + 2800, ms.NORTH)
    other = ms.around(bounds, "32UKB", margin_m=0)
    season = ms.season([ms.Tile(), other], days=4, every=25)
    return ms.write(tmp_path_factory.mktemp("zones") / "a", season)


def green(cube: Cube, *_: object) -> list[Found]:
    """Find what is green at some time, on the cube's grid: stands for the network, which has not seen such land."""
    peak = peak_ndvi(cube)
    shapes = polygons_of(label(np.nan_to_num(peak) > 0.55)[0].astype(np.int32), cube.attrs["transform"])
    return [found(shape) for shape in shapes.values()]


@pytest.mark.parametrize("kept", ["catalogue", "cube"])
def test_fields_of_two_zones_are_given_once(
    two_zones: Path, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "find", green)
    source = two_zones
    if kept == "cube":
        source = tmp_path / "cube"
        ingest(tiles.open_catalogue(two_zones), source, area=ms.place(-500, -4000, 5000, 5000), job=Ingest())
    job = job_of(source, ACROSS, date(2021, 1, 1), date(2021, 12, 31))
    shapes = outlines_of(all_of(in_squares(job, 1280.0)), ms.REFERENCE)
    assert overlap_m2(shapes) < 0.01
    inner = project(ACROSS, "EPSG:4326", ms.REFERENCE).buffer(-40)
    truth = [project(ms.field(east, south), "EPSG:4326", ms.REFERENCE) for east in range(9) for south in range(5)]
    whole = np.array([one for one in truth if inner.covers(one)], object)
    assert len(whole) >= 20 and min(whole[-1].bounds[2] - ms.EAST, 2400) > 2200
    assert (best_iou(whole, shapes) >= 0.8).all()
    one, _ = shapely.STRtree(shapes).query(shapely.buffer(whole, -30), predicate="intersects")
    assert np.bincount(one, minlength=len(whole)).max() == 1  # each field once
