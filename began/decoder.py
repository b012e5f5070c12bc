"""The decoder: from a code to a picture."""

import keras
from keras import layers

SMALLEST_SIDE = 8  # pixels of the first feature map


def build_decoder(code_size, size, widths, channels=3):
    """Dense to 8x8, then blocks of two 3x3 ELU convolutions with nearest up-sampling between them.

    The layout of BEGAN's generator (Berthelot et al., arXiv 1703.10717, figure 1), with a width for each resolution:
    most of the arithmetic lies in the last block, where a few channels do.

    Args:
        code_size: length of the code.
        size: side of the picture in pixels, 8 * 2 ** (len(widths) - 1).
        widths: channels of each block, coarse to fine.
        channels: of the picture.

    Returns:
        `keras.Model` from [batch, code_size] to [batch, size, size, channels], linear at the end.

    Raises:
        ValueError: size and widths do not fit.
    """
    if size != SMALLEST_SIDE * 2 ** (len(widths) - 1):
        fitting = SMALLEST_SIDE * 2 ** (len(widths) - 1)
        raise ValueError(f"{len(widths)} widths make a picture of {fitting} pixels, not {size}; give one per doubling")
    code = keras.Input((code_size,))
    x = layers.Dense(SMALLEST_SIDE * SMALLEST_SIDE * widths[0])(code)
    x = layers.Reshape((SMALLEST_SIDE, SMALLEST_SIDE, widths[0]))(x)  # (B, 8, 8, widths[0])
    for block, width in enumerate(widths):
        if block:
            x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Conv2D(width, 3, padding="same", activation="elu")(x)
        x = layers.Conv2D(width, 3, padding="same", activation="elu")(x)  # (B, 8 * 2**block, 8 * 2**block, width)
    picture = layers.Conv2D(channels, 3, padding="same", dtype="float32")(x)
    return keras.Model(code, picture, name="decoder")
