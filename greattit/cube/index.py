"""What a cube holds, as records and as the JSON in its root attributes: `Pass`, `Index`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from greattit.cube.lattice import Window
from greattit.errors import CubeError

FORMAT = 1
"""Version of the form of a cube; a later one is refused and not guessed at."""


@dataclass(frozen=True)
class Product:
    """One product that a pass was made of."""

    id: str
    """the item's id"""
    version: str
    """id with baseline and day of making: changes when the product is made anew"""
    tile: str
    """MGRS tile; "" when not said"""
    level: str
    """"L2A", "L1C", "GRD" or "RTC" """
    baseline: str
    """processing baseline; "" when not said"""
    offset: str
    """how counts became reflectance, and who said so"""
    notes: tuple[str, ...] = ()
    """what the guards found, one sentence each"""
    created: str = ""
    """when the product was made, ISO 8601; "" when not said"""
    native: bool = True
    """True when its pixels are the lattice's own, so that nothing was resampled"""
    bbox: tuple[float, ...] = ()
    """west, south, east, north [deg]"""
    whole: bool = False
    """True when it sees every pixel of its part of every area"""


@dataclass(frozen=True)
class Pass:
    """One look: what one satellite saw on one overpass, of however many products."""

    sensor: str
    """"s2" or "s1" """
    slot: int
    """place on the first axis of the arrays"""
    when: datetime
    """time of the first product, UTC"""
    platform: str
    """e.g. "sentinel-2a" """
    products: tuple[Product, ...]
    """in order of preference: of a pixel seen by two the first one counts"""
    areas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """id of an area -> versions of the products it was filled from"""
    seen_ha: float = 0.0
    """[ha] with data"""
    clear: float = 0.0
    """share 0-1 of what was seen that the product's own classes call clear; 1 for radar"""
    findings: tuple[str, ...] = ()
    """what the guards found against the rest of the stack, one sentence each"""
    refused: str = ""
    """why the look is not shown; "" when it is"""


@dataclass(frozen=True)
class Index:
    """All that a cube knows of itself."""

    crs: str
    """e.g. "EPSG:32631" """
    title: str
    """of the first source"""
    bands: tuple[str, ...]
    """optical bands held, in the house's order"""
    passes: tuple[Pass, ...] = ()
    """in order of sensor, time and slot"""
    areas: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """id of an area -> its cells (row, column)"""
    extent: Window | None = None
    """the smallest window that holds all data; None while empty"""
    refused: Mapping[str, str] = field(default_factory=dict)
    """version of a product -> why it was left out for good"""
    attribution: str = ""
    """who is to be named"""
    simulated: bool = False
    """True when any of it is made, not observed"""

    def of(self, sensor: str) -> tuple[Pass, ...]:
        """Return the passes of one sensor, refused ones included."""
        return tuple(p for p in self.passes if p.sensor == sensor)

    def between(self, first: date, last: date, sensor: str) -> tuple[Pass, ...]:
        """Return the passes shown from `first` to `last`, both days included, in order of time.

        Not shown are those refused, and those that saw nothing of any area.
        """
        shown = (p for p in self.of(sensor) if p.seen_ha > 0 and not p.refused)
        return tuple(p for p in shown if first <= p.when.date() <= last)

    def free_slot(self, sensor: str) -> int:
        """Return the first slot that no pass has."""
        return 1 + max((p.slot for p in self.of(sensor)), default=-1)

    def with_passes(self, new: Mapping[tuple[str, int], Pass]) -> Index:
        """Return the index with passes put in, or replaced, by (sensor, slot)."""
        merged = {(p.sensor, p.slot): p for p in self.passes} | dict(new)
        return replace(self, passes=tuple(sorted(merged.values(), key=lambda p: (p.sensor, p.when, p.slot))))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the store's attributes."""
        plain = asdict(self)
        plain["format"] = FORMAT
        plain["extent"] = list(asdict(self.extent).values()) if self.extent else None
        for one in plain["passes"]:
            one["when"] = one["when"].isoformat()
        return plain


def from_json(plain: Any, subject: str) -> Index:
    """Read an index back; raises `CubeError` when it is of another form."""
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        said = plain.get("format") if isinstance(plain, dict) else None
        raise CubeError(
            f"is no cube of this version (form {said}, this version reads {FORMAT})",
            subject=subject,
            remedy="ingest it again, or use the version that made it",
        )
    try:
        passes = tuple(_pass(one) for one in plain["passes"])
        areas = {key: tuple((int(r), int(c)) for r, c in cells) for key, cells in plain["areas"].items()}
        extent = Window(*(int(v) for v in plain["extent"])) if plain["extent"] else None
        rest = {k: plain[k] for k in ("crs", "title", "refused", "attribution", "simulated")}
        return Index(bands=tuple(plain["bands"]), passes=passes, areas=areas, extent=extent, **rest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CubeError(f"its index is damaged ({error!r})", subject=subject, remedy="ingest it again") from error


def _pass(plain: Mapping[str, Any]) -> Pass:
    rest = {k: v for k, v in plain.items() if k not in ("when", "products", "areas", "findings")}
    return Pass(
        when=datetime.fromisoformat(plain["when"]).astimezone(UTC),
        products=tuple(
            Product(**{**one, "notes": tuple(one["notes"]), "bbox": tuple(one.get("bbox", ()))})
            for one in plain["products"]
        ),
        areas={key: tuple(versions) for key, versions in plain["areas"].items()},
        findings=tuple(plain["findings"]),
        **rest,
    )
