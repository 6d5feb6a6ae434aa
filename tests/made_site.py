"""A real HTTP server on loopback for tests: files of a folder, made answers, and faults on purpose."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    """What the server says: `cut` sends half of the body, `short` promises and sends half of it."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    short: bool = False

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Answer = Callable[[str, dict[str, Any]], "Reply | None"]
"""(path, question) -> reply; None: look into the folder"""


@dataclass
class Site:
    """The running server."""

    url: str
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """method, path and question of every request"""
    headers: list[dict[str, str]] = field(default_factory=list)
    """headers of every request"""


@contextmanager
def serving(folder: Path | None = None, answer: Answer | None = None) -> Iterator[Site]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    site = Site("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            self._reply("GET", split.path, {k: v[0] for k, v in parse_qs(split.query).items()})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._reply("POST", urlsplit(self.path).path, json.loads(body))

        def _reply(self, method: str, path: str, question: dict[str, Any]) -> None:
            site.asked.append((method, path, question))
            site.headers.append(dict(self.headers))
            reply = answer(path, question) if answer else None
            if reply is None:
                file = folder / path.lstrip("/") if folder else None
                reply = Reply(file.read_bytes()) if file and file.is_file() else Reply({"code": "no"}, 404)
            raw = reply.raw
            sent = raw[: len(raw) // 2] if reply.cut or reply.short else raw
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent) if reply.short else len(raw)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def api(items: list[dict[str, Any]], *, page: int = 2, post: bool = True) -> Answer:
    """Answer as a STAC API that pages and ignores every filter (so that the client must filter)."""

    def reply(path: str, question: dict[str, Any]) -> Reply | None:
        if path == "/":
            return Reply(landing(post=post))
        if path == "/search":
            start = int(question.get("token", 0))
            links = []
            if start + page < len(items):
                link = {"rel": "next", "href": "/search", "method": "GET"}
                link = (
                    {**link, "method": "POST", "body": {**question, "token": start + page}}
                    if post
                    else {**link, "href": f"/search?token={start + page}"}
                )
                links = [link]
            body = {"type": "FeatureCollection", "features": items[start : start + page], "links": links}
            return Reply({**body, "numberMatched": len(items)})
        return None

    return reply


def landing(*, post: bool = True) -> dict[str, Any]:
    """Return an API's first page; its links are relative to the server."""
    classes = ["core", "item-search", "ogcapi-features"]
    search = {"rel": "search", "href": "/search", "type": "application/geo+json", "method": "POST" if post else "GET"}
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "made-api",
        "description": "x",
        "conformsTo": [f"https://api.stacspec.org/v1.0.0/{name}" for name in classes],
        "links": [search, {"rel": "root", "href": "/"}, {"rel": "self", "href": "/"}],
    }
