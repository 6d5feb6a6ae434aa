"""Which looks and which light drove the call of one plot: `explain`, by leaving parts out and asking the model again.

The quantity is the log-odds of the best class against the second, ln(p_best / p_rival), calibrated and under the prior,
as the call itself is made. The support of a part is the log-odds with everything less the log-odds without that part
(occlusion: Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53): above zero it spoke for the call, below for the
rival. Best and rival stay those of the whole season. What is left out is left out as in training, as not seen, and
nothing is made up in its place.

Parts stand in for each other: of two looks of one week either can be missed while both cannot. So supports need not sum
to the log-odds, and a part with no support alone may matter together with another. A season that lacks one band is
unlike most that the model was trained on; of bands the sign and the order are worth more than the size. All this says
what the model looked at, not what made the crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from greattit import policy
from greattit.crops import classify, model_folder, prepare
from greattit.types import SAR, CropCall, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.model import Model
    from greattit.crops.prepare import Season


FAMILIES: Mapping[str, tuple[str, ...]] = {
    "visible": ("B02", "B03", "B04"),
    "red edge": ("B05", "B06", "B07"),
    "near infrared": ("B08",),
    "shortwave infrared": ("B11", "B12"),
    "ndvi": ("ndvi",),
    "radar": SAR,
}
"""channels that are left out together"""

SEEN_LEAST = 0.05
"""a step of which less was seen has no figure: there is nothing to leave out"""

NUDGE = 0.5
"""by how much a look is changed to ask what the rival would look like [standard deviations of training]"""

TINY = 1e-300
"""keeps a probability that is 0 in floating point out of the logarithm"""


@dataclass(frozen=True)
class Look:
    """One look, and what the call would be without it."""

    date: date
    """day of the look"""
    kind: Literal["optical", "radar"]
    """"radar" when no band and no NDVI was seen"""
    ndvi: float
    """NDVI of the field [1]; NaN for radar and where not seen"""
    clear: float
    """share 0-1 of the field seen clear; it weighs the look"""
    support: float
    """log-odds with all looks less log-odds without this one [1]"""
    share: float
    """support / sum of the absolute supports of all looks [-1..1]: a rank, not a part of the whole"""
    best_without: str
    """house name of the most probable class without it"""
    certainty_without: float
    """probability of the best class of the whole season, without it"""


@dataclass(frozen=True)
class Light:
    """One channel, or one family of channels, left out over the whole season."""

    name: str
    """channel ("B11", "VV", "ndvi", or "radar" for both polarisations), or family as in `FAMILIES`"""
    channels: tuple[str, ...]
    """what is left out"""
    support: float
    """log-odds with all less log-odds without it [1]; NaN when it was never seen. NDVI is reckoned from B04 and B08
    and stays when one of these is left out"""
    share: float
    """support / sum of the absolute supports of its kind [-1..1]; NaN when never seen"""


@dataclass(frozen=True)
class Sign:
    """A change of what was seen that would make the field look more like the rival to the model."""

    family: str
    """as in `FAMILIES`; NDVI of series with bands is changed by red and near infrared in opposite ways"""
    month: int
    """month of the changed looks, 1-12"""
    more: bool
    """whether there would be more of it (brighter, a stronger echo) or less"""
    support: float
    """log-odds as seen less log-odds as changed by `NUDGE` [1]; above zero: towards the rival"""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What drove one call. Log-odds are ln(p_best / p_rival), calibrated, under the prior."""

    plot_id: str
    """the plot's id"""
    day: date
    """looks up to this day were used"""
    call: CropCall
    """the call explained, as `classify` gives it; an abstention too"""
    best: str | None
    """house name of the most probable class, also of an abstention; None when nothing was seen"""
    rival: str | None
    """house name of the second class"""
    log_odds: float
    """log-odds of the best against the rival, all looks used [1]; NaN when nothing was seen"""
    log_odds_unseen: float
    """the same pair with no look at all [1]: what the prior and the model's own lean say"""
    looks: tuple[Look, ...]
    """every look that was used, in order of time"""
    bands: tuple[Light, ...]
    """every channel, the polarisations of radar as one"""
    families: tuple[Light, ...]
    """the channels in families: bands of one family stand in for each other, so a family says more than its bands"""
    channels: tuple[str, ...]
    """rows of `grid`"""
    steps: tuple[date, ...]
    """columns of `grid`: the middle of each step of the network"""
    grid: NDArray[np.float64]
    """(channel, step) support of one channel at one step [1]; NaN where nothing was seen (the step's looks lie apart).
    Not scaled: the cells need not sum to anything"""
    rival_signs: tuple[Sign, ...]
    """what would have spoken for the rival, strongest first; only changes that do"""
    clear_looks: int
    """clear optical looks that were used"""
    least_looks: int
    """clear optical looks that a call needs"""
    least_certainty: float
    """calibrated probability that a call needs"""
    needed: tuple[str, ...]
    """of an abstention, what a call would need, one sentence each; empty when there is a call"""


