"""Progress bars with the time left; plain lines where there is no terminal."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from tqdm import tqdm

from runtime.whole_run import phase_of

SHORT = 2.0  # seconds; what takes no longer needs no progress bar


def progress(total: int | None, unit: str, description: str, start: int = 0, short: bool = False) -> "PlainProgress":
    """A progress bar with rate and time left; on anything but a terminal a plain line every ten seconds.

    Args:
        total: number of `unit`s in the whole job, or None if unknown.
        unit: what is counted, singular ("frame").
        description: what is being done.
        start: how many were done before (a continued job).
        short: whether it mostly takes less than SHORT seconds, in which nothing is shown.

    Returns:
        a context manager with `update(n)` and `set_postfix_str(text)`.
    """
    delay = SHORT if short else 0.0
    if sys.stderr.isatty():
        return Bar(total=total, initial=start, desc=description, unit=unit, dynamic_ncols=True, delay=delay)
    return PlainProgress(total, unit, description, start, delay)


def with_progress(items: Sequence[Any], unit: str, description: str) -> Iterator[Any]:
    """Yields items, with a progress bar where they take more than SHORT seconds.

    Args:
        items: a sequence.
        unit: as for `progress`.
        description: as for `progress`.
    """
    with progress(len(items), unit, description, short=True) as bar:
        for item in items:
            yield item
            bar.update(1)


class Bar(tqdm):
    """A progress bar that also tells the time left of the run that it belongs to."""

    def __init__(self, **options: Any) -> None:
        self.phase = phase_of(options["desc"])
        super().__init__(**options)

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the bar shows; tqdm's."""
        values = super().format_dict
        done = values["n"] - values["initial"]
        if self.phase and values["total"] and done > 0:
            seconds = (values["total"] - values["n"]) * values["elapsed"] / done
            values["postfix"] = ", ".join(
                filter(None, (values["postfix"], self.phase.left(done / values["total"], seconds)))
            )
        return values

    def close(self) -> None:
        """Ends the bar, and its phase."""
        if self.phase and self.total:
            self.phase.end((self.n - self.initial) / self.total)
            self.phase = None
        super().close()


class PlainProgress:
    """The lines that stand in for a progress bar in a log file."""

    def __init__(
        self, total: int | None, unit: str, description: str, start: int = 0, delay: float = 0.0, interval: float = 10.0
    ) -> None:
        self.total, self.unit, self.description, self.delay, self.interval = total, unit, description, delay, interval
        self.done = self.start = start
        self.note = ""
        self.phase = phase_of(description)
        self.started = self.shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if time.monotonic() - self.started >= self.delay:
            self._show()
        if self.phase and self.total:
            self.phase.end((self.done - self.start) / self.total)

    def update(self, n: int = 1) -> None:
        """Counts `n` more units as done."""
        self.done += n
        if time.monotonic() - self.shown >= self.interval:
            self._show()

    def set_postfix_str(self, note: str) -> None:
        """Shows `note` at the end of the coming lines."""
        self.note = note

    def _show(self) -> None:
        self.shown = time.monotonic()
        rate = (self.done - self.start) / max(self.shown - self.started, 1e-9)
        of_total, left = "", ""
        if self.total is not None:
            of_total = f"/{self.total}"
            if self.done < self.total and rate > 0:
                seconds = (self.total - self.done) / rate
                left = f", {tqdm.format_interval(seconds)} left"
                if self.phase and (in_all := self.phase.left((self.done - self.start) / self.total, seconds)):
                    left += f" ({in_all})"
        note = f", {self.note}" if self.note else ""
        print(
            f"{self.description}: {self.done}{of_total} {self.unit}s, {rate:.1f}/s{left}{note}",
            file=sys.stderr,
            flush=True,
        )
