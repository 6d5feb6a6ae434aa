"""The room that grows a county: its laws on a tiny county, and the form of what it writes."""

from __future__ import annotations

import builtins
import copy
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from greattit.errors import GreatTitError
from greattit.simulate import grow_county, light, load_recipe
from greattit.simulate.land import fractal, lay_out
from greattit.simulate.plants import annual, make_weather, sward
from greattit.simulate.scene import expose
from greattit.simulate.sky import Look, Sky, _cast, cover, passes, sun_at

TINY_M = 300


def tiny() -> dict[str, Any]:
    """Return the Flemish recipe cut to a square of 300 m, four looks and three crops."""
    recipe = copy.deepcopy(load_recipe("sample"))
    recipe["county"].update(size_m=TINY_M, id="tiny")
    recipe["looks"].update(first="2023-04-01", last="2023-08-01", count=4)
    recipe["land"].update(rim_m=60, farms=[], woods=[], hedged_share=0.2)
    recipe["land"]["area_ha"].update(median=1.0, most=2.0)
    recipe["crops"] = {name: recipe["crops"][name] for name in ("winter_wheat", "maize", "grassland")}
    recipe["events"] = {"failed": {"crops": ["maize"], "survive": 0.06}}
    return recipe


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("prosail", reason="growing a county needs prosail")
    return grow_county(tiny(), 3, tmp_path_factory.mktemp("tiny") / "county")


def test_the_same_seed_gives_the_same_bytes(county: Path, tmp_path: Path) -> None:
    again = grow_county(tiny(), 3, tmp_path / "again")
    files = sorted(p.relative_to(county) for p in county.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert [f for f in files if (county / f).read_bytes() != (again / f).read_bytes()] == []


def test_everything_says_that_it_is_simulated(county: Path) -> None:
    catalogue = json.loads((county / "catalog.json").read_text())
    collection = json.loads((county / "sentinel-2-l2a" / "collection.json").read_text())
    for told in (catalogue, collection):
        assert "SIMULATED" in told["title"] + told["description"]
        assert told["greattit:simulated"] is True
    items = sorted(county.glob("sentinel-2-l2a/items/*/*.json"))
    assert len(items) == 4
    for item in items:
        assert json.loads(item.read_text())["properties"]["greattit:simulated"] is True
    plots = json.loads((county / "plots.geojson").read_text())
    assert plots["simulated"] is True
    assert all(f["properties"]["simulated"] is True for f in plots["features"])
    assert "simulated" in (county / "README.md").read_text()


def test_links_and_assets_lead_to_files_of_the_told_shape(county: Path) -> None:
    collection = county / "sentinel-2-l2a" / "collection.json"
    links = [link["href"] for link in json.loads(collection.read_text())["links"] if link["rel"] == "item"]
    assert len(links) == 4
    for href in links:
        path = collection.parent / href
        item = json.loads(path.read_text())
        assert len(item["assets"]) == 11
        for key, asset in item["assets"].items():
            with rasterio.open(path.parent / asset["href"]) as file:
                assert list(file.shape) == asset["proj:shape"], key
                assert list(file.transform)[:6] == asset["proj:transform"], key
                assert file.crs.to_epsg() == item["properties"]["proj:epsg"]
                assert file.nodata == 0


def test_a_folder_in_use_and_an_unknown_recipe_are_refused(county: Path, tmp_path: Path) -> None:
    with pytest.raises(GreatTitError, match="in use"):
        grow_county(tiny(), 3, county)
    with pytest.raises(GreatTitError, match="no such recipe"):
        load_recipe("atlantis")
    (tmp_path / "half.yaml").write_text("county: {}\n")
    with pytest.raises(GreatTitError, match="lacks climate"):
        load_recipe(tmp_path / "half.yaml")


def test_without_prosail_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "prosail":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    light._prosail.cache_clear()
    with pytest.raises(GreatTitError, match=r"pip install 'prosail>=2'"):
        light._prosail()


def test_fields_do_not_overlap_and_stay_inside() -> None:
    land = lay_out(tiny(), np.random.default_rng(5))
    assert len(land.fields) >= 3
    for one in land.fields:
        assert one.shape.is_valid
        west, south, east, north = one.shape.bounds
        assert min(west, south) >= 0
        assert max(east, north) <= TINY_M
        for other in land.fields:
            if other.number > one.number:
                assert one.shape.intersection(other.shape).area < 1.0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.floats(1.0, 4.0))
def test_a_fractal_field_has_mean_nought_and_spread_one(seed: int, slope: float) -> None:
    field = fractal((40, 60), np.random.default_rng(seed), slope)
    assert field.shape == (40, 60)
    assert abs(field.mean()) < 1e-9
    assert field.std() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("when", "zenith", "azimuth"),
    [
        # 21 June at solar noon: zenith is latitude less declination, azimuth south; the longitude makes noon 11:49 UTC
        (datetime(2023, 6, 21, 11, 49, 45, tzinfo=UTC), 50.8 - 23.44, 180.0),
        (datetime(2023, 12, 22, 11, 46, 5, tzinfo=UTC), 50.8 + 23.44, 180.0),
    ],
)
def test_the_sun_stands_where_the_almanac_says(when: datetime, zenith: float, azimuth: float) -> None:
    got = sun_at(when, 50.8, 3.05)
    assert got[0] == pytest.approx(zenith, abs=0.05)
    assert got[1] == pytest.approx(azimuth, abs=1.0)


