"""The server with the real walk behind it: HTTP gives what the library gives, and says what is wrong with a drawing."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from greattit import appraisal, plots
from greattit.errors import CatalogueError
from greattit.tiles import open_catalogue
from greattit.web import create_app

DAY = date(2023, 9, 1)


@pytest.fixture(scope="module")
def client(sample_tiles: Path) -> TestClient:
    try:
        return TestClient(create_app(sample_tiles, day=DAY), raise_server_exceptions=False)
    except CatalogueError:
        pytest.skip("needs data/sample_tiles: greattit simulate data/sample_tiles")


@pytest.fixture(scope="module")
def drawing(sample_tiles: Path, client: TestClient) -> dict[str, Any]:
    """The demo's sloppy drawing, as one Feature."""
    document: dict[str, Any] = json.loads((sample_tiles / "demo_plot.geojson").read_text())
    return document["features"][0] if document["type"] == "FeatureCollection" else document


def with_ring(*ring: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def test_http_gives_the_librarys_figures_to_the_cent(
    client: TestClient, drawing: dict[str, Any], sample_tiles: Path
) -> None:
    catalogue = open_catalogue(sample_tiles)
    (plot,) = plots.load(drawing, near=catalogue.bounds)
    for debt in (Decimal(0), Decimal("125.50")):
        expected = appraisal.as_dict(appraisal.appraise(catalogue, plot, DAY, live_debt=debt))
        answer = client.post(f"/api/appraisals?live_debt={debt}", json=drawing)
        assert answer.status_code == 200
        assert {**answer.json(), "timing": {}} == {**expected, "timing": {}}


def test_an_earlier_day_is_reckoned_as_of_that_day(client: TestClient, drawing: dict[str, Any]) -> None:
    answer = client.post("/api/appraisals?day=2023-06-15", json=drawing).json()
    assert answer["day"] == "2023-06-15"
    assert max(answer["series"]["dates"]) <= "2023-06-15"


def test_swapped_latitude_and_longitude_are_mended_and_said(client: TestClient, drawing: dict[str, Any]) -> None:
    swapped = json.loads(json.dumps(drawing))
    rings = swapped["geometry"]["coordinates"]
    swapped["geometry"]["coordinates"] = [[[y, x] for x, y in ring] for ring in rings]
    right, mended = (client.post("/api/appraisals", json=one).json() for one in (drawing, swapped))
    assert mended["line"] == right["line"]
    assert len(mended["plot"]["mended"]) == len(right["plot"]["mended"]) + 1


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (with_ring((10.0, 45.0), (10.01, 45.0), (10.01, 45.01)), 422, "PlotPlaceError"),
        (with_ring((3.05, 50.835), (3.0501, 50.835), (3.0501, 50.8351)), 422, "PlotShapeError"),
        ({"type": "Point", "coordinates": [3.05, 50.835]}, 422, "PlotShapeError"),
        ({"type": "Polygon", "coordinates": []}, 422, "PlotShapeError"),
        ({"type": "Polygon", "coordinates": "here"}, 422, "PlotShapeError"),
        ({"type": "Nothing"}, 400, "PlotFileError"),
        ({}, 400, "PlotFileError"),
        ({"type": "FeatureCollection", "features": []}, 400, "PlotFileError"),
    ],
)
def test_what_is_wrong_with_a_drawing_is_said(client: TestClient, body: Any, status: int, error: str) -> None:
    answer = client.post("/api/appraisals", json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["what"]
    assert answer.json()["remedy"]


def test_one_field_at_a_time(client: TestClient, drawing: dict[str, Any]) -> None:
    both = {"type": "FeatureCollection", "features": [drawing, drawing]}
    assert "2 plots" in client.post("/api/appraisals", json=both).json()["what"]


def test_a_day_before_the_tiles_is_said(client: TestClient, drawing: dict[str, Any]) -> None:
    answer = client.post("/api/appraisals?day=1999-01-01", json=drawing)
    assert answer.status_code == 422
    assert answer.json()["subject"] == "day"
    assert "2023" in answer.json()["remedy"]


@pytest.mark.shared
def test_a_real_stack_is_shown_and_appraised(shared_data: Path) -> None:
    stack = shared_data / "scenes" / "flanders-2018"
    client = TestClient(create_app(stack, day=date(2018, 9, 1)))
    place = client.get("/api/place").json()
    assert place["simulated"] is False
    assert place["picture"]["days"]
    assert "contains modified Copernicus Sentinel data 2018" in place["attribution"]
    field = json.loads((stack / "plots.geojson").read_text())["features"][1]
    line = client.post("/api/appraisals", json=field).json()["line"]
    assert line["refused"] or Decimal(line["limit"]) > 0
    assert line["reasons"]
