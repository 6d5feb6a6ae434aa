"""Libraries are held to one thread inside, and given back after."""

from __future__ import annotations


def test_threads_are_held_and_given_back() -> None:
    import torch
    from threadpoolctl import threadpool_info

    from greattit.onethread import one_thread

    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1 and {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert torch.get_num_threads() == before
