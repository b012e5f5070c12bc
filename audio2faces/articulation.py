"""Articulation: the motion of the mouth that averaging takes away, given back.

Squared error teaches the mean of what a sound leaves open, and a mean moves less than any real mouth: along a component
that the sound tells with correlation r, r times as far. How far it falls short differs from component to component (the
jaw is heard better than the corners of the mouth), so that each is given back its own share; one factor for all would
exaggerate the jaw before the lips move as they should.
"""

from dataclasses import dataclass

import numpy as np

from preprocessing.alignment import mouth_slices

LARGEST_GAIN = 2.0  # a component that the sound hardly tells is not blown up


@dataclass(frozen=True)
class Articulation:
    """What motion lacks.

    Attributes:
        directions: along which motion is measured, float16 [shape=(components, size, size, 3)].
        lacking: what it lacks for each unit along them, in the whole face, float16 [same shape].
        strength: share of it that is given back; 1 moves the mouth as far as the speaker does, more exaggerates.
    """

    directions: np.ndarray
    lacking: np.ndarray
    strength: float = 1.0

    @classmethod
    def of(cls, components, real, heard):
        """From clips that the regressor did not learn from (of those it did it knows more than of any other).

        Args:
            components: `began.mouth.MouthComponents` of faces in the size of the motion.
            real: positions of the real faces along them, one array per clip [shape=(frames, components) each].
            heard: the regressor's motion, one array per clip [shape=(frames, size, size, 3) each].
        """
        count, size = len(components.basis), heard[0].shape[1]
        rows, columns = mouth_slices(size)
        directions = np.zeros((count, size, size, 3), np.float32)
        of_mouth = directions[:, rows, columns]
        of_mouth[:] = components.basis.reshape(of_mouth.shape) / 2  # motion is in [-1, 1] pixels
        motion = np.concatenate([of_clip - of_clip.mean(axis=0) for of_clip in heard]).reshape(-1, size * size * 3)
        positions = motion @ directions.reshape(count, -1).T
        face = np.linalg.lstsq(positions, motion, rcond=None)[0]  # what moves with each component
        gains = np.concatenate(real).std(axis=0) / np.maximum(positions.std(axis=0), 1e-6)
        lacking = (np.clip(gains, 1, LARGEST_GAIN) - 1)[:, None] * face
        return cls(directions.astype(np.float16), lacking.reshape(directions.shape).astype(np.float16))

    def __call__(self, motion):
        """Motion [shape=(n, size, size, 3)] with what it lacks, same shape."""
        directions, lacking = (np.float32(array).reshape(len(array), -1) for array in (self.directions, self.lacking))
        positions = np.einsum("np,cp->nc", motion.reshape(len(motion), -1), directions)  # alike however many there are
        return motion + self.strength * np.einsum("nc,cp->np", positions, lacking).reshape(motion.shape)
