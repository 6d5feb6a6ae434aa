"""What is measured: water on the real flood chip, false alarms on real seasons, and how scores are counted."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from greattit.commands.damage import evaluate_damage
from greattit.damage import chip, learn, measure, usual_of
from greattit.damage.losses import Levels

app = typer.Typer()
app.command()(evaluate_damage)


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.mark.shared
def test_water_on_the_real_chip(shared_data: Path) -> None:
    told = run(str(shared_data / "flood"), "--json")
    assert told.exit_code == 0, told.output
    rules = json.loads(told.output)["rules"]
    assert rules[chip.SERVES]["iou"] >= 0.80
    assert rules[chip.SERVES]["iou"] > rules["S2: MNDWI > 0"]["iou"] + 0.1
    assert {name[:2] for name in rules} == {"S1", "S2"} and any("S1 and S2" in name for name in rules)
    assert all(len(one["by_block"]) == chip.BLOCKS for one in rules.values())


@pytest.mark.shared
def test_few_alarms_on_real_parcels_without_damage(shared_data: Path) -> None:
    told = run(str(shared_data / "series" / "korea-2021"), "--json")
    assert told.exit_code == 0, told.output
    report = json.loads(told.output)
    assert report["plot_seasons"] > 1000 and report["annual_crops"] > 400
    assert report["alarms"] <= 0.05 and report["alarms_annual"] <= 0.05
    assert all(row["hazards"] for row in report["found"])


def test_what_cannot_be_measured_is_said() -> None:
    told = run("nowhere")
    assert told.exit_code == 2 and "nothing here can be measured" in told.output


def test_a_chip_without_its_radar_is_refused(tmp_path: Path) -> None:
    import rasterio

    with rasterio.open(
        tmp_path / "A_LabelHand.tif",
        "w",
        driver="GTiff",
        width=2,
        height=2,
        count=1,
        dtype="int16",
        crs="EPSG:4326",
        transform=rasterio.Affine(1e-4, 0, 0, 0, -1e-4, 0),
    ) as file:
        file.write(np.ones((1, 2, 2), np.int16))
    told = run(str(tmp_path))
    assert told.exit_code == 2 and "S2Hand" in told.output


def test_scores_count_what_they_say() -> None:
    from greattit.simulate.events import Struck
    from greattit.types import Hazard

    class Case:
        seen = True

        def __init__(self, truth: Struck | None) -> None:
            self.truth = truth

    flood = Struck(1, "flood", 0.5, date(2023, 6, 1), date(2023, 6, 20), 0.9)
    score = measure.Score()
    score.add(Case(flood), [Hazard("flood", 0.4, date(2023, 6, 5), "")])  # type: ignore[arg-type]
    score.add(Case(flood), [Hazard("frost", 1.0, date(2023, 6, 5), "")])  # type: ignore[arg-type]
    score.add(Case(None), [])  # type: ignore[arg-type]
    score.add(Case(None), [Hazard("frost", 1.0, date(2023, 6, 5), "")])  # type: ignore[arg-type]
    found = score.figures()
    assert found["recall"] == 0.5 and found["noticed"] == 1.0 and found["false_alarms"] == 0.5
    assert found["kinds"]["frost"]["false_alarms"] == 0.5 and found["kinds"]["flood"]["false_alarms"] == 0.0
    assert found["day_median_off"] == 4.0 and found["share_error"] == pytest.approx(0.1)
    assert found["confusion"]["flood"] == {"flood": 1, "frost": 1}


def test_f1_of_recall_and_alarms() -> None:
    assert learn.f1(1.0, 0.0, 10, 10) == 1.0
    assert learn.f1(0.5, 0.0, 10, 10) == pytest.approx(0.6667, abs=1e-3)


def test_the_card_that_ships_holds_what_was_measured() -> None:
    import yaml

    from greattit import shipped
    from greattit.damage import card

    folder = shipped.path("models/damage")
    served = card.read(folder)
    assert isinstance(served.levels, Levels) and all(0 <= share <= 1 for share in served.right.values())
    told = yaml.safe_load((folder / "card.yaml").read_text("utf-8"))
    held = told["figures"]["made counties, held-out"]
    assert held["all kinds"]["struck"] >= 200
    assert held["all kinds"]["false_alarms"] <= 0.05
    assert told["training"]["sets"].keys() == {"damage-learn", "damage-choose"}


def test_calendars_of_winter_and_summer_crops() -> None:
    maize, wheat = (usual_of(crop, "flanders", 2018) for crop in ("maize", "winter_wheat"))
    assert maize and maize.sown == date(2018, 4, 15) and maize.harvest_start == date(2018, 9, 15)
    assert wheat and wheat.sown == date(2017, 10, 1)
    assert usual_of("tobacco", "flanders", 2018) is None
