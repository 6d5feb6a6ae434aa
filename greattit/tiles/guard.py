"""Guards against silent failure: a header before any pixel is decoded, and a scene's pixels before they are believed.

`check_header` refuses (`SceneError`); the others give `Finding`s, plain sentences that go into the record of the scene;
those that are `severe` say that it must not be used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.errors import SceneError
from greattit.tiles.scene import Asset, Scene

if TYPE_CHECKING:
    from rasterio import DatasetReader

MAX_SIDE_PX = 25_000
"""Longest side of a raster: a Sentinel-2 tile has 10,980 px, a Sentinel-1 GRD about 26,000 x 17,000 in its own geometry
(and is refused there for want of a CRS), its RTC up to about 29,000 x 22,000 at 10 m in UTM."""

MAX_RTC_PX = 32_000
"""The same for radar."""

MAX_BLOCK_PX = 16 * 2**20
"""Largest block: GDAL allocates a whole one before it decodes a pixel of it. Usual are 512 x 512 and 1024 x 1024."""

MAX_BANDS = 64
"""Most bands of one file."""

DRIVERS = ("GTiff", "JP2OpenJPEG")
"""A cloud-optimised GeoTIFF is a GTiff when it is read."""

DTYPES = ("uint8", "int16", "uint16", "float32", "float64")
"""Types of counts; a complex product (SLC) is no measurement of power."""

PIXEL_M = (0.5, 100.0)
"""Smallest and largest pixel [m]; Sentinel-2's coarsest is 60 m."""

DEGREE_M = 111_320.0
"""Length of one degree of latitude [m], to judge pixels in degrees."""


MIN_TEXTURED = 16
"""Fewest pixels with data of a band that is judged by their values."""

HOLE, LACK = 0.001, 0.02
"""Shares of the footprint from which a hole, and a lack at the rim, are said: the detectors of Sentinel-2's bands see
their swaths some pixels apart."""

MOSTLY = 0.5
"""A band that lacks more than this share of the others' footprint makes the product useless."""

MIN_STACK = 5
"""Fewest looks that make a stack's usual reflectance."""

MIN_CLEAR = 0.5
"""Least clear share of a look that is compared with its stack."""

ODD_FACTOR, WRONG_FACTOR = 1.5, 3.0
"""All bands brighter, or all darker, than the stack's median by this factor: odd, wrong. Seasons, haze and low sun
change the bands by different factors: over 57 real looks the factor common to all bands was 1 / 1.42 to 1.35."""

WRONG_DARK = 0.075
"""The darkest percent of the darkest band this far above or below the stack's: a wrong offset [reflectance]. Over 57
real looks it was within 0.03 of the stack's."""

MAX_MEDIAN = 2.0
"""Largest median reflectance of a band; thick cloud under a low sun was seen to have 1.59."""


@dataclass(frozen=True)
class Finding:
    """One thing that is odd about a scene."""

    kind: str
    """"blank", "constant", "copy", "holes", "footprint", "range", "scale" or "shift" """
    text: str
    """one plain sentence with its figures"""
    severe: bool
    """True when the scene must not be used"""


def check_header(source: DatasetReader, asset: Asset, scene: Scene | None = None) -> None:
    """Raise `SceneError` when a raster's header claims what no product of ours has; no pixel is decoded.

    Checked are driver, size, block, type, the shape that the item promises, CRS, pixels, and, where the `scene` is
    given, that the raster lies where its item says. How well a file compresses is not judged: a tile that saw nothing
    shrinks a thousandfold by right, and what can be decoded is bounded by the size.
    """
    wrong = _size(source, asset, scene) or _kind(source, asset) or _pixels(source) or _place(source, scene)
    if wrong:
        raise SceneError(wrong, subject=scene.id if scene else "")


def _size(source: DatasetReader, asset: Asset, scene: Scene | None) -> str:
    rows, columns = source.shape
    most = MAX_RTC_PX if scene is not None and scene.sensor == "s1" else MAX_SIDE_PX
    if max(rows, columns) > most:
        return f"claims {rows:,} x {columns:,} px; at most {most:,} a side are read"
    if not 1 <= asset.band <= source.count <= MAX_BANDS:
        return f"has {source.count} bands; number {asset.band} of at most {MAX_BANDS} is asked for"
    high, wide = source.block_shapes[asset.band - 1]
    block = high * wide * (source.count if _mixed(source) else 1)
    if block > MAX_BLOCK_PX:
        return f"is stored in blocks of {high:,} x {wide:,} px; at most {MAX_BLOCK_PX:,} px are decoded at once"
    if asset.shape and (rows, columns) != asset.shape:
        return f"is {rows} x {columns} px, its item says {asset.shape[0]} x {asset.shape[1]}"
    return ""


