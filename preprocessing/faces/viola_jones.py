"""Viola-Jones (CVPR 2001): the detector of the 2017 project before MTCNN, with its settings."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from preprocessing.faces.alignment import TEMPLATE
from preprocessing.faces.detection import Face

CASCADE = "haarcascade_frontalface_default.xml"  # comes with OpenCV
SMALLEST_FACE = 0.15  # of the frame's height, as in 2017; all other settings are OpenCV's defaults
LEAST_NEIGHBOURS = 3  # one of those: this many windows have to agree on a face, and one more
MARGIN = 1.25  # the crop's side over that of the detected square, as in 2017
MOUTH_HALF_WIDTH = 0.12  # in sides of the crop, as MTCNN finds it; the crop does not depend on it


class ViolaJonesDetector:
    """Finds upright frontal faces with OpenCV's Haar cascade; see `detection.Detector` for `detect` and `follow`.

    It tells squares, no landmarks: those of its faces lie where `alignment.TEMPLATE` expects them in the square widened
    by MARGIN, so that `alignment.face_transform` makes just that square the crop, as in 2017.
    """

    @cached_property
    def _cascade(self) -> Any:
        return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / CASCADE))

    def detect(self, images: Sequence) -> list:
        """The faces of each image; see `detection.Detector.detect`."""
        return [self._detect(image) for image in images]

    def follow(self, images: Sequence, search_boxes: list) -> list[None]:
        """None for each image: the cascade takes no search box, so every frame is searched as a whole."""
        return [None] * len(images)

    def search_box(self, landmarks: np.ndarray) -> np.ndarray:
        """The square that the landmarks [shape=(5, 2)] stand for."""
        left_eye, right_eye, *_ = landmarks
        side = (right_eye[0] - left_eye[0]) / (TEMPLATE[1] - TEMPLATE[0])[0] / MARGIN
        corner = left_eye + 0.5 + side * ((MARGIN - 1) / 2 - MARGIN * TEMPLATE[0])
        return np.concatenate([corner, corner + side])

    def _detect(self, image: np.ndarray) -> list[Face]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        smallest = round(SMALLEST_FACE * len(grey))
        squares, neighbours = self._cascade.detectMultiScale2(
            grey, minNeighbors=LEAST_NEIGHBOURS, minSize=(smallest, smallest)
        )
        faces = [face_of_square(square, _score(count)) for square, count in zip(squares, neighbours, strict=True)]
        return sorted(faces, key=lambda face: -face.area)


def face_of_square(square: np.ndarray | Sequence, score: float) -> Face:
    """The `Face` that a detected square means.

    Args:
        square: left, top, width, height in pixels [shape=(4,)]: pixels left to left + width - 1.
        score: 0..1.
    """
    left, top, side, _ = np.asarray(square, float)
    corner = np.array([left, top]) - (MARGIN - 1) / 2 * side
    left_eye, right_eye, mouth = TEMPLATE
    aside = np.array([MOUTH_HALF_WIDTH, 0])
    template = np.stack([left_eye, right_eye, ((left_eye + right_eye) / 2 + mouth) / 2, mouth - aside, mouth + aside])
    box = np.array([left, top, left + side, top + side])
    return Face(box, score, corner + MARGIN * side * template - 0.5, box)  # centres of pixels lie at integers


def _score(neighbours: int) -> float:
    """0..1 from the number of windows that agree, all that the cascade tells of how sure it is; no probability."""
    return 1 - LEAST_NEIGHBOURS / neighbours
