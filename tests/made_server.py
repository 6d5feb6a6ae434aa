"""A real STAC API with range requests on loopback, over a folder catalogue; flaky on purpose where a test asks for it.

with serve(folder, flaky=Flaky(every=3)) as server:
    ... server.url (the API), server.static (catalog.json as static files), server.requests (what was asked)
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

FAULTS = ("500", "503", "429", "404", "cut", "reset", "slow", "length", "short", "truncated", "html")
"""What can go wrong with one answer: a status; `cut`: half the body, then the connection is closed; `reset`: closed
without an answer; `slow`: late; `length`: promises 1,000 bytes more than come; `short`: half of the range, said to be
all of it; `truncated`: the file is half as long; `html`: a page that says sorry with status 200."""

CONTROL = "/made/control"
"""Where the test itself asks what was asked (GET) and sets how to fail (POST); not among the requests."""

CONFORMS = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)


@dataclass
class Flaky:
    """How the server fails; may be changed while it runs."""

    faults: tuple[str, ...] = ("500", "503", "429", "cut", "reset")
    """drawn from, with the seed"""
    every: int = 0
    """every n-th request that matches `only` gets a fault; 0: none by turn"""
    only: str = r"^/files/.*\.tif$"
    """pattern of the paths that fail by turn"""
    always: Mapping[str, str] = field(default_factory=dict)
    """part of a path -> the fault that its every answer has ("dead for ever")"""
    most: int | None = None
    """so many faults by turn, then none any more; None: no end"""
    seed: int = 0
    slow_s: float = 0.2
    """how late a slow answer comes [s]"""
    retry_after_s: int = 1
    """what 429 and 503 ask to wait [s]"""
    on: bool = True

    def __post_init__(self) -> None:
        unknown = {*self.faults, *self.always.values()} - set(FAULTS)
        if unknown:
            raise ValueError(f"no such fault: {unknown}")
        self._draw, self._lock, self._matched, self.given = random.Random(self.seed), threading.Lock(), 0, 0

    def fault(self, path: str) -> str | None:
        """Return what goes wrong with the next answer for `path`."""
        if not self.on:
            return None
        for part, fault in self.always.items():
            if part in path:
                return fault
        with self._lock:
            if not self.every or not re.search(self.only, path) or (self.most is not None and self.given >= self.most):
                return None
            self._matched += 1
            if self._matched % self.every:
                return None
            self.given += 1
            return self._draw.choice(self.faults)


@dataclass(frozen=True)
class Asked:
    """One request, in the order of arrival."""

    method: str
    path: str
    query: str
    range: str | None
    """the Range header, e.g. "bytes=0-16383" """
    body: Any
    """what was posted"""
    fault: str | None
    """what went wrong on purpose"""


@dataclass
class Server:
    """A running server, as its tests see it."""

    url: str
    """root of the STAC API, no slash at the end"""

    @property
    def static(self) -> str:
        """The folder's own catalog.json, as static files over HTTP."""
        return f"{self.url}/files/catalog.json"

    @property
    def requests(self) -> list[Asked]:
        """All requests so far, in the order of arrival."""
        with urlopen(f"{self.url}{CONTROL}") as answer:
            return [Asked(**asked) for asked in json.load(answer)]

    def asked(self, part: str) -> list[Asked]:
        """Return the requests whose path holds `part`."""
        return [request for request in self.requests if part in request.path]

    def set(self, flaky: Flaky) -> None:
        """Fail in another way from now on; the counts begin anew."""
        body = json.dumps(asdict(flaky)).encode()
        with urlopen(Request(f"{self.url}{CONTROL}", body, {"Content-Type": "application/json"})):
            pass


