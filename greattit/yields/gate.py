"""Which method the chain tells yields by, and on what figures that rests: the card `models/yields`.

The table of policy/yields.yaml serves unless another method was surely nearer to measured yields of the crop on unseen
places and on later years (`measure.evaluate`). `write` makes the card from such reports; `served` reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from greattit import shipped
from greattit.crops import taxonomy
from greattit.errors import ModelError
from greattit.yields.history import NAIVE
from greattit.yields.measure import COMBINED

KEPT = ("samples", "rmse_kg_ha", "r2", "r2_within", "bias", "coverage_80", "coverage_90", "pinball", "skill")
"""Figures of the card."""


@cache
def card() -> dict[str, Any]:
    """Return the card; raise `ModelError` when it does not say what it must."""
    import yaml

    loaded = yaml.safe_load((shipped.model("yields") / "card.yaml").read_text("utf-8"))
    missing = [key for key in ("gate", "figures", "made_by") if not (loaded or {}).get(key)]
    if missing:
        raise ModelError(f"its card lacks {', '.join(missing)}", subject="models/yields")
    return dict(loaded)


def card_sha256() -> str:
    """Return the sha256 of the card."""
    return hashlib.sha256((shipped.model("yields") / "card.yaml").read_bytes()).hexdigest()


def served(crop: str) -> str:
    """Return in a few words why the table tells this crop's yield; raise `ModelError` when the card lets another in.

    What the gate lets in is served by a model of one's own yields (`local`), never by the table.
    """
    near = (taxonomy.house_name(crop), *taxonomy.ancestors(crop))
    told = {name: one for name, one in card()["gate"].items() if set(one["crops"]) & set(near[:2])}
    for name, one in told.items():
        if one["uses"] != "naive":
            raise ModelError(
                f"lets {one['uses']} in for {crop} on {name}, and the table does not know it",
                subject="models/yields",
                remedy="fit a model to those yields with greattit train yields",
            )
    if not told:
        return "no measured yields of it were at hand to try another method"
    return f"no method was surely nearer on unseen places and later years ({', '.join(told)})"


def write(reports: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Write `card.yaml` of the reports of `measure.evaluate` into the folder `out`; return its path."""
    import yaml

    content = {
        "name": "yields",
        "what": "Which method tells yields, and how near each was to measured ones; no weights, the table serves",
        "gate": {
            one["dataset"]: {
                "crops": one["crops"],
                "uses": one["gate"]["uses"],
                "why": one["gate"]["why"],
                "notes": one["notes"],
            }
            for one in reports
        },
        "figures": {one["dataset"]: {split: _kept(found) for split, found in one["splits"].items()} for one in reports},
        "training": {
            "sets": [
                {
                    "name": "policy/yields.yaml",
                    "licence": "public statistics, quoted with their source; FAOSTAT CC BY 4.0",
                    "attribution": "FAO, Statbel, CBS, Statistics Canada, National Bureau of Statistics of China: "
                    "see the references of the file",
                }
            ]
        },
        "measured_on": "the data sets named above; no weight was fitted to any of them",
        "made_by": f"greattit evaluate yield {' '.join(one['dataset'] for one in reports)} --card models/yields",
    }
    out.mkdir(parents=True, exist_ok=True)
    draft = out / "card.yaml.part"
    draft.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120), "utf-8")
    card.cache_clear()
    return draft.rename(out / "card.yaml")


def _kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of the nearest naive method, of the nearest learned one and of the combined one."""
    every = found["methods"]
    learned = min((n for n in every if n not in (*NAIVE, COMBINED)), key=lambda name: every[name]["rmse_kg_ha"])
    out: dict[str, Any] = {"best_naive": found["best_naive"], "best_learned": learned}
    for name in (found["best_naive"], learned, COMBINED):
        one = every[name]
        out[name] = {key: _short(one[key]) for key in KEPT}
        out[name]["interval_95_of_rmse"] = [_short(value) for value in one["rmse_interval_95"]]
    return out


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
