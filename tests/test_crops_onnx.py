"""The ONNX form of the shipped crop model: the same logits as torch, and a file that says what it is."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from greattit import crops
from greattit.appraisal import season
from greattit.commands.serving import export_onnx
from greattit.crops import onnx, prepare
from greattit.crops.model import load
from greattit.errors import ModelError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

app = typer.Typer()
app.command()(export_onnx)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx.export(crops.model_folder(), tmp_path_factory.mktemp("onnx") / "crops.onnx")


def prepared(sample_tiles: Path) -> np.ndarray:
    """Inputs of real form: fields of the sample tiles at five days of their season."""
    from greattit import plots, series
    from greattit.tiles import open_catalogue

    catalogue = open_catalogue(sample_tiles)
    plot = plots.load(sample_tiles / "demo_plot.geojson")[0]
    cube = season(catalogue, plot, date(2023, 9, 30))
    looks = series.gather(plots.cut(plot, cube), cube)
    grid = load(crops.model_folder()).card.grid
    days = [date(2023, month, 20) for month in range(5, 10)]
    return np.stack([prepare.prepare(looks, grid, day=day, least_clear=0.5) for day in days])


def test_prepared_seasons_have_the_logits_of_torch(file: Path, sample_tiles: Path) -> None:
    inputs = prepared(sample_tiles)
    mean, members = onnx.logits(file, inputs)
    expected = load(crops.model_folder()).logits(inputs)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(members, expected, atol=1e-4)
    np.testing.assert_allclose(mean, expected.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("size", [1, 1000])
def test_any_number_of_plots_has_the_logits_of_torch(file: Path, size: int) -> None:
    model = load(crops.model_folder())
    grid = model.card.grid
    inputs = np.random.default_rng(size).normal(size=(size, 2 * len(grid.channels), grid.steps)).astype(np.float32)
    mean, members = onnx.logits(file, inputs)
    expected = model.logits(inputs, size=min(size, 250))
    assert members.shape == (len(model.networks), size, len(model.card.classes))
    np.testing.assert_allclose(members, expected, atol=1e-4)
    np.testing.assert_allclose(mean, expected.mean(axis=0), atol=1e-4)


def test_the_file_says_what_it_is_and_that_suffices_for_probabilities(file: Path) -> None:
    model, known = load(crops.model_folder()), onnx.described(file)
    assert known["name"] == model.card.name
    assert known["weights_sha256"] == model.card.sha256
    assert known["classes"] == list(model.card.classes)
    assert prepare.Grid(**{k: tuple(v) if isinstance(v, list) else v for k, v in known["grid"].items()}) == (
        model.card.grid
    )
    inputs = np.zeros((1, 2 * len(model.card.grid.channels), model.card.grid.steps), np.float32)
    raw = onnx.logits(file, inputs)[0] / known["temperature"]
    power = np.exp(raw + np.log(known["default_prior"]) - np.log(known["reference_prior"]))
    expected = model.probabilities(model.logits(inputs).mean(axis=0))
    np.testing.assert_allclose(power / power.sum(), expected, atol=1e-5)


def test_the_same_weights_give_the_same_bytes(file: Path, tmp_path: Path) -> None:
    again = onnx.export(crops.model_folder(), tmp_path / "deep" / "again.onnx")
    assert again.read_bytes() == file.read_bytes()
    assert [one.name for one in again.parent.iterdir()] == ["again.onnx"]


def test_the_command_takes_a_name_and_a_folder(tmp_path: Path) -> None:
    for number, model in enumerate(("crops", str(crops.model_folder()))):
        out = tmp_path / f"{number}.onnx"
        done = CliRunner().invoke(app, [model, "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert out.is_file() and "34 classes" in done.output


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf"needs the package {package}, .*greattit\[onnx\]"):
        onnx.export(crops.model_folder(), tmp_path / "crops.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_no_model_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        onnx.described(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        onnx.described(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match=r"has no card\.yaml"):
        onnx.export(tmp_path, tmp_path / "crops.onnx")
