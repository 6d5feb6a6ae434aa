"""One door to all sources of scenes: a name, an API, a catalogue, a folder of products or of GeoTIFFs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greattit.errors import CatalogueError, SceneError
from greattit.tiles import geotiffs, safe
from greattit.tiles.catalogue import TOPS, Found, bounds_of, gathered, walk
from greattit.tiles.hrefs import Folder
from greattit.tiles.providers import SENSORS, Provider, anything, matching, providers
from greattit.tiles.scene import Catalogue, Scene

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.tiles.remote import Site

FAR_YEARS = 10
"""A scene this many years after the last day asked for has a wrong datetime [a]."""

WEB = ("http://", "https://")
"""How a source's URL begins."""


@dataclass(frozen=True)
class Options:
    """What is seldom said about a source."""

    level: str | None = None
    """"L2A" or "L1C"; None: L2A where there is any"""
    pattern: str | None = None
    """names of a folder's GeoTIFFs, e.g. "{date:%Y%m%d}_{band}.tif" (see `geotiffs`)"""
    bands: tuple[str, ...] = ()
    """order of the bands inside GeoTIFFs that hold several"""
    sources: Path | None = None
    """list of sources in the form of `sources.yaml`; None: the one that ships"""
    attempts: int = 5
    """how often a request that failed is made again"""
    backoff_s: float = 0.5
    """wait before the second attempt [s]; it doubles each time"""


def open_source(
    source: Path | str,
    *,
    area: BaseGeometry | None,
    since: date,
    until: date,
    sensors: tuple[str, ...] = ("s2",),
    options: Options | None = None,
) -> Catalogue:
    """List the scenes of `source` that touch `area` (EPSG:4326; None: all) from `since` to `until`, both included.

    `source` is a name of `sources.yaml`, the URL of a STAC API or of a static catalogue, or a folder: a static
    catalogue, Sentinel-2 products (`.SAFE`, one or many), or GeoTIFFs. No pixel is read. Items that are damaged or not
    believable are named in `warnings`. Raises `CatalogueError` when the source cannot be read to its end, or holds
    nothing of what was asked for.
    """
    unknown = set(sensors) - set(SENSORS)
    if unknown or not sensors or since > until:
        raise CatalogueError(
            f"cannot list {', '.join(sorted(unknown)) or 'nothing'} from {since} to {until}",
            subject=str(source),
            remedy="sensors are s2 and s1; the first day comes first",
        )
    asked = Query(area, since, until, sensors, options or Options())
    root, found, title = _found(source, asked)
    _limit(found, asked, root)
    return gathered(root, found, sensors=sensors, title=title)


@dataclass(frozen=True, eq=False)
class Query:
    """What is wanted of a source."""

    area: BaseGeometry | None
    """EPSG:4326; None: everywhere"""
    since: date
    """first day"""
    until: date
    """last day, included"""
    sensors: tuple[str, ...]
    """keys of SENSORS"""
    options: Options
    """the rest"""


