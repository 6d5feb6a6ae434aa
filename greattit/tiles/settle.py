"""Offsets that no metadata state, or that a source is known to misstate, settled by the pixels: `settle`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greattit.errors import CatalogueError, SceneError
from greattit.tiles.offset import DARK_BANDS, Decision, decide, decide_all
from greattit.tiles.scene import Asset, Catalogue, Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greattit.tiles.fetch import Signs

SKETCH_PX = 512
"""Longest side of what is looked at: an overview of a cloud-optimised file serves it [px]."""

SCALE = 1e-4
"""The scale that the rule is made for."""


def unsettled(scene: Scene) -> bool:
    """Say whether an optical product's offset has to be asked of its pixels."""
    return any(a.offset is None or a.doubtful for n, a in scene.assets.items() if n.startswith("B"))


def settle(catalogue: Catalogue, *, signer: Signs | None = None) -> Catalogue:
    """Return the catalogue with every offset known; nothing is read when the metadata say them all.

    A product of which neither its own pixels nor its siblings (same level and baseline) tell the offset is left out and
    named in `warnings`: a guess would move its reflectance by 0.1.
    """
    asked = [scene for scene in catalogue.scenes if unsettled(scene)]
    if not asked:
        return catalogue
    decided: dict[tuple[str, str], Scene | str] = {}
    for kin in {(s.level, s.baseline) for s in asked}:
        group = [s for s in asked if (s.level, s.baseline) == kin]
        answers = decide_all([_look(scene, signer) for scene in group])
        decided |= {(s.sensor, s.id): _settled(s, a) for s, a in zip(group, answers, strict=True)}
    scenes, warnings = _sorted_out(catalogue.scenes, decided)
    if not scenes:
        raise CatalogueError(
            f"no scene says its offset, and no pixels tell it: {warnings[0]}",
            subject=catalogue.root,
            remedy="give scale and offset in raster:bands of the items",
        )
    return replace(catalogue, scenes=tuple(scenes), warnings=(*catalogue.warnings, *warnings))


def _sorted_out(scenes: Sequence[Scene], decided: dict[tuple[str, str], Scene | str]) -> tuple[list[Scene], list[str]]:
    kept, warnings = [], []
    for scene in scenes:
        found = decided.get((scene.sensor, scene.id), scene)
        if isinstance(found, Scene):
            kept.append(found)
        else:
            warnings.append(f"scene {scene.id} left out: {found}")
    return kept, warnings


def _look(scene: Scene, signer: Signs | None) -> Decision:
    try:
        held = [name for name in (*DARK_BANDS, "B08", "scl") if name in scene.assets]
        counts = {name: _sketch(scene, scene.assets[name], signer) for name in held}
    except SceneError as error:
        return Decision(None, error.what)
    if "B04" not in counts:
        return Decision(None, "it has no red band")
    scl = counts.pop("scl", None)
    return decide(counts, scl)


def _sketch(scene: Scene, asset: Asset, signer: Signs | None) -> NDArray[np.integer[Any]]:
    from greattit.tiles.fetch import again, opened

    def read() -> NDArray[np.integer[Any]]:
        with opened(asset, scene, signer=signer) as source:
            side = max(source.height, source.width)
            shape = tuple(max(1, round(n * min(1, SKETCH_PX / side))) for n in (source.height, source.width))
            counts: NDArray[np.integer[Any]] = source.read(asset.band, out_shape=shape)
            return counts

    return again(read, scene.id)


def _settled(scene: Scene, answer: Decision) -> Scene | str:
    """Return the product with the offset found, or why there is none."""
    bands = {name: asset for name, asset in scene.assets.items() if name.startswith("B")}
    if any(abs(asset.scale / SCALE - 1) > 1e-6 for asset in bands.values()):
        return "its metadata say no offset, and its scale is not 1/10,000"
    if answer.offset is None:
        return f"its offset is not known: {answer.evidence}"
    found = {name: replace(asset, offset=answer.offset, doubtful=False) for name, asset in bands.items()}
    said = {asset.offset for asset in bands.values() if asset.offset is not None}
    against = "" if said <= {answer.offset} else f", against the {min(said):+.1f} of its metadata"
    note = f"offset {answer.offset:+.1f} decided from the pixels{against}: {answer.evidence}"
    return replace(scene, assets={**scene.assets, **found}, notes=(*scene.notes, note))
