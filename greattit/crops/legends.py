"""Somebody's labels become house names: `translate(labels, legend)`.

A legend is "house" (names in English or Chinese), the codes "hcat" (HCAT3 of EuroCrops), "worldcereal" (the WorldCereal
crop type legend, four digits or dashed) or "icc" (the Indicative Crop Classification of FAO), or the path of a CSV or
YAML file with `label` and `crop`. The codes of the house stand in `policy/crops.yaml`; a code without a crop of its own
becomes the nearest coarser one that has, which the report says. No row is dropped.
"""

from __future__ import annotations

import csv
import difflib
import numbers
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from greattit.crops import taxonomy
from greattit.errors import DatasetError

LEGENDS = ("house", "hcat", "worldcereal", "icc")
"""the legends that need no file, in the order in which they are guessed"""
ENOUGH = 0.5
"""least share of the rows that a guessed legend must know"""
SHOWN = 5
"""labels that an error names"""


@dataclass(frozen=True)
class Translation:
    """Labels as house names, with what was lost on the way."""

    legend: str
    """the legend, or the path of its file"""
    crops: tuple[str | None, ...]
    """house name of each row, None where the label is unknown"""
    counts: Mapping[str, int]
    """label -> rows, most first; "" is an empty cell"""
    table: Mapping[str, str | None]
    """label -> house name, None where it is unknown"""
    coarser: Mapping[str, str]
    """label -> the coarser house name that was taken for want of its own"""
    unknown: Mapping[str, int]
    """label -> rows that have no house name"""

    def lines(self) -> list[str]:
        """Return the report, one line a finding."""
        rows = len(self.crops)
        said = [f"{rows - sum(self.unknown.values())} of {rows} rows translated by {self.legend}"]
        said += [f"{label}: {self.counts[label]} rows taken coarser, as {crop}" for label, crop in self.coarser.items()]
        return said + [
            f"{label or 'empty'}: {count} rows unknown{_why(label)}" for label, count in self.unknown.items()
        ]


def translate(labels: Iterable[object], legend: str | Path = "house", *, strict: bool = False) -> Translation:
    """Turn labels into house names: one for each row, in order, None where the legend does not know the label.

    Labels may be text or numbers with blanks around them; None and NaN are empty cells, which are unknown. Raises
    `DatasetError` for a legend that does not exist and, when `strict`, for unknown labels.
    """
    texts = [_text(label) for label in labels]
    counts = dict(Counter(texts).most_common())
    own = {} if str(legend) in LEGENDS else _read(Path(legend))
    found = {text: own.get(_key(text)) if own else _find(text, str(legend)) for text in counts}
    table = {text: hit[0] if hit else None for text, hit in found.items()}
    done = Translation(
        legend=str(legend),
        crops=tuple(table[text] for text in texts),
        counts=counts,
        table=table,
        coarser={text: hit[0] for text, hit in found.items() if hit and hit[1]},
        unknown={text: count for text, count in counts.items() if table[text] is None},
    )
    if strict and done.unknown:
        raise _refused(done, own)
    return done


def guess_legend(labels: Iterable[object]) -> str:
    """Return the legend of `LEGENDS` that knows most rows; a row that is taken coarser counts half.

    Bare numbers below 1000 are no evidence: they may be anybody's class ids. Raises `DatasetError` when no legend knows
    half of the rows that are not empty.
    """
    counts = Counter(text for label in labels if (text := _text(label)))
    known = dict.fromkeys(LEGENDS, 0.0)
    for text, count in counts.items():
        for legend in () if re.fullmatch(r"\d{1,3}", text) else LEGENDS:
            hit = _find(text, legend)
            known[legend] += count * (0.0 if hit is None else 0.5 if hit[1] else 1.0)
    best = max(LEGENDS, key=lambda legend: known[legend])
    if not counts or known[best] < ENOUGH * counts.total():
        raise DatasetError(
            f"no legend knows half of the {counts.total()} labels: {_some(counts)}",
            subject="labels",
            remedy=f"name one of {', '.join(LEGENDS)}, or a CSV of label,crop",
        )
    return best


