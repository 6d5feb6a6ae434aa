"""What opens a remote raster: a token of the Planetary Computer, or a user's keys for the buckets of CDSE.

A catalogue keeps addresses as they are published, so that its scenes stay the same from day to day; they are signed at
the moment of reading, by a `Signer` that is handed the clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from greattit.errors import SceneError, TilesError
from greattit.tiles.providers import Provider, providers
from greattit.tiles.scene import Asset

EARLY = timedelta(minutes=5)
"""A token is renewed this long before it ends."""

BLOBS = ".blob.core.windows.net"
"""Hosts that the Planetary Computer's tokens are for; no other host is shown one."""

CDSE_S3 = "eodata.dataspace.copernicus.eu"
"""Endpoint of the buckets of the Copernicus Data Space Ecosystem."""

CDSE_KEYS = ("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY")
"""Environment variables with a user's keys, which CDSE gives at https://eodata-s3keysmanager.dataspace.copernicus.eu."""


SUBSCRIPTION = "PC_SDK_SUBSCRIPTION_KEY"
"""Environment variable with a user's key for the Planetary Computer; some collections (Sentinel-1 RTC) ask for one, and
with one more may be read. The name is that of Microsoft's own library."""


class Signer:
    """Gives the address at which a raster can be read now; keeps tokens until shortly before they end."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        sources: Mapping[str, Provider] | None = None,
        environment: Mapping[str, str] | None = None,
        attempts: int = 5,
        backoff_s: float = 0.5,
    ) -> None:
        """`clock` tells the time with its zone; `sources` and `environment` are those of the system when not given."""
        self._clock = clock
        self._sources = providers() if sources is None else sources
        self._environment = os.environ if environment is None else environment
        self._attempts, self._backoff_s = attempts, backoff_s
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def path(self, asset: Asset) -> str:
        """Return what `rasterio.open` takes; raise `TilesError` when no token can be had."""
        kind, _, collection = asset.access.partition(":")
        host = urlsplit(asset.href).hostname or ""
        if kind == "planetary-computer" and asset.href.startswith("https:") and host.endswith(BLOBS):
            join = "&" if "?" in asset.href else "?"
            return f"{asset.href}{join}{self._token(collection)}"
        return asset.href

    def options(self, asset: Asset) -> dict[str, str]:
        """Return the GDAL options that the raster needs; raise `TilesError` when the user's keys are not there."""
        if not asset.href.startswith("s3://"):
            return {}
        if not asset.access.startswith("cdse-s3"):
            own = bool(self._environment.get("AWS_ACCESS_KEY_ID"))
            return {"AWS_REQUEST_PAYER": "requester"} if own else {"AWS_NO_SIGN_REQUEST": "YES"}
        lacking = [name for name in CDSE_KEYS if not self._environment.get(name)]
        if lacking:
            raise TilesError(
                "needs the user's own S3 keys",
                subject=asset.href,
                remedy=f"set {' and '.join(lacking)}; see https://documentation.dataspace.copernicus.eu/APIs/S3.html",
            )
        return {
            "AWS_S3_ENDPOINT": CDSE_S3,
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_ACCESS_KEY_ID": self._environment[CDSE_KEYS[0]],
            "AWS_SECRET_ACCESS_KEY": self._environment[CDSE_KEYS[1]],
        }

    def _token(self, collection: str) -> str:
        token, ends = self._tokens.get(collection, ("", datetime.min.replace(tzinfo=UTC)))
        if self._clock() + EARLY >= ends:
            token, ends = self._fetch(collection)
            self._tokens[collection] = token, ends
        return token

    def _fetch(self, collection: str) -> tuple[str, datetime]:
        from greattit.tiles.remote import Site

        base = next((p.sas for p in self._sources.values() if p.signing == "planetary-computer" and p.sas), "")
        url = f"{base.rstrip('/')}/{quote(collection, safe='')}"
        site = Site(url, attempts=self._attempts, backoff_s=self._backoff_s)
        key = self._environment.get(SUBSCRIPTION)
        if key:
            site.session.headers["Ocp-Apim-Subscription-Key"] = key
            site.session.max_redirects = 0  # the key is for this address only
        try:
            answer: Any = site.json(url)
            token, ends = str(answer["token"]), datetime.fromisoformat(str(answer["msft:expiry"]))
        except (SceneError, KeyError, TypeError, ValueError) as error:
            raise TilesError(
                f"no token can be had ({error})",
                subject=url,
                remedy=f"try again later; some collections need a key in {SUBSCRIPTION}",
            ) from error
        if not token or any(character.isspace() for character in token):
            raise TilesError("the token is malformed", subject=url, remedy="try again later")
        return token, ends if ends.tzinfo else ends.replace(tzinfo=UTC)
