"""Named sources: each provider's way to name bands, to state counts and to open rasters is one entry of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import made_site
import made_tiles
import pytest
import yaml

import greattit.tiles
from greattit.errors import CatalogueError, TilesError
from greattit.tiles import Asset, Catalogue, Options, open_source
from greattit.tiles.providers import matching, providers
from greattit.tiles.signing import Signer
from greattit.types import BANDS

AREA = made_tiles.ground(0, 0, 600, 600)
SPAN = {"since": date(2023, 1, 1), "until": date(2023, 12, 31)}
SHIPPED = Path(greattit.tiles.__file__).parent / "sources.yaml"
EARTH = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")


def item(collection: str, assets: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Return an item as these providers write them."""
    west, south, east, north = AREA.bounds
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A_MSIL2A_20230601T105031_N0509_R051_T31UES_20230601T164500",
        "collection": collection,
        "bbox": [west, south, east, north],
        "geometry": None,
        "properties": {"datetime": "2023-06-01T10:50:31.024000Z", "platform": "Sentinel-2A", **properties},
        "assets": assets,
        "links": [],
    }


@contextmanager
def named(name: str, tmp_path: Path, items: list[dict[str, Any]]) -> Iterator[tuple[Options, made_site.Site]]:
    """Serve items as the API of a shipped source whose address is moved to this machine."""
    tree = yaml.safe_load(SHIPPED.read_text("utf-8"))
    with made_site.serving(answer=made_site.api(items)) as site:
        tree["sources"][name]["url"] = site.url
        file = tmp_path / "sources.yaml"
        file.write_text(yaml.safe_dump(tree))
        yield Options(sources=file, attempts=1, backoff_s=0.01), site


def opened(name: str, tmp_path: Path, items: list[dict[str, Any]], **more: Any) -> Catalogue:
    with named(name, tmp_path, items) as (options, site):
        found = open_source(name, area=AREA, options=options, **SPAN, **more)
        searches = [question for _, path, question in site.asked if path == "/search"]
    assert {c for q in searches for c in q.get("collections", [])} <= {i["collection"] for i in items}
    return found


def test_the_shipped_sources_are_whole() -> None:
    known = providers()
    assert {"earth-search", "planetary-computer", "cdse"} <= set(known)
    for provider in known.values():
        assert provider.url.startswith("https://") and provider.attribution and provider.licence
        assert all(set(p.bands) >= ({*BANDS} if p.sensor == "s2" else {"VV", "VH"}) for p in provider.products)
    assert matching("https://earth-search.aws.element84.com/v1/", known).name == "earth-search"
    assert matching("https://earth-search.aws.element84.com/v10", known).name == ""
    assert matching("https://example.org/v1", known).name == ""


def earth_search(offset_applied: bool | None, **band: Any) -> dict[str, Any]:
    bands = [{"nodata": 0, "data_type": "uint16", **band}]
    home = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/31/U/ES"
    assets: dict[str, Any] = {key: {"href": f"{home}/{key}.tif", "raster:bands": bands} for key in EARTH}
    assets |= {"scl": {"href": f"{home}/SCL.tif"}, "red-jp2": {"href": "s3://sentinel-s2-l2a/B04.jp2"}}
    assets["red"]["file:size"] = 123_456
    said = {} if offset_applied is None else {"earthsearch:boa_offset_applied": offset_applied}
    parts = {"mgrs:utm_zone": 31, "mgrs:latitude_band": "U", "mgrs:grid_square": "ES"}
    made = {"s2:processing_baseline": "05.09", "s2:generation_time": "2023-06-01T16:45:00.000000Z"}
    return item("sentinel-2-l2a", assets, **said, **parts, **made, created="2024-01-01T00:00:00Z")


def test_earth_search(tmp_path: Path) -> None:
    found = opened("earth-search", tmp_path, [earth_search(True, scale=0.0001, offset=-0.1)])
    (scene,) = found.scenes
    assert found.attribution.startswith("Contains modified Copernicus Sentinel data") and not found.warnings
    assert set(scene.assets) == {*BANDS, "scl"} and scene.level == "L2A" and scene.tile == "31UES"
    assert (scene.platform, scene.baseline, scene.orbit) == ("sentinel-2a", "05.09", 51)
    assert scene.created == "2023-06-01T16:45:00.000000Z"
    red = scene.assets["B04"]
    assert red.href.endswith("ES/red.tif") and (red.scale, red.offset, red.nodata) == (0.0001, 0.0, 0.0)
    assert red.bytes == 123_456 and scene.assets["B08"].bytes is None and not red.doubtful and not red.access