def on_the_web(source: Path | str, sources: Path | None = None) -> bool:
    """Say whether `source` is a name of the list `sources` or a URL (True), or a folder that is there (False).

    Nothing is fetched. Raises `CatalogueError` when it is none of these.
    """
    known, text = providers(sources), str(source)
    if text in known or text.lower().startswith(WEB):
        return True
    names = f"name a folder, a URL, or one of {', '.join(sorted(known))}"
    if not text.strip():
        raise CatalogueError("no source is named", remedy=f'{names}; this folder is "."')
    if "://" in text:
        raise CatalogueError(f"a source is not read by {text.split('://')[0]}://", subject=text, remedy=names)
    path = Path(source)
    if path.is_dir() or _is_top(path):
        return False
    if path.exists():
        raise CatalogueError("is a file, not a folder", subject=text, remedy=_remedy_of_file(path))
    near = get_close_matches(text, known, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise CatalogueError("there is no such folder", subject=text, remedy=meant + names)


def _is_top(path: Path) -> bool:
    return path.is_file() and (path.name in TOPS or safe.METADATA.match(path.name) is not None)


def _remedy_of_file(path: Path) -> str:
    packed = path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz")
    return "unpack it, and name the folder" if packed else "name the folder that holds the scenes"


def _found(source: Path | str, asked: Query) -> tuple[str, Found, str]:
    text, listed = str(source), asked.options.sources
    if not on_the_web(source, listed):
        return _from_folder(Path(source), asked)
    known = providers(listed)
    if text in known:
        return _from_web(known[text].url, known[text], asked)
    return _from_web(text, matching(text, known), asked)


def _from_web(url: str, provider: Provider, asked: Query) -> tuple[str, Found, str]:
    from greattit.tiles.remote import Site

    site = Site(url, s3=provider.s3, attempts=asked.options.attempts, backoff_s=asked.options.backoff_s)
    top, node = _top(url, site)
    links = node.get("links") if isinstance(node, dict) else None
    kinds = {link.get("rel") for link in links if isinstance(link, dict)} if isinstance(links, list) else set()
    if provider.name or "conformsTo" in node or kinds & {"search", "items"}:
        from greattit.tiles.stac_api import search

        return url, search(site, node, provider, asked), provider.title
    return top, walk(top, site, provider), url


def _top(url: str, site: Site) -> tuple[str, dict[str, Any]]:
    """Return the address and content of the first file of a catalogue or API on the web."""
    from greattit.tiles.remote import Unreachable

    tries = [url] if url.endswith(".json") else [url, *(f"{url.rstrip('/')}/{name}" for name in TOPS)]
    reasons, remedy = [], "name a STAC API, or a catalog.json or collection.json"
    for where in tries:
        try:
            node = site.json(where, maybe_page=not where.endswith(".json"))
        except SceneError as error:
            reasons.append(error.what)
            if isinstance(error, Unreachable):
                remedy = "try again when the network and the server are up, or name another source"
                break
            continue
        if isinstance(node, dict) and "links" in node:
            return where, node
        reasons.append("is no STAC catalogue")
    raise CatalogueError(reasons[0], subject=url, remedy=remedy)


def _from_folder(path: Path, asked: Query) -> tuple[str, Found, str]:
    if _is_top(path):
        path = path.parent
    root, options = path.resolve(), asked.options
    top = next((root / name for name in TOPS if (root / name).is_file()), None)
    if options.pattern is None:
        if top is not None:
            return str(root), walk(str(top), Folder(root), anything()), root.name
        products = safe.products_in(root)
        if products:
            return str(root), safe.read_products(products), root.name
    if options.pattern is not None or geotiffs.files_in(root):
        found, pattern = geotiffs.read_files(root, pattern=options.pattern, bands=options.bands, level=options.level)
        return str(root), found, f'{root.name}, files "{pattern}"'
    packed = safe.packed_in(root)
    raise CatalogueError(
        "holds neither a STAC catalogue, nor Sentinel-2 products (.SAFE), nor GeoTIFFs",
        subject=str(path),
        remedy=f"unpack {packed[0]}" if packed else "name the folder that holds them",
    )


def _limit(found: Found, asked: Query, root: str) -> None:
    """Keep what was asked for; a server may have ignored the question."""
    from shapely.geometry import box

    kept = []
    for scene in found.scenes:
        day = scene.when.date()
        if day.year > asked.until.year + FAR_YEARS:
            found.warnings.append(f"scene {scene.id} left out: its datetime {day} lies far in the future")
            continue
        here = asked.area is None or box(*scene.bbox).intersects(asked.area)
        if here and scene.sensor in asked.sensors and asked.since <= day <= asked.until:
            kept.append(scene)
    if not kept and (found.scenes or not found.warnings):
        names = " or ".join(SENSORS[sensor] for sensor in asked.sensors)
        raise CatalogueError(
            f"has no {names} scene of the area from {asked.since} to {asked.until}",
            subject=root,
            remedy=_reach(found.scenes, asked.area),
        )
    for sensor in sorted(set(asked.sensors) - {scene.sensor for scene in kept}) if kept else ():
        found.warnings.append(f"no {SENSORS[sensor]} scene of the area from {asked.since} to {asked.until}")
    found.scenes = _of_one_level(kept, asked, found)


def _reach(scenes: list[Scene], area: BaseGeometry | None) -> str:
    """Say where and when a source's scenes are, when none is what was asked for."""
    from shapely.geometry import box
    from shapely.ops import transform

    if not scenes:
        return "ask for more, or elsewhere"
    boxes = [box(*scene.bbox) for scene in scenes]
    if area is not None and not any(one.intersects(area) for one in boxes):
        west, south, east, north = bounds_of(scenes)
        turned = transform(lambda x, y: (y, x), area)
        swapped = "; are longitude and latitude swapped?" if any(one.intersects(turned) for one in boxes) else ""
        return (
            f"its scenes lie at longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f}; the area "
            f"at longitude {area.bounds[0]:.3f} to {area.bounds[2]:.3f}, latitude {area.bounds[1]:.3f} to "
            f"{area.bounds[3]:.3f}{swapped}"
        )
    days = sorted(scene.when.date() for scene in scenes)
    return f"its {len(days)} scenes reach from {days[0]} to {days[-1]}"


def _of_one_level(scenes: list[Any], asked: Query, found: Found) -> list[Any]:
    """Keep the optical scenes of one level: reflectance at the surface and above the air do not mix."""
    levels = {scene.level for scene in scenes if scene.sensor == "s2"}
    level = asked.options.level or ("L2A" if "L2A" in levels else "L1C")
    left = [scene for scene in scenes if scene.sensor == "s2" and scene.level != level]
    if left:
        found.warnings.append(f"{len(left)} scenes of another level than {level} left out, e.g. {left[0].id}")
    return [scene for scene in scenes if scene.sensor != "s2" or scene.level == level]
