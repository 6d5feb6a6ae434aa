"""The canopy: what the network says, where it keeps silent, and how good it is against made truth."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from greattit import canopy, registry
from greattit.canopy import county, measure
from greattit.canopy.retrieve import BANDS, RANGES, TARGETS, load
from greattit.errors import GreatTitError, ModelError
from greattit.types import BANDS as HOUSE_BANDS

MODEL = ROOT / "models" / "canopy"
WHEAT = np.array([0.025, 0.045, 0.025, 0.085, 0.28, 0.38, 0.40, 0.41, 0.19, 0.09])
"""reflectance of a green field in the house's bands"""
SOIL = np.array([0.06, 0.09, 0.12, 0.14, 0.15, 0.17, 0.19, 0.20, 0.28, 0.24])


@pytest.fixture(scope="module")
def looks() -> county.FieldLooks:
    """The fields of the sample county at clear looks, with the leaf area that stood there."""
    return county.field_looks()


@pytest.fixture(scope="module")
def made() -> Any:
    """The room of made spectra, which needs the development tool prosail."""
    pytest.importorskip("prosail")
    from greattit.canopy import made as room

    return room


def named(values: Any) -> np.ndarray[Any, Any]:
    """Values of the network's own bands from those of the house."""
    return np.asarray(values)[..., [HOUSE_BANDS.index(name) for name in BANDS]]


def test_a_green_field_and_bare_soil() -> None:
    green, bare = canopy.retrieve(WHEAT), canopy.retrieve(SOIL)
    assert green.lai.shape == () and 2.0 < float(green.lai) < 6.0
    assert 0.8 < float(green.fapar) < 1.0 and 0.7 < float(green.cover) < 1.0
    assert float(bare.lai) < 0.3 and float(bare.fapar) < 0.15 and float(bare.cover) < 0.1
    assert float(green.lai_sd) > float(bare.lai_sd) > 0.0
    assert green.model == f"canopy {load(MODEL).sha256[:8]}"


def test_shape_and_order_change_nothing() -> None:
    many = np.linspace(SOIL, WHEAT, 12).reshape(3, 4, 10)
    flat, square = canopy.retrieve(many.reshape(12, 10)), canopy.retrieve(many)
    turned = canopy.retrieve(many[..., ::-1], HOUSE_BANDS[::-1])
    for name in (*TARGETS, "lai_sd", "fapar_sd", "cover_sd"):
        assert getattr(square, name).shape == (3, 4)
        assert np.array_equal(getattr(square, name).ravel(), getattr(flat, name))
        assert np.array_equal(getattr(turned, name), getattr(square, name))
    assert (np.diff(flat.lai) > -0.05).all(), "greener is more leaf"


def test_without_a_band_there_is_no_answer() -> None:
    for name in HOUSE_BANDS:
        gone = WHEAT.copy()
        gone[HOUSE_BANDS.index(name)] = np.nan
        told, left = canopy.retrieve(gone), canopy.retrieve(np.delete(WHEAT, HOUSE_BANDS.index(name)),
                                                            tuple(b for b in HOUSE_BANDS if b != name))  # fmt: skip
        for found in (told, left):
            assert np.isnan(found.lai) == np.isnan(found.lai_sd) == (name in BANDS), name
    assert canopy.retrieve(np.empty((0, 10))).lai.shape == (0,)


@pytest.mark.parametrize(
    ("values", "bands"),
    [(WHEAT, HOUSE_BANDS[:4]), (WHEAT, (*HOUSE_BANDS[:9], "red")), (0.3, ("B04",))],
    ids=["too few names", "unknown name", "a single number"],
)
def test_bands_that_do_not_fit_are_refused(values: Any, bands: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match="band") as error:
        canopy.retrieve(values, bands)
    assert "B8A" in error.value.remedy


