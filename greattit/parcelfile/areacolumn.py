"""Stated areas against measured ones: the unit of a column by the middle of its ratios, and the rows that disagree."""

from __future__ import annotations

import math

import numpy as np

from greattit.parcelfile.found import Floats, Found
from greattit.parcelfile.kinds import AREA_DIFFERS
from greattit.parcelfile.layer import unit_said
from greattit.parcelfile.rows import Rows

PER_HA = {"ha": 1.0, "m2": 10_000.0, "mu": 15.0, "acre": 2.4710538, "km2": 0.01, "are": 100.0}
"""units in a hectare; 1 mu is 1/15 ha, 1 acre 4046.8564 m2 (NIST SP 811, international acre)"""

UNIT_FACTOR = 1.2
"""the middle ratio may be off a unit by this factor; units differ by 2.47 or more"""


def stated_areas(rows: Rows, found: Found) -> dict[str, str]:
    """Compare every column that may state areas; return its unit by name, "" where it is none known here."""
    units = {}
    for name, values in rows.stated.items():
        measured = np.where(rows.area_ha > 0, rows.area_ha, np.nan)
        stated = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        if not np.isfinite(stated).any():
            continue
        ratio = stated / measured
        known = ratio[np.isfinite(ratio)]
        units[name] = unit = _unit(float(np.median(known))) if len(known) else ""
        if not unit:
            _say_unknown(name, stated, rows, found)
            continue
        _say_unit(name, unit, found)
        found.add("area-missing", np.flatnonzero(np.isnan(stated)), note=name)
        off = ratio / PER_HA[unit] - 1
        # a difference of exactly the tolerance is none, whatever the last digit does
        differs = np.flatnonzero(np.abs(off) > AREA_DIFFERS * (1 + 1e-9))
        found.add("area-differs", differs, off[differs], note=name)
    return units


def _unit(ratio: float) -> str:
    """Return the unit whose number in a hectare is nearest to `ratio`, "" when none is near."""
    apart = {unit: abs(math.log(ratio / per_ha)) for unit, per_ha in PER_HA.items()}
    nearest = min(apart, key=lambda unit: apart[unit])
    return nearest if apart[nearest] <= math.log(UNIT_FACTOR) else ""


def _say_unit(name: str, unit: str, found: Found) -> None:
    said = unit_said(name)
    if said and said != unit:
        found.about_file("area-unit", f"{name}: its name says {said}, its values are in {unit}")
    else:
        found.about_file("area-column", f"{name} is in {unit}")


def _say_unknown(name: str, stated: Floats, rows: Rows, found: Found) -> None:
    """Say that a column is in no known unit; the area in the file's own coordinates is told apart."""
    ratio = stated / np.where(rows.planar > 0, rows.planar, np.nan)
    ratio = ratio[np.isfinite(ratio)]
    if len(ratio) and abs(float(np.median(ratio)) - 1) < 0.01:
        found.about_file("area-unit-unknown", f"{name} is the area in the file's map units, which is no ground area")
    elif not np.isfinite(rows.area_ha).any():
        found.about_file("area-unit-unknown", f"{name} cannot be compared: the place of no row is known")
    else:
        found.about_file("area-unit-unknown", f"{name}: its values fit none of {', '.join(PER_HA)}")
