"""Another project's cloud mask, to be measured beside ours where it is installed: `ukis_csmask`.

ukis-csmask (Apache-2.0, pip install ukis-csmask onnxruntime; Wieland et al. 2022,
doi:10.5194/isprs-archives-XLIII-B3-2022-217-2022): U-Nets over one look, for the bands blue, green, red, nir, swir16,
swir22 of level L1C or L2A, trained at about 30 m on squares of 256 pixels.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.stack import NO_DATA, Stack, with_snow

SQUARE_PX = 256
"""smallest picture that the networks were made for; a smaller one is mirrored outwards"""
NAMES = ["blue", "green", "red", "nir", "swir16", "swir22"]


def installed() -> bool:
    """Say whether ukis-csmask and onnxruntime can be imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("ukis_csmask", "onnxruntime"))


def ukis_csmask(stack: Stack, *, coarser: int = 1, level: str = "l2a") -> NDArray[np.uint8]:
    """Return its mask (t, y, x), look by look, on pixels of `coarser` x 10 m. Raises `ImportError`."""
    csmask = importlib.import_module("ukis_csmask.mask").CSmask
    rows, cols = stack.seen.shape[1:]
    out = np.full(stack.seen.shape, NO_DATA, np.uint8)
    for number in range(len(stack.days)):
        picture = np.moveaxis(stack.values[:, number], 0, -1)
        small, turned = _mirrored(_coarse(picture, coarser))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"intra_op_num_threads": 1, "providers": ["CPUExecutionProvider"]}
            found = csmask(turned, band_order=NAMES, product_level=level, **options).csm[..., 0]
        fine = np.repeat(np.repeat(found[: small[0], : small[1]], coarser, 0), coarser, 1)
        out[number] = fine[:rows, :cols]
    return with_snow(stack, out)


def _coarse(picture: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Average step x step pixels (y, x, band); edge pixels are repeated to whole blocks."""
    more = [(0, -picture.shape[axis] % step) for axis in (0, 1)]
    whole = np.pad(picture, (*more, (0, 0)), mode="edge")
    blocks = whole.reshape(whole.shape[0] // step, step, whole.shape[1] // step, step, -1)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _mirrored(picture: NDArray[np.float32]) -> tuple[tuple[int, int], NDArray[np.float32]]:
    """Return the size of a picture, and it mirrored to at least SQUARE_PX a side."""
    size = picture.shape[0], picture.shape[1]
    more = [(0, max(0, SQUARE_PX - length)) for length in size]
    return size, np.ascontiguousarray(np.pad(picture, (*more, (0, 0)), mode="symmetric"))
