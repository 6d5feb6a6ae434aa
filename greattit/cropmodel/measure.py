"""How well the surrogate tells what AquaCrop says, on places and years that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.fit import Own, Table
from greattit.cropmodel.lessons import Runs
from greattit.cropmodel.record import Floats

DRAWS = 2000
"""bootstrap draws of whole places"""
UNSEEN_YEARS = "unseen years, of places seen"
UNSEEN_PLACES = "unseen places and years"
Told = Mapping[str, Floats]
"""set -> (n,) [kg/ha] what a surrogate says of each row of the table; NaN where it is not asked"""


def crop_means(runs: Runs, lessons: Table) -> Floats:
    """Return for each row of the table the mean yield [kg/ha] of its crop in the lessons, (n,)."""
    crops, parts = runs.labels["crop"][lessons.rows], runs.labels["part"][lessons.rows]
    means = {crop: lessons.truth[(crops == crop) & (parts == "learn")].mean() for crop in np.unique(crops)}
    return np.array([means[crop] for crop in crops])


def place_means(runs: Runs, lessons: Table) -> Floats:
    """Return the naive peer (n,) [kg/ha]: the mean of the lessons of the same crop and place.

    It is that of the place itself also where the network has no lesson of the place.
    """
    parts = runs.labels["part"][lessons.rows]
    found = np.empty(len(lessons.rows))
    both = np.char.add(np.char.add(runs.labels["crop"][lessons.rows], "/"), runs.labels["place"][lessons.rows])
    for name in np.unique(both):
        found[both == name] = lessons.truth[(both == name) & (parts == "learn")].mean()
    return found


def figures(runs: Runs, lessons: Table, own: Own, told: Told, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return set -> crop -> figures."""
    peer = place_means(runs, lessons)
    crops = runs.labels["crop"][lessons.rows]
    found: dict[str, dict[str, Any]] = {}
    for name, said in told.items():
        found[name] = {}
        for crop in own:
            rows = (crops == crop) & np.isfinite(said)
            found[name][crop] = _of(runs, lessons, said, peer, rows, np.random.default_rng(seed))
    return found


def _of(
    runs: Runs, lessons: Table, said: Floats, peer: Floats, rows: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, Any]:
    parts, places = runs.labels["part"][lessons.rows], runs.labels["place"][lessons.rows]
    various, plain = rows & (parts == "unseen"), rows & (parts == "years")
    truth, error = lessons.truth[various], said[various] - lessons.truth[various]
    where = places[various]

    def r2(index: NDArray[np.int64]) -> float:
        spread = float(truth[index].var())
        return 1.0 - float((error[index] ** 2).mean()) / spread if spread > 0 else float("nan")

    def rmse(index: NDArray[np.int64]) -> float:
        return float(np.sqrt((error[index] ** 2).mean()))

    every = np.arange(len(truth))
    naive = float(np.sqrt(((peer[various] - truth) ** 2).mean()))
    return {
        "runs": len(truth),
        "places": len(np.unique(where)),
        "r2": round(r2(every), 3),
        "r2_interval_95": [round(value, 3) for value in _interval(r2, where, rng)],
        "rmse_kg_ha": round(rmse(every), 1),
        "rmse_kg_ha_interval_95": [round(value, 1) for value in _interval(rmse, where, rng)],
        "rmse_percent": round(100 * rmse(every) / float(truth.mean()), 1),
        "bias_kg_ha": round(float(error.mean()), 1),
        "error_p90_kg_ha": round(float(np.quantile(np.abs(error), 0.9)), 1),
        "rmse_kg_ha_of_the_mean_of_crop_and_place": round(naive, 1),
        "rmse_kg_ha_of_the_reckoning_alone": round(
            float(np.sqrt(((lessons.reckoned[various] - truth) ** 2).mean())), 1
        ),
        **_between_years(lessons.truth[plain], said[plain], places[plain]),
    }


def _between_years(truth: Floats, said: Floats, places: NDArray[np.str_]) -> dict[str, Any]:
    """Return how much of the spread between years of one plain field at one place the surrogate tells."""
    left, right = truth.copy(), said.copy()
    for place in np.unique(places):
        left[places == place] -= truth[places == place].mean()
        right[places == place] -= said[places == place].mean()
    return {
        "seasons_of_one_field": len(truth),
        "spread_between_years_kg_ha": round(float(np.sqrt((left**2).mean())), 1),
        "r2_between_years": round(1.0 - float(((right - left) ** 2).mean() / (left**2).mean()), 3),
    }


def _interval(
    figure: Callable[[NDArray[np.int64]], float], places: NDArray[np.str_], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a figure, whole places drawn with replacement."""
    groups = [np.flatnonzero(places == place) for place in np.unique(places)]
    drawn = []
    for _ in range(DRAWS):
        picks = rng.integers(len(groups), size=len(groups))
        drawn.append(figure(np.concatenate([groups[pick] for pick in picks])))
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def as_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figures as lines of text."""
    lines = []
    for name, crops in found.items():
        lines.append(f"{name}: AquaCrop's dry yield told without running it")
        for crop, one in crops.items():
            low, high = one["r2_interval_95"]
            lines.append(
                f"  {crop:8} R2 {one['r2']:.2f} ({low:.2f} to {high:.2f} over {one['places']} places), error "
                f"{one['rmse_kg_ha']:,.0f} kg/ha ({one['rmse_percent']:.0f} %); mean of crop and place "
                f"{one['rmse_kg_ha_of_the_mean_of_crop_and_place']:,.0f} kg/ha; between years of one field R2 "
                f"{one['r2_between_years']:.2f} of a spread of {one['spread_between_years_kg_ha']:,.0f} kg/ha"
            )
    lines.append("A surrogate reproduces a model, not fields: no measured yield is in any of these figures.")
    return "\n".join(lines)
