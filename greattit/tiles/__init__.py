"""Satellite tiles: a catalogue of scenes in, a checked `Cube` of the window that one plot needs out."""

from __future__ import annotations

from greattit.tiles.assemble import CLEAR_CLASSES
from greattit.tiles.catalogue import open_catalogue
from greattit.tiles.read import read
from greattit.tiles.scene import Asset, Catalogue, Scene
from greattit.tiles.sources import Options, open_source

__all__ = ["CLEAR_CLASSES", "Asset", "Catalogue", "Options", "Scene", "open_catalogue", "open_source", "read"]
