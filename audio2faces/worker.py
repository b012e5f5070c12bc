"""A process of its own that answers through a pipe: what it dies of does not reach the server."""

import multiprocessing


class Worker:
    """Started when it is first needed, and anew when it has died.

    Args:
        target: function of the module's top level that is given the process's end of the pipe.
    """

    def __init__(self, target):
        self._target = target
        self._process = self._pipe = None

    def pipe(self):
        """Our end of the pipe to the living process."""
        if self._process is None or not self._process.is_alive():
            self.end()
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._process = context.Process(target=self._target, args=(other,), daemon=True)
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
