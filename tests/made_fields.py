"""Records for the tests of yields, value and credit: one plausible field, each figure of which can be turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from shapely.geometry import box

from greattit import credit, value, yields
from greattit.types import CreditLine, CropCall, Figure, Growth, Hazard, Interval, Segment, Worth, Yield

DAY = date(2018, 9, 1)


@dataclass(frozen=True)
class Field:
    """What a loan officer would write down about one field."""

    crop: str | None = "maize"
    likely: Sequence[str] = ()
    certainty: float = 0.9
    abstained: str | None = None
    drawn_ha: float = 2.0
    area_ha: Sequence[float] = (1.8, 1.95, 2.1)
    cut_away: Mapping[str, float] = field(default_factory=dict)
    looks: int = 14
    vigour: float = 1.0
    damage: Sequence[Mapping[str, Any]] = ()
    region: str | None = "flanders"
    day: date = DAY
    live_debt: Any = 0

    def segment(self) -> Segment:
        low, middle, high = self.area_ha
        area = Interval(low, middle, high, "ha")
        outline = box(3.1, 51.0, 3.11, 51.01)
        return Segment("a", np.ones((1, 1), np.float32), area, self.drawn_ha, outline, dict(self.cut_away), 0.0)

    def call(self) -> CropCall:
        likely = tuple(self.likely) or ((self.crop,) if self.crop else ())
        return CropCall({}, self.crop, likely, self.certainty, self.abstained, "test", "0" * 64)

    def growth(self) -> Growth:
        found = tuple(
            Hazard(str(one["kind"]), float(one["share"]), one.get("day", self.day), "as seen by the test")
            for one in self.damage
        )
        normal = Figure("normal peak", 0.7, "1", "test")
        return Growth(None, None, None, "ripening", 0.7, self.vigour, normal, self.looks, found)

    def yields(self) -> tuple[Yield, ...]:
        return yields.estimate(self.call(), self.growth(), region=self.region, day=self.day)

    def worth(self) -> Worth | None:
        return value.price(self.yields(), self.segment(), region=self.region, day=self.day)

    def line(self) -> CreditLine:
        return credit.offer(
            worth=self.worth(),
            yields=self.yields(),
            segment=self.segment(),
            call=self.call(),
            growth=self.growth(),
            region=self.region,
            day=self.day,
            live_debt=Decimal(str(self.live_debt)),
        )
