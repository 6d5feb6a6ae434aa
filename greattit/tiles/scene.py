"""What every source of satellite scenes is turned into: `Asset`, `Scene`, `Catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

ASSETS = {
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "swir16": "B11",
    "swir22": "B12",
    "scl": "scl",
    "vv": "VV",
    "vh": "VH",
}
"""Earth Search v1 asset key -> name in the house; for raw Sentinel-2 the band name itself is accepted too."""

NAMES = {**ASSETS, **{name: name for name in ASSETS.values()}}
"""Asset key -> name in the house, for a source that has no map of its own."""


@dataclass(frozen=True)
class Asset:
    """One band's raster."""

    href: str
    """absolute path on this machine, or an http(s) or s3 URL"""
    scale: float
    """value = count * scale + offset"""
    offset: float | None
    """see `scale`; None when the product's metadata do not say, and the pixels must"""
    nodata: float | None
    """the count that means "not seen"; None when the item does not say"""
    shape: tuple[int, int] | None
    """(rows, columns) that the item promises; None when it does not say"""
    band: int = 1
    """number of the band inside its file, from 1"""
    quantity: str = "value"
    """"value": reflectance, class or dB after scale and offset; "power": linear backscatter, to be turned into dB;
    "amplitude": radar counts that nobody calibrated, which cannot be turned into dB"""
    bytes: int | None = None
    """size of the file [byte]; None when not said"""
    access: str = ""
    """what opens a remote raster, "KIND:COLLECTION", e.g. "planetary-computer:sentinel-2-l2a" (see `signing`); "" when
    nothing is needed"""
    doubtful: bool = False
    """the source is known to state this `offset` wrongly at times: the pixels should be asked whether it fits"""


@dataclass(frozen=True)
class Scene:
    """One product: what one satellite saw of one tile on one pass, processed once."""

    id: str
    """the item's id"""
    when: datetime
    """time of acquisition, UTC"""
    sensor: str
    """"s2" or "s1" """
    bbox: tuple[float, float, float, float]
    """west, south, east, north [deg]"""
    assets: Mapping[str, Asset]
    """by band name of the house"""
    level: str = "L2A"
    """"L2A" or "L1C" (optical: at the surface, at the top of the atmosphere), "GRD" or "RTC" (radar)"""
    platform: str = ""
    """e.g. "sentinel-2a"; "" when not said"""
    tile: str = ""
    """MGRS tile, e.g. "31UDS"; "" when not said"""
    orbit: int | None = None
    """relative orbit; None when not said"""
    baseline: str = ""
    """processing baseline, e.g. "04.00"; "" when not said"""
    created: str = ""
    """when the product was made, ISO 8601; "" when not said"""
    notes: tuple[str, ...] = ()
    """what a reader should know, e.g. that the offset was decided from the pixels; one sentence each"""


@dataclass(frozen=True)
class Catalogue:
    """All scenes of one source, in order of time."""

    root: str
    """the folder or URL"""
    title: str
    """what the catalogue calls itself"""
    scenes: tuple[Scene, ...]
    """sorted by time, then id"""
    bounds: tuple[float, float, float, float]
    """west, south, east, north of all scenes [deg]"""
    simulated: bool
    """True when the tiles are made, not observed"""
    attribution: str
    """who is to be named"""
    warnings: tuple[str, ...] = field(default=())
    """items left out and why"""

    def between(self, first: date, last: date, sensor: str = "s2") -> tuple[Scene, ...]:
        """Return the scenes of one sensor from `first` to `last`, both days included."""
        return tuple(s for s in self.scenes if s.sensor == sensor and first <= s.when.date() <= last)

    @property
    def first_day(self) -> date:
        """Day of the first optical look."""
        return min(s.when.date() for s in self.scenes if s.sensor == "s2")

    @property
    def last_day(self) -> date:
        """Day of the last optical look."""
        return max(s.when.date() for s in self.scenes if s.sensor == "s2")
