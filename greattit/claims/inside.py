"""How many fields a drawing holds: several, or so many that it is larger than any field in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.claims.record import Misfit, Severity
from greattit.indices import ndvi
from greattit.plots.coverage import coverage, project
from greattit.plots.drawing import SLOPPY
from greattit.plots.sight import season_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from greattit.policy import View
    from greattit.types import Cube

Parts = list[NDArray[np.float64]]

MEAN_PIXELS = 4000
"""Most pixels that are grouped; a larger drawing is looked at in blocks."""

GROUPS = 12
"""Most groups that a drawing is first cut into."""

LIKE = 7.0
"""Distance of two mean seasons (`sight.season_of`: in units of the usual difference of neighbouring pixels) below
which they are one field's. Fields of different crops lie 10 to 36 apart, the halves of one field 2 to 9."""

CLEAR_OF = 2.0
"""The same distance over the spread inside the two fields, below which they are not told apart."""

APART_NDVI = 0.2
"""Two crops differ by this much NDVI on at least two looks [1]."""

ALIKE_NDVI, ALIVE_NDVI = 0.12, 0.5
"""Two parts that differed by less than the first on every look, while both passed the second at least once, had one
crop until then [1]: a part of one field may have been struck or harvested since."""

ALIKE_LOOKS = 4
"""Fewest looks on which they were alike: two winter looks show no crop."""

CORE = 0.7
"""The drawing shrunk about its middle by 1 / 1.4: land that even a finger which draws 1.4 times too wide means."""

CORE_SHARE, SURE_SHARE = 0.15, 0.25
"""Least share of that middle that each of several fields has for it to be said, and each of two for the claim to be
refused [1]."""

SMALLEST_PIXELS = 12.0
"""Pixels from which a part counts as a field when asking which is the largest."""

MOSTLY = 0.5
"""Share of the drawing that must lie in fields before the largest is compared with it [1]."""


def misfits_of(
    drawn: BaseGeometry, inside: NDArray[np.float64], cube: Cube, fields: Sequence[BaseGeometry] | None, rules: View
) -> list[Misfit]:
    """Say whether a drawing (cube's CRS) holds several fields, and whether it is much larger than any of them.

    `inside` (y, x) is its share of each pixel; `fields` (EPSG:4326) are the fields around it, None to find them by the
    season of the pixels. Empty where the season shows nothing.
    """
    season = season_of(cube)
    if season is None or not inside.any():
        return []
    parts = _by_season(season, inside) if fields is None else _of_fields(fields, inside, cube)
    total = float(inside.sum())
    shares = [float(part.sum()) / total for part in parts]
    core = _core(drawn, cube)
    found = [_several(parts, shares, season, core, cube, rules), _large(parts, core, total, cube, rules)]
    return [one for one in found if one is not None]


def _by_season(season: NDArray[np.float64], inside: NDArray[np.float64]) -> Parts:
    """Group the pixels of a drawing by their season: parts (y, x) of `inside`, largest first.

    Neighbours are joined by Ward's rule (1963, J. Am. Stat. Assoc. 58) until few groups are left, then groups
    whose mean seasons are alike, wherever they lie. Stands in where no other room has found the fields.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.image import grid_to_graph

    step = max(1, int(np.ceil(np.sqrt((inside > 0.5).sum() / MEAN_PIXELS))))
    coarse, points = inside[::step, ::step] > 0.5, season[::step, ::step]
    if coarse.sum() < 2 * GROUPS:
        return [inside]
    labels = np.full(coarse.shape, -1)
    links = grid_to_graph(*coarse.shape, mask=coarse)
    labels[coarse] = AgglomerativeClustering(GROUPS, connectivity=_joined(links), linkage="ward").fit_predict(
        points[coarse]
    )
    groups = [labels == k for k in range(GROUPS)]
    while len(groups) > 1:
        means = [points[group].mean(axis=0) for group in groups]
        distance, a, b = min(
            (float(np.linalg.norm(means[a] - means[b])), a, b) for a, b in combinations(range(len(groups)), 2)
        )
        if distance >= LIKE:
            break
        groups[a] = groups[a] | groups.pop(b)
    full = [np.kron(group, np.ones((step, step), bool))[: inside.shape[0], : inside.shape[1]] for group in groups]
    return sorted((np.where(group, inside, 0.0) for group in full), key=lambda part: -float(part.sum()))


def _joined(links: object) -> object:
    """Return the links of a grid with its separate pieces tied together, as Ward's rule needs."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    count, piece = connected_components(links)
    firsts = [int(np.argmax(piece == k)) for k in range(count)]
    extra = sparse.coo_matrix((np.ones(count - 1), (firsts[:-1], firsts[1:])), shape=links.shape)  # type: ignore[attr-defined]
    return (sparse.csr_matrix(links) + extra + extra.T).tocsr()


def _of_fields(fields: Sequence[BaseGeometry], inside: NDArray[np.float64], cube: Cube) -> Parts:
    """Return what of each field (EPSG:4326) lies in the drawing, largest first."""
    shapes = [project(field, "EPSG:4326", cube.attrs["crs"]) for field in fields]
    shares = np.asarray(coverage(shapes, cube).todense(), np.float64).reshape(-1, *inside.shape)
    parts = [np.minimum(share, inside) for share in shares]
    return sorted((part for part in parts if part.any()), key=lambda part: -float(part.sum()))


def _core(drawn: BaseGeometry, cube: Cube) -> NDArray[np.float64]:
    """Return the share of each pixel (y, x) in the middle of the drawing."""
    from shapely import affinity

    scale = 1 / SLOPPY.scale[1]
    middle = affinity.scale(drawn, scale, scale, origin=drawn.centroid)
    share = coverage([middle], cube).toarray()[0].reshape(cube.sizes["y"], cube.sizes["x"])
    return np.asarray(share, np.float64)


