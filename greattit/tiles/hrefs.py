"""Which files and addresses a catalogue may name.

A catalogue is text that somebody else wrote. What it names must be a raster below its own folder, or a public address;
never a file elsewhere on this machine, an address inside this network, or one of GDAL's other kinds of name
(`/vsicurl/...`, `HDF5:...`, `<VRTDataset>`), which can reach anywhere.
"""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from greattit.errors import SceneError

MAX_JSON = 20 * 2**20
"""An item, catalogue or page larger than this [byte] is refused; a Sentinel-2 item has some 40 kB."""

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+._-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_BUCKET = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,62}/[^?#]+$")
_NAT64 = IPv6Network("64:ff9b::/96")


class Place(Protocol):
    """Where a catalogue lies: a `Folder` here or a `Site` on the web."""

    def join(self, base: str, href: str) -> str:
        """Return where the link `href` of the file `base` leads."""

    def asset(self, base: str, href: Any) -> str:
        """Return the raster `href` of the item `base`; raise `SceneError` when it may not be read."""

    def json(self, where: str) -> Any:
        """Return the content of one file; raise `SceneError` when it cannot be had."""


def driver(href: str) -> str:
    """Return the one GDAL driver that may open a catalogue's raster, for `rasterio.open(href, driver=driver(href))`.

    Without it GDAL goes by the content, and a file named `.tif` could be a VRT that names any other file.
    """
    return "JP2OpenJPEG" if urlsplit(href).path.lower().endswith((".jp2", ".j2k")) else "GTiff"


def kind(href: object) -> str:
    """Return "path", "http" or "s3"; raise `SceneError` for every other kind of name."""
    if not isinstance(href, str) or not href.strip():
        raise SceneError("an href is empty or no text")
    shown = href if len(href) <= 120 else href[:117] + "..."
    if len(href) > 4096 or _CONTROL.search(href) or href != href.strip():
        raise SceneError(f"the href {shown!r} holds characters that no path or address has")
    if href.startswith("<") or href.lower().startswith(("/vsi", "//vsi")):
        raise SceneError(f"the href {shown!r} is a name for GDAL, not a raster file")
    scheme = _SCHEME.match(href)
    if scheme is None:
        return "path"
    name = scheme[1].lower()
    if name in ("http", "https"):
        return "http"
    if name == "s3" and _BUCKET.match(href) and "/../" not in href + "/":
        return "s3"
    raise SceneError(f"the href {shown!r} has a scheme that is not allowed ({name}:)")


@dataclass
class Addresses:
    """Which hosts may be asked; each name is resolved once."""

    own: frozenset[str] = frozenset()
    """addresses of the catalogue's own host: what lies there may be read, be it on this machine"""
    private: bool = False
    """private addresses and this machine are allowed, as in a catalogue that lies in a folder here; link-local never"""
    _seen: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self, url: str) -> None:
        """Raise `SceneError` when the URL's host may not be asked. A name that does not resolve is let through."""
        try:
            split = urlsplit(url)
            host, user = split.hostname, split.username
            _ = split.port
        except ValueError as error:
            raise SceneError(f"the address {url[:120]!r} is malformed") from error
        if not host or user is not None:
            raise SceneError(f"the address {url[:120]!r} names no host, or a user")
        if host not in self._seen:
            self._seen[host] = resolve(host)
        for address in self._seen[host]:
            self.check_address(address, host)

    def check_address(self, address: str, host: str = "") -> None:
        """Raise `SceneError` for an address inside this machine or network."""
        ip = _plain(address)
        if address in self.own or (ip.is_global and not ip.is_multicast):
            return
        if self.private and not (ip.is_link_local or ip.is_multicast or ip.is_unspecified):
            return
        raise SceneError(f"the host {host or address} is not public ({address}); a catalogue may not point there")


def resolve(host: str) -> tuple[str, ...]:
    """Return the addresses of a host; empty when its name is not known here."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _plain(address: str) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside a mapped or translated IPv6 one."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


@dataclass(frozen=True)
class Folder:
    """A catalogue in a folder of this machine; nothing outside the folder is read."""

    root: Path
    """the folder, resolved"""
    addresses: Addresses = field(default_factory=lambda: Addresses(private=True))

    def join(self, base: str, href: str) -> str:
        """Return the file that a link leads to; raise `SceneError` when it is not below the folder."""
        if kind(href) != "path":
            raise SceneError(f"the link {href[:120]!r} leaves the catalogue's folder")
        return self._below(base, href)

    def asset(self, base: str, href: Any) -> str:
        """Return the absolute path of a raster below the folder, or the URL of one on the web."""
        what = kind(href)
        if what == "path":
            return self._below(base, href)
        if what == "s3":
            raise SceneError(f"the raster {href[:120]!r} lies in a bucket; name its source instead of a folder")
        self.addresses.check(href)
        return str(href)

    def json(self, where: str) -> Any:
        """Read one file; raises `OSError` when it is not there."""
        file = Path(where)
        if file.exists() and not file.is_file():
            raise SceneError("is no file")
        size = file.stat().st_size
        if size > MAX_JSON:
            raise SceneError(f"its file has {size / 1e6:.0f} MB; at most {MAX_JSON / 1e6:.0f} MB are read")
        return parse(file.read_bytes())

    def _below(self, base: str, href: str) -> str:
        try:
            target = (Path(base).parent / href).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise SceneError(f"the path {href[:120]!r} cannot be followed") from error
        if not target.is_relative_to(self.root):
            raise SceneError(f"the path {href[:120]!r} leads out of the catalogue's folder")
        return str(target)


def parse(raw: bytes) -> Any:
    """Read JSON; raise `SceneError` when it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SceneError(f"its file is no JSON ({str(error)[:80]})") from error
