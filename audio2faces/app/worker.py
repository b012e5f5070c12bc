"""A process of its own that answers through a pipe: what it dies of does not reach the server."""

import contextlib
import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

LAST_SECONDS = 0.5  # to wait for a process that was killed
MEMORY = 8 * 2**30  # bytes of data that a process may hold which decodes what people upload


def limit_memory() -> None:
    """Keeps this process from holding more than MEMORY, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


class Worker:
    """Started when it is first needed, and anew when it has died.

    Args:
        target: function of the module's top level that is given the process's end of the pipe.
        scratch: folder for whatever the process keeps in files while it runs.
    """

    def __init__(self, target: Callable, scratch: Path) -> None:
        self._target, self._scratch = target, str(scratch)
        self._process: Any = None
        self._pipe: Any = None

    def started(self) -> Any:
        """Our end of the pipe to the living process."""
        if self._process is None or not self._process.is_alive():
            self.end()
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            arguments = (self._target, other, self._scratch)
            self._process = context.Process(target=_answer, args=arguments, daemon=True)
            with _deaf_to_interrupts():
                self._process.start()
            other.close()
        return self._pipe

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join(LAST_SECONDS)  # one that reads from a slow disk dies later
            self._pipe.close()
            self._process = self._pipe = None


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[Any]:
    """Processes started meanwhile never receive Ctrl-C, which goes to all of a terminal: the server ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would unblock them if it had to start inside
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(target: Any, pipe: Any, scratch: Any) -> None:
    """What the process does, until the server is gone."""
    tempfile.tempdir = scratch
    with contextlib.suppress(EOFError, BrokenPipeError):
        target(pipe)
