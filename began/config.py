"""The settings of a BEGAN and of its training, written as config.json into the run; the presets."""

from dataclasses import dataclass

from runtime.errors import InputError
from training.config import Config, SpeechConfig, TrainingConfig

# Defects of the 2017 project that a setting can bring back (docs/collapse.md); the others are values of settings.
NO_BOTTLENECK = "no bottleneck"  # B1: the discriminator's decoder is fed the encoder's whole last map
WIDE_ERRORS = "errors in 0..255"  # B2: not in [-1, 1]
IN_ORDER = "frames in order"  # B6: not shuffled, a batch is a moment of one video
CODE_MATCHING = "code matching"  # B7: |Enc(G) - Enc(x)| inside the generated error
FAST_DECAY = "decay counted twice"  # B9: each step counts as two for `halve_every`
FORGETTING = "forgetting"  # B10: after `halve_every` steps, k, the moments and the step are lost
NORMAL_KERNELS = "normal kernels"  # the generator's are drawn with a deviation of .02

Z_SOURCES = ("eigenfaces", "uniform", "none")


def _check_defects(defects: tuple[str, ...], known: tuple[str, ...]) -> None:
    if unknown := set(defects) - set(known):
        raise InputError(f"defects {', '.join(sorted(unknown))}: unknown; choose from {', '.join(known)}")


@dataclass(frozen=True)
class AdversaryConfig(Config):
    """The discriminator, and the balance between it and the generator."""

    n: int = 32  # channels
    code_size: int = 64  # of its bottleneck
    gamma: float = 0.95  # L(G(z)) / L(x) that the control aims at
    lambda_k: float = 0.02  # gain of the control
    smallest_k: float = 0.0
    weight: float = 0.3  # of L(G(z)) for the generator; 0 leaves it to its other losses
    conditional: bool = False  # the discriminator is given the speech
    matched: float = 0.0  # weight of the error of D's features of generated faces for a refiner
    mismatched: float = 0.0  # weight of real faces with foreign speech among its negatives, against 1 of generated ones
    defects: tuple[str, ...] = ()  # of NO_BOTTLENECK, WIDE_ERRORS, CODE_MATCHING

    def __post_init__(self) -> None:
        _check_defects(self.defects, (NO_BOTTLENECK, WIDE_ERRORS, CODE_MATCHING))
        if self.mismatched and not self.conditional:
            raise InputError("mismatched pairs need a conditional discriminator")

    @property
    def pixel_scale(self) -> float:
        """By which errors in [-1, 1] are multiplied."""
        return 127.5 if WIDE_ERRORS in self.defects else 1.0


@dataclass(frozen=True)
class BeganConfig(Config):
    """What a BEGAN is and how it is trained. With the defaults it starts from no speech encoder, and so slowly."""

    size: int = 64  # side of the face in pixels: 32, 64 or 128
    speech: SpeechConfig = SpeechConfig()
    encoder: str = ""  # speech encoder that the audio network starts from: its name or folder; "": none
    z: str = "eigenfaces"  # latent input beside speech: components of a real face; "uniform" noise; "none"
    z_size: int = 256
    generator_n: int = 48  # channels of the generator
    skips: bool = True  # the first map of a decoder is led to each of its blocks
    sub_pixel: bool = True  # networks compute at half the size and end in a sub-pixel convolution
    adversary: AdversaryConfig = AdversaryConfig()
    paired: float = 40.0  # weight of (x - G)^2 against the face of the same moment
    mouth_weight: float = 16.0  # of a pixel in the mouth box there
    detail: float = 0.0  # weight of the error of the strength of detail
    clipping: float = 0.0  # norm to which the gradients of a step are clipped; 0: not
    defects: tuple[str, ...] = ()  # of IN_ORDER, FAST_DECAY, FORGETTING, NORMAL_KERNELS
    training: TrainingConfig = TrainingConfig(
        steps=12000, schedule="halved", halve_every=4000, patience=3, smallest_rate=2e-5
    )

    def __post_init__(self) -> None:
        _check_defects(self.defects, (IN_ORDER, FAST_DECAY, FORGETTING, NORMAL_KERNELS))
        if self.z not in Z_SOURCES:
            raise InputError(f"z {self.z!r}: unknown; choose from {', '.join(Z_SOURCES)}")
        if (self.z == "none") != (self.z_size == 0):
            raise InputError(f"z {self.z!r} of {self.z_size} numbers: the two do not go together")
        if not self.z_size and not self.speech.code_size:
            raise InputError("a generator without speech needs a z")
        if self.adversary.conditional and not self.speech.code_size:
            raise InputError("conditional: the discriminator needs speech, but speech.code_size is 0")

    @property
    def has_base(self) -> bool:
        """Whether the generator adds to the face that goes with z by least squares."""
        return self.z == "eigenfaces"


