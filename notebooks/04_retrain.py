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
# # A model fitted to your own parcels
#
# The network that ships was trained on a few countries. Where it does not know the crops, or the crops grow otherwise, a
# model fitted to some dozens of labelled parcels is better. This notebook fits one, reads its card, and finds out what its
# figures are worth.
#
# It runs on the 81 parcels that ship with the project. **They are simulated**: the figures show how to read figures, and
# say nothing about land. For your own, let `DATASET` name the folder that notebook 03 or `greattit label` wrote.

# %%
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from greattit import registry, shipped
from greattit.crops import adapt, dataset, evaluate, lessons, parcels, scores, taxonomy
from greattit.crops.experts import FitConfig

DATASET = Path(tempfile.gettempdir()) / "greattit-parcels"
MODEL = Path(tempfile.mkdtemp()) / "own-model"  # where the model is written
QUICK = FitConfig(rounds=2, trees=25)  # smaller models for the comparisons below; the model itself has the usual size

if not (DATASET / "samples.parquet").is_file():  # without notebook 03: the simulated county
    TILES = shipped.path("data/sample_tiles")
    season = {"since": date(2023, 1, 1), "until": date(2023, 12, 31)}
    parcels.label(TILES, TILES / "plots.geojson", DATASET, crop_column="crop", block_km=0.4, **season)
data = dataset.read(DATASET)
print(f"{data.name}: {len(data)} parcels of {len(set(data.crops))} labels in {len(set(data.groups))} blocks")

# %% [markdown]
# ## 1. Fit
# Several kinds of model are fitted five times, each time without all the parcels of some blocks. So every parcel has a call
# by a model that saw nothing of its surroundings (*out of fold*). On those calls everything is chosen: how much each kind
# counts, whether the neighbours are heard, how sure is sure. State the licence of your labels: it stands in the card.

# %%
model = adapt.adapt(data, seed=0, licence="Apache-2.0, simulated")
card = adapt.save(model, MODEL)
figures = card["figures"][data.name]
low, high = figures["interval"]
print(f"right out of fold: {figures['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%}, over blocks)")
print(f"always the commonest crop: {figures['majority']:.1%}; macro F1 {figures['macro_f1']:.2f}")
print("each kind alone:", card["each_expert_alone"], "- share of each:", card["experts"])

# %% [markdown]
# ## 2. Read the card
# The card travels with the weights: crops, bands, what was measured and how, training data with licence, sha256. A model
# whose card and weights do not belong together is refused.

# %%
print(registry.card_text(registry.read(MODEL)).split("    acceptance curve")[0])
print("and, among other things:")
for key in ("classes", "input", "calibration", "serves"):
    print(f"  {key}: {card[key]}")

# %% [markdown]
# ## 3. Against the shipped network, on the same parcels
# `evaluate` scores a folder with the model that serves, or with the folder of another. The saved model calls each parcel by
# the member that saw nothing of its block, so this is no test on what was taught. (`evaluate(DATASET, train_on=DATASET)`
# fits and scores in one step.) As in an appraisal, only looks count of which half of the parcel was clear, while fitting
# weighs all looks by their clear share: the figure may differ from the card's by a parcel or two.
#
# The network leaves out labels that it does not know. To compare on the same parcels, those count as wrong.

# %%
before, after = evaluate.evaluate(DATASET), evaluate.evaluate(DATASET, model=MODEL)
found = pd.DataFrame({"shipped network": before, "own model, out of fold": after}).T
found["right, of all"] = [one["accuracy"] * one["scored"] / one["samples"] for one in (before, after)]
print(
    found[
        ["scored", "accuracy", "right, of all", "macro_f1", "accepted", "accuracy_accepted", "set_size", "ece"]
    ].T.to_string()
)
print("labels that the network does not know:", before["unknown_labels"])
print(after["note"])

