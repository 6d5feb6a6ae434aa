"""Catalogues on the web: requests that try again, read no more than they should and go nowhere they should not."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from greattit.errors import SceneError
from greattit.tiles.hrefs import MAX_JSON, Addresses, kind, parse, resolve

TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two bytes [s]."""

AGAIN = (429, 500, 502, 503, 504)
"""Answers after which a request is made again."""

LONGEST_WAIT_S = 60.0
"""A server's wish to be asked later (Retry-After) is followed up to this [s]."""


JSON, PAGE = "application/geo+json, application/json", ", text/html;q=0.1"
"""What is asked for."""


class Unreachable(SceneError):
    """No answer came, or none that was whole."""


class Site:
    """A catalogue on the web; only its own host and public addresses are asked."""

    def __init__(self, url: str, *, s3: bool = False, attempts: int = 5, backoff_s: float = 0.5) -> None:
        self.url = url
        self.s3 = s3
        self.addresses = Addresses(own=frozenset(resolve(urlsplit(url).hostname or "")))
        self.session = requests.Session()
        self.session.max_redirects = 5
        self.session.headers["Accept"] = JSON
        self.session.headers["User-Agent"] = "greattit"
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Adapter(self.addresses, attempts, backoff_s))

    def join(self, base: str, href: str) -> str:
        """Return the URL that a link leads to; raise `SceneError` when it is none on the web."""
        kind(href)
        url = _joined(base, href)
        if kind(url) != "http":
            raise SceneError(f"the link {href[:120]!r} does not lead to the web")
        return url

    def asset(self, base: str, href: Any) -> str:
        """Return the URL of a raster; raise `SceneError` when it may not be read."""
        what = kind(href)
        if what == "s3":
            if not self.s3:
                raise SceneError(f"the raster {href[:120]!r} lies in a bucket, which this source does not use")
            return str(href)
        if what == "path" and href.startswith("/"):
            raise SceneError(f"the href {href[:120]!r} from the web is a path of files")
        url = _joined(base, str(href))
        self.addresses.check(url)
        return url

    def json(self, where: str, *, maybe_page: bool = False) -> Any:
        """Fetch one file; raise `SceneError` when it cannot be had, after having tried again.

        With `maybe_page` a web page in its place is no reason to try again: the address may be that of a folder.
        """
        try:
            answer = self.session.get(where, timeout=TIMEOUT_S, headers={"Accept": JSON + PAGE} if maybe_page else None)
        except (requests.RequestException, OSError) as error:
            raise Unreachable(f"cannot be fetched ({short(error)})") from error
        if answer.status_code == 404:
            raise SceneError("is missing (the server answers 404)")
        if answer.status_code != 200:
            raise SceneError(f"cannot be fetched (the server answers {answer.status_code})")
        return parse(answer.content)


def _joined(base: str, href: str) -> str:
    try:
        return urljoin(base, href)
    except ValueError as error:
        raise SceneError(f"the address {href[:120]!r} is malformed") from error


def short(error: Exception) -> str:
    """Return in a few words why a request failed: our own reason or the network's, where one lies behind the error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, SceneError):
            return seen.what
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return str(error)[:160] or type(error).__name__


class _Retry(Retry):
    """Waits no longer than LONGEST_WAIT_S, whatever the server asks for."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_WAIT_S)


class _Adapter(HTTPAdapter):
    """Checks every address before and after connecting (redirects too), and reads whole, bounded answers."""

    def __init__(self, addresses: Addresses, attempts: int, backoff_s: float) -> None:
        self._addresses, self._attempts, self._backoff_s = addresses, attempts, backoff_s
        retries = _Retry(
            total=attempts,
            connect=min(attempts, 2),  # where nobody listens, waiting seldom helps
            status_forcelist=AGAIN,
            allowed_methods=None,
            backoff_factor=backoff_s,
            raise_on_status=False,
        )
        super().__init__(max_retries=retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _guarded(self._addresses)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self._addresses.check(request.url)
        kwargs["stream"] = True  # the body is read below, no further than it may
        for attempt in range(self._attempts + 1):
            answer = super().send(request, *args, **kwargs)
            try:
                answer._content = _body(answer)
                break
            except (HTTPError, OSError, ValueError) as error:
                answer.close()
                if attempt == self._attempts:
                    raise requests.ConnectionError(f"the answer is cut or malformed ({error})") from error
                time.sleep(min(self._backoff_s * 2**attempt, LONGEST_WAIT_S))
        answer._content_consumed = True
        return answer


def _body(answer: Any) -> bytes:
    """Read an answer to its end; raise `SceneError` when it is too large, `ValueError` when JSON is cut short."""
    parts, size = [], 0
    for part in answer.raw.stream(65536, decode_content=True):
        size += len(part)
        if size > MAX_JSON:
            answer.close()
            raise SceneError(f"the answer has more than {MAX_JSON / 1e6:.0f} MB")
        parts.append(part)
    body = b"".join(parts)
    page = PAGE in answer.request.headers.get("Accept", "") and "json" not in answer.headers.get("Content-Type", "")
    if answer.status_code == 200 and not page:
        with suppress(RecursionError):  # too deep is not cut short; the reader says so
            json.loads(body)
    return body


def _guarded(addresses: Addresses) -> dict[str, type]:
    """Connections that look at whom they reached before they say anything: a name may change its address."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            addresses.check_address(self.sock.getpeername()[0], self.host)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            addresses.check_address(self.sock.getpeername()[0], self.host)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
