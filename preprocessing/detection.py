"""Finds faces and their five landmarks in single frames."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .program import import_keras

# Rows of a landmark array, as seen in the picture: the left eye is the one at the left.
LEFT_EYE, RIGHT_EYE, NOSE, MOUTH_LEFT, MOUTH_RIGHT = range(5)

MINIMUM_SCORE = 0.9  # mtcnn was seen to report a false face at .85
BATCH_PIXELS = 16 * 360 * 288  # of one call of the networks: bounds memory whatever the resolution


@dataclass(frozen=True)
class Face:
    """One face in a frame: box (left, top, right, bottom) and landmarks [shape=(5, 2)] in pixels, score 0..1."""

    box: np.ndarray
    score: float
    landmarks: np.ndarray

    @property
    def area(self):
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class MtcnnDetector:
    """MTCNN (Zhang et al., arXiv 1604.02878) as packaged by `mtcnn`, whose weights come with the package."""

    @cached_property
    def _network(self):
        import_keras()  # seconds, spent only by those who detect
        from mtcnn import MTCNN

        return MTCNN()

    def __call__(self, images):
        """Finds the faces of several frames of one size.

        Args:
            images: list of uint8 RGB arrays [shape=(height, width, 3)].

        Returns:
            for each image a list of `Face` with score >= MINIMUM_SCORE, the largest first.
        """
        faces = []
        if images:
            per_call = max(1, BATCH_PIXELS // (images[0].shape[0] * images[0].shape[1]))
            for first in range(0, len(images), per_call):
                faces += self._detect(images[first : first + per_call])
        return faces

    def _detect(self, images):
        found = self._network.detect_faces(list(images), output_type="numpy", box_format="xyxy", postprocess=False)
        found = np.atleast_2d(np.asarray(found, np.float64))
        faces = [[] for _ in images]
        for row in found[found[:, 5] >= MINIMUM_SCORE] if found.size else []:
            landmarks = np.stack([row[6:11], row[11:16]], axis=1)
            faces[int(row[0])].append(Face(row[1:5], float(row[5]), landmarks))
        return [sorted(of_image, key=lambda face: -face.area) for of_image in faces]
