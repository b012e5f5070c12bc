"""What is measured of generated faces, set against the real ones of the same frames.

Faces are uint8 RGB [shape=(frames, size, size, 3)] throughout; lists hold one array per clip.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from preprocessing.faces.alignment import mouth_slices
from runtime.array_file import ArrayFile

LIPS = (0.70, 0.95, 0.42, 0.58)  # rows and columns of the middle of the lips, in units of the side of the face
SLIGHT = 5.0  # of a*: below it, not a lip
SSIM_DEVIATION, SSIM_EDGE = 1.5, 5  # of the Gaussian, in pixels, and how far its window reaches


def mouth_opening(faces: np.ndarray | ArrayFile) -> np.ndarray:
    """How far the mouth is open, in units of the side of the face: the space between the red of the lips.

    Along each column through the middle of the lips redness (a* of CIELAB) rises to one lip, falls to teeth and dark,
    and rises to the other lip. The opening is what this valley holds, filled with water up to the lower of its ridges,
    over the height of the ridge: rows, if nothing in them is redder than skin.
    `benchmarks/mouth_opening.py` prints how it agrees with openings that a person read off pictures.

    Returns:
        [shape=(frames,)].
    """
    size = faces.shape[1]
    top, bottom, left, right = (round(edge * size) for edge in LIPS)
    openings = []
    for face in faces:
        lips = np.ascontiguousarray(face[top:bottom, left:right], np.float32) / 255
        redness = cv2.cvtColor(lips, cv2.COLOR_RGB2LAB)[..., 1]
        from_above = np.maximum.accumulate(redness, axis=0)
        from_below = np.maximum.accumulate(redness[::-1], axis=0)[::-1]
        valley = np.minimum(from_above, from_below) - redness
        ridge = np.maximum(np.ptp(redness, axis=0), SLIGHT)
        openings.append((valley.sum(axis=0) / ridge).mean() / size)
    return np.array(openings)


def seam(faces: np.ndarray | ArrayFile, opacity: np.ndarray) -> float:
    """How strong edges are along the edge of a painted part: the mean absolute step across it, in grey levels a pixel.

    A visible seam has more of it than real faces, a smear less.

    Args:
        faces: of a clip.
        opacity: of the painted part, in 0..1 [shape=(size, size)].
    """
    down, across = (np.asarray(part) for part in np.gradient(opacity))
    steepness = np.asarray(np.hypot(down, across))
    edge = steepness > steepness.max() / 2
    down, across = down[edge] / steepness[edge], across[edge] / steepness[edge]
    steps = []
    for face in faces:
        grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
        of_rows, of_columns = (np.asarray(part)[edge] for part in np.gradient(grey))
        steps.append(np.abs(of_rows * down + of_columns * across).mean())
    return float(np.mean(steps))


def psnr(real: np.ndarray | ArrayFile, generated: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each frame in dB [shape=(frames,)]; identical frames count as 100."""
    error = (np.asarray(real, np.float64) - generated) ** 2
    return 10 * np.log10(255**2 / np.maximum(error.mean(axis=(1, 2, 3)), 255**2 / 1e10))


def ssim(real: np.ndarray | ArrayFile, generated: np.ndarray) -> np.ndarray:
    """Structural similarity of each frame (Wang et al. 2004) [shape=(frames,)].

    The Gaussian window has 11 pixels, or what fits into a smaller picture.
    """
    from skimage.metrics import structural_similarity  # speaking does without this package

    edge = min(SSIM_EDGE, (min(real.shape[1:3]) - 1) // 2)
    options = {
        "gaussian_weights": True,
        "sigma": SSIM_DEVIATION * edge / SSIM_EDGE,
        "use_sample_covariance": False,
        "data_range": 255,
        "channel_axis": -1,
    }
    return np.array([structural_similarity(x, y, **options) for x, y in zip(real, generated, strict=True)])


def still_region(real: np.ndarray | ArrayFile) -> np.ndarray:
    """Where the real clip moves least: the calmer half of the pixels outside the mouth box [shape=(size, size)]."""
    deviation = np.asarray(real, np.float32).std(axis=0).mean(axis=-1)
    outside = np.ones_like(deviation, bool)
    outside[mouth_slices(real.shape[1])] = False
    return outside & (deviation <= np.median(deviation[outside]))


def flicker(
    faces: np.ndarray | ArrayFile, region: np.ndarray, numbers: np.ndarray | Sequence[int] | None = None
) -> float:
    """Mean absolute change from a frame to the very next one within a region, in grey levels.

    Args:
        faces: of a clip.
        region: bool [shape=(size, size)].
        numbers: `training.frames.frame_numbers` of the clip; None for one without dropped frames.

    Returns:
        float; 0 where no frame has a neighbour.
    """
    neighbours = np.diff(np.arange(len(faces)) if numbers is None else numbers) == 1
    changes = np.abs(np.diff(np.asarray(faces, np.float32), axis=0))[neighbours][:, region]
    return float(changes.mean()) if changes.size else 0.0
