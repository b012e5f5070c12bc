"""The light of a face: the refiner sees all faces in the light that it was trained in.

Light multiplies. The logarithm of brightness is compared with the usual one between the eyes and the mouth, where
nothing is hidden, and fitted for each colour by a constant and a slope from left to right. Differences as small as
those within a take stay as they are.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

CELLS = 16  # by which the side of a face is divided: the means of cells are compared
ROWS, COLUMNS = (5, 8), (3, 13)  # of cells: from the eyes to the mouth, without hair and background
DARK = 0.05  # of 1: what is added to brightness, whose logarithm is to be finite
SMALL = 0.05  # logarithm of light up to which no difference is taken back; from twice as much on, all of it is
OUTLIER = 0.1  # logarithm by which cells differ that show another thing, such as a lid, and count less
ROUNDS = 8


def design(places: np.ndarray) -> np.ndarray:
    """What the logarithm of light consists of at places from 0, left, to 1 [shape=(n, 2)]."""
    return np.stack([np.ones_like(places), 2 * places - 1], axis=-1).astype(np.float32)


@keras.saving.register_keras_serializable("audio2faces")
class Light(layers.Layer):
    """By what the pixels of faces are brighter than usual, in each colour and column.

    The input is faces [batch, size, size, 3] in [-1, 1]; the output is float32 [batch, 1, size, 3], 1 for the usual
    light, which `adapt` sets. What lies below ROWS, the mouth, is not read.

    Args:
        size: of the faces in pixels, at least CELLS.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.size = size
        shape = (ROWS[1] - ROWS[0], COLUMNS[1] - COLUMNS[0], 3)
        self.usual = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="usual")

    def adapt(self, face: np.ndarray) -> None:
        """Makes the light of a face [shape=(size, size, 3)], float32 in [-1, 1], the usual one."""
        self.usual.assign(self._logarithm(ops.convert_to_tensor(face[None]))[0])

    def call(self, faces: Any) -> Any:
        """Fits a line to each colour by least squares, less and less to outliers (Huber 1964)."""
        difference = self._logarithm(faces) - self.usual  # (B, rows, columns, 3)
        columns = design((np.arange(*COLUMNS) + 0.5) * (self.size // CELLS) / self.size)
        inverse, columns = (ops.convert_to_tensor(matrix) for matrix in (np.linalg.pinv(columns), columns))
        explained = difference
        for _ in range(ROUNDS):
            line = ops.matmul(inverse, ops.mean(explained, axis=1))  # (B, 2, 3)
            fitted = ops.expand_dims(ops.matmul(columns, line), 1)
            explained = fitted + ops.clip(difference - fitted, -OUTLIER, OUTLIER)
        size = ops.abs(line)
        line = ops.sign(line) * ops.minimum(size, 2 * ops.maximum(size - SMALL, 0))
        everywhere = ops.convert_to_tensor(design((np.arange(self.size) + 0.5) / self.size))
        return ops.exp(ops.expand_dims(ops.matmul(everywhere, line), 1))

    def _logarithm(self, faces: Any) -> Any:
        side = self.size // CELLS
        (top, bottom), (left, right) = (np.array(edges) * side for edges in (ROWS, COLUMNS))
        return ops.log(ops.average_pool((faces[:, top:bottom, left:right] + 1) / 2, side, side) + DARK)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """One row of a face."""
        batch, _, columns, colours = input_shape
        return batch, 1, columns, colours

    def get_config(self) -> dict[str, Any]:
        """The arguments, for a file."""
        return {**super().get_config(), "size": self.size}


def lit(faces: Any, light: Any) -> Any:
    """Faces in [-1, 1] whose brightness is multiplied by light, of a shape that fits."""
    return (faces + 1) * light - 1
