"""What an appraisal looks like on paper and on a phone."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_appraisal import FIELD, lonlat, made_appraisal, made_cube, made_parts, made_refusal, made_unseen

from greattit.report import Report, draw, words
from greattit.report.panels import greenness, regional_mean
from greattit.report.scene import draw_scene, look, true_colour
from greattit.types import Figure, Interval, Reason, Series

RECORD = {"line": {"limit": "1850.00"}}


@pytest.fixture(scope="module")
def cube() -> Any:
    return made_cube()


@pytest.fixture(scope="module")
def report(cube: Any, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return draw(made_appraisal(cube), cube, tmp_path_factory.mktemp("report") / "a" / "b", record=RECORD)


class Page(HTMLParser):
    """Collects the text, the addresses and the open tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.addresses, self.open, self.images = "", [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [v for k, v in named.items() if k in ("src", "href", "action", "data", "srcset")]
        if tag == "img":
            self.images.append(named)
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += " " + " ".join(data.split())


def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_files_are_written_whole_and_the_same_again(cube: Any, report: Report, tmp_path: Path) -> None:
    one, two = report, draw(made_appraisal(cube), cube, tmp_path, record=RECORD)
    assert [p.name for p in (one.png, one.html, one.json)] == ["appraisal.png", "appraisal.html", "appraisal.json"]
    for path in (one.png, one.html, one.json):
        assert path.read_bytes() == (two.png.parent / path.name).read_bytes()
    assert struct.unpack(">II", one.png.read_bytes()[16:24]) == (1800, 1272)
    assert json.loads(one.json.read_text()) == RECORD


def test_the_page_says_the_line_its_reasons_and_every_figure(cube: Any, report: Report) -> None:
    appraisal = made_appraisal(cube)
    page = page_of(report.html)
    assert "EUR 1,850.00" in page.words and "15 Dec 2018" in page.words
    for reason in appraisal.line.reasons:
        assert reason.text in page.words
    for _, figure in words.figures(appraisal):
        assert figure.source in page.words
    for text in (*appraisal.warnings, *appraisal.plot.mended, *appraisal.made_with.policy.values()):
        assert text in page.words
    assert words.SIMULATED not in page.words
    assert not page.open


def test_the_area_is_said_in_both_units_with_how_sure_it_is(cube: Any, report: Report) -> None:
    said = page_of(report.html).words
    assert "4.21 ha (63.1 mu)" in said
    assert "nine times in ten between 4.03 and 4.39 ha (60.5 to 65.8 mu); 5.05 ha (75.8 mu) drawn" in said
    segment = made_appraisal(cube).segment
    unsure = replace(segment, area_90_ha=(float("nan"), float("nan")))
    assert words.sure(unsure) == "eight times in ten between 4.08 and 4.34 ha (61.2 to 65.1 mu)"
    nothing = Interval(float("nan"), float("nan"), float("nan"), "ha")
    assert words.sure(replace(unsure, area_ha=nothing)) == "how sure that is cannot be said"
    assert words.area(float("nan")) == "not known"


def test_several_fields_in_one_drawing_stand_on_page_and_picture(cube: Any, report: Report, tmp_path: Path) -> None:
    two = draw(made_parts(cube), cube, tmp_path)
    said = page_of(two.html).words
    assert "The drawing holds 2 fields" in said and "The drawing holds" not in page_of(report.html).words
    assert re.search(r"1 38 % 1\.90 ha \(28\.5 mu\) eight times in ten .* 94 % 2 37 % 1\.87 ha", " ".join(said.split()))
    assert two.png.read_bytes() != report.png.read_bytes()


def test_each_field_is_outlined_and_numbered_on_the_picture(cube: Any) -> None:
    from matplotlib.figure import Figure as Sheet

    ax, alone = Sheet().add_subplot(), Sheet().add_subplot()
    draw_scene(ax, made_parts(cube), cube)
    draw_scene(alone, made_appraisal(cube), cube)
    assert [t.get_text() for t in ax.texts if "%" in t.get_text()] == ["1: 38 %", "2: 37 %"]
    assert not [t for t in alone.texts if "%" in t.get_text()]
    labels = [line.get_label() for line in ax.lines]
    assert labels.count("a field of its own") == 2 and len(ax.lines) == len(alone.lines) + 2
    drawn, found = (next(line for line in ax.lines if line.get_label() == one) for one in ("as drawn", "field found"))
    assert drawn.get_linestyle() == "--" and drawn.get_linewidth() < found.get_linewidth()


def test_the_snapshot_stands_on_the_page_and_on_the_picture(cube: Any, report: Report, tmp_path: Path) -> None:
    appraisal = made_appraisal(cube)
    named = replace(appraisal, made_with=replace(appraisal.made_with, snapshot="8ETB5VJGQEW7J3JZXEY0"))
    again = draw(named, cube, tmp_path)
    assert page_of(again.html).words.count("8ETB5VJGQEW7J3JZXEY0") == 2
    assert again.png.read_bytes() != report.png.read_bytes()
    unnamed = draw(replace(named, made_with=replace(named.made_with, snapshot="")), cube, tmp_path / "folder")
    assert "napshot" not in page_of(unnamed.html).words


def test_nothing_is_loaded_from_elsewhere(report: Report) -> None:
    html = report.html.read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.images) == 5
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert all(image["alt"] for image in page.images)
    assert "url(" not in html and "<script" not in html and "default-src 'none'" in html


