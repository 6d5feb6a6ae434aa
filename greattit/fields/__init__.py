"""Every field of a county: `delineate` walks over it, `find` gives the fields of one window, `write` makes a file.

Light to import; the network and its libraries come with the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greattit.fields.fiboa import About, Written, write
    from greattit.fields.finder import find
    from greattit.fields.objects import Found
    from greattit.fields.walk import Job, Square, delineate

__all__ = ["About", "Found", "Job", "Square", "Written", "delineate", "find", "write"]

_FACE = {
    "About": "fiboa",
    "Found": "objects",
    "Job": "walk",
    "Square": "walk",
    "Written": "fiboa",
    "delineate": "walk",
    "find": "finder",
    "write": "fiboa",
}


def __getattr__(name: str) -> Any:
    """Load the public verbs on first use."""
    if name not in _FACE:
        raise AttributeError(f"module 'greattit.fields' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"greattit.fields.{_FACE[name]}"), name)
