"""Claims that do not fit: each planted misfit is named, true fields are left alone, and nothing unseen is guessed."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import affinity
from typer.testing import CliRunner

from greattit import clouds, plots, policy
from greattit.claims import Claimed, Misfit, misfits, outline_misfits
from greattit.claims.likeness import fits, laid_over, outlines, profile, signatures, vertices_fit
from greattit.claims.shape import flat, length_over_width, sliver
from greattit.cube import open_stack, read_window
from greattit.errors import PlotPlaceError
from greattit.plots.area import area_ha
from greattit.plots.coverage import coverage, project
from greattit.plots.drawing import SURVEYED, draw_sloppily
from greattit.types import Plot

if TYPE_CHECKING:
    from greattit.types import Cube

UTM = "EPSG:32631"
DAY = date(2023, 8, 20)
CORNER = (503000.0, 5631000.0)
"""South-west corner of the sample county [m]"""


def plot(shape: shapely.Geometry, name: str = "drawn") -> Plot:
    """A plot from metres in the sample county's grid."""
    geometry = project(shape, UTM, "EPSG:4326")
    return Plot(name, geometry, area_ha(geometry))


@pytest.fixture(scope="module")
def county(sample_tiles: Path) -> Cube:
    """The whole sample county up to DAY, unclouded."""
    stack = open_stack(sample_tiles)
    west, south, east, north = stack.bounds
    inner = shapely.box(west + 2e-4, south + 2e-4, east - 2e-4, north - 2e-4)
    return clouds.refine(read_window(stack, inner, since=date(2023, 1, 1), until=DAY))


@pytest.fixture(scope="module")
def fields(sample_tiles: Path) -> list[Plot]:
    return plots.load(sample_tiles / "plots.geojson")