@pytest.mark.parametrize(
    ("applied", "band", "offset", "doubtful"),
    [
        (False, {"scale": 0.0001, "offset": -0.1}, -0.1, True),
        (None, {"scale": 0.0001, "offset": -0.1}, -0.1, True),
        (False, {"scale": 0.0001, "offset": 0}, 0.0, False),
        (False, {"scale": 0.0001}, None, False),
        (None, {}, None, False),
        (True, {}, 0.0, False),
    ],
)
def test_earth_search_offsets_that_are_known_to_be_wrong_at_times_are_marked(
    tmp_path: Path, applied: bool | None, band: dict[str, Any], offset: float | None, doubtful: bool
) -> None:
    (scene,) = opened("earth-search", tmp_path, [earth_search(applied, **band)]).scenes
    red = scene.assets["B04"]
    assert (red.scale, red.offset, red.doubtful) == (0.0001, offset, doubtful)
    assert (scene.assets["scl"].offset, scene.assets["scl"].doubtful) == (0.0, False)


@pytest.mark.parametrize(
    ("baseline", "offset"), [("02.14", 0.0), ("03.01", 0.0), ("04.00", -0.1), ("05.11", -0.1), ("new", -0.1)]
)
def test_planetary_computer_says_the_offset_by_its_baseline(tmp_path: Path, baseline: str, offset: float) -> None:
    blob = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/31/U/ES"
    assets = {key: {"href": f"{blob}/{key}.tif", "proj:shape": [10980, 10980]} for key in (*BANDS, "SCL")}
    said = {"s2:processing_baseline": baseline, "s2:mgrs_tile": "31UES", "sat:relative_orbit": 8}
    (scene,) = opened("planetary-computer", tmp_path, [item("sentinel-2-l2a", assets, **said)]).scenes
    assert (scene.tile, scene.orbit, scene.assets["B04"].scale, scene.assets["B04"].offset) == (
        "31UES",
        8,
        1e-4,
        offset,
    )
    assert scene.assets["scl"].shape == (10980, 10980)
    assert scene.assets["B04"].access == "planetary-computer:sentinel-2-l2a"
    assert scene.baseline == (baseline if baseline != "new" else "05.09")


def test_planetary_computer_radar_is_linear_power(tmp_path: Path) -> None:
    blob = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc"
    assets = {
        k: {"href": f"{blob}/{k}.tif", "raster:bands": [{"nodata": -32768}], "proj:shape": [21000, 28000]}
        for k in ("vv", "vh")
    }
    radar = {**item("sentinel-1-rtc", assets, **{"sat:relative_orbit": 132}), "id": "S1A_IW_GRDH_1SDV_rtc"}
    (scene,) = opened("planetary-computer", tmp_path, [radar], sensors=("s1",)).scenes
    assert (scene.sensor, scene.level, scene.orbit) == ("s1", "RTC", 132)
    assert {(a.quantity, a.nodata) for a in scene.assets.values()} == {("power", -32768.0)}


