"""An appraisal and its cube made by hand, for tests of what shows them. The numbers are invented."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import shapely

from greattit.errors import PlotPlaceError
from greattit.types import (
    Appraisal,
    CreditLine,
    CropCall,
    Figure,
    Growth,
    Hazard,
    Interval,
    MadeWith,
    Part,
    Plot,
    Reason,
    Segment,
    Series,
    Worth,
    Yield,
)

CRS = "EPSG:32631"
WEST, NORTH = 640_000.0, 5_650_000.0
ROWS, COLUMNS = 36, 44
DAY = date(2018, 9, 1)


def lonlat(geometry: shapely.Geometry) -> shapely.Geometry:
    from pyproj import Transformer

    turn = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return shapely.transform(geometry, lambda xy: np.column_stack(turn.transform(xy[:, 0], xy[:, 1])))


FIELD = shapely.Polygon([(640_090, 5_649_930), (640_330, 5_649_900), (640_310, 5_649_720), (640_100, 5_649_740)])
DRAWN = shapely.Polygon([(640_080, 5_649_940), (640_345, 5_649_915), (640_300, 5_649_700), (640_085, 5_649_735)])


def made_cube(*, simulated: bool = False) -> Any:
    import xarray as xr

    rng = np.random.default_rng(1)
    days = np.arange(np.datetime64("2018-02-01"), np.datetime64("2018-09-01"), 8).astype("datetime64[ns]")
    x, y = WEST + 5 + 10 * np.arange(COLUMNS), NORTH - 5 - 10 * np.arange(ROWS)
    inside = shapely.contains_xy(FIELD, *np.meshgrid(x, y))
    phase = np.exp(-(((np.arange(len(days)) - 17) / 5.5) ** 2))
    green = np.where(inside[None], phase[:, None, None], 0.35)
    noise = rng.normal(0, 0.006, green.shape)
    bands = {
        "B02": 0.06 - 0.03 * green,
        "B03": 0.08 - 0.02 * green,
        "B04": 0.11 - 0.08 * green,
        "B08": 0.20 + 0.30 * green,
    }
    clear = np.ones(green.shape, bool)
    clear[rng.random(len(days)) < 0.35] = False
    clear[5, :, :25] = False
    data = {name: (("time", "y", "x"), (v + noise).astype(np.float32)) for name, v in bands.items()}
    data["clear"] = (("time", "y", "x"), clear)
    attrs = {
        "crs": CRS,
        "cube_id": "c" * 64,
        "transform": (10.0, 0.0, WEST, 0.0, -10.0, NORTH),
        "warnings": (),
        "attribution": "Contains modified Copernicus Sentinel data 2018",
        "simulated": simulated,
    }
    return xr.Dataset(data, coords={"time": days, "y": y, "x": x}, attrs=attrs)


def made_series(cube: Any) -> Series:
    inside = shapely.contains_xy(FIELD, *np.meshgrid(cube.x.values, cube.y.values))
    clear = (cube.clear.values & inside).sum((1, 2)) / inside.sum()
    bands = ("B02", "B03", "B04", "B08")
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.stack(
            [
                np.where(cube.clear.values & inside, cube[b].values, 0).sum((1, 2)) / (clear * inside.sum())
                for b in bands
            ],
            axis=1,
        )
    return Series("north-7", cube.time.values.astype("datetime64[D]"), bands, values.astype(np.float32), clear)


def made_appraisal(cube: Any, **changes: Any) -> Appraisal:
    """Return a line of 1,850 EUR on 4.21 ha of maize; `changes` replace fields of the record."""
    drawn, field = lonlat(DRAWN), lonlat(FIELD)
    inside = shapely.contains_xy(FIELD, *np.meshgrid(cube.x.values, cube.y.values))
    crop = {"maize": 0.86, "potato": 0.07, "sugar_beet": 0.03, "grassland": 0.02, "winter_wheat": 0.01, "forest": 0.01}
    rule = "policy/credit/{}, in force since 2015-01-01: an invented reference"
    maize = Yield(
        "maize",
        Interval(6900.0, 9400.0, 11800.0, "kg/ha"),
        "Regional mean of Flanders 2013-2017, moved by a vigour of 0.93.",
        (
            Figure("mean yield", 10100.0, "kg/ha", "policy/yields/flanders/maize: an invented table"),
            Figure("vigour", 0.93, "1", "growth"),
        ),
    )
    potato = Yield("potato", Interval(31000.0, 42000.0, 55000.0, "kg/ha"), "Regional mean.", ())
    base = Appraisal(
        plot=Plot("north-7", drawn, 5.05, ("The ring was not closed; its last point was joined to its first.",)),
        day=DAY,
        region="flanders",
        segment=Segment(
            "north-7",
            inside.astype(np.float32),
            Interval(4.08, 4.21, 4.34, "ha"),
            5.05,
            field,
            {"mixed border": 0.42, "other land": 0.31, "water, road or building": 0.11},
            0.0,
            (4.03, 4.39),
        ),
        series=made_series(cube),
        call=CropCall(crop, "maize", ("maize", "potato"), 0.86, None, "crops", "a" * 64),
        growth=Growth(
            date(2018, 5, 2),
            date(2018, 6, 17),
            date(2018, 8, 28),
            "harvested",
            0.62,
            0.93,
            Figure("normal peak EVI2 of maize", 0.65, "1", "models/crops"),
            15,
            (),
        ),
        yields=(maize, potato),
        worth=Worth(
            "maize",
            "EUR",
            Interval(4420.0, 6330.0, 8410.0, "EUR"),
            (
                Figure("lendable area", 4.21, "ha", "min(drawn area, measured area p50)"),
                Figure("price of maize", 0.16, "EUR/kg", "policy/prices/maize, in force since 2018-08-01: invented"),
            ),
        ),
        line=CreditLine(
            Decimal("1850.00"),
            "EUR",
            date(2018, 12, 15),
            105,
            "advance",
            None,
            (
                Reason(
                    "area",
                    "The field measures 4.21 ha; 5.05 ha were drawn, and 0.84 ha of that is other land.",
                    "lowers",
                ),
                Reason("crop", "It is maize with a certainty of 86 %; potato cannot be ruled out.", "informs"),
                Reason("looks", "15 clear looks since 2 May 2018.", "informs"),
                Reason("vigour", "It is 93 % as green as a normal field of maize.", "lowers"),
                Reason("rule", "The advance of 50 % of the prudent value binds.", "binds"),
                Reason("history", "Sown in time, and no damage seen.", "raises"),
            ),
            (
                Figure("advance rate", 0.5, "1", rule.format("advance_rate")),
                Figure("advance", "2210.00", "EUR", "advance rate x p10 of the value"),
                Figure("need", "3450.00", "EUR", rule.format("scale_of_finance")),
                Figure("cap", "25000.00", "EUR", rule.format("cap")),
                Figure("live debt", "350.00", "EUR", "the lender's ledger"),
                Figure("free amount", "1860.00", "EUR", "min(advance, need, cap) - live debt"),
                Figure("step", "10", "EUR", rule.format("step")),
                Figure("limit", "1850.00", "EUR", "free amount, rounded down to the step"),
            ),
        ),
        made_with=MadeWith("0.1.0", "c" * 64, "", {"credit": "d" * 64, "prices": "e" * 64}, {"crops": "a" * 64}),
        warnings=("Scene S2A_X left out: B04 is cut short.",),
        timing={"tiles": 0.4, "plots": 0.2, "crops": 0.1},
    )
    return replace(base, **changes)


def made_parts(cube: Any) -> Appraisal:
    """Return the same plot where the drawing holds two fields, west and east of a track."""
    base = made_appraisal(cube)
    west, east = (
        shapely.box(640_090, 5_649_730, 640_190, 5_649_920),
        shapely.box(640_200, 5_649_730, 640_310, 5_649_900),
    )
    parts = (
        Part(lonlat(west), Interval(1.75, 1.9, 2.05, "ha"), 0.38, 0.94),
        Part(lonlat(east), Interval(1.7, 1.87, 2.1, "ha"), 0.37, 0.88),
    )
    return replace(base, segment=replace(base.segment, parts=parts))


def made_refusal(cube: Any) -> Appraisal:
    """Return a plot where the crop could not be told and damage was seen."""
    base = made_appraisal(cube)
    call = CropCall(
        {"maize": 0.38, "potato": 0.35, "sugar_beet": 0.27},
        None,
        (),
        0.38,
        "The two best crops are too close: maize 38 %, potato 35 %.",
        "crops",
        "a" * 64,
    )
    flood = Hazard("flood", 0.4, date(2018, 6, 9), "NDWI 0.31 on 40 % of the plot")
    reason = Reason("no_crop", "The crop cannot be told: maize 38 %, potato 35 %; a line needs a crop.", "refuses")
    return replace(
        base,
        call=call,
        growth=replace(base.growth, hazards=(flood,), end=None, stage="ripening"),
        yields=(),
        worth=None,
        line=CreditLine(Decimal("0"), "EUR", None, 0, "", "no_crop", (base.line.reasons[0], reason), ()),
    )


def made_unseen(cube: Any) -> Appraisal:
    """Return a plot that no look saw clear."""
    base = made_refusal(cube)
    series = replace(base.series, values=np.full_like(base.series.values, np.nan), clear=base.series.clear * 0)
    growth = replace(
        base.growth, start=None, peak=None, hazards=(), stage="unknown", peak_evi2=np.nan, vigour=np.nan, looks=0
    )
    call = CropCall({}, None, (), float("nan"), "Nothing was seen.", "crops", "a" * 64)
    reason = Reason("too_few_looks", "0 clear looks; at least 6 are needed.", "refuses")
    line = replace(base.line, refused="too_few_looks", reasons=(reason,), currency="")
    return replace(base, series=series, growth=growth, call=call, line=line, region="")


@dataclass
class MadeWalk:
    """A walk without tiles: what comes of a plot follows from its id alone."""

    simulated: bool = False
    attribution: str = "made for a test"
    parent: int = 0

    def __call__(self, plot: Plot) -> Appraisal:
        if plot.id.startswith("boom"):
            raise RuntimeError("the roof fell in")
        if plot.id.startswith("away"):
            raise PlotPlaceError("lies outside the tiles", subject=f"plot {plot.id}", remedy="give other tiles")
        if plot.id.startswith("kill") and os.getpid() != self.parent:
            os._exit(9)
        number = zlib.crc32(plot.id.encode())
        cube = made_cube()
        if number % 4 == 0:
            return replace(made_refusal(cube), plot=plot)
        base = made_appraisal(cube, plot=plot)
        crop = ("maize", "potato", "sugar_beet", "winter_wheat")[number % 3]
        line = replace(base.line, limit=Decimal(number % 9000) + Decimal("0.50"))
        return replace(base, line=line, call=replace(base.call, crop=crop, likely=(crop,)))
