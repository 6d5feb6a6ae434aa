"""Ingest: one best observation per pixel and pass, whatever the order, the pieces and the number of workers."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import made_scenes as ms
import numpy as np
import pytest
from shapely.geometry.base import BaseGeometry

from greattit import tiles
from greattit.cube.check import check
from greattit.cube.ingest import Ingested, Job, ingest, plan
from greattit.cube.store import Store, open_cube
from greattit.errors import CubeError
from greattit.tiles.scene import Catalogue
from greattit.types import BANDS

if TYPE_CHECKING:
    from greattit.types import Cube

YEAR = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
EVERYWHERE = ms.place(-500, -4000, 5000, 5000)
LEFT, RIGHT = ms.Tile(), ms.Tile("31UGS", west=ms.EAST + 1200)
"""two tiles that overlap by 400 m"""
BOTH_M = 2800.0
"""width of the two together"""
INNER, INNER_BOTH = ms.place(100, -1500, 1400, 1400), ms.place(150, -1450, BOTH_M - 300, 1300)
"""well inside one tile, and both"""


def catalogue(folder: Path, *products: ms.Made) -> Catalogue:
    return tiles.open_catalogue(ms.write(folder, products))


def content(cube: Path) -> str:
    found = check(open_cube(cube))
    assert found.problems == ()
    return found.content


def once(cube: Path, source: Catalogue, area: BaseGeometry | None = None, **job: object) -> Ingested:
    done = ingest(source, cube, area=area, job=Job(**job))  # type: ignore[arg-type]
    assert done.missing == ()
    return done


def whole(cube: Path, area: BaseGeometry) -> Cube:
    return open_cube(cube).read(area, **YEAR, margin_m=0)


def assert_is_the_ground(cube: Cube, days: int, *, near: float = 0.0) -> None:
    """Every pixel of every band and look is the made ground: to the count, or within `near`."""
    assert cube.sizes["time"] == days
    for band in BANDS:
        step = 10 if band in ms.FINE else 20
        x, y = np.meshgrid(cube["x"].values // step * step + step / 2, cube["y"].values // step * step + step / 2)
        for number, moment in enumerate(cube["time"].values.astype("datetime64[D]")):
            day = int((moment - moment.astype("datetime64[Y]")).astype(int)) + 1
            truth = np.round(1e4 * ms.reflectance(band, x, y, day)) / 1e4
            np.testing.assert_allclose(cube[band].values[number], truth, atol=near or 1e-6)


# --- again, later, in pieces, in any order --------------------------------------------------------------------------


def test_the_second_time_nothing_is_added(tmp_path: Path) -> None:
    source, cube = catalogue(tmp_path / "a", *ms.season(days=9)), tmp_path / "cube"
    first = once(cube, source)
    files = sorted(path for path in cube.rglob("*") if path.is_file())
    again = once(cube, source)
    assert (first.added, first.there, again.added, again.there) == (9, 0, 0, 9)
    assert again.snapshot == first.snapshot and len(open_cube(cube).index.passes) == 9
    assert sorted(path for path in cube.rglob("*") if path.is_file()) == files


def test_next_week_only_the_new_days_are_read_and_the_cube_is_the_one_of_a_single_ingest(tmp_path: Path) -> None:
    season = ms.season(days=11)
    now = catalogue(tmp_path / "a", *season[:5])
    old = once(tmp_path / "cube", now).snapshot
    later = tiles.open_catalogue(ms.write(tmp_path / "a", season[5:]))
    work = plan(later, tmp_path / "cube")
    assert ([task.overpass.when.date() for task in work.tasks], work.there) == ([m.when.date() for m in season[5:]], 5)
    assert once(tmp_path / "cube", later).added == 6
    once(tmp_path / "at once", later)
    assert content(tmp_path / "cube") == content(tmp_path / "at once")
    assert len(open_cube(tmp_path / "cube", as_of=old).index.passes) == 5


def test_order_workers_and_the_time_of_arrival_change_no_bit(tmp_path: Path) -> None:
    season = [*ms.season([LEFT, RIGHT], days=5), *ms.season(days=2, radar=True, platform="sentinel-1a")]
    random.Random(3).shuffle(season)
    source = catalogue(tmp_path / "a", *season)
    once(tmp_path / "one", source, EVERYWHERE, workers=1)
    once(tmp_path / "four", replace(source, scenes=source.scenes[::-1]), EVERYWHERE, workers=4)
    for part in (season[7:], season[:3], season):  # the later ones first; then all, as a folder that grows has them
        names = {made.id for made in part}
        once(tmp_path / "late", replace(source, scenes=tuple(s for s in source.scenes if s.id in names)), EVERYWHERE)
    assert content(tmp_path / "one") == content(tmp_path / "four") == content(tmp_path / "late")


def test_tiles_that_come_from_two_catalogues_one_after_the_other_make_one_look(tmp_path: Path) -> None:
    left, right = ms.season([LEFT, RIGHT], days=3)[::2], ms.season([LEFT, RIGHT], days=3)[1::2]
    sources = catalogue(tmp_path / "a", *left), catalogue(tmp_path / "b", *right)
    once(tmp_path / "at once", catalogue(tmp_path / "c", *left, *right), EVERYWHERE)
    for order in ((0, 1), (1, 0)):
        cube = tmp_path / f"cube {order}"
        for number in order:
            once(cube, sources[number], EVERYWHERE)
        assert [once(cube, source, EVERYWHERE).added for source in sources] == [0, 0]
        assert content(cube) == content(tmp_path / "at once")
        assert_is_the_ground(whole(cube, INNER_BOTH), 3)


def test_areas_that_join_have_no_seam_and_a_plot_across_them_reads_as_one(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "a", *ms.season([LEFT, RIGHT], days=3))
    west, east = ms.place(-100, -1700, 1500, 1900), ms.place(1400, -1700, 1500, 1900)
    once(tmp_path / "pieces", source, west)
    with_west = open_cube(tmp_path / "pieces")
    once(tmp_path / "pieces", source, east)
    assert once(tmp_path / "pieces", source, west.union(east)).added == 0
    once(tmp_path / "at once", source, west.union(east))
    assert content(tmp_path / "pieces") == content(tmp_path / "at once")
    across = ms.place(1000, -1200, 800, 600)
    assert_is_the_ground(whole(tmp_path / "pieces", across), 3)
    pieces, at_once = (open_cube(tmp_path / name).index for name in ("pieces", "at once"))
    assert [p.seen_ha for p in pieces.passes] == pytest.approx([p.seen_ha for p in at_once.passes], rel=1e-3)
    assert pieces.passes[0].seen_ha == BOTH_M * 1600 / 1e4 > with_west.index.passes[0].seen_ha
    assert pieces.extent == at_once.extent


# --- one best observation per pixel and pass ------------------------------------------------------------------------


def test_overlapping_tiles_of_one_pass_are_one_look_without_a_seam(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "a", *ms.season([LEFT, RIGHT], days=4))
    assert once(tmp_path / "cube", source).added == 4
    looks = open_cube(tmp_path / "cube").index.passes
    assert [sorted(p.tile for p in look.products) for look in looks] == [["31UFS", "31UGS"]] * 4
    assert [look.seen_ha for look in looks] == [BOTH_M * 1600 / 1e4] * 4  # ground seen by both counts once
    assert_is_the_ground(whole(tmp_path / "cube", INNER_BOTH), 4)


def test_satellites_of_one_day_are_looks_of_their_own(tmp_path: Path) -> None:
    other = replace(ms.Made(), platform="sentinel-2b", when=ms.FIRST + timedelta(minutes=5))
    once(tmp_path / "cube", catalogue(tmp_path / "a", ms.Made(), other))
    assert [look.platform for look in open_cube(tmp_path / "cube").index.passes] == ["sentinel-2a", "sentinel-2b"]


def two_zones(tmp_path: Path, days: int) -> Store:
    """A cube of a tile of zone 31, and one of zone 32 that begins 400 m before the first one ends."""
    bounds = (ms.EAST + 1200, ms.NORTH - 1600, ms.EAST + BOTH_M, ms.NORTH)
    other = ms.around(bounds, "32UKB", margin_m=0)
    once(tmp_path / "cube", catalogue(tmp_path / "a", *ms.season([LEFT, other], days=days)), EVERYWHERE)
    return open_cube(tmp_path / "cube")


def test_two_zones_are_one_look_and_what_lies_across_is_seen_whole(tmp_path: Path) -> None:
    store = two_zones(tmp_path, 2)
    assert [sorted(p.tile for p in look.products) for look in store.index.passes] == [["31UFS", "32UKB"]] * 2
    cube = whole(tmp_path / "cube", ms.place(150, -1450, 2450, 1300))
    assert cube["clear"].values.all()
    inside, _ = _away_from_edges(cube, 30)
    for band in ("B04", "B11"):
        x, y = np.meshgrid(cube["x"], cube["y"])
        error = np.abs(cube[band].values[1] - ms.reflectance(band, x, y, 96))
        assert error[inside].max() < 1e-3  # half a diagonal of a pixel of the ground's slope
    own = cube.sel(x=slice(ms.EAST, ms.EAST + 1600))
    assert_is_the_ground(own, 2)  # the zone's own pixels are not resampled, in the overlap neither


def _away_from_edges(cube: Cube, metres: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid((cube["x"].values - ms.EAST) % ms.PERIOD_M, (ms.NORTH - cube["y"].values) % ms.PERIOD_M)
    east, south = (np.minimum(np.abs(v - ms.FIELD_M), np.minimum(v, ms.PERIOD_M - v)) for v in (x, y))
    return np.minimum(east, south) > metres, (x < ms.FIELD_M) & (y < ms.FIELD_M)


def test_the_two_halves_of_a_swath_edge_fill_each_other(tmp_path: Path) -> None:
    """Two products of one tile and pass, each blank beyond a slanted line, as at the change of a datastrip."""
    halves = [ms.Made(name="west", seen=(-1e9, 700)), ms.Made(name="east", seen=(600, 1e9))]
    once(tmp_path / "cube", catalogue(tmp_path / "a", *halves))
    (look,) = open_cube(tmp_path / "cube").index.passes
    assert {p.id for p in look.products} == {"west", "east"} and look.seen_ha == 256
    assert_is_the_ground(whole(tmp_path / "cube", INNER), 1)


def test_halves_fill_each_other_whatever_bands_are_asked_for(tmp_path: Path) -> None:
    halves = [ms.Made(name="west", seen=(-1e9, 700)), ms.Made(name="east", seen=(600, 1e9))]
    ingest(catalogue(tmp_path / "a", *halves), tmp_path / "cube", bands=("B03", "B08"))
    assert open_cube(tmp_path / "cube").index.passes[0].seen_ha == 256


def test_beyond_the_swath_nothing_is_seen_and_nothing_is_made_up(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "a", ms.Made(seen=(800, 1e9)), ms.Made(when=ms.FIRST + timedelta(days=5)))
    once(tmp_path / "cube", source)
    cube = whole(tmp_path / "cube", INNER)
    x, y = np.meshgrid(cube["x"] - ms.EAST, cube["y"] - ms.NORTH)
    seen = x + 0.2 * y >= 800
    assert np.array_equal(np.isfinite(cube["B04"].values[0]), seen) and np.isfinite(cube["B04"].values[1]).all()
    assert not (cube["clear"].values[0] & ~seen).any()


def test_a_look_that_sees_nothing_of_the_area_is_no_damage_and_is_not_shown(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "a", ms.Made(), ms.Made(when=ms.FIRST + timedelta(days=5), seen=(1500, 1e9)))
    area = ms.place(100, -900, 800, 800)
    once(tmp_path / "cube", source, area)
    assert once(tmp_path / "cube", source, area).added == 0
    assert check(open_cube(tmp_path / "cube")).problems == ()
    assert open_cube(tmp_path / "cube").last_day == ms.FIRST.date()


def test_a_product_listed_twice_under_two_names_counts_once(tmp_path: Path) -> None:
    twin = ms.Made(name="twin")
    once(tmp_path / "cube", catalogue(tmp_path / "a", ms.Made(), twin))
    (look,) = open_cube(tmp_path / "cube").index.passes
    assert len(look.products) == 1
    assert_is_the_ground(whole(tmp_path / "cube", INNER), 1)


def test_two_cut_outs_of_one_tile_are_both_read_though_one_was_made_later(tmp_path: Path) -> None:
    """Of one overpass: what somebody downloaded around two farms, in two years."""
    west = ms.Made(name="west", tile=ms.Tile(columns=80), baseline="02.14", offset=0.0)
    east = ms.Made(name="east", tile=ms.Tile(west=ms.EAST + 800, columns=80), created="2023-02-01T00:00:00Z")
    sources = [catalogue(tmp_path / "w", west), catalogue(tmp_path / "e", east), catalogue(tmp_path / "b", west, east)]
    for order in ((2,), (0, 1), (1, 0)):
        cube = tmp_path / f"cube {order}"
        for number in order:
            once(cube, sources[number], EVERYWHERE)
        assert_is_the_ground(whole(cube, INNER), 1)
        assert content(cube) == content(tmp_path / "cube (2,)")


def test_the_newest_processing_counts_whichever_came_first(tmp_path: Path) -> None:
    old = ms.Made(name="old", baseline="02.14", offset=0.0, more=0.03)
    new = ms.Made(name="new", baseline="05.00", created="2023-02-01T00:00:00Z")
    sources = {made.name: catalogue(tmp_path / f"source {made.name}", made) for made in (old, new)}
    sources["both"] = catalogue(tmp_path / "two", old, new)
    for order in (["both"], ["old", "new"], ["new", "old"], ["old", "both"], ["new", "both"], ["both", "old"]):
        cube = tmp_path / "-".join(order)
        for name in order:
            once(cube, sources[name], EVERYWHERE)
        (look,) = open_cube(cube).index.passes
        assert [p.id for p in look.products] == ["new"], order
        assert_is_the_ground(whole(cube, INNER), 1)
        assert content(cube) == content(tmp_path / "both")


def test_a_product_made_anew_under_its_name_is_read_again_and_the_old_snapshot_keeps_the_old(tmp_path: Path) -> None:
    cube, spot = tmp_path / "cube", ms.place(300, -700, 200, 200)
    before = once(cube, catalogue(tmp_path / "a", ms.Made(baseline="02.14", offset=0.0, more=0.03)))
    after = once(cube, catalogue(tmp_path / "b", ms.Made(baseline="05.00", created="2023-02-01T00:00:00Z")))
    assert after.added == 1 and after.snapshot != before.snapshot
    old, new = (open_cube(cube, as_of=done.snapshot).read(spot, **YEAR) for done in (before, after))
    np.testing.assert_allclose(old["B08"].values - new["B08"].values, 0.03, atol=1e-6)
    assert old.attrs["snapshot"] == before.snapshot and [
        p.baseline for p in open_cube(cube).index.passes[0].products
    ] == ["05.00"]


def test_a_neighbour_whose_box_reaches_the_area_and_whose_pixels_do_not_is_read_once(tmp_path: Path) -> None:
    """Boxes are in degrees and lie askew to the zone, so that each tile's box reaches some way into the next."""
    edge = -(-ms.EAST // 1280) * 1280 + 1280  # of a cell, as far as the window of the area can reach
    own, next_one = ms.Tile(west=edge - 1280, columns=128), ms.Tile("31UGS", west=edge)
    source, area = catalogue(tmp_path / "a", *ms.season([own, next_one], days=2)), ms.place(400, -900, 400, 400)
    assert plan(source, tmp_path / "cube", area=area).products == 4
    assert once(tmp_path / "cube", source, area).added == 2
    assert [len(look.products) for look in open_cube(tmp_path / "cube").index.passes] == [1, 1]
    again = once(tmp_path / "cube", source, area)
    assert (again.added, again.there) == (0, 2) and plan(source, tmp_path / "cube", area=area).products == 0


# --- counts ---------------------------------------------------------------------------------------------------------

FORMS = {
    "old": ms.Made(baseline="02.14", offset=0.0),
    "new": ms.Made(baseline="04.00", offset=-0.1),
    "harmonised": ms.Made(baseline="04.00", offset=-0.1, harmonised=True),
}


def test_one_field_in_all_forms_of_counts_has_one_reflectance_to_the_bit(tmp_path: Path) -> None:
    """Both baselines, and with the 1000 counts taken away already: through the folder and through the cube."""
    found = {}
    for name, made in FORMS.items():
        source = catalogue(tmp_path / name, made)
        once(tmp_path / f"{name} cube", source)
        found[name, "folder"] = tiles.read(source, ms.field(1, 1), **YEAR)
        found[name, "cube"] = open_cube(tmp_path / f"{name} cube").read(ms.field(1, 1), **YEAR)
    first, *others = found.values()
    assert 0.03 < float(first["B04"].mean()) < 0.12
    for other in others:
        for band in BANDS:
            np.testing.assert_array_equal(first[band].values, other[band].values)
    assert len({cube.attrs["cube_id"] for cube in found.values()}) == 1


def test_level_1c_has_no_classes_and_all_it_sees_counts_as_unclassified(tmp_path: Path) -> None:
    once(tmp_path / "cube", catalogue(tmp_path / "a", ms.Made(level="L1C", seen=(200, 1e9))))
    (look,) = open_cube(tmp_path / "cube").index.passes
    assert look.products[0].level == "L1C" and look.clear > 0.98
    cube = whole(tmp_path / "cube", INNER)
    assert set(np.unique(cube["scl"])) == {0, 7}
    seen = np.isfinite(cube["B04"].values) & np.isfinite(cube["B05"].values)
    assert not (cube["clear"].values & ~seen).any() and cube["clear"].values.sum() > 0.98 * seen.sum()


@pytest.mark.parametrize("bands", [("B04", "B08"), ("B11",)])
def test_level_1c_with_some_of_its_bands_is_clear_where_these_see(tmp_path: Path, bands: tuple[str, ...]) -> None:
    ingest(catalogue(tmp_path / "a", ms.Made(level="L1C")), tmp_path / "cube", bands=bands)
    assert open_cube(tmp_path / "cube").index.passes[0].clear == 1
    assert whole(tmp_path / "cube", INNER)["clear"].values.all()


# --- what is missing or refused -------------------------------------------------------------------------------------


def test_a_band_that_is_missing_is_named_and_had_later(tmp_path: Path) -> None:
    season = ms.season([LEFT, RIGHT], days=2)
    source = catalogue(tmp_path / "a", *season)
    file = tmp_path / "a" / season[1].id / "nir.tif"
    kept = file.read_bytes()
    file.unlink()
    done = ingest(source, tmp_path / "cube", area=EVERYWHERE)
    assert [text.partition(":")[0] for text in done.missing] == [season[1].id] and done.added == 2
    assert check(open_cube(tmp_path / "cube")).problems == ()
    file.write_bytes(kept)
    assert once(tmp_path / "cube", source, EVERYWHERE).added == 1
    once(tmp_path / "at once", source, EVERYWHERE)
    assert content(tmp_path / "cube") == content(tmp_path / "at once")


def test_some_of_the_bands_are_kept_and_other_bands_are_refused(tmp_path: Path) -> None:
    source, cube = catalogue(tmp_path / "a", *ms.season(days=2)), tmp_path / "cube"
    ingest(source, cube, bands=("B04", "B08"))
    found = open_cube(cube).read(ms.field(1, 1), **YEAR)
    assert {"B04", "B08", "scl", "clear"} <= set(found) and "B11" not in found and found["clear"].values.all()
    with pytest.raises(CubeError, match="holds the bands B04, B08"):
        ingest(source, cube, bands=BANDS)
    assert ingest(source, cube).added == 0  # without a word the cube's own bands are meant
    assert len(open_cube(cube).index.passes) == 2


def test_a_folder_of_other_things_and_a_far_area_are_refused(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "a", ms.Made())
    with pytest.raises(CubeError, match="folder of other things"):
        ingest(source, tmp_path / "a")
    once(tmp_path / "cube", source)
    china = ms.place(9_000_000, 0, 1000, 1000)
    with pytest.raises(CubeError, match="too far from the cube's zone"):
        ingest(source, tmp_path / "cube", area=china)


def test_nothing_is_left_beside_the_cube(tmp_path: Path) -> None:
    once(tmp_path / "cube", catalogue(tmp_path / "a", *ms.season(days=3)))
    assert {path.name for path in (tmp_path / "cube").iterdir()} == {"icechunk", ".ingest"}
    assert {path.name for path in (tmp_path / "cube" / ".ingest").iterdir()} <= {"lock"}
