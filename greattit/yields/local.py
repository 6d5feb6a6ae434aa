"""A model of one's own measured yields: `fit` writes a folder, `load` reads it, `Local.tell` says what a field gives.

The folder holds the harvests it was fitted to and a card. Fitting and telling are the code that `measure` scores: the
method is a naive one unless another passed the gate on unseen places and later years. Nothing of it ships: whose yields
they are decides who may have it.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit import damage, policy
from greattit.crops import taxonomy
from greattit.errors import DatasetError, ModelError
from greattit.types import Figure, Growth, Interval, Series, Yield
from greattit.yields import conformal, folds, measure, methods
from greattit.yields.fields import of_seasons
from greattit.yields.harvests import Harvests, read
from greattit.yields.history import NAIVE, Known

Doubles = NDArray[np.float64]

FILES = ("harvests.npz", "card.json")


@dataclass(frozen=True, eq=False)
class Local:
    """One's own yields and the method that tells others from them."""

    harvests: Harvests
    method: str
    """ "naive_mean", or what passed the gate"""
    residuals: Doubles
    """(row,) [kg/ha] truth less what the method told of the row from the other places; NaN where it told nothing"""
    seasons: NDArray[np.int64]
    """(row, 2) day of the year of the season's start and its length [days]"""
    sha256: str
    """of harvests.npz"""

    def tell(self, crops: tuple[str, ...], looks: Series, growth: Growth, *, day: date) -> tuple[Yield, ...]:
        """Return one yield [kg/ha] for each of `crops` that was harvested here, in their order.

        The naive mean is times vigour (never above 1), any estimate times the undamaged share, and the interval
        widens as the square root of looks enough / looks. Empty when nothing was seen clear.
        """
        if growth.looks < 1:
            return ()
        known = [crop for crop in map(taxonomy.house_name, crops) if (self.harvests.crop == crop).any()]
        return tuple(self._one(crop, looks, growth, day) for crop in known)

    def _one(self, crop: str, looks: Series, growth: Growth, day: date) -> Yield:
        rows = np.flatnonzero(self.harvests.crop == crop)
        start, length = (int(v) for v in np.median(self.seasons[rows], axis=0))
        first = np.datetime64(f"{day.year}-01-01") + (start - 1)
        first = first - 365 if first > np.datetime64(day) else first
        over = np.datetime64(day) >= first + length
        learned = self.method not in NAIVE and over
        middle = self._learned(crop, rows, looks, first, length) if learned else self._mean(rows)
        vigour = 1.0 if learned else min(growth.vigour, 1.0)
        undamaged = 1.0 - min(max((damage.loss(one, day=day) for one in growth.hazards), default=0.0), 1.0)
        enough = float(policy.load("yields").on(day).rule("rules", "looks_enough").value)
        widening = math.sqrt(enough / min(growth.looks, enough))
        seen = np.isfinite(self.residuals)
        away = conformal.offsets(
            self.residuals[seen],
            self.harvests.group[seen],
            self.harvests.kind[seen],
            self.harvests.kind[rows[-1:]],
            before=(self.harvests.yields - self.residuals)[seen],
            now=np.array([middle]),
        )[0]
        told = middle * vigour * undamaged
        low, high = (max(told + float(away[n]) * widening, 0.0) for n in (1, 3))
        what = self.method.replace("_", " ") if learned else "mean"
        source = f"{self.harvests.name} (harvests sha256 {self.sha256[:12]}), {len(rows)} harvests of {crop}"
        formula = "p50 = mean yield x vigour x undamaged share; p10, p90: conformal, widened by sqrt(enough / looks)"
        figures = (
            Figure("mean yield", middle, "kg/ha", f"{what} of {source}"),
            Figure("vigour", vigour, "1", "growth; 1 where the method looked at the season itself"),
            Figure("undamaged share", undamaged, "1", "1 - largest loss of the damages found"),
            Figure("clear looks", float(growth.looks), "looks", "growth: clear looks of the season up to the day"),
            Figure("yield p50", told, "kg/ha", formula),
            Figure("yield p10", low, "kg/ha", formula),
        )
        waits = "" if learned or self.method in NAIVE else f"; {self.method} tells only once the season is over"
        basis = f"The {what} of {source}, times vigour {vigour:.2f} and undamaged share {undamaged:.2f}{waits}"
        return Yield(crop, Interval(low, told, high, "kg/ha"), basis, figures)

    def _mean(self, rows: NDArray[np.intp]) -> float:
        return float(self.harvests.yields[rows].mean())

    def _learned(self, crop: str, rows: NDArray[np.intp], looks: Series, first: np.datetime64, length: int) -> float:
        """Tell one more row by the method, as `measure` does of a place that was never seen."""
        last = rows[-1]
        seen = of_seasons([looks], np.array([first]), np.array([first + length]), self.harvests.lonlat[last : last + 1])
        both = _with_row(self.harvests, crop, int(last), seen)
        learn = np.arange(len(self.harvests))
        return float(methods.tell(self.method, Known(both, learn), "place", np.array([len(self.harvests)]))[0])


