"""Weather: files of every kind read alike, and the formulas of FAO-56 against its own worked examples."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greattit import policy, weather
from greattit.crops import taxonomy
from greattit.errors import PolicyError, WeatherError
from greattit.weather import CropWater, Weather, formulas
from greattit.weather.columns import meaning
from greattit.weather.record import QUANTITIES
from greattit.weather.reference import HARGREAVES, PENMAN_MONTEITH

TOMATO = CropWater(1.2, 1.2, 1.2, root_m=0.8, p=0.4, height_m=0.6, first_root_m=0.8)


def made(days: int = 30, first: str = "2018-06-01", **values: Any) -> Weather:
    """Weather of the same day over and over, except for what `values` says."""
    usual = {
        "tmin_c": 12.0, "tmax_c": 24.0, "tmean_c": 18.0, "rain_mm": 0.0, "radiation_mj_m2": 20.0, "wind_m_s": 2.0,
        "vapour_kpa": 1.4,
    }  # fmt: skip
    filled: dict[str, Any] = {name: np.full(days, 1.0) * values.pop(name, usual[name]) for name in QUANTITIES}
    place = {"latitude": 50.0, "elevation_m": 100.0} | values
    return Weather(np.datetime64(first) + np.arange(days), **filled, **place, source="made", sha256="0" * 64)


def table(days: int = 40, first: str = "2018-06-01", **columns: Any) -> pd.DataFrame:
    out = pd.DataFrame({"date": pd.date_range(first, periods=days).strftime("%Y-%m-%d")})
    rows = np.arange(days)
    usual = {"tmin_c": 10.0 + rows % 5, "tmax_c": 20.0 + rows % 7, "rain_mm": np.where(rows % 3 == 0, 4.0, 0.0)}
    for name, values in (usual | columns).items():
        if values is not None:
            out[name] = values
    return out


def written(path: Path, frame: pd.DataFrame, **said: Any) -> Weather:
    frame.to_csv(path, index=False)
    return weather.read(path, **said)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_the_real_table_of_flanders_is_read(shared_data: Path) -> None:
    file = shared_data / "scenes" / "flanders-2018" / "weather.parquet"
    found = weather.read(file, latitude=50.81, elevation_m=20)
    raw = pd.read_parquet(file)
    assert len(found) == len(raw) == 487
    assert np.array_equal(found.tmin_c, raw["tmin_c"]) and np.array_equal(found.rain_mm, raw["precip_mm"])
    assert np.array_equal(found.vapour_kpa, raw["vapour_pressure_kpa"])
    np.testing.assert_allclose(found.wind_m_s, raw["wind_ms"] * 0.748, rtol=1e-3)
    assert len(found.mended) == 1 and "10 m to 2 m" in found.mended[0]
    year = weather.reference_evapotranspiration(found.between(date(2018, 1, 1), date(2018, 10, 31)))
    assert year.method == PENMAN_MONTEITH and 600 < year.mm.sum() < 850


def test_agera5_by_its_long_names_and_units_by_range(tmp_path: Path) -> None:
    house = written(tmp_path / "a.csv", table(srad_mj_m2=18.5, vapour_pressure_kpa=1.2, wind_speed_10m=4.0))
    long = table(tmin_c=None, tmax_c=None, rain_mm=None)
    long["Temperature_Air_2m_Min_24h"] = house.tmin_c + 273.15
    long["Temperature_Air_2m_Max_24h"] = house.tmax_c + 273.15
    long["Temperature_Air_2m_Mean_24h"] = house.tmean_c + 273.15
    long["Precipitation_Flux"] = house.rain_mm
    long["Solar_Radiation_Flux"] = 18.5e6
    long["Vapour_Pressure_Mean"] = 12.0
    long["Wind_Speed_10m_Mean"] = 4.0
    found = written(tmp_path / "b.csv", long)
    for name in QUANTITIES:
        np.testing.assert_allclose(found.values[name], house.values[name], atol=1e-9, err_msg=name)
    said = " ".join(found.mended)
    for unit in ("as K by its range", "as J/m2 by its range", "as hPa by its range"):
        assert unit in said


def test_era5_in_metres_and_units_in_the_names(tmp_path: Path) -> None:
    frame = table(tmin_c=None, tmax_c=None, rain_mm=None)
    frame["tmin [K]"], frame["tmax_kelvin"], frame["tp"] = 283.15, 295.15, np.where(np.arange(40) % 2, 0.004, 0.0)
    frame["ssrd (J/m^2/day)"], frame["wind_speed_2m_km_h"] = 2e7, 18.0
    found = written(tmp_path / "a.csv", frame)
    assert found.tmin_c == pytest.approx(10.0) and found.tmax_c == pytest.approx(22.0)
    assert set(np.round(found.rain_mm, 9)) == {0.0, 4.0} and found.radiation_mj_m2 == pytest.approx(20.0)
    assert found.wind_m_s == pytest.approx(5.0)
    assert any("tp names no unit and was read as m by its range" in one for one in found.mended)


POWER_HEAD = """-BEGIN HEADER-
NASA/POWER CERES/MERRA2 Native Resolution Daily Data
Dates (month/day/year): 02/27/2020 through 03/02/2020
Location: Latitude  50.81   Longitude 3.02
Elevation from MERRA-2: Average for 0.5 x 0.625 degree lat/lon region = 21.5 meters
The value for missing source data that cannot be computed or is outside of the sources availability range: -999
Parameter(s):
T2M_MAX               MERRA-2 Temperature at 2 Meters Maximum (C)
T2M_MIN               MERRA-2 Temperature at 2 Meters Minimum (C)
PRECTOTCORR           MERRA-2 Precipitation Corrected (mm/day)
ALLSKY_SFC_SW_DWN     CERES SYN1deg All Sky Surface Shortwave Downward Irradiance ({unit})
WS2M                  MERRA-2 Wind Speed at 2 Meters (m/s)
T2MDEW                MERRA-2 Dew/Frost Point at 2 Meters (C)
-END HEADER-
"""
POWER_ROWS = [
    (8.0, 2.0, 1.5, 6.0),
    (9.0, 3.0, 0.0, 7.2),
    (7.0, 1.0, 12.0, -999.0),
    (6.5, 0.5, 3.0, 3.6),
    (10.0, 2.5, 0.0, 8.0),
]
POWER_DAYS = ("2020-02-27", "2020-02-28", "2020-02-29", "2020-03-01", "2020-03-02")


def power_csv(dates: str, *, unit: str = "MJ/m^2/day", factor: float = 1.0) -> str:
    names = "T2M_MAX,T2M_MIN,PRECTOTCORR,ALLSKY_SFC_SW_DWN,WS2M,T2MDEW"
    lines = [f"{dates},{names}"]
    for text, (tmax, tmin, rain, sun) in zip(POWER_DAYS, POWER_ROWS, strict=True):
        day = date.fromisoformat(text)
        when = f"{day.year},{day.month},{day.day}" if dates == "YEAR,MO,DY" else f"{day.year},{day.timetuple().tm_yday}"
        lines.append(f"{when},{tmax},{tmin},{rain},{sun if sun == -999.0 else sun * factor},3.1,0.5")
    return POWER_HEAD.format(unit=unit) + "\n".join(lines) + "\n"


def power_json() -> str:
    keys = [text.replace("-", "") for text in POWER_DAYS]
    columns = dict(
        zip(("T2M_MAX", "T2M_MIN", "PRECTOTCORR", "ALLSKY_SFC_SW_DWN"), zip(*POWER_ROWS, strict=True), strict=True)
    )
    columns |= {"WS2M": (3.1,) * 5, "T2MDEW": (0.5,) * 5}
    series = {name: dict(zip(keys, values, strict=True)) for name, values in columns.items()}
    units = {
        "ALLSKY_SFC_SW_DWN": {"units": "MJ/m^2/day"},
        "T2M_MAX": {"units": "C"},
        "PRECTOTCORR": {"units": "mm/day"},
    }
    tree = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [3.02, 50.81, 21.5]},
            "properties": {"parameter": series}, "header": {"fill_value": -999.0}, "parameters": units}  # fmt: skip
    return json.dumps(tree)


@pytest.mark.parametrize(
    "text",
    [
        power_csv("YEAR,MO,DY"),
        power_csv("YEAR,DOY"),
        power_csv("YEAR,DOY", unit="kW-hr/m^2/day", factor=1 / 3.6),
        power_json(),
    ],
    ids=["month and day", "day of year", "kilowatt hours", "json"],
)
def test_nasa_power_in_every_form_is_the_same_weather(tmp_path: Path, text: str) -> None:
    (tmp_path / "power").write_text(text, encoding="utf-8")
    found = weather.read(tmp_path / "power")
    assert [str(day) for day in found.days] == list(POWER_DAYS), "29 February is a day like others"
    np.testing.assert_allclose(found.radiation_mj_m2, [6.0, 7.2, np.nan, 3.6, 8.0], rtol=1e-6)
    np.testing.assert_allclose(found.tmax_c, [row[0] for row in POWER_ROWS])
    np.testing.assert_allclose(found.tmean_c, [(row[0] + row[1]) / 2 for row in POWER_ROWS])
    np.testing.assert_allclose(found.vapour_kpa, formulas.saturation(np.array(0.5)))
    assert found.wind_m_s == pytest.approx(3.1), "measured at 2 m: left alone"
    assert (found.latitude, found.elevation_m) == (50.81, 21.5) and "NASA POWER" in found.source
    assert weather.read(tmp_path / "power", latitude=-3.0).latitude == -3.0, "what the caller says stands first"


def test_order_and_gaps_are_mended_and_said(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.csv", table())
    shuffled = table().sample(frac=1, random_state=3)
    assert np.array_equal(written(tmp_path / "b.csv", shuffled).tmin_c, whole.tmin_c)
    found = written(tmp_path / "c.csv", shuffled[~shuffled["date"].isin(["2018-06-05", "2018-06-06"])])
    assert len(found) == 40 and np.isnan(found.tmin_c[4:6]).all() and np.isfinite(found.tmin_c).sum() == 38
    assert any("sorted" in one for one in found.mended) and any("2018-06-05 and 1 more" in one for one in found.mended)


def test_a_missing_year_is_rows_of_nan(tmp_path: Path) -> None:
    both = pd.concat([table(20, "2015-12-12"), table(20, "2017-01-01")])
    found = written(tmp_path / "a.csv", both)
    assert len(found) == 20 + 366 + 20 and np.isnan(found.tmean_c).sum() == 366
    assert np.isnan(found.between(date(2016, 1, 1), date(2016, 12, 31)).rain_mm).all()


def test_forms_of_dates_and_of_missing(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.csv", table())
    frame = table()
    frame["date"] = frame["date"].str.replace("-", "").astype(int)
    frame.loc[3, "rain_mm"] = -9999
    found = written(tmp_path / "b.csv", frame)
    assert np.array_equal(found.days, whole.days) and np.isnan(found.rain_mm[3])
    assert "rain_mm had 1 marks of missing" in found.mended
    frame = table()
    frame["date"] = pd.to_datetime(frame["date"])
    frame.to_parquet(tmp_path / "c.parquet")
    frame.set_index("date").to_parquet(tmp_path / "d.parquet")
    frame["date"] = frame["date"].dt.tz_localize("Asia/Shanghai")
    frame.to_parquet(tmp_path / "f.parquet")
    for name in ("c", "d", "f"):
        assert np.array_equal(weather.read(tmp_path / f"{name}.parquet").days, whole.days), "by the clock of the place"
        assert np.array_equal(weather.read(tmp_path / f"{name}.parquet").tmin_c, whole.tmin_c)
    (tmp_path / "e.csv").write_text(table().to_csv(index=False, sep=";"), encoding="utf-8")
    assert np.array_equal(weather.read(tmp_path / "e.csv").tmin_c, whole.tmin_c)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (table().drop(columns="date"), "no dates"),
        (pd.concat([table(), table(1)]), "2018-06-01 comes 2 times"),
        (table(tmin_c=None, tmax_c=None), "no temperature"),
        (table(tmax_c=[*[20.0] * 39, 90.0]), "2018-07-10"),
        (table(tmin_c=[30.0, *[10.0] * 39]), "tmin_c of 30 is above tmax_c"),
        (table(rain_mm=[-3.0] * 40), "rain_mm of -3"),
        (table(rain_mm=np.inf), "'inf', no number"),
        (table(first="2018-12-01", srad_mj_m2=20.0, lat=50.0), "more than the sun gives"),
        (table(rain_mm=None, rain=0.3), "the unit of 'rain' is unknown"),
        (table(rain_mm=None, rain_inch=0.3), "the unit 'inch' of 'rain_inch' is unknown"),
        (table(tmean=2900.0), "the unit of 'tmean' is unknown"),
        (table(ALLSKY_SFC_SW_DWN=4.0), "the unit of 'ALLSKY_SFC_SW_DWN' is unknown"),
        (table(tmin_c=["ten"] + [10.0] * 39), "'ten', no number"),
        (table(lat=np.arange(40)), "latitude runs from 0 to 39"),
        (table(lat=123.0), "latitude 123"),
        (table().assign(date="yesterday"), "'yesterday' is no date"),
        (table().drop(columns="date").assign(YEAR=2019, DOY=np.arange(331, 371)), "2019 has no day 366"),
        (table().drop(columns="date").assign(YEAR=2019, MO=2, DY=np.arange(1, 41)), "'2019-02-29' is no date"),
        (table(1)[:0], "holds no days"),
        (pd.concat([table(1), table(1, "1800-01-01")]), "runs from 1800"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, frame: pd.DataFrame, said: str) -> None:
    with pytest.raises(WeatherError) as error:
        written(tmp_path / "a.csv", frame)
    assert said in str(error.value) and "a.csv" in error.value.subject and error.value.remedy


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\x00binary", "neither parquet nor text"),
        (b"PAR1 but no more", "no whole parquet"),
        (b"{not json", "no JSON"),
        (b'{"properties": {}}', "properties.parameter"),
        (b"-BEGIN HEADER-\nno end", "header does not end"),
        (b"", "is no table"),
    ],
)
def test_what_is_no_weather_file_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(WeatherError, match=said):
        weather.read(tmp_path / "file")
    with pytest.raises(WeatherError, match="cannot be read"):
        weather.read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["wind_direction", "tmin_anomaly", "T2M_RANGE", "cloud", "rain_days"])
def test_a_column_of_something_else_is_left(name: str) -> None:
    assert meaning(name) is None


def test_humidity_stands_in_for_vapour(tmp_path: Path) -> None:
    found = written(tmp_path / "a.csv", table(RH2M=80.0))
    np.testing.assert_allclose(found.vapour_kpa, 0.8 * formulas.mean_saturation(found.tmin_c, found.tmax_c))


def test_between_keeps_both_ends_and_refuses_nothing() -> None:
    part = made(30).between(date(2018, 6, 10), date(2018, 6, 12))
    assert [str(day) for day in part.days] == ["2018-06-10", "2018-06-11", "2018-06-12"] and len(part.rain_mm) == 3
    assert len(made(30).between(date(2018, 6, 20), date(2019, 1, 1))) == 11
    for first, last in ((date(2018, 6, 12), date(2018, 6, 10)), (date(2019, 1, 1), date(2019, 2, 1))):
        with pytest.raises(WeatherError, match="no day from"):
            made(30).between(first, last)


# --- the worked examples of FAO-56 ------------------------------------------------------------------------------------


def rounded(value: Any, places: int = 1) -> float:
    return round(float(value), places)


def number_of(day: str) -> int:
    return int(formulas.day_of_year(np.array([day], "datetime64[D]"))[0])


def test_fao56_pressure_and_vapour() -> None:
    """Examples 2 (1800 m), 3 (24.5 and 15 degC) and 5 (humidity)."""
    assert rounded(formulas.pressure(1800.0)) == 81.8
    assert rounded(formulas.psychrometric(81.8), 3) == 0.054
    assert rounded(formulas.saturation(np.array(24.5)), 3) == 3.075
    assert rounded(formulas.mean_saturation(np.array(15.0), np.array(24.5)), 2) == 2.39
    extremes = np.array(18.0), np.array(25.0), np.array(54.0), np.array(82.0)
    assert rounded(formulas.vapour_of_humidity(*extremes), 2) == 1.70


def test_fao56_radiation_and_wind() -> None:
    """Examples 8, 9 (20 S, 3 September), 10, 11 (Rio de Janeiro, May) and 14 (wind at 10 m)."""
    assert number_of("2015-09-03") == 246
    assert rounded(formulas.extraterrestrial(-20.0, np.array(246))) == 32.2
    assert rounded(formulas.daylight(-20.0, np.array(246))) == 11.7
    above = formulas.extraterrestrial(-22.9, np.array(135))
    assert rounded(above) == 25.1
    solar = formulas.radiation_of_sunshine(above, np.array(7.1), formulas.daylight(-22.9, np.array(135)))
    assert rounded(solar) == 14.5
    longwave = formulas.net_longwave(
        np.array(19.1), np.array(25.1), np.array(2.1), solar, formulas.clear_sky(above, 0.0)
    )
    assert rounded(longwave) == 3.5
    assert rounded(formulas.wind_at_2m(np.array(3.2), 10.0)) == 2.4


def test_fao56_example_17_bangkok_april() -> None:
    tmin, tmax, vapour, wind = (np.array(v) for v in (25.6, 34.8, 2.85, 2.0))
    above = formulas.extraterrestrial(13.73, np.array(105))
    solar = formulas.radiation_of_sunshine(above, np.array(8.5), formulas.daylight(13.73, np.array(105)))
    assert rounded(above, 2) == pytest.approx(38.06, abs=0.02) and rounded(solar, 2) == pytest.approx(22.65, abs=0.02)
    net = formulas.net_radiation(
        solar, formulas.net_longwave(tmin, tmax, vapour, solar, formulas.clear_sky(above, 2.0))
    )
    assert float(net) == pytest.approx(14.33, abs=0.03)
    ground = 0.14 * (30.2 - 29.2)  # eq. 43: months
    deficit = formulas.mean_saturation(tmin, tmax) - vapour
    gamma = formulas.psychrometric(formulas.pressure(2.0))
    found = formulas.penman_monteith(np.array(30.2), net, wind, deficit, gamma, ground_mj=ground)
    assert float(found) == pytest.approx(5.72, abs=0.01)


def test_fao56_example_18_uccle_6_july() -> None:
    """The whole way through `reference_evapotranspiration`, for a day with everything measured."""
    vapour = formulas.vapour_of_humidity(np.array(12.3), np.array(21.5), np.array(63.0), np.array(84.0))
    assert rounded(vapour, 3) == 1.409
    above = formulas.extraterrestrial(50.8, np.array(187))
    solar = formulas.radiation_of_sunshine(above, np.array(9.25), formulas.daylight(50.8, np.array(187)))
    assert float(solar) == pytest.approx(22.07, abs=0.01)
    wind = formulas.wind_at_2m(np.array(10.0 / 3.6), 10.0)
    assert float(wind) == pytest.approx(2.078, abs=0.001)
    day = made(1, "2015-07-06", tmin_c=12.3, tmax_c=21.5, radiation_mj_m2=solar, wind_m_s=wind, vapour_kpa=vapour,
               latitude=50.8, elevation_m=100.0)  # fmt: skip
    found = weather.reference_evapotranspiration(day)
    assert found.method == PENMAN_MONTEITH and float(found.mm[0]) == pytest.approx(3.88, abs=0.01)
    assert not any(days.any() for days in found.filled.values())


def test_fao56_example_20_lyon_july_from_temperatures() -> None:
    """Missing radiation and humidity; wind of the surroundings 2 m/s. Then Hargreaves of the same example."""
    july = made(1, "2015-07-15", tmin_c=14.8, tmax_c=26.6, radiation_mj_m2=np.nan, vapour_kpa=np.nan,
                latitude=45.72, elevation_m=200.0)  # fmt: skip
    above = formulas.extraterrestrial(45.72, formulas.day_of_year(july.days))
    assert rounded(above[0]) == pytest.approx(40.6, abs=0.1)
    assert float(formulas.radiation_of_temperature(above, july.tmin_c, july.tmax_c)[0]) == pytest.approx(22.3, abs=0.1)
    assert float(formulas.saturation(july.tmin_c)[0]) == pytest.approx(1.68, abs=0.01)
    found = weather.reference_evapotranspiration(july)
    assert float(found.mm[0]) == pytest.approx(4.56, abs=0.05)
    assert found.filled["vapour"][0] and found.filled["radiation"][0] and not found.filled["wind"][0]
    assert any("eq. 48" in one for one in found.notes) and any("eq. 50" in one for one in found.notes)
    bare = made(1, "2015-07-15", tmin_c=14.8, tmax_c=26.6, radiation_mj_m2=np.nan, vapour_kpa=np.nan,
                wind_m_s=np.nan, latitude=45.72, elevation_m=200.0)  # fmt: skip
    by_heat = weather.reference_evapotranspiration(bare)
    assert by_heat.method == HARGREAVES and float(by_heat.mm[0]) == pytest.approx(5.0, abs=0.05)


def test_fao56_example_36_and_37_tomato_on_silt() -> None:
    """136 mm of available water, 54 mm readily available, ETc 6 mm, 55 mm lacking: Ks over ten days without rain."""
    available = 1000 * (0.32 - 0.15) * 0.8
    assert rounded(available) == 136.0 and rounded(0.4 * available, 0) == 54.0
    full = np.full((1, 10), available)
    _, stress, actual, drained = weather.root_zone(
        np.full((1, 10), 6.0), np.zeros((1, 10)), full, np.full((1, 10), 0.4), np.array([55.0])
    )
    assert [rounded(value, 2) for value in stress[0]] == [0.99, 0.92, 0.85, 0.79, 0.73, 0.68, 0.63, 0.58, 0.54, 0.50]
    assert rounded(actual[0, -1]) == 3.0 and not drained.any()


def test_no_latitude_no_extremes_and_unknown_heights() -> None:
    with pytest.raises(WeatherError, match="latitude"):
        weather.reference_evapotranspiration(made(latitude=None))
    with pytest.raises(WeatherError, match="least and a highest"):
        weather.reference_evapotranspiration(made(tmin_c=np.nan))
    assert any("taken as 0 m" in one for one in weather.reference_evapotranspiration(made(elevation_m=None)).notes)
    polar = made(latitude=80.0, first="2018-12-01", radiation_mj_m2=0.0, tmin_c=-25.0, tmax_c=-20.0, vapour_kpa=0.06)
    assert np.isfinite(weather.reference_evapotranspiration(polar).mm).all()


# --- thermal time -----------------------------------------------------------------------------------------------------


def test_thermal_time_sums_between_base_and_cap() -> None:
    days = made(4, tmean_c=np.array([5.0, 12.0, 40.0, 18.0]))
    assert list(weather.thermal_time(days, 8.0, 30.0, date(2018, 6, 1))) == [0.0, 4.0, 26.0, 36.0]
    late = weather.thermal_time(days, 8.0, 30.0, date(2018, 6, 3))
    assert np.isnan(late[:2]).all() and list(late[2:]) == [22.0, 32.0]
    hole = weather.thermal_time(made(4, tmean_c=np.array([12.0, np.nan, 12.0, 12.0])), 8.0, 30.0, date(2018, 6, 1))
    assert hole[0] == 4.0 and np.isnan(hole[1:]).all()
    with pytest.raises(WeatherError, match="not above the base"):
        weather.thermal_time(days, 8.0, 8.0, date(2018, 6, 1))
    with pytest.raises(WeatherError, match="lies outside"):
        weather.thermal_time(days, 8.0, 30.0, date(2019, 6, 1))


# --- the water balance ------------------------------------------------------------------------------------------------

DAYS = 100
plots = st.integers(1, 4)


@settings(max_examples=40, deadline=None)
@given(plots, st.integers(0, 2**32 - 1))
def test_no_water_is_made_or_lost(count: int, seed: int) -> None:
    """Rain - actual - drained = what the depletion fell by, to the last drop; and every figure keeps its bounds."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.3, 12.0, DAYS) * (rng.random(DAYS) < 0.4)
    sky = made(DAYS, rain_mm=rain, tmax_c=rng.uniform(15, 38, DAYS), tmean_c=16.0)
    crop = CropWater(*rng.uniform(0.2, 1.2, 3), root_m=rng.uniform(0.4, 2.0), p=rng.uniform(0.2, 0.7), height_m=1.0)
    start = rng.integers(0, 30, count)
    peak, end = start + rng.integers(5, 30, count), start + rng.integers(31, 69, count)
    lacking = rng.uniform(0, 18, count)
    first = sky.days[0]
    found = weather.water_balance(
        sky, crop, start=first + start, peak=first + peak, end=first + end,
        available_water_mm_per_m=rng.uniform(60, 200, count), depletion_mm=lacking,
    )  # fmt: skip
    for plot in range(count):
        part = slice(start[plot], end[plot] + 1)
        came = rain[part].sum() - found.actual_mm[plot, part].sum() - found.drained_mm[plot, part].sum()
        assert came == pytest.approx(lacking[plot] - found.depletion_mm[plot, end[plot]], abs=1e-8)
        assert np.isnan(found.depletion_mm[plot, : start[plot]]).all()
        assert np.isnan(found.depletion_mm[plot, end[plot] + 1 :]).all()
        assert (found.depletion_mm[plot, part] <= found.available_mm[plot, part] + 1e-9).all()
        assert (found.depletion_mm[plot, part] >= -1e-9).all() and (found.drained_mm[plot, part] >= 0).all()
        assert (found.actual_mm[plot, part] <= found.potential_mm[plot, part] + 1e-9).all()
        assert 0 <= found.ratio[plot] <= 1 and found.stress_days[plot] == (found.stress[plot, part] < 1).sum()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 30.0), st.integers(0, DAYS - 1))
