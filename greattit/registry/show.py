"""The registry for a terminal (at most 100 columns) and as plain values for JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from greattit.registry.sheet import CARD, Sheet
from greattit.registry.swap import Promotion, read_record

WIDTH = 100
LABEL = 11
"""characters of the labels in the list"""
SHOWN_FIRST = ("name", "what", "task", "made_by", "weights", "figures", "training", "training_data", "licence")
"""keys of a card that have a form of their own"""
TRAINING_SHOWN = ("sets", "data", "licence", "attribution", "ships", "name")
PERCENT = ("accuracy", "accepted", "accuracy_accepted", "majority", "random_forest", "ground lost")
HEADS = {"accuracy_accepted": "right of these", "majority": "commonest", "macro_f1": "macro F1", "ece": "ECE"}
SPACE = "\N{NO-BREAK SPACE}"


def as_dict(one: Sheet, *, card: bool = False) -> dict[str, Any]:
    """Return a model as plain values; the whole card too where it is asked for."""
    found: dict[str, Any] = {
        "name": one.name,
        "folder": str(one.folder),
        "place": one.place,
        "serves": one.serves,
        "title": one.title,
        "made_by": str(one.card.get("made_by", "")),
        "weights_sha256": one.weights_sha256 or None,
        "card_sha256": one.card_sha256 or None,
        "sha256_state": one.state,
        "training": [
            {"name": p.name, "licence": p.licence, "attribution": p.attribution, "ships": p.ships} for p in one.training
        ],
        "figures": one.figures,
        "faults": list(one.faults),
    }
    return {**found, "card": one.card} if card else found


def list_text(found: Sequence[Sheet], kept: Sequence[Sheet] = ()) -> str:
    """Write every model: which it is, its main figures, the licences of its training data, whether it holds."""
    blocks = []
    for one in found:
        place = {"shipped": "shipped with greattit", "local": "your own"}.get(one.place, one.place)
        place = place if one.serves else f"{place}, does not serve: your own does"
        blocks.append(f"{one.name:{LABEL - 1}} {one.title} {one.sha8}, {place}")
        blocks += _labelled("made by", [one.card.get("made_by") or "the card does not say"])
        blocks += _labelled("sha256", [_state(one)])
        blocks += _labelled("figures", [f"{name}: {_main(figures)}" for name, figures in one.figures.items()])
        blocks += _labelled("licences", list(_licences(one)))
        blocks += _labelled("folder", [str(one.folder)])
        if one.faults:
            blocks += _labelled("NOT WELL", one.faults)
        blocks.append("")
    if kept:
        names = ", ".join(one.folder.name for one in kept)
        blocks += [*_labelled("kept", [f"{names} (served before; old appraisals are replayed with them)"], ""), ""]
    blocks.append("One of them whole: greattit models show NAME. Whether all hold: greattit models check.")
    return "\n".join(blocks) if found else "there are no models"


def check_text(faults: Mapping[str, Sequence[str]]) -> str:
    """Write what a check found, model by model."""
    lines = []
    for name, found in faults.items():
        if not found:
            lines.append(f"{name}: holds")
        for fault in found:
            lines += _wrap(f"{name}: {fault}", 0)
    bad = sum(map(bool, faults.values()))
    lines.append(f"{bad} of {len(faults)} do not hold" if bad else f"all {len(faults)} hold")
    return "\n".join(lines)


def promotion_text(done: Promotion) -> str:
    """Write what a promotion or a rollback did, with the figures that were compared."""
    before = f" in the place of {done.replaced}" if done.replaced else ""
    before = " with the same weights and another card" if done.replaced == done.sha8 else before
    lines = [f"{done.name} {done.sha8} serves{before}: {done.folder}"]
    if done.pairs:
        rows = [(p.data_set, p.figure, f"{p.serving:.4g}", f"{p.candidate:.4g}", p.verdict) for p in done.pairs]
        lines += ["", *_table(("data set", "figure", "before", "now", ""), rows)]
    lines += ["", *(line for note in done.notes for line in _wrap(note, 2))] if done.notes else []
    if done.kept:
        lines += ["", f"  kept for old appraisals: {done.kept}"]
    lines.append("  a server that runs keeps the model that it has loaded until it is started again")
    return "\n".join(lines)


def card_text(one: Sheet) -> str:
    """Write the whole card of a model for people."""
    card = one.card
    lines = [f"{one.title} (serves as {one.name})" if one.serves else one.title]
    lines += [*_wrap(card.get("what") or card.get("task") or "", 2), ""]
    lines += _labelled("made by", [card.get("made_by") or "the card does not say"])
    lines += _labelled("folder", [str(one.folder)])
    lines += _labelled("weights", [f"{one.weights_sha256}, {one.state}" if one.weights_sha256 else one.state])
    lines += _labelled("card", [one.card_sha256 or "none"])
    if one.faults:
        lines += _labelled("NOT WELL", one.faults)
    lines += ["", "What was measured", *_figure_lines(one)]
    lines += ["", "What it was trained on", *_training_lines(one)]
    for key, value in card.items():
        if key not in SHOWN_FIRST:
            lines += ["", _words(key).capitalize(), *_told(value, 2)]
    how = {key: value for key, value in _mapping(card.get("training")).items() if key not in TRAINING_SHOWN}
    if how:
        lines += ["", "How it was trained", *_told(how.pop("config", {}), 2), *_told(how, 2)]
    record = {key: value for key, value in (read_record(one.folder) or {}).items() if value}
    if record:
        lines += ["", "How it came to serve", *_told(record, 2)]
    lines += ["", f"The card itself: {one.folder / CARD}"]
    return "\n".join(lines)


def _figure_lines(one: Sheet) -> list[str]:
    heads = list(dict.fromkeys(key for figures in one.figures.values() for key in figures if key != "interval"))
    lines = _figure_table(one, heads)
    while len(heads) > 1 and max(map(len, lines)) > WIDTH:
        lines = _figure_table(one, heads := heads[:-1])
    told = _mapping(one.card.get("figures"))
    for name, part in told.items():
        if not isinstance(part, Mapping):
            lines += _wrap(f"{name}: {part}", 2)
            continue
        rest = {key: value for key, value in part.items() if key not in (*heads, "interval", "verdict")}
        lines += [*_wrap(f"{name}: {part.get('verdict', '')}", 2), *_told(rest, 4)]
    return lines


def _figure_table(one: Sheet, heads: Sequence[str]) -> list[str]:
    rows = [(name, *(_cell(key, found.get(key), found) for key in heads)) for name, found in one.figures.items()]
    return _table(("data set", *(HEADS.get(key, _words(key)) for key in heads)), rows) if rows else ["  nothing"]


def _training_lines(one: Sheet) -> list[str]:
    sets = _mapping(_mapping(one.card.get("training")).get("sets"))
    lines: list[str] = []
    for part in one.training:
        lines += _wrap(part.name + ("" if part.ships else " (may not ship)"), 2)
        lines += _wrap(f"licence: {part.licence or 'the card does not say'}", 4)
        if part.attribution != part.licence:
            lines += _wrap(f"source: {part.attribution or 'the card does not say'}", 4)
        rest = {key: value for key, value in _mapping(sets.get(part.name)).items() if key not in TRAINING_SHOWN}
        if isinstance(rest.get("folds"), Mapping):
            rest |= {"groups": len(rest["folds"]), "folds": len(set(rest["folds"].values()))}
        lines += _told(rest, 4)
    return lines or ["  the card does not say"]


def _cell(key: str, value: Any, figures: Mapping[str, Any]) -> str:
    if value is None:
        return "-"
    if key in ("samples", "fields", "crops"):
        return f"{value:,}"
    interval = figures.get("interval") if key == "accuracy" else None
    between = f" ({interval[0] * 100:.0f}-{interval[1] * 100:.0f})" if interval else ""
    return f"{value * 100:.1f} %{between}" if key in PERCENT else f"{value:.3f}"


def _main(figures: Mapping[str, Any]) -> str:
    keys = ("accuracy", "macro_f1", "f1", "cloud f1", "shadow f1", "ground lost", "r2", "rmse_kg_ha", "fields", "crops")
    told = [f"{HEADS.get(key, _words(key))} {_cell(key, figures[key], figures)}" for key in keys if key in figures]
    if figures.get("majority", 0) > figures.get("accuracy", 1):
        told.append(f"WORSE than naming the commonest ({figures['majority'] * 100:.1f} %)")
    return ", ".join(told)


def _state(one: Sheet) -> str:
    return {"card only": "no weights, the card is the model"}.get(one.state, f"weights {one.state}")


def _licences(one: Sheet) -> Iterator[str]:
    for part in one.training:
        kept_back = "" if part.ships else " (may not ship)"
        yield f"{part.name}: {part.licence or 'the card does not say'}{kept_back}"


def _labelled(label: str, texts: Iterable[Any], lead: str = "  ") -> list[str]:
    lines: list[str] = []
    for text in texts:
        head = f"{lead}{'' if lines else label}".ljust(LABEL)
        lines += _folded(_clean(text), head, " " * (LABEL + 2))
    return lines


def _wrap(text: Any, indent: int) -> list[str]:
    return _folded(_clean(text), " " * indent, " " * (indent + 2))


def _folded(text: str, first: str, then: str) -> list[str]:
    """Fold a line at WIDTH; a number stays with its percent sign, and no-break spaces hold."""
    lines = textwrap.wrap(text.replace(" %", f"{SPACE}%"), WIDTH, initial_indent=first, subsequent_indent=then)
    return [line.replace(SPACE, " ") for line in lines]


def _told(value: Any, indent: int) -> list[str]:
    """Write any part of a card: short values side by side, the rest as it is nested."""
    if isinstance(value, Mapping):
        short = {key: part for key, part in value.items() if _is_short(part)}
        items = [f"{_words(key)} {_short(part)}".replace(" ", SPACE) for key, part in short.items()]
        lines = _folded(", ".join(items), " " * indent, " " * (indent + 2))
        for key, part in value.items():
            if key not in short:
                lines += _nested(f"{_words(key)}:", part, indent)
        return lines
    if isinstance(value, list) and not _is_short(value):
        if all(not isinstance(part, Mapping | list) and len(str(part)) < WIDTH // 2 for part in value):
            return _wrap(", ".join(map(_short, value)), indent)
        return [line for part in value for line in _nested("-", part, indent)]
    return _wrap(_short(value), indent)


def _nested(head: str, part: Any, indent: int) -> list[str]:
    if isinstance(part, str):
        return _wrap(f"{head} {part}", indent)
    inner = _told(part, indent + 2)
    if len(inner) == 1 and len(inner[0]) + len(head) <= WIDTH:
        return [f"{' ' * indent}{head} {inner[0].strip()}"]
    return [" " * indent + head, *inner]


def _is_short(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 4 and all(isinstance(part, int | float | None) for part in value)
    return not isinstance(value, Mapping) and len(str(value)) <= 24


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table whose first column is text and whose others are numbers; heads that are too wide are broken."""
    rows = [tuple(map(_clean, row)) for row in rows]
    columns = list(zip(*rows, strict=True))
    split = [textwrap.wrap(head, max(9, *map(len, column))) for head, column in zip(heads, columns, strict=True)]
    height = max(map(len, split))
    top = [[""] * (height - len(words)) + words for words in split]
    lines = [*zip(*top, strict=True), *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(heads))]
    filled = [[text.rjust(width) for text, width in zip(line, widths, strict=True)] for line in lines]
    for line, (first, *_) in zip(filled, lines, strict=True):
        line[0] = first.ljust(widths[0])
    return [f"  {'  '.join(line)}".rstrip() for line in filled]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(_short, value))
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return _clean(value)


def _words(key: Any) -> str:
    return _clean(str(key)).replace("_", " ")


def _clean(text: Any) -> str:
    """Return one line of printable text: a card may be somebody else's."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
