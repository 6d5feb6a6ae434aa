"""Lets torchvision import beside a CPU build of torch. With a matching pair this does nothing.

torchvision's wheel from PyPI is linked against a CUDA build; beside a CPU torch its compiled operators do not load and
its import fails with "operator torchvision::nms does not exist". Declaring the two schemas before the import mends it.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_libraries: list[Any] = []  # a torch.library.Library unregisters its schemas when it is collected


def operators_load(folder: Path | None = None) -> bool:
    """Say whether torchvision's compiled operators load beside the installed torch (`folder`: another torchvision)."""
    torch: Any = importlib.import_module("torch")
    if folder is None:
        spec = importlib.util.find_spec("torchvision")
        if spec is None or spec.origin is None:
            return False
        folder = Path(spec.origin).parent
    for library in sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
        return True
    return False


def torchvision(loads: bool | None = None) -> ModuleType:
    """Import torchvision, declaring the operator schemas first where its compiled operators do not load.

    `loads` overrides the probe (for tests).
    """
    torch: Any = importlib.import_module("torch")
    if not (operators_load() if loads is None else loads):
        for name, schema in SCHEMAS.items():
            if not hasattr(torch.ops.torchvision, name):
                library = torch.library.Library("torchvision", "FRAGMENT")
                library.define(schema)
                _libraries.append(library)
    return importlib.import_module("torchvision")
