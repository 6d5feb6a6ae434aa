"""What a canopy is, from one look: `retrieve` gives leaf area, absorbed light and ground cover, each with its doubt.

A small network learned it from 4SAIL and PROSPECT-D, the radiative transfer models (`greattit train canopy`), after the
algorithm of Weiss and Baret 2016 for the Sentinel-2 toolbox.
"""

from __future__ import annotations

from greattit.canopy.retrieve import BANDS, Canopy, retrieve

__all__ = ["BANDS", "Canopy", "retrieve"]
