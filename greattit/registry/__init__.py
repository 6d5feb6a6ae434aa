"""Which models there are, whether they hold, and which of them serves.

`models()` lists them, `find(sha256)` gives the folder that an old appraisal names, `promote` puts a candidate in the
place of the one that serves and `rollback` takes it back, `write_index` writes `registry.yaml`. A models folder holds
one folder for each name ("crops") and `previous/NAME-SHA8` for what served before.
"""

from __future__ import annotations

from greattit.registry.figures import Pair, compare, measured
from greattit.registry.index import check, index_faults, write_index
from greattit.registry.sheet import Sheet, find, get, kept, models, read
from greattit.registry.show import as_dict, card_text, check_text, list_text, promotion_text
from greattit.registry.swap import Promotion, promote, rollback

__all__ = [
    "Pair",
    "Promotion",
    "Sheet",
    "as_dict",
    "card_text",
    "check",
    "check_text",
    "compare",
    "find",
    "get",
    "index_faults",
    "kept",
    "list_text",
    "measured",
    "models",
    "promote",
    "promotion_text",
    "read",
    "rollback",
    "write_index",
]
