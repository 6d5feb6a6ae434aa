"""torchvision imports beside a CPU torch, and the shim does nothing beside a matching build."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import torch
from greattit import torchcompat
defined = []
real = torch.library.Library
class Watched(real):
    def define(self, schema, *a, **k):
        defined.extend([schema] if schema in torchcompat.SCHEMAS.values() else [])
        return super().define(schema, *a, **k)
torch.library.Library = Watched
{before}
module = torchcompat.torchvision({loads})
torch.library.Library = real
import torchvision.models, torchvision.transforms.v2
from torchvision.models.detection import backbone_utils
print("DEFINED", len(defined), module.__version__)
"""


def run(before: str, loads: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE.format(before=before, loads=loads)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout


def test_torchvision_imports_here() -> None:
    assert "DEFINED" in run("", "None")


def test_the_schemas_are_declared_when_the_operators_do_not_load() -> None:
    assert "DEFINED 2" in run("assert not hasattr(torch.ops.torchvision, 'nms')", "False")


def test_the_shim_does_nothing_beside_a_matching_build() -> None:
    """A matching build has its operators registered by the time it is asked; here a fragment stands for it."""
    before = (
        "lib = real('torchvision', 'FRAGMENT')\n"
        "[lib.define(s) for s in torchcompat.SCHEMAS.values()]\n"
        "assert not defined"
    )
    assert "DEFINED 0" in run(before, "True")


def test_operators_of_a_folder_without_libraries_do_not_load(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from greattit.torchcompat import operators_load

    (tmp_path / "_C.so").write_bytes(b"not a library")
    assert not operators_load(tmp_path)
