"""What a season may still bring: this year's weather so far, joined to the rest of every other year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.aquacrop import AquaCrop
from greattit.cropmodel.crops import KINDS, NARROWER, kind
from greattit.cropmodel.door import NEEDED, norm_daily, season
from greattit.cropmodel.phases import degree_days
from greattit.cropmodel.record import RANGES, CropModel, Daily, Floats, Plan
from greattit.cropmodel.soils import SOILS, Soil
from greattit.errors import CropModelError, WeatherError
from greattit.types import Interval

LEAST_YEARS = 5
"""other years below which no spread is told"""
COVER_SHARES = (0.3, 0.45, 0.6, 0.75, 0.9, 1.05)
"""[1] tried against the cover that was seen"""
LEAST_COVER = 0.1
"""[1] of the model's cover, below which a look says nothing about how thin the crop stands"""


@dataclass(frozen=True, eq=False)
class Scenarios:
    """The yields that a field would have in the weather of each other year."""

    crop: str
    years: tuple[int, ...]
    """(n,) each by its year of sowing; never this one"""
    yields_kg_ha: Floats
    """(n,) [kg/ha] dry; NaN in a year in which the crop does not ripen"""
    dry: Interval
    """[kg/ha] dry matter. Unripe years count as the lowest: a quantile that falls among them is NaN"""
    market: Interval
    """[kg/ha] at `moisture`"""
    moisture: float
    """0-1 water in what is marketed"""
    moisture_source: str
    unripe: tuple[int, ...]
    """years in which the crop does not ripen in the model"""
    left_out: Mapping[int, str]
    """year -> why its weather could not be used"""
    days_seen: int
    """[days] of this season that all scenarios share"""
    plan: Plan
    """the field as it was run, with the variety and cover that were fitted"""
    basis: str
    """the model and what it was given, in a sentence"""
    notes: tuple[str, ...]


def scenarios(
    weather_years: Any,
    crop: str,
    *,
    sown: date,
    soil: Soil | str,
    irrigated: bool,
    cover_seen: tuple[Sequence[Any], Sequence[float]] | None = None,
    weather_so_far: Any = None,
    usual_days: int | None = None,
    start_water: float = 0.8,
    model: CropModel | None = None,
) -> Scenarios:
    """Return the spread of the yield over the weather of other years, as a crop model has it.

    `weather_years` is one record of many years or several records, each with days, tmin_c, tmax_c [degC], rain_mm and
    et0_mm [mm] (see `norm_daily`). `weather_so_far` is this season's from the day of sowing on; each scenario has it as
    its beginning. `usual_days` from sowing to ripeness choose the variety: without it the model's own is taken.
    `cover_seen` (days, shares 0-1) lowers the model's greatest canopy cover to what was seen; it needs
    `weather_so_far`.
    `start_water` 0-1 is the share of the soil's available water at sowing. Yields are those of weather, water and heat
    alone: no pest, disease, lodging or want of nutrients. Raises `CropModelError` for a crop or soil not known, and
    `WeatherError` for weather that cannot be used or is of fewer than `LEAST_YEARS` other years.
    """
    model = model or AquaCrop()
    name, longest = NARROWER.get(crop, crop), kind(crop).longest
    records = [
        norm_daily(one) for one in (weather_years if isinstance(weather_years, list | tuple) else [weather_years])
    ]
    earlier, left_out = _earlier(records, sown, longest)
    now = None if weather_so_far is None else season(norm_daily(weather_so_far), sown, longest)
    if not earlier:
        raise _too_few(records, left_out)
    plan = Plan(name, _soil(soil), irrigated, start_water=start_water)
    plan, notes = _variety(plan, usual_days, list(earlier.values()), model)
    joined = {year: _joined(now, rest) for year, rest in earlier.items()}
    for year, weather in list(joined.items()):
        if _cut_short(weather, longest, plan, model):
            left_out[year] = "its weather ends before the crop is ripe"
            del joined[year]
    if len(joined) < LEAST_YEARS:
        raise _too_few(records, left_out)
    if cover_seen is not None:
        plan, more = _thinned(plan, cover_seen, now, next(iter(joined.values())), model)
        notes += more
    yields = np.array([model.run(plan, weather).yield_kg_ha for weather in joined.values()])
    return _told(plan, crop, tuple(joined), yields, left_out, 0 if now is None else len(now), model, notes)