def test_cdse_lies_in_buckets_and_names_bands_with_their_pixel(tmp_path: Path) -> None:
    keys = [f"{b}_{10 if b in ('B02', 'B03', 'B04', 'B08') else 20}m" for b in BANDS]
    keys += ["B04_20m", "B04_60m", "SCL_20m", "SCL_60m", "TCI_10m"]
    counts = {"raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 0}
    assets = {k: {"href": f"s3://eodata/Sentinel-2/MSI/{k}.jp2", "file:size": 9, **counts} for k in keys}
    said = {"processing:version": "05.11", "grid:code": "MGRS-31UES", "sat:relative_orbit": 51}
    (scene,) = opened("cdse", tmp_path, [item("sentinel-2-l2a", assets, **said)]).scenes
    assert scene.assets["B04"].href == "s3://eodata/Sentinel-2/MSI/B04_10m.jp2"
    assert scene.assets["scl"].href.endswith("SCL_20m.jp2") and scene.assets["scl"].scale == 1.0
    assert (scene.assets["B8A"].scale, scene.assets["B8A"].offset, scene.assets["B8A"].bytes) == (0.0001, -0.1, 9)
    assert (scene.baseline, scene.tile) == ("05.11", "31UES")


def test_stac_1_1_bands_and_l1c_without_a_classification(tmp_path: Path) -> None:
    home = "https://example.org"
    band = {
        "bands": [{"name": "B04", "data_type": "uint16", "nodata": 0, "raster:scale": 0.0001, "raster:offset": -0.1}]
    }
    assets = {key: {"href": f"{home}/{key}.jp2", **band} for key in BANDS}
    level = {**item("sentinel-2-l1c", assets), "id": "S2A_MSIL1C_20230601T105031_N0509_R051_T31UES_20230601T164500"}
    with named("cdse", tmp_path, [level]) as (options, _):
        found = open_source(
            "cdse", area=AREA, options=Options(level="L1C", sources=options.sources, attempts=1), **SPAN
        )
    assert found.scenes[0].level == "L1C" and found.scenes[0].assets["B04"].offset == -0.1
    level["collection"] = "sentinel-2-l2a"
    with pytest.raises(CatalogueError, match="missing band scl"):
        opened("cdse", tmp_path, [level])


def test_what_a_source_does_not_offer_is_said_before_it_is_asked(tmp_path: Path) -> None:
    with named("cdse", tmp_path, []) as (options, _), pytest.raises(CatalogueError, match="offers no Sentinel-1"):
        open_source("cdse", area=AREA, sensors=("s1",), options=options, **SPAN)


def test_a_new_provider_is_one_entry(tmp_path: Path) -> None:
    tree = yaml.safe_load(SHIPPED.read_text("utf-8"))
    keys = {band: [f"band-{band.lower()}"] for band in (*BANDS, "scl")}
    assets = {names[0]: {"href": f"https://example.org/{names[0]}.tif"} for names in keys.values()}
    with made_site.serving(answer=made_site.api([item("s2", assets)])) as site:
        tree["maps"]["ours"] = keys
        product = {"sensor": "s2", "level": "L2A", "collection": "s2", "bands": "ours", "scale": 0.0002}
        tree["sources"]["ours"] = {"title": "Ours", "url": site.url, "products": [product], "attribution": "us"}
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(tree))
        (scene,) = open_source("ours", area=AREA, options=Options(sources=file), **SPAN).scenes
        by_url = open_source(site.url, area=AREA, options=Options(sources=file), **SPAN)
    assert scene.assets["B04"].href == "https://example.org/band-b04.tif" and scene.assets["B04"].scale == 0.0002
    assert by_url.scenes == (scene,) and by_url.attribution == "us"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree["sources"]["cdse"].update(signing="magic"), "signing is one of"),
        (lambda tree: tree["sources"]["cdse"].update(titel="x"), "unknown keys ['titel']"),
        (lambda tree: tree["sources"]["cdse"].pop("products"), "products"),
        (lambda tree: tree["maps"]["bands"].update(B99=["x"]), "unknown bands ['B99']"),
    ],
)
def test_a_malformed_list_of_sources_says_what_is_wrong(tmp_path: Path, change: Any, said: str) -> None:
    tree = yaml.safe_load(SHIPPED.read_text("utf-8"))
    change(tree)
    file = tmp_path / "sources.yaml"
    file.write_text(yaml.safe_dump(tree))
    with pytest.raises(CatalogueError, match="list of sources cannot be read") as raised:
        open_source("cdse", area=AREA, options=Options(sources=file), **SPAN)
    assert said in str(raised.value)


