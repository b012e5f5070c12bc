"""The details of a face, by which two faces are compared whatever their light."""

import cv2
import numpy as np

DETAIL = 1.5  # pixels: the standard deviation of a Gaussian; what is coarser is light, and not compared
DARK = 10  # grey levels added before the logarithm, in which light is added


def log_details(face: np.ndarray, side: int) -> np.ndarray:
    """The logarithm of a face's brightness without what is coarse.

    Args:
        face: in 0..255, RGB [shape=(size, size, 3)].
        side: pixels to which it is shrunk.

    Returns:
        float32 [shape=(side, side)].
    """
    small = cv2.resize(np.asarray(face, np.float32), (side, side), interpolation=cv2.INTER_AREA)
    logarithm = np.log(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) + DARK)
    return logarithm - cv2.GaussianBlur(logarithm, (0, 0), DETAIL)


def normalised(details: np.ndarray) -> np.ndarray:
    """The same values with length 1, so that products of two are correlations [shape=(values,)]."""
    return details.ravel() / max(np.linalg.norm(details), 1e-6)
