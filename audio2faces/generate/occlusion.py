"""Whether the mouth of a frame is occluded, as by a hand or a caption: no mouth is painted over that.

The refiner does not see the lower face of the frame. It paints the one that belongs there, in the pose and the light of
the frame. Where the frame shows something else, the mouth is occluded. The two are compared in few pixels: a mouth that
is open in one and shut in the other is a small part of them.
"""

import cv2
import numpy as np

from audio2faces.face_details import log_details, normalised
from audio2faces.lower_face import painted_mask

SIDE = 16  # pixels in which the two faces are compared
LIPS, RADII = (0.5, 0.77), (0.17, 0.11)  # the ellipse in which mouths differ, in units of the side of the crop
# Where the painted face begins to fade, and where nothing is left of it, chosen with `python -m benchmarks.occlusion`.
ALIKE, UNLIKE = 0.6, 0.45  # correlation of the details
NEAR, FAR = 8.0, 9.5  # grey levels by which the colours around the lips differ


def visibility(painted: np.ndarray, filmed: np.ndarray) -> float:
    """How much of a painted mouth is to be shown: 1 where the mouth of the frame is visible, 0 where it is occluded.

    Args:
        painted: the aligned face with its painted mouth, uint8 RGB [shape=(size, size, 3)].
        filmed: the aligned face of the frame, same shape.
    """
    details = (alikeness(painted, filmed) - UNLIKE) / (ALIKE - UNLIKE)
    colours = (FAR - colour_difference(painted, filmed)) / (FAR - NEAR)
    return float(np.clip(min(details, colours), 0, 1))


def alikeness(painted: np.ndarray, filmed: np.ndarray) -> float:
    """Correlation of the details of two lower faces, whatever their light."""
    weights = _small(painted_mask(len(painted))[..., 0])
    one, other = (_details(face, weights) for face in (painted, filmed))
    return float(one @ other)


def colour_difference(painted: np.ndarray, filmed: np.ndarray) -> float:
    """Mean difference of two lower faces around the lips in grey levels, less what is the same everywhere."""
    mask = painted_mask(len(painted))[..., 0]
    around = _small(mask * (1 - _lips(len(painted))))
    difference = _small(painted.astype(np.float32)) - _small(filmed.astype(np.float32))
    difference -= np.average(difference, axis=(0, 1), weights=around)
    return float(np.average(np.abs(difference).mean(axis=-1), weights=around))


def _details(face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of mean 0 and length 1 [shape=(values,)]."""
    details = log_details(face, SIDE)
    return normalised((details - np.average(details, weights=weights)) * np.sqrt(weights))


def _lips(size: int) -> np.ndarray:
    mask: np.ndarray = np.zeros((size, size), np.float32)
    centre, radii = (tuple(round(size * part) for part in parts) for parts in (LIPS, RADII))
    return cv2.ellipse(mask, centre, radii, 0, 0, 360, 1.0, cv2.FILLED)


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
