"""The server of the farmer's page, without a browser: tiles, appraisals, errors, assets, headers."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from greattit import errors
from greattit.web import answers, assets, create_app, picture
from greattit.web.app import BODY_LIMIT

BOX = (3.0, 50.99, 3.02, 51.0)
FIELD = {
    "type": "Polygon",
    "coordinates": [[[3.005, 50.993], [3.01, 50.993], [3.01, 50.996], [3.005, 50.996], [3.005, 50.993]]],
}


def write_scene(folder: Path, day: date, *, cloudy: float = 0.0, red: int = 1200, truncated: bool = False) -> str:
    """Write one item of 64 x 64 pixels: flat colours with counts offset by 1000, the top rows cloud."""
    import rasterio
    from rasterio.transform import from_bounds

    name = f"S2_{day:%Y%m%d}"
    (folder / name).mkdir(parents=True)
    rows = round(64 * cloudy)
    counts = {"blue": 1300, "green": 1500, "red": 1000 + red, "nir": 4000}
    made = {"scl": np.full((64, 64), 4, np.uint8)} | {
        key: np.full((64, 64), value, np.uint16) for key, value in counts.items()
    }
    made["scl"][:rows] = 9
    for key, values in made.items():
        profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": values.dtype, "nodata": 0}
        with rasterio.open(
            folder / name / f"{key}.tif", "w", crs="EPSG:4326", transform=from_bounds(*BOX, 64, 64), **profile
        ) as file:
            file.write(values, 1)
    if truncated:
        (folder / name / "green.tif").write_bytes(b"II*\0 not much")
    bands = [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]
    kinds = {key: {"href": f"./{key}.tif", "raster:bands": [{}] if key == "scl" else bands} for key in made}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": name, "bbox": BOX, "links": [],
        "geometry": None, "assets": kinds,
        "properties": {"datetime": datetime(day.year, day.month, day.day, 11).isoformat() + "Z"},
    }  # fmt: skip
    (folder / name / f"{name}.json").write_text(json.dumps(item))
    return f"./{name}/{name}.json"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three looks: a clear one, a later cloudy one, a still later one that cannot be read."""
    root = tmp_path_factory.mktemp("tiles")
    items = [
        write_scene(root, date(2023, 6, 1), red=1400),
        write_scene(root, date(2023, 6, 11), cloudy=0.5, red=100),
        write_scene(root, date(2023, 6, 21), truncated=True),
    ]
    top = {
        "type": "Catalog", "stac_version": "1.0.0", "id": "little", "title": "Little county",
        "description": "for tests", "greattit:simulated": True,
        "links": [{"rel": "item", "href": href} for href in items],
    }  # fmt: skip
    (root / "catalog.json").write_text(json.dumps(top))
    return root


def stand_in(drawing: dict[str, Any], day: date, live_debt: Decimal) -> dict[str, Any]:
    """Answer as the walk would in form, with what it was asked."""
    return {"plot": drawing, "day": day.isoformat(), "line": {"limit": str(1000 - live_debt)}}


@pytest.fixture(scope="module")
def client(catalogue: Path) -> TestClient:
    return TestClient(create_app(catalogue, appraise=stand_in), raise_server_exceptions=False)


def raising(catalogue: Path, error: Exception) -> TestClient:
    def fails(*_: object) -> dict[str, Any]:
        raise error

    return TestClient(create_app(catalogue, appraise=fails), raise_server_exceptions=False)


def test_the_place_says_where_when_and_that_it_is_simulated(client: TestClient) -> None:
    place = client.get("/api/place").json()
    assert place["name"] == "Little county"
    assert place["bounds"] == list(BOX)
    assert place["day"] == "2023-06-21"
    assert place["simulated"] is True
    assert client.get("/healthz").json()["status"] == "ok"


def test_the_picture_is_the_clearest_look_that_can_be_read(client: TestClient) -> None:
    assert client.get("/api/place").json()["picture"]["days"] == ["2023-06-01"]


def test_no_look_after_the_day_is_shown(catalogue: Path) -> None:
    place = TestClient(create_app(catalogue, day=date(2023, 5, 1), appraise=stand_in)).get("/api/place").json()
    assert place["day"] == "2023-05-01"
    assert place["picture"]["days"] == []


