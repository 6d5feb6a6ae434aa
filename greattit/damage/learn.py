"""The thresholds set on made counties, one after the other, and their card: `learn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from greattit.damage.cases import Case, answer, cases
from greattit.damage.losses import Levels
from greattit.damage.measure import Score, score

TRIED: Mapping[str, Sequence[float]] = {
    "fall": (0.18, 0.22),
    "ripe": (0.72, 0.78, 0.84),
    "before_days": (8.0, 12.0, 16.0),
    "never": (0.75, 0.80),
    "sudden": (0.60, 0.70),
    "spread_days": (6.0, 9.0),
    "short": (0.80, 0.85),
}
"""what is tried of each threshold while the others stand, in this order; the rest stay as in `Levels`"""
MOST_ALARMS = 0.015
"""share of plots that nothing struck which may be told something: well under the 0.05 that must hold elsewhere"""
COST = 10.0
"""what a share of false alarms above that costs, in shares of recall"""


def learn(folder: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Set the thresholds on the made counties of "learn" and "choose", measure them on "held-out", write `card.yaml`.

    `folder` keeps the counties between runs. Needs the development tool prosail where they are not there yet.
    """
    own = [*cases("learn", folder, Levels()), *cases("choose", folder, Levels())]
    levels = search(own, say)
    told = score(own, {"damage": lambda case: answer(case, levels)})["damage"]
    held = score(cases("held-out", folder, levels), {"damage": lambda case: answer(case, levels)})["damage"]
    return write(out, levels, _right(own, levels), {"learn and choose": told, "held-out": held})


def search(many: Sequence[Case], say: Callable[[str], None] = lambda _: None) -> Levels:
    """Return the thresholds that tell most kinds right, at a cost for false alarms; one pass, each in its turn."""
    best = Levels()
    top = _worth(many, best)
    for name, values in TRIED.items():
        for value in values:
            one = replace(best, **{name: value})
            worth = top if one == best else _worth(many, one)
            if worth > top + 1e-9:
                best, top = one, worth
        say(f"{name} {getattr(best, name)}: {top:.4f}")
    return best


def _worth(many: Sequence[Case], levels: Levels) -> float:
    found = Score()
    for case in many:
        found.add(case, answer(case, levels))
    figures = found.figures()
    by_kind = [one["recall"] for one in figures["kinds"].values() if one["struck"]]
    return float(sum(by_kind) / len(by_kind) - COST * max(0.0, figures["false_alarms"] - MOST_ALARMS))


def _right(many: Sequence[Case], levels: Levels) -> dict[str, float]:
    """Return the share of each kind's findings that were right; of an unknown cause, that something struck the plot."""
    hits: dict[str, list[bool]] = {}
    for case in many:
        for one in answer(case, levels):
            true = case.truth is not None and (not one.cause_known or case.truth.kind == one.kind)
            hits.setdefault(one.kind, []).append(true)
    return {kind: round(sum(ones) / len(ones), 3) for kind, ones in sorted(hits.items())}


def f1(recall: float, alarms: float, struck: int, unstruck: int) -> float:
    """Return the F1 of a kind from its recall and false-alarm share among struck and unstruck plots."""
    hit, false = recall * struck, alarms * unstruck
    return round(2 * hit / max(2 * hit + false + (struck - hit), 1e-9), 4)


def write(out: Path, levels: Levels, right: Mapping[str, float], measured: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write the card whole or not at all; return its path."""
    import yaml

    figures = {}
    for purpose, one in measured.items():
        kinds = {
            kind: {
                "f1": f1(v["recall"], v["false_alarms"] or 0.0, v["struck"], one["unstruck"]),
                **{key: v[key] for key in ("struck", "recall", "false_alarms")},
            }
            for kind, v in one["kinds"].items()
            if v["struck"]
        }
        whole = {
            "f1": f1(one["recall"], one["false_alarms"], one["struck"], one["unstruck"]),
            **{key: one[key] for key in ("struck", "unstruck", "recall", "recall_interval")},
            **{key: one[key] for key in ("false_alarms", "false_alarms_interval", "day_median_off", "share_error")},
        }
        figures[f"made counties, {purpose}"] = {"all kinds": whole, **kinds}
    content = {
        "name": "damage",
        "what": "Thresholds that tell what struck a plot from its series, its pixels, its neighbours and the weather",
        "levels": {key: float(value) for key, value in asdict(levels).items()},
        "right": dict(right),
        "figures": figures,
        "training": {
            "sets": {
                name: {
                    "licence": "Apache-2.0",
                    "attribution": f"Great Tit, made counties of simulate/recipes/{name}.yaml",
                    "simulated": True,
                }
                for name in ("damage-learn", "damage-choose")
            }
        },
        "limits": "Set and measured on made counties: canopy light by PROSAIL, clouds, soils and blows are "
        "simulated. The counties held out have other crops, days, strengths, clouds and seeds, and the same "
        "simulator. No real field with a known damage was at hand; on real fields only false alarms could be counted.",
        "made_by": "greattit train damage",
    }
    out.mkdir(parents=True, exist_ok=True)
    draft = out / "card.yaml.part"
    draft.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), "utf-8")
    return draft.replace(out / "card.yaml")
