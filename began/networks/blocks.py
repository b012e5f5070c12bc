"""What encoders, decoders and refiners are made of: two 3x3 convolutions with ELU, sub-pixel ends."""

from typing import Any

from keras import layers

from runtime.backend import import_keras

import_keras()  # for its settings, also where the networks are used as a library


def space_to_depth(x: Any) -> Any:
    """Each 2x2 square as one place: [batch, height, width, c] -> [batch, height / 2, width / 2, 4 c]."""
    _, height, width, channels = x.shape
    x = layers.Reshape((height // 2, 2, width // 2, 2, channels))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Reshape((height // 2, width // 2, 4 * channels))(x)


def depth_to_space(x: Any) -> Any:
    """The inverse of `space_to_depth`, in float32 (the end of a sub-pixel convolution, arXiv 1609.05158)."""
    _, height, width, channels = x.shape
    x = layers.Reshape((height, width, 2, 2, channels // 4), dtype="float32")(x)
    x = layers.Permute((1, 3, 2, 4, 5), dtype="float32")(x)  # (B, height, 2, width, 2, channels / 4)
    return layers.Reshape((2 * height, 2 * width, channels // 4), dtype="float32")(x)


def double_convolution(x: Any, width: int, strides: int = 1, last_width: int | None = None) -> Any:
    """Two 3x3 ELU convolutions; the second may halve the map.

    Args:
        x: feature map [batch, side, side, channels].
        width: channels of the first convolution.
        strides: of the second; 2 halves the side.
        last_width: channels of the second; `width` if None.

    Returns:
        [batch, side / strides, side / strides, last_width].
    """
    for channels, stride in ((width, 1), (last_width or width, strides)):
        x = layers.Conv2D(channels, 3, strides=stride, padding="same", activation="elu")(x)
    return x
