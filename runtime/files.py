"""Files that are either whole or not there, and outputs that one process at a time makes."""

import codecs
import contextlib
import errno
import functools
import hashlib
import json
import math
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from runtime.errors import InputError

PARTIAL = ".partial-"  # begins the names of hidden folders in which outputs are written
LOCK = ".lock"
YOUNG = 60.0  # seconds; a hidden folder is left alone for so long, whoever made it
NOT_SUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # of file systems that have no locks
BLOCK = 1 << 22  # bytes read at a time


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Gives a path to write to, in a hidden folder beside `path`; on success it is renamed to `path`, or else removed.

    The file has the name of `path`, since writers choose the format by it. Several processes may write to the same
    `path`, each in a folder of its own: the last one to finish is the one whose file stays.

    Raises:
        InputError: the folder cannot be made or written.
    """
    path = Path(path)
    with _partial_folder(path.parent) as scratch, _named(path, scratch):
        partial = scratch / path.name
        yield partial
        os.replace(partial, path)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Gives an empty folder of the same name, in a hidden folder beside `path`, to fill.

    On success it takes the place of `path`, on failure it goes. What stood at `path` is renamed away before it is
    deleted, so that no folder is ever seen half deleted.

    Raises:
        InputError: the folder beside it cannot be made or written.
    """
    path = Path(path)
    with _partial_folder(path.parent) as scratch, _named(path, scratch):
        partial = scratch / path.name
        partial.mkdir()
        yield partial
        if path.exists():
            os.replace(path, scratch / ".replaced")
        os.replace(partial, path)


@contextlib.contextmanager
def scratch_folder(parent: str | Path, purpose: Path) -> Iterator[Path]:
    """Gives a hidden folder in `parent` to work in, and removes it; an error of writing there names `purpose`."""
    with _partial_folder(Path(parent)) as scratch, _named(purpose, scratch):
        yield scratch


@contextlib.contextmanager
def _partial_folder(parent: Path) -> Iterator[Path]:
    """A hidden folder in `parent`, made where missing, that no other process knows; it goes in any case.

    The lock in it tells other processes that this one lives: what a killed process left is removed by the next one
    that writes there.
    """
    make_folder(parent)
    _remove_leftovers(parent.resolve())
    folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=parent))
    try:
        with _locked(folder / LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache  # once per process and folder: some get a thousand pictures, one by one
def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f"{PARTIAL}*"):
        with contextlib.suppress(OSError):  # it lives, or is somebody else's
            if time.time() - folder.stat().st_mtime > YOUNG:
                with _locked(folder / LOCK) as locked:
                    if locked:
                        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _named(path: str | Path, scratch: Path) -> Iterator[None]:
    """Lets an error of writing say which output it was about, where it knows no name or one in `scratch`."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(scratch)):
            error.filename = str(path)
        raise


def check_is_file(path: str | Path) -> None:
    """Refuses what is not a regular file: what comes out of a pipe or a device has no end, or cannot be read twice.

    Raises:
        InputError: there is no such file, or it is not a regular one.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise InputError(f"{path}: {error.strerror}; choose another file or ask for access") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no such file") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: a folder, where a file was expected; give a file of it")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: a pipe or a device, where a file was expected; save its content to a file first")


def check_output(path: str | Path) -> None:
    """Refuses a file that cannot be written; programs ask before they spend minutes. Nothing is made yet.

    Raises:
        InputError: it is a folder, or its folder cannot be made or written.
    """
    if Path(path).is_dir():
        raise InputError(f"{path}: this is a folder; give the name of a file")
    check_output_folder(Path(path).parent)


def check_output_folder(folder: str | Path) -> None:
    """The same for a folder that files are written to, which may be missing, as may those above it.

    Raises:
        InputError: it cannot be made or written.
    """
    there = Path(folder)
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise InputError(f"{there}: this is a file, not a folder; choose another place for the output")
    if not os.access(there, os.W_OK):
        raise InputError(f"{there}: this folder cannot be written; choose another place for the output")


def make_folder(path: str | Path) -> Path:
    """Creates the folder `path` and those above it where they are missing; returns it as a `Path`.

    Raises:
        InputError: the folder cannot be made or written, or a file of that name is in the way.
    """
    path = Path(path)
    check_output_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot make this folder ({error.strerror}); choose another place") from error
    return path


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Writes `content` as indented JSON, whole or not at all; NaN and infinity, which JSON lacks, become null."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _finite(content: Any) -> Any:
    """The same with None for numbers that are not finite."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; is {path.parent} the right folder?")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); restore or make it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object; restore or make it again")
    return content


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file that a person wrote: UTF-8, with or without a byte order mark, or UTF-16 with one.

    Raises:
        InputError: the file cannot be read, or is in another encoding.
    """
    try:
        content = Path(path).read_bytes()
        encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        return content.decode(encoding).splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a text file") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not in UTF-8; save the file as UTF-8") from error


@contextlib.contextmanager
def exclusive(folder: str | Path, complaint: str) -> Iterator[None]:
    """Keeps other processes from writing into a folder meanwhile: a run, a dataset, a folder of results.

    The lock file in it goes at the end; that of a killed process is no obstacle, since the system releases the lock.

    Args:
        folder: that exists.
        complaint: message of the error.

    Raises:
        InputError: another process holds it.
    """
    with _refusing(Path(folder) / LOCK, complaint):
        yield


@contextlib.contextmanager
def claimed(*paths: str | Path) -> Iterator[None]:
    """Keeps other processes from making the same outputs meanwhile: files, or folders that are made as a whole.

    Raises:
        InputError: another process makes one of them, or its folder cannot be made or written.
    """
    with contextlib.ExitStack() as claims:
        for path in map(Path, paths):
            make_folder(path.parent)
            digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]  # names may be of any length
            complaint = f"{path}: another process is making it; wait for it to end, or choose another name"
            claims.enter_context(_refusing(path.parent / f"{LOCK}-{digest}", complaint))
        yield


@contextlib.contextmanager
def _refusing(lock: Path, complaint: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_locked(lock))
        except BlockingIOError as error:
            raise InputError(complaint) from error
        yield


@contextlib.contextmanager
def _locked(path: str | Path) -> Iterator[bool]:
    """Holds a lock file, made where missing, which goes at the end; gives False where the file system has no locks.

    Raises:
        BlockingIOError: another process, or another part of this one, holds it.
    """
    while True:
        with open(path, "a") as file:
            locked = _lock(file)
            if not _is_at(path, file):  # its holder removed it between opening and locking
                continue
            try:
                yield locked
            finally:
                with contextlib.suppress(OSError):  # Windows removes no open file
                    os.unlink(path)
            return


def _is_at(path: str | Path, file: IO[Any]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(file: IO[Any]) -> bool:
    """Locks an open file; False where the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NOT_SUPPORTED:
            return False
        raise BlockingIOError(error.errno, error.strerror) from error
    return True


def sha256(path: str | Path, advance: Callable[[int], object] = lambda count: None) -> str:
    """The SHA-256 of a file's content, in hexadecimal; `advance` is called with the bytes read since its last call."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()
