"""The farmer's page: circle a field on a phone, read the line and its reasons. `create_app` serves it with FastAPI."""

from __future__ import annotations

from greattit.web.app import create_app

__all__ = ["create_app"]
