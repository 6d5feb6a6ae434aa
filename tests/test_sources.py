"""Sources: a name, an API, a catalogue on the web or a folder become one kind of catalogue."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

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
