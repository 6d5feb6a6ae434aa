"""A cube with a better `clear`: `refine`. And the mask of each method, for whoever compares them: `masks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from greattit.clouds.detect import SUPPORT_PX, Levels, decide, seasoned
from greattit.clouds.features import WIDE_PX, describe
from greattit.clouds.network import METHODS, Network, load, model_folder
from greattit.clouds.stack import CLEAR, NAMES, NO_DATA, Stack, from_scl, lacking, stacked, with_snow
from greattit.types import BANDS

if TYPE_CHECKING:
    from greattit.types import Cube

Mask = NDArray[np.uint8]

HALO_PX = SUPPORT_PX // 2 + WIDE_PX // 2 + 2
"""[px] how far a pixel's mask depends on its neighbours: the detector's support, the wide box, two means of 3 x 3"""
STRIP = 1_000_000
"""looks x pixels of one strip; it takes some 0.4 GB"""


def refine(cube: Cube, *, method: str | None = None, model: Path | None = None) -> Cube:
    """Return a copy of the cube with a better `clear` and a `mask` (time, y, x) uint8; `cube` stays as it is.

    The mask is 0 clear, 1 cloud, 2 shadow, 3 snow, 4 no data; its attrs tell the method, and the model with its sha256.
    `method` is one of METHODS; without one it is that of the model's card, which won on held-out made seasons. A cube
    that lacks a band of `stack.BANDS` keeps what its scene classification says. The order of looks changes nothing.
    Raises `ModelError`.
    """
    network = load(Path(model) if model is not None else model_folder())
    missing = lacking(cube)
    chosen = "scl" if missing else (method or network.serve)
    if missing:
        mask = np.where(cube["clear"].values, CLEAR, NO_DATA).astype(np.uint8)
    else:
        stack, order = stacked(cube)
        mask = np.empty(stack.scl.shape, np.uint8)
        mask[order] = masks(stack, network, [chosen])[chosen]
        mask[~_holds_data(cube)] = NO_DATA
    attrs = {"method": chosen, "model": "clouds", "model_sha256": network.sha256, "values": ", ".join(NAMES)}
    if missing:
        attrs["reason"] = f"the cube lacks {', '.join(missing)}"
    out = cube.copy()
    out["mask"] = ("time", "y", "x"), mask, attrs
    out["clear"] = ("time", "y", "x"), mask == CLEAR, dict(cube["clear"].attrs)
    return out


def masks(stack: Stack, network: Network, methods: Sequence[str] = METHODS) -> dict[str, Mask]:
    """Return the mask (t, y, x) of each method asked for.

    The combination calls a pixel spoilt when two of the three others do: as the network names it, else as the detector.
    A large window is worked in strips that overlap by HALO_PX, so that memory stays small and no figure changes.
    """
    looks, rows, cols = stack.seen.shape
    step = max(1, STRIP // max(1, looks * cols))
    out = {name: np.empty(stack.seen.shape, np.uint8) for name in methods}
    for top in range(0, rows, step):
        low, high = max(0, top - HALO_PX), min(rows, top + step + HALO_PX)
        here = np.s_[:, low:high]
        part = replace(stack, values=stack.values[:, :, low:high], seen=stack.seen[here], scl=stack.scl[here])
        for name, mask in _masks(part, network, methods).items():
            out[name][:, top : top + step] = mask[:, top - low : top - low + step]
    return out


def _masks(stack: Stack, network: Network, methods: Sequence[str]) -> dict[str, Mask]:
    plain = from_scl(stack)
    out: dict[str, Mask] = {"scl": plain}
    if set(methods) <= {"scl"}:
        return {name: plain for name in methods}
    levels = Levels(**network.levels)
    ref, found = seasoned(stack, levels)
    if {"detector", "combination"} & set(methods):
        out["detector"] = decide(stack, found, levels)
    if {"network", "combination"} & set(methods):
        classes = network.classify(describe(stack, ref, found)).reshape(plain.shape)
        out["network"] = with_snow(stack, classes)
    if "combination" in methods:
        votes = np.sum([out[name] != CLEAR for name in ("scl", "detector", "network")], axis=0)
        named = np.where(out["network"] != CLEAR, out["network"], out["detector"])
        out["combination"] = with_snow(stack, np.where(votes >= 2, named, CLEAR).astype(np.uint8))
    return {name: out[name] for name in methods}


def _holds_data(cube: Cube) -> NDArray[np.bool_]:
    """Return (time, y, x) where every band of the cube holds a value."""
    held = np.ones(cube["clear"].shape, bool)
    for name in BANDS:
        if name in cube:
            held &= np.isfinite(cube[name].values)
    return held
