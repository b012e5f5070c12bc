"""What every program of the project shares: its error line, its exit status, its arguments."""

import argparse
import contextlib
import functools
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime import __version__
from runtime.errors import INSTALL_TRAINING, TRAINING_PACKAGES, InputError, error_text
from runtime.interrupts import prompt_interrupts, report_interrupt

WHOLE = {int: "whole ", float: ""}
COMMANDS = {
    "prepare": "python -m preprocessing",
    "train": "python train.py",
    "generate": "python generate.py",
    "evaluate": "python -m audio2faces.evaluate",
    "export": "python -m audio2faces.export",
    "app": "python -m audio2faces.app",
}


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


def _open_streams() -> None:
    """Makes standard output and error that can be written to; what their encoding lacks is shown with escapes."""
    open_descriptors()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def open_descriptors() -> None:
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
