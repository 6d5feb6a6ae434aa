"""The learned methods: each learns how far a harvest strays from what is known of its place, and tells it.

All of them learn the difference to `base`, what is known without looking: of an unknown place the mean of its kind and
year, of a known place the naive estimate that was nearest on the rows learned from. So a method that learns nothing
tells a naive estimate.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.yields.folds import MANY, Rows
from greattit.yields.harvests import Harvests
from greattit.yields.history import Known

Doubles = NDArray[np.float64]

LEAST = 20
"""Fewer rows to learn from teach nothing: the base is told."""
SEED = 0


def base_of(known: Known, split: str) -> Doubles:
    """Return what is known without looking at the season (row,) [kg/ha]; of no row its own yield."""
    if split == "place":
        return known.of_others
    learn = known.rows[known.past["count"][known.rows] > 0]
    truth = known.harvests.yields[learn]
    return min(known.naive.values(), key=lambda told: float(np.square(told[learn] - truth).mean()) if len(learn) else 0)


def features(known: Known, split: str) -> Doubles:
    """Return what the methods look at (row, feature); NaN where unknown.

    Of an unseen place: the season, and other places in the same year. Of an unseen year: the season, how it strays
    from the place's usual one, and the place's own and its neighbours' earlier harvests. Harvests stand as differences
    to the base.
    """
    harvests, base = known.harvests, base_of(known, split)
    kinds = np.unique(harvests.kind)
    columns = [harvests.seen, harvests.light[:, None], harvests.lonlat, base[:, None]]
    columns += [(harvests.kind == one)[:, None].astype(float) for one in kinds[1:]]
    if split == "place":
        columns += [(values - base)[:, None] for values in known.around(0).values()]
    else:
        past = known.past
        columns += [_against_usual(harvests, known.rows)]
        columns += [(past[name] - base)[:, None] for name in ("last", "mean", "running", "trend")]
        columns += [(known.naive["naive_mean"] - base)[:, None]]
        columns += [past[name][:, None] for name in ("sd", "count", "age")]
        columns += [(values - base)[:, None] for lag in (1, 2) for values in known.around(lag).values()]
        columns += [harvests.year[:, None].astype(float)]
    return np.concatenate(columns, axis=1)


def _against_usual(harvests: Harvests, rows: Rows) -> Doubles:
    """Return the season less the mean season of the same place and kind among `rows` (row, feature)."""
    number = np.unique(np.char.add(np.char.add(harvests.kind, "|"), harvests.place), return_inverse=True)[1]
    values = np.concatenate([harvests.seen, harvests.light[:, None]], axis=1)
    finite = np.isfinite(values)
    sums, counts = (np.zeros((int(number.max()) + 1, values.shape[1])) for _ in range(2))
    np.add.at(sums, number[rows], np.where(finite, values, 0.0)[rows])
    np.add.at(counts, number[rows], finite[rows].astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        return values - (sums / counts)[number]


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV

    return _scaled(RidgeCV(np.logspace(0, 5, 11)))


def _forest() -> Any:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    trees = ExtraTreesRegressor(150, min_samples_leaf=5, max_features=0.4, random_state=SEED, n_jobs=1)
    return make_pipeline(SimpleImputer(keep_empty_features=True), trees)


def _boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.06, l2_regularization=5.0, min_samples_leaf=30, random_state=SEED
    )


def _process() -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(1.0) * RBF(10.0, (3.0, 100.0)) + WhiteKernel(1.0)
    return _scaled(GaussianProcessRegressor(kernel, normalize_y=True, random_state=SEED))


def _scaled(model: Any) -> Any:
    """Put what is seen on one scale first, never further out than what was learned from."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    within = MinMaxScaler(clip=True)
    return make_pipeline(SimpleImputer(keep_empty_features=True), within, StandardScaler(), model)


MODELS: dict[str, Callable[[], Any]] = {
    "ridge": _ridge,
    "forest": _forest,
    "boosting": _boosting,
    "gaussian_process": _process,
}


