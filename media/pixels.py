"""Where the range of pixels is converted: uint8 in files and videos, [-1, 1] in networks.

`audio2faces.export.graph` does it once more, in a graph.
"""

import numpy as np
from numpy.typing import ArrayLike


def to_signed(pixels: ArrayLike) -> np.ndarray:
    """uint8 pixels 0..255 -> float32 in [-1, 1]."""
    return np.asarray(pixels, np.float32) / 127.5 - 1.0


def to_uint8(signed: ArrayLike) -> np.ndarray:
    """Float pixels in [-1, 1] (values beyond are clipped) -> uint8 0..255, rounded to the nearest level."""
    return np.clip(np.rint((np.asarray(signed, np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)
