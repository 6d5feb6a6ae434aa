"""One STAC item becomes one `Scene`, whichever catalogue it came from. What an item cannot mean is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from greattit.errors import SceneError
from greattit.tiles.hrefs import Place
from greattit.tiles.providers import Product, Provider
from greattit.tiles.scene import Asset, Scene
from greattit.types import SAR

MAX_SIDE_PX, MAX_SIDE_SAR_PX = 25_000, 40_000
"""Pixels a side that a raster may claim; a tile of Sentinel-2 has 10,980, one of Sentinel-1 some 28,000 x 22,000."""

SCALES = (1e-6, 1e-2)
"""Reflectance of one count: Sentinel-2 has 1e-4, Landsat Collection 2 2.75e-5; float reflectance has 1."""

FIRST_YEAR = 1972
"""Landsat 1; nothing older is a scene of ours."""

PRODUCT = re.compile(r"S2[A-D]_MSIL(1C|2A)_\d{8}T\d{6}_N(\d{4})_R(\d{3})_T(\d{2}[A-Z]{3})_(\d{8}T\d{6})")
"""Name of a product of Sentinel-2 (Sentinel-2 Products Specification Document, naming convention): level, baseline,
relative orbit, tile, and when it was made."""

_TILE = re.compile(r"^(?:MGRS-|T)?(\d{1,2})([C-HJ-NP-X][A-HJ-NP-Z]{2})$")
_COMMON = ("data_type", "nodata", "unit", "raster:scale", "raster:offset", "proj:shape")  # may stand in properties

_BASELINE = re.compile(r"^\d\d\.\d\d$")


@dataclass(frozen=True)
class _Said:
    """An item, and what its source's entry adds."""

    item: Mapping[str, Any]
    properties: Mapping[str, Any]
    product: Product
    made: re.Match[str] | None
    """the name of its product, where the item gives it"""

    @property
    def collection(self) -> str:
        return str(self.item.get("collection") or self.product.collection)


def scene_from(item: Any, place: Place, base: str, provider: Provider) -> Scene | None:
    """Read the item that lies at `base`; None when it is of neither sensor (masks, thumbnails, ...).

    Raises `SceneError` when it is malformed, or claims what cannot be true.
    """
    said = _read(item, provider)
    chosen = _chosen(said)
    sensor = _sensor(chosen, said)
    if sensor is None:
        return None
    access = "" if provider.signing == "none" else f"{provider.signing}:{said.collection}"
    assets = {}
    for band, (key, asset) in chosen.items():
        if (band in SAR) == (sensor == "s1"):
            try:
                href = place.asset(base, asset.get("href"))
                assets[band] = replace(_asset(band, asset, said), href=href, access=access)
            except SceneError as error:
                raise SceneError(f"asset {key}: {error.what}", subject=said.item["id"]) from error
    return Scene(
        said.item["id"],
        when(said.properties),
        sensor,
        box(said.item.get("bbox")),
        assets,
        level=_level(sensor, assets, said),
        platform=str(said.properties.get("platform") or "").lower(),
        tile=_tile(said),
        orbit=_orbit(said),
        baseline=_baseline(said),
        created=_created(said.properties),
    )


def _read(item: Any, provider: Provider) -> _Said:
    """Check the item's frame; raise `SceneError` when it is none."""
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        raise SceneError("its item file is no STAC item")
    name, properties = item["id"], item.get("properties") or {}
    if not isinstance(name, str) or not name.strip() or len(name) > 250 or not name.isprintable():
        raise SceneError("its id is no plain text")
    uri = properties.get("s2:product_uri") or properties.get("s2:product_id") or ""
    return _Said(item, properties, provider.product(item.get("collection")), PRODUCT.search(f"{uri} {name}"))


def when(properties: Mapping[str, Any]) -> datetime:
    """Return the time of acquisition, UTC; raise `SceneError` when there is none or it cannot be true."""
    said = properties.get("datetime") or properties.get("start_datetime")
    if said is None:
        raise SceneError("it has no datetime")
    try:
        found = datetime.fromisoformat(str(said))
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SceneError(f"its datetime {str(said)[:40]!r} is no time of ISO 8601") from error
    if not FIRST_YEAR <= found.year <= 2200:
        raise SceneError(f"its datetime {str(said)[:40]!r} cannot be that of a satellite image")
    return found


