"""Which offset a product of Sentinel-2 has, told by its darkest pixels, where its metadata do not say.

Since processing baseline 04.00 (25 January 2022) ESA writes reflectance as (count - 1000) / 10,000; before, and in
harmonised copies, as count / 10,000. Shadow, water and dense vegetation reflect next to nothing in some visible band or
in the short-wave infrared. So, of a scene with such targets, the darkest percent of the pixels lies near 0 counts in
the one form and near 1,000 in the other. A scene without dark targets, fully clouded or of bright desert, tells
nothing: its siblings of the same processing may (`decide_all`), else it is left out.

Measured (right / undecided / wrong): the Flemish stack, 118 dates, as it is 68 / 50 / 0, with 1,000 added 62 / 56 / 0;
in quarters of 32 px 247 / 225 / 0 and 237 / 235 / 0, in sixteenths of 16 px 935 / 953 / 0 and 886 / 1002 / 0; without
scene classes 70 / 48 / 0 and 56 / 62 / 0. About half of those dates are cloud. The sample tiles, 43 dates, as they are
29 / 14 / 0 and with 1,000 taken away 31 / 12 / 0. A chip of Level-1C in Spain, in 8 windows of 120 px, 8 / 0 / 0 and
with 1,000 added 2 / 6 / 0. With the siblings all of them are right. `tests/test_offset.py` measures it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DARK_BANDS = ("B02", "B03", "B04", "B12")
"""Bands that are dark over shadow, water or vegetation."""

SHIFT = 1000
"""Counts that baseline 04.00 adds."""

DARKEST = 1.0
"""Percentile that counts as the darkest: one stray pixel decides nothing."""

SURELY_NONE = 800
"""Darkest counts below this cannot have the 1,000 added: reflectance would be below -0.02 for a whole percent."""

SURELY_ADDED = 980
"""Darkest counts from this on may have it: slightly negative reflectance occurs in shadow."""

LOST_CLASSES = (0, 1, 8, 9, 10, 11)
"""Scene classes that say nothing: no data, defective, clouds, cirrus, snow."""

DARK_CLASSES = (2, 3, 4, 6)
"""Scene classes that hold dark targets: dark area, shadow, vegetation, water."""

MIN_DARK = 0.10
"""Least share of the pixels that must be dark targets before bright counts count as evidence."""

MIN_SEEN = 0.20
"""Least share of pixels that are no cloud for the same: the rims of clouds are bright too."""

MIN_PX = 200
"""Fewest pixels that say anything: of rims of clouds only, 60 to 84 px were once taken for a clear look."""

MIN_PX_BARE = 1000
"""The same without scene classes, before bright counts count as evidence."""

BRIGHT = 3000
"""Without scene classes, a pixel of more blue counts than this is taken for cloud, in either form."""

CLEAR_SEEN, CLEAR_CONTRAST, CLEAR_LAND = 0.8, 2.8, 2000
"""Without scene classes, of a look that is believed to be clear: the least share of pixels that are not bright; the
least contrast of the near infrared (99th over 1st percentile of its reflectance), which haze and thin cloud level; and
the least 99th percentile of it [1/10,000]."""


@dataclass(frozen=True)
class Decision:
    """What the pixels say about a product's offset."""

    offset: float | None
    """0.0 or -0.1, for a scale of 1/10,000; None when the pixels do not tell"""
    evidence: str
    """one sentence with the figures"""