def _several(
    parts: Parts, shares: list[float], season: NDArray[np.float64], core: NDArray[np.float64], cube: Cube, rules: View
) -> Misfit | None:
    """Say that two or more fields with different crops have a fifth of the drawing each."""
    least = float(rules.rule("several_share").value)
    middles = [float(core[part > 0.5].sum() / core.sum()) for part in parts]
    large = [k for k, share in enumerate(shares) if share >= least and middles[k] >= CORE_SHARE]
    apart = [(a, b, days) for a, b in combinations(large, 2) if (days := _told_apart(parts[a], parts[b], season, cube))]
    if not apart:
        return None
    counted = sorted({k for a, b, _ in apart for k in (a, b)})
    first, second, days = max(apart, key=lambda pair: abs(float(pair[2]["ndvi_one"]) - float(pair[2]["ndvi_other"])))
    broad = min(middles[first], middles[second]) >= SURE_SHARE or len(counted) > 2
    sure = broad and days["one_crop_until"] == ""
    listed = " and ".join(f"{shares[k]:.0%}" for k in counted)
    text = (
        f"The drawing holds {len(counted)} fields with different crops ({listed} of it): on {days['day']} one had an "
    )
    text += f"NDVI of {days['ndvi_one']:.2f}, another of {days['ndvi_other']:.2f}."
    if days["one_crop_until"]:
        text += (
            f" Up to {days['one_crop_until']} they looked alike: it may be one field, part of it struck or harvested."
        )
    evidence: dict[str, float | str] = {"fields": float(len(counted))}
    evidence |= {f"share_{n}": round(shares[k], 4) for n, k in enumerate(counted, 1)}
    severity: Severity = "refuses" if sure else "lowers"
    return Misfit("several_fields", sum(shares[k] for k in counted), text, {**evidence, **days}, severity)


def _told_apart(
    one: NDArray[np.float64], other: NDArray[np.float64], season: NDArray[np.float64], cube: Cube
) -> dict[str, float | str] | None:
    """Return the look on which two parts of a drawing differ most, if their seasons are those of two crops."""
    masks = [_pure(part) for part in (one, other)]
    points = [season[mask] for mask in masks]
    distance = float(np.linalg.norm(points[0].mean(axis=0) - points[1].mean(axis=0)))
    spread = float(np.sqrt(np.mean([((p - p.mean(axis=0)) ** 2).sum(axis=1).mean() for p in points])))
    if distance < max(LIKE, CLEAR_OF * spread):
        return None
    clear = cube["clear"].values
    greenness = np.where(clear, ndvi(cube["B04"].values, cube["B08"].values), np.nan)
    enough = np.min([clear[:, mask].mean(axis=1) for mask in masks], axis=0) > 0.5
    if enough.sum() < 2:
        return None
    courses = [np.nanmean(greenness[enough][:, mask], axis=1) for mask in masks]
    order = np.argsort(-np.abs(courses[0] - courses[1]), kind="stable")
    if abs(courses[0][order[1]] - courses[1][order[1]]) < APART_NDVI:
        return None
    days = cube["time"].values.astype("datetime64[D]")[enough]
    return {
        "day": str(days[order[0]]),
        "one_crop_until": _alike_until(courses[0], courses[1], days),
        "ndvi_one": round(float(courses[0][order[0]]), 3),
        "ndvi_other": round(float(courses[1][order[0]]), 3),
        "season_distance": round(distance, 2),
        "season_spread": round(spread, 2),
    }


def _alike_until(one: NDArray[np.float64], other: NDArray[np.float64], days: NDArray[np.datetime64]) -> str:
    """Return the last look up to which two courses of NDVI (t,) were one green crop's, "" when they never were."""
    parted = np.abs(one - other) >= ALIKE_NDVI
    until = int(np.argmax(parted)) if parted.any() else len(days)
    if until < ALIKE_LOOKS or not (np.minimum(one, other)[:until] > ALIVE_NDVI).any():
        return ""
    return str(days[until - 1])


def _pure(part: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the pixels (y, x) inside a part and not on its border, or all of them where that leaves too few."""
    from scipy.ndimage import binary_erosion

    most = part > 0.5
    pure = binary_erosion(most)
    return pure if pure.sum() >= 6 else most


def _large(parts: Parts, core: NDArray[np.float64], pixels: float, cube: Cube, rules: View) -> Misfit | None:
    """Say that the drawing is much larger than the largest field in it, and its middle is, too."""
    fields = [float(part.sum()) / pixels for part in parts if part.sum() >= SMALLEST_PIXELS]
    middle = max((float(core[part > 0.5].sum() / core.sum()) for part in parts), default=1.0)
    most = float(rules.rule("large_share").value)
    if len(fields) < 3 or sum(fields) < MOSTLY or max(*fields, middle) > most:
        return None
    pixel_ha = abs(cube.attrs["transform"][0] * cube.attrs["transform"][4]) / 1e4
    largest = max(fields)
    text = (
        f"The drawing of {pixels * pixel_ha:.2f} ha holds {len(fields)} fields; the largest has "
        f"{largest * pixels * pixel_ha:.2f} ha, {largest:.0%} of it."
    )
    evidence = {
        "fields": float(len(fields)),
        "largest_share": round(largest, 4),
        "largest_ha": round(largest * pixels * pixel_ha, 3),
        "drawn_ha": round(pixels * pixel_ha, 3),
    }
    return Misfit("too_large", 1.0 - largest, text, evidence, "refuses")
