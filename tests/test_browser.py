"""The farmer's page in a real browser on a phone's screen: pinch, circle a field with a finger, read the line.

Set GREATTIT_PICTURES to a folder to keep the screenshots, e.g. `GREATTIT_PICTURES=docs/pictures pytest -m browser`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import shapely
from shapely.geometry import shape

from greattit.appraisal import as_dict
from greattit.errors import CatalogueError
from greattit.web import create_app

pytestmark = pytest.mark.browser

DAY = date(2023, 9, 1)
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2 if "GREATTIT_PICTURES" in os.environ else 1,
    "is_mobile": True,
    "has_touch": True,
    "locale": "en-GB",
}
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
WAIT = 120_000


def chromium() -> str:
    """The browser's path, or a skip that says how to get one."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found or not Path(found).exists():
        pytest.skip("needs chromium: install it, or name its path in $CHROMIUM")
    return found


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve `app` on a free port of this machine."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(10)


class Finger:
    """Touches on the page's screen [css px], as a phone's own browser would feel them."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)

    def _send(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": place} for place, (x, y) in enumerate(points)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def drag(self, path: list[tuple[float, float]], before_lifting: Callable[[], None] = lambda: None) -> None:
        self._send("touchStart", path[0])
        for point in path[1:]:
            self._send("touchMove", point)
        before_lifting()
        self._rest(path[-1])
        self._send("touchEnd")

    def _rest(self, point: tuple[float, float]) -> None:
        """Come to a stop: lifted in motion, the browser takes it for a fling, and the next tap only ends that."""
        self.page.wait_for_timeout(150)
        self._send("touchMove", (point[0] + 1.0, point[1]))
        self.page.wait_for_timeout(50)

    def pinch(self, centre: tuple[float, float], before: float, after: float, steps: int = 6) -> None:
        """Two fingers `before` apart move until they are `after` apart."""
        x, y = centre

        def fingers(gap: float) -> tuple[tuple[float, float], tuple[float, float]]:
            return (x - gap / 2, y), (x + gap / 2, y)

        self._send("touchStart", *fingers(before))
        for step in range(1, steps + 1):
            self._send("touchMove", *fingers(before + (after - before) * step / steps))
        self._send("touchEnd")


def on_screen(page: Any, ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    script = "ring => ring.map(at => { const p = greatTit.map.project(at); return [p.x, p.y]; })"
    return [tuple(point) for point in page.evaluate(script, ring)]


def settle(page: Any) -> None:
    page.wait_for_timeout(250)
    page.wait_for_function("() => !greatTit.map.moving()", timeout=WAIT)


def bring_near(page: Any, finger: Finger, ring: list[tuple[float, float]], wanted: float = 190) -> None:
    """Pan and pinch, as a hand would, until the ring is `wanted` px wide in the middle of the screen."""
    middle = (180.0, 430.0)
    for _ in range(12):
        points = on_screen(page, ring)
        xs, ys = zip(*points, strict=True)
        centre = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
        size = max(max(xs) - min(xs), max(ys) - min(ys))
        off = (middle[0] - centre[0], middle[1] - centre[1])
        if max(map(abs, off)) > 25:
            reach = min(1.0, 150 / max(map(abs, off)))
            start = (middle[0] - off[0] * reach / 2, middle[1] - off[1] * reach / 2)
            finger.drag([(start[0] + off[0] * reach * k / 10, start[1] + off[1] * reach * k / 10) for k in range(11)])
        elif size < 0.75 * wanted:
            finger.pinch(middle, 60, 60 * min(4.0, wanted / size))
        else:
            return
        settle(page)
    pytest.fail("the field could not be brought to the middle of the screen")


def dense(points: list[tuple[float, float]], step: float = 40.0) -> list[tuple[float, float]]:
    """Points along a path, at most `step` px apart."""
    path = []
    for (x0, y0), (x1, y1) in pairwise(points):
        count = max(1, round(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 / step))
        path += [(x0 + (x1 - x0) * k / count, y0 + (y1 - y0) * k / count) for k in range(count)]
    return path


def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("GREATTIT_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def field_with_a_line(app: Any, tiles: Path) -> list[tuple[float, float]]:
    """The largest of the county's labelled fields that gets a line when it is drawn exactly."""
    features = json.loads((tiles / "plots.geojson").read_text())["features"]
    appraise = app.state.service.appraise
    for one in sorted(features, key=lambda one: -shape(one["geometry"]).area):
        drawing = {"type": "Feature", "properties": {}, "geometry": one["geometry"]}
        if one["geometry"]["type"] == "Polygon" and not appraise(drawing, DAY, Decimal(0))["line"]["refused"]:
            return [(x, y) for x, y in shape(one["geometry"]).simplify(5e-5).exterior.coords]
    pytest.fail("no field of the county gets a line")


