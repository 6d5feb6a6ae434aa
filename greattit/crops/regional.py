"""Which model fitted to one country serves a labelled set: `serving`.

Such a model knows one country by series of one kind (monthly composites, four dates, one composite). It serves only
where both are the same; anything else, and every single plot of the walk, is called by the network that was trained on
all sets, on seasons of every kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greattit import shipped
from greattit.crops import local
from greattit.crops.table import form_of, tabulate

if TYPE_CHECKING:
    from greattit.crops.dataset import Dataset
    from greattit.crops.local import Local

ALIKE = (0.67, 1.5)
"""looks a season, as a share of what the model was fitted to"""


def serving(data: Dataset) -> Path | None:
    """Return the folder of the model that is fitted to the country and the kind of series of a set; None for none."""
    countries = set(data.countries)
    if len(countries) != 1:
        return None
    (country,) = countries
    fitted = (folder for folder in shipped.models() if country and local.country(folder) == country)
    return next((folder for folder in fitted if _alike(local.load(folder), data)), None)


def _alike(model: Local, data: Dataset) -> bool:
    """Say whether a set has the channels that a model was fitted with, and about as many looks a season."""
    looks = float(np.median(tabulate(data, model.form).looks))
    usual = float(model.card["serves"]["looks"])
    enough = ALIKE[0] * usual <= looks <= ALIKE[1] * usual
    return enough and set(model.form.channels) <= set(form_of(data).channels)
