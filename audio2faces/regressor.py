"""The regressor: from an MFCC map to the motion of the face, by mean squared error.

Motion is the face less the mean face of its clip, in units of [-1, 1] pixels. Pose and colour cast differ from clip to
clip and cannot be heard: what the regressor does not have to guess does not blur what it learns. A face is the
reference frame plus the motion.
"""

import keras
import numpy as np
from keras import ops

from began.audio_network import build_audio_network
from began.decoder import build_decoder
from preprocessing.alignment import mouth_slices


def build_regressor(config):
    """The audio network and the decoder in a row.

    Args:
        config: `RegressorConfig`.

    Returns:
        `keras.Model` from standardised maps [batch, rows, n_mfcc] to motion [batch, size, size, 3].
    """
    speech = keras.Input((config.rows, config.n_mfcc))
    audio_network = build_audio_network(
        config.rows, config.n_mfcc, config.audio_widths, config.code_size, config.dropout, config.noise
    )
    decoder = build_decoder(config.code_size, config.size, config.decoder_widths)
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
        weights = np.ones((size, size, 1), np.float32)
        weights[mouth_slices(size)] = mouth_weight
        self.weights = weights / weights.mean()

    def call(self, real, generated):
        """Losses [batch] of pictures [batch, size, size, 3]."""
        return ops.mean(self.weights * ops.square(real - generated), axis=(1, 2, 3))

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "size": self.size, "mouth_weight": self.mouth_weight}