def _with_row(harvests: Harvests, crop: str, like: int, seen: tuple[Doubles, tuple[str, ...], Doubles]) -> Harvests:
    values, names, light = seen
    row = np.array([[values[0, names.index(name)] if name in names else np.nan for name in harvests.names]])
    new: dict[str, Any] = {
        "place": "",
        "group": "",
        "region": harvests.region[like],
        "year": harvests.year[like],
        "season": harvests.season[like],
        "crop": crop,
        "yields": np.nan,
        "light": light[0],
    }
    columns: dict[str, Any] = {name: np.append(getattr(harvests, name), value) for name, value in new.items()}
    lonlat = np.vstack([harvests.lonlat, harvests.lonlat[like]])
    return replace(harvests, **columns, lonlat=lonlat, seen=np.vstack([harvests.seen, row]))


def fit(folder: Path, out: Path) -> dict[str, Any]:
    """Fit a model to a folder of fields with measured yields, write it to `out`, and return its card.

    The method is naive unless another passed the gate of `measure.evaluate`. Raises `DatasetError`, and `ModelError`
    when `out` holds something else.
    """
    from greattit.yields.fields import seasons_of

    harvests = read(folder)
    seasons = seasons_of(folder)
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - set(FILES)):
        raise ModelError("the folder holds something else", subject=str(out), remedy="name a new folder")
    report = measure.evaluate(folder)
    gate = report["gate"]["uses"]
    method = "naive_mean" if gate in ("naive", measure.COMBINED) else gate
    residuals = np.full(len(harvests), np.nan)
    for cut in folds.outer(harvests, "place"):
        residuals[cut.tell] = harvests.yields[cut.tell] - _told(harvests, cut.learn, cut.tell, method)
    if not np.isfinite(residuals).any():
        raise DatasetError("has too few places to leave any out", subject=str(folder), remedy="add fields of others")
    shown = report["splits"].get("place", {}).get("methods", {}).get(method, {})
    card = {
        "name": "yields",
        "what": "Measured yields and the method that tells others from them",
        "method": method,
        "gate": report["gate"],
        "metrics": {harvests.name: {"unseen places": shown}},
        "training_data": [harvests.name],
        "licence": "not stated: that of the yields it was fitted to; it stays where they may be",
        "made_by": f"greattit train yields {folder.name}",
    }
    out.mkdir(parents=True, exist_ok=True)
    arrays = {one.name: getattr(harvests, one.name) for one in fields(Harvests) if one.name not in ("name", "notes")}
    draft = out / "harvests.npz.part"
    with draft.open("wb") as file:
        np.savez_compressed(file, **arrays, residuals=residuals, seasons=seasons)
    (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False), "utf-8")
    draft.replace(out / "harvests.npz")
    return card


def _told(harvests: Harvests, learn: NDArray[np.intp], tell: NDArray[np.intp], method: str) -> Doubles:
    known = Known(harvests, learn)
    if method in NAIVE:
        return np.asarray(known.of_others[tell])
    return methods.tell(method, known, "place", tell)


def load(folder: Path) -> Local:
    """Read a folder that `fit` wrote; raise `ModelError` when it is none."""
    try:
        raw = (folder / "harvests.npz").read_bytes()
        card = json.loads((folder / "card.json").read_text("utf-8"))
        with np.load(folder / "harvests.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        residuals, seasons = arrays.pop("residuals"), arrays.pop("seasons")
        arrays["names"] = tuple(str(name) for name in arrays["names"])
        harvests = Harvests(name=card["training_data"][0], **arrays)
        method = str(card["method"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"is no model of yields ({error})", subject=str(folder), remedy="write one with greattit train yields"
        ) from error
    if method not in (*NAIVE, *methods.MODELS, "light_use", "panel"):
        raise ModelError(f"names the method {method}, which is not known", subject=str(folder))
    return Local(harvests, method, residuals, seasons, hashlib.sha256(raw).hexdigest())
