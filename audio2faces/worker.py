"""A process of its own that answers through a pipe: what it dies of does not reach the server."""

import contextlib
import multiprocessing
import signal
import tempfile


class Worker:
    """Started when it is first needed, and anew when it has died.

    Args:
        target: function of the module's top level that is given the process's end of the pipe.
        scratch: folder for whatever the process keeps in files while it runs.
    """

    def __init__(self, target, scratch):
        self._target, self._scratch = target, str(scratch)
        self._process = self._pipe = None

    def started(self):
        """Our end of the pipe to the living process."""
        if self._process is None or not self._process.is_alive():
            self.end()
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            arguments = (self._target, other, self._scratch)
            self._process = context.Process(target=_answer, args=arguments, daemon=True)
            self._process.start()
            other.close()
        return self._pipe

    def end(self):
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = self._pipe = None


def _answer(target, pipe, scratch):
    """What the process does, until the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of the terminal's processes; the server ends this
    tempfile.tempdir = scratch
    with contextlib.suppress(EOFError, BrokenPipeError):
        target(pipe)
