"""Find a crop's figure in a dated table of regions."""

from __future__ import annotations

from datetime import date

from greattit import policy
from greattit.crops import taxonomy
from greattit.errors import PolicyError
from greattit.policy import Decided


def lookup(crop: str, *keys: str, book: str, branch: tuple[str, ...] = (), day: date) -> Decided | None:
    """Return the leaf `branch/crop/keys` of `policy/BOOK.yaml` in force on `day`, of the crop or its nearest parent.

    winter_wheat falls back to wheat, then cereal, then crop. None when none of them stands in the table on that day.
    """
    rules = policy.load(book).on(day)
    for key in (taxonomy.house_name(crop), *taxonomy.ancestors(crop)):
        try:
            return rules.rule(*branch, key, *keys)
        except PolicyError:
            continue
    return None