@pytest.mark.parametrize(
    "spectrum",
    [
        [0.80, 0.79, 0.80, 0.80, 0.81, 0.82, 0.52, 0.40],
        [0.90, 0.90, 0.90, 0.90, 0.88, 0.85, 0.10, 0.06],
        [0.04, 0.03, 0.025, 0.02, 0.02, 0.018, 0.01, 0.008],
        [0.30, 0.32, 0.33, 0.40, 0.42, 0.45, 0.30, 0.22],
        [-0.05] * 8,
        [0.0] * 8,
        [450.0, 250.0, 850.0, 2800.0, 3800.0, 4100.0, 1900.0, 900.0],
        [np.inf, *[0.2] * 7],
    ],
    ids=["cloud", "snow", "water", "thin cloud", "below zero", "nothing", "counts", "infinite"],
)
def test_what_is_unlike_any_canopy_has_no_answer(spectrum: list[float]) -> None:
    found = canopy.retrieve(np.array(spectrum), BANDS)
    assert all(np.isnan(getattr(found, f"{name}{end}")) for name in TARGETS for end in ("", "_sd"))


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, (5, 10), elements=st.floats(-0.2, 1.2) | st.just(np.nan)))
def test_an_answer_is_within_its_range_or_none(values: np.ndarray[Any, Any]) -> None:
    found = canopy.retrieve(values)
    for name, (low, high) in RANGES.items():
        told, doubt = getattr(found, name), getattr(found, f"{name}_sd")
        assert np.array_equal(np.isnan(told), np.isnan(doubt))
        known = np.isfinite(told)
        assert ((told[known] >= low) & (told[known] <= high)).all() and (doubt[known] > 0).all()
        assert not known[np.isnan(named(values)).any(axis=1)].any()


def test_a_hundred_thousand_spectra_take_less_than_a_second() -> None:
    rng = np.random.default_rng(2)
    share = rng.random((100_000, 1))
    values = share * WHEAT + (1 - share) * SOIL + rng.normal(0, 0.004, (100_000, 10))
    canopy.retrieve(values[:10])
    before = time.process_time()
    found = canopy.retrieve(values)
    assert time.process_time() - before < 1.0
    assert np.isfinite(found.lai).mean() > 0.9


# --- measured ---------------------------------------------------------------------------------------------------------


def test_the_regrown_county_is_that_of_the_tiles() -> None:
    import rasterio

    from greattit.simulate import load_recipe
    from greattit.simulate.land import FIRST_FIELD

    plan = load_recipe("sample")
    grown = county._grown(plan, int(plan["county"]["seed"]))
    with rasterio.open(ROOT / "data" / "sample_tiles" / "fields.tif") as file:
        numbers = file.read(1)
    own = grown.land.classes.astype(int)
    assert np.array_equal(np.where(own >= FIRST_FIELD, own - FIRST_FIELD + 1, 0), numbers)


def test_leaf_area_of_the_made_county_as_the_card_says(looks: county.FieldLooks) -> None:
    card = load(MODEL).card["figures"]["made county"]["lai"]
    found = canopy.retrieve(looks.values)
    own = measure.scores(found.lai, found.lai_sd, looks.lai, "lai")
    assert len(np.unique(looks.field)) == card["fields"] > 60 and len(np.unique(looks.day)) > 15
    for figure in ("samples", "rmse", "bias", "accuracy", "answered", "inside_sd"):
        assert own[figure] == pytest.approx(card[figure], abs=2e-3), figure
    assert own["rmse"] < 0.5 < 0.9 * card["rmse_of_ndvi"], "and better than NDVI alone"
    tall = looks.lai > 2.0
    assert abs(np.nanmean(found.lai[tall] - looks.lai[tall])) < 0.4


