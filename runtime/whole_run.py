"""How long a run of several phases still takes, all of them together."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from tqdm import tqdm

TRUST = 10.0  # seconds of guesses that count as measured: before anything has run, the guesses are believed
WORTH = 5.0  # seconds of later phases below which a phase's own time left says enough


class WholeRun:
    """The time left of a run whose phases are known in advance.

    How many seconds each phase takes is guessed for one machine. On this machine all of them take longer or shorter by
    the factor of those that have been measured.

    Args:
        phases: description of each, as its progress bar has it, and guessed seconds, in their order.
    """

    def __init__(self, phases: Sequence[tuple[str, float]]) -> None:
        self.phases = list(phases)
        self.place = -1  # of the phase that runs or ran last
        self.measured = self.guessed = 0.0  # seconds of the phases that have ended

    def begin(self, description: str) -> "Phase | None":
        """The phase of a progress bar that begins now; None for one that is not in the plan."""
        for place in range(self.place + 1, len(self.phases)):
            if self.phases[place][0] == description:
                self.place = place
                return Phase(self, place)
        return None


class Phase:
    """A phase that runs: see `WholeRun.begin`."""

    def __init__(self, run: WholeRun, place: int) -> None:
        self.run, self.place, self.started = run, place, time.monotonic()

    def left(self, share_done: float, seconds: float) -> str:
        """What to add to a progress bar: "12:40 left in total", or nothing where no later phase takes long.

        Args:
            share_done: of this phase, 0 to 1.
            seconds: that it still takes, by its own rate.
        """
        later = sum(guess for _, guess in self.run.phases[self.place + 1 :])
        guess = self.run.phases[self.place][1]
        measured = self.run.measured + time.monotonic() - self.started
        factor = (measured + TRUST) / (self.run.guessed + share_done * guess + TRUST)
        return f"{tqdm.format_interval(seconds + factor * later)} left in total" if factor * later > WORTH else ""

    def end(self, share_done: float) -> None:
        """Counts the phase as done, as much of it as this process did."""
        self.run.measured += time.monotonic() - self.started
        self.run.guessed += share_done * self.run.phases[self.place][1]


_runs: list[WholeRun] = []  # the one that the process is in, if any


@contextlib.contextmanager
def whole_run(phases: Sequence[tuple[str, float]]) -> Iterator[None]:
    """Lets the progress bars within tell the time left of all phases, too; arguments as for `WholeRun`."""
    _runs.append(WholeRun(phases))
    try:
        yield
    finally:
        _runs.pop()


def phase_of(description: str) -> Phase | None:
    """The phase of the run that the process is in, for a progress bar that begins; None outside of its plan."""
    return _runs[-1].begin(description) if _runs else None
