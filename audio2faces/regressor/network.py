"""The regressor: from an MFCC map to the motion of the face, by mean squared error.

Motion is the face less the mean face of its clip, in units of [-1, 1] pixels. Pose and colour cast differ from clip to
clip and cannot be heard: what the regressor does not have to guess does not blur what it learns. A face is a reference
face plus the motion. The 2017 project's regressor makes the face itself.
"""

from functools import lru_cache

import keras
import numpy as np
from keras import ops

from began.model import mouth_weights
from began.networks.audio_network import learned_audio_network_of
from began.networks.decoder import build_decoder, uniform_widths


def build_regressor(config):
    """The audio network and the decoder in a row.

    Args:
        config: `RegressorConfig`.

    Returns:
        `keras.Model` from maps [batch, rows, coefficients] to motion [batch, motion_size, motion_size, 3].
    """
    speech = keras.Input((config.rows, config.coefficients))
    audio_network = learned_audio_network_of(config)
    size, widths = config.motion_size, config.decoder_widths
    count = len(uniform_widths(size, 1, config.sub_pixel))
    widths = (widths + widths[-1:] * count)[:count]
    decoder = build_decoder(config.audio_code, size, widths, sub_pixel=config.sub_pixel)
    return keras.Model(speech, decoder(audio_network(speech)), name="regressor")


@keras.saving.register_keras_serializable("audio2faces")
class MouthWeightedError(keras.losses.Loss):
    """Mean squared error over pixels, in which those of the mouth box count `mouth_weight` times.

    sum(w (x - y)^2) / sum(w) over rows, columns and channels; then the mean over the batch.

    Args:
        size: side of the faces in pixels.
        mouth_weight: w inside the mouth box; 1 outside.
    """

    def __init__(self, size, mouth_weight, **options):
        super().__init__(**{"name": "mouth_weighted_error", **options})
        self.size, self.mouth_weight = size, mouth_weight
        self.weights = mouth_weights(size, mouth_weight)

    def call(self, real, generated):
        """Losses [batch] of pictures [batch, size, size, 3]."""
        return ops.mean(self.weights * ops.square(real - generated), axis=(1, 2, 3))

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "size": self.size, "mouth_weight": self.mouth_weight}


def add_motion(reference, motion):
    """A face that moves: the reference plus the motion, which is scaled up to its size.

    Bicubic: of the movement of mouths of 128 pixels that were made 64 it leaves .95, bilinear interpolation .89.

    Args:
        reference: in [-1, 1] [batch or 1, size, size, 3].
        motion: [batch, motion_size, motion_size, 3].

    Returns:
        [batch, size, size, 3] in about [-1, 1].
    """
    size = reference.shape[1]
    if motion.shape[1] != size:
        matrix = bicubic(motion.shape[1], size)
        planes = ops.transpose(motion, (0, 3, 1, 2))
        motion = ops.transpose(ops.matmul(ops.matmul(matrix, planes), matrix.T), (0, 2, 3, 1))
    return reference + motion


@lru_cache
def bicubic(size, larger):
    """Bicubic interpolation along an axis (Keys, IEEE Trans. ASSP 29, 1981, a = -1/2) as a matrix.

    A product of matrices is what every runtime has, which is not true of bicubic resizing.

    Args:
        size: of the axis.
        larger: of the longer one; both cover the same stretch.

    Returns:
        float32 [shape=(larger, size)].
    """
    places = (np.arange(larger) + 0.5) * size / larger - 0.5
    away = np.abs(places[:, None] - np.arange(size))
    near, far = (1.5 * away - 2.5) * away**2 + 1, ((2.5 - 0.5 * away) * away - 4) * away + 2
    weights = np.where(away < 1, near, np.where(away < 2, far, 0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