def two_fields_with_a_line(app: Any, tiles: Path) -> list[tuple[float, float]]:
    """A ring around two neighbouring fields of one crop that are told apart, with a line for both together."""
    features = json.loads((tiles / "plots.geojson").read_text())["features"]
    fields = [(shape(one["geometry"]), one["properties"]) for one in features]
    for (a, one), (b, other) in combinations(fields, 2):
        if one["crop"] != other["crop"] or min(one["area_ha"], other["area_ha"]) < 0.7 or a.distance(b) > 1.5e-4:
            continue
        ring = shapely.union(a, b).buffer(1e-4).simplify(5e-5)
        drawing = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(ring)}
        found = app.state.service.appraise(drawing, DAY, Decimal(0))
        if len(found["segment"]["parts"]) == 2 and not found["line"]["refused"]:
            return [(x, y) for x, y in ring.exterior.coords]
    pytest.fail("no two fields of the county are told apart")


@pytest.fixture(scope="module")
def county(sample_tiles: Path) -> Any:
    """The application on the sample tiles."""
    try:
        return create_app(sample_tiles, day=DAY)
    except CatalogueError:
        pytest.skip("needs data/sample_tiles: greattit simulate data/sample_tiles")


@pytest.fixture(scope="module")
def url(county: Any) -> Iterator[str]:
    with serving(county) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests of this file."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


class Phone:
    """An open page on a phone's screen, with what it said and asked for."""

    def __init__(self, browser: Any, url: str, **settings: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_context(**{**PHONE, **settings}).new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("body[data-state=ready]", timeout=WAIT)
        settle(self.page)
        self.finger = Finger(self.page)

    def picture(self, folder: Path, name: str) -> None:
        self.page.screenshot(path=pictures(folder) / name)

    def reach(self, state: str) -> None:
        self.page.wait_for_selector(f"body[data-state={state}]", timeout=WAIT)
        settle(self.page)

    def scribble(self) -> None:
        """A quick round in the middle of the screen."""
        self.page.locator("#draw").tap()
        self.finger.drag([(195 + 60 * math.cos(turn * 0.7), 430 + 60 * math.sin(turn * 0.7)) for turn in range(9)])

    def circle(self, ring: list[tuple[float, float]]) -> Any:
        """Go around a ring with a finger; return the server's answer once the result is shown."""
        bring_near(self.page, self.finger, ring)
        self.page.locator("#draw").tap()
        with self.page.expect_response("**/api/appraisals", timeout=WAIT) as waiting:
            self.finger.drag(dense(on_screen(self.page, ring)))
        self.reach("result")
        return waiting.value

    def read(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).inner_text().split())

    def stayed_home(self) -> bool:
        return {urlsplit(one).hostname for one in self.asked if not one.startswith(("data:", "blob:"))} == {"127.0.0.1"}