def methods_for(harvests: Harvests) -> tuple[str, ...]:
    """Return the learned methods that suit the data: from MANY rows on boosting, for fewer a forest and a process."""
    lit = ("light_use",) if np.isfinite(harvests.light).any() else ()
    return (*lit, "panel", "ridge", *(("boosting",) if len(harvests) >= MANY else ("forest", "gaussian_process")))


def tell(method: str, known: Known, split: str, rows: Rows) -> Doubles:
    """Learn `method` from the known rows and return what it tells of `rows` [kg/ha]."""
    if method == "light_use":
        return _light_use(known, split, rows)
    if method == "panel":
        return _panel(known, split, rows)
    base = base_of(known, split)
    learn = known.rows
    if split != "place":
        learn = learn[known.past["count"][learn] > 0]  # a place's first harvest has no base
    if len(learn) < LEAST:
        return base[rows]
    seen = features(known, split)
    seen = seen[:, np.isfinite(seen[learn]).any(axis=0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a kernel's bound that was reached is no news
        model = MODELS[method]().fit(seen[learn], known.harvests.yields[learn] - base[learn])
        return np.asarray(base[rows] + model.predict(seen[rows]))


def _light_use(known: Known, split: str, rows: Rows) -> Doubles:
    """Return base x (1 + elasticity x (light / usual light - 1)); the base where no light is known.

    Light is what green leaves took up (`light`), usual that of the same place in the known years, or of other places
    in the same year. One elasticity of yield to light is learned, kept within 0 and 1.5.
    """
    base, more = base_of(known, split), _light_against_usual(known, split)
    learn = known.rows[np.isfinite(more[known.rows])]
    if len(learn) < LEAST:
        return base[rows]
    pull = base[learn] * more[learn]
    elasticity = float(np.clip((pull * (known.harvests.yields[learn] - base[learn])).sum() / (pull**2).sum(), 0.0, 1.5))
    return np.asarray(base[rows] * (1.0 + elasticity * np.nan_to_num(more[rows])))


def _light_against_usual(known: Known, split: str) -> Doubles:
    """Return light over usual light, less 1 (row,); NaN where either is unknown."""
    harvests = known.harvests
    key = harvests.place if split != "place" else harvests.year.astype(str)
    number = np.unique(np.char.add(np.char.add(harvests.kind, "|"), key), return_inverse=True)[1]
    lit = known.rows[np.isfinite(harvests.light[known.rows])]
    size = int(number.max()) + 1
    sums, counts = np.bincount(number[lit], harvests.light[lit], size), np.bincount(number[lit], minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(harvests.light / (sums / counts)[number] - 1.0)


def _panel(known: Known, split: str, rows: Rows) -> Doubles:
    """Return the place's own mean moved along the trend that all places of its kind share; nothing seen is looked at.

    Of an unseen place it is the mean of the nearest places in the same year, or of its region where no place has a
    position. The shared trend is that within places (Wooldridge 2010, Econometric Analysis of Cross Section and Panel
    Data, ch. 10).
    """
    if split == "place":
        told = known.of_others.copy()
        for name in ("region_0_years_before", "near_0_years_before"):
            near = known.around(0).get(name, np.full(len(told), np.nan))
            told = np.where(np.isfinite(near), near, told)
        return told[rows]
    harvests, learn, mean = known.harvests, known.rows, known.naive["naive_mean"]
    year = harvests.year.astype(float)
    line = np.unique(np.char.add(np.char.add(harvests.kind, "|"), harvests.place), return_inverse=True)[1]
    counts = np.bincount(line[learn], minlength=int(line.max()) + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = (np.bincount(line[learn], year[learn], len(counts)) / counts)[line]
        level = (np.bincount(line[learn], harvests.yields[learn], len(counts)) / counts)[line]
    told = mean.copy()
    for kind in np.unique(harvests.kind):
        own = learn[harvests.kind[learn] == kind]
        along, up = year[own] - usual[own], harvests.yields[own] - level[own]
        slope = float((along * up).sum() / (along**2).sum()) if (along**2).sum() > 0 else 0.0
        asked = (harvests.kind == kind) & np.isfinite(usual)
        told[asked] = level[asked] + slope * (year - usual)[asked]
    return told[rows]
