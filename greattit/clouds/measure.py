"""Measures every method on a catalogue: `greattit evaluate clouds CATALOGUE`.

Where the tiles are simulated their sky is grown again and the masks are held against it. On any tiles that have
plots.geojson the NDVI of the fields' pixels is held against its own course: what a mask leaves standing far below the
looks around it was probably cloud or shadow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greattit import indices, tiles
from greattit.clouds import made, peers, scores
from greattit.clouds.mask import masks, refine
from greattit.clouds.network import load, model_folder
from greattit.clouds.stack import CLEAR, NO_DATA, Stack, stacked

if TYPE_CHECKING:
    from greattit.types import Cube

PEER = "ukis-csmask"
PEER_STEP = 1
"""pixels of 10 m: on the sample tiles better for the peer than 20 m, though it was trained at about 30 m"""
MOST_PIXELS = 60
"""pixels of a field whose courses are looked at, evenly taken"""
SEEN_SHARE = 0.5
"""share of a field's pixels that must be clear for a look at the field to be kept"""
WINDOW_M = 60.0
"""[m] land around a field in the window of one plot, as the walk reads it"""


def evaluate(folder: Path, *, model: Path | None = None, peer: bool = True) -> dict[str, Any]:
    """Return the figures of each method on the catalogue in `folder`.

    Methods: plain SCL, the detector, the network, their combination, and ukis-csmask where it is installed and `peer`.
    `truth` (simulated tiles of a shipped recipe): see `scores.of_truth`, intervals over looks. `fields`: share of clear
    looks whose NDVI is an outlier, and how many looks at fields are kept, intervals over fields. `windows`: share of
    pixels that the method of the walk masks the same in the window of one plot as in the whole. None where there is
    nothing to measure. Raises `TilesError` and `ModelError`.
    """
    folder = Path(folder)
    network = load(Path(model) if model is not None else model_folder())
    catalogue = tiles.open_catalogue(folder)
    cube = _whole(catalogue)
    stack, _ = stacked(cube)
    found = dict(masks(stack, network))
    if peer and peers.installed():
        found[PEER] = peers.ukis_csmask(stack, coarser=PEER_STEP)
    fields = _fields(folder, cube)
    truth = made.regrown(folder) if catalogue.simulated else None
    return {
        "catalogue": catalogue.title,
        "simulated": catalogue.simulated,
        "looks": len(stack.days),
        "fields": len(fields),
        "serve": network.serve,
        "model_sha256": network.sha256,
        "methods": _figures(found, stack, fields, _placed(truth, cube) if truth else None),
        "windows": _windows(cube, fields, model, found[network.serve]) if fields else None,
    }


def _whole(catalogue: tiles.Catalogue) -> Cube:
    from shapely.geometry import box

    inside = box(*catalogue.bounds)
    return tiles.read(catalogue, inside, since=catalogue.first_day, until=catalogue.last_day, margin_m=0.0, radar=False)


def _fields(folder: Path, cube: Cube) -> list[NDArray[np.bool_]]:
    """Return the pixels (y, x) whose centres lie in each field of plots.geojson, of four pixels or more."""
    from rasterio.features import geometry_mask
    from rasterio.transform import Affine
    from rasterio.warp import transform_geom

    file = folder / "plots.geojson"
    if not file.is_file():
        return []
    shapes = [feature["geometry"] for feature in json.loads(file.read_text(encoding="utf-8"))["features"]]
    size, place = cube["clear"].shape[1:], Affine(*cube.attrs["transform"])
    inside = [
        geometry_mask([transform_geom("EPSG:4326", cube.attrs["crs"], shape)], size, place, invert=True)
        for shape in shapes
    ]
    return [pixels for pixels in inside if pixels.sum() >= 4]


def _placed(truth: made.Truth, cube: Cube) -> made.Truth:
    """Lay the truth on the cube's grid and looks; NO_DATA around it."""
    order = np.argsort(cube["time"].values, kind="stable")
    looks = np.searchsorted(truth.when, cube["time"].values[order].astype("datetime64[ns]"))
    held = np.isfinite(cube["B02"].values[order]).any(axis=0)
    rows, cols = np.flatnonzero(held.any(axis=1)), np.flatnonzero(held.any(axis=0))
    mask = np.full((len(looks), *held.shape), NO_DATA, np.uint8)
    changed = np.zeros(mask.shape, bool)
    corner = np.s_[:, rows[0] : rows[0] + truth.mask.shape[1], cols[0] : cols[0] + truth.mask.shape[2]]
    mask[corner], changed[corner] = truth.mask[looks], truth.changed[looks]
    return made.Truth(mask, changed, truth.when[looks])


