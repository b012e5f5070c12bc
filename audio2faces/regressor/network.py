"""The regressor: from an MFCC map to the motion of the face, by mean squared error.

Motion is the face less the mean face of its clip, in units of [-1, 1] pixels. Pose and colour cast differ from clip to
clip, and speech does not determine them: what the regressor does not have to guess does not blur what it learns. A face
is a reference face plus the motion. The 2017 project's regressor makes the face itself.
"""

from typing import Any

import keras
from keras import layers, ops

from audio2faces.config import RegressorConfig
from audio2faces.regressor.linear_decoder import LINEAR_DECODER
from began.losses import weighted_error
from began.model import mouth_weights
from began.networks.audio_network import AUDIO_NETWORK, build_learned_audio_network
from began.networks.decoder import build_decoder, uniform_widths
from began.networks.inference import without_xla
from training.trainable import Batch, Trainable


class Regressor(Trainable):
    """A regressor and its loss, the mouth-weighted squared error of motion.

    A batch is a dictionary:
        speech: standardised maps [batch, rows, coefficients].
        motion: what it is to show [batch, motion_size, motion_size, 3].
    """

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__("regressor_in_training")
        self.config = config
        self.network = without_xla(build_regressor(config))
        self.mouth_weights = mouth_weights(config.motion_size, config.mouth_weight)
        self.built = True

    def start_from(self, encoder: keras.Model) -> None:
        """Gives the audio network the weights of a speech encoder, which no step changes if `config.frozen`."""
        audio_network = self.network.get_layer(AUDIO_NETWORK)
        audio_network.set_weights(encoder.get_weights())
        audio_network.trainable = not self.config.frozen

    def call(self, batch: Batch, training: bool = False) -> Any:
        """Motion [batch, motion_size, motion_size, 3]."""
        return self.network(batch["speech"], training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss over a batch."""
        return ops.mean(weighted_error(x["motion"], y_pred, self.mouth_weights))


def build_regressor(config: RegressorConfig) -> keras.Model:
    """The audio network and the decoder in a row; without `decoder_widths` the decoder is one linear layer.

    Returns:
        `keras.Model` from maps [batch, rows, coefficients] to motion [batch, motion_size, motion_size, 3].
    """
    speech = keras.Input(config.speech.map_shape)
    audio_network = build_learned_audio_network(config.speech)
    size, widths = config.motion_size, config.decoder_widths
    if not widths:
        code = audio_network(speech)
        motion = layers.Dense(size * size * 3, dtype="float32", name=LINEAR_DECODER)(code)
        return keras.Model(speech, layers.Reshape((size, size, 3))(motion), name="regressor")
    count = len(uniform_widths(size, 1, config.sub_pixel))
    widths = (widths + widths[-1:] * count)[:count]
    decoder = build_decoder(config.speech.code_size, size, widths, sub_pixel=config.sub_pixel)
    return keras.Model(speech, decoder(audio_network(speech)), name="regressor")
