"""STAC APIs: the question is asked page by page, and the answer is complete or an error says what is missing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from greattit.errors import CatalogueError, SceneError
from greattit.tiles.catalogue import MALFORMED, Found, reason
from greattit.tiles.item import scene_from
from greattit.tiles.providers import SENSORS, Provider, providers

if TYPE_CHECKING:
    from greattit.tiles.remote import Site
    from greattit.tiles.sources import Query

PAGE = 100
"""Items asked for at once."""

MAX_ITEMS = 100_000
"""Items of one search; more is refused, so that a search ends."""


def search(site: Site, node: dict[str, Any], provider: Provider, asked: Query) -> Found:
    """Return what the API whose first page is `node` answers; raise `CatalogueError` when a page cannot be had."""
    if asked.area is None:
        raise CatalogueError("a search needs an area", subject=site.url, remedy="say a bbox or an area")
    found = Found(attribution=provider.attribution, nodes=[node])
    question = {
        "bbox": list(asked.area.bounds),
        "datetime": f"{asked.since}T00:00:00Z/{asked.until}T23:59:59Z",
        "limit": PAGE,
    }
    root, collections = _collections(site, node, provider, asked)
    if collections:
        question["collections"] = collections
    met: set[tuple[str, str]] = set()
    said, pages = None, 0
    try:
        for page in _pages(site, root, question):
            pages += 1
            items = page.get("features")
            said = page.get("numberMatched", (page.get("context") or {}).get("matched"))
            _take_all(items if isinstance(items, list) else [], met, found, (site, provider))
    except _failures() as error:
        from greattit.tiles.remote import short

        raise CatalogueError(
            f"page {pages + 1} of the search cannot be had ({short(error)}); {len(met)} items came before it"
            + (f" of {said}" if isinstance(said, int) else ""),
            subject=site.url,
            remedy="run it again later; nothing was kept",
        ) from error
    if isinstance(said, int) and said > len(met):
        found.warnings.append(f"the server says {said} items match and gave {len(met)}")
    return found


def _failures() -> tuple[type[Exception], ...]:
    """Return what asking for a page, or reading a malformed one, can raise."""
    from pystac import STACError
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError

    return (APIError, ClientTypeError, STACError, RecursionError, *MALFORMED)


def _pages(site: Site, root: str, question: dict[str, Any]) -> Any:
    from pystac import Link
    from pystac_client import Client
    from pystac_client.stac_api_io import StacApiIO

    from greattit.tiles.remote import TIMEOUT_S

    class Asking(StacApiIO):  # type: ignore[misc]
        """Asks through the site's session, and takes no link for a file of this machine, as its parent does."""

        def read_text(self, source: Any, *args: Any, **kwargs: Any) -> Any:
            return super().read_text(
                source if isinstance(source, Link) else site.join(root, str(source)), *args, **kwargs
            )

        def request(self, href: str, *args: Any, **kwargs: Any) -> Any:
            return super().request(site.join(root, href), *args, **kwargs)

    asking = Asking(timeout=TIMEOUT_S, max_retries=None)
    asking.session = site.session
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of conformance classes and methods; what matters is looked at below
        client = Client.open(root, stac_io=asking, timeout=TIMEOUT_S)
        links = [link for link in client.links if link.rel == "search"]
        if not client.conforms_to("ITEM_SEARCH"):
            if not links:
                raise CatalogueError(
                    "offers no search", subject=root, remedy="name a STAC API, or a static catalogue's file"
                )
            client.add_conforms_to("ITEM_SEARCH")
        methods = {str(link.extra_fields.get("method") or "GET").upper() for link in links}
        yield from client.search(method="POST" if "POST" in methods else "GET", **question).pages_as_dicts()


def _take_all(items: list[Any], met: set[tuple[str, str]], found: Found, source: tuple[Site, Provider]) -> None:
    """Read one page; what is wrong with an item becomes a warning."""
    site, provider = source
    before = len(met)
    for item in items:
        name = str(item.get("id"))[:80] if isinstance(item, dict) else "without an id"
        key = (str(item.get("collection")) if isinstance(item, dict) else "", name)
        if key in met:
            continue
        met.add(key)
        try:
            scene = scene_from(item, site, _own(item, site), provider)
        except MALFORMED as error:
            found.warnings.append(f"scene {name} left out: {reason(error)}")
            continue
        if scene is not None:
            found.scenes.append(scene)
    if items and len(met) == before:
        raise ValueError("it repeats items of earlier pages: the paging goes in a circle")
    if len(met) > MAX_ITEMS:
        raise ValueError(f"more than {MAX_ITEMS:,} items match; ask for a smaller area or span")


def _own(item: Any, site: Site) -> str:
    """Return the item's own address, to which relative hrefs belong."""
    links = item.get("links") if isinstance(item, dict) else None
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return site.join(site.url, link["href"])
    return site.url


def _collections(site: Site, node: dict[str, Any], provider: Provider, asked: Query) -> tuple[str, list[str]]:
    """Return the API's address and the collections to search; none means all."""
    if node.get("type") == "Collection":
        root = next((k.get("href") for k in node["links"] if isinstance(k, dict) and k.get("rel") == "root"), None)
        return site.join(site.url, str(root)), [str(node["id"])]
    if provider.name:
        served = {s: provider.serving(s, asked.options.level) for s in asked.sensors}
        for sensor, products in served.items():
            if not products:
                raise CatalogueError(
                    f"offers no {SENSORS[sensor]}"
                    + (f" of level {asked.options.level}" if asked.options.level else ""),
                    subject=provider.name,
                    remedy="choose another source, or leave the sensor or level out",
                )
        return site.url, [p.collection for products in served.values() for p in products]
    return site.url, _known(site, asked)


def _known(site: Site, asked: Query) -> list[str]:
    """Return the collections of an unknown API that have a well-known name, if they serve all that was asked for."""
    try:
        listed = site.json(f"{site.url.rstrip('/')}/collections").get("collections")
        offered = {c["id"] for c in listed}
    except (SceneError, AttributeError, KeyError, TypeError):
        return []
    entries = providers(asked.options.sources).values()
    wanted: list[str] = []
    for sensor in asked.sensors:
        usual = {p.collection for entry in entries for p in entry.serving(sensor, asked.options.level)}
        if not usual & offered:
            return []
        wanted += sorted(usual & offered)
    return wanted
