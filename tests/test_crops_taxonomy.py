"""The tree of crops, the names of two crops in one season, and other people's labels."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greattit.crops import legends, taxonomy
from greattit.errors import DatasetError, PolicyError

CROPS = sorted(taxonomy.crops())
CODES = {
    legend: sorted(legends._coded(legend)[0] | legends._coded(legend)[1]) for legend in ("hcat", "worldcereal", "icc")
}
crop = st.sampled_from(CROPS)
part = st.sampled_from([name for name in CROPS if taxonomy.crops()[name]["parent"] and name != "double_crop"])
pair = st.tuples(part, part).filter(lambda both: any(map(taxonomy.is_crop, both)))
double = pair.map(lambda both: f"double_{both[0]}_{both[1]}")


@given(crop)
def test_every_crop_hangs_on_a_root_and_has_both_names(name: str) -> None:
    line = (name, *taxonomy.ancestors(name))
    assert line[-1] in ("crop", "cover")
    assert len(set(line)) == len(line)
    assert taxonomy.name(name, "en") and taxonomy.name(name, "zh")
    assert taxonomy.is_crop(name) == (line[-1] == "crop")


@given(crop | double, crop | double, crop | double)
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


@given(pair)
def test_two_crops_in_one_season_are_known_by_rule(both: tuple[str, str]) -> None:
    name = f"double_{both[0]}_{both[1]}"
    assert taxonomy.known(name)
    assert taxonomy.ancestors(name) == ("double_crop", "crop")
    assert taxonomy.house_name(name) == name
    assert taxonomy.is_crop(name)
    assert taxonomy.agrees(name, "double_crop") and taxonomy.agrees(name, "crop")
    assert not taxonomy.agrees("double_crop", name)
    for language, between in (("en", " then "), ("zh", "—")):
        assert taxonomy.name(name, language) == between.join(taxonomy.name(one, language) for one in both)


@pytest.mark.parametrize(
    ("name", "both"),
    [
        ("double_wheat_rice", ("wheat", "rice")),
        ("double_winter_wheat_sweet_potato", ("winter_wheat", "sweet_potato")),
        ("double_early_rice_late_rice", ("early_rice", "late_rice")),
        ("double_wheat_other", ("wheat", "other_crop")),
        ("double_wheat_other_legume", ("wheat", "other_legume")),
        ("double_wheat_soy", ("wheat", "soybean")),
        ("double_wheat_broom", ("wheat", "broomcorn")),
        ("double_crotalaria_cotton", ("crotalaria", "cotton")),
        ("double_crop", ()),
        ("double_", ()),
        ("double_wheat", ()),
        ("double_wheat_", ()),
        ("double_wheat_unobtainium", ()),
        ("double_forest_water", ()),
        ("double_wheat_crop", ()),
        ("double_wheat_double_rice_maize", ()),
        ("wheat", ()),
    ],
)
def test_a_double_name_is_parted_at_the_longest_first_crop(name: str, both: tuple[str, ...]) -> None:
    assert taxonomy.parts(name) == both
    assert taxonomy.known(name) == (bool(both) or name in CROPS)


@pytest.mark.parametrize(
    ("called", "label", "right"),
    [
        ("double_winter_wheat_rice", "double_wheat_rice", True),
        ("double_wheat_rice", "double_winter_wheat_rice", False),
        ("double_wheat_rice", "double_rice_wheat", False),
        ("double_wheat_rice", "wheat", False),
        ("wheat", "double_wheat_rice", False),
        ("double_wheat_cabbage", "double_wheat_vegetables", True),
        ("double_wheat_broom", "double_wheat_sorghum", True),
        ("double_soy_maize", "double_soybean_corn", True),
    ],
)
def test_agreement_of_two_crops(called: str, label: str, right: bool) -> None:
    assert taxonomy.agrees(called, label) is right


def test_names_for_people_of_two_crops() -> None:
    assert taxonomy.name("double_wheat_rice") == "wheat then rice"
    assert taxonomy.name("double_wheat_rice", "zh") == "小麦—水稻"


def test_green_manure_is_not_financed_but_the_crop_beside_it_is() -> None:
    assert not taxonomy.is_crop("crotalaria")
    assert taxonomy.is_crop("double_crotalaria_cotton")
    assert not taxonomy.is_crop("double_fallow_crotalaria")


def test_the_crops_that_a_lender_meets_are_there() -> None:
    wanted = [
        "rice",
        "early_rice",
        "late_rice",
        "single_rice",
        "wheat",
        "winter_wheat",
        "spring_wheat",
        "maize",
        "soybean",
        "rapeseed",
        "peanut",
        "cotton",
        "potato",
        "sweet_potato",
        "sorghum",
        "millet",
        "barley",
        "oats",
        "buckwheat",
        "pea",
        "lentil",
        "sunflower",
        "sugar_beet",
        "sugarcane",
        "tobacco",
        "apple",
        "kiwi",
        "grape",
        "pear",
        "peach",
        "citrus",
        "tea",
        "garlic",
        "onion",
        "vegetable",
        "greenhouse",
        "grassland",
        "fallow",
    ]
    assert [name for name in wanted if not taxonomy.known(name)] == []
    uncoded = {name for name in wanted if not taxonomy.codes(name)}
    assert uncoded == {"early_rice", "late_rice", "single_rice"}


def test_a_code_stands_for_one_crop_and_has_the_form_of_its_legend() -> None:
    seen: dict[tuple[str, str], str] = {}
    for name, leaf in taxonomy.crops().items():
        for kind in ("codes", "narrower"):
            for legend, values in leaf.get(kind, {}).items():
                for code in values:
                    assert isinstance(code, str), (name, code)
                    assert next(legends._chain(code, legend)) == code, (name, code)
                    assert (legend, code) not in seen, (name, code, seen[legend, code])
                    seen[legend, code] = name
    assert len(seen) > 250


def test_the_tree_of_codes_does_not_contradict_the_tree_of_crops() -> None:
    """The crop of a coarser code is never a kind of the crop of a finer one."""
    for legend, codes in CODES.items():
        own, narrower = legends._coded(legend)
        # winter cereal, spring cereal and mixed cropping are numbered below "other", which they are not
        for code in set(codes) - {"", "1910", "1920", "9998"}:
            line = [name for step in legends._chain(code, legend) if (name := own.get(step) or narrower.get(step))]
            for coarse in line[1:]:
                assert coarse == line[0] or not taxonomy.descends(coarse, line[0]), (legend, code, line)


@given(crop)
def test_codes_go_there_and_back(name: str) -> None:
    for legend, values in taxonomy.codes(name).items():
        done = legends.translate(values, legend, strict=True)
        assert set(done.crops) == {name}
        assert not done.coarser
    assert taxonomy.codes("double_wheat_rice") == taxonomy.codes("unobtainium") == {}


@given(crop | double, st.sampled_from(["en", "zh"]))
def test_names_for_people_go_there_and_back(name: str, language: str) -> None:
    said = taxonomy.name(name, language)
    assert legends.translate([said, said.upper(), f"  {said} "], strict=True).crops == (name,) * 3
    assert legends.translate([name.replace("_", " ").title(), name.replace("_", "-")], strict=True).crops == (name,) * 2


@pytest.mark.parametrize(
    ("legend", "label", "crop", "coarser"),
    [
        ("house", "Potatoes", "potato", False),
        ("house", "berries", "berry", False),
        ("house", "土豆", "potato", False),
        ("house", "白菜", "cabbage", False),
        ("house", "double_wheat_soy", "double_wheat_soybean", False),
        ("hcat", 3301010101, "winter_wheat", False),
        ("hcat", 3301010101.0, "winter_wheat", False),
        ("hcat", "3301010101.0", "winter_wheat", False),
        ("hcat", " 3301010201 ", "winter_wheat", True),  # winter durum
        ("hcat", "3301010302", "rye", True),  # spring rye
        ("hcat", "3301140200", "fruit_vegetable", True),  # honeydew, by the cucurbits
        ("hcat", "3303050000", "crop", True),  # olives
        ("hcat", "3307000000", None, False),  # peat
        ("hcat", "3399000000", None, False),  # not known and other
        ("hcat", "wheat", None, False),
        ("worldcereal", 1110, "winter_wheat", False),
        ("worldcereal", "11-01-01-000-1", "winter_wheat", False),
        ("worldcereal", "1101010001", "winter_wheat", False),
        ("worldcereal", "11-01-01-002-1", "winter_wheat", True),  # winter durum
        ("worldcereal", "1620", "rye", True),  # spring rye
        ("worldcereal", "1910", "cereal", True),  # winter cereal
        ("worldcereal", "9998", "crop", True),  # mixed cropping
        ("worldcereal", 11, "crop", True),  # annual cropland
        ("worldcereal", 9700, None, False),  # unknown
        ("worldcereal", "00-00-00-000-0", None, False),
        ("icc", "1.01", "wheat", False),
        ("icc", 1.1, "buckwheat", False),
        ("icc", "01.05", "barley", False),
        ("icc", 11, "wheat", False),
        ("icc", "435", "rapeseed", False),
        ("icc", "9.02.01.02", "fibre_crop", True),  # jute
        ("icc", "6", "crop", True),
        ("icc", "0.5", None, False),
    ],
)
def test_labels_of_the_legends(legend: str, label: object, crop: str | None, coarser: bool) -> None:
    done = legends.translate([label], legend)
    assert done.crops == (crop,)
    assert bool(done.coarser) is coarser
    assert bool(done.unknown) is (crop is None)


label = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.integers(0, 9_999_999_999),
    st.floats(),
    st.sampled_from([code for codes in CODES.values() for code in codes]),
    crop,
    double,
)


@settings(deadline=None)
@given(st.lists(label, max_size=30), st.sampled_from(legends.LEGENDS))
def test_translation_loses_no_row(labels: list[object], legend: str) -> None:
    done = legends.translate(labels, legend)
    assert len(done.crops) == len(labels) == sum(done.counts.values())
    assert sum(done.unknown.values()) == done.crops.count(None)
    assert all(name is None or taxonomy.known(name) for name in done.crops)
    assert set(done.table) == set(done.counts) >= set(done.coarser) | set(done.unknown)
    assert done.crops == tuple(legends.translate([one], legend).crops[0] for one in labels)
    assert len(done.lines()) == 1 + len(done.coarser) + len(done.unknown)
    if done.unknown:
        with pytest.raises(DatasetError, match=f"{done.crops.count(None)} of {len(labels)} rows"):
            legends.translate(labels, legend, strict=True)


def test_strict_names_the_labels_and_what_they_may_be() -> None:
    with pytest.raises(DatasetError) as caught:
        legends.translate(["wheet", "wheet", "wheat", None, math.nan], strict=True)
    assert "4 of 5 rows" in caught.value.what
    assert "wheet (2)" in caught.value.what and "empty (2)" in caught.value.what
    assert "wheet is perhaps wheat" in caught.value.remedy


def test_the_report_says_what_was_lost_and_why() -> None:
    done = legends.translate(["3301010201", "3301010101", "3301010101", "peat"], "hcat")
    assert done.counts == {"3301010101": 2, "3301010201": 1, "peat": 1}
    assert done.coarser == {"3301010201": "winter_wheat"}
    assert done.lines() == [
        "3 of 4 rows translated by hcat",
        "3301010201: 1 rows taken coarser, as winter_wheat",
        "peat: 1 rows unknown",
    ]
    assert "may be no crop at all" in legends.translate(["other"]).lines()[1]


CSV = "label,crop\n7,小麦\nBLE dur,durum\n".replace("durum", "winter wheat")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", CSV),
        ("own.csv", "\ufeff" + CSV.replace(",", ";")),
        ("own.csv", CSV.replace(",", "\t").replace("\n", "\r\n")),
        ("own.yaml", "7: wheat\nBLE dur: winter_wheat\n"),
        ("own.yml", json.dumps([{"label": 7, "crop": "wheat"}, {"label": "BLE dur", "crop": "winter_wheat"}])),
    ],
)
def test_a_legend_of_ones_own(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode())
    done = legends.translate([7, 7.0, "ble dur", "8"], file)
    assert done.crops == ("wheat", "wheat", "winter_wheat", None)
    with pytest.raises(DatasetError, match=r"1 of 4 rows.*8 \(1\)"):
        legends.translate([7, 7.0, "ble dur", "8"], str(file), strict=True)


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("own.csv", b"label,crop\n7,wheet\n", "no crop 'wheet' .did you mean wheat"),
        ("own.csv", b"code,name\n7,wheat\n", "no column 'label'"),
        ("own.csv", b"label,crop\n7,wheat\n7,maize\n", "7 stands twice"),
        ("own.csv", b"label,crop\n", "is empty"),
        ("own.csv", "label,crop\n7,小麦\n".encode("gbk"), "cannot be read"),
        ("own.yaml", b"7: [wheat", "cannot be read"),
        ("own.yaml", b"7", "cannot be read"),
        ("own.yaml", b"", "is empty"),
    ],
)
def test_a_spoilt_legend_is_refused(tmp_path: Path, name: str, raw: bytes, says: str) -> None:
    file = tmp_path / name
    file.write_bytes(raw)
    with pytest.raises(DatasetError, match=says):
        legends.translate([7], file)


def test_a_legend_that_is_not_there_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"there is no legend 'eurocrops'.*house, hcat, worldcereal, icc"):
        legends.translate(["wheat"], "eurocrops")


@pytest.mark.parametrize("legend", ["hcat", "worldcereal"])
def test_a_column_of_codes_is_recognised(legend: str) -> None:
    values = [code for name in CROPS for code in taxonomy.codes(name).get(legend, ()) if len(code) > 3]
    assert legends.guess_legend(values) == legend
    assert legends.guess_legend([*values, *["strange"] * (len(values) // 2)]) == legend


def test_a_column_of_names_or_dotted_codes_is_recognised() -> None:
    assert legends.guess_legend(["Wheat", "玉米", "?", None, None, None]) == "house"
    assert legends.guess_legend([1.01, 4.03, "9.02.01.01"]) == "icc"


@pytest.mark.parametrize("labels", [[], [None], [1, 2, 3, 11, 12], ["a", "b", "wheat"]])
def test_what_may_be_anything_is_not_guessed(labels: list[Any]) -> None:
    with pytest.raises(DatasetError, match="no legend knows half"):
        legends.guess_legend(labels)


def test_seasons_are_found_under_the_nearest_coarser_crop() -> None:
    window = taxonomy.windows("winter_wheat", "north_china_plain")
    assert window is not None and window.crop == "wheat"
    assert window.sowing == (274, 304) and window.harvest == (145, 171)
    assert taxonomy.windows("tea", "ukraine") is None
    for place in ("ukraine", "us_corn_belt", "india_rabi", "india_kharif", "brazil_mato_grosso", "uzbekistan"):
        assert len(taxonomy.seasons(place)) >= 3
    with pytest.raises(PolicyError, match="no such place"):
        taxonomy.seasons("atlantis")


@pytest.mark.shared
def test_all_names_of_the_shared_series_are_known_or_it_is_said_why_not(shared_data: Path) -> None:
    import pandas as pd

    files = sorted(shared_data.glob("series/*/samples.parquet"))
    names = pd.concat(pd.read_parquet(file, columns=["crop"])["crop"] for file in files)
    done = legends.translate(names)
    assert set(done.unknown) == set(taxonomy.no_crop_names())
    assert not any(taxonomy.known(name) for name in taxonomy.no_crop_names())


@pytest.mark.shared
def test_codes_stand_in_the_legends_they_are_quoted_from(shared_data: Path) -> None:
    folder = shared_data / "tables" / "legends"

    def column(file: str, key: str, delimiter: str = ",") -> set[str]:
        with (folder / file).open(encoding="utf-8-sig", newline="") as lines:
            rows: list[Mapping[str, str]] = list(csv.DictReader(lines, delimiter=delimiter))
        return {row[key] for row in rows}

    four = column("worldcereal_codes.csv", "croptype") | column("worldcereal_codes.csv", "ewoc_code")
    there = {
        "hcat": column("HCAT3.csv", "HCAT3_code"),
        "worldcereal": four | column("worldcereal_class_mappings.csv", "ewoc_code", ";"),
    }
    for legend, known in there.items():
        assert set(CODES[legend]) <= known
        lost = legends.translate(known, legend).unknown
        assert len(lost) <= 12, "of the whole legend little more than what is no crop is unknown"
