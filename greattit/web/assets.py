"""The page's own files, held in memory: nothing outside `page/` can be reached, whatever the address asks for."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastapi import Request, Response

PAGE = Path(__file__).resolve().parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""file ending -> content type; a file of another kind is not served"""


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    raw: bytes
    """content"""
    kind: str
    """content type"""

    @cached_property
    def etag(self) -> str:
        """Hash of the content, quoted as the header wants it."""
        return f'"{hashlib.sha256(self.raw).hexdigest()[:20]}"'

    @cached_property
    def packed(self) -> bytes:
        """Content, gzipped once and kept."""
        return gzip.compress(self.raw, 9, mtime=0)

    def answer(self, request: Request) -> Response:
        """Send the file, gzipped where that is welcome, or say that the browser's copy is still good."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, media_type=self.kind, headers={**headers, "Content-Encoding": "gzip"})
        return Response(self.raw, media_type=self.kind, headers=headers)


def load(folder: Path = PAGE) -> dict[str, Asset]:
    """Read all files below `folder`; keys are their paths relative to it, with forward slashes."""
    return {
        file.relative_to(folder).as_posix(): Asset(file.read_bytes(), TYPES[file.suffix])
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix in TYPES
    }


def content_policy(index: bytes) -> str:
    """Return the Content-Security-Policy: this host only, plus the one inline import map, known by its hash.

    `blob:` and `data:` are what MapLibre needs for its worker and for images that it draws itself.
    """
    maps = re.findall(rb'<script type="importmap">(.*?)</script>', index, re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in maps)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {hashes}".strip(),
            "worker-src 'self' blob:",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
