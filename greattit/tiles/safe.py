"""Sentinel-2 products as ESA delivers them: folders named `.SAFE` with a metadata file and images in JPEG 2000.

Source of the format: Sentinel-2 Products Specification Document 14.9 (S2-PDGS-TAS-DI-PSD).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from greattit.errors import CatalogueError, SceneError
from greattit.tiles import item
from greattit.tiles.catalogue import MALFORMED, Found, reason
from greattit.tiles.hrefs import MAX_JSON, Folder
from greattit.tiles.scene import Asset, Scene
from greattit.types import BANDS

METADATA = re.compile(r"^MTD_MSIL(1C|2A)\.xml$", re.IGNORECASE)
"""Name of a product's metadata file, and its level."""

MAX_PRODUCTS = 20_000
"""Products of one folder that are read."""

OFFSET_SINCE = "04.00"
"""The first processing baseline whose metadata list offsets; before it there were none (PSD 14.9, BOA_ADD_OFFSET)."""

_IMAGE = re.compile(r"_(B\d\d|B8A|SCL)(?:_(\d\d)m)?$")
_ENDINGS = {"JPEG2000": (".jp2",), "GeoTIFF": (".tif", ".tiff")}


def products_in(path: Path) -> list[Path]:
    """Return the products in a folder, or the folder itself when it is one; empty when there is none."""
    if metadata_of(path) is not None:
        return [path]
    found = []
    for here, folders, _ in os.walk(path):
        found += [Path(here, name) for name in folders if name.upper().endswith(".SAFE")]
        folders[:] = [name for name in folders if not name.upper().endswith(".SAFE")]
        if len(found) > MAX_PRODUCTS:
            raise CatalogueError(f"holds more than {MAX_PRODUCTS:,} products", subject=str(path), remedy="split it")
    return sorted(found)


def packed_in(path: Path) -> list[str]:
    """Return the names of packed products in a folder, which must be unpacked before they can be read."""
    return [file.name for file in sorted(path.iterdir()) if re.search(r"^S2.*\.(zip|tar|tgz)$", file.name)]


def metadata_of(product: Path) -> Path | None:
    """Return the metadata file of a product; None when it has none."""
    if not product.is_dir():
        return None
    return next((file for file in sorted(product.glob("MTD_MSI*")) if METADATA.match(file.name)), None)


def read_products(products: list[Path]) -> Found:
    """Read the metadata of all products; what is damaged becomes a warning."""
    found = Found(attribution="Contains modified Copernicus Sentinel data")
    for product in products:
        try:
            found.scenes += scenes_of(product)
        except MALFORMED as error:
            found.warnings.append(f"scene {product.stem} left out: {_reason(error)}")
    return found


def scenes_of(product: Path) -> list[Scene]:
    """Return the scenes of one product, one a granule; raise `SceneError` when its metadata cannot be used."""
    file = metadata_of(product)
    if file is None:
        raise SceneError("it has no MTD_MSIL2A.xml or MTD_MSIL1C.xml", subject=str(product))
    head = _head(parse(file), product)
    granules = list(head.tree.iter("Granule")) or list(head.tree.iter("Granules"))
    scenes = [_scene(head, granule, alone=len(granules) == 1) for granule in granules]
    if not scenes:
        raise SceneError("its metadata list no granule", subject=str(product))
    return scenes


