"""What the server says when it cannot do what was asked: one table from errors to HTTP codes, one form of body."""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from greattit import errors

log = logging.getLogger(__name__)


class RequestError(errors.GreatTitError):
    """The request itself cannot be used."""


class TooLargeError(RequestError):
    """The body is larger than a drawing can be."""


class NotHereError(RequestError):
    """There is nothing at this address."""


class BusyError(RequestError):
    """Too many plots are waiting."""


STATUS: dict[type[errors.GreatTitError], int] = {
    errors.PlotFileError: 400,
    errors.PlotShapeError: 422,
    errors.PlotPlaceError: 422,
    errors.PlotError: 422,
    errors.PolicyError: 422,
    errors.TilesError: 503,
    errors.WeatherError: 422,
    errors.CropModelError: 422,
    errors.ModelError: 500,
    errors.DatasetError: 500,
    errors.GreatTitError: 500,
    TooLargeError: 413,
    NotHereError: 404,
    BusyError: 503,
    RequestError: 422,
}
"""error -> HTTP code; the nearest ancestor counts"""


def status_of(kind: type[Exception]) -> int:
    """Return the HTTP code of an error class: its own, or that of its nearest ancestor in `STATUS`."""
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)


def body_of(error: errors.GreatTitError) -> dict[str, str]:
    """Return the JSON body of an error; a server's own folders are cut to their last name."""
    subject = PurePath(error.subject).name if status_of(type(error)) >= 500 else error.subject
    return {"error": type(error).__name__, "what": error.what, "subject": subject, "remedy": error.remedy}


def _respond(
    error: errors.GreatTitError, headers: dict[str, str] | None = None, status: int | None = None
) -> JSONResponse:
    return JSONResponse(body_of(error), status or status_of(type(error)), headers)


def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.GreatTitError)
    if status_of(type(error)) >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return _respond(error, {"Retry-After": "5"} if isinstance(error, BusyError) else None)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "request"
    return _respond(RequestError(str(first["msg"]), subject=where, remedy="see /openapi.json for what may be asked"))


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _respond(NotHereError("there is nothing at this address", subject=request.url.path, remedy="start at /"))
    return _respond(
        RequestError(str(error.detail), subject=request.url.path), dict(error.headers or {}), error.status_code
    )


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _respond(
        errors.GreatTitError(
            "something went wrong on the server", remedy="try again; the operator finds the cause in the log"
        )
    )


def install(app: FastAPI) -> None:
    """Make `app` answer every error with the JSON body of `body_of`."""
    app.add_exception_handler(errors.GreatTitError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
