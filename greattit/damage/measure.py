"""How well damage is told: on made counties with known truth, on real seasons, and (see `chip`) on a flood chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from greattit.damage import peers
from greattit.damage.cases import Case, answer, cases, off_days, thinned
from greattit.damage.losses import Levels
from greattit.types import Hazard

Answer = Callable[[Case], tuple[Hazard, ...]]
BOOTSTRAP = 1000
THINNED = (0.7, 0.5, 0.3)
"""shares of the looks that are left under more cloud"""
DAYS_OFF = 10
"""a day told counts as right when it is off by no more"""


@dataclass
class Score:
    """What one method told, gathered case by case."""

    struck: list[tuple[str, bool, bool, bool]] = field(default_factory=list)
    """true kind, told right, told anything, seen"""
    alarms: list[tuple[str, ...]] = field(default_factory=list)
    """kinds told of each plot that nothing struck"""
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    days: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def add(self, case: Case, told: Sequence[Hazard]) -> None:
        """Count one case."""
        names = tuple(one.kind for one in told)
        if case.truth is None:
            self.alarms.append(names)
            for name in names or ("nothing",):
                self.confusion["nothing", name] += 1
            return
        right = [one for one in told if one.kind == case.truth.kind]
        self.struck.append((case.truth.kind, bool(right), bool(told), case.seen))
        for name in [case.truth.kind] if right else (names or ("nothing",)):
            self.confusion[case.truth.kind, name] += 1
        if right:
            self.days.append(off_days(right[0].day, case.truth.day))
            self.shares.append(abs(right[0].share - case.truth.share))

    def figures(self) -> dict[str, Any]:
        """Return the figures, with 95 % intervals over plots."""
        right = np.array([one[1] for one in self.struck], float)
        any_ = np.array([one[2] for one in self.struck], float)
        alarm = np.array([bool(one) for one in self.alarms], float)
        told = sorted({name for one in self.alarms for name in one} | {one[0] for one in self.struck})
        return {
            "struck": len(self.struck),
            "unstruck": len(self.alarms),
            "recall": _mean(right),
            "recall_interval": _interval(right),
            "noticed": _mean(any_),
            "false_alarms": _mean(alarm),
            "false_alarms_interval": _interval(alarm),
            "kinds": {name: self._kind(name) for name in told},
            "day_median_off": float(np.median(self.days)) if self.days else None,
            "day_within_10": _mean(np.array(self.days) <= DAYS_OFF),
            "share_error": _mean(np.array(self.shares)),
            "confusion": {a: {b: n for (x, b), n in sorted(self.confusion.items()) if x == a} for a in _order(self)},
        }

    def _kind(self, name: str) -> dict[str, Any]:
        own = [one for one in self.struck if one[0] == name]
        return {
            "struck": len(own),
            "recall": _mean(np.array([one[1] for one in own], float)),
            "noticed": _mean(np.array([one[2] for one in own], float)),
            "false_alarms": _mean(np.array([name in one for one in self.alarms], float)),
        }


def _order(score: Score) -> list[str]:
    return sorted({a for a, _ in score.confusion})


def _mean(values: np.ndarray) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


def _interval(values: np.ndarray) -> list[float] | None:
    if not len(values):
        return None
    drawn = np.random.default_rng(0).integers(0, len(values), (BOOTSTRAP, len(values)))
    return [round(float(v), 4) for v in np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))]


def score(many: Iterable[Case], methods: Mapping[str, Answer]) -> dict[str, dict[str, Any]]:
    """Return the figures of each method on the same cases."""
    found = {name: Score() for name in methods}
    for case in many:
        for name, told in methods.items():
            found[name].add(case, told(case))
    return {name: one.figures() for name, one in found.items()}


def methods_of(levels: Levels) -> dict[str, Answer]:
    """Return what is measured on made counties: the room with all, less and thinned inputs, and its peers."""
    rng = np.random.default_rng(0)
    found: dict[str, Answer] = {
        "damage": lambda case: answer(case, levels),
        "damage without weather": lambda case: answer(case, levels, weather=False),
        "damage without pixels": lambda case: answer(case, levels, pixel=False),
        "peer: the rules before it": peers.former,
        "peer: NDVI falls by 0.2": peers.naive,
    }
    for share in THINNED:
        found[f"damage, {share:.0%} of the looks"] = lambda case, share=share: answer(  # type: ignore[misc]
            thinned(case, share, rng), levels
        )
    return found


def made_counties(purpose: str, folder: Path, levels: Levels) -> dict[str, Any]:
    """Return the figures on the made counties of a purpose ("held-out" or "learn"), grown where they are not kept."""
    many = list(cases(purpose, folder, levels))
    found = score(many, methods_of(levels))
    own = [case for case in many if case.truth is not None]
    return {
        "source": f"made counties, {purpose}",
        "simulated": True,
        "plots": len(many),
        "crops": dict(sorted(Counter(case.crop for case in many).items())),
        "could_be_seen": _mean(np.array([case.seen for case in own], float)),
        "methods": found,
    }


def table(report: Mapping[str, Any]) -> str:
    """Return a report of made counties as lines for people."""
    lines = [f"{report['source']} (SIMULATED): {report['plots']} plot-seasons"]
    head = f"  {'method':28s}{'right kind':>22s}{'noticed':>9s}{'false alarms':>24s}"
    lines.append(f"{head}{'day off':>9s}{'<=10 d':>8s}{'share':>7s}")
    for name, one in report["methods"].items():
        lines.append(f"  {name:28s}{_line(one)}")
    lines += ["", f"  {'kind':24s}{'struck':>8s}{'right':>8s}{'noticed':>9s}{'false alarms':>14s}"]
    for name, one in report["methods"]["damage"]["kinds"].items():
        lines.append(
            f"  {name:24s}{one['struck']:8d}{_share(one['recall']):>8s}{_share(one['noticed']):>9s}"
            f"{_share(one['false_alarms']):>14s}"
        )
    lines += ["", "  what was (rows) and what was told:"]
    for name, row in report["methods"]["damage"]["confusion"].items():
        told = sorted(row.items(), key=lambda pair: -pair[1])
        lines.append(f"  {name:24s}{', '.join(f'{key} {count}' for key, count in told)}")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _line(one: Mapping[str, Any]) -> str:
    def span(key: str) -> str:
        low, high = one[f"{key}_interval"]
        return f"{_share(one[key])} ({low:.1%}-{high:.1%})"

    off = "-" if one["day_median_off"] is None else f"{one['day_median_off']:.0f} d"
    error = "-" if one["share_error"] is None else f"{one['share_error']:.2f}"
    return (
        f"{span('recall'):>22s}{_share(one['noticed']):>9s}{span('false_alarms'):>24s}{off:>9s}"
        f"{_share(one['day_within_10']):>8s}{error:>7s}"
    )
