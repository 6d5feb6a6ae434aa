"""A wheel built from the checkout runs the demo from any folder: models, policy, tiles and page travel in it.

The wheel is put beside the libraries of this environment; `make wheel-check` does it in an empty one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT, timeout=120)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_what_the_walk_needs(site: Path) -> None:
    shipped = site / "greattit" / "_shipped"
    for name in (
        "cli.py",
        "models/crops/weights.safetensors",
        "models/vigour/card.yaml",
        "data/sample_tiles/catalog.json",
    ):
        assert (shipped / name).is_file(), name
    for name in ("policy/credit.yaml", "web/page/index.html", "report/page.html.j2", "county/summary.html.j2"):
        assert (site / "greattit" / name).is_file(), name
    assert not list(site.rglob("test_*.py")) and not list(site.rglob("__pycache__"))


def test_the_demo_runs_from_any_folder(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site), "NO_COLOR": "1"}
    code = "import greattit; print(greattit.__file__)"
    where = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert where.stdout.startswith(str(site))
    command = [sys.executable, "-m", "greattit", "demo", "--out", "here"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=180)
    assert run.returncode == 0, run.stderr[-600:]
    assert "Credit line" in run.stdout and "simulated" in run.stdout
    assert {f.name for f in (tmp_path / "here").iterdir()} == {"appraisal.png", "appraisal.html", "appraisal.json"}