def test_a_shadow_falls_away_from_the_sun() -> None:
    cloud = np.zeros((200, 200))
    cloud[95:105, 95:105] = 1.0
    shade = _cast(cloud, 500.0, light.Sun(45.0, 180.0, 0.0, 0.0))
    rows, cols = np.nonzero(shade > 0.5)
    assert rows.mean() == pytest.approx(99.5 - 50.0, abs=1.0)  # sun in the south: 500 m north, 50 cells up
    assert cols.mean() == pytest.approx(99.5, abs=1.0)


def test_looks_keep_their_order_and_number() -> None:
    looks = passes(load_recipe()["looks"], 50.8, 3.05, np.random.default_rng(1))
    days = [look.when.date() for look in looks]
    assert len(days) == load_recipe()["looks"]["count"]
    assert days == sorted(set(days))
    assert all(20 < look.sun.zenith < 80 for look in looks)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.sampled_from(["clear", "partly", "overcast"]))
def test_a_sky_is_made_of_shares(seed: int, state: str) -> None:
    look = Look(datetime(2023, 5, 3, 10, 54, tzinfo=UTC), "sentinel-2a", light.Sun(38, 155, 4, 286), state)
    sky = cover(look, 400.0, np.random.default_rng(seed))
    for part in (sky.cloud, sky.cirrus, sky.haze, sky.shadow):
        assert part.shape == (40, 40)
        assert part.min() >= 0.0
        assert part.max() <= 1.0


def test_counts_carry_the_offset_and_never_nodata() -> None:
    nothing = np.zeros((20, 20))
    clear = {
        b: np.full((20, 20) if b in ("B02", "B03", "B04", "B08") else (10, 10), 0.2, np.float32) for b in light.BANDS_NM
    }
    counts = expose(clear, Sky(nothing, nothing, nothing, nothing), np.random.default_rng(0))
    for values in counts.values():
        assert values.dtype == np.uint16
        assert values.min() >= 1
        assert np.mean(values) == pytest.approx(3000, abs=250)


def test_more_cloud_is_never_darker_in_blue_over_dark_ground() -> None:
    ground = np.full((8, 8), 0.04)
    flat = np.zeros((8, 8))
    seen = [Sky(flat + share, flat, flat, flat).veil(ground, 0).mean() for share in (0.0, 0.2, 0.5, 0.9)]
    assert seen == sorted(seen)


def test_light_of_canopies_is_physical() -> None:
    pytest.importorskip("prosail", reason="needs prosail")
    sun = light.Sun(40.0, 150.0, 5.0, 290.0)
    leaf = {"n": 1.5, "cab": 45.0, "car": 10.0, "cbrown": 0.0, "cw": 0.015, "cm": 0.005, "angle": 55.0}
    ground = light.soil(0.3)
    naked, thin, thick = (light.canopy(leaf, lai, ground, sun) for lai in (0.0, 1.0, 4.0))
    red, near, short = (list(light.BANDS_NM).index(b) for b in ("B04", "B08", "B12"))
    assert naked == pytest.approx(light.bands(ground))
    assert thick[red] < thin[red] < naked[red]
    assert thick[near] > thin[near] > naked[near]
    assert thick[short] < naked[short]
    assert light.bands(light.soil(0.1)).max() < light.bands(light.soil(0.6)).max()


def test_a_later_sowing_ripens_later_and_a_cut_takes_leaf() -> None:
    recipe = load_recipe()
    weather = make_weather(recipe["climate"], date(2022, 8, 1), 500, np.random.default_rng(2))
    rules = recipe["crops"]["maize"]["main"]
    end = date(2023, 11, 1)
    early, late = (
        annual(rules, weather, sown=sown, half=date(2023, 6, 25), ripe=date(2023, 9, 30), end=end, late=shift)
        for sown, shift in ((date(2023, 4, 25), -5.0), (date(2023, 5, 15), 5.0))
    )
    june = weather.at(date(2023, 6, 20))
    assert early.states["lai"][june] > late.states["lai"][june] > 0
    assert early.states["lai"][weather.at(date(2023, 3, 1))] == 0
    assert early.states["lai"][weather.at(end) :].max() == 0
    cut = date(2023, 6, 10)
    grass = sward(recipe["crops"]["grassland"]["meadow"], weather, [cut], grazed=False)
    before, after = grass.states["lai"][weather.at(cut) - 1], grass.states["lai"][weather.at(cut)]
    assert after < 0.6 * before


def test_the_failed_field_yields_little(county: Path) -> None:
    plots = [f["properties"] for f in json.loads((county / "plots.geojson").read_text())["features"]]
    truth = json.loads((county / "truth.json").read_text())
    assert truth["fields_whole"] == len(plots)
    assert set(truth["scl_shares"]) == {
        p.name[-8:-4] + "-" + p.name[-4:-2] + "-" + p.name[-2:] for p in county.glob("sentinel-2-l2a/items/*")
    }
    for plot in plots:
        assert plot["yield_kg_ha"] > 0
    failed = [p for p in plots if p["event"] == "failed"]
    assert all(p["yield_kg_ha"] < 4000 for p in failed)
    assert all(shape(f["geometry"]).is_valid for f in json.loads((county / "plots.geojson").read_text())["features"])
