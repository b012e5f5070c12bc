"""What encoders, decoders and refiners are made of: two 3x3 convolutions with ELU, sub-pixel ends."""

import keras
from keras import layers

from runtime.program import import_keras

import_keras()  # for its settings, also where the networks are used as a library


@keras.saving.register_keras_serializable("began")
class VanishingResidual(layers.Layer):
    """carry x + (1 - carry) y: a short cut that fades while the network learns (BEGAN, section 3.5).

    `carry` is a weight that no gradient changes; it starts at 1 and the training sets it, down to 0.
    """

    def build(self, input_shape):
        """Makes the weight."""
        self.carry = self.add_weight(name="carry", shape=(), initializer="ones", trainable=False)

    def call(self, inputs):
        """Mixes the pair (x, y) of the same shape."""
        x, y = inputs
        return self.carry * x + (1 - self.carry) * y


def space_to_depth(x):
    """Each 2x2 square as one place: [batch, height, width, c] -> [batch, height / 2, width / 2, 4 c]."""
    _, height, width, channels = x.shape
    x = layers.Reshape((height // 2, 2, width // 2, 2, channels))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Reshape((height // 2, width // 2, 4 * channels))(x)


def depth_to_space(x):
    """The inverse of `space_to_depth`, in float32 (the end of a sub-pixel convolution, arXiv 1609.05158)."""
    _, height, width, channels = x.shape
    x = layers.Reshape((height, width, 2, 2, channels // 4), dtype="float32")(x)
    x = layers.Permute((1, 3, 2, 4, 5), dtype="float32")(x)  # (B, height, 2, width, 2, channels / 4)
    return layers.Reshape((2 * height, 2 * width, channels // 4), dtype="float32")(x)


def double_convolution(x, width, strides=1, last_width=None, vanishing=False):
    """Two 3x3 ELU convolutions; the second may halve the map.

    Args:
        x: feature map [batch, side, side, channels].
        width: channels of the first convolution.
        strides: of the second; 2 halves the side.
        last_width: channels of the second; `width` if None.
        vanishing: whether a `VanishingResidual` leads past each convolution that keeps the shape.

    Returns:
        [batch, side / strides, side / strides, last_width].
    """
    for channels, stride in ((width, 1), (last_width or width, strides)):
        y = layers.Conv2D(channels, 3, strides=stride, padding="same", activation="elu")(x)
        x = VanishingResidual()([x, y]) if vanishing and y.shape == x.shape else y
    return x