def test_new_tiles_get_new_addresses(tmp_path: Path, catalogue: Path) -> None:
    shutil.copytree(catalogue, tmp_path / "tiles")
    before = create_app(tmp_path / "tiles", appraise=stand_in).state.service.picture.version
    again = create_app(tmp_path / "tiles", appraise=stand_in).state.service.picture.version
    shutil.rmtree(tmp_path / "tiles" / "S2_20230601")
    write_scene(tmp_path / "tiles", date(2023, 6, 1), red=900)
    after = create_app(tmp_path / "tiles", appraise=stand_in).state.service.picture.version
    assert before == again != after


def tile_of(lon: float, lat: float, z: int) -> str:
    import morecantile

    tile = morecantile.tms.get("WebMercatorQuad").tile(lon, lat, z)
    return f"/tiles/{z}/{tile.x}/{tile.y}.png"


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_a_tile_shows_reflectance_with_the_products_own_scale_and_offset(client: TestClient) -> None:
    answer = client.get(tile_of(3.01, 50.995, 15))
    assert answer.headers["content-type"] == "image/png"
    assert "max-age" in answer.headers["cache-control"]
    red, green, blue, alpha = pixels(answer.content)[256, 256]
    expected = [round(255 * (value / picture._WHITE) ** (1 / picture._GAMMA)) for value in (0.14, 0.05, 0.03)]
    assert [red, green, blue] == pytest.approx(expected, abs=1)
    assert alpha == 255


def test_a_tile_is_not_sent_twice(client: TestClient) -> None:
    url = tile_of(3.01, 50.995, 14)
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"if-none-match": etag}).status_code == 304


def test_a_tile_outside_is_empty_and_an_impossible_one_unknown(client: TestClient) -> None:
    outside = client.get(tile_of(100.0, 10.0, 12))
    assert outside.status_code == 200
    assert pixels(outside.content)[..., 3].max() == 0
    assert client.get("/tiles/3/8/0.png").status_code == 404
    assert client.get("/tiles/40/0/0.png").status_code == 404
    assert client.get("/tiles/3/x/0.png").json()["subject"] == "x"


@pytest.mark.parametrize("body", [FIELD, {"type": "Feature", "properties": {}, "geometry": FIELD}])
def test_a_drawing_reaches_the_walk_as_it_was_drawn(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/api/appraisals", json=body)
    assert answer.status_code == 200
    assert answer.json() == {"plot": body, "day": "2023-06-21", "line": {"limit": "1000"}}
    assert answer.headers["cache-control"] == "no-store"


def test_day_and_live_debt_can_be_named(client: TestClient) -> None:
    answer = client.post("/api/appraisals?day=2023-06-02&live_debt=250.50", json=FIELD).json()
    assert answer["day"] == "2023-06-02"
    assert answer["line"]["limit"] == "749.50"


@pytest.mark.parametrize(
    ("query", "subject"),
    [
        ("day=yesterday", "day"),
        ("day=2023-02-30", "day"),
        ("live_debt=-1", "live_debt"),
        ("live_debt=NaN", "live_debt"),
    ],
)
def test_bad_questions_are_named(client: TestClient, query: str, subject: str) -> None:
    answer = client.post(f"/api/appraisals?{query}", json=FIELD)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "what", "subject", "remedy"}
    assert answer.json()["subject"] == subject


