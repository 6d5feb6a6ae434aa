"""Decided numbers: `load(name).on(day)`.

Each file of this folder is a tree of rules. A leaf has `description`, `unit`, `reference` and `values`, keyed by the
day they came into force (the form of openfisca's parameters)::

    advance_rate:
      description: Share of the prudent value of the harvest that is lent
      unit: "1"
      reference: where the figure comes from
      values:
        2015-01-01: 0.5

What is true on a day is what came into force last, on or before it. Before the first day there is no value: the caller
gets a `PolicyError` and the walk a refusal, never a guess.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from greattit.errors import PolicyError


@dataclass(frozen=True)
class Decided:
    """One rule as it stands on a day."""

    value: Any
    """number, text, list or mapping, in `unit`"""
    unit: str
    """unit, "1" for a share"""
    description: str
    """what it is"""
    reference: str
    """publication or decision"""
    since: date
    """the day this value came into force"""
    path: str
    """file and keys, e.g. "credit/advance_rate" """

    @property
    def source(self) -> str:
        """One line for `Figure.source`."""
        return f"policy/{self.path}, in force since {self.since}: {self.reference}"


class View(Mapping[str, "Decided | View"]):
    """The rules of one branch on one day; `view["maize"]["price"]` is a `Decided`."""

    def __init__(self, tree: Mapping[str, Any], day: date, path: str) -> None:
        self._tree, self._day, self._path = tree, day, path

    def __getitem__(self, key: str) -> Decided | View:
        """Return the rule or branch; raise `PolicyError` when it is unknown or not yet in force."""
        path = f"{self._path}/{key}"
        if key not in self._tree:
            raise PolicyError(
                "there is no such rule", subject=f"policy/{path}", remedy="add it to the file with its source"
            )
        node = self._tree[key]
        if "values" not in node:
            return View(node, self._day, path)
        days = [day for day in node["values"] if day <= self._day]
        if not days:
            raise PolicyError(
                f"not in force on {self._day}; its first day is {min(node['values'])}",
                subject=f"policy/{path}",
                remedy="appraise a later day, or add the earlier value with its source",
            )
        since = max(days)
        return Decided(node["values"][since], str(node["unit"]), node["description"], node["reference"], since, path)

    def rule(self, *keys: str) -> Decided:
        """Return the leaf under `keys`."""
        node: Decided | View = self
        for key in keys:
            if isinstance(node, Decided):
                raise PolicyError("is a leaf, not a branch", subject=f"policy/{node.path}")
            node = node[key]
        if isinstance(node, View):
            raise PolicyError("is a branch, not a leaf", subject=f"policy/{node._path}")
        return node

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)

    def __contains__(self, key: object) -> bool:
        return key in self._tree


@dataclass(frozen=True)
class Rules:
    """One policy file."""

    name: str
    """file name without its ending"""
    tree: Mapping[str, Any]
    """as in the file"""
    sha256: str
    """of the file's bytes"""

    def on(self, day: date) -> View:
        """Return the rules as they stand on `day`."""
        return View(self.tree, day, self.name)


@cache
def load(name: str) -> Rules:
    """Read `policy/NAME.yaml`; raise `PolicyError` when there is none."""
    import yaml

    file = files("greattit.policy").joinpath(f"{name}.yaml")
    if not file.is_file():
        raise PolicyError("there is no such policy file", subject=f"policy/{name}.yaml")
    raw = file.read_bytes()
    return Rules(
        name, yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), hashlib.sha256(raw).hexdigest()
    )
