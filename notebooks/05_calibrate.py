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
# # How sure is sure?
#
# A call that says "80 % sure" should be right eight times in ten; a lender decides by that number. This notebook checks it,
# looks at the sets of crops that cannot be ruled out, chooses the level from which on calls are accepted, and counts what
# that costs. Then it asks the same early in the season, and promotes the result.
#
# It runs on the 81 parcels that ship with the project. **They are simulated**: the figures show how to read figures, and
# say nothing about land. For your own, let `DATASET` name the folder that notebook 03 or `greattit label` wrote.

# %%
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import beta

from greattit import shipped
from greattit.crops import adapt, dataset, evaluate, lessons, local, model_folder, parcels, scores, taxonomy
from greattit.crops.experts import FitConfig
from greattit.crops.model import load

DATASET = Path(tempfile.gettempdir()) / "greattit-parcels"
WANTED = 0.95  # share of the accepted calls that is to be right
MODEL = Path(tempfile.mkdtemp()) / "own-model"  # where the model is written
QUICK = FitConfig(rounds=2, trees=25)  # smaller models for the comparison of days

if not (DATASET / "samples.parquet").is_file():  # without notebook 03: the simulated county
    TILES = shipped.path("data/sample_tiles")
    season = {"since": date(2023, 1, 1), "until": date(2023, 12, 31)}
    parcels.label(TILES, TILES / "plots.geojson", DATASET, crop_column="crop", block_km=0.4, **season)
data = dataset.read(DATASET)

# %% [markdown]
# ## 1. Calls that nobody taught
# Everything below rests on calls out of fold: each parcel is called by models that saw nothing of its block. Whatever is set
# on them (the temperature, the levels) is set without the fold that is judged. Crops that stand in one place only cannot be
# learned from elsewhere; their parcels are left out here and counted. (How much each kind of model counts was chosen on all
# folds: two numbers, which flatter a little.)

# %%
model = adapt.adapt(data, seed=0, licence="Apache-2.0, simulated")
lesson = lessons.prepare_lesson(data)
good = lesson.taught
right, fold = lesson.right[good], lesson.fold[good]
groups, labels = np.array(lesson.groups)[good], np.array(lesson.labels)[good]
raw = local.sharpen(model.held_out, 1 / model.calibration["temperature"])[good]  # before calibration

calls, inside = np.zeros_like(raw), np.zeros(raw.shape, bool)
for number in np.unique(fold):
    own, others = fold == number, fold != number
    setting = adapt.calibrate(raw[others], right[others])
    calls[own] = local.sharpen(raw[own], setting["temperature"])
    inside[own] = scores.in_set(calls[own], setting["likely_level"])
    print(
        f"fold {number}: {own.sum()} parcels, temperature {setting['temperature']:.2f}, level of the sets {setting['likely_level']:.2f}"
    )
certainty, hit = calls.max(axis=1), right[np.arange(len(calls)), calls.argmax(axis=1)]
print(
    f"{len(calls)} parcels, {(~good).sum()} left out; {hit.mean():.1%} right; the model's own temperature {model.calibration['temperature']:.2f}"
)

# %% [markdown]
# ## 2. Reliability
# Parcels are sorted by certainty and gathered in fifths: how sure were the calls of each, and how many were right? On the
# dashed line the two are the same; above it the model is too modest, below it too sure. Bars are 90 % intervals of the share
# right. A temperature above 1 makes calls more modest, one below 1 surer; it changes no order and no best guess.
#
# On the left is the network that ships, on the same parcels: calibrated on other countries, it is not calibrated here. A crop
# that it does not know counts as wrong.

# %%
network = load(model_folder())
foreign = [call for call, is_good in zip(evaluate.call_all(data, network)[0], good) if is_good]
best = [max(call.probabilities, key=call.probabilities.get, default="") for call in foreign]
foreign_hit = np.array([bool(name) and taxonomy.agrees(name, label) for name, label in zip(best, labels)])
foreign_certainty = np.nan_to_num(np.array([call.certainty for call in foreign]))
raw_hit = right[np.arange(len(raw)), raw.argmax(axis=1)]