BLOB = Asset(
    "https://sentinel2l2a01.blob.core.windows.net/a/B04.tif",
    1e-4,
    None,
    0,
    None,
    access="planetary-computer:sentinel-2-l2a",
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2023, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def tokens(
    clock: Clock, tmp_path: Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[Signer, made_site.Site]]:
    """Serve tokens of one hour."""
    tree = yaml.safe_load(SHIPPED.read_text("utf-8"))

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply:
        ends = clock.now + timedelta(hours=1)
        return made_site.Reply({"token": f"sig={clock.now:%H%M}", "msft:expiry": f"{ends:%Y-%m-%dT%H:%M:%SZ}"})

    with made_site.serving(answer=answer) as site:
        tree["sources"]["planetary-computer"]["sas"] = f"{site.url}/token"
        file = tmp_path / "sources.yaml"
        file.write_text(yaml.safe_dump(tree))
        yield Signer(clock, sources=providers(file), environment=environment or {}, attempts=0), site


def test_a_token_is_kept_until_shortly_before_it_ends(tmp_path: Path) -> None:
    clock = Clock()
    with tokens(clock, tmp_path) as (signer, site):
        assert signer.path(BLOB) == f"{BLOB.href}?sig=1200"
        clock.now += timedelta(minutes=50)
        assert signer.path(BLOB) == f"{BLOB.href}?sig=1200" and len(site.asked) == 1
        clock.now += timedelta(minutes=6)
        assert signer.path(BLOB) == f"{BLOB.href}?sig=1256" and len(site.asked) == 2
    assert {path for _, path, _ in site.asked} == {"/token/sentinel-2-l2a"}


def test_a_users_key_goes_to_the_token_address_alone(tmp_path: Path) -> None:
    with tokens(Clock(), tmp_path, {"PC_SDK_SUBSCRIPTION_KEY": "mine"}) as (signer, site):
        signer.path(BLOB)
    assert [h.get("Ocp-Apim-Subscription-Key") for h in site.headers] == ["mine"]
    elsewhere = made_site.Reply(b"", 302, {"Location": "/other"})
    tree = yaml.safe_load(SHIPPED.read_text("utf-8"))
    with made_site.serving(answer=lambda path, question: elsewhere) as site:
        tree["sources"]["planetary-computer"]["sas"] = f"{site.url}/token"
        file = tmp_path / "sources.yaml"
        file.write_text(yaml.safe_dump(tree))
        signer = Signer(Clock(), sources=providers(file), environment={"PC_SDK_SUBSCRIPTION_KEY": "mine"}, attempts=0)
        with pytest.raises(TilesError, match="no token can be had"):
            signer.path(BLOB)
    assert len(site.asked) == 1


def test_a_token_is_shown_to_its_own_hosts_only(tmp_path: Path) -> None:
    with tokens(Clock(), tmp_path) as (signer, site):
        for href in (
            "https://example.org/B04.tif",
            "https://blob.core.windows.net.example.org/B04.tif",
            "http://a.blob.core.windows.net/B04.tif",
            "/data/B04.tif",
        ):
            asset = Asset(href, 1e-4, None, 0, None, access=BLOB.access)
            assert signer.path(asset) == href
        plain = Asset(BLOB.href, 1e-4, None, 0, None)
        assert signer.path(plain) == BLOB.href and signer.options(plain) == {}
    assert not site.asked


@pytest.mark.parametrize(
    "body", [{}, [], {"token": "a", "msft:expiry": "soon"}, {"token": "a b", "msft:expiry": "2023-06-01T13:00:00Z"}]
)
def test_no_token_is_a_clear_error(tmp_path: Path, body: Any) -> None:
    tree = yaml.safe_load(SHIPPED.read_text("utf-8"))
    with made_site.serving(answer=lambda path, question: made_site.Reply(body)) as site:
        tree["sources"]["planetary-computer"]["sas"] = f"{site.url}/token"
        file = tmp_path / "sources.yaml"
        file.write_text(yaml.safe_dump(tree))
        with pytest.raises(TilesError, match="token"):
            Signer(Clock(), sources=providers(file), attempts=0).path(BLOB)


def test_buckets_of_cdse_need_the_users_keys() -> None:
    asset = Asset("s3://eodata/B04.jp2", 1e-4, -0.1, 0, None, access="cdse-s3:sentinel-2-l2a")
    with pytest.raises(TilesError, match=r"CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY"):
        Signer(Clock(), environment={}).options(asset)
    keys = {"CDSE_S3_ACCESS_KEY": "me", "CDSE_S3_SECRET_KEY": "shh"}
    options = Signer(Clock(), environment=keys).options(asset)
    assert options["AWS_S3_ENDPOINT"] == "eodata.dataspace.copernicus.eu" and options["AWS_ACCESS_KEY_ID"] == "me"
    other = Asset("s3://sentinel-s2-l1c/B04.jp2", 1e-4, None, 0, None)
    assert Signer(Clock(), environment=keys).options(other) == {"AWS_NO_SIGN_REQUEST": "YES"}
