"""WOFOST behind the seam, with the user's own parameter files; none ship here and none are fetched.

WOFOST: van Diepen, Wolf, van Keulen and Rappoldt 1989, "WOFOST: a simulation model of crop production", Soil Use and
Management 5, 16-24. Run by PCSE (PyPI package `pcse`, EUPL-1.2), WOFOST 7.2, with its water balance of a freely
draining soil, or without want of water for an irrigated field. Parameters are read in the CABO form (`NAME = value`),
which holds numbers only.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from greattit.cropmodel.record import Daily, Floats, Grown, Plan
from greattit.errors import CropModelError, WeatherError

MISSING = "pip install pcse, and name crop and soil files of your own in the CABO form"
NEEDS = ("radiation_mj_m2", "wind_m_s", "vapour_kpa")
EXTINCTION = 0.65
"""[1] of light, from leaf area to canopy cover"""


class Wofost:
    """WOFOST as a `CropModel`, for one crop and one soil.

    `initial_water_cm` is what the soil holds at sowing beyond the wilting point, down to the deepest root: WOFOST's
    WAV. Raises `CropModelError` where pcse is not installed or a file cannot be read.
    """

    def __init__(self, crop: str, crop_file: Path, soil_file: Path, *, initial_water_cm: float = 20.0) -> None:
        self._pcse = _pcse()
        self.crop = crop
        self.name = f"WOFOST 7.2 of PCSE {self._pcse.__version__}, parameters {crop_file.name} and {soil_file.name}"
        self._parameters = {"crop": _cabo(crop_file), "soil": _cabo(soil_file)}
        self._site = {"WAV": initial_water_cm}

    def run(self, plan: Plan, weather: Daily) -> Grown:
        """Grow `plan` in `weather`, whose first day is the day of sowing; soil and variety are those of the files.

        Raises `CropModelError` for another crop or for shares that the files do not know (leave them at 1), and
        `WeatherError` for weather without latitude, radiation, wind or vapour pressure.
        """
        if plan.crop != self.crop:
            raise CropModelError(
                f"its parameters are of {self.crop}", subject=plan.crop, remedy="name files of the crop"
            )
        if (plan.thermal_share, plan.density_share, plan.cover_share) != (1.0, 1.0, 1.0):
            raise CropModelError(
                "WOFOST takes variety, density and cover from its own files",
                subject=plan.crop,
                remedy="leave shares at 1",
            )
        model = self._model(plan, weather)
        with _quiet():
            model.run_till_terminate()
        daily, summary = model.get_output(), model.get_summary_output()
        leaf = np.array([day["LAI"] or 0.0 for day in daily], float)
        ripe = summary[0].get("DOM") if summary else None
        after = None if ripe is None else (ripe - weather.days[0].astype(object)).days
        found = [float(summary[0][key]) if after is not None else float("nan") for key in ("TWSO", "TAGP")]
        return Grown(found[0], found[1], np.asarray(1.0 - np.exp(-EXTINCTION * leaf)), after)

    def _model(self, plan: Plan, weather: Daily) -> Any:
        from pcse.base import ParameterProvider  # type: ignore
        from pcse.input import WOFOST72SiteDataProvider  # type: ignore
        from pcse.models import Wofost72_PP, Wofost72_WLP_CWB  # type: ignore

        kind = Wofost72_PP if plan.irrigated else Wofost72_WLP_CWB
        try:
            known = ParameterProvider(
                cropdata=dict(self._parameters["crop"]),
                soildata=dict(self._parameters["soil"]),
                sitedata=WOFOST72SiteDataProvider(**self._site),
            )
            with _quiet():
                return kind(known, _weather(weather), _calendar(plan, weather))
        except (KeyError, ValueError, AttributeError, self._pcse.exceptions.PCSEError) as error:
            raise CropModelError(
                f"WOFOST cannot start: {error}", subject=self.name, remedy="check the files"
            ) from error


@cache
def _pcse() -> Any:
    """Import pcse with its home in a temporary folder, which goes when the program ends, and its logging left alone."""
    import logging.config
    from importlib.util import find_spec

    if find_spec("pcse") is None:
        raise CropModelError("is not installed", subject="pcse", remedy=MISSING)
    home = tempfile.mkdtemp(prefix="greattit-pcse-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    before = {name: os.environ.get(name) for name in ("HOME", "USER")}
    configure = logging.config.dictConfig
    os.environ |= {"HOME": home, "USER": before["USER"] or "greattit"}
    logging.config.dictConfig = lambda config: None
    try:
        with _quiet():
            import pcse  # type: ignore
    finally:
        logging.config.dictConfig = configure
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}
    return pcse


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what pcse prints and warns of (files it leaves open) off the terminal."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cabo(path: Path) -> dict[str, Any]:
    _pcse()
    from pcse.input import CABOFileReader  # type: ignore

    if not path.is_file():
        raise CropModelError("is no file", subject=str(path), remedy=MISSING)
    try:
        return dict(CABOFileReader(str(path)))
    except Exception as error:
        raise CropModelError(
            f"is not in the CABO form: {error}", subject=str(path), remedy="give lines NAME = value"
        ) from error


def _calendar(plan: Plan, weather: Daily) -> list[Any]:
    first = weather.days[0].astype(object)
    crop = {
        "crop_name": plan.crop,
        "variety_name": plan.crop,
        "crop_start_date": first,
        "crop_start_type": "sowing",
        "crop_end_date": None,
        "crop_end_type": "maturity",
        "max_duration": len(weather) - 1,
    }
    campaign = {first: {"CropCalendar": crop, "TimedEvents": None, "StateEvents": None}}
    return [campaign, {first + timedelta(days=len(weather) - 1): None}]


def _weather(weather: Daily) -> Any:
    from pcse.base import WeatherDataContainer, WeatherDataProvider  # type: ignore
    from pcse.util import reference_ET  # type: ignore

    lacking = [name for name in NEEDS if name not in weather.beyond or np.isnan(weather.beyond[name]).any()]
    if lacking or weather.latitude is None:
        raise WeatherError(
            f"WOFOST needs {', '.join(lacking) or 'the latitude'} of every day",
            subject=weather.source,
            remedy="read a file that has them, with latitude=",
        )
    columns: dict[str, Floats] = {"TMIN": weather.tmin_c, "TMAX": weather.tmax_c, "RAIN": weather.rain_mm / 10.0}
    columns["IRRAD"] = weather.beyond["radiation_mj_m2"] * 1e6
    columns["VAP"], columns["WIND"] = weather.beyond["vapour_kpa"] * 10.0, weather.beyond["wind_m_s"]
    place = {"LAT": float(weather.latitude), "ELEV": float(weather.elevation_m or 0.0)}
    provider = WeatherDataProvider()
    for number, day in enumerate(weather.days.astype(object)):
        today = {name: float(values[number]) for name, values in columns.items()}
        air = {name: today[name] for name in ("TMIN", "TMAX", "IRRAD", "VAP", "WIND")}
        wet, bare, _ = reference_ET(day, **place, **air, ANGSTA=0.25, ANGSTB=0.5)
        water = {"E0": wet / 10.0, "ES0": bare / 10.0, "ET0": float(weather.et0_mm[number]) / 10.0}
        provider._store_WeatherDataContainer(WeatherDataContainer(DAY=day, LON=0.0, **place, **today, **water), day)
    return provider
