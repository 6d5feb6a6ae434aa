"""A short reckoning of AquaCrop's main equations for many fields at once; the surrogate's network corrects it.

Equations are those of Raes, Steduto, Hsiao and Fereres 2018, AquaCrop Reference Manual, chapter 3 (FAO, Rome), cut
down: one root zone instead of twelve layers, one bare surface (FAO-56 eq. 74), and no adjustment of the harvest index
before or after flowering. All arrays hold one value a field, (n,), and the loop goes over days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greattit.cropmodel.phases import Seasons, most_cover
from greattit.cropmodel.record import CO2_PPM, KEPT_WET, MOST_WATER_MM, Floats

KEYS = (
    *("Tbase", "Tupp", "Emergence", "HIstart", "Flowering", "YldForm", "Senescence", "Maturity", "MaxRooting"),
    *("CGC", "CDC", "CCx", "Kcb", "fage", "WP", "WPy", "HI0", "fsink", "PlantPop", "SeedSize", "Zmin", "Zmax"),
    *("fshape_r", "p_up1", "p_up2", "p_up3", "p_up4", "p_lo1", "fshape_w1", "fshape_w2", "fshape_w3", "ETadj"),
    *("GDD_up", "Tmax_up", "Tmax_lo", "Tmin_up", "Tmin_lo", "PolHeatStress", "PolColdStress", "TrColdStress", "exc"),
    *("Determinant", "PlantMethod", "Aer"),
)
"""AquaCrop's crop parameters that the reckoning uses; a card carries them"""
SUMS = (
    *("days", "temperature", "rain", "et0", "potential", "taken", "stomata", "expansion", "green", "cold", "air"),
    *("biomass", "drained", "runoff"),
)
"""what is summed by phase"""
BASE_PPM = 369.41
"""[ppm] of CO2 for which AquaCrop's water productivity holds, that of the year 2000"""
SEEDLING = 150.0
"""[degC day] from emergence in which a seedling is easily lost"""
TOP_M = 0.1
"""[m] the top soil"""
PHASES = 4
"""sowing to emergence, to the start of yield formation, to its middle, to ripeness"""


@dataclass(frozen=True, eq=False)
class Reckoned:
    """What the reckoning gives, for n fields."""

    sums: Mapping[str, Floats]
    """each of SUMS -> (n, PHASES)"""
    potential_kg_ha: Floats
    """(n,) yield without any want of water, every flower setting"""
    yield_kg_ha: Floats
    """(n,) yield as the reckoning has it"""
    pollinated: Floats
    """(n,) 0-1 share of flowers that set, before the excess of flowers is counted"""
    grown: Floats
    """(n,) 0-1 share of yield formation that a green canopy lived to see"""
    cover: Floats
    """(n,) 0-1 greatest cover"""
    left: Floats
    """(n,) 0-1 of the root zone's available water left at ripeness"""
    thirst: Floats
    """(n,) 0-1 most that was gone of the available water while the crop was a seedling"""
    delay: Floats
    """(n,) [degC day] that the seed waited for water"""
    covers: Floats
    """(t, n) 0-1 cover by day, where it was asked for; else (0, n)"""


def co2_factor(own: Mapping[str, float], ppm: float = CO2_PPM) -> float:
    """Return by how much CO2 raises the water productivity [1], against 369.41 ppm (Reference Manual, eq. 3.11e-f)."""
    base, sted, face = BASE_PPM, 0.000138, 0.001165
    weight = float(np.clip(1 - (550 - ppm) / (550 - base), 0, 1))
    mixed = sted * own["fsink"] + face * (1 - own["fsink"])
    raised = (ppm / base) / (1 + (ppm - base) * ((1 - weight) * sted + weight * mixed))
    share = float(np.clip((40 - own["WP"]) / 20, 0, 1))
    return 1 + share * (raised - 1)


def reckon(seasons: Seasons, own: Mapping[str, float], *, daily: bool = False) -> Reckoned:
    """Reckon every field of one crop; `own` are AquaCrop's parameters of it (KEYS). `daily` keeps the cover by day."""
    field = _Field(seasons, own)
    covers = np.zeros((int(seasons.ripe_after.max()) + 1 if daily else 0, len(seasons)))
    for day in range(int(seasons.ripe_after.max()) + 1):
        field.step(day)
        if daily:
            covers[day] = field.cover
    return field.finish(covers)


