"""Products into looks: one satellite, one overpass, one look, in however many tiles, zones and reprocessings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from greattit.cube.index import Product
from greattit.tiles.scene import Scene

OVERPASS = timedelta(minutes=15)
"""Products of one platform this close together are one overpass: a satellite is back after 98 minutes at the earliest,
and crosses the longest country within a quarter of an hour."""

NEAR_DEG = 0.001
"""Boxes of two makings of one tile may differ by this much [deg]: some 100 m."""


@dataclass(frozen=True)
class Overpass:
    """The products of one overpass."""

    sensor: str
    """"s2" or "s1" """
    platform: str
    """e.g. "sentinel-2a" """
    when: datetime
    """time of the first product, UTC"""
    scenes: tuple[Scene, ...]
    """best first: of a pixel seen by two the first one counts"""


def overpasses(scenes: Iterable[Scene]) -> tuple[Overpass, ...]:
    """Group products into looks, in order of sensor and time; the order of `scenes` changes nothing."""
    groups: list[list[Scene]] = []
    for scene in sorted(scenes, key=lambda s: (s.sensor, s.platform.lower(), s.when, s.id)):
        last = groups[-1] if groups else []
        if last and _kin(last[0], scene) and scene.when - last[0].when <= OVERPASS:
            last.append(scene)
        else:
            groups.append([scene])
    found = [
        Overpass(g[0].sensor, g[0].platform.lower(), g[0].when, tuple(sorted(g, key=rank, reverse=True)))
        for g in groups
    ]
    return tuple(sorted(found, key=lambda o: (o.sensor, o.when, o.platform)))


def version(scene: Scene) -> str:
    """Name a product so that one that is made anew has another name."""
    return "@".join(part for part in (scene.id, scene.baseline, scene.created) if part)


def _kin(one: Scene, other: Scene) -> bool:
    return (one.sensor, one.platform.lower()) == (other.sensor, other.platform.lower())


def rank(one: Scene | Product) -> tuple[bool, tuple[int, ...], str, str, str]:
    """At the surface above top of atmosphere, the newest processing above; then by tile, so that the choice is one."""
    numbers = tuple(int(part) for part in one.baseline.split(".") if part.isdigit())
    return one.level != "L1C", numbers, one.created, one.tile, one.id


def renews(new: Scene | Product, old: Scene | Product) -> bool:
    """Say whether `new` is a better product of the same tile and level as `old`, of the same overpass.

    It must reach as far: two cut-outs of one tile are no two makings of it.
    """
    same = new.tile == old.tile if new.tile else new.id == old.id
    far = bool(new.bbox and old.bbox) and all(
        side * (theirs - own) <= NEAR_DEG for side, own, theirs in zip((-1, -1, 1, 1), new.bbox, old.bbox, strict=True)
    )
    return same and far and new.level == old.level and rank(new) > rank(old)
