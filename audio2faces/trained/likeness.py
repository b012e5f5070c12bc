"""Whether a face is that of the speaker from whom a model learned: any other gets that speaker's mouth."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from audio2faces.face_details import log_details, normalised

SIDE = 32  # pixels of the faces that are compared: the smallest that models have
CENTRE, RADII = (0.5, 0.62), (0.27, 0.33)  # the ellipse that is compared, eyes to chin, in units of the side
MOST_FACES = 32  # of a video that are looked at
DIRECTIONS = 8  # in which a speaker's details change most; more of them are shared by others
# Distance from which on it is another person, by `python -m benchmarks.likeness`: the most similar face of a video is
# up to .02 from its own speaker's and .12 or more from another's.
FARTHEST = 0.09


@dataclass(frozen=True)
class Likeness:
    """Compares faces with a model's reference face, whatever their light, pose and expression.

    Attributes:
        reference: details of the reference face [shape=(values,)], of length 1.
        motion: orthonormal directions in which turns, nods, blinks and speech change them, float16
            [shape=(values, directions)].
    """

    reference: np.ndarray
    motion: np.ndarray

    @classmethod
    def fit(cls, reference: np.ndarray, faces: np.ndarray) -> Self:
        """Of a speaker: the motion is the principal components of the details of some faces.

        Args:
            reference: the face that others are compared with, uint8 RGB [shape=(size, size, 3)].
            faces: of the same speaker [shape=(n, size, size, 3)].
        """
        details = np.stack([_details(face) for face in faces])
        directions = np.linalg.svd(details - details.mean(axis=0), full_matrices=False)[2][:DIRECTIONS]
        return cls(_details(reference), directions.T.astype(np.float16))

    @classmethod
    def of_motion(cls, reference: np.ndarray, motion: np.ndarray) -> Self:
        """From directions that were fitted before."""
        return cls(_details(reference), motion)

    def is_another(self, faces: list[np.ndarray]) -> bool:
        """Whether some faces, as for `distance`, are those of another person than the speaker."""
        return self.distance(faces) > FARTHEST

    def distance(self, faces: list[np.ndarray]) -> float:
        """How far the most similar of some faces is from the speaker's.

        Args:
            faces: aligned faces, of which MOST_FACES are looked at, uint8 RGB [shape=(n, size, size, 3)].

        Returns:
            0 for the reference face, 1 for one that has nothing in common with it.
        """
        some = np.unique(np.linspace(0, len(faces) - 1, MOST_FACES).round().astype(int))
        difference = np.stack([_details(faces[number]) for number in some]) - self.reference
        motion = self.motion.astype(np.float32)
        difference -= difference @ motion @ motion.T
        return float((difference**2).sum(axis=1).min() / 2)


def _details(face: np.ndarray) -> np.ndarray:
    """Details of a face within the ellipse, of mean 0 and length 1, float32 [shape=(values,)]."""
    across, down = (np.arange(SIDE) / SIDE - CENTRE[0]) / RADII[0], (np.arange(SIDE) / SIDE - CENTRE[1]) / RADII[1]
    values = log_details(face, SIDE)[down[:, None] ** 2 + across**2 < 1]
    return normalised(values - values.mean())
