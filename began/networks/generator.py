"""BEGAN's generator: a decoder, whose code is what the speech says and what it does not."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from began.config import BeganConfig
from began.networks.decoder import build_decoder, uniform_widths

BASE = "eigenfaces"  # the layer that makes the face that goes with z
SEEN = 64  # components of z, the strongest first, that the decoder sees where there is such a layer


@keras.saving.register_keras_serializable("began")
class LinearFace(layers.Layer):
    """The face that goes with z by least squares, z K + b: weights that no gradient changes, K kept in float16.

    Args:
        size: side of the face in pixels.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32", "trainable": False})
        self.size = size

    def build(self, input_shape: Sequence[int]) -> None:
        """Makes the weights."""
        pixels = 3 * self.size**2
        shape = (input_shape[-1], pixels)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer="zeros", dtype="float16", autocast=False, trainable=False
        )
        self.bias = self.add_weight(name="bias", shape=(pixels,), initializer="zeros", trainable=False)

    def call(self, z: Any) -> Any:
        """Makes faces [batch, size, size, 3] of z [batch, z_size]."""
        faces = ops.matmul(z, ops.cast(self.kernel, "float32")) + self.bias
        return ops.reshape(faces, (-1, self.size, self.size, 3))

    def get_config(self) -> dict[str, Any]:
        """The arguments, for a file."""
        return {**super().get_config(), "size": self.size}


def build_generator(config: BeganConfig) -> keras.Model:
    """The decoder of the joined codes; where z is of eigenfaces it adds to the face that goes with z.

    That face is made of the whole of z, the decoder then sees the first SEEN components of it: what it adds moves with
    the mouth, and the fewer it knows, the less it can infer from pose and light what it should take from the speech.

    Returns:
        `keras.Model` from [batch, code_size + z_size] (speech first) to faces [batch, size, size, 3].
    """
    of_speech = config.speech.code_size
    seen = min(SEEN, config.z_size) if config.has_base else config.z_size
    widths = uniform_widths(config.size, config.generator_n, config.sub_pixel)
    decoder = build_decoder(of_speech + seen, config.size, widths, skips=config.skips, sub_pixel=config.sub_pixel)
    if not config.has_base:
        return decoder
    code = keras.Input((of_speech + config.z_size,))
    base = LinearFace(config.size, name=BASE)(code[:, of_speech:])
    moved = decoder(code[:, : of_speech + seen])
    return keras.Model(code, layers.Add(dtype="float32")([moved, base]), name="generator")
