"""What a cube holds, as plain values and as text: `info`, `scenes`; and what a check of it found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from greattit.cube.check import Checked
from greattit.cube.index import Pass
from greattit.cube.store import REPOSITORY, Store, open_cube, snapshots

SHOWN = 5
"""Snapshots shown in the text."""

LISTED = 10
"""Problems listed in the text of a check."""


def info(url: str, as_of: str | None = None) -> dict[str, Any]:
    """Return place, span, looks, bands, size on disk (None in object storage) and snapshots of a cube."""
    store = open_cube(url, as_of=as_of)
    index = store.index
    return {
        "cube": url,
        "title": index.title,
        "crs": index.crs,
        "bounds": [round(v, 6) for v in store.bounds] if index.extent else None,
        "bands": list(index.bands),
        "looks": {sensor: _looks(store, sensor) for sensor in ("s2", "s1")},
        "areas": len(index.areas),
        "bytes": _bytes(url),
        "simulated": index.simulated,
        "attribution": index.attribution,
        "refused": {version.partition("@")[0]: why for version, why in index.refused.items()},
        "snapshot": store.snapshot,
        "snapshots": snapshots(url),
    }


def _looks(store: Store, sensor: str) -> dict[str, Any]:
    passes = [p for p in store.index.of(sensor) if not p.refused]
    days = sorted(p.when.date() for p in passes)
    return {
        "shown": len(passes),
        "refused": len(store.index.of(sensor)) - len(passes),
        "first": str(days[0]) if days else None,
        "last": str(days[-1]) if days else None,
        "clear_median": sorted(p.clear for p in passes)[len(passes) // 2] if passes else None,
    }


def _bytes(url: str) -> int | None:
    folder = Path(url) / REPOSITORY
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else None


def info_text(found: dict[str, Any]) -> str:
    """Write `info` for a terminal."""
    names = {"s2": "Sentinel-2", "s1": "Sentinel-1"}
    lines = [f"{found['cube']}: {found['title']}" + ("  (SIMULATED)" if found["simulated"] else "")]
    if found["bounds"]:
        lines.append("  place      {:.5f}, {:.5f} to {:.5f}, {:.5f}".format(*found["bounds"]) + f"  {found['crs']}")
    for sensor, looks in found["looks"].items():
        if looks["shown"] or looks["refused"]:
            clear = f", median clear share {looks['clear_median']:.0%}" if sensor == "s2" and looks["shown"] else ""
            more = f" ({looks['refused']} refused)" if looks["refused"] else ""
            lines.append(f"  {names[sensor]} {looks['shown']} looks{more}, {looks['first']} to {looks['last']}{clear}")
    lines.append(f"  bands      {', '.join(found['bands'])}")
    if found["bytes"] is not None:
        lines.append(f"  size       {found['bytes'] / 1e6:,.1f} MB")
    lines.append(f"  data by    {found['attribution'] or 'not said'}")
    lines += [f"  left out   {name}: {why}" for name, why in found["refused"].items()]
    lines.append(f"  snapshot   {found['snapshot']}")
    lines += [f"    {one['when']}  {one['id']}  {one['message']}" for one in found["snapshots"][:SHOWN]]
    if len(found["snapshots"]) > SHOWN:
        lines.append(f"    ... {len(found['snapshots']) - SHOWN} more with --json")
    return "\n".join(lines)


def scenes(store: Store) -> list[dict[str, Any]]:
    """Return one plain record for each look, in order of time, refused ones too."""
    return [_row(p) for p in sorted(store.index.passes, key=lambda p: (p.when, p.sensor))]


def _row(one: Pass) -> dict[str, Any]:
    return {
        "day": str(one.when.date()),
        "time": one.when.isoformat(),
        "sensor": one.sensor,
        "platform": one.platform,
        "seen_ha": one.seen_ha,
        "clear": one.clear,
        "products": [
            {
                "id": p.id,
                "tile": p.tile,
                "level": p.level,
                "baseline": p.baseline,
                "offset": p.offset,
                "notes": list(p.notes),
            }
            for p in one.products
        ],
        "findings": list(one.findings),
        "refused": one.refused,
    }


def scenes_text(rows: list[dict[str, Any]]) -> str:
    """Write `scenes` for a terminal."""
    lines = [f"{'day':10s}  {'sat':12s}  {'level':5s}  {'tiles':14s}  {'seen ha':>10s}  {'clear':>5s}  offset"]
    for row in rows:
        products = row["products"]
        clear = "" if row["sensor"] == "s1" else f"{row['clear']:.0%}"
        tiles = ",".join(dict.fromkeys(p["tile"] for p in products if p["tile"]))
        levels = "/".join(dict.fromkeys(p["level"] for p in products))
        offsets = "; ".join(dict.fromkeys(p["offset"] for p in products))
        lines.append(
            f"{row['day']}  {row['platform'] or row['sensor']:12s}  {levels:5s}  {tiles:14s}  "
            f"{row['seen_ha']:>10,.0f}  {clear:>5s}  {offsets}"
        )
        lines += [f"            note: {note}" for p in products for note in p["notes"]]
        lines += [f"            found: {text}" for text in row["findings"]]
        if row["refused"]:
            lines.append(f"            REFUSED: {row['refused']}")
    return "\n".join(lines)


def check_text(found: Checked) -> str:
    """Write what a check found for a terminal: the first problems and what to do about them, or that all is whole."""
    lines = [f"{found.looks} looks in {found.cells} cells read; content {found.content}"]
    if not found.problems:
        return "\n".join([*lines, "whole"])
    lines += [f"  {problem}" for problem in found.problems[:LISTED]]
    if len(found.problems) > LISTED:
        lines.append(f"  ... {len(found.problems) - LISTED} more with --json")
    many = "1 problem" if len(found.problems) == 1 else f"{len(found.problems)} problems"
    return "\n".join([*lines, f"{many}: ingest into a new folder, or restore a copy"])
