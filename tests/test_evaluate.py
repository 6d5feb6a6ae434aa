"""evaluate walk: the contract's figures, bad parcels counted, an unknown label left out."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from greattit.errors import CatalogueError, DatasetError
from greattit.evaluate import as_table, usual_day, walk
from greattit.tiles import open_catalogue

CONTRACT = ("parcels", "decided", "refused", "refusal_reasons", "crop_agreement", "area_median_abs_error")
CONTRACT += ("seconds_per_plot_median", "seconds_per_plot_p95")


@pytest.fixture(scope="module")
def few(sample_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four parcels of the sample tiles, one without a label, and one that is no plot."""
    folder = tmp_path_factory.mktemp("walk") / "tiles"
    shutil.copytree(sample_tiles, folder)
    content = json.loads((folder / "plots.geojson").read_text())
    content["features"] = content["features"][:4]
    content["features"][1]["properties"]["crop"] = None
    content["features"].append({"type": "Feature", "properties": {"crop": "maize"}, "geometry": None})
    (folder / "plots.geojson").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def figures(few: Path) -> dict[str, object]:
    return walk(few, drawings=2, seed=4, day=date(2023, 8, 20))


def test_the_contract_is_kept_and_every_parcel_counts(figures: dict[str, object]) -> None:
    assert all(key in figures for key in CONTRACT)
    assert figures["parcels"] == 5 == figures["decided"] + figures["refused"]  # type: ignore[operator]
    assert sum(figures["refusal_reasons"].values()) == figures["refused"]  # type: ignore[attr-defined]
    assert figures["drawings"] == 8 and len(figures["no_plots"]) == 1  # type: ignore[arg-type]
    json.dumps(figures, allow_nan=False)
    text = as_table(figures)
    assert "crop agreement" in text and "sim-2023" in text


def test_the_same_seed_gives_the_same_figures(few: Path, figures: dict[str, object]) -> None:
    again = walk(few, drawings=2, seed=4, day=date(2023, 8, 20))
    timed = {"seconds_per_plot_median", "seconds_per_plot_p95"}
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in figures.items() if k not in timed}
    other = walk(few, drawings=2, seed=5, day=date(2023, 8, 20))
    assert other["area_median_abs_error"] != figures["area_median_abs_error"]


def test_the_usual_day_is_the_first_of_september(sample_tiles: Path) -> None:
    assert usual_day(open_catalogue(sample_tiles)) == date(2023, 9, 1)


def test_without_parcels_or_catalogue_it_says_so(tmp_path: Path, sample_tiles: Path) -> None:
    with pytest.raises(CatalogueError):
        walk(tmp_path)
    shutil.copytree(sample_tiles, tmp_path / "tiles")
    (tmp_path / "tiles" / "plots.geojson").unlink()
    with pytest.raises(DatasetError, match=r"plots\.geojson"):
        walk(tmp_path / "tiles")
