"""Batches prepared in a background thread while the device is busy with the step before."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AHEAD = 2  # batches that are prepared before they are needed


@contextlib.contextmanager
def prefetched(batch: Callable[[int], Any], steps: range) -> Iterator[Iterator[Any]]:
    """Prepares the batches of some steps, AHEAD of them before they are needed.

    Args:
        batch: function from the number of a step to its batch, run in another thread. What it raises is raised where
            the batch is taken.
        steps: their numbers.

    Yields:
        an iterator over the batches, in order.
    """
    pool = ThreadPoolExecutor(1, "batches")

    def batches() -> Iterator[Any]:
        ahead, waiting = iter(steps), deque()
        for _ in range(AHEAD):
            waiting.extend(pool.submit(batch, step) for step in [next(ahead, None)] if step is not None)
        while waiting:
            ready = waiting.popleft()
            waiting.extend(pool.submit(batch, step) for step in [next(ahead, None)] if step is not None)
            yield ready.result()

    try:
        yield batches()
    finally:
        pool.shutdown(cancel_futures=True)
