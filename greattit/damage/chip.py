"""The flood chip: how well open water is found in one labelled scene, by each sensor alone and by both.

No number is fitted to the chip: every rule is a published one with its published threshold, or takes its threshold out
of the scene's own histogram. Which rule serves was chosen on the west half of the chip: a decision tree that was fitted
there, and thrown away, pointed to the two indices and thresholds of Bonafilia et al. 2020. The labels of the set were
drafted with the like, so that the agreement is that of a rule with labels begun from it. The guard against snow
(`water.BRIGHT_BLUE`) was set on real snow in Korean and Canadian series, and changes no pixel of the chip's water.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import indices
from greattit.damage import water
from greattit.errors import DatasetError

Flags = NDArray[np.bool_]
NAMES = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""order of the thirteen bands of a Level-1C chip"""
BLOCKS = 4
"""parts from north to south that are scored one by one"""


def is_chip(folder: Path) -> bool:
    """Whether a folder holds labelled flood chips."""
    return any(folder.glob("*_LabelHand.tif"))


def evaluate(folder: Path) -> dict[str, Any]:
    """Return IoU, precision and recall of water for each rule over all chips of a folder; label -1 is left out."""
    counts: dict[str, NDArray[np.int64]] = {}
    chips = sorted(folder.glob("*_LabelHand.tif"))
    for label in chips:
        truth, known, told = _read(label)
        for name, flags in told.items():
            counts[name] = counts.get(name, np.zeros((BLOCKS, 3), np.int64)) + _counts(flags, truth, known)
    return {
        "source": str(folder.name),
        "chips": [one.name.removesuffix("_LabelHand.tif") for one in chips],
        "split": f"no number is fitted; the rule that serves was chosen on the west half; by_block: {BLOCKS} parts",
        "serves": SERVES,
        "rules": {name: _figures(table) for name, table in counts.items()},
    }


SERVES = "S2: NDVI < 0.2 and MNDWI(B12) > 0.3"
"""the rule of `water.optical_water`, which the walk uses"""


def _read(label: Path) -> tuple[Flags, Flags, dict[str, Flags]]:
    import rasterio

    def layers(kind: str) -> NDArray[np.float64]:
        file = label.with_name(label.name.replace("LabelHand", kind))
        if not file.is_file():
            raise DatasetError("is not there", subject=str(file), remedy="name a folder of Sen1Floods11 chips")
        with rasterio.open(file) as source:
            return np.asarray(source.read(), np.float64)

    said = layers("LabelHand")[0]
    bands = dict(zip(NAMES, layers("S2Hand") / 1e4, strict=True))
    radar = dict(zip(("VV", "VH"), layers("S1Hand"), strict=True))
    return said == 1, said >= 0, rules(bands, radar)


def rules(bands: Mapping[str, NDArray[np.float64]], radar: Mapping[str, NDArray[np.float64]]) -> dict[str, Flags]:
    """Return the water (y, x) that each rule finds."""
    vv, vh = (water.smooth_db(radar[name], 5) for name in ("VV", "VH"))
    both = water.optical_water(bands)
    with np.errstate(invalid="ignore"):
        dark = (vv < water.otsu(vv)) & (vh < water.otsu(vh))
        return {
            SERVES: both,
            "S2: MNDWI > 0 and > NDVI": _over_green(bands),
            "S2: MNDWI > 0": np.asarray(indices.mndwi(bands["B03"], bands["B11"]) > 0),
            "S2: NDWI > 0": np.asarray(indices.ndwi(bands["B03"], bands["B08"]) > 0),
            "S2: AWEIsh > 0": water.awei_sh(bands) > 0,
            "S2: EVI < 0.1 and MNDWI > EVI or NDVI": _zou(bands),
            "S1: VV and VH under Otsu": dark,
            "S1: VH under Otsu": np.asarray(vh < water.otsu(vh)),
            "S1: VH under least error": np.asarray(vh < water.least_error(vh)),
            "S1 and S2: water in S2 that S1 or NDWI confirms": (both & (vh < water.otsu(vh))) | _deep(bands, both),
        }


def _over_green(bands: Mapping[str, NDArray[np.float64]]) -> Flags:
    """Return where MNDWI lies above 0 (Xu 2006) and above NDVI."""
    wet = indices.mndwi(bands["B03"], bands["B11"])
    with np.errstate(invalid="ignore"):
        return np.asarray((wet > 0) & (wet > indices.ndvi(bands["B04"], bands["B08"])))


def _zou(bands: Mapping[str, NDArray[np.float64]]) -> Flags:
    """Return the rule of Zou et al. 2018, PNAS 115."""
    green, wet = water.evi(bands), indices.mndwi(bands["B03"], bands["B11"])
    with np.errstate(invalid="ignore"):
        return np.asarray((green < 0.1) & ((wet > green) | (wet > indices.ndvi(bands["B04"], bands["B08"]))))


def _deep(bands: Mapping[str, NDArray[np.float64]], both: Flags) -> Flags:
    """Return water that NDWI (McFeeters 1996) or AWEIsh (Feyisa et al. 2014) confirms."""
    with np.errstate(invalid="ignore"):
        return both & ((indices.ndwi(bands["B03"], bands["B08"]) > 0) | (water.awei_sh(bands) > 0))


def _counts(flags: Flags, truth: Flags, known: Flags) -> NDArray[np.int64]:
    """Return hit, false and missed pixels of each block (BLOCKS, 3)."""
    out = []
    for rows in np.array_split(np.arange(truth.shape[0]), BLOCKS):
        told, true, use = flags[rows], truth[rows], known[rows]
        out.append([(told & true & use).sum(), (told & ~true & use).sum(), (~told & true & use).sum()])
    return np.array(out, np.int64)


def _figures(table: NDArray[np.int64]) -> dict[str, Any]:
    hit, false, missed = (int(v) for v in table.sum(axis=0))
    return {
        "iou": round(hit / max(hit + false + missed, 1), 4),
        "precision": round(hit / max(hit + false, 1), 4),
        "recall": round(hit / max(hit + missed, 1), 4),
        "by_block": [round(int(h) / max(int(h + f + m), 1), 4) for h, f, m in table],
    }


def table(report: Mapping[str, Any]) -> str:
    """Return a report as lines for people."""
    lines = [f"{report['source']}: {', '.join(report['chips'])}; {report['split']}"]
    lines.append(f"  {'rule':44s}{'IoU':>7s}{'precision':>11s}{'recall':>8s}  by block")
    for name, one in report["rules"].items():
        blocks = " ".join(f"{v:.2f}" for v in one["by_block"])
        mark = "  serves" if name == report["serves"] else ""
        lines.append(f"  {name:44s}{one['iou']:7.3f}{one['precision']:11.3f}{one['recall']:8.3f}  {blocks}{mark}")
    return "\n".join(lines)