figure, axes = plt.subplots(1, 3, figsize=(12, 4.5), sharey=True, layout="constrained")
for axis, title, sure, is_right in (
    (axes[0], "shipped network", foreign_certainty, foreign_hit),
    (axes[1], "own model, before", raw.max(axis=1), raw_hit),
    (axes[2], "own model, calibrated", certainty, hit),
):
    axis.plot([0, 1], [0, 1], color="grey", ls="--", lw=1)
    for part in np.array_split(np.argsort(sure, kind="stable"), 5):
        n, k = len(part), is_right[part].sum()
        low, high = (beta.ppf(q, k + 0.5, n - k + 0.5) for q in (0.05, 0.95))
        axis.vlines(sure[part].mean(), low, high, color="tab:blue", lw=1.5)
        axis.plot(sure[part].mean(), k / n, "o", color="tab:blue")
    error = scores.calibration_error(sure, is_right)
    axis.set_title(
        f"{title}: error {error:.3f}\nright {is_right.mean():.0%}, mean certainty {sure.mean():.0%}", fontsize=10
    )
    axis.set(xlabel="certainty", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
axes[0].set_ylabel("share right")
plt.show()

# %% [markdown]
# The error is the mean distance from the line over ten bins of certainty. With some dozens of parcels several hundredths of it
# are chance: a temperature near 1 that moves the error by one hundredth, up or down, has mended nothing and spoilt nothing.
# What does count is the step from a model of elsewhere to one of this place.
#
# ## 3. Sets of crops that cannot be ruled out
# Beside its best guess each call names the crops that may not be ruled out, so chosen that the right one is among them nine
# times in ten. Nine in ten of all, that is: not of every block and every crop. Where a row is mostly red the promise does
# not hold, though the total does.

# %%
covered, size = (inside & right).any(axis=1), inside.sum(axis=1)
low, high = scores.interval(covered, groups)
print(
    f"the right crop is in the set of {covered.mean():.1%} (95 % interval over blocks {low:.1%} to {high:.1%}; 90 % wanted)"
)
print(
    "crops in a set, and how many parcels have such a set:",
    dict(zip(*(found.tolist() for found in np.unique(size, return_counts=True)))),
)

figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
for axis, key, title in ((axes[0], groups, "by block"), (axes[1], labels, "by crop")):
    told = (
        pd.DataFrame({"key": key, "covered": covered, "size": size})
        .groupby("key")
        .agg(inside=("covered", "sum"), n=("covered", "size"), size=("size", "mean"))
    )
    told = told.sort_values(["n", "inside"])
    axis.barh(told.index, told["n"], color="tab:red", label="not in the set")
    axis.barh(told.index, told["inside"], color="tab:green", label="right crop in the set")
    for row, (n, mean) in enumerate(zip(told["n"], told["size"])):
        axis.text(n + told["n"].max() * 0.015, row, f"{mean:.1f}", va="center", fontsize=8)
    axis.set_xlim(0, told["n"].max() * 1.08)
    axis.set(title=f"{title}; the number is the mean size of a set", xlabel="parcels")
    axis.tick_params(axis="y", labelsize=8)
axes[1].legend(loc="lower right")
plt.show()

# %% [markdown]
# ## 4. Accept the surest, and pass on the rest
# Sorted by certainty: of the surest so many, how many are right? The band is a 90 % interval, drawing whole blocks again.


# %%
def acceptance(sure, is_right):
    """Share right of the surest 1, 2, ... n."""
    return np.cumsum(is_right[np.argsort(-sure, kind="stable")]) / np.arange(1, len(sure) + 1)


n = len(calls)
rows_of = [np.flatnonzero(groups == group) for group in np.unique(groups)]
rng, drawn, shares = np.random.default_rng(0), [], np.arange(1, n + 1) / n
for _ in range(300):
    rows = np.concatenate([rows_of[pick] for pick in rng.integers(0, len(rows_of), len(rows_of))])
    drawn.append(np.interp(shares, np.arange(1, len(rows) + 1) / len(rows), acceptance(certainty[rows], hit[rows])))
low, high = np.quantile(drawn, (0.05, 0.95), axis=0)

figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
some = slice(9, None)  # a share of fewer than ten says nothing
axis.fill_between(shares[some], low[some], high[some], color="tab:green", alpha=0.2, lw=0)
axis.plot(shares[some], acceptance(certainty, hit)[some], color="tab:green", label="own model, out of fold")
axis.plot(shares[some], acceptance(foreign_certainty, foreign_hit)[some], color="grey", label="shipped network")
axis.axhline(WANTED, color="black", lw=1, ls=":", label=f"wanted, {WANTED:.0%}")
axis.set(xlabel="share accepted, the surest first", ylabel="share right of the accepted", xlim=(0, 1), ylim=(0, 1.02))
axis.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## 5. Choose the level, and count the cost
# For each wanted accuracy the level is set on four folds and judged on the fifth; a level needs thirty calls at or above it.
# "Of 1,000" is what a lender feels: how many parcels are called, how many of these calls are wrong, and how many parcels
# somebody has to visit. Expect less than you asked for, and much less where parcels are few: a level is the lowest that did
# well on the parcels at hand, and a handful of misses moves it. What comes is the column `right`, not `wanted`; the intervals
# above say how far to trust it.

# %%
own_scale = model.held_out.max(axis=1)[good]  # by the model's one temperature, which is what it will serve with
rows = []
for wanted in (0.85, 0.9, 0.93, 0.95, 0.98):
    accepted = np.zeros(n, bool)
    for number in np.unique(fold):
        own, others = fold == number, fold != number
        accepted[own] = certainty[own] >= scores.certainty_level(certainty[others], hit[others], wanted)
    got = hit[accepted].mean() if accepted.any() else np.nan
    rows.append(
        {
            "wanted": wanted,
            "level on all": scores.certainty_level(own_scale, hit, wanted),
            "accepted": accepted.mean(),
            "right": got,
        }
    )
cost = pd.DataFrame(rows)
cost["called, of 1,000"] = (cost["accepted"] * 1000).round(0)
cost["of these wrong"] = (cost["called, of 1,000"] * (1 - cost["right"])).round(0)
cost["to visit"] = 1000 - cost["called, of 1,000"]
print(cost.round(3).to_string(index=False))

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
axes[0].plot([cost["wanted"].min(), 1], [cost["wanted"].min(), 1], color="grey", ls="--", lw=1, label="as wanted")
axes[0].plot(cost["wanted"], cost["right"], "o-", color="tab:green", label="got")
axes[0].set(xlabel="accuracy wanted", ylabel="accuracy got", title="what is asked and what comes")
axes[0].legend()
axes[1].plot(cost["wanted"], cost["accepted"], "o-", color="tab:blue")
axes[1].set(xlabel="accuracy wanted", ylabel="share accepted", title="what it costs", ylim=(0, 1.02))
plt.show()

# %% [markdown]
# The level goes into the model, set on all folds; from then on calls below it abstain, and say why.

# %%
level = scores.certainty_level(own_scale, hit, WANTED)
model = replace(model, calibration={**model.calibration, "certainty_level": round(level, 4)})
judged = local.judge(model, model.held_out, model.table(data))
called = [call.crop is not None for call in judged]
print(f"level {level:.2f}: {sum(called)} of {len(called)} parcels are called")
for name, call in [(name, call) for name, call in zip(data.samples, judged) if call.abstained][:3]:
    print(f"{name}: {call.abstained}; cannot be ruled out: {', '.join(call.likely)}")

# %% [markdown]
# ## 6. The call at an early day
# A credit line is wanted before the harvest. `until(day)` is the set as it was seen up to a day of the season. Two models
# are asked: one fitted to seasons that end on that day too, and one fitted to whole seasons, which now misses the rest. Both
# are small ones, to be quick. On the right is the share that can be accepted when 85 % of it are to be right, which is what
# `policy/crops.yaml` asks for; twenty calls are needed to say so.

# %%
EARLY_WANTED = 0.85
early, whole = [], adapt.adapt(data, fit=QUICK)
for day in (120, 160, 200, 240):
    part = data.until(day)
    fitted = adapt.adapt(part, fit=QUICK)
    blind = whole.probabilities(whole.table(part), data.places, whole.fold_of(data))
    for name, found, classes in (
        ("fitted to that day", fitted.held_out, fitted.classes),
        ("fitted to whole seasons", blind, whole.classes),
    ):
        is_right = np.array(
            [taxonomy.agrees(classes[best], label) for best, label in zip(found.argmax(axis=1), lesson.labels)]
        )[good]
        sure = found.max(axis=1)[good]
        early.append(
            {
                "day": day,
                "model": name,
                "right": is_right.mean(),
                "certainty": sure.mean(),
                "error": scores.calibration_error(sure, is_right),
                "accepted": scores.accepted_at(sure, is_right, EARLY_WANTED),
            }
        )
early = pd.DataFrame(early)

figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharex=True, layout="constrained")
for (name, part), colour in zip(early.groupby("model"), ("tab:green", "tab:orange")):
    axes[0].plot(part["day"], part["right"], "o-", color=colour, label=f"right, {name}")
    axes[0].plot(part["day"], part["certainty"], "o--", mfc="white", color=colour, label=f"mean certainty, {name}")
    axes[1].plot(part["day"], part["accepted"], "o-", color=colour, label=name, clip_on=False)