def _text(label: object) -> str:
    """Return a label as text without blanks around it: 1110, 1110.0 and " 1110.0" are "1110"; None and NaN are ""."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(label, numbers.Integral) and not isinstance(label, bool):
        return str(int(label))
    if isinstance(label, numbers.Real) and not isinstance(label, bool):
        number = float(label)
        if number != number:
            return ""
        return str(int(number)) if number.is_integer() else repr(number)
    text = unicodedata.normalize("NFKC", str(label)).strip()
    return re.sub(r"^(\d+)\.0$", r"\1", text)


def _key(text: str) -> str:
    """Return a name as it is compared: in lower case, with one underscore for blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "_", text.casefold()).strip("_")


def _find(text: str, legend: str) -> tuple[str, bool] | None:
    """Return the house name and whether it is coarser than the label; None when the legend does not know it."""
    if legend == "house":
        name = _named(text)
        return (name, False) if name else None
    own, narrower = _coded(legend)
    for step, code in enumerate(_chain(text, legend)):
        if code in own:
            return own[code], step > 0
        if code in narrower:
            return narrower[code], True
    return None


@cache
def _index() -> dict[str, str]:
    """Return every way of writing a name of the house -> house name: its own first, then English, Chinese, aliases."""
    index: dict[str, str] = {name: name for name in taxonomy.crops()}
    for name, leaf in taxonomy.crops().items():
        for said in (leaf["en"], leaf["zh"], *leaf["zh"].split("、")):
            index.setdefault(_key(said), name)
    for said, name in taxonomy.aliases().items():
        index.setdefault(_key(said), name)
    return index


def _named(text: str) -> str | None:
    key = _key(text)
    tries = [key]
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        if key.endswith(ending):
            tries.append(key.removesuffix(ending) + instead)
    found = next((_index()[one] for one in tries if one in _index()), None)
    if found is None and taxonomy.known(key):
        return taxonomy.house_name(key)
    for between in ("_then_", "—") if found is None else ():
        first, _, second = (_index().get(part, part) for part in map(_key, key.partition(between)))
        if second and taxonomy.known(double := f"{taxonomy.DOUBLE}{first}_{second}"):
            return taxonomy.house_name(double)
    return found


