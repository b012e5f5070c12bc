"""Articulation: the motion of the mouth that averaging takes away, given back.

Squared error teaches the mean of what a sound leaves open, and a mean moves less than any real mouth: along a component
that the sound tells with correlation r, r times as far. How far it falls short differs from component to component (the
jaw is predicted better than the corners of the mouth), so that each gets back its own share; one factor for all would
exaggerate the jaw before the lips move as they should.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from measures.mouth import FOLLOWING, MARGIN, MouthComponents, correlation
from preprocessing.faces.alignment import mouth_slices

LARGEST_GAIN = 2.0  # a component that the sound hardly tells is not blown up


@dataclass(frozen=True)
class Articulation:
    """How motion is made stronger along the components of mouth motion.

    Attributes:
        directions: along which motion is measured, float16 [shape=(components, size, size, 3)].
        moving: the motion of the whole face that goes with a unit along each of them, float16 [same shape].
        gains: by which it is multiplied, from 0 to LARGEST_GAIN [shape=(components,)].
        strength: 0 leaves motion as it was learned, 1 applies the gains, more exaggerates.
    """

    directions: np.ndarray
    moving: np.ndarray
    gains: tuple[float, ...]
    strength: float = 1.0

    @classmethod
    def from_components(cls, components: MouthComponents, predicted: list[np.ndarray]) -> Self:
        """Along some components, with gains of 1.

        Args:
            components: `measures.mouth.MouthComponents` of faces in the size of the motion.
            predicted: the regressor's motion, one array per clip [shape=(frames, size, size, 3) each].
        """
        count, size = len(components.basis), predicted[0].shape[1]
        rows, columns = mouth_slices(size)
        directions = np.zeros((count, size, size, 3), np.float32)
        of_mouth = directions[:, rows, columns]
        of_mouth[:] = components.basis.reshape(of_mouth.shape) / 2  # motion is in [-1, 1] pixels
        motion = np.concatenate([of_clip - of_clip.mean(axis=0) for of_clip in predicted]).reshape(-1, size * size * 3)
        moving = np.linalg.lstsq(motion @ directions.reshape(count, -1).T, motion, rcond=None)[0]
        return cls(directions.astype(np.float16), moving.reshape(directions.shape).astype(np.float16), (1.0,) * count)

    def fitted(self, real: Any, regressed: Any, shown: Any) -> Self:
        """The same with gains that let shown faces move as far as real ones, along each component that follows them.

        A motion that correlates with the real one by r explains 2r - 1 of its variance when it is made as large: less
        than nothing below FOLLOWING. Along a component that does not follow, or hardly better than the motion of other
        sentences does, the gain is the one of least squares, and at most 1: what tells nothing rests.

        Args:
            real: positions of real faces along the components, one array per clip [shape=(frames, components) each];
                of clips that the regressor did not learn from: of those it did it knows more than of any other.
            regressed: the same of the regressor's own faces, by whose correlation a component is judged.
            shown: the same of the faces that are shown, whose deviation is compared; neither is articulated.
        """
        own, others = _correlations(real, regressed), _correlations(real, [*regressed[1:], regressed[0]])
        follows = (own >= FOLLOWING) & ((own - others >= MARGIN) | (len(real) == 1))
        deviations = [np.concatenate(positions).std(axis=0) for positions in (real, shown)]
        short = deviations[0] / np.maximum(deviations[1], 1e-6)
        gains = np.where(follows, np.clip(short, 1, LARGEST_GAIN), np.clip(own * short, 0, 1))
        return dataclasses.replace(self, gains=tuple(gains.tolist()))

    @property
    def added(self) -> np.ndarray:
        """Share of the motion along each component that is added to it, float32 [shape=(components,)]."""
        return np.maximum(self.strength * (np.array(self.gains, np.float32) - 1), -1)

    def __call__(self, motion: np.ndarray) -> np.ndarray:
        """Motion [shape=(n, size, size, 3)] made stronger, same shape."""
        directions, moving = (
            array.astype(np.float32).reshape(len(array), -1) for array in (self.directions, self.moving)
        )
        positions = np.einsum("np,cp->nc", motion.reshape(len(motion), -1), directions)  # alike however many there are
        return motion + np.einsum("nc,cp->np", positions * self.added, moving).reshape(motion.shape)


def _correlations(real: list[np.ndarray], made: list[np.ndarray]) -> np.ndarray:
    """Of the clips along each component, as far as both go [shape=(components,)]."""
    pairs = [(x[: len(y)], y[: len(x)]) for x, y in zip(real, made, strict=True)]
    x, y = (np.concatenate(side).T for side in zip(*pairs, strict=True))
    return np.array([correlation(*positions) for positions in zip(x, y, strict=True)])