def _mixed(source: DatasetReader) -> bool:
    """Say whether a block holds the pixels of all bands."""
    return source.interleaving is not None and str(source.interleaving.value).upper() == "PIXEL"


def _kind(source: DatasetReader, asset: Asset) -> str:
    if source.driver not in DRIVERS:
        return f"is a {source.driver}, not one of {', '.join(DRIVERS)}"
    dtype = source.dtypes[asset.band - 1]
    if dtype not in DTYPES:
        return f"holds {dtype}, not one of {', '.join(DTYPES)}"
    return ""


def _pixels(source: DatasetReader) -> str:
    crs, own = source.crs, source.transform
    if crs is None:
        return "has control points but no CRS" if source.gcps[0] else "has no CRS"
    if not (crs.is_projected or crs.is_geographic):
        return f"has a CRS that is neither projected nor geographic ({crs.to_string()[:60]})"
    if own.b or own.d or own.a <= 0 or own.e >= 0:
        return "is not north-up"
    metre = crs.linear_units_factor[1] if crs.is_projected else DEGREE_M
    sizes = own.a * metre, -own.e * metre
    if not all(PIXEL_M[0] <= size <= PIXEL_M[1] for size in sizes) or not 1 / 3 <= sizes[0] / sizes[1] <= 3:
        return f"has pixels of {sizes[0]:,.4g} x {sizes[1]:,.4g} m; {PIXEL_M[0]:g} to {PIXEL_M[1]:g} m are read"
    return ""


def _place(source: DatasetReader, scene: Scene | None) -> str:
    """Say when the raster does not meet the box of its item: a wrong CRS or a wrong origin."""
    from rasterio.errors import RasterioError
    from rasterio.warp import transform_bounds

    if scene is None or scene.bbox[0] > scene.bbox[2]:  # a box across the date line
        return ""
    try:
        box = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
    except (RasterioError, ValueError):
        box = (math.inf,) * 4
    if not all(math.isfinite(v) for v in box):
        return f"lies outside the area of its CRS ({source.crs.to_string()[:60]})"
    west, south, east, north = scene.bbox
    if box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south:
        return ""
    here = f"{(box[0] + box[2]) / 2:.3f}, {(box[1] + box[3]) / 2:.3f} ({source.crs.to_string()[:60]})"
    there = f"{(west + east) / 2:.3f}, {(south + north) / 2:.3f}"
    return f"lies around lon, lat {here}, its item around {there}: CRS or origin are wrong"


def look_at(values: Mapping[str, NDArray[np.float32]], scl: NDArray[np.integer] | None = None) -> tuple[Finding, ...]:
    """Say what is odd about one product's reflectance (y, x) by band, NaN where there is no data.

    Bands of different resolution over the same ground may be mixed; the coarser must divide the finer. `scl` is the
    scene classification, 0 where there is no data.
    """
    valid = {name: np.isfinite(band) for name, band in values.items()}
    seen = {name: mask for name, mask in valid.items() if mask.any()}
    if not seen:
        return (Finding("blank", "holds no data", True),)
    found = [
        Finding("blank", f"{name} holds no data, though other bands do", True) for name in values if name not in seen
    ]
    if scl is not None and not (scl > 0).any():
        found.append(Finding("blank", "the scene classification is empty, though the bands hold data", False))
    found += _flat({name: values[name][mask] for name, mask in seen.items()})
    found += [Finding("copy", f"{one} and {other} are the same picture", True) for one, other in _copies(values, seen)]
    for name, mask in seen.items():
        middle = float(np.median(values[name][mask]))
        if not 0.0 <= middle <= MAX_MEDIAN:
            text = f"the median reflectance of {name} is {middle:.3g}: its scale or offset are wrong"
            found.append(Finding("range", text, True))
    return (*found, *_footprints(seen))


def _flat(inside: Mapping[str, NDArray[np.float32]]) -> list[Finding]:
    """Find bands of one single value where another band has several."""
    large = {name: band for name, band in inside.items() if band.size >= MIN_TEXTURED}
    flat = [name for name, band in large.items() if band.min() == band.max()]
    if not flat:
        return []
    if len(flat) == len(large):
        return [Finding("constant", "every band has one single value", True)]
    text = "{} has the single value {:.4g} everywhere, though other bands vary"
    return [Finding("constant", text.format(name, float(inside[name][0])), True) for name in flat]


def _copies(values: Mapping[str, NDArray[np.float32]], seen: Mapping[str, NDArray[np.bool_]]) -> list[tuple[str, str]]:
    """Find pairs of bands with the same picture: one file under two names."""
    varied = [n for n, mask in seen.items() if mask.sum() >= MIN_TEXTURED and np.ptp(values[n][mask]) > 0]
    return [
        (one, other)
        for one, other in combinations(varied, 2)
        if values[one].shape == values[other].shape and np.array_equal(values[one], values[other], equal_nan=True)
    ]