def test_simulated_tiles_are_said_to_be_simulated(report: Report, tmp_path: Path) -> None:
    cube = made_cube(simulated=True)
    simulated = draw(made_appraisal(cube), cube, tmp_path)
    assert words.SIMULATED in page_of(simulated.html).words
    assert simulated.png.read_bytes() != report.png.read_bytes()


def test_a_refusal_says_why_and_draws_what_is_known(cube: Any, tmp_path: Path) -> None:
    page = page_of(draw(made_refusal(cube), cube, tmp_path).html)
    assert "No line" in page.words and "a line needs a crop" in page.words
    assert "Flood on 40 % of the plot, first seen 9 Jun 2018" in page.words
    assert len(page.images) == 3


def test_a_plot_never_seen_is_still_a_report(cube: Any, tmp_path: Path) -> None:
    report = draw(made_unseen(cube), cube, tmp_path)
    page = page_of(report.html)
    assert "0 clear looks; at least 6 are needed." in page.words and "not known" in page.words
    assert "nan" not in re.findall(r"\w+", page.words.lower())


def test_a_cube_without_a_clear_look_is_drawn(cube: Any, tmp_path: Path) -> None:
    dark = cube.copy(deep=True)
    dark["clear"][:] = False
    assert look(made_unseen(dark), dark) is None
    assert draw(made_unseen(dark), dark, tmp_path).png.stat().st_size > 10_000


def test_what_a_farmer_wrote_is_escaped(cube: Any, tmp_path: Path) -> None:
    base = made_appraisal(cube)
    nasty = "<script>alert('1')</script>$x^2$ {{ 7 * 7 }}"
    line = replace(base.line, reasons=(Reason("area", nasty, "lowers"),))
    appraisal = replace(base, plot=replace(base.plot, id=nasty), line=line, warnings=(nasty,))
    report = draw(appraisal, cube, tmp_path)
    html = report.html.read_text(encoding="utf-8")
    assert "<script" not in html and "49" not in re.sub(r"base64,[^\"]*", "", html)
    assert Page(html).words.count("alert('1')") >= 3


def test_the_look_shown_is_clear_and_near_the_peak_and_not_after_the_day(cube: Any) -> None:
    appraisal = made_appraisal(cube)
    at = look(appraisal, cube)
    assert at is not None and bool(cube.clear[at].all())
    days = cube.time.values.astype("datetime64[D]")
    whole = [n for n in range(len(days)) if cube.clear.values[n].all()]
    peak = np.datetime64(appraisal.growth.peak)
    assert abs(days[at] - peak) == min(abs(days[n] - peak) for n in whole)
    early = replace(appraisal, day=days[10].item())
    assert look(early, cube) <= 10
    image = true_colour(cube, at)
    assert image.shape == (*cube.clear.shape[1:], 3) and image.min() >= 0 and image.max() <= 1


