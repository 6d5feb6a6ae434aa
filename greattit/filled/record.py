"""The season on even steps: the record that `fill` gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greattit.types import Series


@dataclass(frozen=True, eq=False)
class Filled:
    """A season on even steps, with its uncertainty and with what was seen; nothing that was not known is filled in."""

    plot_id: str
    """the plot's id"""
    dates: NDArray[np.datetime64]
    """(step,) datetime64[D], every `step_days` days"""
    step_days: int
    """days from one step to the next"""
    bands: tuple[str, ...]
    """names of the columns: bands of the series, and "ndvi" where it can be formed"""
    values: NDArray[np.float64]
    """(step, band) the curve: reflectance 0-1, NDVI, dB for radar; NaN outside the looks and too far from any"""
    sd: NDArray[np.float64]
    """(step, band) one sigma of the curve, without the noise of a look; NaN where the curve is"""
    seen: NDArray[np.float64]
    """(step, band) looks within half a step, each counted by its clear share"""
    gap_days: NDArray[np.float64]
    """(step, band) days to the nearest look that was used; infinite when there was none"""
    noise: NDArray[np.float64]
    """(band,) one sigma of a wholly clear look about the curve (scale of Student's t, `curves.FREEDOM`); NaN unknown"""
    trust: NDArray[np.float64]
    """(look, band) how far each look was believed: about 1, near 0 for a missed cloud; NaN where it was not used"""
    looks: Series
    """the looks as they were, those not used included"""
    method: str
    """ "whittaker" or "process" """
    max_gap_days: float | None
    """steps further from any look are NaN; None: all between the first and the last look are filled"""

    def band(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the curve and its sigma of one band, (step,) each; NaN everywhere when it is not there."""
        if name in self.bands:
            column = self.bands.index(name)
            return self.values[:, column], self.sd[:, column]
        nothing = np.full(len(self.dates), np.nan)
        return nothing, nothing.copy()

    def interval(self, name: str, share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return low and high (step,) within which the curve of a band lies with probability `share`."""
        from scipy.stats import norm

        value, sd = self.band(name)
        reach = float(norm.ppf(0.5 + share / 2)) * sd
        return value - reach, value + reach

    def look_interval(self, name: str, share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return low and high (step,) within which a clear look at the plot would lie with probability `share`."""
        from scipy.stats import t

        from greattit.filled.curves import FREEDOM

        value, sd = self.band(name)
        noise = self.noise[self.bands.index(name)] if name in self.bands else np.nan
        reach = float(t.ppf(0.5 + share / 2, FREEDOM)) * np.hypot(sd, noise)
        return value - reach, value + reach
