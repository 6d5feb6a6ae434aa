"""A small county with made truth: `grow_county(recipe, seed, out)`.

The room draws fields, grows crops on them day by day, reckons their light by radiative transfer, hangs clouds over
them and writes what a satellite would have seen as a static STAC catalogue, with the truth beside it. Everything it
writes says that it is simulated. It needs the development tool `prosail` (`pip install 'prosail>=2'`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from greattit.errors import GreatTitError

__all__ = ["grow_county", "load_recipe"]


def load_recipe(name: str | Path = "sample") -> dict[str, Any]:
    """Read a recipe: the name of one that ships with this room, or the path of a YAML file of the same form.

    Raises `GreatTitError` when there is none or when a part is missing.
    """
    import yaml

    own = files("greattit.simulate").joinpath("recipes", f"{name}.yaml")
    path = own if own.is_file() else Path(name)
    if not path.is_file():
        raise GreatTitError(
            "there is no such recipe", subject=str(name), remedy="name a YAML file like recipes/sample.yaml"
        )
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    lacking = [k for k in ("county", "climate", "looks", "land", "crops", "between") if k not in (recipe or {})]
    if lacking:
        raise GreatTitError(
            f"the recipe lacks {', '.join(lacking)}", subject=str(name), remedy="see recipes/sample.yaml"
        )
    recipe["county"]["recipe"] = str(name)
    return dict(recipe)


def grow_county(
    recipe: str | Path | Mapping[str, Any],
    seed: int | None,
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Grow the county of `recipe` and write it to the folder `out`, which must be new or empty; return `out`.

    `seed` None is the recipe's own. The same recipe, seed and library versions give the same bytes.
    `progress(done, looks)` is called after each look.
    Raises `GreatTitError` when the folder is in use, the recipe is unsound or prosail is not installed.
    """
    import numpy as np

    from greattit.simulate import scene, sky, truth, write
    from greattit.simulate.land import lay_out
    from greattit.simulate.plants import make_weather

    plan = recipe if isinstance(recipe, Mapping) else load_recipe(recipe)
    seed = int(plan["county"]["seed"]) if seed is None else seed
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GreatTitError("the folder is in use", subject=str(out), remedy="name a new or empty folder")

    def dice(purpose: str) -> np.random.Generator:
        return np.random.default_rng([seed, zlib.crc32(purpose.encode())])

    county, rules = plan["county"], plan["looks"]
    left, bottom = (float(v) for v in county["corner_m"])
    place = write.Place(int(county["epsg"]), left, bottom, float(county["size_m"]))
    first = date(int(county["year"]) - 1, 8, 1)
    last = date(int(county["year"]), 12, 31)
    weather = make_weather(plan["climate"], first, (last - first) // timedelta(days=1) + 1, dice("weather"))
    land = lay_out(plan, dice("land"))
    grown = scene.settle(land, plan, weather, dice("seasons"))
    lon, lat = place.lonlat([(place.size / 2, place.size / 2)])[0]
    looks = sky.passes(rules, lat, lon, dice("passes"))
    built = truth.built_share(land)
    links, errors = [], {}
    for number, look in enumerate(looks):
        clear = scene.surface(grown, look, dice(f"grain {number}"))
        above = sky.cover(look, place.size, dice(f"sky {number}"))
        counts = scene.expose(clear, above, dice(f"noise {number}"))
        scl, errors[f"{look.when:%Y-%m-%d}"] = scene.classify(clear, above, built, dice(f"scl {number}"))
        links.append(write.item(out, place, plan, look, counts, scl))
        if progress is not None:
            progress(number + 1, len(looks))
    write.catalogue(out, place, plan, seed, looks, links)
    truth.tell(out, place, plan, seed, grown, errors, dice("drawing"))
    return out
