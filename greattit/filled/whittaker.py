"""The Whittaker smoother: a curve through sparse, doubtful looks, for one series or for many at once.

The curve z on even nodes minimises ``sum w (y - (B z))^2 + stiffness * sum (second difference of z)^2``, where B reads
the curve between two nodes by straight lines, so that a look counts on its own day and not on the nearest node's.
Eilers 2003, "A perfect smoother", Analytical Chemistry 75, 3631. The equations have five diagonals; here they are
solved for all rows side by side, node after node. A tension adds ``stiffness * tension * sum (first difference)^2``,
which keeps the curve from swinging out inside gaps (Schweikert 1966, splines in tension).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SECOND = ((1.0, 4.0, 1.0), (-2.0, -2.0), (1.0,))
"""What each second difference adds to the main, first and second diagonal of D'D."""

RIDGE = 1e-12
"""Added to the diagonal as a share of the stiffness, so that rows with too few looks do not break the rows beside."""


def smooth(values: Array, weights: Array, stiffness: float) -> Array:
    """Return the curve z (t,) that minimises sum w (y - z)^2 + stiffness * sum (second difference of z)^2.

    `values` (t,) on even steps, NaN or weight 0 where nothing was seen; at least two must be seen. One series by
    LAPACK; `Looks` and `solve` do many.
    """
    from scipy.linalg import solveh_banded

    count = len(values)
    known = np.isfinite(values) & (weights > 0)
    weight = np.where(known, weights, 0.0)
    bands = np.zeros((3, count))
    bands[2] = weight
    for offset, pattern in enumerate(SECOND):
        for start, value in enumerate(pattern):
            bands[2 - offset, start + offset : start + offset + count - 2] += stiffness * value
    return np.asarray(solveh_banded(bands, weight * np.where(known, values, 0.0)))


def penalty(count: int, tension: float = 0.0) -> tuple[Array, Array, Array]:
    """Return the main (count,), first and second diagonals of D'D, where D takes second differences of `count` nodes.

    `tension` times the same of first differences is added.
    """
    diagonals = (np.zeros(count), np.zeros(count - 1), np.zeros(count - 2))
    for diagonal, pattern in zip(diagonals, SECOND, strict=True):
        for start, value in enumerate(pattern):
            diagonal[start : start + count - 2] += value
    diagonals[0][:-1] += tension
    diagonals[0][1:] += tension
    diagonals[1][:] -= tension
    return diagonals


@dataclass(frozen=True, eq=False)
class Looks:
    """What was seen of many series, padded to the longest."""

    node: NDArray[np.intp]
    """(row, look) node before the look, 0 to nodes - 2"""
    share: Array
    """(row, look) way 0-1 from that node to the next"""
    values: Array
    """(row, look) what was seen; 0 where padded"""
    nodes: int
    """number of nodes of the curve, at least 3"""

    @classmethod
    def at(cls, position: Array, values: Array, nodes: int) -> Looks:
        """Return the looks at `position` (row, look) in steps from the first node; NaN values count as 0."""
        node = np.clip(np.floor(position), 0, nodes - 2).astype(np.intp)
        return cls(node, position - node, np.where(np.isfinite(values), values, 0.0), nodes)

    def take(self, rows: slice) -> Looks:
        """Return some of the rows."""
        return Looks(self.node[rows], self.share[rows], self.values[rows], self.nodes)

    def read(self, curves: Array) -> Array:
        """Return the curves (node, row) on the days of the looks (row, look)."""
        row = np.arange(curves.shape[1])[:, None]
        return np.asarray(curves[self.node, row] * (1 - self.share) + curves[self.node + 1, row] * self.share)

    def equations(self, weights: Array) -> tuple[Array, Array, Array]:
        """Return B'WB as its main (node, row) and first (node - 1, row) diagonal, and B'Wy (node, row)."""
        rows, nodes = len(self.node), self.nodes
        place = self.node * rows + np.arange(rows)[:, None]
        ahead, behind = self.share, 1 - self.share

        def total(left: Array | None, right: Array | None) -> Array:
            sums = np.zeros(nodes * rows)
            if left is not None:
                sums += np.bincount(place.ravel(), left.ravel(), nodes * rows)
            if right is not None:
                sums[rows:] += np.bincount(place.ravel(), right.ravel(), nodes * rows)[:-rows]
            return sums.reshape(nodes, rows)

        seen = weights * self.values
        main = total(weights * behind**2, weights * ahead**2)
        return main, total(weights * behind * ahead, None)[:-1], total(seen * behind, seen * ahead)


@dataclass(frozen=True, eq=False)
class Factor:
    """LDL' of the equations B'WB + stiffness x penalty, all rows side by side."""

    pivot: Array
    """(node, row) D"""
    first: Array
    """(node, row) first diagonal below the main one of L"""
    second: Array
    """(node, row) second diagonal of L"""

    @classmethod
    def of(cls, main: Array, off: Array, stiffness: Array, tension: float = 0.0) -> Factor:
        """Factorise B'WB, given as `main` (node, row) and `off` (node - 1, row), with `stiffness` (row,) > 0."""
        nodes = len(main)
        d0, d1, d2 = penalty(nodes, tension)
        pivot, first, second = np.empty_like(main), np.empty_like(main), np.empty_like(main)
        first[-1:], second[-2:] = 0.0, 0.0
        for i in range(nodes):
            here = main[i] + (d0[i] + RIDGE) * stiffness
            near = off[i] + d1[i] * stiffness if i < nodes - 1 else None
            if i > 0:
                down = pivot[i - 1] * first[i - 1]
                here -= down * first[i - 1]
                if near is not None:
                    near -= down * second[i - 1]
            if i > 1:
                here -= pivot[i - 2] * second[i - 2] ** 2
            pivot[i] = here
            if near is not None:
                np.divide(near, here, out=first[i])
            if i < nodes - 2:
                np.divide(d2[i] * stiffness, here, out=second[i])
        return cls(pivot, first, second)

    def solve(self, right: Array) -> Array:
        """Return the curves (node, row) for the right sides B'Wy (node, row)."""
        nodes = len(right)
        z = right.copy()
        for i in range(1, nodes):
            z[i] -= self.first[i - 1] * z[i - 1]
            if i > 1:
                z[i] -= self.second[i - 2] * z[i - 2]
        z /= self.pivot
        for i in range(nodes - 2, -1, -1):
            z[i] -= self.first[i] * z[i + 1]
            if i < nodes - 2:
                z[i] -= self.second[i] * z[i + 2]
        return z

    def inverse(self) -> tuple[Array, Array]:
        """Return the main (node, row) and first (node - 1, row) diagonal of the inverse.

        Only the five diagonals are formed, from the last node back (Takahashi 1973; Hutchinson and de Hoog 1985).
        """
        nodes = len(self.pivot)
        main, off = np.empty_like(self.pivot), np.zeros_like(self.pivot)
        main[-1] = 1 / self.pivot[-1]
        for i in range(nodes - 2, -1, -1):
            far = -self.first[i] * off[i + 1] - self.second[i] * main[min(i + 2, nodes - 1)]
            off[i] = -self.first[i] * main[i + 1] - self.second[i] * off[i + 1]
            main[i] = 1 / self.pivot[i] - self.first[i] * off[i] - self.second[i] * far
        return main, off[:-1]

    def log_determinant(self) -> Array:
        """Return the logarithm of the determinant (row,)."""
        return np.asarray(np.log(self.pivot).sum(axis=0))