def test_a_finger_circles_a_field_and_the_line_appears(
    county: Any, url: str, browser: Any, sample_tiles: Path, tmp_path: Path
) -> None:
    ring = field_with_a_line(county, sample_tiles)
    phone = Phone(browser, url)
    page = phone.page
    phone.picture(tmp_path, "phone-map.png")
    assert page.locator("#simulated").inner_text() == "Simulated tiles: not a real place"
    bring_near(page, phone.finger, ring)
    page.get_by_role("button", name="Circle my field").tap()
    before = on_screen(page, ring)
    held: list[list[tuple[float, float]]] = []
    with page.expect_response("**/api/appraisals", timeout=WAIT) as waiting:
        phone.finger.drag(dense(before), before_lifting=lambda: held.append(on_screen(page, ring)))
    phone.reach("result")
    phone.picture(tmp_path, "phone.png")
    shown, value = page.locator("#amount").inner_text(), page.locator("#amount").get_attribute("value")
    drawn, answer = waiting.value.request.post_data_json, waiting.value.json()

    again = county.state.service.appraise(drawn, DAY, Decimal(0))
    assert again["line"] == answer["line"], "the page's line is the library's, to the cent"
    assert value == again["line"]["limit"]
    assert Decimal("".join(c for c in shown if c.isdigit() or c == ".")) == Decimal(again["line"]["limit"]) > 0
    assert page.locator(".reasons li").count() == len(answer["line"]["reasons"])
    assert page.locator("#status").inner_text().startswith(f"Your line is {shown}")
    circled = shape({"type": "Polygon", "coordinates": [ring]})
    assert shape(drawn["geometry"]).buffer(0).intersection(circled).area > 0.9 * circled.area
    assert held == [before], "the map stays while a finger draws"
    assert phone.stayed_home()
    assert phone.said == []


def mu(hectares: float) -> str:
    return f"{hectares * 15:.1f}"


def test_the_outline_snaps_in_and_the_farmer_keeps_it_or_draws_again(
    county: Any, url: str, browser: Any, sample_tiles: Path, tmp_path: Path
) -> None:
    phone = Phone(browser, url)
    page = phone.page
    watch = """() => { window.seen = []; (function look() {
        const text = JSON.stringify(greatTit.map.shown("field"));
        if (!seen.includes(text)) seen.push(text);
        requestAnimationFrame(look);
    })(); }"""
    page.evaluate(watch)
    answer = phone.circle(field_with_a_line(county, sample_tiles))
    page.wait_for_function("() => seen.at(-1) === JSON.stringify(greatTit.map.shown('field'))", timeout=WAIT)
    drawn, found = shape(answer.request.post_data_json["geometry"]), answer.json()["segment"]
    outlines = [
        shape(one["features"][0]["geometry"]) for one in map(json.loads, page.evaluate("seen")) if one["features"]
    ]
    assert len(outlines) > 1, "it is seen on its way"
    assert outlines[0].symmetric_difference(drawn.buffer(0)).area < 0.05 * drawn.area, "it starts from the drawing"
    assert outlines[-1].equals(shape(found["outline"])), "it ends where the field is"

    low, high = found["area_90_ha"]
    said = phone.read("#found")
    assert said.startswith("Is this your field?")
    assert f"{mu(found['area_ha']['p50'])} mu · {found['area_ha']['p50']:.2f} ha" in said
    assert f"Nine times in ten between {mu(low)} and {mu(high)} mu ({low:.2f} to {high:.2f} ha)." in said
    assert f"You drew {mu(found['drawn_ha'])} mu" in said
    causes = {"mixed border": "edge that is only partly field", "other land": "land unlike this field"}
    for cause, hectares in found["cut_away"].items():
        if hectares >= 0.005:
            assert f"{mu(hectares)} mu: {causes.get(cause, cause)}" in said
    assert ("along the edge" in said) == (found["added_ha"] >= 0.005)

    page.get_by_role("button", name="Yes, keep this line").tap()
    phone.reach("kept")
    phone.picture(tmp_path, "phone-kept.png")
    assert phone.read("#keptnote").startswith("Kept on this page")
    assert phone.read("#kept") == "Lines kept: 1"
    assert page.locator("#amount").get_attribute("value") == answer.json()["line"]["limit"]
    with page.expect_download(timeout=WAIT) as waiting:
        page.get_by_role("link", name="Download the full record").tap()
    assert json.loads(Path(waiting.value.path()).read_text(encoding="utf-8")) == answer.json()
    page.get_by_role("button", name="Another field").tap()
    phone.reach("drawing")
    kept = page.evaluate("greatTit.map.shown('kept')")["features"]
    assert [shape(one["geometry"]) for one in kept] == [shape(found["outline"])]
    assert page.evaluate("greatTit.map.shown('field')")["features"] == []
    assert phone.said == []


