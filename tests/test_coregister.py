"""Shifted looks: planted shifts are found, clouds and even ground tell nothing, the real stack gives no false alarm."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from greattit.tiles import open_catalogue
from greattit.tiles.coregister import MIN_CLEAR, Shift, shifts

Stack = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]


def fields(looks: int = 8, side: int = 72, seed: int = 1) -> Stack:
    """Patches of land whose colours change from look to look, while their borders stay."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    seeds = draw.uniform(0, side, (60, 2))
    patch = np.argmin((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2, axis=-1)
    red, near = (draw.uniform(low, high, (looks, 60))[:, patch] for low, high in ((0.03, 0.15), (0.15, 0.5)))
    noise = draw.normal(0, 0.004, (2, looks, side, side))
    return (red + noise[0]).astype(np.float32), (near + noise[1]).astype(np.float32), np.ones(red.shape, bool)


def moved(stack: Stack, look: int, east_px: float, north_px: float) -> Stack:
    """Shift one look of a stack, what comes in from outside is not clear."""
    from scipy.ndimage import shift

    way = (-north_px, east_px)
    red, near, clear = (part.copy() for part in stack)
    red[look], near[look] = shift(stack[0][look], way, order=1), shift(stack[1][look], way, order=1)
    clear[look] = shift(stack[2][look].astype(float), way, order=1, cval=0.0) > 0.99
    return red, near, clear


@pytest.mark.parametrize(("east", "north"), [(2, 0), (0, 3), (-1, -1), (1.5, -2.5), (-9, 4), (0, 0)])
def test_a_planted_shift_is_found_with_its_direction(east: float, north: float) -> None:
    found = shifts(*moved(fields(), 5, east, north))
    assert all(s.told for s in found)
    assert abs(found[5].east_m - 10 * east) < 1.5 and abs(found[5].north_m - 10 * north) < 1.5
    assert max(s.length_m for t, s in enumerate(found) if t != 5) < 1.5


def test_the_shift_is_in_metres_of_the_pixel() -> None:
    found = shifts(*moved(fields(), 2, 1, 0), pixel_m=20.0)
    assert abs(found[2].east_m - 20) < 3


def test_brighter_darker_and_hazier_looks_are_not_shifted() -> None:
    red, near, clear = fields()
    red[1], near[1] = red[1] * 2, near[1] * 2
    red[2], near[2] = red[2] + 0.05, near[2] + 0.05
    assert max(s.length_m for s in shifts(red, near, clear)) < 1.5


def test_what_a_cloud_hides_takes_no_part() -> None:
    red, near, clear = moved(fields(), 3, 2, 0)
    red[3, 10:40, 15:60] = near[3, 10:40, 15:60] = 0.8
    clear[3, 10:40, 15:60] = False
    assert abs(shifts(red, near, clear)[3].east_m - 20) < 1.5


def test_what_cannot_be_told_is_not_told() -> None:
    red, near, clear = fields()
    clear[0] = False
    clear[0, :15, :15] = True
    red[1] = near[1] = 0.3  # even ground
    draw = np.random.default_rng(0)
    red[2], near[2] = draw.uniform(0.3, 0.8, (2, *red[2].shape))  # cloud that was not seen as such
    found = shifts(red, near, clear)
    assert [s.told for s in found] == [False] * 3 + [True] * 5
    assert all(s.finding() is None for s in found)
    assert not any(s.told for s in shifts(red[3:5], near[3:5], clear[3:5])), "two looks have no median"
    assert shifts(red[:0], near[:0], clear[:0]) == ()
    assert not any(s.told for s in shifts(np.full_like(red, np.nan), near, clear))


def test_a_finding_says_how_far_and_where() -> None:
    assert Shift(5.0, -8.0, 0.8, 0.4).finding() is None
    said = Shift(-9.0, 10.0, 0.8, 0.4).finding()
    assert said and said.text == "lies 10 m north and 9 m west of the rest of the stack" and not said.severe
    said = Shift(20.0, 0.2, 0.8, 0.4).finding()
    assert said and said.text == "lies 20 m east of the rest of the stack" and said.severe and said.kind == "shift"
    assert Shift(math.nan, math.nan, 0.1, 0.0).finding() is None


def real(folder: Path) -> Stack:
    red, near, clear = [], [], []
    for scene in open_catalogue(folder).between(date(2000, 1, 1), date(2100, 1, 1)):
        counts = {b: rasterio.open(scene.assets[b].href).read(1) for b in ("B04", "B08", "scl")}
        classes = np.repeat(np.repeat(counts["scl"], 2, 0), 2, 1)
        offset = scene.assets["B04"].offset or 0.0
        red.append(counts["B04"] * 1e-4 + offset)
        near.append(counts["B08"] * 1e-4 + offset)
        clear.append(np.isin(classes, (4, 5, 6, 7)) & (counts["B04"] > 0) & (counts["B08"] > 0))
    return np.array(red, np.float32), np.array(near, np.float32), np.array(clear)


def test_the_sample_tiles_lie_where_they_should(sample_tiles: Path) -> None:
    found = shifts(*real(sample_tiles))
    assert sum(s.told for s in found) == 28 and max(s.length_m for s in found if s.told) < 2.0


def test_the_real_stack_has_no_false_alarm_and_shows_what_is_planted(shared_data: Path) -> None:
    """All looks at once as they are; then every eighth clear look with 20 m planted in turn."""
    stack = real(shared_data / "scenes" / "flanders-2018")
    plain = shifts(*stack)
    lengths = np.array([s.length_m for s in plain if s.told])
    print(f"{len(lengths)} told; shifts [m], 50, 95, 100 %: {np.percentile(lengths, (50, 95, 100)).round(1)}")
    assert len(lengths) == 59 and lengths.max() < 10.0 and not any(s.finding() for s in plain)
    judged = [t for t in range(len(plain)) if stack[2][t].mean() >= MIN_CLEAR and plain[t].told][::8]
    found = [shifts(*moved(stack, t, 0.0, 2.0))[t] for t in judged]
    assert all(s.finding() for s in found)
    errors = [
        math.hypot(s.east_m - plain[t].east_m, s.north_m - plain[t].north_m - 20)
        for t, s in zip(judged, found, strict=True)
    ]
    assert np.median(errors) < 1.0
