"""Static STAC catalogues, in a folder or on the web, read into plain records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from greattit.errors import CatalogueError, SceneError
from greattit.tiles.hrefs import Folder, Place
from greattit.tiles.item import scene_from
from greattit.tiles.providers import Provider, anything
from greattit.tiles.scene import ASSETS, Catalogue, Scene

MAX_LINKS = 100_000
"""Links of one catalogue that are followed; more is refused, so that a reading ends."""

AT_ONCE, BATCH = 8, 64
"""Items fetched from the web at the same time, and kept in memory before they are read."""

TOPS = ("catalog.json", "collection.json")
"""Names of a catalogue's first file."""

MALFORMED = (SceneError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
"""What reading a malformed item can raise."""


def open_catalogue(folder: Path | str) -> Catalogue:
    """Read the catalogue in `folder` (`catalog.json` or `collection.json`); no pixel is touched.

    Items that are missing, malformed or not believable are left out and named in `warnings`. Raises `CatalogueError`
    when there is no catalogue or no usable optical scene.
    """
    root = Path(folder).resolve()
    top = next((root / name for name in TOPS if (root / name).is_file()), None)
    if top is None:
        raise CatalogueError(
            "there is no catalog.json or collection.json",
            subject=str(folder),
            remedy="name the folder of a static STAC catalogue",
        )
    found = walk(str(top), Folder(root), anything())
    return gathered(str(root), found, sensors=("s2",), title=root.name)


@dataclass
class Found:
    """What a source held, before it is put in order."""

    scenes: list[Scene] = field(default_factory=list)
    """in any order"""
    warnings: list[str] = field(default_factory=list)
    """what was left out and why"""
    nodes: list[Mapping[str, Any]] = field(default_factory=list)
    """the catalogue and its collections, the top one first"""
    attribution: str = ""
    """who is to be named, where the source's entry says it"""


def gathered(root: str, found: Found, *, sensors: tuple[str, ...], title: str = "") -> Catalogue:
    """Put scenes in order and check that there is one; raise `CatalogueError` when not."""
    scenes = _one_each(sorted(found.scenes, key=lambda s: (s.when, s.id)), found.warnings)
    if not any(s.sensor in sensors for s in scenes):
        name = "Sentinel-2" if "s2" in sensors else "Sentinel-1"
        raise CatalogueError(
            f"has no usable {name} scene", subject=root, remedy="; ".join(found.warnings[:3]) or "add items"
        )
    scenes = _complete(scenes, found.warnings)
    top = found.nodes[0] if found.nodes else {}
    return Catalogue(
        root=root,
        title=str(top.get("title") or top.get("id") or title),
        scenes=tuple(scenes),
        bounds=bounds_of(scenes),
        simulated=any(bool(node.get("greattit:simulated")) for node in found.nodes),
        attribution=found.attribution or _attribution(found.nodes),
        warnings=tuple(found.warnings),
    )


def bounds_of(scenes: Iterable[Scene]) -> tuple[float, float, float, float]:
    """Return west, south, east, north of all scenes [deg]; there is at least one."""
    west, south, east, north = zip(*(scene.bbox for scene in scenes), strict=True)
    return min(west), min(south), max(east), max(north)


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


def _attribution(nodes: Iterable[Mapping[str, Any]]) -> str:
    lists = [node.get("providers") for node in nodes]
    names = [p.get("name", "") for listed in lists if isinstance(listed, list) for p in listed if isinstance(p, dict)]
    return "; ".join(dict.fromkeys(str(n) for n in names if n))


def walk(top: str, place: Place, provider: Provider) -> Found:
    """Read the catalogue file `top` and all below it; raise `CatalogueError` when it cannot be read or never ends."""
    found = Found(attribution=provider.attribution)
    waiting, met, links = [top], {top}, 0
    while waiting:
        here = waiting.pop()
        items, below = [], []
        for kind, href in _links(_node(here, place, found)):
            links += 1
            if links > MAX_LINKS:
                raise CatalogueError(
                    f"has more than {MAX_LINKS:,} links", subject=top, remedy="name a collection or a part of it"
                )
            try:
                target = place.join(here, href)
            except SceneError as error:
                found.warnings.append(f"link {href[:80]} left out: {error.what}")
                continue
            if kind == "item":
                items.append(target)
            elif target not in met:
                met.add(target)
                below.append(target)
        for target, content in _contents(items, place):
            _take(target, content, (place, provider), found)
        waiting.extend(reversed(below))
    return found


def _contents(files: list[str], place: Place) -> Iterator[tuple[str, Any]]:
    """Yield each file's content, or the error that kept it away; on the web some are fetched at the same time."""

    def content(where: str) -> Any:
        try:
            return place.json(where)
        except MALFORMED as error:
            return error

    if isinstance(place, Folder):
        yield from ((file, content(file)) for file in files)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            yield from zip(batch, pool.map(content, batch), strict=True)


def _node(where: str, place: Place, found: Found) -> Mapping[str, Any]:
    """Read one catalogue or collection file; an empty one, and a warning, when it is not the top and cannot be read."""
    try:
        node = place.json(where)
    except (SceneError, OSError, ValueError) as error:
        if not found.nodes:
            raise CatalogueError(
                f"cannot be read: {reason(error)}", subject=where, remedy="mend or replace the file"
            ) from error
        found.warnings.append(f"collection {named(where)} left out: {reason(error)}")
        return {}
    found.nodes.append(node if isinstance(node, dict) else {})
    return found.nodes[-1]


def _links(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    links = node.get("links")
    for link in links if isinstance(links, list) else []:
        kind, href = (link.get("rel"), link.get("href")) if isinstance(link, dict) else (None, None)
        if kind in ("child", "item") and isinstance(href, str):
            yield kind, href


def _take(where: str, content: Any, source: tuple[Place, Provider], found: Found) -> None:
    """Read one item; what is wrong with it becomes a warning."""
    try:
        if isinstance(content, Exception):
            raise content
        scene = scene_from(content, source[0], where, source[1])
    except MALFORMED as error:
        found.warnings.append(f"scene {named(where)} left out: {reason(error)}")
        return
    if scene is not None:
        found.scenes.append(scene)


def named(where: str) -> str:
    """Return a short name for a file: its stem, or its folder's name when that says more."""
    path = Path(where)
    return path.parent.name if path.name in TOPS else path.stem


def reason(error: Exception) -> str:
    """Return in a few words what is wrong with a file."""
    if isinstance(error, FileNotFoundError):
        return "its item file is missing"
    if isinstance(error, SceneError):
        return error.what
    if isinstance(error, KeyError):
        return f"its item file lacks {error}"
    return f"its item file cannot be read ({error})"