# %%
crops = sorted(after["per_crop"], key=lambda crop: after["per_crop"][crop]["samples"])
recall = [[one["per_crop"].get(crop, {}).get("recall", np.nan) for crop in crops] for one in (before, after)]
place = np.arange(len(crops))
figure, axis = plt.subplots(figsize=(8, 0.4 * len(crops) + 1.4), layout="constrained")
for values, shift, colour, label in (
    (recall[0], -0.2, "lightgrey", "shipped network"),
    (recall[1], 0.2, "tab:green", "own model, out of fold"),
):
    axis.barh(place + shift, values, height=0.38, color=colour, label=label)
for row, value in enumerate(recall[0]):
    if not value > 0:
        axis.text(
            0.01,
            row - 0.2,
            "none" if value == 0 else "not a crop of the network",
            va="center",
            fontsize=7,
            color="grey",
        )
axis.set_yticks(place, [f"{crop} ({after['per_crop'][crop]['samples']})" for crop in crops])
axis.set(xlim=(0, 1), xlabel="share of the crop's parcels that are called right")
axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=2, frameon=False)
plt.show()

# %% [markdown]
# ## 4. With and without neighbours
# Calls can be refined by what stands around a parcel: in many places fields of one crop lie together. Whether that helps is
# found out on blocks that it was not learned on, and when it does not help it is left out. Here it should not: the
# simulation draws each field's crop without a look at its neighbours.

# %%
gain = card["neighbourhood"]
if "log_loss_with" in gain:
    rows = {
        side: {"right": gain[f"accuracy_{side}"], "log loss (less is better)": gain[f"log_loss_{side}"]}
        for side in ("without", "with")
    }
    print(pd.DataFrame(rows).T.to_string())
print("neighbours are heard:", gain["used"], "-", gain.get("why", "it helped on places it was not learned on"))

# %% [markdown]
# ## 5. How many parcels are needed?
# `draw` takes some parcels at random, at least two of each of the commonest crops. Each point is a fit to one draw, scored
# out of fold. A crop with a single parcel in the draw cannot be learned, so its parcel counts as wrong. While the curve still
# climbs at its right end, more parcels are worth more than a better model.


# %%
def right_share(card, name):
    """Right calls as a share of all parcels, those of crops that could not be learned included."""
    used = card["training"]["sets"][name]
    return card["figures"][name]["accuracy"] * used["labels_used"] / used["samples"]


shots = [count for count in (20, 40, 60) if count < len(data)]
curve = [
    (count, right_share(adapt.adapt(lessons.draw(data, count, seed), fit=QUICK).card, data.name))
    for count in shots
    for seed in (0, 1)
]
whole = adapt.adapt(data, fit=QUICK)
curve.append((len(data), right_share(whole.card, data.name)))
curve = pd.DataFrame(curve, columns=["parcels", "right"])

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
axis.plot(curve["parcels"], curve["right"], "o", color="tab:green", alpha=0.6, label="one draw, quick model")
axis.plot(curve.groupby("parcels")["right"].mean(), color="tab:green", label="mean")
axis.plot(len(data), right_share(card, data.name), "D", color="black", label="all parcels, model of the usual size")
axis.axhline(before["accuracy"] * before["scored"] / before["samples"], color="grey", ls="--", label="shipped network")
axis.set(xlabel="labelled parcels", ylabel="right, out of fold", ylim=(0, 1), xticks=[*shots, len(data)])
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## 6. What is taken for what?
# Rows are the labels, columns the calls, out of fold; numbers are parcels, the shade is the share of the row.

# %%
lesson = lessons.prepare_lesson(data)
named = np.array(model.classes)[model.held_out.argmax(axis=1)]
hit = lesson.right[np.arange(len(data)), model.held_out.argmax(axis=1)]
known = lesson.right.any(axis=1)
confusion = pd.crosstab(pd.Series(np.array(lesson.labels)[known], name="label"), pd.Series(named[known], name="call"))
confusion = confusion.reindex(columns=sorted(set(confusion.index) | set(confusion.columns)), fill_value=0)
share = confusion.div(confusion.sum(axis=1), axis=0)

