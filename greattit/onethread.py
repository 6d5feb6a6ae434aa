"""Holds the libraries to one thread while one plot is walked: `one_thread`.

The matrices of a plot are small; with a thread for every core the cores wait for each other, and many walks side by
side (a county, a web server) stand in each other's way. One thread also keeps sums in one order, so that figures do not
depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the body with one thread in BLAS, OpenMP and torch; put back what was before."""
    import scipy.linalg  # noqa: F401 - loaded first, for only what is loaded can be held
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
