"""Ctrl-C, heard by a program that is deep in a library."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import av
import pytest

from preprocessing.clips import _leaving_out
from runtime.errors import InputError
from runtime.interrupts import prompt_interrupts

from .conftest import ROOT

STUCK = """
import ctypes, os, signal, threading
from runtime.files import atomic_write
from runtime.interrupts import set_interrupt_message
from runtime.program import program

@program
def main():
    set_interrupt_message("stopped; the same command goes on")
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    with atomic_write("output.txt") as partial:
        partial.write_text("half")
        print("ready", flush=True)
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)  # nothing ever opens it, and no signal ends it
        partial.write_text("whole")

raise SystemExit(main())
"""
IN_A_LIBRARY = """
import os, signal
from runtime.program import program

@program
def main():
    print("ready", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt as error:
        raise ImportError("numpy failed to import") from error

raise SystemExit(main())
"""


@pytest.mark.parametrize("code", [STUCK, IN_A_LIBRARY])
def test_ctrl_c_ends_a_program_that_cannot_handle_it(code, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(2)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    expected = ["interrupted: only finished files are kept"]
    if code == STUCK:
        expected.insert(0, "stopped; the same command goes on")
    assert process.returncode == 130 and errors.splitlines() == expected
    assert not (tmp_path / "output.txt").exists()


WORKERS = """
import signal, sys
from preprocessing.scheduling import run_tasks
from runtime.program import program

def task(number):
    print("ready", flush=True)
    signal.pause()

@program
def main():
    list(run_tasks(task, [1], workers=2))

if __name__ == "__main__":
    raise SystemExit(main())
"""


def test_ctrl_c_ends_workers_without_a_traceback(tmp_path):
    (tmp_path / "work.py").write_text(WORKERS)
    process = subprocess.Popen(
        [sys.executable, "work.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers hear it, too
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and errors.splitlines() == ["interrupted: only finished files are kept"]


@pytest.mark.parametrize("lines", [9, 9999])  # of which Python keeps the first until it ends
def test_output_that_cannot_be_written_ends_a_program_with_a_line_at_most(lines, tmp_path):
    code = (
        f"from runtime.program import program\n@program\ndef main(): print('x\\n' * {lines})\nraise SystemExit(main())"
    )
    for command, statuses, error in (
        ("| true; exit ${PIPESTATUS[0]}", (0, 1), ""),
        ("> /dev/full", (1,), "error: No space left on device"),
    ):
        done = subprocess.run(
            ["bash", "-c", f"'{sys.executable}' -c \"$CODE\" {command}"],
            env={"PYTHONPATH": str(ROOT), "CODE": code, "PATH": os.environ["PATH"]},
            cwd=tmp_path, text=True, capture_output=True,
        )  # fmt: skip
        assert done.returncode in statuses and done.stderr.startswith(error)
        assert len(done.stderr.splitlines()) == bool(error), done.stderr


@pytest.fixture
def heard():
    """Ctrl-C is heard, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "made_of_it", [SystemError("returned a result"), InputError("damaged"), av.error.ExitError(1, "")]
)
def test_ctrl_c_of_which_a_library_makes_an_error_leaves_no_source_out(heard, made_of_it):
    left_out, odd, task = [], [], SimpleNamespace(location="talk.mp4")
    with pytest.raises(KeyboardInterrupt), prompt_interrupts(), _leaving_out(task, left_out, odd):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise made_of_it from error
    assert not left_out and not odd
    with prompt_interrupts(), _leaving_out(task, left_out, odd):
        raise made_of_it  # without Ctrl-C it costs the source alone
    assert len(left_out) == 1