class _Field:
    """The state of n fields, one day after another."""

    def __init__(self, seasons: Seasons, own: Mapping[str, float]) -> None:
        self.s, self.own = seasons, own
        fields, count = seasons.fields, len(seasons)
        self.most = most_cover(fields, own)
        self.first = own["PlantPop"] * fields.density_share * own["SeedSize"] * 1e-8
        self.factor = co2_factor(own)
        self.daily_heat = np.maximum(seasons.stage["Maturity"] / np.maximum(seasons.ripe_after, 1), 1.0)
        self.cover, self.free, self.top, self.highest = (np.zeros(count) for _ in range(4))
        self.weary, self.from_cover, self.delay, self.soaked = (np.zeros(count) for _ in range(4))
        self.dead, self.sprouted = np.zeros(count, bool), np.zeros(count, bool)
        self.irrigated = fields.irrigated > 0.5
        self.soil_mm_m = 1000.0 * (fields.capacity - fields.wilting)
        self.depth = np.full(count, own["Zmin"])
        self.water = fields.start_water * self.soil_mm_m * self.depth
        self.below = fields.start_water * self.soil_mm_m
        self.surface = fields.start_water * self.soil_mm_m * TOP_M
        evaporable = 1000.0 * (fields.capacity - 0.5 * fields.wilting) * TOP_M
        self.total_evaporable = np.maximum(evaporable, fields.evaporable_mm + 1.0)
        self.dried = self.total_evaporable * (1.0 - fields.start_water)
        self.storable = 254.0 * (100.0 / fields.curve_number - 1.0)
        self.sums, self.order = {name: np.zeros(PHASES * count) for name in SUMS}, np.arange(count)
        self.flowers, self.flowering, self.alive, self.forming = (np.zeros(count) for _ in range(4))
        self.perfect, self.thirst, self.left = np.zeros(count), np.zeros(count), np.zeros(count)

    def step(self, day: int) -> None:
        s, own = self.s, self.own
        warm, live = s.degree_days[day], day <= s.ripe_after
        self._sprout(warm)
        heat = s.heat[day] - self.delay
        gone = self._gone()
        shift = 0.04 * (5.0 - s.et0[day]) if own["ETadj"] else 0.0 * heat
        keys = {"expansion": ("p_up1", own["p_lo1"], own["fshape_w1"]), "stomata": ("p_up2", 1.0, 0.0)}
        wants = {name: _stress(gone, own[up], lower, shape, shift) for name, (up, lower, shape) in keys.items()}
        upper = own["p_up3"] * np.where(self.weary > 0, 0.88, 1.0)
        green = _stress(gone, own["p_up3"], 1.0, own["fshape_w3"], shift)
        tired = _stress(gone, upper, 1.0, own["fshape_w3"], shift) < 1.0
        cold = _cold(warm, own["GDD_up"]) if own["TrColdStress"] and own["GDD_up"] > 0 else np.ones(len(heat))
        self._grow(heat, warm, wants["expansion"], green, tired)
        air = self._air()
        limit = np.minimum(wants["stomata"], air)
        ceiling = self._coefficient(heat) * cold
        potential, taken = ceiling * _wide(self.free), ceiling * _wide(self.cover) * limit
        weight = np.where(heat > s.stage["HIstart"], own["WPy"] / 100.0, 1.0) * own["WP"] * self.factor * 10.0
        runoff = self._runoff(s.rain[day])
        drained = self._wet(s.rain[day] - runoff, taken * s.et0[day], s.et0[day], heat)
        rates: dict[str, Any] = {"runoff": runoff, "drained": drained, "rain": s.rain[day], "et0": s.et0[day]}
        rates |= {"days": 1.0, "temperature": (s.tmin[day] + s.tmax[day]) / 2, "cold": cold, "air": air}
        rates |= {"potential": potential, "taken": taken, "green": green, "biomass": weight * taken, **wants}
        self._count(heat, live, rates)
        self.perfect += live * weight * potential
        seedling = (heat >= s.stage["Emergence"]) & (heat < s.stage["Emergence"] + SEEDLING)
        self.thirst = np.where(seedling, np.maximum(self.thirst, gone), self.thirst)
        self._flower(day, heat, gone, shift, live)
        self.top = np.maximum(self.top, self.cover * live)
        self.left = np.where(live, self.water / (self.soil_mm_m * self.depth), self.left)

    def _count(self, heat: Floats, live: NDArray[np.bool_], rates: Mapping[str, Any]) -> None:
        """Add a day's rates to the sums of its phase."""
        s = self.s
        phase = (heat >= s.stage["Emergence"]).astype(int) + (heat >= s.stage["HIstart"]) + (heat >= s.stage["middle"])
        place = phase * len(heat) + self.order
        for name, rate in rates.items():
            self.sums[name][place] += live * rate

    def _sprout(self, warm: Floats) -> None:
        """Wait for a fifth of the available water in the seed bed (section 3.3)."""
        self.sprouted |= self.water >= 0.2 * self.soil_mm_m * self.depth
        self.delay += np.where(self.sprouted, 0.0, warm)

    def _gone(self) -> Floats:
        """Return how much of the available water is gone, of the root zone or the top soil, whichever is wetter."""
        deep = 1.0 - self.water / (self.soil_mm_m * self.depth)
        return np.asarray(np.clip(np.minimum(deep, 1.0 - self.surface / (self.soil_mm_m * TOP_M)), 0.0, 1.0))

    def _air(self) -> Floats:
        """Return the stress of roots that want air, full after three days (section 3.9)."""
        fields = self.s.fields
        held = fields.wilting + self.water / (1000.0 * self.depth)
        edge = fields.saturation - self.own["Aer"] / 100.0
        self.soaked = np.where(held > edge, np.minimum(self.soaked + 1.0, 3.0), 0.0)
        part = np.clip((held - edge) / np.maximum(fields.saturation - edge, 1e-6), 0.0, 1.0)
        return np.asarray(1.0 - part * self.soaked / 3.0)

    def _grow(self, heat: Floats, warm: Floats, expansion: Floats, green: Floats, tired: NDArray[np.bool_]) -> None:
        """Update the cover of the field, and that of one that wants no water (section 3.4)."""
        own, s = self.own, self.s
        out = (heat >= s.stage["Emergence"]) & ~self.dead
        old = heat >= s.stage["Senescence"]
        rise, slow = np.exp(own["CGC"] * warm), np.exp(own["CGC"] * expansion * warm)
        guarded = (self.cover <= 1.25 * self.first) & bool(own["PlantMethod"])
        before = self.cover
        self.cover = self._taller(self.cover, np.where(guarded, rise, slow), heat, out)
        self.free = self._taller(self.free, rise, heat, out | self.dead)
        self.highest = np.where(old, self.highest, np.maximum(self.cover, self.highest * (self.weary <= 0)))
        late = np.maximum(heat - s.stage["Senescence"], 0.0)
        pace = own["CDC"] * (self.highest + 2.29) / (own["CCx"] + 2.29)
        self.cover = np.where(old, np.minimum(self.cover, _fading(self.highest, pace * late)), self.cover)
        self.free = np.where(old, np.minimum(self.free, _fading(self.most, own["CDC"] * late)), self.free)
        tired = tired & ~guarded & out & (before > 0)
        self.from_cover = np.where(tired & (self.weary <= 0), before, self.from_cover)
        self.weary = np.where(tired, self.weary + np.maximum(own["CDC"] * (1.0 - green**8), 1e-4) * warm + 1e-9, 0.0)
        worn = np.minimum(np.minimum(_fading(self.from_cover, self.weary), before), self.cover)
        self.cover = np.where(tired, worn, self.cover)
        self.highest = np.where(tired & ~old, self.cover, self.highest)
        self.dead |= out & (before > 0) & (self.cover < 0.001)
        self.cover = np.where(self.dead, 0.0, self.cover)

    def _taller(self, cover: Floats, rise: Floats, heat: Floats, out: NDArray[np.bool_]) -> Floats:
        """Return a cover grown by a day: exponential up to half of the greatest, then ever slower."""
        start = np.where(out & (cover <= 0), self.first, cover)
        grown = np.where(start < self.most / 2, start * rise, self.most - (self.most - start) / rise)
        return np.where(out & (heat < self.s.stage["closed"]), np.minimum(grown, self.most), np.where(out, cover, 0.0))

    def _coefficient(self, heat: Floats) -> Floats:
        """Return the transpiration coefficient: `Kcb`, lowered as the full canopy ages and by CO2 (section 3.9)."""
        own, s = self.own, self.s
        aged = np.clip((heat - s.stage["full"]) / self.daily_heat - 5.0, 0.0, 120.0)
        coefficient = np.maximum(own["Kcb"] - aged * own["fage"] / 100.0 * self.most, 0.2)
        return np.asarray(coefficient * (1.0 - 0.05 * (CO2_PPM - BASE_PPM) / (550.0 - BASE_PPM)))

    def _runoff(self, rain: Floats) -> Floats:
        """Return runoff [mm] by curve number, with an initial abstraction of 5 % (section 3.7)."""
        over = np.maximum(rain - 0.05 * self.storable, 0.0)
        return np.asarray(over**2 / (rain + 0.95 * self.storable))

    def _wet(self, rain: Floats, taken: Floats, et0: Floats, heat: Floats) -> Floats:
        """Keep the books of water for a day; return what drained below the roots [mm]."""
        own, s = self.own, self.s
        short = self.soil_mm_m * self.depth - self.water
        poured = self.irrigated & (short > (1.0 - KEPT_WET) * self.soil_mm_m * self.depth)
        rain = rain + np.where(poured, np.minimum(short, MOST_WATER_MM), 0.0)
        self.dried = np.clip(self.dried - rain, 0.0, self.total_evaporable)
        dry = (self.total_evaporable - self.dried) / (self.total_evaporable - s.fields.evaporable_mm)
        lost = 1.1 * (1.0 - _wide(self.cover)) * et0 * np.clip(dry, 0.0, 1.0)
        self.dried = np.minimum(self.dried + lost, self.total_evaporable)
        most = self.soil_mm_m * TOP_M
        drawn = taken * np.minimum(2.0 * TOP_M / self.depth, 1.0)
        self.surface = np.clip(np.minimum(self.surface + rain, most) - lost - drawn, 0.0, most)
        sprout = s.stage["Emergence"] / 2
        reached = np.clip((heat - sprout) / (s.stage["MaxRooting"] - sprout), 0.0, 1.0)
        depth = own["Zmin"] + (own["Zmax"] - own["Zmin"]) * reached ** (1.0 / own["fshape_r"])
        depth = np.maximum(depth, self.depth)
        water = self.water + (depth - self.depth) * self.below + rain - taken - lost
        taw = self.soil_mm_m * depth
        drained = np.maximum(water - taw, 0.0)
        rest = np.maximum(own["Zmax"] - depth, 0.05)
        self.below = np.minimum(self.below + drained / rest, self.soil_mm_m)
        self.water, self.depth = np.clip(water, 0.0, taw), depth
        return np.asarray(drained)

    def _flower(self, day: int, heat: Floats, gone: Floats, shift: Floats, live: NDArray[np.bool_]) -> None:
        """Count what of the flowers sets, and how long the canopy lives while the yield forms (section 3.12)."""
        own, s = self.own, self.s
        forming = live & (heat >= s.stage["HIstart"]) & (heat <= s.stage["HIend"])
        self.forming += forming
        self.alive += forming & (self.cover > 0.05)
        if own["Flowering"] <= 0:
            return
        open_ = forming & (heat <= s.stage["HIstart"] + own["Flowering"] * s.fields.thermal_share)
        set_ = _stress(gone, own["p_up4"], 1.0, 0.0, 0.0 * shift)
        if own["PolHeatStress"]:
            set_ = np.minimum(set_, np.clip((own["Tmax_lo"] - s.tmax[day]) / (own["Tmax_lo"] - own["Tmax_up"]), 0, 1))
        if own["PolColdStress"]:
            set_ = np.minimum(set_, np.clip((s.tmin[day] - own["Tmin_lo"]) / (own["Tmin_up"] - own["Tmin_lo"]), 0, 1))
        self.flowering += open_
        self.flowers += open_ * set_

    def finish(self, covers: Floats) -> Reckoned:
        own = self.own
        sums = {name: values.reshape(PHASES, -1).T for name, values in self.sums.items()}
        pollinated = np.where(self.flowering > 0, self.flowers / np.maximum(self.flowering, 1), 1.0)
        setting = np.minimum(pollinated * (1.0 + max(own["exc"], 0.0) / 100.0), 1.0)
        grown = self.alive / np.maximum(self.forming, 1)
        found = sums["biomass"].sum(axis=1) * own["HI0"] * setting * grown
        return Reckoned(
            sums,
            self.perfect * own["HI0"],
            found,
            pollinated,
            grown,
            self.top,
            self.left,
            self.thirst,
            self.delay,
            covers,
        )


