"""A price book of one's own: dated prices by crop, region and grade, each with its source, as CSV or YAML.

One row a price::

    crop,region,grade,day,price,currency,risk,source
    maize,flanders,,2023-01-01,0.22,EUR,0.18,"Co-operative of ..., list of January 2023"

`price` is money per kg; `risk` the relative standard deviation of the price at harvest [1]. Without a risk it is taken
from the book's own earlier prices of the same crop, region and grade (`risk.seasonal_change`), where they reach back
five years; a price with neither is refused. YAML is a list of mappings with the same keys.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from greattit.crops import taxonomy
from greattit.errors import PolicyError
from greattit.policy import Decided
from greattit.value.risk import seasonal_change

NEEDED = ("crop", "region", "day", "price", "currency", "source")
HORIZON_MONTHS = 3
"""Months from a price to the harvest it stands for, where the risk is read from the book's own prices."""


class Quoted(Decided):
    """A price or risk of a book, in the form of a decided number."""

    @property
    def source(self) -> str:
        """One line for `Figure.source`."""
        return f"{self.reference}, in force since {self.since}"


@dataclass(frozen=True)
class Entry:
    """One price as it came into force."""

    crop: str
    region: str
    grade: str
    day: date
    price: float
    """[currency/kg]"""
    currency: str
    risk: float | None
    source: str
    row: int
    """in the file, 1 is the first price"""


@dataclass(frozen=True)
class Book:
    """The prices of one file."""

    name: str
    """of the file"""
    sha256: str
    """of its bytes"""
    entries: tuple[Entry, ...]

    def find(self, crop: str, *, region: str, grade: str = "", day: date) -> tuple[Decided, Decided, str] | None:
        """Return price [currency/kg], risk [1] and currency in force on `day`, of the crop or its nearest parent.

        None when the book has none; raises `PolicyError` when it has a price without a risk that can be told.
        """
        for name in (taxonomy.house_name(crop), *taxonomy.ancestors(crop)):
            own = [e for e in self.entries if (e.crop, e.region, e.grade) == (name, region, grade) and e.day <= day]
            if own:
                last = max(own, key=lambda entry: entry.day)
                return self._decided(last), self._risk(last, own, day), last.currency
        return None

    def _where(self, entry: Entry) -> str:
        return f"{self.name} (sha256 {self.sha256[:12]}), row {entry.row}"

    def _decided(self, entry: Entry) -> Decided:
        what = f"Price of {entry.crop}" + (f", grade {entry.grade}" if entry.grade else "")
        return Quoted(
            entry.price, f"{entry.currency}/kg", what, f"{entry.source}; {self._where(entry)}", entry.day, self.name
        )

    def _risk(self, last: Entry, own: list[Entry], day: date) -> Decided:
        what = "Spread of the price at harvest, as a relative standard deviation"
        if last.risk is not None:
            return Quoted(last.risk, "1", what, f"{last.source}; {self._where(last)}", last.day, self.name)
        days = np.array([entry.day for entry in own], "datetime64[D]")
        change = seasonal_change(days, np.array([e.price for e in own]), start=day, months=HORIZON_MONTHS)
        if change is None:
            raise PolicyError(
                f"the price of {last.crop} has no risk, and too few earlier prices to tell one from",
                subject=self._where(last),
                remedy="fill in the column risk, or add monthly prices of five years",
            )
        how = (
            f"quantiles .1 and .9 of ln(price {HORIZON_MONTHS} months later / price) from this time of the year, "
            f"{change.years} years of {self.name}, over 2 x 1.2816"
        )
        return Quoted(change.risk, "1", what, how, last.day, self.name)


def read_book(file: Path) -> Book:
    """Read a price book, CSV or YAML; raise `PolicyError` naming the row that cannot be used."""
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise PolicyError(str(error.strerror), subject=str(file), remedy="name a file of prices") from error
    except UnicodeDecodeError as error:
        raise PolicyError("is not UTF-8", subject=str(file), remedy="save it as UTF-8") from error
    rows = _yaml(text, file) if file.suffix.lower() in (".yaml", ".yml") else csv.DictReader(io.StringIO(text))
    entries = tuple(_entry(row, number, file) for number, row in enumerate(rows, start=1))
    if not entries:
        raise PolicyError("holds no price", subject=str(file), remedy=f"one row a price: {', '.join(NEEDED)}")
    seen: dict[tuple[str, str, str, date], int] = {}
    for one in entries:
        before = seen.setdefault((one.crop, one.region, one.grade, one.day), one.row)
        if before != one.row:
            raise PolicyError(
                f"rows {before} and {one.row} price {one.crop} in {one.region} on {one.day} twice",
                subject=str(file),
                remedy="keep one of them",
            )
    return Book(file.name, hashlib.sha256(raw).hexdigest(), entries)


def _yaml(text: str, file: Path) -> Iterable[Mapping[str, Any]]:
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError(f"is not YAML: {error}", subject=str(file)) from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise PolicyError("is not a list of prices", subject=str(file), remedy=f"each with {', '.join(NEEDED)}")
    return found


def _entry(row: Mapping[str, Any], number: int, file: Path) -> Entry:
    where = f"{file}, row {number}"
    text = {str(key).strip().lower(): "" if value is None else str(value).strip() for key, value in row.items()}
    lacking = [key for key in NEEDED if not text.get(key)]
    if lacking:
        raise PolicyError(f"lacks {', '.join(lacking)}", subject=where, remedy="fill it in")
    crop = taxonomy.house_name(text["crop"].lower().replace(" ", "_"))
    if not taxonomy.known(crop):
        raise PolicyError(f"there is no crop {text['crop']!r}", subject=where, remedy="see policy/crops.yaml")
    try:
        day = date.fromisoformat(text["day"])
    except ValueError as error:
        raise PolicyError(f"{text['day']!r} is no day", subject=where, remedy="write it as 2023-01-31") from error
    currency = text["currency"].upper()
    if not (len(currency) == 3 and currency.isalpha()):
        raise PolicyError(f"{text['currency']!r} is no currency", subject=where, remedy="write an ISO 4217 code: EUR")
    risk = _number(text["risk"], "risk", where) if text.get("risk") else None
    return Entry(
        crop, text["region"], text.get("grade", ""), day, _number(text["price"], "price", where), currency, risk,
        text["source"], number,
    )  # fmt: skip


def _number(text: str, what: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise PolicyError(f"{what} {text!r} is not a number above zero", subject=where, remedy="write e.g. 0.22")
    return value
