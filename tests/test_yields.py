"""Yields: the formula by pencil, and its laws."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_fields import DAY, Field

from greattit.yields import estimate, estimate_rows, lookup

LOOKS = st.integers(1, 40)
VIGOUR = st.floats(0.0, 1.0)


def test_the_formula_by_pencil() -> None:
    one = Field(crop="maize", looks=6, vigour=0.8, damage=({"kind": "flood", "share": 0.25},)).yields()[0]
    spread = math.sqrt(0.104**2 + 0.15**2) * math.sqrt(12 / 6)
    assert one.kg_ha.p50 == pytest.approx(10270 * 0.8 * 0.75)
    assert one.kg_ha.p10 == pytest.approx(10270 * 0.8 * 0.75 * math.exp(-1.2816 * spread))
    assert one.kg_ha.p90 == pytest.approx(10270 * 0.8 * 0.75 * math.exp(1.2816 * spread))
    figures = {figure.name: figure.value for figure in one.figures}
    assert figures["mean yield"] == 10270
    assert all(figure.source for figure in one.figures)
    assert "maize in Flanders" in one.basis


@given(looks=LOOKS, more=LOOKS, vigour=VIGOUR)
def test_fewer_looks_widen_and_never_raise_the_low_end(looks: int, more: int, vigour: float) -> None:
    fewer = Field(looks=min(looks, more), vigour=vigour).yields()[0].kg_ha
    many = Field(looks=max(looks, more), vigour=vigour).yields()[0].kg_ha
    assert fewer.p10 <= many.p10
    assert fewer.p90 - fewer.p10 >= many.p90 - many.p10
    assert fewer.p10 <= fewer.p50 <= fewer.p90


@given(weaker=VIGOUR, share=st.floats(0.0, 1.0))
def test_vigour_and_damage_only_lower(weaker: float, share: float) -> None:
    full = Field().yields()[0].kg_ha
    weak = Field(vigour=weaker, damage=({"kind": "flood", "share": share},)).yields()[0].kg_ha
    assert (weak.p10, weak.p50, weak.p90) <= (full.p10, full.p50, full.p90)
    assert Field(vigour=1.7).yields()[0].kg_ha == full


def test_nan_travels_and_never_becomes_zero() -> None:
    assert math.isnan(Field(vigour=math.nan).yields()[0].kg_ha.p10)
    assert math.isnan(Field(damage=({"kind": "flood", "share": math.nan},)).yields()[0].kg_ha.p50)


def test_nothing_seen_nowhere_or_no_call_gives_no_yield() -> None:
    assert Field(looks=0).yields() == ()
    assert Field(region=None).yields() == ()
    assert Field(crop=None, likely=("maize",), abstained="too dark").yields() == ()
    assert Field(day=date(2016, 9, 1)).yields() == (), "no figure was in force yet"


def test_one_yield_for_each_likely_crop_that_has_a_figure() -> None:
    likely = ("maize", "forest", "sorghum", "potato")
    assert [one.crop for one in Field(likely=likely).yields()] == ["maize", "potato"]


def test_a_crop_without_its_own_row_uses_its_parents() -> None:
    winter = lookup("winter_wheat", "mean", book="yields", branch=("regions", "flanders"), day=DAY)
    assert winter is not None
    assert winter.path.endswith("wheat/mean")
    assert lookup("nonsense", "mean", book="yields", branch=("regions", "flanders"), day=DAY) is None
    assert "(as wheat)" in Field(crop="winter_wheat").yields()[0].basis


def test_figures_published_later_are_not_used_earlier() -> None:
    early, late = Field(day=date(2018, 9, 1)), Field(day=date(2023, 9, 1))
    assert early.yields()[0].figures[0].value == 10270
    assert late.yields()[0].figures[0].value == 9130
    assert estimate(early.call(), early.growth(), region="flanders", day=date(2018, 12, 31)) == early.yields()
    assert replace(late).yields() == late.yields()


def test_many_plots_at_once_are_told_as_one_by_one() -> None:
    crops = ["maize", "potato", "winter_wheat", "kiwi", "forest", "maize", "maize"]
    vigour = np.array([0.8, 1.3, 1.0, 1.0, 1.0, np.nan, 1.0])
    damaged = np.array([0.25, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    looks = np.array([6.0, 30.0, 12.0, 12.0, 12.0, 12.0, 0.0])
    rows = estimate_rows(crops, vigour=vigour, damaged=damaged, looks=looks, region="flanders", day=DAY)
    for row, (crop, green, struck, seen) in enumerate(zip(crops, vigour, damaged, looks, strict=True)):
        harm = ({"kind": "flood", "share": float(struck)},) if struck else ()
        field = Field(crop=crop, likely=(crop,), vigour=float(green), looks=int(seen), damage=harm)
        (*alone,) = estimate(field.call(), field.growth(), region="flanders", day=DAY)
        if not alone:
            assert np.isnan(rows[row]).all()
        else:
            one = alone[0].kg_ha
            assert rows[row] == pytest.approx([one.p10, one.p50, one.p90], rel=1e-12, nan_ok=True)
