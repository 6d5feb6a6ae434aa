"""The registry: what there is and whether it holds; a candidate serves only when it is no worse; the way back."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from typer.testing import CliRunner

from greattit import registry, shipped
from greattit.commands.registry import models_app
from greattit.errors import GreatTitError, ModelError
from greattit.registry import swap

WEIGHTS, CARD = "weights.safetensors", "card.yaml"
Change = Callable[[dict[str, Any]], None]

NAMES = (
    "canopy",
    "clouds",
    "cropmodel",
    "crops",
    "crops-canada",
    "crops-denmark",
    "crops-india",
    "cut",
    "damage",
    "fields",
    "vigour",
    "yields",
)
"""models that ship"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made installation that ships the real models; no models folder of the user's own."""
    monkeypatch.delenv(shipped.OWN_MODELS, raising=False)
    monkeypatch.setattr(shipped, "_HOMES", (tmp_path / "installed",))
    place = tmp_path / "installed" / "models"
    shutil.copytree(ROOT / "models", place, ignore=shutil.ignore_patterns("previous", ".*"))
    registry.write_index(place)
    return place


@pytest.fixture
def own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(shipped.OWN_MODELS, str(tmp_path / "own"))
    return tmp_path / "own"


def made(home: Path, name: str = "candidate", change: Change = lambda card: None, *, nudge: int = 1) -> Path:
    """A copy of the crops model with other weights that load, and a card that `change` altered."""
    from safetensors.numpy import load, save

    folder = home.parent / name
    shutil.copytree(home / "crops", folder)
    tensors = load((folder / WEIGHTS).read_bytes())
    key = next(key for key in sorted(tensors) if tensors[key].dtype.kind == "f")
    tensors[key] = tensors[key] + nudge
    (folder / WEIGHTS).write_bytes(save(tensors))
    card = yaml.safe_load((folder / CARD).read_text("utf-8"))
    card["weights"]["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    change(card)
    (folder / CARD).write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    return folder


def better(card: dict[str, Any]) -> None:
    card["figures"][first_set(card)]["accuracy"] = 0.99


def worse(card: dict[str, Any]) -> None:
    card["figures"][first_set(card)]["accuracy"] = 0.01


def kept_back(card: dict[str, Any]) -> None:
    card["training"]["sets"]["my-fields"] = {
        "licence": "own fields, not to be passed on",
        "attribution": "the cooperative",
        "ships": False,
        "folds": {},
    }


def first_set(card: dict[str, Any]) -> str:
    return next(name for name, part in card["figures"].items() if isinstance(part, dict) and "accuracy" in part)


def a_set(card: dict[str, Any]) -> dict[str, Any]:
    """A training set of a card."""
    return next(iter(card["training"]["sets"].values()))


def whole(folder: Path) -> str:
    """The sha8 of a model that holds."""
    one = registry.read(folder)
    assert not one.weights_fault, one.weights_fault
    return one.sha8


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(models_app, list(words), env={"COLUMNS": "100"})
    return result.exit_code, result.output


def test_the_index_fits_the_models_that_ship() -> None:
    """models/registry.yaml; write it anew with `greattit models index`."""
    assert registry.index_faults(ROOT / "models") == {}
    assert (ROOT / "models" / "registry.yaml").is_file()


def test_the_index_is_the_same_each_time(home: Path) -> None:
    first = registry.write_index(home).read_bytes()
    assert registry.write_index(home).read_bytes() == first
    entry = yaml.safe_load(first)["crops"]
    assert entry["weights_sha256"] == hashlib.sha256((home / "crops" / WEIGHTS).read_bytes()).hexdigest()
    assert list(entry["licences"]) == sorted(entry["licences"])


def test_the_shipped_models_hold_whatever_form_their_cards_have(home: Path) -> None:
    assert {one.name: one.faults for one in registry.models()} == {name: () for name in NAMES}
    for one in registry.models():
        assert one.training and one.figures and one.serves


def test_everything_fits_a_terminal(home: Path) -> None:
    texts = [run()[1], run("check")[1], *(run("show", name)[1] for name in ("crops", "clouds", "vigour"))]
    for text in texts:
        assert max(len(line) for line in text.splitlines() if str(home) not in line) <= 100
    assert ": accuracy" in texts[0] and "weights as the card says" in texts[0]
    assert "licence: " in texts[2] and "How it was trained" in texts[2]


def test_json_says_the_same(home: Path) -> None:
    listed = json.loads(run("--json")[1])
    assert [one["name"] for one in listed] == list(NAMES)
    shown = json.loads(run("show", "crops", "--json")[1])
    crops = listed[NAMES.index("crops")]
    assert shown["card"]["name"] == shown["title"] and shown["weights_sha256"] == crops["weights_sha256"]
    assert json.loads(run("check", "--json")[1]) == {name: [] for name in NAMES}


def test_an_unknown_name_lists_what_there_is(home: Path) -> None:
    for words in (("show", "nothing"), ("check", "nothing")):
        code, said = run(*words)
        assert code == 2 and f"there are {', '.join(NAMES)}" in said


def test_tampered_weights_are_named(home: Path) -> None:
    weights = home / "crops" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    code, said = run("check", "crops")
    assert code == 1 and "crops: weights.safetensors are not those of the card" in said
    assert "NOT as the card says" in run()[1]
    assert run("check", "vigour")[0] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.pop("made_by"), "does not say made_by"),
        (lambda card: card.pop("figures"), "no figures"),
        (lambda card: card["training"].pop("sets"), "names no training set"),
        (lambda card: a_set(card).pop("licence"), "the card gives no licence"),
        (lambda card: a_set(card).pop("attribution"), "gives no attribution"),
        (lambda card: card["weights"].pop("sha256"), "gives no sha256"),
        (kept_back, "my-fields may not ship"),
    ],
)
def test_an_incomplete_card_is_named(home: Path, change: Change, said: str) -> None:
    card = yaml.safe_load((home / "crops" / CARD).read_text("utf-8"))
    change(card)
    (home / "crops" / CARD).write_text(yaml.safe_dump(card), encoding="utf-8")
    code, told = run("check", "crops")
    assert code == 1 and said in " ".join(told.split())
    assert "registry.yaml has another" in " ".join(told.split())


