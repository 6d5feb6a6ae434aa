"""The records that travel along the walk. All frozen; units and shapes stand under each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    Cube = xr.Dataset
    """dims (time, y, x); variables named as the bands below, float32 reflectance 0-1 with NaN for no data; `clear`
    (time, y, x) bool; `scl` uint8. Coordinates: time datetime64[ns], x and y are pixel centres in `attrs["crs"]`.
    Sentinel-1, where read: `VV`, `VH` (sar_time, y, x) float32 dB. attrs: crs ("EPSG:32631"), cube_id (sha256 over the
    scene ids and the counts read), transform (the six of an affine), warnings (tuple of str: scenes left out and why),
    attribution (str), simulated (bool), snapshot (str, of a cube only)."""

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""Sentinel-2 bands of the house, in their order everywhere."""

SAR = ("VV", "VH")
"""Sentinel-1 polarisations, in dB."""


@dataclass(frozen=True)
class Interval:
    """An uncertain number as its quantiles."""

    p10: float
    """nine times in ten the truth is above"""
    p50: float
    """the middle"""
    p90: float
    """nine times in ten the truth is below"""
    unit: str
    """unit of all three, e.g. "ha", "kg/ha", "EUR" """


@dataclass(frozen=True)
class Figure:
    """One number of the build-up, with where it came from, so that the line can be rebuilt by hand."""

    name: str
    """what it is, e.g. "price" """
    value: float | str
    """the number; money as a decimal string"""
    unit: str
    """unit, "1" for a share"""
    source: str
    """publication, policy path with its day, model with its hash, or the formula over earlier figures"""


@dataclass(frozen=True, eq=False)
class Plot:
    """One drawn plot, valid and measured."""

    id: str
    """unique in its file"""
    geometry: BaseGeometry
    """Polygon or MultiPolygon, lon/lat in EPSG:4326, valid, 2-D, counter-clockwise shells"""
    area_ha: float
    """geodesic area on WGS 84 [ha]"""
    mended: tuple[str, ...] = ()
    """what was mended on the way in, one sentence each; empty when nothing was"""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """the feature's own properties, untouched"""

    @property
    def area_mu(self) -> float:
        """geodesic area [mu]; 15 mu are one hectare"""
        return self.area_ha * 15.0


@dataclass(frozen=True, eq=False)
class Part:
    """One of several fields that one drawing holds."""

    outline: BaseGeometry
    """EPSG:4326"""
    area_ha: Interval
    """area of the whole field [ha]"""
    share: float
    """share 0-1 of the drawing that it takes"""
    confidence: float
    """0-1: probability that it is a field of its own"""


@dataclass(frozen=True, eq=False)
class Segment:
    """The part of the cube that is the plot's one field."""

    plot_id: str
    """the plot's id"""
    coverage: NDArray[np.float32]
    """(y, x) of the cube: share 0-1 of each pixel that belongs to the field"""
    area_ha: Interval
    """measured area of the field [ha]"""
    drawn_ha: float
    """area as drawn [ha]"""
    outline: BaseGeometry
    """outline of the field, EPSG:4326, for pictures and for the farmer to accept"""
    cut_away: Mapping[str, float]
    """[ha] inside the drawing that is not the field, by cause: "mixed border", "water, road or building", "other land",
    "land outside the tiles" """
    added_ha: float
    """[ha] of the field that lies outside the drawing"""
    area_90_ha: tuple[float, float] = (float("nan"), float("nan"))
    """[ha] nine times in ten the true area lies between: the quantiles p05 and p95 beside those of `area_ha`"""
    parts: tuple[Part, ...] = ()
    """the fields that the drawing holds, the largest share first; empty when it holds one"""


@dataclass(frozen=True, eq=False)
class Series:
    """The season of one segment: one row a look, in order of time."""

    plot_id: str
    """the plot's id"""
    dates: NDArray[np.datetime64]
    """(t,) datetime64[D], ascending; an optical and a radar look of one day are two rows"""
    bands: tuple[str, ...]
    """names of the columns of `values`: any of BANDS, SAR and "ndvi" (only where no bands exist)"""
    values: NDArray[np.float32]
    """(t, band): coverage-weighted mean reflectance 0-1 of the clear pixels, dB for radar; NaN where not seen"""
    clear: NDArray[np.float32]
    """(t,) share 0-1 of the segment seen clear; radar rows are 1"""

    def band(self, name: str) -> NDArray[np.float32]:
        """Return the column of one band (t,); NaN everywhere when the series does not have it."""
        import numpy as np

        if name in self.bands:
            return self.values[:, self.bands.index(name)]
        return np.full(len(self.dates), np.nan, np.float32)


@dataclass(frozen=True)
class CropCall:
    """What grows there, or that it cannot be told."""

    probabilities: Mapping[str, float]
    """calibrated, over all classes of the model, summing to 1; empty when there was nothing to look at"""
    crop: str | None
    """the house name of the call; None when abstained"""
    likely: tuple[str, ...]
    """prediction set, most probable first: the crops that cannot be ruled out"""
    certainty: float
    """calibrated probability of `crop` (or of the best class when abstained); NaN when nothing was seen"""
    abstained: str | None
    """why there is no call; None when there is one"""
    model: str
    """name of the model"""
    model_sha256: str
    """of the weights"""


