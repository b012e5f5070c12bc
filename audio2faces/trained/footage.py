"""A short piece of the speaker's own footage that a model carries: the pictures that its mouth is painted into."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from media.reading import read_frames
from preprocessing.faces.alignment import crop_face
from runtime.errors import InputError

PICTURES, PLACES = "footage.mp4", "footage.npz"  # in a model folder


@dataclass(frozen=True)
class Footage:
    """Pictures of the speaker, and where the face lies in them.

    Attributes:
        path: of the video.
        times: of its frames, in seconds [shape=(frames,)].
        transforms: from frame to aligned face of the model's size [shape=(frames, 2, 3)].
        rest: number of a frame in which the mouth is shut.
        shape: height and width of the pictures in pixels.
    """

    path: Path
    times: np.ndarray
    transforms: np.ndarray
    rest: int
    shape: tuple[int, int]

    @cached_property
    def frame_rate(self) -> float:
        """Frames per second."""
        return float((len(self.times) - 1) / self.times[-1])

    def aligned(self, size: int) -> np.ndarray:
        """The aligned face of each frame, uint8 RGB [shape=(frames, size, size, 3)].

        Raises:
            InputError: the video cannot be read, or lacks frames.
        """
        images = (image for _, image in read_frames(self.path))
        faces = [crop_face(*of_frame, size) for of_frame in zip(images, self.transforms, strict=False)]
        if len(faces) < len(self.transforms):
            raise InputError(f"{self.path}: damaged; copy the whole model folder again")
        return np.stack(faces)

    def played(self, numbers: np.ndarray, frame_rate: float) -> np.ndarray:
        """Which of its frames are shown: forth through all of them, back, and forth again.

        Args:
            numbers: of the frames of a video, whole numbers [shape=(n,)].
            frame_rate: of that video.
        """
        return forth_and_back(np.rint(numbers * (self.frame_rate / frame_rate)).astype(int), len(self.times) - 1)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Of a model folder.

        Raises:
            OSError, ValueError, KeyError: the file of places is missing or damaged.
        """
        with np.load(folder / PLACES, allow_pickle=False) as places:
            height, width = places["shape"].tolist()
            rest = int(places["rest"])
            return cls(folder / PICTURES, places["times"], places["transforms"], rest, (height, width))

    def save(self, folder: Path) -> None:
        """Writes it into a model folder."""
        shutil.copyfile(self.path, folder / PICTURES)
        rest, shape = np.array(self.rest), np.array(self.shape)
        np.savez(folder / PLACES, times=self.times, transforms=self.transforms, rest=rest, shape=shape)


def forth_and_back(positions: Any, last: Any) -> Any:
    """Positions, in frames or in seconds, of what is played forth from 0 to `last`, back, and forth again.

    Args:
        positions: had it gone on and on; a number or an array.
        last: of the positions, 0 or more.
    """
    return last - np.abs(positions % (2 * last) - last) if last else 0 * positions
