"""The satellite layer against its physical limits, in one run: `python benchmarks/cube.py [--side 2048] [--dates 40]`.

1. Ingest of a made county of cloud-optimised GeoTIFFs, against decoding the same bytes alone with as many threads,
   and against odc-stac loading them into memory.
2. One plot's season (1 ha and its margin, 40 dates x 10 bands) from the cube, against reading it from the GeoTIFFs.
3. The largest resident memory of an ingest, at three sizes of county (each in a process of its own).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from shapely.geometry import box

from greattit import tiles
from greattit.cube import open_cube
from greattit.cube.ingest import DECODERS, Job, ingest

FINE = ("blue", "green", "red", "nir")
COARSE = ("rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22", "scl")
WEST, NORTH, CRS = 600000.0, 5700000.0, "EPSG:32631"
BLOCK = 1024


def county(folder: Path, side: int, dates: int) -> Path:
    """Write a static catalogue of one tile of `side` x `side` pixels of 10 m at `dates` dates."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(side)
    fields = np.kron(random.integers(300, 3500, (side // 16, side // 16)), np.ones((16, 16))).astype(np.float32)
    extent = transform_bounds(CRS, "EPSG:4326", WEST, NORTH - 10 * side, WEST + 10 * side, NORTH)
    links = []
    for number in range(dates):
        day = date(2023, 3, 1) + timedelta(days=5 * number)
        name = f"S2_{day:%Y%m%d}"
        home = folder / name
        home.mkdir()
        assets = {}
        for key in (*FINE, *COARSE):
            step = 1 if key in FINE else 2
            ground = fields[::step, ::step] * (0.7 + 0.3 * np.sin(number / 6)) + 1000
            counts = (ground + random.normal(0, 40, ground.shape)).clip(1, 12000).astype(np.uint16)
            if key == "scl":
                counts = np.full(ground.shape, 4, np.uint8)
            profile = {"driver": "COG", "height": counts.shape[0], "width": counts.shape[1], "count": 1}
            place = {"crs": CRS, "transform": Affine(10 * step, 0, WEST, 0, -10 * step, NORTH), "nodata": 0}
            options = {"blocksize": BLOCK, "compress": "deflate", "predictor": "yes", "overviews": "none"}
            with rasterio.open(home / f"{key}.tif", "w", **profile, **place, dtype=counts.dtype, **options) as out:
                out.write(counts, 1)
            band = {"scale": 1e-4, "offset": -0.1, "nodata": 0} if key != "scl" else {"nodata": 0}
            assets[key] = {"href": f"./{key}.tif", "raster:bands": [band], "proj:shape": list(counts.shape)}
        (home / f"{name}.json").write_text(json.dumps(_item(name, day, extent, assets)))
        links.append({"rel": "item", "href": f"./{name}/{name}.json"})
    top = {"type": "Catalog", "stac_version": "1.0.0", "id": "bench", "description": "made", "links": links}
    (folder / "catalog.json").write_text(json.dumps(top))
    return folder


def _item(name: str, day: date, extent: tuple[float, ...], assets: dict[str, Any]) -> dict[str, Any]:
    ring = [list(corner) for corner in box(*extent).exterior.coords]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(extent),
        "properties": {"datetime": f"{day}T10:50:00Z", "platform": "sentinel-2a"},
        "assets": assets,
        "links": [],
    }


def decode_alone(folder: Path) -> tuple[float, int]:
    """Decode every file once, with as many threads as the ingest: seconds, bytes."""

    def one(file: Path) -> int:
        with rasterio.open(file) as source:
            return sum(
                source.read(1, window=((top, min(top + BLOCK, source.height)), (0, source.width))).nbytes
                for top in range(0, source.height, BLOCK)
            )

    start = time.perf_counter()
    with ThreadPoolExecutor(DECODERS) as pool:
        total = sum(pool.map(one, sorted(folder.rglob("*.tif"))))
    return time.perf_counter() - start, total


def odc_stac(folder: Path, side: int) -> float:
    """Load the same bands with odc-stac into memory, with as many threads: seconds (the peer; nothing is kept)."""
    import odc.stac
    import pystac
    from odc.geo.geobox import GeoBox

    warnings.simplefilter("ignore")
    items = [pystac.Item.from_file(str(file)) for file in sorted(folder.glob("S2_*/*.json"))]
    grid = GeoBox((side, side), Affine(10, 0, WEST, 0, -10, NORTH), CRS)
    kinds = {"*": {"data_type": "uint16", "nodata": 0}, "scl": {"data_type": "uint8", "nodata": 0}}
    start = time.perf_counter()
    odc.stac.load(items, bands=[*FINE, *COARSE], geobox=grid, stac_cfg={"*": {"assets": kinds}}, pool=DECODERS)
    return time.perf_counter() - start


def ingest_all(folder: Path, store: Path) -> float:
    """Ingest the catalogue into a new cube: seconds."""
    shutil.rmtree(store, ignore_errors=True)
    catalogue = tiles.open_catalogue(folder)
    start = time.perf_counter()
    ingest(catalogue, store, job=Job())
    return time.perf_counter() - start


def plot_seasons(folder: Path, store: Path, side: int, rounds: int = 40) -> dict[str, float]:
    """Read seasons of plots of 1 ha from the cube, and from the GeoTIFFs: medians [ms]."""
    catalogue, cube = tiles.open_catalogue(folder), open_cube(store)
    span = {"since": catalogue.first_day, "until": catalogue.last_day}
    random = np.random.default_rng(7)
    fast, slow = [], []
    for number in range(rounds):
        x, y = WEST + random.uniform(100, 10 * side - 300), NORTH - random.uniform(300, 10 * side - 100)
        plot = box(*transform_bounds(CRS, "EPSG:4326", x, y, x + 100, y + 100))
        start = time.perf_counter()
        kept = cube.read(plot, **span)
        fast.append(time.perf_counter() - start)
        if number < 3:
            start = time.perf_counter()
            same = tiles.read(catalogue, plot, **span)
            slow.append(time.perf_counter() - start)
            assert same.attrs["cube_id"] == kept.attrs["cube_id"]
    return {
        "cube_median_ms": 1e3 * statistics.median(fast),
        "cube_p95_ms": 1e3 * float(np.quantile(fast, 0.95)),
        "geotiff_median_ms": 1e3 * statistics.median(slow),
        "dates": kept.sizes["time"],
    }


def largest_mb() -> float:
    """Return the largest resident memory of this process [MB]; `ru_maxrss` would count the parent's before exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def memory(work: Path, side: int) -> float:
    """Return the largest resident memory of an ingest of 3 dates, in a process of its own [MB]."""
    folder = county(work / f"m{side}", side, 3)
    command = [sys.executable, __file__, "--child", str(folder), str(work / f"mc{side}")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(folder)
    return float(said)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--side", type=int, default=2048)
    asked.add_argument("--dates", type=int, default=40)
    asked.add_argument("--child", nargs=2)
    options = asked.parse_args()
    if options.child:
        ingest_all(Path(options.child[0]), Path(options.child[1]))
        print(largest_mb())
        return
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        folder = county(work / "county", options.side, options.dates)
        ingest_all(folder, work / "warm")
        runs = [(decode_alone(folder), ingest_all(folder, work / "cube")) for _ in range(2)]
        (decode, size), whole = min(d for d, _ in runs), min(w for _, w in runs)
        kept = sum(f.stat().st_size for f in (work / "cube").rglob("*") if f.is_file())
        print(f"county {options.side / 100:.1f} km a side, {options.dates} dates: {size / 1e6:,.0f} MB decoded")
        print(f"  decoding alone  {decode:6.2f} s  {size / 1e6 / decode:6.0f} MB/s")
        print(
            f"  whole ingest    {whole:6.2f} s  = {whole / decode:.2f} x decoding (goal 1.5), {kept / 1e6:,.0f} MB kept"
        )
        peer = odc_stac(folder, options.side)
        print(f"  odc-stac        {peer:6.2f} s  = {peer / decode:.2f} x decoding, into memory, nothing kept")
        seasons = plot_seasons(folder, work / "cube", options.side)
        print(
            f"one plot of 1 ha, {seasons['dates']} dates x 10 bands: cube {seasons['cube_median_ms']:.1f} ms, median "
            f"(95 %: {seasons['cube_p95_ms']:.1f}; goal 25), GeoTIFFs {seasons['geotiff_median_ms']:.0f} ms "
            f"= {seasons['geotiff_median_ms'] / seasons['cube_median_ms']:.0f} x"
        )
        for side in (1024, 3072, 10240):
            print(
                f"memory of an ingest of {side / 100:.0f} km a side: {memory(work, side):,.0f} MB at most (goal < 2000)"
            )


if __name__ == "__main__":
    main()