figure, axis = plt.subplots(figsize=(7.4, 6), layout="constrained")
picture = axis.imshow(share, cmap="Greens", vmin=0, vmax=1)
for (row, column), count in np.ndenumerate(confusion.to_numpy()):
    if count:
        axis.text(
            column, row, count, ha="center", va="center", color="white" if share.iat[row, column] > 0.6 else "black"
        )
axis.set_xticks(range(confusion.shape[1]), confusion.columns, rotation=45, ha="right")
axis.set_yticks(range(len(confusion)), [f"{crop} ({count})" for crop, count in confusion.sum(axis=1).items()])
axis.set(xlabel="called", ylabel="label")
figure.colorbar(picture, label="share of the label's parcels", shrink=0.8)
plt.show()

# %% [markdown]
# ## 7. Where is it wrong?
# If the misses lie in a few blocks, look there first: another sowing date, another variety, wrong labels, or a corner that the
# tiles hardly saw. With two to ten parcels a block, one miss is no news. In the simulated county four fields were struck
# (`event` in its `plots.geojson`: sim-2023-053, -055, -081 and -094); see how many of them are among the misses.

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=(1, 1.1), layout="constrained")
lon, lat = data.places.T
for right, colour, marker in ((True, "tab:green", "o"), (False, "tab:red", "X")):
    rows = hit == right
    axes[0].scatter(
        lon[rows],
        lat[rows],
        c=colour,
        marker=marker,
        s=50,
        edgecolor="white",
        label=f"{'right' if right else 'wrong'} ({rows.sum()})",
    )
misses = np.flatnonzero(known & ~hit)
misses = misses[np.argsort(-lat[misses])]
for number, row in enumerate(misses, 1):
    axes[0].annotate(
        number,
        (lon[row], lat[row]),
        xytext=(5, 0),
        textcoords="offset points",
        fontsize=9,
        va="center",
        color="tab:red",
    )
axes[0].set(title="out of fold", xlabel="longitude", ylabel="latitude", aspect=1 / np.cos(np.radians(np.nanmean(lat))))
axes[0].ticklabel_format(useOffset=False)
axes[0].locator_params(nbins=4)
axes[0].legend(fontsize=8, loc="upper left")
blocks = (
    pd.DataFrame({"block": lesson.groups, "right": hit, "fold": lesson.fold})
    .groupby("block")
    .agg(right=("right", "sum"), parcels=("right", "size"), fold=("fold", "first"))
)
blocks = blocks.sort_values(["fold", "parcels"]).reset_index()
axes[1].barh(blocks.index, blocks["parcels"], color="tab:red", label="wrong")
axes[1].barh(blocks.index, blocks["right"], color="tab:green", label="right")
axes[1].set_yticks(
    blocks.index, [f"{block}, fold {fold}" for block, fold in zip(blocks["block"], blocks["fold"])], fontsize=7
)
axes[1].set(title="by block; the blocks of a fold are left out together", xlabel="parcels")
axes[1].legend(fontsize=8, loc="lower right")
plt.show()
for number, row in enumerate(misses, 1):
    print(
        f"{number}: {data.samples[row]}, {lesson.labels[row]} called {named[row]} ({model.held_out[row].max():.0%} sure)"
    )

# %% [markdown]
# ## 8. Why not a random split?
# The usual split draws test rows at random. Then a test parcel has its neighbours, and in real sets often another piece of
# itself, among the taught: fields cut in two on the map, several points in a field, one field in two years. Real neighbours
# share soil, weather and farmer; the simulated ones share little but clouds, so two things are compared here:
#
# - the parcels as they are, split by block and at random;
# - some of the fields, each in the set three times: its first, fourth, ... look, its second, fifth, ... and the rest, as a
#   set has it that holds three pieces of a field. Split by block, all three are left out together; at random, two may be
#   taught and the third asked. Which fields are drawn matters, so it is done for two draws.


