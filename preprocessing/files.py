"""Files that are either whole or not there: written beside their place, then renamed."""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

from .program import InputError


@contextlib.contextmanager
def whole_file(path):
    """Gives a path beside `path` to write to; on success it is renamed to `path`, on failure removed.

    The name keeps its suffix, since writers choose the format by it.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    check_writable(path.parent)
    try:
        with _named(path):
            yield partial
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path):
    """Gives an empty folder beside `path` to fill; on success it takes the place of `path`, on failure it goes.

    What stood at `path` is renamed away before it is deleted, so that no folder is ever seen half deleted.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    replaced = path.with_name(f".replaced-{path.name}")
    check_writable(path.parent)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
    partial.mkdir()
    try:
        with _named(path):
            yield partial
            if path.exists():
                os.replace(path, replaced)
            os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(path, purpose):
    """Gives the empty folder `path` to work in, and removes it; an error of writing there names `purpose`."""
    path = Path(path)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    try:
        with _named(purpose):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _named(path):
    """Lets an error of writing, which knows no name, say which output it was about."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def check_writable(folder):
    """Refuses a folder that an output cannot go to; programs ask before they spend minutes.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; create it first")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: this folder cannot be written; choose another place for the output")


def make_folder(path):
    """Creates the folder `path` and those above it where they are missing; returns it as a `Path`.

    Raises:
        InputError: the folder cannot be made, or a file of that name is in the way.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot make this folder ({error.strerror}); choose another place") from error
    return path


def write_json(path, content):
    """Writes `content` as indented JSON, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path):
    """Reads a JSON object.

    Raises:
        InputError: the file is missing or is no JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; is {path.parent} the right folder?")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); restore or make it again") from error


@contextlib.contextmanager
def exclusive(path, complaint):
    """Holds a lock file, which the system releases when the process ends, however it ends.

    Args:
        path: of the lock file, made where missing.
        complaint: message of the error.

    Raises:
        InputError: another process holds it.
    """
    with open(path, "a") as file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(complaint) from error
        yield


def sha256(path):
    """The SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
