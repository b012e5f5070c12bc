"""Ctrl-C, heard by a program that is deep in a library."""

import subprocess
import sys

import pytest

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
