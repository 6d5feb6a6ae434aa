"""The neighbourhood: parcels are nodes, near ones share an edge, and calls are refined by what neighbours look like.

A small network of messages (after Gilmer et al. 2017, arXiv:1704.01212) works on the calls and not on the labels: each
node hears the log-probabilities of its neighbours, weighted by a gate that is learned from the edge: how far apart the
two are, and how much their seasons differ. No label of any parcel enters at serving, and in training an edge never
joins two folds, so that a neighbour's label cannot leak. It is plain torch: a library of graphs brings sixteen seconds
of import for one gather and one sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greattit.onethread import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Tensors = dict[str, NDArray[Any]]

EARTH_KM = 6371.0
NEIGHBOURS, RADIUS_KM = 8, 2.0
"""most neighbours of a node; longest edge [km]"""
LEAST_EDGES = 100
"""edges below which nothing is learned"""
STEPS, RATE, DECAY = 80, 0.08, 1e-3
FLOOR = 1e-4
"""least probability that a message carries"""


@dataclass(frozen=True, eq=False)
class Graph:
    """Who is near whom."""

    nodes: Ints
    """(n, k) indices of the neighbours, nearest first; -1 for none"""
    edges: Floats
    """(n, k, 2) log of 1 + distance / 100 m, and root mean square difference of the two seasons; 0 for none"""

    @property
    def joined(self) -> NDArray[np.bool_]:
        """(n,) nodes with a neighbour."""
        return np.asarray((self.nodes >= 0).any(axis=1))


def link(places: Doubles, values: Floats, apart: Ints | None = None) -> Graph:
    """Join every parcel with its nearest within `RADIUS_KM`.

    `places` (n, 2) are longitude and latitude [degree], NaN for none; `values` (n, feature) are scaled seasons, NaN
    where unseen; `apart` (n,) numbers parts that must not be joined (folds).
    """
    from scipy.spatial import cKDTree

    n = len(places)
    nodes, edges = np.full((n, NEIGHBOURS), -1), np.zeros((n, NEIGHBOURS, 2), np.float32)
    part = np.zeros(n, np.int64) if apart is None else apart
    for one in np.unique(part):
        rows = np.flatnonzero((part == one) & np.isfinite(places).all(axis=1))
        if len(rows) < 2:
            continue
        lon, lat = np.radians(places[rows]).T
        points = EARTH_KM * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
        most = min(NEIGHBOURS + 1, len(rows))
        far, who = cKDTree(points).query(points, k=most, distance_upper_bound=RADIUS_KM)
        for row, (distances, found) in enumerate(zip(far, who, strict=True)):
            own = [(d, rows[j]) for d, j in zip(distances, found, strict=True) if j < len(rows) and j != row]
            for column, (distance, other) in enumerate(own[:NEIGHBOURS]):
                nodes[rows[row], column] = other
                edges[rows[row], column, 0] = np.log1p(10.0 * distance)
    here = np.repeat(np.arange(n)[:, None], NEIGHBOURS, axis=1)[nodes >= 0]
    if len(here):
        gap = values[here] - values[nodes[nodes >= 0]]
        there = np.isfinite(gap)
        squares = np.where(there, gap**2, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        edges[nodes >= 0, 1] = np.sqrt(squares)
    return Graph(nodes, edges)


def scale(values: Floats) -> Floats:
    """Return features (n, feature) with mean 0 and standard deviation 1 within the set; NaN stays."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / count
    std = np.sqrt(np.where(there, (values - mean) ** 2, 0.0).sum(axis=0) / count)
    scaled: Floats = ((values - mean) / np.maximum(std, 1e-6)).astype(np.float32)
    return scaled


def _module() -> Any:
    from torch import nn

    class Refiner(nn.Module):
        """Edge features (n, k, 2) -> gates (n, k); calls (n, class) -> refined calls (n, class), log-probabilities."""

        def __init__(self) -> None:
            super().__init__()
            last = nn.Linear(8, 1)
            self.gate = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), last, nn.Softplus())
            nn.init.constant_(last.bias, -3.0)

        def forward(self, logs: Any, nodes: Any, edges: Any, there: Any) -> Any:
            gates = self.gate(edges).squeeze(-1) * there  # (n, k)
            heard = logs
            for _ in range(2):
                message = heard[nodes] - heard[nodes].mean(dim=2, keepdim=True)  # (n, k, class)
                heard = (logs + (gates[:, :, None] * message).sum(dim=1)).log_softmax(dim=1)
            return heard

    return Refiner()


def _arrays(probabilities: Doubles, graph: Graph) -> tuple[Any, Any, Any, Any]:
    import torch

    logs = torch.from_numpy(np.log(np.maximum(probabilities, FLOOR))).float().log_softmax(dim=1)
    nodes = torch.from_numpy(np.maximum(graph.nodes, 0))
    return logs, nodes, torch.from_numpy(graph.edges), torch.from_numpy((graph.nodes >= 0).astype(np.float32))


def learn(probabilities: Doubles, right: NDArray[np.bool_], graph: Graph, seed: int = 0) -> Tensors | None:
    """Learn the gates from out-of-fold calls (n, class) and the classes that are right (n, class).

    Nodes without a right class are heard but do not count. Returns None when there are too few edges to learn from.
    """
    import torch

    counts = right.any(axis=1) & graph.joined
    if (graph.nodes[counts] >= 0).sum() < LEAST_EDGES:
        return None
    torch.manual_seed(seed)
    refiner = _module()
    inputs = _arrays(probabilities, graph)
    rows, wrong = torch.from_numpy(np.flatnonzero(counts)), torch.from_numpy(~right[counts])
    optimiser = torch.optim.Adam(refiner.parameters(), lr=RATE, weight_decay=DECAY)
    with one_thread():
        for _ in range(STEPS):
            logs = refiner(*inputs)[rows].masked_fill(wrong, -1e9).logsumexp(dim=1)
            optimiser.zero_grad()
            (-logs.mean()).backward()
            optimiser.step()
    return {key: value.detach().numpy() for key, value in refiner.state_dict().items()}


def refine(probabilities: Doubles, graph: Graph, tensors: Tensors) -> Doubles:
    """Return calls (n, class) refined by the neighbours; a parcel without neighbours keeps its own."""
    import torch

    refiner = _module()
    refiner.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in tensors.items()})
    with torch.inference_mode(), one_thread():
        heard = refiner(*_arrays(probabilities, graph)).double().exp().numpy()
    joined: Doubles = np.where(graph.joined[:, None], heard, probabilities)
    return joined
