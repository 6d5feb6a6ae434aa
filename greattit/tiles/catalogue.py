"""Static STAC catalogues of per-band GeoTIFFs with Earth Search asset keys, read into plain records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from greattit.errors import CatalogueError, SceneError
from greattit.tiles.scene import ASSETS, NAMES, Asset, Catalogue, Scene


def open_catalogue(folder: Path | str) -> Catalogue:
    """Read the catalogue in `folder` (`catalog.json` or `collection.json`); no pixel is touched.

    Items that are missing or malformed are left out and named in `warnings`. Raises `CatalogueError` when there is no
    catalogue or no usable optical scene.
    """
    root = Path(folder).resolve()
    top = next((root / name for name in ("catalog.json", "collection.json") if (root / name).is_file()), None)
    if top is None:
        raise CatalogueError(
            "there is no catalog.json or collection.json",
            subject=str(folder),
            remedy="name the folder of a static STAC catalogue",
        )
    warnings: list[str] = []
    nodes: list[dict[str, Any]] = []
    scenes = _one_each(sorted(_walk(top, nodes, warnings, frozenset()), key=lambda s: (s.when, s.id)), warnings)
    if not any(s.sensor == "s2" for s in scenes):
        raise CatalogueError(
            "has no usable Sentinel-2 scene", subject=str(folder), remedy="; ".join(warnings[:3]) or "add items"
        )
    scenes = _complete(scenes, warnings)
    boxes = list(zip(*(s.bbox for s in scenes), strict=True))
    return Catalogue(
        root=str(root),
        title=str(nodes[0].get("title") or nodes[0].get("id") or root.name),
        scenes=tuple(scenes),
        bounds=(min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])),
        simulated=any(bool(node.get("greattit:simulated")) for node in nodes),
        attribution=_attribution(nodes),
        warnings=tuple(warnings),
    )


def _one_each(scenes: list[Scene], warnings: list[str]) -> list[Scene]:
    """Drop items listed twice."""
    seen: dict[tuple[str, str], Scene] = {}
    for scene in scenes:
        if (scene.sensor, scene.id) in seen:
            warnings.append(f"scene {scene.id} is listed twice; the first is used")
        seen.setdefault((scene.sensor, scene.id), scene)
    return list(seen.values())


def _complete(scenes: list[Scene], warnings: list[str]) -> list[Scene]:
    """Leave out optical scenes that lack a band which most of the others have."""
    optical = [s for s in scenes if s.sensor == "s2"]
    counts = {name: sum(name in s.assets for s in optical) for name in ASSETS.values()}
    usual = {name for name, count in counts.items() if 2 * count > len(optical)}
    kept = []
    for scene in scenes:
        lacking = sorted(usual - set(scene.assets)) if scene.sensor == "s2" else []
        if lacking:
            warnings.append(f"scene {scene.id} left out: missing band {', '.join(lacking)}")
        else:
            extra = {name: asset for name, asset in scene.assets.items() if scene.sensor != "s2" or name in usual}
            kept.append(replace(scene, assets=extra))
    return kept


def _attribution(nodes: list[dict[str, Any]]) -> str:
    names = [p.get("name", "") for node in nodes for p in node.get("providers") or [] if isinstance(p, dict)]
    return "; ".join(dict.fromkeys(str(n) for n in names if n))


def _walk(file: Path, nodes: list[dict[str, Any]], warnings: list[str], above: frozenset[Path]) -> Iterator[Scene]:
    """Yield the scenes below one catalogue or collection file, collecting the nodes passed."""
    try:
        node = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        if not nodes:
            raise CatalogueError(
                f"cannot be read: {error}", subject=str(file), remedy="mend or replace the file"
            ) from error
        warnings.append(f"collection {file.parent.name} left out: {_reason(error)}")
        return
    nodes.append(node if isinstance(node, dict) else {})
    links = nodes[-1].get("links")
    for link in links if isinstance(links, list) else []:
        kind, href = (link.get("rel"), link.get("href")) if isinstance(link, dict) else (None, None)
        if kind not in ("child", "item") or not isinstance(href, str):
            continue
        target = (file.parent / href).resolve()
        if kind == "child" and target not in above:
            yield from _walk(target, nodes, warnings, above | {file.resolve()})
        elif kind == "item":
            try:
                scene = _scene(target)
            except (SceneError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                warnings.append(f"scene {target.stem} left out: {_reason(error)}")
                continue
            if scene is not None:
                yield scene


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "its item file is missing"
    if isinstance(error, SceneError):
        return error.what
    if isinstance(error, KeyError):
        return f"its item file lacks {error}"
    return f"its item file cannot be read ({error})"


def _scene(file: Path) -> Scene | None:
    """Read one item; None when it is of neither sensor (an item of masks, thumbnails, ...)."""
    import pystac

    try:
        item = pystac.Item.from_dict(json.loads(file.read_text("utf-8")), preserve_dict=False)
    except (pystac.STACError, pystac.STACTypeError) as error:
        raise SceneError("its item file is no STAC item", subject=file.stem) from error
    assets = {}
    for key, asset in item.assets.items():
        if key in NAMES:
            assets[NAMES[key]] = _asset(file, key, asset.to_dict(), item.properties)
    if "VV" in assets or "VH" in assets:
        sensor = "s1"
    elif {"B04", "B08", "scl"} <= set(assets):
        sensor = "s2"
    elif any(name.startswith("B") for name in assets):
        raise SceneError("missing band " + ", ".join(sorted({"B04", "B08", "scl"} - set(assets))), subject=item.id)
    else:
        return None
    if item.datetime is None or item.bbox is None:
        raise SceneError("it has no datetime or no bbox", subject=item.id)
    when = item.datetime if item.datetime.tzinfo else item.datetime.replace(tzinfo=UTC)
    west, south, east, north = (
        float(v) for v in (item.bbox if len(item.bbox) == 4 else [item.bbox[i] for i in (0, 1, 3, 4)])
    )
    return Scene(item.id, when.astimezone(UTC), sensor, (west, south, east, north), assets)


def _asset(file: Path, key: str, asset: Mapping[str, Any], properties: Mapping[str, Any]) -> Asset:
    """Take path, scale and offset from the asset's own metadata (STAC 1.0 `raster:bands` or 1.1 `bands`)."""
    href = str(asset["href"])
    if "://" in href:
        raise SceneError(f"asset {key} is remote ({href}); tiles are read from disk", subject=file.stem)
    band = {**(asset.get("bands") or [{}])[0], **asset, **(asset.get("raster:bands") or [{}])[0]}
    scale = float(band.get("scale", band.get("raster:scale", 1.0)))
    offset = float(band.get("offset", band.get("raster:offset", 0.0)))
    if properties.get("earthsearch:boa_offset_applied") and NAMES[key].startswith("B"):
        offset = 0.0  # Earth Search v1 has then already taken the 1000 counts away, and still lists the offset
    shape = asset.get("proj:shape") or properties.get("proj:shape")
    size = (int(shape[0]), int(shape[1])) if shape else None
    nodata = band.get("nodata", band.get("raster:nodata"))
    return Asset(str((file.parent / href).resolve()), scale, offset, None if nodata is None else float(nodata), size)
