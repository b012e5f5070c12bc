"""BEGAN: a generator conditioned on speech, its adversary, and the loss of both."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from began.adversary import WATCHED, Adversary
from began.config import NORMAL_KERNELS, BeganConfig
from began.losses import detail_error, weighted_error
from began.networks.discriminator import build_discriminator
from began.networks.generator import build_generator
from preprocessing.faces.alignment import mouth_slices
from training.trainable import Batch, Trainable

NORMAL_DEVIATION = 0.02  # of the 2017 project's kernels


class Began(Trainable):
    """A boundary-equilibrium GAN whose generator is conditioned on speech (Berthelot, Schumm, Metz, arXiv 1703.10717).

    A batch is a dictionary:
        face: x [batch, size, size, 3] in [-1, 1].
        speech: the map of the same moment [batch, rows, coefficients].
        foreign_speech: the map of another moment, same shape.
        z: [batch, z_size], where there is one.

    Args:
        config: its settings.
        audio_network: function that makes the network from a map to a code; None for a generator without speech input.
        mean_over_replicas: function from a scalar to its mean over all devices that share the step.
        replicas: how many do.
    """

    watched = (*WATCHED, "paired_error")
    latest = ("k",)

    def __init__(
        self,
        config: BeganConfig,
        audio_network: Callable[[], keras.Model] | None,
        mean_over_replicas: Callable[[Any], Any] = lambda value: value,
        replicas: int = 1,
    ) -> None:
        super().__init__("began", replicas)
        self.config = config
        self.audio_network = audio_network() if audio_network else None
        self.generator = self.build_generator()
        discriminator = build_discriminator(
            config.size, config.adversary, config.speech, skips=config.skips, sub_pixel=config.sub_pixel
        )
        self.adversary = Adversary(config.adversary, discriminator, mean_over_replicas)
        if NORMAL_KERNELS in config.defects:
            draw_normal_kernels(self.generator, config.training.seed)
        self.mouth_weights = mouth_weights(config.size, config.mouth_weight)
        self.built = True

    def build_generator(self) -> keras.Model:
        """Makes the generator."""
        return build_generator(self.config)

    def call(self, batch: Batch, training: bool = False) -> dict[str, Any]:
        """Generates faces.

        Args:
            batch: with "speech" and "z".
            training: whether noise and dropout are at work.

        Returns:
            dictionary: "face" [batch, size, size, 3] about [-1, 1], "code" that they were made of
            [batch, code_size + z_size], "z" [batch, z_size] or None.
        """
        z = self.z_of(batch, training)
        code = self.join(self.encode_speech(batch, training), z)
        return {"face": self.generator(code, training=training), "code": code, "z": z}

    def encode_speech(self, batch: Batch, training: bool = False) -> Any:
        """Code of the speech [batch, code_size]; None for a generator without speech input."""
        if self.audio_network is None:
            return None
        return ops.cast(self.audio_network(batch["speech"], training=training), "float32")

    def z_of(self, batch: Batch, training: bool = False) -> Any:
        """Latent code z [batch, z_size]; None for a generator that has none."""
        return batch["z"] if self.config.z_size else None

    def join(self, speech_code: Any, z: Any) -> Any:
        """The generator's code, of what is there of the two."""
        parts = [part for part in (speech_code, z) if part is not None]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of both players over a batch; moves k. See `Adversary`."""
        generated = (y_pred["face"], *self.more_negatives(y_pred, training))
        loss, real_error, generated_error = self.adversary.adversarial_loss(
            x["face"], generated, x.get("speech"), x.get("foreign_speech"), training
        )
        generator_loss, paired_error = self.generator_losses(x, y_pred, training)
        balance = self.adversary.balance(real_error, generated_error, training)
        self.report(**balance, paired_error=paired_error)
        return (loss + generator_loss) / self.replicas

    def more_negatives(self, made: dict[str, Any], training: bool) -> tuple[Any, ...]:
        """Other generated faces that D sees, batches of the same speech."""
        return ()

    def generator_losses(self, batch: Batch, made: dict[str, Any], training: bool) -> tuple[Any, Any]:
        """The losses of the generator that are not D's.

        Returns:
            (loss, paired error): scalars.
        """
        paired_error = ops.mean(weighted_error(batch["face"], made["face"], self.mouth_weights))
        loss = self.config.paired * paired_error
        if self.config.detail:
            loss = loss + self.config.detail * ops.mean(detail_error(batch["face"], made["face"]))
        return loss, paired_error


def draw_normal_kernels(network: keras.Model, seed: int) -> None:
    """Draws the kernels of a network anew, from a normal distribution, as the 2017 project did."""
    initializer = keras.initializers.RandomNormal(stddev=NORMAL_DEVIATION, seed=seed)
    for kernel in (weight for weight in network.trainable_variables if weight.path.endswith("kernel")):
        kernel.assign(initializer(kernel.shape))


def mouth_weights(size: int, mouth_weight: float) -> np.ndarray:
    """Weights of mean 1 [size, size, 1], `mouth_weight` times as high in the mouth box as elsewhere."""
    weights = np.ones((size, size, 1), np.float32)
    weights[mouth_slices(size)] = mouth_weight
    return weights / weights.mean()
