"""The part of an aligned face that the refiner paints, what it must not see of a frame, and the part above both.

The painted part is an ellipse around mouth and chin. What is hidden is a little more: all that any of it shows through,
and all below it, so that neither the edge of the mask nor the chin tells how far the mouth of the frame is open.
"""

from functools import lru_cache

import cv2
import numpy as np

# In units of the side of the crop.
CENTRE, RADII = (0.5, 0.79), (0.25, 0.185)
FEATHER = 0.025  # standard deviation of the edge
HIDDEN = 1 / 512  # opacity from which a pixel is hidden: half a grey level of 255
UPPER = 0.55  # share of the face above the mouth
SMALL = 32  # pixels of the faces whose upper parts are compared


def ellipse_mask(size: int, centre: tuple[float, float], radii: tuple[float, float], feather: float) -> np.ndarray:
    """1 within an ellipse, fading to 0 outside of it and at the edge of the crop.

    Args:
        size: of the face in pixels.
        centre: across and down, in units of that size.
        radii: across and down, in the same unit.
        feather: standard deviation of the edge, in the same unit.

    Returns:
        float32 [shape=(size, size)].
    """
    mask: np.ndarray = np.zeros((size, size), np.float32)
    middle, axes = ([round(size * part) for part in parts] for parts in (centre, radii))
    cv2.ellipse(mask, middle, axes, 0, 0, 360, 1.0, cv2.FILLED)
    mask = cv2.GaussianBlur(mask, (0, 0), feather * size, borderType=cv2.BORDER_CONSTANT)
    rim = np.minimum(np.arange(size), np.arange(size)[::-1]) / (2 * feather * size)
    return (mask * np.minimum(1, np.minimum(rim[:, None], rim[None]))).astype(np.float32)


@lru_cache
def painted_mask(size: int) -> np.ndarray:
    """Opacity of the painted part: 1 within, 0 outside and at the edge of the crop.

    Returns:
        float32, not to be written to [shape=(size, size, 1)].
    """
    mask = ellipse_mask(size, CENTRE, RADII, FEATHER)
    mask = np.where(mask < HIDDEN, 0, np.where(mask > 1 - HIDDEN, 1, mask)).astype(np.float32)[..., None]
    mask.flags.writeable = False
    return mask


def hidden_mask(size: int) -> np.ndarray:
    """1 where the frame is hidden, 0 elsewhere, float32 [shape=(size, size, 1)]: the painted part and all below it."""
    return np.maximum.accumulate((painted_mask(size) > 0).astype(np.float32), axis=0)


def upper_face(face: np.ndarray) -> np.ndarray:
    """The part above the mouth, small and grey, by which poses and lids are compared: uint8 [shape=(18, 32)].

    Args:
        face: aligned, uint8 RGB [shape=(size, size, 3)].
    """
    grey = cv2.cvtColor(face[: round(UPPER * len(face))], cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SMALL, round(UPPER * SMALL)), interpolation=cv2.INTER_AREA)