@cache
def _coded(legend: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return code -> house name, of the codes of crops and of the narrower ones that are counted under them."""
    leaves = taxonomy.crops().items()
    own, narrower = (
        {str(code): name for name, leaf in leaves for code in leaf.get(kind, {}).get(legend, ())}
        for kind in ("codes", "narrower")
    )
    if legend == "icc":  # ICC 1.0 has no dots and is WorldCereal's code of four digits without the zeros at its end
        four, four_narrower = _coded("worldcereal")
        own |= {code: name for code, name in four.items() if re.fullmatch(r"\d{4}", code)}
        narrower |= {"": "crop"} | {code: name for code, name in four_narrower.items() if re.fullmatch(r"\d{4}", code)}
    return own, narrower


def _chain(text: str, legend: str) -> Iterator[str]:
    """Yield the code and the coarser codes above it, nearest first; nothing when it is no code of the legend."""
    if legend == "hcat":
        yield from _hcat(text)
    elif legend == "worldcereal":
        yield from _worldcereal(text)
    else:
        yield from _icc(text)


def _hcat(text: str) -> Iterator[str]:
    if not re.fullmatch(r"33\d{8}", text):
        return
    yield from dict.fromkeys([text] + [text[:end].ljust(10, "0") for end in (8, 6, 4)])
    if text[:4] in ("3301", "3303", "3304"):  # arable, permanent and energy crops; the rest of the tree is no crop
        yield "3300000000"


def _worldcereal(text: str) -> Iterator[str]:
    if re.fullmatch(r"\d{2}", text):
        yield text
        return
    if re.fullmatch(r"[1-9]\d{3}", text):
        if text != "9700":  # unknown
            yield from dict.fromkeys([text] + [text[:end].ljust(4, "0") for end in (3, 2, 1)])
            yield "10"
        return
    if re.fullmatch(r"\d{10}", text):
        text = f"{text[:2]}-{text[2:4]}-{text[4:6]}-{text[6:9]}-{text[9]}"
    if not re.fullmatch(r"\d\d-\d\d-\d\d-\d{3}-\d", text):
        return
    cover, group, subgroup, crop, season = text.split("-")
    levels = [(group, subgroup, crop), (group, subgroup, "000"), (group, "00", "000"), ("00", "00", "000")]
    seasons = dict.fromkeys([season, "0"])  # winter durum is winter wheat sooner than durum is wheat
    yield from dict.fromkeys("-".join([cover, *level, one]) for level in levels for one in seasons)
    if cover in ("11", "12", "14"):  # temporary, permanent and mixed cropland
        yield "10-00-00-000-0"


def _icc(text: str) -> Iterator[str]:
    if re.fullmatch(r"[1-9]\d{1,3}", text):
        yield from dict.fromkeys(text[:end].ljust(4, "0") for end in range(len(text), 0, -1))
        yield ""
    elif found := re.fullmatch(r"0?([1-9])((?:\.\d\d)*)(\.\d)?", text):
        levels = [found[1], *re.findall(r"\d\d", found[2])]
        levels += [found[3][1:] + "0"] if found[3] else []  # 1.1 is 1.10, read as a number
        yield from (".".join(levels[:end]) for end in range(len(levels), 0, -1))
        yield ""


def _read(path: Path) -> dict[str, tuple[str, bool]]:
    """Return the labels of a legend file -> (house name, False); raise `DatasetError` when it cannot be one."""
    if not path.is_file():
        raise DatasetError(
            f"there is no legend {str(path)!r}",
            subject="labels",
            remedy=f"name one of {', '.join(LEGENDS)}, or a CSV or YAML file of label,crop",
        )
    own: dict[str, tuple[str, bool]] = {}
    for label, said in _pairs(path):
        crop = _named(_text(said))
        if crop is None:
            near = difflib.get_close_matches(_key(_text(said)), _index(), n=3)
            raise DatasetError(
                f"{label}: there is no crop {said!r}",
                subject=str(path),
                remedy=f"did you mean {' or '.join(near)}?" if near else "use a name of policy/crops.yaml",
            )
        if own.setdefault(_key(_text(label)), (crop, False))[0] != crop:
            raise DatasetError(f"{label} stands twice, with different crops", subject=str(path), remedy="keep one")
    if not own:
        raise DatasetError("the legend is empty", subject=str(path), remedy="write lines of label,crop")
    return own


def _pairs(path: Path) -> Iterator[tuple[object, object]]:
    import yaml

    wants = "give it two columns, label and crop, in UTF-8"
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() in (".yaml", ".yml"):
            rows = yaml.safe_load(text)
            if isinstance(rows, Mapping):
                yield from rows.items()
                return
        else:
            first = text.partition("\n")[0]
            rows = list(csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=first.count)))
        yield from ((row["label"], row["crop"]) for row in rows or ())
    except KeyError as error:
        raise DatasetError(f"there is no column {error}", subject=str(path), remedy=wants) from error
    except (OSError, ValueError, TypeError, csv.Error, yaml.YAMLError) as error:
        raise DatasetError(f"cannot be read as a legend: {error}", subject=str(path), remedy=wants) from error


def _why(label: str) -> str:
    reason = taxonomy.no_crop_names().get(_key(label))
    return f": {reason}" if reason else ""


def _some(labels: Mapping[str, int]) -> str:
    named = ", ".join(f"{label or 'empty'} ({count})" for label, count in list(labels.items())[:SHOWN])
    return named + (f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else "")


def _refused(done: Translation, own: Mapping[str, object]) -> DatasetError:
    if own:
        names = list(own)
    elif done.legend == "house":
        names = list(_index())
    else:
        names = [code for table in _coded(done.legend) for code in table if code]
    near = {text: difflib.get_close_matches(_key(text), names, n=1) for text in list(done.unknown)[:SHOWN]}
    advice = [f"{text} is perhaps {found[0]}" for text, found in near.items() if found]
    advice.append("name another legend, or a CSV of label,crop")
    rows = sum(done.unknown.values())
    return DatasetError(
        f"{rows} of {len(done.crops)} rows have labels that the legend {done.legend} does not know: "
        + _some(done.unknown),
        subject="labels",
        remedy="; ".join(advice),
    )