def _earlier(records: list[Daily], sown: date, longest: int) -> tuple[dict[int, Daily], dict[int, str]]:
    """Return the season of every other year, and why others are left out.

    Years after this one count too, for looking back.
    """
    found: dict[int, Daily] = {}
    left_out: dict[int, str] = {}
    for record in records:
        for year in range(record.days[0].astype(object).year, record.days[-1].astype(object).year + 1):
            first = date(year, sown.month, min(sown.day, 28) if sown.month == 2 else sown.day)
            inside = record.days[0] <= np.datetime64(first) <= record.days[-1]
            if year == sown.year or not inside or year in found:
                continue
            try:
                found[year] = season(record, first, longest)
                left_out.pop(year, None)
            except WeatherError as error:
                left_out[year] = error.what
    return dict(sorted(found.items())), left_out


def _too_few(records: list[Daily], left_out: dict[int, str]) -> WeatherError:
    why = "; ".join(f"{year}: {reason}" for year, reason in sorted(left_out.items())[:3])
    return WeatherError(
        f"fewer than {LEAST_YEARS} other years have a whole season" + (f" ({why})" if why else ""),
        subject=records[0].source if records else "weather",
        remedy="give daily weather of more years, each from sowing to harvest",
    )


def _joined(now: Daily | None, rest: Daily) -> Daily:
    """Return a season that begins with this year's days and goes on with those of another year."""
    if now is None:
        return rest
    seen = min(len(now), len(rest))
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(now, name)[:seen], getattr(rest, name)[seen:]]) for name in NEEDED
    }
    shared = set(now.beyond) & set(rest.beyond)
    beyond = {name: np.concatenate([now.beyond[name][:seen], rest.beyond[name][seen:]]) for name in shared}
    days = now.days[0] + np.arange(len(rest))
    return replace(rest, days=days, beyond=beyond, source=f"{now.source} and {rest.source}", **columns)


def _cut_short(weather: Daily, longest: int, plan: Plan, model: CropModel) -> bool:
    """Whether the record, not the cold, keeps the crop from ripening."""
    if len(weather) >= longest:
        return False
    own = _parameters(model, plan.crop)
    if own is None:
        return True
    warm = degree_days(weather.tmin_c, weather.tmax_c, own["Tbase"], own["Tupp"])
    return bool(warm.sum() <= own["Maturity"] * plan.thermal_share)


def _parameters(model: CropModel, crop: str) -> Mapping[str, float] | None:
    ask = getattr(model, "parameters", None)
    return None if ask is None else ask(crop)


def _variety(
    plan: Plan, usual_days: int | None, earlier: list[Daily], model: CropModel
) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan with the variety whose thermal time is that of `usual_days` in the middle of the years."""
    if usual_days is None:
        return plan, ()
    own = _parameters(model, plan.crop)
    if own is None:
        raise CropModelError(f"{model.name} has its own variety", subject=plan.crop, remedy="leave usual_days out")
    if not 30 <= usual_days <= KINDS[plan.crop].longest:
        raise CropModelError(
            f"{usual_days} days from sowing to ripeness", subject=plan.crop, remedy=f"30 to {KINDS[plan.crop].longest}"
        )
    whole = [one.cut(0, usual_days) for one in earlier if len(one) >= usual_days]
    if not whole:
        raise WeatherError(
            "no year has so many days after sowing", subject=earlier[0].source, remedy="give longer years"
        )
    sums = [degree_days(one.tmin_c, one.tmax_c, own["Tbase"], own["Tupp"]).sum() for one in whole]
    asked = float(np.median(sums)) / own["Maturity"]
    share = float(np.clip(asked, *RANGES["thermal_share"]))
    told = f"variety of {share:.2f} of the model's thermal time, for {usual_days} days from sowing to ripeness"
    held = "" if share == asked else f"; {asked:.2f} would be needed, which is no such crop"
    return replace(plan, thermal_share=share), (told + held,)


def _thinned(
    plan: Plan, seen: tuple[Sequence[Any], Sequence[float]], now: Daily | None, weather: Daily, model: CropModel
) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan with the greatest cover that fits what was seen best, by least squares."""
    where, cover = _looks(seen, now, plan.crop)
    misfits, told = [], []
    for share in COVER_SHARES:
        grown = model.run(replace(plan, cover_share=share), weather).cover
        told.append(np.array([grown[day] if day < len(grown) else 0.0 for day in where]))
        misfits.append(float(((told[-1] - cover) ** 2).sum()))
    if max(part.max() for part in told) < LEAST_COVER:
        return plan, ("the crop has not come up yet in the model: the cover that was seen says nothing",)
    share = _lowest(misfits)
    left = float(np.sqrt(min(misfits) / len(where)))
    return replace(plan, cover_share=share), (
        f"greatest cover lowered to {share:.2f} of the model's by {len(where)} looks, which are missed by {left:.2f}",
    )