def explain(
    series: Series, *, day: date, prior: Mapping[str, float] | None = None, model: Path | None = None
) -> Explanation:
    """Say which looks, bands and steps drove the call of `classify` with the same arguments.

    The order of the looks changes nothing, and the same series gives the same figures. The model is asked some 300
    times, which takes 0.2 s on one core. Raises what `classify` raises.
    """
    from greattit.crops.model import load, spread_prior

    call = classify(series, day=day, prior=prior, model=model)
    loaded = load(Path(model) if model is not None else model_folder())
    rules = policy.load("crops").on(day)
    least_clear, least_looks, floor = (
        float(rules.rule("call", name).value) for name in ("least_clear", "least_looks", "unnamed_share")
    )
    season = prepare.usable(prepare.season(series, day, least_clear), loaded.card.grid)
    shares = None if prior is None else spread_prior(prior, loaded.card, floor)
    order = sorted(call.probabilities, key=lambda name: (-call.probabilities[name], name))
    best, rival = (*order[:2], None, None)[:2]
    asked = _Asked(loaded, shares, season, best, rival)
    bands, families, grid = asked.light()
    clear, least = prepare.clear_looks(season), int(least_looks)
    opens = np.datetime64(f"{day.year:04d}-01-01", "D")
    return Explanation(
        plot_id=series.plot_id,
        day=day,
        call=call,
        best=best,
        rival=rival,
        log_odds=asked.log_odds,
        log_odds_unseen=asked.unseen,
        looks=asked.looks(opens),
        bands=bands,
        families=families,
        channels=loaded.card.grid.channels,
        steps=tuple((opens + int(middle)).astype(object) for middle in loaded.card.grid.centres),
        grid=grid,
        rival_signs=asked.signs(opens),
        clear_looks=clear,
        least_looks=least,
        least_certainty=loaded.card.certainty,
        needed=_needed(call, clear, least, loaded.card.certainty, unlike=asked.energy < loaded.card.energy),
    )


def _needed(call: CropCall, clear: int, least: int, certainty: float, *, unlike: bool) -> tuple[str, ...]:
    """Return what an abstention lacks; all of it, also what `classify` did not come to say."""
    if call.abstained is None:
        return ()
    needed = []
    if clear < least:
        more = least - clear
        needed.append(f"{more} more clear look{'s' if more > 1 else ''} of the field: there are {clear} of {least}")
    if call.probabilities and call.certainty < certainty:
        needed.append(f"a best guess that is {certainty:.0%} sure: it is {call.certainty:.0%} sure")
    if call.probabilities and unlike:
        needed.append("a season like those of the fields that the model was trained on: this one is not")
    return tuple(needed) or (f"that this no longer holds: {call.abstained}",)