def box(said: Any) -> tuple[float, float, float, float]:
    """Return west, south, east, north [deg]; raise `SceneError` when they are none."""
    if not isinstance(said, list | tuple) or len(said) not in (4, 6):
        raise SceneError("it has no datetime or no bbox" if said is None else "its bbox is malformed")
    west, south, east, north = (
        number(v, "its bbox") for v in (said if len(said) == 4 else [said[i] for i in (0, 1, 3, 4)])
    )
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        raise SceneError(f"its bbox {west:g}, {south:g}, {east:g}, {north:g} does not lie on the Earth")
    if west > east or south > north:
        raise SceneError("its bbox is reversed, or crosses 180 degrees of longitude, which is not read")
    return west, south, east, north


def number(value: Any, what: str) -> float:
    """Return a finite number; raise `SceneError` for text, true, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SceneError(f"{what} {str(value)[:40]!r} is no number")
    try:
        found = float(value)
    except OverflowError as error:
        raise SceneError(f"{what} is beyond all numbers") from error
    if not math.isfinite(found):
        raise SceneError(f"{what} is {found}")
    return found


def counts(scale: float, offset: float | None) -> None:
    """Raise `SceneError` when no reflectance of Sentinel-2 or Landsat can be written with this scale and offset."""
    if not (SCALES[0] <= scale <= SCALES[1] or scale == 1.0):
        raise SceneError(f"its scale {scale:g} cannot be that of reflectance ({SCALES[0]:g} to {SCALES[1]:g})")
    if offset is None:
        return
    if not -1 <= offset <= 0.05:
        raise SceneError(f"its offset {offset:g} cannot be that of reflectance (usual: 0 or -0.1)")
    if scale != 1.0 and scale * 10_000 + offset <= 0:
        raise SceneError(f"its offset {offset:g} with scale {scale:g} makes all reflectance negative")


def _chosen(said: _Said) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return key and asset of each band that the item has."""
    assets, chosen = said.item["assets"], {}
    for band, keys in said.product.bands.items():
        key = next((key for key in keys if key in assets), None)
        if key is not None:
            if not isinstance(assets[key], dict):
                raise SceneError(f"asset {key} is malformed")
            chosen[band] = (key, assets[key])
    return chosen


def _sensor(chosen: Mapping[str, Any], said: _Said) -> str | None:
    if said.product.sensor != "s2" and ("VV" in chosen or "VH" in chosen):
        return "s1"
    needed = {"B04", "B08"} if _said_level(said) == "L1C" else {"B04", "B08", "scl"}
    if needed <= set(chosen):
        return "s2"
    if any(name.startswith("B") for name in chosen):
        raise SceneError("missing band " + ", ".join(sorted(needed - set(chosen))))
    return None


def _said_level(said: _Said) -> str:
    """Return "L1C" or "L2A" as far as source or item say so, else ""."""
    if said.product.level:
        return said.product.level
    names = ("processing:level", "s2:product_type", "product:type")
    hints = " ".join(str(said.properties.get(name)) for name in names) + f" {said.collection} {said.item['id']}"
    hints = hints.upper()
    return "L1C" if re.search(r"L1C|MSI1C|\bL1\b", hints) else "L2A" if re.search(r"L2A|MSI2A|\bL2\b", hints) else ""


def _level(sensor: str, assets: Mapping[str, Asset], said: _Said) -> str:
    if sensor == "s2":
        return "L2A" if "scl" in assets else "L1C"
    hints = f"{said.product.level} {said.collection} {said.properties.get('sar:product_type')}".upper()
    return "RTC" if "RTC" in hints else "GRD"


