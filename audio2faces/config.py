"""The settings of the final system's two networks and of their training, written as config.json; the presets."""

import dataclasses
from dataclasses import dataclass

from began.config import GAME_2017, BeganConfig
from training.settings import TrainingSettings

LARGEST_MOTION = 64  # pixels: larger faces get the motion of smaller ones, which the refiner sharpens


@dataclass(frozen=True)
class RegressorConfig(TrainingSettings):
    """What a regressor is and how it is trained."""

    size: int = 64  # side of the face in pixels

    # What is heard.
    features: str = "wider"  # a key of preprocessing.speech.audio_features.FEATURE_PRESETS
    standardised: bool = True  # maps in units of their deviation over the training speech
    audio_network: str = "time"  # "time": convolutions over time; "2017": its 3x3 convolutions
    audio_activation: str | None = "elu"  # of the 2017 network
    audio_widths: tuple = (128, 256, 256)  # channels of its convolutions
    audio_code: int = 128  # what it hands to the decoder
    noise: float = 0.3  # added to the standardised map in training
    dropout: float = 0.2
    versions: int = 8  # of each clip's speech in other rooms, microphones and voices; 0: as it is alone
    changed: float = 0.5  # share of frames that hear one of these versions
    unvoiced: float = 0.05  # share of frames that hear noise or silence and are to show the face at rest

    # What is seen.
    motion: bool = True  # learns the face less its clip's mean; False: the face itself
    idle: int = 24  # components of the motion that is left, which cannot be heard
    covered: float = 0.62  # of a face what is above this share of its side tells the idle motion
    decoder_widths: tuple = (128, 96, 96)  # channels at 8, 16, 32 pixels, and so on with the last
    sub_pixel: bool = True  # half the size inside, a sub-pixel convolution at the end
    mouth_weight: float = 8.0  # of a pixel in the mouth box, against 1 elsewhere

    # Training.
    steps: int = 8000
    batch_size: int = 64
    learning_rate: float = 1e-3  # Adam's first; it falls to zero along half a cosine
    evaluate_every: int = 1000  # steps between validations, each with a checkpoint and a picture
    precision: str = "auto"  # "mixed_bfloat16" where the processor has it, or "float32"
    seed: int = 0

    @property
    def motion_size(self):
        """Side in pixels of what the regressor makes."""
        return min(self.size, LARGEST_MOTION) if self.motion else self.size


@dataclass(frozen=True)
class RefinerConfig(BeganConfig):
    """What a refiner and its discriminator are and how they are trained: a BEGAN whose generator sees a face."""

    features: str = "wider"  # the regressor's
    network: str = "unet"  # "unet", or "2017": residual blocks at full size, which sees the blurred face alone
    judged: str = "mouth"  # what the discriminator sees: "mouth", a quarter of the face around it, or all of the "face"
    conditional: bool = True  # it hears the speech: no face with another mouth will do
    mismatched: float = 0.3  # weight of real faces with foreign speech among its negatives
    z_source: str = "none"
    z_size: int = 0
    audio_code: int = 32  # of the speech, for the discriminator
    audio_widths: tuple = (32, 64, 64)
    noise: float = 0.3
    generator_n: int = 48
    adversarial: float = 0.0  # weight of L(G); 0: there is no discriminator
    paired: float = 5.0  # weight of (x - G)^2
    coarse: float = 20.0  # weight of the same of both faces made small
    mouth_weight: float = 8.0
    temporal: float = 1.0  # weight of the error of the change from one frame to the next, against that of a frame
    detail: float = 10.0  # weight of the error of the strength of detail
    clipping: float = 1.0
    steps: int = 6000
    learning_rate: float = 3e-4
    patience: int = 0
    decay_every: int = 2000
    evaluate_every: int = 500


@dataclass(frozen=True)
class SystemConfig:
    """The two stages of the final system."""

    regressor: RegressorConfig
    refiner: RefinerConfig

    def with_settings(self, stages, **settings):
        """The same with other settings in some stages."""
        return dataclasses.replace(
            self, **{stage: dataclasses.replace(getattr(self, stage), **settings) for stage in stages}
        )


STAGES = ("regressor", "refiner")
_2017 = SystemConfig(
    RegressorConfig(
        features="2017-networks",
        standardised=False,
        audio_network="2017",
        audio_activation="leaky_relu",
        audio_widths=(64, 128, 256, 512),
        audio_code=256,
        noise=0.0,
        dropout=0.0,
        versions=0,
        unvoiced=0.0,
        motion=False,
        idle=0,
        decoder_widths=(64, 64, 64, 64),
        sub_pixel=False,
        mouth_weight=1.0,
        steps=8000,
        batch_size=16,
        learning_rate=4e-5,
    ),
    RefinerConfig(
        **GAME_2017,
        network="2017",
        judged="face",
        conditional=False,
        mismatched=0.0,
        audio_code=0,
        paired=0.01 * 127.5**2,
        mouth_weight=1.0,
        coarse=0.0,
        temporal=0.0,
        detail=0.0,
        clipping=0.0,
        batch_size=1,
        learning_rate=4e-5,
        decay_every=0,
    ),
)
PRESETS = {
    "full": SystemConfig(RegressorConfig(), RefinerConfig()),
    "sample": SystemConfig(
        RegressorConfig(steps=1200, batch_size=32, evaluate_every=200, versions=2),
        RefinerConfig(steps=200, generator_n=24, evaluate_every=100),
    ),
    "2017": _2017,
}
