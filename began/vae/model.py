"""The audio VAE: MFCC map -> distribution of a code -> map (Kingma and Welling, arXiv 1312.6114)."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from began.vae.config import VaeConfig
from preprocessing.speech.audio_features import CLIPPING, FeatureStatistics
from runtime.backend import import_keras
from training.trainable import Batch, Trainable

import_keras()  # for its settings, also where the networks are used as a library

CLIPPED_2017 = 40.0  # raw coefficients


@keras.saving.register_keras_serializable("began")
class MapScaling(layers.Layer):
    """clip(factor x + offset, low, high), with a factor and an offset for each coefficient of the map.

    Args:
        factor: list of numbers, one per coefficient.
        offset: the same.
        low: least value that comes out.
        high: greatest value.
    """

    def __init__(self, factor: list[float], offset: list[float], low: float, high: float, **options: Any) -> None:
        super().__init__(**options)
        self.factor, self.offset, self.low, self.high = factor, offset, low, high

    def call(self, maps: Any) -> Any:
        """Scales maps [batch, rows, coefficients]."""
        factor, offset = (np.asarray(values, np.float32) for values in (self.factor, self.offset))
        return ops.clip(maps * factor + offset, self.low, self.high)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        own = {"factor": self.factor, "offset": self.offset, "low": self.low, "high": self.high}
        return {**super().get_config(), **own}


def map_scaling(of_2017: bool, statistics: FeatureStatistics) -> MapScaling:
    """The layer that takes standardised maps to the units that a VAE works in.

    Args:
        of_2017: raw coefficients are clipped to +-CLIPPED_2017 and scaled to 0..1, as the 2017 project did; otherwise
            they stay standardised, clipped to +-`CLIPPING` standard deviations.
        statistics: what the maps were standardised with.
    """
    if not of_2017:
        ones = np.ones_like(statistics.mean)
        return MapScaling(ones.tolist(), (0 * ones).tolist(), -CLIPPING, CLIPPING, name="scaling")
    scale = 2 * CLIPPED_2017
    factor, offset = statistics.deviation / scale, statistics.mean / scale + 0.5
    return MapScaling(factor.tolist(), offset.tolist(), 0.0, 1.0, name="scaling")


def build_vae_encoder(rows: int, coefficients: int, widths: tuple[int, ...], code_size: int) -> keras.Model:
    """Convolutions over time, as the audio network's (`audio_network.build_audio_network`), then dense and linear.

    Args:
        rows: of the map, in time.
        coefficients: of a row.
        widths: channels of each pair of convolutions, the second of which halves the time.
        code_size: length of the code.

    Returns:
        `keras.Model` from [batch, rows, coefficients] to the pair (mean, logarithm of the variance) of the code's
        normal distribution [batch, code_size] each.
    """
    speech = x = keras.Input((rows, coefficients))
    for width in widths:
        x = layers.Conv1D(width, 3, padding="same", activation="elu")(x)
        x = layers.Conv1D(width, 3, padding="same", strides=2, activation="elu")(x)  # (B, rows / 2**n, width)
    return _with_distribution(speech, layers.Flatten()(x), code_size)


def build_vae_decoder(rows: int, coefficients: int, widths: tuple[int, ...], code_size: int) -> keras.Model:
    """The mirror image of `build_vae_encoder`, with nearest up-sampling.

    Returns:
        `keras.Model` from [batch, code_size] to [batch, rows, coefficients], linear at the end.
    """
    shortest = -(-rows // 2 ** len(widths))
    code = keras.Input((code_size,))
    x = layers.Dense(shortest * widths[-1], activation="elu")(code)
    x = layers.Reshape((shortest, widths[-1]))(x)
    for width in reversed(widths):
        x = layers.UpSampling1D(2)(x)  # (B, shortest * 2**n, width)
        x = layers.Conv1D(width, 3, padding="same", activation="elu")(x)
        x = layers.Conv1D(width, 3, padding="same", activation="elu")(x)
    x = layers.Cropping1D((0, shortest * 2 ** len(widths) - rows))(x)
    return keras.Model(code, layers.Conv1D(coefficients, 3, padding="same")(x), name="decoder")


def build_vae_encoder_2017(rows: int, coefficients: int, widths: tuple[int, ...], code_size: int) -> keras.Model:
    """The 2017 project's: the flattened map, a dense ELU layer, a dense tanh layer, then linear; as above otherwise."""
    speech = keras.Input((rows, coefficients))
    x = layers.Flatten()(speech)
    for width, activation in zip(widths, ("elu", "tanh"), strict=True):
        x = layers.Dense(width, activation=activation)(x)
    return _with_distribution(speech, x, code_size)


