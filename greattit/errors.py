"""Every error a caller can meet, in one tree. Each says what, where and what to do, and carries its subject.

::

    GreatTitError
    |-- PlotError          a drawn plot or a plot file cannot be used          subject: the plot or file
    |   |-- PlotFileError  the file is not GeoJSON, is empty or is too large
    |   |-- PlotShapeError the geometry is not a field (NaN, too small, too large, not an area)
    |   |-- PlotPlaceError the plot lies outside the tiles
    |   `-- PlotOverlapError the ground is claimed by another plot already
    |-- TilesError         a catalogue or scene cannot be read                 subject: the path or scene id
    |   |-- CatalogueError the folder is no STAC catalogue, or it is malformed
    |   |-- SceneError     one scene is damaged (the reader turns it into a warning and leaves the scene out)
    |   `-- CubeError      a cube cannot be opened, read or written        subject: its folder or URL
    |       `-- CubeBusyError  another process is writing to it
    |-- PolicyError        a decided number is missing or not yet in force     subject: the rule's path
    |-- WeatherError       a table of weather cannot be used                 subject: the file
    |-- CropModelError     a crop growth model cannot be run                 subject: the crop, soil or package
    |-- ModelError         weights or card are missing, changed or do not fit  subject: the model's name
    `-- DatasetError       a labelled data set cannot be read                  subject: the folder

A refusal to lend is not an error: it is a `CreditLine` of zero with its reason.
"""

from __future__ import annotations


class GreatTitError(Exception):
    """Base of all errors of this package.

    `subject` is the thing it is about (a path, an id), `remedy` says what the user can do.
    """

    def __init__(self, what: str, *, subject: str = "", remedy: str = "") -> None:
        self.what = what
        self.subject = subject
        self.remedy = remedy
        super().__init__(what, subject, remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.subject, self.remedy)

    def __str__(self) -> str:
        where = f"{self.subject}: " if self.subject else ""
        todo = f" ({self.remedy})" if self.remedy else ""
        return f"{where}{self.what}{todo}"


def _rebuild(kind: type[GreatTitError], what: str, subject: str, remedy: str) -> GreatTitError:
    return kind(what, subject=subject, remedy=remedy)


class PlotError(GreatTitError):
    """A drawn plot or a plot file cannot be used."""


class PlotFileError(PlotError):
    """The file is not GeoJSON, is empty or is too large."""


class PlotShapeError(PlotError):
    """The geometry is not a field: NaN, too small, too large, not an area."""


class PlotPlaceError(PlotError):
    """The plot lies outside the tiles."""


class PlotOverlapError(PlotError):
    """The ground is claimed by another plot already."""


class TilesError(GreatTitError):
    """A catalogue or scene cannot be read."""


class CatalogueError(TilesError):
    """The folder is no STAC catalogue, or it is malformed."""


class SceneError(TilesError):
    """One scene is damaged."""


class CubeError(TilesError):
    """A cube cannot be opened, read or written."""


class CubeBusyError(CubeError):
    """Another process is writing to the cube."""


class PolicyError(GreatTitError):
    """A decided number is missing or not yet in force."""


class WeatherError(GreatTitError):
    """A table of weather cannot be used: no dates, doubled days, impossible values, unknown units, no temperature."""


class CropModelError(GreatTitError):
    """A crop model cannot be run: a crop or soil that it does not know, values out of range, or a missing package."""


class ModelError(GreatTitError):
    """Weights or card are missing, changed, or do not fit each other."""


class DatasetError(GreatTitError):
    """A labelled data set cannot be read."""
