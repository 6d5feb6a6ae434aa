"""The notebooks run from top to bottom on what ships, and are notebooks."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The temporary folder of all notebooks: a later one finds the data set that an earlier one labelled."""
    return str(tmp_path_factory.mktemp("notebooks"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(
    notebook: Path, between: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    drawn: list[int] = []

    def show() -> None:
        drawn.extend(matplotlib.pyplot.get_fignums())
        matplotlib.pyplot.close("all")

    monkeypatch.setattr("matplotlib.pyplot.show", show)
    monkeypatch.setattr(tempfile, "tempdir", between)
    monkeypatch.delenv("GREATTIT_MODELS", raising=False)
    TOLD[notebook.stem](runpy.run_path(str(notebook)), capsys.readouterr().out)
    assert drawn and not matplotlib.pyplot.get_fignums()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_opens_as_one(notebook: Path) -> None:
    import jupytext

    cells = jupytext.read(notebook)["cells"]
    assert {cell["cell_type"] for cell in cells} == {"code", "markdown"} and len(cells) >= 10


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_says_that_its_fields_are_simulated(notebook: Path) -> None:
    import jupytext

    first = next(cell["source"] for cell in jupytext.read(notebook)["cells"] if cell["cell_type"] == "markdown")
    assert "simulated**" in first


def _a_line(found: dict[str, Any], out: str) -> None:
    assert found["line"].reasons and str(found["line"].limit) in out


def _labels(found: dict[str, Any], out: str) -> None:
    assert len(found["samples"]) == found["done"].samples == 81 and found["done"].simulated
    assert found["medians"].index.nunique() == 11 and (found["apart"].to_numpy() == found["apart"].T.to_numpy()).all()
    assert "left out: none" in out


def _retrained(found: dict[str, Any], out: str) -> None:
    before, after = found["before"], found["after"]
    assert before["samples"] == after["samples"] == 81 and after["note"].startswith("81 of 81")
    assert after["accuracy"] > before["accuracy"]
    assert set(found["curve"]["parcels"]) == {20, 40, 60, 81}
    assert found["confusion"].to_numpy().sum() == 81
    assert [len(by_block) for _, by_block, _ in found["compared"].values()] == [81, 99, 99]
    assert found["card"]["weights"]["sha256"][:12] in out


def _calibrated(found: dict[str, Any], out: str) -> None:
    assert 0.75 < found["covered"].mean() <= 1 and found["n"] == 81
    assert found["cost"]["accepted"].is_monotonic_decreasing and found["cost"]["right"].between(0, 1).all()
    called = [call for call in found["judged"] if call.crop]
    assert 0 < len(called) < 81 and min(call.certainty for call in called) >= round(found["level"], 4)
    assert set(found["early"]["day"]) == {120, 160, 200, 240}
    assert "greattit models promote" in out
    assert found["told"].returncode == 0 or found["told"].stderr.startswith("greattit: ")


def _yields(found: dict[str, Any], out: str) -> None:
    assert found["report"]["samples"] == 81 and found["card"]["method"] == "naive_mean"
    assert found["told"].yields[0].kg_ha.p10 < found["told"].yields[0].kg_ha.p50
    assert "81 harvests, 16 left out whole" in out and "maize" in out


TOLD = {
    "01_one_plot": _a_line,
    "02_series": _a_line,
    "03_look_at_labels": _labels,
    "04_retrain": _retrained,
    "05_calibrate": _calibrated,
    "06_yields": _yields,
}
"""of each notebook, what it must have found and told"""