@pytest.mark.parametrize("body", [b"", b"no json", b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_garbage_is_no_drawing(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/appraisals", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "PlotFileError"


def test_a_huge_body_is_refused_whatever_its_header_says(client: TestClient) -> None:
    def stream() -> Any:
        for _ in range(BODY_LIMIT // 1000 + 10):
            yield b" " * 1000

    assert client.post("/api/appraisals", content=b" " * (BODY_LIMIT + 1)).status_code == 413
    assert client.post("/api/appraisals", content=stream()).json()["error"] == "TooLargeError"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.PlotShapeError("too small", subject="drawing", remedy="draw more"), 422),
        (errors.PlotPlaceError("lies outside the tiles", subject="drawing"), 422),
        (errors.PolicyError("not yet in force", subject="policy/credit/cap"), 422),
        (errors.SceneError("truncated", subject="S2"), 503),
        (errors.ModelError("changed", subject="crops"), 500),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_each_error_has_its_code_and_one_body(catalogue: Path, error: Exception, status: int) -> None:
    answer = raising(catalogue, error).post("/api/appraisals", json=FIELD)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "what", "subject", "remedy"}
    assert "secret" not in answer.text


def test_every_error_of_the_tree_is_in_the_table() -> None:
    def tree(kind: type[errors.GreatTitError]) -> list[type[errors.GreatTitError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in tree(child))]

    assert all(400 <= answers.status_of(kind) < 600 for kind in tree(errors.GreatTitError))
    assert answers.status_of(errors.PlotFileError) == 400


def test_a_servers_folders_stay_on_the_server() -> None:
    body = answers.body_of(errors.CatalogueError("is gone", subject="/srv/secret/tiles/county"))
    assert body["subject"] == "county"


def test_no_catalogue_no_server(tmp_path: Path) -> None:
    with pytest.raises(errors.CatalogueError):
        create_app(tmp_path, appraise=stand_in)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/assets/app.js", "text/javascript"),
        ("/assets/vendor/maplibre-gl.mjs", "text/javascript"),
        ("/assets/vendor/maplibre-gl-worker.mjs?v=6", "text/javascript"),
        ("/assets/style.css", "text/css"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/assets/vendor/LICENCES.txt", "text/plain"),
    ],
)
def test_files_are_sent_with_their_type_and_not_twice(client: TestClient, path: str, kind: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["x-content-type-options"] == "nosniff"
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert plain.content == answer.content
    assert client.get(path, headers={"if-none-match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "path", ["/assets/nothing.js", "/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/", "/nothing"]
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "NotHereError"


def test_a_wrong_method_says_so(client: TestClient) -> None:
    assert client.get("/api/appraisals").status_code == 405


def test_the_content_policy_allows_this_host_only(client: TestClient) -> None:
    policy = dict(part.split(" ", 1) for part in client.get("/").headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert re.fullmatch(r"'self' 'sha256-[\w+/=]+'", policy["script-src"])
    assert policy["worker-src"] == "'self' blob:"
    assert not any("http" in value or "*" in value or "unsafe" in value for value in policy.values())
    assert client.get("/nothing").headers["content-security-policy"]


def test_every_file_the_page_names_is_there() -> None:
    page = assets.load()
    index = page["index.html"].raw.decode()
    named = re.findall(r'"\./assets/([^"]+)"', index)
    assert set(named) <= set(page)
    modules = [name for name in page if name.endswith(".js") and not name.startswith("vendor/")]
    for name in modules:
        assert set(re.findall(r'from "\./([^"]+)"', page[name].raw.decode())) <= set(page)


def test_every_cause_of_land_left_out_has_words_in_both_languages() -> None:
    from inspect import getsource

    from greattit.plots import cut as verb

    room = getsource(sys.modules[verb.__module__])
    given = set(re.findall(r'"([a-z][a-z, ]+)": (?:border|bare|hectares|~border)', room))
    words = assets.load()["strings.js"].raw.decode()
    blocks = re.findall(r"causes: \{(.*?)\n  \}", words, re.S)
    assert len(given) == 4 and len(blocks) == 2
    for block in blocks:
        assert set(re.findall(r'^ +"([^"]+)":', block, re.M)) == given


def test_the_page_names_no_outside_host() -> None:
    namespaces = {"http://www.w3.org/2000/svg"}
    for name, asset in assets.load().items():
        if not name.startswith("vendor/"):
            assert set(re.findall(r"https?://[^\s\"'`)]+", asset.raw.decode())) <= namespaces, name


def test_vendored_files_are_those_of_the_lock() -> None:
    web = Path(assets.PAGE).parent
    lock = json.loads((web / "package-lock.json").read_text())["packages"]
    wanted = json.loads((web / "package.json").read_text())["dependencies"]
    notices = (web / "page/vendor/LICENCES.txt").read_text()
    for name, version in wanted.items():
        assert lock[f"node_modules/{name}"]["version"] == version
        assert f"{name} {version} (" in notices
    assert wanted["maplibre-gl"] in (web / "page/vendor/maplibre-gl.mjs").read_text()[:400_000]
    assert not any("resolved" in package for package in lock.values()), "the lock names no registry"


def test_a_full_queue_asks_to_come_back(catalogue: Path) -> None:
    app = create_app(catalogue, appraise=stand_in)
    service = app.state.service

    class Full:
        def statistics(self) -> Any:
            return type("Statistics", (), {"tasks_waiting": 99})()

    app.state.service = type(service)(service.catalogue, service.picture, service.day, service.appraise, Full())
    answer = TestClient(app).post("/api/appraisals", json=FIELD)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_the_look_back_is_a_year(catalogue: Path) -> None:
    late = date(2023, 6, 21) + timedelta(days=400)
    place = TestClient(create_app(catalogue, day=late, appraise=stand_in)).get("/api/place").json()
    assert place["picture"]["days"] == []
