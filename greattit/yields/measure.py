"""How well yields are told of unseen places and unseen years, beside the naive estimates: `evaluate` and `as_table`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.errors import DatasetError
from greattit.yields import conformal, folds, methods
from greattit.yields.folds import Fold, Rows
from greattit.yields.harvests import Harvests, read
from greattit.yields.history import NAIVE, Known

Doubles = NDArray[np.float64]

COMBINED = "combined"
"""The nearest naive estimate, moved towards the mean of the learned ones by the share that did best (`Mix`); which one
and how far is decided inside what was learned from, never on what it is scored on."""
SHARES = np.linspace(0.0, 1.0, 21)
"""Shares that are tried."""
ROUNDS = 1000
SURE = 0.9
"""The gate asks that a method is nearer than the best naive one in this share of redrawn groups."""


@dataclass(frozen=True)
class Mix:
    """How the combined estimate is made."""

    naive: str
    """the naive method it starts from"""
    share: float
    """0-1: how far it goes towards the mean of the learned ones"""
    weights: Mapping[str, float]
    """learned method -> its weight in that mean; they sum to 1"""

    def learned(self, told: Mapping[str, Doubles]) -> Doubles:
        """Return the weighted mean (row,) of the learned methods."""
        return np.asarray(np.sum([weight * told[name] for name, weight in self.weights.items()], axis=0))

    def of(self, told: Mapping[str, Doubles]) -> Doubles:
        """Return the combined estimate (row,) of what each method told."""
        return np.asarray(told[self.naive] + self.share * (self.learned(told) - told[self.naive]))


def mix(told: Mapping[str, Doubles], truth: Doubles) -> Mix:
    """Return the mix that was nearest: the naive method by absolute error, all else by Huber's loss (1964).

    Both make less of a year or place that broke with all before it than squares would. A learned method weighs as one
    over its loss squared.
    """
    naive = min((name for name in NAIVE if name in told), key=lambda name: float(np.abs(told[name] - truth).mean()))
    bend = 1.5 * float(np.median(np.abs(told[naive] - truth))) + 1e-9

    def loss(values: Doubles) -> float:
        off = np.abs(values - truth)
        return float(np.where(off < bend, off**2, 2.0 * bend * off - bend**2).mean()) + 1e-9

    weights = {name: loss(values) ** -2.0 for name, values in told.items() if name not in NAIVE}
    whole = sum(weights.values())
    weights = {name: weight / whole for name, weight in weights.items()}
    return min((Mix(naive, float(share), weights) for share in SHARES), key=lambda one: loss(one.of(told)))


@dataclass(frozen=True, eq=False)
class Told:
    """What one method told of the rows of a split."""

    middle: Doubles
    """(row,) [kg/ha]"""
    quantiles: Doubles
    """(row, quantile) [kg/ha], of conformal.QUANTILES"""


def evaluate(
    dataset: Path, *, train_on: Path | None = None, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, Any]:
    """Return the figures of the naive and the learned methods on a folder of measured yields (`harvests.read`).

    Without `train_on` each split of `folds.SPLITS` that the data allow is told from the rest of the same data; with
    it, all rows are told from those of the other folder. Keys of each method: samples, rmse_kg_ha, r2, bias (mean of
    told less true), coverage_80, coverage_90, pinball (mean over the quantiles .1, .5, .9) [kg/ha], skill (1 - RMSE /
    RMSE of the best naive method), r2_within (within crop, season and year). The figures at the top are those of
    `combined` on the split that `judged_by` names. Raises `DatasetError`.
    """
    asked = read(dataset)
    report: dict[str, Any] = {"dataset": asked.name, "train_on": None, "crops": sorted(set(asked.crop.tolist()))}
    if train_on is not None:
        learn = read(train_on)
        both, rows, split = _joined(learn, asked)
        report |= {"train_on": learn.name, "notes": [*learn.notes, *asked.notes]}
        parts = {"train_on": _told(both, [rows], split, _counting(progress, "train_on"))}
        harvests = both
    else:
        report["notes"] = list(asked.notes)
        harvests, parts = asked, {}
        for split in folds.SPLITS:
            cuts = folds.outer(asked, split)
            if cuts:
                parts[split] = _told(asked, cuts, split, _counting(progress, split))
        if not parts:
            raise DatasetError("has too few places and years to leave any out", subject=str(dataset))
    report["splits"] = {split: _figures(harvests, told, split) for split, told in parts.items()}
    judged = next(split for split in ("train_on", "place", "year") if split in parts)
    shown = report["splits"][judged]
    report |= {"judged_by": judged, "gate": _gate(report["splits"])}
    naive = {name: shown["methods"][name] for name in NAIVE if name in shown["methods"]}
    figures: dict[str, Any] = shown["methods"][COMBINED]
    return report | figures | {name: naive.get(name) for name in NAIVE}


def _counting(progress: Callable[[str, int, int], None] | None, split: str) -> Callable[[int, int], None]:
    return (lambda done, total: progress(split, done, total)) if progress else (lambda done, total: None)


def _joined(learn: Harvests, asked: Harvests) -> tuple[Harvests, Fold, str]:
    """Lay what is learned from and what is told into one table; the split is place when most places are new."""
    names = tuple(name for name in learn.names if name in asked.names)

    def seen(one: Harvests) -> Doubles:
        return one.seen[:, [one.names.index(name) for name in names]]

    def stack(name: str) -> Any:
        return np.concatenate([getattr(learn, name), getattr(asked, name)])

    keys = ("place", "group", "region", "year", "season", "crop", "lonlat", "yields")
    both = Harvests(
        asked.name,
        **{key: stack(key) for key in keys},
        seen=np.concatenate([seen(learn), seen(asked)]),
        names=names,
        light=stack("light"),
    )
    fold = Fold(np.arange(len(learn)), np.arange(len(learn), len(both)))
    known = np.isin(asked.place, learn.place).mean()
    return both, fold, "place" if known < 0.5 else "forward"


def _told(
    harvests: Harvests, cuts: list[Fold], split: str, count: Callable[[int, int], None]
) -> tuple[Rows, dict[str, Told], list[Mix]]:
    """Return the rows told, what each method told of them, and how the combined estimate was made in each fold."""
    found: dict[str, list[Told]] = {}
    mixes = []
    for number, cut in enumerate(cuts):
        told, made = _one_fold(harvests, cut, split)
        mixes.append(made)
        for name, one in told.items():
            found.setdefault(name, []).append(one)
        count(number + 1, len(cuts))
    joined = {
        name: Told(np.concatenate([p.middle for p in parts]), np.concatenate([p.quantiles for p in parts]))
        for name, parts in found.items()
    }
    return np.concatenate([cut.tell for cut in cuts]), joined, mixes


def _one_fold(harvests: Harvests, cut: Fold, split: str) -> tuple[dict[str, Told], Mix]:
    """Learn each method on a fold and tell; the mix and the intervals come from folds inside what is learned."""
    names = methods.methods_for(harvests)
    ahead = int(harvests.year[cut.tell].max() - harvests.year[cut.learn].max())
    inside = folds.inner(harvests, cut.learn, split, max(ahead, 1))
    rows = np.concatenate([one.tell for one in inside])
    trials = [_tell_all(harvests, one.learn, one.tell, split, names) for one in inside]
    before = {name: np.concatenate([trial[name] for trial in trials]) for name in trials[0]}
    now = _tell_all(harvests, cut.learn, cut.tell, split, names)
    truth, units = harvests.yields[rows], folds.unit(harvests, split)[rows]
    made = mix(before, truth)
    fold = np.repeat(np.arange(len(inside)), [len(one.tell) for one in inside])
    now[COMBINED], before[COMBINED] = made.of(now), _mixed_from_others(before, truth, fold)
    kinds = harvests.kind
    away = {
        name: conformal.offsets(
            truth - before[name], units, kinds[rows], kinds[cut.tell], before=before[name], now=now[name]
        )
        for name in now
    }
    return {name: Told(now[name], np.maximum(now[name][:, None] + away[name], 0.0)) for name in now}, made


def _mixed_from_others(told: Mapping[str, Doubles], truth: Doubles, fold: NDArray[np.intp]) -> Doubles:
    """Return the combined estimate of each row, mixed as the other folds would have it; half way for a lone fold."""
    out = np.empty(len(truth))
    for one in np.unique(fold):
        own = fold == one
        others = {name: values[~own] for name, values in told.items()}
        made = mix(others, truth[~own]) if not own.all() else replace(mix(told, truth), share=0.5)
        out[own] = made.of({name: values[own] for name, values in told.items()})
    return out


def _tell_all(harvests: Harvests, learn: Rows, tell: Rows, split: str, names: tuple[str, ...]) -> dict[str, Doubles]:
    known = Known(harvests, learn)
    naive = {name: values[tell] for name, values in known.naive.items()}
    return naive | {name: methods.tell(name, known, split, tell) for name in names}


def _rmse(told: Doubles, truth: Doubles) -> float:
    return float(np.sqrt(np.mean(np.square(told - truth))))


def _figures(harvests: Harvests, parts: tuple[Rows, dict[str, Told], list[Mix]], split: str) -> dict[str, Any]:
    rows, told, mixes = parts
    truth, units = harvests.yields[rows], folds.unit(harvests, "place" if split == "train_on" else split)[rows]
    within = np.char.add(np.char.add(harvests.kind, "/"), harvests.year.astype(str))[rows]
    best = min(NAIVE, key=lambda name: _rmse(told[name].middle, truth))
    naive = told[best].middle
    out: dict[str, Any] = {}
    for name, one in told.items():
        out[name] = _scores(one, truth, within) | {
            "skill": 1.0 - _rmse(one.middle, truth) / _rmse(naive, truth),
            **_redrawn(one.middle, naive, truth, units),
        }
    starts = [made.naive for made in mixes]
    combined = {
        "from": {name: starts.count(name) for name in dict.fromkeys(starts)},
        "share_learned": float(np.mean([made.share for made in mixes])),
        "weights": {name: float(np.mean([made.weights[name] for made in mixes])) for name in mixes[0].weights},
    }
    return {
        "samples": len(rows),
        "groups": len(np.unique(units)),
        "best_naive": best,
        "combined": combined,
        "methods": out,
    }


def _scores(told: Told, truth: Doubles, within: NDArray[np.str_]) -> dict[str, Any]:
    low, ten, _, ninety, high = told.quantiles.T
    off = told.middle - truth
    number = np.unique(within, return_inverse=True)[1]
    usual = (np.bincount(number, truth) / np.bincount(number))[number]
    losses = [
        np.maximum(q * (truth - v), (q - 1) * (truth - v)) for q, v in ((0.1, ten), (0.5, told.middle), (0.9, ninety))
    ]
    return {
        "samples": len(truth),
        "rmse_kg_ha": _rmse(told.middle, truth),
        "r2": 1.0 - _ratio(np.square(off).sum(), np.square(truth - truth.mean()).sum()),
        "bias": float(off.mean()),
        "coverage_80": float(((truth >= ten) & (truth <= ninety)).mean()),
        "coverage_90": float(((truth >= low) & (truth <= high)).mean()),
        "pinball": float(np.mean(losses)),
        "r2_within": 1.0 - _ratio(np.square(off).sum(), np.square(truth - usual).sum()),
    }


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _redrawn(told: Doubles, naive: Doubles, truth: Doubles, units: NDArray[np.str_]) -> dict[str, Any]:
    """Return 95 % intervals of RMSE and skill, and how often a method is nearer than naive, over redrawn units."""
    number = np.unique(units, return_inverse=True)[1]
    size = int(number.max()) + 1
    own, other, count = (
        np.bincount(number, values, size)
        for values in (np.square(told - truth), np.square(naive - truth), np.ones(len(truth)))
    )
    draws = np.random.default_rng(0).multinomial(size, np.full(size, 1.0 / size), ROUNDS).astype(float)
    mine, theirs = np.sqrt(draws @ own / (draws @ count)), np.sqrt(draws @ other / (draws @ count))
    with np.errstate(invalid="ignore", divide="ignore"):
        skills = 1.0 - mine / theirs
    return {
        "rmse_interval_95": np.quantile(mine, [0.025, 0.975]).tolist(),
        "skill_interval_95": np.nanquantile(skills, [0.025, 0.975]).tolist(),
        "nearer_than_naive": float((skills > 0).mean()),
    }


def _gate(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Say which method the chain may use: naive, unless one is surely nearer on unseen places and on unseen years."""
    if "train_on" in splits:
        return {"uses": "naive", "why": "asked of one set alone, not of one told from another"}
    needed = [split for split in ("place", "forward") if split in splits]
    if len(needed) < 2:
        missing = "years" if "place" in needed else "places"
        return {"uses": "naive", "why": f"there are not enough {missing} to leave any out"}
    names = [name for name in splits["place"]["methods"] if name not in NAIVE]

    def passes(name: str) -> bool:
        return all(splits[one]["methods"][name]["nearer_than_naive"] >= SURE for one in needed)

    able = [name for name in names if passes(name)]
    if not able:
        return {"uses": "naive", "why": "no learned method is surely nearer on unseen places and on later years"}
    best = max(able, key=lambda name: min(splits[one]["methods"][name]["skill"] for one in needed))
    told = ", ".join(f"{one} {splits[one]['methods'][best]['skill']:.1%}" for one in needed)
    return {"uses": best, "why": f"nearer than the best naive method: {told}"}


