"""Ctrl-C ends a program within two seconds, also in the middle of a long computation of a library.

Python raises KeyboardInterrupt between two of its own instructions. A matrix decomposition, or a network's first step,
is one instruction that may take minutes. So a thread watches: it receives the signal at once and ends the process
if the main thread has not reacted in time. That is as safe as any kill: outputs are whole or not there.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

PATIENCE = 1.5  # seconds for the main thread to handle the signal by itself
AT_ONCE = 0.5  # seconds before the watcher looks, in which the main thread may have handled it already
ENDED = b"\0"  # tells the watcher that the program has ended; the other bytes are numbers of signals
INTERRUPTED = 130  # the shell's status of a program ended by Ctrl-C
LAST_WORDS = ["interrupted: only finished files are kept"]  # what an interrupted program says
_PRESSED = threading.Event()  # Ctrl-C was, since the program began


def set_interrupt_message(line: str) -> None:
    """Adds a line to what this program says when it is interrupted."""
    LAST_WORDS.insert(0, line)


def report_interrupt() -> int:
    """Prints what an interrupted program says; returns its exit status."""
    print("\n".join(LAST_WORDS), file=sys.stderr, flush=True)
    return INTERRUPTED


def raise_if_interrupted() -> None:
    """Raises KeyboardInterrupt if Ctrl-C was pressed: whoever goes on after an error of a library asks this first.

    A library may make another error of the KeyboardInterrupt that reached it.
    """
    if _PRESSED.is_set():
        raise KeyboardInterrupt


@contextlib.contextmanager
def prompt_interrupts() -> Iterator[None]:
    """Makes Ctrl-C end the process within two seconds, whatever it is doing.

    Raises:
        KeyboardInterrupt: it was pressed, and the main thread has handled it; also in the place of an error that a
            library made of it.
    """
    del LAST_WORDS[:-1]
    _PRESSED.clear()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # e.g. ignored
        yield
        return
    handled = -AT_ONCE  # when, in seconds of the clock that starts at 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal handled
        handled = time.monotonic()
        _PRESSED.set()
        signal.default_int_handler(number, frame)

    def watch() -> None:
        while (received := os.read(reader, 1)) and received != ENDED:
            since = time.monotonic()
            if received[0] != signal.SIGINT or ended.wait(PATIENCE) or handled > since - AT_ONCE:
                continue
            report_interrupt()
            os._exit(INTERRUPTED)

    ended = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, handle)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except Exception:
        raise_if_interrupted()
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(before)
        ended.set()
        os.write(writer, ENDED)
        watcher.join()
        os.close(reader)
        os.close(writer)
