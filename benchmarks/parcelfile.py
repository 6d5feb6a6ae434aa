"""How long `greattit plots check` takes on 100 thousand to a million parcels and how much memory, beside plain reading.

Run `python benchmarks/parcelfile.py [ROWS ...]`. Each figure comes from a process of its own; `check` is told as a
ratio to reading the same file whole, by pyarrow (bytes only) and by geopandas (shapes). The file is made land: parcels
of some half a hectare that share their borders, corner by corner; in every thousand rows one is a copy, one shifted
over its neighbours, one crossed and one without outline, and a stated area is twice too large.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely

ROWS = (100_000, 300_000, 1_000_000)
STEPS = 6
"""points of one border of a parcel; four borders"""
WIDE, HIGH = 9.6e-4, 5.4e-4
"""[degree] a parcel, some 90 m x 60 m at 33 degrees north"""


def land(rows: int, seed: int = 7) -> np.ndarray:
    """Return parcels (rows,) that share their borders, turned by 20 degrees."""
    side = int(np.ceil(np.sqrt(rows)))
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : side + 1, 0 : side + 1].astype(float)
    corner = np.stack([x, y], -1) + rng.uniform(-0.15, 0.15, (side + 1, side + 1, 2))
    along = np.arange(STEPS)[:, None] / STEPS

    def borders(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        points = start[..., None, :] + (end - start)[..., None, :] * along
        points[..., 1:, :] += rng.uniform(-0.02, 0.02, points[..., 1:, :].shape)
        return np.concatenate([points, end[..., None, :]], -2)

    across, up = borders(corner[:, :-1], corner[:, 1:]), borders(corner[:-1], corner[1:])
    ring = np.concatenate([across[:-1], up[:, 1:, 1:], across[1:, :, -2::-1], up[:, :-1, -2::-1]], axis=-2).reshape(
        side * side, -1, 2
    )[:rows]
    turn = np.radians(20)
    ring = ring * [WIDE, HIGH] @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(shapely.polygons(ring + np.array([115.0, 33.0])))


def with_faults(parcels: np.ndarray) -> np.ndarray:
    """Plant a copy, an overlap, a crossing and a missing outline in every thousand rows."""
    parcels = parcels.copy()
    at = np.arange(500, len(parcels) - 3, 1000)
    parcels[at] = shapely.reverse(parcels[at - 1])
    parcels[at + 1] = shapely.transform(parcels[at + 1], lambda xy: xy + np.array([WIDE / 4, 0]))
    twisted = shapely.get_coordinates(parcels[at + 2]).reshape(len(at), -1, 2)
    twisted[:, [3, 14]] = twisted[:, [14, 3]]
    parcels[at + 2] = shapely.polygons(twisted)
    parcels[at + 3] = None
    return parcels


def make(path: Path, rows: int) -> None:
    import geopandas

    from greattit.plots.area import measure

    parcels = with_faults(land(rows))
    stated = measure(parcels).area_ha * 15
    stated[7::1000] *= 2
    frame = {"id": [f"p{n}" for n in range(rows)], "area_mu": stated}
    geopandas.GeoDataFrame(frame, geometry=parcels, crs="EPSG:4326").to_parquet(path, row_group_size=100_000)


def measured(verb: str, path: Path) -> dict[str, float]:
    """Run one verb and return seconds and peak memory of this process [MB]."""
    import geopandas
    from pyarrow import parquet

    from greattit import parcelfile

    verbs = {"pyarrow": parquet.read_table, "geopandas": geopandas.read_parquet, "check": parcelfile.check}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    result = verbs[verb](path)
    taken = time.perf_counter() - start
    figures = {"seconds": taken, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "before": before}
    if verb == "check":
        figures |= {f"found {one.kind.code}": one.count for one in result.findings}
    return figures


def apart(*words: str) -> dict[str, float]:
    run = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=True)
    return json.loads(run.stdout) if run.stdout else {}


def main(sizes: tuple[int, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            path = Path(folder) / f"{rows}.parquet"
            apart("make", str(path), str(rows))
            found = {verb: apart("measure", verb, str(path)) for verb in ("pyarrow", "geopandas", "check")}
            print(f"{rows:,} parcels, {path.stat().st_size / 1e6:.0f} MB")
            for verb, figures in found.items():
                ratio = found["check"]["seconds"] / figures["seconds"]
                print(
                    f"  {verb:10s} {figures['seconds']:8.2f} s {rows / figures['seconds']:12,.0f} rows/s "
                    f"{figures['peak']:7.0f} MB peak ({figures['before']:.0f} MB imports)   check takes {ratio:5.1f} x"
                )
            print("  " + ", ".join(f"{k[6:]} {v:.0f}" for k, v in found["check"].items() if k.startswith("found")))
            path.unlink()


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["make"]:
        make(Path(words[1]), int(words[2]))
    elif words[:1] == ["measure"]:
        print(json.dumps(measured(words[1], Path(words[2]))))
    else:
        main(tuple(int(word) for word in words) or ROWS)
