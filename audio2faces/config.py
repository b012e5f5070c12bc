"""The settings of the final system's two networks and of their training, written as config.json; the presets."""

from dataclasses import dataclass
from typing import Any, TypeVar

from audio2faces.published import DEFAULT_ENCODER
from began.config import NO_BOTTLENECK, WIDE_ERRORS, AdversaryConfig, BeganConfig
from runtime.errors import InputError
from training.config import Config, SpeechConfig, TrainingConfig

LARGEST_MOTION = 64  # pixels: larger faces get the motion of smaller ones, which the refiner sharpens
REFINERS = ("unet", "2017")
FEW = 0.75  # minutes of training speech below which a speech encoder that is adapted follows less well
LITTLE = 5.0  # minutes of it below which the default is a training of minutes


# What a regressor and a speech encoder hear, and the audio network that they share.
ENCODER_SPEECH = SpeechConfig("wider", widths=(128, 256, 256), code_size=128, dropout=0.2)


@dataclass(frozen=True)
class RegressorConfig(Config):
    """What a regressor is and how it is trained."""

    size: int = 64  # side of the face in pixels
    speech: SpeechConfig = ENCODER_SPEECH
    encoder: str = ""  # speech encoder that training starts from: a published one's name, or a folder; "": none
    frozen: bool = False  # its weights stay as they are
    adapted: float = 0.5  # where it is adapted: share of the adapted weights in the mean with those it starts from
    versions: int = 8  # of each clip's speech in other rooms, microphones and voices; 0: as it is alone
    motion: bool = True  # learns the face less its clip's mean; False: the face itself
    decoder_widths: tuple = (128, 96, 96)  # channels at 8, 16, 32 pixels, and so on with the last; (): linear
    sub_pixel: bool = True  # half the size inside, a sub-pixel convolution at the end
    mouth_weight: float = 8.0  # of a pixel in the mouth box, against 1 elsewhere
    training: TrainingConfig = TrainingConfig(steps=8000, batch_size=64, learning_rate=1e-3)

    def __post_init__(self) -> None:
        if not self.speech.code_size:
            raise InputError("a regressor needs speech: speech.code_size is 0")
        if self.frozen and not self.encoder:
            raise InputError("frozen: there is no speech encoder to freeze; name one")
        if not self.decoder_widths and not (self.encoder and self.motion):
            raise InputError("a linear decoder makes the motion of a face from a speech encoder; name one")

    @property
    def motion_size(self) -> int:
        """Side in pixels of what the regressor makes."""
        return min(self.size, LARGEST_MOTION) if self.motion else self.size


@dataclass(frozen=True)
class RefinerConfig(Config):
    """What a refiner is, the adversary that it may have, and how they are trained."""

    size: int = 64  # side of the face in pixels
    speech: SpeechConfig = SpeechConfig("wider", widths=(32, 64, 64), code_size=32)  # input of the discriminator
    network: str = "unet"  # or "2017": residual blocks at full size, which sees the blurred face alone
    n: int = 48  # channels
    adversary: AdversaryConfig = AdversaryConfig(weight=0.0, conditional=True, mismatched=0.3)  # of weight 0: none
    paired: float = 5.0  # weight of (x - G)^2
    coarse: float = 20.0  # weight of the same of both faces made small
    mouth_weight: float = 8.0  # of a pixel in the mouth box there
    temporal: float = 1.0  # weight of the error of the change from one frame to the next, against that of a frame
    detail: float = 6.0  # weight of the error of the strength of detail
    training: TrainingConfig = TrainingConfig(
        steps=9000, schedule="halved", halve_every=3000, smallest_rate=2e-5, evaluate_every=500
    )

    def __post_init__(self) -> None:
        if self.network not in REFINERS:
            raise InputError(f"refiner {self.network!r}: unknown; choose from {', '.join(REFINERS)}")


