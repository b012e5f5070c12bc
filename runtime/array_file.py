"""An array on disk of which parts are read on request, without a file that stays open."""

import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError


class ArrayFile:
    """The array in a .npy file: indexing reads what it needs.

    A memory map holds a file open for as long as it lives, and systems allow a process 1024 open files (Linux) or 256
    (macOS): too few for a map of each clip. Here a file is open only while it is read.

    Args:
        path: of the file.

    Attributes:
        shape: of the array.
        dtype: of its elements.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no .npy file, is cut short, or does not hold numbers in C order.
    """

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        with io.FileIO(self.path) as file:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if read_header is None:
                raise ValueError(f"version {version} of the .npy format")
            self.shape, by_columns, self.dtype = read_header(file)
            self._start, self._state = file.tell(), _state(file)
        if (by_columns and len(self.shape) > 1) or self.dtype.hasobject or not self.shape:
            raise ValueError("not an array of numbers in C order")
        if self._state[0] < self._start + self.nbytes:
            raise ValueError("cut short")

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice | tuple[Any, ...] | np.ndarray) -> np.ndarray:
        """What NumPy's indexing gives, as an array in memory.

        Raises:
            InputError: the file was written anew since this object was made.
            OSError: it cannot be read.
        """
        with io.FileIO(self.path) as file:
            if _state(file) != self._state:
                raise InputError(f"{self.path}: written anew while it was in use; give the same command again")
            if not isinstance(index, int | np.integer) or not self.nbytes:
                return np.array(self._mapped(file)[index])
            row = np.empty(self.shape[1:], self.dtype)  # by far the most frequent case: a map takes five times as long
            file.seek(self._start + range(len(self))[index] * row.nbytes)
            file.readinto(row.data.cast("B"))
            return row

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"{self.path}: reading it makes a copy")
        return np.asarray(self[:], dtype)

    def _mapped(self, file: io.FileIO) -> np.ndarray:
        """The whole array; the map goes with the last reference to it."""
        if not self.nbytes:
            return np.empty(self.shape, self.dtype)
        return np.memmap(file, self.dtype, "r", self._start, self.shape)


def _state(file: io.FileIO) -> tuple[int, int]:
    """What changes when a file is written: its size in bytes and the time of the last change."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns
