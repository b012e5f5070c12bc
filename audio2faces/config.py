"""The settings of a regressor and of its training, written as config.json beside the weights."""

from dataclasses import dataclass
from pathlib import Path

from began.settings import TrainingSettings
from preprocessing.audio_features import FeatureSettings

DEFAULT_MODEL = Path(__file__).parent.parent / "models" / "grid-s1"  # of generate.py and of the evaluation


@dataclass(frozen=True)
class RegressorConfig(TrainingSettings):
    """What a regressor is and how it is trained."""

    size: int = 64  # side of the face in pixels
    rows: int = 35  # of the MFCC map, 10 ms apart
    n_mfcc: int = 13  # coefficients of a row
    audio_widths: tuple = (128, 256, 256)  # channels of the audio network
    code_size: int = 128  # what the audio network hands to the decoder
    decoder_widths: tuple = (128, 96, 96)  # channels at 8, 16, 32 pixels
    noise: float = 0.3  # added to the standardised map in training
    dropout: float = 0.4
    mouth_weight: float = 8.0  # of a pixel in the mouth box, against 1 elsewhere
    steps: int = 12000
    batch_size: int = 64
    learning_rate: float = 1e-3  # Adam's first; it falls to zero along half a cosine
    evaluate_every: int = 1000  # steps between validations, each with a checkpoint and a picture
    precision: str = "auto"  # "mixed_bfloat16" where the processor has it, or "float32"
    seed: int = 0

    @property
    def feature_settings(self):
        """The `FeatureSettings` of the maps."""
        return FeatureSettings(rows=self.rows, n_mfcc=self.n_mfcc)


PRESETS = {
    "full": RegressorConfig(),
    "sample": RegressorConfig(steps=1200, batch_size=32, evaluate_every=200),
}