def as_table(report: Mapping[str, Any]) -> str:
    """Return the figures as lines of text, one table a split."""
    head = f"{report['dataset']}: {', '.join(report['crops'])}"
    lines = [head + (f", learned from {report['train_on']}" if report["train_on"] else "")]
    lines += [f"  {note}" for note in report["notes"]]
    for split, figures in report["splits"].items():
        what = {"place": "unseen places", "year": "unseen years", "forward": "each year from those before it"}
        told = what.get(split, "all rows")
        lines += ["", f"  {told}: {figures['samples']} harvests, {figures['groups']} left out whole"]
        lines.append(
            f"  {'':17s}{'RMSE kg/ha (95 %)':>24s}{'R2':>7s}{'within':>8s}{'bias':>7s}{'80 %':>7s}{'90 %':>7s}"
            f"{'pinball':>9s}{'skill (95 %)':>24s}"
        )
        for name, one in figures["methods"].items():
            low, high = one["rmse_interval_95"]
            least, most = one["skill_interval_95"]
            mark = "*" if name == figures["best_naive"] else " "
            lines.append(
                f" {mark}{name:17s}{one['rmse_kg_ha']:10.0f} ({low:5.0f}-{high:5.0f})"
                f"{one['r2']:7.2f}{one['r2_within']:8.2f}"
                f"{one['bias']:7.0f}{one['coverage_80']:7.1%}{one['coverage_90']:7.1%}{one['pinball']:9.0f}"
                f"{one['skill']:8.1%} ({least:6.1%} to {most:6.1%})"
            )
        start = ", ".join(figures["combined"]["from"])
        share = figures["combined"]["share_learned"]
        lines.append(f"  * nearest naive; combined: from {start}, {share:.0%} of the way to the mean of the learned")
    lines += ["", f"  gate: the chain uses {report['gate']['uses']} ({report['gate']['why']})"]
    return "\n".join(lines)