def _footprints(seen: Mapping[str, NDArray[np.bool_]]) -> list[Finding]:
    """Find bands without data where most of the others have some, and holes that all bands share."""
    from scipy.ndimage import binary_fill_holes

    shape = min((mask.shape for mask in seen.values()), key=math.prod)
    coarse = {name: _coarsened(mask, shape) for name, mask in seen.items()}
    footprint: NDArray[np.bool_] = np.asarray(np.mean(list(coarse.values()), axis=0) >= 0.5)
    number = max(int(footprint.sum()), 1)
    found = []
    for name, mask in coarse.items():
        lacking = footprint & ~mask
        holes = int((lacking & binary_fill_holes(mask)).sum()) / number
        lack = int(lacking.sum()) / number
        if holes > HOLE:
            text = f"{name} has holes without data in {holes:.1%} of the footprint"
            found.append(Finding("holes", text, holes > MOSTLY))
        if lack - holes > LACK:
            text = f"{name} lacks {lack - holes:.1%} of the footprint of the other bands"
            found.append(Finding("footprint", text, lack > MOSTLY))
    shared = int((binary_fill_holes(footprint) & ~footprint).sum()) / number
    if shared > HOLE:
        found.append(Finding("holes", f"all bands have holes without data, {shared:.1%} of the footprint", False))
    return found


def _coarsened(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Bring a mask to the coarsest resolution: data where any finer pixel has some."""
    rows, columns = mask.shape[0] // shape[0], mask.shape[1] // shape[1]
    cut = mask[: shape[0] * rows, : shape[1] * columns]
    return np.asarray(cut.reshape(shape[0], rows, shape[1], columns).any(axis=(1, 3)))


@dataclass(frozen=True)
class Summary:
    """What of a look is compared with its stack."""

    clear: float
    """share 0-1 of the pixels that were seen clear"""
    medians: Mapping[str, float]
    """median reflectance of the clear pixels by band"""
    dark: float
    """least 1st percentile of any band over the clear pixels [reflectance]"""


def summarise(values: Mapping[str, NDArray[np.float32]], clear: NDArray[np.bool_]) -> Summary:
    """Sum up one look: reflectance (y, x) by band and where it is clear, all of one shape."""
    inside = {name: band[clear & np.isfinite(band)] for name, band in values.items()}
    inside = {name: band for name, band in inside.items() if band.size >= MIN_TEXTURED}
    medians = {name: float(np.median(band)) for name, band in inside.items()}
    dark = min((float(np.percentile(band, 1)) for band in inside.values()), default=math.nan)
    return Summary(float(clear.mean()) if clear.size else 0.0, medians, dark)


def outliers(stack: Sequence[Summary]) -> tuple[tuple[Finding, ...], ...]:
    """Say for each look of a stack whether a wrong scale or offset is the only thing that explains it.

    A wrong scale changes all bands by one factor, a wrong offset moves even the darkest pixels; cloud, haze, low sun
    and seasons do neither. Not judged are looks clear on less than half, and stacks of fewer than five others.

    Of 57 real looks nothing was said as they are. With 0.1 added or taken away 57 and 55 were found, with a factor of
    10 and 0.1 56 and 57, with a factor of 2 and 0.5, which the seasons hide, 36 and 42.
    """
    judged = [one for one in stack if one.clear >= MIN_CLEAR and one.medians]
    if len(judged) < MIN_STACK + 1:
        return ((),) * len(stack)
    names = {name for one in judged for name in one.medians}
    usual = {name: float(np.median([one.medians[name] for one in judged if name in one.medians])) for name in names}
    dark = float(np.median([one.dark for one in judged]))
    return tuple(_against(one, usual, dark) if one.clear >= MIN_CLEAR else () for one in stack)


def _against(one: Summary, usual: Mapping[str, float], dark: float) -> tuple[Finding, ...]:
    found = []
    factors = [max(value, 1e-6) / usual[name] for name, value in one.medians.items() if usual[name] > 0]
    least, most = min(factors, default=1.0), max(factors, default=1.0)
    factor = least if least > ODD_FACTOR else most if most < 1 / ODD_FACTOR else 1.0
    if factor != 1.0:
        text = f"every band is at least {max(factor, 1 / factor):.1f} times {'brighter' if factor > 1 else 'darker'}"
        severe = not 1 / WRONG_FACTOR < factor < WRONG_FACTOR
        found.append(Finding("scale", f"{text} than in the rest of the stack: its scale may be wrong", severe))
    if abs(one.dark - dark) > WRONG_DARK:
        text = f"its darkest percent has reflectance {one.dark:.3f}, the stack's {dark:.3f}: its offset may be wrong"
        found.append(Finding("scale", text, True))
    return tuple(found)
