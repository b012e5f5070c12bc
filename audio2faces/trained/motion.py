"""Motion of a face, and how a larger face gets the motion of a smaller one."""

from functools import lru_cache
from typing import Any

import numpy as np


def add_motion(reference: Any, motion: Any, xp: Any = np) -> Any:
    """A face that moves: the reference plus the motion, which is scaled up to its size.

    Bicubic: of the movement of mouths of 128 pixels that were made 64 it leaves .95, bilinear interpolation .89.

    Args:
        reference: in [-1, 1] [batch or 1, size, size, 3].
        motion: [batch, motion_size, motion_size, 3].
        xp: what computes: NumPy, or `keras.ops`.

    Returns:
        [batch, size, size, 3] in about [-1, 1].
    """
    size = reference.shape[1]
    if motion.shape[1] != size:
        matrix = bicubic(motion.shape[1], size)
        planes = xp.transpose(motion, (0, 3, 1, 2))
        motion = xp.transpose(xp.matmul(xp.matmul(matrix, planes), matrix.T), (0, 2, 3, 1))
    return reference + motion


@lru_cache
def bicubic(size: int, larger: int) -> np.ndarray:
    """Bicubic interpolation along an axis (Keys, IEEE Trans. ASSP 29, 1981, a = -1/2) as a matrix.

    A product of matrices is what every runtime has, which is not true of bicubic resizing.

    Args:
        size: of the axis.
        larger: of the longer one; both cover the same stretch.

    Returns:
        float32 [shape=(larger, size)].
    """
    places = (np.arange(larger) + 0.5) * size / larger - 0.5
    away = np.abs(places[:, None] - np.arange(size))
    near, far = (1.5 * away - 2.5) * away**2 + 1, ((2.5 - 0.5 * away) * away - 4) * away + 2
    weights = np.where(away < 1, near, np.where(away < 2, far, 0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
