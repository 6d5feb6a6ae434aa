"""What the network looks at, pixel by pixel: `describe`. One function for training and for serving.

Everything is built from the look itself, its reference before and after (`reference`), its neighbourhood of up to
15 x 15 pixels and the scene classification. Nothing depends on where the window begins, beyond its edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.detect import Evidence
from greattit.clouds.reference import Reference, low_blue
from greattit.clouds.stack import BANDS, SCL_CLEAR, Stack, box

Floats = NDArray[np.float32]

SCL_GROUPS = ((4, 5, 6), (2,), (3,), (7,), (8,), (9,), (10,), (11,))
WIDE_PX = 15
"""[px] the wide neighbourhood"""

FEATURES = (
    *BANDS,
    "ndvi",
    *(f"{band} above before" for band in BANDS),
    *(f"{band} above after" for band in BANDS),
    "ndvi above before",
    "ndvi above after",
    "B02 above low",
    "rise",
    "hot",
    "near",
    "short",
    "green",
    "rise wide",
    "hot wide",
    "near wide",
    "weight before",
    "weight after",
    *(f"scl {'/'.join(map(str, group))}" for group in SCL_GROUPS),
    "scl says nothing",
    "flagged wide",
)
"""Names of the columns, in order."""

STEP = 0.25
"""reflectance differences are squashed by tanh(d / STEP): a cloud is a cloud from 0.3 up"""


def describe(stack: Stack, ref: Reference, found: Evidence) -> Floats:
    """Return the features (feature, t * y * x) of a stack; about -1..1 each."""
    ndvi = [_ndvi(part) for part in (stack.values, ref.before, ref.after)]
    known = [
        np.log10(weight + np.float32(1e-6)) / np.float32(3) + 1 for weight in (ref.weight_before, ref.weight_after)
    ]
    out = np.empty((len(FEATURES), *stack.seen.shape), np.float32)
    rows = [
        np.tanh(stack.values * np.float32(2)),
        ndvi[0],
        np.tanh((stack.values - ref.before) / np.float32(STEP)),
        np.tanh((stack.values - ref.after) / np.float32(STEP)),
        ndvi[0] - ndvi[1],
        ndvi[0] - ndvi[2],
        np.tanh((stack.values[0] - low_blue(stack)) / np.float32(STEP)),
        *_evidence(found),
        *known,
        *_classes(stack),
    ]
    start = 0
    for row in rows:
        size = len(row) if row.ndim == 4 else 1
        out[start : start + size] = row
        start += size
    return out.reshape(len(FEATURES), -1)


def _ndvi(bands: Floats) -> Floats:
    red, near = bands[BANDS.index("B04")], bands[BANDS.index("B08")]
    return np.asarray((near - red) / np.maximum(near + red, 0.02), np.float32)


def _evidence(found: Evidence) -> list[NDArray[np.floating]]:
    falls = [np.clip(1 - share, -1, 1) for share in (found.near, found.short, found.green)]
    rise, hot = np.tanh(found.rise / np.float32(0.1)), np.tanh(found.hot / np.float32(0.05))
    return [rise, hot, *falls, box(rise, WIDE_PX), box(hot, WIDE_PX), box(falls[0], WIDE_PX)]


def _classes(stack: Stack) -> list[NDArray[np.floating]]:
    if not stack.classified:
        nothing = np.zeros(stack.scl.shape, np.float32)
        return [*(nothing for _ in SCL_GROUPS), nothing + 1, nothing]
    groups = [np.isin(stack.scl, group).astype(np.float32) for group in SCL_GROUPS]
    flagged = box(~np.isin(stack.scl, SCL_CLEAR), WIDE_PX)
    return [*groups, np.zeros(stack.scl.shape, np.float32), flagged]
