"""The notebooks run from top to bottom on what ships, and are notebooks."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(notebook: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: matplotlib.pyplot.close("all"))
    found = runpy.run_path(str(notebook))
    assert found["line"].reasons and str(found["line"].limit) in capsys.readouterr().out


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_opens_as_one(notebook: Path) -> None:
    import jupytext

    cells = jupytext.read(notebook)["cells"]
    assert {cell["cell_type"] for cell in cells} == {"code", "markdown"} and len(cells) >= 10
