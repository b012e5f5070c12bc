"""The settings of an audio VAE and of its training, written as config.json into the run; the presets."""

from dataclasses import dataclass

from training.settings import TrainingSettings


@dataclass(frozen=True)
class VaeConfig(TrainingSettings):
    """What an audio VAE is and how it is trained. The defaults are the preset `convolutional`."""

    features: str = "wide"  # a key of preprocessing.speech.audio_features.FEATURE_PRESETS
    clipped_at: float = 0.0  # raw coefficients clipped to +- this and scaled to 0..1; 0: standardised ones
    network: str = "time"  # "time": convolutions over time; "2017": dense layers on the flattened map
    widths: tuple = (64, 128, 128)  # channels of the convolutions, or units of the dense layers
    code_size: int = 64
    kl_weight: float = 0.25  # of the KL divergence against the sum of absolute errors over a map
    steps: int = 6000
    batch_size: int = 64
    learning_rate: float = 1e-3  # Adam's
    decaying: bool = True  # whether the rate falls to zero along half a cosine
    evaluate_every: int = 1000  # steps between validations, each with pictures and a checkpoint
    seed: int = 0


VAE_PRESETS = {
    "convolutional": VaeConfig(),
    "sample": VaeConfig(steps=600, batch_size=32, evaluate_every=200),
    # The 2017 project's, which it never connected to its generator. At its rate of 1e-7 it hardly leaves the start.
    "2017": VaeConfig(
        features="2017-networks",
        clipped_at=40.0,
        network="2017",
        widths=(500, 500),
        code_size=20,
        kl_weight=1.0,
        steps=8000,
        batch_size=128,
        learning_rate=1e-7,
        decaying=False,
        evaluate_every=2000,
    ),
}
