"""Great Tit: from satellite tiles and a drawn plot to a credit line that anyone can rebuild with a pencil.

The walk, in order (no room imports a later one; `tests/test_path.py` checks it)::

    tiles.read -> plots.load, plots.cut -> series.gather -> crops.classify -> damage.look
          -> growth.observe -> yields.estimate -> value.price -> credit.offer

`appraisal.appraise` is all of it for one plot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greattit.appraisal import appraise
    from greattit.plots.load import load as load_plots
    from greattit.tiles import read as read_tiles

__version__ = "0.1.0"

PATH = (
    "errors",
    "types",
    "shipped",
    "torchcompat",
    "onethread",
    "policy",
    "weather",
    "cropmodel",
    "simulate",
    "tiles",
    "cube",
    "indices",
    "canopy",
    "clouds",
    "plots",
    "fields",
    "parcelfile",
    "series",
    "filled",
    "claims",
    "crops",
    "damage",
    "growth",
    "yields",
    "value",
    "credit",
    "registry",
    "appraisal",
    "outlook",
    "report",
    "county",
    "evaluate",
    "plotscores",
    "web",
    "commands",
)
"""The rooms in the order of the walk."""

__all__ = ["PATH", "__version__", "appraise", "load_plots", "read_tiles"]

_FACE = {
    "appraise": ("greattit.appraisal", "appraise"),
    "load_plots": ("greattit.plots", "load"),
    "read_tiles": ("greattit.tiles", "read"),
}


def __getattr__(name: str) -> Any:
    """Load the public verbs on first use, so that `import greattit` stays light."""
    if name not in _FACE:
        raise AttributeError(f"module 'greattit' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _FACE[name]
    return getattr(import_module(module), attribute)
