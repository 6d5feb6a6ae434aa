"""What a catalogue may name: rasters below its own folder and public addresses, and nothing else."""

from __future__ import annotations

import gzip
import json
import math
import os
import string
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import made_site
import made_tiles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from greattit.errors import CatalogueError, SceneError
from greattit.tiles import Catalogue, Options, hrefs, item, open_catalogue, open_source
from greattit.tiles.hrefs import Addresses, Folder
from greattit.tiles.providers import anything
from greattit.tiles.remote import Site

YEAR = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
AREA = made_tiles.ground(0, 0, 600, 600)
QUICK = Options(attempts=1, backoff_s=0.01)
Edit = Callable[[dict[str, Any]], None]


def changed(folder: Path, edit: Edit, name: str = "S2_20210411") -> None:
    """Change one item of a made catalogue."""
    file = folder / name / f"{name}.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def opened_here(folder: Path) -> Catalogue:
    return open_catalogue(folder)


def opened_by_api(folder: Path) -> Catalogue:
    items: list[dict[str, Any]] = []
    with made_site.serving(folder, made_site.api(items)) as site:
        for file in sorted(folder.glob("S2_*/*.json")):
            self_link = {"rel": "self", "href": f"{site.url}/{file.parent.name}/{file.name}"}
            items.append({**json.loads(file.read_text()), "links": [self_link]})
        return open_source(site.url, area=AREA, options=QUICK, **YEAR)


def opened_on_the_web(folder: Path) -> Catalogue:
    with made_site.serving(folder) as site:
        return open_source(site.url, area=AREA, options=QUICK, **YEAR)


EVERYWHERE = [opened_here, opened_by_api, opened_on_the_web]


def asset(**said: Any) -> Edit:
    return lambda content: content["assets"]["red"].update(said)


def band(**said: Any) -> Edit:
    return lambda content: content["assets"]["red"]["raster:bands"][0].update(said)


def top(**said: Any) -> Edit:
    return lambda content: content.update(said)


def prop(**said: Any) -> Edit:
    return lambda content: content["properties"].update(said)


FAULTS: list[tuple[str, Edit]] = [
    ("scale 1 cannot", band(scale=1)),
    ("scale 0.5 cannot", band(scale=0.5)),
    ("scale -0.0001 cannot", band(scale=-0.0001)),
    ("scale 0 cannot", band(scale=0)),
    ("scale '0.0001' is no number", band(scale="0.0001")),
    ("scale is nan", band(scale=math.nan)),
    ("scale is inf", band(scale=math.inf)),
    ("scale 'True' is no number", band(scale=True)),
    ("scale is beyond all numbers", band(scale=10**400)),
    ("offset -5 cannot", band(offset=-5)),
    ("offset -1000 cannot", band(offset=-1000)),
    ("offset 0.1 cannot", band(offset=0.1)),
    ("makes all reflectance negative", band(offset=-1.0)),
    ("offset is nan", band(offset=math.nan)),
    ("nodata 'none' is no number", band(nodata="none")),
    ("it has no datetime", prop(datetime=None)),
    ("is no time of ISO", prop(datetime="last week")),
    ("cannot be that of a satellite", prop(datetime="1800-04-11T10:50:00Z")),
    ("cannot be that of a satellite", prop(datetime="9999-04-11T10:50:00Z")),
    ("claims 1e+09 x 1e+09 px", asset(**{"proj:shape": [10**9, 10**9]})),
    ("claims 60 x 25001 px", asset(**{"proj:shape": [60, 25001]})),
    ("claims 0 x 60 px", asset(**{"proj:shape": [0, 60]})),
    ("proj:shape is malformed", asset(**{"proj:shape": "60 x 60"})),
    ("proj:shape '60' is no number", asset(**{"proj:shape": ["60", "60"]})),
    ("bbox is malformed", top(bbox=[3, 50, 4])),
    ("no datetime or no bbox", top(bbox=None)),
    ("bbox is nan", top(bbox=[math.nan, 50, 4, 51])),
    ("does not lie on the Earth", top(bbox=[3, 50, 4, 510])),
    ("bbox is reversed", top(bbox=[4, 50, 3, 51])),
    ("bbox is reversed", top(bbox=[3, 51, 4, 50])),
    ("bbox 'west' is no number", top(bbox=["west", 50, 4, 51])),
    ("scheme that is not allowed (file:)", asset(href="file:///etc/passwd")),
    ("scheme that is not allowed (ftp:)", asset(href="ftp://example.org/red.tif")),
    ("scheme that is not allowed (gopher:)", asset(href="gopher://example.org/red.tif")),
    ("scheme that is not allowed (HDF5:)".lower(), asset(href='HDF5:"/etc/passwd"://red')),
    ("scheme that is not allowed (wms:)", asset(href="WMS:http://example.org/?")),
    ("scheme that is not allowed (gtiff_dir:)", asset(href="GTIFF_DIR:1:red.tif")),
    ("scheme that is not allowed (s3:)", asset(href="s3://bucket/../red.tif")),
    ("bucket", asset(href="s3://bucket/red.tif")),
    ("name for GDAL", asset(href="/vsicurl/http://example.org/red.tif")),
    ("name for GDAL", asset(href="/VSIzip/red.zip/red.tif")),
    ("name for GDAL", asset(href="<VRTDataset></VRTDataset>")),
    ("empty or no text", asset(href="")),
    ("empty or no text", asset(href=7)),
    ("characters that no path", asset(href="red.tif\nx")),
    ("characters that no path", asset(href="..\\..\\red.tif")),
    ("is not public (169.254.169.254)", asset(href="http://169.254.169.254/latest/meta-data")),
    ("is not public (169.254.169.254)", asset(href="http://2852039166/latest")),
    ("is not public", asset(href="http://[fe80::1]/red.tif")),
    ("is not public", asset(href="http://[::ffff:169.254.169.254]/red.tif")),
    ("names no host, or a user", asset(href="http://example.org@169.254.169.254/red.tif")),
    ("is malformed", asset(href="http://[::1/red.tif")),
    ("asset red is malformed", lambda content: content["assets"].update(red=["red.tif"])),
    ("its id is no plain text", top(id="a\u202eb")),
    ("its id is no plain text", top(id="x" * 1000)),
    ("no STAC item", top(type="Banana")),
    ("no STAC item", top(assets=[])),
]


