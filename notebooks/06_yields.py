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
# # What came off the fields, and who tells it best
#
# Measured yields of fields are told by naive and by learned methods, with whole blocks of fields left out, and a model
# of one's own yields is made. The sample tiles that ship with the project are **simulated**: their yields follow the
# light that the leaves took up, which real yields do only in part.

# %%
import json
import tempfile
from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt

from greattit import load_plots, outlook, shipped
from greattit.crops.parcels import label
from greattit.cube import open_stack
from greattit.growth import measure as growth_measure
from greattit.yields import as_table, evaluate, local

TILES = shipped.path("data/sample_tiles")
WORK = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The labels
#
# Every parcel with its crop, its measured yield and its season as an appraisal would see it.

# %%
made = label(
    TILES,
    TILES / "plots.geojson",
    WORK / "yields",
    crop_column="crop",
    yield_column="yield_kg_ha",
    since=date(2023, 1, 1),
    until=date(2023, 10, 25),
    block_km=0.4,
)
print(made.samples, "fields in", made.groups, "blocks")

# %% [markdown]
# ## Naive and learned, on blocks that none of them saw
#
# `skill` is the share of the best naive method's error that is gone. The gate lets a learned method serve only when it
# is surely nearer on unseen places and on later years; one year of fields can never show the second.

# %%
report = evaluate(WORK / "yields")
print(as_table(report))

# %%
methods = report["splits"]["place"]["methods"]
names = list(methods)
fig, ax = plt.subplots(figsize=(8, 3))
middle = [one["rmse_kg_ha"] for one in methods.values()]
low, high = ([abs(one["rmse_interval_95"][side] - one["rmse_kg_ha"]) for one in methods.values()] for side in (0, 1))
ax.errorbar(middle, names, xerr=[low, high], fmt="o")
ax.set_xlabel("RMSE on unseen blocks [kg/ha], 95 % over blocks (simulated fields)")
ax.invert_yaxis()
fig.tight_layout()
plt.show()

# %% [markdown]
# ## A model of one's own yields
#
# It holds the harvests themselves and stays where they may be. It tells by their mean unless the gate let another in,
# with an interval from unseen blocks that widens when looks are few.

# %%
card = local.fit(WORK / "yields", WORK / "model")
print(card["method"], "-", card["gate"]["why"])
own = local.load(WORK / "model")
plot = load_plots(TILES / "demo_plot.geojson")[0]
told = outlook.look_ahead(open_stack(TILES), plot, date(2023, 8, 20), crop="maize", model=own)
table = outlook.look_ahead(open_stack(TILES), plot, date(2023, 8, 20), crop="maize")
for one in (*told.yields, *table.yields):
    print(f"{one.kg_ha.p10:8.0f} {one.kg_ha.p50:8.0f} {one.kg_ha.p90:8.0f} kg/ha   {one.basis}")
print(json.dumps(outlook.as_dict(told)["worth"]["money"], indent=1))

# %% [markdown]
# ## When the crops of the county were green
#
# Start, peak and end of each crop's season, against the truth of the made county where it can be grown again.

# %%
seasons = growth_measure.measured(TILES)
print(growth_measure.table(seasons.report))