def test_land_past_the_edge_of_the_tiles_is_not_shown(cube: Any) -> None:
    from matplotlib.figure import Figure

    edge = cube.copy(deep=True)
    for band in ("B02", "B03", "B04", "B08"):
        edge[band].values[:, :, 40:] = np.nan
    edge["clear"].values[:, :, 40:] = False
    ax = Figure().add_subplot()
    heading = draw_scene(ax, made_appraisal(edge), edge)
    assert ax.get_xlim() == pytest.approx((639_998, 640_402)) and ax.get_ylim() == pytest.approx((5_649_638, 5_650_002))
    assert "100 % of the field clear" in heading.note


def test_a_line_that_is_too_small_shows_what_was_too_small(cube: Any) -> None:
    base = made_appraisal(cube)
    line = replace(base.line, refused="too_small_line", rule="", limit=Decimal(0), due=None)
    line = replace(line, figures=(*line.figures, Figure("smallest line", "5000", "EUR", "policy")))
    rungs = words.steps(replace(base, line=line))
    assert [(r.name, r.text, r.kind) for r in rungs[-2:]] == [
        ("Smallest line", "EUR 5,000.00", "floor"),
        ("The line", "No line", "line"),
    ]
    assert not any(r.binds for r in rungs)


def test_steps_lead_from_area_to_line(cube: Any) -> None:
    rungs = words.steps(made_appraisal(cube))
    assert [r.name for r in rungs] == [
        "Area that counts",
        "Yield of maize",
        "Value, middle",
        "Value, prudent (p10)",
        "Advance",
        "Need",
        "Cap",
        "Live debt",
        "The line",
    ]
    assert [r.name for r in rungs if r.binds] == ["Advance"]
    least = min(r.amount for r in rungs if r.kind == "rule")
    owed = sum(r.amount for r in rungs if r.kind == "less")
    assert rungs[-1].amount <= least - owed < rungs[-1].amount + 100


def test_radar_rows_are_no_looks(cube: Any) -> None:
    optical = made_appraisal(cube).series
    both = Series(
        optical.plot_id,
        np.concatenate([optical.dates, optical.dates[:3]]),
        (*optical.bands, "VV"),
        np.block(
            [
                [optical.values, np.full((len(optical.dates), 1), np.nan)],
                [np.full((3, 4), np.nan), np.full((3, 1), -12.0)],
            ]
        ),
        np.concatenate([optical.clear, np.ones(3)]),
    )
    dates, values, _, name = greenness(both)
    assert len(dates) == len(optical.dates) and name == "EVI2"
    np.testing.assert_allclose(values, greenness(optical)[1], rtol=1e-6)
    only_ndvi = Series("p", optical.dates, ("ndvi",), np.full((len(optical.dates), 1), 0.4, np.float32), optical.clear)
    assert greenness(only_ndvi)[3] == "NDVI" and np.allclose(greenness(only_ndvi)[1], 0.4)


def test_numbers_read_well() -> None:
    assert words.number(4.2134) == "4.21" and words.number(12345.6) == "12,346" and words.number(0.0312) == "0.0312"
    assert words.number(float("nan")) == "not known" and words.number("1850.00") == "1,850.00"
    assert words.number("2018-11-01") == "2018-11-01" and words.number(0.0) == "0"
    assert words.crop("sugar_beet") == "Sugar beet" and words.crop(None) == "Unknown"
    assert words.crop("never heard of".replace(" ", "_")) == "Never heard of"


def test_regional_mean_is_found_among_the_figures(cube: Any) -> None:
    maize, potato = made_appraisal(cube).yields
    assert regional_mean(maize) == 10100.0 and regional_mean(potato) is None


def test_fixture_is_a_field_of_its_size() -> None:
    from greattit.plots import area_ha

    assert area_ha(lonlat(FIELD)) == pytest.approx(4.21, abs=0.05)
