"""The 2017 project's rule for mirrored faces, number for number: a histogram of the strip at the left of the face.

A strip of 10 pixels of a 64-pixel crop, all channels in one histogram of 256 bins; the L1 distance to the mean
histogram of eight reference faces above 700 (of 64 x 10 x 3 = 1920 counts) means "mirrored", frame by frame. For crops
of another size the strip and the threshold keep their share.
"""

import numpy as np
from scipy.spatial.distance import cdist

STRIP_SHARE = 10 / 64  # of the side of the crop
THRESHOLD_SHARE = 700 / 1920  # of the counts of a strip
REFERENCE_FACES = 8
BINS = 256


def strip_width(size: int) -> int:
    """Width in pixels of the strip of a crop of `size` pixels: 10 of 64."""
    return max(1, round(STRIP_SHARE * size))


def threshold_2017(size: int) -> float:
    """The distance in counts above which a face is mirrored: 700 for a crop of 64 pixels."""
    return THRESHOLD_SHARE * size * strip_width(size) * 3


def strip_histograms(faces: np.ndarray) -> np.ndarray:
    """How often each value stands in the left strip of each face, all channels together.

    Args:
        faces: uint8 [shape=(frames, size, size, 3)].

    Returns:
        counts [shape=(frames, 256)].
    """
    strips = faces[:, :, : strip_width(faces.shape[2])]
    return np.stack([np.bincount(strip.ravel(), minlength=BINS) for strip in strips])


def distances_2017(faces: np.ndarray, references: np.ndarray) -> np.ndarray:
    """L1 distance in counts of each face's strip histogram to the mean one of the references [shape=(frames,)].

    Args:
        faces: uint8 [shape=(frames, size, size, 3)].
        references: faces that are known not to be mirrored, of the same size.
    """
    return np.abs(strip_histograms(faces) - strip_histograms(references).mean(axis=0)).sum(axis=1)


def choose_references(faces: np.ndarray) -> np.ndarray:
    """Chooses the eight faces whose strips are most like those of all others; in 2017 they were picked by eye.

    Args:
        faces: one of each clip, uint8 [shape=(clips, size, size, 3)].

    Returns:
        their indices [shape=(at most 8,)].
    """
    histograms = strip_histograms(faces)
    return np.argsort(cdist(histograms, histograms, "cityblock").sum(axis=1))[:REFERENCE_FACES]