def test_more_rain_never_makes_a_plot_thirstier(more: float, day: int) -> None:
    rng = np.random.default_rng(5)
    rain = rng.gamma(0.3, 6.0, DAYS) * (rng.random(DAYS) < 0.3)
    wetter = rain.copy()
    wetter[day] += more
    span = {"start": date(2018, 6, 1), "peak": date(2018, 7, 15), "end": date(2018, 9, 1)}
    ratio = [
        float(weather.water_balance(made(DAYS, rain_mm=r), TOMATO, available_water_mm_per_m=120, **span).ratio[0])
        for r in (rain, wetter)
    ]
    assert ratio[1] >= ratio[0] - 1e-12


def test_rows_are_plots_and_plots_do_not_touch() -> None:
    sky = made(DAYS, rain_mm=np.arange(DAYS) % 9)
    start = np.array(["2018-06-03", "2018-06-20"], "datetime64[D]")
    given_ = {"peak": date(2018, 7, 10), "end": date(2018, 8, 20)}
    both = weather.water_balance(sky, TOMATO, start=start, available_water_mm_per_m=[90, 170], **given_)
    for row, capacity in enumerate((90, 170)):
        one = weather.water_balance(sky, TOMATO, start=start[row], available_water_mm_per_m=capacity, **given_)
        assert np.array_equal(one.depletion_mm[0], both.depletion_mm[row], equal_nan=True)
        assert one.ratio[0] == both.ratio[row]


