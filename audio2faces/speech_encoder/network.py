"""The speech encoder in training: an audio network, an output that all speakers share, and outputs of each speaker.

Each speaker's mouth moves along components of its own, the first of which is nearly how far it is open. The shared
output learns that one from all voices alike, which makes the code say what a mouth does rather than who speaks. A
speaker's own outputs keep in the code what the shared one leaves out.
"""

from typing import Any

from keras import layers, ops

from audio2faces.speech_encoder.config import SpeechEncoderConfig
from began.networks.audio_network import build_learned_audio_network
from began.networks.inference import without_xla
from measures.mouth import COMPONENTS
from training.trainable import Batch, Trainable


class SpeechEncoder(Trainable):
    """An audio network with the outputs that it is trained by, and their loss.

    A batch is a dictionary:
        speech: standardised maps [batch, rows, coefficients].
        mouth: its motion along its components [batch, COMPONENTS], in units of the first one's deviation.
        speaker: whose it is, integers [batch].

    Args:
        config: its settings.
        speakers: how many there are.
    """

    watched = ("loss", "shared_loss", "speaker_loss")

    def __init__(self, config: SpeechEncoderConfig, speakers: int) -> None:
        super().__init__("speech_encoder_in_training")
        self.config, self.speakers = config, speakers
        self.audio_network = without_xla(build_learned_audio_network(config.speech))
        self.shared = layers.Dense(1, dtype="float32", name="shared")
        self.of_speakers = layers.Dense(speakers * COMPONENTS, dtype="float32", name="of_speakers")
        for output in (self.shared, self.of_speakers):
            output.build((None, config.speech.code_size))
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> Any:
        """The shared output [batch, 1], and those of every speaker [batch, speakers, COMPONENTS]."""
        code = self.audio_network(batch["speech"], training=training)
        return self.shared(code), ops.reshape(self.of_speakers(code), (-1, self.speakers, COMPONENTS))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Squared errors of the shared output, and of the speaker's own."""
        shared, of_speakers = y_pred
        chosen = ops.one_hot(x["speaker"], self.speakers, dtype="float32")[:, :, None]
        shared_loss = ops.mean(ops.square(shared[:, 0] - x["mouth"][:, 0]))
        errors = ops.square(ops.sum(of_speakers * chosen, axis=1) - x["mouth"])
        speaker_loss = ops.mean(ops.sum(errors, axis=1))
        self.report(shared_loss=shared_loss, speaker_loss=speaker_loss)
        return self.config.shared * shared_loss + speaker_loss / 2
