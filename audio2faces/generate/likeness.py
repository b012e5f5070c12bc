"""Whether a face is that of the speaker from whom a model learned: any other gets that speaker's mouth."""

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np

SIDE = 64  # pixels of the faces that are compared
DETAIL = 3.0  # pixels: the standard deviation of a Gaussian; what is coarser is light, and not compared
CENTRE, RADII = (0.5, 0.62), (0.27, 0.33)  # the ellipse that is compared, eyes to chin, in units of the side
MOST_FACES = 32  # of a video that are looked at
HALF_STEP = 0.5  # of a unit of the speaker's own motion, by which its effect on the details is measured
# Distances from which on it is another person, by `python -m benchmarks.likeness`: the most similar face of a video is
# up to .11 from its own speaker's and .20 or more from another's; single faces are .24 or more in .4 % and in 97 %.
FARTHEST, FARTHEST_OF_FEW, FEW = 0.17, 0.24, 8  # the second for fewer faces than that


@dataclass(frozen=True)
class Likeness:
    """Compares faces with a model's reference face, whatever their light, pose and expression.

    Attributes:
        name: of the model.
        reference: details of the reference face [shape=(values,)], of length 1.
        motion: orthonormal directions in which turns, nods, blinks and speech change them [shape=(values, directions)].
    """

    name: str
    reference: np.ndarray
    motion: np.ndarray

    @classmethod
    def from_model(cls, model: Any) -> Self | None:
        """The `Likeness` of a model; None where it holds no motion of its speaker, without which pose decides."""
        idle, articulation = getattr(model, "idle", None), getattr(model, "articulation", None)
        if idle is None:
            return None
        directions = [idle.kernel, *([] if articulation is None else [articulation.directions])]
        face = _grey(model.reference)
        effects = []
        for direction in np.concatenate(directions).astype(np.float32):
            step = HALF_STEP * _grey(direction * 127.5)
            effects.append(_details(face + step) - _details(face - step))
        return cls(model.name, _details(face), np.linalg.qr(np.stack(effects).T)[0])

    def is_another(self, faces: list[np.ndarray]) -> bool:
        """Whether some faces, as for `distance`, are those of another person than the speaker."""
        return self.distance(faces) > (FARTHEST if len(faces) >= FEW else FARTHEST_OF_FEW)

    def distance(self, faces: list[np.ndarray]) -> float:
        """How far the most similar of some faces is from the speaker's.

        Args:
            faces: aligned faces, of which MOST_FACES are looked at, uint8 RGB [shape=(n, size, size, 3)].

        Returns:
            0 for the reference face, 1 for one that has nothing in common with it.
        """
        some = np.unique(np.linspace(0, len(faces) - 1, MOST_FACES).round().astype(int))
        difference = np.stack([_details(_grey(faces[number])) for number in some]) - self.reference
        difference -= difference @ self.motion @ self.motion.T
        return float((difference**2).sum(axis=1).min() / 2)


def _grey(face: np.ndarray) -> np.ndarray:
    """A face, or motion, of SIDE pixels without its colours: float32 [shape=(SIDE, SIDE)]."""
    resized = cv2.resize(np.asarray(face, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY)


def _details(grey: np.ndarray) -> np.ndarray:
    """Details within the ellipse, of mean 0 and length 1 [shape=(values,)]."""
    logarithm = np.log(np.clip(grey, 0, 255) + 10)  # in which light is added
    fine = logarithm - cv2.GaussianBlur(logarithm, (0, 0), DETAIL)
    across, down = (np.arange(SIDE) / SIDE - CENTRE[0]) / RADII[0], (np.arange(SIDE) / SIDE - CENTRE[1]) / RADII[1]
    values = fine[down[:, None] ** 2 + across**2 < 1]
    values -= values.mean()
    return values / max(np.linalg.norm(values), 1e-6)
