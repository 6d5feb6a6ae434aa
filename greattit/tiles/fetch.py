"""The one door to a raster, here or on the web: `opened`; and patience with a server that fails now and then: `again`.

A remote raster is read by GDAL in ranges. GDAL itself repeats single requests that a server answers with 429 or 5xx;
what it cannot mend (a cut body, a page of HTML with status 200) ends in an error, and `again` begins anew, with nothing
left of the failed try in GDAL's cache. GDAL follows redirects and cannot be told not to (3.10); whatever answers must
be a raster of the promised shape and place, and sees no password meant for another host.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from greattit.errors import SceneError
from greattit.tiles.guard import check_header
from greattit.tiles.hrefs import driver, kind
from greattit.tiles.scene import Asset, Scene

if TYPE_CHECKING:
    from rasterio import DatasetReader

T = TypeVar("T")

ALWAYS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""For every raster: a file is what it says itself, no file beside it changes that."""

REMOTE = {
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/",
    "CPL_VSIL_CURL_AUTHORIZATION_HEADER_ALLOWED_IF_REDIRECT": "NO",
}
"""For every remote raster: forgotten when it is closed, so that a failed read is not found again in the next try."""

TUNING = {
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_CONNECTTIMEOUT": "15",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_NETRC": "NO",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
}
"""For every remote raster, unless the user has set the same option in the environment or a `rasterio.Env`. 32 KiB hold
the header of a cloud-optimised tile of Sentinel-2, so that it comes with one request."""


class Signs(Protocol):
    """What `signing.Signer` does."""

    def path(self, asset: Asset) -> str:
        """Return the address at which a raster can be read now."""

    def options(self, asset: Asset) -> dict[str, str]:
        """Return the GDAL options that the raster needs."""


@dataclass(frozen=True)
class Patience:
    """How often a failed call is made again, and how long is waited before."""

    tries: int = 4
    """calls in all"""
    base_s: float = 1.0
    """before the second call; twice as long before each further one [s]"""
    most_s: float = 30.0
    """never longer than this [s]"""
    sleep: Callable[[float], object] = time.sleep
    """waits"""
    draw: Callable[[], float] = random.random
    """0 to 1: between half of the time and all of it is waited, so that many readers do not come back at once"""

    def wait(self, failed: int) -> None:
        """Wait after the `failed`-th failure, counted from 1."""
        self.sleep(min(self.most_s, self.base_s * 2 ** (failed - 1)) * (0.5 + self.draw() / 2))


class PassingError(SceneError):
    """A raster that could not be had now, but perhaps next time."""


@contextmanager
def opened(asset: Asset, scene: Scene | None = None, *, signer: Signs | None = None) -> Iterator[DatasetReader]:
    """Open a raster, check its header and lend it; what GDAL says against it until the block ends is a `SceneError`.

    The error names file and cause, never a signature. `signer` gives address and options of a raster whose `access`
    asks for it. Raises `PassingError`, a `SceneError`, where another try may help.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.session import DummySession

    remote = kind(asset.href) != "path"
    path, options = _address(asset, signer) if remote else (asset.href, ALWAYS)
    subject = scene.id if scene else shown(asset.href)
    session = None if remote else DummySession()  # else it would look for keys of buckets at every file
    try:
        with rasterio.Env(session, **options), rasterio.open(path, driver=driver(asset.href)) as source:
            try:
                check_header(source, asset, scene)
            except SceneError as error:
                raise SceneError(f"{_name(asset)} {error.what}", subject=subject) from error
            yield source
    except RasterioError as error:
        lasting, cause = _cause(error)
        what = SceneError if lasting or not remote else PassingError
        raise what(f"{_name(asset)} {cause}", subject=subject) from error


def again(call: Callable[[], T], what: str = "", *, patience: Patience | None = None) -> T:
    """Call until it succeeds; raise the last `SceneError`, with the number of tries, when patience ends.

    Only a `PassingError` is worth another try: neither a missing file nor a refused header gets better. The call must
    begin from the start each time. `what` names the thing in the error where its own subject does not.
    """
    patience = patience or Patience()
    for failed in range(1, patience.tries + 1):
        try:
            return call()
        except PassingError as error:
            if failed == patience.tries:
                text = f"{error.what} ({failed} tries)" if failed > 1 else error.what
                remedy = error.remedy or "run the same command again later"
                raise SceneError(text, subject=error.subject or what, remedy=remedy) from error
            patience.wait(failed)
    raise ValueError("patience needs at least one try")


def shown(href: str) -> str:
    """Return an address without what follows its "?": a signature is nobody else's business."""
    return href.partition("?")[0]


def _address(asset: Asset, signer: Signs | None) -> tuple[str, Mapping[str, str]]:
    """Return the name by which GDAL reads a remote raster, and the options for it."""
    import rasterio.env

    if signer is None and asset.access:
        raise SceneError("needs a signature, and nobody is there to sign", subject=shown(asset.href))
    path = signer.path(asset) if signer else asset.href
    own = signer.options(asset) if signer else {}
    if not own and path.startswith("s3://") and not os.environ.get("AWS_ACCESS_KEY_ID"):
        own = {"AWS_NO_SIGN_REQUEST": "YES"}
    there = {*os.environ, *(rasterio.env.getenv() if rasterio.env.hasenv() else ())}
    tuning = {name: value for name, value in TUNING.items() if name not in there}
    if path.startswith("s3://"):
        path = "/vsis3/" + path.removeprefix("s3://")  # as GDAL names it: rasterio would ask for boto3
    return path, {**tuning, **own, **REMOTE, **ALWAYS}


def _name(asset: Asset) -> str:
    return shown(asset.href).rstrip("/").rpartition("/")[2] or urlsplit(asset.href).netloc


_STATUS = re.compile(r"(?:HTTP response code|response_code|HTTP error code|HTTP status)\D{0,5}(\d{3})")
_LASTING = frozenset({400, 401, 403, 404, 405, 410, 416, 451})
_NO_RASTER = ("not recognized as being in a supported file format", "not recognized as a supported file format")
_MISSING = ("No such file or directory", "does not exist in the file system")


def _cause(error: BaseException) -> tuple[bool, str]:
    """Return whether the failure will last, and why it failed in plain words, from an error and those behind it."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(texts) < 8:
        texts.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    whole = "; ".join(texts)
    status = _STATUS.search(whole)
    if status:
        return int(status[1]) in _LASTING, f"cannot be fetched (the server answers {status[1]})"
    if any(said in whole for said in _MISSING):
        return True, "is missing"
    if any(said in whole for said in _NO_RASTER):
        return False, "is no raster of the promised kind"
    last = next((t for t in reversed(texts) if t.strip() and "previous exception" not in t), texts[0])
    broken = "cannot be fetched" if "CURL error" in last else "is cut short or damaged"
    return False, f"{broken} ({_plain(last)})"


def _plain(text: str) -> str:
    """Return GDAL's words without addresses, which may hold a signature."""
    words = re.sub(r"\S*(?:/vsi|://)\S*", "its file", text.strip().splitlines()[0]).removeprefix("CURL error: ")
    return words[:160]
