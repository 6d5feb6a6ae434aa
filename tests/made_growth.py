"""Made seasons that several tests of growth share."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
from numpy.typing import NDArray

from greattit.growth.course import EPOCH
from greattit.growth.curve import Curves, draw
from greattit.growth.seasons import Known, Seasons, seasons
from greattit.growth.trials import Made, Seen, grow, look
from greattit.simulate import load_recipe

SEED = 5
"""Of the county; the reach of the intervals was set on the seeds 1, 2, 3 and 17."""

NEW_YEAR, OCTOBER_END = 153, 456
"""Days since 1 August of the year before."""

SUMMER = {
    "winter_wheat": (273, 370),
    "winter_barley": (243, 360),
    "spring_barley": (273, 380),
    "other_legume": (273, 390),
}
"""Between which days since that 1 August a crop peaks; others between 260 and 440."""


@cache
def made_county() -> Made:
    """48 fields of the sample recipe with their noise-free NDVI."""
    recipe = copy.deepcopy(load_recipe("sample"))
    recipe["county"]["size_m"] = 900
    return grow(recipe, SEED)


def known(made: Made) -> Known:
    """What the crops' calendars would say."""
    start = (made.first - EPOCH).days
    within = np.array([SUMMER.get(crop, (260, 440)) for crop in made.crops], float).T + start
    crops = np.array(made.crops)
    return Known(within, np.isin(crops, ("grassland", "apple")), crops == "rapeseed")


def true_seasons(made: Made, first: int = NEW_YEAR, last: int = OCTOBER_END) -> Seasons:
    """The seasons by the same thresholds on the noise-free NDVI, day by day."""
    from greattit.growth.measure import daily

    return seasons(daily(made, first, last), (made.first - EPOCH).days + last, known(made))


def curves_of(made: Made, seen: Seen, first: int = NEW_YEAR, last: int = OCTOBER_END) -> Curves:
    """The curves through the looks between two days."""
    weights = np.where((seen.days >= first) & (seen.days <= last), seen.weights, 0.0)
    return draw(seen.days + (made.first - EPOCH).days, seen.values, weights)


def seen_seasons(made: Made, seen: Seen, first: int = NEW_YEAR, last: int = OCTOBER_END) -> Seasons:
    """The seasons as told from the looks."""
    return seasons(curves_of(made, seen, first, last), (made.first - EPOCH).days + last, known(made))


def several(made: Made, count: int, **how: float) -> list[Seen]:
    """The county looked at several times, each with its own clouds."""
    return [look(made, np.random.default_rng(100 + n), **how) for n in range(count)]  # type: ignore[arg-type]


def sown(made: Made) -> NDArray[np.bool_]:
    """Fields with a crop that is sown and was not struck."""
    return np.asarray(~np.isin(made.crops, ("grassland", "apple")) & (np.array(made.events) == "none"))