@contextlib.contextmanager
def serve(folder: Path | str, *, flaky: Flaky | None = None) -> Iterator[Server]:
    """Serve the catalogue in `folder` on a free port of the loopback until the block ends."""
    command = [sys.executable, str(Path(__file__).resolve()), str(folder), json.dumps(asdict(flaky or Flaky()))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.terminate()


def run(folder: str, flaky: str) -> None:
    """Serve until standard input ends (with the test's process) or the process is told to stop; say where first."""
    server = _Quiet(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    server.flaky, server.requests = Flaky(**json.loads(flaky)), []
    server.folder = Path(folder).resolve()
    server.api = _Api(url, server.folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(url, flush=True)
    sys.stdin.read()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    flaky: Flaky
    requests: list[Asked]
    folder: Path
    api: _Api

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients go away in the middle of what is broken on purpose."""


class _Api:
    """The answers of the STAC API."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def items(self) -> list[dict[str, Any]]:
        """Read all items anew, so that a test may add some; newest first, as public servers do."""
        found = []
        for file in sorted(self.folder.rglob("*.json")):
            item = json.loads(file.read_text("utf-8"))
            if isinstance(item, dict) and item.get("type") == "Feature" and "assets" in item:
                found.append(self._outward(item, file.parent))
        return sorted(found, key=lambda item: (str(item["properties"].get("datetime")), item["id"]), reverse=True)

    def _outward(self, item: dict[str, Any], home: Path) -> dict[str, Any]:
        item.setdefault("collection", "made")
        for asset in item["assets"].values():
            if "://" not in asset["href"]:
                inside = os.path.relpath(home / asset["href"], self.folder)  # may lead out, where a test wants that
                asset["href"] = f"{self.url}/files/{inside}"
        collection = f"{self.url}/collections/{item['collection']}"
        item["links"] = [
            _link("self", f"{collection}/items/{item['id']}"),
            _link("collection", collection),
            _link("root", self.url),
        ]
        return item

    def answer(self, path: str, asked: dict[str, Any], method: str) -> dict[str, Any] | None:
        """Return the JSON for a path of the API; None when there is no such path."""
        parts = [part for part in path.split("/") if part]
        if not parts:
            return self.landing()
        if parts == ["conformance"]:
            return {"conformsTo": list(CONFORMS)}
        if parts == ["search"]:
            return self.search(asked, method)
        if parts[0] != "collections":
            return None
        names = sorted({str(item["collection"]) for item in self.items()})
        if len(parts) == 1:
            return {
                "collections": [self.collection(name) for name in names],
                "links": [_link("root", self.url)],
            }
        if parts[1] not in names:
            return None
        if len(parts) == 2:
            return self.collection(parts[1])
        inside = [item for item in self.items() if item["collection"] == parts[1]]
        if len(parts) == 3:
            return {"type": "FeatureCollection", "features": inside, "links": []}
        return next((item for item in inside if item["id"] == parts[3]), None)

    def landing(self) -> dict[str, Any]:
        url = self.url
        search = [{**_link("search", f"{url}/search", "application/geo+json"), "method": m} for m in ("GET", "POST")]
        links = [_link("self", url), _link("root", url), _link("data", f"{url}/collections")]
        links += [_link("conformance", f"{url}/conformance"), *search]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "made",
            "title": "made",
            "description": "made for tests",
            "conformsTo": list(CONFORMS),
            "links": links,
        }

    def collection(self, name: str) -> dict[str, Any]:
        inside = [item for item in self.items() if item["collection"] == name]
        boxes = list(zip(*(item["bbox"] for item in inside), strict=True))
        times = sorted(str(item["properties"]["datetime"]) for item in inside)
        url = f"{self.url}/collections/{name}"
        box = [min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])]
        return {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": name,
            "description": name,
            "license": "other",
            "extent": {"spatial": {"bbox": [box]}, "temporal": {"interval": [[times[0], times[-1]]]}},
            "links": [_link("self", url), _link("root", self.url), _link("items", f"{url}/items")],
        }

    def search(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        """Answer a search: bbox or intersects (by its box), datetime, collections, ids; pages of `limit`."""
        found = [item for item in self.items() if _wanted(item, asked)]
        limit, start = int(asked.get("limit") or 10), int(asked.get("token") or 0)
        page, url = found[start : start + limit], f"{self.url}/search"
        links = [_link("root", self.url)]
        if start + limit < len(found):
            following = {**asked, "limit": limit, "token": str(start + limit)}
            if method == "POST":
                posted = {"method": "POST", "body": following, "merge": False}
                links.append({**_link("next", url, "application/geo+json"), **posted})
            else:
                flat = {key: ",".join(map(str, v)) if isinstance(v, list) else v for key, v in following.items()}
                href = f"{url}?{urlencode(flat)}"
                links.append({**_link("next", href, "application/geo+json"), "method": "GET"})
        return {"type": "FeatureCollection", "features": page, "links": links, "numberMatched": len(found)}


def _link(rel: str, href: str, kind: str = "application/json") -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": kind}


def _wanted(item: dict[str, Any], asked: dict[str, Any]) -> bool:
    for key, own in (("collections", item["collection"]), ("ids", item["id"])):
        if asked.get(key) and own not in asked[key]:
            return False
    box = asked.get("bbox")
    if asked.get("intersects"):
        corners = list(_corners(asked["intersects"]["coordinates"]))
        longitudes, latitudes = zip(*corners, strict=True)
        box = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    own = item["bbox"]
    if box and not (own[0] <= box[2] and own[2] >= box[0] and own[1] <= box[3] and own[3] >= box[1]):
        return False
    return not asked.get("datetime") or _within(str(item["properties"]["datetime"]), asked["datetime"])


def _corners(coordinates: Any) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
    else:
        for part in coordinates:
            yield from _corners(part)


def _within(when: str, span: str) -> bool:
    first, last = span.split("/") if "/" in span else (span, span)
    own = _time(when)
    return (first in ("", "..") or _time(first) <= own) and (last in ("", "..") or own <= _time(last, end=True))


def _time(text: str, end: bool = False) -> datetime:
    if len(text) == 10:
        text += "T23:59:59" if end else "T00:00:00"
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 20
    server: _Quiet

    def log_message(self, *words: Any) -> None:
        """Keep the tests' output clean."""

    def do_GET(self) -> None:
        self._serve(None)

    def do_HEAD(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._serve(json.loads(body))
        except ValueError:
            self._send(400, b'{"description": "no JSON"}', "application/json")

    def _serve(self, body: Any) -> None:
        flaky, parts = self.server.flaky, urlsplit(self.path)
        path = unquote(parts.path)
        if path == CONTROL:
            self._control(body)
            return
        fault = flaky.fault(path)
        self.server.requests.append(Asked(self.command, path, parts.query, self.headers.get("Range"), body, fault))
        if fault == "reset":
            self.close_connection = True
        elif fault in ("500", "503", "429", "404"):
            waits = {"Retry-After": str(flaky.retry_after_s)} if fault in ("429", "503") else {}
            self._send(int(fault), b'{"code": "made", "description": "failed on purpose"}', "application/json", waits)
        elif fault == "html":
            self._send(200, b"<html><body>Sorry, we are down for maintenance.</body></html>", "text/html")
        else:
            if fault == "slow":
                time.sleep(flaky.slow_s)
            self._answer(path, dict(parse_qsl(parts.query)), body, fault)

    def _control(self, body: Any) -> None:
        if body is not None:
            self.server.flaky = Flaky(**body)
        self._send(200, json.dumps([asdict(asked) for asked in self.server.requests]).encode(), "application/json")

    def _answer(self, path: str, query: dict[str, Any], body: Any, fault: str | None) -> None:
        if path.startswith("/files/"):
            self._file(path.removeprefix("/files/"), fault)
            return
        asked = body if body is not None else query
        for key in ("bbox", "collections", "ids"):
            if isinstance(asked.get(key), str):
                asked[key] = asked[key].split(",")
        if asked.get("bbox"):
            asked["bbox"] = [float(v) for v in asked["bbox"]]
        if isinstance(asked.get("intersects"), str):
            asked["intersects"] = json.loads(asked["intersects"])
        found = self.server.api.answer(path, asked, self.command)
        content = json.dumps(found if found is not None else {"code": "NotFound", "description": path}).encode()
        self._send(200 if found is not None else 404, content, "application/geo+json", fault=fault)

    def _file(self, inside: str, fault: str | None) -> None:
        root = self.server.folder
        file = (root / inside).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            self._send(404, b"not here", "text/plain")
            return
        content = file.read_bytes()
        if fault == "truncated":
            content = content[: len(content) // 2]
        kind = "application/json" if file.suffix == ".json" else "image/tiff"
        about = {"Accept-Ranges": "bytes", "Last-Modified": formatdate(file.stat().st_mtime, usegmt=True)}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not asked:
            self._send(200, content, kind, about, fault)
            return
        first = int(asked[1])
        last = min(int(asked[2] or len(content) - 1), len(content) - 1)
        if first > last:
            self._send(416, b"", kind, {"Content-Range": f"bytes */{len(content)}"})
            return
        about["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], kind, about, fault)

    def _send(
        self,
        status: int,
        content: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
        fault: str | None = None,
    ) -> None:
        sent = content[: len(content) // 2] if fault in ("cut", "short") else content
        promised = {"length": len(content) + 1000, "short": len(sent)}.get(fault or "", len(content))
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(promised), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)
        if fault in ("cut", "length"):
            self.wfile.flush()
            self.close_connection = True


if __name__ == "__main__":
    run(*sys.argv[1:])
