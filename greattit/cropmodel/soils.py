"""Soils: how much water they hold and let through.

Values are those of AquaCrop's default soils (Raes, Steduto, Hsiao and Fereres 2018, AquaCrop Reference Manual, FAO,
Annex II), as AquaCrop-OSPy 3.1 ships them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Soil:
    """One soil, the same at every depth."""

    name: str
    wilting: float
    """[m3/m3] water content at the permanent wilting point"""
    capacity: float
    """[m3/m3] at field capacity"""
    saturation: float
    """[m3/m3] at saturation"""
    drainage_mm_day: float
    """[mm/day] saturated hydraulic conductivity"""
    curve_number: float
    """[1] of surface runoff"""
    evaporable_mm: float
    """[mm] that evaporates readily from a wet surface"""

    @property
    def available_mm_m(self) -> float:
        """[mm/m] water that plants can take up, a metre of depth."""
        return 1000.0 * (self.capacity - self.wilting)


SOILS = {
    soil.name: soil
    for soil in (
        Soil("clay", 0.39, 0.54, 0.55, 35, 77, 14),
        Soil("clay loam", 0.23, 0.39, 0.50, 125, 72, 11),
        Soil("loam", 0.15, 0.31, 0.46, 500, 61, 9),
        Soil("loamy sand", 0.08, 0.16, 0.38, 2200, 46, 5),
        Soil("sand", 0.06, 0.13, 0.36, 3000, 46, 4),
        Soil("sandy clay", 0.27, 0.39, 0.50, 35, 77, 10),
        Soil("sandy clay loam", 0.20, 0.32, 0.47, 225, 72, 9),
        Soil("sandy loam", 0.10, 0.22, 0.41, 1200, 46, 7),
        Soil("silt", 0.09, 0.33, 0.43, 500, 61, 11),
        Soil("silt loam", 0.13, 0.33, 0.46, 575, 61, 11),
        Soil("silty clay loam", 0.23, 0.44, 0.52, 150, 72, 13),
        Soil("silty clay", 0.32, 0.50, 0.54, 100, 72, 14),
    )
}
"""name -> the soil, by texture"""
