"""The settings of a BEGAN and of its training, written as config.json into the run; the presets."""

import dataclasses
from dataclasses import dataclass

from training.settings import TrainingSettings

LEARNED, OF_VAE = "learned", "vae:"  # what `BeganConfig.audio_encoder` may be, or begin with


@dataclass(frozen=True)
class BeganConfig(TrainingSettings):
    """What a BEGAN is and how it is trained. The defaults are the preset `conditional`."""

    size: int = 64  # side of the face in pixels: 32, 64 or 128

    # What is heard.
    features: str = "wide"  # a key of preprocessing.speech.audio_features.FEATURE_PRESETS
    standardised: bool = True  # maps in units of their deviation over the training speech
    audio_network: str = "time"  # "time": convolutions over time; "2017": its 3x3 convolutions
    audio_activation: str | None = "elu"  # of the 2017 network; None is linear
    audio_widths: tuple = (64, 128, 128)  # channels of its convolutions
    audio_code: int = 64  # what the generator hears; 0: nothing
    audio_encoder: str = LEARNED  # or "vae:RUN", the encoder of a VAE, frozen
    noise: float = 0.3  # added to the standardised map in training
    dropout: float = 0.3

    # What is not heard.
    z_source: str = "eigenfaces"  # components of a real face; "reference": a learned code of it; "uniform"; "none"
    z_size: int = 256
    z_seen: int = 64  # with linear_base: components, the strongest first, that the rest of the generator sees
    z_noise: float = 0.05  # added to the code of a real face in training
    mouth_left_out: bool = True  # z leaves out what goes with the mouth's motion
    linear_base: bool = True  # with eigenfaces: the generator adds to the face that goes with z by least squares
    same_frame: bool = True  # the reference is the very face to make; False: any of its clip
    covered: float = 0.62  # of a reference the encoder sees the part above this share of its side
    reference_n: int = 16  # channels of the reference encoder

    # Networks.
    n: int = 32  # channels of the discriminator
    generator_n: int = 48  # channels of the generator
    code_size: int = 64  # of the discriminator
    bottleneck: bool = True  # False: its decoder is fed the encoder's whole last map
    skips: bool = True  # first map of a decoder led to each of its blocks
    initial_deviation: float = 0.0  # of the generator's first kernels, normal; 0: uniform after Glorot and Bengio
    vanishing_steps: int = 0  # steps in which the residuals vanish; 0: there are none
    sub_pixel: bool = True  # half the size inside, a sub-pixel convolution at the end

    # The game.
    gamma: float = 0.95  # L(G(z)) / L(x) that the control aims at
    lambda_k: float = 0.02  # its gain
    smallest_k: float = 0.0
    adversarial: float = 0.3  # weight of L(G(z)) for G; 0 leaves it to the terms below
    pixel_scale: float = 1.0  # of the errors; 127.5 counts in 0..255
    conditional: bool = False  # the discriminator hears the speech
    mismatched: float = 0.0  # weight of real faces with foreign speech among D's negatives, against 1 of generated ones
    code_match: float = 0.0  # weight of |Enc(G) - Enc(x)| inside the generated error

    # What else the generator is asked for.
    paired: float = 40.0  # weight of |x - G| against the face of the same moment
    paired_power: int = 2  # of the difference there: 1 or 2
    mouth_weight: float = 16.0  # of a pixel in the mouth box there
    swapped: bool = False  # D also sees faces of one clip's z and another's speech
    code_penalty: float = 0.001  # of the squared code of a reference
    code_consistency: float = 0.0  # weight of |Enc(G(c)) - c|
    mode_seeking: float = 0.0  # weight of d(z, z') / d(G, G')
    ramp_steps: int = 0  # steps over which the code of the speech is ramped up from 0

    # Training.
    steps: int = 12000
    batch_size: int = 16
    shuffled: bool = True
    learning_rate: float = 3e-4  # Adam's, halved when M_global stalls
    smallest_rate: float = 2e-5
    beta_1: float = 0.5  # Adam's
    clipping: float = 0.0  # of the norm of the gradient; 0: none
    patience: int = 3  # evaluations without a new lowest M_global before the rate is halved
    decay_every: int = 4000  # steps after which the rate is halved whatever happens; 0: never
    counted_twice: bool = False  # each step counts as two for `decay_every`
    forget_every: int = 0  # steps after which k, the moments and the step are lost; 0: never
    evaluate_every: int = 1000  # steps between evaluations, each with pictures and a checkpoint
    precision: str = "auto"  # "mixed_bfloat16" where the processor has it, or "float32"
    seed: int = 0

    @property
    def has_base(self):
        """Whether the generator adds to the face that goes with z."""
        return self.linear_base and self.z_source == "eigenfaces"

    @property
    def vanishing(self):
        """Whether there are vanishing residuals."""
        return self.vanishing_steps > 0


# What the 2017 project's BEGANs and its refiner had in common.
GAME_2017 = {
    "features": "2017-networks",
    "standardised": False,
    "n": 64,
    "generator_n": 64,
    "initial_deviation": 0.02,
    "bottleneck": False,
    "skips": False,
    "sub_pixel": False,
    "gamma": 0.7,
    "lambda_k": 0.001,
    "adversarial": 1.0,
    "pixel_scale": 127.5,
    "smallest_rate": 0.0,
    "steps": 8000,
}

# Its BEGAN as it was, with its defects: docs/collapse.md tells what each of them did.
_2017 = BeganConfig(
    **GAME_2017,
    audio_network="2017",
    audio_activation=None,
    audio_widths=(64, 128, 256, 512),
    audio_code=256,
    noise=0.0,
    dropout=0.0,
    z_source="none",
    z_size=0,
    paired=0.0,
    code_match=1.0,
    shuffled=False,
    learning_rate=8e-5,
    beta_1=0.5,
    patience=0,
    decay_every=4000,
    counted_twice=True,
    forget_every=4000,
    evaluate_every=500,
)

PRESETS = {
    "conditional": BeganConfig(),
    "sample": BeganConfig(n=16, generator_n=32, steps=600, evaluate_every=200),
    "2017-audio": _2017,
    "2017-audio-noise": dataclasses.replace(_2017, z_source="uniform", z_size=256),
    "2017-noise": dataclasses.replace(_2017, audio_code=0, z_source="uniform", z_size=64),
    "2017-slow": dataclasses.replace(_2017, batch_size=1, learning_rate=1e-6, steps=8000),
}

# Each defect of the 2017 project and what turns it off alone.
REPAIRS = {
    "B1 bottleneck": {"bottleneck": True},
    "B2 errors in [-1, 1]": {"pixel_scale": 1.0},
    "B3 k off the floor": {"smallest_k": 0.1},
    "B4 the discriminator hears": {"conditional": True, "mismatched": 0.5},
    "B5 features and activations": {
        "features": "wide",
        "standardised": True,
        "audio_activation": "elu",
    },
    "B6 shuffled": {"shuffled": True},
    "B7 no code matching": {"code_match": 0.0},
    "B8 more steps": {"steps": 24000},
    "B9 slower decay": {"counted_twice": False},
    "B10 exact resume": {"forget_every": 0},
}
