"""The decoder: from a code to a picture. Generator, discriminator and regressor have one."""

import keras
from keras import layers

from began.networks.blocks import depth_to_space, double_convolution

SMALLEST_SIDE = 8  # pixels of the first feature map


def uniform_widths(size: int, n: int, sub_pixel: bool) -> tuple[int, ...]:
    """The widths of a decoder that has n channels from 8 pixels up to the size, as in the paper."""
    return (n,) * ((size // SMALLEST_SIDE).bit_length() - sub_pixel)


def build_decoder(
    code_size: int, size: int, widths: tuple[int, ...], channels: int = 3, skips: bool = False, sub_pixel: bool = True
) -> keras.Model:
    """Dense to 8x8, blocks of two 3x3 ELU convolutions with nearest up-sampling between, a convolution to the picture.

    The blocks are those of BEGAN's generator (Berthelot et al., arXiv 1703.10717, figure 1). With `sub_pixel` the last
    doubling is left to a sub-pixel convolution (Shi et al., arXiv 1609.05158), which computes each 2x2 square of the
    picture from one place of the feature map: few channels at full resolution would cost most of the time
    (docs/development.md).

    Args:
        code_size: length of the code.
        size: side of the picture in pixels.
        widths: channels of each block, from 8 pixels up to the size (half of it with `sub_pixel`).
        channels: of the picture.
        skips: whether each block after an up-sampling sees the first feature map, too (section 3.5 there).
        sub_pixel: False computes the last block at full size, as in the paper.

    Returns:
        `keras.Model` from [batch, code_size] to [batch, size, size, channels], linear at the end, float32.

    Raises:
        ValueError: size and widths do not fit.
    """
    fitting = SMALLEST_SIDE * 2 ** (len(widths) - (not sub_pixel))
    if size != fitting:
        raise ValueError(f"{len(widths)} widths make a picture of {fitting} pixels, not {size}; give one per doubling")
    code = keras.Input((code_size,))
    x = layers.Dense(SMALLEST_SIDE * SMALLEST_SIDE * widths[0])(code)
    first = x = layers.Reshape((SMALLEST_SIDE, SMALLEST_SIDE, widths[0]))(x)  # (B, 8, 8, widths[0])
    for block, width in enumerate(widths):
        if block:
            x = layers.UpSampling2D(interpolation="nearest")(x)
            if skips:
                x = layers.Concatenate()([x, layers.UpSampling2D(2**block, interpolation="nearest")(first)])
        x = double_convolution(x, width)  # (B, 8 * 2**block, 8 * 2**block, width)
    if not sub_pixel:
        picture = layers.Conv2D(channels, 3, padding="same", dtype="float32")(x)
    else:
        picture = depth_to_space(layers.Conv2D(4 * channels, 3, padding="same", dtype="float32")(x))
    return keras.Model(code, picture, name="decoder")
