"""The frames of a video, by number: decoded again whenever they are played, so that few wait in memory."""

import gc
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from media.pictures import fitted
from media.reading import read_frames
from runtime.errors import InputError

BLOCK = 256 * 2**20  # bytes of frames that are held at once
RUN_UP = 2  # frames that are decoded before a block: the first one after a leap is not always clean


class VideoFrames:
    """A sequence of the frames of a video.

    They are decoded a block at a time. Playing forth goes on decoding; playing back starts again at each block.

    Args:
        path: of the video.
        times: of its frames in seconds, as `media.reading.read_frames` gave them [shape=(frames,)].
        shape: height and width of the frames, shrunk if they are to be.
    """

    def __init__(self, path: str | Path, times: np.ndarray | Sequence, shape: tuple[int, int]) -> None:
        self._path, self._times, self.shape = path, np.asarray(times), tuple(shape)
        self._per_block = max(1, BLOCK // (3 * shape[0] * shape[1]))
        self._first, self._held = 0, []  # number of the first frame that is held; those that are
        self._coming: Any = iter(())  # numbered frames that are yet to be decoded
        self._next: Any = None  # where they go on

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, number: int) -> np.ndarray:
        """A frame, uint8 RGB [shape=(height, width, 3)]; not to be written to.

        Raises:
            InputError: it cannot be read any more.
        """
        if not self._first <= number < self._first + len(self._held):
            self._hold(number // self._per_block * self._per_block)
        return self._held[number - self._first]

    def _hold(self, first: int) -> None:
        self._held = []  # before others are decoded
        if self._next != first:
            self._coming = iter(())
            self._coming = self._decoded_from(first)
        held = [None] * min(self._per_block, len(self) - first)
        for number, image in self._coming:
            if number >= first + len(held):
                self._coming = chain([(number, image)], self._coming)
                break
            if number >= first:
                held[number - first] = image
            if number == first + len(held) - 1:
                break
        there = [index for index, image in enumerate(held) if image is not None]
        if not there:
            raise InputError(f"{self._path}: can no longer be read; leave it as it is until the video is made")
        # What cannot be decoded from here is the frame nearest to it.
        self._held = [held[min(there, key=lambda other: abs(other - index))] for index in range(len(held))]
        self._first, self._next = first, first + len(held)

    def _decoded_from(self, first: int) -> Iterator[Any]:
        """Pairs of number and frame, from a little before a frame on."""
        gc.collect()  # decoders are freed by it alone, and each holds a dozen frames in full size
        start = self._times[max(first - RUN_UP, 0)]
        for time, image in read_frames(self._path, start=start):
            yield int(np.abs(self._times - (start + time)).argmin()), fitted(image, max(self.shape))
