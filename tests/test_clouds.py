"""The refined mask finds planted clouds and shadows, gives back what SCL wrongly flags, leaves real change alone."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from greattit import clouds
from greattit.clouds import network, peers, publish, scores
from greattit.clouds.detect import Levels, detect
from greattit.clouds.features import FEATURES
from greattit.clouds.mask import masks
from greattit.clouds.stack import Stack, box, stacked
from greattit.errors import ModelError
from greattit.types import BANDS

SIDE, LOOKS = 22, 30
GREEN = dict(zip(BANDS, (0.03, 0.06, 0.04, 0.09, 0.28, 0.36, 0.40, 0.41, 0.19, 0.10), strict=True))
SOIL = dict(zip(BANDS, (0.07, 0.10, 0.13, 0.15, 0.17, 0.19, 0.21, 0.23, 0.30, 0.25), strict=True))
WHITE = dict(zip(BANDS, (0.60, 0.59, 0.60, 0.60, 0.61, 0.61, 0.62, 0.62, 0.42, 0.32), strict=True))
HIT = np.s_[14, 4:18, 4:18]
METHODS = ("detector", "network", "combination")


def season(*, harvest: int | None = None, scl: int | None = 4) -> xr.Dataset:
    """A green window of 30 looks, five days apart; bare from look `harvest` on."""
    rng = np.random.default_rng(3)
    days = [date(2023, 4, 1) + timedelta(days=5 * n) for n in range(LOOKS)]
    data = {}
    for name in BANDS:
        values = np.full((LOOKS, SIDE, SIDE), GREEN[name])
        if harvest is not None:
            values[harvest:] = SOIL[name]
        data[name] = ("time", "y", "x"), (values + rng.normal(0, 0.004, values.shape)).astype(np.float32)
    shape = (LOOKS, SIDE, SIDE)
    data["clear"] = ("time", "y", "x"), np.ones(shape, bool)
    if scl is not None:
        data["scl"] = ("time", "y", "x"), np.full(shape, scl, np.uint8)
    return xr.Dataset(data, coords={"time": np.array(days, "datetime64[ns]")}, attrs={"cube_id": "made"})


def veil(cube: xr.Dataset, where: object, opacity: float, colour: dict[str, float] = WHITE) -> None:
    for name in BANDS:
        values = cube[name].values
        values[where] = values[where] * (1 - opacity) + opacity * colour[name]


def shade(cube: xr.Dataset, where: object, depth: float = 0.8) -> None:
    for name, sky in zip(BANDS, (0.42, 0.34, 0.28, 0.25, 0.23, 0.21, 0.20, 0.19, 0.13, 0.11), strict=True):
        cube[name].values[where] *= 1 - depth * (1 - sky)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("opacity", [0.25, 0.9])
def test_a_cloud_that_scl_misses_is_found(method: str, opacity: float) -> None:
    cube = season()
    veil(cube, HIT, opacity)
    found = clouds.refine(cube, method=method)
    if method != "combination":  # needs two of three, and SCL is blind here
        assert (found["mask"].values[HIT] == clouds.CLOUD).mean() > 0.95
    assert (found["clear"].values[HIT]).mean() < 0.05
    others = np.delete(found["clear"].values, 14, axis=0)
    assert others.mean() > 0.99


@pytest.mark.parametrize("method", METHODS)
def test_a_shadow_that_scl_misses_is_found(method: str) -> None:
    cube = season()
    shade(cube, HIT)
    mask = clouds.refine(cube, method=method)["mask"].values
    assert (mask[HIT] == clouds.SHADOW).mean() > 0.9
    assert (np.delete(mask, 14, axis=0) == clouds.CLEAR).mean() > 0.99


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrong", [8, 9, 3])
def test_ground_that_scl_flags_for_nothing_is_given_back(method: str, wrong: int) -> None:
    cube = season(harvest=10)
    cube["scl"].values[12:, 6:16, 6:16] = wrong
    cube["clear"].values[12:, 6:16, 6:16] = False
    assert clouds.refine(cube, method=method)["clear"].values[13:-1, 6:16, 6:16].mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_harvest_is_not_eaten(method: str) -> None:
    clear = clouds.refine(season(harvest=15), method=method)["clear"].values
    assert clear.mean() > 0.98


@pytest.mark.parametrize("method", METHODS)
def test_standing_water_is_not_eaten(method: str) -> None:
    cube = season()
    muddy = dict(zip(BANDS, (0.055, 0.075, 0.075, 0.065, 0.045, 0.042, 0.038, 0.034, 0.012, 0.008), strict=True))
    veil(cube, np.s_[12:17, 4:18, 4:18], 1.0, muddy)
    assert clouds.refine(cube, method=method)["clear"].values[12:17, 5:17, 5:17].mean() > 0.8


def test_snow_stays_snow() -> None:
    cube = season()
    white = dict(zip(BANDS, (0.8, 0.8, 0.8, 0.8, 0.79, 0.78, 0.77, 0.76, 0.08, 0.05), strict=True))
    veil(cube, np.s_[3], 1.0, white)
    cube["scl"].values[3, :11] = 11
    cube["scl"].values[3, 11:] = 9
    assert (clouds.refine(cube)["mask"].values[3] == clouds.SNOW).all()


@pytest.mark.parametrize("scl", [None, 7])
def test_without_a_classification_the_season_alone_decides(scl: int | None) -> None:
    cube = season(scl=scl)
    veil(cube, HIT, 0.8)
    found = clouds.refine(cube)
    assert not found["clear"].values[HIT].any()
    assert np.delete(found["clear"].values, 14, axis=0).mean() > 0.98


def test_the_cube_handed_in_stays_as_it_is_and_the_mask_names_its_model() -> None:
    cube = season()
    veil(cube, HIT, 0.8)
    before = cube.copy(deep=True)
    found = clouds.refine(cube)
    assert cube.identical(before)
    assert found.attrs == cube.attrs
    attrs = found["mask"].attrs
    loaded = network.load(network.model_folder())
    assert (attrs["method"], attrs["model_sha256"]) == (loaded.serve, loaded.sha256)
    assert found["mask"].dtype == np.uint8
    assert np.array_equal(found["clear"].values, found["mask"].values == clouds.CLEAR)


def test_the_order_of_looks_changes_nothing() -> None:
    cube = season()
    veil(cube, HIT, 0.3)
    twice = cube.isel(time=[20]).copy(deep=True)
    veil(twice, np.s_[0, 2:9, 2:9], 0.5)
    cube = xr.concat([cube, twice], "time")
    order = np.random.default_rng(5).permutation(cube.sizes["time"])
    straight = clouds.refine(cube)["mask"].values
    assert np.array_equal(straight[order], clouds.refine(cube.isel(time=order))["mask"].values)


def test_no_data_is_no_data_and_darkens_no_neighbour() -> None:
    cube = season()
    for name in BANDS:
        cube[name].values[:, :, :8] = np.nan
    cube["clear"].values[:, :, :8] = False
    mask = clouds.refine(cube)["mask"].values
    assert (mask[:, :, :8] == clouds.NO_DATA).all()
    assert (mask[:, :, 8:] == clouds.CLEAR).all()


def test_one_look_and_missing_bands_fall_back_on_what_is_known() -> None:
    alone = season().isel(time=[3])
    alone["scl"].values[0, :5] = 9
    alone["clear"].values[0, :5] = False
    assert not clouds.refine(alone, method="detector")["clear"].values[0, :5].any()
    bare = season().drop_vars(["B11"])
    bare["clear"].values[2] = False
    found = clouds.refine(bare)
    assert found["mask"].attrs["method"] == "scl" and "B11" in found["mask"].attrs["reason"]
    assert np.array_equal(found["clear"].values, bare["clear"].values)


def test_methods_agree_with_themselves_and_scl_is_scl() -> None:
    cube = season()
    cube["scl"].values[5] = 3
    stack, _ = stacked(cube)
    loaded = network.load(network.model_folder())
    found = masks(stack, loaded)
    assert set(found) == set(network.METHODS)
    assert (found["scl"][5] == clouds.SHADOW).all() and (found["scl"][6] == clouds.CLEAR).all()
    assert np.array_equal(found["detector"], detect(stack, Levels(**loaded.levels)))


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cube = season()
    tall = xr.concat([cube.assign_coords(y=np.arange(SIDE) + SIDE * n) for n in range(3)], "y").copy(deep=True)
    veil(tall, np.s_[9, 10:50, 3:20], 0.35)
    shade(tall, np.s_[20, 30:60, 3:20], 0.5)
    whole = clouds.refine(tall)["mask"].values
    monkeypatch.setattr("greattit.clouds.mask.STRIP", 7 * LOOKS * SIDE)
    assert np.array_equal(whole, clouds.refine(tall)["mask"].values)


def test_box_is_the_mean_of_the_neighbours() -> None:
    from scipy.ndimage import uniform_filter

    values = np.random.default_rng(1).random((3, 9, 12)).astype(np.float32)
    for size in (3, 7, 15):
        assert np.allclose(box(values, size), uniform_filter(values, (0, size, size), mode="nearest"), atol=1e-6)


def test_a_lone_low_look_is_an_outlier_and_a_harvest_counts_twice_at_most() -> None:
    days = np.arange(0.0, 100.0, 5.0)
    smooth = np.full(20, 0.8)
    assert scores.outliers(smooth, np.ones(20, bool), days) == (0, 16)
    dented = smooth.copy()
    dented[9] = 0.6
    assert scores.outliers(dented, np.ones(20, bool), days) == (1, 16)
    clear = np.ones(20, bool)
    clear[9] = False
    assert scores.outliers(dented, clear, days)[0] == 0
    cut = np.where(days < 50, 0.8, 0.2)
    assert scores.outliers(cut, np.ones(20, bool), days)[0] <= 2


def test_scores_count_what_they_say() -> None:
    truth = np.zeros((2, 4, 4), np.uint8)
    truth[0, :2] = clouds.CLOUD
    mask = np.zeros_like(truth)
    mask[0, 1:3] = clouds.CLOUD
    assert scores.counts(mask, truth, "cloud").tolist() == [[4, 4, 4], [0, 0, 0]]
    told = scores.agreement(scores.counts(mask, truth, "cloud"))
    assert (told["f1"], told["precision"], told["recall"]) == (0.5, 0.5, 0.5)
    assert scores.eaten(scores.lost(mask, truth, np.ones(truth.shape, bool)))["share"] == pytest.approx(
        4 / 24, abs=1e-4
    )


def test_a_simpler_method_wins_a_tie_and_a_greedy_one_never() -> None:
    def one(f1: float, lost: float) -> dict[str, dict[str, float]]:
        return {"cloud": {"f1": f1}, "shadow": {"f1": f1}, "eaten_after_change": {"share": lost}}

    figures = {
        "scl": one(0.7, 0.1),
        "detector": one(0.8, 0.05),
        "network": one(0.803, 0.01),
        "combination": one(0.95, 0.2),
    }
    assert publish.choose(figures) == "detector"
    assert publish.choose({**figures, "detector": one(0.8, 0.11)}) == "network"
    assert publish.choose({name: one(0.5, 0.0) for name in network.METHODS}) == "scl"


@pytest.mark.parametrize("fault", ["bytes", "features", "card", "missing", "serve"])
def test_a_model_that_does_not_fit_its_card_is_refused(tmp_path: Path, fault: str) -> None:
    home = tmp_path / "clouds"
    shutil.copytree(network.model_folder(), home)
    card = yaml.safe_load((home / "card.yaml").read_text("utf-8"))
    if fault == "bytes":
        data = bytearray((home / "weights.safetensors").read_bytes())
        data[-1] ^= 1
        (home / "weights.safetensors").write_bytes(bytes(data))
    elif fault == "missing":
        (home / "weights.safetensors").unlink()
    else:
        edit = {"features": ("input", {**card["input"], "features": list(FEATURES)[::-1]}), "card": ("detector", None)}
        key, value = edit.get(fault, ("serve", "oracle"))
        (home / "card.yaml").write_text(yaml.safe_dump({**card, key: value}), "utf-8")
    with pytest.raises(ModelError):
        clouds.refine(season(), model=home)


def test_the_peer_is_asked_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert not peers.installed()


def test_the_peer_is_given_its_bands_in_order_on_a_large_enough_square(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Mask:
        def __init__(self, picture: np.ndarray, band_order: list[str], product_level: str, **rest: object) -> None:
            asked.append((picture.shape, tuple(band_order), product_level))
            self.csm = (picture[..., :1] > 0.3).astype(np.uint8)

    fake = type("module", (), {"CSmask": Mask})
    monkeypatch.setattr(peers.importlib, "import_module", lambda name: fake)
    cube = season()
    veil(cube, np.s_[7], 0.9)
    stack, _ = stacked(cube)
    mask = peers.ukis_csmask(stack, coarser=2)
    assert (mask[7] == clouds.CLOUD).all() and (np.delete(mask, 7, axis=0) == clouds.CLEAR).all()
    assert asked[0] == ((256, 256, 6), ("blue", "green", "red", "nir", "swir16", "swir22"), "l2a")
    assert isinstance(stack, Stack)
