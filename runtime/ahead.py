"""Items made in a thread while those before them are used: work that leaves the interpreter lock shares the cores."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 1.0  # seconds
POLL = 0.1  # seconds after which a maker that waits looks whether it is still needed


def ahead(items: Iterable[T], count: int = 1) -> Generator[T]:
    """Yields the same items in the same order; a thread makes those that come next.

    Args:
        items: iterable; what it raises is raised here, when it is its turn.
        count: items that may wait to be used.
    """
    waiting: queue.Queue = queue.Queue(count)
    ended = threading.Event()

    def hand_over(item: T | None, error: BaseException | None, last: bool) -> None:
        while not ended.is_set():
            try:
                waiting.put((item, error, last), timeout=POLL)
                break
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                hand_over(item, None, False)
                if ended.is_set():
                    return
            hand_over(None, None, True)
        except BaseException as error:  # whatever it is, it belongs to the other thread
            hand_over(None, error, True)

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    try:
        while True:
            item, error, last = waiting.get()
            if error is not None:
                raise error
            if last:
                return
            yield item
    finally:
        ended.set()
        maker.join(PATIENCE)  # a long item is not waited for: Ctrl-C is to be prompt
