"""The FastAPI application: the page, its map tiles, and appraisals as JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from greattit import __version__, tiles
from greattit.cube import Store, open_stack
from greattit.errors import GreatTitError, PlotFileError
from greattit.web import answers, assets
from greattit.web.answers import BusyError, NotHereError, RequestError, TooLargeError
from greattit.web.picture import MAX_ZOOM, Picture

Appraise = Callable[[Mapping[str, Any], date, Decimal], Mapping[str, Any]]
"""(GeoJSON of one drawing, day, live debt) -> an appraisal as `appraisal.as_dict` gives it"""

BODY_LIMIT = 1_000_000
"""bytes; a ring drawn by finger has some kilobytes"""
WORKERS = 2
"""appraisals reckoned at once"""
QUEUE = 16
"""appraisals that may wait; the next one is asked to come back"""


@dataclass(frozen=True)
class _Service:
    """What the routes share."""

    catalogue: tiles.Catalogue | Store
    picture: Picture
    day: date
    appraise: Appraise
    workers: CapacityLimiter


def create_app(
    catalogue_path: Path | str, *, day: date | None = None, as_of: str | None = None, appraise: Appraise | None = None
) -> FastAPI:
    """Return the application that serves the tiles in `catalogue_path`, a catalogue's folder or a cube.

    `day` is the day of the appraisals unless a request names another; without it, the day of the last look. `as_of`
    is the snapshot of a cube to serve, else its newest. `appraise` stands in for the walk (tests only). Raises
    `CatalogueError` or `CubeError` when it is neither.
    """
    catalogue = open_stack(catalogue_path, as_of=as_of)
    today = day or catalogue.last_day
    service = _Service(
        catalogue, Picture(catalogue, today), today, appraise or _walk(catalogue), CapacityLimiter(WORKERS)
    )
    app = FastAPI(title="Great Tit", version=__version__, docs_url=None, redoc_url=None, lifespan=_warm(service))
    app.state.service = service
    page = assets.load()
    policy = assets.content_policy(page["index.html"].raw)
    answers.install(app)
    app.middleware("http")(_guard(policy))
    app.include_router(_api)
    app.include_router(_pages(page))
    return app


def _walk(catalogue: tiles.Catalogue | Store) -> Appraise:
    """Return the real walk over `catalogue`; torch and the models are loaded by the first appraisal."""

    def walk(drawing: Mapping[str, Any], day: date, live_debt: Decimal) -> Mapping[str, Any]:
        from greattit import appraisal, plots

        drawn = plots.load(drawing, near=catalogue.bounds)
        if len(drawn) != 1:
            raise PlotFileError(f"holds {len(drawn)} plots", subject="drawing", remedy="send one field at a time")
        (plot,) = drawn
        return appraisal.as_dict(appraisal.appraise(catalogue, plot, day, live_debt=live_debt))

    return walk


def _warm(service: _Service) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that walks once in the background, so that the first farmer does not wait for the models."""
    west, south, east, north = service.catalogue.bounds
    x, y, half = (west + east) / 2, (south + north) / 2, 0.0005
    ring = [
        [x - half, y - half],
        [x + half, y - half],
        [x + half, y + half],
        [x - half, y + half],
        [x - half, y - half],
    ]

    def walk() -> None:
        with suppress(GreatTitError):
            service.appraise({"type": "Polygon", "coordinates": [ring]}, service.day, Decimal(0))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(anyio.to_thread.run_sync, walk, limiter=service.workers, abandon_on_cancel=True))
            yield
            group.cancel_scope.cancel()

    return lifespan


def _guard(policy: str) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Return a middleware that puts the security headers on every answer."""
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), payment=()",
    }

    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    return guard


_api = APIRouter()


@_api.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Say that the server is up, with its version and the catalogue it serves."""
    return {"status": "ok", "version": __version__, "catalogue": _service(request).catalogue.title}


@_api.get("/api/place")
async def place(request: Request) -> dict[str, Any]:
    """Where the tiles lie and what the map shows: bounds are west, south, east, north in degrees."""
    service = _service(request)
    return {
        "name": service.catalogue.title,
        "bounds": service.catalogue.bounds,
        "day": service.day,
        "simulated": service.catalogue.simulated,
        "attribution": _attribution(service),
        "picture": {
            "tiles": f"tiles/{{z}}/{{x}}/{{y}}.png?v={service.picture.version}",
            "days": service.picture.days,
            "maxzoom": MAX_ZOOM,
        },
    }


