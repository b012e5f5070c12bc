"""The settings of a speech encoder and of its training, written as config.json into the run; the presets."""

from dataclasses import dataclass

from runtime.program import InputError
from training.config import Config, SpeechConfig, TrainingConfig


@dataclass(frozen=True)
class SpeechEncoderConfig(Config):
    """What a speech encoder is and how it is trained. The defaults are the preset `full`."""

    speech: SpeechConfig = SpeechConfig("wider", widths=(128, 256, 256), code_size=128, dropout=0.2)
    augmented_frames: int = 36000  # of each speaker: the fewer clips, the more versions of each
    most_versions: int = 24
    shared: float = 1.0  # weight of the output that all speakers share, against those of each alone
    training: TrainingConfig = TrainingConfig(steps=12000, batch_size=64, learning_rate=1e-3, evaluate_every=1000)

    def __post_init__(self) -> None:
        if not self.speech.code_size:
            raise InputError("a speech encoder needs speech: speech.code_size is 0")


PRESETS = {
    "full": SpeechEncoderConfig(),
    "sample": SpeechEncoderConfig().updated(
        augmented_frames=4000, training={"steps": 600, "batch_size": 32, "evaluate_every": 200}
    ),
}
