"""A drawing against the plots that are claimed already: the same ground, or the same outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from greattit.claims.copies import Copy, in_place, moved, near
from greattit.claims.likeness import Points, metres, outlines, signatures
from greattit.claims.record import Misfit, graded

if TYPE_CHECKING:
    from greattit.policy import View
    from greattit.types import Plot

NEAREST = 16
"""Claimed outlines of the nearest signature that are compared with a drawing; and as many with the same vertices."""

SAME_GROUND = 0.5
"""Share of the smaller of two plots in both from which their outlines are compared in place [1]."""


@dataclass(frozen=True, eq=False)
class Forms:
    """The outlines of the claimed plots, and two trees of their signatures."""

    points: Points
    """rings after each other, complex metres from their own middles"""
    ends: NDArray[np.int64]
    """(n + 1,) where they begin and the last one ends"""
    middles: Points
    """(n, 2) [degree]"""
    any: Any
    """tree of the signatures"""
    alike: Any
    """tree of the signatures and the number of vertices, which no other difference outweighs"""

    def ring(self, place: int) -> Points:
        """Return one outline."""
        return self.points[self.ends[place] : self.ends[place + 1]]


class Claimed:
    """Claimed plots, laid out to be asked of many times.

    Building it costs some seconds for 200,000 plots, a question a few milliseconds.
    """

    def __init__(self, plots: Sequence[Plot]) -> None:
        self.ids = [plot.id for plot in plots]
        self.shapes: NDArray[np.object_] = np.array([plot.geometry for plot in plots], dtype=object)
        if len(self.shapes):
            self.shapes = shapely.normalize(self.shapes)

    def __len__(self) -> int:
        """Return how many plots are claimed."""
        return len(self.ids)

    @cached_property
    def _ground(self) -> shapely.STRtree:
        return shapely.STRtree(self.shapes)

    @cached_property
    def _forms(self) -> Forms:
        from scipy.spatial import cKDTree

        points, starts, middles = outlines(self.shapes)
        forms = signatures(points, starts)
        ends = np.append(starts, len(points))
        return Forms(points, ends, middles, cKDTree(forms), cKDTree(np.column_stack([forms, np.diff(ends)])))

    def overlaps(self, plot: Plot) -> list[tuple[int, float]]:
        """Return the places of the claimed plots that share ground with `plot`, and the share of the smaller of two.

        Largest first. Areas are compared in degrees, which within one plot are all of one size.
        """
        if not len(self):
            return []
        near = self._ground.query(plot.geometry, predicate="intersects")
        shared = shapely.area(shapely.intersection(self.shapes[near], plot.geometry))
        share = shared / np.minimum(shapely.area(self.shapes[near]), shapely.area(plot.geometry))
        order = np.lexsort((near, -share))
        return [(int(near[k]), float(share[k])) for k in order if share[k] > 0]

    def copies(self, plot: Plot, least_iou: float) -> list[Copy]:
        """Return the claimed plots whose outline `plot` repeats, in its place or elsewhere, the likest first."""
        if not len(self):
            return []
        forms = self._forms
        mine, first, middle = outlines([shapely.normalize(plot.geometry)])
        form = signatures(mine, first)[0]
        count = min(NEAREST, len(self))
        rings = self._rings(forms.any.query(form, k=count)[1])
        alike = self._rings(forms.alike.query([*form, len(mine)], k=count)[1])
        below = [place for place, share in self.overlaps(plot) if share > SAME_GROUND]
        found: dict[int, Copy] = {}
        shifts = {k: self._shift(k, middle) for k in {*below, *rings, *alike}}
        for place in sorted(shifts):
            if not near(shifts[place], float(np.exp(form[0]))):
                continue
            if likeness := in_place(mine, forms.ring(place), shifts[place], least_iou):
                found[place] = Copy(place, likeness, abs(shifts[place]), True)
        if not found:
            for place, likeness in moved(mine, rings, alike, least_iou).items():
                found[place] = Copy(place, likeness, abs(shifts[place]), False)
        return sorted(found.values(), key=lambda copy: (not copy.same_place, -copy.likeness.iou, copy.place))

    def _rings(self, places: Any) -> dict[int, Points]:
        return {place: self._forms.ring(place) for place in sorted(np.atleast_1d(places).tolist())}

    def _shift(self, place: int, middle: Points) -> complex:
        """Return the way from a drawing's middle (1, 2) [degree] to that of a claimed plot, east + i north [m]."""
        there = self._forms.middles[place]
        return complex(metres(there[:1], there[1:], middle[0, :1], middle[0, 1:])[0])

    def misfits_of(self, plot: Plot, rules: View) -> list[Misfit]:
        """Say whose ground a drawing claims again, and whose outline it repeats."""
        same = replace(plot, geometry=shapely.normalize(plot.geometry))  # the same ring wherever it began
        return [*self._overlap(same, rules), *self._copied(same, rules)]

    def _overlap(self, plot: Plot, rules: View) -> list[Misfit]:
        least = float(rules.rule("overlap", "lowers").value)
        found = [(place, share) for place, share in self.overlaps(plot) if share > least]
        if not found:
            return []
        place, share = found[0]
        severity = graded(share, rules, "overlap") or "lowers"
        union = shapely.union_all(self.shapes[[k for k, _ in found]])
        taken = float(shapely.area(plot.geometry.intersection(union)) / shapely.area(plot.geometry))
        others = f"; {len(found) - 1} more overlap it" if len(found) > 1 else ""
        text = (
            f"{taken:.0%} of the drawing is claimed already: it shares {share:.0%} of the smaller of the two with plot "
            f"{self.ids[place]}{others}."
        )
        evidence: dict[str, float | str] = {
            "plot": self.ids[place],
            "share_of_smaller": round(share, 4),
            "taken_ha": round(taken * plot.area_ha, 4),
            "plots": ", ".join(self.ids[k] for k, _ in found[:5]),
            "count": float(len(found)),
        }
        return [Misfit("overlap", taken, text, evidence, severity)]

    def _copied(self, plot: Plot, rules: View) -> list[Misfit]:
        copies = self.copies(plot, float(rules.rule("copied_iou").value))
        if not copies:
            return []
        copy, like = copies[0], copies[0].likeness
        name = self.ids[copy.place]
        if copy.same_place:
            text = f"The outline is that of plot {name}: {like.iou:.0%} in common, {like.apart_m:.1f} m apart."
        else:
            mirror = ", mirrored" if like.mirrored else ""
            text = (
                f"The outline is that of plot {name}, moved {copy.moved_m:,.0f} m, turned {like.turned_deg:.0f} degrees"
                f"{mirror}: laid on it, {like.iou:.0%} in common, {like.apart_m:.1f} m apart."
            )
        evidence: dict[str, float | str] = {
            "plot": name,
            "iou": round(like.iou, 4),
            "apart_m": round(like.apart_m, 3),
            "furthest_m": round(like.furthest_m, 3),
            "moved_m": round(copy.moved_m, 2),
            "turned_deg": round(like.turned_deg, 2),
            "mirrored": "yes" if like.mirrored else "no",
            "where": "same place" if copy.same_place else "elsewhere",
            "copies": float(len(copies)),
        }
        return [Misfit("copied", like.iou, text, evidence, "refuses")]