# Its BEGAN as it was, with its defects: docs/collapse.md tells what each of them did.
_2017 = BeganConfig(
    speech=SpeechConfig("2017-networks", "2017-linear", (64, 128, 256, 512), 256, noise=0.0, dropout=0.0),
    z="none",
    z_size=0,
    generator_n=64,
    skips=False,
    sub_pixel=False,
    adversary=AdversaryConfig(
        n=64, gamma=0.7, lambda_k=0.001, weight=1.0, defects=(NO_BOTTLENECK, WIDE_ERRORS, CODE_MATCHING)
    ),
    paired=0.0,
    defects=(IN_ORDER, FAST_DECAY, FORGETTING, NORMAL_KERNELS),
    training=TrainingConfig(steps=8000, learning_rate=8e-5, schedule="halved", halve_every=4000, evaluate_every=500),
)

_CONDITIONAL = BeganConfig().updated(
    z_size=64,
    detail=3.0,
    clipping=1.0,
    training={"steps": 3000, "learning_rate": 1e-3, "halve_every": 1000, "evaluate_every": 500},
)
PRESETS = {
    "conditional": _CONDITIONAL,
    "conditional-128": _CONDITIONAL.updated(size=128, training={"learning_rate": 4e-4}),  # at 1e-3 it diverges
    "sample": _CONDITIONAL.updated(
        generator_n=32, adversary={"n": 16}, training={"steps": 600, "halve_every": 200, "evaluate_every": 200}
    ),
    "2017-audio": _2017,
    "2017-audio-noise": _2017.updated(z="uniform", z_size=256),
    "2017-noise": _2017.updated(speech={"code_size": 0}, z="uniform", z_size=64),
    "2017-slow": _2017.updated(training={"batch_size": 1, "learning_rate": 1e-6}),
}

# What turns off each defect of the 2017 project alone: a defect by name, or changes of settings.
REPAIRS = {
    "B1 bottleneck": NO_BOTTLENECK,
    "B2 errors in [-1, 1]": WIDE_ERRORS,
    "B3 k off the floor": {"adversary": {"smallest_k": 0.1}},
    "B4 the discriminator hears": {"adversary": {"conditional": True, "mismatched": 0.5}},
    "B5 features and activations": {"speech": {"features": "wide", "network": "2017-elu"}},
    "B6 shuffled": IN_ORDER,
    "B7 no code matching": CODE_MATCHING,
    "B8 more steps": {"training": {"steps": 24000}},
    "B9 slower decay": FAST_DECAY,
    "B10 exact resume": FORGETTING,
}


def repaired(config: BeganConfig, defect: str) -> BeganConfig:
    """Settings of 2017 without one of their defects, a key of `REPAIRS`."""
    change = REPAIRS[defect]
    if isinstance(change, dict):
        return config.updated(**change)

    def without(defects: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in defects if name != change)

    return config.updated(defects=without(config.defects), adversary={"defects": without(config.adversary.defects)})
