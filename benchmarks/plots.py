"""How long it takes to cut a field out of a drawing, and to find every field of a county:
`python benchmarks/plots.py [--km 5 10 15] [--looks 16]`.

1. `cut` of a drawing of about 1 ha, warm, over 100 drawings on the sample tiles, by parts; beside felzenszwalb (as
   `greattit.plotscores.peers` uses it) of the same windows.
2. `delineate` over cubes of made land, the sample tiles repeated, one process for each size: km2 a second on one core,
   the largest resident memory, the shares of the parts, and the ratio to merely reading the same windows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from cube import CRS, NORTH, WEST, _item, largest_mb
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from shapely.geometry import box

from greattit import shipped, tiles
from greattit.cube import open_cube
from greattit.cube.ingest import Job as Ingest
from greattit.cube.ingest import ingest
from greattit.onethread import one_thread

DRAWINGS = 100
HECTARES = (0.5, 2.0)
"""fields of about 1 ha"""
GOAL_MS = 60.0


class Watch:
    """Adds up the seconds that are spent in functions, by the names of parts."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def over(self, *what: tuple[Any, str, str]) -> Iterator[None]:
        """Time functions (module, name, part) within the body; a part inside another counts for itself alone."""
        before = [(home, name, getattr(home, name)) for home, name, _ in what]
        for home, name, part in what:
            setattr(home, name, self._timed(getattr(home, name), part))
        try:
            yield
        finally:
            for home, name, verb in before:
                setattr(home, name, verb)

    def _timed(self, verb: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            start, inside = time.perf_counter(), sum(self.seconds.values())
            try:
                return verb(*args, **named)
            finally:
                spent, inner = time.perf_counter() - start, sum(self.seconds.values()) - inside
                self.seconds[part] += spent - inner

        return timed


def drawings() -> list[tuple[Any, Any]]:
    """Return 100 plots drawn by sloppy fingers around fields of about 1 ha, each with its window of the season."""
    from greattit.plots import area_ha, made
    from greattit.plots.coverage import project
    from greattit.plots.drawing import draw_sloppily
    from greattit.plots.lessons import cut_out, field_shapes
    from greattit.types import Plot

    county = made.read(shipped.path("data/sample_tiles"))
    shapes = [s for s in field_shapes(county).values() if HECTARES[0] <= s.area / 1e4 <= HECTARES[1]]
    out = []
    for seed in range(DRAWINGS):
        drawn = draw_sloppily(shapes[seed % len(shapes)], seed)
        window = cut_out(county.cube, drawn)
        if window is not None:
            ground = project(drawn, county.cube.attrs["crs"], "EPSG:4326")
            out.append((Plot(str(seed), ground, area_ha(ground)), window[0]))
    return out


def cutting() -> None:
    """Time `cut` and its peer."""
    from greattit.plots import cut as room
    from greattit.plots import cutter, shape
    from greattit.plotscores import peers

    cut = sys.modules["greattit.plots.cut"]
    watch, taken, peer = Watch(), [], []
    segmenter = peers.WITH_DRAWING["felzenszwalb"]
    parts = [(cut, name, "season") for name in ("learn_axes", "components", "channels", "asked")]
    parts += [(cutter.Cutter, "shares", "network")]
    parts += [(shape, name, "outline") for name in ("one_place", "outline")]
    plots = drawings()
    room(*plots[0])
    with watch.over(*parts):
        for plot, window in plots:
            start = time.perf_counter()
            room(plot, window)
            taken.append(time.perf_counter() - start)
    for _, window in plots:
        start = time.perf_counter()
        peers.segment(window, segmenter)
        peer.append(time.perf_counter() - start)
    looks, side = plots[0][1].sizes["time"], np.median([np.sqrt(w.sizes["y"] * w.sizes["x"]) for _, w in plots])
    print(f"cut, {len(plots)} drawings of about 1 ha, {looks} looks, windows of some {side:.0f} x {side:.0f} px, warm")
    middle, high = (1e3 * float(np.quantile(taken, q)) for q in (0.5, 0.95))
    print(f"  median {middle:.1f} ms, 95 %: {high:.1f} ms (goal {GOAL_MS:.0f})")
    watch.seconds["the rest"] = sum(taken) - sum(watch.seconds.values())
    print("  " + shares(watch.seconds))
    ratio = float(np.median(taken)) / float(np.median(peer))
    print(f"  felzenszwalb of the same windows {1e3 * float(np.median(peer)):.1f} ms: cut takes {ratio:.2f} x as long")


def shares(seconds: Counter[str]) -> str:
    """Return the parts, the longest first."""
    total = sum(seconds.values())
    return ", ".join(f"{part} {100 * spent / total:.0f} %" for part, spent in seconds.most_common())


def land(folder: Path, km: int, looks: int) -> Path:
    """Write a catalogue of one tile of `km` a side: the sample tiles side by side, in `looks` of their looks."""
    source = tiles.open_catalogue(shipped.path("data/sample_tiles"))
    scenes = [source.scenes[k] for k in np.linspace(0, len(source.scenes) - 1, looks).astype(int)]
    extent = transform_bounds(CRS, "EPSG:4326", WEST, NORTH - 1000 * km, WEST + 1000 * km, NORTH)
    links = []
    for scene in scenes:
        home = folder / scene.id
        home.mkdir(parents=True)
        assets = {}
        for name, asset in scene.assets.items():
            assets[name] = _repeated(asset, home / f"{name}.tif", 1000 * km)
        item = _item(scene.id, scene.when.date(), extent, {KEYS.get(name, name): one for name, one in assets.items()})
        (home / "item.json").write_text(json.dumps(item))
        links.append({"rel": "item", "href": f"./{scene.id}/item.json"})
    top = {"type": "Catalog", "stac_version": "1.0.0", "id": "land", "description": "made", "links": links}
    (folder / "catalog.json").write_text(json.dumps(top))
    return folder


KEYS = {"B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2", "B07": "rededge3"}
KEYS |= {"B08": "nir", "B8A": "nir08", "B11": "swir16", "B12": "swir22"}


def _repeated(asset: Any, file: Path, side_m: int) -> dict[str, Any]:
    """Write one band of a scene side by side, every second one mirrored, so that it joins without a seam."""
    with rasterio.open(asset.href) as source:
        counts, pixel = source.read(1), source.transform.a
    four = np.block([[counts, counts[:, ::-1]], [counts[::-1], counts[::-1, ::-1]]])
    side = round(side_m / pixel)
    times = -(-side // min(four.shape))
    wide = np.tile(four, (times, times))[:side, :side]
    place = {"crs": CRS, "transform": Affine(pixel, 0, WEST, 0, -pixel, NORTH), "nodata": 0}
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": wide.dtype}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    with rasterio.open(file, "w", **profile, **place, **layout) as out:
        out.write(wide, 1)
    band = {"scale": asset.scale, "offset": asset.offset, "nodata": 0} if asset.offset is not None else {"nodata": 0}
    return {"href": f"./{file.name}", "raster:bands": [band], "proj:shape": list(wide.shape)}


def whole_walk(cube: Path) -> dict[str, Any]:
    """Find every field of a cube on one core, and read the same windows alone: figures of this process."""
    from greattit import clouds, fields
    from greattit.cube.store import Store
    from greattit.fields import finder, walk

    store = open_cube(cube)
    job = fields.Job(str(cube), box(*store.bounds), store.first_day, store.last_day)
    watch, seen = Watch(), []
    window = walk._window

    def noted(source: Any, shape: Any, job: Any) -> Any:
        seen.append(shape)
        return window(source, shape, job)

    walk._window = noted
    finder.load()
    parts = [(Store, "read", "reading"), (clouds, "refine", "clouds"), (finder, "look", "season")]
    parts += [(finder, "maps_of", "network"), (finder, "from_maps", "watershed, outlines")]
    start, busy = time.perf_counter(), time.process_time()
    with watch.over(*parts):
        squares = list(fields.delineate(job))
    taken, busy = time.perf_counter() - start, time.process_time() - busy
    peak = largest_mb()
    watch.seconds["the rest"] = taken - sum(watch.seconds.values())
    again = open_cube(cube)
    start = time.perf_counter()
    with one_thread():
        for shape in seen:
            again.read(shape.intersection(box(*store.bounds)), since=job.since, until=job.until)
    reading = time.perf_counter() - start
    return {
        "km2": sum(one.km2 for one in squares),
        "fields": sum(len(one.fields) for one in squares),
        "squares": len(squares),
        "seconds": taken,
        "busy": busy,
        "reading": reading,
        "peak_mb": peak,
        "shares": shares(watch.seconds),
    }


def finding(sizes: list[int], looks: int) -> None:
    """Time `delineate` at several sizes, each in a process of its own."""
    print(f"delineate, one core, {looks} looks of made land:")
    with tempfile.TemporaryDirectory() as place:
        for km in sizes:
            cube, scenes = Path(place) / f"cube{km}", Path(place) / f"land{km}"
            ingest(tiles.open_catalogue(land(scenes, km, looks)), cube, job=Ingest())
            shutil.rmtree(scenes)
            said = subprocess.run([sys.executable, __file__, "--child", str(cube)], check=True, capture_output=True)
            one = json.loads(said.stdout)
            shutil.rmtree(cube)
            print(
                f"  {km} km a side: {one['km2']:.0f} km2, {one['fields']:,} fields in {one['squares']} squares, "
                f"{one['seconds']:.1f} s = {one['km2'] / one['seconds']:.2f} km2/s ({one['km2'] / one['busy']:.2f} by "
                f"the processor's own time), {one['peak_mb']:,.0f} MB at most, "
                f"{one['seconds'] / one['reading']:.1f} x reading the same windows\n    {one['shares']}",
                flush=True,
            )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--km", type=int, nargs="+", default=[5, 10, 15])
    asked.add_argument("--looks", type=int, default=16)
    asked.add_argument("--child", type=Path)
    options = asked.parse_args()
    if options.child:
        print(json.dumps(whole_walk(options.child)))
        return
    with one_thread():
        cutting()
    finding(options.km, options.looks)


if __name__ == "__main__":
    main()
