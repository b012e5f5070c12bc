"""A layer of refiners that were trained until November 2026, so that their files can still be read.

They saw no frame: they added to the moving face, around the mouth alone.
"""

from typing import Any

import cv2
import keras
import numpy as np
from keras import layers, ops

from preprocessing.faces.alignment import MOUTH_BOX

WINDOW = 0.5, 0.125  # of the face's side: they computed below the first, and so far from the left and right
MARGIN = 0.06  # of the face's side: they changed the mouth box and so much around it
FEATHER = 0.04  # standard deviation of the seam, in the same unit
NEARBY = 0.06  # so far around a place motion counts, in the same unit
HALF_OPEN = 0.015  # root mean square of motion, in pixels of [-1, 1], at which half of a change comes through


def mouth_mask(size: int) -> np.ndarray:
    """1 in the mouth box and MARGIN around it, fading over FEATHER to 0 [shape=(size, size, 1)], float32."""
    top, bottom, left, right = (round(edge * size) for edge in np.array(MOUTH_BOX) + np.array([-1, 1, -1, 1]) * MARGIN)
    mask = np.zeros((size, size), np.float32)
    mask[top:bottom, left:right] = 1
    return cv2.GaussianBlur(mask, (0, 0), FEATHER * size, borderType=cv2.BORDER_REPLICATE)[..., None]


@keras.saving.register_keras_serializable("audio2faces")
class MotionGate(layers.Layer):
    """Lets changes of a face through around the mouth, as far as the face moves there: a face at rest stays itself.

    Multiplies them by `mouth_mask` and by e / (e + HALF_OPEN^2), e being the mean square of the motion nearby.

    Args:
        size: of the faces, of which it gets what lies in `window`.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.size = size
        top, left = (int(edge * size) // 8 * 8 for edge in WINDOW)
        self.mask = mouth_mask(size)[top:, left : size - left]

    def call(self, inputs: list[Any]) -> Any:
        """The triple (changes, moving faces, references) [batch, rows, columns, 3] each -> the same shape."""
        changes, moving, reference = inputs
        energy = ops.mean(ops.square(moving - reference), axis=-1, keepdims=True)
        energy = ops.average_pool(energy, 2 * round(NEARBY * self.size) + 1, 1, padding="same")
        return changes * self.mask * energy / (energy + HALF_OPEN**2)

    def compute_output_shape(self, input_shape: list[tuple[None, int, int, int]]) -> tuple[None, int, int, int]:
        """That of the changes."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The arguments, for a file."""
        return {**super().get_config(), "size": self.size}
