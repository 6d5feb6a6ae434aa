"""The tree of crops."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greattit.crops import taxonomy
from greattit.errors import PolicyError

CROPS = sorted(taxonomy.crops())
crop = st.sampled_from(CROPS)


@given(crop)
def test_every_crop_hangs_on_a_root_and_has_both_names(name: str) -> None:
    line = (name, *taxonomy.ancestors(name))
    assert line[-1] in ("crop", "cover")
    assert len(set(line)) == len(line)
    assert taxonomy.name(name, "en") and taxonomy.name(name, "zh")
    assert taxonomy.is_crop(name) == (line[-1] == "crop")


@given(crop, crop, crop)
def test_agreement_is_an_order(a: str, b: str, c: str) -> None:
    assert taxonomy.agrees(a, a)
    assert not (a != b and taxonomy.agrees(a, b) and taxonomy.agrees(b, a))
    if taxonomy.agrees(a, b) and taxonomy.agrees(b, c):
        assert taxonomy.agrees(a, c)


@pytest.mark.parametrize(
    ("called", "label", "right"),
    [
        ("winter_wheat", "winter_wheat", True),
        ("winter_wheat", "wheat", True),
        ("wheat", "winter_wheat", False),
        ("spring_wheat", "winter_wheat", False),
        ("alfalfa", "other_legume", True),
        ("soybean", "other_legume", False),
        ("cabbage", "vegetable", True),
        ("rapeseed", "winter_rapeseed", True),
        ("maize", "maize_silage", True),
        ("maize", "a name of another world", False),
    ],
)
def test_agreement(called: str, label: str, right: bool) -> None:
    assert taxonomy.agrees(called, label) is right


def test_covers_and_strangers_are_not_financed() -> None:
    for name in ("forest", "water", "built_up", "fallow", "bare", "greenhouse", "dragonfruit"):
        assert not taxonomy.is_crop(name)
    assert taxonomy.is_crop("winter_rapeseed")


def test_unknown_names_and_days_are_refused() -> None:
    with pytest.raises(PolicyError, match="no such crop"):
        taxonomy.name("dragonfruit")
    with pytest.raises(PolicyError, match="no names in 'fr'"):
        taxonomy.name("maize", "fr")
    with pytest.raises(PolicyError, match="not in force"):
        taxonomy.is_crop("maize", date(1999, 1, 1))


def test_all_names_of_the_shared_series_are_known_or_sequences(shared_data: Path) -> None:
    import pandas as pd

    names: set[str] = set()
    for file in sorted(shared_data.glob("series/*/samples.parquet")):
        names |= set(pd.read_parquet(file, columns=["crop"])["crop"])
    strange = {name for name in names if not taxonomy.known(name) and not name.startswith("double_")}
    assert strange <= {"other", "not_forest", "deforestation", "grape_and_pecan"}
