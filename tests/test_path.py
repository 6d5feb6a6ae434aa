"""No room imports a later one, imports inside functions included; the front door stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import greattit

PACKAGE = Path(greattit.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_imported(module: Path) -> set[str]:
    """Rooms that a module names in any import, at the top or inside a function, but not under TYPE_CHECKING."""
    tree = ast.parse(module.read_text("utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "greattit":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("greattit."):
            names.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("greattit.")}
    return names


def test_every_room_stands_on_the_path() -> None:
    rooms = {room_of(module) for module in MODULES} - {"__init__", "__main__"}
    assert rooms == set(greattit.PATH)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_no_room_imports_a_later_one(module: Path) -> None:
    room = room_of(module)
    if room in ("__init__", "__main__"):
        return
    place = greattit.PATH.index(room)
    later = {name for name in rooms_imported(module) if name in greattit.PATH[place + 1 :]}
    assert not later, f"{room} imports {later}, which come later on the path"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_no_room_reads_the_clock(module: Path) -> None:
    """A day comes in as an argument; a stopwatch too. Only a command may ask what time it is."""
    if room_of(module) == "commands":
        return
    calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(n, ast.Call)}
    assert not calls & {"date.today", "datetime.now", "datetime.utcnow", "time.time", "dt.date.today", "datetime.today"}


def test_counts_become_reflectance_in_tiles_only() -> None:
    """Scale and offset of products are read and applied in one room."""
    readers = {room_of(m) for m in MODULES if "raster:bands" in m.read_text("utf-8")}
    assert readers <= {"tiles", "simulate"}


@pytest.mark.parametrize(
    "command",
    ["import greattit", "from greattit.__main__ import main; import sys; sys.argv = ['greattit', '--help']; main()"],
)
def test_the_front_door_is_light(command: str) -> None:
    heavy = ("torch", "rasterio", "geopandas", "sklearn", "pandas", "matplotlib", "xarray", "numpy")
    watch = f"import atexit, sys\natexit.register(lambda: print('LOADED', [m for m in {heavy!r} if m in sys.modules]))"
    code = f"{watch}\n{command}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "LOADED []" in run.stdout, run.stdout[-300:] + run.stderr[-300:]
