"""What speech does not determine of a face, as the principal components of the picture above the mouth.

Eigenfaces (Turk and Pentland 1991): head pose, colour cast and blinks in a few numbers, which are uncorrelated and of
unit variance, so that new faces are drawn from the standard normal (Tipping and Bishop 1999).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import eigh

from measures.mouth import COMPONENTS, STILL, MouthComponents
from media.pixels import to_signed
from preprocessing.dataset import Clip
from runtime.progress import progress, with_progress
from training.frames import SmallerClip

NOTHING = 1e-6  # share of the largest variance below which there is no component
UNRELATED = 1e-3  # correlation below which z and the mouth have nothing to do with each other
COVERED = 0.62  # of the side: what lies below is the mouth's, and not seen
FIT_FACES = 2048  # training faces that decide the components


@dataclass(frozen=True)
class Eigenfaces:
    """Principal components of covered faces, and the whole faces that go with them.

    Attributes:
        rows: of a face that are seen, from the top.
        mean: of what is seen, in [-1, 1] [shape=(pixels,)].
        projection: from what is seen, less its mean, to z [shape=(pixels, z_size)].
        kernel: from z to whole faces less their mean, by least squares [shape=(z_size, size * size * 3)].
        bias: the mean face [shape=(size * size * 3,)].
    """

    rows: int
    mean: np.ndarray
    projection: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, faces: np.ndarray, z_size: int, covered: float) -> Self:
        """The components of training faces.

        Args:
            faces: in [-1, 1] [shape=(n, size, size, 3)], n > z_size.
            z_size: number of components.
            covered: what lies below this share of the side is not seen.
        """
        rows = round(covered * faces.shape[1])
        seen = faces[:, :rows].reshape(len(faces), -1)
        mean = seen.mean(axis=0)
        seen = seen - mean
        with progress(4, "product", "eigenfaces", short=True) as bar:
            products = seen @ seen.T
            bar.update(1)
            wanted = (max(0, len(products) - z_size), len(products) - 1)
            variances, vectors = eigh(products, subset_by_index=wanted)
            bar.update(1)
            variances, vectors = variances[::-1], vectors[:, ::-1]  # the strongest first
            vectors = vectors * np.sqrt(len(faces))  # of unit variance
            there = variances > NOTHING * variances[0]  # few faces have fewer components; the others stay 0
            codes = vectors * there
            projection = seen.T @ (codes / np.where(there, variances, 1))
            bar.update(1)
            whole = faces.reshape(len(faces), -1)
            bias = whole.mean(axis=0)
            kernel = codes.T @ (whole - bias) / len(faces)
            bar.update(1)
        return cls(rows, mean, projection.astype(np.float32), kernel.astype(np.float32), bias)

    @classmethod
    def fit_clips(
        cls,
        clips: Sequence[Clip | SmallerClip],
        faces: np.ndarray,
        z_size: int,
        covered: float,
        mouth: MouthComponents,
    ) -> Self:
        """The components that say nothing, linearly, about the motion of the mouth.

        People nod and rise while they speak: within a clip of GRID the components of a frame, even their mean over a
        second, foretell the motion of the mouth. A generator that may read the mouth off z listens less. So as many
        components more are taken as the mouth has, and what goes with these is left out.

        Args:
            clips: training clips.
            faces: some of their faces, as for `fit`.
            z_size: number of components left.
            covered: as for `fit`.
            mouth: `MouthComponents` of the clips.
        """
        eigenfaces = cls.fit(faces, z_size + COMPONENTS, covered)
        together, squares, frames = 0.0, 0.0, 0  # of z and mouth within clips, summed
        for clip in with_progress(clips, "clip", "separating pose from mouth motion"):
            codes, motion = eigenfaces.transform(to_signed(clip.faces)), mouth.transform(clip.faces)
            together = together + (codes - codes.mean(axis=0)).T @ motion
            squares, frames = squares + (motion**2).sum(axis=0), frames + len(motion)
        return eigenfaces.without(directions_of_mouth(together, squares, frames))

    def without(self, directions: np.ndarray) -> Self:
        """The components orthogonal to some directions in z [shape=(z_size, n)]: n fewer, strongest in a face first."""
        turned, sizes, _ = np.linalg.svd(directions)
        orthogonal = turned[:, np.sum(sizes > NOTHING * sizes[0]) :]
        _, vectors = np.linalg.eigh(orthogonal.T @ (self.kernel @ self.kernel.T) @ orthogonal)
        kept = (orthogonal @ vectors[:, ::-1])[:, : len(directions) - directions.shape[1]].astype(np.float32)
        return dataclasses.replace(self, projection=self.projection @ kept, kernel=kept.T @ self.kernel)

    def transform(self, faces: np.ndarray) -> np.ndarray:
        """Components of faces as `fit` takes them [shape=(n, size, size, 3)] -> float32 [shape=(n, z_size)]."""
        return (faces[:, : self.rows].reshape(len(faces), -1) - self.mean) @ self.projection


def directions_of_mouth(together: np.ndarray | float, squares: np.ndarray | float, frames: int) -> np.ndarray:
    """The directions in z that go with the motion of the mouth.

    Args:
        together: sums of z times motion, each clip's mean removed [shape=(z_size, COMPONENTS)].
        squares: sums of squares of the motion [shape=(COMPONENTS,)].
        frames: summed over so many.

    Returns:
        the same as `together`; 0 for components of the motion that stand still or have nothing to do with z.
    """
    unrelated = np.linalg.norm(together, axis=0) <= UNRELATED * np.sqrt(squares * frames)
    return np.where(unrelated | (squares <= STILL**2 * frames), 0, together)
