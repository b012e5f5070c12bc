"""BEGAN's generator: a decoder, whose code is what the speech says and what it does not."""

import keras
from keras import layers

from .decoder import build_decoder, uniform_widths
from .encoder import build_encoder

BASE = "eigenfaces"  # the layer that makes the face that goes with z


def build_generator(config):
    """The decoder of the joined codes; with `config.has_base` it adds to the face that goes with z.

    Args:
        config: `BeganConfig`.

    Returns:
        `keras.Model` from [batch, audio_code + z_size] (speech first) to faces [batch, size, size, 3].
    """
    decoder = build_decoder(
        config.audio_code + config.z_size,
        config.size,
        uniform_widths(config.size, config.generator_n, config.sub_pixel),
        skips=config.skips,
        sub_pixel=config.sub_pixel,
        vanishing=config.vanishing,
    )
    if not config.has_base:
        return decoder
    code = keras.Input((config.audio_code + config.z_size,))
    base = layers.Dense(3 * config.size**2, trainable=False, dtype="float32", name=BASE)(code[:, config.audio_code :])
    base = layers.Reshape((config.size, config.size, 3), dtype="float32")(base)
    return keras.Model(code, layers.Add(dtype="float32")([decoder(code), base]), name="generator")


def build_reference_encoder(config):
    """Finds the code z of a face whose mouth is covered: pose and colour, which cannot be heard.

    Args:
        config: `BeganConfig`.

    Returns:
        `keras.Model` from faces [batch, size, size, 3] to [batch, z_size].
    """
    return build_encoder(config.size, config.reference_n, config.z_size, sub_pixel=config.sub_pixel)
