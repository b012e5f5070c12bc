"""What a face detector is: images in, faces with five landmarks out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

# Rows of a landmark array, as seen in the picture: the left eye is the one at the left.
LEFT_EYE, RIGHT_EYE, NOSE, MOUTH_LEFT, MOUTH_RIGHT = range(5)


@dataclass(frozen=True)
class Face:
    """One face in a frame.

    Attributes:
        box: left, top, right, bottom in pixels [shape=(4,)].
        score: how sure the detector is, 0..1.
        landmarks: x, y in pixels [shape=(5, 2)].
        search_box: the square from which the detector estimated box and landmarks; searched again in the next frame, it
            finds the face again [shape=(4,)].
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray
    search_box: np.ndarray

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def scaled(self, factor: float) -> Self:
        """The same face in the picture enlarged by that factor."""
        return type(self)(factor * self.box, self.score, factor * self.landmarks, factor * self.search_box)

    @property
    def eye_distance(self) -> float:
        """Between the two eyes, in pixels."""
        return float(np.linalg.norm(self.landmarks[RIGHT_EYE] - self.landmarks[LEFT_EYE]))


class Detector(Protocol):
    """What tracking needs from a detector."""

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """Finds all faces.

        Args:
            images: list of uint8 RGB arrays of one size [shape=(height, width, 3)].

        Returns:
            for each image a list of `Face`, the largest first.
        """

    def follow(self, images: Sequence[np.ndarray], search_boxes: np.ndarray) -> list[Face | None]:
        """Looks again for one face in each image, where it was a moment ago.

        Args:
            images: list of uint8 RGB arrays [shape=(height, width, 3)].
            search_boxes: a square near the face of each image [shape=(images, 4)].

        Returns:
            for each image a `Face`, or None where it is no longer there.
        """

    def search_box(self, landmarks: np.ndarray) -> np.ndarray:
        """The square in which to look for a face whose landmarks [shape=(5, 2)] these are: left, top, right, bottom."""
