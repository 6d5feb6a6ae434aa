"""The settings of the peers, chosen on made counties: `tune`.

Real fields are never asked, so that the peers stand where the house's methods stand: both learned from made ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from greattit.errors import DatasetError
from greattit.plotscores import catalogue
from greattit.plotscores.drawn import ask
from greattit.plotscores.figures import scores
from greattit.plotscores.match import match
from greattit.plotscores.peers import Felzenszwalb, Segmenter, Watershed, cut, find
from greattit.plotscores.truth import Place

CHOICES: dict[str, list[Segmenter]] = {
    "felzenszwalb": [
        Felzenszwalb(*choice) for choice in product((100.0, 400.0, 1600.0, 6400.0), (0.0, 0.8), (4, 15, 30, 60))
    ],
    "watershed": [Watershed(*choice) for choice in product((0.0, 0.5, 1.0, 1.5), (0.05, 0.1, 0.2, 0.4, 0.8))],
}
"""Settings tried, by method."""


def tune(counties: Sequence[Path], *, seed: int = 1) -> dict[str, dict[str, Any]]:
    """Return the best setting of each method without a drawing (mean object F1) and with one (mean extent).

    `counties` are folders of `greattit simulate`; anything else is refused with `DatasetError`. Each field is drawn
    once.
    """
    places = []
    for folder in counties:
        told, place = catalogue.read(folder)
        if not told.simulated:
            raise DatasetError("is no made county", subject=str(folder), remedy="tune on `greattit simulate` only")
        places.append(place)
    return {
        name: {
            "none": _best([(_f1(places, one), one) for one in choices]),
            "sloppy": _best([(_extent(places, one, seed), one) for one in choices]),
        }
        for name, choices in CHOICES.items()
    }


def _best(scored: list[tuple[float, Segmenter]]) -> tuple[float, Segmenter]:
    return max(scored, key=lambda pair: pair[0])


def _f1(places: Sequence[Place], one: Segmenter) -> float:
    found = [scores(*match(place, find(place.cube, one)))["object_f1"] for place in places]
    return float(np.mean(found))


def _extent(places: Sequence[Place], one: Segmenter, seed: int) -> float:
    method = {"peer": partial(cut, segmenter=one)}
    rows = [ask(place, method, drawings=1, seed=seed, clock=lambda: 0.0)[0]["peer"] for place in places]
    return float(np.mean([scores(*pair)["extent_iou"] for pair in rows]))