def _looks(
    seen: tuple[Sequence[Any], Sequence[float]], now: Daily | None, crop: str
) -> tuple[NDArray[np.int64], Floats]:
    if now is None:
        raise CropModelError(
            "cover was seen, and no weather so far is given", subject=crop, remedy="give weather_so_far"
        )
    days, cover = np.asarray(seen[0]).astype("datetime64[D]"), np.asarray(seen[1], float)
    if days.shape != cover.shape or days.ndim != 1 or not len(days):
        raise CropModelError(f"{days.size} days and {cover.size} covers", subject=crop, remedy="give one cover a day")
    if not ((cover >= 0) & (cover <= 1)).all():
        raise CropModelError(
            "a cover that was seen is not between 0 and 1", subject=crop, remedy="give shares of ground"
        )
    index = (days - now.days[0]).astype(int)
    if (index < 0).any() or (index >= len(now)).any():
        raise CropModelError(
            f"cover was seen outside {now.days[0]} to {now.days[-1]}",
            subject=crop,
            remedy="give weather of that time too",
        )
    return index, cover


def _lowest(misfits: list[float]) -> float:
    """Return where the parabola through the lowest misfit and its neighbours is lowest, held within COVER_SHARES."""
    best = int(np.clip(int(np.argmin(misfits)), 1, len(misfits) - 2))
    x, y = np.array(COVER_SHARES[best - 1 : best + 2]), np.array(misfits[best - 1 : best + 2])
    bend, slope, _ = np.polyfit(x, y, 2)
    share = -slope / (2 * bend) if bend > 1e-9 else COVER_SHARES[int(np.argmin(misfits))]
    return float(np.clip(share, COVER_SHARES[0], COVER_SHARES[-1]))


def _soil(soil: Soil | str) -> Soil:
    if isinstance(soil, Soil):
        return soil
    if soil not in SOILS:
        raise CropModelError("is no soil known here", subject=soil, remedy=f"name one of {', '.join(sorted(SOILS))}")
    return SOILS[soil]


def _told(
    plan: Plan,
    crop: str,
    years: tuple[int, ...],
    yields: Floats,
    left_out: dict[int, str],
    seen: int,
    model: CropModel,
    notes: tuple[str, ...],
) -> Scenarios:
    here = kind(crop)
    dry = quantiles(yields)
    wet = 1.0 / (1.0 - here.moisture)
    unripe = tuple(year for year, one in zip(years, yields, strict=True) if np.isnan(one))
    water = "irrigated" if plan.irrigated else "rainfed"
    basis = (
        f"{model.name}: {here.name} on {plan.soil.name}, {water}, {len(years)} other years after {seen} days of this "
        "season; weather, water and heat alone, no measured yield behind it"
    )
    market = Interval(dry.p10 * wet, dry.p50 * wet, dry.p90 * wet, "kg/ha")
    return Scenarios(
        crop,
        years,
        yields,
        dry,
        market,
        here.moisture,
        here.moisture_source,
        unripe,
        left_out,
        seen,
        plan,
        basis,
        notes,
    )


def quantiles(yields: Floats) -> Interval:
    """Return p10, p50 and p90 [kg/ha] of yields; NaN ones rank lowest, and a quantile that falls among them is NaN."""
    ranked = np.sort(np.where(np.isnan(yields), -np.inf, yields))
    with np.errstate(invalid="ignore"):
        found = np.quantile(ranked, (0.1, 0.5, 0.9))
    low, middle, high = (float(one) if np.isfinite(one) else float("nan") for one in found)
    return Interval(low, middle, high, "kg/ha")