@dataclass(frozen=True)
class Hazard:
    """One damage found."""

    kind: str
    """one of `damage.KINDS`, e.g. "flood"; "decline, cause unknown" where causes cannot be told apart"""
    share: float
    """share 0-1 of the plot"""
    day: date
    """when it was first seen"""
    evidence: str
    """the figures that say so"""
    cause_known: bool = True
    """False where it is certain that cover was lost and not why"""
    confidence: float = float("nan")
    """0-1: how often such a finding was right, cause and all, on made counties; NaN where it was not measured"""
    last: date | None = None
    """last day on which it was seen; None where only its start is known"""
    lost: float = 1.0
    """share 0-1 of the stand that went on that part: 1 where that is not known better, 0 where no harvest is touched"""


@dataclass(frozen=True)
class Growth:
    """The season's course and how good it looks."""

    start: date | None
    """day of half of the green-up; None when not found or before the first look (see `notes`)"""
    peak: date | None
    """middle of the days near the largest greenness, or the greenest so far; None while the greenness still rises"""
    end: date | None
    """day of half of the senescence or harvest; None when still standing"""
    stage: str
    """"not started", "growing", "at peak", "ripening", "harvested", "unknown" """
    peak_evi2: float
    """second largest clear EVI2 of the season [1] (one lone high value is not believed); NaN when unseen"""
    vigour: float
    """0-1: 1 is as green as a normal field of its crop, less is weaker; it never rises when looks are taken away"""
    vigour_reference: Figure
    """the peak EVI2 that counts as normal"""
    looks: int
    """clear looks between the season's first day and the day of the appraisal"""
    hazards: tuple[Hazard, ...]
    """damage found, in order of day"""
    start_90: tuple[date, date] | None = None
    """nine times in ten the true start lies between"""
    peak_90: tuple[date, date] | None = None
    """the same of the peak; None when it is that so far"""
    end_90: tuple[date, date] | None = None
    """the same of the end"""
    kind: str = "unknown"
    """"annual", "double" (two full cycles in a year), "fallow" (never green), "perennial" (never bare), "unknown" """
    earlier: tuple[tuple[date | None, date, date | None], ...] = ()
    """start, peak and end of the cycles before this one, in order of time: a winter cover, the first of two crops"""
    bbch: str | None = None
    """BBCH codes that cannot be ruled out on the day, first and last, e.g. "30-59"; None when nothing can be said"""
    notes: tuple[str, ...] = ()
    """why a date is missing, one sentence each"""


@dataclass(frozen=True)
class Yield:
    """What one crop of the prediction set will give, if it is that crop."""

    crop: str
    """house name"""
    kg_ha: Interval
    """[kg/ha] as marketed (fresh mass; grain at its usual moisture)"""
    basis: str
    """one sentence: which table, which place, how moved"""
    figures: tuple[Figure, ...]
    """the numbers used, each with its source"""


@dataclass(frozen=True)
class Worth:
    """What the harvest is worth: the least of the crops that cannot be ruled out."""

    crop: str
    """the crop it was reckoned with"""
    currency: str
    """ISO 4217"""
    money: Interval
    """[currency] value of the whole plot's harvest"""
    figures: tuple[Figure, ...]
    """area, yield, price, spreads: all that is needed to reckon `money` again"""


@dataclass(frozen=True)
class Reason:
    """One reason of a line or of a refusal, which the farmer can dispute."""

    code: str
    """stable key, e.g. "area", "crop", "too_few_looks" """
    text: str
    """one plain sentence with its figures"""
    effect: str
    """"raises", "lowers", "binds", "refuses" or "informs" """


@dataclass(frozen=True)
class CreditLine:
    """The offer. A refusal is a limit of zero with the reason that refuses."""

    limit: Decimal
    """[currency] rounded once, at the end, down"""
    currency: str
    """ISO 4217; empty when refused before the place was known"""
    due: date | None
    """last day to repay; None when refused"""
    tenor_days: int
    """days from the appraisal to `due`; 0 when refused"""
    rule: str
    """which of "advance", "need", "cap" bound; "" when refused"""
    refused: str | None
    """code of the reason that refuses; None when there is a line"""
    reasons: tuple[Reason, ...]
    """all reasons in the order of the walk"""
    figures: tuple[Figure, ...]
    """advance rate, need, cap, live debt, rounding: all that is needed to reckon `limit` again"""


@dataclass(frozen=True)
class MadeWith:
    """What an appraisal was made with; the same again gives the same figures."""

    version: str
    """of greattit"""
    cube_id: str
    """sha256 over the scenes read"""
    snapshot: str
    """id of the cube's snapshot, for `--as-of`; "" when the scenes were read from their folder"""
    policy: Mapping[str, str]
    """policy file -> sha256"""
    models: Mapping[str, str]
    """model -> sha256"""


@dataclass(frozen=True, eq=False)
class Appraisal:
    """The walk of one plot on one day."""

    plot: Plot
    """as drawn, mended"""
    day: date
    """nothing seen or decided after this day was used"""
    region: str
    """key of policy/regions.yaml; "" when none holds the plot"""
    segment: Segment
    series: Series
    """looks up to `day`"""
    call: CropCall
    growth: Growth
    yields: tuple[Yield, ...]
    """one for each crop that cannot be ruled out; empty when abstained"""
    worth: Worth | None
    """None when there is nothing to price"""
    line: CreditLine
    made_with: MadeWith
    warnings: tuple[str, ...]
    """scenes left out, mends, simulated tiles"""
    timing: Mapping[str, float]
    """[s] spent in each room; not part of the figures"""
