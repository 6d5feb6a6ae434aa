"""The trained ensemble as one ONNX file, for servers and languages without torch: `export`, and `logits` to read it.

The file takes `series` (plot, 2 * channel, step), as `greattit.crops.prepare` makes it, any number of plots at once,
and gives `logits` (plot, class), the mean over the members, and `members` (member, plot, class). What the card says of
classes, grid, temperature and priors travels in the file's metadata as JSON, so that probabilities can be reckoned from
it alone: softmax(logits / temperature + log(prior) - log(reference_prior)).

The network is traced, not rebuilt by hand: another network in `greattit.crops.network` needs no change here. The
packages onnx and onnxruntime are the extra `onnx`; nothing else in greattit needs them.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greattit.crops.card import Card
    from greattit.crops.model import Model

INPUT, OUTPUTS = "series", ("logits", "members")
OPSET = 17
"""ONNX operator set of the file; onnxruntime reads it from 1.12 on"""
TOLERANCE = 1e-4
"""largest difference of a logit between torch and the file"""
EXTRA = "install it with `pip install 'greattit[onnx]'`"


def export(folder: Path, out: Path) -> Path:
    """Write the whole ensemble of a model folder as one ONNX file, whole or not at all; return its path.

    Before it takes its name the file is read by onnxruntime and compared with torch. The same weights and packages give
    the same bytes. Raises `ModelError` when the model cannot be loaded, a package of the extra is missing, or the
    figures differ.
    """
    onnx = _package("onnx")
    from greattit.crops.model import load

    model = load(Path(folder))
    graph = onnx.load_from_string(_trace(model))
    onnx.helper.set_model_props(graph, metadata(model.card))
    onnx.checker.check_model(graph)
    data: bytes = graph.SerializeToString()
    _compare(model, data, folder)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(fresh).chmod(0o644)
        Path(fresh).replace(out)
    finally:
        Path(fresh).unlink(missing_ok=True)
    return out


def metadata(card: Card) -> dict[str, str]:
    """Return what the file says of itself: text, or JSON of lists and mappings."""
    grid = card.grid
    parts = {
        "classes": list(card.classes),
        "grid": {
            "channels": list(grid.channels),
            "steps": grid.steps,
            "width_days": grid.width_days,
            "window": list(grid.window),
            "brightest": grid.brightest,
            "mean": list(grid.mean),
            "std": list(grid.std),
        },
        "temperature": card.temperature,
        "certainty_level": card.certainty,
        "likely_level": card.likely,
        "energy_level": card.energy,
        "default_prior": card.default_prior.tolist(),
        "reference_prior": card.reference_prior.tolist(),
        "members": card.members,
    }
    text = {key: json.dumps(value, ensure_ascii=False) for key, value in parts.items()}
    return {"name": card.name, "weights_sha256": card.sha256, **text}


def described(file: Path) -> dict[str, Any]:
    """Return the metadata of an exported file as plain values; raise `ModelError` when it has none of ours."""
    text = dict(session(file).get_modelmeta().custom_metadata_map)
    if "weights_sha256" not in text:
        raise ModelError("is not a model that greattit exported", subject=str(file))
    return {key: value if key in ("name", "weights_sha256") else json.loads(value) for key, value in text.items()}


def logits(file: Path, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean logits (b, class) and the members' (member, b, class) of prepared input (b, 2 * channel, step)."""
    mean, members = session(file).run(list(OUTPUTS), {INPUT: inputs})
    return mean, members


def session(file: Path, threads: int = 1) -> Any:
    """Return an onnxruntime session of a file, kept while the file stays the same; one thread unless asked for more."""
    try:
        state = Path(file).stat()
    except OSError as error:
        raise ModelError("cannot be read as ONNX: there is no such file", subject=str(file)) from error
    return _session(str(file), threads, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _session(file: str, threads: int, changed: int, size: int) -> Any:
    return _opened(file, threads, file)


def _opened(what: str | bytes, threads: int, subject: str) -> Any:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(what, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"cannot be read as ONNX: {reason}", subject=subject) from error


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ModelError(f"needs the package {name}, of the extra `onnx`", subject="ONNX", remedy=EXTRA) from error


def _trace(model: Model) -> bytes:
    """Return the ensemble as ONNX bytes, by torch's tracing exporter: the newer one needs a package more."""
    import torch
    from torch.jit import TracerWarning  # type: ignore[attr-defined]

    class Ensemble(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.networks = torch.nn.ModuleList(model.networks)

        def forward(self, series: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            members = torch.stack([network(series) for network in self.networks])
            return members.mean(dim=0), members

    grid = model.card.grid
    file: Any = io.BytesIO()
    sample = torch.zeros(2, 2 * len(grid.channels), grid.steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", TracerWarning)
        try:
            torch.onnx.export(
                Ensemble().eval(),
                (sample,),
                file,
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_axes={INPUT: {0: "plot"}, "logits": {0: "plot"}, "members": {1: "plot"}},
            )
        except TracerWarning as error:
            raise ModelError(f"its steps depend on the input: {error}", subject=model.card.name) from error
    traced: bytes = file.getvalue()
    return traced


def _compare(model: Model, data: bytes, folder: Path) -> None:
    grid = model.card.grid
    inputs = np.random.default_rng(0).normal(size=(5, 2 * len(grid.channels), grid.steps)).astype(np.float32)
    inputs[0] = 0.0
    members = _opened(data, 1, str(folder)).run(["members"], {INPUT: inputs})[0]
    apart = float(np.abs(members - model.logits(inputs)).max())
    if not apart <= TOLERANCE:
        raise ModelError(f"its ONNX form gives other logits, by up to {apart:.2g}", subject=str(folder))
