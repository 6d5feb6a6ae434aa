"""A folder of GeoTIFFs whose names say day and band, by a pattern such as "{date:%Y%m%d}_{band}.tif"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from greattit.errors import CatalogueError, SceneError
from greattit.tiles import item
from greattit.tiles.catalogue import Found
from greattit.tiles.hrefs import Folder
from greattit.tiles.scene import NAMES, Asset, Scene

USUAL = (
    "{date:%Y%m%d}_{band}.tif",
    "{date:%Y-%m-%d}_{band}.tif",
    "{date:%Y%m%d}/{band}.tif",
    "{date:%Y-%m-%d}/{band}.tif",
    "T{tile}_{date:%Y%m%dT%H%M%S}_{band}_*m.tif",
    "T{tile}_{date:%Y%m%dT%H%M%S}_{band}.tif",
    "{platform}_{tile}_{date:%Y%m%d}_*_L2A/{band}.tif",
    "{platform}_{tile}_{date:%Y%m%d}_{band}.tif",
    "{band}_{date:%Y%m%d}.tif",
    "{band}_{date:%Y-%m-%d}.tif",
    "*_{date:%Y%m%d}_{band}.tif",
    "*_{date:%Y-%m-%d}_{band}.tif",
    "{date:%Y%m%d}.tif",
    "{date:%Y-%m-%d}.tif",
    "*_{date:%Y%m%d}.tif",
    "*_{date:%Y-%m-%d}.tif",
)
"""Patterns tried where none is given; the first that most files match is taken."""

FIELDS = {"tile": r"\d{2}[A-Z]{3}", "platform": r"[A-Za-z0-9-]+", "orbit": r"\d{1,3}"}
"""What a name may say besides day and band, and what it looks like; `*` stands for anything but a slash."""

MAX_FILES = 200_000
"""GeoTIFFs of one folder that are looked at."""

SHOWN = 20
"""Files that are named in warnings one by one."""

_TIMES = {"Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "M": r"\d{2}", "S": r"\d{2}", "j": r"\d{3}"}
_HOUSE = {key.lower(): band for key, band in NAMES.items()} | {f"b{n}": f"B0{n}" for n in range(2, 9)}


@dataclass(frozen=True)
class Pattern:
    """A pattern of file names, ready to match."""

    text: str
    """as written"""
    regex: re.Pattern[str]
    """against the path below the folder, with slashes"""
    date: str
    """format of the date"""

    @property
    def banded(self) -> bool:
        """True when each file holds one band, which its name says."""
        return "band" in self.regex.groupindex


def compiled(text: str) -> Pattern:
    """Read a pattern; raise `CatalogueError` when it is none."""
    parts, dates, names = [], [], set()
    for literal, name, form in _split(text):
        parts.append("[^/]*?".join(re.escape(part) for part in literal.split("*")))
        if name is None:
            continue
        if name in names or (name not in FIELDS and name not in ("date", "band")):
            raise _unreadable(text, f"{{{name}}} stands twice" if name in names else f"there is no {{{name}}}")
        names.add(name)
        if name == "date":
            dates.append(form or "%Y%m%d")
            parts.append(f"(?P<date>{_dated(dates[0], text)})")
        else:
            parts.append(f"(?P<{name}>{FIELDS.get(name, '[A-Za-z0-9]+')})")
    if not dates:
        raise _unreadable(text, "it has no {date}")
    return Pattern(text, re.compile("".join(parts), re.IGNORECASE), dates[0])


def _split(text: str) -> Iterable[tuple[str, str | None, str | None]]:
    from string import Formatter

    try:
        return [(literal, name, form) for literal, name, form, _ in Formatter().parse(text)]
    except ValueError as error:
        raise _unreadable(text, str(error)) from error


def _dated(form: str, text: str) -> str:
    """Turn a format of dates into a regular expression."""
    pieces = re.split(r"%(.)", form)
    if len(pieces) < 3 or any(code not in _TIMES for code in pieces[1::2]):
        raise _unreadable(text, f"{form!r} is no date; use {', '.join('%' + code for code in _TIMES)}")
    return "".join(_TIMES[p] if number % 2 else re.escape(p) for number, p in enumerate(pieces))


def _unreadable(text: str, why: str) -> CatalogueError:
    return CatalogueError(
        f"the pattern cannot be read: {why}",
        subject=text,
        remedy='write for example "{date:%Y%m%d}_{band}.tif", or "{date:%Y%m%d}.tif" with the order of the bands',
    )


def files_in(folder: Path) -> list[Path]:
    """Return the GeoTIFFs below a folder, sorted; raise `CatalogueError` when there are too many."""
    found = []
    for file in folder.rglob("*"):
        if file.suffix.lower() in (".tif", ".tiff") and file.is_file():
            found.append(file)
        if len(found) > MAX_FILES:
            raise CatalogueError(f"holds more than {MAX_FILES:,} GeoTIFFs", subject=str(folder), remedy="split it")
    return sorted(found)


def read_files(folder: Path, *, pattern: str | None, bands: tuple[str, ...], level: str | None) -> tuple[Found, str]:
    """Group the GeoTIFFs of `folder` (resolved) into scenes; returns them and the pattern that was used.

    Raises `CatalogueError` when no file matches, or when files hold several bands and nothing says their order.
    """
    files = {file.relative_to(folder).as_posix(): file for file in files_in(folder)}
    chosen = compiled(pattern) if pattern else _likeliest(list(files))
    found = Found()
    groups, left = _grouped(files, chosen) if chosen else ({}, list(files))
    if chosen is None or not groups:
        raise CatalogueError(
            f"none of its {len(files)} GeoTIFFs is named by " + (f'"{pattern}"' if pattern else "a usual pattern"),
            subject=str(folder),
            remedy='say how they are named, e.g. "{date:%Y%m%d}_{band}.tif"; ' + "; ".join(list(files)[:3]),
        )
    found.warnings += [f'file {name} left out: it does not match "{chosen.text}"' for name in left[:SHOWN]]
    if len(left) > SHOWN:
        found.warnings.append(f"{len(left) - SHOWN} more files left out: they do not match")
    for said, of_band in groups.items():
        try:
            found.scenes.append(_scene(folder, of_band, said, bands, level))
        except (SceneError, ValueError) as error:
            what = error.what if isinstance(error, SceneError) else str(error)
            found.warnings.append(f"scene {_name(said)} left out: {what}")
    return found, chosen.text


@dataclass(frozen=True, order=True)
class _Said:
    """What all files of one scene say in their names."""

    when: datetime
    platform: str
    tile: str
    orbit: str

    @property
    def dated(self) -> bool:
        """True when no time of day is known."""
        return not (self.when.hour or self.when.minute or self.when.second)


def _grouped(files: dict[str, Path], pattern: Pattern) -> tuple[dict[_Said, dict[str, Path]], list[str]]:
    """Return the files of each scene by band ("" when the name says none), and the files that do not match."""
    groups: dict[_Said, dict[str, Path]] = {}
    left = []
    for name, file in files.items():
        read = _read_name(pattern, name)
        if read is None:
            left.append(name)
        elif read[1] in groups.setdefault(read[0], {}):
            left.append(f"{name} (a second {read[1] or 'file'} of its day)")
        else:
            groups[read[0]][read[1]] = file
    return groups, left


def _likeliest(names: list[str]) -> Pattern | None:
    counted = [(sum(_read_name(p, name) is not None for name in names), p) for p in map(compiled, USUAL)]
    most = max((count for count, _ in counted), default=0)
    return next((p for count, p in counted if count == most), None) if most else None


def _read_name(pattern: Pattern, name: str) -> tuple[_Said, str] | None:
    """Return what a name says and its band; None when it does not match, or its band is not of the house."""
    match = pattern.regex.fullmatch(re.sub(r"\.tiff$", ".tif", name, flags=re.IGNORECASE))
    if match is None:
        return None
    fields = {key: value or "" for key, value in match.groupdict().items()}
    band = _HOUSE.get(fields.get("band", "").lower(), "")
    if pattern.banded and not band:
        return None
    try:
        when = datetime.strptime(fields["date"], pattern.date).replace(tzinfo=UTC)
    except ValueError:
        return None
    tile, platform = fields.get("tile", "").upper(), fields.get("platform", "")
    return _Said(when, platform, tile, fields.get("orbit", "")), band


def _name(said: _Said) -> str:
    clock = f"{said.when:%Y%m%d}" if said.dated else f"{said.when:%Y%m%dT%H%M%S}"
    return "_".join(part for part in (said.platform, said.tile, clock) if part)


def _scene(folder: Path, files: dict[str, Path], said: _Said, order: tuple[str, ...], level: str | None) -> Scene:
    place, boxes = Folder(folder), []
    assets: dict[str, Asset] = {}
    for band, file in files.items():
        href = place.asset(str(folder / "x"), file.relative_to(folder).as_posix())
        read, box = _read(href, (band,) if band else order)
        assets.update(read)
        boxes.append(box)
    sensor = "s1" if {"VV", "VH"} & set(assets) else "s2"
    needed = {"B04", "B08"} | (set() if level == "L1C" else {"scl"}) if sensor == "s2" else set()
    if not needed <= set(assets):
        hint = " (say level L1C when there is no scene classification)" if "scl" not in assets else ""
        raise SceneError("missing band " + ", ".join(sorted(needed - set(assets))) + hint)
    west, south, east, north = zip(*boxes, strict=True)
    return Scene(
        _name(said),
        item.when({"datetime": said.when.isoformat()}),
        sensor,
        item.box([min(west), min(south), max(east), max(north)]),
        assets,
        level="GRD" if sensor == "s1" else level or "L2A",
        platform=said.platform.lower(),
        tile=said.tile,
        orbit=int(said.orbit) if said.orbit else None,
        notes=("The time of day is not known.",) if said.dated else (),
    )


def _read(path: str, order: tuple[str, ...]) -> tuple[dict[str, Asset], tuple[float, float, float, float]]:
    """Return the bands of one file and its bounds [deg], from its header alone."""
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.warp import transform_bounds

    try:
        with (
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
            rasterio.open(path, driver="GTiff") as source,
        ):
            if source.crs is None:
                raise SceneError(f"{Path(path).name} has no coordinate system")
            west, south, east, north = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
            if source.crs.is_geographic:
                raise SceneError(
                    f"{Path(path).name} lies on a grid of degrees; reproject to UTM, e.g. gdalwarp -t_srs "
                    f"EPSG:{_utm((west + east) / 2, (south + north) / 2)} -r near"
                )
            names = order or tuple(str(text or "") for text in source.descriptions)
            assets = {}
            for number, said in enumerate(names[: source.count], start=1):
                band = _HOUSE.get(said.lower())
                if band is not None:
                    assets[band] = _asset(path, band, number, source)
    except (RasterioError, OSError) as error:
        raise SceneError(f"{Path(path).name} cannot be read ({str(error).splitlines()[0][:100]})") from error
    if not assets:
        raise SceneError(f"{Path(path).name} holds {source.count} bands and nothing says which; name their order")
    return assets, (west, south, east, north)


def _utm(lon: float, lat: float) -> int:
    """Return the EPSG code of the UTM zone at a place [deg]."""
    return (32600 if lat >= 0 else 32700) + min(int((lon + 180) // 6) + 1, 60)


def _asset(path: str, band: str, number: int, source: Any) -> Asset:
    """Take scale and offset from the file; where it is silent, whole counts are 1/10,000 and the offset is open."""
    if max(source.height, source.width) > item.MAX_SIDE_PX:
        raise SceneError(f"it claims {source.height} x {source.width} px; at most {item.MAX_SIDE_PX:,} a side are read")
    scale, offset = float(source.scales[number - 1]), float(source.offsets[number - 1])
    nodata = source.nodata if source.nodata is not None else (math.nan if source.dtypes[0].startswith("f") else None)
    plain = Asset(path, 1.0, 0.0, nodata, (source.height, source.width), band=number, bytes=Path(path).stat().st_size)
    if band in ("scl", "VV", "VH"):
        return plain if band == "scl" else Asset(path, scale, offset, nodata, plain.shape, number, bytes=plain.bytes)
    known = (scale, offset) != (1.0, 0.0)
    if not known:
        scale, said = (1.0, 0.0) if source.dtypes[number - 1].startswith("float") else (1e-4, None)
    else:
        said = offset
    item.counts(scale, said)
    return Asset(path, scale, said, nodata, plain.shape, number, bytes=plain.bytes)