days = sorted(early["day"].unique())
start = data.starts.min().astype(object)
axes[0].set(title="right, and how sure", ylim=(0, 1), ylabel="share")
axes[1].set(title=f"share that can be accepted with {EARLY_WANTED:.0%} right", ylim=(0, 1), ylabel="share accepted")
for axis in axes:
    axis.set_xticks(days, [f"{start + timedelta(days=int(day) - 1):%d %b}" for day in days])
    axis.legend(fontsize=8, loc="lower right" if axis is axes[0] else "upper left")
plt.show()
print(early.round(3).to_string(index=False))

# %% [markdown]
# A level set on whole seasons is no level for June. Calibrate for the day on which you will ask, and keep one model a day,
# or accept that early calls abstain.
#
# ## 7. Promote
# The model that serves is swapped by a command that compares the cards first: it refuses a candidate that is worse on any
# data set that both were measured on, that cannot be compared, or whose training data may not ship. `--local` puts it into
# your own models folder, which `GREATTIT_MODELS` names and which serves before the shipped one; `--reason` says why it is to
# serve all the same, and is kept beside it; `greattit models rollback crops` takes it back. Here it is tried on a folder that
# is thrown away.

# %%
adapt.save(model, MODEL)
command = ["models", "promote", str(MODEL), "--as", "crops", "--local", "--reason", "fitted to our own county"]
with tempfile.TemporaryDirectory() as own_models:
    told = subprocess.run(
        [sys.executable, "-m", "greattit", *command],
        env={**os.environ, "GREATTIT_MODELS": own_models},
        capture_output=True,
        text=True,
    )
print("greattit", " ".join(command))
print(told.stdout, told.stderr)

# %% [markdown]
# From then on `greattit appraise` and the rest call single plots with it. Whole files of parcels are called with
# `greattit evaluate crops own/ --model own-model/`, or in Python as below, where a set that it never saw (here, for want of
# one, the same parcels under another name) is called by the mean of all its members.

# %%
mine = local.load(MODEL)
strangers = replace(data, name="strangers")
table = mine.table(strangers)
answers = local.judge(mine, mine.probabilities(table, strangers.places), table)
print(
    pd.DataFrame(
        {
            "parcel": strangers.samples,
            "call": [call.crop for call in answers],
            "certainty": [round(call.certainty, 2) for call in answers],
            "cannot be ruled out": [", ".join(call.likely) for call in answers],
        }
    )
    .head(8)
    .to_string(index=False)
)