@dataclass(frozen=True)
class SystemConfig(Config):
    """The two stages of the final system."""

    regressor: RegressorConfig = RegressorConfig()
    refiner: RefinerConfig = RefinerConfig()

    def __post_init__(self) -> None:
        if not self.regressor.motion and self.refiner.network != "2017":
            raise InputError(f"refiner {self.refiner.network!r}: needs the motion of a face; set motion, or use 2017's")

    def with_settings(self, stages: Any, **settings: Any) -> "SystemConfig":
        """The same with other settings in some stages."""
        return self.updated(**dict.fromkeys(stages, settings))


Startable = TypeVar("Startable", SystemConfig, BeganConfig)  # what may start from a speech encoder
STAGES = ("regressor", "refiner")
_2017 = SystemConfig(
    RegressorConfig(
        speech=SpeechConfig("2017-networks", "2017-leaky", (64, 128, 256, 512), 256, noise=0.0, dropout=0.0),
        versions=0,
        motion=False,
        decoder_widths=(64, 64, 64, 64),
        sub_pixel=False,
        mouth_weight=1.0,
        training=TrainingConfig(steps=8000, learning_rate=4e-5),
    ),
    RefinerConfig(
        speech=SpeechConfig("2017-networks", code_size=0),
        network="2017",
        n=64,
        adversary=AdversaryConfig(n=64, gamma=0.7, lambda_k=0.001, weight=1.0, defects=(NO_BOTTLENECK, WIDE_ERRORS)),
        paired=0.01 * 127.5**2,
        coarse=0.0,
        mouth_weight=1.0,
        temporal=0.0,
        detail=0.0,
        training=TrainingConfig(steps=8000, batch_size=1, learning_rate=4e-5, schedule="halved", evaluate_every=500),
    ),
)
_IN_MINUTES = {"n": 32, "training": {"steps": 1500, "evaluate_every": 250, "halve_every": 500}}
_FROM_ENCODER = SystemConfig().updated(
    regressor={
        "encoder": DEFAULT_ENCODER,
        "decoder_widths": (),
        "versions": 4,
        "training": {"learning_rate": 5e-4, "evaluate_every": 250},
    }
)
PRESETS = {
    "minutes": _FROM_ENCODER.updated(regressor={"versions": 2, "training": {"steps": 2000}}, refiner=_IN_MINUTES),
    "hours": _FROM_ENCODER,
    "2017": _2017,
}
FROM_NOTHING = {  # the same presets without a speech encoder: all of the regressor is trained
    "minutes": SystemConfig().updated(
        regressor={"versions": 2, "training": {"steps": 1200, "batch_size": 32, "evaluate_every": 250}},
        refiner=_IN_MINUTES,
    ),
    "hours": SystemConfig(),
}


def default_preset(minutes: float) -> str:
    """The preset that serves best for so many minutes of training speech."""
    return "minutes" if minutes < LITTLE else "hours"


def suited(config: SystemConfig, minutes: float) -> SystemConfig:
    """The same settings, where the encoder stays frozen if there are too few minutes of training speech to adapt it."""
    few = minutes < FEW and config.regressor.encoder and not config.regressor.decoder_widths
    return config.updated(regressor={"frozen": True}) if few else config


def system_config(
    minutes: float, preset: str | None = None, from_nothing: bool = False, **settings: Any
) -> SystemConfig:
    """The settings of a preset that suit so many minutes of training speech.

    Args:
        minutes: of training speech.
        preset: name; None for `default_preset`.
        from_nothing: whether training starts without a speech encoder.
        settings: of both stages.

    Raises:
        InputError: there is no such preset.
    """
    presets = {**PRESETS, **FROM_NOTHING} if from_nothing else PRESETS
    preset = preset or default_preset(minutes)
    if preset not in presets:
        raise InputError(f"preset {preset!r}: choose one of {', '.join(sorted(presets))}")
    return suited(presets[preset], minutes).with_settings(STAGES, **settings)


def starting_from(config: Startable, encoder: str, speech: SpeechConfig) -> Startable:
    """The same settings with another speech encoder to start from.

    Args:
        config: settings, of a regressor that starts from one, or of a BEGAN.
        encoder: name or folder of a speech encoder.
        speech: settings of that encoder's speech.
    """
    start = {"encoder": encoder, "speech": speech.as_json()}
    return config.updated(**start) if isinstance(config, BeganConfig) else config.updated(regressor=start)
