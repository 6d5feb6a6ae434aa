"""The map under the farmer's finger: true colour of the clearest look, cut into web tiles by rio-tiler."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greattit.cube import Store
from greattit.errors import SceneError
from greattit.tiles import CLEAR_CLASSES, Asset, Catalogue, Scene
from greattit.web.cubelook import clearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLOURS = ("B04", "B03", "B02")
"""red, green, blue"""
SIZE = 512
"""pixels of a tile's side"""
MAX_ZOOM = 16
"""at 512 pixels a tile's pixel is then under a metre in middle latitudes, far finer than the tiles"""

_WHITE = 0.24
"""reflectance shown at full brightness"""
_GAMMA = 1.7
"""lifts the dark tones: fields lie between 0.02 and 0.15"""
_CLOUDY_BLUE = 0.20
"""reflectance of blue above which a pixel is not believed clear, whatever its class says (for this choice only)"""
_LOOK_BACK = timedelta(days=365)


@dataclass(frozen=True)
class Tile:
    """One map tile."""

    png: bytes
    """512 x 512, transparent where nothing was seen"""
    etag: str
    """quoted hash of the content"""


class Picture:
    """The clearest look of each footprint of a catalogue, as web map tiles."""

    def __init__(self, stack: Catalogue | Store, until: date) -> None:
        """Choose the looks of the year up to `until`; a scene that cannot be read is passed over."""
        if isinstance(stack, Store):
            self.kept = clearest(stack, until, _LOOK_BACK)
            self.scenes: tuple[Scene, ...] = (self.kept.scene,) if self.kept else ()
        else:
            self.scenes = tuple(_clearest(stack.between(until - _LOOK_BACK, until)))
        self.days = tuple(sorted({scene.when.date() for scene in self.scenes}))
        self.version = stack.snapshot[:12] if isinstance(stack, Store) else _version(self.scenes)
        self.tile = lru_cache(maxsize=512)(self._tile)

    def _tile(self, z: int, x: int, y: int) -> Tile:
        """Return tile `z`/`x`/`y` of the web mercator grid (XYZ); outside the scenes it is empty, not missing."""
        import numpy as np
        from rio_tiler.models import ImageData

        counts = np.zeros((3, SIZE, SIZE), np.uint8)
        seen = np.zeros((SIZE, SIZE), bool)
        for scene in self.scenes:
            part = _reflectance(scene, z, x, y)
            if part is not None:
                new = ~seen & np.isfinite(part).all(0)
                counts[:, new] = _shade(part[:, new])
                seen |= new
        mask = np.broadcast_to(~seen, counts.shape)
        png = ImageData(np.ma.MaskedArray(counts, mask)).render(img_format="PNG", ZLEVEL=6)
        return Tile(png, f'"{hashlib.sha256(png).hexdigest()[:20]}"')


def _version(scenes: Iterable[Scene]) -> str:
    """Name the picture by its files, their sizes and times: a browser's old tiles must not outlive new ones."""
    files = [Path(scene.assets[band].href) for scene in scenes for band in COLOURS]
    states = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(states).encode()).hexdigest()[:12]


def _shade(reflectance: NDArray[np.float32]) -> NDArray[np.uint8]:
    import numpy as np

    return np.asarray(255 * np.clip(reflectance / _WHITE, 0, 1) ** (1 / _GAMMA) + 0.5, np.uint8)


def _reflectance(scene: Scene, z: int, x: int, y: int) -> NDArray[np.float32] | None:
    """Return red, green, blue (3, y, x) of one map tile, NaN where unseen; None when the scene does not reach it."""
    import numpy as np
    from rio_tiler.errors import RioTilerError, TileOutsideBounds
    from rio_tiler.io import Reader

    bands = []
    for name in COLOURS:
        asset = scene.assets[name]
        try:
            with warnings.catch_warnings(), Reader(asset.href) as reader:
                warnings.simplefilter("ignore")
                image = reader.tile(x, y, z, tilesize=SIZE, resampling_method="cubic", reproject_method="cubic").array
        except TileOutsideBounds:
            return None
        except (RioTilerError, OSError) as error:
            raise SceneError(f"cannot be read: {error}", subject=scene.id, remedy="replace the file") from error
        bands.append(image[0].astype(np.float32).filled(np.nan) * asset.scale + asset.offset)
    return np.stack(bands)


def _clearest(scenes: Iterable[Scene]) -> Iterable[Scene]:
    """Yield the clearest scene of each footprint; among equally clear ones (to one per cent) the latest."""
    best: dict[tuple[float, ...], tuple[float, date, Scene]] = {}
    for scene in scenes:
        if not set(COLOURS) <= set(scene.assets):
            continue
        share = round(_clear_share(scene), 2)
        place = tuple(round(edge, 3) for edge in scene.bbox)
        if share > 0 and (place not in best or (share, scene.when.date()) >= best[place][:2]):
            best[place] = (share, scene.when.date(), scene)
    for _, _, scene in sorted(best.values(), key=lambda choice: (-choice[0], choice[2].id)):
        yield scene


def _clear_share(scene: Scene) -> float:
    """Return the share 0-1 of the scene that is seen and clear, on a thumbnail; 0 when a file cannot be read."""
    import numpy as np

    try:
        classes = _thumbnail(scene.assets["scl"], "nearest")
        colours = [_thumbnail(scene.assets[name], "average") for name in COLOURS]
    except OSError:
        return 0.0
    blue = scene.assets["B02"]
    dim = colours[-1].astype(np.float32) * blue.scale + (blue.offset or 0.0) < _CLOUDY_BLUE
    seen = np.logical_and.reduce([band > 0 for band in colours])
    return float(np.mean(np.isin(classes, list(CLEAR_CLASSES)) & dim & seen))


def _thumbnail(asset: Asset, resampling: str, side: int = 96) -> NDArray[Any]:
    """Read a file's first band at `side` x `side`."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(asset.href) as file:
            pixels: NDArray[Any] = file.read(1, out_shape=(side, side), resampling=Resampling[resampling])
            return pixels
    except RasterioError as error:
        raise OSError(str(error)) from error