def parse(file: Path) -> ElementTree.Element:
    """Read an XML file; raise `SceneError` when it is too large, malformed, or declares a document type."""
    if file.stat().st_size > MAX_JSON:
        raise SceneError(f"{file.name} has more than {MAX_JSON / 1e6:.0f} MB")
    try:
        return ElementTree.fromstring(file.read_bytes(), ElementTree.XMLParser(target=_Plain()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SceneError(f"{file.name} is no XML ({error})") from error


class _Plain(ElementTree.TreeBuilder):
    """Builds no tree from a file with a document type: entities could be declared there, and products have none."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse (called before anything in the document type is looked at)."""
        raise SceneError("its metadata declare a document type, which no product does")


@dataclass(frozen=True)
class _Head:
    """What all granules of a product share."""

    tree: ElementTree.Element
    folder: Folder
    name: str
    level: str
    scale: float
    offsets: Mapping[str, float | None]
    baseline: str

    def text(self, *names: str) -> str:
        """Return the text of the first element that has one of the names; "" when there is none."""
        for name in names:
            for element in self.tree.iter(name):
                if element.text and element.text.strip():
                    return element.text.strip()
        return ""


def _head(tree: ElementTree.Element, product: Path) -> _Head:
    bare = _Head(tree, Folder(product.resolve()), product.stem, "", 1.0, {}, "")
    level = "L1C" if "1C" in bare.text("PROCESSING_LEVEL", "PRODUCT_TYPE") else "L2A"
    counts = item.number(_float(bare.text("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")), "its quantification")
    if not 100 <= counts <= 1e6:
        raise SceneError(f"its quantification value {counts:g} cannot be that of reflectance")
    baseline = bare.text("PROCESSING_BASELINE")
    if not re.fullmatch(r"\d\d\.\d\d", baseline):
        baseline = ""
    offsets = _offsets(tree, counts, baseline)
    for offset in offsets.values():
        item.counts(1 / counts, offset)
    return replace(bare, level=level, scale=1 / counts, offsets=offsets, baseline=baseline)


def _offsets(tree: ElementTree.Element, counts: float, baseline: str) -> dict[str, float | None]:
    """Return the offset of each band [reflectance]; None where a product that must say it does not."""
    names = {str(e.get("bandId")): _band(str(e.get("physicalBand"))) for e in tree.iter("Spectral_Information")}
    names = names or {str(number): name for number, name in enumerate(ALL_BANDS)}
    listed: dict[str, float | None] = {}
    for element in (*tree.iter("BOA_ADD_OFFSET"), *tree.iter("RADIO_ADD_OFFSET")):
        name = names.get(str(element.get("band_id")), "")
        listed[name] = item.number(_float(element.text or ""), "its offset") / counts
    without = 0.0 if baseline and baseline < OFFSET_SINCE and not listed else None
    return {name: listed.get(name, without) for name in BANDS}


ALL_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Bands by their `band_id`, 0 to 12 (PSD 14.9)."""


def _band(physical: str) -> str:
    """B4 -> B04."""
    return f"B0{physical[1:]}" if re.fullmatch(r"B\d", physical) else physical


def _scene(head: _Head, granule: ElementTree.Element, *, alone: bool) -> Scene:
    where = str(head.folder.root / "MTD")
    images = _images(granule)
    lacking = {"B04", "B08"} | ({"scl"} if head.level == "L2A" else set())
    if not lacking <= set(images):
        raise SceneError("missing band " + ", ".join(sorted(lacking - set(images))))
    ending = _ENDINGS.get(str(granule.get("imageFormat") or "JPEG2000"), (".jp2", ".tif"))
    assets = {}
    for band, image in images.items():
        href = _existing(head.folder.asset(where, image), ending)
        scale, offset = (1.0, 0.0) if band == "scl" else (head.scale, head.offsets[band])
        assets[band] = Asset(href, scale, offset, 0.0, None, bytes=_size(href))
    name = str(granule.get("granuleIdentifier") or "")
    made = item.PRODUCT.search(f"{head.text('PRODUCT_URI', 'PRODUCT_URI_2A', 'PRODUCT_URI_1C')} {head.name}")
    tile = re.search(r"_T(\d{2}[A-Z]{3})_", f"{name}_") or (re.search("_T(.{5})_", made[0]) if made else None)
    orbit = head.text("SENSING_ORBIT_NUMBER")
    return Scene(
        head.name if alone else f"{head.name}_{tile[1] if tile else name}",
        item.when({"datetime": head.text("PRODUCT_START_TIME", "DATATAKE_SENSING_START") or None}),
        "s2",
        _footprint(head),
        assets,
        level=head.level,
        platform=head.text("SPACECRAFT_NAME").lower(),
        tile=tile[1] if tile else "",
        orbit=int(orbit) if orbit.isdigit() else None,
        baseline=head.baseline,
        created=head.text("GENERATION_TIME"),
    )


def _images(granule: ElementTree.Element) -> dict[str, str]:
    """Return the image of each band, without its ending; the finest where there are several."""
    found: dict[str, tuple[int, str]] = {}
    for element in (*granule.iter("IMAGE_FILE"), *granule.iter("IMAGE_ID")):
        image = (element.text or "").strip()
        match = _IMAGE.search(image)
        band = match[1].replace("SCL", "scl") if match else ""
        if match and band in (*BANDS, "scl"):
            found[band] = min(found.get(band, (99, "")), (int(match[2] or 0), image))
    return {band: found[band][1] for band in (*BANDS, "scl") if band in found}


def _existing(stem: str, endings: tuple[str, ...]) -> str:
    """Return the image file; its usual name when there is none, so that reading names what is missing."""
    return next((stem + ending for ending in endings if Path(stem + ending).is_file()), stem + endings[0])


def _size(path: str) -> int | None:
    file = Path(path)
    return file.stat().st_size if file.is_file() else None


def _footprint(head: _Head) -> tuple[float, float, float, float]:
    """Return west, south, east, north of the product's footprint: latitude and longitude, at times with a height."""
    numbers = [item.number(_float(part), "its footprint") for part in head.text("EXT_POS_LIST").split()]
    each = 3 if len(numbers) >= 12 and len(numbers) % 3 == 0 and numbers[:3] == numbers[-3:] else 2
    if len(numbers) < 6 or len(numbers) % each:
        raise SceneError("its metadata give no footprint")
    lats, lons = numbers[::each], numbers[1::each]
    if max(lons) - min(lons) > 180:
        raise SceneError("its footprint crosses 180 degrees of longitude, which is not read")
    return item.box([min(lons), min(lats), max(lons), max(lats)])


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SceneError(f"its metadata say {text[:40]!r} where a number belongs") from error


def _reason(error: Exception) -> str:
    return reason(error).replace("its item file", "a file of it")