def test_what_is_not_known_stays_unknown() -> None:
    rain = np.full(DAYS, 2.0)
    rain[40] = np.nan
    sky = made(DAYS, rain_mm=rain)
    start = np.array(["2018-06-01", "2018-07-20", "NaT", "2018-05-01"], "datetime64[D]")
    found = weather.water_balance(
        sky, TOMATO, start=start, peak=date(2018, 7, 25), end=date(2018, 8, 30), available_water_mm_per_m=120
    )
    assert np.isfinite(found.depletion_mm[0, :40]).all() and np.isnan(found.depletion_mm[0, 40:]).all()
    assert np.isnan(found.ratio[[0, 2, 3]]).all() and np.isnan(found.stress_days[[0, 2, 3]]).all()
    assert np.isfinite(found.ratio[1]), "a hole before the season does not matter"
    assert np.isnan(found.actual_mm[2:]).all(), "no start, or a start before the weather: not known"


def test_cover_drives_the_demand() -> None:
    span = {"start": date(2018, 6, 1), "peak": date(2018, 7, 15), "end": date(2018, 9, 1)}
    crop = weather.crop_water(("maize",), on=date(2018, 1, 1))
    sums = []
    for cover in (0.0, 0.3, 0.8):
        found = weather.water_balance(
            made(DAYS), crop, available_water_mm_per_m=150, cover=np.full(DAYS, cover), **span
        )
        sums.append(np.nansum(found.potential_mm))
    assert sums[0] < sums[1] < sums[2]
    assert sums[0] == pytest.approx(crop.kc_ini * weather.reference_evapotranspiration(made(DAYS)).mm[:93].sum())
    watered = weather.water_balance(
        made(DAYS), crop, available_water_mm_per_m=150, irrigation_mm=np.full(DAYS, 12.0), **span
    )
    assert watered.ratio[0] == 1.0 and watered.stress_days[0] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peak": date(2018, 5, 1)}, "plot 0 has start, peak and end out of order"),
        ({"available_water_mm_per_m": [100.0, -1.0]}, "plot 1 has no available water"),
        ({"cover": np.full(DAYS, 1.2)}, "plot 0 has a cover outside"),
        ({"start": [date(2018, 6, 1)] * 3, "available_water_mm_per_m": [1.0, 2.0]}, "different lengths"),
    ],
)  # fmt: skip
def test_bad_plans_are_refused(change: dict[str, Any], said: str) -> None:
    plan = {
        "start": date(2018, 6, 1),
        "peak": date(2018, 7, 15),
        "end": date(2018, 9, 1),
        "available_water_mm_per_m": 100,
    }
    with pytest.raises(WeatherError, match=said):
        weather.water_balance(made(DAYS), TOMATO, **(plan | change))


