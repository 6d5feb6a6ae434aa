"""What a fitted model refuses as unlike anything it knows: `python benchmarks/strange.py DATASET...`.

For each labelled set, by `crops.novelty` fitted to it: the share of noise, of looks dealt out anew among parcels and
dates, and of seasons twice as bright that is refused; and of each crop with 30 samples, when it is left out of what is
known.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from greattit.crops import adapt, dataset, lessons, novelty
from greattit.crops.table import features, tabulate

LEAST = 30


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        data = dataset.read(folder)
        lesson = lessons.prepare_lesson(data)
        known = lesson.right.any(axis=1)
        rows, fold, labels = features(lesson.table)[known], lesson.fold[known], np.asarray(lesson.labels)[known]
        level, plane = novelty.level(rows, fold, adapt.NOVEL), novelty.learn(rows)
        rng = np.random.default_rng(0)
        seen = np.isfinite(data.values)
        strange = {
            "noise": np.where(seen, rng.uniform(0, 0.5, data.values.shape), np.nan),
            "looks dealt out anew": data.values[rng.permutation(len(data.values))],
            "twice as bright": data.values * 2,
        }
        print(f"{data.name}: {len(rows)} known seasons, of which {adapt.NOVEL:.0%} are refused out of fold")
        for name, values in strange.items():
            table = tabulate(replace(data, values=values.astype(np.float32)), lesson.table.form)
            print(f"  {name:28s}{(novelty.scores(features(table), plane) > level).mean():7.1%} refused")
        for crop in np.unique(labels):
            own = labels == crop
            if own.sum() >= LEAST:
                line = novelty.level(rows[~own], fold[~own], adapt.NOVEL)
                far = novelty.scores(rows[own], novelty.learn(rows[~own]))
                print(f"  {crop + ', when unknown':28s}{(far > line).mean():7.1%} refused")


if __name__ == "__main__":
    main()
