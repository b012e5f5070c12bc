"""The settings of an audio VAE and of its training, written as config.json into the run; the presets."""

from dataclasses import dataclass

from training.config import Config, SpeechConfig, TrainingConfig

_FAST = TrainingConfig(steps=6000, batch_size=64, learning_rate=1e-3, precision="float32")


@dataclass(frozen=True)
class VaeConfig(Config):
    """What an audio VAE is and how it is trained. The defaults are the preset `convolutional`.

    Of the speech, `widths` are channels of the convolutions over time, or, with a network of 2017, units of dense
    layers on the flattened map, whose raw coefficients are clipped to +-`model.CLIPPED_2017` and scaled to 0..1.
    """

    speech: SpeechConfig = SpeechConfig(noise=0.0, dropout=0.0)
    kl_weight: float = 0.25  # of the KL divergence against the sum of absolute errors over a map
    training: TrainingConfig = _FAST


VAE_PRESETS = {
    "convolutional": VaeConfig(),
    "sample": VaeConfig().updated(training={"steps": 600, "batch_size": 32, "evaluate_every": 200}),
    # The 2017 project's, which it never connected to its generator. At its rate of 1e-7 it hardly leaves the start.
    "2017": VaeConfig(
        speech=SpeechConfig("2017-networks", "2017-elu", (500, 500), 20, noise=0.0, dropout=0.0),
        kl_weight=1.0,
        training=TrainingConfig(
            steps=8000,
            batch_size=128,
            learning_rate=1e-7,
            schedule="halved",
            evaluate_every=2000,
            precision="float32",
        ),
    ),
}
