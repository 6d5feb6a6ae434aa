# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A season on even steps, and how sure it is
#
# Satellites see a field on uneven days, through holes in the clouds. `filled.fill` draws a curve through those looks on
# steps of 5 or 10 days, says how sure it is of every step, and says nothing where too little was seen. The sample tiles
# that ship with the project are **simulated**: no real place, no real field.

# %%
from datetime import date

import matplotlib.pyplot as plt
import numpy as np

from greattit import appraise, filled, plots, series, shipped, tiles
from greattit.report.course import course_lines
from greattit.types import Series

TILES = shipped.path("data/sample_tiles")
PLOT = TILES / "demo_plot.geojson"
DAY = date(2023, 8, 20)

# %%
catalogue = tiles.open_catalogue(TILES)
plot = plots.load(PLOT, near=catalogue.bounds)[0]
cube = tiles.read(catalogue, plot.geometry, since=date(DAY.year, 1, 1), until=date(DAY.year, 12, 31))
segment = plots.cut(plot, cube)
looks = series.gather(segment, cube)
print(len(looks.dates), "looks,", int((looks.clear >= 0.5).sum()), "of them clear enough")

# %% [markdown]
# ## 1. Even steps
# `+-` is one sigma of the curve. `seen` counts the clear looks within the step, each by its clear share; the last column
# is the distance to the nearest look. After the last look nothing is known, and nothing is made up.

# %%
found = filled.fill(looks, step_days=10, first=date(2023, 1, 1), last=date(2023, 12, 31))
print(course_lines(found))

# %% [markdown]
# ## 2. The curve and its two intervals
# The dark band holds the curve, the light one a single clear look at the plot: that is what a new image should show.


# %%
def draw(axis, one, title):
    value, _ = one.band("ndvi")
    axis.fill_between(one.dates, *one.look_interval("ndvi", 0.8), alpha=0.15, lw=0, color="tab:blue", label="80 % of looks")
    axis.fill_between(one.dates, *one.interval("ndvi", 0.8), alpha=0.35, lw=0, color="tab:blue", label="80 % of the curve")
    axis.plot(one.dates, value, color="tab:blue", label="curve")
    used = np.isfinite(one.trust[:, one.bands.index("ndvi")])
    ndvi = (one.looks.band("B08") - one.looks.band("B04")) / (one.looks.band("B08") + one.looks.band("B04"))
    axis.plot(one.looks.dates[used], ndvi[used], "o", ms=4, color="black", label="looks used")
    axis.set(title=title, ylabel="NDVI", ylim=(0, 1))


figure, axis = plt.subplots(figsize=(10, 4))
draw(axis, found, "the demo plot")
axis.legend(ncols=4, fontsize=8)
plt.show()

# %% [markdown]
# ## 3. Hide a month and a half, and see what is said of it
# The looks of June and early July are taken away. The interval opens towards the middle of the gap; with `max_gap_days`
# the middle is not told at all. Compare the curve with what had been seen.

# %%
hidden = (looks.dates >= np.datetime64("2023-06-01")) & (looks.dates < np.datetime64("2023-07-16"))
fewer = Series(looks.plot_id, looks.dates[~hidden], looks.bands, looks.values[~hidden], looks.clear[~hidden])
figure, axes = plt.subplots(1, 2, figsize=(12, 4), sharey=True)
for axis, limit in zip(axes, (None, 15), strict=True):
    gap = filled.fill(fewer, step_days=5, first=date(2023, 4, 1), last=date(2023, 9, 30), max_gap_days=limit)
    draw(axis, gap, f"max_gap_days={limit}")
    before = (looks.band("B08") - looks.band("B04")) / (looks.band("B08") + looks.band("B04"))
    axis.plot(looks.dates[hidden], before[hidden], "x", color="tab:orange", label="hidden looks")
plt.show()

# %% [markdown]
# ## 4. All bands at once
# Every band has its own curve, noise and sigma. The noise is what a single clear look scatters about the curve.

# %%
for name, noise in zip(found.bands, found.noise, strict=True):
    value, sd = found.band(name)
    print(f"{name:5s} noise {noise:.4f}   median sigma {np.nanmedian(sd):.4f}   median {np.nanmedian(value):.3f}")

# %% [markdown]
# ## 5. What the season is for
# The curve is shown to people; the line is reckoned from the looks themselves, as in the first notebook.

# %%
line = appraise(catalogue, plot, DAY).line
print(f"{line.limit} {line.currency}, to repay by {line.due}" if not line.refused else f"{line.limit}: refused, {line.refused}")
