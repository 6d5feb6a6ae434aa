"""Fill `page/vendor` from npm, at the versions of `package-lock.json`: `python -m greattit.web.vendor`.

Only whoever changes a version runs this, with npm at hand; the result is committed, so that a user needs neither npm
nor a network. To change a version: edit `package.json`, `npm install --package-lock-only`, run this, commit all three.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "page" / "vendor"
FILES = {
    "maplibre-gl/dist/maplibre-gl.mjs": "maplibre-gl.mjs",
    "maplibre-gl/dist/maplibre-gl-worker.mjs": "maplibre-gl-worker.mjs",
    "maplibre-gl/dist/maplibre-gl.css": "maplibre-gl.css",
    "terra-draw/dist/terra-draw.modern.js": "terra-draw.js",
    "terra-draw-maplibre-gl-adapter/dist/terra-draw-maplibre-gl-adapter.modern.js": "terra-draw-maplibre-gl-adapter.js",
}
"""file in node_modules -> its name in page/vendor"""

_LICENCE_ELSEWHERE = {
    name: HERE / "licences" / "terra-draw.txt" for name in ("terra-draw", "terra-draw-maplibre-gl-adapter")
}
"""packages that ship no licence text; theirs is the one of their repository"""

_SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=\S+\s*$|\n?/\*# sourceMappingURL=\S+ \*/\s*$")


def fill(folder: Path = VENDOR) -> list[Path]:
    """Install the locked versions in a temporary folder, copy what the page needs, return the files written."""
    with tempfile.TemporaryDirectory() as room:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, room)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=room, check=True)
        modules = Path(room) / "node_modules"
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for source, name in FILES.items():
            target = folder / name
            target.write_bytes(_SOURCE_MAP.sub(b"\n", (modules / source).read_bytes()))
            written.append(target)
        notices = folder / "LICENCES.txt"
        notices.write_text(_notices(modules), "utf-8")
    return [*written, notices]


def _notices(modules: Path) -> str:
    """Join the licence texts of every locked package: the minified files hold code of most of them."""
    parts = ["Licences of the packages whose code is in this folder or was bundled into it by its makers.\n"]
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
    for path, entry in sorted(lock["packages"].items()):
        name = path.removeprefix("node_modules/")
        if not name or name.startswith("@types/"):
            continue
        title = f"{name} {entry['version']} ({entry['license']})"
        parts.append("\n".join(("=" * 80, title, "=" * 80, _licence(modules / name, name))))
    return "\n".join(parts)


def _licence(package: Path, name: str) -> str:
    """Return the licence text from the package's own file, from its README, or from `licences/`."""
    for file in sorted(package.iterdir()):
        if file.is_file() and re.match(r"licen[cs]e", file.name, re.IGNORECASE):
            return file.read_text("utf-8").strip() + "\n"
    if name in _LICENCE_ELSEWHERE:
        return _LICENCE_ELSEWHERE[name].read_text("utf-8").strip() + "\n"
    readme = (package / "README.md").read_text("utf-8")
    found = re.search(r"^#+ Licen[cs]e.*", readme, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    if found is None:
        raise SystemExit(f"{name} ships no licence text: add it to greattit/web/licences")
    return found.group().strip() + "\n"


if __name__ == "__main__":
    for file in fill():
        print(f"{file.stat().st_size:>9,}  {file.relative_to(HERE)}")