def _asset(band: str, asset: Mapping[str, Any], said: _Said) -> Asset:
    """Take scale, offset, nodata and shape from the metadata (STAC 1.0 `raster:bands` or 1.1 `bands`)."""
    common = {name: said.properties[name] for name in _COMMON if name in said.properties}
    first = {**common, **_first(asset.get("bands")), **asset, **_first(asset.get("raster:bands"))}
    scale, offset = _one_of(first, "scale"), _one_of(first, "offset")
    shape = _shape(first, MAX_SIDE_SAR_PX if band in SAR else MAX_SIDE_PX)
    plain = Asset("", 1.0, 0.0, _nodata(first, said.product.nodata), shape, bytes=_bytes(asset))
    if band == "scl":
        return plain
    if band in SAR:
        quantity = _quantity(str(first.get("unit") or ""), said)
        return replace(plain, scale=1.0 if scale is None else scale, offset=offset or 0.0, quantity=quantity)
    floating = str(first.get("data_type", "")).startswith("float")
    if scale is None:
        scale, offset = (1.0, offset or 0.0) if floating else (said.product.scale, offset)
    elif scale == 1.0 and not floating:
        raise SceneError("its scale 1 cannot be that of whole counts of reflectance")
    offset = _offset(offset, said)
    counts(scale, offset)
    trusted = not said.product.doubtful_unless or said.properties.get(said.product.doubtful_unless) is True
    return replace(plain, scale=scale, offset=offset, doubtful=not trusted and bool(offset))


def _offset(stated: float | None, said: _Said) -> float | None:
    """Return the offset as stated, or as the source's documentation gives it; None when neither says."""
    if said.properties.get("earthsearch:boa_offset_applied") is True:
        return 0.0  # Earth Search v1 has then already taken the 1000 counts away, and still lists the offset
    steps, baseline = said.product.offset_from_baseline, _baseline(said)
    if stated is not None or not steps or not baseline:
        return stated
    return max(step for step in steps.items() if step[0] <= baseline)[1]


def _quantity(unit: str, said: _Said) -> str:
    """Return what the values of a radar band are: by the item's unit, the source's entry, or the collection's name."""
    if "db" in unit.lower():
        return "value"
    if said.product.sensor:
        return said.product.quantity
    return "power" if "rtc" in said.collection.lower() else "value"


def _first(bands: Any) -> Mapping[str, Any]:
    return bands[0] if isinstance(bands, list) and bands and isinstance(bands[0], dict) else {}


def _one_of(said: Mapping[str, Any], name: str) -> float | None:
    value = said.get(name, said.get(f"raster:{name}"))
    return None if value is None else number(value, f"its {name}")


def _nodata(said: Mapping[str, Any], usual: float | None) -> float | None:
    value = said.get("nodata", said.get("raster:nodata"))
    if value is None:
        return usual
    if value == "nan" or (isinstance(value, float) and math.isnan(value)):
        return math.nan
    return number(value, "its nodata")


def _shape(said: Mapping[str, Any], most: int) -> tuple[int, int] | None:
    shape = said.get("proj:shape")
    if not shape:
        return None
    if not isinstance(shape, list) or len(shape) != 2:
        raise SceneError("its proj:shape is malformed")
    rows, columns = (number(v, "its proj:shape") for v in shape)
    if not (1 <= rows <= most and 1 <= columns <= most):
        raise SceneError(f"it claims {rows:g} x {columns:g} px; at most {most:,} px a side are read")
    return int(rows), int(columns)


def _bytes(asset: Mapping[str, Any]) -> int | None:
    size = asset.get("file:size")
    return size if isinstance(size, int) and not isinstance(size, bool) and 0 < size < 2**40 else None


def _tile(said: _Said) -> str:
    given = said.properties.get
    parts = [str(given(f"mgrs:{part}")) for part in ("utm_zone", "latitude_band", "grid_square")]
    for text in (given("grid:code"), given("s2:mgrs_tile"), "".join(parts), said.made and said.made[4]):
        found = _TILE.match(str(text or ""))
        if found:
            return f"{int(found[1]):02d}{found[2]}"
    return ""


def _orbit(said: _Said) -> int | None:
    stated = said.properties.get("sat:relative_orbit")
    if isinstance(stated, int) and not isinstance(stated, bool) and 0 < stated < 1000:
        return stated
    return int(said.made[3]) if said.made else None


def _baseline(said: _Said) -> str:
    for name in ("s2:processing_baseline", "processing:version"):
        if _BASELINE.match(str(said.properties.get(name) or "")):
            return str(said.properties[name])
    return f"{said.made[2][:2]}.{said.made[2][2:]}" if said.made else ""


def _created(properties: Mapping[str, Any]) -> str:
    for name in ("s2:generation_time", "processing:datetime", "created"):
        said = str(properties.get(name) or "")
        try:
            datetime.fromisoformat(said)
        except ValueError:
            continue
        return said
    return ""