def _figures(
    found: Mapping[str, NDArray[np.uint8]], stack: Stack, fields: list[NDArray[np.bool_]], truth: made.Truth | None
) -> dict[str, Any]:
    plain = _kept(found["scl"], fields)
    out: dict[str, Any] = {}
    for name, mask in found.items():
        out[name] = {
            "truth": scores.of_truth(mask, truth.mask, truth.changed) if truth is not None else None,
            "clear_pixels": round(float((mask == CLEAR).sum() / max(1, (mask != NO_DATA).sum())), 4),
        }
        if fields:
            out[name] |= _smoothness(mask, stack, fields)
            kept = _kept(mask, fields)
            rows = np.stack([kept, plain], axis=1).astype(float)
            out[name]["looks_kept"] = int(kept.sum())
            out[name]["looks_kept_against_scl"] = _ratio(rows.sum(axis=0))
            out[name]["looks_kept_against_scl_interval_95"] = scores.interval(rows, _ratio)
    return out


def _ratio(sums: NDArray[np.float64]) -> float | None:
    return round(float(sums[0] / sums[1]), 4) if sums[1] > 0 else None


def _kept(mask: NDArray[np.uint8], fields: list[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return how many looks at each field are kept."""
    return np.array([((mask[:, pixels] == CLEAR).mean(axis=1) >= SEEN_SHARE).sum() for pixels in fields])


def _smoothness(mask: NDArray[np.uint8], stack: Stack, fields: list[NDArray[np.bool_]]) -> dict[str, Any]:
    ndvi = indices.ndvi(stack.band("B04"), stack.band("B08")).astype(np.float64)
    rows = []
    for pixels in fields:
        places = np.argwhere(pixels)
        chosen = places[np.linspace(0, len(places) - 1, min(len(places), MOST_PIXELS)).astype(int)]
        parts = [scores.outliers(ndvi[:, y, x], mask[:, y, x] == CLEAR, stack.days) for y, x in chosen]
        rows.append(np.sum(parts, axis=0) / len(chosen))
    found = np.asarray(rows)
    return {
        "outliers": _ratio(found.sum(axis=0)),
        "outliers_interval_95": scores.interval(found, _ratio),
        "looks_judged_per_field": round(float(found[:, 1].mean()), 2),
    }


def _windows(
    cube: Cube, fields: list[NDArray[np.bool_]], model: Path | None, whole: NDArray[np.uint8]
) -> dict[str, Any]:
    """Return how far the mask in each plot's own window agrees with that of the whole, on the field's pixels."""
    order = np.argsort(cube["time"].values, kind="stable")
    margin, same, total = round(WINDOW_M / 10), 0, 0
    for pixels in fields:
        rows, cols = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
        y = slice(max(0, rows[0] - margin), rows[-1] + margin + 1)
        x = slice(max(0, cols[0] - margin), cols[-1] + margin + 1)
        part = refine(cube.isel(y=y, x=x), model=model)["mask"].values[order]
        here = pixels[y, x]
        same += int((part[:, here] == whole[:, y, x][:, here]).sum())
        total += part[:, here].size
    return {"same": round(same / total, 4), "pixels": total}


def table(figures: Mapping[str, Any]) -> str:
    """Return the figures as text for a terminal."""
    head = f"{figures['catalogue']}: {figures['looks']} looks, {figures['fields']} fields"
    head += " (simulated)" if figures["simulated"] else ""
    lines = [head, f"the walk uses: {figures['serve']}  {figures['model_sha256'][:12]}", ""]
    if any(one["truth"] for one in figures["methods"].values()):
        lines += [
            f"{'against made truth':20s}{'cloud F1':>22s}{'shadow F1':>22s}{'clear lost':>12s}{'after change':>14s}"
        ]
        for name, one in figures["methods"].items():
            told = one["truth"]
            cells = "".join(_spread(told[kind]["f1"], told[kind]["f1_interval_95"]) for kind in ("cloud", "shadow"))
            lost = f"{_text(told['eaten']['share']):>12s}{_text(told['eaten_after_change']['share']):>14s}"
            lines.append(f"{name:20s}{cells}{lost}")
        lines.append("")
    if figures["fields"]:
        lines += [f"{'on the fields':20s}{'NDVI outliers':>22s}{'looks kept':>12s}{'against SCL':>22s}"]
        for name, one in figures["methods"].items():
            outliers = _spread(one["outliers"], one["outliers_interval_95"])
            kept = _spread(one["looks_kept_against_scl"], one["looks_kept_against_scl_interval_95"])
            lines.append(f"{name:20s}{outliers}{one['looks_kept']:12d}{kept}")
        lines += ["", f"same in a plot's own window: {_text(figures['windows']['same'])}"]
    return "\n".join(lines)


def _spread(value: float | None, bounds: list[float] | None) -> str:
    between = f" ({bounds[0]:.3f}-{bounds[1]:.3f})" if bounds else ""
    return f"{_text(value) + between:>22s}"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