def _stress(gone: Floats, upper: float | Floats, lower: float, shape: float, shift: Floats) -> Floats:
    """Return the water stress coefficient, 1 none, 0 full; `shape` 0 is a straight line (section 3.2)."""
    ends = [np.clip(end + shift * np.log10(10.0 - 9.0 * np.asarray(end)), 0.0, 1.0) for end in (upper, lower)]
    part = np.clip((gone - ends[0]) / np.maximum(ends[1] - ends[0], 1e-6), 0.0, 1.0)
    return np.asarray(1.0 - (np.expm1(part * shape) / np.expm1(shape) if shape else part))


def _fading(cover: Floats, spent: Floats) -> Floats:
    """Return what is left of a cover, `spent` being the decline coefficient times degree days (section 3.4)."""
    part = np.minimum(3.33 * spent / (cover + 2.29), 6.0)
    return np.asarray(cover * np.clip(1.0 - 0.05 * np.expm1(part), 0.0, 1.0))


def _cold(warm: Floats, upper: float) -> Floats:
    """Return how far the cold lets the crop transpire: logistic between 0 and `upper` degree days (section 3.9)."""
    part = np.clip(warm / upper, 0.0, 1.0)
    return np.asarray(0.02 / (0.02 + 0.98 * np.exp(-7.78 * part)) - 0.02 * (1.0 - part))


def _wide(cover: Floats) -> Floats:
    """Return the cover widened by advection between rows (section 3.9)."""
    return np.asarray(np.clip(1.72 * cover - cover**2 + 0.30 * cover**3, 0.0, 1.0))
