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
# # Labelled parcels: look before you fit
#
# A file of parcels whose crop is known, and the satellite tiles over them, become a data set of two tables that pandas
# reads. This notebook makes it and looks at it: how often each parcel was seen, how the crops differ, what is missing,
# and which parcels stand so near each other that they must not be split between training and test.
#
# The parcels here are the 81 that ship with the project. **They are simulated**: no real place, no real field, and no
# figure below says anything about land. For your own, change the variables of the next cell; `PARCELS` may be GeoJSON,
# GeoParquet, a GeoPackage or a Shapefile, `TILES` a folder with `catalog.json` or a cube.

# %%
import tempfile
from datetime import date
from pathlib import Path

import geopandas
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from greattit import shipped
from greattit.crops import parcels, scores, taxonomy

TILES = shipped.path("data/sample_tiles")
PARCELS = TILES / "plots.geojson"
CROP_COLUMN = "crop"
LEGEND = "house"  # or hcat, worldcereal, icc, or a CSV of your own names
SINCE, UNTIL = date(2023, 1, 1), date(2023, 12, 31)
BLOCK_KM = 0.4  # 10 for a region; the simulated county is 1.6 km wide, and 10 km would be one block
DATASET = Path(tempfile.gettempdir()) / "greattit-parcels"  # what is written; notebooks 04 and 05 read it

# %% [markdown]
# ## 1. From parcels to a data set
# Each parcel is seen exactly as an appraisal will see it: the same window, cloud mask, cut at its edge, and means. All
# looks are kept, clouded ones too, each with the share of the parcel that was clear.

# %%
done = parcels.label(
    TILES,
    PARCELS,
    DATASET,
    crop_column=CROP_COLUMN,
    legend=LEGEND,
    since=SINCE,
    until=UNTIL,
    block_km=BLOCK_KM,
    unknown="leave-out",
    overwrite=True,
)
print(f"{done.parcels} parcels in the file, {done.samples} written with {done.looks} looks, in {done.groups} blocks")
print(
    "simulated:",
    done.simulated,
    "| left out:",
    dict(done.reasons) or "none",
    "| taken coarser:",
    list(done.coarser) or "none",
)

# %%
samples = pd.read_parquet(DATASET / "samples.parquet")
looks = pd.read_parquet(DATASET / "series.parquet").merge(samples[["sample", "crop", "group"]], on="sample")
looks["ndvi"] = (looks["B08"] - looks["B04"]) / (looks["B08"] + looks["B04"])
clear = looks[(looks["clear"] >= 0.5) & looks["ndvi"].notna()]
commonest = samples["crop"].value_counts()
print(commonest.rename("parcels").to_frame().join(samples.groupby("crop")["area_ha"].sum().round(1)).to_string())

# %% [markdown]
# NDVI, the difference of near infrared and red over their sum, is the usual measure of green leaves: about 0.2 for bare
# soil, 0.9 for a closed crop. A look counts as clear when at least half of the parcel was free of cloud.
#
# ## 2. How often was each parcel seen?
# Three clear looks are the fewest on which a crop is called at all; a dozen spread over the season are comfortable.

# %%
counts = clear.groupby("sample").size().reindex(samples["sample"], fill_value=0)
firsts = pd.date_range(SINCE, UNTIL, freq="MS")  # first days of the months
told = looks.assign(month=looks["date"].dt.to_period("M"), seen=np.where(looks["clear"] >= 0.5, "clear", "clouded"))
by_month = told.groupby(["month", "seen"]).size().unstack(fill_value=0) / len(samples)
by_month = by_month.reindex(pd.period_range(SINCE, UNTIL, freq="M"), fill_value=0)

figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
axes[0].hist(counts, bins=np.arange(counts.min() - 0.5, counts.max() + 1.5), color="tab:blue", rwidth=0.9)
axes[0].axvline(counts.median(), color="black", lw=1, ls="--", label=f"median {counts.median():.0f}")
axes[0].set(title="clear looks of a parcel", xlabel="clear looks in the season", ylabel="parcels")
axes[0].legend()
bottom = np.zeros(len(by_month))
for seen, colour in (("clear", "tab:blue"), ("clouded", "lightgrey")):
    height = by_month.get(seen, pd.Series(0.0, by_month.index)).to_numpy()
    axes[1].bar(range(len(by_month)), height, bottom=bottom, color=colour, label=seen)
    bottom += height
axes[1].set(title="looks in each month, mean of the parcels", ylabel="looks")
axes[1].set_xticks(range(len(by_month)), [f"{month:%b}" for month in by_month.index])
axes[1].legend(ncols=2)
plt.show()