def test_several_fields_in_one_drawing_are_each_shown(
    county: Any, url: str, browser: Any, sample_tiles: Path, tmp_path: Path
) -> None:
    phone = Phone(browser, url)
    page = phone.page
    answer = phone.circle(two_fields_with_a_line(county, sample_tiles)).json()
    phone.picture(tmp_path, "phone-several.png")
    parts = answer["segment"]["parts"]
    rows = page.locator("#several li")
    assert len(parts) >= 2 and rows.count() == len(parts)
    assert phone.read("#several").startswith(f"Your drawing holds {len(parts)} fields")
    for place, part in enumerate(parts):
        area = part["area_ha"]["p50"]
        wanted = f"{mu(area)} mu · {area:.2f} ha ({part['share']:.0%} of it)"
        assert wanted in " ".join(rows.nth(place).inner_text().split())
    shown = page.evaluate("greatTit.map.shown('parts')")["features"]
    assert [shape(one["geometry"]) for one in shown] == [shape(part["outline"]) for part in parts]
    tags = page.locator("#map .tag")
    assert [tags.nth(i).inner_text() for i in range(len(parts))] == [
        f"{i + 1}\n{part['share']:.0%}" for i, part in enumerate(parts)
    ]
    page.get_by_role("button", name="No, draw again").tap()
    phone.reach("drawing")
    assert tags.count() == 0 and page.evaluate("greatTit.map.shown('parts')")["features"] == []
    assert not page.locator("#kept").is_visible()
    assert phone.said == []


def made_answer(name: str, **segment: Any) -> dict[str, Any]:
    """An appraisal as the server sends it, from one made by hand; `segment` replaces fields of its segment."""
    from made_appraisal import made_appraisal, made_cube, made_parts, made_refusal

    made = {"line": made_appraisal, "parts": made_parts, "refusal": made_refusal}[name]
    answer: dict[str, Any] = json.loads(json.dumps(as_dict(made(made_cube()))))
    answer["segment"] |= segment
    return answer


def shown_for(browser: Any, url: str, answer: dict[str, Any], **settings: Any) -> Phone:
    phone = Phone(browser, url, **settings)
    phone.page.route("**/api/appraisals", lambda route: route.fulfill(status=200, json=answer))
    phone.scribble()
    phone.reach("result")
    return phone


def test_all_that_is_new_is_said_in_chinese_too(url: str, browser: Any) -> None:
    away = {"mixed border": 0.42, "water, road or building": 0.11, "other land": 0.31, "land outside the tiles": 0.2}
    answer = made_answer("parts", cut_away=away, added_ha=0.1)
    phone = shown_for(browser, url, answer, locale="zh-CN")
    said = phone.read("#found")
    assert said.startswith("这是您的地块吗？")
    assert "63.2 亩 · 4.21 公顷" in said and "十次中有九次在 60.5 至 65.9 亩之间（4.03 至 4.39 公顷）" in said
    assert "6.3 亩：只有部分属于地块的边缘" in said and "3.0 亩：卫星影像范围之外" in said
    assert "补入 沿边缘 1.5 亩" in said and "您圈住了 2 块地" in said
    assert not any(letter.isascii() and letter.isalpha() for letter in said)
    phone.page.get_by_role("button", name="是的，保留额度").tap()
    phone.reach("kept")
    assert phone.read("#kept") == "已保留额度：1"
    assert phone.said == []


def test_what_is_not_known_is_said_and_a_refused_field_cannot_be_kept(url: str, browser: Any) -> None:
    unsure = made_answer("line", area_90_ha=[None, None])
    assert "Eight times in ten between 61.2 and 65.1 mu (4.08 to 4.34 ha)." in shown_for(browser, url, unsure).read(
        "#found"
    )
    nothing = {"p10": None, "p50": None, "p90": None, "unit": "ha"}
    phone = shown_for(browser, url, made_answer("refusal", area_90_ha=[None, None], area_ha=nothing))
    assert "not known" in phone.read("#found") and "How sure that is cannot be said." in phone.read("#found")
    assert phone.read("#sheet-actions") == "Draw again Full record"
    assert phone.said == []


