"""Whether a generator has collapsed: how different its faces are, how often alike, and which real ones they resemble.

Faces are uint8 RGB [shape=(n, size, size, 3)]; the distance of two is the Euclidean one of their pixels.
"""

import cv2
import numpy as np

from preprocessing.dataset import Dataset
from preprocessing.faces.alignment import mouth_slices
from runtime.array_file import ArrayFile
from runtime.errors import InputError

DUPLICATE_PERCENTILE = 1  # of the distances of real faces from different clips: what is nearer is the same picture


def mouths(faces: np.ndarray) -> np.ndarray:
    """The mouth boxes of faces [shape=(n, rows, columns, 3)]."""
    return faces[(slice(None), *mouth_slices(faces.shape[1]))]


def distances(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances in grey levels, every face to every other [shape=(len(faces), len(others))].

    Grey levels are whole numbers, so that sums of their products are exact in float64 in whatever order they are added:
    no library, number of threads or memory alignment gives others.
    """
    x, y = (np.asarray(images, np.float64).reshape(len(images), -1) for images in (faces, others))
    return np.sqrt((x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T)


def pair_distances(faces: np.ndarray) -> np.ndarray:
    """Distances of all pairs of faces [shape=(n (n - 1) / 2,)]."""
    return distances(faces, faces)[np.triu_indices(len(faces), 1)]


def ratio(made: float, real: float) -> float | None:
    """One number over another as a float; None where there is nothing to compare with: the second is 0 or NaN."""
    return float(made / real) if real > 0 else None


def diversity(generated: np.ndarray, real: np.ndarray) -> float | None:
    """Mean distance of generated pairs over that of real pairs; 1 is as different as real faces, 0 one face.

    None where the real faces are all the same.
    """
    pairs = pair_distances(real)
    return ratio(pair_distances(generated).mean(), pairs.mean()) if len(pairs) else None


def duplicate_threshold(real: np.ndarray, clip_of: np.ndarray) -> float:
    """Distance below which two faces count as one: the DUPLICATE_PERCENTILE of real pairs from different clips.

    Args:
        real: real faces.
        clip_of: the clip of each [shape=(n,)].
    """
    first, second = np.triu_indices(len(real), 1)
    return float(np.percentile(pair_distances(real)[clip_of[first] != clip_of[second]], DUPLICATE_PERCENTILE))


def check_clips(dataset: Dataset) -> None:
    """Refuses a dataset with less than two clips to train on: collapse is measured between faces of different clips.

    Raises:
        InputError: it has.
    """
    if (count := len(dataset.split("train"))) < 2:
        raise InputError(
            f"{dataset.folder}: {count} clip to train on; the collapse of a generator is measured between "
            "clips, give at least two (--segments auto cuts a long video)"
        )


def duplicate_rate(faces: np.ndarray, threshold: float, clip_of: np.ndarray | None = None) -> float:
    """Share of pairs nearer than the threshold; where the clips of faces are given, of pairs of different clips."""
    near = pair_distances(faces) < threshold
    if clip_of is not None:
        first, second = np.triu_indices(len(faces), 1)
        near = near[clip_of[first] != clip_of[second]]
    return float(np.mean(near)) if len(near) else 0.0


def nearest(faces: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Index of the nearest face of the gallery for each face [shape=(len(faces),)]."""
    return np.argmin(distances(faces, gallery), axis=1)


def two_groups(clip_means: np.ndarray) -> np.ndarray:
    """Parts clips in two by the first principal component of their mean faces [shape=(clips, ...)] -> bool."""
    flat = np.asarray(clip_means, np.float32).reshape(len(clip_means), -1)
    flat = flat - flat.mean(axis=0)
    position = np.linalg.svd(flat, full_matrices=False)[0][:, 0]
    return position > np.median(position)


def sharpness(faces: np.ndarray | ArrayFile) -> float:
    """Variance of the Laplacian of the grey face, the mean over the frames."""
    greys = [cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces]
    return float(np.mean([cv2.Laplacian(grey, cv2.CV_64F).var() for grey in greys]))