def test_a_card_that_is_no_card_is_a_fault_and_no_crash(home: Path) -> None:
    (home / "vigour" / CARD).write_text("[: no", encoding="utf-8")
    assert run("check")[0] == 1 and "cannot be read" in run()[1]
    (home / "vigour" / CARD).unlink()
    assert "has no card.yaml" in run("check", "vigour")[1]


def test_a_worse_candidate_is_refused_with_set_figure_and_both_values(home: Path) -> None:
    before = whole(home / "crops")
    candidate = made(home, change=worse)
    data_set = first_set(yaml.safe_load((candidate / CARD).read_text("utf-8")))
    value = registry.get("crops").figures[data_set]["accuracy"]
    with pytest.raises(ModelError) as error:
        registry.promote(candidate)
    assert f"{data_set} accuracy 0.01, the serving model has {value:.4g}" in str(error.value)
    assert whole(home / "crops") == before and not (home / "previous").exists()
    done = registry.promote(candidate, reason="the old one is for another country")
    assert any(pair.worse for pair in done.pairs)
    assert "another country" in (home / "crops" / "promotion.yaml").read_text("utf-8")


def test_a_better_candidate_serves_and_the_old_one_is_kept(home: Path) -> None:
    before = registry.get("crops")
    candidate = made(home, change=better)
    code, said = run("promote", str(candidate))
    assert code == 0, said
    assert whole(home / "crops") == whole(candidate) and "better" in said
    kept = home / "previous" / f"crops-{before.sha8}"
    assert whole(kept) == before.sha8
    assert registry.find(before.weights_sha256) == kept and registry.find(whole(candidate)) == home / "crops"
    assert registry.check() == {name: [] for name in NAMES} | {f"previous/{kept.name}": []}
    assert not list(home.glob(".*")), "nothing is left lying about"