def decide(counts: Mapping[str, NDArray[np.integer]], scl: NDArray[np.integer] | None = None) -> Decision:
    """Tell a product's offset from its counts (y, x) by band, 0 where nothing was seen, at a scale of 1/10,000.

    `scl` is the scene classification, of any resolution over the same ground; without it (Level-1C) bright pixels are
    taken for cloud and the vegetation index for the classes. B04 is needed; B02, B03, B08 and B12 help.
    """
    red = counts["B04"]
    seen = red > 0
    usable = seen & (~_classes(scl, red.shape, LOST_CLASSES) if scl is not None else _not_bright(counts, red))
    number = int(usable.sum())
    if number < MIN_PX:
        return Decision(None, f"only {number} pixels are no cloud")
    darkest = {name: _darkest(counts[name], usable) for name in DARK_BANDS if name in counts}
    name, least = min(darkest.items(), key=lambda pair: pair[1])
    text = f"the darkest percent of {number:,} pixels without cloud has {least:,.0f} counts ({name})"
    if least < SURELY_NONE:
        return Decision(0.0, f"{text}: with 1,000 added its reflectance would be {(least - SHIFT) / 1e4:.3f}")
    if least < SURELY_ADDED:
        return Decision(None, f"{text}, between the two forms")
    share = number / max(int(seen.sum()), 1)
    if share < (MIN_SEEN if scl is not None else CLEAR_SEEN):
        return Decision(None, f"{text}, but only {share:.0%} of the pixels are no cloud, and rims of clouds are bright")
    if scl is None and (number < MIN_PX_BARE or _contrast(counts, usable) < CLEAR_CONTRAST):
        return Decision(
            None, f"{text}, but the look may be hazy: it is small, or its near infrared has little contrast"
        )
    dark = usable & (_classes(scl, red.shape, DARK_CLASSES) if scl is not None else _dark_targets(counts, red))
    targets = int(dark.sum()) / number
    if targets < MIN_DARK:
        return Decision(None, f"{text}, but only {targets:.0%} of them are vegetation, water or shadow")
    return Decision(-0.1, f"{text}, though {targets:.0%} of them are vegetation, water or shadow: 1,000 is added")


def decide_all(decisions: Sequence[Decision], *, least: int = 2, agree: float = 0.95) -> list[Decision]:
    """Let siblings of one processing (same source, level and baseline) speak for those whose own pixels do not tell.

    They do where at least `least` of them are decided and a share of `agree` of those is of one mind; otherwise every
    decision stays as it is. What a product's own pixels say is never overruled.
    """
    found = Counter(d.offset for d in decisions if d.offset is not None)
    offset, votes = found.most_common(1)[0] if found else (None, 0)
    if votes < max(least, agree * found.total()):
        return list(decisions)
    word = f"; {votes} of {found.total()} decided siblings have {offset:+.1f}"
    return [d if d.offset is not None else Decision(offset, d.evidence + word) for d in decisions]


def _darkest(counts: NDArray[np.integer], usable: NDArray[np.bool_]) -> float:
    """Return the darkest percentile of one band over the usable pixels; infinite where the band saw none of them."""
    inside = counts[(counts > 0) & _sampled(usable, counts.shape)]
    return float(np.percentile(inside, DARKEST)) if inside.size else float("inf")


def _classes(scl: NDArray[np.integer], shape: tuple[int, ...], classes: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.isin(_sampled(scl, shape), classes)


def _sampled(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Take the nearest value for each pixel of another resolution."""
    if values.shape == shape:
        return values
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * old / n, old - 1).astype(int)
        for n, old in zip(shape, values.shape, strict=True)
    )
    return values[np.ix_(rows, columns)]


def _not_bright(counts: Mapping[str, NDArray[np.integer]], red: NDArray[np.integer]) -> NDArray[np.bool_]:
    return np.asarray(_sampled(counts.get("B02", red), red.shape) <= BRIGHT)


def _contrast(counts: Mapping[str, NDArray[np.integer]], usable: NDArray[np.bool_]) -> float:
    """Return the contrast of the near infrared, were 1,000 added to the counts; 0 without the band."""
    if "B08" not in counts:
        return 0.0
    low, high = np.percentile(counts["B08"][_sampled(usable, counts["B08"].shape)].astype(np.float32) - SHIFT, (1, 99))
    return float(high / max(low, 1.0)) if high >= CLEAR_LAND else 0.0


def _dark_targets(counts: Mapping[str, NDArray[np.integer]], red: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Without classes: green land (NDVI over 0.5) and water, were 1,000 added to the counts."""
    near = _sampled(counts["B08"], red.shape).astype(np.float32) - SHIFT
    own = red.astype(np.float32) - SHIFT
    green = (near - own > 0.5 * (near + own)) & (near > 1500)
    dark: NDArray[np.bool_] = green | (near < 600)
    return dark
