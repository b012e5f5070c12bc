"""The decoder: from a code to a picture."""

import keras
from keras import layers

SMALLEST_SIDE = 8  # pixels of the first feature map


def build_decoder(code_size, size, widths, channels=3):
    """Dense to 8x8, blocks of two 3x3 ELU convolutions with nearest up-sampling between, a sub-pixel convolution.

    The blocks are those of BEGAN's generator (Berthelot et al., arXiv 1703.10717, figure 1). The last doubling is left
    to a sub-pixel convolution (Shi et al., arXiv 1609.05158), which computes each 2x2 square of the picture from one
    place of the feature map: few channels at full resolution would cost most of the time (docs/development.md).

    Args:
        code_size: length of the code.
        size: side of the picture in pixels, 8 * 2 ** len(widths).
        widths: channels of each block, from 8 pixels up to half the size.
        channels: of the picture.

    Returns:
        `keras.Model` from [batch, code_size] to [batch, size, size, channels], linear at the end.

    Raises:
        ValueError: size and widths do not fit.
    """
    if size != SMALLEST_SIDE * 2 ** len(widths):
        fitting = SMALLEST_SIDE * 2 ** len(widths)
        raise ValueError(f"{len(widths)} widths make a picture of {fitting} pixels, not {size}; give one per doubling")
    half = size // 2
    code = keras.Input((code_size,))
    x = layers.Dense(SMALLEST_SIDE * SMALLEST_SIDE * widths[0])(code)
    x = layers.Reshape((SMALLEST_SIDE, SMALLEST_SIDE, widths[0]))(x)  # (B, 8, 8, widths[0])
    for block, width in enumerate(widths):
        if block:
            x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Conv2D(width, 3, padding="same", activation="elu")(x)
        x = layers.Conv2D(width, 3, padding="same", activation="elu")(x)  # (B, 8 * 2**block, 8 * 2**block, width)
    x = layers.Conv2D(4 * channels, 3, padding="same", dtype="float32")(x)  # (B, half, half, 2 * 2 * channels)
    x = layers.Reshape((half, half, 2, 2, channels), dtype="float32")(x)
    x = layers.Permute((1, 3, 2, 4, 5), dtype="float32")(x)  # (B, half, 2, half, 2, channels)
    picture = layers.Reshape((size, size, channels), dtype="float32")(x)
    return keras.Model(code, picture, name="decoder")
