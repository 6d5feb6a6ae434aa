"""The public sources of scenes and how each names its bands: `sources.yaml`, or a file of the same form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from greattit.errors import CatalogueError
from greattit.types import BANDS, SAR

SENSORS = {"s2": "Sentinel-2", "s1": "Sentinel-1"}
"""What can be asked for."""

SIGNING = ("none", "planetary-computer", "cdse-s3")
"""How a source's rasters are opened."""


@dataclass(frozen=True)
class Product:
    """One collection of a source."""

    sensor: str
    """"s2" or "s1"; "" when the bands tell"""
    bands: Mapping[str, tuple[str, ...]]
    """asset keys by band of the house, the first that an item has is taken"""
    collection: str = ""
    """its id; "" for any"""
    level: str = ""
    """"L2A", "L1C", "GRD", "RTC"; "" when the items tell"""
    scale: float = 1e-4
    """reflectance of one count where an item is silent; all products of Sentinel-2 are counts of 1/10,000 (Sentinel-2
    Products Specification Document, QUANTIFICATION_VALUE)"""
    nodata: float | None = None
    """the count for "not seen" where an item is silent; None when the provider does not say"""
    offset_from_baseline: Mapping[str, float] | None = None
    """offset by the first processing baseline that it holds for, where an item is silent"""
    doubtful_unless: str = ""
    """item property: unless it is true, a stated offset other than 0 is not to be trusted"""
    quantity: str = "value"
    """see `Asset.quantity`"""


@dataclass(frozen=True)
class Provider:
    """One source."""

    name: str
    """its key in the file"""
    title: str
    """for people"""
    url: str
    """STAC API"""
    products: tuple[Product, ...]
    """its collections"""
    signing: str = "none"
    """one of SIGNING"""
    sas: str = ""
    """address that gives tokens, for "planetary-computer" """
    s3: bool = False
    """rasters may lie in s3:// buckets"""
    attribution: str = ""
    """who is to be named"""
    licence: str = ""
    """terms in one line"""

    def product(self, collection: object) -> Product:
        """Return what is known of a collection; for an unknown one the map that knows all usual names."""
        for product in self.products:
            if product.collection in ("", collection):
                return product
        return anything().products[0]

    def serving(self, sensor: str, level: str | None) -> tuple[Product, ...]:
        """Return the collections of one sensor; of an optical one those of `level`, which is L2A when not said."""
        return tuple(
            p for p in self.products if p.sensor == sensor and (sensor != "s2" or p.level in ("", level or "L2A"))
        )


def providers(file: Path | None = None) -> Mapping[str, Provider]:
    """Read the sources; raise `CatalogueError` when the file is malformed."""
    import yaml

    try:
        return _read(file.read_text("utf-8") if file else _shipped())
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CatalogueError(
            f"the list of sources cannot be read ({type(error).__name__}: {error})",
            subject=str(file or "sources.yaml"),
            remedy="see the comment at the top of greattit/tiles/sources.yaml",
        ) from error


@cache
def anything() -> Provider:
    """Return the entry for a catalogue that nobody described: Earth Search's keys, and the bands' own names."""
    import yaml

    return Provider("", "", "", (Product("", _map(yaml.safe_load(_shipped())["maps"]["any"])),))


def _shipped() -> str:
    return files("greattit.tiles").joinpath("sources.yaml").read_text("utf-8")


@lru_cache(maxsize=8)
def _read(text: str) -> Mapping[str, Provider]:
    import yaml

    tree = yaml.safe_load(text)
    maps = {str(name): _map(keys) for name, keys in tree["maps"].items()}
    return {str(name): _provider(str(name), entry, maps) for name, entry in tree["sources"].items()}


def matching(url: str, known: Mapping[str, Provider]) -> Provider:
    """Return the source whose address holds `url`, or the one for anything."""
    asked = urlsplit(url)
    for provider in known.values():
        own = urlsplit(provider.url)
        if own.netloc == asked.netloc and f"{asked.path.rstrip('/')}/".startswith(f"{own.path.rstrip('/')}/"):
            return provider
    return anything()


def _map(keys: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    unknown = set(keys) - {*BANDS, *SAR, "scl"}
    if unknown:
        raise ValueError(f"unknown bands {sorted(unknown)}")
    return {band: tuple(str(name) for name in names) for band, names in keys.items()}


def _provider(name: str, entry: Mapping[str, Any], maps: Mapping[str, dict[str, tuple[str, ...]]]) -> Provider:
    _only_known(Provider, entry)
    if entry.get("signing", "none") not in SIGNING:
        raise ValueError(f"{name}: signing is one of {', '.join(SIGNING)}")
    products = []
    for product in entry["products"]:
        _only_known(Product, product)
        products.append(Product(**{**product, "bands": maps[product["bands"]]}))
    return Provider(**{**entry, "name": name, "products": tuple(products)})


def _only_known(record: type, entry: Mapping[str, Any]) -> None:
    unknown = set(entry) - {f.name for f in fields(record)}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
