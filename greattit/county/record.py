"""What came of a run over a county."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True)
class County:
    """What came of a run."""

    parcels: int
    """features of the file"""
    decided: int
    """parcels with a line"""
    refused: Mapping[str, int]
    """code of the refusal -> parcels, the most frequent first; features that are no plot among them"""
    lines: Mapping[str, Decimal]
    """currency -> sum of the lines"""
    area_ha: float
    """[ha] of all parcels that are plots"""
    parquet: Path
    """GeoParquet, one row a feature in the order of the file"""
    csv: Path
    """the same without the outlines"""
    html: Path
    """one self-contained page with a map"""
