"""The offset that the pixels tell: one planted field in all forms, hard scenes, and the figures on real data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import made_tiles
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from greattit.tiles import open_catalogue
from greattit.tiles.counts import decode, encode
from greattit.tiles.offset import DARK_BANDS, Decision, decide, decide_all

Counts = dict[str, NDArray[Any]]
NEEDED = {*DARK_BANDS, "B08", "scl"}


def looks(folder: Path) -> Iterator[Counts]:
    for scene in open_catalogue(folder).between(date(2000, 1, 1), date(2100, 1, 1)):
        yield {name: rasterio.open(asset.href).read(1) for name, asset in scene.assets.items() if name in NEEDED}


def moved(look: Counts, by: int) -> Counts:
    return {
        name: counts if name == "scl" else np.where(counts > 0, np.clip(counts.astype(int) + by, 1, 65535), 0)
        for name, counts in look.items()
    }


def windows(look: Counts, side: int) -> Iterator[Counts]:
    """Cut a look into windows of `side` red pixels."""
    parts = look["B04"].shape[0] // side, look["B04"].shape[1] // side
    for row in range(parts[0]):
        for column in range(parts[1]):
            yield {
                name: np.array_split(np.array_split(x, parts[0])[row], parts[1], 1)[column] for name, x in look.items()
            }


def judged(look: Counts, *, classes: bool = True) -> Decision:
    counts = {name: x for name, x in look.items() if name != "scl"}
    return decide(counts, look["scl"] if classes else None)


def tally(decisions: list[Decision], truth: float) -> dict[str, int]:
    said = Counter("undecided" if d.offset is None else "right" if d.offset == truth else "wrong" for d in decisions)
    return {key: said[key] for key in ("right", "undecided", "wrong")}


@pytest.mark.parametrize("classes", [True, False], ids=["L2A", "without classes"])
def test_one_field_gives_one_reflectance_in_every_form(tmp_path: Path, classes: bool) -> None:
    """Old and new baseline, harmonised and not: what no metadata say, the pixels do, to the bit."""
    old = next(looks(made_tiles.write(tmp_path / "old", days=1)))
    new = next(looks(made_tiles.write(tmp_path / "new", days=1, offset=-0.1)))
    for look, zero in ((old, 0), (new, 1000)):
        for name in NEEDED - {"scl"}:
            look[name][: len(look[name]) // 6] = zero + 120  # a pond
    stored = {}
    for form, look, truth in (
        ("old baseline", old, 0.0),
        ("new baseline", new, -0.1),
        ("harmonised", moved(new, -1000), 0.0),
        ("unharmonised", moved(old, 1000), -0.1),
    ):
        found = judged(look, classes=classes)
        assert found.offset == truth, (form, found.evidence)
        stored[form] = encode(look["B04"].astype(np.uint16), 1e-4, found.offset, 0.0)
    for form, counts in stored.items():
        np.testing.assert_array_equal(counts, stored["old baseline"], err_msg=form)
    middle = decode(stored["new baseline"])[made_tiles.FIELD]
    assert abs(float(middle.mean()) - made_tiles.GREEN["red"]) < 1e-3


def scene(dark: float, bright: float, *, scl: int, offset: float = 0.0) -> Counts:
    """A scene whose reflectance runs from `dark` to `bright` in all bands."""
    ramp = np.linspace(dark, bright, 3600).reshape(60, 60)
    look: Counts = {name: np.round((ramp - offset) * 1e4).astype(np.uint16) for name in NEEDED - {"scl"}}
    return look | {"scl": np.full((30, 30), scl, np.uint8)}


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("offset", [0.0, -0.1])
@pytest.mark.parametrize(
    ("dark", "bright", "scl"),
    [(0.15, 0.45, 5), (0.12, 0.2, 7), (0.35, 0.9, 9), (0.6, 0.9, 11), (0.11, 0.14, 10)],
    ids=["desert", "haze", "cloud", "snow", "cirrus"],
)
def test_a_scene_without_dark_targets_tells_nothing(
    dark: float, bright: float, scl: int, offset: float, classes: bool
) -> None:
    found = judged(scene(dark, bright, scl=scl, offset=offset), classes=classes)
    assert found.offset is None and found.evidence


def test_without_pixels_or_with_few_nothing_is_said() -> None:
    look = scene(0.01, 0.3, scl=4)
    look["B04"][:] = 0
    assert judged(look) == Decision(None, "only 0 pixels are no cloud")
    assert judged({name: counts[:10, :10] for name, counts in scene(0.01, 0.3, scl=4).items()}).offset is None


def test_bands_of_other_resolution_and_without_b12_do_as_well(tmp_path: Path) -> None:
    look = next(looks(made_tiles.write(tmp_path / "c", days=1, offset=-0.1)))
    assert look["B12"].shape != look["B04"].shape
    assert judged(look).offset == -0.1 == judged({name: x for name, x in look.items() if name != "B12"}).offset
    assert judged({name: x for name, x in look.items() if name in ("B04", "scl")}).offset == -0.1


def test_siblings_of_one_mind_speak_for_the_cloudy_ones() -> None:
    cloudy, old, new = Decision(None, "cloud"), Decision(0.0, "dark"), Decision(-0.1, "bright")
    assert [d.offset for d in decide_all([old, cloudy, old])] == [0.0, 0.0, 0.0]
    assert "2 of 2 decided siblings" in decide_all([old, cloudy, old])[1].evidence
    assert decide_all([old, cloudy, new]) == [old, cloudy, new], "of two minds"
    assert decide_all([old, cloudy]) == [old, cloudy], "one is not enough"
    assert decide_all([cloudy, cloudy]) == [cloudy, cloudy] and decide_all([]) == []
    assert [d.offset for d in decide_all([new] * 30 + [old, cloudy])] == [-0.1] * 30 + [0.0, -0.1]


def test_the_sample_tiles_are_told(sample_tiles: Path) -> None:
    seen = list(looks(sample_tiles))
    new, old = [judged(look) for look in seen], [judged(moved(look, -1000)) for look in seen]
    assert tally(new, -0.1) == {"right": 29, "undecided": 14, "wrong": 0}
    assert tally(old, 0.0) == {"right": 31, "undecided": 12, "wrong": 0}
    assert tally(decide_all(new), -0.1)["right"] == tally(decide_all(old), 0.0)["right"] == 43


@pytest.mark.parametrize("side", [64, 32, 16])
@pytest.mark.parametrize(("by", "truth"), [(0, 0.0), (1000, -0.1)])
def test_the_real_stack_is_never_told_wrongly(shared_data: Path, side: int, by: int, truth: float) -> None:
    """Both forms of 118 dates, whole and in windows; half of the dates are cloud."""
    seen = [part for look in looks(shared_data / "scenes" / "flanders-2018") for part in windows(moved(look, by), side)]
    for classes in (True, False):
        said = tally([judged(part, classes=classes) for part in seen], truth)
        print(f"{side} px, {truth:+.1f}, {'with' if classes else 'without'} classes: {said}")
        assert said["wrong"] == 0
        assert said["right"] > (0.45 * len(seen) if classes else 0.3 * len(seen)) or (side == 16 and not classes)
        assert not classes or tally(decide_all([judged(part) for part in seen]), truth)["right"] == len(seen)


def test_a_real_chip_of_the_top_of_the_atmosphere_is_never_told_wrongly(shared_data: Path) -> None:
    names = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
    with rasterio.open(shared_data / "flood" / "Spain_7370579_west_S2Hand.tif") as source:
        whole = {name: counts for name, counts in zip(names, source.read(), strict=True) if name in NEEDED}
    old = [decide(part) for part in windows(whole, 120)]
    new = [decide(part) for part in windows(moved(whole, 1000), 120)]
    assert tally(old, 0.0) == {"right": 8, "undecided": 0, "wrong": 0}
    assert tally(new, -0.1)["wrong"] == 0 and tally(decide_all(new), -0.1)["right"] == 8
