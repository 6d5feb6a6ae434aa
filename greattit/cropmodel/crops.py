"""Which crops of the house AquaCrop grows, under what name, and at what moisture they are marketed."""

from __future__ import annotations

from dataclasses import dataclass

from greattit.errors import CropModelError


@dataclass(frozen=True)
class Kind:
    """One crop of the house in AquaCrop."""

    name: str
    """the name that the surrogate and the cards use"""
    file: str
    """AquaCrop's own crop, its calendar in growing degree days"""
    moisture: float
    """0-1 share of water of what is marketed"""
    moisture_source: str
    longest: int
    """[days] from sowing, after which an unripe crop counts as one that does not ripen"""


OWN = "AquaCrop's own crop file"
KINDS = {
    kind.name: kind
    for kind in (
        Kind("wheat", "WheatGDD", 0.125, "GB 1351-2008, greatest moisture of wheat", 330),
        Kind("maize", "MaizeGDD", 0.14, "GB 1353-2018, greatest moisture of maize", 220),
        Kind("rice", "PaddyRiceGDD", 0.145, "GB 1350-2009, greatest moisture of japonica paddy", 200),
        Kind("soybean", "SoybeanGDD", 0.13, "GB 1352-2009, greatest moisture of soybean", 220),
        Kind("potato", "PotatoGDD", 0.80, OWN, 200),
        Kind("barley", "BarleyGDD", 0.10, OWN, 330),
        Kind("sorghum", "SorghumGDD", 0.10, OWN, 220),
        Kind("sunflower", "SunflowerGDD", 0.10, OWN, 220),
        Kind("sugar_beet", "SugarBeetGDD", 0.80, OWN, 280),
        Kind("cotton", "CottonGDD", 0.15, OWN, 240),
        Kind("bean", "DryBeanGDD", 0.25, OWN, 180),
    )
}
"""name -> the crop"""
NARROWER = {
    "winter_wheat": "wheat",
    "spring_wheat": "wheat",
    "winter_barley": "barley",
    "spring_barley": "barley",
    "early_rice": "rice",
    "late_rice": "rice",
    "single_rice": "rice",
}
"""names of the house that AquaCrop grows as another; its wheat has no vernalisation, so that both kinds are one"""


def kind(crop: str) -> Kind:
    """Return how AquaCrop grows a crop of the house; `CropModelError` for one that it does not grow."""
    name = NARROWER.get(crop, crop)
    if name not in KINDS:
        raise CropModelError(
            "is no crop that AquaCrop grows here", subject=crop, remedy=f"ask for one of {', '.join(sorted(KINDS))}"
        )
    return KINDS[name]
