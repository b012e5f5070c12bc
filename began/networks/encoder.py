"""The encoder: from a picture to a code, for the discriminator and for references."""

import keras
from keras import layers

from began.networks.blocks import double_convolution, space_to_depth
from began.networks.decoder import SMALLEST_SIDE


def build_encoder(size: int, n: int, code_size: int | None, channels: int = 3, sub_pixel: bool = False) -> keras.Model:
    """3x3 ELU convolutions whose channels grow by n with every halving, then dense to the code, linear.

    That is the encoder of BEGAN (Berthelot et al., arXiv 1703.10717, figure 1).

    Args:
        size: side of the picture in pixels, 8 times a power of two.
        n: channels at full size; 2n after the first halving, 3n after the second, ...
        code_size: length of the code; None gives the flattened last map.
        channels: of the picture.
        sub_pixel: turns each 2x2 square of the picture into one place of four times the channels first, the mirror
            image of the decoder's end: one halving less to compute.

    Returns:
        `keras.Model` from [batch, size, size, channels] to [batch, code_size], float32.

    Raises:
        ValueError: the size cannot be halved down to 8 pixels.
    """
    side = size // 2 if sub_pixel else size
    if size % SMALLEST_SIDE or side < SMALLEST_SIDE or side & (side - 1):
        raise ValueError(f"a picture of {size} pixels cannot be halved down to {SMALLEST_SIDE}; give 32, 64, 128, 256")
    x = picture = keras.Input((size, size, channels))
    if sub_pixel:
        x = space_to_depth(x)  # (B, size / 2, size / 2, 4 * channels)
    x = layers.Conv2D(n, 3, padding="same", activation="elu")(x)
    width = n
    while side > SMALLEST_SIDE:
        x = double_convolution(x, width, strides=2, last_width=width + n)
        side, width = side // 2, width + n  # (B, side, side, width)
    x = layers.Flatten()(double_convolution(x, width))
    code = layers.Dense(code_size, dtype="float32")(x) if code_size else layers.Activation("linear", dtype="float32")(x)
    return keras.Model(picture, code, name="encoder")
