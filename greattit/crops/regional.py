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
from greattit.errors import GreatTitError

if TYPE_CHECKING:
    from greattit.crops.dataset import Dataset

MODELS = {"CAN": "crops-canada", "DNK": "crops-denmark", "IND": "crops-india"}
"""country (ISO 3166 alpha-3) -> model folder"""
ALIKE = (0.67, 1.5)
"""looks a season, as a share of what the model was fitted to"""


def serving(data: Dataset) -> Path | None:
    """Return the folder of the model that is fitted to the country and the kind of series of a set; None for none."""
    countries = set(data.countries)
    name = MODELS.get(next(iter(countries))) if len(countries) == 1 else None
    if name is None:
        return None
    try:
        folder = shipped.model(name)
    except GreatTitError:
        return None
    if not local.is_local(folder):
        return None
    model = local.load(folder)
    looks = float(np.median(tabulate(data, model.form).looks))
    usual = float(model.card["serves"]["looks"])
    alike = ALIKE[0] * usual <= looks <= ALIKE[1] * usual
    return folder if alike and set(model.form.channels) <= set(form_of(data).channels) else None
