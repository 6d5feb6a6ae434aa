"""series and indices: one product, exact means, sources checked against libraries."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import made_tiles
import numpy as np
import pytest
from numpy.typing import NDArray

from greattit import indices, series, tiles
from greattit.types import BANDS, Interval, Segment

if TYPE_CHECKING:
    from greattit.types import Cube


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    folder = made_tiles.write(tmp_path_factory.mktemp("tiles") / "c", scl=lambda n: 9 if n in (2, 5) else 4)
    whole = made_tiles.ground(10, 10, 590, 590)
    return tiles.read(tiles.open_catalogue(folder), whole, since=date(2021, 1, 1), until=date(2021, 12, 31))


def segment(coverage: NDArray[np.float32]) -> Segment:
    from shapely.geometry import box

    return Segment("p", coverage, Interval(1, 1, 1, "ha"), 1.0, box(0, 0, 1, 1), {}, 0.0)


def some(cube: Cube) -> Segment:
    coverage = np.zeros((cube.sizes["y"], cube.sizes["x"]), np.float32)
    coverage[24:36, 22:37] = 1.0
    coverage[23, 22:37] = 0.4
    return segment(coverage)


def test_means_are_those_of_the_clear_pixels(cube: Cube) -> None:
    found = series.gather(some(cube), cube)
    assert found.bands[:10] == BANDS and len(found.dates) == 12
    expected = cube["B08"].values[0, 24:36, 22:37].astype(np.float64).mean()
    assert found.band("B08")[0] == pytest.approx(expected, rel=1e-6)  # enough pure pixels: the mixed row is left out
    assert np.isnan(found.values[[2, 5]]).all() and (found.clear[[2, 5]] == 0).all()
    assert np.isnan(found.band("VV")).all() and np.isnan(found.band("ndvi")).all()


def test_a_small_segment_uses_its_mixed_pixels_by_their_share(cube: Cube) -> None:
    coverage = np.zeros((cube.sizes["y"], cube.sizes["x"]), np.float32)
    coverage[30, 30], coverage[30, 31] = 1.0, 0.25
    values = cube["B04"].values[0].astype(np.float64)
    expected = (values[30, 30] + 0.25 * values[30, 31]) / 1.25
    assert series.gather(segment(coverage), cube).band("B04")[0] == pytest.approx(expected, rel=1e-6)


def test_many_segments_at_once_are_each_as_alone(cube: Cube) -> None:
    rng = np.random.default_rng(0)
    many = [segment((rng.uniform(size=(cube.sizes["y"], cube.sizes["x"])) * 0.9).astype(np.float32)) for _ in range(5)]
    together = series.gather_all(many, cube)
    for one, found in zip(many, together, strict=True):
        np.testing.assert_allclose(series.gather(one, cube).values, found.values, rtol=1e-6)


def test_half_clouded_looks_say_their_share(cube: Cube) -> None:
    half = cube.copy(deep=True)
    half["clear"].values[0, 24:30] = False
    assert series.gather(some(half), half).clear[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("ours", "theirs", "bands"),
    [
        (indices.ndvi, "NDVI", "RN"),
        (indices.evi2, "EVI2", "RN"),
        (indices.ndwi, "NDWI", "GN"),
        (indices.mndwi, "MNDWI", ("G", "S1")),
        (indices.ndmi, "NDMI", ("N", "S1")),
        (indices.bsi, "BI", ("B", "R", "N", "S1")),
        (indices.nbr, "NBR", ("N", "S2")),
        (indices.ndre, "NDREI", ("RE1", "N")),
        (indices.gndvi, "GNDVI", "GN"),
        (indices.nbr2, "NBR2", ("S1", "S2")),
    ],
)
def test_indices_agree_with_spyndex(ours, theirs: str, bands) -> None:  # type: ignore[no-untyped-def]
    import spyndex

    rng = np.random.default_rng(4)
    values = {band: rng.uniform(0.01, 0.6, 50) for band in bands}
    constants = {name: spyndex.constants[name].default for name in ("g", "L", "C1", "C2", "gamma")}
    names = spyndex.indices[theirs].bands if theirs in spyndex.indices else None
    if names is None:
        expected = (values["N"] - values["RE1"]) / (values["N"] + values["RE1"])  # NDRE is not one of spyndex's names
    else:
        params = {name: values[name] if name in values else constants[name] for name in names}
        expected = spyndex.computeIndex([theirs], params)
    np.testing.assert_allclose(ours(*values.values()), expected, rtol=1e-12)


def test_an_index_of_nothing_is_nan() -> None:
    nothing = np.array([0.0, np.nan])
    assert np.isnan(indices.ndvi(nothing, nothing)).all()
