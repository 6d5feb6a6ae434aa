"""Places: which region holds a point, and what is decided for it. The regions are `policy/regions.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from greattit import policy
from greattit.errors import PolicyError


def region_at(lon: float, lat: float, *, day: date) -> str | None:
    """Return the key of the first region with a box around the point [degree, EPSG:4326]; None when there is none.

    The boxes are coarse and closed; NaN is nowhere. A region counts from the day its boxes came into force.
    """
    regions = policy.load("regions").on(day)
    for key in regions:
        boxes = _value(regions, key, "boxes")
        if boxes and any(west <= lon <= east and south <= lat <= north for west, south, east, north in boxes):
            return key
    return None


def name(region: str, *, day: date) -> str:
    """Return the region's name for people; raise `PolicyError` for an unknown region."""
    return str(policy.load("regions").on(day).rule(region, "name").value)


def currency(region: str, *, day: date) -> str:
    """Return the region's money, ISO 4217; raise `PolicyError` for an unknown region."""
    return str(policy.load("regions").on(day).rule(region, "currency").value)


def crop_shares(region: str, *, day: date) -> Mapping[str, float]:
    """Return the share of the farmed area under each crop [1], coarse names included; empty where none is known."""
    regions = policy.load("regions").on(day)
    return {str(crop): float(share) for crop, share in (_value(regions, region, "crop_shares") or {}).items()}


def _value(regions: policy.View, region: str, figure: str) -> Any:
    try:
        return regions.rule(region, figure).value
    except PolicyError:
        return None