def _attribution(service: _Service) -> str:
    """Name those who must be named; the notice is the one that the Copernicus Sentinel licence asks for."""
    if service.catalogue.simulated or not service.picture.days:
        return service.catalogue.attribution
    years = ", ".join(str(year) for year in sorted({day.year for day in service.picture.days}))
    notice = f"contains modified Copernicus Sentinel data {years}"
    return "; ".join(filter(None, (notice, service.catalogue.attribution)))


@_api.get("/tiles/{z}/{x}/{y}.png", response_class=Response)
def tile(request: Request, z: int, x: int, y: int) -> Response:
    """One map tile: true colour of the clearest look, 512 x 512, transparent where there is none."""
    if not (0 <= z <= MAX_ZOOM and 0 <= x < 2**z and 0 <= y < 2**z):
        raise NotHereError(
            "there is no such tile", subject=f"{z}/{x}/{y}", remedy=f"zoom 0 to {MAX_ZOOM}, x and y below 2^zoom"
        )
    picture = _service(request).picture.tile(z, x, y)
    headers = {"ETag": picture.etag, "Cache-Control": "public, max-age=604800"}
    if request.headers.get("if-none-match") == picture.etag:
        return Response(status_code=304, headers=headers)
    return Response(picture.png, media_type="image/png", headers=headers)


_GEOJSON = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@_api.post("/api/appraisals", openapi_extra=_GEOJSON)
async def appraisals(
    request: Request,
    day: Annotated[date | None, Query(description="day of the appraisal; nothing seen later is used")] = None,
    live_debt: Annotated[
        Decimal, Query(ge=0, max_digits=15, decimal_places=2, description="already owed on it")
    ] = Decimal(0),
) -> Response:
    """Appraise one drawn plot: the body is a GeoJSON Polygon, MultiPolygon or Feature in lon/lat."""
    service = _service(request)
    when = _day(service, day)
    drawing = _drawing(await _body(request))
    if service.workers.statistics().tasks_waiting >= QUEUE:
        raise BusyError("too many plots are waiting", remedy="try again in a few seconds")
    result = await anyio.to_thread.run_sync(service.appraise, drawing, when, live_debt, limiter=service.workers)
    return JSONResponse(result, headers={"Cache-Control": "no-store"})


def _pages(page: Mapping[str, assets.Asset]) -> APIRouter:
    """Return the routes of the page and its files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def index(request: Request) -> Response:
        return page["index.html"].answer(request)

    @router.get("/assets/{name:path}")
    def asset(request: Request, name: str) -> Response:
        if name not in page:
            raise NotHereError("the page has no such file", subject=name, remedy="start at /")
        return page[name].answer(request)

    return router


def _service(request: Request) -> _Service:
    service = request.app.state.service
    assert isinstance(service, _Service)
    return service


def _day(service: _Service, asked: date | None) -> date:
    """Return the day of the appraisal; raise `RequestError` when the tiles hold no look of its year up to it."""
    day = asked or service.day
    if asked and not service.catalogue.between(date(day.year, 1, 1), day):
        first = service.catalogue.between(date.min, date.max)[0].when.date()
        remedy = f"name a day from {first} to {service.catalogue.last_day}"
        raise RequestError(f"the tiles hold no look of {day.year} up to {day}", subject="day", remedy=remedy)
    return day


async def _body(request: Request) -> bytes:
    """Read the body, giving up at `BODY_LIMIT` whatever its header promises."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise TooLargeError(
                f"the drawing has more than {BODY_LIMIT:,} bytes", remedy="draw one field with fewer corners"
            )
    return bytes(body)


def _drawing(body: bytes) -> Mapping[str, Any]:
    """Parse the body; raise `PlotFileError` when it is no GeoJSON object."""
    try:
        drawing = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PlotFileError("is not JSON", subject="drawing", remedy="send a GeoJSON polygon") from error
    if not isinstance(drawing, dict):
        raise PlotFileError("is not a GeoJSON object", subject="drawing", remedy="send a GeoJSON polygon")
    return drawing
