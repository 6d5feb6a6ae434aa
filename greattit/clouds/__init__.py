"""Clouds and shadows: a better `clear` than the scene classification's, from the window's own season."""

from __future__ import annotations

from greattit.clouds.mask import refine
from greattit.clouds.stack import CLEAR, CLOUD, NAMES, NO_DATA, SHADOW, SNOW

__all__ = ["CLEAR", "CLOUD", "NAMES", "NO_DATA", "SHADOW", "SNOW", "refine"]
