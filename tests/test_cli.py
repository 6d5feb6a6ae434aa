"""The command line: help is light and written down, errors are one clear line, numbers are the library's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

COMMANDS = ["", "appraise", "demo", "county", "serve", "ingest", "cube info", "cube scenes", "cube check"]
COMMANDS += ["cube picture", "series", "simulate", "train crops", "train vigour", "train clouds", "evaluate crops"]
COMMANDS += ["evaluate walk", "evaluate series", "evaluate clouds", "evaluate patches", "evaluate peers"]
COMMANDS += ["explain", "models", "models show", "models check", "models promote", "models rollback", "models index"]
COMMANDS += ["models export-onnx", "adapt", "label", "delineate", "plots check", "plots claims", "evaluate plots"]
COMMANDS += ["train cut", "train fields", "growth", "yield", "evaluate growth", "evaluate yield", "train yields"]
COMMANDS += ["train canopy", "train cropmodel", "evaluate cropmodel", "evaluate damage", "train damage"]
DEMO = ["appraise", "data/sample_tiles", "--plot", "data/sample_tiles/demo_plot.geojson"]


def run(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "HOME": str(cwd)}
    command = [sys.executable, "-m", "greattit", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment, cwd=cwd)


def test_the_reference_is_what_help_prints() -> None:
    """docs/cli.md; write it anew with `python tests/test_cli.py`."""
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == reference()


def reference() -> str:
    parts = ["# Command line\n\nWhat `--help` prints, command by command.\n"]
    for command in COMMANDS:
        lines = run(*command.split(), "--help").stdout.splitlines()
        text = "\n".join(line.rstrip() for line in lines).strip("\n")
        parts.append(f"## greattit {command}".rstrip() + f"\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["appraise", "nowhere", "--plot", "data/sample_tiles/demo_plot.geojson"], "catalog.json"),
        (["appraise", "data/sample_tiles", "--plot", "nothing.geojson"], "nothing.geojson"),
        (["appraise", "data/sample_tiles", "--plot", "pyproject.toml"], "pyproject.toml"),
        (
            ["appraise", "data/sample_tiles", "--plot", "data/sample_tiles/demo_plot.geojson", "--day", "2001-01-01"],
            "2001",
        ),
        (
            ["appraise", "data/sample_tiles", "--plot", "data/sample_tiles/demo_plot.geojson", "--live-debt", "much"],
            "much",
        ),
        ([*DEMO, "--day", "2023-08-20", "--region", "atlantis"], "atlantis"),
        ([*DEMO, "--day", "2023-08-20", "--out", "README.md"], "README.md"),
        (["evaluate", "crops", "nowhere"], "nowhere"),
        (["ingest", "nowhere", "--store", "x"], "no such folder"),
        (["ingest", "data/sample_tiles", "--store", "x", "--bbox", "1,2,3"], "west,south,east,north"),
        (["ingest", "data/sample_tiles", "--store", "x", "--bands", "B99"], "B99"),
        (["ingest", "data/sample_tiles", "--store", "x", "--area", "README.md"], "README.md"),
        (["ingest", "models", "--store", "x"], "models"),
        (["ingest", "data/sample_tiles", "--store", "models"], "models"),
        (["cube", "info", "data"], "no cube"),
        (["cube", "picture", "nowhere", "--date", "2023-01-01"], "nowhere"),
        ([*DEMO, "--as-of", "ABCDEF"], "no cube"),
        (["evaluate", "walk", "nowhere"], "nowhere"),
        (["train", "vigour", "--data", "nowhere"], "nowhere"),
        (["train", "cut", "--data", "nowhere"], "nowhere"),
        (["train", "fields", "--data", "nowhere"], "nowhere"),
        (["evaluate", "plots", "nowhere"], "nowhere"),
        (["delineate", "nowhere", "--out", "fields.parquet"], "nowhere"),
        (["delineate", "data/sample_tiles", "--out", "fields.txt"], "fields.txt"),
        (["plots", "check", "nowhere.parquet"], "nowhere"),
        (["plots", "claims", "data/sample_tiles", "nothing.geojson"], "nothing.geojson"),
        (["growth", "nowhere", "--plot", "data/sample_tiles/demo_plot.geojson"], "nowhere"),
        (["growth", *DEMO[1:], "--crop", "unobtainium"], "unobtainium"),
        (["yield", "nowhere", "--plot", "data/sample_tiles/demo_plot.geojson"], "nowhere"),
        (["yield", *DEMO[1:], "--prices", "README.md"], "README.md"),
        (["yield", *DEMO[1:], "--weather", "README.md"], "README.md"),
        (["yield", *DEMO[1:], "--model", "models/vigour"], "models/vigour"),
        (["evaluate", "yield", "nowhere"], "nowhere"),
        (["evaluate", "yield", "models"], "measured yields"),
        (["evaluate", "growth", "nowhere"], "nowhere"),
        (["train", "yields", "models", "--out", "x"], "measured yields"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_plot_outside_the_tiles_says_where_they_are(tmp_path: Path) -> None:
    ring = [[10.0, 50.0], [10.01, 50.0], [10.01, 50.01], [10.0, 50.01], [10.0, 50.0]]
    (tmp_path / "p.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    done = run("appraise", str(ROOT / "data" / "sample_tiles"), "--plot", str(tmp_path / "p.geojson"), cwd=tmp_path)
    assert done.returncode == 2 and "outside the tiles" in done.stderr


def test_two_claims_on_the_same_ground_are_refused(tmp_path: Path) -> None:
    drawn = json.loads((ROOT / "data" / "sample_tiles" / "demo_plot.geojson").read_text())
    drawn = drawn["features"][0] if "features" in drawn else drawn
    twice = {"type": "FeatureCollection", "features": [{**drawn, "id": "a"}, {**drawn, "id": "b"}]}
    (tmp_path / "p.geojson").write_text(json.dumps(twice))
    done = run("appraise", str(ROOT / "data" / "sample_tiles"), "--plot", str(tmp_path / "p.geojson"), cwd=tmp_path)
    assert done.returncode == 2 and "plot a, which comes first" in done.stderr


if __name__ == "__main__":
    (ROOT / "docs" / "cli.md").write_text(reference(), "utf-8")
