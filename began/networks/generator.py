"""BEGAN's generator: a decoder, whose code is what the speech says and what it does not."""

import keras
from keras import layers, ops

from began.networks.decoder import build_decoder, uniform_widths
from began.networks.encoder import build_encoder

BASE = "eigenfaces"  # the layer that makes the face that goes with z


@keras.saving.register_keras_serializable("began")
class LinearFace(layers.Layer):
    """The face that goes with z by least squares, z K + b: weights that no gradient changes, K kept in float16.

    Args:
        size: side of the face in pixels.
    """

    def __init__(self, size, **options):
        super().__init__(**{**options, "dtype": "float32", "trainable": False})
        self.size = size

    def build(self, input_shape):
        """Makes the weights."""
        pixels = 3 * self.size**2
        shape = (input_shape[-1], pixels)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer="zeros", dtype="float16", autocast=False, trainable=False
        )
        self.bias = self.add_weight(name="bias", shape=(pixels,), initializer="zeros", trainable=False)

    def call(self, z):
        """Makes faces [batch, size, size, 3] of z [batch, z_size]."""
        faces = ops.matmul(z, ops.cast(self.kernel, "float32")) + self.bias
        return ops.reshape(faces, (-1, self.size, self.size, 3))

    def get_config(self):
        """The arguments, for a file."""
        return {**super().get_config(), "size": self.size}


def build_generator(config):
    """The decoder of the joined codes; with `config.has_base` it adds to the face that goes with z.

    That face is made of the whole of z, the decoder then sees the first `config.z_seen` components of it: what it adds
    moves with the mouth, and the fewer it knows, the less it can read off pose and light what it should hear.

    Args:
        config: `BeganConfig`.

    Returns:
        `keras.Model` from [batch, audio_code + z_size] (speech first) to faces [batch, size, size, 3].
    """
    seen = min(config.z_seen, config.z_size) if config.has_base else config.z_size
    decoder = build_decoder(
        config.audio_code + seen,
        config.size,
        uniform_widths(config.size, config.generator_n, config.sub_pixel),
        skips=config.skips,
        sub_pixel=config.sub_pixel,
        vanishing=config.vanishing,
    )
    if not config.has_base:
        return decoder
    code = keras.Input((config.audio_code + config.z_size,))
    base = LinearFace(config.size, name=BASE)(code[:, config.audio_code :])
    moved = decoder(code[:, : config.audio_code + seen])
    return keras.Model(code, layers.Add(dtype="float32")([moved, base]), name="generator")


def build_reference_encoder(config):
    """Finds the code z of a face whose mouth is covered: pose and colour, which cannot be heard.

    Args:
        config: `BeganConfig`.

    Returns:
        `keras.Model` from faces [batch, size, size, 3] to [batch, z_size].
    """
    return build_encoder(config.size, config.reference_n, config.z_size, sub_pixel=config.sub_pixel)