def test_rollback_brings_the_old_one_back_and_keeps_the_new_one(home: Path) -> None:
    first = registry.get("crops")
    second, third = made(home, "second", better), made(home, "third", better, nudge=2)
    registry.promote(second)
    registry.promote(third, reason="no better, but newer")
    assert registry.rollback("crops").sha8 == whole(second)
    assert run("rollback", "crops")[0] == 0
    assert (registry.get("crops").sha8, registry.get("crops").card_sha256) == (first.sha8, first.card_sha256)
    code, said = run("rollback", "crops")
    assert code == 2 and "was not promoted" in said
    assert registry.rollback("crops", to=whole(third)).sha8 == whole(home / "crops") == whole(third)
    with pytest.raises(ModelError, match="no kept model"):
        registry.rollback("crops", to="00000000")
    assert not any(registry.check().values())


def test_a_kept_model_that_was_tampered_with_is_not_brought_back(home: Path) -> None:
    before = registry.get("crops").sha8
    candidate = made(home, change=better)
    registry.promote(candidate)
    (home / "previous" / f"crops-{before}" / WEIGHTS).write_bytes(b"other")
    with pytest.raises(ModelError, match="sha256"):
        registry.rollback("crops")
    assert whole(home / "crops") == whole(candidate)
    assert run("check")[0] == 1


def test_a_recalibrated_card_on_the_same_weights_is_kept_apart(home: Path) -> None:
    first = registry.get("crops")
    for number in (1, 2):
        folder = home.parent / f"calibrated-{number}"
        shutil.copytree(home / "crops", folder)
        card = yaml.safe_load((folder / CARD).read_text("utf-8"))
        card["calibration"]["temperature"] = float(number)
        (folder / CARD).write_text(yaml.safe_dump(card), encoding="utf-8")
        registry.promote(folder)
    assert len(registry.kept("crops")) == 2
    registry.rollback("crops")
    registry.rollback("crops")
    assert registry.get("crops").card_sha256 == first.card_sha256


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("step", range(6))
def test_stopped_at_any_step_one_whole_model_serves(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: int, exchange: bool
) -> None:
    """Whichever rename fails: the old model or the new one is there, whole, and the same command then succeeds."""
    before, candidate = whole(home / "crops"), made(home, change=better)
    count = 0
    true_rename, true_exchange = Path.rename, swap._exchanged

    def counted() -> None:
        nonlocal count
        count += 1
        if count == step + 1:
            raise KeyboardInterrupt

    def rename(self: Path, target: Path) -> Path:
        counted()
        return true_rename(self, target)

    def exchanged(one: Path, other: Path) -> bool:
        if not exchange:
            return False
        counted()
        return true_exchange(one, other)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", rename)
        broken.setattr(swap, "_exchanged", exchanged)
        stopped = False
        try:
            registry.promote(candidate)
        except KeyboardInterrupt:
            stopped = True
    assert stopped == (step < (2 if exchange else 3)), "the steps of a promotion are those that the test knows"
    assert whole(home / "crops") == (before if stopped else whole(candidate))
    assert not list(home.glob(".*")) and not list(home.glob("previous/.*"))
    if stopped:
        registry.promote(candidate)
    assert whole(home / "crops") == whole(candidate) and whole(home / "previous" / f"crops-{before}") == before


def test_rollback_works_where_nothing_serves_any_more(home: Path) -> None:
    before = whole(home / "crops")
    registry.promote(made(home, change=better))
    shutil.rmtree(home / "crops")
    code, said = run("check")
    assert code == 1 and "crops: registry.yaml knows it, and its folder is not there" in said
    registry.rollback("crops")
    assert whole(home / "crops") == before and run("check")[0] == 0


def test_what_does_not_load_or_does_not_hold_is_refused(home: Path) -> None:
    before = whole(home / "crops")

    def strange(card: dict[str, Any]) -> None:
        better(card)
        card["network"]["width"] = 3

    tampered = made(home, "tampered", better)
    (tampered / WEIGHTS).write_bytes(b"not those")
    for folder, said in (
        (made(home, "strange", strange), "do not fit"),
        (tampered, "sha256"),
        (made(home, "careless", lambda card: card.pop("made_by")), "made_by"),
        (home / "crops", "already"),
        (home / "nowhere", "is not a model folder"),
        (made(home, "other", lambda card: card.update(name="weather")), f"say --as with one of {', '.join(NAMES)}"),
    ):
        with pytest.raises(ModelError, match=said):
            registry.promote(folder, reason="I want it")
        assert whole(home / "crops") == before and not (home / "previous").exists()