# %% [markdown]
# ## 3. How does each crop grow?
# Median and quartiles of NDVI in steps of ten days. The grey lines are the medians of the other crops. Crops of fewer
# than five parcels are drawn parcel by parcel: quartiles of three say nothing. A thin line far from its own crop is worth
# a look at the parcel: the label may be wrong, or the field may have failed.

# %%
STEP = 10  # [days]
steps = clear.assign(day=(clear["date"] - pd.Timestamp(SINCE)).dt.days // STEP * STEP + STEP / 2)
curves = steps.pivot_table(index=["crop", "sample"], columns="day", values="ndvi")
curves = curves.interpolate(axis=1, limit_area="inside")  # between two looks, never before the first or after the last
medians = curves.groupby("crop").median()
ticks = (firsts - pd.Timestamp(SINCE)).days

rows = -(-len(commonest) // 4)
figure, axes = plt.subplots(
    rows, 4, figsize=(12, 2.5 * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
)
for axis, (crop, count) in zip(axes.flat, commonest.items()):
    axis.plot(medians.columns, medians.drop(crop).T, color="lightgrey", lw=0.8)
    own = curves.loc[crop]
    if count >= 5:
        axis.fill_between(own.columns, own.quantile(0.25), own.quantile(0.75), color="tab:green", alpha=0.3, lw=0)
    else:
        axis.plot(own.columns, own.T, color="tab:green", lw=0.8, alpha=0.7)
    axis.plot(medians.columns, medians.loc[crop], color="tab:green", lw=2)
    axis.set_title(f"{taxonomy.name(crop) if taxonomy.known(crop) else crop} ({count})", fontsize=10)
    axis.set(ylim=(0, 1), xticks=ticks, xticklabels=[f"{first:%b}"[0] for first in firsts])
    axis.tick_params(labelbottom=True)
    axis.grid(axis="x", lw=0.3)
for axis in axes.flat[len(commonest) :]:
    axis.set_visible(False)
figure.supylabel("NDVI")
plt.show()

# %% [markdown]
# ## 4. Which crops are alike?
# The root mean square difference of two crops' median curves. Dark pairs are the first to be confused. Below stands the day
# on which each of them differs most, beside how far the parcels of one crop differ among themselves on that day: a model
# that sees the season only up to an earlier day has little to tell them by.

# %%
apart = pd.DataFrame(
    {a: {b: np.sqrt(((medians.loc[a] - medians.loc[b]) ** 2).mean()) for b in medians.index} for a in medians.index}
)
order = apart.index[leaves_list(linkage(squareform(apart.to_numpy(), checks=False), "average"))]
apart = apart.loc[order, order]
figure, axis = plt.subplots(figsize=(7.6, 6.2), layout="constrained")
picture = axis.imshow(apart.where(~np.eye(len(apart), dtype=bool)), cmap="viridis", vmin=0)
for row, column in zip(*np.triu_indices(len(apart), 1)):
    for y, x in ((row, column), (column, row)):
        value = apart.iat[y, x]
        axis.text(
            x,
            y,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="black" if value > apart.max(axis=None) * 0.6 else "white",
        )
axis.set_xticks(range(len(order)), order, rotation=45, ha="right")
axis.set_yticks(range(len(order)), order)
figure.colorbar(picture, label="difference of the median curves [NDVI]", shrink=0.8)
plt.show()

# %%
many = curves[curves.index.get_level_values("crop").isin(commonest[commonest >= 5].index)].groupby("crop")
spread = ((many.quantile(0.75) - many.quantile(0.25)) / 2).mean()  # of the crops with five parcels and more
usual = curves.notna().groupby("crop").mean() >= 0.5  # days on which half of a crop's parcels have a value
pairs = apart.where(np.triu(np.ones(apart.shape, bool), 1)).stack().sort_values()
for (one, other), value in pairs.head(5).items():
    gap = (medians.loc[one] - medians.loc[other]).abs()[usual.loc[one] & usual.loc[other]]
    day = pd.Timestamp(SINCE) + pd.Timedelta(days=gap.idxmax())
    within = f"within a crop +-{spread[gap.idxmax()]:.2f}"
    print(f"{one} and {other}: {value:.2f} over the season, most about {day:%d %B}: {gap.max():.2f} ({within})")

# %% [markdown]
# ## 5. What is missing?
# White is a look that saw nothing of the parcel. Whole white columns are cloudy days; a long white stretch in one row is
# a parcel of which little can be said in that part of the season.

# %%
seen = looks.pivot_table(index="sample", columns="date", values="clear", aggfunc="max")
seen = seen.loc[counts.sort_values(ascending=False, kind="stable").index.intersection(seen.index, sort=False)]
figure, axis = plt.subplots(figsize=(11, 4), layout="constrained")
picture = axis.imshow(seen, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
marks = np.unique(np.linspace(0, len(seen.columns) - 1, 12).astype(int))
axis.set_xticks(marks, [f"{seen.columns[mark]:%d %b}" for mark in marks])
axis.set(ylabel="parcels, most seen on top", title="share of each parcel seen clear, look by look")
figure.colorbar(picture, label="share clear")
plt.show()

# %%
widest = (
    clear.sort_values("date")
    .groupby("sample")["date"]
    .agg(lambda days: days.diff().max().days if len(days) > 1 else np.nan)
)
print(
    f"longest stretch without a clear look: median {widest.median():.0f} days, worst {widest.max():.0f} ({widest.idxmax()})"
)
bands = [name for name in looks.columns if name[0] == "B" or name in ("VV", "VH")]
print(
    "share of clear looks without a value:",
    (clear[bands].isna().mean().round(3).loc[lambda s: s > 0]).to_dict() or "none in any band",
)
few = commonest[commonest < 5]
print("crops of fewer than 5 parcels:", few.to_dict() or "none")

# %% [markdown]
# ## 6. Where do they stand?
# Neighbouring fields share soil, weather, clouds and often the farmer. If one is taught and its neighbour asked, the answer
# looks better than it will be elsewhere. So parcels are gathered in blocks (`group`), and a block is never split between
# teaching and asking. The blocks lie on one lattice over the whole earth: the same place is in the same block next year.

# %%
shapes = geopandas.read_file(PARCELS).to_crs(4326)
centres = [shape.centroid for shape in shapes.geometry]
shapes["group"] = [parcels.block(centre.x, centre.y, BLOCK_KM) for centre in centres]
wide = 1 / np.cos(np.radians(np.mean([centre.y for centre in centres])))
figure, axes = plt.subplots(1, 2, figsize=(12, 5.6), layout="constrained")
shapes.plot(
    column=CROP_COLUMN,
    ax=axes[0],
    cmap="tab20",
    legend=True,
    legend_kwds={"fontsize": 7, "loc": "center left", "bbox_to_anchor": (1, 0.5)},
    aspect=wide,
)
groups = sorted(shapes["group"].unique())
shuffled = np.random.default_rng(1).permutation(len(groups))  # so that neighbouring blocks differ in colour
shapes["colour"] = shapes["group"].map(dict(zip(groups, shuffled)))
shapes.plot(column="colour", ax=axes[1], cmap="tab20", aspect=wide)
for group, part in shapes.groupby("group"):
    spots = [shape.centroid for shape in part.geometry]
    axes[1].text(
        np.mean([s.x for s in spots]),
        np.mean([s.y for s in spots]),
        len(part),
        ha="center",
        va="center",
        fontsize=9,
        weight="bold",
        bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 1},
    )
for axis, title in zip(axes, ("crops", f"{len(groups)} blocks of {BLOCK_KM:g} km, and their parcels")):
    axis.set(title=title, xlabel="longitude", ylabel="latitude")
    axis.ticklabel_format(useOffset=False)
    axis.locator_params(nbins=4)
plt.show()

# %% [markdown]
# ## 7. Which crops stand in one place only?
# A crop that stands in one block only cannot be learned from anywhere else, so nothing honest can be said of it. The larger
# the blocks, the stricter the test, and the more crops drop out. At least five blocks are needed, ten times as many are
# better.

# %%
table = pd.crosstab(samples["group"], samples["crop"])[commonest.index]
figure, axis = plt.subplots(figsize=(9, 0.28 * len(table) + 1.8), layout="constrained")
axis.imshow(table.where(table > 0), cmap="Greens", vmin=0, vmax=table.max(axis=None) * 1.4, aspect="auto")
for (row, column), count in np.ndenumerate(table.to_numpy()):
    if count:
        axis.text(column, row, count, ha="center", va="center", fontsize=8)
axis.set_xticks(range(table.shape[1]), table.columns, rotation=35, ha="right")
axis.set_yticks(range(len(table)), table.index, fontsize=8)
axis.set_title("parcels of each crop in each block")
plt.show()

# %%
for side in (BLOCK_KM / 2, BLOCK_KM, BLOCK_KM * 2, BLOCK_KM * 4):
    own = [parcels.block(lon, lat, side) for lon, lat in zip(samples["lon"], samples["lat"])]
    alone = scores.one_group(samples["crop"], own)
    print(f"blocks of {side:g} km: {len(set(own))}; in one place only: {', '.join(alone) or 'no crop'}")

# %% [markdown]
# The data set lies in the folder `DATASET`; the next notebook fits a model to it. On the command line the same is
#
#     greattit label data/sample_tiles --parcels data/sample_tiles/plots.geojson --crop-column crop \
#         --from 2023-01-01 --to 2023-12-31 --block-km 0.4 --out own/

# %%
print("\n".join(sorted(path.name for path in DATASET.iterdir())))