def build_vae_decoder_2017(rows: int, coefficients: int, widths: tuple[int, ...], code_size: int) -> keras.Model:
    """The mirror image of `build_vae_encoder_2017`; a sigmoid at the end keeps it in 0..1, as the scaled maps are."""
    code = x = keras.Input((code_size,))
    for width, activation in zip(reversed(widths), ("tanh", "elu"), strict=True):
        x = layers.Dense(width, activation=activation)(x)
    x = layers.Dense(rows * coefficients, activation="sigmoid")(x)
    return keras.Model(code, layers.Reshape((rows, coefficients))(x), name="decoder")


def _with_distribution(speech: Any, x: Any, code_size: int) -> keras.Model:
    """The encoder that ends in the mean and the logarithm of the variance."""
    mean = layers.Dense(code_size, name="mean")(x)
    return keras.Model(speech, (mean, layers.Dense(code_size, name="log_variance")(x)), name="encoder")


def map_error(real: Any, reconstructed: Any) -> Any:
    """Sum |x - x'| over the entries of a map.

    Args:
        real: x [batch, rows, coefficients].
        reconstructed: x', same shape.

    Returns:
        error of each map [batch].
    """
    return ops.sum(ops.abs(real - reconstructed), axis=(1, 2))


def kl_divergence(mean: Any, log_variance: Any) -> Any:
    """(m^2 + v - log v - 1) / 2: how far N(m, v) is from N(0, 1), in nats (appendix B of the paper).

    Args:
        mean: m [batch, code_size].
        log_variance: log v, same shape.

    Returns:
        divergence of each unit [batch, code_size].
    """
    return (ops.square(mean) + ops.exp(log_variance) - log_variance - 1) / 2


class Vae(Trainable):
    """An audio VAE and its loss: the sum of absolute errors + kl_weight KL, mean over the batch.

    A batch is a dictionary:
        map: maps standardised but not clipped [batch, rows, coefficients]; the network clips and scales them itself.
        noise: standard normal [batch, code_size], what the code is drawn by in training.

    Args:
        config: its settings.
        statistics: of the training speech.
    """

    watched = ("loss", "error", "kl")

    def __init__(self, config: VaeConfig, statistics: FeatureStatistics) -> None:
        super().__init__("vae")
        self.config = config
        speech, of_2017 = config.speech, config.speech.network.startswith("2017")
        builders = (
            (build_vae_encoder_2017, build_vae_decoder_2017) if of_2017 else (build_vae_encoder, build_vae_decoder)
        )
        self.scaling = map_scaling(of_2017, statistics)
        self.encoder, self.decoder = (build(*speech.map_shape, speech.widths, speech.code_size) for build in builders)
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> dict[str, Any]:
        """Reconstructs maps, in training from a code drawn by the noise, else from the mean code.

        Returns:
            dictionary: "scaled" (the maps in the VAE's own units), "map" (their reconstruction, same shape), "mean" and
            "log_variance" of the code [batch, code_size].
        """
        scaled = self.scaling(batch["map"])
        mean, log_variance = self.encoder(scaled, training=training)
        code = mean + ops.exp(log_variance / 2) * batch["noise"] if training else mean
        return {
            "scaled": scaled,
            "map": self.decoder(code, training=training),
            "mean": mean,
            "log_variance": log_variance,
        }

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss over a batch. See the class."""
        error = ops.mean(map_error(y_pred["scaled"], y_pred["map"]))
        kl = ops.mean(ops.sum(kl_divergence(y_pred["mean"], y_pred["log_variance"]), axis=-1))
        self.report(error=error, kl=kl)
        return error + self.config.kl_weight * kl

    def mean_encoder(self) -> keras.Model:
        """The part that is kept after training.

        Returns:
            `keras.Model` from standardised maps [batch, rows, coefficients] to the mean of their code
            [batch, code_size]; the scaling is within.
        """
        speech = keras.Input(self.encoder.input_shape[1:])
        mean, _ = self.encoder(self.scaling(speech))
        return keras.Model(speech, mean, name="vae_encoder")
