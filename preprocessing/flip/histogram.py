"""Tells mirrored clips by histograms of the strips beside the face, made independent of colour and of position.

Three things keep the 2017 rule from working on clips that were not lit alike: a colour cast moves the whole histogram,
a bin that is one value wide turns the least shift into the full distance, and one strip alone is not compared with the
other. So here each channel's values are replaced by their ranks among the values of both strips of the clip, distances
are taken between cumulative histograms, and a clip is compared with the references as it is and mirrored. (A mirrored
face's left strip is the right strip of the face, reversed, and a histogram does not see the order.)
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist

from preprocessing.flip.rule_2017 import BINS, REFERENCE_FACES, strip_width

MOST_COMPARED = 400  # clips that are compared with each other, spread evenly; all are compared with the references


def side_histograms(faces: np.ndarray, ranked: bool = True) -> np.ndarray:
    """Cumulative histograms of the left and of the right strip of each face of a clip.

    Args:
        faces: uint8 [shape=(frames, size, size, 3)].
        ranked: whether values are replaced by their ranks in the clip; if not, they are taken as they are.

    Returns:
        share of the values at or below each of 256 levels, all channels together [shape=(frames, 2, 256)].
    """
    width = strip_width(faces.shape[2])
    strips = np.stack([faces[:, :, :width], faces[:, :, -width:]], axis=1)  # (frames, 2, size, width, 3)
    if ranked:
        strips = np.stack([_ranks(strips[..., channel]) for channel in range(3)], axis=-1)
    counts = [[np.bincount(side.ravel(), minlength=BINS) for side in frame] for frame in strips]
    return np.cumsum(counts, axis=-1) / strips[0, 0].size


def _ranks(values: np.ndarray) -> np.ndarray:
    """Each uint8 value's rank among all of them, spread over 0..255; equal values share the middle of their ranks."""
    counts = np.bincount(values.ravel(), minlength=BINS)
    ranks = (np.cumsum(counts) - counts / 2) / values.size * (BINS - 1)
    return ranks.astype(np.uint8)[values]


def orientation(sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which clips face one side and which the other, by comparing all with all.

    Args:
        sides: mean side histograms of the clips [shape=(clips, 2, 256)].

    Returns:
        (signs [shape=(clips,)] of 1 and -1, typicality [shape=(clips,)]: how well a clip fits all others so turned).
    """
    evidence = _fit(sides, sides)
    np.fill_diagonal(evidence, 0)
    # The signs that agree best with all pairs: those of the leading eigenvector (Singer 2011, angular synchronisation).
    signs = np.where(np.linalg.eigh(evidence)[1][:, -1] < 0, -1, 1)
    return signs, signs * (evidence @ signs)


def histogram_scores(
    clips: list, ranked: bool = True, update: Callable = lambda clips: None
) -> tuple[list[np.ndarray], list[int]]:
    """How well each frame of each clip fits the references, as it is against mirrored.

    The references are the eight most typical clips of the dataset, turned to one side; a clip is never its own.

    Args:
        clips: list of faces, uint8 [shape=(frames, size, size, 3)] each; two clips or more.
        ranked: as in `side_histograms`.
        update: called with the number of clips done, twice that of `clips` in all.

    Returns:
        (scores, references): for each clip scores in [-1, 1] [shape=(frames,)], positive on one side and negative on
        the other (which is the right one is not decided here), and the indices of the eight clips.
    """
    of_clips = []
    for faces in clips:
        of_clips.append(side_histograms(faces, ranked).mean(axis=0))
        update(1)
    means = np.stack(of_clips)
    compared = np.arange(0, len(clips), -(-len(clips) // MOST_COMPARED))
    signs, typicality = orientation(means[compared])
    most_typical = np.argsort(-typicality)[: REFERENCE_FACES + 1]  # one to spare for those that are references
    scores = []
    for index, faces in enumerate(clips):
        others = [place for place in most_typical if compared[place] != index][:REFERENCE_FACES]
        reference = turned(means[compared[others]], signs[others]).mean(axis=0)
        scores.append(_fit(side_histograms(faces, ranked), reference[None])[:, 0])
        update(1)
    return scores, [int(compared[place]) for place in most_typical[:REFERENCE_FACES]]


def turned(sides: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Side histograms [shape=(clips, 2, 256)] with left and right exchanged where the sign is -1."""
    return np.where(signs[:, None, None] < 0, sides[:, ::-1], sides)


def _fit(sides: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(distance mirrored - distance as is) / their sum, of side histograms [n, 2, 256] to others [m, 2, 256]."""
    flat = sides.reshape(len(sides), -1)
    same = cdist(flat, references.reshape(len(references), -1), "cityblock")
    crossed = cdist(flat, references[:, ::-1].reshape(len(references), -1), "cityblock")
    return (crossed - same) / np.maximum(crossed + same, 1e-12)
