"""Drawn plots: `load` turns any sane plot file into valid, measured plots; `cut` turns a plot into its field.

`load` is light; `cut` works on pixels and brings its own imports when it is called.
"""

from __future__ import annotations

from greattit.plots.area import area_ha
from greattit.plots.cut import cut
from greattit.plots.load import Problem, load, load_checked
from greattit.plots.outside import check_inside

__all__ = ["Problem", "area_ha", "check_inside", "cut", "load", "load_checked"]