def test_kc_runs_through_the_four_stages() -> None:
    crop = CropWater(0.3, 1.2, 0.6, root_m=1.0, p=0.5, height_m=2.0, initial=0.25, full=0.75, held=0.5)
    days = date(2018, 6, 1), date(2018, 7, 11), date(2018, 8, 20)
    found = weather.water_balance(
        made(DAYS), crop, start=days[0], peak=days[1], end=days[2], available_water_mm_per_m=150
    )
    kc = found.potential_mm[0] / weather.reference_evapotranspiration(made(DAYS)).mm
    np.testing.assert_allclose(kc[[0, 10, 20, 30, 40, 60, 70, 80]], [0.3, 0.3, 0.75, 1.2, 1.2, 1.2, 0.9, 0.6])
    assert np.isnan(kc[81:]).all()


def test_every_financed_crop_of_the_house_has_water_figures() -> None:
    """By itself or by a coarser name; those whose coarse names say nothing are listed."""
    day = date(2020, 1, 1)
    without = []
    for crop in taxonomy.crops():
        try:
            found = weather.crop_water((crop, *taxonomy.ancestors(crop)), on=day)
        except PolicyError:
            without.append(crop)
            continue
        assert 0.1 < found.p < 0.8 and 0.3 <= found.root_m <= 3.0 and 0 < found.kc_ini <= 1.2 and found.source
    parentless = {crop for crop in taxonomy.crops() if not taxonomy.is_crop(crop)} | {
        "crop", "double_crop", "fruit", "beverage_crop", "fibre_crop", "special_crop", "hemp", "tobacco",
        "medicinal_crop", "coriander", "aralia", "flower", "other_crop_permanent", "other_crop",
    }  # fmt: skip
    assert set(without) == parentless
    assert all(taxonomy.known(crop) for crop in policy.load("water").on(day)["crops"])
    wheat = weather.crop_water(("winter_wheat", *taxonomy.ancestors("winter_wheat")), on=day)
    assert (wheat.kc_ini, wheat.kc_mid, wheat.root_m, wheat.p) == (0.7, 1.15, 1.8, 0.55)
    grass = weather.crop_water(("grassland",), on=day)
    assert grass.first_root_m == grass.root_m, "a perennial is rooted from the start"
    with pytest.raises(PolicyError, match="no water figures"):
        weather.crop_water(("forest", *taxonomy.ancestors("forest")), on=day)


def test_ten_thousand_plots_in_seconds() -> None:
    import time

    span = {"peak": date(2018, 7, 15), "end": date(2018, 9, 1)}
    starts = np.full(10_000, np.datetime64("2018-06-01")) + np.arange(10_000) % 20
    before = time.process_time()
    found = weather.water_balance(made(DAYS), TOMATO, start=starts, available_water_mm_per_m=120, **span)
    assert np.isfinite(found.ratio).all() and time.process_time() - before < 5.0
    assert starts[1] - starts[0] == timedelta(days=1)