def test_other_soils_as_the_card_says(made: Any) -> None:
    card = load(MODEL).card["figures"]["made spectra, other soils"]
    held = made.make(600, 77, other=True)
    seen = made.noisy(held.values, np.random.default_rng(7))
    found = canopy.retrieve(seen, BANDS)
    for at, name in enumerate(TARGETS):
        own = measure.scores(getattr(found, name), getattr(found, f"{name}_sd"), held.truth[:, at], name)
        assert own["rmse"] == pytest.approx(card[name]["rmse"], rel=0.2), "other canopies, the same error"
        assert own["rmse"] < card[name]["rmse_of_ndvi"] and 0.55 < own["inside_sd"] < 0.8


def test_scores_by_hand() -> None:
    truth = np.array([1.0, 2.0, 5.0, 4.0])
    told, doubt = np.array([1.4, 1.0, 5.9, np.nan]), np.array([0.5, 0.5, 0.5, np.nan])
    own = measure.scores(told, doubt, truth, "lai")
    assert own["samples"] == 3 and own["answered"] == 0.75
    assert own["rmse"] == round(float(np.sqrt((0.16 + 1.0 + 0.81) / 3)), 4) and own["bias"] == 0.1
    assert own["accuracy"] == 0.6667 and own["inside_sd"] == 0.3333


def test_the_peer_finds_an_exponential_again() -> None:
    red = np.full(200, 0.05)
    near = np.linspace(0.06, 0.5, 200)
    spectra = np.zeros((200, len(BANDS)))
    spectra[:, BANDS.index("B04")], spectra[:, BANDS.index("B8A")] = red, near
    green = (near - red) / (near + red)
    truth = np.stack([0.2 + 0.1 * np.exp(4.0 * green), 0.9 * green, green**2], axis=1)
    told = measure.fit_peer(spectra, truth).tell(spectra)
    assert np.abs(told[:, 0] - truth[:, 0]).max() < 1e-6 and np.abs(told[:, 2] - truth[:, 2]).max() < 0.05


# --- made spectra -----------------------------------------------------------------------------------------------------


def one(**values: float) -> dict[str, float]:
    usual = {
        "lai": 2.0, "crown": 1.0, "angle": 57.0, "hotspot": 0.2, "n": 1.5, "cab": 45.0, "car": 11.0, "cbrown": 0.0,
        "cw": 0.015, "cm": 0.005, "sun": 35.0, "view": 5.0, "between": 90.0, "litter": 0.0, "litter_brown": 0.5,
        "litter_cm": 0.006,
    }  # fmt: skip
    return usual | values


def test_cover_and_light_follow_the_leaf_area(made: Any) -> None:
    soil = np.full(len(made._wavelengths()), 0.15)
    truths = np.array([made.see(one(lai=lai), soil)[1] for lai in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)])
    assert (np.diff(truths, axis=0) > 0).all() and truths[0].tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(truths[:, 2], 1 - np.exp(-0.5 * truths[:, 0]), atol=0.03)
    assert 0.93 < truths[-1, 1] < 1.0, "a dense canopy takes nearly all light and reflects a little"
    low, high = (made.see(one(sun=sun), soil)[1][1] for sun in (20.0, 60.0))
    assert high > low, "a low sun meets more leaves"


def test_gaps_leave_light_and_leaf_area_as_it_is(made: Any) -> None:
    soil = np.full(len(made._wavelengths()), 0.15)
    (closed, whole), (open_, broken) = (made.see(one(crown=crown), soil) for crown in (1.0, 0.5))
    assert broken[0] == whole[0] and broken[1] < whole[1] and broken[2] < whole[2]
    red, near = BANDS.index("B04"), BANDS.index("B8A")
    assert open_[red] > closed[red] and open_[near] < closed[near]
    straw = made.see(one(lai=0.2, litter=1.0), soil)[0]
    assert np.abs(straw - made.see(one(lai=0.2), soil)[0]).max() > 0.03


