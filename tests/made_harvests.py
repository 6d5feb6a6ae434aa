"""Made harvests: places with their own level, years with their own luck, and what was seen of each season."""

from __future__ import annotations

from typing import Any

import numpy as np

from greattit.yields import Harvests


def harvests(
    *, places: int = 12, years: int = 8, told: float = 0.0, noise: float = 300.0, seed: int = 0, crop: str = "maize"
) -> Harvests:
    """Return `places` x `years` harvests; `told` [kg/ha] is how much of the yield the first of three features tells."""
    rng = np.random.default_rng(seed)
    place, year = (grid.ravel() for grid in np.meshgrid(np.arange(places), 2000 + np.arange(years), indexing="ij"))
    seen = rng.normal(size=(places * years, 3))
    level = rng.normal(6000, 500, places)[place]
    yields = level + told * seen[:, 0] + rng.normal(0, noise, places * years)
    names = np.char.add("place ", place.astype(str))
    flat: dict[str, Any] = {
        "place": names,
        "group": names,
        "region": np.full(len(place), "r"),
        "year": year.astype(np.int64),
        "season": np.full(len(place), ""),
        "crop": np.full(len(place), crop),
    }
    lonlat = np.stack([3.0 + 0.1 * place, 50.0 + 0.0 * place], axis=1)
    return Harvests(
        "made",
        **flat,
        lonlat=lonlat,
        yields=yields,
        seen=seen,
        names=("a", "b", "c"),
        light=np.full(len(place), np.nan),
    )