@pytest.mark.parametrize("opened", EVERYWHERE)
@pytest.mark.parametrize(("said", "edit"), FAULTS, ids=[f"{n} {said}" for n, (said, _) in enumerate(FAULTS)])
def test_an_item_that_is_not_believable_is_left_out_by_name(
    made: Path, tmp_path: Path, said: str, edit: Edit, opened: Callable[[Path], Catalogue]
) -> None:
    folder = copied(made, tmp_path)
    changed(folder, edit)
    found = opened(folder)
    assert [s.when.day for s in found.scenes] == [1, 21] and len(found.warnings) == 1
    assert said.lower() in found.warnings[0].lower(), found.warnings[0]
    if "its id" not in said or opened is not opened_by_api:
        assert "S2_20210411" in found.warnings[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes; only their items are copied, the rasters are never opened here."""
    return made_tiles.write(tmp_path_factory.mktemp("made") / "c", days=3)


def copied(made: Path, home: Path) -> Path:
    for file in made.rglob("*.json"):
        copy = home / "c" / file.relative_to(made)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return home / "c"


@pytest.mark.parametrize(
    "href", ["../../etc/passwd", "/etc/passwd", "../../outside.tif", "S2/../../../x.tif", "link.tif"]
)
def test_no_raster_outside_the_folder_is_named(made: Path, tmp_path: Path, href: str) -> None:
    folder = copied(made, tmp_path)
    (tmp_path / "outside.tif").write_bytes(b"x")
    (folder / "S2_20210411" / "link.tif").symlink_to(tmp_path / "outside.tif")
    changed(folder, asset(href=href))
    found = open_catalogue(folder)
    assert len(found.scenes) == 2 and "leads out of the catalogue's folder" in found.warnings[0]


def test_rasters_in_a_folder_beside_the_items_are_fine(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    changed(folder, asset(href="../S2_20210401/red.tif"))
    inside = str(folder / "S2_20210401" / "red.tif")
    assert open_catalogue(folder).scenes[1].assets["B04"].href == inside
    changed(folder, asset(href=inside))
    assert open_catalogue(folder).scenes[1].assets["B04"].href == inside


@pytest.mark.parametrize(
    ("said", "href"),
    [
        ("is not public (10.1.2.3)", "http://10.1.2.3/red.tif"),
        ("a path of files", "//192.168.0.1/red.tif"),
        ("is not public (127.0.0.2)", "http://127.0.0.2/red.tif"),
        ("is not public", "http://[::1]/red.tif"),
        ("is not public", "http://0/red.tif"),
        ("is not public (100.64.0.1)", "https://100.64.0.1/red.tif"),
        ("is not public", "http://[64:ff9b::a00:1]/red.tif"),
        ("a path of files", "/etc/passwd"),
    ],
)
@pytest.mark.parametrize("opened", [opened_by_api, opened_on_the_web])
def test_the_web_may_not_point_into_this_network(
    made: Path, tmp_path: Path, said: str, href: str, opened: Callable[[Path], Catalogue]
) -> None:
    folder = copied(made, tmp_path)
    changed(folder, asset(href=href))
    found = opened(folder)
    assert len(found.scenes) == 2 and said in found.warnings[0], found.warnings


def test_a_name_that_means_an_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("93.184.216.34", "169.254.169.254") if "bad" in host else ("93.184.216.34",)

    monkeypatch.setattr(hrefs, "resolve", resolve)
    addresses = Addresses()
    for _ in range(3):
        addresses.check("https://good.example/red.tif")
        with pytest.raises(SceneError, match=r"bad.example is not public \(169.254.169.254\)"):
            addresses.check("https://bad.example/red.tif")
    assert asked == ["good.example", "bad.example"]
    with pytest.raises(SceneError):
        Addresses(private=True).check("https://bad.example/red.tif")
    Addresses(private=True).check("http://192.168.7.7/red.tif")


def test_a_name_that_changes_its_address_after_the_check_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with made_site.serving(answer=lambda path, question: made_site.Reply({"links": []})) as server:
        site = Site("http://93.184.216.34/", attempts=0)
        monkeypatch.setattr(hrefs, "resolve", lambda host: ("93.184.216.34",))
        with pytest.raises(SceneError, match=r"is not public \(127.0.0.1\)"):
            site.json(server.url)
    assert server.asked == []


def test_a_redirect_is_followed_to_allowed_addresses_only() -> None:
    where = {"/inner": "http://127.0.0.2:9/x", "/meta": "http://169.254.169.254/x", "/file": "file:///etc/passwd"}

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply:
        if path == "/new":
            return made_site.Reply({"links": [], "id": "new"})
        return made_site.Reply(b"", 302, {"Location": where.get(path, "/new")})

    with made_site.serving(answer=answer) as server:
        site = Site(server.url, attempts=0)
        assert site.json(f"{server.url}/old")["id"] == "new"
        for path, said in (("/inner", "is not public"), ("/meta", "is not public"), ("/file", "cannot be fetched")):
            with pytest.raises(SceneError, match=said):
                site.json(server.url + path)


def test_links_may_not_leave_the_catalogue(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    catalogue = json.loads((folder / "catalog.json").read_text())
    bad = ["/etc/passwd", "../x.json", "file:///etc/passwd", "http://169.254.169.254/x.json", "/vsimem/x"]
    catalogue["links"] += [{"rel": kind, "href": href} for href in bad for kind in ("item", "child")]
    (folder / "catalog.json").write_text(json.dumps(catalogue))
    found = open_catalogue(folder)
    assert len(found.scenes) == 3 and len(found.warnings) == len(bad) * 2
    on_web = opened_on_the_web(folder)
    assert len(on_web.scenes) == 3 and len(on_web.warnings) == len(bad) * 2


def test_circles_and_floods_of_links_end(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(made, tmp_path)
    catalogue = json.loads((folder / "catalog.json").read_text())
    catalogue["links"] += [{"rel": "child", "href": href} for href in ("catalog.json", "./a.json", "./a.json")]
    (folder / "catalog.json").write_text(json.dumps(catalogue))
    circle = {"type": "Catalog", "id": "a", "links": [{"rel": "child", "href": h} for h in ("a.json", "catalog.json")]}
    (folder / "a.json").write_text(json.dumps(circle))
    assert len(open_catalogue(folder).scenes) == 3
    monkeypatch.setattr("greattit.tiles.catalogue.MAX_LINKS", 5)
    with pytest.raises(CatalogueError, match="more than 5 links"):
        open_catalogue(folder)


def test_a_chain_of_catalogues_deeper_than_any_stack_ends(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    catalogue = json.loads((folder / "catalog.json").read_text())
    for number in range(3000):
        link = {"rel": "child", "href": f"n{number + 1}.json"}
        (folder / f"n{number}.json").write_text(json.dumps({"links": [link]}))
    (folder / "n3000.json").write_text(json.dumps({"links": catalogue["links"]}))
    (folder / "catalog.json").write_text(json.dumps({**catalogue, "links": [{"rel": "child", "href": "n0.json"}]}))
    assert len(open_catalogue(folder).scenes) == 3


@pytest.mark.parametrize("opened", [opened_here, opened_on_the_web])
def test_a_huge_or_deep_item_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path], Catalogue]
) -> None:
    folder = copied(made, tmp_path)
    file = folder / "S2_20210411" / "S2_20210411.json"
    file.write_text("[" * 100_000 + "]" * 100_000)
    assert "no JSON" in opened(folder).warnings[0] or "recursion" in opened(folder).warnings[0]
    monkeypatch.setattr("greattit.tiles.hrefs.MAX_JSON", 30_000)
    monkeypatch.setattr("greattit.tiles.remote.MAX_JSON", 30_000)
    file.write_text(json.dumps({"id": "x" * 40_000}))
    found = opened(folder)
    assert len(found.scenes) == 2 and "MB" in found.warnings[0]


def test_an_answer_that_swells_is_refused() -> None:
    swollen = gzip.compress(b" " * 200_000_000)

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply:
        return made_site.Reply(swollen, headers={"Content-Encoding": "gzip"})

    with made_site.serving(answer=answer) as server, pytest.raises(SceneError, match="more than 21 MB"):
        Site(server.url, attempts=0).json(server.url)


def test_a_raster_is_opened_by_the_driver_of_its_name() -> None:
    assert hrefs.driver("/data/B04.tif") == hrefs.driver("https://example.org/x.tif?sig=a.jp2") == "GTiff"
    assert hrefs.driver("s3://eodata/B04.jp2") == hrefs.driver("/data/B04.JP2") == "JP2OpenJPEG"


def test_a_pipe_is_no_item(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    file = folder / "S2_20210411" / "S2_20210411.json"
    file.unlink()
    os.mkfifo(file)
    found = open_catalogue(folder)
    assert len(found.scenes) == 2 and "is no file" in found.warnings[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
KEYS = ["id", "bbox", "assets", "properties", "collection", "links", "type"]


@given(st.sampled_from(KEYS), JSON)
@settings(max_examples=200, deadline=None)
@example("properties", [1])
@example("assets", {"red": {"href": None}})
def test_any_json_is_a_scene_or_a_fault_that_the_reader_knows(key: str, value: Any) -> None:
    from greattit.tiles.catalogue import MALFORMED

    plain = {"href": "./x.tif", "raster:bands": [{"scale": 1e-4}]}
    whole = {
        "type": "Feature",
        "id": "a",
        "bbox": [3, 50, 4, 51],
        "properties": {"datetime": "2021-04-01T00:00:00Z"},
        "assets": {"red": plain, "nir": plain, "scl": plain},
    }
    place = Folder(Path("/nowhere"))
    assert item.scene_from(whole, place, "/nowhere/a.json", anything()) is not None
    try:
        scene = item.scene_from({**whole, key: value}, place, "/nowhere/a.json", anything())
    except MALFORMED:
        return
    assert scene is None or -180 <= scene.bbox[0] <= scene.bbox[2] <= 180


@given(st.floats(), st.floats() | st.none())
@settings(deadline=None)
def test_counts_that_pass_give_reflectance(scale: float, offset: float | None) -> None:
    try:
        item.counts(scale, offset)
    except SceneError:
        return
    assert 1e-6 <= scale <= 1e-2 or scale == 1.0
    assert offset is None or -1 <= offset <= 0.05


@given(st.text(alphabet=string.printable, max_size=40))
@settings(deadline=None)
@example("a/../../b")
@example("./../nowhere-else/x.tif")
def test_no_href_of_a_folder_leads_out_of_it(href: str) -> None:
    place = Folder(Path("/nowhere"), Addresses(own=frozenset()))
    try:
        if hrefs.kind(href) == "path":
            assert Path(place.asset("/nowhere/a/b.json", href)).is_relative_to("/nowhere")
    except SceneError as error:
        assert error.what