def window(cube: Cube, drawn: Plot, margin: float = 60.0) -> Cube:
    """The part of a cube that an appraisal reads around a plot."""
    west, south, east, north = project(drawn.geometry, "EPSG:4326", UTM).bounds
    a, _, left, _, e, top = cube.attrs["transform"]
    columns = slice(max(int((west - margin - left) // a), 0), int((east + margin - left) // a) + 1)
    rows = slice(max(int((top - north - margin) // a), 0), int((top - south + margin) // a) + 1)
    part = cube.isel(x=columns, y=rows)
    return part.assign_attrs(transform=(a, 0.0, left + a * columns.start, 0.0, e, top + e * rows.start))


def check(cube: Cube, shape: shapely.Geometry, **options: object) -> dict[str, Misfit]:
    drawn = plot(shape)
    part = window(cube, drawn)
    found = misfits(drawn, plots.cut(drawn, part, drawing=SURVEYED), part, **options)  # type: ignore[arg-type]
    assert [one.code for one in found] == sorted(one.code for one in found)
    return {one.code: one for one in found}


def metres(field: Plot) -> shapely.Geometry:
    return project(field.geometry, "EPSG:4326", UTM)


def outside_fields(sample_tiles: Path, cube: Cube, *, wet: bool | None = None) -> np.ndarray:
    """Pixels without any field (fields.tif), to plant claims on."""
    import rasterio

    with rasterio.open(sample_tiles / "fields.tif") as raster:
        numbers = raster.read(1)
    free = (numbers.reshape(160, 5, 160, 5) == 0).all(axis=(1, 3))
    assert free.shape == (cube.sizes["y"], cube.sizes["x"])
    return free


def squares(mask: np.ndarray, side: int) -> list[shapely.Geometry]:
    """Squares of `side` pixels all of which are in the mask, apart from each other."""
    from scipy.ndimage import minimum_filter

    whole = minimum_filter(mask, side, origin=-(side // 2) if side % 2 == 0 else 0)
    found: list[shapely.Geometry] = []
    taken = np.zeros(mask.shape, bool)
    for row, column in np.argwhere(whole):
        top, left = row - (side // 2 if side % 2 else 0), column - (side // 2 if side % 2 else 0)
        here = np.s_[max(top, 0) : top + side, max(left, 0) : left + side]
        if mask[here].sum() == side * side and not taken[here].any():
            taken[here] = True
            x, y = CORNER[0] + 10 * left, CORNER[1] + 1600 - 10 * top
            found.append(shapely.box(x, y - 10 * side, x + 10 * side, y))
    return found


# ground


def test_no_true_field_is_refused_and_next_to_none_is_doubted(county: Cube, fields: list[Plot]) -> None:
    said = Counter(
        one.severity for field in [*fields[::4], fields[66]] for one in check(county, metres(field)).values()
    )
    assert said["refuses"] == 0
    assert said["lowers"] <= 1  # one field lay half under a flood: its halves look like two crops


def test_sloppy_drawings_of_true_fields_are_seldom_refused(county: Cube, fields: list[Plot]) -> None:
    drawings = [draw_sloppily(metres(field), seed) for seed, field in enumerate(fields[::4])]
    refused = [any(one.severity == "refuses" for one in check(county, drawing).values()) for drawing in drawings]
    assert sum(refused) <= 0.05 * len(drawings)


def test_claims_on_land_without_fields_say_what_lies_there(county: Cube, sample_tiles: Path) -> None:
    """Squares of 50 m off the fields lie in the wood, the village, gardens and verges, and most is named."""
    free = squares(outside_fields(sample_tiles, county), 5)[::3]
    assert len(free) >= 20
    grounds = Counter()
    for shape in free:
        found = check(county, shape).get("no_crop")
        grounds[str(found.evidence["ground"]) if found and found.severity == "refuses" else "none"] += 1
    assert grounds["trees"] >= 1
    assert grounds["buildings"] >= 8
    assert grounds["none"] <= 0.2 * len(free)


def test_open_water_is_water(county: Cube, fields: list[Plot]) -> None:
    """The darkest ground of the county in short-wave infrared is its pond."""
    swir = county["B11"].where(county["clear"]).median("time").values
    row, column = np.unravel_index(np.nanargmin(swir), swir.shape)
    x, y = CORNER[0] + 10 * column + 5, CORNER[1] + 1600 - 10 * row - 5
    found = check(county, shapely.Point(x, y).buffer(14))["no_crop"]
    assert (found.evidence["ground"], found.severity) == ("water", "refuses")
    assert float(found.evidence["peak_ndvi"]) < 0.5


def bare(cube: Cube, drawn: Plot) -> Cube:
    """The same land where the drawing shows its barest spring look all season, wetter and drier from look to look."""
    inside = coverage([project(drawn.geometry, "EPSG:4326", UTM)], cube).toarray()[0].reshape(cube.sizes["y"], -1) > 0
    changed = cube.copy(deep=True)
    soil = {"B02": 0.07, "B03": 0.09, "B04": 0.115, "B08": 0.17, "B11": 0.24, "B12": 0.19}
    rng = np.random.default_rng(7)
    wetness = rng.uniform(0.6, 1.2, cube.sizes["time"])
    for name, value in soil.items():
        looks = changed[name].values
        grain = rng.normal(1.0, 0.02, (int(inside.sum()),))
        looks[:, inside] = np.where(np.isfinite(looks[:, inside]), value * wetness[:, None] * grain, np.nan)
    return changed


def test_a_bare_field_is_bare_and_not_built(county: Cube, fields: list[Plot]) -> None:
    field = max(fields, key=lambda one: one.area_ha)
    part = bare(window(county, field), field)
    found = {one.code: one for one in misfits(field, plots.cut(field, part, drawing=SURVEYED), part)}
    assert found["bare"].severity == "refuses"
    assert found["bare"].evidence["ground"] == "bare soil"
    assert "no_crop" not in found


def test_a_field_not_yet_sown_is_not_called_bare(county: Cube, fields: list[Plot]) -> None:
    """Until the end of June maize, beet and potatoes may look as if nothing grew."""
    field = max(fields, key=lambda one: one.area_ha)
    part = bare(window(county, field), field).sel(time=slice("2023-01-01", "2023-06-01"))
    found = {one.code for one in misfits(field, plots.cut(field, part, drawing=SURVEYED), part)}
    assert not found & {"bare", "no_crop"}


def test_without_a_clear_look_nothing_is_said_of_the_ground(county: Cube, sample_tiles: Path) -> None:
    dark = county.assign(clear=county["clear"] & False)
    for shape in squares(outside_fields(sample_tiles, county), 5)[:5]:
        assert not check(dark, shape)


def test_a_plot_outside_the_cube_is_an_error_and_its_outline_is_still_checked(county: Cube, fields: list[Plot]) -> None:
    far = plot(affinity.translate(metres(fields[0]), 20_000, 0))
    segment = plots.cut(fields[0], window(county, fields[0]), drawing=SURVEYED)
    with pytest.raises(PlotPlaceError, match="outside the tiles"):
        misfits(far, segment, county)
    assert "copied" in {one.code for one in outline_misfits(far, claimed=fields, day=DAY)}


# several fields


def neighbours(fields: list[Plot], count: int) -> list[tuple[Plot, Plot, shapely.Geometry]]:
    """Pairs of neighbouring fields of different crops and of like size, drawn as one."""
    shapes = [metres(field) for field in fields]
    found = []
    for i, one in enumerate(shapes):
        for j in range(i + 1, len(shapes)):
            other, areas = shapes[j], sorted((one.area, shapes[j].area))
            if one.distance(other) > 14 or areas[0] < 0.35 * sum(areas):
                continue
            if fields[i].properties["crop"] == fields[j].properties["crop"]:
                continue
            if one.buffer(8).intersection(other.buffer(8)).area > 800:
                joined = one.union(other).buffer(9, join_style="mitre").buffer(-9, join_style="mitre").simplify(1)
                found.append((fields[i], fields[j], joined))
    return found[:count]


def test_two_fields_of_different_crops_drawn_as_one_are_told(county: Cube, fields: list[Plot]) -> None:
    pairs = neighbours(fields, 10)
    assert len(pairs) == 10
    found = [check(county, joined).get("several_fields") for _, _, joined in pairs]
    assert sum(one is not None for one in found) >= 0.8 * len(pairs)
    for one in found:
        if one is not None:
            assert abs(float(one.evidence["ndvi_one"]) - float(one.evidence["ndvi_other"])) >= 0.2
            assert str(one.evidence["day"]).startswith("2023-")


def test_fields_handed_in_are_believed(county: Cube, fields: list[Plot]) -> None:
    """With the fields around known, a drawing of one holds one, and a drawing around many is larger than any."""
    known = [field.geometry for field in fields]
    assert not check(county, metres(fields[20]), fields=known)
    middle = shapely.Point(CORNER[0] + 800, CORNER[1] + 800)
    near = sorted(fields, key=lambda field: metres(field).distance(middle))[:25]
    around = shapely.union_all([metres(field) for field in near]).convex_hull
    found = check(county, around, fields=known)["too_large"]
    assert float(found.evidence["largest_share"]) < 0.334
    assert float(found.evidence["fields"]) >= 3


# the plots of others


def wobbly(seed: int, *, corners: int = 9, size: float = 90.0) -> shapely.Geometry:
    """An irregular field, in metres in the sample county's grid."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * math.pi, corners, endpoint=False) + rng.uniform(-0.2, 0.2, corners)
    reach = size * rng.uniform(0.6, 1.3, corners)
    ring = np.column_stack([1.4 * reach * np.cos(angles), reach * np.sin(angles)])
    middle = CORNER[0] + 600 * (seed % 40), CORNER[1] + 600 * (seed // 40)
    return affinity.translate(shapely.Polygon(ring), *middle)


POOL = [plot(wobbly(seed), f"claimed-{seed}") for seed in range(400)]
INDEX = Claimed(POOL)
CHECKS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CHECKS
@given(st.integers(0, 399), st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))
def test_a_copy_shifted_by_up_to_a_metre_is_always_found(number: int, east: float, north: float) -> None:
    found = outline_misfits(plot(affinity.translate(wobbly(number), east, north)), claimed=INDEX, day=DAY)
    by = {one.code: one for one in found}
    assert by["copied"].evidence["plot"] == f"claimed-{number}"
    assert by["copied"].evidence["where"] == "same place"
    assert by["copied"].share >= 0.9
    assert by["overlap"].severity == "refuses"


@CHECKS
@given(st.floats(20, 400), st.floats(20, 400), st.floats(0, 360), st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))
def test_a_plain_or_narrow_copy_shifted_by_up_to_a_metre_is_found_too(
    long: float, wide: float, turn: float, east: float, north: float
) -> None:
    shape = affinity.translate(affinity.rotate(shapely.box(0, 0, long, wide), turn), *CORNER)
    found = outline_misfits(plot(affinity.translate(shape, east, north)), claimed=[*POOL[500:], plot(shape)], day=DAY)
    assert "copied" in {one.code for one in found}


@CHECKS
@given(st.integers(0, 399), st.floats(0, 360), st.booleans(), st.floats(3e4, 2e5))
def test_a_copy_moved_turned_and_mirrored_is_found(number: int, turn: float, mirrored: bool, away: float) -> None:
    shape = affinity.scale(wobbly(number), -1 if mirrored else 1, 1)
    moved = affinity.translate(affinity.rotate(shape, turn), away, 1e4)
    found = {one.code: one for one in outline_misfits(plot(moved), claimed=INDEX, day=DAY)}
    assert found["copied"].evidence["plot"] == f"claimed-{number}"
    assert found["copied"].evidence["where"] == "elsewhere"
    assert "overlap" not in found


def test_copies_with_shaky_corners_are_found_and_other_fields_are_not() -> None:
    rng = np.random.default_rng(3)
    hits = Counter[float]()
    for noise in (1.0, 2.0):
        for number in range(0, 400, 8):
            corners = shapely.get_coordinates(wobbly(number))[:-1]
            shaken = shapely.Polygon(corners + rng.normal(0, noise, corners.shape)).buffer(0)
            elsewhere = affinity.rotate(affinity.translate(shaken, 5e4, 0), float(rng.uniform(0, 360)))
            hits[noise] += any(copy.place == number for copy in INDEX.copies(plot(elsewhere), 0.9))
    assert hits[1.0] >= 49
    assert hits[2.0] >= 45
    others = [plot(affinity.translate(wobbly(seed), 5e4, 0)) for seed in range(1000, 1100)]
    assert sum(bool(INDEX.copies(one, 0.9)) for one in others) <= 1


def test_rectangles_of_one_size_elsewhere_are_no_copies_unless_the_same_to_a_hand() -> None:
    claimed = Claimed([plot(affinity.translate(shapely.box(0, 0, 200 + k, 100), *CORNER), str(k)) for k in range(40)])
    other = plot(affinity.translate(affinity.rotate(shapely.box(0, 0, 205.5, 101), 30), CORNER[0] + 9e4, CORNER[1]))
    assert claimed.copies(other, 0.9) == []


@CHECKS
@given(st.integers(0, 399), st.integers(0, 399))
def test_disjoint_plots_are_never_said_to_overlap(one: int, other: int) -> None:
    first, second = plot(wobbly(one)), plot(wobbly(other))
    found = {misfit.code for misfit in outline_misfits(first, claimed=[second], day=DAY)}
    assert ("overlap" in found) == (one == other)
    assert first.geometry.disjoint(second.geometry) == (one != other)


@CHECKS
@given(st.integers(0, 399), st.integers(0, 8), st.booleans(), st.floats(0, 30))
def test_where_a_ring_begins_and_which_way_it_runs_changes_nothing(
    number: int, start: int, backwards: bool, shift: float
) -> None:
    corners = shapely.get_coordinates(affinity.translate(wobbly(number), shift, shift))[:-1]
    turned = np.roll(corners[::-1] if backwards else corners, start, axis=0)
    plain, changed = (plot(shapely.Polygon(ring)) for ring in (corners, turned))
    changed = dataclasses.replace(changed, area_ha=plain.area_ha)
    assert outline_misfits(plain, claimed=INDEX, day=DAY) == outline_misfits(changed, claimed=INDEX, day=DAY)


def test_vertex_order_changes_no_figure_of_the_ground(county: Cube, fields: list[Plot]) -> None:
    _, _, joined = neighbours(fields, 1)[0]
    corners = shapely.get_coordinates(joined)[:-1]
    backwards = shapely.Polygon(np.roll(corners[::-1], 3, axis=0))
    one, other = check(county, joined), check(county, backwards)
    assert one
    assert {code: (m.share, m.severity, m.text, dict(m.evidence)) for code, m in one.items()} == {
        code: (m.share, m.severity, m.text, dict(m.evidence)) for code, m in other.items()
    }


@CHECKS
@given(st.integers(0, 300), st.floats(-math.pi, math.pi), st.booleans())
def test_shapes_are_compared_whatever_their_turn(number: int, turn: float, mirrored: bool) -> None:
    rings, starts, middles = outlines([POOL[number].geometry])
    assert np.allclose(middles[0], shapely.get_coordinates(POOL[number].geometry.centroid)[0], atol=1e-7)
    other = (np.conj(rings)[::-1] if mirrored else rings) * np.exp(1j * turn)
    assert np.allclose(signatures(rings, starts), signatures(other, starts), rtol=1e-9)
    apart, found, was_mirrored = vertices_fit(rings, other)
    assert apart < 1e-3
    likeness = laid_over(rings, other, turn=found, mirrored=was_mirrored)
    assert (likeness.iou > 0.999) and (likeness.furthest_m < 0.1)
    assert fits(profile(rings), profile(other)[None]).apart_m[0] < 2.0


# the outline


@pytest.mark.parametrize(("wide", "severity"), [(12.0, "refuses"), (19.0, "refuses"), (20.5, None), (60.0, None)])
def test_a_strip_narrower_than_two_pixels_is_a_sliver(wide: float, severity: str | None) -> None:
    found = sliver(shapely.box(0, 0, 300, wide), policy.load("claims").on(DAY))
    assert (found.severity if found else None) == severity
    if found:
        assert found.evidence["widest_m"] == pytest.approx(wide, abs=0.3)
        assert found.evidence["length_over_width"] == pytest.approx(300 / wide, rel=0.01)


def test_the_length_of_a_rectangle_over_its_width() -> None:
    assert length_over_width(shapely.box(0, 0, 50, 10)) == pytest.approx(5.0)
    assert length_over_width(shapely.Point(0, 0).buffer(10)) == pytest.approx(1.0, abs=0.1)
    assert flat(plot(affinity.translate(shapely.box(0, 0, 120, 80), *CORNER)).geometry).area == pytest.approx(
        9600, rel=2e-3
    )


def test_a_plot_in_another_county_says_how_much_and_where() -> None:
    home = project(affinity.translate(shapely.box(0, 0, 1000, 1000), *CORNER), UTM, "EPSG:4326")
    across = plot(affinity.translate(shapely.box(900, 0, 1100, 100), *CORNER))
    inside, half, away = (affinity.translate(across.geometry, shift, 0) for shift in (-0.002, 0.0, 0.5))
    verdicts = [
        outline_misfits(dataclasses.replace(across, geometry=one), county=home, day=DAY) for one in (inside, half, away)
    ]
    assert verdicts[0] == ()
    assert verdicts[1][0].share == pytest.approx(0.5, abs=0.02)
    assert (verdicts[2][0].code, verdicts[2][0].share) == ("outside_county", pytest.approx(1.0))
    assert 30 < float(verdicts[2][0].evidence["distance_km"]) < 40
    assert verdicts[2][0].evidence["place"] == "Flanders"


# real land


def test_real_fields_of_flanders_are_left_alone_and_the_town_is_seen(shared_data: Path) -> None:
    folder = shared_data / "scenes" / "flanders-2018"
    stack = open_stack(folder)
    west, south, east, north = stack.bounds
    cube = clouds.refine(
        read_window(stack, shapely.box(west, south, east, north), since=date(2018, 1, 1), until=date(2018, 8, 20))
    )
    real = [field for field in plots.load(folder / "plots.geojson") if field.area_ha > 0.3]
    for field in real:
        found = misfits(field, plots.cut(field, cube, drawing=SURVEYED), cube)
        assert not {one.code for one in found if one.severity == "refuses"} & {"no_crop", "bare", "too_large"}, found
    town = plot(shapely.box(501370, 5629400, 501470, 5629500))
    said = {one.code: one for one in misfits(town, plots.cut(town, cube, drawing=SURVEYED), cube)}
    assert said["no_crop"].evidence["ground"] == "buildings"


# the command


def test_the_command_prints_each_plot_and_its_evidence(sample_tiles: Path, tmp_path: Path, fields: list[Plot]) -> None:
    from greattit.commands.claims import claims

    app = typer.Typer()
    app.command()(claims)
    shapes = [fields[3].geometry, affinity.translate(fields[3].geometry, 0.3, 0)]
    drawn, known = tmp_path / "drawn.geojson", tmp_path / "known.geojson"
    for path, geometries in ((drawn, shapes), (known, [fields[3].geometry, fields[9].geometry])):
        features = [
            {"type": "Feature", "id": f"{path.stem}-{k}", "properties": {}, "geometry": shapely.geometry.mapping(one)}
            for k, one in enumerate(geometries)
        ]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    asked = [str(sample_tiles), str(drawn), "--claimed", str(known), "--day", "2023-08-20", "--surveyed"]
    run = CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False)
    assert run.exit_code == 0
    here, away = json.loads(run.stdout)
    assert [one["code"] for one in here["misfits"]] == ["copied", "overlap"]
    assert here["inside_the_tiles"]
    assert here["misfits"][0]["evidence"]["plot"] == "known-0"
    assert not away["inside_the_tiles"]
    assert [one["code"] for one in away["misfits"]] == ["copied"]
    text = CliRunner().invoke(app, asked, catch_exceptions=False).stdout
    assert "0 of 2 plots fit; refused: 2" in text
    assert "outside the tiles" in text