def test_the_draw_is_that_of_the_table(made: Any) -> None:
    from greattit.canopy import draw

    drawn = draw.draw(4000, np.random.default_rng(1))
    for name, limits in draw.RANGES.items():
        assert drawn[name].min() >= limits.low - 1e-9 and drawn[name].max() <= limits.high + 1e-9
    leafy = drawn["lai"] > 6.0
    assert drawn["angle"][leafy].std() < 0.8 * drawn["angle"][~leafy].std(), "ranges narrow as the leaf area grows"
    assert abs((drawn["lai"] == 0.0).mean() - draw.BARE_SHARE) < 0.02 and drawn["sun"].max() < 72.0
    np.testing.assert_allclose(
        drawn["cw"] / (drawn["cw"] + drawn["cm"]), drawn["relative_water"], err_msg="share of water in fresh mass"
    )
    again = draw.draw(4000, np.random.default_rng(1))
    assert all(np.array_equal(drawn[name], again[name]) for name in drawn)


# --- training and the card --------------------------------------------------------------------------------------------


def test_training_writes_a_model_that_loads_and_is_the_same_again(
    made: Any, tmp_path: Path, looks: county.FieldLooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer import Typer
    from typer.testing import CliRunner

    from greattit.canopy import train
    from greattit.commands.canopy import train_canopy

    monkeypatch.setattr(county, "field_looks", lambda: looks)
    small = train.TrainConfig(spectra=500, held_out=80, hidden=(6,), epochs=3, components=2)
    monkeypatch.setattr(train, "TrainConfig", lambda: small)
    app = Typer()
    app.command()(train_canopy)
    for name in ("one", "two"):
        said = CliRunner().invoke(app, ["--out", str(tmp_path / name)])
        assert said.exit_code == 0, said.output
        assert "made county, lai: RMSE" in said.output
    files = [
        (tmp_path / name / file).read_bytes()
        for file in ("weights.safetensors", "card.yaml")
        for name in ("one", "two")
    ]
    assert files[0] == files[1] and files[2] == files[3], "the same seed gives the same model"
    sheet = registry.read(tmp_path / "one", name="canopy")
    assert sheet.faults == () and "made county, lai" in sheet.figures
    found = canopy.retrieve(looks.values, model=tmp_path / "one")
    assert np.isfinite(found.lai).any() and found.model != canopy.retrieve(WHEAT).model


def test_without_the_development_tool_training_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from greattit.canopy import made as room
    from greattit.simulate import light

    light._prosail.cache_clear()
    room._weights.cache_clear()
    monkeypatch.setitem(sys.modules, "prosail", None)
    with pytest.raises(GreatTitError, match="prosail"):
        room.make(2, 0)
    monkeypatch.undo()
    light._prosail.cache_clear()


def copied(tmp_path: Path, **change: Any) -> Path:
    folder = tmp_path / "canopy"
    shutil.copytree(MODEL, folder)
    card = yaml.safe_load((folder / "card.yaml").read_text("utf-8"))
    card |= change
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder


def test_a_model_that_is_not_its_cards_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(ModelError, match="sha256"):
        load(folder)
    (folder / "weights.safetensors").write_bytes(b"none")
    with pytest.raises(ModelError, match="cannot be used"):
        load(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights\.safetensors"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": {"hidden": [32, 31]}}, "do not fit"),
        ({"network": {"hidden": [32]}}, "do not fit"),
        ({"targets": ["lai", "cover", "fapar"]}, "do not fit"),
        ({"input": {"bands": list(BANDS[::-1])}}, "do not fit"),
        ({"input": None}, "cannot be used"),
        ({"domain": {}}, "cannot be used"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(copied(tmp_path, **change))


def test_the_registry_holds_the_model() -> None:
    sheet = registry.get("canopy")
    assert sheet.faults == () and sheet.training[0].ships
    assert set(sheet.figures) == {"made county, lai", *(f"made spectra, other soils, {name}" for name in TARGETS)}


def test_the_network_file_is_read_once_and_frozen() -> None:
    assert load(MODEL) is load(MODEL)
    with pytest.raises(AttributeError):
        load(MODEL).least = 0.0  # type: ignore[misc]
    assert replace(load(MODEL), least=1e9).least == 1e9