def test_the_way_from_drawing_to_field_keeps_both_ends(url: str, browser: Any) -> None:
    """Whatever the number, start and turn of their points, and however many rings the field has."""
    phone = Phone(browser, url)
    drawn, field = shapely.box(0, 0, 4, 3), shapely.box(0.5, 0.2, 4.2, 2.8).difference(shapely.box(1, 1, 2, 2))
    both = shapely.MultiPolygon([shapely.box(9, 9, 9.5, 9.5), field])
    script = """async ([from, to]) => {
        const { way, middleOf } = await import("/assets/snap.js");
        return [...[0, 0.5, 1].map(way(from, to)), { type: "Point", coordinates: middleOf(to) }];
    }"""
    for end in (field, shapely.reverse(field), both):
        given = [shapely.geometry.mapping(one) for one in (drawn, end)]
        start, half, last, middle = map(shape, phone.page.evaluate(script, given))
        outer = shapely.Polygon(field.exterior)
        assert start.symmetric_difference(drawn).area < 0.03 * drawn.area
        assert last.symmetric_difference(outer).area < 0.03 * outer.area
        assert half.is_valid and outer.area * 0.95 < half.area < drawn.area * 1.02
        assert middle.distance(outer.centroid) < 0.1


def test_two_fingers_zoom_and_do_not_draw(url: str, browser: Any) -> None:
    phone = Phone(browser, url)
    phone.page.locator("#draw").tap()
    west, east = (3.05, 50.837), (3.055, 50.837)
    before = on_screen(phone.page, [west, east])
    phone.finger.pinch((195, 430), 60, 160)
    settle(phone.page)
    after = on_screen(phone.page, [west, east])
    assert after[1][0] - after[0][0] > 1.5 * (before[1][0] - before[0][0])
    assert phone.page.evaluate("document.body.dataset.state") == "drawing"
    assert not any("appraisals" in one for one in phone.asked)
    assert phone.said == []


def test_a_lost_connection_and_an_error_are_said_and_can_be_tried_again(url: str, browser: Any, tmp_path: Path) -> None:
    phone = Phone(browser, url)
    trouble = {"error": "PlotShapeError", "what": "crosses itself", "subject": "drawing", "remedy": "draw it again"}
    phone.page.route("**/api/appraisals", lambda route: route.abort())
    phone.scribble()
    phone.reach("trouble")
    assert "No connection" in phone.page.locator("#sheet-body").inner_text()
    phone.page.unroute("**/api/appraisals")
    phone.page.route("**/api/appraisals", lambda route: route.fulfill(status=422, json=trouble))
    phone.page.get_by_role("button", name="Try again").tap()
    phone.page.locator("#sheet-body").get_by_text("crosses itself").wait_for(timeout=WAIT)
    phone.page.screenshot(path=tmp_path / "phone-error.png")
    text = phone.page.locator("#sheet-body").inner_text()
    assert "Your drawing crosses itself." in text
    assert "Draw it again." in text


def test_the_page_speaks_the_phones_language(url: str, browser: Any) -> None:
    phone = Phone(browser, url, locale="zh-CN")
    assert phone.page.locator("#draw").inner_text() == "圈出我的地块"
    assert phone.page.evaluate("document.documentElement.lang") == "zh"
    keys = """async () => {
        const { languages } = await import("/assets/strings.js");
        const open = (value, name) => typeof value === "object" && name !== "crops";
        const names = (words) => Object.entries(words).flatMap(([name, value]) =>
            open(value, name) ? names(value).map((deeper) => `${name}.${deeper}`) : [name]).sort();
        return Object.values(languages).map(names);
    }"""
    first, *others = phone.page.evaluate(keys)
    assert len(first) > 50
    assert all(other == first for other in others)
    assert phone.said == []