class _Asked:
    """One season and the model, which is asked about it again and again."""

    def __init__(
        self,
        model: Model,
        prior: NDArray[np.float64] | None,
        season: Season,
        best: str | None,
        rival: str | None,
    ) -> None:
        from greattit.crops.model import log_sum_exp

        self.model, self.prior, self.season = model, prior, season
        self.grid = model.card.grid
        self.whole = prepare.inputs([season], self.grid)[0]
        self.pair = None
        if best is not None and rival is not None and len(season[0]):
            self.pair = model.card.classes.index(best), model.card.classes.index(rival)
        logits = model.logits(np.stack([self.whole, np.zeros_like(self.whole)])).mean(axis=0)
        odds = self._odds(model.probabilities(logits, prior))
        self.energy = float(log_sum_exp(logits)[0])
        self.log_odds, self.unseen = float(odds[0]), float(odds[1])

    def _chances(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.model.probabilities(self.model.logits(inputs).mean(axis=0), self.prior)

    def _odds(self, chances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds (b,) of the best against the rival; NaN when there is no pair."""
        if self.pair is None:
            return np.full(len(chances), np.nan)
        logs = np.log(np.maximum(chances, TINY))
        odds: NDArray[np.float64] = logs[:, self.pair[0]] - logs[:, self.pair[1]]
        return odds

    def _support(self, chances: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.log_odds - self._odds(chances)

    def looks(self, opens: np.datetime64) -> tuple[Look, ...]:
        days, values, clear = self.season
        if self.pair is None:
            return ()
        without = [(days[keep], values[keep], clear[keep]) for keep in ~np.eye(len(days), dtype=bool)]
        chances = self._chances(prepare.inputs(without, self.grid))
        support = self._support(chances)
        total = float(np.abs(support).sum()) or 1.0
        seen = prepare.channels(values)
        classes = self.model.card.classes
        return tuple(
            Look(
                date=(opens + int(days[row])).astype(object),
                kind="optical" if np.isfinite(values[row, : prepare.NDVI + 1]).any() else "radar",
                ndvi=float(seen[row, prepare.NDVI]),
                clear=float(clear[row]),
                support=float(support[row]),
                share=float(support[row]) / total,
                best_without=min(zip(-chances[row], classes, strict=True))[1],
                certainty_without=float(chances[row, self.pair[0]]),
            )
            for row in range(len(days))
        )

    def light(self) -> tuple[tuple[Light, ...], tuple[Light, ...], NDArray[np.float64]]:
        """Return the supports of bands, of families, and of each channel at each step."""
        names = self.grid.channels
        bands = {name: (name,) for name in names if name not in SAR} | {"radar": SAR}
        families = {name: tuple(one for one in all_ if one in names) for name, all_ in FAMILIES.items()}
        parts = [*bands.values(), *families.values()]
        masks = np.zeros((len(parts) + len(names) * self.grid.steps, len(names), self.grid.steps), bool)
        for row, part in enumerate(parts):
            masks[row, [names.index(one) for one in part]] = True
        cells = np.arange(len(names) * self.grid.steps)
        masks[len(parts) + cells, cells // self.grid.steps, cells % self.grid.steps] = True
        seen = self.whole[len(names) :]
        hidden = np.where(np.concatenate([masks, masks], axis=1), np.float32(0), self.whole)
        support = self._support(self._chances(hidden))
        support[~(masks & (seen >= SEEN_LEAST)).any(axis=(1, 2))] = np.nan
        first, second = len(bands), len(parts)
        return (
            _lights(bands, support[:first]),
            _lights(families, support[first:second]),
            support[second:].reshape(len(names), self.grid.steps),
        )

    def signs(self, opens: np.datetime64) -> tuple[Sign, ...]:
        """Ask of each family and month whether more or less of it would speak for the rival."""
        days, values, clear = self.season
        if self.pair is None:
            return ()
        months = (opens + days.astype(int)).astype("datetime64[M]").astype(int) % 12 + 1
        asked, seasons = [], []
        for family in FAMILIES:
            for month in sorted(set(months.tolist())):
                step = self._nudge(family, values[months == month])
                for way in (1.0, -1.0) if step.any() else ():
                    changed = values.copy()
                    changed[months == month] += np.float32(way) * step
                    asked.append((family, month, way > 0))
                    seasons.append((days, changed, clear))
        support = self._support(self._chances(prepare.inputs(seasons, self.grid)))
        signs = [Sign(*key, float(value)) for key, value in zip(asked, support, strict=True) if value > 0]
        return tuple(sorted(signs, key=lambda one: (-one.support, one.family, one.month, one.more)))

    def _nudge(self, family: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is added to raw values (t, raw) for more of a family; 0 where it was not seen."""
        ways = dict.fromkeys(FAMILIES[family], 1.0)
        if family == "ndvi" and np.isfinite(values[:, [prepare.RED, prepare.NIR]]).all(axis=1).any():
            ways = {"B04": -1.0, "B08": 1.0}
        step = np.zeros_like(values)
        for name, way in ways.items():
            column = prepare.RAW.index(name)
            step[:, column] = NUDGE * way * self.grid.std[column]
        return np.where(np.isfinite(values), step, np.float32(0))


def _lights(parts: Mapping[str, tuple[str, ...]], support: NDArray[np.float64]) -> tuple[Light, ...]:
    total = float(np.nansum(np.abs(support))) or 1.0
    return tuple(
        Light(name, channels, float(value), float(value) / total)
        for (name, channels), value in zip(parts.items(), support, strict=True)
    )
