"""One appraisal as a picture, a page and a record: `draw`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greattit.types import Appraisal, Cube

__all__ = ["Report", "draw"]


@dataclass(frozen=True)
class Report:
    """Where the files of a report lie."""

    png: Path
    """the picture"""
    html: Path
    """one self-contained page, nothing loaded from elsewhere"""
    json: Path | None = None
    """the record as JSON; None when none was handed in"""


def draw(appraisal: Appraisal, cube: Cube, out: Path, *, record: Mapping[str, Any] | None = None) -> Report:
    """Write `appraisal.png`, `appraisal.html` and, given `record`, `appraisal.json` into the folder `out`.

    `record` is the JSON-ready form of the appraisal. The same appraisal and cube give the same bytes.
    """
    from greattit.report.page import page
    from greattit.report.picture import picture

    out.mkdir(parents=True, exist_ok=True)
    report = Report(out / "appraisal.png", out / "appraisal.html", out / "appraisal.json" if record else None)
    report.png.write_bytes(picture(appraisal, cube))
    report.html.write_text(page(appraisal, cube), encoding="utf-8")
    if report.json:
        text = json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False)
        report.json.write_text(text + "\n", encoding="utf-8")
    return report