def test_a_candidate_that_shares_no_data_set_needs_a_reason(home: Path) -> None:
    def elsewhere(card: dict[str, Any]) -> None:
        card["figures"] = {"my-county": {"accuracy": 0.9}}

    candidate = made(home, change=elsewhere)
    with pytest.raises(ModelError, match="nothing compares"):
        registry.promote(candidate)
    assert any("not measured" in note for note in registry.promote(candidate, reason="first here").notes)


def test_data_that_may_not_ship_needs_a_folder_of_ones_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = made(home, change=kept_back)
    with pytest.raises(ModelError, match="may not ship: my-fields"):
        registry.promote(candidate)
    with pytest.raises(ModelError, match=shipped.OWN_MODELS):
        registry.promote(candidate, local=True)
    unsaid = made(home, "unsaid", lambda card: a_set(card).update(licence="not stated"))
    with pytest.raises(ModelError, match=r"may not ship: \S+ \(not stated\)"):
        registry.promote(unsaid)


def test_a_local_model_serves_before_the_shipped_one(own: Path, home: Path) -> None:
    ships, candidate = whole(home / "crops"), made(home, change=kept_back)
    code, said = run("promote", str(candidate), "--local")
    assert code == 0, said
    assert shipped.model("crops") == own / "crops" and whole(own / "crops") == whole(candidate)
    assert whole(home / "crops") == ships and shipped.model("clouds") == home / "clouds"
    assert [(one.place, one.serves) for one in registry.models() if one.name == "crops"] == [
        ("local", True),
        ("shipped", False),
    ]
    assert registry.find(ships) == home / "crops"
    assert not any(registry.check().values())
    again = made(home, "again", lambda card: (kept_back(card), worse(card))[0], nudge=2)
    with pytest.raises(ModelError, match="worse"):
        registry.promote(again, local=True)
    registry.promote(again, local=True, reason="it knows our cassava")
    assert registry.rollback("crops").sha8 == whole(candidate)
    assert registry.rollback("crops").folder == home / "crops" == shipped.model("crops")
    assert {one.sha8 for one in registry.kept("crops")} == {whole(candidate), whole(again)}


def test_a_folder_of_ones_own_that_is_not_there_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shipped.OWN_MODELS, str(home / "typo"))
    with pytest.raises(GreatTitError, match="is not a folder"):
        shipped.model("crops")
    monkeypatch.setenv(shipped.OWN_MODELS, "")
    assert shipped.model("crops") == home / "crops"


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ({"a": {"accuracy": 0.5, "interval": [0.4, 0.6]}}, {"a": {"accuracy": 0.5, "interval": (0.4, 0.6)}}),
        ({"a": {"accuracy": {"value": 0.5, "interval": [0.4, 0.6]}}}, {"a": {"accuracy": 0.5, "interval": (0.4, 0.6)}}),
        ({"out of fold": {"a": {"ece": 0.1}}}, {"out of fold, a": {"ece": 0.1}}),
        ({"what": "text", "a": {"accuracy": None, "macro_f1": float("nan")}}, {}),
        ({"a": {"accuracy": 0.5, "forest": {"accuracy": 0.9}}}, {"a": {"accuracy": 0.5}}),
    ],
)
def test_figures_are_read_leniently(figures: dict[str, Any], found: dict[str, Any]) -> None:
    assert registry.measured({"figures": figures}) == found


def test_less_calibration_error_is_better() -> None:
    pair = registry.compare({"a": {"ece": 0.1}}, {"a": {"ece": 0.2}})[0]
    assert pair.worse and not registry.compare({"a": {"ece": 0.1}}, {"a": {"ece": 0.1}})[0].worse


def test_a_card_cannot_speak_to_the_terminal(home: Path) -> None:
    text = (home / "vigour" / CARD).read_text("utf-8").replace("name: vigour", 'name: "vi\\e[31mgour"')
    (home / "vigour" / CARD).write_text(text, encoding="utf-8")
    assert "\x1b" not in run("show", "vigour")[1] + run()[1]
