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
# # One plot, from tiles to a credit line
#
# The walk of Great Tit, step by step, on the sample tiles that ship with the project. **They are simulated**: no real
# place, no real field. Point `TILES`, `PLOT` and `DAY` at your own catalogue, drawing and day to walk real ground.

# %%
from datetime import date
from decimal import Decimal

import matplotlib.pyplot as plt
import numpy as np

from greattit.plots.coverage import project
from greattit import credit, crops, damage, growth, plots, policy, series, shipped, tiles, value, yields
from greattit.policy.places import crop_shares, region_at

TILES = shipped.path("data/sample_tiles")
PLOT = TILES / "demo_plot.geojson"
DAY = date(2023, 8, 20)

# %% [markdown]
# ## 1. Tiles
# A catalogue is opened without touching a pixel; then only the window around the plot is read, and counts become
# reflectance by each product's own scale and offset.

# %%
catalogue = tiles.open_catalogue(TILES)
plot = plots.load(PLOT, near=catalogue.bounds)[0]
cube = tiles.read(catalogue, plot.geometry, since=date(DAY.year, 1, 1), until=DAY)
print(catalogue.title, "-", len(catalogue.scenes), "scenes;", dict(cube.sizes))
print(f"drawn: {plot.area_ha:.2f} ha = {plot.area_mu:.1f} mu; mended: {plot.mended or 'nothing'}")

# %% [markdown]
# ## 2. The plot's one field
# `cut` looks at the whole season: what does not live through the same season as the field's core is cut away.

# %%
segment = plots.cut(plot, cube)
print(f"measured: {segment.area_ha.p50:.2f} ha ({segment.area_ha.p10:.2f} to {segment.area_ha.p90:.2f})")
print("cut away [ha]:", {kind: round(ha, 2) for kind, ha in segment.cut_away.items()}, "added:", round(segment.added_ha, 2))

clearest = int(cube["clear"].mean(("y", "x")).values[: cube.sizes["time"]].argmax())
colour = np.clip(np.stack([cube[band].values[clearest] for band in ("B04", "B03", "B02")], axis=-1) / 0.2, 0, 1)
a, _, west, _, e, north = cube.attrs["transform"]
edges = (west, west + a * cube.sizes["x"], north + e * cube.sizes["y"], north)
figure, axes = plt.subplots(1, 2, figsize=(10, 5))
for axis, picture, title in zip(axes, (colour, segment.coverage), ("true colour", "share of each pixel"), strict=True):
    axis.imshow(picture, extent=edges)
    for shape, style in ((plot.geometry, "--"), (segment.outline, "-")):
        ground = project(shape, "EPSG:4326", cube.attrs["crs"])
        for part in getattr(ground, "geoms", [ground]):
            axis.plot(*part.exterior.xy, style, color="tab:orange")
    axis.set_title(title)
plt.show()

# %% [markdown]
# ## 3. The season

# %%
looks = series.gather(segment, cube)
ndvi = (looks.band("B08") - looks.band("B04")) / (looks.band("B08") + looks.band("B04"))
seen = looks.clear >= 0.5
days, curve = growth.season_curve(looks, DAY)
plt.figure(figsize=(10, 3))
plt.plot(days, curve, label="smoothed")
plt.plot(looks.dates[seen].astype(object), ndvi[seen], "o", label="clear looks")
plt.plot(looks.dates[~seen].astype(object), ndvi[~seen], "o", mfc="none", label="clouded")
plt.ylabel("NDVI")
plt.legend()
plt.show()

# %% [markdown]
# ## 4. Crop, growth, yield, value

# %%
place = region_at(plot.geometry.centroid.x, plot.geometry.centroid.y, day=DAY)
call = crops.classify(looks, day=DAY, prior=crop_shares(place, day=DAY))
print("crop:", call.crop or f"abstained ({call.abstained})", f"certainty {call.certainty:.2f}; cannot be ruled out:", call.likely)
usual = damage.usual_of(call.crop, place, DAY.year) if call.crop else None
struck = damage.look(looks, day=DAY, segment=segment, cube=cube, call=call, usual=usual)
course = growth.observe(looks, call, day=DAY, struck=struck, region=place)
print("growth:", course.stage, "- start", course.start, "peak", course.peak, "- vigour", round(course.vigour, 2))
harvests = yields.estimate(call, course, region=place, day=DAY)
for harvest in harvests:
    print(f"if {harvest.crop}: {harvest.kg_ha.p10:,.0f} / {harvest.kg_ha.p50:,.0f} / {harvest.kg_ha.p90:,.0f} kg/ha")
worth = value.price(harvests, segment, region=place, day=DAY)
if worth:
    print(f"worth: {worth.money.p10:,.0f} / {worth.money.p50:,.0f} / {worth.money.p90:,.0f} {worth.currency}")

# %% [markdown]
# ## 5. The line and its reasons

# %%
line = credit.offer(
    worth=worth, yields=harvests, segment=segment, call=call, growth=course, region=place, day=DAY, live_debt=Decimal(0)
)
print(f"{line.limit} {line.currency}, to repay by {line.due}" if not line.refused else f"refused: {line.refused}")
for reason in line.reasons:
    print(f"[{reason.effect}] {reason.text}")

# %% [markdown]
# The advance rate as it stood on the day, with its reason; every decided number is kept like this.

# %%
print(policy.load("credit").on(DAY).rule("advance_rate").source)
