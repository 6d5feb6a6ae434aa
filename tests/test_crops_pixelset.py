"""A parcel as the set of its pixels: what may change a figure and what may not, and what is learned from the spread."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from greattit.commands.patches import patches as patches_command
from greattit.crops import pixelset, pixeltrial
from greattit.crops.pixelset import Fields, PixelSet, PixelSetConfig, Sets
from greattit.errors import DatasetError

BANDS = ("B02", "B03", "B04", "B05", "B08", "B11", "B12")
SIZE = 12


def made(count: int = 8, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Patches of `count` random rectangular fields of two crops; row 0 has padding on its left."""
    rng = np.random.default_rng(seed)
    patch = rng.integers(20, 200, (count, len(BANDS), SIZE, SIZE), dtype=np.uint8)
    mask = np.zeros((count, SIZE, SIZE), bool)
    for row in range(count):
        top, left = rng.integers(2, 5, 2)
        mask[row, top : top + rng.integers(2, 6), left : left + rng.integers(2, 6)] = True
    patch[0, :, :, :2] = 0
    return {
        "patch": patch,
        "mask": mask,
        "crop": np.array(["wheat", "mustard"] * (count // 2)),
        "group": np.array([f"g{row // 2}" for row in range(count)]),
        "bands": np.array(BANDS),
        "sample": np.array([f"in_{row}" for row in range(count)]),
    }


def two_crops(count: int, *, spread: tuple[int, int], lift: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Fields of 16 px whose pixels lie half above and half below their exact mean, by another step for each crop."""
    rng = np.random.default_rng(1)
    arrays = made(count)
    arrays["mask"][:] = False
    arrays["mask"][:, 4:8, 4:8] = True
    for row in range(count):
        step, base = spread[row % 2], rng.integers(90, 130, (len(BANDS), 1)) + lift * (row % 2)
        signs = rng.permuted(np.tile([1, -1], (len(BANDS), 8)), axis=1)
        arrays["patch"][row][:, arrays["mask"][row]] = base + step * signs
    arrays["group"] = np.array([f"g{row // 10}" for row in range(count)])
    return arrays


def saved(folder: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> Path:
    np.savez_compressed(folder / "fields.npz", **arrays)
    return folder / "fields.npz"


def network(ring: int = 2) -> PixelSet:
    """A network with the weights it starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pixels = np.random.default_rng(0).normal(100, 40, (50, len(BANDS))).astype(np.float32)
        return PixelSet(PixelSetConfig(len(BANDS), 3, ring=ring), pixels).eval()


def called(data: Fields, ring: int = 2) -> np.ndarray[Any, Any]:
    return pixelset.probabilities(network(ring), data, np.arange(len(data.shape)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_pixels_changes_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    patches = pixelset.read(saved(tmp_path_factory.mktemp("set"), made(seed=seed)))
    data = pixelset.fields(patches, 2)
    rng = np.random.default_rng(seed)

    def shuffled(sets: Sets) -> Sets:
        parts = np.split(np.arange(len(sets.pixels)), sets.starts[1:-1])
        return Sets(sets.pixels[np.concatenate([rng.permutation(part) for part in parts])], sets.starts)

    other = Fields(shuffled(data.inside), shuffled(data.ring), data.shape)
    np.testing.assert_allclose(called(other), called(data), atol=1e-5)
    np.testing.assert_array_equal(pixelset.mean_features(other.inside), pixelset.mean_features(data.inside))
    many = [pixelset.spread_features(each.inside, BANDS) for each in (other, data)]
    np.testing.assert_allclose(*many, atol=1e-9)


def test_a_turned_patch_is_the_same_field(tmp_path: Path) -> None:
    arrays = made()
    data = pixelset.fields(pixelset.read(saved(tmp_path, arrays)), 2)
    for name in ("patch", "mask"):
        arrays[name] = np.ascontiguousarray(np.rot90(arrays[name], axes=(-2, -1)))
    turned = pixelset.fields(pixelset.read(saved(tmp_path, arrays)), 2)
    np.testing.assert_array_equal(turned.shape, data.shape)
    np.testing.assert_allclose(called(turned), called(data), atol=1e-5)


def test_pixels_outside_the_mask_change_nothing_but_the_ring(tmp_path: Path) -> None:
    arrays = made()
    data = pixelset.fields(pixelset.read(saved(tmp_path, arrays)), 2)
    outside = ~arrays["mask"][:, None] & arrays["patch"].any(axis=1, keepdims=True)
    arrays["patch"] = np.where(outside, 255 - arrays["patch"], arrays["patch"]).astype(np.uint8)
    other = pixelset.fields(pixelset.read(saved(tmp_path, arrays)), 2)
    np.testing.assert_array_equal(other.inside.pixels, data.inside.pixels)
    np.testing.assert_array_equal(called(other, ring=0), called(data, ring=0))
    assert np.abs(called(other) - called(data)).max() > 1e-4


def test_a_ring_is_as_wide_as_asked_and_holds_no_padding_and_no_field(tmp_path: Path) -> None:
    arrays = made()
    patches = pixelset.read(saved(tmp_path, arrays))
    assert not len(pixelset.fields(patches, 0).ring.pixels)
    ring = pixelset.fields(patches, 1).ring
    rows, columns = (int(arrays["mask"][1].any(axis=axis).sum()) for axis in (1, 0))
    assert ring.starts[2] - ring.starts[1] == (rows + 2) * (columns + 2) - rows * columns
    padded = pixelset.fields(patches, 3).ring
    assert padded.pixels[: padded.starts[1]].any(axis=1).all()


def test_a_field_that_fills_its_patch_has_an_empty_ring_and_is_called(tmp_path: Path) -> None:
    arrays = made()
    arrays["mask"][:] = True
    data = pixelset.fields(pixelset.read(saved(tmp_path, arrays)), 2)
    assert not len(data.ring.pixels)
    labels = np.array([0, 1] * 4)
    trained = pixelset.train(data, labels, np.arange(8), PixelSetConfig(len(BANDS), 2, steps=3), 0)
    assert np.isfinite(pixelset.probabilities(trained, data, np.arange(8))).all()


def test_shape_is_count_and_perimeter() -> None:
    mask = np.zeros((2, 10, 10), bool)
    mask[0, 2:6, 2:6] = True
    mask[1, 0, :] = True
    np.testing.assert_allclose(
        pixelset.shape_features(mask), [[np.log(16), 1.0], [np.log(10), 22 / (4 * np.sqrt(10))]], rtol=1e-6
    )


def test_pooling_is_that_of_each_set() -> None:
    values = torch.tensor([[1.0], [3.0], [7.0]])
    pooled = pixelset.pool(values, torch.tensor([0, 0, 2]), 3)
    np.testing.assert_allclose(pooled.numpy(), [[2, 1], [0, 0], [7, 0]], atol=1e-3)


def test_the_spread_is_learned_by_the_network_and_not_from_the_mean(tmp_path: Path) -> None:
    path = saved(tmp_path, two_crops(200, spread=(4, 40)))
    found = pixeltrial.evaluate(path, 3, steps=50)
    accuracy = {name: figure["accuracy"] for name, figure in found["methods"].items()}
    assert accuracy["pixel_set"] > 0.95 and accuracy["spread"] > 0.95
    assert accuracy["mean"] < 0.7 and accuracy["mean_network"] < 0.7
    assert accuracy["best_two"] > 0.95 and all(set(two) == {"spread", "pixel_set"} for two in found["best_two"])
    assert found["pixels_beat_mean"] and found["verdict"].startswith("Knowing the pixels beats the mean beyond")


def test_where_the_mean_says_all_the_pixels_do_not_beat_it(tmp_path: Path) -> None:
    found = pixeltrial.evaluate(saved(tmp_path, two_crops(200, spread=(9, 9), lift=70)), 3, steps=50)
    assert found["methods"]["mean"]["accuracy"] > 0.95
    assert not found["pixels_beat_mean"] and "does not beat the mean" in found["verdict"]


def test_the_verdict_says_when_a_gain_is_not_of_the_pixels() -> None:
    def one(method: str, against: str, low: float) -> dict[str, Any]:
        return {"method": method, "against": against, "difference": low + 0.01, "interval": [low, low + 0.02]}

    told = pixeltrial.verdict(
        [one("spread", "mean", -0.01), one("pixel_set", "mean_network", -0.01), one("pixel_set", "mean", 0.02)]
    )
    assert told.startswith("Knowing the pixels does not beat the mean") and "owed to learner" in told
    told = pixeltrial.verdict([one("spread", "mean", -0.01), one("pixel_set", "mean_network", 0.001)])
    assert told.startswith("Knowing the pixels does not surely beat the mean: beyond the interval in 1 of 2 ways")
    told = pixeltrial.verdict([one("spread", "mean", 0.002), one("pixel_set", "mean_network", 0.001)])
    assert told.startswith("Knowing the pixels beats the mean beyond the interval")


@pytest.mark.parametrize("library", ["whatever is installed", "scikit-learn"])
def test_the_same_seed_gives_the_same_figures(tmp_path: Path, monkeypatch: Any, library: str) -> None:
    if library == "scikit-learn":
        monkeypatch.setitem(sys.modules, "lightgbm", None)
    path = saved(tmp_path, two_crops(60, spread=(10, 14)))
    first, again = (pixeltrial.evaluate(path, 3, 1, steps=5) for _ in range(2))
    assert first == again
    assert list(first["methods"]) == list(pixeltrial.NAMES)
    assert library not in ("scikit-learn",) or first["trees"].startswith("scikit-learn")


def test_a_crop_that_stands_in_one_group_only_is_never_called(tmp_path: Path) -> None:
    arrays = two_crops(60, spread=(4, 40))
    arrays["crop"][:5] = "rice"
    found = pixeltrial.evaluate(saved(tmp_path, arrays), 3, steps=5)
    assert found["crops"]["rice"] == 5 and np.isfinite(found["methods"]["pixel_set"]["ece"])


def test_ties_in_certainty_count_in_part() -> None:
    right = np.array([True, True, False, False, True])
    assert pixeltrial.accuracy_of_surest(np.full(5, 0.4), right) == pytest.approx(0.6)
    assert pixeltrial.accuracy_of_surest(np.array([0.9, 0.8, 0.7, 0.1, 0.6]), right) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"mask": None}, "has no array 'mask'"),
        ({"group": None}, "has no array 'group'"),
        ({"patch": np.zeros((8, 12, 12), np.uint8)}, "patch has 3 dimensions, not 4"),
        ({"patch": np.ones((8, len(BANDS), 12, 12))}, "patch is float64"),
        ({"mask": np.ones((8, 12, 12), np.uint8)}, "mask is uint8, not bool"),
        ({"mask": np.ones((8, 12, 11), bool)}, r"mask is \(8, 12, 11\)"),
        ({"crop": np.array(["wheat"] * 7)}, r"crop is \(7,\)"),
        ({"crop": np.arange(8)}, "crop is int64, not text"),
        ({"bands": np.array(["B02"] * len(BANDS))}, "a band twice"),
        ({"patch": np.ones((8, len(BANDS) - 1, 12, 12), np.uint8)}, "bands is"),
        ({"crop": np.array([{}] * 8)}, "without pickle"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    arrays = {name: array for name, array in (made() | change).items() if array is not None}
    with pytest.raises(DatasetError, match=what):
        pixelset.read(saved(tmp_path, arrays))


def test_a_row_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    arrays = made()
    arrays["mask"][5] = False
    with pytest.raises(DatasetError, match=r"row 5 \(in_5\) has an empty mask"):
        pixelset.read(saved(tmp_path, arrays))
    arrays = made()
    arrays["patch"][3] = 0
    del arrays["sample"]
    with pytest.raises(DatasetError, match="row 3 has a mask on padding only"):
        pixelset.read(saved(tmp_path, arrays))
    arrays = made()
    arrays["crop"][2] = ""
    with pytest.raises(DatasetError, match=r"row 2 \(in_2\) has no crop"):
        pixelset.read(saved(tmp_path, arrays))


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "npy"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, damage: str) -> None:
    path = saved(tmp_path, made())
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "npy":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    else:
        path.write_bytes(b"no archive" if damage == "text" else whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"fields\.npz"):
        pixelset.read(path)


def test_folds_and_crops_must_suffice(tmp_path: Path) -> None:
    path = saved(tmp_path, made())
    with pytest.raises(DatasetError, match="4 groups cannot be cut into 5 folds"):
        pixeltrial.evaluate(path)
    arrays = made()
    arrays["crop"][:] = "wheat"
    with pytest.raises(DatasetError, match="one crop only"):
        pixeltrial.evaluate(saved(tmp_path, arrays), 2)


def test_the_command_prints_a_table_or_json_or_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pixeltrial, "evaluate", partial(pixeltrial.evaluate, steps=5))
    app = typer.Typer()
    app.command()(patches_command)
    path = saved(tmp_path, two_crops(40, spread=(4, 40)))
    run = CliRunner().invoke(app, [str(path), "--folds", "2", "--json"])
    assert run.exit_code == 0 and not run.stderr
    figures = json.loads(run.stdout)
    assert figures["fields"] == 40 and figures["verdict"] in pixeltrial.table(figures)
    assert all(name in pixeltrial.table(figures) for name in pixeltrial.NAMES.values())
    run = CliRunner().invoke(app, [str(path), "--folds", "2"])
    assert run.exit_code == 0 and figures["verdict"] in run.stdout and "took" in run.stdout
    run = CliRunner().invoke(app, [str(tmp_path / "none.npz")])
    assert run.exit_code == 2 and len(run.stderr.strip().splitlines()) == 1


@pytest.mark.shared
def test_the_shared_fields_are_read_and_a_few_are_evaluated(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "chips" / "agrifieldnet-india" / "fields.npz"
    patches = pixelset.read(path)
    assert len(patches) == 4000 and patches.patch.shape[1:] == (12, 32, 32) and len(set(patches.crops)) == 13
    rows = np.sort(np.random.default_rng(0).choice(4000, 240, replace=False))
    with np.load(path) as file:
        few = {name: file[name] if name == "bands" else file[name][rows] for name in file.files}
    found = pixeltrial.evaluate(saved(tmp_path, few), 3, steps=30)
    assert found["fields"] == 240
    assert found["methods"]["mean"]["accuracy"] > found["methods"]["majority"]["accuracy"]
    assert isinstance(found["pixels_beat_mean"], bool)