# %%
def hits(data, model=None):
    """Whether each sample is called right out of fold."""
    model = model or adapt.adapt(data, fit=QUICK)
    called = np.array(model.classes)[model.held_out.argmax(axis=1)]
    return np.array([taxonomy.agrees(name, label) for name, label in zip(called, data.crops)])


def at_random(data, seed=0):
    """Each sample is a block of its own, in drawn order."""
    return replace(data, groups=tuple(f"row {row}" for row in np.random.default_rng(seed).permutation(len(data))))


def in_pieces(seed, pieces=3, fields=33):
    """The data set of some of the fields, each in pieces; with 99 samples it stays below the 100 that a network is fitted to."""
    some = lessons.draw(data, min(fields, len(data)), seed).samples
    samples, looks = (pd.read_parquet(DATASET / name) for name in ("samples.parquet", "series.parquet"))
    samples, looks = (table[table["sample"].isin(some)] for table in (samples, looks))
    piece = (looks.groupby("sample").cumcount() % pieces).astype(str)
    out = Path(tempfile.mkdtemp())
    pd.concat([samples.assign(sample=samples["sample"] + f"/{number}") for number in range(pieces)]).to_parquet(
        out / "samples.parquet"
    )
    looks.assign(sample=looks["sample"] + "/" + piece).to_parquet(out / "series.parquet")
    return dataset.read(out)


compared = {
    "parcels as they are": (data, hits(data, whole), hits(at_random(data))),
}
for seed in (0, 1):
    pieces = in_pieces(seed)
    compared[f"33 fields, 3 pieces each\n(draw {seed + 1})"] = (pieces, hits(pieces), hits(at_random(pieces)))

# %%
figure, axis = plt.subplots(figsize=(9, 3.8), layout="constrained")
for place, (what, (taken, *both)) in enumerate(compared.items()):
    for side, (found, split, colour) in enumerate(zip(both, ("by block", "at random"), ("tab:green", "tab:orange"))):
        x, right, (low, high) = 2.5 * place + side, found.mean(), scores.interval(found, taken.groups)
        axis.bar(x, right, color=colour, label=f"split {split}" if place == 0 else None)
        axis.errorbar(x, right, [[right - low], [high - right]], color="black", capsize=4)
        axis.text(x - 0.35, 0.03, f"{right:.1%}", color="white", weight="bold")
axis.set_xticks([0.5, 3.0, 5.5], list(compared))
axis.set(ylim=(0, 1), ylabel="right, out of fold", title="the same model and data, two ways to split")
axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
plt.show()
for what, (taken, by_block, by_chance) in compared.items():
    low, high = scores.difference(by_chance, by_block, taken.groups)
    print(
        f"{' '.join(what.split())}: the random split says {by_chance.mean() - by_block.mean():+.1%} (95 % interval over blocks {low:+.1%} to {high:+.1%})"
    )

# %% [markdown]
# The difference is not skill: on a farm that nobody labelled there is no second piece to know the field by. For the parcels
# as they are it is small here, and its interval leaves open whether there is any, since neighbours are simulated without
# likeness; on real land, where whole valleys are sown in one week, expect more. Choose by the split that looks like the use:
# new places, so by place; next year, so by year (`evaluate(..., by="year")`).
#
# The model lies in `MODEL`. On the command line the same is
#
#     greattit adapt own/ --out own-model/ --licence "..."
#     greattit evaluate crops own/                       # the model that serves
#     greattit evaluate crops own/ --model own-model/    # yours, out of fold
#     greattit evaluate crops own/ --train-on own/       # fitted and scored at once

# %%
print(sorted(path.name for path in MODEL.iterdir()), card["weights"]["sha256"][:12])
