"""Clouds and shadows: a better `clear` than the scene classification's, from the window's own season."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from greattit.clouds.mask import refine
from greattit.clouds.stack import CLEAR, CLOUD, NAMES, NO_DATA, SHADOW, SNOW

__all__ = ["CLEAR", "CLOUD", "NAMES", "NO_DATA", "SHADOW", "SNOW", "evaluate", "refine", "table"]


def evaluate(folder: Path, *, model: Path | None = None, peer: bool = True) -> dict[str, Any]:
    """Return the figures of each method on a catalogue; see `measure.evaluate`."""
    from greattit.clouds import measure

    return measure.evaluate(folder, model=model, peer=peer)


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text for a terminal."""
    from greattit.clouds import measure

    return measure.table(figures)
