"""Sources: a name, an API, a catalogue on the web or a folder become one kind of catalogue."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import made_server
import made_site
import made_tiles
import pytest
from shapely.geometry import box

from greattit.errors import CatalogueError
from greattit.tiles import Options, open_catalogue, open_source

AREA = made_tiles.ground(0, 0, 600, 600)
YEAR = {"since": date(2021, 1, 1), "until": date(2021, 12, 31)}
QUICK = Options(attempts=2, backoff_s=0.01)


def items_of(folder: Path, url: str) -> list[dict[str, Any]]:
    """Return the items of a made catalogue as an API gives them: hrefs absolute, or relative to the self link."""
    items = []
    for file in sorted(folder.glob("S2_*/*.json")):
        item = json.loads(file.read_text())
        item["links"] = [{"rel": "self", "href": f"{url}/{file.parent.name}/{file.name}"}]
        items.append({**item, "collection": "sentinel-2-l2a"})
    return items


def test_a_folder_gives_the_scenes_of_the_span_and_area(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=5)
    whole = open_source(folder, area=AREA, **YEAR)
    assert whole.scenes == open_catalogue(folder).scenes and len(whole.scenes) == 5
    some = open_source(str(folder), area=None, since=date(2021, 4, 11), until=date(2021, 5, 1))
    assert [s.when.day for s in some.scenes] == [11, 21, 1]
    assert open_source(folder / "catalog.json", area=AREA, **YEAR).scenes == whole.scenes


@pytest.mark.parametrize("top", ["", "/", "/catalog.json"])
def test_a_catalogue_on_the_web_is_the_one_in_the_folder(tmp_path: Path, top: str) -> None:
    folder = made_tiles.write(tmp_path / "c", days=3)
    with made_site.serving(folder) as site:
        found = open_source(site.url + top, area=AREA, **YEAR)
    here = open_catalogue(folder)
    assert [s.id for s in found.scenes] == [s.id for s in here.scenes] and not found.warnings
    assert found.scenes[0].assets["B04"].href == f"{site.url}/S2_20210401/red.tif"
    assert found.scenes[0].assets["B04"].shape == here.scenes[0].assets["B04"].shape
    assert found.bounds == here.bounds and found.title == "made"


@pytest.mark.parametrize("post", [True, False])
def test_an_api_is_read_page_by_page(tmp_path: Path, post: bool) -> None:
    folder = made_tiles.write(tmp_path / "c", days=5)
    items: list[dict[str, Any]] = []
    with made_site.serving(folder, made_site.api(items, post=post)) as site:
        items += items_of(folder, site.url)
        found = open_source(site.url, area=AREA, **YEAR)
    assert [s.id for s in found.scenes] == [s.id for s in open_catalogue(folder).scenes]
    assert found.scenes[0].assets["B8A"].href == f"{site.url}/S2_20210401/nir08.tif"
    searches = [question for _, path, question in site.asked if path == "/search"]
    assert len(searches) == 3 and searches[0]["datetime"] == "2021-01-01T00:00:00Z/2021-12-31T23:59:59Z"


def test_what_a_server_gives_beyond_the_question_is_dropped(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=5)
    items: list[dict[str, Any]] = []
    with made_site.serving(folder, made_site.api(items)) as site:
        items += items_of(folder, site.url)
        some = open_source(site.url, area=AREA, since=date(2021, 4, 11), until=date(2021, 4, 30))
        assert [s.when.day for s in some.scenes] == [11, 21]
        with pytest.raises(CatalogueError, match="has no Sentinel-2 scene of the area"):
            open_source(site.url, area=box(100, 0, 101, 1), **YEAR)


def test_nothing_of_the_kind_says_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no such folder.*earth-search"):
        open_source(tmp_path / "none", area=AREA, **YEAR)


def flaky(fault: made_site.Reply, times: int, then: made_site.Answer) -> made_site.Answer:
    """Answer every path with the fault that often first."""
    left: dict[str, int] = {}

    def reply(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        key = f"{path} {question.get('token')}"
        left[key] = left.get(key, times) - 1
        return fault if left[key] >= 0 else then(path, question)

    return reply


FAULTS = {
    "500": made_site.Reply({"code": "broken"}, 500),
    "429": made_site.Reply({"code": "slower"}, 429, {"Retry-After": "0"}),
    "cut": made_site.Reply({"type": "FeatureCollection", "features": [{}] * 50}, cut=True),
    "short": made_site.Reply({"type": "FeatureCollection", "features": [{}] * 50}, short=True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_flaky_api_gives_the_whole_answer_in_the_end(tmp_path: Path, fault: str) -> None:
    folder = made_tiles.write(tmp_path / "c", days=5)
    items: list[dict[str, Any]] = []
    with made_site.serving(folder, flaky(FAULTS[fault], 2, made_site.api(items))) as site:
        items += items_of(folder, site.url)
        found = open_source(site.url, area=AREA, options=Options(attempts=3, backoff_s=0.01), **YEAR)
    assert len(found.scenes) == 5 and not found.warnings


@pytest.mark.parametrize("fault", FAULTS)
def test_a_page_that_cannot_be_had_says_which(tmp_path: Path, fault: str) -> None:
    folder = made_tiles.write(tmp_path / "c", days=5)
    items: list[dict[str, Any]] = []
    whole = made_site.api(items)

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        return FAULTS[fault] if question.get("token") == 4 else whole(path, question)

    with made_site.serving(folder, answer) as site:
        items += items_of(folder, site.url)
        with pytest.raises(CatalogueError, match=r"page 3 of the search cannot be had .* 4 items came before it of 5"):
            open_source(site.url, area=AREA, options=QUICK, **YEAR)


def test_paging_that_goes_in_a_circle_ends(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=2)
    items: list[dict[str, Any]] = []
    body = {"features": items, "links": [{"rel": "next", "href": "/search", "method": "POST", "body": {"a": 1}}]}

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        return made_site.Reply(body) if path == "/search" else made_site.api(items)(path, question)

    with made_site.serving(folder, answer) as site:
        items += items_of(folder, site.url)
        with pytest.raises(CatalogueError, match="in a circle"):
            open_source(site.url, area=AREA, options=QUICK, **YEAR)


@pytest.mark.parametrize("href", ["/etc/passwd", "file:///etc/passwd", "http://169.254.169.254/next"])
def test_the_next_page_lies_on_the_web(tmp_path: Path, href: str) -> None:
    folder = made_tiles.write(tmp_path / "c", days=2)
    items: list[dict[str, Any]] = []

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        page = {"features": items, "links": [{"rel": "next", "href": href}]}
        return made_site.Reply(page) if path == "/search" else made_site.api(items)(path, question)

    with made_site.serving(folder, answer) as site:
        items += items_of(folder, site.url)
        with pytest.raises(CatalogueError, match="page 2 of the search cannot be had"):
            open_source(site.url, area=AREA, options=QUICK, **YEAR)
        asked_for = [path for _, path, _ in site.asked]
    assert ("/etc/passwd" in asked_for) == (href == "/etc/passwd"), "a path is one of the server, never of this machine"


def test_a_flaky_catalogue_on_the_web_is_whole_or_names_what_is_missing(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=3)
    with made_site.serving(folder, flaky(FAULTS["500"], 1, lambda path, question: None)) as site:
        found = open_source(f"{site.url}/catalog.json", area=AREA, options=QUICK, **YEAR)
    assert len(found.scenes) == 3 and not found.warnings

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        return FAULTS["500"] if "20210411" in path else None

    with made_site.serving(folder, answer) as site:
        found = open_source(f"{site.url}/catalog.json", area=AREA, options=QUICK, **YEAR)
    assert len(found.scenes) == 2
    assert found.warnings == ("scene S2_20210411 left out: cannot be fetched (the server answers 500)",)


def test_what_is_no_source_says_so(tmp_path: Path) -> None:
    empty = made_site.Reply({**made_site.landing(), "links": [], "conformsTo": []})
    with made_site.serving(answer=lambda path, question: empty) as site:
        with pytest.raises(CatalogueError, match="offers no search"):
            open_source(site.url, area=AREA, options=QUICK, **YEAR)
        with pytest.raises(CatalogueError, match="needs an area"):
            open_source(site.url, area=None, options=QUICK, **YEAR)
    with (
        made_site.serving(answer=lambda path, question: made_site.Reply(b"<html>")) as site,
        pytest.raises(CatalogueError, match="answer is cut or malformed"),
    ):
        open_source(site.url, area=AREA, options=QUICK, **YEAR)
    with pytest.raises(CatalogueError, match="cannot be fetched"):
        open_source("http://127.0.0.1:9/", area=AREA, options=QUICK, **YEAR)
    with pytest.raises(CatalogueError, match="holds neither"):
        open_source(tmp_path, area=AREA, **YEAR)
    with pytest.raises(CatalogueError, match="landsat"):
        open_source(tmp_path, area=AREA, sensors=("landsat",), **YEAR)
    with pytest.raises(CatalogueError, match="first day comes first"):
        open_source(tmp_path, area=AREA, since=date(2021, 2, 1), until=date(2021, 1, 1))


def test_a_real_api_that_fails_in_every_way_is_read_whole(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=9)
    here = open_catalogue(folder)
    faults = ("500", "503", "429", "cut", "reset", "length", "html")
    flaky = made_server.Flaky(faults=faults, every=3, only=".*", retry_after_s=0)
    patient = Options(attempts=9, backoff_s=0.001)
    with made_server.serve(folder, flaky=flaky) as server:
        found = open_source(server.url, area=AREA, options=patient, **YEAR)
        still = open_source(server.static, area=AREA, options=patient, **YEAR)
        given = {request.fault for request in server.requests}
    assert [s.id for s in found.scenes] == [s.id for s in still.scenes] == [s.id for s in here.scenes]
    assert len(given) > 4 and not found.warnings and not still.warnings
    assert [a.href for a in found.scenes[3].assets.values()] == [a.href for a in still.scenes[3].assets.values()]


def test_one_collection_of_an_api_can_be_named(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=3)
    with made_server.serve(folder) as server:
        name = next(iter(made_server_collections(server.url)))
        found = open_source(f"{server.url}/collections/{name}", area=AREA, options=QUICK, **YEAR)
    assert len(found.scenes) == 3


def made_server_collections(url: str) -> list[str]:
    from urllib.request import urlopen

    with urlopen(f"{url}/collections") as answer:
        return [collection["id"] for collection in json.load(answer)["collections"]]


def test_well_known_collections_of_an_unknown_api_are_searched_alone() -> None:
    names = ["landsat-c2-l2", "sentinel-2-l2a", "sentinel-2-l1c", "sentinel-1-grd", "cop-dem"]

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        if path == "/collections":
            return made_site.Reply({"collections": [{"id": name} for name in names]})
        return made_site.api([])(path, question)

    with made_site.serving(answer=answer) as site:
        for sensors, level in ((("s2",), None), (("s2",), "L1C"), (("s2", "s1"), None)):
            with pytest.raises(CatalogueError, match="has no Sentinel-2"):
                open_source(site.url, area=AREA, sensors=sensors, options=Options(level=level), **YEAR)
        asked = [question["collections"] for _, path, question in site.asked if path == "/search"]
    assert asked == [["sentinel-2-l2a"], ["sentinel-2-l1c"], ["sentinel-2-l2a", "sentinel-1-grd"]]


def test_a_folder_that_the_web_server_lists_is_no_fault(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=2)

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        return made_site.Reply(b"<html>", headers={"Content-Type": "text/html"}) if path == "/" else None

    with made_site.serving(folder, answer) as site:
        assert len(open_source(site.url, area=AREA, options=QUICK, **YEAR).scenes) == 2
        assert [path for _, path, _ in site.asked].count("/") == 1


WRONG: list[dict[str, Any]] = [
    {"type": "Banana"},
    {"stac_version": 7},
    {"conformsTo": "all"},
    {"conformsTo": [7, None]},
    {"links": [{"rel": "search"}]},
    {"links": [{"rel": "search", "href": None}]},
    {"links": [{"rel": "search", "href": "/etc/passwd"}]},
    {"links": [{"rel": "search", "href": "file:///etc/passwd", "method": 7}]},
    {"links": [7, None]},
    {"links": {"rel": "search"}},
    {"type": "Collection"},
    {"type": "Collection", "links": [{"rel": "items", "href": "/items"}, {"rel": "root", "href": "http://10.0.0.1/"}]},
    {"id": None, "description": None},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_malformed_api_is_a_clear_error(wrong: dict[str, Any]) -> None:
    first = {**made_site.landing(), **wrong}

    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        return made_site.Reply(first) if path == "/" else made_site.Reply({"features": 7, "links": 7})

    with made_site.serving(answer=answer) as site, pytest.raises(CatalogueError) as raised:
        open_source(site.url, area=AREA, options=Options(attempts=0, backoff_s=0.0), **YEAR)
    assert site.url in str(raised.value)


PAGES: list[Any] = [
    {"features": None},
    {"features": [None, 7, "x", [], {}]},
    {"features": [{"id": None, "assets": None, "links": [{"rel": "self", "href": "file:///x"}]}]},
    {"features": [{"type": "Feature", "id": "a", "links": 7, "properties": 7, "assets": {"red": 7}}]},
    {"features": [{}], "links": [{"rel": "next"}]},
    {"features": [{}], "links": [{"rel": "next", "href": 7}]},
    {"features": [{}], "links": [{"href": "/search"}]},
    {"features": [{}], "links": 7},
    {"features": [{}], "context": 7},
    [],
    7,
    None,
]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_malformed_page_is_a_clear_error(page: Any) -> None:
    def answer(path: str, question: dict[str, Any]) -> made_site.Reply | None:
        return made_site.Reply(page) if path == "/search" else made_site.api([])(path, question)

    with made_site.serving(answer=answer) as site, pytest.raises(CatalogueError) as raised:
        open_source(site.url, area=AREA, options=Options(attempts=0, backoff_s=0.0), **YEAR)
    assert site.url in str(raised.value)


def test_datetimes_far_after_the_question_are_named(tmp_path: Path) -> None:
    folder = made_tiles.write(tmp_path / "c", days=3)
    file = folder / "S2_20210411" / "S2_20210411.json"
    file.write_text(file.read_text().replace("2021-04-11T", "2061-04-11T"))
    found = open_source(folder, area=AREA, **YEAR)
    assert len(found.scenes) == 2 and "far in the future" in found.warnings[0]


def test_the_real_stack_opens_through_the_same_door(shared_data: Path) -> None:
    folder = shared_data / "scenes" / "flanders-2018"
    span = {"since": date(2017, 1, 1), "until": date(2018, 12, 31)}
    found = open_source(folder, area=None, sensors=("s2", "s1"), **span)
    assert found.scenes == open_catalogue(folder).scenes and not found.warnings
    assert {s.tile for s in found.scenes if s.sensor == "s2"} == {"31UDS"}
    assert {s.level for s in found.scenes} == {"L2A", "GRD"}
    assert {a.quantity for s in found.scenes for a in s.assets.values()} == {"value"}
